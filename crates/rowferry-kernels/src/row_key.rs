//! The key of a row in words, for messages and the quarantine table.

use arrow_array::RecordBatch;
use rowferry_core::CanonicalType;

use crate::{KernelError, text_form};

/// A key column: its name, its place in the batch and what its values mean.
pub type KeyPart = (String, usize, CanonicalType);

/// The key of `row` as a JSON object: numbers and booleans as such, everything else as text.
///
/// # Nulls
///
/// A null is `null`.
///
/// # Errors
///
/// [`KernelError`] when the batch does not have the column, or stores it otherwise.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// # use rowferry_core::CanonicalType;
/// let ids: ArrayRef = Arc::new(Int64Array::from(vec![7]));
/// let batch = RecordBatch::try_from_iter([("id", ids)])?;
/// let key = [("id".to_owned(), 0, CanonicalType::Int64)];
/// assert_eq!(rowferry_kernels::row_key(&batch, &key, 0)?, r#"{"id":7}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn row_key(batch: &RecordBatch, key: &[KeyPart], row: usize) -> Result<String, KernelError> {
    let mut out = String::from("{");
    for (name, position, meaning) in key {
        let array = batch.columns().get(*position);
        let array = array.ok_or(KernelError::Column { position: *position })?;
        if out.len() > 1 {
            out.push(',');
        }
        text_form::quote(&mut out, name);
        out.push(':');
        if array.is_null(row) {
            out.push_str("null");
            continue;
        }
        let start = out.len();
        if text_form::json_of(array.as_ref(), meaning)?(row, &mut out).is_err() {
            // Not a number, or a cell without a text: a key that nobody can search by.
            out.truncate(start);
            out.push_str("\"?\"");
        }
    }
    out.push('}');
    Ok(out)
}
