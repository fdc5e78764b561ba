//! Connecting: options, TLS, session settings, and what the server said of itself.
//!
//! Session settings are part of the type system: a reader in another time zone would read other
//! instants, and a writer in another SQL mode would store other values.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use rowferry_core::{ConnectorError, Endpoint, ErrorClass, Result, TimeLimits, TlsMode};
use rowferry_runtime::{ComputePool, within};

use rowferry_tls::TlsClient;

use crate::conn::Conn;
use crate::error;
use crate::link::Link;
use crate::types::Flavor;

/// Where a server listens when nobody says otherwise.
pub(crate) const PORT: u16 = 3306;

/// Idle time after which the kernel probes the other end, so that silent drops are noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The longest packet that a server may be told to take.
const PACKET_BYTES_MAX: usize = 1 << 30;
/// The servers' own value, which [`SESSION`] sets too; the driver looks at it in pools only.
const WAIT_SECONDS: usize = 28_800;

/// Longest that a writer may do nothing inside its transaction: a stopped process must not keep rows
/// locked, and five minutes outlast every pause of a live one.
const IDLE_SECONDS: u16 = 300;
/// The longest wait for a table that both servers can be told: a year.
const NO_LIMIT_SECONDS: u64 = 31_536_000;

/// Settings of every session. Names and values of the wire are utf8mb4, instants are UTC.
const SESSION: &[&str] = &[
    "set names utf8mb4",
    "set session time_zone = '+00:00', sql_select_limit = default, sql_notes = 1, \
     net_write_timeout = 3600, net_read_timeout = 3600, wait_timeout = 28800, \
     lock_wait_timeout = 10",
];

/// Settings of a session for scripts: MySQL's own mode, whatever the server's is, so that a value that
/// does not fit is an error, and that a backslash in a text means the same everywhere.
const SCRIPT: &[&str] = &["set session sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,\
     NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
     autocommit = 1"];

/// What a session is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Catalogue queries and reads of rows.
    Read,
    /// Rows of chunks.
    Chunk,
    /// Everything else that changes the target, and may take as long as a whole table does.
    Write,
    /// What a person wrote, each statement a transaction of its own.
    Script,
}

/// A server that was reached, and how to reach it again.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    opts: Opts,
    /// As it was given, with the protection that its connections have.
    endpoint: Endpoint,
    limits: TimeLimits,
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
    /// Where decoding and encoding run.
    pub(crate) compute: ComputePool,
}

