//! Tables, columns, keys, indexes and checks with evil names arrive equal, or are refused by name before
//! a row moves; and a table that such a name would drop, were it ever taken for SQL, is still there.

use rowferry_testkit::Database;
use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};
use serde_json::Value;

use crate::ends::database;
use crate::evil::{beside, literal, names, quoted};
use crate::mixed::is_full;
use crate::world::World;

/// The table whose columns, keys, indexes and check are named like itself.
fn create(engine: Engine, name: &str) -> String {
    let named = |letter| quoted(engine, &beside(letter, name));
    let (table, key, text) = (quoted(engine, name), quoted(engine, name), named('c'));
    let (check, unique, index) = (named('x'), named('u'), named('i'));
    let value = literal(engine, name);
    let columns = format!("{key} bigint not null, {text} varchar(200) not null, n bigint");
    let make = match engine {
        Postgres => format!(
            "create table {table} ({columns}, constraint {} primary key ({key}), \
             constraint {check} check ({key} > 0), constraint {unique} unique ({text}, {key})); \
             create index {index} on {table} ({text})",
            named('k')
        ),
        Mariadb | Mysql => format!(
            "create table {table} ({columns}, primary key ({key}), \
             constraint {check} check ({key} > 0), unique {unique} ({text}, {key}), \
             index {index} ({text}))"
        ),
        Sqlite => format!(
            "create table {table} ({columns}, primary key ({key}), \
             constraint {check} check ({key} > 0)); \
             create unique index {unique} on {table} ({text}, {key}); \
             create index {index} on {table} ({text})"
        ),
    };
    format!("{make}; insert into {table} values (1, {value}, 1), (2, {value}, 2)")
}

/// Rows with the right keys and the right text, and the columns that name them.
fn arrived(target: &Database, name: &str) -> Result<Vec<String>, String> {
    let engine = target.engine();
    let text = quoted(engine, &beside('c', name));
    target.try_query(&format!(
        "select count(*), sum(t.{}), min(t.n), max(t.n) from {} t where t.{text} = {}",
        quoted(engine, name),
        quoted(engine, name),
        literal(engine, name)
    ))
}

/// Indexes of the table, by name.
fn objects(database: &Database, name: &str) -> Vec<String> {
    let table = literal(database.engine(), name);
    database.query(&match database.engine() {
        Postgres => format!(
            "select indexname from pg_indexes where tablename = {table} \
             and indexname !~ '_pkey\\d*$' and left(indexname, 1) <> 'k' union \
             select conname from pg_constraint k join pg_class c on c.oid = conrelid \
             where relname = {table} and contype = 'c' order by 1"
        ),
        Mariadb | Mysql => format!(
            "select distinct hex(index_name) from information_schema.statistics \
             where table_schema = database() and table_name = {table} order by 1"
        ),
        Sqlite => format!(
            "select name from sqlite_master where type = 'index' and tbl_name = {table} \
             and sql is not null order by 1"
        ),
    })
}

fn plant(database: &Database) {
    database.exec("create table planted (n bigint primary key); insert into planted values (4711)");
}

/// Names that are tried with this pair: all, or a ninth that the other pairs complete.
fn chosen(from: Engine, to: Engine) -> Vec<String> {
    let number = |engine| match engine {
        Postgres => 0,
        Mariadb | Mysql => 1,
        Sqlite => 2,
    };
    let ninth = number(from) * 3 + number(to);
    let names = names().into_iter().enumerate();
    names.filter(|(at, _)| is_full() || at % 9 == ninth).map(|(_, name)| name).collect()
}

/// A report's entry for the table of this name.
fn entry<'a>(report: &'a Value, name: &str) -> &'a Value {
    let of_name = |table: &&Value| {
        let source = table["source"].as_str().unwrap();
        source == name || source.split_once('.').is_some_and(|(_, table)| table == name)
    };
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(of_name).unwrap_or_else(|| panic!("{name:?} is not in the report: {report}"))
}

/// The names that were refused: each by its name, and with no trace of it in the target.
fn refused(report: &Value, names: &[String], target: &Database) -> Vec<String> {
    let planned = |name: &&String| entry(report, name)["status"] == "failed";
    let refused: Vec<String> = names.iter().filter(planned).cloned().collect();
    for name in &refused {
        let table = entry(report, name);
        let message = table["error"]["message"].as_str().unwrap_or_default();
        println!("refused: {message}");
        assert_eq!(table["exit_code"], 78, "{name:?}: {table}");
        let shown = message.contains(name.as_str()) || message.contains(&format!("{name:?}"));
        assert!(shown, "{name:?} is not named by: {message}");
    }
    let moved = report["totals"]["rows_read"].as_u64();
    assert!(refused.is_empty() || moved == Some(0), "rows moved: {report}");
    assert!(refused.iter().all(|name| arrived(target, name).is_err()), "{refused:?} were made");
    refused
}

