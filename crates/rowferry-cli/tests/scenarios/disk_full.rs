//! Disks that fill up in the middle of a copy: the target's and that of the ledger. The run says which
//! disk it is and what is saved; once there is room the same command goes on, and every row arrives
//! once. A run that still has patience goes on by itself.
//!
//! The disks are small ones that only root may mount; elsewhere the tests say `skipped:`. MySQL
//! stands for its family: MariaDB 10.11 ends itself by a signal when the file of a table cannot grow.
//!
//! Two targets and one ledger; `ROWFERRY_RELIABILITY=full` takes more directions.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rowferry_testkit::{Database, Engine, Server, SmallDisk};

use crate::dump::{Columns, Kind, assert_same, dump};
use crate::ends::{Progress, database, wait_for_silence, wait_until};
use crate::mixed::is_full;
use crate::world::{World, wait};

const COLUMNS: Columns<'_> = &[("id", Kind::Int), ("note", Kind::Text)];
const ROWS: u64 = 20_000;
/// Bytes of a note: all of them take twice the small disk.
const NOTE_BYTES: u64 = 400;
const SMALL_KIB: u32 = 4 << 10;
const LARGE_KIB: u32 = 200 << 10;

/// Rows that fill the small disk.
fn fill(source: &Database) {
    let (numbers, note) = match source.engine() {
        Engine::Postgres => {
            (format!("generate_series(1, {ROWS}) i"), format!("lpad(i::text, {NOTE_BYTES}, 'x')"))
        }
        Engine::Mariadb => (
            format!("(select seq as i from seq_1_to_{ROWS}) s"),
            format!("lpad(i, {NOTE_BYTES}, 'x')"),
        ),
        Engine::Sqlite => (
            format!(
                "(with recursive n (i) as (select 1 union all select i + 1 from n where i < {ROWS}) \
                 select i from n)"
            ),
            format!("printf('%0{NOTE_BYTES}d', i)"),
        ),
        Engine::Mysql => unreachable!("not a source here"),
    };
    let whole = if source.engine() == Engine::Sqlite { "integer" } else { "bigint" };
    source.exec(&format!("create table t (id {whole} primary key, note text not null)"));
    source.exec(&format!("insert into t select i, {note} from {numbers}"));
}

/// A target whose tables lie on a small disk.
struct Target {
    // Unmounted before the database is dropped, and that before its server ends.
    disk: SmallDisk,
    database: Database,
    /// Nobody else's where its own folder is the disk.
    _server: Option<Server>,
    _home: tempfile::TempDir,
}

impl Target {
    fn new(engine: Engine, world: &World) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let small = |folder: &Path| SmallDisk::mount(folder, SMALL_KIB);
        let (disk, database, server) = match engine {
            Engine::Sqlite => {
                let disk = small(home.path())?;
                let database = rowferry_testkit::sqlite(disk.folder(), "target");
                (disk, database, None)
            }
            Engine::Postgres => {
                let database = database(engine, world, "full_target")?;
                // A tablespace is a folder of its own in the disk.
                let disk = small(home.path())?;
                let folder = disk.folder().join("space");
                std::fs::create_dir(&folder).unwrap();
                give(&folder, &PathBuf::from(database.value("show data_directory")));
                let space = format!("{}_space", database.name());
                database
                    .exec(&format!("create tablespace {space} location '{}'", folder.display()));
                database.exec(&format!(
                    "alter database {} set default_tablespace = {space}",
                    database.name()
                ));
                (disk, database, None)
            }
            Engine::Mariadb | Engine::Mysql => {
                let server = rowferry_testkit::alone(engine)?;
                let database = server.database("full_target");
                let data = PathBuf::from(database.value("select @@datadir"));
                (small(&data.join(database.name()))?, database, Some(server))
            }
        };
        Some(Self { disk, database, _server: server, _home: home })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.database.engine() == Engine::Postgres {
            let name = self.database.name();
            drop(self.database.try_query("drop table if exists t"));
            drop(self.database.try_query("drop table if exists _rowferry_chunk, _rowferry_stream"));
            drop(self.database.try_query(&format!("drop tablespace {name}_space")));
        }
    }
}

/// Lets the owner of `model` have `folder`: the server's own user.
fn give(folder: &Path, model: &Path) {
    let reference = format!("--reference={}", model.display());
    let status = Command::new("chown").arg(reference).arg(folder).status().unwrap();
    assert!(status.success());
}

/// Both ends, and how the copy is called.
struct Crossing {
    source: Database,
    target: Target,
    expected: Vec<String>,
    world: World,
}

impl Crossing {
    fn new(from: Engine, to: Engine) -> Option<Self> {
        let world = World::new();
        let target = Target::new(to, &world)?;
        let source = database(from, &world, "full_source")?;
        fill(&source);
        let expected = dump(&source, "t", COLUMNS);
        Some(Self { source, target, expected, world })
    }

    fn words(&self, more: &[&str]) -> Vec<String> {
        let (from, to) = (self.source.url(), self.target.database.url());
        let words = ["copy", &from, &to, "--table", "t", "--output", "json", "--progress", "none"];
        let limits = ["--chunk-rows", "500", "--write", "append"];
        [&words[..], &limits, more].concat().into_iter().map(str::to_owned).collect()
    }

