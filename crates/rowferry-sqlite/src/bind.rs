//! One cell → one parameter of a prepared statement.

use rusqlite::Statement;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use crate::affinity::Affinity;
use crate::columns::kept;

/// Why a value was not bound.
#[derive(Debug)]
pub(crate) enum NotBound {
    /// The column would not keep the value; words that hold no value.
    Misfit(&'static str),
    /// SQLite refused.
    Refused(rusqlite::Error),
}

/// Binds a cell in its own class, where the column leaves it in that class.
pub(crate) fn bind_cell(
    statement: &mut Statement<'_>,
    index: usize,
    cell: ValueRef<'_>,
    affinity: Affinity,
) -> Result<(), NotBound> {
    kept(cell, affinity).map_err(NotBound::Misfit)?;
    statement.raw_bind_parameter(index, Borrowed(cell)).map_err(NotBound::Refused)
}

/// Borrowed bytes as a parameter or a result.
pub(crate) struct Borrowed<'a>(pub(crate) ValueRef<'a>);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}
