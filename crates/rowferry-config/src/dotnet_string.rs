//! ADO.NET strings of Npgsql, `MySqlConnector` and `Microsoft.Data.Sqlite`: `Key=value;…`, keys without
//! case, values in either quote.

use std::path::PathBuf;

use rowferry_core::{EndpointKind, Secret, TlsMode};

use crate::ConfigError;
use crate::endpoint::{Parts, binding, port, refuse_option, tls_mode};

/// The first keys by which such a string is known.
const FIRST: [&str; 26] = [
    "host",
    "server",
    "addr",
    "address",
    "network address",
    "data source",
    "datasource",
    "filename",
    "database",
    "db",
    "initial catalog",
    "port",
    "user id",
    "userid",
    "username",
    "user name",
    "user",
    "uid",
    "password",
    "pwd",
    "psw",
    "sslmode",
    "ssl mode",
    "provider",
    "mode",
    "pooling",
];

/// Whether the text before the first `=` is a key of such strings.
pub(crate) fn looks_like(text: &str) -> bool {
    text.split_once('=')
        .is_some_and(|(key, _)| FIRST.contains(&key.trim().to_ascii_lowercase().as_str()))
}

/// Reads all pairs. Without a named engine, the keys tell: `Host` and `Username` are Npgsql's,
/// a lone `Data Source` is SQLite's.
pub(crate) fn parse(
    text: &str,
    engine: Option<EndpointKind>,
) -> Result<(EndpointKind, Parts), ConfigError> {
    let pairs = pairs(text)?;
    let has = |names: &[&str]| pairs.iter().any(|(key, _)| names.contains(&key.as_str()));
    let kind = engine.unwrap_or_else(|| {
        if has(&["host", "username"]) {
            EndpointKind::Postgres
        } else if has(&["data source", "datasource", "filename"])
            && !has(&["user id", "uid", "user", "userid", "password", "pwd", "port"])
        {
            EndpointKind::Sqlite
        } else if pairs.iter().any(|(key, value)| key == "port" && value == "5432") {
            EndpointKind::Postgres
        } else {
            EndpointKind::Mysql
        }
    });
    let mut parts = Parts::default();
    for (key, value) in &pairs {
        pair(kind, key, value, &mut parts)?;
    }
    // MySqlConnector: SslMode=Preferred; Npgsql 6 and later: SSL Mode=Prefer.
    parts.dialect_tls = Some((".NET", TlsMode::Prefer));
    Ok((kind, parts))
}

fn pair(kind: EndpointKind, key: &str, value: &str, parts: &mut Parts) -> Result<(), ConfigError> {
    match key {
        "data source" | "datasource" | "filename" if kind == EndpointKind::Sqlite => {
            parts.path = Some(PathBuf::from(value));
        }
        "host" if value.starts_with('/') => parts.socket = Some(PathBuf::from(value)),
        "host" | "server" | "data source" | "datasource" | "addr" | "address"
        | "network address" => {
            if value.contains(',') {
                return Err(ConfigError::not_supported_yet("several hosts in a connection string"));
            }
            parts.host = Some(value.to_owned());
        }
        "port" => parts.port = Some(port(value)?),
        "database" | "db" | "initial catalog" => parts.database = Some(value.to_owned()),
        "user id" | "userid" | "username" | "user name" | "user" | "uid" => {
            parts.user = Some(value.to_owned());
        }
        "password" | "pwd" | "psw" => parts.password = Some(Secret::new(value)),
        "sslmode" | "ssl mode" => parts.tls = Some(tls_mode(value)?),
        "ca certificate file"
        | "cacertificatefile"
        | "sslca"
        | "ssl-ca"
        | "root certificate"
        | "rootcertificate" => parts.tls_root = Some(PathBuf::from(value)),
        "ssl certificate" | "sslcertificate" | "sslcert" | "ssl-cert" => {
            parts.tls_cert = Some(PathBuf::from(value));
        }
        "ssl key" | "sslkey" | "ssl-key" => parts.tls_key = Some(PathBuf::from(value)),
        "channel binding" | "channelbinding" => parts.channel_binding = Some(binding(value)?),
        "passfile" | "pass file" => parts.passfile = Some(PathBuf::from(value)),
        "application name" | "applicationname" => parts.application = Some(value.to_owned()),
        // What a driver keeps for itself and what does not change what is copied: pools of
        // connections, time limits, the text encoding, and how its own types read.
        "pooling"
        | "minimum pool size"
        | "maximum pool size"
        | "min pool size"
        | "max pool size"
        | "connection timeout"
        | "connect timeout"
        | "timeout"
        | "command timeout"
        | "default command timeout"
        | "keepalive"
        | "charset"
        | "character set"
        | "encoding"
        | "client encoding"
        | "include error detail"
        | "allow user variables"
        | "allowuservariables"
        | "allow zero datetime"
        | "convert zero datetime"
        | "allowloadlocalinfile"
        | "allow load local infile"
        | "allowpublickeyretrieval"
        | "allow public key retrieval"
        | "persist security info"
        | "cache"
        | "foreign keys"
        | "connection lifetime"
        | "connection idle lifetime" => parts
            .warnings
            .push(format!("{key:?} of the .NET string concerns its driver only and is not used")),
        "mode"
            if kind == EndpointKind::Sqlite
                && ["readwritecreate", "readwrite", "readonly"]
                    .contains(&value.to_ascii_lowercase().as_str()) => {}
        _ => return Err(refuse_option(key)),
    }
    Ok(())
}

/// `key=value` pairs with keys in lower case.
fn pairs(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let broken = || {
        ConfigError::new(
            "bad-endpoint",
            "a part of the connection string is not of the form Key=value",
        )
        .with_next(
            "Write a value that holds `;` in quotes, and double a quote of the same kind in it.",
        )
    };
    let mut pairs = Vec::new();
    let mut rest = text.trim_start_matches([';', ' ']);
    while !rest.is_empty() {
        let (key, tail) = rest.split_once('=').ok_or_else(broken)?;
        let tail = tail.trim_start();
        let quote = tail.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, tail) = if let Some(quote) = quote {
            let (value, tail) =
                quoted(tail.strip_prefix(quote).unwrap_or(tail), quote).ok_or_else(broken)?;
            if !(tail.trim_start().is_empty() || tail.trim_start().starts_with(';')) {
                return Err(broken());
            }
            (value, tail)
        } else {
            let (value, tail) = tail.split_at(tail.find(';').unwrap_or(tail.len()));
            (value.trim_end().to_owned(), tail)
        };
        pairs.push((key.trim().to_ascii_lowercase(), value));
        rest = tail.trim_start_matches([';', ' ']);
    }
    Ok(pairs)
}

fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once(quote)?;
        value.push_str(before);
        match after.strip_prefix(quote) {
            Some(tail) => {
                value.push(quote);
                rest = tail;
            }
            None => return Some((value, after)),
        }
    }
}
