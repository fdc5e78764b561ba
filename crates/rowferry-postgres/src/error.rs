//! The driver's errors and their class: the SQLSTATE table of this connector.
//!
//! Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::error::Error as _;

use rowferry_core::{ConnectorError, ErrorClass};
use rowferry_runtime::{RuntimeError, Silent};
use rowferry_tls::is_refusal;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity};

use crate::client::CallError;

/// Turns a driver error into ours; `attempt` says what was tried, on which object.
pub(crate) fn failed<E: Into<CallError>>(
    attempt: impl Into<String>,
) -> impl FnOnce(E) -> ConnectorError {
    let attempt = attempt.into();
    move |error| match error.into() {
        CallError::Driver(error) => classify(attempt, error),
        CallError::Silent(silent) => no_answer(attempt, silent),
    }
}

fn no_answer(attempt: String, silent: Silent) -> ConnectorError {
    ConnectorError::new(ErrorClass::Transient, "no-answer", attempt)
        .with_server(silent.to_string())
        .with_next("Raise `progress_timeout` where the server is only slow.")
}

/// What to do where a password could not be bound to the certificate that was shown.
const BINDING: &str = "Make sure of what answers at this address. channel_binding: require needs \
     TLS (tls, sslmode), a login by scram-sha-256 and a certificate signed with RSA or ECDSA.";

fn is_of_binding(words: &str) -> bool {
    words.contains("channel binding")
}

/// A failure of the compute pool, which is never the data's fault.
pub(crate) fn pool_failed(attempt: &'static str) -> impl FnOnce(RuntimeError) -> ConnectorError {
    move |error| ConnectorError::bug(attempt).with_source(error)
}

fn classify(attempt: String, error: Error) -> ConnectorError {
    if let Some(server) = error.as_db_error() {
        return from_server(attempt, server);
    }
    if let Some(refusal) = rowferry_tls::cause(&error).filter(|error| is_refusal(error)) {
        return rowferry_tls::refused(attempt, refusal).with_source(error);
    }
    // The driver does not show the kind of its other errors, only their fixed texts.
    let kind = error.to_string();
    let cause = error.source().map(ToString::to_string);
    let (class, code) = match kind.as_str() {
        "error performing TLS handshake" => match cause.as_deref() {
            Some("server does not support TLS") => return rowferry_tls::not_offered(attempt),
            // Cut short, or bytes that are no TLS; a refusal has been told above.
            Some(_) | None => (ErrorClass::Transient, "unreachable"),
        },
        "authentication error" if cause.as_deref().is_some_and(is_of_binding) => {
            (ErrorClass::Refused, "not-bound")
        }
        "invalid configuration" | "authentication error" => (ErrorClass::Refused, "wrong-password"),
        "connection closed" | "error communicating with the server" => {
            (ErrorClass::Transient, "connection-lost")
        }
        "error connecting to server" => (ErrorClass::Transient, "unreachable"),
        // Not what a server says: something on the way damaged it, and another connection may not.
        "error parsing response from server" | "unexpected message from server" => {
            (ErrorClass::Transient, "garbled")
        }
        _ => (ErrorClass::Bug, "protocol"),
    };
    let mut ours = ConnectorError::new(class, code, attempt).with_server(match cause {
        Some(cause) => format!("{kind}: {cause}"),
        None => kind,
    });
    if code == "not-bound" {
        ours = ours.with_next(BINDING);
    }
    ours.with_source(error)
}

fn from_server(attempt: String, server: &DbError) -> ConnectorError {
    let state = server.code().code();
    let (class, code) = class_of(state);
    let error = ConnectorError::new(class, code, attempt).with_server(words(server));
    let error = match column_of(server) {
        Some(column) if quotes_values(state) => error.with_column(column),
        _ => error,
    };
    match code {
        "login-refused" if is_of_binding(server.message()) => error.with_next(BINDING),
        "login-refused" if server.message().contains("no encryption") => error.with_next(
            "The server takes this login over TLS only: set tls (sslmode) to require or stronger.",
        ),
        "login-refused" if server.message().contains("client certificate") => error.with_next(
            "Name the certificate that the server wants: tls_cert and tls_key (sslcert, sslkey).",
        ),
        "permission-denied" => error.with_next(
            "Grant the missing right to this login; `rowferry check` prints the statements.",
        ),
        "cancelled" => error.with_next(
            "Where a time limit ended it, lower `chunk_rows` or raise `statement_timeout`.",
        ),
        "disk-full" => error.with_next(
            "Make room on the disk that the server names and run the same command again.",
        ),
        "read-only" => error.with_next("Point the connection at the primary server."),
        _ => error,
    }
}

