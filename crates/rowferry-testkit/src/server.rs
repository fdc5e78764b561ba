//! One server per engine and test process, or one that is shared by environment variable.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rowferry_core::{Endpoint, EndpointKind, Secret};

use crate::database::Database;
use crate::launch::Reason;
use crate::watchdog::Watched;
use crate::{client, mysqld, postgres as pg};

/// A database engine that tests run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
    /// MySQL.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl Engine {
    /// The word in `skipped:` lines and database names.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }

    /// The environment variable that names a server to share.
    pub const fn url_variable(self) -> Option<&'static str> {
        match self {
            Self::Postgres => Some("ROWFERRY_TEST_POSTGRES_URL"),
            Self::Mariadb => Some("ROWFERRY_TEST_MARIADB_URL"),
            Self::Mysql => Some("ROWFERRY_TEST_MYSQL_URL"),
            Self::Sqlite => None,
        }
    }

    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }

    const fn endpoint_kind(self) -> EndpointKind {
        match self {
            Self::Postgres => EndpointKind::Postgres,
            Self::Mariadb | Self::Mysql => EndpointKind::Mysql,
            Self::Sqlite => EndpointKind::Sqlite,
        }
    }
}

/// A running server on a loopback port. Its user may do everything.
#[derive(Debug)]
pub struct Server {
    pub(crate) engine: Engine,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    /// `None` when the server belongs to somebody else.
    pub(crate) process: Option<Watched>,
}

/// Starts of a server that was stopped, until it must be up, …
const STARTS: u32 = 50;
/// … at this distance: ten seconds in all.
const START_PAUSE: Duration = Duration::from_millis(200);

static POSTGRES: OnceLock<Option<Server>> = OnceLock::new();
static MARIADB: OnceLock<Option<Server>> = OnceLock::new();
static MYSQL: OnceLock<Option<Server>> = OnceLock::new();

/// PostgreSQL, started on first use; `None` after a `skipped:` line when there is none.
pub fn postgres() -> Option<&'static Server> {
    POSTGRES.get_or_init(|| obtain(Engine::Postgres, pg::launch)).as_ref()
}

/// MariaDB, started on first use; `None` after a `skipped:` line when there is none.
pub fn mariadb() -> Option<&'static Server> {
    MARIADB.get_or_init(|| obtain(Engine::Mariadb, mysqld::launch_mariadb)).as_ref()
}

/// MySQL, started on first use; `None` after a `skipped:` line when there is none.
pub fn mysql() -> Option<&'static Server> {
    MYSQL.get_or_init(|| obtain(Engine::Mysql, mysqld::launch_mysql)).as_ref()
}

/// A MariaDB and a MySQL of the calling test alone, whose settings it may change; those that cannot
/// be had are left out after a `skipped:` line. They end with the process.
pub fn mysqls_alone() -> Vec<&'static Server> {
    [(Engine::Mariadb, mysqld::launch_mariadb as fn() -> _), (Engine::Mysql, mysqld::launch_mysql)]
        .into_iter()
        .filter_map(|(engine, launch)| given(engine, launch()))
        .map(|server| &*Box::leak(Box::new(server)))
        .collect()
}

/// A server of the calling test alone, which it may stop and start again: what it has committed
/// outlives it. `None` after a `skipped:` line.
pub fn alone(engine: Engine) -> Option<Server> {
    let server = match engine {
        Engine::Postgres => pg::launch_with(&["synchronous_commit=on"]),
        Engine::Mariadb => mysqld::launch_mariadb_with(mysqld::DURABLE),
        Engine::Mysql => mysqld::launch_mysql_with(mysqld::DURABLE),
        Engine::Sqlite => unreachable!("SQLite has no server"),
    };
    given(engine, server)
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// By its own way of shutting down, without waiting for clients.
    Fast,
    /// Without shutting down; PostgreSQL only, others are killed.
    Immediate,
    /// SIGKILL.
    Kill,
}

/// A SQLite database: the file `NAME.db` in `folder`, made by the first statement.
pub fn sqlite(folder: &Path, name: &str) -> Database {
    Database::sqlite(folder.join(format!("{name}.db")))
}

fn obtain(engine: Engine, launch: fn() -> Result<Server, Reason>) -> Option<Server> {
    let shared = engine.url_variable().and_then(variable);
    let server = match shared {
        Some(url) => Server::shared(engine, &url),
        None => launch(),
    };
    given(engine, server)
}

/// The server, or a `skipped:` line; panics in a run that requires one.
pub(crate) fn given(engine: Engine, server: Result<Server, Reason>) -> Option<Server> {
    match server {
        Ok(server) => Some(server),
        Err(reason) => {
            eprintln!("skipped: {} ({reason})", engine.word());
            let excused = engine == Engine::Mysql && variable("ROWFERRY_MYSQL_SKIP").is_some();
            assert!(
                excused || !is_required(),
                "no {} to test against, and this run requires one: {reason}",
                engine.word()
            );
            None
        }
    }
}

