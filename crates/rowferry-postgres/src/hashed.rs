//! Rows counted and hashed by the server.
//!
//! The server's own hash of a row is made for joins, where an equal hash only means a closer look: it
//! leaves out the sign of a numeric, folds a bigint to 32 bits and sees an array's elements but not its
//! bounds. So each value goes in as bytes that no other value has. It also is linear, so that its plain
//! sum would not notice two rows that have exchanged their values in one column: the hash of each row is
//! mixed once more before it is added.

use rowferry_codec::pgcopy::PgType;
use rowferry_core::{Chunk, Column, ConnectorError, ReadSpec, Result, ServerDigest};

use crate::error::failed;
use crate::snapshot::View;
use crate::sql;
use crate::ways::{Way, reading};

/// The first version whose rows have a hash of 64 bits
/// (<https://www.postgresql.org/docs/release/14.0/>).
pub(crate) const SINCE: u32 = 140_000;

/// An expression whose hash is that of the exact value; `None` for a column that cannot be read.
pub(crate) fn image(column: &Column) -> Option<String> {
    let way = reading(column)?;
    let name = format!("t.{}", sql::quote(&column.name));
    let sent = |function: &str| format!("pg_catalog.{function}({name})");
    // Without a collation's own rules, by which two texts may be equal.
    let bytes = |text: String| format!("{text} collate pg_catalog.\"C\"");
    Some(match way {
        Way::Binary(
            PgType::Bool
            | PgType::Int2
            | PgType::Int4
            | PgType::Oid
            | PgType::Date
            | PgType::Uuid
            | PgType::Bytea,
        ) => name,
        Way::Binary(PgType::Int8) => sent("int8send"),
        Way::Binary(PgType::Float4) => sent("float4send"),
        Way::Binary(PgType::Float8) => sent("float8send"),
        Way::Binary(PgType::Numeric { .. }) => sent("numeric_send"),
        Way::Binary(PgType::Time { .. }) => sent("time_send"),
        Way::Binary(PgType::Timestamp { .. }) => sent("timestamp_send"),
        Way::Binary(PgType::TimestampTz { .. }) => sent("timestamptz_send"),
        Way::Binary(PgType::TimeTz { .. }) => sent("timetz_send"),
        Way::Binary(PgType::Interval { .. }) => sent("interval_send"),
        Way::Binary(PgType::Bpchar { .. }) => bytes(name),
        Way::Binary(_) | Way::Text => bytes(format!("{name}::pg_catalog.text")),
    })
}

/// One row: how many rows the chunk has, and the sum of their hashes as text. Servers of different
/// encodings hash the same bytes as different texts, so the encoding is part of the seed.
fn query(chunk: &Chunk, spec: &ReadSpec, seed: u64) -> Option<String> {
    let images: Option<Vec<String>> = spec.columns.iter().map(image).collect();
    let row = format!(
        "pg_catalog.hash_record_extended(row({}), (select pg_catalog.hashtextextended(\
             pg_catalog.current_setting('server_encoding'), '{}'::int8))) as h",
        images?.join(", "),
        seed.cast_signed(),
    );
    // Without the offset the planner would put the whole expression in both places of `h`.
    Some(format!(
        "select count(*), coalesce(sum(pg_catalog.hashint8extended(h, h)), 0)::text \
         from ({} offset 0) as hashed",
        sql::select(chunk, spec, &[row])
    ))
}

/// Counts and hashes the rows of a chunk inside the view.
pub(crate) async fn digest(
    view: &View,
    chunk: &Chunk,
    spec: &ReadSpec,
    seed: u64,
) -> Result<ServerDigest> {
    let query = query(chunk, spec, seed)
        .ok_or_else(|| ConnectorError::bug("a column was to be hashed that cannot be read"))?;
    let attempt = || format!("could not hash rows of table {}", chunk.table);
    let session = view.enter().await?;
    session.set_busy(true);
    let row = session.client.query_typed_one(&query, &[]).await.map_err(failed(attempt()))?;
    session.set_busy(false);
    view.leave(session).await?;
    let (rows, sum): (i64, String) = (row.get(0)?, row.get(1)?);
    match (u64::try_from(rows), sum.parse()) {
        (Ok(rows), Ok(sum)) => Ok(ServerDigest { rows, sum }),
        _ => Err(ConnectorError::bug("a sum of hashes is not a whole number")),
    }
}
