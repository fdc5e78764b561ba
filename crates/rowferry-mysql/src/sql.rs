//! Identifier quoting and the literals of key bounds and filters.

use std::fmt::Write as _;

use rowferry_core::{
    CanonicalType, Column, KeyColumns, KeyRange, KeyTuple, KeyValue, Literal, Predicate, TableRef,
};

/// A quoted identifier. A backslash is not an escape here.
pub(crate) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A quoted table with its database.
pub(crate) fn table(table: &TableRef) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
        None => quote(&table.name),
    }
}

/// Quoted names, separated by commas.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

/// A string literal in utf8mb4, for sessions without `NO_BACKSLASH_ESCAPES`, as all of ours are. With it
/// the text would be another one, and still a single literal: quotes are doubled.
pub(crate) fn text(value: &str) -> String {
    format!("'{}'", inside_quotes(value))
}

/// A text as it stands between single quotes.
pub(crate) fn inside_quotes(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "''").replace('\0', "\\0")
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

/// One component of a bound as a literal of its column's type, so that the server compares it
/// without converting the column.
fn bound(value: &KeyValue, declared: &str) -> String {
    match value {
        KeyValue::Int(value) => value.to_string(),
        KeyValue::Bytes(bytes) => format!("x'{}'", hex(bytes)),
        KeyValue::Text(value) => {
            let literal = text(value);
            match base_word(declared).as_str() {
                // A quoted number would be compared as a double.
                "decimal" | "numeric" if is_number(value) => value.clone(),
                "date" => format!("cast({literal} as date)"),
                "datetime" | "timestamp" => format!("cast({literal} as datetime(6))"),
                "time" => format!("cast({literal} as time(6))"),
                _ => literal,
            }
        }
    }
}

