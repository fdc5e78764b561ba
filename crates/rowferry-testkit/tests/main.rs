//! The servers start, answer their own clients and are thrown away.

mod proxy;
mod tidy;

use rowferry_testkit::{
    Database, DumpColumn, Kind, Server, assert_same, dump, mariadb, mysql, postgres, sqlite,
};

fn answers(server: Option<&Server>) {
    let Some(server) = server else { return };
    let database = server.database("answers");
    database.exec("create table t (id bigint primary key, name text)");
    database.exec("insert into t values (1, 'a'), (2, null)");
    assert_eq!(database.value("select count(*) from t"), "2");
    assert!(database.try_query("select nothing from nowhere").is_err());
}

#[test]
fn postgres_answers() {
    answers(postgres());
}

#[test]
fn mariadb_answers() {
    answers(mariadb());
}

#[test]
fn mysql_answers() {
    answers(mysql());
}

#[test]
fn sqlite_answers() {
    let folder = tempfile::tempdir().unwrap();
    let database = sqlite(folder.path(), "answers");
    database.exec("create table t (id integer primary key); insert into t values (7);");
    assert_eq!(database.query("select id, null from t"), ["7\t\\N"]);
}

const COLUMNS: [DumpColumn<'_>; 9] = [
    ("i", Kind::Int),
    ("b", Kind::Bool),
    ("d", Kind::Decimal),
    ("f", Kind::Float32),
    ("g", Kind::Float64),
    ("t", Kind::Text),
    ("y", Kind::Bytes),
    ("w", Kind::Time),
    ("j", Kind::Json),
];

const COMMON: &str = "insert into t values (1, BOOL, 12.50, 0.1, 0.1, TEXT, BYTES, '2024-02-29 12:00:00.5', '{\"a\": 1}'), (2, null, null, null, null, null, null, null, null);";

fn fill(
    database: &Database,
    types: [&str; 9],
    bytes: &str,
    truth: &str,
    text: &str,
) -> Vec<String> {
    let names = ["i", "b", "d", "f", "g", "t", "y", "w", "j"];
    let columns: Vec<String> =
        names.iter().zip(types).map(|(name, kind)| format!("{name} {kind}")).collect();
    database.exec(&format!("create table t ({});", columns.join(", ")));
    let sql = COMMON.replace("BOOL", truth).replace("BYTES", bytes).replace("TEXT", text);
    database.exec(&sql);
    dump(database, "t", &COLUMNS)
}

#[test]
fn dumps_of_the_same_rows_are_the_same_on_every_engine() {
    let folder = tempfile::tempdir().unwrap();
    let file = sqlite(folder.path(), "dump");
    let types = ["integer", "integer", "text", "real", "real", "text", "blob", "text", "text"];
    let text = r"'a\' || char(10) || 'ü' || char(9)";
    let expected = fill(&file, types, "x'00ff'", "1", text);
    assert_eq!(expected.len(), 2);
    if let Some(server) = postgres() {
        let types =
            ["int", "bool", "numeric(9,4)", "real", "float8", "text", "bytea", "timestamp", "json"];
        let rows = fill(&server.database("d"), types, r"'\x00ff'", "true", r"E'a\\\n\u00fc\t'");
        assert_same(&expected, &rows);
    }
    for server in [mariadb(), mysql()].into_iter().flatten() {
        let types = [
            "int",
            "bool",
            "decimal(9,4)",
            "float",
            "double",
            "text",
            "blob",
            "datetime(6)",
            "json",
        ];
        let rows = fill(&server.database("d"), types, "x'00ff'", "true", r"'a\\\nü\t'");
        assert_same(&expected, &rows);
    }
}
