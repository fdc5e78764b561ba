//! Statements with their values: `$1` as a literal, `'$1'` as the inside of one, `__values__` as rows.
//!
//! In a batch `'$1'` holds the values of all rows with the unit separator between them, for the
//! statement to take apart again by `__sep__`; so neither NULL nor that separator can be among them.

use std::fmt::Write as _;

use rowferry_core::ScriptWords;

use crate::error::EvaluateError;
use crate::statement::Statement;
use crate::value::Value;

/// Unit separator, ASCII 31.
const SEPARATOR: char = '\u{1f}';

/// A part of a statement's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    /// `$1`, counted from 0.
    Bare(usize),
    /// `'$1'`.
    Quoted(usize),
    Separator,
    Values,
}

/// The greatest number of a placeholder in `query`, and whether `__values__` stands there.
pub fn placeholders(query: &str) -> (usize, bool) {
    let parts = parts(query);
    let numbers = parts.iter().filter_map(|part| match part {
        Part::Bare(index) | Part::Quoted(index) => Some(index + 1),
        Part::Text(_) | Part::Separator | Part::Values => None,
    });
    (numbers.max().unwrap_or(0), parts.contains(&Part::Values))
}

fn parts(query: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = query;
    while let Some((at, length, part)) = next_token(rest) {
        let (before, after) = rest.split_at(at);
        parts.push(Part::Text(before));
        parts.push(part);
        rest = after.get(length..).unwrap_or_default();
    }
    parts.push(Part::Text(rest));
    parts
}

/// The first token of a text, where it starts and how long it is.
fn next_token(text: &str) -> Option<(usize, usize, Part<'static>)> {
    let of_word = |word: &str, part| text.find(word).map(|at| (at, word.len(), part));
    let words = [of_word("__sep__", Part::Separator), of_word("__values__", Part::Values)];
    words.into_iter().chain([placeholder(text)]).flatten().min_by_key(|(at, ..)| *at)
}

fn placeholder(text: &str) -> Option<(usize, usize, Part<'static>)> {
    for (at, _) in text.match_indices('$') {
        let digits: String = text
            .get(at + 1..)
            .unwrap_or_default()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let Some(index) = digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1))
        else {
            continue;
        };
        let end = at + 1 + digits.len();
        let is_quoted = text.get(..at).is_some_and(|before| before.ends_with('\''))
            && text.get(end..).is_some_and(|after| after.starts_with('\''));
        return Some(if is_quoted {
            (at - 1, end + 2 - at, Part::Quoted(index))
        } else {
            (at, end - at, Part::Bare(index))
        });
    }
    None
}

impl Statement {
    /// The text of the statement with these rows of values; outside a batch there is one.
    ///
    /// # Errors
    ///
    /// A value that has no form where it should stand.
    pub fn fill(
        &self,
        rows: &[Vec<Value>],
        words: &dyn ScriptWords,
    ) -> Result<String, EvaluateError> {
        // `$1` of a function's body is none of ours.
        if self.arguments.is_empty() {
            return Ok(self.query.replace("__sep__", words.separator()));
        }
        let mut filled = String::new();
        for part in parts(&self.query) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Separator => filled.push_str(words.separator()),
                Part::Bare(index) => list(&mut filled, column(rows, index), words)?,
                Part::Quoted(index) => {
                    quoted(&mut filled, column(rows, index), self.batch.is_some(), words)?;
                }
                Part::Values => values(&mut filled, rows, words)?,
            }
        }
        Ok(filled)
    }
}

fn column(rows: &[Vec<Value>], index: usize) -> impl Iterator<Item = &Value> {
    rows.iter().filter_map(move |row| row.get(index))
}

fn values(
    filled: &mut String,
    rows: &[Vec<Value>],
    words: &dyn ScriptWords,
) -> Result<(), EvaluateError> {
    filled.push_str("values ");
    for (index, row) in rows.iter().enumerate() {
        filled.push_str(if index > 0 { ", (" } else { "(" });
        list(filled, row.iter(), words)?;
        filled.push(')');
    }
    Ok(())
}