impl Server {
    /// Connects once, to learn what the server is.
    pub(crate) async fn reach(endpoint: &Endpoint, compute: ComputePool) -> Result<Arc<Self>> {
        let address = endpoint.to_string();
        let limits = endpoint.limits;
        let connect = async |opts| connect(opts, limits, &address).await;
        let mut endpoint = endpoint.clone();
        let (mut conn, opts) = match connect(options(&endpoint, endpoint.tls)?).await {
            // `prefer` means: encrypted where that can be had.
            Err(error) if endpoint.tls == TlsMode::Prefer && error.code == "tls-refused" => {
                endpoint.tls = TlsMode::Disable;
                connect(options(&endpoint, endpoint.tls)?).await?
            }
            // The driver always looks at the name. When that alone was wrong, the chain is good,
            // and a name that the certificate does have proves it again.
            Err(error) if endpoint.tls == TlsMode::VerifyCa => match certified_name(&error) {
                Some(name) => connect(named(options(&endpoint, endpoint.tls)?, name)).await?,
                None => return Err(error),
            },
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
        let packet_bytes = usize::try_from(packet_bytes).unwrap_or(PACKET_BYTES_MAX);
        let opts = OptsBuilder::from_opts(opts).max_allowed_packet(Some(packet_bytes)).into();
        let flavor = if version.to_ascii_lowercase().contains("mariadb") {
            Flavor::MariaDb
        } else {
            Flavor::MySql
        };
        Ok(Arc::new(Self {
            opts,
            endpoint,
            limits,
            address,
            database: database.unwrap_or_default(),
            flavor,
            version,
            packet_bytes,
            local_infile: local_infile == 1,
            compute,
        }))
    }

    /// A new session with the settings of its purpose.
    pub(crate) async fn open(&self, purpose: Purpose) -> Result<Conn> {
        let (mut conn, _) = connect(self.opts.clone(), self.limits, &self.address).await?;
        let (own, limits) = match purpose {
            Purpose::Read => (self.read_settings(), None),
            Purpose::Chunk => (self.write_settings(), Some(self.chunk_limits())),
            Purpose::Write => (self.write_settings(), Some(self.lock_limits())),
            Purpose::Script => (SCRIPT, Some(self.lock_limits())),
        };
        if matches!(purpose, Purpose::Write | Purpose::Script) {
            conn.ask(self.opts.clone());
        }
        let statements = SESSION.iter().chain(own).copied().chain(limits.as_deref());
        for statement in statements {
            conn.query_drop(statement).await.map_err(|error| {
                error::of(error, format!("could not set up a session of {}", self.address))
            })?;
        }
        Ok(conn)
    }

    /// A new session that reads rows, with the settings of [`Purpose::Read`].
    pub(crate) async fn open_link(&self) -> Result<Link> {
        let mut link = reached(self.limits, &self.address, Link::connect(&self.endpoint)).await?;
        for statement in SESSION.iter().chain(self.read_settings()) {
            link.query_drop(statement).await.map_err(|error| {
                error::of(error, format!("could not set up a session of {}", self.address))
            })?;
        }
        Ok(link)
    }

    /// How long a lock is waited for, of a table or a row.
    fn lock_limits(&self) -> String {
        let seconds = match self.limits.lock {
            Duration::ZERO => NO_LIMIT_SECONDS,
            // In whole seconds, one at least.
            limit => limit.as_secs().clamp(1, NO_LIMIT_SECONDS),
        };
        format!("set session lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}")
    }

    /// The same, and how long a statement may take where the server has such a limit, and how long a
    /// transaction may idle.
    fn chunk_limits(&self) -> String {
        let locks = self.lock_limits();
        match self.flavor {
            Flavor::MySql => format!("{locks}, wait_timeout = {IDLE_SECONDS}"),
            Flavor::MariaDb => {
                let seconds = self.limits.statement.as_secs_f64();
                format!(
                    "{locks}, max_statement_time = {seconds}, \
                     idle_transaction_timeout = {IDLE_SECONDS}"
                )
            }
        }
    }

    /// What a reading session runs first.
    pub(crate) fn reading_session(&self) -> impl Iterator<Item = &'static str> {
        SESSION.iter().chain(self.read_settings()).copied()
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

async fn connect(opts: Opts, limits: TimeLimits, address: &str) -> Result<(Conn, Opts)> {
    let conn = reached(limits, address, Conn::new(opts.clone(), limits)).await?;
    Ok((conn, opts))
}

/// What connecting comes to, and what to do when it fails.
async fn reached<T>(
    limits: TimeLimits,
    address: &str,
    connecting: impl Future<Output = Result<T, mysql_async::Error>>,
) -> Result<T> {
    let attempt = || format!("could not connect to {address}");
    match within(limits.connect, connecting).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(error)) => {
            let mut error = error::of(error, attempt());
            if error.code == "connection-lost" {
                error.code = "unreachable";
                error = error.with_next("Check host, port and whether the server is running.");
            }
            Err(error)
        }
        Err(silent) => Err(ConnectorError::new(ErrorClass::Transient, "unreachable", attempt())
            .with_server(silent.to_string())
            .with_next("Check host, port and whether a firewall is in between.")),
    }
}

