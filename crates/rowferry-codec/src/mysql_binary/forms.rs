//! The forms in which values stand on the wire: numbers in digits, dates in parts, uuids in text.

use arrow_buffer::i256;

use super::places::length;

/// What is wrong with a value. A word of its own, not a sentence: each value that is right is
/// returned beside room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Out of the type's range.
    Number,
    /// Not UTF-8.
    Text,
    /// Not digits.
    Decimal,
    /// Out of range.
    Date,
    /// Out of range.
    Time,
    /// Not 32 hex digits.
    Uuid,
    /// Not whole floats.
    Vector,
    /// Of another type than the column was described with.
    OtherType,
    /// An enum's value for what is no label.
    EnumError,
    /// Without month or day.
    PartialDate,
    /// Of the year 0.
    YearZero,
    /// The 31st of February.
    NoSuchDay,
}

impl Broken {
    /// In words: lowercase, no value.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Number => "the server sent a number out of its type's range",
            Self::Text => "the server sent a text that is not utf-8",
            Self::Decimal => "a decimal came in an unknown form",
            Self::Date => "a date out of range",
            Self::Time => "a time out of range",
            Self::Uuid => "a uuid came in an unknown form",
            Self::Vector => "a vector came in an unknown form",
            Self::OtherType => "the server sent another type than it described",
            Self::EnumError => "the enum holds its error value, which is no label",
            Self::PartialDate => "a date without month or day has no equal in other types",
            Self::YearZero => "a date of the year 0 has no equal in other types",
            Self::NoSuchDay => "a day that its month does not have has no equal elsewhere",
        }
    }

    /// Whether another meaning of the column could hold the value.
    pub const fn is_unrepresentable(self) -> bool {
        matches!(self, Self::EnumError | Self::PartialDate | Self::YearZero | Self::NoSuchDay)
    }
}

/// The unscaled integer of `-12.340`; the server always sends the declared fraction digits.
#[inline]
pub(super) fn decimal128(text: &[u8]) -> Option<i128> {
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

pub(super) fn decimal256(text: &[u8]) -> Option<i256> {
    let digits: String = std::str::from_utf8(text).ok()?.replace('.', "");
    i256::from_string(&digits)
}

/// Days since 1970-01-01; `None` for the zero date.
#[inline]
fn days([low, high, month, day]: [u8; 4]) -> Result<Option<i64>, Broken> {
    let year = u16::from_le_bytes([low, high]);
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

/// Microseconds of a time of day; `None` beyond its end.
#[inline]
fn clock([hour, minute, second]: [u8; 3], micros: [u8; 4]) -> Option<i64> {
    let micros = u32::from_le_bytes(micros);
    if hour > 23 || minute > 59 || second > 59 || micros > 999_999 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Some(seconds * 1_000_000 + i64::from(micros))
}

/// Storage of the zero date in `Date32`.
const ZERO_DATE: i32 = i32::MIN + 1;
/// Storage of the zero date in `Timestamp`.
const ZERO_TIMESTAMP: i64 = i64::MIN + 1;
const DAY_MICROS: i64 = 86_400_000_000;

/// Days since 1970-01-01 of a date that stands behind its length.
#[inline]
pub(super) fn date(value: &[u8]) -> Result<i32, Broken> {
    let date = match value.split_first() {
        Some((0, _)) => [0; 4],
        Some((4, parts)) => part(parts, 0)?,
        _ => return Err(Broken::OtherType),
    };
    match days(date)? {
        Some(days) => i32::try_from(days).map_err(|_range| Broken::Date),
        None => Ok(ZERO_DATE),
    }
}

/// Microseconds since 1970-01-01 of a date and time that stands behind its length; what the length
/// leaves out is zero.
#[inline]
pub(super) fn timestamp(value: &[u8]) -> Result<i64, Broken> {
    let (length, parts) = value.split_first().ok_or(Broken::OtherType)?;
    let (date, time, micros) = match length {
        0 => ([0; 4], [0; 3], [0; 4]),
        4 => (part(parts, 0)?, [0; 3], [0; 4]),
        7 => (part(parts, 0)?, part(parts, 4)?, [0; 4]),
        11 => (part(parts, 0)?, part(parts, 4)?, part(parts, 7)?),
        _ => return Err(Broken::OtherType),
    };
    match days(date)? {
        Some(days) => Ok(days * DAY_MICROS + clock(time, micros).ok_or(Broken::Date)?),
        None => Ok(ZERO_TIMESTAMP),
    }
}

/// Microseconds of a length of time that stands behind its own length.
#[inline]
pub(super) fn duration(value: &[u8]) -> Result<i64, Broken> {
    let (length, parts) = value.split_first().ok_or(Broken::OtherType)?;
    let micros = match length {
        0 => return Ok(0),
        8 => [0; 4],
        12 => part(parts, 8)?,
        _ => return Err(Broken::OtherType),
    };
    let [negative] = part(parts, 0)?;
    let days = i64::from(u32::from_le_bytes(part(parts, 1)?));
    let clock = clock(part(parts, 5)?, micros);
    let value = days.checked_mul(DAY_MICROS).zip(clock);
    let value = value.and_then(|(days, clock)| days.checked_add(clock)).ok_or(Broken::Time)?;
    match negative {
        0 => Ok(value),
        1 => Ok(-value),
        _ => Err(Broken::Time),
    }
}

/// So many bytes at a place.
#[inline]
fn part<const N: usize>(parts: &[u8], at: usize) -> Result<[u8; N], Broken> {
    parts.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(Broken::OtherType)
}

/// The bits of a number, most significant byte first.
pub(super) fn bits(bytes: &[u8]) -> Result<u64, Broken> {
    if bytes.len() > 8 {
        return Err(Broken::OtherType);
    }
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The bytes that stand behind their length, and all from their first one on.
#[inline]
pub(super) fn sized(value: &[u8]) -> Result<(&[u8], &[u8]), Broken> {
    let (length, head) = length(value).ok_or(Broken::OtherType)?;
    let rest = value.get(head..).ok_or(Broken::OtherType)?;
    Ok((rest.get(..length).ok_or(Broken::OtherType)?, rest))
}

pub(super) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
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
        let days = |year: u16, month, day| {
            let [low, high] = year.to_le_bytes();
            days([low, high, month, day]).map_err(Broken::is_unrepresentable)
        };
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
