//! Connecting: options, TLS, session settings, and what the server said of itself.
//!
//! Session settings are part of the type system: a reader in another time zone would read other
//! instants, and a writer in another SQL mode would store other values.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, RustlsConfig, SslOpts};
use rowferry_core::{ConnectorError, Endpoint, ErrorClass, Result, TlsMode};
use rowferry_runtime::ComputePool;
use rowferry_tls::TlsClient;

use crate::error;
use crate::infile::Loads;
use crate::types::Flavor;

/// Longest wait for a connection with its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle time after which the kernel probes the other end, so that silent drops are noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Settings of every session. Names and values of the wire are utf8mb4, instants are UTC.
const SESSION: &[&str] = &[
    "set names utf8mb4",
    "set session time_zone = '+00:00', sql_select_limit = default, sql_notes = 1, \
     net_write_timeout = 3600, net_read_timeout = 3600, wait_timeout = 28800, \
     lock_wait_timeout = 10",
];

/// What a session is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Catalogue queries and reads of rows.
    Read,
    /// Everything that changes the target.
    Write,
}

/// A server that was reached, and how to reach it again.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    opts: Opts,
    /// Address without password, for messages.
    pub(crate) address: String,
    /// The connection's own database.
    pub(crate) database: String,
    /// Fork.
    pub(crate) flavor: Flavor,
    /// Version text, as the server says it.
    pub(crate) version: String,
    /// Longest packet the server takes.
    pub(crate) packet_bytes: usize,
    /// Whether `LOAD DATA LOCAL` is allowed.
    pub(crate) local_infile: bool,
    /// Rows that the server may ask for; nothing else of this machine.
    pub(crate) loads: Loads,
    /// Where decoding and encoding run.
    pub(crate) compute: ComputePool,
}

impl Server {
    /// Connects once, to learn what the server is.
    pub(crate) async fn reach(endpoint: &Endpoint, compute: ComputePool) -> Result<Arc<Self>> {
        let address = endpoint.to_string();
        let (mut conn, opts) = match connect(options(endpoint, endpoint.tls)?, &address).await {
            // `prefer` means: encrypted where that can be had.
            Err(error) if endpoint.tls == TlsMode::Prefer && error.code == "tls-refused" => {
                connect(options(endpoint, TlsMode::Disable)?, &address).await?
            }
            other => other?,
        };
        let row: Option<(String, Option<String>, u64, u8)> = conn
            .query_first("select version(), database(), @@max_allowed_packet, @@local_infile")
            .await
            .map_err(|error| {
                error::of(error, format!("could not ask {address} for its version"))
            })?;
        close(conn).await;
        let Some((version, database, packet_bytes, local_infile)) = row else {
            return Err(ConnectorError::bug("the server has no version"));
        };
        let flavor = if version.to_ascii_lowercase().contains("mariadb") {
            Flavor::MariaDb
        } else {
            Flavor::MySql
        };
        let loads = Loads::default();
        let opts = OptsBuilder::from_opts(opts).local_infile_handler(Some(loads.handler())).into();
        Ok(Arc::new(Self {
            opts,
            loads,
            address,
            database: database.unwrap_or_default(),
            flavor,
            version,
            packet_bytes: usize::try_from(packet_bytes).unwrap_or(usize::MAX),
            local_infile: local_infile == 1,
            compute,
        }))
    }

    /// A new session with the settings of its purpose.
    pub(crate) async fn open(&self, purpose: Purpose) -> Result<Conn> {
        let (mut conn, _) = connect(self.opts.clone(), &self.address).await?;
        let own = match purpose {
            Purpose::Read => self.read_settings(),
            Purpose::Write => self.write_settings(),
        };
        for statement in SESSION.iter().copied().chain(own.iter().copied()) {
            conn.query_drop(statement).await.map_err(|error| {
                error::of(error, format!("could not set up a session of {}", self.address))
            })?;
        }
        Ok(conn)
    }

