//! One connection, and the task that drives it.
//!
//! A session that is dropped in the middle of a statement is *cancelled*: its driver sends a cancel
//! request on a second connection and then closes the socket, so that no query of ours outlives
//! us. A session that is dropped idle says goodbye.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rowferry_core::{Endpoint, Result};
use rowferry_runtime::{Task, spawn};
use tokio::sync::oneshot;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error};

use crate::config::{Purpose, driver_config, session_settings};
use crate::error::failed;
use crate::tls::Tls;

/// Longest wait for a goodbye or a cancel request to get through. Guessed: both are one packet.
const FAREWELL: Duration = Duration::from_secs(5);

/// Opens sessions to one server and owns the tasks that drive them.
pub(crate) struct Connector {
    config: Config,
    tls: Tls,
    shown: String,
    drivers: Mutex<Vec<Task<()>>>,
}

impl Connector {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            config: driver_config(endpoint),
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
        let attempt = || format!("could not connect to {}", self.shown);
        let mut config = self.config.clone();
        if let Some(name) = name {
            config.application_name(name);
        }
        let (client, connection) = match config.connect(self.tls.clone()).await {
            // `prefer` means: encrypted where that can be had.
            Err(error) if config.get_ssl_mode() == SslMode::Prefer => {
                let error = failed(attempt())(error);
                if !matches!(error.code, "tls-refused" | "login-refused") {
                    return Err(error);
                }
                tracing::debug!(%error, "connecting without TLS");
                config.ssl_mode(SslMode::Disable);
                config.connect(self.tls.clone()).await.map_err(failed(attempt()))?
            }
            other => other.map_err(failed(attempt()))?,
        };
        let version = connection.parameter("server_version").map_or(0, version_number);
        let (leash, word) = oneshot::channel();
        let cancel = client.cancel_token();
        let tls = self.tls.clone();
        self.keep(spawn("postgres connection", async move {
            drive(connection, word, async move { cancel.cancel_query(tls).await }).await;
        }));
        let session = Session {
            client,
            version,
            busy: AtomicBool::new(false),
            leash: Some(leash),
            _connector: Arc::clone(self),
        };
        session
            .client
            .batch_execute(&session_settings(purpose, version))
            .await
            .map_err(failed(format!("could not set up the session to {}", self.shown)))?;
        Ok(session)
    }

    fn keep(&self, driver: Task<()>) {
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.retain(|driver| !driver.is_finished());
        drivers.push(driver);
    }
}

/// One connection.
pub(crate) struct Session {
    /// The driver's handle.
    pub(crate) client: Client,
    /// Server version as in `server_version_num`: 150018.
    pub(crate) version: u32,
    busy: AtomicBool,
    leash: Option<oneshot::Sender<()>>,
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
        if self.busy.load(Ordering::Relaxed)
            && let Some(leash) = self.leash.take()
        {
            // The driver may have ended with the connection; then nothing is left to cancel.
            leash.send(()).unwrap_or_default();
        }
    }
}

async fn drive(
    connection: impl Future<Output = Result<(), Error>>,
    word: oneshot::Receiver<()>,
    cancel: impl Future<Output = Result<(), Error>>,
) {
    let mut connection = pin!(connection);
    let cancelled = tokio::select! {
        ended = &mut connection => {
            log_end(ended);
            return;
        }
        word = word => word.is_ok(),
    };
    if cancelled {
        if let Ok(Err(error)) = tokio::time::timeout(FAREWELL, cancel).await {
            tracing::debug!(%error, "cancel request did not get through");
        }
    } else if let Ok(ended) = tokio::time::timeout(FAREWELL, connection).await {
        log_end(ended);
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
