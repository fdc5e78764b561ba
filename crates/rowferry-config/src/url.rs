//! URLs: `postgres://`, `mysql://`, `mariadb://`, `sqlite:`, and JDBC's dress of them.

use std::path::PathBuf;

use rowferry_core::{EndpointKind, Secret, TlsMode};

use crate::ConfigError;
use crate::endpoint::{Parts, binding, port, refuse_option, tls_mode};

/// Reads what follows the scheme of a server's URL.
pub(crate) fn parse_server(rest: &str, kind: EndpointKind) -> Result<Parts, ConfigError> {
    let mut parts = Parts::default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (login, address) = match authority.rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, authority),
    };
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        parts.user = Some(decode(user)?);
        parts.password = password.map(decode).transpose()?.map(Secret::new);
    }
    read_address(address, kind, &mut parts)?;
    if tail.contains('#') {
        return Err(
            ConfigError::new("bad-endpoint", "the URL has a `#`").with_next("Write # as %23.")
        );
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let database = path.strip_prefix('/').unwrap_or(path);
    if !database.is_empty() {
        parts.database = Some(decode(database)?);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        option(&decode(name)?, &decode(value)?, &mut parts)?;
    }
    Ok(parts)
}

fn read_address(text: &str, kind: EndpointKind, parts: &mut Parts) -> Result<(), ConfigError> {
    if text.contains(',') {
        return Err(ConfigError::not_supported_yet("several hosts in one URL"));
    }
    let (host, number) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| {
            ConfigError::new("bad-endpoint", "an IPv6 address without its closing bracket")
        })?;
        (host, rest.strip_prefix(':'))
    } else {
        match text.rsplit_once(':') {
            Some((host, number)) => (host, Some(number)),
            None => (text, None),
        }
    };
    if let Some(number) = number.filter(|number| !number.is_empty()) {
        parts.port = Some(port(number)?);
    }
    let host = decode(host)?;
    if host.starts_with('/') && kind == EndpointKind::Postgres {
        parts.socket = Some(PathBuf::from(host));
    } else if !host.is_empty() {
        parts.host = Some(host);
    }
    Ok(())
}

/// Reads what follows `sqlite:`. `//` asks for percent-decoding; a bare path is taken as it is.
pub(crate) fn parse_sqlite(rest: &str) -> Result<(EndpointKind, Parts), ConfigError> {
    let mut parts = Parts::default();
    let Some(rest) = rest.strip_prefix("//") else {
        parts.path = Some(PathBuf::from(rest));
        return Ok((EndpointKind::Sqlite, parts));
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair {
            "mode=rw" | "mode=rwc" => {}
            // A source is never opened for writing, and a target cannot be anything else.
            "mode=ro" => parts.warnings.push(
                "mode=ro changes nothing: a SQLite source is always opened for reading only"
                    .to_owned(),
            ),
            _ => return Err(ConfigError::not_supported_yet("this option of a sqlite:// URL")),
        }
    }
    parts.path = Some(PathBuf::from(decode(path)?));
    Ok((EndpointKind::Sqlite, parts))
}

/// Reads what follows `jdbc:`.
pub(crate) fn parse_jdbc(rest: &str) -> Result<(EndpointKind, Parts), ConfigError> {
    if let Some(rest) = rest.strip_prefix("sqlite:") {
        let parts = Parts { path: Some(PathBuf::from(rest)), ..Parts::default() };
        return Ok((EndpointKind::Sqlite, parts));
    }
    // The defaults of pgjdbc, Connector/J 8 and MariaDB Connector/J 3, from their manuals.
    let known = [
        ("postgresql://", EndpointKind::Postgres, TlsMode::Prefer),
        ("mysql://", EndpointKind::Mysql, TlsMode::Prefer),
        ("mariadb://", EndpointKind::Mysql, TlsMode::Disable),
    ];
    for (scheme, kind, tls) in known {
        if let Some(rest) = rest.strip_prefix(scheme) {
            let mut parts = parse_server(rest, kind)?;
            parts.dialect_tls = Some(("JDBC", tls));
            return Ok((kind, parts));
        }
    }
    Err(ConfigError::not_supported_yet("this database in a JDBC string")
        .with_next("jdbc:postgresql://, jdbc:mysql://, jdbc:mariadb:// and jdbc:sqlite: work."))
}

/// One option of a URL; also those of JDBC.
pub(crate) fn option(name: &str, value: &str, parts: &mut Parts) -> Result<(), ConfigError> {
    match name.to_ascii_lowercase().as_str() {
        "user" => parts.user = Some(value.to_owned()),
        "password" => parts.password = Some(Secret::new(value)),
        "dbname" => parts.database = Some(value.to_owned()),
        "port" => parts.port = Some(port(value)?),
        "host" if value.starts_with('/') => parts.socket = Some(PathBuf::from(value)),
        "host" => parts.host = Some(value.to_owned()),
        "socket" | "unix_socket" => parts.socket = Some(PathBuf::from(value)),
        "sslmode" | "ssl-mode" | "ssl_mode" | "tls" => parts.tls = Some(tls_mode(value)?),
        // JDBC: a bare `ssl` or `useSSL` encrypts; pgjdbc then verifies, Connector/J does not.
        "ssl" => parts.tls = Some(tls_mode(if value.is_empty() { "true" } else { value })?),
        "usessl" | "requiressl" => {
            parts.tls = Some(match tls_mode(value)? {
                TlsMode::Disable => TlsMode::Disable,
                TlsMode::Prefer | TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => {
                    TlsMode::Require
                }
            });
        }
        "sslrootcert" | "ssl-ca" | "ssl_ca" => parts.tls_root = Some(PathBuf::from(value)),
        "sslcert" | "ssl-cert" | "ssl_cert" => parts.tls_cert = Some(PathBuf::from(value)),
        "sslkey" | "ssl-key" | "ssl_key" => parts.tls_key = Some(PathBuf::from(value)),
        "channel_binding" | "channelbinding" => parts.channel_binding = Some(binding(value)?),
        "passfile" => parts.passfile = Some(PathBuf::from(value)),
        "service" => parts.service = Some(value.to_owned()),
        "servicefile" => parts.service_file = Some(PathBuf::from(value)),
        "defaults_file" | "defaults-file" => parts.defaults_file = Some(PathBuf::from(value)),
        "application_name" | "applicationname" => parts.application = Some(value.to_owned()),
        "charset" | "characterencoding"
            if matches!(value.to_ascii_lowercase().as_str(), "utf8mb4" | "utf8" | "utf-8") => {}
        _ => return Err(refuse_option(name)),
    }
    Ok(())
}

/// Percent-decodes; what is wrong is said without the text.
pub(crate) fn decode(text: &str) -> Result<String, ConfigError> {
    let wrong = || {
        ConfigError::new("bad-escape", "a `%` in the URL is not followed by two hex digits")
            .with_next("Write a percent sign of a password as %25.")
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut input = text.bytes();
    while let Some(byte) = input.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || input.next().and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_range| wrong())?);
    }
    String::from_utf8(bytes).map_err(|_bytes| {
        ConfigError::new("bad-escape", "the percent escapes of the URL are not valid UTF-8")
    })
}

/// Percent-encodes everything but letters, digits and `-._~`.
#[cfg(test)]
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}
