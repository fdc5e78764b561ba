//! Strings of Go's MySQL driver: `user:password@tcp(host:3306)/database?parseTime=true`.
//!
//! As that driver does, the last `/` ends the address and the last `@` before it ends the password,
//! so a password may hold both. <https://github.com/go-sql-driver/mysql#dsn-data-source-name>

use std::path::PathBuf;

use rowferry_core::{Secret, TlsMode};

use crate::ConfigError;
use crate::endpoint::{Parts, port, refuse_option, tls_mode};
use crate::url::decode;

/// Whether the text has the `@protocol(address)/` or `@/` of such strings.
pub(crate) fn looks_like(text: &str) -> bool {
    split(text).is_some()
}

/// Login, address with its protocol, what follows the slash.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (front, tail) = text.rsplit_once('/')?;
    let (login, address) = front.rsplit_once('@')?;
    let known = address.is_empty()
        || ["tcp", "tcp4", "tcp6", "unix"].iter().any(|protocol| {
            address.strip_prefix(protocol).is_some_and(|rest| {
                rest.is_empty() || (rest.starts_with('(') && rest.ends_with(')'))
            })
        });
    known.then_some((login, address, tail))
}

/// Reads the string.
pub(crate) fn parse(text: &str) -> Result<Parts, ConfigError> {
    // `unix(/run/x.sock)` holds slashes of its own, but all of them before the last one.
    let (login, address, tail) = split(text)
        .ok_or_else(|| ConfigError::new("bad-endpoint", "not of the form user@tcp(host)/db"))?;
    // The driver's own default is no TLS at all.
    let mut parts = Parts { dialect_tls: Some(("Go", TlsMode::Disable)), ..Parts::default() };
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    parts.user = Some(user.to_owned());
    parts.password = password.map(Secret::new);
    let inside = address.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    match (address.starts_with("unix"), inside) {
        (true, Some(path)) => parts.socket = Some(PathBuf::from(path)),
        (false, Some(host)) => {
            let bracket_end = host.find(']').map_or(0, |at| at + 1);
            let (name, number) = match host.split_at(bracket_end) {
                ("", all) => all.split_once(':').map_or((all, ""), |(name, number)| (name, number)),
                (name, rest) => (name, rest.trim_start_matches(':')),
            };
            parts.host = Some(name.trim_matches(['[', ']']).to_owned());
            if !number.is_empty() {
                parts.port = Some(port(number)?);
            }
        }
        (_, None) => {}
    }
    let (database, query) = tail.split_once('?').unwrap_or((tail, ""));
    parts.database = Some(decode(database)?);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value)?;
        match name {
            "tls" => parts.tls = Some(tls_mode(&value)?),
            // These say how Go reads types, or what is always so here.
            "parseTime" | "charset" | "interpolateParams" | "allowNativePasswords" => {}
            _ => return Err(refuse_option(name)),
        }
    }
    Ok(parts)
}
