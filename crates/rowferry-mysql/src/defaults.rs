//! Default expressions: verbatim in the same fork, by their meaning from elsewhere.

#![expect(clippy::wildcard_enum_match_arm, reason = "a default that is not named has no twin")]

use rowferry_core::{Column, DefaultMeaning};

use crate::sql;
use crate::types::{Flavor, Native};

/// The default of a new column of type `native`, in the target's words; `None` when the source
/// has none or it has no twin here.
pub(crate) fn of(source: &Column, native: &Native, flavor: Flavor) -> Option<String> {
    let same_type = Native::parse(&source.native.declared) == *native;
    if source.native.engine == flavor.word() && same_type {
        return source.default.clone();
    }
    match source.default_meaning.as_ref()? {
        DefaultMeaning::Constant(text) => constant(text, native, flavor),
        DefaultMeaning::Now(_) => now(source, native),
        DefaultMeaning::Today => matches!(native, Native::Date).then(|| "(curdate())".to_owned()),
    }
}

/// The moment, with as many digits as the column has: no other number is allowed.
fn now(source: &Column, native: &Native) -> Option<String> {
    let instant = matches!(source.canonical, Some(rowferry_core::CanonicalType::Instant { .. }));
    Some(match native {
        // A wall clock of UTC, whatever the zone of the session that inserts.
        Native::DateTime(digits) if instant => format!("(utc_timestamp({digits}))"),
        Native::Timestamp(digits) | Native::DateTime(digits) => {
            format!("current_timestamp({digits})")
        }
        _ => return None,
    })
}

fn constant(text: &str, native: &Native, flavor: Flavor) -> Option<String> {
    let quoted = || sql::text(text);
    let number = || {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        (plain && text.parse::<f64>().is_ok_and(f64::is_finite)).then(|| text.to_owned())
    };
    match native {
        Native::Int { .. } => match text {
            "true" | "t" => Some("1".to_owned()),
            "false" | "f" => Some("0".to_owned()),
            _ => number().filter(|text| text.parse::<i128>().is_ok()),
        },
        Native::Float { .. } | Native::Double { .. } | Native::Decimal { .. } => number(),
        Native::Char(chars) | Native::VarChar(chars) => {
            (text.chars().count() <= *chars as usize).then(quoted)
        }
        // MySQL takes a default of these as an expression only.
        Native::Text(_) | Native::Json => Some(match flavor {
            Flavor::MySql => format!("({})", quoted()),
            Flavor::MariaDb => quoted(),
        }),
        Native::Enum(labels) => labels.iter().any(|label| label == text).then(quoted),
        Native::Set(labels) => {
            let known = |part: &str| labels.iter().any(|label| label == part);
            (text.is_empty() || text.split(',').all(known)).then(quoted)
        }
        Native::Date => is_date(text).then(quoted),
        Native::DateTime(digits) => {
            let (date, clock) = text.split_once(' ').unwrap_or((text, "00:00:00"));
            let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
            let plain = |byte: u8| byte.is_ascii_digit() || byte == b':';
            let short = fraction.len() <= usize::from(*digits);
            (is_date(date) && short && clock.bytes().chain(fraction.bytes()).all(plain))
                .then(quoted)
        }
        _ => None,
    }
}

/// `2024-02-29`, of the years that the servers have.
fn is_date(text: &str) -> bool {
    let shape: String =
        text.chars().map(|sign| if sign.is_ascii_digit() { '0' } else { sign }).collect();
    shape == "0000-00-00" && text > "0001-01-00"
}

/// An expression of the catalogue as a statement would say it: MySQL shows quotes escaped.
pub(crate) fn expression(text: &str, flavor: Flavor) -> String {
    match flavor {
        Flavor::MySql => text.replace("\\'", "'").replace("\\\\", "\\"),
        Flavor::MariaDb => text.to_owned(),
    }
}

