//! Killed at any moment and run again: nothing lost, nothing doubled, nothing copied twice that was
//! durable.

use std::time::{Duration, Instant};

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, checksum, dump};
use crate::ends::{Progress, database, tables, wait_for_silence};
use crate::mixed::{COLUMNS, fill, number};
use crate::random::{Random, seed};
use crate::world::{World, wait};

/// What is copied, and how.
pub(crate) struct Ferry {
    world: World,
    source: Database,
    target: Database,
    table: &'static str,
    write: &'static str,
    expected: Vec<String>,
    /// The server's checksum of the target after a copy whose dump was equal to the source's.
    right: Vec<String>,
    /// Rises with each finished copy; the run key of the next one.
    cycle: u32,
    random: Random,
    chunks: usize,
}

impl Ferry {
    /// A source with `rows` rows, copied in about so many chunks, and an empty target; `None` after a
    /// `skipped:` line.
    pub(crate) fn new(from: Engine, to: Engine, rows: u64, chunks: usize) -> Option<Self> {
        let world = World::new();
        let source = database(from, &world, "kill_source")?;
        let target = database(to, &world, "kill_target")?;
        fill(&source, rows);
        Some(Self {
            world,
            source,
            target,
            table: "",
            write: "",
            expected: Vec::new(),
            right: Vec::new(),
            cycle: 0,
            random: Random::new(0),
            chunks,
        })
    }

    /// Copies `table` from here on, into an empty target, and is killed at moments of `random`.
    pub(crate) fn carry(&mut self, table: &'static str, write: &'static str, random: Random) {
        self.clear();
        (self.table, self.write, self.random) = (table, write, random);
        self.expected = dump(&self.source, table, &COLUMNS);
        self.right = Vec::new();
    }

    /// Leaves nothing in the target, nor in the ledger, which would miss it.
    fn clear(&self) {
        let state = self.world.path("state");
        if state.exists() {
            std::fs::remove_dir_all(state).unwrap();
        }
        for table in tables(&self.target) {
            self.target.exec(&format!("drop table {table}"));
        }
    }

    fn start(&self) -> std::process::Child {
        let rows = self.expected.len() / self.chunks;
        self.world.start(&[
            "copy",
            &self.source.url(),
            &self.target.url(),
            "--table",
            self.table,
            "--write",
            self.write,
            "--chunk-rows",
            &rows.to_string(),
            "--run-key",
            &format!("cycle{}", self.cycle),
            "--output",
            "json",
            "--progress",
            "none",
        ])
    }

    /// Runs to the end, compares what was resumed with what was durable, and the tables.
    fn finish(&mut self, durable: &Progress) {
        let report = wait(self.start()).expect(0).json();
        self.check(&report, durable);
    }

    fn check(&mut self, report: &serde_json::Value, durable: &Progress) {
        let resumed = report["tables"][0]["chunks_resumed"].as_u64();
        let keyless = self.table == "t_none" && durable.phase != "publishing";
        let wanted = if durable.is_unfinished() && !keyless { durable.receipts } else { 0 };
        assert_eq!(resumed, Some(wanted), "chunks resumed after {durable:?}: {report}");
        self.compare();
        assert_eq!(Progress::of(&self.target).phase, "done");
        self.leaves_nothing_behind();
        self.cycle += 1;
        if self.write != "replace" {
            self.empty_the_target();
        }
    }

    /// By the server's checksum where it is known, which a million rows need; a difference, and the
    /// first copy, are shown by the dump.
    fn compare(&mut self) {
        let sum = checksum(&self.target, self.table, &COLUMNS);
        if sum != self.right {
            let target = dump(&self.target, self.table, &COLUMNS);
            assert_same(&format!("cycle {}", self.cycle), &self.expected, &target);
            self.right = sum;
        }
    }

    fn empty_the_target(&self) {
        let statement =
            if self.target.engine() == Engine::Sqlite { "delete from" } else { "truncate table" };
        self.target.exec(&format!("{statement} {}", self.table));
    }

    fn leaves_nothing_behind(&self) {
        assert_eq!(tables(&self.target), ["_rowferry_chunk", "_rowferry_stream", self.table]);
    }

