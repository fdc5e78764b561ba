//! Names, literals and every statement over a user's table.
//!
//! Names go through [`quote`], values through [`literal`]; nothing else puts text into SQL.
//! Columns of the table being read are always written `t.name`: a bare name in `order by` would
//! mean the *output* column of that name, which is the key's text and sorts differently.

use rowferry_core::{
    CanonicalType, Chunk, Column, KeyColumn, KeyColumns, KeyRange, KeyTuple, KeyValue, Literal,
    Predicate, ReadSpec, Result, TableRef,
};

use crate::row::Row;
use crate::ways::selected;

/// Longest identifier in bytes; PostgreSQL cuts longer ones with only a notice.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// A quoted identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name as the server's own `quote_ident` and `format_type` write it, but for keywords, which
/// they quote and this does not.
pub(crate) fn quote_if_needed(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { quote(name) }
}

/// A quoted string; every session has `standard_conforming_strings` on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A quoted table.
pub(crate) fn table(table: &TableRef) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
        None => quote(&table.name),
    }
}

/// Quoted names with commas between them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

/// `name` with `suffix`, cut on a character boundary so that both fit an identifier.
pub(crate) fn with_suffix(name: &str, suffix: &str) -> String {
    let cut = |text: &str, bytes| {
        text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().to_owned()
    };
    let suffix = cut(suffix, NAME_BYTES_MAX);
    cut(name, NAME_BYTES_MAX - suffix.len()) + &suffix
}

/// The read of a chunk as one COPY.
pub(crate) fn copy_out(chunk: &Chunk, spec: &ReadSpec) -> String {
    let columns: Vec<String> =
        spec.columns.iter().map(|column| selected(column, spec.wire.is_some())).collect();
    format!("copy ({}) to stdout (format binary)", select(chunk, spec, &columns))
}

/// The rows of a chunk as a query for these expressions.
pub(crate) fn select(chunk: &Chunk, spec: &ReadSpec, columns: &[String]) -> String {
    let mut conditions = range_conditions(&chunk.range);
    if let Some(filter) = &spec.predicate {
        conditions.push(predicate(filter, &spec.columns));
    }
    let order = match &chunk.range {
        KeyRange::Span { key, .. } if spec.ordered => order_by(key, ""),
        KeyRange::Span { .. }
        | KeyRange::Whole
        | KeyRange::NullKeys { .. }
        | KeyRange::Blocks { .. } => String::new(),
    };
    format!(
        "select {} from {} as t{}{order}",
        columns.join(", "),
        table(&chunk.table),
        where_clause(&conditions),
    )
}

/// The greatest key of a span, with the filter left out of account.
pub(crate) fn last_key(from: &TableRef, range: &KeyRange) -> Option<String> {
    let KeyRange::Span { key, upper: None, .. } = range else { return None };
    Some(format!(
        "select {} from {} as t{}{} limit 1",
        key_texts(key),
        table(from),
        where_clause(&range_conditions(range)),
        order_by(key, " desc"),
    ))
}

/// The `rows`-th key behind `after`, up to `upto`.
pub(crate) fn nth_key(
    from: &TableRef,
    key: &KeyColumns,
    after: Option<&KeyTuple>,
    upto: Option<&KeyTuple>,
    rows: u64,
) -> String {
    format!(
        "select {} from {} as t{}{} limit 1 offset {}",
        key_texts(key),
        table(from),
        where_clause(&span_conditions(key, after, upto)),
        order_by(key, ""),
        rows.saturating_sub(1),
    )
}

/// Key columns as the server's exact text.
fn key_texts(key: &KeyColumns) -> String {
    let texts: Vec<String> =
        key.0.iter().map(|column| format!("t.{}::text", quote(&column.name))).collect();
    texts.join(", ")
}

fn order_by(key: &KeyColumns, direction: &str) -> String {
    let columns: Vec<String> =
        key.0.iter().map(|column| format!("t.{}{direction}", quote(&column.name))).collect();
    format!(" order by {}", columns.join(", "))
}

fn where_clause(conditions: &[String]) -> String {
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" where {}", conditions.join(" and "))
    }
}

