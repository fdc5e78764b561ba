//! An endpoint as a URL in ConnectorX's words.

use std::fmt::Write as _;
use std::path::Path;

use rowferry_core::{
    ChannelBinding, ConnectorError, Endpoint, EndpointKind, ErrorClass, Result, TlsMode,
};

use crate::error::{USE_NATIVE, failed};

/// The URL, password included.
///
/// # Errors
///
/// Class `Setup`, slug `connectorx-tls`, when ConnectorX cannot protect the wire as asked: it must not
/// do with less.
pub(crate) fn of(endpoint: &Endpoint) -> Result<String> {
    let options = match endpoint.kind {
        EndpointKind::Postgres => postgres_options(endpoint)?,
        EndpointKind::Mysql => mysql_options(endpoint)?,
        EndpointKind::Sqlite | EndpointKind::Generate | EndpointKind::Null => {
            return Err(ConnectorError::bug("ConnectorX reads servers only"));
        }
    };
    let password = endpoint.password.as_ref();
    let password = password.map_or_else(String::new, |text| format!(":{}", encode(text.reveal())));
    let host = match &endpoint.socket {
        Some(folder) if endpoint.kind == EndpointKind::Postgres => encode(&text_of(folder)),
        Some(_) => "localhost".to_owned(),
        None if endpoint.host.contains(':') => {
            format!("[{}]", endpoint.host.trim_matches(['[', ']']))
        }
        None => endpoint.host.clone(),
    };
    let (kind, user) = (endpoint.kind.word(), encode(&endpoint.user));
    let (port, database) = (endpoint.port, encode(&endpoint.database));
    let options: Vec<String> =
        options.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    Ok(format!("{kind}://{user}{password}@{host}:{port}/{database}?{}", options.join("&")))
}

type Options = Vec<(&'static str, String)>;

fn postgres_options(endpoint: &Endpoint) -> Result<Options> {
    let mut options: Options = vec![("application_name", endpoint.application.clone())];
    let root = endpoint.tls_root.as_deref();
    let mode = match endpoint.tls {
        _ if endpoint.socket.is_some() => "disable",
        TlsMode::Disable => "disable",
        TlsMode::Prefer => "prefer",
        TlsMode::Require => "require",
        // With a file of roots its `require` verifies the chain.
        TlsMode::VerifyCa if root.is_some() => {
            options.extend(root.map(|path| ("sslrootcert", text_of(path))));
            "require"
        }
        TlsMode::VerifyCa => return Err(cannot("verify-ca without a file of roots")),
        TlsMode::VerifyFull => return Err(cannot("verify-full")),
    };
    options.push(("sslmode", mode.to_owned()));
    for (name, path) in [("sslcert", &endpoint.tls_cert), ("sslkey", &endpoint.tls_key)] {
        options.extend(path.as_deref().map(|path| (name, text_of(path))));
    }
    options.push((
        "channel_binding",
        match endpoint.channel_binding {
            ChannelBinding::Disable => "disable",
            ChannelBinding::Prefer => "prefer",
            ChannelBinding::Require => "require",
        }
        .to_owned(),
    ));
    if !endpoint.limits.connect.is_zero() {
        // In whole seconds; 0 would be none.
        options.push(("connect_timeout", endpoint.limits.connect.as_secs().max(1).to_string()));
    }
    Ok(options)
}

fn mysql_options(endpoint: &Endpoint) -> Result<Options> {
    // It would look for a socket of its own accord.
    let mut options: Options = vec![("prefer_socket", "false".to_owned())];
    if let Some(socket) = &endpoint.socket {
        options = vec![("socket", text_of(socket))];
    }
    if endpoint.tls_cert.is_some() {
        return Err(cannot("a client certificate"));
    }
    let mode = match endpoint.tls {
        _ if endpoint.socket.is_some() => None,
        TlsMode::Disable => None,
        // It knows no way between must and must not.
        TlsMode::Prefer if is_loopback(&endpoint.host) => None,
        TlsMode::Prefer => return Err(cannot("prefer")),
        TlsMode::Require => Some("REQUIRED"),
        TlsMode::VerifyCa => Some("VERIFY_CA"),
        TlsMode::VerifyFull => Some("VERIFY_IDENTITY"),
    };
    options.extend(mode.map(|mode| ("ssl-mode", mode.to_owned())));
    options.extend(endpoint.tls_root.as_deref().map(|path| ("ssl-ca", text_of(path))));
    if !endpoint.limits.connect.is_zero() {
        options.push(("tcp_connect_timeout_ms", endpoint.limits.connect.as_millis().to_string()));
    }
    Ok(options)
}

fn cannot(what: &str) -> ConnectorError {
    failed(
        ErrorClass::Setup,
        "connectorx-tls",
        &format!("ConnectorX cannot protect the wire as asked: {what}"),
    )
    .with_next(format!("{USE_NATIVE} can. Or choose another TLS mode."))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Percent-encodes everything but letters, digits and `-._~`.
fn encode(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use rowferry_core::Secret;

    use super::*;

    fn endpoint(kind: EndpointKind, host: &str, tls: TlsMode) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            port: 1,
            user: "a@b".to_owned(),
            password: Some(Secret::new("p:/?#@%")),
            database: "d d".to_owned(),
            tls,
            ..Endpoint::empty(kind)
        }
    }

    #[test]
    fn nothing_leaves_its_place_in_the_url() {
        let postgres = endpoint(EndpointKind::Postgres, "::1", TlsMode::Prefer);
        assert_eq!(
            of(&postgres).unwrap(),
            "postgres://a%40b:p%3A%2F%3F%23%40%25@[::1]:1/d%20d?application_name=rowferry&\
             sslmode=prefer&channel_binding=prefer&connect_timeout=10"
        );
        let socket = Endpoint { socket: Some("/run/pg".into()), ..postgres };
        assert!(of(&socket).unwrap().contains("@%2Frun%2Fpg:1/d%20d?"));
        let mysql = endpoint(EndpointKind::Mysql, "db1", TlsMode::VerifyFull);
        assert_eq!(
            of(&mysql).unwrap(),
            "mysql://a%40b:p%3A%2F%3F%23%40%25@db1:1/d%20d?prefer_socket=false&\
             ssl-mode=VERIFY_IDENTITY&tcp_connect_timeout_ms=10000"
        );
    }

    #[test]
    fn it_never_does_with_less_than_was_asked() {
        let refused = |kind, host: &str, tls| of(&endpoint(kind, host, tls)).is_err();
        assert!(refused(EndpointKind::Postgres, "db1", TlsMode::VerifyFull));
        assert!(refused(EndpointKind::Postgres, "db1", TlsMode::VerifyCa));
        assert!(!refused(EndpointKind::Postgres, "db1", TlsMode::Require));
        assert!(refused(EndpointKind::Mysql, "db1", TlsMode::Prefer));
        assert!(!refused(EndpointKind::Mysql, "127.0.0.1", TlsMode::Prefer));
        let mut certified = endpoint(EndpointKind::Mysql, "db1", TlsMode::Require);
        certified.tls_cert = Some("c.pem".into());
        assert!(of(&certified).is_err());
    }
}
