//! A hash of each row's key.

use arrow_array::{Array, RecordBatch, UInt64Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use xxhash_rust::xxh3::xxh3_64;

use crate::{KernelError, row_bytes};

/// The xxh3 hash of the canonical bytes of each row's key: equal keys have equal hashes in any
/// Arrow storage.
///
/// # Nulls
///
/// A key with a null in any column has no hash: the result is null there.
///
/// # Errors
///
/// [`KernelError`] when a key column is missing or has no canonical bytes.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch};
/// let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None]));
/// let wide: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
/// let batch = RecordBatch::try_from_iter([("a", narrow), ("b", wide)])?;
/// let hashes = rowferry_kernels::key_hash(&batch, &[0])?;
/// assert_eq!(hashes, rowferry_kernels::key_hash(&batch, &[1])?);
/// assert!(hashes.is_null(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn key_hash(batch: &RecordBatch, key_columns: &[usize]) -> Result<UInt64Array, KernelError> {
    let mut hashes = Vec::with_capacity(batch.num_rows());
    row_bytes::for_each_row(batch, key_columns, |_row, bytes| hashes.push(xxh3_64(bytes)))?;
    Ok(UInt64Array::new(hashes.into(), key_nulls(batch, key_columns)?))
}

/// Which rows have a whole key; `None` = all.
pub(crate) fn key_nulls(
    batch: &RecordBatch,
    key_columns: &[usize],
) -> Result<Option<NullBuffer>, KernelError> {
    let mut nulls: Option<NullBuffer> = None;
    for position in key_columns {
        let array = batch.columns().get(*position);
        let array = array.ok_or(KernelError::Column { position: *position })?;
        nulls = NullBuffer::union(nulls.as_ref(), array.nulls());
    }
    // A key of no columns identifies nothing, so no row has one.
    if key_columns.is_empty() {
        nulls = Some(NullBuffer::new(BooleanBuffer::new_unset(batch.num_rows())));
    }
    Ok(nulls)
}
