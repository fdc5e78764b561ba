//! Rows that meet on a unique key other than the one that identifies them, or that only the target
//! takes for equal: an error that names the table and the rule, or the right rows. Never fewer rows
//! than before, and never a row hit that has another primary key.

use rowferry_testkit::{Database, Engine};

use crate::dump::{Kind, assert_same, dump};
use crate::two_ends::TwoEnds;
use crate::world::Told;

const COLUMNS: [(&str, Kind); 3] = [("id", Kind::Int), ("name", Kind::Text), ("note", Kind::Text)];
const TABLE: &str = "create table person (id bigint not null primary key, name varchar(40), \
     note varchar(40));";

/// Rows 1 to 200, named `n1` to `n200`.
fn people() -> String {
    let rows: Vec<String> = (1..=200).map(|id| format!("({id}, 'n{id}', 'sent')")).collect();
    format!("insert into person values {};", rows.join(", "))
}

/// A collation of PostgreSQL that does not see case.
const BLIND: &str = "create collation blind (provider = icu, locale = 'und-u-ks-level2', \
     deterministic = false)";

/// A rule over `name` that takes texts for equal which differ in case only.
fn blind_to_case(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            "alter table person alter name type varchar(40) collate blind; \
             create unique index person_name on person (name)"
        }
        Engine::Mariadb | Engine::Mysql => {
            "alter table person modify name varchar(40) collate utf8mb4_general_ci; \
             create unique index person_name on person (name)"
        }
        Engine::Sqlite => "create unique index person_name on person (name collate nocase)",
    }
}

/// Rules that the catalogue shows as no plain key, and which an upsert can break all the same.
fn hidden_rules(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => &[
            "create unique index person_name on person (lower(name))",
            "create unique index person_name on person (name) where id > 0",
            "alter table person add constraint person_name unique (name) deferrable",
            "alter table person add constraint person_name exclude using btree (name with =)",
        ],
        Engine::Mysql => &[
            "create unique index person_name on person ((lower(name)))",
            "create unique index person_name on person (name(2))",
        ],
        Engine::Mariadb => &["create unique index person_name on person (name(2))"],
        Engine::Sqlite => &[
            "create unique index person_name on person (lower(name))",
            "create unique index person_name on person (name) where id > 0",
        ],
    }
}

/// Both with the empty table.
fn ends(from: Engine, to: Engine) -> Option<TwoEnds> {
    let ends = TwoEnds::new(from, to, "unique")?;
    fresh(&ends);
    Some(ends)
}

fn fresh(ends: &TwoEnds) {
    ends.forget(&["person"]);
    ends.source.exec(TABLE);
    ends.target.exec(TABLE);
}

fn rows(database: &Database) -> Vec<String> {
    dump(database, "person", &COLUMNS)
}

/// Ends with 65 and says which table and which rule.
#[track_caller]
fn refused(told: &Told, what: &str) {
    assert_eq!(told.code, 65, "{what}: {told:?}");
    assert!(told.stderr.contains("person"), "{what}: {}", told.stderr);
}

/// Two rows exchange the value of a unique column: both arrive when they are in one chunk, and an
/// error says so when they are not.
fn a_swap_arrives(from: Engine, to: Engine) {
    let Some(ends) = ends(from, to) else { return };
    ends.source.exec(&people());
    ends.target.exec("create unique index person_name on person (name)");
    ends.copy("person", &["--write", "upsert"]).expect(0);
    let swap = |one: u32, other: u32| {
        ends.source.exec(&format!(
            "update person set name = case id when {one} then 'n{other}' else 'n{one}' end, \
             note = 'swapped' where id in ({one}, {other})"
        ));
    };
    swap(1, 2);
    ends.copy("person", &["--write", "upsert", "--chunk-rows", "50"]).expect(0);
    assert_same("one chunk", &rows(&ends.source), &rows(&ends.target));
    swap(3, 150);
    let told = ends.copy("person", &["--write", "upsert", "--chunk-rows", "50"]);
    refused(&told, "two chunks");
    assert_eq!(ends.target.value("select count(*) from person"), "200");
    ends.copy("person", &["--write", "upsert", "--restart"]).expect(0);
    assert_same("at once", &rows(&ends.source), &rows(&ends.target));
}

