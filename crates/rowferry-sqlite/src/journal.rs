//! How a file keeps what a transaction may have to take back.
//!
//! ```text
//! a file that we make      rollback journal, until its first table can be seen; then WAL
//! a file that is there     as it is
//! ```
//!
//! In WAL mode readers never block the writer, which is what a file with tables needs. But every
//! page goes into the WAL, from there into the memory and then into the file: a third of the time
//! of a copy into a new file. Rows behind a table's end change hardly a page that was there before,
//! so that a rollback journal has next to nothing to keep, and each page is written once.

use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Result};

use crate::config::BUSY_TIMEOUT;

/// Makes a file without tables ready for its first ones; whether it is one.
pub(crate) fn start(connection: &Connection) -> Result<bool> {
    if is_wal(connection)? || has_tables(connection)? {
        return Ok(false);
    }
    // To cut the journal costs one sync less than to remove it.
    connection.query_row("pragma journal_mode = truncate", [], |_| Ok(()))?;
    Ok(true)
}

/// Puts a file that [`start`] made ready into WAL mode once it has a table; whether it still waits.
pub(crate) fn settle(connection: &Connection) -> Result<bool> {
    if !has_tables(connection)? {
        return Ok(true);
    }
    // Not waiting for somebody who reads the new table already: the next step tries again.
    connection.busy_timeout(Duration::ZERO)?;
    let set = connection.query_row("pragma journal_mode = wal", [], |_| Ok(()));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    match set {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(true),
        done => done.map(|()| false),
    }
}

/// Whether the file is in WAL mode.
pub(crate) fn is_wal(connection: &Connection) -> Result<bool> {
    let mode: String = connection.query_row("pragma journal_mode", [], |row| row.get(0))?;
    Ok(mode.eq_ignore_ascii_case("wal"))
}

/// Whether there are tables that are not our own bookkeeping.
fn has_tables(connection: &Connection) -> Result<bool> {
    connection.query_row(
        "select exists (select 1 from sqlite_schema where type = 'table' \
         and name not glob '_rowferry_*' and name not glob 'sqlite_*')",
        [],
        |row| row.get(0),
    )
}