/// Class and slug of a SQLSTATE.
pub(crate) fn class_of(state: &str) -> (ErrorClass, &'static str) {
    use ErrorClass::{Conflict, Data, Refused, Setup, Transient};
    match state {
        "28P01" => (Refused, "wrong-password"),
        "42501" => (Refused, "permission-denied"),
        "3D000" => (Setup, "unknown-database"),
        "3F000" => (Setup, "unknown-schema"),
        "42P01" => (Setup, "unknown-table"),
        "42703" => (Setup, "unknown-column"),
        "42P07" => (Conflict, "object-exists"),
        "2BP01" => (Conflict, "target-has-dependents"),
        "21000" | "23505" => (Data, "duplicate-key"),
        "23502" => (Data, "null-value"),
        "23503" => (Data, "foreign-key"),
        "23514" => (Data, "check-violated"),
        "25006" => (Transient, "read-only"),
        "53100" => (Transient, "disk-full"),
        "40001" | "40P01" => (Transient, "deadlock"),
        "55P03" => (Transient, "lock-timeout"),
        "57014" => (Transient, "cancelled"),
        "58P01" | "58P02" | "XX001" | "XX002" => (Refused, "server-damaged"),
        _ => match state.get(..2) {
            Some("08") => (Transient, "connection-lost"),
            Some("28") => (Refused, "login-refused"),
            Some("22" | "23") => (Data, "value-refused"),
            Some("0A") => (Setup, "not-supported-by-server"),
            Some("25" | "40" | "53" | "55" | "57" | "58") => (Transient, "server-busy"),
            Some("P0") => (Data, "refused-by-trigger"),
            // A statement of ours that the server does not understand.
            _ => (Setup, "refused-by-server"),
        },
    }
}

/// The server's own words. Errors that quote values keep only code, table, constraint and column.
fn words(server: &DbError) -> String {
    let state = server.code().code();
    if !quotes_values(state) {
        return format!("{} (SQLSTATE {state})", server.message());
    }
    let column = column_of(server);
    let named = |word: &str, name: Option<&str>| {
        name.map_or_else(String::new, |name| format!(", {word} {name:?}"))
    };
    format!(
        "SQLSTATE {state}{}{}{}",
        named("table", server.table()),
        named("constraint", server.constraint()),
        named("column", column)
    )
}

/// COPY names the column only in its context, as `COPY t, line 7, column c: "value"`, maybe below
/// a line of the type's own.
fn column_of(server: &DbError) -> Option<&str> {
    let in_context = || server.where_().and_then(|context| context.lines().find_map(copy_column));
    server.column().or_else(in_context)
}

fn quotes_values(state: &str) -> bool {
    matches!(state.get(..2), Some("21" | "22" | "23" | "P0"))
}

/// The column of a COPY error's context, cut before the value.
fn copy_column(context: &str) -> Option<&str> {
    let (head, rest) = context.split_once(", column ")?;
    if !head.starts_with("COPY ") {
        return None;
    }
    let end = rest.find([':', '\n']).unwrap_or(rest.len());
    rest.get(..end)
}

/// What a failed COMMIT means: a lost or dying connection leaves the outcome unknown.
pub(crate) fn commit_failed(attempt: String, error: CallError) -> ConnectorError {
    let lost = match error.as_db_error() {
        None => true,
        Some(server) => {
            let state = server.code().code();
            matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
                || state == "40003"
                || matches!(state.get(..2), Some("08" | "57"))
        }
    };
    let mut ours = failed(attempt)(error);
    if lost {
        ours.class = ErrorClass::Unknown;
        ours.code = "commit-unanswered";
    }
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_class_that_the_engine_needs() {
        let class = |state| class_of(state).0;
        assert_eq!(class("57P01"), ErrorClass::Transient);
        assert_eq!(class("53300"), ErrorClass::Transient);
        assert_eq!(class("40P01"), ErrorClass::Transient);
        assert_eq!(class("28000"), ErrorClass::Refused);
        assert_eq!(class("22003"), ErrorClass::Data);
        assert_eq!(class_of("23505"), (ErrorClass::Data, "duplicate-key"));
        assert_eq!(class_of("3D000"), (ErrorClass::Setup, "unknown-database"));
    }

    #[test]
    fn the_column_of_a_copy_error_comes_without_its_value() {
        assert_eq!(copy_column("COPY t, line 7, column c: \"secret\""), Some("c"));
        assert_eq!(copy_column("COPY t, line 7, column c"), Some("c"));
        assert_eq!(copy_column("PL/pgSQL function f(), column x"), None);
    }
}
