//! The clock of this machine is set: a day forward, a day back, before, in the middle of and after a
//! run, and over the end of summer time. Positions, locks and what is resumed stay as they are; only
//! labels move.
//!
//! Needs libfaketime (Debian package `faketime`). Monotonic time goes on, as it does when a real clock
//! is set.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, Session, database, wait_for_silence, wait_until};
use crate::late_commit::open_transactions;
use crate::mixed::{COLUMNS, fill};
use crate::world::{Told, World, finish, wait};

const ROWS: u64 = 600;
const DURABLE: u64 = 2;

/// The library that changes the clock of a process; `None` after a `skipped:` line.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    if found.is_none() {
        println!("skipped: libfaketime is not installed");
    }
    found
}

struct Copy {
    world: World,
    source: Database,
    target: Database,
    library: PathBuf,
}

impl Copy {
    fn new(to: Engine, rows: u64) -> Option<Self> {
        let world = World::new();
        let library = library()?;
        let source = database(Engine::Sqlite, &world, "clocks_source")?;
        let target = database(to, &world, "clocks_target")?;
        fill(&source, rows);
        Some(Self { world, source, target, library })
    }

    /// A copy at an hour that `clock` tells: `+0`, `-1d`, `@2026-10-25 02:59:59`.
    fn command(&self, clock: &str, more: &[&str]) -> Command {
        let (from, to) = (self.source.url(), self.target.url());
        let words = ["copy", &from, &to, "--table", "t_bigint", "--chunk-rows", "100"];
        let rest = ["--workers", "1", "--write", "append", "--output", "json"];
        let mut command = self.world.command(&[&words[..], &rest, more].concat());
        set(&mut command, &self.library, clock);
        command
    }

    fn killed(&self, clock: &str, more: &[&str]) {
        for table in ["t_bigint", "_rowferry_chunk", "_rowferry_stream"] {
            self.target.exec(&format!("drop table if exists {table}"));
        }
        drop(std::fs::remove_dir_all(self.world.path("state")));
        let mut command = self.command(clock, more);
        command.env("ROWFERRY_FAILPOINT", "rows-done:3");
        assert_eq!(finish(command).code, -1);
        wait_for_silence(&self.target);
        assert_eq!(Progress::of(&self.target).receipts, DURABLE);
    }

    #[track_caller]
    fn arrived(&self) {
        let expected = dump(&self.source, "t_bigint", &COLUMNS);
        assert_same("target", &expected, &dump(&self.target, "t_bigint", &COLUMNS));
    }
}

fn set(command: &mut Command, library: &Path, clock: &str) {
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME", clock)
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_NO_CACHE", "1");
}

fn resumed(told: &Told) -> u64 {
    told.json()["tables"][0]["chunks_resumed"].as_u64().unwrap()
}

/// A run ends under one clock and is taken up under another.
fn taken_up(to: Engine) {
    let Some(copy) = Copy::new(to, ROWS) else { return };
    // A server's age of a run is told by the server's clock. A SQLite file has none but ours, so an
    // unnamed run counts as a day old there.
    let named: &[&str] = if to == Engine::Sqlite { &["--run-key", "one"] } else { &[] };
    let clocks = [("+0", "+1d"), ("+0", "-1d"), ("+1d", "+0"), ("-1d", "+0")];
    println!("faults: {}", clocks.len());
    for (before, after) in clocks {
        copy.killed(before, named);
        let told = finish(copy.command(after, named)).expect(0);
        assert_eq!(resumed(&told), DURABLE, "{before}, then {after}: {told:?}");
        copy.arrived();
        // Only labels move.
        let day = |told: &Told| {
            let label = told.json()["started_at"].as_str().unwrap().to_owned();
            label.split('T').next().unwrap().to_owned()
        };
        if after != "+0" {
            let today = copy.world.value("any.db", "select date('now')");
            assert_ne!(day(&told), today, "the clock was not set");
        }
    }
}

/// The clock is set back and forth while rows flow; a second start still finds the lock held.
fn in_the_middle(to: Engine) {
    let Some(copy) = Copy::new(to, 6_000) else { return };
    println!("faults: 3");
    let clock = copy.world.path("clock");
    std::fs::write(&clock, "+0\n").unwrap();
    let named = ["--run-key", "one"];
    let mut command = copy.command("+0", &named);
    command.env_remove("FAKETIME").env("FAKETIME_TIMESTAMP_FILE", &clock);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for (receipts, shift) in [(5, "-1d\n"), (15, "+1d\n"), (25, "-1d\n")] {
        wait_until("receipts", || {
            Progress::of(&copy.target).receipts > receipts || run.try_wait().unwrap().is_some()
        });
        std::fs::write(&clock, shift).unwrap();
        if receipts == 5 {
            crate::locked::signal(run.id(), "-STOP");
            let elsewhere = copy.world.path("elsewhere/rowferry.db").display().to_string();
            let state = ["--run-key", "one", "--state", &elsewhere];
            finish(copy.command("+1d", &state)).expect(75);
            crate::locked::signal(run.id(), "-CONT");
        }
    }
    let report = wait(run).expect(0).json();
    assert_eq!(report["totals"]["rows_written"], 6_000, "{report}");
    assert!(
        report["seconds"].as_f64().unwrap() < 600.0,
        "durations are told by the wall: {report}"
    );
    copy.arrived();
    assert_eq!(resumed(&finish(copy.command("+0", &named)).expect(0)), 0);
    copy.arrived();
}

/// The hour that comes twice, in a zone that has it.
fn end_of_summer_time(to: Engine) {
    let Some(copy) = Copy::new(to, ROWS) else { return };
    println!("faults: 1");
    let named = ["--run-key", "one"];
    copy.killed("@2026-10-25 02:59:59", &named);
    let mut command = copy.command("@2026-10-25 02:00:01", &named);
    command.env("TZ", "Europe/Berlin");
    assert_eq!(resumed(&finish(command).expect(0)), DURABLE);
    copy.arrived();
}

/// Without a sight of open transactions a key settles with time: that of the server, not ours.
#[test]
fn a_clock_that_jumps_settles_no_open_transaction() {
    let world = World::new();
    let Some(library) = library() else { return };
    let Some(source) = database(Engine::Mariadb, &world, "blind_source") else { return };
    let target = database(Engine::Sqlite, &world, "blind_target").unwrap();
    source.exec("create table t (id bigint primary key); insert into t values (1)");
    let (name, endpoint) = (source.name().to_owned(), source.endpoint());
    let user = format!("blind_{}", std::process::id());
    source.exec(&format!("create user '{user}'@'%' identified by 'x'"));
    source.exec(&format!("grant select, lock tables on `{name}`.* to '{user}'@'%'"));
    let url = format!("mariadb://{user}:x@{}:{}/{name}", endpoint.host, endpoint.port);
    let run = |clock: &str| {
        let words = ["copy", &url, &target.url(), "--table", "t", "--mode", "incremental"];
        let mut command = world.command(&words);
        set(&mut command, &library, clock);
        finish(command).expect(0);
    };
    let mut late = Session::open(&source);
    late.send("begin; insert into t values (5);");
    wait_until("the open transaction", || open_transactions(&source) == "1");
    source.exec("insert into t values (9)");
    run("+0");
    run("+1d");
    late.send("commit;");
    late.close();
    run("+1d");
    source.exec(&format!("drop user '{user}'@'%'"));
    assert_eq!(target.query("select id from t order by id"), ["1", "5", "9"]);
}

every_target! {
    resume: taken_up;
    during: in_the_middle;
    summer: end_of_summer_time;
}
