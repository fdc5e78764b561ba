//! Why a command ends with another code than 0: every error of every crate becomes this one value,
//! which text output and JSON print alike.

use rowferry_core::ConnectorError;
use rowferry_engine::ErrorReport;

use crate::exit;

/// A failure of the command as a whole, or of one of its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Process exit code.
    pub(crate) exit_code: u8,
    /// What is printed. Boxed, since a `Result` carries it everywhere.
    pub(crate) report: Box<ErrorReport>,
}

/// Result of anything a command does.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    fn new(exit_code: u8, class: &str, code: &str, message: String, next: String) -> Self {
        Self {
            exit_code,
            report: Box::new(ErrorReport {
                code: code.to_owned(),
                class: class.to_owned(),
                job: String::new(),
                table: String::new(),
                message,
                saved: String::new(),
                next,
            }),
        }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(code: &str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(exit::USAGE, "usage", code, message.into(), next.into())
    }

    /// The configuration does not fit.
    pub(crate) fn setup(code: &str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(exit::SETUP, "setup", code, message.into(), next.into())
    }

    /// The local disk failed.
    pub(crate) fn local(code: &str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(exit::LOCAL, "local", code, message.into(), next.into())
    }

    /// Something that belongs to a later version, by its key.
    pub(crate) fn not_supported_yet(key: &str) -> Self {
        Self::setup(
            "not-supported-yet",
            format!("not supported yet: {key}"),
            format!("Leave out {key}; `rowferry --help` lists what is there."),
        )
    }

    /// A signal or the deadline ended the command before it was done.
    pub(crate) fn stopped(exit_code: u8) -> Self {
        let (code, message) = match exit_code {
            exit::LATER => ("deadline", "the deadline was reached"),
            _ => ("stopped", "stopped by a signal"),
        };
        let next = "Run the same command again.";
        Self::new(exit_code, "stopped", code, message.to_owned(), next.to_owned())
    }

    /// The same for a command that copies: what it has saved is not done again.
    #[must_use]
    pub(crate) fn continued(mut self) -> Self {
        *self.report = self.report.continued();
        self
    }

    /// Names the job concerned.
    #[must_use]
    pub(crate) fn in_job(mut self, job: &str) -> Self {
        job.clone_into(&mut self.report.job);
        self
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        Self {
            exit_code: error.class.exit_code(),
            report: Box::new(ErrorReport::new(&error, "", "", "")),
        }
    }
}

impl From<rowferry_runtime::RuntimeError> for Failure {
    fn from(error: rowferry_runtime::RuntimeError) -> Self {
        ConnectorError::bug("could not start a thread").with_source(error).into()
    }
}
