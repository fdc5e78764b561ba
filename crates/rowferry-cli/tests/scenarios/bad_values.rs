//! Values that a target column cannot hold, and settings of servers under which it would pretend to:
//! an error that names the table, or the row set aside; what is stored is never something else than
//! what was sent.

use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};
use rowferry_testkit::mysqls_alone;

use crate::dump::{Columns, Kind, assert_same, dump};
use crate::mixed::is_full;
use crate::two_ends::TwoEnds;

/// A value that does not fit, between two that do.
struct BadValue {
    name: &'static str,
    from: &'static str,
    good: &'static str,
    bad: &'static str,
    to: &'static str,
}

const fn value(
    name: &'static str,
    from: &'static str,
    good: &'static str,
    bad: &'static str,
    to: &'static str,
) -> BadValue {
    BadValue { name, from, good, bad, to }
}

/// What `from` can hold and a column of `to` cannot.
fn values(from: Engine, to: Engine) -> Vec<BadValue> {
    let long = "'abcdefgh'";
    let mut values = vec![
        value("long", "varchar(20)", "'abc'", long, "varchar(5)"),
        value("large", "bigint", "77", "70000", "smallint"),
        value("digits", "decimal(9,2)", "1.25", "12345.67", "decimal(5,2)"),
    ];
    if to == Sqlite {
        // Its columns take everything; what it cannot say goes as text.
        values.clear();
    }
    if matches!(to, Mariadb | Mysql) {
        values.extend([
            value("emoji", "varchar(20)", "'é'", "'a😀b'", "varchar(20) character set utf8mb3"),
            value("western", "varchar(20)", "'é'", "'жук'", "varchar(20) character set latin1"),
            value("negative", "bigint", "7", "-1", "bigint unsigned"),
            value("cut", "varchar(300)", "'abc'", "'abcdefghijklmnop'", "char(10)"),
        ]);
    }
    match (from, to) {
        (Sqlite, Postgres) => values.extend([
            value("nul", "text", "'abc'", "cast(x'610062' as text)", "text"),
            value("bytes", "text", "'abc'", "cast(x'ff61' as text)", "text"),
            value("class", "integer", "5", "'five'", "integer"),
        ]),
        (Sqlite, Mysql | Mariadb) => values.extend([
            value("bytes", "text", "'abc'", "cast(x'ff61' as text)", "text"),
            value("class", "integer", "5", "'five'", "integer"),
        ]),
        (Mysql | Mariadb, Postgres) => values.extend([
            value("nul", "varchar(20)", "'abc'", "concat('a', char(0), 'b')", "varchar(20)"),
            value("zero", "date", "'2024-05-06'", "'0000-00-00'", "date"),
            value(
                "half",
                "datetime",
                "'2024-05-06 07:08:09'",
                "'2024-00-06 07:08:09'",
                "timestamp",
            ),
        ]),
        (Postgres, Mysql | Mariadb) => values.extend([
            value("nan", "float8", "1.5", "'NaN'", "double"),
            value("endless", "float8", "1.5", "'-Infinity'", "double"),
            value(
                "early",
                "timestamp",
                "'2024-05-06 07:08:09'",
                "'0044-03-15 00:00:00 BC'",
                "datetime",
            ),
            value(
                "late",
                "timestamptz",
                "'2024-05-06 07:08:09+00'",
                "'2040-05-06 07:08:09+00'",
                "timestamp",
            ),
        ]),
        (Postgres, Sqlite) => values.extend([value("nan", "float8", "1.5", "'NaN'", "double")]),
        _ => {}
    }
    values
}

/// Zero dates are made by a server that was told to take them.
fn lax(engine: Engine) -> &'static str {
    match engine {
        Mariadb | Mysql => "set sql_mode = ''; ",
        Postgres | Sqlite => "",
    }
}

