//! The ledger of this machine and the target disagree: the target says how far a copy is, and where
//! it says less than before, a person is asked, by a message whose commands work as they stand.

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, database, tables, wait_for_silence};
use crate::mixed::{COLUMNS, fill};
use crate::world::{Told, World, finish};

const ROWS: u64 = 600;
/// Receipts of a run that was killed in its third chunk.
const DURABLE: u64 = 2;

/// A copy of `t_bigint` from a SQLite file, since only the target matters here.
struct Copy {
    world: World,
    source: Database,
    target: Database,
    expected: Vec<String>,
    words: &'static [&'static str],
}

const FULL: &[&str] = &[];
const APPEND: &[&str] = &["--write", "append"];
const INCREMENTAL: &[&str] = &["--mode", "incremental"];

impl Copy {
    fn new(to: Engine, words: &'static [&'static str]) -> Option<Self> {
        let world = World::new();
        let source = database(Engine::Sqlite, &world, "reconcile_source")?;
        let target = database(to, &world, "reconcile_target")?;
        fill(&source, ROWS);
        let expected = dump(&source, "t_bigint", &COLUMNS);
        Some(Self { world, source, target, expected, words })
    }

    fn command(&self, verb: &str, more: &[&str]) -> std::process::Command {
        let (from, to) = (self.source.url(), self.target.url());
        let words = [verb, &from, &to, "--table", "t_bigint", "--chunk-rows", "100"];
        let rest = ["--workers", "1", "--output", "json", "-v"];
        self.world.command(&[&words[..], &rest, self.words, more].concat())
    }

    fn run(&self, more: &[&str]) -> Told {
        finish(self.command("copy", more))
    }

    /// A run that ends in the middle of its third chunk.
    fn killed(&self, more: &[&str]) {
        let mut command = self.command("copy", more);
        command.env("ROWFERRY_FAILPOINT", "rows-done:3");
        assert_eq!(finish(command).code, -1);
        wait_for_silence(&self.target);
        assert_eq!(Progress::of(&self.target).receipts, DURABLE);
    }

    /// The rows are those of the source, each once.
    #[track_caller]
    fn arrived(&self) {
        assert_same("target", &self.expected, &dump(&self.target, "t_bigint", &COLUMNS));
    }

    /// Keeps the target as a backup would.
    fn back_up(&self) {
        for table in self.tables() {
            self.target.exec(&format!("drop table if exists kept_{table}"));
            self.target.exec(&format!("create table kept_{table} as select * from {table}"));
        }
    }

    fn put_back(&self) {
        for table in self.tables() {
            let back =
                format!("delete from {table}; insert into {table} select * from kept_{table}");
            self.target.exec(&back);
        }
    }

    fn tables(&self) -> Vec<&'static str> {
        let mut tables = vec!["_rowferry_stream", "_rowferry_chunk"];
        if self.target.try_query("select 1 from t_bigint limit 1").is_ok() {
            tables.push("t_bigint");
        }
        tables
    }

    fn ledger(&self) -> std::path::PathBuf {
        self.world.path("state/rowferry.db")
    }

    /// Chunks that the ledger knows of.
    fn noted(&self) -> String {
        self.world.value("state/rowferry.db", "select count(*) from chunk")
    }

    /// Runs the `rowferry state …` command that an error names.
    #[track_caller]
    fn follow(&self, told: &Told) -> Told {
        let next = told.json()["error"]["next"].as_str().unwrap().to_owned();
        let command = next.split('`').find(|part| part.starts_with("rowferry state")).unwrap();
        let url = self.target.url();
        let words: Vec<&str> = command
            .split_whitespace()
            .skip(1)
            .map(|word| if word == "URL" { url.as_str() } else { word })
            .collect();
        self.world.run(&words).expect(2);
        self.world.run(&[&words[..], &["--yes"]].concat()).expect(0)
    }
}

#[track_caller]
fn says(told: &Told, words: &str, times: usize) {
    assert_eq!(told.stderr.matches(words).count(), times, "{words:?} in {}", told.stderr);
}

const BEHIND: &str = "the target is further than was remembered";
const FOUND: &str = "progress was found in the target";

