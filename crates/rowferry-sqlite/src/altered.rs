//! Whether a table is still the one that a plan was made for.
//!
//! To be asked in a transaction that reads or writes the file: until its end nobody can alter it.

use rowferry_core::{Result, ShapeColumn, TableRef, TableShape};
use rusqlite::Connection;

use crate::describe;
use crate::error::failed;

/// What the file says of a table; no columns when there is none.
pub(crate) fn shape(connection: &Connection, table: &TableRef) -> Result<TableShape> {
    let Some(found) = describe::find(connection, table)? else {
        return Ok(TableShape::default());
    };
    let columns = describe::shape(connection, &found)
        .map_err(|error| failed(format!("could not look at table {table} again"), error))?;
    let columns = columns.into_iter().zip(0..).map(|(column, place)| ShapeColumn {
        name: column.name,
        declared: column.native.declared,
        place,
    });
    Ok(TableShape { columns: columns.collect(), ..TableShape::default() })
}
