//! Other sessions lock what a run needs: rows of the target, the target itself, the run's own row of
//! the progress table; and a deadlock is provoked. A chunk is tried again and is never there in part;
//! a change of a table gives up after five times its lock timeout and says who is in the way.

use std::process::Child;
use std::time::{Duration, Instant};

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::ends::{Session, database, of_transactions, wait_until};
use crate::mixed::{COLUMNS, fill};
use crate::world::{Told, World, wait};

const ROWS: u64 = 2_000;

struct Block {
    world: World,
    source: Database,
    target: Database,
}

impl Block {
    fn new(to: Engine) -> Option<Self> {
        let world = World::new();
        let source = database(Engine::Postgres, &world, "blocked_source")?;
        let target = database(to, &world, "blocked_target")?;
        fill(&source, ROWS);
        Some(Self { world, source, target })
    }

    /// One chunk, and a second for a lock.
    fn start(&self, words: &[&str]) -> Child {
        self.start_with("1s", words)
    }

    fn start_with(&self, lock_timeout: &str, words: &[&str]) -> Child {
        let (from, to) = (self.source.url(), self.target.url());
        let table = ["copy", &from, &to, "--table", "t_bigint", "--output", "json"];
        let limit = ["--lock-timeout", lock_timeout];
        self.world.start(&[&table[..], &limit, words].concat())
    }

    fn run(&self, words: &[&str]) -> Told {
        wait(self.start(words))
    }

    fn assert_whole(&self) {
        let expected = dump(&self.source, "t_bigint", &COLUMNS);
        assert_same("the target", &expected, &dump(&self.target, "t_bigint", &COLUMNS));
    }

    /// Sessions of the database's own client that have a transaction open and wait for nothing.
    fn wait_for_holder(&self) {
        wait_until("the other session", || of_transactions(&self.target, self.holders()) == "1");
    }

    fn holders(&self) -> &'static str {
        match self.target.engine() {
            Engine::Postgres => {
                "select count(*) from pg_stat_activity where datname = current_database() \
                 and application_name = 'psql' and state = 'idle in transaction'"
            }
            Engine::Mariadb | Engine::Mysql | Engine::Sqlite => {
                "select count(*) from information_schema.innodb_trx t \
                 join information_schema.processlist p on p.id = t.trx_mysql_thread_id \
                 where p.db = database() and p.command = 'Sleep'"
            }
        }
    }

    /// Waits until a session of ours waits for a row.
    fn wait_for_waiter(&self, mut started: Child) -> Child {
        let waiters = match self.target.engine() {
            Engine::Postgres => {
                "select count(*) from pg_stat_activity where datname = current_database() \
                 and application_name like 'rowferry%' and wait_event_type = 'Lock'"
            }
            Engine::Mariadb | Engine::Mysql | Engine::Sqlite => {
                "select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT'"
            }
        };
        let mut ended = || started.try_wait().unwrap().is_some();
        wait_until("a statement that waits for a row", || {
            of_transactions(&self.target, waiters) != "0" || ended()
        });
        if !ended() {
            return started;
        }
        panic!("nothing was waited for: {:?}", wait(started))
    }

    /// Gives up in time, with the name of whoever is in the way; goes on when they have gone.
    fn gives_up(&self, mut other: Session, words: &[&str]) {
        self.wait_for_holder();
        let start = Instant::now();
        let told = self.run(&[words, &["--retry-for", "0s"]].concat()).expect(75);
        // Five times a second, four pauses of half a second, and the rest of the run.
        assert!(start.elapsed() < Duration::from_secs(5 + 2 + 8), "{:?}", start.elapsed());
        let holder = match self.target.engine() {
            Engine::Postgres => "(psql), idle in transaction",
            Engine::Mariadb | Engine::Mysql | Engine::Sqlite => "locked by connection",
        };
        assert!(told.stderr.contains(holder), "{told:?}");
        other.send("rollback;");
        other.close();
        self.run(words).expect(0);
        self.assert_whole();
        println!("faults: 1");
    }
}

const APPEND: [&str; 2] = ["--write", "append"];

