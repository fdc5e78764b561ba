//! What happens to the ledger file of this machine while a copy is unfinished: the next run goes on
//! from what the target says, or ends with a code that says why; it never copies again in silence.

use std::path::{Path, PathBuf};
use std::process::Command;

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, database, wait_until};
use crate::locked::signal;
use crate::mixed::{COLUMNS, fill};
use crate::world::{Told, World, finish, wait};

const ROWS: u64 = 600;
/// Durable chunks of the unfinished copy, of 100 rows each.
const DURABLE: u64 = 2;

/// An unfinished append from one SQLite file to another, and its ledger.
struct Unfinished {
    world: World,
    source: Database,
    target: Database,
    expected: Vec<String>,
}

impl Unfinished {
    fn new() -> Self {
        let copy = Self::fresh(ROWS);
        let mut command = copy.command();
        command.env("ROWFERRY_FAILPOINT", "rows-done:3");
        assert_eq!(finish(command).code, -1);
        assert_eq!(Progress::of(&copy.target).receipts, DURABLE);
        copy
    }

    fn fresh(rows: u64) -> Self {
        let world = World::new();
        let source = database(Engine::Sqlite, &world, "source").unwrap();
        let target = database(Engine::Sqlite, &world, "target").unwrap();
        fill(&source, rows);
        let expected = dump(&source, "t_bigint", &COLUMNS);
        Self { world, source, target, expected }
    }

    fn words(&self) -> Vec<String> {
        let (from, to) = (self.source.url(), self.target.url());
        let words = ["copy", &from, &to, "--table", "t_bigint", "--chunk-rows", "100"];
        let rest = ["--workers", "1", "--write", "append", "--run-key", "one", "--output", "json"];
        words.iter().chain(&rest).map(|&word| word.to_owned()).collect()
    }

