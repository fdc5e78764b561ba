//! Rows that were set aside: which row, which rule, never the value.
//!
//! They are written in the transaction of their chunk, so a chunk that is copied again after a lost
//! answer finds them there or writes them anew; the same row is never there twice.

use rowferry_core::{Chunk, Prepared, RejectedRow, Result};
use tokio_postgres::types::Type;

use crate::client::Client;
use crate::error::failed;

/// `code` is the error that writing the row would have been, `column` the one whose value broke the
/// rule.
fn create(table: &str) -> String {
    format!(
        "create table if not exists {table} ( \
             stream_id text collate \"C\" not null, \
             run bigint not null, \
             chunk_no bigint not null, \
             key text collate \"C\" not null, \
             \"column\" text collate \"C\" not null, \
             code text collate \"C\" not null, \
             rule text collate \"C\" not null, \
             seen_at timestamptz not null default now(), \
             primary key (stream_id, run, chunk_no, key, \"column\", code))"
    )
}

/// Writes `rows`; those that are there already stay as they are.
pub(crate) async fn add(
    client: &Client,
    table: &str,
    prepared: &Prepared,
    chunk: &Chunk,
    rows: &[RejectedRow],
) -> Result<()> {
    let attempt = || failed(format!("could not set rows of table {} aside", prepared.target));
    let text = |part: fn(&RejectedRow) -> &str| -> Vec<&str> { rows.iter().map(part).collect() };
    // Two chunks may want to make the table at the same time.
    let alone = "select pg_catalog.pg_advisory_xact_lock(\
         pg_catalog.hashtext('rowferry quarantine'))";
    client.query_typed(alone, &[]).await.map_err(attempt())?;
    client.batch_execute(&create(table)).await.map_err(attempt())?;
    let insert = format!(
        "insert into {table} (stream_id, run, chunk_no, key, \"column\", code, rule) \
         select $1, $2, $3, r.key, r.place, r.code, r.rule \
         from rows from (pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[]), \
             pg_catalog.unnest($6::text[]), pg_catalog.unnest($7::text[])) \
             r(key, place, code, rule) \
         on conflict do nothing"
    );
    client
        .execute_typed(
            &insert,
            &[
                (&prepared.stream.stream_id, Type::TEXT),
                (&prepared.run, Type::INT8),
                (&chunk.no.0, Type::INT8),
                (&text(|row| &row.key), Type::TEXT_ARRAY),
                (&text(|row| row.column.as_deref().unwrap_or_default()), Type::TEXT_ARRAY),
                (&text(|row| &row.code), Type::TEXT_ARRAY),
                (&text(|row| &row.rule), Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(attempt())?;
    Ok(())
}