/// A default of the catalogue as a statement would say it. MariaDB shows it so; MySQL shows texts
/// without quotes, and says in `extra` what is an expression.
pub(crate) fn in_words(text: &str, extra: &str, native: &Native, flavor: Flavor) -> String {
    if flavor == Flavor::MariaDb {
        return text.to_owned();
    }
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("current_timestamp") {
        return text.to_owned();
    }
    if extra.contains("default_generated") {
        return format!("({})", expression(text, flavor));
    }
    match native {
        Native::Bit(_)
        | Native::Int { .. }
        | Native::Float { .. }
        | Native::Double { .. }
        | Native::Decimal { .. } => text.to_owned(),
        Native::Binary(_) | Native::VarBinary(_) if lower.starts_with("0x") => text.to_owned(),
        _ => sql::text(text),
    }
}

/// What a default means, from the words of the catalogue (already an expression).
pub(crate) fn meaning(expression: &str, native: &Native) -> Option<DefaultMeaning> {
    let lower = expression.to_ascii_lowercase();
    let bare = lower.trim_start_matches('(').trim_end_matches(')');
    let word = bare.split('(').next().unwrap_or_default().trim();
    match word {
        "current_timestamp" | "now" | "localtimestamp" | "localtime" => {
            let digits = bare.split('(').nth(1).and_then(|digits| digits.trim().parse().ok());
            return Some(DefaultMeaning::Now(digits.unwrap_or(0)));
        }
        "curdate" | "current_date" => return Some(DefaultMeaning::Today),
        _ => {}
    }
    if let Some(text) = literal(expression) {
        let zero = matches!(native, Native::Date | Native::DateTime(_) | Native::Timestamp(_))
            && text.starts_with("0000");
        return (!zero && !matches!(native, Native::Bit(_)))
            .then_some(DefaultMeaning::Constant(text));
    }
    let number = expression.parse::<f64>().is_ok();
    number.then(|| DefaultMeaning::Constant(expression.to_owned()))
}

/// The text of a plain string literal.
fn literal(expression: &str) -> Option<String> {
    let inside = expression.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut text = String::new();
    let mut signs = inside.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => match signs.next()? {
                '0' => text.push('\0'),
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                other => text.push(other),
            },
            // A single quote inside is doubled; alone it would have ended the literal.
            '\'' => text.push(signs.next().filter(|next| *next == '\'')?),
            other => text.push(other),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_are_found_in_the_words_of_both_forks() {
        let check = |words: &str, native: Native, found: Option<DefaultMeaning>| {
            assert_eq!(meaning(words, &native), found, "{words}");
        };
        let constant = |text: &str| Some(DefaultMeaning::Constant(text.to_owned()));
        check("CURRENT_TIMESTAMP(6)", Native::DateTime(6), Some(DefaultMeaning::Now(6)));
        check("current_timestamp()", Native::DateTime(0), Some(DefaultMeaning::Now(0)));
        check("(curdate())", Native::Date, Some(DefaultMeaning::Today));
        check("'it''s \\\\'", Native::VarChar(9), constant("it's \\"));
        check("-1.5", Native::Double { fixed: false }, constant("-1.5"));
        check("'0000-00-00'", Native::Date, None);
        check("b'101'", Native::Bit(3), None);
        check("(uuid())", Native::VarChar(36), None);
        check("concat('a','b')", Native::VarChar(36), None);
        check("'a' + 'b'", Native::VarChar(36), None);
    }

    #[test]
    fn constants_are_written_for_their_column() {
        let check = |text: &str, native: Native, found: Option<&str>| {
            assert_eq!(constant(text, &native, Flavor::MySql).as_deref(), found, "{text}");
        };
        check("true", Native::Int { bits: 8, unsigned: false }, Some("1"));
        check("7", Native::Int { bits: 32, unsigned: false }, Some("7"));
        check("1); drop", Native::Int { bits: 32, unsigned: false }, None);
        check("it's", Native::VarChar(9), Some("'it''s'"));
        check("it's", Native::VarChar(2), None);
        check("x", Native::Text(65_535), Some("('x')"));
        check("infinity", Native::Date, None);
        check("2024-02-29", Native::Date, Some("'2024-02-29'"));
        check("2024-02-29 10:00:00", Native::DateTime(0), Some("'2024-02-29 10:00:00'"));
        check("2024-02-29 10:00:00+02", Native::DateTime(0), None);
    }
}
