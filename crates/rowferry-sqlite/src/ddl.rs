//! Reading `create table` and `create index` as SQLite keeps them: word by word, so that a name is
//! never found inside a string, a comment or another name.
//!
//! SQLite keeps the text of a statement, with what stands before the name brought into one form.
//! That text is the only place where checks, generated columns, collations and autoincrement are
//! written down, and copied word for word it carries over everything a table is.

use std::ops::Range;

use crate::sql::quote;

/// One word of SQL with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    kind: Kind,
    place: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Keyword or bare name.
    Word,
    /// Name in double quotes, back quotes or square brackets.
    Quoted,
    /// String in single quotes, which SQLite takes for a name where only a name can be.
    String,
    Number,
    Open,
    Close,
    Comma,
    Dot,
    End,
    Other,
}

/// A statement and its words.
struct Words<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (kind, length) = lex(rest);
            if let Some(kind) = kind {
                tokens.push(Token { kind, place: at..at + length });
            }
            at += length;
        }
        Self { text, tokens }
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    fn slice(&self, index: usize) -> &'a str {
        self.tokens.get(index).and_then(|token| self.text.get(token.place.clone())).unwrap_or("")
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.kind(index) == Some(Kind::Word) && self.slice(index).eq_ignore_ascii_case(word)
    }

    /// The name that a word stands for.
    fn name(&self, index: usize) -> Option<String> {
        let text = self.slice(index);
        let inner = || text.get(1..text.len().checked_sub(1)?);
        Some(match (self.kind(index)?, text.chars().next()?) {
            (Kind::Word, _) => text.to_owned(),
            (Kind::Quoted, '[') => inner()?.to_owned(),
            (Kind::Quoted | Kind::String, quote) => {
                let quote = quote.to_string();
                inner()?.replace(&quote.repeat(2), &quote)
            }
            _ => return None,
        })
    }

    fn names(&self, index: usize, name: &str) -> bool {
        self.name(index).is_some_and(|found| found.eq_ignore_ascii_case(name))
    }

    /// Position of the bracket that closes the one at `open`.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for index in open..self.tokens.len() {
            let kind = self.kind(index)?;
            if kind == Kind::Open {
                depth += 1;
            } else if kind == Kind::Close {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
        }
        None
    }

    /// What stands between two brackets.
    fn between(&self, open: usize, close: usize) -> &'a str {
        let place = |index: usize| self.tokens.get(index).map(|token| token.place.clone());
        match (place(open), place(close)) {
            (Some(open), Some(close)) => self.text.get(open.end..close.start).unwrap_or("").trim(),
            _ => "",
        }
    }

    /// The rest of the text behind a word, with the table's own name taken out where it only says
    /// whose column is meant, and put right where the table points at itself.
    fn behind(&self, index: usize, own: &str, new: &str) -> String {
        let Some(from) = self.tokens.get(index).map(|token| token.place.end) else {
            return String::new();
        };
        let mut out = String::new();
        let mut done = from;
        let mut keep_until = |out: &mut String, upto: &Range<usize>, skip_to: usize| {
            out.push_str(self.text.get(done..upto.start).unwrap_or(""));
            done = skip_to;
        };
        let mut next = index + 1;
        while let Some(token) = self.tokens.get(next) {
            if self.names(next, own) && token.kind != Kind::String {
                if self.kind(next + 1) == Some(Kind::Dot) {
                    let dot = self.tokens.get(next + 1).map_or(token.place.end, |t| t.place.end);
                    keep_until(&mut out, &token.place, dot);
                    next += 1;
                } else if self.is(next.wrapping_sub(1), "references") {
                    keep_until(&mut out, &token.place, token.place.end);
                    out.push_str(&quote(new));
                }
            }
            next += 1;
        }
        out.push_str(self.text.get(done..).unwrap_or(""));
        out
    }
}

