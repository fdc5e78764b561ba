//! Killed at every boundary at which something becomes durable, and run again: nothing is lost,
//! nothing is doubled, and what was durable is not copied twice.

use std::path::Path;
use std::process::Stdio;

use rowferry_runtime::FailPoint;
use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, database, wait_for_silence};
use crate::mixed::{COLUMNS, fill};
use crate::world::{Told, World, wait};

const ROWS: u64 = 1_000;
const CHUNK_ROWS: &str = "100";

/// What is copied, and how.
#[derive(Clone, Copy)]
struct Case {
    table: &'static str,
    write: &'static str,
    /// The target is there before each run, filled by an earlier one; else each run makes it.
    into_existing: bool,
}

const FULL: Case = Case { table: "t_bigint", write: "replace", into_existing: true };
const FULL_WITHOUT_A_KEY: Case = Case { table: "t_none", write: "replace", into_existing: false };
const APPEND: Case = Case { table: "t_bigint", write: "append", into_existing: false };
const APPEND_WITHOUT_A_KEY: Case = Case { table: "t_none", write: "append", into_existing: false };
const UPSERT: Case = Case { table: "t_uuid", write: "upsert", into_existing: false };

/// One source and one target, for all boundaries of a case.
struct Crossing {
    case: Case,
    source: Database,
    target: Database,
    expected: Vec<String>,
    // Holds the files of SQLite.
    _world: World,
}

impl Crossing {
    fn new(from: Engine, to: Engine, case: Case) -> Option<Self> {
        let world = World::new();
        let source = database(from, &world, "boundary_source")?;
        let target = database(to, &world, "boundary_target")?;
        fill(&source, ROWS);
        let expected = dump(&source, case.table, &COLUMNS);
        Some(Self { case, source, target, expected, _world: world })
    }

