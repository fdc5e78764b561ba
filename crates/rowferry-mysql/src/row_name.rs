//! The name of a row in a message: its key. Keys are the only values that messages hold.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, UInt8Type, UInt16Type, UInt32Type};
use arrow_array::{Array as _, Int64Array, RecordBatch, UInt64Array};
use arrow_schema::DataType;
use mysql_async::{Row, Value};

/// `row {"id":4711}` from the named values of a key, or by its place where one has no plain form.
fn name(parts: Option<Vec<(&str, serde_json::Value)>>, place: u64) -> String {
    match parts {
        Some(parts) if !parts.is_empty() => {
            let object: serde_json::Map<String, serde_json::Value> =
                parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            format!("row {}", serde_json::Value::Object(object))
        }
        _ => format!("row {place} of the chunk"),
    }
}

/// The name of a row as the server sent it; `key` are names and places of key columns.
pub(crate) fn of_row(row: &Row, key: &[(String, usize)], place: u64) -> String {
    let plain = |value: &Value| match value {
        Value::Int(number) => Some((*number).into()),
        Value::UInt(number) => Some((*number).into()),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(Into::into),
        Value::NULL | Value::Float(_) | Value::Double(_) | Value::Date(..) | Value::Time(..) => {
            None
        }
    };
    let parts = key
        .iter()
        .map(|(name, index)| Some((name.as_str(), plain(row.as_ref(*index)?)?)))
        .collect();
    name(parts, place)
}

/// The name of a row of a batch; `key` are target names and places of key columns.
pub(crate) fn of_batch(
    batch: &RecordBatch,
    index: usize,
    key: &[(String, usize)],
    place: u64,
) -> String {
    let parts = key
        .iter()
        .map(|(name, column)| Some((name.as_str(), cell(batch, *column, index)?)))
        .collect();
    name(parts, place)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other types have no plain form in JSON")]
fn cell(batch: &RecordBatch, column: usize, index: usize) -> Option<serde_json::Value> {
    let array = batch.columns().get(column)?;
    if index >= array.len() || array.is_null(index) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(index).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(index).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(index).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(index).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(index).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(index).into(),
        DataType::Int64 => array.as_any().downcast_ref::<Int64Array>()?.value(index).into(),
        DataType::UInt64 => array.as_any().downcast_ref::<UInt64Array>()?.value(index).into(),
        DataType::Utf8 => array.as_string::<i32>().value(index).into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, StringArray};

    use super::*;

    #[test]
    fn a_row_is_named_by_its_key_or_by_its_place() {
        let fields: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(Int64Array::from(vec![1, -2]))),
            ("s", Arc::new(StringArray::from(vec![Some("a\"b"), None]))),
            ("b", Arc::new(BinaryArray::from(vec![&b"x"[..], b"y"]))),
        ];
        let batch = RecordBatch::try_from_iter(fields).unwrap();
        let check = |index: usize, columns: &[usize], words: &str| {
            let names = ["id", "s", "b"];
            let key: Vec<(String, usize)> =
                columns.iter().map(|at| (names[*at].to_owned(), *at)).collect();
            assert_eq!(of_batch(&batch, index, &key, 9), words);
        };
        check(1, &[0], r#"row {"id":-2}"#);
        check(0, &[0, 1], r#"row {"id":1,"s":"a\"b"}"#);
        check(1, &[1], "row 9 of the chunk");
        check(0, &[2], "row 9 of the chunk");
        check(0, &[], "row 9 of the chunk");
    }
}
