//! Values of other databases, handed to the sink as the engine would hand them over.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    Array as _, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, DurationMicrosecondArray,
    FixedSizeBinaryArray, Float32Array, ListArray, RecordBatch, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array,
};
use rowferry_core::{
    Begun, CanonicalType, ChunkTotals, ClaimStart, Column, ColumnPlan, ColumnWish, Consistency,
    ErrorClass, JsonFlavor, NativeType, Payload, Sink as _,
};

use crate::copy::{Copy, Wanted, block_on, endpoint, whole};
use crate::servers;

fn column(name: &str, canonical: CanonicalType) -> Column {
    Column {
        name: name.to_owned(),
        native: NativeType::new("postgres", canonical.name()),
        canonical: Some(canonical),
        nullable: true,
        default: None,
        default_meaning: None,
        identity: None,
        generated: false,
        expression: None,
        collation: None,
        comment: None,
        seen: None,
    }
}

fn columns() -> Vec<(Column, ArrayRef)> {
    let decimals =
        Decimal128Array::from(vec![Some(-5), None]).with_precision_and_scale(38, 10).unwrap();
    let uuid: Vec<u8> = (0..16).map(|byte| byte * 16 + 9).collect();
    let uuids = [Some(uuid.as_slice()), None];
    let uuids =
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids.into_iter(), 16).unwrap();
    let stamps = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None]);
    vec![
        (
            column("id", CanonicalType::Text { chars: None, fixed: false }),
            Arc::new(StringArray::from(vec!["Ä\t\\ ", "ä"])),
        ),
        (
            column("flag", CanonicalType::Boolean),
            Arc::new(BooleanArray::from(vec![Some(true), None])),
        ),
        (column("n", CanonicalType::Decimal { precision: 38, scale: 10 }), Arc::new(decimals)),
        (column("u", CanonicalType::Uuid), Arc::new(uuids)),
        (
            column("tod", CanonicalType::Time { digits: 6 }),
            Arc::new(Time64MicrosecondArray::from(vec![Some(86_400_000_000), None])),
        ),
        (column("at", CanonicalType::Instant { digits: 6 }), Arc::new(stamps.with_timezone("UTC"))),
        (
            column("j", CanonicalType::Json { flavor: JsonFlavor::PgJsonb }),
            Arc::new(StringArray::from(vec![Some("{\"ä\": 1.5}"), None])),
        ),
        (
            column("jt", CanonicalType::Json { flavor: JsonFlavor::Text }),
            Arc::new(StringArray::from(vec![Some("{\"b\":1,  \"b\":2}"), None])),
        ),
        (
            column("bits", CanonicalType::Bits { bits: 64 }),
            Arc::new(UInt64Array::from(vec![Some(u64::MAX - 1), None])),
        ),
        (
            column("f", CanonicalType::Float32),
            Arc::new(Float32Array::from(vec![Some(f32::MAX), None])),
        ),
        (
            column("e", CanonicalType::Enum { labels: vec!["x".into(), "ü'y".into()] }),
            Arc::new(StringArray::from(vec![Some("ü'y"), None])),
        ),
    ]
}

