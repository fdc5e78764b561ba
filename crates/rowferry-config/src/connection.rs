//! Connections of a file: a string, or a mapping of its parts.

use rowferry_core::{ChannelBinding, Endpoint, EndpointKind, Secret};

use crate::document::{Document, Keys, Section};
use crate::endpoint::{Parts, complete, parse_for, port, tls_mode};
use crate::yaml::{Node, Value};
use crate::{ConfigError, secret};

pub(crate) const CONNECTION: Keys = Keys {
    of: "a connection",
    known: &[
        "type",
        "url",
        "host",
        "port",
        "socket",
        "database",
        "user",
        "password",
        "tls",
        "ssl",
        "tls_root",
        "tls_cert",
        "tls_key",
        "channel_binding",
        "passfile",
        "service",
        "servicefile",
        "defaults_file",
        "path",
        "application",
        "reader",
        "generate",
    ],
    later: &["credentials", "options", "ssh"],
};
/// What the two kinds of servers take.
const POSTGRES: [&str; 18] = [
    "type",
    "host",
    "port",
    "socket",
    "database",
    "user",
    "password",
    "tls",
    "ssl",
    "tls_root",
    "tls_cert",
    "tls_key",
    "application",
    "reader",
    "channel_binding",
    "passfile",
    "service",
    "servicefile",
];
const MYSQL: [&str; 15] = [
    "type",
    "host",
    "port",
    "socket",
    "database",
    "user",
    "password",
    "tls",
    "ssl",
    "tls_root",
    "tls_cert",
    "tls_key",
    "application",
    "reader",
    "defaults_file",
];
/// Words for the engines.
pub(crate) const ENGINES: [(&str, EndpointKind); 8] = [
    ("postgres", EndpointKind::Postgres),
    ("postgresql", EndpointKind::Postgres),
    ("mysql", EndpointKind::Mysql),
    ("mariadb", EndpointKind::Mysql),
    ("sqlite", EndpointKind::Sqlite),
    ("sqlite3", EndpointKind::Sqlite),
    ("generate", EndpointKind::Generate),
    ("null", EndpointKind::Null),
];

/// A connection: a string, or a mapping of its parts.
pub(crate) fn connection(doc: &mut Document<'_>, node: &Node) -> Option<(Endpoint, Vec<String>)> {
    if let Value::Scalar { text, filled } = &node.value {
        return match parse_for(text, None, doc.env, doc.base, !filled) {
            Ok(endpoint) => Some(endpoint),
            Err(error) => {
                doc.wrong(node, error);
                None
            }
        };
    }
    let before = doc.errors.len();
    let section = doc.section(node, &CONNECTION)?;
    let kind = section.get("type").and_then(|node| doc.choice(node, &ENGINES));
    let found = match (section.get("url"), kind) {
        (Some(url), _) => connection(doc, url).filter(|(endpoint, _)| {
            kind.is_none_or(|kind| kind == endpoint.kind) || {
                doc.wrong(url, ConfigError::new("bad-endpoint", "type and url name two engines"));
                false
            }
        }),
        (None, Some(kind)) => from_parts(doc, section, kind),
        (None, None) => {
            if section.get("type").is_none() {
                doc.missing(node, "a connection", "type");
            }
            None
        }
    };
    found.filter(|_| doc.errors.len() == before)
}

