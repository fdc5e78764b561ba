//! Tables that are compared while replication brings changes from one server to the other: with
//! `--live` a row that is only late is no difference, and one that never comes is.
//!
//! Each change is of a row that nothing else touches, so that a row that has become equal stays so,
//! however slow the machine is.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rowferry_testkit::{Database, Engine};

use crate::ends::{Session, wait_until};
use crate::random::{Random, seed};
use crate::two_ends::TwoEnds;
use crate::world::{Told, World, wait};

/// Rows at first.
const ROWS: u64 = 6_000;

/// The first of them that replication changes: those before it belong to the test.
const FIRST: u64 = 100;

/// Between two changes; the rows are enough for five minutes.
const PAUSE: Duration = Duration::from_millis(50);

/// How late a change is, in milliseconds.
const LATE: (u64, u64) = (300, 800);

/// What the clients of both say alike.
const ALL: &str = "select id, v, coalesce(n, -1) from t order by id";

/// A writer of the source, and what brings its changes to the target in the same order.
struct Replication {
    made: Arc<AtomicU64>,
    is_held: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Replication {
    fn start(source: &Database, target: &Database) -> Self {
        let (mut here, mut there) = (Session::open(source), Session::open(target));
        let made = Arc::new(AtomicU64::new(0));
        let (is_held, is_over) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let of_thread = (Arc::clone(&made), Arc::clone(&is_held), Arc::clone(&is_over));
        let mut random = Random::new(seed());
        let thread = std::thread::spawn(move || {
            let (made, is_held, is_over) = of_thread;
            let mut late: VecDeque<(Instant, String)> = VecDeque::new();
            while !is_over.load(Ordering::SeqCst) || !late.is_empty() {
                let held = is_held.load(Ordering::SeqCst);
                while late.front().is_some_and(|(due, _)| !held && *due <= Instant::now()) {
                    there.send(&late.pop_front().unwrap().1);
                }
                let number = made.load(Ordering::SeqCst);
                if !is_over.load(Ordering::SeqCst) && FIRST + number < ROWS {
                    let sql = change(number);
                    here.send(&sql);
                    let after = Duration::from_millis(LATE.0 + random.below(LATE.1 - LATE.0));
                    late.push_back((Instant::now() + after, sql));
                    made.store(number + 1, Ordering::SeqCst);
                }
                std::thread::sleep(PAUSE);
            }
            here.close();
            there.close();
        });
        Self { made, is_held, is_over, thread }
    }

    fn hold(&self, held: bool) {
        self.is_held.store(held, Ordering::SeqCst);
    }

    /// Keys that may have been changed by now.
    fn keys(&self) -> BTreeSet<u64> {
        // One more is changed before it is counted.
        let made = 0..=self.made.load(Ordering::SeqCst);
        made.map(key).collect()
    }

    /// Brings what is left; how many changes there were.
    fn finish(self) -> u64 {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.made.load(Ordering::SeqCst)
    }
}

/// The row of a change. They are spread over the table: 733 has no divisor in common with their number.
fn key(number: u64) -> u64 {
    let place = FIRST + (number * 733) % (ROWS - FIRST);
    if number.is_multiple_of(3) { ROWS + place } else { place }
}

fn change(number: u64) -> String {
    let key = key(number);
    match number % 3 {
        0 => format!("insert into t values ({key}, 'new', {number});"),
        1 => format!("update t set v = 'changed {number}', n = null where id = {key};"),
        _ => format!("delete from t where id = {key};"),
    }
}

fn fill(database: &Database) {
    let rows: Vec<String> =
        (1..=ROWS).map(|id| format!("({id}, 'row {id}', {})", id % 97)).collect();
    database.exec(&format!(
        "create table t (id bigint primary key, v varchar(40), n integer);
         insert into t values {};",
        rows.join(", ")
    ));
}

/// `verify` of both ends with these words.
struct Verify<'a> {
    world: &'a World,
    source: String,
    target: String,
}

impl Verify<'_> {
    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let words = ["verify", &self.source, &self.target, "--tables", "t", "--chunk-rows", "700"];
        [&words[..], &["--output", "json", "--verbose"], more].concat()
    }

    fn run(&self, more: &[&str]) -> Told {
        self.world.run(&self.words(more))
    }
}

/// Keys that were told of.
fn told_of(told: &Told) -> BTreeSet<u64> {
    let lines = told.stdout.lines().filter_map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["key"]["id"].as_str().map(|id| id.parse().unwrap())
    });
    lines.collect()
}

fn late_rows_are_equal_and_lost_ones_are_named(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "verified_live") else { return };
    fill(&ends.source);
    fill(&ends.target);
    let verify =
        Verify { world: &ends.world, source: ends.source.url(), target: ends.target.url() };
    let replication = Replication::start(&ends.source, &ends.target);
    let differ = || ends.source.query(ALL) != ends.target.query(ALL);

    // Without `--live` what is late is a difference. Nothing arrives meanwhile, so that there is one.
    replication.hold(true);
    wait_until("a change that has not arrived", differ);
    let late = told_of(&verify.run(&[]).expect(1));
    assert!(!late.is_empty() && late.is_subset(&replication.keys()), "{late:?}");

    // With it, it is none, whether it arrives in the middle of the comparison or is always on its way.
    let live = ["--live", "--wait", "10s"];
    let started = ends.world.start(&verify.words(&live));
    std::thread::sleep(Duration::from_secs(1));
    replication.hold(false);
    let before = replication.made.load(Ordering::SeqCst);
    assert_eq!(wait(started).expect(0).json()["differences"], 0);
    for more in [&[][..], &["--pushdown"]] {
        let report = verify.run(&[&live[..], more].concat()).expect(0).json();
        assert_eq!(report["differences"], 0);
        let asked = report["tables"][0]["pushdown"]["asked"].as_u64();
        assert_eq!(asked > Some(0), !more.is_empty() && from == to, "{report}");
    }
    let after = replication.made.load(Ordering::SeqCst);
    assert!(after > before + 10, "only {} changes", after - before);

    // What never arrives is named, and nothing else.
    ends.target.exec(
        "delete from t where id = 1; update t set v = 'lost' where id = 2; \
         insert into t values (1000000, 'made up', 1);",
    );
    let told = verify.run(&live).expect(1);
    assert_eq!(told_of(&told), BTreeSet::from([1, 2, 1_000_000]), "{}", told.stdout);
    assert_eq!(told.json()["differences"], 3);

    assert!(replication.finish() < ROWS - FIRST, "the rows were not enough");
    ends.target.exec(
        "insert into t values (1, 'row 1', 1); update t set v = 'row 2' where id = 2; \
         delete from t where id = 1000000;",
    );
    assert!(!differ(), "replication has lost a change");
    verify.run(&[]).expect(0);
}

every_direction! { late_rows_are_equal_and_lost_ones_are_named:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    mariadb_to_postgres: Mariadb => Postgres;
}
