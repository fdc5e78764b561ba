//! Defaults: what they mean elsewhere, and what others mean here.

use rowferry_core::{CanonicalType, DefaultMeaning, NativeType};

use crate::decimal;
use crate::sql::literal;
use crate::types::canonical;

/// What a default means elsewhere: a literal or the clock.
pub(crate) fn default_meaning(default: &str) -> Option<DefaultMeaning> {
    let text = default.trim();
    let quoted = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    if let Some(quoted) = quoted.filter(|text| !text.replace("''", "").contains('\'')) {
        return Some(DefaultMeaning::Constant(quoted.replace("''", "'")));
    }
    let constant = |text: &str| Some(DefaultMeaning::Constant(text.to_owned()));
    match text.to_ascii_lowercase().as_str() {
        "current_timestamp" => Some(DefaultMeaning::Now(0)),
        "current_date" => Some(DefaultMeaning::Today),
        word @ ("true" | "false") => constant(word),
        _ => {
            let number = text.strip_prefix(['-', '+']).unwrap_or(text);
            decimal::is_finite(number).then(|| constant(text.trim_start_matches('+')))?
        }
    }
}

/// A default in SQLite's words, in the form in which the column's own values are stored. The clock
/// of SQLite shows milliseconds.
pub(crate) fn default_words(meaning: &DefaultMeaning, native: &NativeType) -> Option<String> {
    let stored = canonical(native.stored())?;
    let clock = |format: &str| Some(format!("strftime('{format}', 'now')"));
    match (meaning, stored) {
        (DefaultMeaning::Now(0), CanonicalType::Timestamp { .. }) => {
            Some("CURRENT_TIMESTAMP".to_owned())
        }
        (DefaultMeaning::Now(_), CanonicalType::Timestamp { .. }) => clock("%Y-%m-%d %H:%M:%f"),
        (DefaultMeaning::Now(0), CanonicalType::Instant { .. }) => clock("%Y-%m-%d %H:%M:%S+00:00"),
        (DefaultMeaning::Now(_), CanonicalType::Instant { .. }) => clock("%Y-%m-%d %H:%M:%f+00:00"),
        (DefaultMeaning::Now(0), CanonicalType::Time { .. }) => Some("CURRENT_TIME".to_owned()),
        (DefaultMeaning::Today | DefaultMeaning::Now(_), CanonicalType::Date) => {
            Some("CURRENT_DATE".to_owned())
        }
        (DefaultMeaning::Constant(text), CanonicalType::Boolean) => {
            match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => Some("1".to_owned()),
                "false" | "f" | "0" => Some("0".to_owned()),
                _ => None,
            }
        }
        (DefaultMeaning::Constant(text), CanonicalType::Int64 | CanonicalType::Float64) => {
            text.parse::<f64>().is_ok_and(f64::is_finite).then(|| text.clone())
        }
        (DefaultMeaning::Constant(text), stored) => {
            // Bytes as text are another class.
            (!matches!(stored, CanonicalType::Binary { .. })).then(|| literal(text))
        }
        (DefaultMeaning::Now(_) | DefaultMeaning::Today, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ENGINE;

    #[test]
    fn literals_and_the_clock_mean_something_elsewhere() {
        let constant = |text: &str| Some(DefaultMeaning::Constant(text.to_owned()));
        for (default, meaning) in [
            ("'it''s'", constant("it's")),
            ("'a' || 'b'", None),
            ("+1.50", constant("1.50")),
            ("-7", constant("-7")),
            ("1e3", None),
            ("TRUE", constant("true")),
            ("CURRENT_TIMESTAMP", Some(DefaultMeaning::Now(0))),
            ("current_date", Some(DefaultMeaning::Today)),
            ("null", None),
            ("random()", None),
        ] {
            assert_eq!(default_meaning(default), meaning, "{default}");
        }
    }

    #[test]
    fn defaults_are_in_the_form_of_their_column() {
        let words = |meaning: DefaultMeaning, declared: &str| {
            default_words(&meaning, &NativeType::new(ENGINE, declared))
        };
        let constant = |text: &str| DefaultMeaning::Constant(text.to_owned());
        assert_eq!(words(constant("it's"), "TEXT").as_deref(), Some("'it''s'"));
        assert_eq!(words(constant("1.50"), "DECIMAL_TEXT(5,2)").as_deref(), Some("'1.50'"));
        assert_eq!(words(constant("-5"), "BIGINT").as_deref(), Some("-5"));
        assert_eq!(words(constant("five"), "BIGINT"), None);
        assert_eq!(words(constant("true"), "BOOLEAN").as_deref(), Some("1"));
        assert_eq!(words(constant("x"), "BLOB"), None);
        assert_eq!(words(DefaultMeaning::Today, "DATE_TEXT").as_deref(), Some("CURRENT_DATE"));
        assert_eq!(
            words(DefaultMeaning::Now(6), "TIMESTAMPTZ_TEXT(6)").as_deref(),
            Some("strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')")
        );
    }
}