/// Kind and bytes of the first word; no kind for blanks and comments.
fn lex(rest: &str) -> (Option<Kind>, usize) {
    let until = |end: &str, missing: usize| {
        rest.get(2..).and_then(|rest| rest.find(end)).map_or(missing, |at| at + 2 + end.len())
    };
    let Some(first) = rest.chars().next() else { return (None, 0) };
    let while_true = |test: fn(char) -> bool| rest.find(|c| !test(c)).unwrap_or(rest.len());
    match first {
        c if c.is_ascii_whitespace() => (None, while_true(|c| c.is_ascii_whitespace())),
        '-' if rest.starts_with("--") => (None, until("\n", rest.len())),
        '/' if rest.starts_with("/*") => (None, until("*/", rest.len())),
        quote @ ('"' | '`') => (Some(Kind::Quoted), quoted_end(rest, quote)),
        '\'' => (Some(Kind::String), quoted_end(rest, '\'')),
        '[' => (Some(Kind::Quoted), rest.find(']').map_or(rest.len(), |at| at + 1)),
        '(' => (Some(Kind::Open), 1),
        ')' => (Some(Kind::Close), 1),
        ',' => (Some(Kind::Comma), 1),
        '.' => (Some(Kind::Dot), 1),
        ';' => (Some(Kind::End), 1),
        '0'..='9' => (
            Some(Kind::Number),
            while_true(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')),
        ),
        c if is_name(c) => (Some(Kind::Word), while_true(is_name)),
        c => (Some(Kind::Other), c.len_utf8()),
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

/// Byte behind the closing quote; a doubled quote is part of the name.
fn quoted_end(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        if character == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return index + quote.len_utf8();
            }
        }
    }
    text.len()
}

/// What the text of `create table` says that the catalogue does not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Checks with the names that were given to them.
    pub(crate) checks: Vec<(Option<String>, String)>,
    /// Expressions of generated columns, by column.
    pub(crate) expressions: Vec<(String, String)>,
    /// Declared collations, by column.
    pub(crate) collations: Vec<(String, String)>,
    /// Whether numbers are never given twice.
    pub(crate) autoincrement: bool,
}

/// Reads what `statement` says; empty for a statement that is no `create table` with columns.
pub(crate) fn facts(statement: &str) -> Facts {
    let mut facts = Facts::default();
    let words = Words::of(statement);
    let Some((_, open)) = head(&words) else { return facts };
    let Some(close) = words.closing(open) else { return facts };
    let mut start = open + 1;
    let mut depth = 0_usize;
    for index in open + 1..=close {
        match words.kind(index) {
            Some(Kind::Open) => depth += 1,
            Some(Kind::Comma) if depth == 0 => {
                facts.read(&words, start..index);
                start = index + 1;
            }
            Some(Kind::Close) if depth > 0 => depth -= 1,
            Some(Kind::Close) => facts.read(&words, start..index),
            _ => {}
        }
    }
    facts
}

impl Facts {
    /// Reads one column or table constraint.
    fn read(&mut self, words: &Words<'_>, item: Range<usize>) {
        let is_constraint = ["constraint", "primary", "unique", "check", "foreign"]
            .iter()
            .any(|word| words.is(item.start, word));
        let column = if is_constraint { None } else { words.name(item.start) };
        let mut named = None;
        let mut index = if is_constraint { item.start } else { item.start + 1 };
        while index < item.end {
            let bracket = words.kind(index + 1) == Some(Kind::Open);
            if words.is(index, "constraint") {
                named = words.name(index + 1);
                index += 1;
            } else if words.is(index, "collate") {
                let named = words.name(index + 1);
                self.collations.extend(column.clone().zip(named));
                index += 1;
            } else if words.is(index, "autoincrement") {
                self.autoincrement = true;
            } else if bracket && words.is(index, "check") {
                if let Some(close) = words.closing(index + 1) {
                    let text = words.between(index + 1, close).to_owned();
                    self.checks.push((named.take(), text));
                }
            } else if bracket
                && words.is(index, "as")
                && let Some(close) = words.closing(index + 1)
            {
                let text = words.between(index + 1, close).to_owned();
                self.expressions.extend(column.clone().map(|column| (column, text)));
            }
            // What stands in brackets belongs to what stands before them.
            index = match words.kind(index) {
                Some(Kind::Open) => words.closing(index).unwrap_or(item.end),
                _ => index,
            } + 1;
        }
    }
}

