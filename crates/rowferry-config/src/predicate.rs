//! One comparison `column op literal`. SQL text is never passed through.

use rowferry_core::{Comparison, Literal, Predicate};

use crate::ConfigError;

/// Reads `status <> 'deleted'`, `id >= 10`, `active = true`, `"Odd Name" < 3`.
pub fn parse_predicate(text: &str) -> Result<Predicate, ConfigError> {
    read(text).ok_or_else(|| {
        ConfigError::not_supported_yet("filters of more than one comparison `column op literal`")
            .with_next("Write for example status <> 'deleted' or id >= 1000.")
    })
}

fn read(text: &str) -> Option<Predicate> {
    let (column, rest) = column(text.trim())?;
    let rest = rest.trim_start();
    let (comparison, rest) = OPERATORS
        .iter()
        .find_map(|(word, comparison)| rest.strip_prefix(word).map(|rest| (*comparison, rest)))?;
    Some(Predicate { column, comparison, literal: literal(rest.trim())? })
}

/// Longer operators first.
const OPERATORS: [(&str, Comparison); 7] = [
    ("<>", Comparison::NotEqual),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

fn column(text: &str) -> Option<(String, &str)> {
    for quote in ['"', '`'] {
        if let Some(rest) = text.strip_prefix(quote) {
            return quoted(rest, quote).filter(|(name, _)| !name.is_empty());
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))?;
    let (name, rest) = text.split_at(end);
    let starts_well = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    starts_well.then(|| (name.to_owned(), rest))
}

/// Text up to the closing quote, where a doubled quote stands for one, and what follows it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once(quote)?;
        value.push_str(before);
        match after.strip_prefix(quote) {
            Some(tail) => {
                value.push(quote);
                rest = tail;
            }
            None => return Some((value, after)),
        }
    }
}

fn literal(text: &str) -> Option<Literal> {
    if let Some(rest) = text.strip_prefix('\'') {
        let (value, rest) = quoted(rest, '\'')?;
        return rest.is_empty().then_some(Literal::Text(value));
    }
    match text.to_ascii_lowercase().as_str() {
        "true" => return Some(Literal::Boolean(true)),
        "false" => return Some(Literal::Boolean(false)),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let number = [whole, fraction]
        .iter()
        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    number.then(|| Literal::Number(text.to_owned()))
}

/// The text that [`parse_predicate`] reads back.
pub(crate) fn render(predicate: &Predicate) -> String {
    let literal = match &predicate.literal {
        Literal::Number(number) => number.clone(),
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Literal::Boolean(value) => value.to_string(),
    };
    let column = predicate.column.replace('"', "\"\"");
    format!("\"{column}\" {} {literal}", predicate.comparison.sql())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_comparison_is_read() {
        let predicate = parse_predicate("status != 'it''s'").unwrap();
        assert_eq!(predicate.column, "status");
        assert_eq!(predicate.comparison, Comparison::NotEqual);
        assert_eq!(predicate.literal, Literal::Text("it's".to_owned()));
        assert_eq!(parse_predicate("a>=-1.5").unwrap().literal, Literal::Number("-1.5".to_owned()));
        assert_eq!(parse_predicate("`a b` = TRUE").unwrap().column, "a b");
    }

    #[test]
    fn anything_more_is_refused() {
        for text in [
            "a = 1 and b = 2",
            "upper(a) = 'X'",
            "a = b",
            "a is null",
            "a = 'x' or 1=1",
            "",
            "a =",
            "a = 1; drop table x",
            "1 = 1",
            "a = '",
            "a in (1)",
            "a == 1",
        ] {
            assert_eq!(parse_predicate(text).unwrap_err().slug, "not-supported-yet", "{text}");
        }
    }

    proptest! {
        #[test]
        fn rendered_is_read_back(column in ".+", text in ".*") {
            let predicate = Predicate {
                column, comparison: Comparison::Less, literal: Literal::Text(text),
            };
            prop_assert_eq!(parse_predicate(&render(&predicate)).unwrap(), predicate);
        }
    }
}
