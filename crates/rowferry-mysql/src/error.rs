//! What MySQL and MariaDB say, and what it means for a run.

use mysql_async::{DriverError, Error, IoError, ServerError};
use rowferry_core::{ConnectorError, ErrorClass};
use rowferry_runtime::RuntimeError;
use rowferry_tls::is_refusal;

use crate::sql;

/// Server codes whose message quotes values of a row; of them only code and names are repeated.
/// <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>
const QUOTING: &[u16] = &[
    1062, 1169, 1216, 1217, 1264, 1265, 1292, 1300, 1366, 1406, 1411, 1416, 1451, 1452, 1525, 1526,
    1557, 1586, 1644, 1761, 1762, 3140, 3141, 3144, 3156, 3819, 4025,
];

/// The error of an attempt: `attempt` is lowercase and names the object.
pub(crate) fn of(error: Error, attempt: impl Into<String>) -> ConnectorError {
    let attempt = attempt.into();
    if let Some(refusal) = rowferry_tls::cause(&error).filter(|error| is_refusal(error)) {
        return rowferry_tls::refused(attempt, refusal);
    }
    match error {
        Error::Server(server) => of_server(&server, attempt),
        // What is left here are bytes that are no TLS.
        Error::Io(IoError::Tls(tls)) => {
            ConnectorError::new(ErrorClass::Transient, "connection-lost", attempt)
                .with_server(tls.to_string())
        }
        // Of our own: see `conn`.
        Error::Io(IoError::Io(io)) if io.kind() == std::io::ErrorKind::TimedOut => {
            ConnectorError::new(ErrorClass::Transient, "no-answer", attempt)
                .with_server(io.to_string())
                .with_next("Raise `progress_timeout` where the server is only slow.")
        }
        // Also of `conn`: not what a server says; another connection may be sound.
        Error::Io(IoError::Io(io)) if io.kind() == std::io::ErrorKind::InvalidData => {
            ConnectorError::new(ErrorClass::Transient, "garbled", attempt)
                .with_server(io.to_string())
        }
        Error::Io(IoError::Io(io)) => {
            ConnectorError::new(ErrorClass::Transient, "connection-lost", attempt)
                .with_server(io.to_string())
        }
        Error::Driver(DriverError::NoClientSslFlagFromServer) => rowferry_tls::not_offered(attempt),
        Error::Driver(DriverError::ConnectionClosed) => {
            ConnectorError::new(ErrorClass::Transient, "connection-lost", attempt)
                .with_server("the connection is closed")
        }
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => login_method(attempt, &name),
        Error::Driver(DriverError::MysqlOldPasswordDisabled) => {
            login_method(attempt, "mysql_old_password")
        }
        Error::Driver(DriverError::CleartextPluginDisabled) => {
            login_method(attempt, "mysql_clear_password")
        }
        Error::Driver(DriverError::LocalInfile(_)) => {
            ConnectorError::new(ErrorClass::Refused, "file-asked-for", attempt)
                .with_server("the server asked for a file of this machine; nothing of it was sent")
                .with_next(
                    "No server that is in order does so: make sure of what answers at this \
                     address, by tls (ssl-mode) set to verify-full.",
                )
        }
        Error::Driver(DriverError::PacketTooLarge) => {
            ConnectorError::new(ErrorClass::Data, "row-too-large", attempt).with_next(
                "Raise max_allowed_packet on the server; a row must fit into one packet.",
            )
        }
        // The remaining driver errors may carry whole rows, so their text is not repeated.
        Error::Driver(_) => ConnectorError::new(ErrorClass::Transient, "protocol", attempt)
            .with_server("unexpected bytes from the server"),
        Error::Url(url) => ConnectorError::new(ErrorClass::Setup, "bad-address", attempt)
            .with_server(url.to_string()),
        Error::Other(other) => ConnectorError::new(ErrorClass::Transient, "driver", attempt)
            .with_server(other.to_string()),
    }
}

/// What became of work on the compute pool that has no answer.
pub(crate) fn task_ended(error: RuntimeError) -> ConnectorError {
    ConnectorError::bug("a task of a chunk ended without an answer").with_source(error)
}

/// Whether the server answered at all: after anything else the connection is gone.
pub(crate) fn is_server_answer(error: &Error) -> bool {
    matches!(error, Error::Server(_))
}

/// Whether this is the server's error `code`.
pub(crate) fn is_code(error: &Error, code: u16) -> bool {
    matches!(error, Error::Server(server) if server.code == code)
}

fn login_method(attempt: String, name: &str) -> ConnectorError {
    ConnectorError::new(ErrorClass::Refused, "login-method", attempt)
        .with_server(format!("the server wants the login method {name}, which is not known here"))
        .with_next(
            "Give the user one of caching_sha2_password, mysql_native_password; or a client \
             certificate beside one of them.",
        )
}

