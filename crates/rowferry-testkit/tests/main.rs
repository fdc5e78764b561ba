//! The servers start, answer their own clients and are thrown away.

use rowferry_testkit::{Server, mariadb, mysql, postgres, sqlite};

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
