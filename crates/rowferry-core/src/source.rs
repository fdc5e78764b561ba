//! The reading end.

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Cast, Chunk, Column, ConnectorError, Consistency, Digest, KeyColumns, KeyProbe, KeyTuple,
    PlanProblem, Predicate, ReadScript, Result, ServerDigest, TableRef, TableSchema,
};

/// A byte format that two connectors of the same engine may pass through undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireFormat {
    /// Tuples of PostgreSQL's COPY binary format, without header and trailer.
    PgCopyBinary,
    /// SQLite's rows as they are stored: number of cells as big-endian u16, then each cell as one
    /// byte of class (0 null, 1 integer, 2 real, 3 text, 4 blob) with 8 bytes big-endian for a
    /// number, or a big-endian u32 of length and the bytes.
    SqliteCells,
}

impl WireFormat {
    /// Every format; the first one that both ends take is used.
    pub const ALL: [Self; 2] = [Self::PgCopyBinary, Self::SqliteCells];
}

/// Rows on their way from reader to writer.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Arrow columns in the order of [`ReadSpec::columns`].
    Batch(RecordBatch),
    /// Rows in wire form, whole rows only.
    Wire {
        /// Format of `bytes`.
        format: WireFormat,
        /// Rows in `bytes`.
        rows: u64,
        /// Bytes of the largest of them.
        largest_row: u64,
        /// The rows.
        bytes: Bytes,
    },
}

impl Payload {
    /// Rows in this payload.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Batch(batch) => batch.num_rows() as u64,
            Self::Wire { rows, .. } => *rows,
        }
    }

    /// Memory that this payload holds, in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Batch(batch) => batch.get_array_memory_size() as u64,
            Self::Wire { bytes, .. } => bytes.len() as u64,
        }
    }
}

/// What a read of a chunk delivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSpec {
    /// Columns in order; each has a canonical type.
    pub columns: Vec<Column>,
    /// Filter.
    pub predicate: Option<Predicate>,
    /// Deliver this wire format instead of batches. Only set when the source said it can.
    pub wire: Option<WireFormat>,
    /// A payload is cut when it holds this many bytes. 1 to 8 MiB keep encoders in cache.
    pub batch_bytes: u64,
    /// A batch is cut at this many rows.
    pub batch_rows: u64,
    /// Rows must come in key order (dedupe by first or last).
    pub ordered: bool,
}

/// One chunk being read. The driver calls [`Self::next`] until `None`; dropping it earlier stops
/// the server's query.
#[async_trait]
pub trait ChunkReader: Send {
    /// The next rows. `None` means that the server said the result is complete; a stream that
    /// ends in any other way is an error, never an early `None`.
    async fn next(&mut self) -> Result<Option<Payload>>;

    /// After `None`: the greatest key of a span without upper bound, as the same read view saw it
    /// with the filter left out of account; `None` for an empty span and for other ranges.
    fn last_key(&self) -> Option<KeyTuple>;

    /// After `None`: digest of wire rows, where the reader computed one.
    fn digest(&self) -> Option<Digest>;
}

/// The transaction clock of a source at the moment a view was opened. Keys that were read while
/// nothing was open (`oldest_open >= next`) are settled: no row below them can still commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// Number of the oldest writing transaction still open, or `next` when there is none.
    pub oldest_open: u64,
    /// Number that the next writing transaction will get.
    pub next: u64,
}

/// A table in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableListing {
    /// Table with its schema.
    pub table: TableRef,
    /// Primary key columns; empty = none.
    pub key: Vec<String>,
    /// Rows by statistics.
    pub rows_estimated: Option<u64>,
    /// Bytes by statistics.
    pub bytes_estimated: Option<u64>,
}

/// A database that tables are read from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Engine word as in [`crate::NativeType::engine`], known after connecting.
    fn engine(&self) -> &str;

    /// What the server says of itself: stable across host names, different between databases.
    async fn identity(&self) -> Result<String>;

    /// All tables that this login may read, system tables left out, in name order. Views are not
    /// listed but may be described.
    async fn tables(&self) -> Result<Vec<TableListing>>;

    /// Describes a table. Class `Setup`, slug `unknown-table`, when it does not exist; the message
    /// offers near names.
    async fn describe(&self, table: &TableRef) -> Result<TableSchema>;

    /// Opens a read view for `table`. `readers` is the number of chunks read at once.
    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Box<dyn Snapshot>>;

    /// Whether reads of `columns` can be delivered in this wire format.
    fn offers(&self, format: WireFormat, columns: &[Column]) -> bool;

    /// How `column` is read when `cast` is asked for it: the column as described, unless the way to
    /// it cannot carry every value.
    ///
    /// # Errors
    ///
    /// Why it cannot be read at all, with the casts by which it could.
    fn reading(
        &self,
        column: &Column,
        _cast: Option<&Cast>,
    ) -> std::result::Result<Column, Box<PlanProblem>> {
        Ok(column.clone())
    }

    /// The grants that this login lacks to read `table`, each as the statement that gives it. Empty
    /// where there are no grants.
    async fn missing_grants(&self, _table: &TableRef) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Version, rights and settings that matter for reading.
    async fn check(&self) -> Result<Vec<crate::CheckLine>>;
}

/// A read view of one table. Shared by all readers of the table.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// What this view really gives: [`Consistency::Table`] or [`Consistency::Chunk`].
    fn consistency(&self) -> Consistency;

    /// The transaction clock when the view was opened; `None` when this login may not see it.
    async fn horizon(&self) -> Result<Option<Horizon>>;

    /// When the view was opened, in seconds since 1970 by the source's own clock; `None` where the
    /// horizon says more than a clock could, or the source has no clock but ours.
    async fn opened_at(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// A prober for cutting the table by `key`, on its own connection inside the view.
    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>>;

    /// Number of physical blocks, where reads by [`crate::KeyRange::Blocks`] are offered.
    async fn blocks(&self, table: &TableSchema) -> Result<Option<u64>>;

    /// How other programs read what this view sees; `None` where they cannot.
    fn script(&self) -> Option<&dyn ReadScript> {
        None
    }

    /// Starts reading a chunk. May be called concurrently, up to `readers` at once.
    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>>;

    /// Whether the server can hash the values of `column` so exactly that values with one hash are the
    /// same to every reader.
    fn hashes(&self, _column: &Column) -> bool {
        false
    }

    /// Lets the server count and hash the rows of a chunk, which do not travel. Only for columns that it
    /// [hashes](Self::hashes). `seed` changes the hashes, and so those pairs of rows that share one by
    /// chance. May be called concurrently, up to `readers` at once.
    async fn digest(&self, _chunk: &Chunk, _spec: &ReadSpec, _seed: u64) -> Result<ServerDigest> {
        Err(ConnectorError::bug("this source does not hash rows"))
    }
}
