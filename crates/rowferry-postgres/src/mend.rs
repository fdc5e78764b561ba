//! Single rows put right. A literal has no type of its own, so the server gives it its column's.

use async_trait::async_trait;
use rowferry_core::{
    CanonicalType, Column, Identity, Mend, MendCell, MendWords, Mender, Result, TableRef,
};

use crate::PostgresSink;
use crate::config::Purpose;
use crate::error::failed;
use crate::sql;

struct Words;

impl MendWords for Words {
    fn quote(&self, name: &str) -> String {
        sql::quote(name)
    }

    fn literal(&self, column: &Column, value: &str) -> Result<String> {
        let Some(meaning) = &column.canonical else { return Err(Mend::no_literal(column)) };
        let detour = Detour::of(meaning, column.native.stored());
        Ok(detour.typed(&detour.text(value), ""))
    }

    fn list_literal(&self, column: &Column, elements: &[Option<String>]) -> Result<String> {
        let (Some(CanonicalType::List { element }), Some(words)) =
            (&column.canonical, column.native.stored().strip_suffix("[]"))
        else {
            return Err(Mend::no_literal(column));
        };
        let detour = Detour::of(element, words);
        let texts: Vec<Option<String>> = elements
            .iter()
            .map(|element| element.as_deref().map(|value| detour.text(value)))
            .collect();
        Ok(detour.typed(&array(&texts), "[]"))
    }

    fn before_values(&self, row: &[MendCell]) -> &'static str {
        let always = row.iter().any(|cell| cell.column.identity == Some(Identity::Always));
        if always { " overriding system value" } else { "" }
    }
}

/// The type by way of which a value is read, where its own type reads texts in several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detour {
    None,
    /// `money` expects the signs of its database's locale.
    Numeric,
    /// `"char"` takes the first byte of a text; only since version 16 has each byte a text of its own.
    Integer,
}

impl Detour {
    fn of(meaning: &CanonicalType, words: &str) -> Self {
        match (words, meaning) {
            ("money", CanonicalType::Decimal { .. }) => Self::Numeric,
            ("\"char\"", CanonicalType::Binary { .. }) => Self::Integer,
            _ => Self::None,
        }
    }

    /// A value as the type of the detour writes it.
    fn text(self, value: &str) -> String {
        let byte = || u8::from_str_radix(value.strip_prefix("\\x")?, 16).ok();
        match self {
            // Bytes count from -128.
            Self::Integer => byte().map(|byte| byte.cast_signed().to_string()),
            Self::None | Self::Numeric => None,
        }
        .unwrap_or_else(|| value.to_owned())
    }

    /// The literal of `text`, with `brackets` behind the names of types.
    fn typed(self, text: &str, brackets: &str) -> String {
        let literal = sql::literal(text);
        match self {
            Self::None => literal,
            Self::Numeric => format!("{literal}::numeric{brackets}::money{brackets}"),
            Self::Integer => format!("{literal}::integer{brackets}::\"char\"{brackets}"),
        }
    }
}

/// The server's text of an array. All elements stand in quotes, where a brace, a comma, a blank or the
/// word NULL is nothing but itself.
fn array(elements: &[Option<String>]) -> String {
    let mut text = "{".to_owned();
    for (place, element) in elements.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let Some(element) = element else {
            text.push_str("NULL");
            continue;
        };
        text.push('"');
        for letter in element.chars() {
            if matches!(letter, '"' | '\\') {
                text.push('\\');
            }
            text.push(letter);
        }
        text.push('"');
    }
    text + "}"
}

#[async_trait]
impl Mender for PostgresSink {
    fn statement(&self, table: &TableRef, mend: &Mend) -> Result<String> {
        mend.statement(&sql::table(table), &Words)
    }

    async fn apply(&self, table: &TableRef, statements: &[String]) -> Result<()> {
        let attempt = || format!("could not repair table {table}");
        let session = self.server().connector.open(Purpose::Chunk, None).await?;
        let client = &session.client;
        client.batch_execute("begin").await.map_err(failed(attempt()))?;
        for statement in statements {
            let changed = client.execute_typed(statement, &[]).await.map_err(failed(attempt()))?;
            if changed != 1 {
                client.batch_execute("rollback").await.map_err(failed(attempt()))?;
                return Err(Mend::moved(table, changed));
            }
        }
        client.batch_execute("commit").await.map_err(failed(attempt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_nothing_but_themselves() {
        let check = |elements: &[Option<&str>], expected: &str| {
            let elements: Vec<Option<String>> =
                elements.iter().map(|element| element.map(str::to_owned)).collect();
            assert_eq!(array(&elements), expected);
        };
        check(&[], "{}");
        check(&[None, Some("NULL"), Some("")], r#"{NULL,"NULL",""}"#);
        check(&[Some(r#"a"b\c,{} "#)], r#"{"a\"b\\c,{} "}"#);
    }

    #[test]
    fn bytes_of_char_are_numbers() {
        let binary = CanonicalType::Binary { bytes: Some(1), fixed: true };
        let char1 = Detour::of(&binary, "\"char\"");
        assert_eq!(char1.text("\\xc3"), "-61");
        assert_eq!(char1.typed("{65}", "[]"), "'{65}'::integer[]::\"char\"[]");
        assert_eq!(Detour::of(&binary, "bytea").typed("\\x41", ""), "'\\x41'");
    }
}
