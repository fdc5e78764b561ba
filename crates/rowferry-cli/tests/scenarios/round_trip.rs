//! There and back again: a database's types through another engine, and equal at the end.

use rowferry_testkit::Database;
use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};

use crate::ends::database;
use crate::fixture::Entry;
use crate::ride::{Line, Ride, alike, expect_none, job, make, of_table, plan, rows_of, run, shown};
use crate::world::World;

fn round_trip(home: Engine, abroad: Engine) {
    let Some(ride) = Ride::new(home, abroad, "round_trip") else { return };
    let Some(back) = database(home, &ride.world, "round_trip_back") else { return };
    let goes: Vec<&Entry> = ride.entries.iter().filter(|entry| entry.goes(abroad)).collect();
    let values: Vec<Vec<&str>> = goes.iter().map(|entry| entry.returning(abroad)).collect();
    ride.fill(&make(home, "wide", &goes, rows_of(&values)));
    let mut found = Vec::new();
    found.extend(leg(&ride.world, &ride.source, &ride.target));
    if found.is_empty() {
        found.extend(leg(&ride.world, &ride.target, &back));
    }
    if found.is_empty() {
        let columns: Vec<_> = goes.iter().map(|entry| (entry.shown(home), entry.kind)).collect();
        let left = shown(&ride.source, "wide", &columns);
        // A vector comes back as JSON, which its own function does not read.
        let back_columns: Vec<_> = goes
            .iter()
            .map(|entry| {
                let is_vector = entry.declared.starts_with("vector");
                let plain = || entry.kind.expression(home, &entry.name);
                (if is_vector { plain() } else { entry.shown(home) }, entry.kind)
            })
            .collect();
        let came = shown(&back, "wide", &back_columns);
        for ((entry, left), came) in goes.iter().zip(&left).zip(&came) {
            let ends = [home, abroad];
            let (left, came) = (alike(left, entry.kind, ends), alike(came, entry.kind, ends));
            for (id, text) in &left {
                if came.get(id) != Some(text) {
                    let there = came.get(id);
                    let declared = &entry.declared;
                    found.push(format!(
                        "{} ({declared}) of row {id}: {text:.200} became {there:.200?}",
                        entry.name
                    ));
                }
            }
        }
    }
    expect_none(&format!("{home:?} to {abroad:?} and back"), &found);
}

/// One copy; a column that the plan refuses goes by the first cast that it offers, which is a
/// difference that the plan has listed.
fn leg(world: &World, source: &Database, target: &Database) -> Vec<String> {
    world.write("job.yaml", &job(source, target, &[Line::of("wide")]));
    let (_, planned) = plan(world);
    let problems = of_table(&planned, "wide")["problems"].as_array().cloned().unwrap_or_default();
    let mut casts = Vec::new();
    let mut found = Vec::new();
    for problem in &problems {
        match (problem["column"].as_str(), problem["casts"][0].as_str()) {
            (Some(column), Some(cast)) => casts.push(format!("{column}: \"{cast}\"")),
            _ => found.push(format!("refused without a cast: {problem}")),
        }
    }
    let line = Line::of("wide");
    let line = if casts.is_empty() {
        line
    } else {
        line.with(format!("casts: {{ {} }}", casts.join(", ")))
    };
    world.write("job.yaml", &job(source, target, &[line]));
    let (told, report) = run(world);
    if told.code != 0 {
        let (from, to) = (source.engine(), target.engine());
        found.push(format!(
            "{from:?} to {to:?}: exit {}: {}",
            told.code, report["tables"][0]["error"]
        ));
    }
    found
}

#[test]
fn postgres_through_mysql() {
    round_trip(Postgres, Mysql);
}

#[test]
fn postgres_through_mariadb() {
    round_trip(Postgres, Mariadb);
}

#[test]
fn postgres_through_sqlite() {
    round_trip(Postgres, Sqlite);
}

#[test]
fn mysql_through_postgres() {
    round_trip(Mysql, Postgres);
}

#[test]
fn mariadb_through_postgres() {
    round_trip(Mariadb, Postgres);
}

#[test]
fn mysql_through_sqlite() {
    round_trip(Mysql, Sqlite);
}

#[test]
fn mariadb_through_sqlite() {
    round_trip(Mariadb, Sqlite);
}