    /// One run that is killed after `delay`; what is durable then. `None` when it was faster.
    fn kill_after(&mut self, delay: Duration, before: &Progress) -> Option<Progress> {
        let mut child = self.start();
        std::thread::sleep(delay);
        child.kill().unwrap();
        let told = wait(child);
        wait_for_silence(&self.target);
        if told.code == 0 {
            self.check(&told.json(), before);
            return None;
        }
        assert_eq!(told.code, -1, "it ended by itself: {told:?}");
        let after = Progress::of(&self.target);
        println!("killed after {delay:?}: {after:?}");
        if before.is_unfinished() && self.table != "t_none" {
            assert_eq!(after.run, before.run, "a restart from zero: {before:?}");
            assert!(after.receipts >= before.receipts, "{before:?}, then {after:?}");
        }
        Some(after)
    }

    /// Kills `kills` times at random moments; between two kills it is sometimes left to finish.
    pub(crate) fn survives(&mut self, kills: u64) {
        let clock = Instant::now();
        let report = wait(self.start()).expect(0).json();
        let whole = clock.elapsed();
        self.check(&report, &Progress::default());
        // The next run is a first one again: it makes the target and may be killed while it does.
        self.clear();
        let mut durable = Progress::default();
        let mut done = 0;
        // A run that is faster than its kill does not count; it must not go on for ever either.
        for _ in 0..kills * 8 {
            if done == kills {
                break;
            }
            // The first run also met a cold server: later ones are faster.
            let delay = whole.mul_f64(self.random.fraction() * 0.9);
            match self.kill_after(delay, &durable) {
                None => durable = Progress::default(),
                Some(after) => {
                    done += 1;
                    durable = self.settled(after);
                }
            }
        }
        assert_eq!(done, kills, "too few runs could be killed");
        println!("faults: {kills}");
        self.finish(&durable);
    }

    /// Half of the time the copy is finished before the next kill.
    fn settled(&mut self, after: Progress) -> Progress {
        if self.finished_behind_our_back(&after) {
            // Killed between the last commit and its own end: the same run key finds it done.
            self.cycle += 1;
            if self.write != "replace" {
                self.empty_the_target();
            }
            return Progress::default();
        }
        if self.random.fraction() < 0.5 {
            self.finish(&after);
            return Progress::default();
        }
        after
    }

    fn finished_behind_our_back(&self, after: &Progress) -> bool {
        let wanted = format!("cycle{}", self.cycle);
        after.phase == "done"
            && self.target.query("select run_key from _rowferry_stream") == [wanted]
    }
}

fn survives(from: Engine, to: Engine, table: &'static str, write: &'static str, kills: u64) {
    let rows = number("ROWFERRY_KILL_ROWS", 30_000);
    let Some(mut ferry) = Ferry::new(from, to, rows, 60) else { return };
    ferry.carry(table, write, Random::new(seed()));
    ferry.survives(number("ROWFERRY_KILLS", kills));
}

#[test]
fn a_killed_copy_from_postgres_to_postgres_continues() {
    survives(Engine::Postgres, Engine::Postgres, "t_bigint", "replace", 6);
}

#[test]
fn a_killed_copy_from_postgres_to_mariadb_continues() {
    survives(Engine::Postgres, Engine::Mariadb, "t_bigint", "replace", 6);
}

#[test]
fn a_killed_copy_from_sqlite_to_postgres_continues() {
    survives(Engine::Sqlite, Engine::Postgres, "t_bigint", "replace", 6);
}

#[test]
fn a_killed_copy_of_a_text_key_continues() {
    survives(Engine::Postgres, Engine::Sqlite, "t_text", "replace", 3);
}

#[test]
fn a_killed_append_continues() {
    survives(Engine::Postgres, Engine::Mariadb, "t_bigint", "append", 3);
}

#[test]
fn a_killed_upsert_continues() {
    survives(Engine::Postgres, Engine::Postgres, "t_uuid", "upsert", 3);
}

#[test]
fn a_killed_copy_without_a_key_starts_anew() {
    survives(Engine::Postgres, Engine::Mariadb, "t_none", "replace", 3);
}
