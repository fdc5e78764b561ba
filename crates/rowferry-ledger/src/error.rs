//! What can go wrong with the ledger, and what it means to a run.

use std::path::PathBuf;

use rowferry_core::ErrorClass;
use rowferry_runtime::RuntimeError;

/// A failure of the ledger or of a job's lock.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The ledger cannot be written: its folder, its rights, or the disk.
    #[error("could not write the ledger {}", path.display())]
    Unwritable {
        /// Ledger file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A statement failed.
    #[error("could not {attempt} in the ledger {}", path.display())]
    Statement {
        /// What was attempted.
        attempt: &'static str,
        /// Ledger file.
        path: PathBuf,
        /// SQLite's answer.
        #[source]
        source: rusqlite::Error,
    },
    /// Another program keeps it locked.
    #[error("the ledger {} is locked by another program", path.display())]
    Held {
        /// Ledger file.
        path: PathBuf,
        /// SQLite's answer.
        #[source]
        source: rusqlite::Error,
    },
    /// A later version wrote the file.
    #[error("ledger {} has layout {found}, this version knows {known}", path.display())]
    Newer {
        /// Ledger file.
        path: PathBuf,
        /// Layout of the file.
        found: i64,
        /// Layout of this version.
        known: i64,
    },
    /// A SQLite database of something else.
    #[error("{} is a SQLite database, but not a ledger", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process runs the job.
    #[error("job {job:?} is being run by {holder}")]
    Busy {
        /// Job name.
        job: String,
        /// Process and host, as the holder wrote them.
        holder: String,
    },
    /// The lock file of a job cannot be made.
    #[error("could not lock {}", path.display())]
    Lock {
        /// Lock file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The thread that owns the ledger did not answer.
    #[error("the ledger's thread did not answer")]
    Thread(#[source] RuntimeError),
}

impl LedgerError {
    /// What the failure means for the run.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Unwritable { .. }
            | Self::Statement { .. }
            | Self::Held { .. }
            | Self::Lock { .. } => ErrorClass::Local,
            Self::Newer { .. } | Self::Foreign { .. } => ErrorClass::Setup,
            Self::Busy { .. } => ErrorClass::Busy,
            Self::Thread(_) => ErrorClass::Bug,
        }
    }

    /// Stable slug, printed as `error[slug]`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unwritable { .. } | Self::Lock { .. } => "state-unwritable",
            Self::Statement { .. } => "state-failed",
            Self::Held { .. } => "state-held",
            Self::Newer { .. } => "state-newer",
            Self::Foreign { .. } => "not-a-ledger",
            Self::Busy { .. } => "locked",
            Self::Thread(_) => "bug",
        }
    }

    /// What to do next, a full sentence.
    pub const fn next(&self) -> &'static str {
        match self {
            Self::Unwritable { .. } | Self::Lock { .. } => {
                "Make room or give this user the right to write there, or name another file with \
                 `--state`."
            }
            Self::Statement { .. } => {
                "The ledger is only history: it may be moved away, and the next run makes a new one."
            }
            Self::Held { .. } => {
                "End the program that holds it, or name another file with `--state`; then run \
                 again."
            }
            Self::Newer { .. } => {
                "Use the version that wrote it, or name another file with `--state`."
            }
            Self::Foreign { .. } => "Name another file with `--state`; this one was not touched.",
            Self::Busy { .. } => {
                "Wait for the other run to end, or let this one wait with `--on-locked wait`; \
                 nothing was changed."
            }
            Self::Thread(_) => "This is a bug of rowferry; please report it.",
        }
    }
}
