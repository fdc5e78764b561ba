//! Connection strings of every dialect to an [`Endpoint`].
//!
//! The text is looked at once, to find its dialect; from there each dialect has its own file, which
//! fills in [`Parts`]. Defaults stand here, in one place. No error repeats any piece of the text
//! that could be part of a password.

use std::path::{Path, PathBuf};

use rowferry_core::{ChannelBinding, Endpoint, EndpointKind, Secret, TlsMode};

use crate::secret::PLAIN_PASSWORD;
use crate::{
    ConfigError, Env, dotnet_string, go_dsn, libpq_string, option_file, passfile, private_file,
    service_file, url,
};

/// What a dialect found; what it does not name stays `None`.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) database: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) tls: Option<TlsMode>,
    pub(crate) tls_root: Option<PathBuf>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) channel_binding: Option<ChannelBinding>,
    /// libpq's file of passwords.
    pub(crate) passfile: Option<PathBuf>,
    /// libpq's service, and the file that says what it is.
    pub(crate) service: Option<String>,
    pub(crate) service_file: Option<PathBuf>,
    /// MySQL's option file.
    pub(crate) defaults_file: Option<PathBuf>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) application: Option<String>,
    pub(crate) warnings: Vec<String>,
    /// What the dialect takes where no TLS mode is named; `None` = ours.
    pub(crate) dialect_tls: Option<(&'static str, TlsMode)>,
}

impl Parts {
    /// Takes from `other` what stands open here. An address is taken as a whole.
    fn or(self, other: Self) -> Self {
        let placed = self.host.is_some() || self.socket.is_some();
        let (host, socket) =
            if placed { (self.host, self.socket) } else { (other.host, other.socket) };
        Self {
            host,
            socket,
            port: self.port.or(other.port),
            database: self.database.or(other.database),
            user: self.user.or(other.user),
            password: self.password.or(other.password),
            tls: self.tls.or(other.tls),
            tls_root: self.tls_root.or(other.tls_root),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            channel_binding: self.channel_binding.or(other.channel_binding),
            passfile: self.passfile.or(other.passfile),
            application: self.application.or(other.application),
            ..self
        }
    }
}

/// Reads a connection string: `postgres:` and `mysql:` URLs, libpq's and .NET's key-value lists, Go
/// and JDBC strings, `sqlite:PATH`, `null:`, `generate:SPEC`, or `env:NAME` for any of them.
/// Relative paths are taken against `base`. Returns the warnings for the user beside it.
///
/// # Errors
///
/// A [`ConfigError`] that never repeats the string.
pub fn parse_endpoint(
    text: &str,
    env: &dyn Env,
    base: &Path,
) -> Result<(Endpoint, Vec<String>), ConfigError> {
    parse_for(text, None, env, base, true)
}

/// As [`parse_endpoint`], with the engine if the file names it, and whether a password in the text
/// would stand in plain sight.
pub(crate) fn parse_for(
    text: &str,
    engine: Option<EndpointKind>,
    env: &dyn Env,
    base: &Path,
    plain: bool,
) -> Result<(Endpoint, Vec<String>), ConfigError> {
    let text = text.trim();
    if let Some(name) = text.strip_prefix("env:") {
        let value = env.get(name).ok_or_else(|| crate::env::unset(name, None))?;
        if value.trim_start().starts_with("env:") {
            return Err(ConfigError::new("bad-endpoint", format!("{name} names another variable")));
        }
        return parse_for(&value, engine, env, base, false);
    }
    if text == "null:" {
        return Ok((Endpoint::empty(EndpointKind::Null), Vec::new()));
    }
    if let Some(spec) = text.strip_prefix("generate:") {
        let mut endpoint = Endpoint::empty(EndpointKind::Generate);
        spec.clone_into(&mut endpoint.generate);
        return Ok((endpoint, Vec::new()));
    }
    if let Some(url) = text.strip_prefix("connectorx+") {
        return through_connectorx(url, engine, env, base, plain);
    }
    let (kind, parts) = dialect(text, engine)?;
    if engine.is_some_and(|engine| engine != kind) {
        return Err(ConfigError::new(
            "bad-endpoint",
            format!("a connection string of {} where another engine is named", kind.word()),
        ));
    }
    complete(kind, parts, env, base, plain)
}

