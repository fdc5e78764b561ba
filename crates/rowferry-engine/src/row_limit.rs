//! Rows with more bytes than `max_row_bytes` allows.
//!
//! Only texts and binaries count: nothing else makes a row large. Rows in wire form are not looked
//! into and count as a whole; when one of them is too large, the chunk is read again as batches, where
//! the row is found and named.

use arrow_array::cast::AsArray as _;
use arrow_array::{ArrayRef, RecordBatch};
use rowferry_core::{ConnectorError, ErrorClass, Payload, Result};

/// Slug of a row that is larger than the job allows.
pub(crate) const ROW_TOO_LARGE: &str = "row-too-large";

/// The rows of `batch` beyond `limit`, each with the column that has most of it.
pub(crate) fn beyond(batch: &RecordBatch, limit: u64) -> Vec<(usize, usize)> {
    // Nearly always all that is to be done.
    if batch.get_array_memory_size() as u64 <= limit {
        return Vec::new();
    }
    let row_beyond = |row: usize| {
        let sizes = batch.columns().iter().map(|column| bytes(column, row));
        let largest = sizes.clone().enumerate().max_by_key(|(_, size)| *size)?;
        (sizes.sum::<u64>() > limit).then_some((row, largest.0))
    };
    (0..batch.num_rows()).filter_map(row_beyond).collect()
}

fn bytes(column: &ArrayRef, row: usize) -> u64 {
    let text = column.as_string_opt::<i32>().map(|texts| texts.value_length(row));
    let bytes = || column.as_binary_opt::<i32>().map(|binaries| binaries.value_length(row));
    text.or_else(bytes).and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

/// Refuses wire rows of which one is beyond `limit`.
pub(crate) fn check_wire(payload: &Payload, limit: u64, table: &str) -> Result<()> {
    match payload {
        Payload::Wire { largest_row, .. } if *largest_row > limit => {
            let message =
                format!("a row of table {table} has more bytes than `max_row_bytes` allows");
            Err(ConnectorError::new(ErrorClass::Data, ROW_TOO_LARGE, message).with_next(next(true)))
        }
        Payload::Wire { .. } | Payload::Batch(_) => Ok(()),
    }
}

/// What to do about such a row.
pub(crate) fn next(set_aside: bool) -> String {
    let aside = if set_aside { "" } else { "; `on_bad_row: quarantine` sets such rows aside" };
    format!("Raise `max_row_bytes`, or leave the column out with `exclude`{aside}.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Int64Array, StringArray};

    use super::*;

    #[test]
    fn the_row_and_its_largest_column_are_named() {
        let columns: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
            ("a", Arc::new(StringArray::from(vec![Some("12345"), Some("1"), None]))),
            ("b", Arc::new(BinaryArray::from(vec![&b"12345"[..], b"123456789", b"1"]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(beyond(&batch, 9), [(0, 2), (1, 2)]);
        assert!(beyond(&batch, 10).is_empty());
    }
}
