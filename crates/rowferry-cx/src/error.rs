//! Errors of the helper program.

use rowferry_core::{ConnectorError, ErrorClass};
use rowferry_runtime::RuntimeError;

/// What to do where ConnectorX cannot: the same table through our own reader.
pub(crate) const USE_NATIVE: &str = "Take `connectorx+` out of the URL: our own reader";

pub(crate) fn thread_failed(attempt: &str) -> impl FnOnce(RuntimeError) -> ConnectorError {
    move |error| ConnectorError::bug(attempt).with_source(error)
}

/// An error that does not say what the server said, since nobody knows.
pub(crate) fn failed(class: ErrorClass, code: &'static str, attempt: &str) -> ConnectorError {
    ConnectorError::new(class, code, attempt)
}
