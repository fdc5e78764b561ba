//! Decimal numbers and their text, without a detour through floating point.

use std::fmt::Write as _;

use arrow_buffer::i256;

use crate::cells::{Misfit, misfit};

/// Whether `text` is plain decimal notation or one of the three special words.
pub(crate) fn is_decimal(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity") || is_finite(text)
}

/// Whether `text` is plain decimal notation: sign, digits, at most one point.
pub(crate) fn is_finite(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction)
}

/// The shortest plain notation that reads back as the same double.
pub(crate) fn of_double(value: f64) -> String {
    if value == f64::INFINITY {
        "Infinity".into()
    } else if value == f64::NEG_INFINITY {
        "-Infinity".into()
    } else {
        // Rust prints a double shortest and without exponent.
        value.to_string()
    }
}

/// Two plain numbers without the zeros that do not count: `-0.10` becomes `-.1`.
pub(crate) fn normalized(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.is_empty() && fraction.is_empty() {
        return ".".into();
    }
    format!("{sign}{whole}.{fraction}")
}

/// The unscaled value of up to 38 digits.
pub(crate) fn parse_128(text: &str, precision: u8, scale: u8) -> Result<i128, Misfit> {
    unscaled(text, precision, scale)?
        .parse()
        .map_err(|_overflow| misfit("a decimal number of its declared size", "a larger number"))
}

/// The unscaled value of up to 76 digits.
pub(crate) fn parse_256(text: &str, precision: u8, scale: u8) -> Result<i256, Misfit> {
    i256::from_string(&unscaled(text, precision, scale)?)
        .ok_or(misfit("a decimal number of its declared size", "a larger number"))
}

/// Numbers of at most this many digits differ in their doubles, and an integer of as many digits is
/// itself a double (`DBL_DIG` of the C language).
const DOUBLE_DIGITS: u32 = 15;

/// As [`parse_128`] of the text of a double, without the text: only for numbers of few digits.
#[expect(clippy::float_cmp, reason = "asks whether both are one double")]
pub(crate) fn short_of_double(value: f64, precision: u8, scale: u8) -> Option<i128> {
    let power = 10_f64.powi(i32::from(scale));
    let unscaled = (value * power).round();
    // Division rounds to the nearest double, which is the one that the decimal number reads as.
    let scale_fits = scale <= precision && u32::from(scale) <= DOUBLE_DIGITS;
    let is_it = scale_fits && unscaled / power == value;
    let end = 10_f64.powi(i32::from(precision).min(15));
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 10^15")]
    let whole = unscaled as i64;
    (is_it && unscaled.abs() < end).then(|| whole.into())
}

/// As [`parse_128`] of an integer.
pub(crate) fn of_integer(value: i64, precision: u8, scale: u8) -> Option<i128> {
    let unscaled = i128::from(value).checked_mul(10_i128.checked_pow(scale.into())?)?;
    let fits = scale <= precision && unscaled.abs() < 10_i128.checked_pow(precision.into())?;
    fits.then_some(unscaled)
}

/// As [`parse_128`], for numbers of few digits.
pub(crate) fn short_of_text(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (is_negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    // Eighteen digits fit in 64 bits.
    if digits.len() > 18 {
        return None;
    }
    let (mut unscaled, mut point) = (0_u64, None);
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => unscaled = unscaled * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() && index > 0 => point = Some(index + 1),
            _ => return None,
        }
    }
    let behind = digits.len() - point.unwrap_or(digits.len());
    if digits.is_empty() || behind == 0 && point.is_some() {
        return None;
    }
    let missing = u32::from(scale).checked_sub(u32::try_from(behind).ok()?)?;
    let unscaled = i128::from(unscaled).checked_mul(10_i128.checked_pow(missing)?)?;
    let fits = scale <= precision && unscaled < 10_i128.checked_pow(precision.into())?;
    fits.then_some(if is_negative { -unscaled } else { unscaled })
}

/// Whether a finite number has at most so many digits, and so many of them after the point.
pub(crate) fn fits(text: &str, precision: u8, scale: u8) -> bool {
    unscaled(text, precision, scale).is_ok()
}