/// Fills both ends with a table for each value, and copies them twice: once to be refused, once with
/// the bad rows set aside.
fn nothing_is_changed_between(ends: &TwoEnds) {
    let values = values(ends.source.engine(), ends.target.engine());
    println!("faults: {}", values.len());
    let mut lines = Vec::new();
    for BadValue { name, from, good, bad, to } in &values {
        ends.forget(&[&format!("v_{name}")]);
        ends.source.exec(&format!(
            "{}create table v_{name} (id integer not null primary key, v {from}); \
             insert into v_{name} values (1, {good}), (2, {bad}), (3, {good})",
            lax(ends.source.engine())
        ));
        ends.target
            .exec(&format!("create table v_{name} (id integer not null primary key, v {to})"));
        lines.push(format!("{{ source: v_{name}, write: append }}"));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    ends.write_job("retry_for: 3s", &lines);
    let told = ends.run_job(&["--report", "report.json"]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(ends.world.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["tables"].as_array().unwrap().len(), values.len());
    for value in &values {
        let table = table_of(&report, value);
        // Refused by the plan where the column cannot hold such values at all.
        let code = table["exit_code"].as_u64();
        assert!(matches!(code, Some(65 | 78)), "{}: {table}: {told:?}", value.name);
        assert!(table["error"].to_string().contains(value.name), "{table}");
        let count = format!("select count(*) from v_{}", value.name);
        assert_eq!(ends.target.value(&count), "0", "{}", value.name);
    }
    ends.write_job("on_bad_row: quarantine, max_rejects: 1, retry_for: 3s", &lines);
    ends.run_job(&["--restart", "--report", "report.json"]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(ends.world.path("report.json")).unwrap()).unwrap();
    for value in &values {
        let (name, table) = (value.name, table_of(&report, value));
        let found = ends.target.query(&format!("select id from v_{name} order by id"));
        match table["exit_code"].as_u64() {
            // Found while reading, so that the row has no form in which it could be set aside.
            Some(65 | 78) => assert!(found.is_empty(), "{name}: {found:?}: {table}"),
            Some(0) => {
                assert_eq!(found, ["1", "3"], "{name}: {table}");
                assert_eq!(table["rows_rejected"], 1, "{name}: {table}");
                let like = format!("select count(distinct v) from v_{name}");
                assert_eq!(ends.target.value(&like), "1", "{name}");
            }
            _ => panic!("{name}: {table}"),
        }
    }
}

/// What the report says of the table of a value.
fn table_of<'a>(report: &'a serde_json::Value, value: &BadValue) -> &'a serde_json::Value {
    let target = format!("v_{}", value.name);
    let mut tables = report["tables"].as_array().unwrap().iter();
    tables.find(|table| table["target"] == target).unwrap()
}

fn nothing_is_changed(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "values") else { return };
    nothing_is_changed_between(&ends);
}

every_direction! { nothing_is_changed:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mysql: Postgres => Mysql;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mysql_to_mariadb: Mysql => Mariadb;
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mysql: Sqlite => Mysql;
    sqlite_to_mariadb: Sqlite => Mariadb;
}

const TRICKY: Columns<'_> = &[
    ("id", Kind::Int),
    ("quoted", Kind::Text),
    ("day", Kind::Date),
    ("wall", Kind::Stamp),
    ("instant", Kind::Instant),
    ("ratio", Kind::Float),
    ("raw", Kind::Bytes),
];

/// Values whose text depends on settings, in the words of `engine`.
fn tricky(engine: Engine) -> String {
    let (instant, ratio, raw, at) = match engine {
        Postgres => ("timestamptz", "float8", "bytea", "'\\xff5c00'::bytea"),
        Mariadb | Mysql => ("timestamp(6) null", "double", "varbinary(20)", "x'ff5c00'"),
        Sqlite => ("timestamptz_text(6)", "double", "blob", "x'ff5c00'"),
    };
    let wall = match engine {
        Postgres => "timestamp",
        Mariadb | Mysql => "datetime(6)",
        Sqlite => "timestamp_text(6)",
    };
    let day = if engine == Sqlite { "date_text" } else { "date" };
    let zone = if matches!(engine, Mariadb | Mysql) { "" } else { "+00" };
    // A backslash before a quote, and what looks like an escape.
    let quoted = if matches!(engine, Mariadb | Mysql) {
        ["'it\\\\''s \\\\n \"x\" é'", "'\\\\'"]
    } else {
        ["'it\\''s \\n \"x\" é'", "'\\'"]
    };
    format!(
        "create table tricky (id integer not null primary key, quoted varchar(40), day {day}, \
         wall {wall}, instant {instant}, ratio {ratio}, raw {raw}); \
         insert into tricky values \
         (1, {}, '2024-02-01', '2024-02-01 03:04:05.000006', '2024-03-31 00:30:00{zone}', \
         0.1234567890123456, {at}), \
         (2, {}, '1999-12-31', '1999-12-31 23:59:59.999999', '2024-10-27 00:30:00{zone}', \
         1e-300, {at})",
        quoted[0], quoted[1]
    )
}