    fn arrived(&self, what: &str) {
        wait_for_silence(&self.target.database);
        assert_same(what, &self.expected, &dump(&self.target.database, "t", COLUMNS));
        assert_eq!(Progress::of(&self.target.database).phase, "done", "{what}");
    }
}

fn as_str(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn a_full_target_is_emptied(from: Engine, to: Engine) {
    let Some(crossing) = Crossing::new(from, to) else { return };
    let words = crossing.words(&["--retry-for", "1s"]);
    let told = crossing.world.run(&as_str(&words)).expect(69);
    assert_eq!(told.slugs(), ["disk-full"], "{told:?}");
    let report = told.json();
    let error = &report["tables"][0]["error"];
    assert!(error["message"].as_str().unwrap().contains('t'), "{error}");
    assert!(error["next"].as_str().unwrap().contains("room"), "{error}");
    assert_eq!(report["retryable"], true);
    crossing.target.disk.grow(LARGE_KIB);
    wait_for_silence(&crossing.target.database);
    let saved = Progress::of(&crossing.target.database);
    assert!(saved.is_unfinished() && saved.receipts > 0, "{saved:?}");
    let said = error["saved"].as_str().unwrap();
    assert!(said.contains(&saved.receipts.to_string()), "{said}, {saved:?}");
    let table = crossing.world.run(&as_str(&words)).expect(0).json()["tables"][0].clone();
    assert_eq!(table["chunks_resumed"], saved.receipts);
    crossing.arrived("after a full disk");
    println!("faults: 1");
}

every_direction! { a_full_target_is_emptied:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_sqlite: Postgres => Sqlite;
}

mod more {
    use super::*;

    fn a_full_target(from: Engine, to: Engine) {
        if is_full() {
            a_full_target_is_emptied(from, to);
        }
    }

    every_direction! { a_full_target:
        postgres_to_mysql: Postgres => Mysql;
        mariadb_to_postgres: Mariadb => Postgres;
        mariadb_to_mysql: Mariadb => Mysql;
        mariadb_to_sqlite: Mariadb => Sqlite;
        sqlite_to_postgres: Sqlite => Postgres;
        sqlite_to_mysql: Sqlite => Mysql;
        sqlite_to_sqlite: Sqlite => Sqlite;
    }
}

#[test]
fn a_patient_run_goes_on_by_itself() {
    let targets = if is_full() { &[Engine::Postgres, Engine::Sqlite][..] } else { &[] };
    for to in targets {
        let to = *to;
        let Some(crossing) = Crossing::new(Engine::Postgres, to) else { return };
        let words = crossing.words(&["--retry-for", "60s", "-v"]);
        let run = crossing.world.start(&as_str(&words));
        // Until nothing becomes durable any more.
        let mut before = 0;
        wait_until("the disk to be full", || {
            std::thread::sleep(Duration::from_millis(500));
            let now = Progress::of(&crossing.target.database).receipts;
            now > 0 && std::mem::replace(&mut before, now) == now
        });
        crossing.target.disk.grow(LARGE_KIB);
        let report = wait(run).expect(0).json();
        assert_eq!(report["tables"][0]["chunks_resumed"], 0, "{report}");
        crossing.arrived("after waiting for room");
        println!("faults: 1");
    }
}

fn a_full_ledger_is_emptied(to: Engine) {
    let world = World::new();
    let Some(source) = database(Engine::Postgres, &world, "ledger_source") else { return };
    let Some(target) = database(to, &world, "ledger_target") else { return };
    fill(&source);
    let folder = world.path("ledger");
    std::fs::create_dir(&folder).unwrap();
    let Some(disk) = SmallDisk::mount(&folder, 256) else { return };
    let ledger = disk.folder().join("rowferry.db");
    let (from, into, state) = (source.url(), target.url(), ledger.display().to_string());
    let words = ["copy", &from, &into, "--table", "t", "--output", "json", "--write", "append"];
    let words = [&words[..], &["--chunk-rows", "50", "--state", &state]].concat();
    let told = world.run(&words).expect(74);
    assert!(told.slugs().contains(&"state-unwritable"), "{told:?}");
    assert!(told.stderr.contains(&state), "{told:?}");
    wait_for_silence(&target);
    let saved = Progress::of(&target);
    assert!(saved.is_unfinished() && saved.receipts > 0, "{saved:?}");
    disk.grow(LARGE_KIB);
    let report = world.run(&words).expect(0).json();
    assert_eq!(report["tables"][0]["chunks_resumed"], saved.receipts);
    assert_same("after a full ledger", &dump(&source, "t", COLUMNS), &dump(&target, "t", COLUMNS));
    let connection = rusqlite::Connection::open(&ledger).unwrap();
    let check: String =
        connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    println!("faults: 1");
}

#[test]
fn a_full_ledger_beside_postgres() {
    if is_full() {
        a_full_ledger_is_emptied(Engine::Postgres);
    }
}

#[test]
fn a_full_ledger_beside_sqlite() {
    a_full_ledger_is_emptied(Engine::Sqlite);
}