fn range_conditions(range: &KeyRange) -> Vec<String> {
    match range {
        KeyRange::Whole => Vec::new(),
        KeyRange::Span { key, lower, upper } => {
            span_conditions(key, lower.as_ref(), upper.as_ref())
        }
        KeyRange::NullKeys { key } => {
            let nulls: Vec<String> = key
                .0
                .iter()
                .filter(|column| column.nullable)
                .map(|column| format!("t.{} is null", quote(&column.name)))
                .collect();
            // A key without nullable columns has no rows of this kind.
            vec![if nulls.is_empty() {
                "false".to_owned()
            } else {
                format!("({})", nulls.join(" or "))
            }]
        }
        KeyRange::Blocks { from, to } => {
            let mut conditions = vec![format!("t.ctid >= '({from},0)'::pg_catalog.tid")];
            if let Some(to) = to {
                conditions.push(format!("t.ctid < '({to},0)'::pg_catalog.tid"));
            }
            conditions
        }
    }
}

/// `lower < key <= upper`, and nothing that is null: a row comparison with a null is unknown for
/// some bounds and true for others, so without this a row could be met twice or not at all.
fn span_conditions(
    key: &KeyColumns,
    lower: Option<&KeyTuple>,
    upper: Option<&KeyTuple>,
) -> Vec<String> {
    let mut conditions: Vec<String> = key
        .0
        .iter()
        .filter(|column| column.nullable)
        .map(|column| format!("t.{} is not null", quote(&column.name)))
        .collect();
    if let Some(lower) = lower {
        conditions.push(compare(key, ">", lower));
    }
    if let Some(upper) = upper {
        conditions.push(compare(key, "<=", upper));
    }
    conditions
}

fn compare(key: &KeyColumns, operator: &str, bound: &KeyTuple) -> String {
    let columns: Vec<String> =
        key.0.iter().map(|column| format!("t.{}", quote(&column.name))).collect();
    let values: Vec<String> =
        key.0.iter().zip(&bound.0).map(|(column, value)| key_literal(column, value)).collect();
    if columns.len() == 1 {
        format!("{} {operator} {}", columns.join(""), values.join(""))
    } else {
        format!("({}) {operator} ({})", columns.join(", "), values.join(", "))
    }
}

fn key_literal(column: &KeyColumn, value: &KeyValue) -> String {
    match value {
        // Without a cast to the column's type: a computed bound may lie outside it, and the server
        // compares integers of different width by the same index.
        KeyValue::Int(value) if column.native.declared == "oid" => {
            format!("'{}'::oid", (*value).clamp(0, u32::MAX.into()))
        }
        KeyValue::Int(value) => {
            format!("'{}'::int8", (*value).clamp(i64::MIN.into(), i64::MAX.into()))
        }
        KeyValue::Text(text) => format!("{}::{}", literal(text), column.native.declared),
        KeyValue::Bytes(bytes) => {
            let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            format!("'\\x{hex}'::bytea")
        }
    }
}

/// A text literal is left untyped, so that the server gives it the column's type without cutting it
/// to the column's length or scale. A number is quoted only against a column of characters.
fn predicate(filter: &Predicate, columns: &[Column]) -> String {
    let value = match &filter.literal {
        Literal::Text(text) => literal(text),
        Literal::Boolean(value) => value.to_string(),
        Literal::Number(number) => {
            let characters = columns
                .iter()
                .find(|column| column.name == filter.column)
                .and_then(|column| column.canonical.as_ref())
                .is_some_and(|canonical| {
                    matches!(canonical, CanonicalType::Text { .. } | CanonicalType::Enum { .. })
                });
            if characters { literal(number) } else { number.clone() }
        }
    };
    format!("t.{} {} {value}", quote(&filter.column), filter.comparison.sql())
}

/// Reads one key out of a row of [`key_texts`]; `None` where a part of it is NULL.
pub(crate) fn key_tuple(key: &KeyColumns, row: &Row) -> Result<Option<KeyTuple>> {
    let values: Result<Option<Vec<KeyValue>>> = key
        .0
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let text: Option<String> = row.get(index)?;
            Ok(match text {
                Some(text) if column.integer => text.parse().ok().map(KeyValue::Int),
                text => text.map(KeyValue::Text),
            })
        })
        .collect();
    Ok(values?.map(KeyTuple))
}

