//! Reading one chunk: rows are gathered as they come and decoded on the compute pool.
//!
//! Floats are the reason for the binary protocol: as text they have six digits.

use std::sync::Arc;

use async_trait::async_trait;
use mysql_async::Row;
use rowferry_core::{
    CanonicalType, Chunk, ChunkReader, Column, ConnectorError, Digest, ErrorClass, KeyColumns,
    KeyRange, KeyTuple, Payload, ReadSpec, Result, TableSchema, TableShape, source_altered,
};
use rowferry_runtime::Stage;

use crate::altered;
use crate::chunks;
use crate::decode::{self, ChunkDecoder};
use crate::error;
use crate::link::Limits;
use crate::snapshot::{self, Lease};
use crate::sql;
use crate::types::Native;

/// A chunk being read.
pub(crate) struct MysqlReader {
    lease: Lease,
    decoder: Arc<ChunkDecoder>,
    table: TableSchema,
    shape: TableShape,
    limits: Limits,
    rows_before: u64,
    /// Key and lower bound, when the range is an unbounded span.
    unbounded: Option<(KeyColumns, Option<KeyTuple>)>,
    last_key: Option<KeyTuple>,
    finished: bool,
}

impl MysqlReader {
    /// Sends the query; rows come with [`ChunkReader::next`].
    pub(crate) async fn start(
        mut lease: Lease,
        table: &TableSchema,
        shape: &TableShape,
        chunk: &Chunk,
        spec: &ReadSpec,
    ) -> Result<Self> {
        let query = query(table, chunk, spec)?;
        let key = table.primary_key().map(|key| key.columns.as_slice()).unwrap_or_default();
        let pinned = lease.sessions().is_pinned();
        lease.busy = true;
        let conn = lease.conn()?;
        if !pinned {
            snapshot::open_view(conn).await?;
        }
        conn.start(&query)
            .await
            .map_err(|error| error::of(error, format!("could not read table {}", chunk.table)))?;
        let decoder = ChunkDecoder::new(&chunk.table, &spec.columns, &conn.wire_types(), key)?;
        // A NULL takes a bit on the wire, and its column's width in a batch.
        let bytes = as_usize(spec.batch_bytes).max(1);
        let rows = (bytes / decoder.row_bytes().max(1)).min(as_usize(spec.batch_rows));
        let unbounded = match &chunk.range {
            KeyRange::Span { key, lower, upper: None } => Some((key.clone(), lower.clone())),
            KeyRange::Span { .. }
            | KeyRange::Whole
            | KeyRange::NullKeys { .. }
            | KeyRange::Blocks { .. } => None,
        };
        Ok(Self {
            lease,
            decoder: Arc::new(decoder),
            table: table.clone(),
            shape: shape.clone(),
            limits: Limits { bytes, rows: rows.max(1) },
            rows_before: 0,
            unbounded,
            last_key: None,
            finished: false,
        })
    }

    /// After the last row: the greatest key of the same view, and the end of a chunk's own view.
    async fn finish(&mut self) -> Result<()> {
        self.finished = true;
        if let Some((key, lower)) = self.unbounded.take() {
            let query = chunks::greatest_query(&self.table, &key, lower.as_ref());
            let attempt = || format!("could not read the last key of table {}", self.table.table);
            let row: Option<Row> = self
                .lease
                .conn()?
                .query_first(&query)
                .await
                .map_err(|error| error::of(error, attempt()))?;
            self.last_key = row.map(|row| chunks::tuple(&key, row)).transpose()?;
        }
        leave(&mut self.lease, &self.table, &self.shape).await
    }
}

