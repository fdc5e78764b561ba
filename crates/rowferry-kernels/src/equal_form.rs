//! The form in which values of two columns are compared, where their meanings differ.
//!
//! Canonical bytes already make integers of any width one, decimals of any scale, floats of both
//! sizes, texts and bytes, times and lengths of time (see [`crate::row_bytes`]). The forms here bring
//! together what they keep apart.

#![expect(clippy::wildcard_enum_match_arm, reason = "few meanings are floats or decimals")]

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType,
    builder::StringBuilder,
    cast::AsArray,
    types::{Float32Type, Float64Type},
};
use rowferry_core::CanonicalType as C;

use crate::{Converted, KernelError, convert, json_value};

/// What is done to the values of a column before they are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EqualForm {
    /// Nothing.
    AsItIs,
    /// They are converted to another meaning.
    Meaning(C),
    /// Texts lose the blanks at their end.
    WithoutPadding,
    /// Numbers of any kind become decimals.
    Number,
    /// Texts that are UUIDs in any spelling get the usual one.
    Uuid,
    /// Network addresses lose a mask that covers all of them.
    Address,
    /// JSON becomes one text for each value; lists become JSON. Anything else is left alone.
    Json,
}

/// The text form of every meaning.
const TEXT: C = C::Text { chars: None, fixed: false };

/// Digits of the greatest unsigned integer of 64 bits.
const WHOLE: C = C::Decimal { precision: 20, scale: 0 };

impl EqualForm {
    /// What values of `from` mean in this form.
    pub fn meaning(&self, from: &C) -> C {
        match self {
            Self::AsItIs => from.clone(),
            Self::Meaning(to) => to.clone(),
            Self::WithoutPadding | Self::Uuid | Self::Address | Self::Json => TEXT,
            Self::Number => match from {
                C::Float32 | C::Float64 => C::DecimalText,
                C::Decimal { .. } | C::DecimalText => from.clone(),
                _ => WHOLE,
            },
        }
    }

    /// `array`, whose values mean `from`, in this form.
    ///
    /// # Nulls
    ///
    /// Stay null.
    ///
    /// # Errors
    ///
    /// [`KernelError`] when there is no way from `from` to this form.
    pub fn apply(&self, array: &ArrayRef, from: &C) -> Result<Converted, KernelError> {
        match self {
            Self::AsItIs => Ok(whole(Arc::clone(array))),
            Self::Meaning(to) => convert(array, from, to),
            Self::WithoutPadding => texts(array, from, |text, out| {
                out.push_str(text.trim_end_matches(' '));
            }),
            Self::Number => match from {
                C::Float32 => Ok(plain_digits::<Float32Type>(array)),
                C::Float64 => Ok(plain_digits::<Float64Type>(array)),
                _ => convert(array, from, &self.meaning(from)),
            },
            Self::Uuid => texts(array, from, append_uuid),
            Self::Address => texts(array, from, |text, out| {
                let whole = if text.contains(':') { "/128" } else { "/32" };
                out.push_str(text.strip_suffix(whole).unwrap_or(text));
            }),
            Self::Json => {
                let json = C::Json { flavor: rowferry_core::JsonFlavor::Text };
                let listed = matches!(from, C::List { .. });
                let first = convert(array, from, if listed { &json } else { &TEXT })?;
                let found = texts(&first.array, &TEXT, |text, out| {
                    if !json_value::append(text, out) {
                        out.push_str(text);
                    }
                })?;
                Ok(Converted { misfits: first.misfits, ..found })
            }
        }
    }
}

const fn whole(array: ArrayRef) -> Converted {
    Converted { array, misfits: Vec::new() }
}

fn texts(
    array: &ArrayRef,
    from: &C,
    append: impl Fn(&str, &mut String),
) -> Result<Converted, KernelError> {
    let texts = convert(array, from, &TEXT)?;
    let values = texts.array.as_string::<i32>();
    let mut builder = StringBuilder::with_capacity(values.len(), values.values().len());
    let mut text = String::new();
    for value in values {
        text.clear();
        if let Some(value) = value {
            append(value, &mut text);
        }
        builder.append_option(value.map(|_| &text));
    }
    Ok(Converted { array: Arc::new(builder.finish()), misfits: texts.misfits })
}

/// Floats in the fewest digits that read back as the same bits, without a power of ten.
fn plain_digits<T: ArrowPrimitiveType>(array: &ArrayRef) -> Converted
where
    T::Native: Display + Into<f64>,
{
    let mut builder = StringBuilder::new();
    let mut text = String::new();
    for value in array.as_primitive::<T>() {
        text.clear();
        match value.map(|value| (value, value.into())) {
            None => {}
            Some((_, double)) if double.is_nan() => text.push_str("NaN"),
            Some((_, f64::INFINITY)) => text.push_str("Infinity"),
            Some((_, f64::NEG_INFINITY)) => text.push_str("-Infinity"),
            Some((value, _)) => write!(text, "{value}").unwrap_or_default(),
        }
        builder.append_option(value.map(|_| &text));
    }
    whole(Arc::new(builder.finish()))
}

/// A UUID in lower case with hyphens, however it was spelled; another text as it is.
fn append_uuid(text: &str, out: &mut String) {
    let bare = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let bare = bare.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(bare);
    let digits = bare.bytes().filter(u8::is_ascii_hexdigit).count();
    let hyphens = bare.bytes().filter(|byte| *byte == b'-').count();
    if digits != 32 || digits + hyphens != bare.len() {
        out.push_str(text);
        return;
    }
    for (place, digit) in bare.chars().filter(|sign| *sign != '-').enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit.to_ascii_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, StringArray};

    use super::*;

    fn check(form: &EqualForm, value: &str, expected: &str) {
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some(value), None]));
        let formed = form.apply(&array, &TEXT).unwrap().array;
        let formed = formed.as_string::<i32>();
        assert_eq!(formed.value(0), expected);
        assert!(formed.is_null(1));
    }

    #[test]
    fn every_spelling_of_a_uuid_is_one() {
        const USUAL: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for spelled in [
            USUAL,
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "urn:uuid:A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        ] {
            check(&EqualForm::Uuid, spelled, USUAL);
        }
        check(&EqualForm::Uuid, "not one", "not one");
    }

    #[test]
    fn masks_of_whole_addresses_are_taken_away() {
        for (text, expected) in [
            ("10.0.0.1/32", "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("::1/128", "::1"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            check(&EqualForm::Address, text, expected);
        }
    }

    #[test]
    fn padding_and_json_are_taken_away() {
        check(&EqualForm::WithoutPadding, "a b  ", "a b");
        check(&EqualForm::Json, "{\"a\": 1.0}", "{\"a\":1e0}");
        check(&EqualForm::Json, "no json ", "no json ");
    }

    #[test]
    fn floats_become_plain_digits() {
        let values = [1e16, 0.1, -0.0, f64::NAN, f64::NEG_INFINITY];
        let array: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
        let formed = EqualForm::Number.apply(&array, &C::Float64).unwrap().array;
        let formed: Vec<Option<&str>> = formed.as_string::<i32>().iter().collect();
        let expected = ["10000000000000000", "0.1", "-0", "NaN", "-Infinity"];
        assert_eq!(formed, expected.map(Some));
    }
}
