//! Told to stop at any moment, by a signal or the deadline: the run ends in time, says so in its last
//! line, leaves nothing behind on the servers, and one more run finishes; every row arrives once.
//!
//! Moments by chance in four directions, and those that are hard to hit on purpose: connecting to a
//! host that never answers, waiting for a lock of the source or the target, for another run, for the
//! next attempt, and exchanging tables. `ROWFERRY_RELIABILITY=full` takes a hundred moments for each
//! of two signals.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rowferry_testkit::{Database, Engine, Proxy};

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, Session, database, of_transactions, wait_for_silence, wait_until};
use crate::locked::signal;
use crate::mixed::{COLUMNS, fill, is_full};
use crate::random::{Random, seed};
use crate::world::{Told, World, wait};

/// What a run may need to end once nothing is waited for any more, on a busy machine.
const PROMPT: Duration = Duration::from_secs(10);

/// Both ends of a copy, and what must arrive.
struct Ferry {
    world: World,
    source: Database,
    target: Database,
    expected: Vec<String>,
}

impl Ferry {
    fn new(from: Engine, to: Engine, rows: u64) -> Option<Self> {
        let world = World::new();
        let source = database(from, &world, "signals_source")?;
        let target = database(to, &world, "signals_target")?;
        fill(&source, rows);
        let expected = dump(&source, "t_bigint", &COLUMNS);
        Some(Self { world, source, target, expected })
    }

    fn start(&self, more: &[&str]) -> Child {
        let (from, to) = (self.source.url(), self.target.url());
        let words = ["copy", &from, &to, "--table", "t_bigint", "--chunk-rows", "200"];
        let rest = ["--output", "json", "--progress", "none"];
        self.world.start(&[&words[..], &rest, more].concat())
    }

    /// One run more finishes; nothing is left of the one that was stopped.
    fn finishes(&self, more: &[&str]) {
        self.is_silent();
        wait(self.start(more)).expect(0);
        self.is_silent();
        assert_same("after a stop", &self.expected, &dump(&self.target, "t_bigint", &COLUMNS));
        assert_eq!(Progress::of(&self.target).phase, "done");
        let mut tables = self.target.query(match self.target.engine() {
            Engine::Postgres => {
                "select relname from pg_class where relkind in ('r', 'v') \
                 and relnamespace = 'public'::regnamespace"
            }
            Engine::Mariadb | Engine::Mysql => {
                "select table_name from information_schema.tables where table_schema = database()"
            }
            Engine::Sqlite => "select name from sqlite_master where type = 'table'",
        });
        tables.sort_unstable();
        assert_eq!(tables, ["_rowferry_chunk", "_rowferry_stream", "t_bigint"]);
    }

    /// No session is left, and with it no lock and no table of its own.
    fn is_silent(&self) {
        wait_for_silence(&self.source);
        wait_for_silence(&self.target);
    }

    fn empty_the_target(&self) {
        for table in ["t_bigint", "_rowferry_chunk", "_rowferry_stream"] {
            self.target.exec(&format!("drop table if exists {table}"));
        }
    }
}

/// The run ends with `code` within `limit`, and says so in its last line.
#[track_caller]
fn ends(run: Child, code: i32, limit: Duration) -> Told {
    let since = Instant::now();
    let told = wait(run).expect(code);
    assert!(since.elapsed() < limit, "{:?}: {told:?}", since.elapsed());
    let report = told.json();
    assert_eq!((&report["status"], &report["exit_code"]), (&"stopped".into(), &code.into()));
    assert_eq!(report["retryable"], true, "{report}");
    told
}

fn at_any_moment(from: Engine, to: Engine) {
    let Some(ferry) = Ferry::new(from, to, 4_000) else { return };
    let since = Instant::now();
    wait(ferry.start(&[])).expect(0);
    let whole = since.elapsed();
    let mut random = Random::new(seed());
    // A hundred of each signal over nine directions.
    let rounds = if is_full() { 12 } else { 1 };
    let mut stopped = 0;
    for (name, code) in [("-TERM", 143), ("-INT", 130)].repeat(rounds) {
        ferry.empty_the_target();
        let run = ferry.start(&["--run-key", "k"]);
        std::thread::sleep(whole.mul_f64(random.fraction() * 0.9));
        signal(run.id(), name);
        let since = Instant::now();
        let told = wait(run);
        assert!(since.elapsed() < PROMPT, "{:?}: {told:?}", since.elapsed());
        // Before it listens the signal ends it at once; behind its last chunk it just ends.
        if told.code != -1 {
            assert!([0, code].contains(&told.code), "{told:?}");
            assert_eq!(told.json()["exit_code"], told.code);
            stopped += 1;
        }
        ferry.finishes(&["--run-key", "k"]);
    }
    println!("faults: {stopped}");
}

mod moments {
    use super::*;