/// After the last row: the table is still the one that was planned, and a chunk's own view ends.
pub(crate) async fn leave(
    lease: &mut Lease,
    table: &TableSchema,
    shape: &TableShape,
) -> Result<()> {
    // Since the read has begun nobody could alter the table.
    let server = Arc::clone(&lease.sessions().server);
    let now = altered::shape(&server, lease.conn()?, &table.table).await?;
    if let Some(change) = shape.change(&now) {
        return Err(source_altered(&table.table, &change));
    }
    if !lease.sessions().is_pinned() {
        let attempt = || format!("could not end the read view of table {}", table.table);
        let ended = lease.conn()?.query_drop("commit").await;
        ended.map_err(|error| error::of(error, attempt()))?;
    }
    lease.busy = false;
    Ok(())
}

#[async_trait]
impl ChunkReader for MysqlReader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        if self.finished {
            return Ok(None);
        }
        let attempt = || format!("could not read table {}", self.table.table);
        let conn = self.lease.conn()?;
        let goes_on = conn.rows(self.limits).await.map_err(|error| error::of(error, attempt()))?;
        let rows = conn.take();
        if !goes_on {
            self.finish().await?;
        }
        if rows.packets.is_empty() {
            return Ok(None);
        }
        let (decoder, rows_before) = (Arc::clone(&self.decoder), self.rows_before);
        self.rows_before += rows.packets.len() as u64;
        let compute = &self.lease.sessions().server.compute;
        let decoded = compute.run(Stage::Decode, move || decoder.decode(&rows, rows_before)).await;
        let batch = decoded.map_err(error::task_ended)??;
        Ok(Some(Payload::Batch(batch)))
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.last_key.clone()
    }

    fn digest(&self) -> Option<Digest> {
        None
    }
}

fn query(table: &TableSchema, chunk: &Chunk, spec: &ReadSpec) -> Result<String> {
    let expressions: Vec<String> = spec.columns.iter().map(select).collect();
    query_for(&expressions, table, chunk, spec)
}

/// The rows of a chunk as a query for these expressions.
pub(crate) fn query_for(
    expressions: &[String],
    table: &TableSchema,
    chunk: &Chunk,
    spec: &ReadSpec,
) -> Result<String> {
    if expressions.is_empty() {
        return Err(ConnectorError::new(
            ErrorClass::Setup,
            "no-columns",
            format!("no column of table {} is to be read", chunk.table),
        ));
    }
    let names = expressions.join(", ");
    let (hint, order) = match &chunk.range {
        KeyRange::Span { key, .. } => (
            chunks::force_index(table, key),
            if spec.ordered { chunks::ascending(key) } else { String::new() },
        ),
        KeyRange::NullKeys { key } if spec.ordered => (String::new(), chunks::ascending(key)),
        KeyRange::NullKeys { .. } | KeyRange::Whole => (String::new(), String::new()),
        KeyRange::Blocks { .. } => {
            return Err(ConnectorError::bug("this server has no blocks to read by"));
        }
    };
    let conditions: Vec<String> = sql::range(&chunk.range)
        .into_iter()
        .chain(spec.predicate.iter().map(|filter| sql::predicate(filter, &table.columns)))
        .map(|condition| format!("({condition})"))
        .collect();
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" where {}", conditions.join(" and "))
    };
    Ok(format!("select {names} from {}{hint}{filter}{order}", sql::table(&table.table)))
}

/// A column of the read. Where its type cannot hold a value, it is read as the server's own text.
fn select(column: &Column) -> String {
    let name = sql::quote(&column.name);
    let native = Native::parse(&column.native.declared);
    match (&column.canonical, native) {
        (
            Some(CanonicalType::Text { .. }),
            Native::Date | Native::DateTime(_) | Native::Timestamp(_),
        ) => format!("cast({name} as char)"),
        // The empty text is a label and also how the error value looks: only numbers differ.
        (Some(_), Native::Enum(labels)) if decode::by_number(&labels) => {
            format!("cast({name} + 0 as unsigned)")
        }
        (Some(CanonicalType::Text { .. }), Native::Vector(_)) => {
            format!("vector_to_string({name})")
        }
        _ => name,
    }
}

fn as_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
