//! Tables that are altered while a run is under way, which is held behind its second chunk meanwhile:
//! columns added, dropped, given another type, renamed, exchanged; checks and keys added; tables
//! dropped. The run goes on with the right values or ends with an error that names the table; a value
//! never stands in a column that it was not meant for.

use std::process::Stdio;

use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};

use crate::ends::wait_until;
use crate::two_ends::{TwoEnds, share};
use crate::world::{Told, wait};

/// Every value follows from the row's number, so that a wrong one is seen wherever it stands.
const ROWS: u32 = 400;
const WRONG_AMOUNT: &str = "select count(*) from item where amount <> id * 10";
const WRONG_PRICE: &str = "select count(*) from item where price <> id * 7";
const WRONG_NOTE: &str = "select count(*) from item where note <> concat('n', id)";

/// What is done to `item`, and which queries must then still count nothing.
struct Change {
    name: &'static str,
    statements: String,
    wrong: &'static [&'static str],
    /// Whether every row may still arrive.
    may_succeed: bool,
}

fn change(
    name: &'static str,
    statements: impl Into<String>,
    wrong: &'static [&'static str],
    may_succeed: bool,
) -> Change {
    Change { name, statements: statements.into(), wrong, may_succeed }
}

const ALL: &[&str] = &[WRONG_AMOUNT, WRONG_PRICE, WRONG_NOTE];

fn shapes(engine: Engine) -> Vec<Change> {
    // Of the same width, so that the bytes of the one are a value of the other.
    let retyped = match engine {
        Postgres => "alter table item alter amount type real",
        Mariadb | Mysql => "alter table item modify amount float",
        // Only by making the table anew.
        Sqlite => {
            "create table other (id bigint primary key, amount text, price integer, \
             note varchar(40), kind integer, rest integer); \
             insert into other select * from item; drop table item; \
             alter table other rename to item"
        }
    };
    let rename = |from: &str, to: &str| format!("alter table item rename column {from} to {to}; ");
    vec![
        change("added", "alter table item add extra integer", ALL, true),
        change("dropped", "alter table item drop column note", &[WRONG_AMOUNT, WRONG_PRICE], false),
        change("retyped", retyped, ALL, engine == Sqlite),
        change("renamed", rename("note", "remark"), &[WRONG_AMOUNT, WRONG_PRICE], false),
        change(
            "exchanged",
            rename("amount", "x") + &rename("price", "amount") + &rename("x", "price"),
            // Rows from before have them exchanged, as was wanted.
            &["select count(*) from item where amount + price <> id * 17"],
            false,
        ),
        change(
            "moved",
            "alter table item drop column amount; alter table item add amount integer",
            ALL,
            false,
        ),
    ]
}

fn rules(engine: Engine) -> Vec<Change> {
    let mut rules = vec![
        change("key added", "create unique index one_price on item (price)", ALL, true),
        change("key in the way", "create unique index one_kind on item (kind)", ALL, false),
        change("gone", "drop table item", &[], false),
        change("receipts gone", "drop table _rowferry_chunk", ALL, false),
        change("streams gone", "drop table _rowferry_stream", ALL, false),
    ];
    if engine != Sqlite {
        rules.push(change("check added", "alter table item add check (id <= 150)", ALL, false));
        let not_null = match engine {
            Postgres => "alter table item alter rest set not null",
            Mariadb | Mysql | Sqlite => "alter table item modify rest integer not null",
        };
        rules.push(change("null refused", not_null, ALL, false));
    }
    rules
}

fn fill(ends: &TwoEnds) {
    ends.forget(&["item"]);
    // `kind` repeats itself from row 151 on, `rest` is null from there.
    let rows: Vec<String> = (1..=ROWS)
        .map(|id| {
            let (kind, rest) = if id <= 150 { (id, "1") } else { (0, "null") };
            format!("({id}, {}, {}, 'n{id}', {kind}, {rest})", id * 10, id * 7)
        })
        .collect();
    ends.source.exec(&format!("{MADE} insert into item values {}", rows.join(", ")));
}

const MADE: &str = "create table item (id bigint not null primary key, amount integer, \
     price integer, note varchar(40), kind integer, rest integer);";