    every_direction! { at_any_moment:
        postgres_to_mariadb: Postgres => Mariadb;
        mariadb_to_postgres: Mariadb => Postgres;
        postgres_to_sqlite: Postgres => Sqlite;
        sqlite_to_postgres: Sqlite => Postgres;
    }

    fn in_the_full_size(from: Engine, to: Engine) {
        if is_full() {
            at_any_moment(from, to);
        }
    }

    every_direction! { in_the_full_size:
        postgres_to_postgres: Postgres => Postgres;
        mariadb_to_mariadb: Mariadb => Mariadb;
        mariadb_to_sqlite: Mariadb => Sqlite;
        sqlite_to_mariadb: Sqlite => Mariadb;
        sqlite_to_sqlite: Sqlite => Sqlite;
    }
}

/// A host that takes connections and never says a word.
#[test]
fn connecting_to_a_host_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for scheme in ["postgres", "mysql"] {
        let world = World::new();
        let url = format!("{scheme}://u:p@127.0.0.1:{port}/d");
        let words = ["copy", &url, "sqlite:b.db", "--table", "t", "--output", "json"];
        let run = world.start(&words);
        std::thread::sleep(Duration::from_millis(700));
        signal(run.id(), "-TERM");
        ends(run, 143, Duration::from_secs(4));
        let run = world.start(&[&words[..], &["--deadline", "500ms"]].concat());
        ends(run, 75, Duration::from_secs(5));
    }
    println!("faults: 4");
}

/// Both ends of a copy whose chunk cannot go on: another session holds the table in the target.
struct Stuck {
    ferry: Ferry,
    holder: Session,
}

impl Stuck {
    /// Chunks wait for the lock of another session on their target.
    fn writing(to: Engine) -> Option<Self> {
        let ferry = Ferry::new(Engine::Sqlite, to, 1_000)?;
        wait(ferry.start(&["--write", "append", "--run-key", "first"])).expect(0);
        let holder = hold(&ferry.target, "delete from t_bigint");
        Some(Self { ferry, holder })
    }

    /// The exchange of the tables waits for another session that reads the old one.
    fn exchanging(to: Engine) -> Option<Self> {
        let ferry = Ferry::new(Engine::Sqlite, to, 1_000)?;
        wait(ferry.start(&["--run-key", "first"])).expect(0);
        let holder = hold(&ferry.target, "select count(*) from t_bigint");
        Some(Self { ferry, holder })
    }

    fn let_go(mut self) -> Ferry {
        self.holder.send("rollback;");
        self.holder.close();
        self.ferry
    }
}

/// A session with an open transaction that has run `statement`.
fn hold(database: &Database, statement: &str) -> Session {
    let mut holder = Session::open(database);
    holder.send(&format!("begin; {statement};"));
    let open = match database.engine() {
        Engine::Postgres => {
            "select count(*) from pg_stat_activity where state = 'idle in transaction' \
             and datname = current_database()"
        }
        Engine::Mariadb | Engine::Mysql => "select count(*) from information_schema.innodb_trx",
        Engine::Sqlite => unreachable!("a SQLite file has one writer"),
    };
    wait_until("the other session to hold its lock", || of_transactions(database, open) != "0");
    holder
}

/// Until the copy has nothing left to do but to wait: its phase does not change any more.
fn until_it_waits(target: &Database, wanted: &str) {
    wait_until("the run to come that far", || Progress::of(target).phase == wanted);
    std::thread::sleep(Duration::from_millis(500));
}

fn while_chunks_wait(to: Engine) {
    let Some(stuck) = Stuck::writing(to) else { return };
    let again = ["--write", "upsert", "--restart", "--retry-for", "5m", "--shutdown-grace"];
    // The grace ends it.
    let run = stuck.ferry.start(&[&again[..], &["1s"]].concat());
    until_it_waits(&stuck.ferry.target, "loading");
    signal(run.id(), "-TERM");
    ends(run, 143, PROMPT);
    // So does a second signal, without waiting for the grace.
    let run = stuck.ferry.start(&[&again[..], &["10m"]].concat());
    std::thread::sleep(Duration::from_secs(1));
    signal(run.id(), "-INT");
    std::thread::sleep(Duration::from_millis(300));
    signal(run.id(), "-INT");
    ends(run, 130, PROMPT);
    // And the deadline.
    let run = stuck.ferry.start(&[&again[..], &["1s", "--deadline", "1s"]].concat());
    ends(run, 75, PROMPT);
    stuck.let_go().finishes(&["--write", "upsert"]);
    println!("faults: 3");
}

#[test]
fn while_chunks_wait_in_postgres() {
    while_chunks_wait(Engine::Postgres);
}

#[test]
fn while_chunks_wait_in_mariadb() {
    while_chunks_wait(Engine::Mariadb);
}

