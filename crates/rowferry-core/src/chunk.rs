//! The unit of read, write, retry and receipt.

use serde::{Deserialize, Serialize};

use crate::{KeyRange, KeyTuple, TableRef};

/// Number of a chunk within its run: rises in key order, in steps of [`crate::CHUNK_NO_STEP`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkNo(pub i64);

/// A stretch of a table to be copied in one target transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Number within the run.
    pub no: ChunkNo,
    /// Source table.
    pub table: TableRef,
    /// Which rows.
    pub range: KeyRange,
    /// Rows that the cutter expects.
    pub rows_estimated: Option<u64>,
}

/// Order-independent hash of rows; two digests of different kinds are never compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// What was hashed: `rows-v1` (canonical bytes of the row), `pgcopy-v1` (COPY tuple
    /// bytes) or `sqlite-cells-v1` (bytes of [`crate::WireFormat::SqliteCells`]).
    pub kind: String,
    /// Rows.
    pub count: u64,
    /// Sum modulo 2^128 of the rows' hashes, as 32 hex digits when printed.
    pub sum: u128,
}

/// A row that was set aside instead of being written. It names the row and the rule; the value
/// itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// The row's key as a JSON object, where the table has one; else its number in the chunk.
    pub key: String,
    /// Target column whose value does not fit.
    pub column: Option<String>,
    /// Slug of the error that writing it would have been.
    pub code: String,
    /// The rule that it breaks: lowercase, no value.
    pub rule: String,
}

/// What was counted while a chunk was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkTotals {
    /// Rows that came from the source.
    pub rows_read: u64,
    /// Rows handed to the writer.
    pub rows_written: u64,
    /// Rows that could not be represented and were set aside.
    pub rows_rejected: u64,
    /// Rows left out because another row of the chunk had the same key.
    pub duplicates: u64,
    /// Payload bytes handed to the writer.
    pub bytes: u64,
    /// Greatest key read by a span without upper bound; coverage of that span ends there.
    pub last_key: Option<KeyTuple>,
    /// Digest of the rows written.
    pub digest: Option<Digest>,
}

/// Proof that a chunk is durable in the target. Only a commit makes one.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Chunk number.
    pub no: ChunkNo,
    /// Exclusive lower bound of its span.
    pub lower: Option<KeyTuple>,
    /// Inclusive upper bound of its span.
    pub upper: Option<KeyTuple>,
    /// Counts at commit.
    pub totals: ChunkTotals,
}

impl Receipt {
    /// The receipt of `chunk` with these counts. Only a sink that saw the COMMIT may call this.
    pub fn of(chunk: &Chunk, totals: ChunkTotals) -> Self {
        let (lower, upper) = match &chunk.range {
            KeyRange::Span { lower, upper, .. } => (lower.clone(), upper.clone()),
            KeyRange::Whole | KeyRange::NullKeys { .. } | KeyRange::Blocks { .. } => (None, None),
        };
        Self { no: chunk.no, lower, upper, totals }
    }
}