fn options(endpoint: &Endpoint, tls: TlsMode) -> Result<Opts> {
    let builder = OptsBuilder::default()
        .ip_or_hostname(endpoint.host.clone())
        .tcp_port(if endpoint.port == 0 { PORT } else { endpoint.port })
        .user(Some(endpoint.user.clone()))
        .pass(endpoint.password.as_ref().map(|password| password.reveal().to_owned()))
        .db_name((!endpoint.database.is_empty()).then(|| endpoint.database.clone()))
        .socket(endpoint.socket.as_ref().map(|path| path.display().to_string()))
        .prefer_socket(Some(false))
        // The driver would ask for both, once per connection, and panic where the answer is damaged.
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .wait_timeout(Some(WAIT_SECONDS))
        .tcp_keepalive(Some(KEEPALIVE))
        .connect_attribute("program_name", endpoint.application.clone())
        .ssl_opts(ssl(endpoint, tls)?);
    Ok(builder.into())
}

/// The first name of a certificate that was refused for its name only.
fn certified_name(error: &ConnectorError) -> Option<String> {
    let (_, names) = error.server.as_deref()?.split_once("certificate is only valid for ")?;
    let name = names.split(['(', ')']).nth(1)?.trim_matches('"');
    // Any host under a wildcard stands for it.
    Some(name.strip_prefix("*.").map_or_else(|| name.to_owned(), |domain| format!("any.{domain}")))
}

fn named(opts: Opts, name: String) -> Opts {
    let ssl = opts.ssl_opts().cloned().map(|ssl| ssl.with_danger_tls_hostname_override(Some(name)));
    OptsBuilder::from_opts(opts).ssl_opts(ssl).into()
}

/// The driver makes its own configuration of these files, after they were looked at here.
fn ssl(endpoint: &Endpoint, tls: TlsMode) -> Result<Option<SslOpts>> {
    // A socket does not leave the machine, and the driver encrypts nothing on it.
    if tls == TlsMode::Disable || endpoint.socket.is_some() {
        return Ok(None);
    }
    drop(TlsClient::of(endpoint)?);
    let identity = endpoint.tls_cert.clone().zip(endpoint.tls_key.clone());
    let identity = identity.map(|(chain, key)| ClientIdentity::new(chain.into(), key.into()));
    let ssl = SslOpts::default().with_client_identity(identity);
    Ok(Some(match tls {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => {
            ssl.with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true)
        }
        TlsMode::VerifyCa => trusting(ssl, endpoint).with_danger_skip_domain_validation(true),
        TlsMode::VerifyFull => trusting(ssl, endpoint),
    }))
}

/// Trusts the given roots, else those of the system, and no others.
fn trusting(ssl: SslOpts, endpoint: &Endpoint) -> SslOpts {
    let roots = match &endpoint.tls_root {
        Some(path) => vec![path.clone().into()],
        None => rustls_native_certs::load_native_certs()
            .certs
            .into_iter()
            .map(|cert| cert.to_vec().into())
            .collect(),
    };
    ssl.with_root_certs(roots).with_disable_built_in_roots(true)
}

/// Says goodbye; a failure to do so changes nothing.
pub(crate) async fn close(conn: Conn) {
    if let Err(error) = conn.disconnect().await {
        tracing::debug!(%error, "a connection was already closed");
    }
}

/// Closes the socket at once; see [`Conn::cut`].
pub(crate) fn cut(conn: Conn) {
    conn.cut();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certified_name_is_found_in_the_refusal() {
        let check = |words: &str, name: Option<&str>| {
            let error = ConnectorError::new(ErrorClass::Refused, "tls-refused", "x");
            assert_eq!(certified_name(&error.with_server(words)).as_deref(), name);
        };
        let words = "invalid peer certificate: certificate not valid for name \"db\"; certificate \
            is only valid for DnsName(\"*.example.org\"), DnsName(\"b\") or IpAddress(10.0.0.1)";
        check(words, Some("any.example.org"));
        check("certificate is only valid for IpAddress(10.0.0.1)", Some("10.0.0.1"));
        check("invalid peer certificate: UnknownIssuer", None);
    }
}