fn a_locked_row_only_delays(to: Engine) {
    let Some(block) = Block::new(to) else { return };
    // The table as a run makes it, and empty.
    block.run(&APPEND).expect(0);
    block
        .target
        .exec("create table kept as select * from t_bigint order by id limit 1 offset 1000");
    block.target.exec("delete from t_bigint");
    let mut other = Session::open(&block.target);
    other.send("begin; insert into t_bigint select * from kept;");
    block.wait_for_holder();
    let started = block.wait_for_waiter(block.start(&["--write", "append", "--restart"]));
    // Longer than a lock is waited for.
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(block.target.value("select count(*) from t_bigint"), "0", "a part is there");
    other.send("rollback;");
    other.close();
    let told = wait(started).expect(0);
    assert!(told.stderr.to_lowercase().contains("timeout"), "{told:?}");
    block.assert_whole();
    println!("faults: 1");
}

fn a_deadlock_leaves_nothing_behind(to: Engine) {
    let Some(block) = Block::new(to) else { return };
    block.run(&APPEND).expect(0);
    block.target.exec("create table kept as select * from t_bigint");
    block.target.exec("delete from t_bigint");
    block.target.exec("create table weight as select id from kept");
    let mut other = Session::open(&block.target);
    // The server ends the transaction that has changed less.
    let heavy = "insert into weight select a.id from weight a, (select id from kept limit 10) b;";
    other.send(&format!(
        "begin; {heavy} insert into t_bigint select * from kept order by id limit 1 offset 1900;"
    ));
    block.wait_for_holder();
    let words = ["--write", "append", "--restart"];
    let started = block.wait_for_waiter(block.start_with("20s", &words));
    other.send("insert into t_bigint select * from kept order by id limit 1 offset 10;");
    block.wait_for_holder();
    // Only the other session's two rows may be on their way; none of ours is there.
    assert_eq!(block.target.value("select count(*) from t_bigint"), "0", "a part is there");
    other.send("rollback;");
    other.close();
    let told = wait(started).expect(0);
    assert!(told.stderr.to_lowercase().contains("deadlock"), "{told:?}");
    block.assert_whole();
    println!("faults: 1");
}

fn a_table_in_use_is_not_swapped(to: Engine) {
    let Some(block) = Block::new(to) else { return };
    block.run(&["--write", "replace"]).expect(0);
    let mut reader = Session::open(&block.target);
    reader.send("begin; select count(*) from t_bigint;");
    block.gives_up(reader, &["--write", "replace"]);
}

/// The server is silent for longer than the progress timeout, and says that it works.
fn a_long_wait_is_no_silence(to: Engine) {
    let Some(block) = Block::new(to) else { return };
    block.run(&["--write", "replace"]).expect(0);
    let mut reader = Session::open(&block.target);
    reader.send("begin; select count(*) from t_bigint;");
    block.wait_for_holder();
    let words = ["--write", "replace", "--progress-timeout", "500ms"];
    let started = block.start_with("20s", &words);
    let waits = match to {
        Engine::Postgres => {
            "select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock'"
        }
        Engine::Mariadb | Engine::Mysql | Engine::Sqlite => {
            "select count(*) from information_schema.processlist \
             where db = database() and state like 'Waiting for table metadata lock%'"
        }
    };
    wait_until("the swap", || block.target.value(waits) != "0");
    std::thread::sleep(Duration::from_secs(3));
    reader.send("rollback;");
    reader.close();
    let told = wait(started).expect(0);
    assert!(!told.stderr.contains("WARN"), "{told:?}");
    block.assert_whole();
    println!("faults: 1");
}

fn a_locked_progress_row_is_not_waited_for_long(to: Engine) {
    let Some(block) = Block::new(to) else { return };
    block.run(&["--write", "upsert"]).expect(0);
    let mut other = Session::open(&block.target);
    other.send("begin; select run from _rowferry_stream for update;");
    block.gives_up(other, &["--write", "upsert"]);
}

/// Tests of both engines whose targets have more than one writer.
macro_rules! into_servers {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn postgres() {
                    super::$name(rowferry_testkit::Engine::Postgres);
                }

                #[test]
                fn mariadb() {
                    super::$name(rowferry_testkit::Engine::Mariadb);
                }
            }
        )*
    };
}

into_servers! {
    a_locked_row_only_delays
    a_deadlock_leaves_nothing_behind
    a_table_in_use_is_not_swapped
    a_long_wait_is_no_silence
    a_locked_progress_row_is_not_waited_for_long
}