#[test]
fn values_of_other_databases_arrive_by_load_and_by_insert() {
    for server in servers::alone() {
        for load in ["1", "0"] {
            let database = server.database(&format!("foreign_{load}"));
            server.sql(&database, "create table t (id int primary key)");
            server.sql("mysql", &format!("set global local_infile = {load}"));
            block_on(async {
                let at = endpoint(server, &database);
                let mut copy =
                    Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
                let columns = columns();
                let planned = columns.iter().map(|(source, _)| {
                    let in_key = source.name == "id";
                    let wish = ColumnWish { in_key, ..ColumnWish::plain(source, &source.name) };
                    ColumnPlan::new(source.clone(), copy.sink.plan_column(&wish).unwrap())
                });
                copy.plan.columns = planned.collect();
                let (mut lock, _, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
                let fields =
                    columns.iter().map(|(column, array)| (column.name.clone(), Arc::clone(array)));
                let batch = RecordBatch::try_from_iter(fields).unwrap();
                let chunk = whole(&copy, 1 << 20);
                let Begun::Writer(mut writer) =
                    copy.sink.begin(&chunk, &prepared, false).await.unwrap()
                else {
                    panic!("nothing is durable yet");
                };
                writer.write(Payload::Batch(batch)).await.unwrap();
                let totals =
                    ChunkTotals { rows_read: 2, rows_written: 2, ..ChunkTotals::default() };
                let _receipt = writer.commit(totals).await.unwrap();
                lock.seal(&prepared).await.unwrap();
                lock.publish(&prepared, None).await.unwrap();
            });
            let found = server.sql(
                &database,
                "select hex(id), flag, n, lower(hex(u)), tod, `at`, json_extract(j, '$'), hex(jt), \
                 hex(bits), f + 0e0 > 3.4e38, hex(e) from u where flag",
            );
            assert_eq!(
                found,
                format!(
                    "C384095C20\t1\t-0.0000000005\t09192939495969798999a9b9c9d9e9f9\t24:00:00.000000\t\
                     2023-11-14 22:13:20.123456\t{{\"ä\": 1.5}}\t7B2262223A312C20202262223A327D\t\
                     FFFFFFFFFFFFFFFE\t1\tC3BC2779\n"
                )
            );
            let nulls = "select count(*) from u where flag is null and n is null and u is null \
                and tod is null and `at` is null and j is null and jt is null and bits is null \
                and f is null and e is null and id = 'ä'";
            assert_eq!(server.sql(&database, nulls), "1\n");
        }
        server.sql("mysql", "set global local_infile = 1");
    }
}

/// A meaning, the cast for it, what the engine hands over after its conversion, and how the client
/// shows what arrived.
type Case = (CanonicalType, &'static str, ArrayRef, &'static str, &'static str);

fn casts() -> Vec<Case> {
    use CanonicalType as C;
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![Some(text), None])) };
    let opaque = |name: &str| C::Opaque { type_name: name.to_owned(), chars: None };
    let list = || C::List { element: Box::new(C::Float32) };
    let span: ArrayRef = Arc::new(DurationMicrosecondArray::from(vec![Some(-3_600_500_000), None]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"\x01\x02\0\t"[..]), None]));
    let vector = ListArray::from_iter_primitive::<Float32Type, _, _>(vec![
        Some(vec![Some(1.5), Some(-0.25)]),
        None,
    ]);
    let uuid = [Some([0xA1_u8; 16]), None].into_iter();
    let uuids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuid, 16).unwrap();
    let stamps = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None]);
    let set = C::Set { labels: vec!["b".to_owned(), "ä'x".to_owned()] };
    let bits = C::BitString { bits: None, varying: true };
    vec![
        (C::DecimalText, "text", texts("-12.3400"), "{}", "-12.3400"),
        (C::DecimalText, "decimal(10,4)", decimals(), "{}", "-12.3400"),
        (bits, "", texts("0101"), "{}", "0101"),
        (C::TimeTz, "varchar(24)", texts("12:34:56.789+02"), "{}", "12:34:56.789+02"),
        (C::Interval, "time(6)", span, "{}", "-01:00:00.500000"),
        (C::Interval, "text", texts("1 mon -2 days"), "{}", "1 mon -2 days"),
        (opaque("hstore"), "", texts("\"a\"=>\"ü\\t\""), "{}", "\"a\"=>\"ü\\t\""),
        (set, "", texts("b,ä'x"), "{}", "b,ä'x"),
        (list(), "", texts("[1.5,null]"), "json_extract({}, '$[0]')", "1.5"),
        (list(), "text", texts("[1.5, null]"), "{}", "[1.5, null]"),
        (C::Geometry { encoding: "postgis".to_owned() }, "", bytes, "hex({})", "01020009"),
        (C::Uuid, "char(36)", Arc::new(uuids), "left({}, 10)", "a1a1a1a1-a"),
        (
            C::Instant { digits: 6 },
            "timestamp(6)",
            Arc::new(stamps.with_timezone("UTC")),
            "unix_timestamp({})",
            "1700000000.123456",
        ),
        (opaque("inet"), "inet6", texts("2001:db8::1"), "{}", "2001:db8::1"),
        (list(), "vector(3)", Arc::new(vector), "hex({})", "0000C03F000080BE"),
        (
            C::Json { flavor: JsonFlavor::Text },
            "json",
            texts("[1.10]"),
            "json_extract({}, '$[0]') + 0",
            "1.1",
        ),
    ]
}

fn decimals() -> ArrayRef {
    let values = vec![Some(-123_400), None];
    Arc::new(Decimal128Array::from(values).with_precision_and_scale(10, 4).unwrap())
}