/// Whether a test must fail where something it needs is missing.
pub(crate) fn is_required() -> bool {
    variable("ROWFERRY_REQUIRE_DBS").is_some_and(|value| value == "1")
        || variable("CI").is_some_and(|value| value == "true")
}

/// An environment variable that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Server {
    /// A server that someone else started: `scheme://user:password@127.0.0.1:port`.
    fn shared(engine: Engine, url: &str) -> Result<Self, Reason> {
        let parts = || {
            let (_, rest) = url.split_once("://")?;
            let (login, place) = rest.split_once('@')?;
            let (user, password) = login.split_once(':')?;
            let (_, port) = place.split('/').next()?.split_once(':')?;
            Some((user.to_owned(), password.to_owned(), port.parse().ok()?))
        };
        let (user, password, port) = parts()
            .ok_or_else(|| Reason::new("its URL is not scheme://user:password@host:port"))?;
        Ok(Self { engine, port, user, password, process: None })
    }

    /// Which engine this is.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Loopback port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged so far; nothing of a server that somebody else started.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Watched::log).unwrap_or_default()
    }

    /// URL without a database: what the environment variable for sharing holds.
    pub fn url(&self) -> String {
        let Self { port, user, password, .. } = self;
        format!("{}://{user}:{password}@127.0.0.1:{port}", self.engine.scheme())
    }

    /// A fresh, empty database whose name starts with `name`; dropped with the value.
    pub fn database(&self, name: &str) -> Database {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let clock = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos());
        let name = format!("{name}_{}_{number}_{clock:x}", std::process::id());
        let maintenance = self.maintenance();
        let sql = match self.engine {
            Engine::Postgres => format!("create database \"{name}\" template template0"),
            Engine::Mariadb | Engine::Mysql => {
                format!("create database `{name}` character set utf8mb4")
            }
            Engine::Sqlite => unreachable!("SQLite has no server"),
        };
        maintenance.exec(&sql);
        Database::on_server(self.endpoint(&name), self.engine)
    }

    /// The database that every server has, for statements about the server itself.
    pub fn maintenance(&self) -> Database {
        let name = match self.engine {
            Engine::Postgres => "postgres",
            Engine::Mariadb | Engine::Mysql | Engine::Sqlite => "mysql",
        };
        Database::borrowed(self.endpoint(name), self.engine)
    }

    fn endpoint(&self, database: &str) -> Endpoint {
        Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            database: database.to_owned(),
            user: self.user.clone(),
            password: Some(Secret::new(&self.password)),
            application: "rowferry-test".to_owned(),
            ..Endpoint::empty(self.engine.endpoint_kind())
        }
    }

    /// A standby of this PostgreSQL, with all that it has committed so far.
    pub fn standby(&self) -> Option<Self> {
        given(self.engine, pg::launch_standby(self))
    }

    /// Makes a standby a primary, once it has everything of `primary`, which writes no more.
    pub fn promote(&self, primary: &Self) {
        let end = primary.maintenance().value("select pg_current_wal_lsn()");
        let reached = format!("select pg_last_wal_replay_lsn() >= '{end}'");
        while self.maintenance().value(&reached) != "t" {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(self.maintenance().value("select pg_promote()"), "t");
    }

    /// The same database on this server.
    pub fn twin(&self, database: &Database) -> Database {
        Database::borrowed(self.endpoint(&database.endpoint().database), self.engine)
    }

    /// Stops a server of one's own; its data stays.
    pub fn stop(&mut self, stop: Stop) {
        let signal = match (self.engine, stop) {
            (Engine::Postgres, Stop::Fast) => "-INT",
            (Engine::Postgres, Stop::Immediate) => "-QUIT",
            (_, Stop::Fast) => "-TERM",
            (_, Stop::Immediate | Stop::Kill) => "-KILL",
        };
        self.own().end(signal).expect("the server can be stopped");
    }

    /// Starts it again after [`Self::stop`], on the same port and with the same data.
    pub fn start(&mut self) {
        // A killed PostgreSQL leaves sessions behind that end a moment later, and starts only then.
        for _ in 0..STARTS {
            self.own().again().expect("the server can be started");
            if self.answers().is_ok() {
                self.own().is_back().expect("its folder is writable");
                return;
            }
            std::thread::sleep(START_PAUSE);
        }
        panic!("{} did not come back", self.engine.word());
    }

    fn own(&mut self) -> &mut Watched {
        self.process.as_mut().expect("the server is our own")
    }

    /// The server itself, once it answers a query.
    pub(crate) fn wait_ready(mut self) -> Result<Self, Reason> {
        self.answers()?;
        Ok(self)
    }

    /// Waits until the server answers a query.
    fn answers(&mut self) -> Result<(), Reason> {
        // A cold MySQL on a busy machine with two cores needed 9 seconds.
        let deadline = std::time::Instant::now() + Duration::from_secs(90);
        while std::time::Instant::now() < deadline {
            if self.process.as_mut().is_some_and(Watched::has_ended) {
                return Err(Reason::new("it ended right after its start"));
            }
            let database = self.maintenance();
            if client::run(self.engine, database.endpoint_ref(), "select 1").is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(Reason::new("it did not answer within 90 seconds"))
    }
}