/// Another row of the target has the name already: its row stays as it is.
fn another_row_is_not_hit(from: Engine, to: Engine) {
    let plain = "create unique index person_name on person (name)";
    let Some(ends) = ends(from, to) else { return };
    let hidden = hidden_rules(to).iter().map(|rule| ("upsert", *rule));
    for (write, rule) in [("upsert", plain), ("append", plain)].into_iter().chain(hidden) {
        fresh(&ends);
        ends.source.exec("insert into person values (7, 'n7', 'sent')");
        ends.target.exec("insert into person values (9000, 'n7', 'mine')");
        ends.target.exec(rule);
        let before = rows(&ends.target);
        let told = ends.copy("person", &["--write", write]);
        refused(&told, rule);
        assert!(told.stderr.contains("person_name") || to == Engine::Sqlite, "{told:?}");
        assert_same(rule, &before, &rows(&ends.target));
    }
}

/// `google` and `Google`: two names at the source, one for the target.
fn case_is_not_lost(from: Engine, to: Engine) {
    let Some(ends) = ends(from, to) else { return };
    if to == Engine::Postgres {
        ends.target.exec(BLIND);
    }
    for write in ["upsert", "append", "replace"] {
        fresh(&ends);
        ends.target.exec(blind_to_case(to));
        ends.target.exec("insert into person values (9000, 'there', 'mine')");
        ends.source.exec(
            "insert into person values (1, 'google', 'a'), (2, 'Google', 'b'), (3, 'bing', 'c')",
        );
        let told = ends.copy("person", &["--write", write]);
        refused(&told, write);
        assert_eq!(rows(&ends.target), ["9000|7468657265|6d696e65"], "{write}");
    }
}

/// The same where the name is the key itself, so that an upsert would find its rows by it.
fn a_key_is_not_taken_for_another(from: Engine, to: Engine) {
    const COLUMNS: [(&str, Kind); 2] = [("name", Kind::Text), ("note", Kind::Text)];
    let case_blind = match to {
        Engine::Postgres => {
            "create table place (name varchar(40) collate blind primary key, note varchar(40))"
        }
        Engine::Mariadb | Engine::Mysql => {
            "create table place (name varchar(40) collate utf8mb4_general_ci primary key, \
             note varchar(40))"
        }
        Engine::Sqlite => {
            "create table place (name varchar(40) collate nocase primary key, note varchar(40))"
        }
    };
    let Some(ends) = TwoEnds::new(from, to, "unique") else { return };
    if to == Engine::Postgres {
        ends.target.exec(BLIND);
    }
    for write in ["upsert", "append", "replace"] {
        // Close together in one chunk, and far apart.
        for chunk_rows in ["1", "100"] {
            ends.forget(&["place"]);
            let bytewise = match from {
                Engine::Postgres => "collate \"C\"",
                Engine::Mariadb | Engine::Mysql => "collate utf8mb4_bin",
                Engine::Sqlite => "collate binary",
            };
            ends.source.exec(&format!(
                "create table place (name varchar(40) {bytewise} not null primary key, \
                 note varchar(40)); insert into place values \
                 ('Google', 'b'), ('Xing', 'c'), ('bing', 'd'), ('google', 'a')"
            ));
            ends.target.exec(case_blind);
            let told = ends.copy("place", &["--write", write, "--chunk-rows", chunk_rows]);
            let what = format!("{write}, {chunk_rows} rows");
            let found = dump(&ends.target, "place", &COLUMNS);
            let sent = dump(&ends.source, "place", &COLUMNS);
            if told.code == 0 {
                // Made anew, with the source's own rule.
                assert_same(&what, &sent, &found);
                continue;
            }
            assert!(matches!(told.code, 65 | 78), "{what}: {told:?}");
            assert!(told.stderr.contains("place"), "{what}: {}", told.stderr);
            assert!(found.iter().all(|row| sent.contains(row)), "{what}: {found:?}");
        }
    }
}

macro_rules! each {
    ($($test:ident)*) => {
        $(
            mod $test {
                use super::*;

                every_direction! { $test:
                    postgres_to_postgres: Postgres => Postgres;
                    postgres_to_mariadb: Postgres => Mariadb;
                    mariadb_to_mysql: Mariadb => Mysql;
                    mysql_to_sqlite: Mysql => Sqlite;
                    sqlite_to_sqlite: Sqlite => Sqlite;
                }
            }
        )*
    };
}

each! { a_swap_arrives another_row_is_not_hit case_is_not_lost a_key_is_not_taken_for_another }