#[cfg(test)]
mod tests {
    use rowferry_core::{ChunkNo, NativeType};

    use rowferry_testkit::{EVIL_NAMES, read_back};

    use super::*;

    fn key(columns: &[(&str, &str, bool)]) -> KeyColumns {
        let column = |(name, declared, nullable): &(&str, &str, bool)| KeyColumn {
            name: (*name).to_owned(),
            native: NativeType::new("postgres", (*declared).to_owned()),
            nullable: *nullable,
            integer: *declared == "integer",
            collation: None,
        };
        KeyColumns(columns.iter().map(column).collect())
    }

    #[test]
    fn composite_bounds_are_one_row_comparison() {
        let key = key(&[("a", "integer", false), ("b", "text", true)]);
        let lower = KeyTuple(vec![KeyValue::Int(7), KeyValue::Text("it's".into())]);
        assert_eq!(
            range_conditions(&KeyRange::Span { key, lower: Some(lower), upper: None }),
            ["t.\"b\" is not null", "(t.\"a\", t.\"b\") > ('7'::int8, 'it''s'::text)"]
        );
    }

    #[test]
    fn null_keys_and_blocks() {
        let nulls = key(&[("a", "integer", true), ("b", "text", true)]);
        assert_eq!(
            range_conditions(&KeyRange::NullKeys { key: nulls }),
            ["(t.\"a\" is null or t.\"b\" is null)"]
        );
        assert_eq!(
            range_conditions(&KeyRange::Blocks { from: 3, to: None }),
            ["t.ctid >= '(3,0)'::pg_catalog.tid"]
        );
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let chunk = Chunk {
            no: ChunkNo(1),
            table: TableRef::new("s", "t\"; drop table x; --"),
            range: KeyRange::Whole,
            rows_estimated: None,
        };
        let spec = ReadSpec {
            columns: Vec::new(),
            predicate: None,
            wire: None,
            batch_bytes: 1,
            batch_rows: 1,
            ordered: false,
        };
        assert!(copy_out(&chunk, &spec).contains("\"s\".\"t\"\"; drop table x; --\""));
    }

    /// Texts with the signs that quoting is about, and any others.
    fn texts(count: usize) -> Vec<String> {
        use proptest::prelude::*;
        use proptest::strategy::ValueTree as _;
        let sign = prop_oneof![
            proptest::sample::select("'\"`\\;-/*$%?{}\n\t\r \u{1a}".chars().collect::<Vec<_>>()),
            any::<char>().prop_filter("no server takes it", |sign| *sign != '\0'),
        ];
        let text = proptest::collection::vec(sign, 0..12).prop_map(String::from_iter);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        (0..count).map(|_| text.new_tree(&mut runner).unwrap().current()).collect()
    }

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }

    #[test]
    fn the_server_reads_back_what_was_quoted() {
        let Some(server) = rowferry_testkit::postgres() else { return };
        let database = server.database("quoting");
        let texts = texts(400);
        let values: Vec<String> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| format!("({at}, {})", literal(text)))
            .collect();
        let query = "select encode(convert_to(v, 'UTF8'), 'hex') from (values";
        let found = database.query(&format!("{query} {}) t(n, v) order by n", values.join(", ")));
        assert_eq!(found, texts.iter().map(|text| hex(text)).collect::<Vec<_>>());

        let names: Vec<String> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| with_suffix(&format!("{at}{text}"), ""))
            .collect();
        let columns: Vec<String> =
            names.iter().map(|name| format!("{} integer", quote(name))).collect();
        database.exec(&format!("create table t ({})", columns.join(", ")));
        let found = database.query(
            "select encode(convert_to(attname::text, 'UTF8'), 'hex') from pg_attribute \
             where attrelid = 't'::regclass and attnum > 0 order by attnum",
        );
        assert_eq!(found, names.iter().map(|name| hex(name)).collect::<Vec<_>>());
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = "ä".repeat(40);
        let cut = with_suffix(&name, "_rowferry_old");
        assert!(cut.len() <= NAME_BYTES_MAX && cut.ends_with("ä_rowferry_old"));
        assert_eq!(with_suffix("t", &"ä".repeat(40)), "t".to_owned() + &"ä".repeat(31));
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