fn arrive_or_are_refused(from: Engine, to: Engine) {
    // Where it differs from MariaDB, the whole matrix tells.
    if !is_full() && to == Mysql {
        return;
    }
    let world = World::new();
    let Some(source) = database(from, &world, "evil_source") else { return };
    let Some(target) = database(to, &world, "evil_target") else { return };
    plant(&source);
    plant(&target);
    let mut names = chosen(from, to);
    // PostgreSQL would cut it to another one.
    names.retain(|name| from != Postgres || name.len() <= 63);
    names.retain(|name| {
        let made = source.try_query(&create(from, name)).is_ok();
        if !made {
            drop(source.try_query(&format!("drop table if exists {}", quoted(from, name))));
        }
        made
    });
    println!("faults: {}", names.len());
    assert!(names.len() > 6, "{} names are too few", names.len());
    world.write(
        "job.yaml",
        &format!(
            "version: 1\nconnections:\n  from: {}\n  to: {}\njobs:\n  - name: evil\n    source: from\n    \
             target: to\n    tables:\n      - {{ source: '*', exclude_tables: [planted] }}\n",
            source.url(),
            target.url()
        ),
    );
    let run = |words: &[&str]| -> (i32, Value) {
        let report =
            ["run", "job.yaml", "--report", "report.json", "--output", "json", "--restart"];
        let told = world.run(&[&report[..], words].concat());
        let text = std::fs::read(world.path("report.json")).unwrap_or_default();
        let report = serde_json::from_slice(&text);
        (told.code, report.unwrap_or_else(|_| panic!("no report: {told:?}")))
    };
    // One that is refused keeps all others back, so it has to go before anything moves.
    loop {
        let (code, report) = run(&[]);
        let refused = refused(&report, &names, &target);
        assert_eq!(code, if refused.is_empty() { 0 } else { 78 }, "{report}");
        for name in &refused {
            source.exec(&format!("drop table {}", quoted(from, name)));
        }
        names.retain(|name| !refused.contains(name));
        if refused.is_empty() {
            break;
        }
    }
    // The loop above made the tables; now they are there.
    let ways = [&["--write", "replace"][..], &["--write", "upsert"]];
    for words in &ways[usize::from(!is_full())..] {
        let (code, report) = run(words);
        let failed: Vec<String> = report["tables"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|table| table["status"] == "failed")
            .map(|table| table["error"]["message"].to_string())
            .collect();
        assert_eq!(failed, [""; 0], "{words:?}");
        for name in &names {
            let table = entry(&report, name);
            assert_eq!(table["status"], "ok", "{name:?} {words:?}: {table}");
            assert_eq!(arrived(&target, name).unwrap(), ["2\t3\t1\t2"], "{name:?} {words:?}");
            if from == to {
                assert_eq!(objects(&source, name), objects(&target, name), "{name:?} {words:?}");
            }
        }
        assert_eq!(code, 0, "{report}");
    }
    for database in [&source, &target] {
        assert_eq!(database.value("select n from planted"), "4711");
    }
}

every_direction! { arrive_or_are_refused:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_mysql: Postgres => Mysql;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mariadb: Sqlite => Mariadb;
    sqlite_to_sqlite: Sqlite => Sqlite;
}

/// Schemas, databases and files with evil names, at both ends.
fn places_may_have_them(from: Engine, to: Engine) {
    let evil = "it's \"a\"; `b` %s {x}\\";
    let world = World::new();
    let place = |engine: Engine, end: &str| -> Option<(Database, String, String)> {
        // A file may have such a name itself.
        let place = if engine == Sqlite {
            format!("{end} {}", evil.replace('"', ""))
        } else {
            end.to_owned()
        };
        let database = database(engine, &world, &place)?;
        let table = match engine {
            Postgres => {
                let schema = quoted(engine, evil);
                database.exec(&format!("create schema {schema}"));
                (format!("{schema}.cargo"), format!("{evil}.cargo"))
            }
            Mariadb | Mysql => {
                let schema = quoted(engine, &format!("{} {evil}", database.name()));
                database.exec(&format!("create database {schema}"));
                (format!("{schema}.cargo"), format!("{} {evil}.cargo", database.name()))
            }
            Sqlite => ("cargo".to_owned(), "cargo".to_owned()),
        };
        Some((database, table.0, table.1))
    };
    let Some((source, read, source_name)) = place(from, "evil_from") else { return };
    let Some((target, written, target_name)) = place(to, "evil_to") else { return };
    source.exec(&format!(
        "create table {read} (id bigint not null primary key); insert into {read} values (1), (2)"
    ));
    plant(&target);
    let yaml = |text: &str| format!("'{}'", text.replace('\'', "''"));
    world.write(
        "job.yaml",
        &format!(
            "version: 1\nconnections:\n  from: {}\n  to: {}\njobs:\n  - name: places\n    source: from\n    \
             target: to\n    tables:\n      - {{ source: {}, target: {} }}\n",
            yaml(&source.url()),
            yaml(&target.url()),
            yaml(&source_name),
            yaml(&target_name)
        ),
    );
    for write in ["replace", "replace", "upsert"] {
        world.run(&["run", "job.yaml", "--write", write]).expect(0);
        assert_eq!(target.value(&format!("select sum(id) from {written}")), "3");
    }
    assert_eq!(target.value("select n from planted"), "4711");
    for (database, name) in [(&source, &read), (&target, &written)] {
        if matches!(database.engine(), Mariadb | Mysql) {
            let schema = name.trim_end_matches(".cargo");
            database.exec(&format!("drop database {schema}"));
        }
    }
}

