//! Signals, locks, deadlines: what is saved stays, and the next run goes on.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::world::{World, wait};

/// Chunks so small that a copy of this many rows is under way for a while.
const ROWS: u64 = 60_000;
const COPY: [&str; 10] = [
    "copy",
    "sqlite:a.db",
    "sqlite:b.db",
    "--table",
    "orders",
    "--chunk-rows",
    "100",
    "--workers",
    "1",
    "--output=json",
];

/// Waits until the target has durable chunks.
fn until_chunks(world: &World, child: &mut Child) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(1) {
        assert!(child.try_wait().unwrap().is_none(), "the copy ended before it could be stopped");
        if durable(world) > 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no chunk became durable within a minute");
}

fn durable(world: &World) -> u64 {
    if !world.path("b.db").exists() {
        return 0;
    }
    let connection = rusqlite::Connection::open(world.path("b.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
        .query_row("select count(*) from _rowferry_chunk", [], |row| row.get::<_, i64>(0))
        .map_or(0, |count| u64::try_from(count).unwrap())
}

fn signal(child: &Child, name: &str) {
    let status =
        std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn equal(world: &World) {
    let sum = "select count(*) || ' ' || sum(id) || ' ' || sum(length(note)) from orders";
    assert_eq!(world.value("a.db", sum), world.value("b.db", sum));
}

#[test]
fn a_stopped_run_is_saved_and_the_next_one_goes_on() {
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let world = World::new();
        world.orders("a.db", ROWS);
        let mut child = world.start(&COPY);
        until_chunks(&world, &mut child);
        signal(&child, name);
        let told = wait(child).expect(code);
        let report = told.json();
        assert_eq!((&report["status"], &report["retryable"]), (&"stopped".into(), &true.into()));
        let saved = durable(&world);
        assert!(saved > 0);
        let report = world.run(&COPY).expect(0).json();
        assert_eq!(report["tables"][0]["chunks_resumed"], saved);
        assert_eq!(report["resumed"], true);
        equal(&world);
    }
}

#[test]
fn a_killed_run_goes_on_too() {
    let world = World::new();
    world.orders("a.db", ROWS);
    let mut child = world.start(&COPY);
    until_chunks(&world, &mut child);
    child.kill().unwrap();
    wait(child);
    let saved = durable(&world);
    let report = world.run(&COPY).expect(0).json();
    assert_eq!(report["tables"][0]["chunks_resumed"], saved);
    equal(&world);
}

#[test]
fn the_deadline_saves_and_ends_with_75() {
    let world = World::new();
    world.orders("a.db", ROWS);
    let told = world.run(&[&COPY[..], &["--deadline", "300ms"]].concat()).expect(75);
    assert_eq!(told.json()["status"], "stopped");
    world.run(&COPY).expect(0);
    equal(&world);
}

#[test]
fn a_second_run_is_told_to_come_later_and_the_first_goes_on() {
    let world = World::new();
    world.orders("a.db", ROWS);
    let mut first = world.start(&COPY);
    until_chunks(&world, &mut first);
    let second = world.run(&COPY).expect(75);
    assert_eq!(second.slugs(), ["locked"]);
    assert_eq!(second.json()["retryable"], true);
    world.run(&[&COPY[..], &["--on-locked", "skip"]].concat()).expect(0);
    world.run(&[&COPY[..], &["--on-locked", "skip", "--exit-skip"]].concat()).expect(99);
    // Another ledger means another file lock: the lock at the target holds as well.
    let elsewhere = [&COPY[..], &["--state", "elsewhere.db"]].concat();
    assert_eq!(world.run(&elsewhere).expect(75).slugs(), ["locked"]);
    wait(first).expect(0);
    equal(&world);
}

#[test]
fn a_worker_runs_on_its_interval_until_it_is_stopped() {
    let world = World::new();
    world.orders("a.db", 20);
    world.write(
        "jobs.yaml",
        "version: 1\njobs:\n  - name: shop\n    source: sqlite:a.db\n    target: sqlite:b.db\n    \
         every: 1s\n    tables:\n      - source: orders\n  - name: broken\n    source: sqlite:none.db\n    \
         target: sqlite:c.db\n    every: 1s\n    tables:\n      - source: orders\n",
    );
    let child = world.start(&["worker", "jobs.yaml", "--output", "json"]);
    let both_ran_twice = || {
        let told = world.run(&["status", "--output", "json"]).expect(0);
        ["\"status\":\"ok\",\"exit_code\":0,\"totals\"", "\"status\":\"failed\",\"exit_code\":"]
            .iter()
            .all(|words| told.stdout.matches(words).count() >= 2)
    };
    let started = Instant::now();
    while !both_ran_twice() {
        assert!(started.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(50));
    }
    signal(&child, "-TERM");
    let told = wait(child).expect(143);
    assert!(told.stdout.lines().count() >= 3, "{}", told.stdout);
    assert!(told.slugs().len() >= 2, "{}", told.stderr);
    equal(&world);
}

/// Waits until SIGTERM is caught, so that it no longer just ends the process.
fn until_listening(child: &mut Child) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(1) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        // SIGTERM is 15, the first signal is bit 0.
        if u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 14) != 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no signal was listened to within a minute");
}

#[test]
fn a_comparison_that_is_stopped_says_so_in_its_last_line() {
    let world = World::new();
    for file in ["a.db", "b.db"] {
        world.sql(file, "create table t (id integer primary key); insert into t values (1)");
    }
    world.sql("b.db", "insert into t values (2)");
    let verify = ["verify", "sqlite:a.db", "sqlite:b.db", "--table", "t", "--output", "json"];
    // Before the first read, and in the middle of a table that is looked at again and again.
    for more in [&["--wait", "10m"][..], &["--live", "--wait", "10m"]] {
        for (name, code) in [("-TERM", 143), ("-INT", 130)] {
            let mut run = world.start(&[&verify[..], more].concat());
            until_listening(&mut run);
            signal(&run, name);
            let since = Instant::now();
            let told = wait(run).expect(code);
            assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
            let report = told.json();
            assert_eq!(
                (&report["status"], &report["exit_code"]),
                (&"stopped".into(), &code.into())
            );
            assert_eq!(report["error"]["code"], "stopped", "{report}");
            assert_eq!(report["error"]["saved"], "0 tables compared to the end");
        }
    }
    let mut run = world.start(&[&["sync"], &verify[..], &["--wait", "10m"]].concat());
    until_listening(&mut run);
    signal(&run, "-TERM");
    assert_eq!(wait(run).expect(143).json()["status"], "stopped");
}