/// A URL of a server whose rows ConnectorX is to read.
fn through_connectorx(
    url: &str,
    engine: Option<EndpointKind>,
    env: &dyn Env,
    base: &Path,
    plain: bool,
) -> Result<(Endpoint, Vec<String>), ConfigError> {
    const SCHEMES: [&str; 4] = ["postgres://", "postgresql://", "mysql://", "mariadb://"];
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(ConfigError::new(
            "bad-endpoint",
            "connectorx+ stands before no scheme that it is known for",
        )
        .with_next("Write connectorx+postgres://… or connectorx+mysql://…."));
    }
    let (mut endpoint, warnings) = parse_for(url, engine, env, base, plain)?;
    endpoint.through_connectorx = true;
    Ok((endpoint, warnings))
}

fn dialect(text: &str, engine: Option<EndpointKind>) -> Result<(EndpointKind, Parts), ConfigError> {
    if let Some(rest) = text.strip_prefix("jdbc:") {
        return url::parse_jdbc(rest);
    }
    if let Some(rest) = text.strip_prefix("sqlite:") {
        return url::parse_sqlite(rest);
    }
    for (scheme, kind) in [
        ("postgres://", EndpointKind::Postgres),
        ("postgresql://", EndpointKind::Postgres),
        ("mysql://", EndpointKind::Mysql),
        ("mariadb://", EndpointKind::Mysql),
    ] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return url::parse_server(rest, kind).map(|parts| (kind, parts));
        }
    }
    for scheme in
        ["bigquery://", "s3://", "elasticsearch+", "mongodb://", "mssql://", "sqlserver://"]
    {
        if text.starts_with(scheme) {
            return Err(ConfigError::not_supported_yet(scheme));
        }
    }
    if libpq_string::looks_like(text) {
        return libpq_string::parse(text).map(|parts| (EndpointKind::Postgres, parts));
    }
    if dotnet_string::looks_like(text) {
        return dotnet_string::parse(text, engine);
    }
    if go_dsn::looks_like(text) {
        return go_dsn::parse(text).map(|parts| (EndpointKind::Mysql, parts));
    }
    Err(ConfigError::new("unknown-endpoint", "the connection string is of no known form").with_next(
        "Write postgres://user@host:5432/db, mysql://user@host:3306/db, sqlite:PATH, or env:NAME.",
    ))
}

