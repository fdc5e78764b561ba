//! `verify --pushdown`: rows that two servers hash alike stay where they are, and what a server's own
//! hashes or comparisons do not tell apart is found all the same.

use std::net::SocketAddr;

use rowferry_testkit::{Database, Engine, Proxy};

use crate::two_ends::TwoEnds;
use crate::world::Told;

/// Rows of about half a kilobyte.
const ROWS: u64 = 4_000;

fn fill(database: &Database) {
    let rows: Vec<String> = (1..=ROWS)
        .map(|id| format!("({id}, {}, '{}')", id % 97, format!("{id:05} ").repeat(80)))
        .collect();
    database.exec(&format!(
        "create table t (id bigint primary key, n integer, v varchar(600)); insert into t values {};",
        rows.join(", ")
    ));
}

/// Compares both tables, and counts the bytes that the source sends.
fn verify(ends: &TwoEnds, words: &[&str]) -> (Told, u64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let port = ends.source.endpoint().port;
    let proxy = runtime.block_on(Proxy::start(SocketAddr::from(([127, 0, 0, 1], port))));
    let by_proxy = format!("127.0.0.1:{}", proxy.port());
    let source = ends.source.url().replace(&format!("127.0.0.1:{port}"), &by_proxy);
    let target = ends.target.url();
    let verify = ["verify", &source, &target, "--tables", "t", "--chunk-rows", "500"];
    let told = ends.world.run(&[&verify[..], &["--batch-size", "50"], words].concat());
    (told, proxy.answered())
}

fn rows_stay_where_they_are(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "pushdown_rows") else { return };
    fill(&ends.source);
    fill(&ends.target);
    let (told, read) = verify(&ends, &[]);
    told.expect(0);
    assert!(read > ROWS * 400, "{read} bytes");
    let (told, hashed) = verify(&ends, &["--pushdown"]);
    let told = told.expect(0);
    // MySQL's report of its transactions has a hundred kilobytes beside other tests.
    assert!(hashed < read / 4, "{hashed} bytes in place of {read}: {told:?}");
    assert_eq!(
        told.stdout,
        "INFO ranges hashed by the servers table=t asked=8 equal=8\n\
         INFO table verified table=t rows=4000\nINFO all tables verified\n"
    );

    // One row costs a piece of its range.
    ends.target.exec("update t set n = n + 1 where id = 2345");
    let (told, found) = verify(&ends, &["--pushdown", "--verbose"]);
    let told = told.expect(1);
    assert!(found < read / 3, "{found} bytes in place of {read}");
    let first = told.stdout.lines().next().unwrap();
    assert_eq!(first, "MISMATCH table=t id=2345 column=n source=\"17\" target=\"18\"");
    assert!(told.stdout.contains("mismatches=1\n"), "{}", told.stdout);

    // Tables without a key are asked about as a whole, where they can be cut at all.
    for database in [&ends.source, &ends.target] {
        database.exec("update t set n = 1; alter table t drop column id;");
    }
    let (told, hashed) = verify(&ends, &["--pushdown"]);
    let told = told.expect(0);
    let asked = from == Engine::Postgres;
    let line = if asked {
        "INFO ranges hashed by the servers table=t asked=1 equal=1"
    } else {
        "WARN table not hashed by its servers table=t \
         reason=\"a table has no key or blocks by which it could be cut\""
    };
    assert_eq!(told.stdout.lines().next(), Some(line));
    assert_eq!(hashed < read / 4, asked, "{hashed} bytes in place of {read}");
}

/// A table of 1,800 rows, and changes of a row each of which has to be seen.
struct Traps {
    table: &'static str,
    changes: &'static [&'static str],
}

/// Between two rows that are changed: each is in a piece of its own, which is only read when its own hash
/// is another one.
const APART: usize = 100;

/// Two rows of one piece exchange their values in one column.
const EXCHANGE: &str = "update t set price = case id when 1706 then 1707 else 1706 end \
                        where id in (1706, 1707)";

