//! Why a table did not finish.

use rowferry_core::ConnectorError;

/// How a table's run ended early.
#[derive(Debug)]
pub enum TableFailure {
    /// It failed.
    Failed(Box<ConnectorError>),
    /// The run was asked to stop; what is durable stays.
    Stopped,
    /// Its lock is held and the caller asked to skip such tables, or it was already finished.
    Skipped(String),
}

impl From<ConnectorError> for TableFailure {
    fn from(error: ConnectorError) -> Self {
        Self::Failed(Box::new(error))
    }
}