/// Fills in the defaults.
pub(crate) fn complete(
    kind: EndpointKind,
    parts: Parts,
    env: &dyn Env,
    base: &Path,
    plain: bool,
) -> Result<(Endpoint, Vec<String>), ConfigError> {
    let mut endpoint = Endpoint::empty(kind);
    let mut parts = parts;
    let mut warnings = std::mem::take(&mut parts.warnings);
    if plain && parts.password.as_ref().is_some_and(|password| !password.reveal().is_empty()) {
        warnings.push(PLAIN_PASSWORD.to_owned());
    }
    if kind == EndpointKind::Sqlite {
        let path = parts.path.filter(|path| !path.as_os_str().is_empty());
        let path = path.ok_or_else(|| {
            ConfigError::new("bad-endpoint", "the SQLite file is missing")
                .with_next("Write sqlite:PATH.")
        })?;
        if path.to_str() == Some(":memory:") {
            return Err(ConfigError::not_supported_yet("SQLite databases in memory"));
        }
        endpoint.path = base.join(path);
        return Ok((endpoint, warnings));
    }
    let postgres = kind == EndpointKind::Postgres;
    parts = from_files(postgres, parts, env, base, &mut warnings)?;
    endpoint.socket = parts.socket;
    endpoint.host = parts.host.filter(|host| !host.is_empty()).unwrap_or_else(|| {
        if endpoint.socket.is_some() { String::new() } else { "localhost".to_owned() }
    });
    endpoint.port = parts.port.unwrap_or(if postgres { 5432 } else { 3306 });
    let user = parts.user.filter(|user| !user.is_empty());
    endpoint.user = user
        .or_else(|| postgres.then(|| env.get("PGUSER")).flatten())
        .or_else(|| env.get("USER"))
        .ok_or_else(|| {
            ConfigError::new("bad-endpoint", "the connection string names no user")
                .with_next("Write the user before the host: …://user@host/database.")
        })?;
    endpoint.database = match parts.database.filter(|database| !database.is_empty()) {
        Some(database) => database,
        // libpq's rule; MySQL has none, and a copy without a database finds no table.
        None if postgres => endpoint.user.clone(),
        None => {
            return Err(ConfigError::new(
                "bad-endpoint",
                "the connection string names no database",
            )
            .with_next("Write the database after the host: …://user@host/database."));
        }
    };
    let variable = if postgres { "PGPASSWORD" } else { "MYSQL_PWD" };
    endpoint.password = parts.password.or_else(|| env.get(variable).map(Secret::new));
    if endpoint.password.is_none() && postgres {
        let named = parts.passfile.map(|path| base.join(path));
        endpoint.password = passfile::password(named.as_deref(), &endpoint, env, &mut warnings)?;
    }
    endpoint.tls_cert = parts.tls_cert.map(|path| base.join(path));
    endpoint.tls_key = parts.tls_key.map(|path| base.join(path));
    if let Some(key) = &endpoint.tls_key {
        private_file::warn_if_open(key, "the key file", &mut warnings);
    }
    endpoint.channel_binding = parts.channel_binding.unwrap_or_default();
    // libpq's word for the roots of this machine.
    let system = parts.tls_root.as_deref() == Some(Path::new("system"));
    endpoint.tls_root = parts.tls_root.filter(|_| !system).map(|path| base.join(path));
    set_tls(&mut endpoint, parts.tls, parts.dialect_tls, system, &mut warnings)?;
    if let Some(application) = parts.application {
        endpoint.application = application;
    }
    Ok((endpoint, warnings))
}

/// What a file says that the string names: a service of libpq, an option file of MySQL.
fn from_files(
    postgres: bool,
    parts: Parts,
    env: &dyn Env,
    base: &Path,
    warnings: &mut Vec<String>,
) -> Result<Parts, ConfigError> {
    if !postgres {
        let file = parts.defaults_file.as_deref().map(|path| base.join(path));
        let user = parts.user.as_deref().filter(|user| !user.is_empty());
        let found = option_file::read(file.as_deref(), user, env, warnings)?;
        return Ok(parts.or(found));
    }
    let Some(service) = parts.service.as_deref() else { return Ok(parts) };
    let file = parts.service_file.as_deref().map(|path| base.join(path));
    let found = service_file::read(service, file.as_deref(), env, warnings)?;
    Ok(parts.or(found))
}