mod places {
    use super::places_may_have_them;

    every_direction! { places_may_have_them:
        postgres_to_mariadb: Postgres => Mariadb;
        mariadb_to_sqlite: Mariadb => Sqlite;
        sqlite_to_postgres: Sqlite => Postgres;
    }
}

/// Tables whose names differ in case alone are two tables, or refused.
#[test]
fn twins_are_never_mixed() {
    let twins = ["Parcel", "parcel", "PARCEL"];
    for (from, to) in [(Postgres, Mariadb), (Mariadb, Postgres), (Postgres, Sqlite)] {
        let world = World::new();
        let Some(source) = database(from, &world, "twins_source") else { return };
        let Some(target) = database(to, &world, "twins_target") else { return };
        for (at, name) in twins.iter().enumerate() {
            let table = quoted(from, name);
            source.exec(&format!(
                "create table {table} (id bigint not null primary key); insert into {table} values ({at})"
            ));
        }
        let told = world.run(&["copy", &source.url(), &target.url(), "--all"]);
        if told.code != 0 {
            assert_eq!(told.slugs(), ["target-twice"], "{told:?}");
            assert!(target.try_query("select 1 from parcel").is_err());
            continue;
        }
        for (at, name) in twins.iter().enumerate() {
            let found = target.query(&format!("select id from {}", quoted(to, name)));
            assert_eq!(found, [at.to_string()], "{name} from {from:?} to {to:?}");
        }
    }
}

/// A table of a user's that is named like one of ours would be taken for it.
#[test]
fn names_of_our_own_are_refused() {
    let world = World::new();
    for name in ["_rowferry_stream", "_Rowferry_Chunk", "_rowferry_s_0123456789ab_r1"] {
        world.sql("a.db", &format!("create table \"{name}\" (id integer primary key)"));
        let told = world.run(&["copy", "sqlite:a.db", "sqlite:b.db", "--table", name]).expect(78);
        assert_eq!(told.slugs(), ["bad-name"]);
        assert!(told.stderr.contains(name), "{}", told.stderr);
    }
}

/// A filter is one comparison, or nothing: what it compares with is a value, whatever it looks like.
fn filters_stay_values(from: Engine) {
    let world = World::new();
    let Some(source) = database(from, &world, "filters") else { return };
    plant(&source);
    let column = "say \"hi\"; drop table planted; --";
    let (name, words) =
        (quoted(from, column), ["x' or '1'='1", "\\", "\\' or 1=1 -- ", "%s", "🙂'"]);
    let rows: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(at, word)| format!("({at}, {})", literal(from, word)))
        .collect();
    source.exec(&format!(
        "create table cargo (id bigint not null primary key, {name} varchar(60)); \
         insert into cargo values {}",
        rows.join(", ")
    ));
    for (at, word) in words.iter().enumerate() {
        let column = column.replace('"', "\"\"");
        let filter = format!("\"{column}\" = '{}'", word.replace('\'', "''"));
        let file = format!("sqlite:{at}.db");
        let url = source.url();
        world.run(&["copy", &url, &file, "--table", "cargo", "--where", &filter]).expect(0);
        let found = world.value(&format!("{at}.db"), "select group_concat(id) from cargo");
        assert_eq!(found, at.to_string(), "{filter}");
    }
    for evil in [
        "id = 1; drop table planted",
        "id = 1 or 1 = 1",
        "1 = 1",
        "id = (select 1)",
        "id = 1 -- ",
        "pg_sleep(9) = 1",
        "id in (1, 2)",
        "id = '1' '2'",
        "id = 0x1",
        "id = 1e5",
        "\"\" = 1",
        "id",
    ] {
        let url = source.url();
        let told =
            world.run(&["copy", &url, "sqlite:none.db", "--table", "cargo", "--where", evil]);
        assert!(matches!(told.code, 2 | 78), "{evil}: {told:?}");
    }
    assert_eq!(source.value("select n from planted"), "4711");
}

#[test]
fn filters_stay_values_in_postgres() {
    filters_stay_values(Postgres);
}

#[test]
fn filters_stay_values_in_mariadb() {
    filters_stay_values(Mariadb);
}

#[test]
fn filters_stay_values_in_sqlite() {
    filters_stay_values(Sqlite);
}