/// Another machine ran the job; the ledger of this one was lost, or is damaged.
fn the_target_fills_the_ledger(to: Engine) {
    let Some(copy) = Copy::new(to, APPEND) else { return };
    copy.killed(&["--run-key", "one"]);
    // Two chunks by another machine, which is killed as well.
    let elsewhere = copy.world.path("elsewhere/rowferry.db").display().to_string();
    let mut other = copy.command("copy", &["--run-key", "one", "--state", &elsewhere]);
    other.env("ROWFERRY_FAILPOINT", "rows-done:3");
    let other = finish(other);
    assert_eq!(other.code, -1);
    says(&other, FOUND, 1);
    wait_for_silence(&copy.target);
    assert_eq!(copy.noted(), DURABLE.to_string());
    let mut behind = copy.command("copy", &["--run-key", "one"]);
    behind.env("ROWFERRY_FAILPOINT", "chunk-begun:1");
    says(&finish(behind), BEHIND, 1);
    wait_for_silence(&copy.target);
    assert_eq!(copy.noted(), "4", "the ledger was not moved forward");

    let bytes = std::fs::read(copy.ledger()).unwrap();
    let damaged: Vec<u8> = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| if at % 4096 < 64 && at >= 4096 { 0xa5 } else { *byte })
        .collect();
    std::fs::write(copy.ledger(), &damaged).unwrap();
    for part in ["-wal", "-shm"] {
        drop(std::fs::remove_file(copy.world.path(&format!("state/rowferry.db{part}"))));
    }
    let mut rebuilt = copy.command("copy", &["--run-key", "one"]);
    rebuilt.env("ROWFERRY_FAILPOINT", "chunk-begun:1");
    let rebuilt = finish(rebuilt);
    says(&rebuilt, "warning: the ledger was damaged", 1);
    says(&rebuilt, FOUND, 1);
    wait_for_silence(&copy.target);
    assert_eq!(copy.noted(), "4", "the ledger was not rebuilt");
    let aside = std::fs::read_dir(copy.world.path("state")).unwrap().flatten().find(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    });
    assert_eq!(std::fs::read(aside.unwrap().path()).unwrap(), damaged, "it was not kept as it was");

    std::fs::remove_dir_all(copy.world.path("state")).unwrap();
    let told = copy.run(&["--run-key", "one"]).expect(0);
    says(&told, FOUND, 1);
    assert_eq!(told.json()["tables"][0]["chunks_resumed"], 4);
    assert_eq!(copy.noted(), "6");
    let again = copy.run(&["--run-key", "one"]).expect(0);
    says(&again, BEHIND, 0);
    says(&again, FOUND, 0);
    copy.arrived();
    println!("faults: 4");
}

/// A backup of the target is put back, under a full copy and under an unfinished append.
fn a_target_that_was_put_back_asks_a_person(to: Engine) {
    let Some(copy) = Copy::new(to, APPEND) else { return };
    copy.killed(&["--run-key", "one"]);
    copy.back_up();
    copy.run(&["--run-key", "one"]).expect(0);
    copy.put_back();
    let told = copy.run(&["--run-key", "one"]).expect(76);
    assert_eq!(told.slugs(), ["target-behind"]);
    assert_eq!(dump(&copy.target, "t_bigint", &COLUMNS).len(), 200, "something was written");
    copy.follow(&told);
    let resumed = copy.run(&["--run-key", "one"]).expect(0).json();
    assert_eq!(resumed["tables"][0]["chunks_resumed"], DURABLE);
    copy.arrived();

    let full = Copy { words: FULL, ..copy };
    full.run(&["--write", "replace", "--restart"]).expect(0);
    full.back_up();
    full.run(&[]).expect(0);
    full.put_back();
    assert_eq!(full.run(&[]).expect(76).slugs(), ["target-behind"]);
    full.run(&["--restart"]).expect(0);
    full.run(&[]).expect(0);
    full.arrived();
    println!("faults: 2");
}