pub(crate) fn from_parts(
    doc: &mut Document<'_>,
    section: Section<'_>,
    kind: EndpointKind,
) -> Option<(Endpoint, Vec<String>)> {
    meaningless(doc, section, kind);
    match kind {
        EndpointKind::Null => return Some((Endpoint::empty(kind), Vec::new())),
        EndpointKind::Generate => {
            let mut endpoint = Endpoint::empty(kind);
            endpoint.generate = doc.required(section, "a generate connection", "generate")?;
            return Some((endpoint, Vec::new()));
        }
        EndpointKind::Postgres | EndpointKind::Mysql | EndpointKind::Sqlite => {}
    }
    let mut parts = Parts {
        host: doc.text_of(section, "host"),
        socket: doc.text_of(section, "socket").map(Into::into),
        database: doc.text_of(section, "database"),
        user: doc.text_of(section, "user"),
        tls_root: doc.text_of(section, "tls_root").map(Into::into),
        tls_cert: doc.text_of(section, "tls_cert").map(Into::into),
        tls_key: doc.text_of(section, "tls_key").map(Into::into),
        passfile: doc.text_of(section, "passfile").map(Into::into),
        service: doc.text_of(section, "service"),
        service_file: doc.text_of(section, "servicefile").map(Into::into),
        defaults_file: doc.text_of(section, "defaults_file").map(Into::into),
        path: doc.text_of(section, "path").map(Into::into),
        application: doc.text_of(section, "application"),
        ..Parts::default()
    };
    if kind == EndpointKind::Sqlite && parts.path.is_none() {
        parts.path = parts.database.take().map(Into::into);
    }
    if let Some(node) = section.get("port") {
        let text = doc.text(node)?;
        match port(&text) {
            Ok(number) => parts.port = Some(number),
            Err(error) => doc.wrong(node, error),
        }
    }
    for key in ["tls", "ssl"] {
        let Some(node) = section.get(key) else { continue };
        match tls_mode(&doc.text(node)?) {
            Ok(mode) => parts.tls = Some(mode),
            Err(error) => doc.wrong(node, error),
        }
    }
    let bindings = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    if let Some(node) = section.get("channel_binding") {
        parts.channel_binding = Some(doc.choice(node, &bindings)?);
    }
    let readers = [("native", false), ("connectorx", true)];
    let through_connectorx = match section.get("reader") {
        Some(node) => doc.choice(node, &readers)?,
        None => false,
    };
    let mut plain = false;
    if let Some(node) = section.get("password") {
        let (secret, stands) = password(doc, node, &mut parts.warnings)?;
        parts.password = Some(secret);
        plain = stands;
    }
    match complete(kind, parts, doc.env, doc.base, plain) {
        Ok((endpoint, warnings)) => Some((Endpoint { through_connectorx, ..endpoint }, warnings)),
        Err(error) => {
            doc.wrong(section.node, error);
            None
        }
    }
}

/// Refuses the keys that say nothing for an engine: they were meant for another one.
fn meaningless(doc: &mut Document<'_>, section: Section<'_>, kind: EndpointKind) {
    let meant: &[&str] = match kind {
        EndpointKind::Null => &["type"],
        EndpointKind::Generate => &["type", "generate"],
        EndpointKind::Sqlite => &["type", "path", "database"],
        EndpointKind::Postgres => &POSTGRES,
        EndpointKind::Mysql => &MYSQL,
    };
    for (key, at, node) in doc.entries(section.node) {
        let known = CONNECTION.known.contains(&key) && !matches!(node.value, Value::Null);
        if known && !meant.contains(&key) {
            let message = format!("{key} says nothing for a connection of type {}", kind.word());
            let error = ConfigError::new("contradiction", message);
            doc.wrong(at, error.with_next(format!("Known for it: {}.", meant.join(", "))));
        }
    }
}

/// A password and whether it stands in the file. A filled-in variable is never looked at again.
fn password(
    doc: &mut Document<'_>,
    node: &Node,
    warnings: &mut Vec<String>,
) -> Option<(Secret, bool)> {
    if let Value::Scalar { text, filled: true } = &node.value {
        return Some((Secret::new(text.clone()), false));
    }
    let text = match (&node.value, node.entry("exec")) {
        // Unquoted, `exec: [a, b]` is a mapping of its own.
        (Value::Mapping(entries), Some(command)) if entries.len() == 1 => {
            format!("exec:{}", serde_json::to_string(&doc.texts(command)).unwrap_or_default())
        }
        (Value::Null | Value::Scalar { .. } | Value::Sequence(_) | Value::Mapping(_), _) => {
            doc.text(node)?
        }
    };
    match secret::resolve(&text, doc.env, doc.base, warnings) {
        Ok(secret) => Some(secret),
        Err(error) => {
            doc.wrong(node, error);
            None
        }
    }
}