fn of_server(server: &ServerError, attempt: String) -> ConnectorError {
    let (class, code, next) = meaning(server.code);
    let words = if QUOTING.contains(&server.code) {
        match quoted_name(server) {
            Some(name) => format!("ERROR {} ({}) at {name}", server.code, server.state),
            None => format!("ERROR {} ({})", server.code, server.state),
        }
    } else {
        format!("ERROR {} ({}): {}", server.code, server.state, server.message)
    };
    let error = ConnectorError::new(class, code, attempt).with_server(words);
    if let Some(grant) = grant_of_database(server) {
        return error.with_next(format!("Let an administrator run: {grant}"));
    }
    match next {
        Some(next) => error.with_next(next),
        None => error,
    }
}

/// The grant that opens a database to an account, of which the message names both:
/// `Access denied for user 'ferry'@'%' to database 'shop'`.
fn grant_of_database(server: &ServerError) -> Option<String> {
    let (_, rest) = server.message.split_once(" for user ").filter(|_| server.code == 1044)?;
    let (account, rest) = rest.split_once(" to database '")?;
    let database = rest.strip_suffix('\'')?;
    Some(format!("grant select on {}.* to {account};", sql::quote(database)))
}

/// The column, key or constraint that a value-quoting message names, without its values.
fn quoted_name(server: &ServerError) -> Option<String> {
    let message = server.message.as_str();
    let after = |word: &str| {
        let (_, rest) = message.rsplit_once(word)?;
        let rest = rest.split_once(" at row").map_or(rest, |(name, _)| name).trim_start();
        // MariaDB says `database`.`table`.`column`.
        let rest = rest.rsplit_once("`.`").map_or(rest, |(_, column)| column);
        let name = rest.trim_start_matches(['\'', '`']);
        name.split(['\'', '`']).next().map(str::to_owned).filter(|name| !name.is_empty())
    };
    match server.code {
        1062 | 1586 => after("for key").map(|name| format!("key {name:?}")),
        // A message of this kind ends in the value and names no column.
        1292 if message.starts_with("Truncated") => None,
        1264 | 1265 | 1292 | 1366 | 1406 | 3140 | 3156 => {
            after("for column").map(|name| format!("column {name:?}"))
        }
        1451 | 1452 | 3819 | 4025 => after("onstraint").map(|name| format!("constraint {name:?}")),
        _ => None,
    }
}

/// Class, slug and advice of a server code. What is not listed is lasting: the server understood
/// the statement and will say the same again.
fn meaning(code: u16) -> (ErrorClass, &'static str, Option<&'static str>) {
    use ErrorClass::{Data, Refused, Setup, Transient};
    match code {
        1045 | 1698 | 1251 => (
            Refused,
            "wrong-password",
            Some(
                "Check user and password; of a user whom the server lets in over TLS or with a \
                 certificate only, check tls (ssl-mode), tls_cert and tls_key (ssl-cert, ssl-key).",
            ),
        ),
        1044 => (
            Refused,
            "permission-denied",
            Some("Grant the user access to this database, or name another one."),
        ),
        1142 | 1143 | 1227 | 1370 => {
            (Refused, "permission-denied", Some("Grant the right that the server names."))
        }
        3159 | 1130 | 1862 | 1820 => (Refused, "login-refused", None),
        1049 => (Setup, "unknown-database", Some("Create the database or name another one.")),
        1146 | 1051 => (Setup, "unknown-table", None),
        1054 => (Setup, "unknown-column", None),
        1050 => (Setup, "table-exists", None),
        1064 => (ErrorClass::Bug, "bad-statement", None),
        1665 => (
            Setup,
            "binlog-format",
            Some(
                "Set binlog_format to ROW or MIXED on the server; STATEMENT cannot log this copy.",
            ),
        ),
        1118 | 1071 | 1074 | 1170 | 1117 => (Setup, "table-too-wide", None),
        1205 => (Transient, "lock-timeout", None),
        // The limits of MariaDB and MySQL on one statement.
        1969 | 3024 => (
            Transient,
            "statement-timeout",
            Some("Lower `chunk_rows`, or raise `statement_timeout`."),
        ),
        1213 => (Transient, "deadlock", None),
        1290 | 1836 | 1792 => (Transient, "read-only", None),
        1040 | 1203 | 1226 => (Transient, "too-many-connections", None),
        1053 | 1077 | 1152 | 1158 | 1159 | 1160 | 1161 | 1184 | 1317 | 1927 | 3169 | 4031 => {
            (Transient, "connection-lost", None)
        }
        1021 | 1114 => (
            Transient,
            "disk-full",
            Some("Make room on the server's disk and run the same command again."),
        ),
        1041 | 1037 | 1038 | 1030 | 1206 | 3572 => (Transient, "server-busy", None),
        1153 | 1301 => (
            Data,
            "row-too-large",
            Some("Raise max_allowed_packet on the server; a row must fit into one packet."),
        ),
        1062 | 1586 | 1169 => (Data, "duplicate-key", None),
        1048 | 1364 => (Data, "null-not-allowed", None),
        1216 | 1217 | 1451 | 1452 | 3819 | 4025 => (Data, "constraint", None),
        // SIGNAL, the way of a trigger to say no.
        1644 => (Data, "refused-by-trigger", None),
        1264 | 1265 | 1292 | 1300 | 1366 | 1406 | 1411 | 1416 | 3140 | 3141 | 3144 | 3156
        | 1761 | 1762 => (Data, "value-not-accepted", None),
        _ => (Setup, "server-error", None),
    }
}
