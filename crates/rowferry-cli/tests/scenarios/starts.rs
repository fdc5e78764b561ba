//! Several starts of one job at the same moment, each from a machine of its own: one of them writes,
//! the others are told to wait, and every row arrives once.
//!
//! Ten rounds for each kind of target; `ROWFERRY_RELIABILITY=full` makes two hundred.

use std::process::Stdio;

use rowferry_testkit::Engine;

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, database, wait_until};
use crate::locked::signal;
use crate::mixed::{COLUMNS, fill, is_full};
use crate::world::{World, wait};

fn one_writes(from: Engine, to: Engine) {
    let world = World::new();
    let Some(source) = database(from, &world, "starts_source") else { return };
    let Some(target) = database(to, &world, "starts_target") else { return };
    fill(&source, 2_000);
    let expected = dump(&source, "t_bigint", &COLUMNS);
    let rounds: u64 = if is_full() { 200 } else { 10 };
    println!("faults: {rounds}");
    let mut written = 0;
    for round in 0..rounds {
        for table in ["t_bigint", "_rowferry_chunk", "_rowferry_stream"] {
            target.exec(&format!("drop table if exists {table}"));
        }
        // From two to eight.
        let machines: Vec<World> = (0..2 + round % 7).map(|_| World::new()).collect();
        let starts: Vec<_> = machines
            .iter()
            .map(|machine| {
                let (from, to) = (source.url(), target.url());
                let words = ["copy", &from, &to, "--table", "t_bigint", "--write", "append"];
                let rest = ["--chunk-rows", "200", "--run-key", "one", "--output", "json"];
                let mut command = machine.command(&[&words[..], &rest].concat());
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for start in starts {
            let told = wait(start);
            match told.code {
                // A start that waited for the lock, or came later, finds the run key done.
                0 => written += told.json()["totals"]["rows_written"].as_u64().unwrap(),
                // It found the lock held; nobody who wrote was fenced by one that did not.
                75 => assert_eq!(told.slugs(), ["locked"], "round {round}: {told:?}"),
                _ => panic!("round {round}: {told:?}"),
            }
        }
        let found = dump(&target, "t_bigint", &COLUMNS);
        assert_same(&format!("round {round}"), &expected, &found);
    }
    assert_eq!(written, 2_000 * rounds, "rows were written by more than one");
}

every_direction! { one_writes:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_mysql: Postgres => Mysql;
    postgres_to_sqlite: Postgres => Sqlite;
}

/// A run that was frozen for longer than its lease is taken for dead: another one finishes. Woken,
/// it writes nothing any more.
#[cfg(feature = "failpoints")]
fn a_frozen_run_is_overtaken(from: Engine, to: Engine) {
    let world = World::new();
    let Some(source) = database(from, &world, "frozen_source") else { return };
    let Some(target) = database(to, &world, "frozen_target") else { return };
    let rows = 20_000;
    fill(&source, rows);
    let expected = dump(&source, "t_bigint", &COLUMNS);
    let start = |machine: &World| {
        let (from, to) = (source.url(), target.url());
        let words = ["copy", &from, &to, "--table", "t_bigint", "--write", "append"];
        let rest = ["--chunk-rows", "100", "--run-key", "one", "--output", "json"];
        let mut command = machine.command(&[&words[..], &rest].concat());
        // The shortest that MySQL knows.
        command.env("ROWFERRY_LEASE_MS", "1000");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let rounds = if is_full() { 40 } else { 2 };
    println!("faults: {rounds}");
    for round in 0..rounds {
        for table in ["t_bigint", "_rowferry_chunk", "_rowferry_stream"] {
            target.exec(&format!("drop table if exists {table}"));
        }
        let (one, other) = (World::new(), World::new());
        let frozen = start(&one);
        wait_until("some receipts", || Progress::of(&target).receipts > 5 + round);
        signal(frozen.id(), "-STOP");
        let before = Progress::of(&target);
        assert!(before.rows < rows, "it was faster than its signal");
        let successor = loop {
            let told = wait(start(&other));
            if told.code != 75 {
                break told;
            }
        };
        let report = successor.expect(0).json();
        assert_eq!(report["totals"]["rows_written"], rows - before.rows, "{report}");
        signal(frozen.id(), "-CONT");
        let woken = wait(frozen);
        assert!(matches!(woken.code, 69 | 75), "{woken:?}");
        assert_same("frozen", &expected, &dump(&target, "t_bigint", &COLUMNS));
        assert_eq!(Progress::of(&target).rows, rows);
    }
}

#[cfg(feature = "failpoints")]
mod frozen {
    use super::*;

    every_direction! { a_frozen_run_is_overtaken:
        postgres_to_postgres: Postgres => Postgres;
        postgres_to_mariadb: Postgres => Mariadb;
        postgres_to_mysql: Postgres => Mysql;
    }
}