/// Positions of the name and of the first bracket of a `create table`.
fn head(words: &Words<'_>) -> Option<(usize, usize)> {
    let mut index = words.is(0, "create").then_some(1)?;
    if words.is(index, "temp") || words.is(index, "temporary") {
        index += 1;
    }
    index = words.is(index, "table").then_some(index + 1)?;
    if words.is(index, "if") && words.is(index + 1, "not") && words.is(index + 2, "exists") {
        index += 3;
    }
    if words.kind(index + 1) == Some(Kind::Dot) {
        index += 2;
    }
    (words.kind(index + 1) == Some(Kind::Open)).then_some((index, index + 1))
}

/// The statement of an existing table for the name `made`, with which it later takes the place of
/// `published`: everything behind the old name stays, so constraints, collations, defaults,
/// `strict` and `without rowid` survive. `None` when it is not understood.
pub(crate) fn recreate_as(statement: &str, made: &str, published: &str) -> Option<String> {
    let words = Words::of(statement);
    let (name, _) = head(&words)?;
    let own = words.name(name)?;
    Some(format!("create table {}{}", quote(made), words.behind(name, &own, published)))
}

/// The statement of an existing index for another index and table name; `None` when it is not
/// understood.
pub(crate) fn recreate_index(statement: &str, index: &str, table: &str) -> Option<String> {
    let words = Words::of(statement);
    let mut at = words.is(0, "create").then_some(1)?;
    let unique = words.is(at, "unique");
    at += usize::from(unique);
    at = words.is(at, "index").then_some(at + 1)?;
    let on = (at..words.tokens.len()).find(|index| words.is(*index, "on"))?;
    let own = words.name(on + 1)?;
    let rest = words.behind(on + 1, &own, table);
    let unique = if unique { "unique " } else { "" };
    Some(format!("create {unique}index {} on {}{rest}", quote(index), quote(table)))
}

/// The name of the index that a statement makes.
pub(crate) fn index_name(statement: &str) -> Option<String> {
    let words = Words::of(statement);
    let on = (0..words.tokens.len()).find(|index| words.is(*index, "on"))?;
    words.name(on.checked_sub(1)?)
}

/// An expression with other names for its columns. `target` says of a word whether it names a
/// column, and what that is called now; `None` when one of them is not there any more.
pub(crate) fn rename_columns(
    expression: &str,
    target: impl Fn(&str) -> Option<Option<String>>,
) -> Option<String> {
    let words = Words::of(expression);
    let mut out = String::new();
    let mut done = 0;
    for (index, token) in words.tokens.iter().enumerate() {
        let is_name = matches!(token.kind, Kind::Word | Kind::Quoted)
            && words.kind(index + 1) != Some(Kind::Open);
        let Some(renamed) = words.name(index).filter(|_| is_name).and_then(|name| target(&name))
        else {
            continue;
        };
        out.push_str(expression.get(done..token.place.start).unwrap_or(""));
        out.push_str(&quote(&renamed?));
        done = token.place.end;
    }
    out.push_str(expression.get(done..).unwrap_or(""));
    Some(out)
}

