//! libpq's key-value form: `host=db1 dbname=shop user=app password='it\'s'`.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE>

use crate::ConfigError;
use crate::endpoint::{Parts, refuse_option};
use crate::url;

const KEYS: [&str; 15] = [
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "application_name",
    "hostaddr",
    "sslcert",
    "sslkey",
    "channel_binding",
    "passfile",
    "service",
    "servicefile",
];

/// Whether it starts with a key of libpq, in lower case, and is not a .NET string: there a `;`
/// ends the first value, here white space does.
pub(crate) fn looks_like(text: &str) -> bool {
    let Some((key, rest)) = text.split_once('=') else { return false };
    if !KEYS.contains(&key.trim()) {
        return false;
    }
    match value(rest) {
        // `user id=` and `data source=` never reach this point: their keys are not libpq's.
        Ok((first, _)) if rest.trim_start().starts_with('\'') => !first.is_empty(),
        Ok((first, _)) => !first.contains(';'),
        Err(_) => false,
    }
}

/// Reads all pairs.
pub(crate) fn parse(text: &str) -> Result<Parts, ConfigError> {
    let mut parts = Parts::default();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, tail) = rest.split_once('=').ok_or_else(unquoted)?;
        let (value, tail) = value(tail)?;
        let key = key.trim();
        if key.contains(char::is_whitespace) {
            return Err(unquoted());
        }
        url::option(key, &value, &mut parts)
            .map_err(|error| if KEYS.contains(&key) { error } else { refuse_option(key) })?;
        rest = tail.trim_start();
    }
    Ok(parts)
}

fn unquoted() -> ConfigError {
    ConfigError::new("bad-endpoint", "a part of the connection string is not of the form key=value")
        .with_next("Write a value with spaces in single quotes, and a quote in it as \\'.")
}

/// One value, quoted or up to white space; `\` takes the next character as it is.
fn value(text: &str) -> Result<(String, &str), ConfigError> {
    let text = text.trim_start();
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut value = String::new();
    let mut input = body.char_indices();
    while let Some((at, c)) = input.next() {
        match c {
            '\\' => value.push(input.next().ok_or_else(unquoted)?.1),
            '\'' if quoted => {
                return Ok((value, body.get(at + 1..).unwrap_or_default()));
            }
            c if c.is_whitespace() && !quoted => return Ok((value, body.split_at(at).1)),
            c => value.push(c),
        }
    }
    if quoted { Err(unquoted()) } else { Ok((value, "")) }
}