fn while_tables_are_exchanged(to: Engine) {
    let Some(stuck) = Stuck::exchanging(to) else { return };
    let words = ["--run-key", "second", "--shutdown-grace", "1s"];
    let run = stuck.ferry.start(&words);
    until_it_waits(&stuck.ferry.target, "publishing");
    signal(run.id(), "-TERM");
    ends(run, 143, PROMPT);
    let run = stuck.ferry.start(&[&words[..], &["--deadline", "1s"]].concat());
    ends(run, 75, PROMPT);
    stuck.let_go().finishes(&words);
    println!("faults: 2");
}

#[test]
fn while_tables_are_exchanged_in_postgres() {
    while_tables_are_exchanged(Engine::Postgres);
}

#[test]
fn while_tables_are_exchanged_in_mariadb() {
    while_tables_are_exchanged(Engine::Mariadb);
}

#[test]
fn while_another_run_is_waited_for() {
    let Some(stuck) = Stuck::exchanging(Engine::Postgres) else { return };
    let first = stuck.ferry.start(&["--run-key", "second", "--shutdown-grace", "1s"]);
    until_it_waits(&stuck.ferry.target, "publishing");
    // With a ledger of its own it meets the other only at the target.
    for ledger in ["state/rowferry.db", "elsewhere/rowferry.db"] {
        let second = stuck.ferry.start(&["--on-locked", "wait", "--state", ledger]);
        std::thread::sleep(Duration::from_secs(1));
        signal(second.id(), "-TERM");
        ends(second, 143, PROMPT);
    }
    signal(first.id(), "-TERM");
    ends(first, 143, PROMPT);
    stuck.let_go().finishes(&["--run-key", "second"]);
    println!("faults: 3");
}

/// The target is gone: the run pauses between attempts, and stops in such a pause.
#[test]
fn while_a_pause_lasts() {
    let Some(ferry) = Ferry::new(Engine::Postgres, Engine::Postgres, 4_000) else { return };
    let port = ferry.target.endpoint().port;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let proxy = runtime.block_on(Proxy::start(upstream));
    let through = ferry
        .target
        .url()
        .replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{}", proxy.port()));
    let from = ferry.source.url();
    let words = ["copy", &from, &through, "--table", "t_bigint", "--chunk-rows", "50"];
    let rest = ["--output", "json", "--progress", "none", "--workers", "1"];
    let run = ferry.world.start(&[&words[..], &rest].concat());
    wait_until("the first receipt", || Progress::of(&ferry.target).receipts > 0);
    drop(proxy);
    drop(runtime);
    std::thread::sleep(Duration::from_millis(1_500));
    signal(run.id(), "-TERM");
    ends(run, 143, PROMPT);
    ferry.finishes(&[]);
    println!("faults: 1");
}

/// A terminal that goes away stops the run as politely; under `nohup` it does not.
#[test]
fn a_terminal_that_goes_away() {
    let Some(ferry) = Ferry::new(Engine::Postgres, Engine::Postgres, 8_000) else { return };
    let run = ferry.start(&["--workers", "1"]);
    wait_until("the first receipt", || Progress::of(&ferry.target).receipts > 0);
    signal(run.id(), "-HUP");
    ends(run, 129, PROMPT);
    let (from, to) = (ferry.source.url(), ferry.target.url());
    let binary = env!("CARGO_BIN_EXE_rowferry");
    let command = format!(
        "trap '' HUP; exec {binary} copy '{from}' '{to}' --table t_bigint --workers 1 \
         --chunk-rows 50 --output json --progress none"
    );
    let run = ferry.shell(&command);
    let before = Progress::of(&ferry.target).receipts;
    wait_until("another receipt", || Progress::of(&ferry.target).receipts > before);
    signal(run.id(), "-HUP");
    wait(run).expect(0);
    ferry.finishes(&["--restart"]);
    println!("faults: 2");
}

/// Nobody reads what is said, or there is not even a place to say it: the rows arrive all the same.
#[test]
fn closed_outputs() {
    let Some(ferry) = Ferry::new(Engine::Sqlite, Engine::Postgres, 2_000) else { return };
    let mut run = ferry.start(&["-vv"]);
    drop((run.stdout.take(), run.stderr.take()));
    assert_eq!(run.wait().unwrap().code(), Some(0));
    ferry.finishes(&["--restart"]);
    ferry.empty_the_target();
    let (from, to) = (ferry.source.url(), ferry.target.url());
    let binary = env!("CARGO_BIN_EXE_rowferry");
    let command = format!("exec {binary} -vv copy '{from}' '{to}' --table t_bigint >&- 2>&-");
    assert_eq!(ferry.shell(&command).wait().unwrap().code(), Some(0));
    ferry.finishes(&["--restart"]);
    println!("faults: 2");
}

impl Ferry {
    /// A shell that becomes the binary, in this test's world.
    fn shell(&self, command: &str) -> Child {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", command]).current_dir(self.world.folder());
        shell.env("ROWFERRY_STATE", self.world.path("state/rowferry.db")).stdin(Stdio::null());
        shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}
