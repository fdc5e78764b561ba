//! Each single call of the system that the ledger makes fails once, with EIO, or from there on as on a
//! full disk: the run ends with 74 or does without, and the next one finishes what is missing.
//!
//! A shim in front of the C library counts and fails the calls. Every call at full size, a few of
//! them otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, database};
use crate::mixed::{COLUMNS, fill, is_full};
use crate::world::{Told, World, finish};

/// `EIO` and `ENOSPC` of Linux.
const INPUT_OUTPUT: &str = "5";
const NO_SPACE: &str = "28";

struct Copy {
    world: World,
    source: Database,
    target: Database,
    expected: Vec<String>,
    shim: PathBuf,
}

impl Copy {
    /// `None` after a `skipped:` line.
    fn new() -> Option<Self> {
        let world = World::new();
        let shim = world.path("failing_io.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/failing_io.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&shim, &source])
            .arg("-ldl")
            .status();
        if !built.is_ok_and(|status| status.success()) {
            println!("skipped: no C compiler to build the shim with");
            return None;
        }
        let source = database(Engine::Sqlite, &world, "source")?;
        let target = database(Engine::Sqlite, &world, "target")?;
        fill(&source, 200);
        let expected = dump(&source, "t_bigint", &COLUMNS);
        Some(Self { world, source, target, expected, shim })
    }

    fn run(&self, faults: &[(&str, &str)]) -> Told {
        let (from, to) = (self.source.url(), self.target.url());
        let words = ["copy", &from, &to, "--table", "t_bigint", "--chunk-rows", "100"];
        let rest = ["--workers", "1", "--write", "append", "--run-key", "one", "--output", "json"];
        let mut command = self.world.command(&[&words[..], &rest].concat());
        if !faults.is_empty() {
            command.env("LD_PRELOAD", &self.shim).env("FAULT_PATH", "rowferry.db");
            command.env("FAULT_COUNT", self.world.path("count"));
            command.envs(faults.iter().copied());
        }
        finish(command)
    }

    /// As before the first run.
    fn reset(&self) {
        for table in ["t_bigint", "_rowferry_chunk", "_rowferry_stream"] {
            self.target.exec(&format!("drop table if exists {table}"));
        }
        drop(std::fs::remove_dir_all(self.world.path("state")));
    }

    fn calls(&self, kind: &[(&str, &str)]) -> u64 {
        self.reset();
        self.run(&[kind, &[("FAULT_AT", "0")]].concat()).expect(0);
        std::fs::read_to_string(self.world.path("count")).unwrap().parse().unwrap()
    }

    /// The `at`-th call fails.
    fn survives(&self, at: u64, kind: &[(&str, &str)]) -> i32 {
        self.reset();
        let number = at.to_string();
        let met = self.run(&[kind, &[("FAULT_AT", &number)]].concat());
        assert!(matches!(met.code, 0 | 74), "call {at}: {met:?}");
        assert!(!met.stderr.contains("panic"), "call {at}: {met:?}");
        let durable = Progress::of(&self.target);
        let told = self.run(&[]);
        assert_eq!(told.code, 0, "call {at}: {met:?}, then {told:?}");
        let written = told.json()["totals"]["rows_written"].as_u64().unwrap();
        assert_eq!(written, 200 - durable.rows, "call {at}: copied again: {met:?}");
        assert_same("target", &self.expected, &dump(&self.target, "t_bigint", &COLUMNS));
        assert_eq!(self.world.value("state/rowferry.db", "pragma integrity_check"), "ok");
        let aside = std::fs::read_dir(self.world.path("state")).unwrap().flatten();
        let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains("damaged"));
        assert_eq!(aside.count(), 0, "call {at}: a sound ledger was taken for damaged");
        met.code
    }
}

fn every_call(kind: &[(&str, &str)]) {
    let Some(copy) = Copy::new() else { return };
    let calls = copy.calls(kind);
    assert!(calls > 30, "the shim sees only {calls} calls");
    let step = if is_full() { 1 } else { (calls / 10).max(1) };
    let (mut tried, mut ended) = (0, 0);
    for at in (1..=calls).step_by(usize::try_from(step).unwrap()) {
        tried += 1;
        ended += u64::from(copy.survives(at, kind) == 74);
    }
    assert!(ended > 0, "no call mattered");
    println!("faults: {tried}, {ended} of them ended the run; {calls} calls");
}

#[test]
fn a_call_that_fails_once() {
    every_call(&[("FAULT_ERROR", INPUT_OUTPUT)]);
}

#[test]
fn a_disk_that_is_full_from_some_call_on() {
    every_call(&[("FAULT_ERROR", NO_SPACE), ("FAULT_FOR_GOOD", "1"), ("FAULT_WRITES", "1")]);
}
