//! Decimals by value: 1.10 and 1.1 are the same, in any storage.

use arrow_buffer::i256;

/// A decimal without trailing zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// `number` × 10^−`scale`.
    Small { number: i128, scale: i32 },
    /// More digits than an `i128` holds: sign, digits and scale as text.
    Wide(Vec<u8>),
    /// Not a number in plain notation: `NaN`, the infinities, or foreign text, as it is.
    Word(Vec<u8>),
}

impl Plain {
    /// What does not fit a slot.
    pub(crate) fn tail(&self) -> &[u8] {
        match self {
            Self::Small { .. } => &[],
            Self::Wide(tail) | Self::Word(tail) => tail,
        }
    }
}

/// Takes away the trailing zeros behind and before the point.
#[inline]
pub(crate) fn strip(number: i128, mut scale: i32) -> (i128, i32) {
    if number == 0 {
        return (0, 0);
    }
    // Most values fit 64 bits, where a division by a constant is one multiplication. That of a number
    // without sign is cheaper.
    if let Ok(mut small) = u64::try_from(number.unsigned_abs()) {
        // Amounts of money often end in two zeros.
        while small.is_multiple_of(100) {
            small /= 100;
            scale -= 2;
        }
        if small.is_multiple_of(10) {
            small /= 10;
            scale -= 1;
        }
        let small = i128::from(small);
        return (if number < 0 { -small } else { small }, scale);
    }
    let mut wide = number;
    while wide % 10 == 0 {
        wide /= 10;
        scale -= 1;
    }
    (wide, scale)
}

pub(crate) fn of_i256(number: i256, scale: i32) -> Plain {
    match number.to_i128() {
        Some(number) => {
            let (number, scale) = strip(number, scale);
            Plain::Small { number, scale }
        }
        None => of_digits(number.to_string().as_bytes(), scale),
    }
}

pub(crate) fn of_text(text: &[u8]) -> Plain {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let mut parts = unsigned.splitn(2, |byte| *byte == b'.');
    let integer = parts.next().unwrap_or_default();
    let fraction = parts.next();
    let plain = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    if !plain(integer) || !fraction.is_none_or(plain) {
        return Plain::Word(text.to_vec());
    }
    let fraction = fraction.unwrap_or_default();
    let mut digits = Vec::with_capacity(text.len());
    if unsigned.len() < text.len() {
        digits.push(b'-');
    }
    digits.extend_from_slice(integer);
    digits.extend_from_slice(fraction);
    of_digits(&digits, i32::try_from(fraction.len()).unwrap_or(i32::MAX))
}

/// `digits`, perhaps behind a minus, times 10^−`scale`.
fn of_digits(digits: &[u8], scale: i32) -> Plain {
    let negative = digits.first() == Some(&b'-');
    let unsigned = digits.get(usize::from(negative)..).unwrap_or_default();
    let first = unsigned.iter().position(|digit| *digit != b'0').unwrap_or(unsigned.len());
    let last = unsigned.iter().rposition(|digit| *digit != b'0').map_or(first, |last| last + 1);
    let significant = unsigned.get(first..last).unwrap_or_default();
    if significant.is_empty() {
        return Plain::Small { number: 0, scale: 0 };
    }
    let zeros = i32::try_from(unsigned.len() - last).unwrap_or(i32::MAX);
    let scale = scale.saturating_sub(zeros);
    let number = significant.iter().try_fold(0_i128, |number, digit| {
        number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))
    });
    if let Some(number) = number {
        return Plain::Small { number: if negative { -number } else { number }, scale };
    }
    let mut wide = scale.to_le_bytes().to_vec();
    wide.push(if negative { b'-' } else { b'+' });
    wide.extend_from_slice(significant);
    Plain::Wide(wide)
}
