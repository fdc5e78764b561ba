//! One connection, and the task that drives it.
//!
//! A session that is dropped in the middle of a statement is *cancelled*: its driver sends a cancel
//! request on a second connection and then closes the socket, so that no query of ours outlives
//! us. A session that is dropped idle says goodbye, and one that was silent for too long is closed
//! first and cancelled then, since nobody may hear of it.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rowferry_core::{ConnectorError, Endpoint, ErrorClass, Result, TimeLimits};
use rowferry_runtime::{Address, Socket, Task, spawn, within};
use tokio::sync::oneshot;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Config, Connection, Error};

use crate::client::Client;
use crate::config::{Purpose, address, driver_config, session_settings};
use crate::error::failed;
use crate::sql;
use crate::tap::{Rows, Tap};
use crate::tls::{Encrypted, Tls};

/// Longest wait for a goodbye or a cancel request to get through. Guessed: both are one packet.
const FAREWELL: Duration = Duration::from_secs(5);

/// What drives a connection.
type Driver = Connection<Tap<Socket>, Tap<Encrypted<Tap<Socket>>>>;

/// Opens sessions to one server and owns the tasks that drive them.
pub(crate) struct Connector {
    config: Config,
    address: Address,
    pub(crate) limits: TimeLimits,
    tls: Tls,
    shown: String,
    drivers: Mutex<Vec<Task<()>>>,
}

impl Connector {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            config: driver_config(endpoint),
            address: address(endpoint),
            limits: endpoint.limits,
            tls: Tls::of(endpoint)?,
            shown: endpoint.to_string(),
            drivers: Mutex::new(Vec::new()),
        }))
    }

    /// Opens a session. `name` is shown as its application name instead of the endpoint's.
    pub(crate) async fn open(
        self: &Arc<Self>,
        purpose: Purpose,
        name: Option<&str>,
    ) -> Result<Session> {
        let mut config = self.config.clone();
        if let Some(name) = name {
            config.application_name(name);
        }
        let rows = Rows::default();
        let (client, connection) = match self.connect(&config, &rows).await {
            // `prefer` means: encrypted where that can be had.
            Err(error)
                if config.get_ssl_mode() == SslMode::Prefer
                    && matches!(error.code, "tls-refused" | "login-refused") =>
            {
                tracing::debug!(%error, "connecting without TLS");
                config.ssl_mode(SslMode::Disable);
                self.connect(&config, &rows).await?
            }
            other => other?,
        };
        let version = connection.parameter("server_version").map_or(0, version_number);
        let (leash, word) = oneshot::channel();
        let cancel = cancel(client.cancel_token(), self.address.clone(), self.tls.clone());
        self.keep(spawn("postgres connection", drive(connection, word, cancel)));
        let mut session = Session {
            client: Client::new(client, self.limits.progress, rows, purpose),
            pid: None,
            purpose,
            version,
            busy: AtomicBool::new(false),
            leash: Some(leash),
            _connector: Arc::clone(self),
        };
        let settings = session_settings(purpose, version, &self.limits);
        let set = session.client.batch_execute(&settings);
        let pid = session.client.query_typed_one(PID, &[]);
        // Sent together: one round trip.
        let ((), pid) = tokio::try_join!(set, pid)
            .map_err(failed(format!("could not set up the session to {}", self.shown)))?;
        let pid = pid.get(0)?;
        session.pid = Some(pid);
        if matches!(purpose, Purpose::Write | Purpose::Script) {
            session.client.ask(Arc::clone(self), pid);
        }
        Ok(session)
    }

    async fn connect(
        &self,
        config: &Config,
        rows: &Rows,
    ) -> Result<(tokio_postgres::Client, Driver)> {
        let attempt = || format!("could not connect to {}", self.shown);
        let unreachable = |words: String| {
            ConnectorError::new(ErrorClass::Transient, "unreachable", attempt()).with_server(words)
        };
        let connecting = async {
            let socket = self.address.connect().await.map_err(|error| {
                unreachable(format!("error connecting to server: {error}")).with_source(error)
            })?;
            let asks = config.get_ssl_mode() != SslMode::Disable;
            let handshake = self.tls.handshake(self.address.host(), rows.clone());
            let stream = Tap::new(socket, rows.clone(), asks);
            config
                .connect_raw(stream, handshake)
                .await
                .map_err(|error| self.with_grant(failed(attempt())(error)))
        };
        // A server may accept and never speak.
        within(self.limits.connect, connecting).await.map_err(|silent| {
            unreachable(silent.to_string())
                .with_next("Check host, port and whether a firewall is in between.")
        })?
    }

    /// The one right that is missing when a connection is refused.
    fn with_grant(&self, error: ConnectorError) -> ConnectorError {
        let (Some(database), Some(user)) = (self.config.get_dbname(), self.config.get_user())
        else {
            return error;
        };
        if error.code != "permission-denied" {
            return error;
        }
        let (database, user) = (sql::quote_if_needed(database), sql::quote_if_needed(user));
        error.with_next(format!(
            "Let an administrator run: grant connect on database {database} to {user};"
        ))
    }

    /// The name under which sessions are shown that have no other.
    pub(crate) fn own_name(&self) -> &str {
        self.config.get_application_name().unwrap_or_default()
    }

    fn keep(&self, driver: Task<()>) {
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.retain(|driver| !driver.is_finished());
        drivers.push(driver);
    }
}

