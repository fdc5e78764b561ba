//! The digest of rows.

use arrow_array::RecordBatch;
use rowferry_core::Digest;
use xxhash_rust::xxh3::xxh3_128;

use crate::{KernelError, row_bytes};

/// Kind of the digests made here.
pub const DIGEST_KIND: &str = "rows-v1";

/// The sum modulo 2^128 of the xxh3-128 hash over each row's canonical bytes, all columns in order.
///
/// A sum does not depend on the order of rows, so digests of batches add up to that of their table,
/// and a row that came twice changes it (an exclusive or would not notice). Hashing whole rows, not
/// columns, notices two values that were swapped between rows.
///
/// # Nulls
///
/// A null differs from every value, also from the empty text.
///
/// # Errors
///
/// [`KernelError::Type`] when a column has no canonical bytes.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// let rows = |ids: Vec<i64>| {
///     RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(ids)) as ArrayRef)])
/// };
/// let forth = rowferry_kernels::digest_rows(&rows(vec![1, 2])?)?;
/// assert_eq!(forth, rowferry_kernels::digest_rows(&rows(vec![2, 1])?)?);
/// assert_eq!(forth.count, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn digest_rows(batch: &RecordBatch) -> Result<Digest, KernelError> {
    let columns: Vec<usize> = (0..batch.num_columns()).collect();
    let mut sum = 0_u128;
    row_bytes::for_each_row(batch, &columns, |_row, bytes| {
        sum = sum.wrapping_add(xxh3_128(bytes));
    })?;
    Ok(Digest { kind: DIGEST_KIND.to_owned(), count: batch.num_rows() as u64, sum })
}
