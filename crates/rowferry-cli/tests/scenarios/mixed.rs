//! The tables of `fixtures/scenarios/mixed`: seventeen mixed columns, five kinds of key.

use rowferry_testkit::{Database, Engine};

use crate::dump::Kind;

/// One table for each kind of key.
pub(crate) const TABLES: [&str; 5] = ["t_bigint", "t_text", "t_uuid", "t_composite", "t_none"];

/// Their columns.
pub(crate) const COLUMNS: [(&str, Kind); 17] = [
    ("id", Kind::Int),
    ("code", Kind::Text),
    ("token", Kind::Uuid),
    ("part", Kind::Int),
    ("small", Kind::Int),
    ("flag", Kind::Flag),
    ("ratio", Kind::Float),
    ("amount", Kind::Decimal),
    ("wide", Kind::Decimal),
    ("name", Kind::Text),
    ("note", Kind::Text),
    ("raw", Kind::Bytes),
    ("born", Kind::Date),
    ("clock", Kind::Time),
    ("seen", Kind::Stamp),
    ("paid", Kind::Instant),
    ("doc", Kind::Json),
];

/// Makes the five tables, `rows` rows each, by statements inside the database itself.
pub(crate) fn fill(database: &Database, rows: u64) {
    let script = match database.engine() {
        Engine::Postgres => include_str!("../../../../fixtures/scenarios/mixed/postgres.sql"),
        Engine::Mariadb => include_str!("../../../../fixtures/scenarios/mixed/mariadb.sql"),
        Engine::Mysql => include_str!("../../../../fixtures/scenarios/mixed/mysql.sql"),
        Engine::Sqlite => include_str!("../../../../fixtures/scenarios/mixed/sqlite.sql"),
    };
    database.exec(&script.replace("{rows}", &rows.to_string()));
}

/// Whether the whole matrix of faults was asked for, and not the small one of every test run.
pub(crate) fn is_full() -> bool {
    std::env::var("ROWFERRY_RELIABILITY").is_ok_and(|wanted| wanted == "full")
}

/// A number from the environment, for the large runs.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}"))
    })
}