/// The digits of `text` at exactly this scale, as an integer; never rounded.
fn unscaled(text: &str, precision: u8, scale: u8) -> Result<String, Misfit> {
    if !is_finite(text) {
        return Err(misfit("a decimal number", "other text"));
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let scale = usize::from(scale);
    if fraction.len() > scale {
        return Err(misfit("a decimal number of its declared scale", "more digits"));
    }
    if whole.len() + scale > usize::from(precision) {
        return Err(misfit("a decimal number of its declared size", "a larger number"));
    }
    if whole.is_empty() && fraction.is_empty() {
        return Ok("0".into());
    }
    Ok(format!("{sign}{whole}{fraction:0<scale$}"))
}

/// Appends an unscaled value as plain notation with exactly `scale` fraction digits.
pub(crate) fn write_unscaled(out: &mut String, unscaled: &str, scale: usize) {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    out.push_str(sign);
    match digits.len().checked_sub(scale) {
        Some(whole) if whole > 0 => {
            let (whole, fraction) = digits.split_at_checked(whole).unwrap_or((digits, ""));
            out.push_str(whole);
            if scale > 0 {
                out.push('.');
                out.push_str(fraction);
            }
        }
        // Writing into a String cannot fail.
        _ => write!(out, "0.{digits:0>scale$}").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(unscaled: &str, scale: usize) -> String {
        let mut text = String::new();
        write_unscaled(&mut text, unscaled, scale);
        text
    }

    #[test]
    fn scales_are_kept() {
        assert_eq!(shown("110", 2), "1.10");
        assert_eq!(shown("-5", 2), "-0.05");
        assert_eq!(shown("0", 2), "0.00");
        assert_eq!(shown("12", 0), "12");
        assert_eq!(parse_128("1.1", 5, 2), Ok(110));
        assert_eq!(parse_128("-0.00", 5, 2), Ok(0));
        assert!(parse_128("1.111", 5, 2).is_err());
        assert!(parse_128("1000", 5, 2).is_err());
        assert!(parse_128("1e3", 5, 2).is_err());
        assert!(parse_128("NaN", 5, 2).is_err());
    }

    #[test]
    fn doubles_have_plain_text() {
        assert_eq!(of_double(0.1), "0.1");
        assert_eq!(of_double(1e21), "1000000000000000000000");
        assert_eq!(of_double(f64::NEG_INFINITY), "-Infinity");
        assert_eq!(normalized("0010.500"), normalized("10.5"));
        assert_eq!(normalized("-0.0"), normalized("0"));
    }

    fn agree(short: Option<i128>, text: &str, precision: u8, scale: u8) {
        let Some(short) = short else { return };
        assert_eq!(Ok(short), parse_128(text, precision, scale), "{text} {precision} {scale}");
    }

    #[test]
    fn short_numbers_take_the_short_way() {
        assert_eq!(short_of_double(21_168.23, 15, 2), Some(2_116_823));
        assert_eq!(short_of_double(-0.0, 15, 2), Some(0));
        assert_eq!(short_of_double(0.125, 15, 2), None);
        assert_eq!(short_of_double(f64::NAN, 15, 2), None);
        assert_eq!(short_of_double(1e14, 16, 2), None);
        assert_eq!(short_of_text(b"-21168.2", 15, 2), Some(-2_116_820));
        assert_eq!(of_integer(-17, 15, 2), Some(-1_700));
        for text in ["", "-", ".", ".5", "5.", "1.2.3", "+1", "1e3", "0.125", "1234"] {
            assert_eq!(short_of_text(text.as_bytes(), 5, 2), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_gives_what_the_long_one_does(
            unscaled in prop_oneof![any::<i16>().prop_map(i64::from), any::<i64>()],
            digits in 0_u8..=18, bits: u64, precision in 1_u8..=38, scale in 0_u8..=38,
        ) {
            let text = shown(&unscaled.to_string(), usize::from(digits));
            agree(short_of_text(text.as_bytes(), precision, scale), &text, precision, scale);
            agree(of_integer(unscaled, precision, scale), &unscaled.to_string(), precision, scale);
            for double in [text.parse().unwrap(), f64::from_bits(bits)] {
                let short = short_of_double(double, precision, scale);
                agree(short, &of_double(double), precision, scale);
            }
        }

        #[test]
        fn decimals_come_back(
            value in -99_999_999_999_999_999_999_999_999_999_999_999_999_i128
                ..=99_999_999_999_999_999_999_999_999_999_999_999_999,
            scale in 0_u8..=38,
        ) {
            let text = shown(&value.to_string(), usize::from(scale));
            prop_assert_eq!(parse_128(&text, 38, scale), Ok(value));
            prop_assert_eq!(parse_256(&text, 76, scale), Ok(i256::from_i128(value)));
        }
    }
}