/// The mode. A file of roots is there to verify with, so `require` beside one is `verify-ca`,
/// as libpq has it, and where no mode is named it is `verify-full` even on this machine.
fn set_tls(
    endpoint: &mut Endpoint,
    named: Option<TlsMode>,
    dialect: Option<(&'static str, TlsMode)>,
    system: bool,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let has_file = endpoint.tls_root.is_some();
    endpoint.tls = match (named, dialect) {
        (Some(TlsMode::Require), _) if has_file => TlsMode::VerifyCa,
        (Some(tls), _) => tls,
        (None, Some((dialect, tls))) => {
            if tls != TlsMode::VerifyFull && !is_local(endpoint) {
                warnings.push(format!(
                    "the {dialect} string of {} names no TLS mode and keeps that dialect's default, \
                     {}: the server is not verified",
                    endpoint.host,
                    tls_word(tls)
                ));
            }
            tls
        }
        (None, None) if endpoint.socket.is_some() => TlsMode::Disable,
        (None, None) if !has_file && !system && is_local(endpoint) => TlsMode::Prefer,
        (None, None) => TlsMode::VerifyFull,
    };
    if system && endpoint.tls != TlsMode::VerifyFull {
        return Err(ConfigError::new("bad-tls", "the system's roots ask for verify-full")
            .with_next(
                "Anybody can have a certificate of theirs: set the TLS mode to verify-full.",
            ));
    }
    if has_file && matches!(endpoint.tls, TlsMode::Prefer | TlsMode::Disable) {
        warnings.push(format!(
            "a file of roots changes nothing where the TLS mode is {}: nothing is verified",
            tls_word(endpoint.tls)
        ));
    }
    Ok(())
}

/// Whether the wire never leaves this machine.
fn is_local(endpoint: &Endpoint) -> bool {
    let host = endpoint.host.trim_start_matches('[').trim_end_matches(']');
    endpoint.socket.is_some()
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// libpq's word for a mode.
pub(crate) const fn tls_word(tls: TlsMode) -> &'static str {
    match tls {
        TlsMode::Disable => "disable",
        TlsMode::Prefer => "prefer",
        TlsMode::Require => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    }
}

/// Every dialect's words for a mode, case and `-`, `_` left out of account.
pub(crate) fn tls_mode(text: &str) -> Result<TlsMode, ConfigError> {
    let mut word = text.to_ascii_lowercase();
    word.retain(|c| c != '-' && c != '_' && c != ' ');
    match word.as_str() {
        "disable" | "disabled" | "none" | "false" | "off" => Ok(TlsMode::Disable),
        "allow" | "prefer" | "preferred" => Ok(TlsMode::Prefer),
        "require" | "required" | "skipverify" | "trust" => Ok(TlsMode::Require),
        "verifyca" => Ok(TlsMode::VerifyCa),
        "verifyfull" | "verifyidentity" | "true" | "on" => Ok(TlsMode::VerifyFull),
        _ => Err(ConfigError::new("bad-tls", "the TLS mode is not a known word")
            .with_next("Write disable, prefer, require, verify-ca or verify-full.")),
    }
}

/// libpq's words for the binding of a password.
pub(crate) fn binding(text: &str) -> Result<ChannelBinding, ConfigError> {
    match text.to_ascii_lowercase().as_str() {
        "disable" => Ok(ChannelBinding::Disable),
        "prefer" => Ok(ChannelBinding::Prefer),
        "require" => Ok(ChannelBinding::Require),
        _ => Err(ConfigError::new("bad-tls", "the channel binding is not a known word")
            .with_next("Write disable, prefer or require.")),
    }
}

pub(crate) fn port(text: &str) -> Result<u16, ConfigError> {
    text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| {
        // The text could be the tail of a password that holds an unescaped `@` or `:`.
        ConfigError::new("bad-endpoint", "the port is not a number from 1 to 65535")
            .with_next("Characters such as @ : / ? # % in a password are written %40 %3A %2F %3F %23 %25 in a URL.")
    })
}

/// Refuses an option by name, if the name is a word of some driver and not perhaps a password.
pub(crate) fn refuse_option(name: &str) -> ConfigError {
    const KNOWN: &[&str] = &[
        "connect_timeout",
        "options",
        "target_session_attrs",
        "gssencmode",
        "sslcrl",
        "sslpassword",
        "krbsrvname",
        "keepalives",
        "keepalives_idle",
        "client_encoding",
        "fallback_application_name",
        "load_balance_hosts",
        "requirepeer",
        "replication",
        "tcp_user_timeout",
        "hostaddr",
        "collation",
        "timeout",
        "readtimeout",
        "writetimeout",
        "loc",
        "maxallowedpacket",
        "multistatements",
        "clientfoundrows",
        "allowcleartextpasswords",
        "servertimezone",
        "connecttimeout",
        "sockettimeout",
        "currentschema",
        "searchpath",
        "trust server certificate",
        "integrated security",
    ];
    let lower = name.to_ascii_lowercase();
    match KNOWN.iter().find(|known| **known == lower) {
        Some(known) => ConfigError::not_supported_yet(&format!("{known} in a connection string")),
        None => ConfigError::new("bad-endpoint", "an unknown option in the connection string")
            .with_next("docs/config.md lists the options of each form; special characters of a password must be escaped."),
    }
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