/// Starts a copy, alters `at` behind its second chunk, and lets it go on.
fn altered(ends: &TwoEnds, write: &str, consistency: &str, alter: impl FnOnce()) -> Told {
    let hold = ends.world.path("hold");
    let table = format!("{{ source: item, write: {write} }}");
    let settings = format!("chunk_rows: 50, workers: 1, consistency: {consistency}, retry_for: 3s");
    ends.write_job(&settings, &[&table]);
    let mut command = ends.world.command(&["run", "job.yaml", "--output", "json"]);
    command.env("ROWFERRY_FAILPOINT", "commit-answered:2").env("ROWFERRY_FAILPOINT_HOLD", &hold);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the second chunk", || hold.exists());
    alter();
    std::fs::remove_file(&hold).unwrap();
    wait(run)
}

#[track_caller]
fn judge(ends: &TwoEnds, change: &Change, told: &Told, what: &str) {
    let what = format!("{what}, {}", change.name);
    for wrong in change.wrong {
        let wrong = match ends.target.engine() {
            Sqlite => wrong.replace("concat('n', id)", "'n' || id"),
            Postgres | Mariadb | Mysql => (*wrong).to_owned(),
        };
        assert_eq!(ends.target.value(&wrong), "0", "{what}: {wrong}: {told:?}");
    }
    if told.code == 0 {
        assert!(change.may_succeed, "{what}: {told:?}");
        assert_eq!(ends.target.value("select count(*) from item"), ROWS.to_string(), "{what}");
    } else {
        assert!(matches!(told.code, 65 | 76 | 78), "{what}: {told:?}");
        assert!(told.stderr.contains("item"), "{what}: {}", told.stderr);
    }
}

/// Gives up rather than wait for the run that is held.
fn patience(engine: Engine) -> &'static str {
    match engine {
        Postgres => "set lock_timeout = '5s'; ",
        Mariadb | Mysql => "set lock_wait_timeout = 5; ",
        Sqlite => "",
    }
}

fn a_target_is_altered(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "altered") else { return };
    let changes = shapes(to).into_iter().chain(rules(to)).collect();
    let changes: Vec<Change> = share(changes, from, to);
    println!("faults: {}", changes.len());
    for (number, change) in changes.iter().enumerate() {
        let write = if number % 2 == 0 { "append" } else { "upsert" };
        fill(&ends);
        ends.target.exec(MADE);
        let told = altered(&ends, write, "auto", || {
            ends.target.exec(&format!("{}{}", patience(to), change.statements));
        });
        judge(&ends, change, &told, write);
    }
}

fn a_source_is_altered(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "altered") else { return };
    let changes = share(shapes(from), from, to);
    println!("faults: {}", changes.len());
    for change in &changes {
        fill(&ends);
        ends.target.exec(MADE);
        let told = altered(&ends, "append", "chunk", || {
            ends.source.exec(&format!("{}{}", patience(from), change.statements));
        });
        // The target has its columns still, with what belongs there.
        let whole = Change { wrong: ALL, statements: String::new(), ..*change };
        judge(&ends, &whole, &told, "source");
    }
}

/// The staging table of a full copy is dropped: nothing takes the target's place but all rows.
fn staging_is_dropped(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "altered") else { return };
    fill(&ends);
    println!("faults: 1");
    let told = altered(&ends, "replace", "auto", || {
        let find = match to {
            Postgres => "select relname from pg_class where relkind = 'r'",
            Mariadb | Mysql => {
                "select table_name from information_schema.tables where table_schema = database()"
            }
            Sqlite => "select name from sqlite_schema where type = 'table'",
        };
        let tables = ends.target.query(find);
        let staging = tables.iter().find(|name| name.starts_with("_rowferry_s_")).unwrap();
        ends.target.exec(&format!("{}drop table {staging}", patience(to)));
    });
    assert!(matches!(told.code, 0 | 76 | 78), "{told:?}");
    if told.code != 0 {
        assert!(ends.target.try_query("select count(*) from item").is_err());
        ends.run_job(&["--restart"]).expect(0);
    }
    assert_eq!(ends.target.value("select count(*) from item"), ROWS.to_string());
}

macro_rules! each {
    ($($test:ident)*) => {
        $(
            mod $test {
                use super::*;

                every_direction! { $test:
                    postgres_to_postgres: Postgres => Postgres;
                    postgres_to_mysql: Postgres => Mysql;
                    mysql_to_mariadb: Mysql => Mariadb;
                    mariadb_to_sqlite: Mariadb => Sqlite;
                    sqlite_to_sqlite: Sqlite => Sqlite;
                    sqlite_to_postgres: Sqlite => Postgres;
                }
            }
        )*
    };
}

each! { a_target_is_altered a_source_is_altered staging_is_dropped }