    /// A run with a ledger of `world`, to be killed at `point` when it passes for the `times`th time.
    fn run(&self, world: &World, kill: Option<(FailPoint, u32)>, log: Option<&Path>) -> Told {
        let (from, to) = (self.source.url(), self.target.url());
        let words = ["copy", &from, &to, "--table", self.case.table, "--write", self.case.write];
        let rest = ["--chunk-rows", CHUNK_ROWS, "--run-key", "k", "--output", "json"];
        let mut command = world.command(&[&words[..], &rest, &["--progress", "none"]].concat());
        if let Some((point, times)) = kill {
            command.env("ROWFERRY_FAILPOINT", format!("{}:{times}", point.word()));
        }
        if let Some(log) = log {
            command.env("ROWFERRY_FAILPOINT_LOG", log);
        }
        wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The target as each run is to find it.
    fn reset(&self) {
        if self.case.into_existing {
            // The next run is another one of the same stream.
            let other = "update _rowferry_stream set run_key = 'before'";
            drop(self.target.try_query(other));
            return;
        }
        for table in self.tables() {
            self.target.exec(&format!("drop table {table}"));
        }
    }

    fn tables(&self) -> Vec<String> {
        let mut tables = self.target.query(match self.target.engine() {
            Engine::Postgres => {
                "select relname from pg_class where relkind = 'r' \
                 and relnamespace = 'public'::regnamespace"
            }
            Engine::Mariadb | Engine::Mysql => {
                "select table_name from information_schema.tables where table_schema = database()"
            }
            Engine::Sqlite => "select name from sqlite_master where type = 'table'",
        });
        tables.sort_unstable();
        tables
    }

    /// Kills a run at that boundary and lets the next one finish. False when the run never came by.
    fn survives(&self, point: FailPoint, times: u32) -> bool {
        let world = World::new();
        self.reset();
        let killed = self.run(&world, Some((point, times)), None);
        let at = format!("{} for the {times}. time", point.word());
        if killed.code == 0 {
            return false;
        }
        assert_eq!(killed.code, -1, "{at}: it ended by itself: {killed:?}");
        wait_for_silence(&self.target);
        let durable = Progress::of(&self.target);
        let told = self.run(&world, None, None);
        assert_eq!(told.code, 0, "{at}, {durable:?}: {told:?}");
        assert_same(&at, &self.expected, &dump(&self.target, self.case.table, &COLUMNS));
        assert_eq!(Progress::of(&self.target).phase, "done", "{at}");
        assert_eq!(self.tables(), ["_rowferry_chunk", "_rowferry_stream", self.case.table], "{at}");
        if durable.phase == "loading" && self.case.table != "t_none" {
            let table = &told.json()["tables"][0];
            assert_eq!(table["chunks_resumed"], durable.receipts, "{at}: {table}");
            assert_eq!(table["rows_read"], ROWS - durable.rows, "{at}: {table}");
        }
        true
    }

    fn survives_all(&self) {
        if self.case.into_existing {
            self.run(&World::new(), None, None).expect(0);
        }
        let mut kills = 0;
        let mut survives = |point, times| {
            let killed = self.survives(point, times);
            kills += u32::from(killed);
            killed
        };
        for point in FailPoint::ALL {
            match point {
                FailPoint::TableStatement => {
                    let mut times = 1;
                    while survives(point, times) {
                        times += 1;
                    }
                    assert!(times > 1, "no statement of a table was met");
                }
                FailPoint::ChunkBegun
                | FailPoint::RowsBegun
                | FailPoint::RowsDone
                | FailPoint::ReceiptWritten
                | FailPoint::CommitSent
                | FailPoint::CommitAnswered
                | FailPoint::LedgerDone => {
                    // One stream is one chunk where a table has neither key nor blocks.
                    let met = survives(point, 4) || survives(point, 1);
                    assert!(met, "{} was not met", point.word());
                }
                FailPoint::BeforeLock
                | FailPoint::Locked
                | FailPoint::Claimed
                | FailPoint::Prepared
                | FailPoint::ChunksDone
                | FailPoint::IntentWritten
                | FailPoint::Sealed
                | FailPoint::Published => {
                    assert!(survives(point, 1), "{} was not met", point.word());
                }
                FailPoint::LedgerBegun => {
                    // The run's own row, the table's, a chunk's.
                    for times in [1, 2, 5] {
                        assert!(survives(point, times), "{} was not met", point.word());
                    }
                }
            }
        }
        println!("faults: {kills}");
    }
}

fn survives(from: Engine, to: Engine, case: Case) {
    if let Some(crossing) = Crossing::new(from, to, case) {
        crossing.survives_all();
    }
}

#[test]
fn every_boundary_is_passed_by_a_whole_copy() {
    let Some(crossing) = Crossing::new(Engine::Postgres, Engine::Mariadb, FULL) else { return };
    let world = World::new();
    let log = world.path("points");
    crossing.run(&world, None, Some(&log)).expect(0);
    let passed = std::fs::read_to_string(log).unwrap();
    for point in FailPoint::ALL {
        assert!(passed.lines().any(|line| line == point.word()), "{point:?} was not passed");
    }
}

macro_rules! directions {
    ($($name:ident: $from:ident => $to:ident;)*) => {
        $(
            mod $name {
                use super::*;

                #[test]
                fn full() {
                    survives(Engine::$from, Engine::$to, FULL);
                }

                #[test]
                fn full_without_a_key() {
                    survives(Engine::$from, Engine::$to, FULL_WITHOUT_A_KEY);
                }

                #[test]
                fn append() {
                    survives(Engine::$from, Engine::$to, APPEND);
                }

                #[test]
                fn append_without_a_key() {
                    survives(Engine::$from, Engine::$to, APPEND_WITHOUT_A_KEY);
                }

                #[test]
                fn upsert() {
                    survives(Engine::$from, Engine::$to, UPSERT);
                }
            }
        )*
    };
}

directions! {
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mariadb: Sqlite => Mariadb;
    sqlite_to_sqlite: Sqlite => Sqlite;
}