/// Statements with semicolons between them.
pub(crate) fn split(statements: &str) -> Vec<&str> {
    let words = Words::of(statements);
    let mut parts = Vec::new();
    let mut from = 0;
    for token in words.tokens.iter().filter(|token| token.kind == Kind::End) {
        parts.extend(statements.get(from..token.place.start));
        from = token.place.end;
    }
    parts.extend(statements.get(from..));
    parts.retain(|part| !Words::of(part).tokens.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_statement_takes_a_new_name() {
        let check = |statement: &str, expected: &str| {
            let made = recreate_as(statement, "s", "n");
            assert_eq!(made.as_deref(), Some(expected), "{statement}");
        };
        check("CREATE TABLE t(a int) STRICT", "create table \"s\"(a int) STRICT");
        check("CREATE TABLE \"a \"\"(\" (a)", "create table \"s\" (a)");
        check("CREATE TABLE [a b](a)", "create table \"s\"(a)");
        check("CREATE TABLE 'it''s'(a)", "create table \"s\"(a)");
        check("CREATE TABLE ä(a)", "create table \"s\"(a)");
        check("CREATE TABLE t -- t (\n (a)", "create table \"s\" -- t (\n (a)");
        check("CREATE TABLE t /* ( */ (t, b)", "create table \"s\" /* ( */ (t, b)");
        check(
            "CREATE TABLE t (a CHECK (t.a <> 't.' and \"T\".a > 1), p REFERENCES t(a))",
            "create table \"s\" (a CHECK (a <> 't.' and a > 1), p REFERENCES \"n\"(a))",
        );
        assert_eq!(recreate_as("CREATE TABLE t AS select 1", "s", "n"), None);
        assert_eq!(recreate_as("CREATE VIRTUAL TABLE t using x", "s", "n"), None);
    }

    #[test]
    fn an_index_takes_new_names() {
        assert_eq!(
            recreate_index("CREATE UNIQUE INDEX i ON \"t\" (a desc) where t.a > 0", "j", "n")
                .as_deref(),
            Some("create unique index \"j\" on \"n\" (a desc) where a > 0")
        );
        assert_eq!(recreate_index("CREATE TABLE t (a)", "j", "n"), None);
        assert_eq!(index_name("CREATE INDEX [a b] on t(x)").as_deref(), Some("a b"));
    }

    #[test]
    fn facts_are_read() {
        let facts = facts(
            "CREATE TABLE t (id integer primary key autoincrement, -- check (no)
             a text collate nocase constraint positive check (a > ')' and b in (1, 2)),
             b int generated always as (length(a) * 2) stored, \"check\" int default (1 + 2),
             c as (a || 'x'), constraint two check (a <> b), check (c is not null), unique (a, b))",
        );
        let owned = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            facts,
            Facts {
                checks: vec![
                    (Some("positive".into()), "a > ')' and b in (1, 2)".into()),
                    (Some("two".into()), "a <> b".into()),
                    (None, "c is not null".into()),
                ],
                expressions: vec![owned("b", "length(a) * 2"), owned("c", "a || 'x'")],
                collations: vec![owned("a", "nocase")],
                autoincrement: true,
            }
        );
    }

    #[test]
    fn columns_of_an_expression_take_new_names() {
        let renamed = |text: &str| {
            rename_columns(text, |name| match name {
                "a" => Some(Some("x".to_owned())),
                "gone" => Some(None),
                _ => None,
            })
        };
        assert_eq!(renamed("a(a) || 'a' || [a]").as_deref(), Some("a(\"x\") || 'a' || \"x\""));
        assert_eq!(renamed("length(b)").as_deref(), Some("length(b)"));
        assert_eq!(renamed("a + gone"), None);
    }

    #[test]
    fn statements_are_told_apart() {
        assert_eq!(split("a ';' b; \"c;\" -- d;\n ;;"), ["a ';' b", " \"c;\" -- d;\n "]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(create table |create index |[a-z(),.;'\"`\\[\\]/*ü -]){0,20}") {
            let _facts = facts(&text);
            let _made = recreate_as(&text, "s", "n");
            let _index = recreate_index(&text, "s", "n");
            let _parts = split(&text);
        }
    }
}
