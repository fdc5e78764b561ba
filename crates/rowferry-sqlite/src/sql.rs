//! Quoting, and the SQL texts that depend on a table's shape.

use rowferry_core::{Column, KeyColumns, KeyRange, KeyTuple, KeyValue, Literal, Predicate, Result};
use rusqlite::types::Value;

use crate::affinity::Affinity;
use crate::error::setup;

/// An identifier, quoted.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Identifiers, quoted and separated by commas.
pub(crate) fn quote_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

/// A string literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A statement with the values of its parameters in order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) parameters: Vec<Value>,
}

impl Query {
    fn push(&mut self, parts: &[&str]) {
        self.text.extend(parts.iter().copied());
    }

    fn parameter(&mut self, value: Value) {
        self.parameters.push(value);
        self.text.push('?');
    }
}

/// `select columns from table where range and predicate`.
pub(crate) fn select_range(
    table: &str,
    columns: &[Column],
    range: &KeyRange,
    predicate: Option<&Predicate>,
    ordered: bool,
) -> Result<Query> {
    let names: Vec<String> = columns.iter().map(|column| own(&column.name)).collect();
    let text = format!("select {} from {} as t", names.join(", "), quote(table));
    let mut query = Query { text, parameters: Vec::new() };
    let mut has_where = false;
    match range {
        KeyRange::Whole => {}
        KeyRange::Span { key, lower, upper } => {
            has_where = push_span(&mut query, key, lower.as_ref(), upper.as_ref());
        }
        KeyRange::NullKeys { key } => {
            let nulls: Vec<String> =
                key.0.iter().map(|column| format!("{} is null", own(&column.name))).collect();
            query.push(&[" where (", &nulls.join(" or "), ")"]);
            has_where = true;
        }
        KeyRange::Blocks { .. } => {
            return Err(setup("no-blocks", "SQLite tables are not read by blocks"));
        }
    }
    if let Some(predicate) = predicate {
        query.text.push_str(if has_where { " and " } else { " where " });
        push_predicate(&mut query, predicate, columns)?;
    }
    if let (true, KeyRange::Span { key, .. }) = (ordered, range) {
        query.text.push_str(&order_by(key, ""));
    }
    Ok(query)
}

/// The `rows`-th key behind `after`, not beyond `upto`, in key order.
pub(crate) fn nth_key(
    table: &str,
    key: &KeyColumns,
    after: Option<&KeyTuple>,
    upto: Option<&KeyTuple>,
    rows: u64,
) -> Query {
    let mut query = select_key(table, key);
    push_span(&mut query, key, after, upto);
    let offset = i64::try_from(rows.saturating_sub(1)).unwrap_or(i64::MAX);
    query.text.push_str(&order_by(key, ""));
    query.text.push_str(" limit 1 offset ");
    query.parameter(Value::Integer(offset));
    query
}

/// The greatest key behind `lower`.
pub(crate) fn last_key(table: &str, key: &KeyColumns, lower: Option<&KeyTuple>) -> Query {
    let mut query = select_key(table, key);
    push_span(&mut query, key, lower, None);
    query.text.push_str(&order_by(key, " desc"));
    query.text.push_str(" limit 1");
    query
}

fn select_key(table: &str, key: &KeyColumns) -> Query {
    let names: Vec<String> = key.0.iter().map(|column| own(&column.name)).collect();
    let text = format!("select {} from {} as t", names.join(", "), quote(table));
    Query { text, parameters: Vec::new() }
}

/// A column of the table that is read. Qualified, because a bare name in double quotes that no
/// longer exists could be taken for a string.
fn own(name: &str) -> String {
    format!("t.{}", quote(name))
}

fn order_by(key: &KeyColumns, direction: &str) -> String {
    let names: Vec<String> =
        key.0.iter().map(|column| format!("{}{direction}", own(&column.name))).collect();
    format!(" order by {}", names.join(", "))
}

/// Appends ` where …` for a span; `false` when it has no bound at all.
fn push_span(
    query: &mut Query,
    key: &KeyColumns,
    lower: Option<&KeyTuple>,
    upper: Option<&KeyTuple>,
) -> bool {
    let mut word = " where ";
    for (bound, operator) in [(lower, ">"), (upper, "<=")] {
        let Some(bound) = bound else { continue };
        let names: Vec<String> = key.0.iter().map(|column| own(&column.name)).collect();
        query.text.push_str(word);
        query.push(&["(", &names.join(", "), ") ", operator, " ("]);
        for (index, value) in bound.0.iter().enumerate() {
            if index > 0 {
                query.text.push_str(", ");
            }
            query.parameter(key_value(value));
        }
        query.text.push(')');
        word = " and ";
    }
    // A comparison with a null is unknown, but (5, null) > (1, 2) is true: those rows belong to
    // the chunk of null keys alone.
    for column in key.0.iter().filter(|column| column.nullable) {
        query.push(&[word, &own(&column.name), " is not null"]);
        word = " and ";
    }
    word == " and "
}

