//! The name of a row in a message: its key. Keys are the only values that messages hold.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_its_key_or_by_its_place() {
        let check = |values: Vec<(&str, Option<serde_json::Value>)>, words: &str| {
            let parts = values.into_iter().map(|(name, value)| Some((name, value?))).collect();
            assert_eq!(name(parts, 9), words);
        };
        check(vec![("id", Some((-2).into()))], r#"row {"id":-2}"#);
        check(
            vec![("id", Some(1.into())), ("s", Some("a\"b".into()))],
            r#"row {"id":1,"s":"a\"b"}"#,
        );
        check(vec![("id", Some(1.into())), ("s", None)], "row 9 of the chunk");
        check(vec![], "row 9 of the chunk");
    }
}
