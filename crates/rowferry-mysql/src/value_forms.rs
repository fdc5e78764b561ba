//! The forms in which values stand on the wire: numbers in digits, dates in parts, uuids in text.

use arrow_array::builder::Float32Builder;
use arrow_buffer::i256;
use mysql_async::Value;

/// What is wrong with a value. A word of its own, not a sentence: each value that is right is
/// returned beside room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Number,
    Text,
    Decimal,
    Date,
    Time,
    Uuid,
    Vector,
    OtherType,
    TooFewColumns,
    EnumError,
    PartialDate,
    YearZero,
    NoSuchDay,
}

impl Broken {
    /// In words: lowercase, no value.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Number => "the server sent a number out of its type's range",
            Self::Text => "the server sent a text that is not utf-8",
            Self::Decimal => "a decimal came in an unknown form",
            Self::Date => "a date out of range",
            Self::Time => "a time out of range",
            Self::Uuid => "a uuid came in an unknown form",
            Self::Vector => "a vector came in an unknown form",
            Self::OtherType => "the server sent another type than it described",
            Self::TooFewColumns => "the server sent too few columns",
            Self::EnumError => "the enum holds its error value, which is no label",
            Self::PartialDate => "a date without month or day has no equal in other types",
            Self::YearZero => "a date of the year 0 has no equal in other types",
            Self::NoSuchDay => "a day that its month does not have has no equal elsewhere",
        }
    }

    /// Whether another meaning of the column could hold the value.
    pub(crate) const fn is_unrepresentable(self) -> bool {
        matches!(self, Self::EnumError | Self::PartialDate | Self::YearZero | Self::NoSuchDay)
    }
}

#[inline]
pub(crate) fn narrow<T: TryFrom<i64> + TryFrom<u64>>(value: &Value) -> Result<T, Broken> {
    match value {
        Value::Int(value) => T::try_from(*value).map_err(|_range| Broken::Number),
        Value::UInt(value) => T::try_from(*value).map_err(|_range| Broken::Number),
        Value::NULL
        | Value::Bytes(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..) => Err(Broken::Number),
    }
}

/// Appends floats of four bytes each, least byte first; `None` when some are left over.
pub(crate) fn floats(bytes: &[u8], to: &mut Float32Builder) -> Option<()> {
    let (floats, rest) = bytes.as_chunks::<4>();
    for float in floats {
        to.append_value(f32::from_le_bytes(*float));
    }
    rest.is_empty().then_some(())
}

#[inline]
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Broken> {
    std::str::from_utf8(bytes).map_err(|_invalid| Broken::Text)
}

/// The unscaled integer of `-12.340`; the server always sends the declared fraction digits.
#[inline]
pub(crate) fn decimal128(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // Eighteen digits fit whatever they are; 9999999999999999999 does not.
    let value = if digits.len() <= 18 {
        let mut value = 0_i64;
        for digit in digits.iter().filter(|digit| **digit != b'.') {
            value = value * 10 + i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        }
        i128::from(value)
    } else {
        let mut value = 0_i128;
        for digit in digits.iter().filter(|digit| **digit != b'.') {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            value = value.checked_mul(10)?.checked_add(digit.into())?;
        }
        value
    };
    Some(if negative { -value } else { value })
}

pub(crate) fn decimal256(text: &[u8]) -> Option<i256> {
    let digits: String = std::str::from_utf8(text).ok()?.replace('.', "");
    i256::from_string(&digits)
}

/// Days since 1970-01-01; `None` for the zero date.
#[inline]
pub(crate) fn days(year: u16, month: u8, day: u8) -> Result<Option<i64>, Broken> {
    if (year, month, day) == (0, 0, 0) {
        return Ok(None);
    }
    if month == 0 || day == 0 {
        return Err(Broken::PartialDate);
    }
    // The servers' year 0 has no 29th of February, so their calendar is not that of other engines.
    if year == 0 {
        return Err(Broken::YearZero);
    }
    // A server that allows invalid dates keeps a 31st of February.
    if day > days_in_month(year, month) {
        return Err(Broken::NoSuchDay);
    }
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Ok(Some(era * 146_097 + day_of_era - 719_468))
}

const fn days_in_month(year: u16, month: u8) -> u8 {
    let leaps = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leaps => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[inline]
pub(crate) fn clock(hour: u8, minute: u8, second: u8, micros: u32) -> i64 {
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    seconds * 1_000_000 + i64::from(micros)
}

pub(crate) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut uuid = [0_u8; 16];
    let mut digits = text.iter().filter(|byte| **byte != b'-');
    for byte in &mut uuid {
        let mut digit = || char::from(*digits.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    digits.next().is_none().then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_to_the_last_digit() {
        for text in [
            "0",
            "-0.01",
            "999999999999999999",
            "9999999999999999999",
            "-9999999999999999999",
            "-99999999999999999999999999999999999999",
            "1234567890123456.789",
        ] {
            let digits = text.replace('.', "");
            assert_eq!(decimal128(text.as_bytes()), digits.parse().ok(), "{text}");
            assert_eq!(decimal256(text.as_bytes()), i256::from_string(&digits), "{text}");
        }
    }

    #[test]
    fn dates_of_no_calendar_are_not_counted_in_days() {
        let days = |year, month, day| days(year, month, day).map_err(Broken::is_unrepresentable);
        assert_eq!(days(0, 0, 0), Ok(None));
        assert_eq!(days(1970, 1, 1), Ok(Some(0)));
        assert_eq!(days(1, 1, 1), Ok(Some(-719_162)));
        assert_eq!(days(2024, 2, 29), Ok(Some(19_782)));
        for (year, month, day) in [
            (2024, 2, 0),
            (2024, 0, 1),
            (0, 1, 1),
            (0, 0, 1),
            (2023, 2, 29),
            (1900, 2, 29),
            (2024, 4, 31),
        ] {
            assert_eq!(days(year, month, day), Err(true), "{year}-{month}-{day}");
        }
    }
}
