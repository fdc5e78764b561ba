//! `_rowferry_quarantine`: rows that were set aside, by key and rule, never with their values.
//!
//! Rows are written in the transaction of their chunk. DDL would end it, so the table is made when
//! a stream is claimed, with the progress tables.

use crate::conn::Conn;
use mysql_async::params;
use rowferry_core::{ChunkNo, RejectedRow};

/// Columns: the key of a row may be longer than an index entry, so its hash stands in the index.
pub(crate) fn ddl(table: &str, collation: &str) -> String {
    format!(
        "create table if not exists {table} (\
         stream_id char(32) not null, run bigint not null, chunk_no bigint not null, \
         `key` longtext not null, key_hash binary(32) not null, \
         `column` varchar(64) not null, code varchar(64) not null, rule longtext not null, \
         seen_at datetime(6) not null, unique key (stream_id, key_hash, code, `column`)) \
         engine = InnoDB character set utf8mb4 collate {collation}"
    )
}

/// Writes `rows`. A row that was set aside before is told once, with the run that saw it last.
pub(crate) async fn write(
    conn: &mut Conn,
    table: &str,
    stream_id: &str,
    run: i64,
    chunk: ChunkNo,
    rows: &[RejectedRow],
) -> Result<(), mysql_async::Error> {
    for row in rows {
        let column = row.column.as_deref().unwrap_or_default();
        conn.exec_drop(
            format!(
                "delete from {table} where stream_id = :stream_id \
                 and key_hash = unhex(sha2(:key, 256)) and code = :code and `column` = :column"
            ),
            params! {
                "stream_id" => stream_id,
                "key" => &row.key,
                "code" => &row.code,
                "column" => column,
            },
        )
        .await?;
        conn.exec_drop(
            format!(
                "insert into {table} (stream_id, run, chunk_no, `key`, key_hash, `column`, code, \
                 rule, seen_at) values (:stream_id, :run, :chunk_no, :key, \
                 unhex(sha2(:key, 256)), :column, :code, :rule, utc_timestamp(6))"
            ),
            params! {
                "stream_id" => stream_id,
                "run" => run,
                "chunk_no" => chunk.0,
                "key" => &row.key,
                "column" => column,
                "code" => &row.code,
                "rule" => &row.rule,
            },
        )
        .await?;
    }
    Ok(())
}
