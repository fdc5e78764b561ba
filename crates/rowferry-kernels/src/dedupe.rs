//! Leaving out rows whose key was seen before.
//!
//! Equality is that of the canonical bytes: numbers by value, −0 equals 0, NaN equals NaN, texts by
//! bytes. A hash only finds candidates, so two different keys are never merged.

use std::collections::HashMap;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use crate::{KernelError, key_hash::key_nulls, row_bytes};

/// Which of the rows with one key stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The one that came first.
    First,
    /// The one that came last.
    Last,
}

/// Place of a row: batch and row within it.
type Place = (usize, usize);

/// Leaves out duplicates across the batches of one chunk.
///
/// With [`Keep::First`] each [`Self::push`] answers with the rows that stay. With [`Keep::Last`] a
/// later batch can still displace a row, so `push` answers with an empty batch, the batches are kept
/// and [`Self::finish`] hands them out. Why not rely on key order and hold back only the last row?
/// Because a server's collation may put `a`, `A`, `a` side by side in any order.
///
/// Memory: the canonical bytes of each distinct key plus about 40 bytes, and with [`Keep::Last`] the
/// batches. The caller bounds both by the size of a chunk.
#[derive(Debug)]
pub struct Deduper {
    key_columns: Vec<usize>,
    keep: Keep,
    seen: HashMap<Box<[u8]>, Place, Xxh3DefaultBuilder>,
    batches: usize,
    /// With [`Keep::Last`]: the batches and which of their rows stay.
    held: Vec<(RecordBatch, Vec<bool>)>,
}

impl Deduper {
    /// A deduper for the key at these positions.
    pub fn new(key_columns: Vec<usize>, keep: Keep) -> Self {
        Self { key_columns, keep, seen: HashMap::default(), batches: 0, held: Vec::new() }
    }

    /// Takes the next batch; answers with the rows that are ready and with how many rows were
    /// dropped, of this batch or of an earlier one.
    ///
    /// # Nulls
    ///
    /// A row with a null in a key column is never a duplicate.
    ///
    /// # Ordering
    ///
    /// Rows stay in their order.
    ///
    /// # Errors
    ///
    /// [`KernelError`] when a key column is missing or has no canonical bytes.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(RecordBatch, u64), KernelError> {
        let nulls = key_nulls(batch, &self.key_columns)?;
        let mut stays = vec![true; batch.num_rows()];
        let mut dropped = 0;
        let (seen, held, keep, number) = (&mut self.seen, &mut self.held, self.keep, self.batches);
        row_bytes::for_each_row(batch, &self.key_columns, |row, key| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return;
            }
            let Some(place) = seen.get_mut(key) else {
                seen.insert(key.into(), (number, row));
                return;
            };
            dropped += 1;
            let (batch, loser) = match keep {
                Keep::First => (number, row),
                Keep::Last => std::mem::replace(place, (number, row)),
            };
            let stays = match held.get_mut(batch) {
                Some((_, stays)) => stays,
                None => &mut stays,
            };
            if let Some(stays) = stays.get_mut(loser) {
                *stays = false;
            }
        })?;
        self.batches += 1;
        match self.keep {
            Keep::First if dropped == 0 => Ok((batch.clone(), 0)),
            Keep::First => Ok((keep_rows(batch, stays)?, dropped)),
            Keep::Last => {
                self.held.push((batch.clone(), stays));
                Ok((batch.slice(0, 0), dropped))
            }
        }
    }

    /// The batches that were held back, and a fresh start. Empty with [`Keep::First`].
    ///
    /// # Errors
    ///
    /// [`KernelError::Arrow`] when a batch cannot be filtered.
    pub fn finish(&mut self) -> Result<Vec<RecordBatch>, KernelError> {
        self.seen.clear();
        self.batches = 0;
        std::mem::take(&mut self.held)
            .into_iter()
            .map(|(batch, stays)| keep_rows(&batch, stays))
            .collect()
    }
}

/// The rows of `batch` whose flag is set.
///
/// # Nulls
///
/// Are values like any other here.
///
/// # Errors
///
/// [`KernelError::Arrow`] when there are not as many flags as rows.
pub fn keep_rows(batch: &RecordBatch, stays: Vec<bool>) -> Result<RecordBatch, KernelError> {
    filter_record_batch(batch, &BooleanArray::from(stays))
        .map_err(|error| KernelError::Arrow(error.to_string()))
}

/// Leaves out the duplicates of one batch; answers with the rest and how many were dropped.
///
/// # Nulls
///
/// A row with a null in a key column is never a duplicate.
///
/// # Errors
///
/// [`KernelError`] when a key column is missing or has no canonical bytes.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// # use rowferry_kernels::{Keep, dedupe};
/// let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(1), None]));
/// let batch = RecordBatch::try_from_iter([("id", ids)])?;
/// let (rest, dropped) = dedupe(&batch, &[0], Keep::First)?;
/// assert_eq!((rest.num_rows(), dropped), (3, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dedupe(
    batch: &RecordBatch,
    key_columns: &[usize],
    keep: Keep,
) -> Result<(RecordBatch, u64), KernelError> {
    let mut deduper = Deduper::new(key_columns.to_vec(), keep);
    let (ready, dropped) = deduper.push(batch)?;
    Ok((deduper.finish()?.pop().unwrap_or(ready), dropped))
}

/// The first pair of rows with the same key, earlier row first.
///
/// # Nulls
///
/// A row with a null in a key column is never a duplicate.
///
/// # Errors
///
/// [`KernelError`] when a key column is missing or has no canonical bytes.
pub fn find_duplicate(
    batch: &RecordBatch,
    key_columns: &[usize],
) -> Result<Option<(usize, usize)>, KernelError> {
    let nulls = key_nulls(batch, key_columns)?;
    let mut seen: HashMap<Box<[u8]>, usize, Xxh3DefaultBuilder> = HashMap::default();
    let mut found = None;
    row_bytes::for_each_row(batch, key_columns, |row, key| {
        if found.is_some() || nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return;
        }
        match seen.get(key) {
            Some(first) => found = Some((*first, row)),
            None => {
                seen.insert(key.into(), row);
            }
        }
    })?;
    Ok(found)
}
