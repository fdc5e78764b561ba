//! Quoting, and the SQL texts that depend on a table's shape.

use rowferry_core::{
    CanonicalType, Column, ColumnPlan, KeyColumns, KeyRange, KeyTuple, KeyValue, Literal,
    Predicate, Result, TablePlan, WriteMode,
};
use rusqlite::types::Value;

use crate::error::setup;
use crate::types::{Affinity, affinity};

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
            if declared.is_some_and(|declared| affinity(declared) == Affinity::Text) {
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

/// The statement that makes `table` in the shape of the plan.
///
/// A single integer key becomes `INTEGER PRIMARY KEY`, the rowid itself, which costs nothing. Other
/// primary keys stand in the statement too, because SQLite cannot add one later; their columns say
/// `not null`, which a primary key alone does not mean in SQLite.
pub(crate) fn create_table(table: &str, plan: &TablePlan, with_key: bool) -> String {
    let has_key = with_key && wants_key(plan);
    let rowid = (has_key && plan.key.len() == 1)
        .then(|| plan.columns.iter().find(|column| plan.key.contains(&column.target.name)))
        .flatten()
        .filter(|column| is_rowid_type(column))
        .map(|column| column.target.name.as_str());
    let mut parts: Vec<String> = plan
        .columns
        .iter()
        .map(|column| {
            let in_key = has_key && plan.key.contains(&column.target.name);
            column_definition(column, in_key, rowid == Some(column.target.name.as_str()))
        })
        .collect();
    if has_key && rowid.is_none() {
        parts.push(format!("primary key ({})", quote_list(plan.key.iter().map(String::as_str))));
    }
    format!("create table {} (\n  {}\n)", quote(table), parts.join(",\n  "))
}

/// Whether a table made for this plan gets the key as its primary key: where the source enforces
/// it, and where rows are merged by it.
pub(crate) fn wants_key(plan: &TablePlan) -> bool {
    !plan.key.is_empty() && (plan.key_enforced || plan.write == WriteMode::Upsert)
}

fn is_rowid_type(column: &ColumnPlan) -> bool {
    column
        .source
        .canonical
        .as_ref()
        .is_some_and(|canonical| canonical.is_integer() && *canonical != CanonicalType::UInt64)
        && affinity(&column.target.native.declared) == Affinity::Integer
}

fn column_definition(column: &ColumnPlan, in_key: bool, rowid: bool) -> String {
    let target = &column.target;
    let name = quote(&target.name);
    if rowid {
        return format!("{name} INTEGER PRIMARY KEY");
    }
    let mut parts = vec![name.clone(), type_name(&target.native.declared)];
    parts.extend(target.collation.iter().map(|collation| format!("collate {}", quote(collation))));
    if in_key || !target.nullable {
        parts.push("not null".to_owned());
    }
    parts.extend(target.default.iter().map(|default| format!("default ({default})")));
    if let Some(CanonicalType::Enum { labels }) = &column.source.canonical {
        let labels: Vec<String> = labels.iter().map(|label| literal(label)).collect();
        parts.push(format!("check ({name} in ({}))", labels.join(", ")));
    }
    parts.join(" ")
}

/// A declared type as DDL says it. What is more than words, digits and brackets is quoted whole.
fn type_name(declared: &str) -> String {
    let plain = declared
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '(' | ')' | ',' | '+' | '-'));
    let balanced = declared.matches('(').count() <= 1
        && declared.matches('(').count() == declared.matches(')').count();
    if plain && balanced { declared.to_owned() } else { quote(declared) }
}

/// The statement of an existing table, for a new name: everything behind the old name stays, so
/// constraints, collations, defaults and `without rowid` survive. `None` when it is not understood.
pub(crate) fn recreate_as(statement: &str, name: &str) -> Option<String> {
    let rest = statement.get(..12).filter(|word| word.eq_ignore_ascii_case("create table"))?;
    let rest = statement.strip_prefix(rest)?.trim_start();
    let end = match rest.chars().next()? {
        open @ ('"' | '`' | '\'') => quoted_end(rest, open)?,
        '[' => rest.find(']')? + 1,
        _ => rest.find(|c: char| c == '(' || c.is_ascii_whitespace())?,
    };
    let body = rest.get(end..)?.trim_start();
    body.starts_with('(').then(|| format!("create table {} {body}", quote(name)))
}

/// Byte behind the closing quote; a doubled quote is part of the name.
fn quoted_end(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        if character == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return Some(index + quote.len_utf8());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rowferry_core::{KeyColumn, NativeType};

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

    #[test]
    fn a_statement_takes_a_new_name() {
        let check = |statement: &str, expected: &str| {
            assert_eq!(recreate_as(statement, "s").as_deref(), Some(expected), "{statement}");
        };
        check("CREATE TABLE t(a int) STRICT", "create table \"s\" (a int) STRICT");
        check("CREATE TABLE \"a \"\"(\" (a)", "create table \"s\" (a)");
        check("CREATE TABLE [a b](a)", "create table \"s\" (a)");
        check("CREATE TABLE ä(a)", "create table \"s\" (a)");
        assert_eq!(recreate_as("CREATE TABLE t AS select 1", "s"), None);
        assert_eq!(recreate_as("CREATE VIRTUAL TABLE t using x", "s"), None);
    }
}
