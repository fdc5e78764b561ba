//! Whether a text is JSON, without building what it says.

use serde::de::IgnoredAny;

use crate::Rule;

/// The rule of JSON that `text` breaks. `nul` = escapes may say U+0000 and halves of surrogate
/// pairs, which are JSON but no characters.
pub(crate) fn broken(text: &str, nul: bool) -> Option<Rule> {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Some(Rule::Json);
    }
    // Few documents have such escapes at all.
    if nul || !text.contains("\\u") { None } else { broken_escape(text.as_bytes()) }
}

/// The first escape of valid JSON that is no character.
fn broken_escape(mut rest: &[u8]) -> Option<Rule> {
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        rest = rest.get(place..).unwrap_or_default();
        let Some(unit) = escaped_unit(rest) else {
            // Another escape; its sign may be a backslash.
            rest = rest.get(2..).unwrap_or_default();
            continue;
        };
        rest = rest.get(6..).unwrap_or_default();
        match unit {
            0 => return Some(Rule::Nul),
            0xD800..=0xDBFF => {
                if !escaped_unit(rest).is_some_and(|unit| (0xDC00..=0xDFFF).contains(&unit)) {
                    return Some(Rule::Surrogate);
                }
                rest = rest.get(6..).unwrap_or_default();
            }
            0xDC00..=0xDFFF => return Some(Rule::Surrogate),
            _ => {}
        }
    }
    None
}

/// The UTF-16 unit of an escape `\uXXXX` at the start of `rest`.
fn escaped_unit(rest: &[u8]) -> Option<u16> {
    let digits = rest.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules_of_json_are_named() {
        for (text, lenient, strict) in [
            (r#"{"b": 1.10, "a":1e400 , "b":2}"#, None, None),
            ("{broken", Some(Rule::Json), Some(Rule::Json)),
            ("", Some(Rule::Json), Some(Rule::Json)),
            ("1 2", Some(Rule::Json), Some(Rule::Json)),
            (r#""a\u0000b""#, None, Some(Rule::Nul)),
            // A backslash and letters.
            (r#""a\\u0000b""#, None, None),
            (r#""\\\u0000""#, None, Some(Rule::Nul)),
            (r#""\ud83d\ude00 \u00e9""#, None, None),
            (r#""\ud83d""#, None, Some(Rule::Surrogate)),
            (r#""\ud83d\n""#, None, Some(Rule::Surrogate)),
            (r#""\ude00""#, None, Some(Rule::Surrogate)),
        ] {
            assert_eq!(broken(text, true), lenient, "{text}");
            assert_eq!(broken(text, false), strict, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(broken(&deep, false), None);
    }

    proptest! {
        #[test]
        fn every_string_that_is_written_is_json(text in ".{0,20}") {
            let written = serde_json::to_string(&text).unwrap();
            let expected = text.contains('\0').then_some(Rule::Nul);
            prop_assert_eq!(broken(&written, false), expected);
        }
    }
}
