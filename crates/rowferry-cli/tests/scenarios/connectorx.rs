//! Rows read by ConnectorX are those that our own readers read.
//!
//! `scripts/connectorx` builds the helper program and runs these; without it they are skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rowferry_testkit::Database;
use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};
use serde_json::Value as Json;

use crate::dump::{assert_same, dump};
use crate::ends::database;
use crate::fixture::Entry;
use crate::kind::Kind;
use crate::mixed::{COLUMNS, fill};
use crate::ride::{Line, Ride, casts, expect_none, job, make, of_table, rows_of, shown};
use crate::two_ends::TwoEnds;
use crate::world::{Told, World, finish};

/// The helper program; `None` after a `skipped:` line.
fn helper() -> Option<PathBuf> {
    let path = std::env::var_os("ROWFERRY_CONNECTORX").map(PathBuf::from);
    let path = path.filter(|path| path.is_file());
    if path.is_none() {
        println!("skipped: connectorx (the helper program is not built)");
    }
    path
}

fn run(world: &World, helper: &PathBuf, words: &[&str]) -> Told {
    let mut command = world.command(words);
    command.env("ROWFERRY_CONNECTORX", helper);
    finish(command)
}

/// `job.yaml` for these tables, read by ConnectorX.
fn write_job(world: &World, source: &Database, target: &Database, lines: &[Line]) {
    let text = job(source, target, lines);
    world.write("job.yaml", &text.replacen("  from: ", "  from: connectorx+", 1));
}

/// Tables of a plan or a report by name, with their problems or their error.
fn words_of<'a>(tables: &'a Json, names: &[String], field: &str) -> BTreeMap<String, &'a Json> {
    let said = names.iter().map(|name| (name.clone(), &of_table(tables, name)[field]));
    said.filter(|(_, said)| !said.is_null() && said.as_array().is_none_or(|all| !all.is_empty()))
        .collect()
}

/// Each type in a table of its own, with the values that arrive by our own reader: what ConnectorX
/// refuses is refused by the plan, what stops the copy does so by name, and all else is the same.
fn types(from: Engine, to: Engine, refused: &[&str], stopped: &[&str]) {
    let Some(helper) = helper() else { return };
    let Some(ride) = Ride::new(from, to, "connectorx_types") else { return };
    let Some(other) = database(to, &ride.world, "connectorx_types_other") else { return };
    if (from, to) == (Postgres, Postgres) {
        let before = ride.entries.iter().flat_map(|entry| &entry.before);
        before.filter(|sql| sql.starts_with("create extension")).for_each(|sql| other.exec(sql));
    }
    let tables: Vec<(String, &Entry)> =
        ride.entries.iter().map(|entry| (format!("t_{}", entry.name), entry)).collect();
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for (table, entry) in &tables {
        ride.fill(&make(from, table, &[entry], rows_of(&[entry.good(to)])));
        let line = Line::of(table);
        lines.insert(
            table.clone(),
            match &entry.flag(to).cast {
                Some(cast) => line.with(casts(&entry.name, cast)),
                None => line,
            },
        );
    }
    let all: Vec<Line> = lines.values().cloned().collect();
    ride.job(&all);
    let (told, _) = ride.run();
    assert_eq!(told.code, 0, "our own reader: {told:?}");

    write_job(&ride.world, &ride.source, &other, &all);
    let planned = run(&ride.world, &helper, &["plan", "job.yaml", "--output", "json"]).json();
    let names: Vec<String> = lines.keys().cloned().collect();
    let problems = words_of(&planned[0]["tables"], &names, "problems");
    for said in problems.values() {
        assert_eq!(said[0]["code"], "not-carried", "{said}");
    }
    let found: Vec<&str> = problems.keys().map(|name| name.trim_start_matches("t_")).collect();
    assert_eq!(found, refused, "refused by the plan");

    let carried: Vec<Line> =
        all.iter().filter(|line| !problems.contains_key(&line.table)).cloned().collect();
    write_job(&ride.world, &ride.source, &other, &carried);
    let words = ["run", "job.yaml", "--output", "json", "--report", "report.json"];
    let told = run(&ride.world, &helper, &words);
    let report = std::fs::read(ride.world.path("report.json")).unwrap();
    let report: Json = serde_json::from_slice(&report).unwrap();
    let errors = words_of(&report["tables"], &names, "error");
    let found: Vec<&str> = errors.keys().map(|name| name.trim_start_matches("t_")).collect();
    assert_eq!(found, stopped, "stopped by name: {told:?}");
    for said in errors.values() {
        assert_eq!(said["code"], "not-carried", "{said}");
    }

    let mut found = Vec::new();
    for (table, entry) in &tables {
        if problems.contains_key(table) || errors.contains_key(table) {
            continue;
        }
        let kind = if to == Sqlite { Kind::Cell } else { Kind::Own };
        let columns = [(kind.expression(to, &entry.name), kind)];
        let (ours, theirs) = (shown(&ride.target, table, &columns), shown(&other, table, &columns));
        for (id, text) in &ours[0] {
            if theirs[0].get(id) != Some(text) {
                found.push(format!("{table} row {id}: {text} became {:?}", theirs[0].get(id)));
            }
        }
        if ours[0].len() != theirs[0].len() {
            found.push(format!("{table}: {} rows of {}", theirs[0].len(), ours[0].len()));
        }
    }
    expect_none(&format!("{from:?} to {to:?} by ConnectorX"), &found);
}