    fn read_settings(&self) -> &'static [&'static str] {
        match self.flavor {
            Flavor::MySql => &[
                "set session sql_mode = '', max_execution_time = 0, \
                 information_schema_stats_expiry = 0",
                "set session transaction isolation level repeatable read",
            ],
            Flavor::MariaDb => &[
                "set session sql_mode = '', max_statement_time = 0",
                "set session transaction isolation level repeatable read",
            ],
        }
    }

    fn write_settings(&self) -> &'static [&'static str] {
        // Foreign keys are not looked at while tables arrive in any order; unique keys always are.
        match self.flavor {
            Flavor::MySql => &[
                "set session sql_mode = \
                 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', \
                 foreign_key_checks = 0, unique_checks = 1, explicit_defaults_for_timestamp = 1",
                "set session transaction isolation level read committed",
                "set autocommit = 0",
            ],
            Flavor::MariaDb => &[
                "set session sql_mode = \
                 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', \
                 foreign_key_checks = 0, unique_checks = 1, max_statement_time = 0",
                "set session transaction isolation level read committed",
                "set autocommit = 0",
            ],
        }
    }

    /// The database of a table: its own or the connection's.
    pub(crate) fn database_of<'a>(&'a self, table: &'a rowferry_core::TableRef) -> &'a str {
        table.schema.as_deref().unwrap_or(&self.database)
    }

    /// What the server says of itself, with this connection's database.
    pub(crate) async fn identity(&self) -> Result<String> {
        let query = match self.flavor {
            Flavor::MySql => "select @@server_uuid",
            Flavor::MariaDb => "select concat(@@server_id, ':', @@datadir)",
        };
        let mut conn = self.open(Purpose::Read).await?;
        let identity: Option<String> = conn.query_first(query).await.map_err(|error| {
            error::of(error, format!("could not ask {} for its identity", self.address))
        })?;
        close(conn).await;
        Ok(format!("{}:{}:{}", self.flavor.word(), identity.unwrap_or_default(), self.database))
    }
}

async fn connect(opts: Opts, address: &str) -> Result<(Conn, Opts)> {
    let attempt = || format!("could not connect to {address}");
    match tokio::time::timeout(CONNECT_TIMEOUT, Conn::new(opts.clone())).await {
        Ok(Ok(conn)) => Ok((conn, opts)),
        Ok(Err(error)) => {
            let mut error = error::of(error, attempt());
            if error.code == "connection-lost" {
                error.code = "unreachable";
                error = error.with_next("Check host, port and whether the server is running.");
            }
            Err(error)
        }
        Err(_elapsed) => Err(ConnectorError::new(ErrorClass::Transient, "unreachable", attempt())
            .with_server(format!("no answer within {} seconds", CONNECT_TIMEOUT.as_secs()))
            .with_next("Check host, port and whether a firewall is in between.")),
    }
}

fn options(endpoint: &Endpoint, tls: TlsMode) -> Result<Opts> {
    let builder = OptsBuilder::default()
        .ip_or_hostname(endpoint.host.clone())
        .tcp_port(if endpoint.port == 0 { 3306 } else { endpoint.port })
        .user(Some(endpoint.user.clone()))
        .pass(endpoint.password.as_ref().map(|password| password.reveal().to_owned()))
        .db_name((!endpoint.database.is_empty()).then(|| endpoint.database.clone()))
        .socket(endpoint.socket.as_ref().map(|path| path.display().to_string()))
        .prefer_socket(Some(false))
        .tcp_keepalive(Some(KEEPALIVE))
        .connect_attribute("program_name", endpoint.application.clone())
        .ssl_opts(ssl(endpoint, tls)?);
    Ok(builder.into())
}

/// One configuration for all modes; the driver's own options have no part in it.
fn ssl(endpoint: &Endpoint, tls: TlsMode) -> Result<Option<SslOpts>> {
    // A socket does not leave the machine, and the driver encrypts nothing on it.
    if tls == TlsMode::Disable || endpoint.socket.is_some() {
        return Ok(None);
    }
    let config = TlsClient::of(endpoint)?.config();
    Ok(Some(SslOpts::default().with_rustls_config(Some(RustlsConfig(config)))))
}

/// Says goodbye; a failure to do so changes nothing.
pub(crate) async fn close(conn: Conn) {
    if let Err(error) = conn.disconnect().await {
        tracing::debug!(%error, "a connection was already closed");
    }
}

/// Closes the socket at once, without reading what the server still sends: an open transaction is
/// rolled back and a running query ends when the server notices.
pub(crate) fn cut(mut conn: Conn) {
    // The driver drops a connection quietly only while a call on it is unfinished; otherwise it
    // would read the rest of the result in the background.
    drop(conn.ping().now_or_never());
    drop(conn);
}
