//! Two runs of one job, and a password that nobody must see.

use std::path::Path;
use std::process::Command;

use rowferry_testkit::{Database, Engine};

use crate::ends::{Progress, database, wait_until};
use crate::world::{Told, World, wait};

fn copy(source: &Database, target: &Database) -> Vec<String> {
    ["copy", &source.url(), &target.url(), "--table", "t", "--chunk-rows", "100", "--workers", "1"]
        .map(str::to_owned)
        .into_iter()
        .chain([
            "--output".to_owned(),
            "json".to_owned(),
            "--report".to_owned(),
            "report.json".to_owned(),
        ])
        .collect()
}

pub(crate) fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// The first run is frozen where that is fair, so that the second surely meets it.
fn the_second_run_is_told_to_wait(to: Engine, state_of_second: &str) {
    let world = World::new();
    let Some(source) = database(Engine::Postgres, &world, "locked_source") else { return };
    let Some(target) = database(to, &world, "locked_target") else { return };
    source.exec("create table t (id bigint primary key, name text)");
    source.exec("insert into t select i, 'name ' || i from generate_series(1, 50000) i; analyze t");
    let words = copy(&source, &target);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let first = world.start(&words);
    wait_until("the first receipt", || Progress::of(&target).receipts > 0);
    // Not with a ledger in common: frozen inside a write, the first would hold SQLite's own lock.
    let frozen = state_of_second != "state/rowferry.db";
    if frozen {
        signal(first.id(), "-STOP");
    }
    let before = Progress::of(&target);
    let mut second = world.command(&words);
    second.env("ROWFERRY_STATE", world.path(state_of_second));
    let second = crate::world::finish(second);
    let after = Progress::of(&target);
    if frozen {
        signal(first.id(), "-CONT");
    }
    let first = wait(first);
    second.expect(75);
    assert_eq!(before.run, after.run);
    let report = first.expect(0).json();
    assert_eq!(report["totals"]["rows_written"], 50_000);
    assert_eq!(target.value("select count(*) from t"), "50000");
}

#[test]
fn a_second_run_of_the_same_job_is_75() {
    the_second_run_is_told_to_wait(Engine::Postgres, "state/rowferry.db");
}

#[test]
fn a_second_run_from_another_machine_is_75_in_postgres() {
    the_second_run_is_told_to_wait(Engine::Postgres, "elsewhere/rowferry.db");
}

#[test]
fn a_second_run_from_another_machine_is_75_in_mariadb() {
    the_second_run_is_told_to_wait(Engine::Mariadb, "elsewhere/rowferry.db");
}

#[test]
fn a_second_run_from_another_machine_is_75_in_sqlite() {
    the_second_run_is_told_to_wait(Engine::Sqlite, "elsewhere/rowferry.db");
}

/// Every file below `folder` that holds `canary`.
fn holders(folder: &Path, canary: &[u8], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            holders(&path, canary, found);
        } else if contains(&std::fs::read(&path).unwrap_or_default(), canary) {
            found.push(path.display().to_string());
        }
    }
}

fn contains(text: &[u8], canary: &[u8]) -> bool {
    text.windows(canary.len()).any(|part| part == canary)
}

#[test]
fn no_password_and_no_row_value_is_ever_shown() {
    let world = World::new();
    let Some(source) = database(Engine::Postgres, &world, "canary_source") else { return };
    let Some(target) = database(Engine::Mariadb, &world, "canary_target") else { return };
    let password = source.endpoint().password.map(|secret| secret.reveal().to_owned()).unwrap();
    source.exec("create table t (id bigint primary key, name text, small integer)");
    source.exec("insert into t values (1, 'row-canary-3Xv', 70000)");
    let words = copy(&source, &target);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut told: Vec<Told> = Vec::new();
    told.push(world.run(&words).expect(0));
    told.push(world.run(&[&words[..], &["-vv", "--log-format", "json"]].concat()).expect(0));
    // Fails on the value: the server's own message would quote it.
    target.exec(
        "drop table t; create table t (id bigint primary key, name varchar(3), small tinyint)",
    );
    told.push(world.run(&[&words[..], &["--write", "upsert", "--restart"]].concat()));
    assert_ne!(told[2].code, 0, "{:?}", told[2]);
    let wrong = source.url().replace("@127", "x@127");
    told.push(world.run(&["copy", &wrong, &target.url(), "--table", "t"]).expect(77));
    let nowhere = source
        .url()
        .replace("127.0.0.1", "127.0.0.2")
        .replace(&source.endpoint().port.to_string(), "1");
    told.push(
        world
            .run(&["copy", &nowhere, &target.url(), "--table", "t", "--retry-for", "1s"])
            .expect(69),
    );
    for command in [&["plan"][..], &["check"]] {
        told.push(world.run(&[command, &[&source.url(), &target.url()]].concat()));
    }
    told.push(world.run(&["tables", &source.url()]));
    told.push(world.run(&["status", "--target", &target.url()]));
    told.push(world.run(&["copy", &source.url(), &target.url(), "--table", "t", "--print-config"]));
    for canary in [password.as_str(), "row-canary-3Xv"] {
        for told in &told {
            let said = format!("{}\n{}", told.stdout, told.stderr);
            assert!(!said.contains(canary), "{canary} in {said}");
        }
        let mut found = Vec::new();
        holders(world.folder(), canary.as_bytes(), &mut found);
        assert!(found.is_empty(), "{canary} in {found:?}");
        let progress = target.query("select * from _rowferry_stream").join("\n")
            + &target.query("select * from _rowferry_chunk").join("\n");
        assert!(!progress.contains(canary), "{canary} in {progress}");
    }
}