/// Arrays, and what ConnectorX panics at although it has a text form.
const POSTGRES_REFUSED: [&str; 16] = [
    "bit_3", "bit_64", "bools", "byteas", "c_char_1", "c_cid", "c_xid", "c_xid8", "dates",
    "doubles", "ints", "moods", "nums", "stamps", "texts", "uuids",
];

/// Days beyond the calendar of ConnectorX, and infinity.
const POSTGRES_STOPPED: [&str; 3] = ["c_date", "c_timestamp", "c_timestamptz"];

#[test]
fn types_of_postgres_into_sqlite() {
    types(Postgres, Sqlite, &POSTGRES_REFUSED, &POSTGRES_STOPPED);
}

#[test]
fn types_of_postgres_into_postgres() {
    types(Postgres, Postgres, &POSTGRES_REFUSED, &POSTGRES_STOPPED);
}

#[test]
fn types_of_mariadb_into_sqlite() {
    types(Mariadb, Sqlite, &["geo", "geo_point"], &[]);
}

#[test]
fn types_of_mysql_into_sqlite() {
    types(Mysql, Sqlite, &["geo", "geo_point", "vec"], &[]);
}

/// Where it would stop without a name, the query says what stands for the value, and the column is named.
#[test]
fn what_it_cannot_read_is_named() {
    let Some(helper) = helper() else { return };
    let Some(mut ends) = TwoEnds::new(Postgres, Sqlite, "connectorx_named") else { return };
    ends.read_by(&format!("connectorx+{}", ends.source.url()));
    for (number, (declared, value)) in [
        ("date", "262142-12-31"),
        ("date", "5874897-12-31"),
        ("date", "infinity"),
        ("date", "-infinity"),
        ("timestamp", "262142-12-31 23:59:59.999999"),
        ("timestamp", "294276-12-31 23:59:59.999999"),
        ("timestamp", "infinity"),
        ("timestamp", "-infinity"),
        ("timestamptz", "294276-12-31 23:59:59.999999+00"),
        ("timestamptz", "infinity"),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("t{number}");
        ends.source.exec(&format!(
            "create table {table} (id int primary key, before date, v {declared}, after {declared}); \
             insert into {table} values (1, '2024-02-29', null, null), (2, null, '{value}', null)"
        ));
        let mut command = ends.copy_command(&table, &[]);
        command.env("ROWFERRY_CONNECTORX", &helper);
        let told = finish(command).expect(65);
        let error = &told.json()["error"];
        assert_eq!(error["code"], "not-carried", "{declared} {value}: {error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("column \"v\""), "{declared} {value}: {message}");
        assert!(!told.stdout.contains(value), "{declared} {value}: {told:?}");
    }
}

/// Many chunks, several at once, cut by each kind of key.
fn tables(from: Engine, to: Engine) {
    let Some(helper) = helper() else { return };
    let Some(mut ends) = TwoEnds::new(from, to, "connectorx") else { return };
    fill(&ends.source, 20_000);
    ends.read_by(&format!("connectorx+{}", ends.source.url()));
    for table in ["t_bigint", "t_text", "t_composite", "t_none"] {
        let expected = dump(&ends.source, table, &COLUMNS);
        let mut command = ends.copy_command(table, &["--chunk-rows", "3000", "--workers", "2"]);
        command.env("ROWFERRY_CONNECTORX", &helper);
        finish(command).expect(0);
        assert_same(table, &expected, &dump(&ends.target, table, &COLUMNS));
    }
}

#[test]
fn tables_of_postgres() {
    tables(Postgres, Sqlite);
}

#[test]
fn tables_of_mariadb() {
    tables(Mariadb, Postgres);
}

#[test]
fn tables_of_mysql() {
    tables(Mysql, Postgres);
}