fn settings_do_not_matter(ends: &TwoEnds, what: &str, set: impl Fn(), reset: impl Fn()) {
    ends.forget(&["tricky"]);
    ends.source.exec(&tricky(ends.source.engine()));
    let expected = dump(&ends.source, "tricky", TRICKY);
    set();
    let mut told = ends.copy("tricky", &[]);
    // Again by merging, into the table that was made.
    if told.code == 0 {
        told = ends.copy("tricky", &["--write", "upsert"]);
    }
    reset();
    told.expect(0);
    assert_same(what, &expected, &dump(&ends.target, "tricky", TRICKY));
}

/// Settings of a database, which its sessions start with.
fn settings_of_a_database(from: Engine, to: Engine) {
    const SETTINGS: [&str; 8] = [
        "standard_conforming_strings = off",
        "datestyle = 'German, DMY'",
        "timezone = 'Asia/Kathmandu'",
        "search_path = 'elsewhere', 'public'",
        "extra_float_digits = '-12'",
        "bytea_output = 'escape'",
        "intervalstyle = 'sql_standard'",
        "client_encoding = 'LATIN1'",
    ];
    let Some(ends) = TwoEnds::new(from, to, "settings") else { return };
    let databases = [&ends.source, &ends.target];
    let own = || databases.iter().filter(|database| database.engine() == Postgres);
    println!("faults: {}", SETTINGS.len());
    let set = || {
        for database in own() {
            for setting in SETTINGS {
                database.exec(&format!("alter database \"{}\" set {setting}", database.name()));
            }
        }
    };
    let reset = || {
        for database in own() {
            database.exec(&format!("alter database \"{}\" reset all", database.name()));
        }
    };
    settings_do_not_matter(&ends, "database", set, reset);
}

mod settings {
    use super::*;

    every_direction! { settings_of_a_database:
        postgres_to_postgres: Postgres => Postgres;
        postgres_to_mariadb: Postgres => Mariadb;
        mysql_to_postgres: Mysql => Postgres;
        sqlite_to_postgres: Sqlite => Postgres;
        postgres_to_sqlite: Postgres => Sqlite;
    }
}

/// Settings of a whole server, which our sessions must not start with either.
#[test]
fn settings_of_a_server() {
    const SETTINGS: [&str; 3] = [
        "set global sql_mode = ''; set global time_zone = '+05:45'; \
         set global character_set_server = latin1",
        "set global sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT'; \
         set global time_zone = '-11:00'; set global character_set_client = latin1",
        "set global sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,TRADITIONAL'; \
         set global collation_connection = latin1_swedish_ci",
    ];
    for server in mysqls_alone() {
        let before = server.maintenance().value("select @@global.sql_mode");
        let reset = || {
            server.maintenance().exec(&format!(
                "set global sql_mode = '{before}'; set global time_zone = 'SYSTEM'; \
                 set global character_set_server = utf8mb4; \
                 set global character_set_client = utf8mb4; \
                 set global collation_connection = utf8mb4_general_ci"
            ));
        };
        let ends =
            TwoEnds::of(server.database("settings_source"), server.database("settings_target"));
        for setting in SETTINGS.iter().take(if is_full() { 3 } else { 1 }) {
            println!("faults: 1");
            let set = || server.maintenance().exec(setting);
            settings_do_not_matter(&ends, setting, set, reset);
        }
        // A server that cuts what is too long: our sessions still refuse it.
        server.maintenance().exec("set global sql_mode = ''");
        nothing_is_changed_between(&ends);
        reset();
    }
}
