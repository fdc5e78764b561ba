//! Column defaults: what they mean elsewhere, and their words here.

use rowferry_core::{CanonicalType, Column, DefaultMeaning};

use crate::describe::ENGINE;
use crate::sql;

/// What the expression of a default means, where other databases have a word for it too.
pub(crate) fn default_meaning(
    expression: &str,
    canonical: &CanonicalType,
) -> Option<DefaultMeaning> {
    let expression = without_parentheses(expression.trim());
    match expression.to_ascii_lowercase().as_str() {
        "now()" | "current_timestamp" | "localtimestamp" | "transaction_timestamp()" => {
            return Some(DefaultMeaning::Now(6));
        }
        "current_date" => return Some(DefaultMeaning::Today),
        "true" | "false" => return Some(DefaultMeaning::Constant(expression.to_lowercase())),
        "null" => return None,
        _ => {}
    }
    if let Some(digits) = arguments(expression, "current_timestamp")
        .or_else(|| arguments(expression, "localtimestamp"))
    {
        return digits.parse().ok().filter(|digits| *digits <= 6).map(DefaultMeaning::Now);
    }
    if !has_plain_constants(canonical) {
        return None;
    }
    constant(expression).map(DefaultMeaning::Constant)
}

/// Whether a constant of this meaning is spelled alike everywhere.
fn has_plain_constants(canonical: &CanonicalType) -> bool {
    use CanonicalType as C;
    canonical.is_integer()
        || matches!(
            canonical,
            C::Boolean
                | C::Float32
                | C::Float64
                | C::Decimal { .. }
                | C::DecimalText
                | C::Text { .. }
                | C::Date
                | C::Time { .. }
                | C::Timestamp { .. }
                | C::Uuid
                | C::Enum { .. }
        )
}

/// `current_timestamp(3)` as `3`.
fn arguments<'a>(expression: &'a str, function: &str) -> Option<&'a str> {
    let (head, rest) = expression.split_once('(')?;
    head.eq_ignore_ascii_case(function).then(|| rest.strip_suffix(')')).flatten()
}

/// `(x)` as `x`, if the parentheses belong together.
fn without_parentheses(expression: &str) -> &str {
    let mut inner = expression;
    while let Some(inside) = inner.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        if inside.contains(['(', ')']) {
            break;
        }
        inner = inside;
    }
    inner
}

/// A number, or a string with a cast behind it, as plain text.
fn constant(expression: &str) -> Option<String> {
    let (value, cast) = match expression.rsplit_once("::") {
        Some((value, cast)) if !cast.contains('\'') => (without_parentheses(value), Some(cast)),
        _ => (expression, None),
    };
    // A cast within a cast: only the outer one is left out.
    if let Some(inside) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        let single = inside.replace("''", "");
        return (!single.contains('\'')).then(|| inside.replace("''", "'"));
    }
    let number = value.parse::<f64>().is_ok_and(f64::is_finite)
        && value.chars().all(|character| matches!(character, '0'..='9' | '.' | '-'));
    (number && cast.is_none_or(|cast| !cast.contains("bit"))).then(|| value.to_owned())
}

/// The default of a new target column, in this server's words.
pub(crate) fn default_words(source: &Column) -> Option<String> {
    if source.identity.is_some() || source.generated {
        return None;
    }
    if source.native.engine == ENGINE {
        // A sequence of the source's is no object of the target.
        return source.default.clone().filter(|words| !words.contains("nextval("));
    }
    Some(match source.default_meaning.as_ref()? {
        DefaultMeaning::Constant(text) => match source.canonical {
            Some(CanonicalType::Boolean) => match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "t" => "true".to_owned(),
                "0" | "false" | "f" => "false".to_owned(),
                _ => return None,
            },
            _ => sql::literal(text),
        },
        DefaultMeaning::Now(digits) if *digits < 6 => format!("current_timestamp({digits})"),
        DefaultMeaning::Now(_) => "current_timestamp".to_owned(),
        DefaultMeaning::Today => "current_date".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_lose_their_quotes_and_casts() {
        let text = CanonicalType::Text { chars: None, fixed: false };
        let meaning = |expression: &str| default_meaning(expression, &text);
        let is = |text: &str| Some(DefaultMeaning::Constant(text.to_owned()));
        assert_eq!(meaning("'it''s'::character varying"), is("it's"));
        assert_eq!(meaning("42"), is("42"));
        assert_eq!(meaning("'-1'::integer"), is("-1"));
        assert_eq!(meaning("(-1.50)"), is("-1.50"));
        assert_eq!(meaning("(1)::numeric"), is("1"));
        assert_eq!(meaning("'a'::text || 'b'::text"), None);
        assert_eq!(meaning("NULL::text"), None);
        assert_eq!(meaning("gen_random_uuid()"), None);
        assert_eq!(meaning("E'a\\\\b'::text"), None);
        assert_eq!(meaning("now()"), Some(DefaultMeaning::Now(6)));
        assert_eq!(meaning("CURRENT_TIMESTAMP(3)"), Some(DefaultMeaning::Now(3)));
        assert_eq!(meaning("CURRENT_DATE"), Some(DefaultMeaning::Today));
        assert_eq!(meaning("false"), is("false"));
        assert_eq!(default_meaning("'\\x00'::bytea", &CanonicalType::Interval), None);
    }
}