#[test]
fn casts_put_values_where_the_user_wants_them() {
    for server in servers::alone() {
        // The first is a type of MariaDB, the second of MySQL.
        let there = |cast: &str| {
            (cast != "inet6" || server.name == "mariadb")
                && (cast != "vector(3)" || server.name == "mysql")
        };
        let cases: Vec<Case> = casts().into_iter().filter(|case| there(case.1)).collect();
        for load in ["1", "0"] {
            let database = server.database(&format!("casts_{load}"));
            server.sql(&database, "create table t (id int primary key)");
            server.sql("mysql", &format!("set global local_infile = {load}"));
            block_on(async {
                let at = endpoint(server, &database);
                let mut copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &[])).await.unwrap();
                let mut planned = Vec::new();
                let mut fields = Vec::new();
                for (number, (canonical, cast, array, _, _)) in cases.iter().enumerate() {
                    let source = column(&format!("c{number}"), canonical.clone());
                    let cast: Option<rowferry_core::Cast> =
                        (!cast.is_empty()).then(|| cast.parse().unwrap());
                    let wish = ColumnWish {
                        cast: cast.as_ref(),
                        ..ColumnWish::plain(&source, &source.name)
                    };
                    let choice = copy.sink.plan_column(&wish).unwrap();
                    fields.push((source.name.clone(), Arc::clone(array)));
                    let plan = ColumnPlan::new(source, choice);
                    assert_eq!(plan.written().unwrap().arrow(), *array.data_type(), "{plan:?}");
                    planned.push(plan);
                }
                copy.plan.columns = planned;
                copy.plan.key_enforced = false;
                let (mut lock, _, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
                let batch = RecordBatch::try_from_iter(fields).unwrap();
                let chunk = whole(&copy, 1 << 20);
                let begun = copy.sink.begin(&chunk, &prepared, false).await.unwrap();
                let Begun::Writer(mut writer) = begun else { panic!("nothing is durable yet") };
                writer.write(Payload::Batch(batch)).await.unwrap();
                let totals =
                    ChunkTotals { rows_read: 2, rows_written: 2, ..ChunkTotals::default() };
                let _receipt = writer.commit(totals).await.unwrap();
                lock.seal(&prepared).await.unwrap();
                lock.publish(&prepared, None).await.unwrap();
            });
            for (number, (canonical, cast, _, shown, expected)) in cases.iter().enumerate() {
                let name = format!("c{number}");
                let shown = shown.replace("{}", &name);
                let query = format!("select {shown} from u where {name} is not null");
                let found = server.sql(&database, &query);
                let what = format!("{} {} {cast}", server.name, canonical.name());
                assert_eq!(found, format!("{expected}\n"), "{what}");
                let nulls =
                    server.sql(&database, &format!("select count(*) - count({name}) from u"));
                assert_eq!(nulls, "1\n", "{what}");
            }
        }
        server.sql("mysql", "set global local_infile = 1");
    }
}

#[test]
fn what_no_column_can_hold_is_refused_by_name() {
    for server in servers::all() {
        let database = server.database("refused");
        server.sql(&database, "create table t (id int primary key)");
        block_on(async {
            let at = endpoint(server, &database);
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let problem = |canonical| {
                let column = column("c", canonical);
                copy.sink.plan_column(&ColumnWish::plain(&column, "c")).unwrap_err()
            };
            let found = problem(CanonicalType::DecimalText);
            assert_eq!(
                (found.code.as_str(), found.column.as_deref()),
                ("unsupported-type", Some("c"))
            );
            problem(CanonicalType::Decimal { precision: 70, scale: 2 });
            let existing = column("c", CanonicalType::Date);
            let source = column("c", CanonicalType::Boolean);
            let wish = ColumnWish { existing: Some(&existing), ..ColumnWish::plain(&source, "c") };
            let found = copy.sink.plan_column(&wish).unwrap_err();
            assert_eq!(found.code, "type-mismatch");
            let mut wanted = Wanted::full("t", "u", &["id"]);
            wanted.consistency = Consistency::Chunk;
            server.sql(&database, "create table f (id float primary key, s int, x int)");
            wanted.table = "f";
            let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
            let error = copy.run().await.unwrap_err();
            assert_eq!(
                (error.class, error.code),
                (ErrorClass::Setup, "unsupported-key"),
                "{error}"
            );
        });
    }
}