const PID: &str = "select pg_catalog.pg_backend_pid()";

/// How a session is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// In the middle of a statement.
    Cancel,
    /// Without a word from the server.
    Lost,
}

/// One connection.
pub(crate) struct Session {
    /// The driver's handle.
    pub(crate) client: Client,
    /// Server version as in `server_version_num`: 150018.
    pub(crate) version: u32,
    /// What its settings are for.
    pub(crate) purpose: Purpose,
    /// Number of the server's process.
    pub(crate) pid: Option<i32>,
    busy: AtomicBool,
    leash: Option<oneshot::Sender<Leave>>,
    _connector: Arc<Connector>,
}

impl Session {
    /// Marks that a statement is under way: dropping the session now cancels it.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Whether the connection is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let leave = match (self.client.is_lost(), self.busy.load(Ordering::Relaxed)) {
            (true, _) => Leave::Lost,
            (false, true) => Leave::Cancel,
            (false, false) => return,
        };
        if let Some(leash) = self.leash.take()
            && leash.send(leave).is_err()
        {
            tracing::trace!("the connection had ended before its session");
        }
    }
}

/// Asks the server, over a connection of its own, to end what it does for another one.
async fn cancel(token: CancelToken, address: Address, tls: Tls) -> io::Result<()> {
    let socket = address.connect().await?;
    let handshake = tls.handshake(address.host(), Rows::default());
    token.cancel_query_raw(socket, handshake).await.map_err(io::Error::other)
}

async fn drive(
    connection: impl Future<Output = Result<(), Error>>,
    word: oneshot::Receiver<Leave>,
    cancel: impl Future<Output = io::Result<()>>,
) {
    let mut connection = Box::pin(connection);
    let word = tokio::select! {
        ended = &mut connection => {
            log_end(ended);
            return;
        }
        word = word => word.ok(),
    };
    match word {
        Some(leave) => {
            let open = (leave == Leave::Cancel).then_some(connection);
            if let Ok(Err(error)) = tokio::time::timeout(FAREWELL, cancel).await {
                tracing::debug!(%error, "cancel request did not get through");
            }
            drop(open);
        }
        None => {
            if let Ok(ended) = tokio::time::timeout(FAREWELL, connection).await {
                log_end(ended);
            }
        }
    }
}

fn log_end(ended: Result<(), Error>) {
    if let Err(error) = ended {
        // Every waiting call gets an error of its own; this one only helps to find the cause.
        let code = error.code().map_or("none", tokio_postgres::error::SqlState::code);
        tracing::debug!(sqlstate = code, %error, "postgres connection ended");
    }
}

/// `15.18 (Debian …)` as 150018, in the way of `server_version_num`.
fn version_number(text: &str) -> u32 {
    let mut parts = text
        .split(|character: char| !character.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let major = parts.next().unwrap_or(0);
    let minor = parts.next().unwrap_or(0);
    major.saturating_mul(10_000).saturating_add(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version_number("15.18 (Debian 15.18-1)"), 150_018);
        assert_eq!(version_number("17beta1"), 170_000);
        assert_eq!(version_number(""), 0);
    }
}