fn is_number(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

/// First word of a type: `decimal` of `decimal(10,2) unsigned`.
pub(crate) fn base_word(declared: &str) -> String {
    declared
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// The condition of a range; `None` = all rows.
pub(crate) fn range(range: &KeyRange) -> Option<String> {
    match range {
        KeyRange::Whole | KeyRange::Blocks { .. } => None,
        KeyRange::Span { key, lower, upper } => span(key, lower.as_ref(), upper.as_ref()),
        KeyRange::NullKeys { key } => {
            let nulls: Vec<String> = key
                .0
                .iter()
                .filter(|column| column.nullable)
                .map(|column| format!("{} is null", quote(&column.name)))
                .collect();
            Some(if nulls.is_empty() { "false".to_owned() } else { nulls.join(" or ") })
        }
    }
}

/// `lower < key <= upper` and no nullable key column null; `None` = all rows.
pub(crate) fn span(
    key: &KeyColumns,
    lower: Option<&KeyTuple>,
    upper: Option<&KeyTuple>,
) -> Option<String> {
    let mut conditions: Vec<String> = key
        .0
        .iter()
        .filter(|column| column.nullable)
        .map(|column| format!("{} is not null", quote(&column.name)))
        .collect();
    if let Some(lower) = lower {
        conditions.push(beyond(key, lower, ">", ">"));
    }
    if let Some(upper) = upper {
        conditions.push(beyond(key, upper, "<", "<="));
    }
    (!conditions.is_empty()).then(|| conditions.join(" and "))
}

/// A comparison of the whole key with a bound. Row constructors are not used for ranges by either
/// fork, so it is spelled out, with a redundant bound on the leading column that is.
fn beyond(key: &KeyColumns, at: &KeyTuple, strict: &str, last: &str) -> String {
    let parts: Vec<(String, String)> = key
        .0
        .iter()
        .zip(&at.0)
        .map(|(column, value)| (quote(&column.name), bound(value, &column.native.declared)))
        .collect();
    if let [(name, value)] = parts.as_slice() {
        return format!("{name} {last} {value}");
    }
    let mut branches = Vec::new();
    for (index, (name, value)) in parts.iter().enumerate() {
        let mut terms: Vec<String> =
            parts.iter().take(index).map(|(name, value)| format!("{name} = {value}")).collect();
        let word = if index + 1 == parts.len() { last } else { strict };
        terms.push(format!("{name} {word} {value}"));
        branches.push(format!("({})", terms.join(" and ")));
    }
    let leading = parts
        .first()
        .map(|(name, value)| format!("{name} {strict}= {value} and "))
        .unwrap_or_default();
    format!("({leading}({}))", branches.join(" or "))
}

/// A filter. Text is compared under the column's own rules.
pub(crate) fn predicate(predicate: &Predicate, columns: &[Column]) -> String {
    let column = columns.iter().find(|column| column.name == predicate.column);
    let numeric = column.and_then(|column| column.canonical.as_ref()).is_some_and(|canonical| {
        canonical.is_integer()
            || matches!(canonical, CanonicalType::Decimal { .. } | CanonicalType::Bits { .. })
    });
    let literal = match &predicate.literal {
        Literal::Number(number) => number.clone(),
        Literal::Text(value) if numeric && value.parse::<f64>().is_ok() => value.clone(),
        Literal::Text(value) => text(value),
        Literal::Boolean(value) => u8::from(*value).to_string(),
    };
    format!("{} {} {literal}", quote(&predicate.column), predicate.comparison.sql())
}

#[cfg(test)]
mod tests {
    use rowferry_core::{KeyColumn, NativeType};

    use rowferry_testkit::{EVIL_NAMES, read_back};

    use super::*;

    fn key(names: &[(&str, &str, bool)]) -> KeyColumns {
        KeyColumns(
            names
                .iter()
                .map(|(name, declared, nullable)| KeyColumn {
                    name: (*name).to_owned(),
                    native: NativeType::new("mysql", (*declared).to_owned()),
                    nullable: *nullable,
                    integer: false,
                    collation: None,
                })
                .collect(),
        )
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(quote("a`b"), "`a``b`");
        assert_eq!(text("o'\\"), "'o''\\\\'");
    }

    /// Texts with the signs that quoting is about, and any others.
    fn texts(count: usize) -> Vec<String> {
        use proptest::prelude::*;
        use proptest::strategy::ValueTree as _;
        let sign = prop_oneof![
            proptest::sample::select("'\"`\\;-/*$%?{}\n\t \u{1a}".chars().collect::<Vec<_>>()),
            // The client makes one line end of CR and LF.
            any::<char>().prop_filter("does not get there", |sign| !"\0\r".contains(*sign)),
        ];
        let text = proptest::collection::vec(sign, 0..12).prop_map(String::from_iter);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        (0..count).map(|_| text.new_tree(&mut runner).unwrap().current()).collect()
    }

    #[test]
    fn the_servers_read_back_what_was_quoted() {
        let texts = texts(400);
        for server in [rowferry_testkit::mariadb(), rowferry_testkit::mysql()] {
            let Some(server) = server else { continue };
            let database = server.database("quoting");
            let values: Vec<String> = texts
                .iter()
                .enumerate()
                .map(|(at, value)| format!("select {at} n, {} v", text(value)))
                .collect();
            let all =
                format!("select lower(hex(v)) from ({}) t order by n", values.join(" union all "));
            let query = |modes: &str| database.query(&format!("set sql_mode = '{modes}'; {all}"));
            let hexes = |change: fn(&str) -> String| -> Vec<String> {
                texts.iter().map(|value| hex(change(value).as_bytes())).collect()
            };
            assert_eq!(query("STRICT_ALL_TABLES,ANSI_QUOTES"), hexes(str::to_owned));
            let doubled = hexes(|value| value.replace('\\', "\\\\"));
            assert_eq!(query("NO_BACKSLASH_ESCAPES"), doubled);

            // Names have no signs beyond the basic plane, and no blank at their end.
            let name = |(at, value): (usize, &String)| {
                let value: String = value.chars().filter(|sign| *sign <= '\u{FFFF}').collect();
                format!("{at}{value}.")
            };
            let names: Vec<String> = texts.iter().enumerate().map(name).collect();
            let columns: Vec<String> =
                names.iter().map(|name| format!("{} integer", quote(name))).collect();
            database.exec(&format!(
                "set sql_mode = 'ANSI_QUOTES'; create table t ({})",
                columns.join(", ")
            ));
            let found = database.query(
                "select lower(hex(column_name)) from information_schema.columns \
                 where table_schema = database() and table_name = 't' order by ordinal_position",
            );
            assert_eq!(found, names.iter().map(|name| hex(name.as_bytes())).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_composite_bound_is_spelled_out() {
        let key = key(&[("a", "int(11)", false), ("b", "varchar(10)", true)]);
        let lower = KeyTuple(vec![KeyValue::Int(5), KeyValue::Text("x".to_owned())]);
        assert_eq!(
            span(&key, Some(&lower), None).unwrap_or_default(),
            "`b` is not null and (`a` >= 5 and ((`a` > 5) or (`a` = 5 and `b` > 'x')))"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_quoted_name_is_one_name_whatever_stands_in_it(name in EVIL_NAMES) {
            proptest::prop_assert_eq!(read_back(&quote(&name), '`'), Some(name));
        }

        #[test]
        fn a_literal_is_one_text_whatever_stands_in_it(value in EVIL_NAMES) {
            let written = text(&value);
            let mut rest = written.strip_prefix('\'').unwrap().chars();
            let mut read = String::new();
            // A backslash takes away what the next character means to the server, and two quotes are one.
            while let Some(c) = rest.next() {
                match c {
                    '\'' if rest.as_str().starts_with('\'') => read.extend(rest.next()),
                    '\'' => break,
                    '\\' => read.push(rest.next().map_or('?', |c| if c == '0' { '\0' } else { c })),
                    c => read.push(c),
                }
            }
            proptest::prop_assert_eq!((read.as_str(), rest.as_str()), (value.as_str(), ""));
        }
    }
}
