//! The rows of the ledger: plain values. Times are UTC, RFC 3339.

use rowferry_core::{KeyTuple, Receipt};
use serde::{Deserialize, Serialize};

/// One execution of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRow {
    /// Unique id of the execution.
    pub run_id: String,
    /// Logical run, if one was named.
    pub run_key: Option<String>,
    /// Job name, or `copy`.
    pub job: String,
    /// Command word: `copy`, `run`, `worker`, `drift`.
    pub command: String,
    /// Start.
    pub started_at: String,
    /// End; `None` while it runs, or when the process was killed.
    pub finished_at: Option<String>,
    /// `running`, `ok`, `partial`, `failed`, `skipped` or `stopped`; of a comparison `equal` or
    /// `different` too.
    pub status: String,
    /// Exit code of the process.
    pub exit_code: Option<u8>,
    /// Sums over its tables.
    pub totals: RunTotals,
}

/// Sums over the tables of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunTotals {
    /// Tables.
    pub tables: u64,
    /// Tables that failed.
    pub failed: u64,
    /// Rows that came from the sources.
    pub rows_read: u64,
    /// Rows made durable.
    pub rows_written: u64,
    /// Rows set aside.
    pub rows_rejected: u64,
    /// Rows left out for an equal key.
    pub duplicates: u64,
    /// Payload bytes read.
    pub bytes_read: u64,
    /// Payload bytes written.
    pub bytes_written: u64,
}

/// One table of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableRow {
    /// Stream that the table belongs to.
    pub stream_id: String,
    /// Job name.
    pub job: String,
    /// Source table.
    pub source: String,
    /// Target table.
    pub target: String,
    /// `full`, `incremental`.
    pub mode: String,
    /// `replace`, `append`, `upsert`.
    pub write: String,
    /// `running`, `ok`, `failed`, `skipped` or `stopped`.
    pub status: String,
    /// Exit code that the table alone would give.
    pub exit_code: u8,
    /// Slug of its error.
    pub error_code: Option<String>,
    /// `table` or `chunk`.
    pub consistency: String,
    /// Read views that were opened.
    pub snapshots: u64,
    /// Rows read by this run.
    pub rows_read: u64,
    /// Rows written by this run.
    pub rows_written: u64,
    /// Rows that replaced an older version, where the target tells.
    pub rows_updated: u64,
    /// Rows in the target afterwards, where known.
    pub rows_in_target: Option<u64>,
    /// Rows set aside.
    pub rows_rejected: u64,
    /// Rows left out for an equal key.
    pub duplicates: u64,
    /// Payload bytes read.
    pub bytes_read: u64,
    /// Payload bytes written.
    pub bytes_written: u64,
    /// Chunks made durable by this run.
    pub chunks: u64,
    /// Chunks that an earlier attempt had made durable.
    pub chunks_resumed: u64,
    /// Durable rows per second.
    pub rows_per_second: f64,
    /// Seconds from first connect to publish.
    pub seconds: f64,
    /// Watermark text, for incremental copies.
    pub watermark: Option<String>,
    /// Digest as `kind:count:sum`.
    pub digest: Option<String>,
    /// Things the user was told.
    pub warnings: Vec<String>,
    /// End; `None` while it runs.
    pub finished_at: Option<String>,
}

/// What a comparison found of one table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriftRow {
    /// Job name.
    pub job: String,
    /// Source table.
    pub source: String,
    /// Target table.
    pub target: String,
    /// `equal`, `different`, `empty` or `failed`.
    pub status: String,
    /// Rows of the source.
    pub rows_source: u64,
    /// Rows of the target.
    pub rows_target: u64,
    /// Cells that differ, in rows of both sides.
    pub mismatches: u64,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows that only the target has.
    pub extra: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Slug of its error.
    pub error_code: Option<String>,
    /// When it was found.
    pub finished_at: String,
}

/// One durable chunk, as its receipt had it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChunkRow {
    /// Number within the run.
    pub chunk_no: i64,
    /// Exclusive lower bound.
    pub lower: Option<KeyTuple>,
    /// Inclusive upper bound.
    pub upper: Option<KeyTuple>,
    /// Greatest key read by a span without upper bound.
    pub last_key: Option<KeyTuple>,
    /// Rows that came from the source.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Rows set aside.
    pub rows_rejected: u64,
    /// Rows left out for an equal key.
    pub duplicates: u64,
    /// Payload bytes.
    pub bytes: u64,
}

impl ChunkRow {
    /// What is kept of a receipt. Taking a receipt is what keeps the order of safety: there is none
    /// before the target has committed.
    pub fn of(receipt: &Receipt) -> Self {
        let totals = &receipt.totals;
        Self {
            chunk_no: receipt.no.0,
            lower: receipt.lower.clone(),
            upper: receipt.upper.clone(),
            last_key: totals.last_key.clone(),
            rows_read: totals.rows_read,
            rows_written: totals.rows_written,
            rows_rejected: totals.rows_rejected,
            duplicates: totals.duplicates,
            bytes: totals.bytes,
        }
    }
}

/// Last known state of a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamRow {
    /// Stream.
    pub stream_id: String,
    /// Run that touched it last.
    pub run_id: String,
    /// Job name.
    pub job: String,
    /// Source table.
    pub source: String,
    /// Target table.
    pub target: String,
    /// Status of its last run.
    pub status: String,
    /// Rows in the target where known, else rows written by the last run.
    pub rows: u64,
    /// Durable rows per second of the last run.
    pub rows_per_second: f64,
    /// End of its last run; `None` while it runs, or when the process was killed.
    pub finished_at: Option<String>,
    /// Slug of the last run's error.
    pub error_code: Option<String>,
}

impl StreamRow {
    /// The state that `table` of run `run_id` leaves behind.
    pub(crate) fn of(run_id: &str, table: &TableRow) -> Self {
        Self {
            stream_id: table.stream_id.clone(),
            run_id: run_id.to_owned(),
            job: table.job.clone(),
            source: table.source.clone(),
            target: table.target.clone(),
            status: table.status.clone(),
            rows: table.rows_in_target.unwrap_or(table.rows_written),
            rows_per_second: table.rows_per_second,
            finished_at: table.finished_at.clone(),
            error_code: table.error_code.clone(),
        }
    }
}