const POSTGRES: Traps = Traps {
    table: "create extension if not exists citext;
        create collation if not exists blind
            (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
        create table t (id bigint primary key, price numeric(10,2), big bigint, at timestamptz,
            length interval, list integer[], doc jsonb, word citext, name text collate blind,
            a varchar(9), b varchar(9));
        insert into t select n, n, n, '2024-01-01', '1 day', '{1,2}', '{\"a\": -1}', 'x', 'y',
            'a,b', 'c' from generate_series(1, 1800) n;",
    changes: &[
        "price = -price",
        "big = id + 4294967297",
        "at = at + interval '4294.967297 s'",
        "length = '24:00'",
        "list = '{{1,2}}'",
        "doc = '{\"a\": 1}'",
        "word = 'X'",
        "name = 'Y'",
        "a = 'a', b = 'b,c'",
        "a = null",
        "b = 'c '",
    ],
};

const MYSQL: Traps = Traps {
    table: "create table t (id bigint primary key, price decimal(10,2), ratio float, wide double,
            at datetime(6), list set('a1','a2','a3','a4','a5','a6','a7','a8','b1','b2','b3','b4','b5',
                'b6','b7','b8','c1','c2','c3','c4','c5','c6','c7','c8','d1','d2','d3','d4','d5','d6',
                'd7','d8','e1','e2','e3','e4','e5','e6','e7','e8','f1','f2','f3','f4','f5','f6','f7',
                'f8','g1','g2','g3','g4','g5','g6','g7','g8','h1','h2','h3','h4','h5','h6','h7','h8'),
            kind enum('','k'), raw varbinary(20),
            word varchar(9) character set latin1, name varchar(9) character set utf8mb4,
            a varchar(9) character set utf8mb4 collate utf8mb4_bin, b varchar(9), flags bit(9));
        insert into t with recursive n as (select 1 as id union all select id + 1 from n where id < 900)
            select id, id, 0.1, 0.1, '2024-01-01', 'h8', 'k', x'00', 'ä', 'x', 'a,b', 'c', 5 from n;
        insert into t select id + 900, price + 900, ratio, wide, at, list, kind, raw, word, name, a, b,
            flags from t;",
    changes: &[
        "price = -price",
        "ratio = 0.10000001",
        "wide = 0.10000000000000002",
        "at = '2024-01-01 00:00:00.000001'",
        "list = 'a1,h8'",
        "kind = ''",
        "raw = x'0000'",
        "word = 'a'",
        "name = 'X'",
        "a = 'a', b = 'b,c'",
        "a = null",
        "b = 'c '",
        "flags = 6",
        "a = 'NULL'",
        "wide = -0.1",
    ],
};

fn nothing_is_hidden(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "pushdown_traps") else { return };
    let traps = if from == Engine::Postgres { POSTGRES } else { MYSQL };
    ends.source.exec(traps.table);
    ends.target.exec(traps.table);
    let (told, _) = verify(&ends, &["--pushdown", "--output", "json"]);
    let used = &told.expect(0).json()["tables"][0]["pushdown"];
    assert!(used["asked"].as_u64() > Some(1) && used["equal"] == used["asked"], "{used}");
    for (number, change) in traps.changes.iter().enumerate() {
        let id = APART * number + 10;
        ends.target.exec(&format!("update t set {change} where id = {id}"));
        let (told, _) = verify(&ends, &["--pushdown", "--output", "json"]);
        let found = &told.expect(1).json()["tables"][0];
        assert_eq!(found["rows_mismatched"], number as u64 + 1, "{change}: {found}");
    }
    ends.target.exec(EXCHANGE);
    let lines = |words: &[&str]| {
        let (told, _) = verify(&ends, words);
        let found = told.expect(1).stdout;
        found.lines().filter(|line| line.starts_with("MISMATCH")).map(str::to_owned).collect()
    };
    let (read, asked): (Vec<String>, Vec<String>) =
        (lines(&["--verbose"]), lines(&["--verbose", "--pushdown"]));
    // Two rows were exchanged, and one change is of two columns.
    assert_eq!(asked.len(), traps.changes.len() + 3);
    assert_eq!(asked, read);
}

/// A function gives NULL in place of a text that is too large, which must not be taken for a value.
fn rows_too_large_to_be_hashed_are_read(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "pushdown_large") else { return };
    let limit: u64 = ends.source.value("select @@max_allowed_packet").parse().unwrap();
    let bytes = limit / 2 + 1_000;
    for database in [&ends.source, &ends.target] {
        database.exec(&format!(
            "create table t (id bigint primary key, v longtext, raw longblob);
             insert into t values (1, repeat(char(39), {bytes}), 'small'), (2, 'small', null);
             insert into t values (3, null, repeat(char(0), {bytes}))",
        ));
    }
    let (told, _) = verify(&ends, &["--pushdown", "--output", "json"]);
    let used = &told.expect(0).json()["tables"][0]["pushdown"];
    assert!(used["asked"].as_u64() > used["equal"].as_u64(), "{used}");
    // As large for the functions as what was there: a backslash takes two signs in quotes.
    for (id, column) in [(1, "v"), (3, "raw")] {
        ends.target
            .exec(&format!("update t set {column} = repeat(char(92), {bytes}) where id = {id}"));
        let (told, _) = verify(&ends, &["--pushdown", "--output", "json"]);
        assert_eq!(told.expect(1).json()["differences"], 1, "{column}");
        ends.target.exec(&format!("delete from t where id = {id}"));
        ends.source.exec(&format!("delete from t where id = {id}"));
    }
}

every_direction! { rows_too_large_to_be_hashed_are_read:
    large_rows_of_mariadb: Mariadb => Mariadb;
    large_rows_of_mysql: Mysql => Mysql;
}

every_direction! { rows_stay_where_they_are:
    rows_of_postgres: Postgres => Postgres;
    rows_of_mariadb: Mariadb => Mariadb;
    rows_of_mysql: Mysql => Mysql;
}

every_direction! { nothing_is_hidden:
    traps_of_postgres: Postgres => Postgres;
    traps_of_mariadb: Mariadb => Mariadb;
    traps_of_mysql: Mysql => Mysql;
}
