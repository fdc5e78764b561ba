//! Connection settings: from an endpoint to the driver's, and what every session is told.

use std::time::Duration;

use rowferry_core::{ChannelBinding, Endpoint, TimeLimits, TlsMode};
use rowferry_runtime::{Address, lease};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding as Binding, SslMode};

/// What a session is for; decides its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Reads tables.
    Read,
    /// Writes chunks: the user's triggers and defaults run in it.
    Chunk,
    /// Runs DDL, and statements that take as long as a whole table does.
    Write,
    /// Holds a lock and does nothing else.
    Lock,
    /// Runs what a person wrote, as the login's own sessions would.
    Script,
}

/// The driver's settings for `endpoint`.
pub(crate) fn driver_config(endpoint: &Endpoint) -> Config {
    let mut config = Config::new();
    config
        .user(&endpoint.user)
        .dbname(&endpoint.database)
        .application_name(&endpoint.application)
        .channel_binding(match endpoint.channel_binding {
            ChannelBinding::Disable => Binding::Disable,
            ChannelBinding::Prefer => Binding::Prefer,
            ChannelBinding::Require => Binding::Require,
        })
        .ssl_mode(match endpoint.tls {
            // A socket does not leave the machine, and the server offers no TLS on it.
            _ if endpoint.socket.is_some() => SslMode::Disable,
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
    if let Some(password) = &endpoint.password {
        config.password(password.reveal());
    }
    config
}

/// Where the server listens.
pub(crate) fn address(endpoint: &Endpoint) -> Address {
    #[cfg(unix)]
    if let Some(folder) = &endpoint.socket {
        return Address::Unix { file: folder.join(format!(".s.PGSQL.{}", endpoint.port)) };
    }
    Address::Tcp { host: endpoint.host.clone(), port: endpoint.port }
}

/// Settings on which the text form of values depends; part of the type system.
const VALUE_SETTINGS: &str = "set standard_conforming_strings = on; set datestyle = 'ISO, YMD'; \
     set intervalstyle = 'postgres'; set extra_float_digits = 1; set bytea_output = 'hex'; \
     set timezone = 'UTC'; set lc_monetary = 'C'; set row_security = off; \
     set statement_timeout = 0; set lock_timeout = 0";

/// A reader may wait for a slow writer inside its transaction, and resolves no name by path.
const READ_SETTINGS: &str =
    "set search_path = pg_catalog; set idle_in_transaction_session_timeout = 0";

/// A stopped process must not keep rows locked; five minutes outlast every pause of a live one.
const WRITE_SETTINGS: &str = "set idle_in_transaction_session_timeout = '5min'; \
     set default_transaction_isolation = 'read committed'";

/// What holds locks notices within a minute that its client is gone.
const KEEPALIVE_SETTINGS: &str = "set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; \
     set tcp_keepalives_count = 3";

/// The statements that a new session runs first. `version` as in `server_version_num`.
pub(crate) fn session_settings(purpose: Purpose, version: u32, limits: &TimeLimits) -> String {
    // The server takes no larger number.
    let millis = |limit: Duration| limit.as_millis().min(i32::MAX.unsigned_abs().into());
    let lock = millis(limits.lock);
    let own = match purpose {
        Purpose::Read => READ_SETTINGS.to_owned(),
        Purpose::Chunk => {
            let statement = millis(limits.statement);
            format!(
                "{WRITE_SETTINGS}; {KEEPALIVE_SETTINGS}; set lock_timeout = {lock}; \
                 set statement_timeout = {statement}"
            )
        }
        Purpose::Write => {
            format!("{WRITE_SETTINGS}; {KEEPALIVE_SETTINGS}; set lock_timeout = {lock}")
        }
        Purpose::Script => format!("{KEEPALIVE_SETTINGS}; set lock_timeout = {lock}"),
        // A frozen owner loses the lock after a lease, by the server's limits on idle sessions.
        Purpose::Lock => KEEPALIVE_SETTINGS.to_owned(),
    };
    // Only version 14 and later can end a session that idles outside a transaction.
    let idle = match purpose {
        Purpose::Lock => {
            let lease = lease().as_millis();
            let limits = format!("; set idle_in_transaction_session_timeout = {lease}");
            if version >= 140_000 {
                format!("{limits}; set idle_session_timeout = {lease}")
            } else {
                limits
            }
        }
        Purpose::Read | Purpose::Chunk | Purpose::Write | Purpose::Script if version >= 140_000 => {
            "; set idle_session_timeout = 0".to_owned()
        }
        Purpose::Read | Purpose::Chunk | Purpose::Write | Purpose::Script => String::new(),
    };
    format!("{VALUE_SETTINGS}; {own}{idle}")
}
