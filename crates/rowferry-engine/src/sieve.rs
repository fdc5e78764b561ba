//! Finds the rows that a target refuses, by halves.
//!
//! ```text
//!  batch ─► try ─► written
//!               └► refused, many rows ─► first half, second half, each the same way
//!               └► refused, one row   ─► that is one of them
//! ```
//!
//! k bad rows among n cost at most 2 k log₂ n + 1 trials.

use arrow_array::RecordBatch;
use rowferry_core::{ChunkWriter, ConnectorError, Result, Tried};

/// A row that was not taken, and why.
pub(crate) struct RefusedRow {
    /// Its place in the batch.
    pub(crate) row: usize,
    pub(crate) reason: ConnectorError,
}

/// Writes the rows of `batch` that the target takes; the others come back in their order. Ends
/// early, with part of the batch written, once more than `allowed` are found: the chunk is then
/// lost anyway.
pub(crate) async fn sift(
    writer: &mut dyn ChunkWriter,
    batch: &RecordBatch,
    allowed: u64,
) -> Result<Vec<RefusedRow>> {
    let mut refused = Vec::new();
    let mut parts = vec![(0, batch.num_rows())];
    while let Some((from, rows)) = parts.pop() {
        if rows == 0 {
            continue;
        }
        let reason = match writer.try_write(batch.slice(from, rows)).await? {
            Tried::Written => continue,
            Tried::Refused(reason) => reason,
        };
        if rows > 1 {
            let half = rows / 2;
            // Taken from the end, so the first half comes first.
            parts.push((from + half, rows - half));
            parts.push((from, half));
            continue;
        }
        refused.push(RefusedRow { row: from, reason });
        if refused.len() as u64 > allowed {
            break;
        }
    }
    Ok(refused)
}

#[cfg(test)]
#[path = "sieve_tests.rs"]
mod tests;