fn list<'a>(
    filled: &mut String,
    values: impl Iterator<Item = &'a Value>,
    words: &dyn ScriptWords,
) -> Result<(), EvaluateError> {
    for (index, value) in values.enumerate() {
        if index > 0 {
            filled.push_str(", ");
        }
        let written = match value {
            Value::Null => write!(filled, "null"),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => write!(filled, "{value}"),
            Value::Text(text) => write!(filled, "'{}'", words.inside_quotes(text)),
            Value::List(_) | Value::Row(_) => return Err(no_form(value)),
        };
        // Writing into a String cannot fail.
        written.unwrap_or_default();
    }
    Ok(())
}

fn quoted<'a>(
    filled: &mut String,
    values: impl Iterator<Item = &'a Value>,
    is_batch: bool,
    words: &dyn ScriptWords,
) -> Result<(), EvaluateError> {
    filled.push('\'');
    for (index, value) in values.enumerate() {
        if index > 0 {
            filled.push(SEPARATOR);
        }
        match value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => filled.push_str(&value.to_string()),
            Value::Text(text) if is_batch && text.contains(SEPARATOR) => {
                return Err(EvaluateError::new(
                    "a text holds the separator of batches; take __values__ instead",
                ));
            }
            Value::Text(text) => filled.push_str(&words.inside_quotes(text)),
            Value::Null => {
                return Err(EvaluateError::new(
                    "NULL cannot stand in quotes; take __values__, or a placeholder without them",
                ));
            }
            Value::List(_) | Value::Row(_) => return Err(no_form(value)),
        }
    }
    filled.push('\'');
    Ok(())
}

fn no_form(value: &Value) -> EvaluateError {
    EvaluateError::new(format!("{} has no form in SQL; name a column of it", value.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Argument, Batch};
    use crate::{Expression, parse};

    struct Plain;

    impl ScriptWords for Plain {
        fn inside_quotes(&self, text: &str) -> String {
            text.replace('\'', "''")
        }
        fn separator(&self) -> &'static str {
            "chr(31)"
        }
    }

    fn statement(query: &str, is_batch: bool) -> Statement {
        let value: Expression = parse("1", &[]).unwrap();
        let batch = is_batch.then_some(Batch { count: None, size: None });
        let argument = Argument { name: None, value };
        Statement {
            name: "s".to_owned(),
            keeps_rows: false,
            batch,
            arguments: vec![argument.clone(), argument],
            query: query.to_owned(),
        }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn placeholders_become_literals() {
        let check = |query: &str, expected: &str| {
            let row = vec![Value::Int(-7), text("O'Neill $1")];
            assert_eq!(statement(query, false).fill(&[row], &Plain).unwrap(), expected);
        };
        check("values ($1, $2)", "values (-7, 'O''Neill $1')");
        check("values ('$1', '$2')", "values ('-7', 'O''Neill $1')");
        check("select '$[*]', '$', $$x$$, $0", "select '$[*]', '$', $$x$$, $0");
    }

    #[test]
    fn batches_are_joined_or_written_as_rows() {
        let rows = [vec![Value::Int(1), text("a")], vec![Value::Int(2), Value::Null]];
        let fill = |query: &str| statement(query, true).fill(&rows, &Plain);
        assert_eq!(fill("f('$1', __sep__)").unwrap(), "f('1\u{1f}2', chr(31))");
        assert_eq!(
            fill("insert into t __values__").unwrap(),
            "insert into t values (1, 'a'), (2, null)"
        );
        assert_eq!(fill("array[$2]").unwrap(), "array['a', null]");
        assert!(fill("f('$2')").unwrap_err().to_string().contains("__values__"));
        let rows = [vec![Value::Int(1), text("a\u{1f}b")]];
        assert!(statement("f('$2')", true).fill(&rows, &Plain).is_err());
        assert_eq!(placeholders("f('$2', $11) __values__"), (11, true));
        assert_eq!(placeholders("select '$.a'"), (0, false));
    }

    #[test]
    fn a_statement_without_arguments_keeps_its_dollars() {
        let mut plain = statement("create function f(int) as $$ select $1 $$", false);
        plain.arguments.clear();
        assert_eq!(plain.fill(&[vec![]], &Plain).unwrap(), plain.query);
    }
}
