//! Rows that were set aside: which row, which rule, never the value.
//!
//! They are written in the transaction of their chunk, so a chunk that is copied again after a lost
//! answer finds them there or writes them anew; the same row is never there twice.

use rowferry_core::{Chunk, Prepared, RejectedRow};
use rusqlite::{Connection, params};

use crate::progress::NOW;

/// `code` is the error that writing the row would have been, `column` the one whose value broke the
/// rule.
const CREATE: &str = "
create table if not exists _rowferry_quarantine (
  stream_id text not null,
  run integer not null,
  chunk_no integer not null,
  key text not null,
  \"column\" text not null,
  code text not null,
  rule text not null,
  seen_at text not null,
  primary key (stream_id, run, chunk_no, key, \"column\", code)
) without rowid;";

/// Writes `rows`; those that are there already stay as they are.
pub(crate) fn add(
    connection: &Connection,
    prepared: &Prepared,
    chunk: &Chunk,
    rows: &[RejectedRow],
) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)?;
    let mut insert = connection.prepare_cached(&format!(
        "insert or ignore into _rowferry_quarantine (stream_id, run, chunk_no, key, \"column\", \
         code, rule, seen_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, {NOW})"
    ))?;
    for row in rows {
        insert.execute(params![
            prepared.stream.stream_id,
            prepared.run,
            chunk.no.0,
            row.key,
            row.column.as_deref().unwrap_or(""),
            row.code,
            row.rule,
        ])?;
    }
    Ok(())
}

/// Removes what a stream has set aside.
pub(crate) fn forget(connection: &Connection, stream_id: &str) -> rusqlite::Result<()> {
    let exists: bool = connection.query_row(
        "select count(*) from sqlite_schema where name = '_rowferry_quarantine'",
        [],
        |row| row.get(0),
    )?;
    if exists {
        connection.execute("delete from _rowferry_quarantine where stream_id = ?1", [stream_id])?;
    }
    Ok(())
}