/// Somebody dropped the progress tables.
fn progress_that_is_gone(to: Engine) {
    let forget = |copy: &Copy| {
        copy.target.exec("drop table _rowferry_stream");
        copy.target.exec("drop table _rowferry_chunk");
    };
    let Some(copy) = Copy::new(to, FULL) else { return };
    copy.run(&[]).expect(0);
    forget(&copy);
    says(&copy.run(&[]).expect(0), "has lost the progress of this copy; starting anew", 1);
    copy.arrived();
    // In the middle of a copy, whose staging table is left.
    copy.killed(&[]);
    forget(&copy);
    copy.run(&[]).expect(0);
    copy.arrived();
    assert_eq!(tables(&copy.target), ["_rowferry_chunk", "_rowferry_stream", "t_bigint"]);
    // A stranger's ledger knows nothing of these rows.
    forget(&copy);
    let elsewhere = copy.world.path("elsewhere/rowferry.db").display().to_string();
    let stranger = copy.run(&["--state", &elsewhere]).expect(76);
    assert_eq!(stranger.slugs(), ["target-not-empty"]);

    copy.target.exec("drop table t_bigint");
    let copy = Copy { words: APPEND, ..copy };
    copy.run(&["--restart"]).expect(0);
    forget(&copy);
    assert_eq!(copy.run(&[]).expect(76).slugs(), ["progress-gone"]);
    copy.arrived();
    copy.target.exec("drop table t_bigint");
    copy.killed(&["--run-key", "one"]);
    forget(&copy);
    let told = copy.run(&["--run-key", "one"]).expect(76);
    assert_eq!(told.slugs(), ["progress-gone"]);
    copy.target.exec("delete from t_bigint");
    // Empty or not: who knows what else the backup is missing.
    copy.run(&["--run-key", "one"]).expect(76);
    copy.follow(&told);
    copy.run(&["--run-key", "one"]).expect(0);
    copy.arrived();

    copy.target.exec("drop table t_bigint");
    forget(&copy);
    let copy = Copy { words: INCREMENTAL, ..copy };
    copy.run(&["--restart"]).expect(0);
    forget(&copy);
    assert_eq!(copy.run(&[]).expect(76).slugs(), ["progress-gone"]);
    copy.run(&["--restart"]).expect(0);
    copy.arrived();
    println!("faults: 6");
}

/// The job was changed in the middle of a copy: the plan says so, and the run stops.
fn a_changed_job_is_never_continued_in_silence(to: Engine) {
    let Some(copy) = Copy::new(to, APPEND) else { return };
    copy.killed(&["--run-key", "one"]);
    let plan = |more: &[&str]| {
        let told = finish(copy.command("plan", more)).expect(0).json();
        told[0]["tables"][0]["state"].as_str().unwrap_or_default().to_owned()
    };
    let same = plan(&["--run-key", "one"]);
    assert!(same.contains("continues behind 2 durable chunks"), "{same}");
    let changed = ["--run-key", "one", "--exclude", "note"];
    let words = plan(&changed);
    assert!(words.starts_with("error[plan-changed]: ") && words.contains("columns"), "{words}");
    let told = copy.run(&changed).expect(76);
    assert_eq!(told.slugs(), ["plan-changed"]);
    assert!(told.stderr.contains("columns changed"), "{}", told.stderr);
    copy.run(&["--run-key", "one"]).expect(0);
    copy.arrived();
    println!("faults: 1");
}

/// What a target says is told without any ledger, and a target that is not there is not made.
fn the_target_alone_tells(to: Engine) {
    let Some(copy) = Copy::new(to, APPEND) else { return };
    copy.killed(&["--run-key", "one"]);
    std::fs::remove_dir_all(copy.world.path("state")).unwrap();
    let url = copy.target.url();
    let told = copy.world.run(&["status", "--target", &url, "--output", "json"]).expect(0).json();
    assert_eq!((&told[0]["status"], &told[0]["rows"]), (&"loading".into(), &200.into()), "{told}");
    assert_eq!(told[0]["chunks"], DURABLE);
    let text = copy.world.run(&["status", "--target", &url]).expect(0).stdout;
    assert!(text.contains("t_bigint") && text.contains("loading"), "{text}");
    let nowhere = copy.world.path("typo.db");
    let typo = format!("sqlite:{}", nowhere.display());
    copy.world.run(&["status", "--target", &typo]).expect(69);
    assert!(!nowhere.exists());
    assert!(!copy.ledger().exists(), "a ledger was made by looking");
}

every_target! {
    behind: the_target_fills_the_ledger;
    ahead: a_target_that_was_put_back_asks_a_person;
    gone: progress_that_is_gone;
    changed: a_changed_job_is_never_continued_in_silence;
    alone: the_target_alone_tells;
}
