//! Rows of the server's own answers, which are believed only as far as they go.
//!
//! The driver panics where a value has another type than the one asked for, or is NULL, or is not
//! there. Over a wire without TLS that damages what it carries, any of these may arrive; here they
//! are errors of a connection that is tried again.

use rowferry_core::{ConnectorError, ErrorClass, Result};
use tokio_postgres::types::FromSql;

/// A row of an answer.
pub(crate) struct Row(tokio_postgres::Row);

impl From<tokio_postgres::Row> for Row {
    fn from(row: tokio_postgres::Row) -> Self {
        Self(row)
    }
}

impl Row {
    /// The value in column `index`, counted from 0.
    pub(crate) fn get<'a, T: FromSql<'a>>(&'a self, index: usize) -> Result<T> {
        self.0.try_get(index).map_err(|error| {
            let attempt = "could not make sense of an answer of the server";
            ConnectorError::new(ErrorClass::Transient, "garbled", attempt)
                .with_source(error)
                .with_next(
                    "It does not have the shape that was asked for: something on the way damages \
                     what the connection carries. Ask for TLS (tls: require) to have that noticed \
                     sooner.",
                )
        })
    }
}
