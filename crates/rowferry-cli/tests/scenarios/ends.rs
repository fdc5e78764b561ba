//! Databases of one test, their progress tables and their sessions.

use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rowferry_testkit::{Database, Engine, mariadb, mysql, postgres, sqlite};

use crate::world::World;

/// How long a server may take to notice that a client is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fresh database of `engine`; `None` after a `skipped:` line.
pub(crate) fn database(engine: Engine, world: &World, name: &str) -> Option<Database> {
    let server = match engine {
        Engine::Postgres => postgres(),
        Engine::Mariadb => mariadb(),
        Engine::Mysql => mysql(),
        Engine::Sqlite => return Some(sqlite(world.folder(), name)),
    };
    server.map(|server| server.database(name))
}

/// The stream row and its receipts, counted by the target's own client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) run: u64,
    pub(crate) phase: String,
    pub(crate) receipts: u64,
    pub(crate) rows: u64,
}

impl Progress {
    /// All zero when nothing was claimed yet.
    pub(crate) fn of(target: &Database) -> Self {
        let rows = target.try_query(
            "select s.run, s.phase, count(c.chunk_no), coalesce(sum(c.rows_written), 0) \
             from _rowferry_stream s left join _rowferry_chunk c \
             on c.stream_id = s.stream_id and c.run = s.run group by s.run, s.phase",
        );
        let Some(line) = rows.unwrap_or_default().into_iter().next() else {
            return Self::default();
        };
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default().to_owned();
        Self {
            run: next().parse().unwrap(),
            phase: next(),
            receipts: next().parse().unwrap(),
            rows: next().parse().unwrap(),
        }
    }

    pub(crate) fn is_unfinished(&self) -> bool {
        matches!(self.phase.as_str(), "loading" | "publishing")
    }
}

/// Names of all tables, sorted.
pub(crate) fn tables(database: &Database) -> Vec<String> {
    let mut names = database.query(match database.engine() {
        Engine::Postgres => {
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        }
        Engine::Mariadb | Engine::Mysql => {
            "select table_name from information_schema.tables where table_schema = database()"
        }
        Engine::Sqlite => "select name from sqlite_master where type = 'table'",
    });
    names.sort_unstable();
    names
}

/// Waits until no session of a killed client is left, so that a commit in flight is counted.
pub(crate) fn wait_for_silence(target: &Database) {
    wait_until("sessions of the killed client to end", || sessions(target) == 0);
}

/// Sessions of others in this database.
pub(crate) fn sessions(target: &Database) -> u64 {
    let others = match target.engine() {
        Engine::Postgres => {
            "select count(*) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid() \
             and backend_type = 'client backend'"
        }
        Engine::Mariadb | Engine::Mysql => {
            "select count(*) from information_schema.processlist \
             where db = database() and id <> connection_id()"
        }
        Engine::Sqlite => return 0,
    };
    target.value(others).parse().unwrap()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a query over the server's open transactions says. InnoDB renews its list of them only when
/// nobody has looked at it for a tenth of a second, and several tests may be looking.
pub(crate) fn of_transactions(database: &Database, query: &str) -> String {
    const PAUSE: Duration = Duration::from_millis(400);
    if matches!(database.engine(), Engine::Mariadb | Engine::Mysql) {
        std::thread::sleep(PAUSE);
    }
    database.value(query)
}

/// A session of the database's own client that holds a transaction open.
pub(crate) struct Session {
    client: Child,
}

impl Session {
    pub(crate) fn open(database: &Database) -> Self {
        let client = database.client().stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        Self { client }
    }

    pub(crate) fn send(&mut self, sql: &str) {
        let input = self.client.stdin.as_mut().unwrap();
        input.write_all(sql.as_bytes()).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    /// Ends the input and waits for the client.
    pub(crate) fn close(mut self) {
        drop(self.client.stdin.take());
        assert!(self.client.wait().unwrap().success());
    }
}
