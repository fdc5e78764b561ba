//! What SQLite's result codes mean to a run.
//!
//! SQLite's own messages name tables, columns and constraints and never quote a stored value, so
//! they are repeated as they are; only what a trigger says is the trigger's own and may quote one.

use rowferry_core::{ConnectorError, ErrorClass};
use rowferry_runtime::RuntimeError;
use rusqlite::ErrorCode;

const DISK_FULL: &str = "Make room on the disk that holds the file and run the same command again.";

/// The error of `attempt` (lowercase, with its object) that SQLite refused with `error`.
pub(crate) fn failed(attempt: impl Into<String>, error: rusqlite::Error) -> ConnectorError {
    let (class, code, next) = classify(&error);
    let mut failure =
        ConnectorError::new(class, code, attempt.into()).with_server(server_words(&error));
    if let Some(next) = next {
        failure = failure.with_next(next);
    }
    if is_of_trigger(&error) { failure } else { failure.with_source(error) }
}

/// As [`failed`], for the answer to COMMIT. A lock that was not had in time leaves the transaction
/// open, so it certainly did not commit; after any other error (a failed write or sync of the
/// commit record) only the file itself knows.
pub(crate) fn commit_failed(attempt: impl Into<String>, error: rusqlite::Error) -> ConnectorError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::ConstraintViolation,
        ) => failed(attempt, error),
        Some(ErrorCode::DiskFull) => {
            ConnectorError::new(ErrorClass::Unknown, "disk-full", attempt.into())
                .with_server(server_words(&error))
                .with_next(DISK_FULL)
                .with_source(error)
        }
        _ => ConnectorError::new(ErrorClass::Unknown, "commit-unknown", attempt.into())
            .with_server(server_words(&error))
            .with_source(error),
    }
}

/// The error of a thread of ours that did not answer.
pub(crate) fn thread_failed(error: RuntimeError) -> ConnectorError {
    ConnectorError::bug("the thread that owns the SQLite file did not answer").with_source(error)
}

/// A value that cannot be represented, at `attempt`.
pub(crate) fn data(code: &'static str, attempt: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorClass::Data, code, attempt)
}

/// A job that does not fit the file.
pub(crate) fn setup(code: &'static str, attempt: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorClass::Setup, code, attempt)
}

/// A state that a person must look at.
pub(crate) fn conflict(code: &'static str, attempt: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorClass::Conflict, code, attempt)
}

fn is_of_trigger(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the driver may add errors of its own kind")]
fn server_words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, _) if is_of_trigger(error) => {
            format!("a trigger refused the row (code {})", code.extended_code)
        }
        rusqlite::Error::SqliteFailure(code, words) => {
            let words = words.clone().unwrap_or_else(|| code.to_string());
            format!("{words} (code {})", code.extended_code)
        }
        // Its own text would repeat the whole statement.
        rusqlite::Error::SqlInputError { error, msg, .. } => {
            format!("{msg} (code {})", error.extended_code)
        }
        other => other.to_string(),
    }
}

/// Slug of what SQLite says while another connection holds the file.
pub(crate) const FILE_LOCKED: &str = "database-locked";

#[expect(clippy::wildcard_enum_match_arm, reason = "SQLite may add codes; unknown ones are bugs")]
fn classify(error: &rusqlite::Error) -> (ErrorClass, &'static str, Option<&'static str>) {
    let Some(code) = error.sqlite_error_code() else {
        return (ErrorClass::Bug, "bug", None);
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            ErrorClass::Transient,
            FILE_LOCKED,
            Some(
                "Another connection holds the file; in rollback-journal mode a reader blocks \
                 writers, `pragma journal_mode = wal` lifts that.",
            ),
        ),
        ErrorCode::OperationInterrupted | ErrorCode::OperationAborted => {
            (ErrorClass::Transient, "interrupted", None)
        }
        ErrorCode::SchemaChanged => (ErrorClass::Transient, "schema-changed", None),
        ErrorCode::SystemIoFailure => {
            (ErrorClass::Transient, "io-error", Some("Check the disk that holds the file."))
        }
        ErrorCode::DiskFull => (ErrorClass::Transient, "disk-full", Some(DISK_FULL)),
        ErrorCode::OutOfMemory => (ErrorClass::Transient, "out-of-memory", None),
        ErrorCode::CannotOpen => (
            ErrorClass::Refused,
            "cannot-open",
            Some("Check that the folder exists and that this user may write to it."),
        ),
        ErrorCode::ReadOnly => (
            ErrorClass::Refused,
            "read-only",
            Some("Give this user the right to write to the file and to its folder."),
        ),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            (ErrorClass::Refused, "no-right", None)
        }
        ErrorCode::NotADatabase => {
            (ErrorClass::Setup, "not-a-database", Some("Name a SQLite file, or a new file name."))
        }
        ErrorCode::DatabaseCorrupt => (
            ErrorClass::Conflict,
            "file-damaged",
            Some("Run `pragma integrity_check` on the file and restore it from a backup."),
        ),
        ErrorCode::ConstraintViolation => (ErrorClass::Data, constraint_slug(error), None),
        ErrorCode::TypeMismatch => (ErrorClass::Data, "type-mismatch", None),
        ErrorCode::TooBig => (ErrorClass::Data, "value-too-large", None),
        ErrorCode::Unknown => (ErrorClass::Setup, "statement-refused", None),
        _ => (ErrorClass::Bug, "bug", None),
    }
}

fn constraint_slug(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error().map(|error| error.extended_code) {
        Some(
            rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
            | rusqlite::ffi::SQLITE_CONSTRAINT_ROWID,
        ) => "duplicate-key",
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL) => "null-not-allowed",
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_CHECK) => "check-failed",
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => "foreign-key-failed",
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER) => "refused-by-trigger",
        _ => "constraint-failed",
    }
}
