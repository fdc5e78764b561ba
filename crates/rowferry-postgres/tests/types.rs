//! Values: every mapped type, with its edges, through batches and as bytes.

use rowferry_core::{
    CanonicalType, ColumnWish, ErrorClass, Sink as _, Source as _, TableRef, WireFormat,
};

use crate::ferry::{Ferry, Wish};
use crate::server;

const VALUES: &str = "
    create type mood as enum ('sad', 'it''s ok', 'happy');
    create domain positive as numeric(10,2) check (value > 0);
    create domain more_positive as positive check (value > 0.5);
    create table src (
        id int primary key, b boolean, i2 smallint, i4 integer, i8 bigint, o oid, f4 real,
        f8 double precision, n12 numeric(12,2), n76 numeric(76,20), n numeric, nneg numeric(5,-3),
        t text, v varchar(5), c char(5), nm name, by bytea, d date, tm time(3), ts timestamp,
        ts0 timestamp(0), tz timestamptz, u uuid, j json, jb jsonb, m mood, b5 bit(5), b64 bit(64),
        dom more_positive, g int generated always as (id * 2) stored);
    insert into src values
        (1, true, -32768, -2147483648, -9223372036854775808, 4294967295, 'nan', 'nan', -9999999999.99,
         repeat('9', 56)::numeric + 0.00000000000000000001, 'nan', 12345000, '', '', '', '', '', 'infinity', '24:00:00',
         '-infinity', '1970-01-01', 'infinity', '00000000-0000-0000-0000-000000000000', '{\"a\" : 1.10, \"a\":2}',
         '{\"b\": 1.10, \"a\": [null, \"x\"]}', 'sad', b'10101', b'1000000000000000000000000000000000000000000000000000000000000001', 0.51),
        (2, false, 32767, 2147483647, 9223372036854775807, 0, '-0', '-0', 0, -0.5, 1e-40, -0, 'ä😀''\\n\t', 'a    ', 'a', 'n',
         '\\x00ff0a0d5c', '4713-01-01 BC', '00:00:00.001', '4713-01-01 00:00:00 BC', '2000-02-29 23:59:59', '294247-01-10 04:00:54.775805+00',
         'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', 'null', 'it''s ok', b'00000', b'0'::bit(64), 99999999.99),
        (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
         null, null, null, null, null, null, null, null, null, null),
        (4, true, 0, 0, 0, 7, '3.4028235e38', 5e-324, 0.01, 0, 123456789012345678901234567890.1234500, 99999000, repeat('long ', 3000), 'äöüß€',
         'äöüß€', repeat('n', 63), decode(repeat('ab', 9000), 'hex'), '5874897-12-31', '12:34:56.789', '2024-02-29 12:34:56.123456', '1999-12-31 23:59:59',
         '2024-02-29 12:34:56.123456+05', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[1,2,3]', '1e400', 'happy', b'11111', b'1'::bit(64), 1),
        (5, true, 1, 1, 1, 1, 'infinity', '-infinity', 1, 1, '-infinity', 0, ' ', ' ', ' ', ' ', '\\x20', '2000-01-01', '00:00', '2000-01-01',
         '2000-01-01', '2000-01-01+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\"\"', '\"\"', 'sad', b'00001', b'1'::bit(64), 1);
    insert into src (id, t, n, i8, ts) select i, md5(i::text), i / 7.0, i * 1000000007::bigint, timestamp '2000-01-01' + i * interval '1 hour 1 microsecond'
        from generate_series(6, 3000) i;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mapped_type_arrives_exactly() {
    let Some(server) = server::start() else { return };
    server.psql(VALUES);
    let ferry = Ferry::new(&server).await;
    let table = ferry.source.describe(&TableRef::bare("src")).await.unwrap();
    let canonical = |name: &str| table.column(name).unwrap().canonical.clone().unwrap();
    assert_eq!(canonical("dom"), CanonicalType::Decimal { precision: 10, scale: 2 });
    assert_eq!(table.column("dom").unwrap().native.declared, "public.more_positive");
    assert_eq!(table.column("dom").unwrap().native.stored(), "numeric(10,2)");
    assert_eq!(canonical("nneg"), CanonicalType::Decimal { precision: 8, scale: 0 });
    assert_eq!(canonical("b64"), CanonicalType::Bits { bits: 64 });
    assert!(table.column("g").unwrap().generated);
    for wire in [true, false] {
        let wish = Wish { wire, chunk_rows: 700, ..Wish::replace("src", "dst") };
        let plan = ferry.plan(&wish).await;
        let columns: Vec<_> = plan.columns.iter().map(|column| column.source.clone()).collect();
        assert!(ferry.source.offers(WireFormat::PgCopyBinary, &columns));
        assert!(ferry.sink.accepts(WireFormat::PgCopyBinary, &plan.columns));
        ferry.copy(&wish).await.unwrap();
        let columns: Vec<&str> =
            plan.columns.iter().map(|column| column.source.name.as_str()).collect();
        // Binary output is the finest comparison: it sees signs of zero and display scales.
        let dump = |table: &str| {
            server.psql(&format!(
                "select {} from {table} order by id;",
                columns.iter().map(|name| format!("{name}::text")).collect::<Vec<_>>().join(", ")
            ))
        };
        assert_eq!(dump("src"), dump("dst"), "wire: {wire}");
        assert_eq!(
            server.psql("select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'dst'::regclass and attname in ('m', 'tm', 'nneg') order by attname;"),
            "mood\nnumeric(5,-3)\ntime(3) without time zone"
        );
        server.psql("drop table dst;");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_does_not_fit_is_an_error_and_never_changed() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create table src (id int primary key, n numeric(10,4), t varchar(10), ts timestamp);
         insert into src values (1, 1.2399, 'abc   ', '2024-01-01 00:00:00.123456');
         create table dn (id int primary key, n numeric(10,2), t varchar(10), ts timestamp);
         create table dt (id int primary key, n numeric(10,4), t varchar(3), ts timestamp);
         create table dts (id int primary key, n numeric(10,4), t varchar(10), ts timestamp(0));
         create table dx (id int primary key, n numeric(10,4), t inet, ts timestamp);",
    );
    let ferry = Ferry::new(&server).await;
    for to in ["dn", "dt", "dts"] {
        let wish = Wish::replace("src", to);
        let plan = ferry.plan(&wish).await;
        assert!(!ferry.sink.accepts(WireFormat::PgCopyBinary, &plan.columns));
        let error = ferry.copy(&wish).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Data, "{to}: {error}");
        assert!(!error.to_string().contains("abc"), "{error}");
        assert_eq!(server.psql(&format!("select count(*) from {to};")), "0");
    }
    let source = ferry.source.describe(&TableRef::bare("src")).await.unwrap();
    let target = ferry.sink.describe(&TableRef::bare("dx")).await.unwrap().unwrap().schema;
    let column = source.column("t").unwrap();
    let problem = ferry
        .sink
        .plan_column(&ColumnWish { existing: target.column("t"), ..ColumnWish::plain(column, "t") })
        .unwrap_err();
    assert_eq!((problem.code.as_str(), problem.column.as_deref()), ("type-mismatch", Some("t")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_exist_are_held_against_the_source() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create type small as enum ('a', 'b'); create type large as enum ('a', 'b', 'c');
         create domain positive as int check (value > 0);
         create table src (id int primary key, i bigint, n numeric(10,4), t varchar(20), ts timestamp,
             m large, j json, d int, x int);
         create table dst (id bigint primary key, i int, n numeric(10,2), t varchar(10),
             ts timestamp(3), m small, j jsonb, d positive, x int not null);",
    );
    let ferry = Ferry::new(&server).await;
    let source = ferry.source.describe(&TableRef::bare("src")).await.unwrap();
    let target = ferry.sink.describe(&TableRef::bare("dst")).await.unwrap().unwrap().schema;
    let planned = |name: &str| {
        let column = source.column(name).unwrap();
        let existing = target.column(name);
        ferry.sink.plan_column(&ColumnWish { existing, ..ColumnWish::plain(column, name) })
    };
    for (name, letter, rule) in [
        ("id", 'W', None),
        ("i", 'V', Some("from -2147483648 to 2147483647")),
        ("n", 'V', Some("at most 8 digits before the point and 2 behind it")),
        ("t", 'V', Some("at most 10 characters")),
        ("ts", 'V', Some("at most 3 fraction digits")),
        ("m", 'V', Some("one of the target's labels")),
        ("d", 'V', Some("what domain public.positive accepts")),
        ("x", 'V', Some("not null")),
    ] {
        let choice = planned(name).unwrap();
        let rule = rule.map(str::to_owned);
        assert_eq!((choice.fidelity.letter(), choice.rule), (letter, rule), "{name}");
    }
    let problem = planned("j").unwrap_err();
    assert_eq!((problem.code.as_str(), problem.casts), ("lossy", vec!["jsonb".to_owned()]));
}