    fn command(&self) -> Command {
        let words = self.words();
        self.world.command(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn ledger(&self) -> PathBuf {
        self.world.path("state/rowferry.db")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.world.path(&format!("state/rowferry.db{suffix}"))
    }

    /// The ledger in one file, its log played in.
    fn settle(&self) {
        self.world.sql("state/rowferry.db", "pragma wal_checkpoint(truncate)");
    }

    /// The next run goes on behind what is durable.
    #[track_caller]
    fn resumes(&self) -> Told {
        let told = finish(self.command()).expect(0);
        assert_eq!(told.json()["tables"][0]["chunks_resumed"], DURABLE, "copied again");
        self.arrived();
        told
    }

    /// The next run ends with `code` and `slug` and writes nothing to the target; mended, it goes on.
    #[track_caller]
    fn refuses(&self, command: Command, code: i32, slug: &str, mend: impl FnOnce()) {
        let told = finish(command).expect(code);
        assert_eq!(told.slugs(), [slug]);
        assert_eq!(Progress::of(&self.target).receipts, DURABLE, "something was written");
        mend();
        self.resumes();
    }

    #[track_caller]
    fn arrived(&self) {
        assert_same("target", &self.expected, &dump(&self.target, "t_bigint", &COLUMNS));
        let sound = self.world.value("state/rowferry.db", "pragma integrity_check");
        assert_eq!(sound, "ok", "the ledger");
    }
}

/// What is done to the ledger.
type Damage = fn(&Unfinished);

#[test]
fn a_damaged_or_lost_ledger_is_rebuilt() {
    let damages: [(&str, Damage); 6] = [
        ("empty", |copy| std::fs::write(copy.ledger(), b"").unwrap()),
        ("cut in the middle", |copy| {
            let bytes = std::fs::read(copy.ledger()).unwrap();
            std::fs::write(copy.ledger(), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("another kind of file", |copy| std::fs::write(copy.ledger(), [b'x'; 9000]).unwrap()),
        ("removed", |copy| std::fs::remove_dir_all(copy.world.path("state")).unwrap()),
        ("without its number", |copy| {
            copy.world.sql("state/rowferry.db", "pragma user_version = 0");
        }),
        ("without positions", |copy| {
            copy.world.sql("state/rowferry.db", "update position set sum = sum + 1");
        }),
    ];
    println!("faults: {}", damages.len());
    for (what, damage) in damages {
        println!("{what}");
        let copy = Unfinished::new();
        copy.settle();
        damage(&copy);
        copy.resumes();
    }
}

#[test]
fn a_ledger_without_its_log_is_as_good_as_lost() {
    println!("faults: 1");
    let copy = Unfinished::new();
    assert!(std::fs::metadata(copy.beside("-wal")).unwrap().len() > 0);
    std::fs::remove_file(copy.beside("-wal")).unwrap();
    copy.resumes();
}

#[test]
fn an_older_ledger_is_brought_up_to_date_and_kept() {
    println!("faults: 1");
    let copy = Unfinished::new();
    copy.settle();
    copy.world
        .sql("state/rowferry.db", "drop table position; drop table drift; pragma user_version = 1");
    copy.resumes();
    assert_eq!(copy.world.value("state/rowferry.db", "pragma user_version"), "3");
    let kept = "state/rowferry.db.layout-1";
    assert_eq!(copy.world.value(kept, "pragma user_version"), "1");
    assert_eq!(copy.world.value(kept, "select count(*) from chunk"), DURABLE.to_string());
}

/// Refused by name, byte for byte as it was.
fn is_left_alone(copy: &Unfinished, slug: &str) {
    let before = std::fs::read(copy.ledger()).unwrap();
    copy.refuses(copy.command(), 78, slug, || {
        assert!(std::fs::read(copy.ledger()).unwrap() == before, "the file was changed");
        std::fs::remove_dir_all(copy.world.path("state")).unwrap();
    });
}

#[test]
fn a_newer_ledger_is_refused() {
    println!("faults: 1");
    let copy = Unfinished::new();
    copy.settle();
    copy.world.sql("state/rowferry.db", "pragma user_version = 99; pragma journal_mode = delete");
    is_left_alone(&copy, "state-newer");
}

#[test]
fn a_database_of_something_else_is_refused() {
    println!("faults: 1");
    let copy = Unfinished::new();
    std::fs::remove_dir_all(copy.world.path("state")).unwrap();
    std::fs::create_dir(copy.world.path("state")).unwrap();
    copy.world.sql("state/rowferry.db", "create table recipes (name text)");
    is_left_alone(&copy, "not-a-ledger");
}

#[test]
fn a_ledger_that_another_program_holds_is_waited_for_and_left() {
    println!("faults: 1");
    let copy = Unfinished::new();
    let holder = rusqlite::Connection::open(copy.ledger()).unwrap();
    holder
        .execute_batch(
            "pragma locking_mode = exclusive; begin exclusive; delete from chunk where 0",
        )
        .unwrap();
    copy.refuses(copy.command(), 74, "state-held", || drop(holder));
}

/// Rights mean nothing to root, so the run is somebody else's.
fn by_nobody(copy: &Unfinished) -> Option<Command> {
    let ours = copy.command();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(ours.get_program())
        .args(ours.get_args())
        .current_dir(copy.world.folder())
        .env_clear();
    for (name, value) in ours.get_envs() {
        command.env(name, value.unwrap());
    }
    let may_start = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .args([ours.get_program(), "--version".as_ref()])
        .output()
        .is_ok_and(|output| output.status.success());
    if !may_start {
        println!("skipped: nobody else may start the binary here, or setpriv is missing");
        return None;
    }
    Some(command)
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything may be written by anybody, but for what a test takes away.
fn open_to_all(folder: &Path) {
    mode(folder, 0o777);
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            open_to_all(&entry.path());
        } else {
            mode(&entry.path(), 0o666);
        }
    }
}

#[test]
fn a_ledger_that_may_only_be_read_is_refused() {
    println!("faults: 2");
    for what in ["state/rowferry.db", "state"] {
        let copy = Unfinished::new();
        copy.settle();
        open_to_all(copy.world.folder());
        let Some(command) = by_nobody(&copy) else { return };
        for part in ["-wal", "-shm"] {
            drop(std::fs::remove_file(copy.beside(part)));
        }
        mode(&copy.world.path(what), if what == "state" { 0o555 } else { 0o444 });
        copy.refuses(command, 74, "state-unwritable", || open_to_all(copy.world.folder()));
    }
}

#[test]
fn a_ledger_that_is_removed_under_a_run_is_made_anew() {
    println!("faults: 1");
    let copy = Unfinished::fresh(20_000);
    let words = copy.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = copy.world.start(&words);
    wait_until("some receipts", || Progress::of(&copy.target).receipts > 3);
    signal(run.id(), "-STOP");
    std::fs::remove_dir_all(copy.world.path("state")).unwrap();
    signal(run.id(), "-CONT");
    wait(run).expect(0);
    let again = finish(copy.command()).expect(0).json();
    assert_eq!(again["totals"]["rows_written"], 0, "copied again");
    copy.arrived();
}