/// A boundary in its own storage class. Computed integer bounds beyond 64 bits stand for the end
/// of the line.
fn key_value(value: &KeyValue) -> Value {
    match value {
        KeyValue::Int(number) => Value::Integer(i64::try_from(*number).unwrap_or(if *number < 0 {
            i64::MIN
        } else {
            i64::MAX
        })),
        KeyValue::Text(text) => Value::Text(text.clone()),
        KeyValue::Bytes(bytes) => Value::Blob(bytes.clone()),
    }
}

fn push_predicate(query: &mut Query, predicate: &Predicate, columns: &[Column]) -> Result<()> {
    let declared = columns
        .iter()
        .find(|column| column.name == predicate.column)
        .map(|column| column.native.declared.as_str());
    let value = match &predicate.literal {
        Literal::Text(text) => Value::Text(text.clone()),
        Literal::Boolean(value) => Value::Integer(i64::from(*value)),
        Literal::Number(number) => {
            // Against a text column SQLite would compare digits as characters: '9' > '10'.
            if declared.is_some_and(|declared| Affinity::of(declared) == Affinity::Text) {
                return Err(setup(
                    "filter-type",
                    format!("a number cannot be compared with text column {:?}", predicate.column),
                )
                .with_next("Put the value between quotes to compare it as text."));
            }
            number_value(number)
        }
    };
    query.push(&[&own(&predicate.column), " ", predicate.comparison.sql(), " "]);
    query.parameter(value);
    Ok(())
}

fn number_value(number: &str) -> Value {
    match (number.parse::<i64>(), number.parse::<f64>()) {
        (Ok(number), _) => Value::Integer(number),
        (Err(_), Ok(number)) => Value::Real(number),
        (Err(_), Err(_)) => Value::Text(number.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rowferry_core::{KeyColumn, NativeType};
    use rowferry_testkit::{EVIL_NAMES, read_back};

    use super::*;

    fn key(names: &[(&str, bool)]) -> KeyColumns {
        let column = |(name, nullable): &(&str, bool)| KeyColumn {
            name: (*name).to_owned(),
            native: NativeType::new("sqlite", "TEXT"),
            nullable: *nullable,
            integer: false,
            collation: None,
        };
        KeyColumns(names.iter().map(column).collect())
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
    }

    proptest::proptest! {
        /// SQLite itself reads back what was quoted.
        #[test]
        fn what_is_quoted_is_read_back(
            name in "[^\\x00]{1,20}|['\"`;\\[\\]\\n-]{1,9}",
            value in "[^\\x00]{0,20}|['\"`;\\\\%\\n-]{0,9}",
        ) {
            // Some names are SQLite's own.
            proptest::prop_assume!(!name.to_lowercase().starts_with("sqlite_"));
            let connection = rusqlite::Connection::open_in_memory().unwrap();
            let (column, text) = (quote(&name), literal(&value));
            let make = format!("create table {column} ({column} text); insert into {column} values ({text})");
            connection.execute_batch(&make).unwrap();
            let query = format!("select {column} from {column}");
            let found: String = connection.query_row(&query, [], |row| row.get(0)).unwrap();
            proptest::prop_assert_eq!(found, value);
            let query = "select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c";
            let names: (String, String) =
                connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            proptest::prop_assert_eq!(names, (name.clone(), name));
        }
    }

    #[test]
    fn spans_say_not_null() {
        let bound = KeyTuple(vec![KeyValue::Int(1), KeyValue::Text("x".into())]);
        let query = nth_key("t", &key(&[("a", false), ("b", true)]), Some(&bound), None, 3);
        assert_eq!(
            query.text,
            "select t.\"a\", t.\"b\" from \"t\" as t where (t.\"a\", t.\"b\") > (?, ?) and \
             t.\"b\" is not null order by t.\"a\", t.\"b\" limit 1 offset ?"
        );
        assert_eq!(query.parameters.last(), Some(&Value::Integer(2)));
    }

    proptest::proptest! {
        #[test]
        fn a_quoted_name_is_one_name_whatever_stands_in_it(name in EVIL_NAMES) {
            proptest::prop_assert_eq!(read_back(&quote(&name), '"'), Some(name));
        }

        #[test]
        fn a_literal_is_one_text_whatever_stands_in_it(text in EVIL_NAMES) {
            proptest::prop_assert_eq!(read_back(&literal(&text), '\''), Some(text));
        }
    }
}
