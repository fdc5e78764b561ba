//! Dates and times as text: the one strict ISO 8601 form that SQLite columns hold.
//!
//! ```text
//! date       2024-02-29   44 BC: 0044-03-15 BC   infinity   -infinity   0000-00-00
//! time       13:05:09.250   24:00:00
//! duration   -838:59:59.000000
//! timestamp  2024-02-29 13:05:09.250   ('T' instead of the blank is read too)
//! instant    2024-02-29 13:05:09.250+00:00
//! ```
//!
//! The special words are the sentinels of [`rowferry_core::CanonicalType`]. Anything else is
//! refused: a date is never guessed.

use std::fmt::Write as _;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Sentinel of MySQL's zero date in days.
const ZERO_DATE: i32 = i32::MIN + 1;
/// Sentinel of MySQL's zero date in microseconds.
const ZERO_TIMESTAMP: i64 = i64::MIN + 1;

/// Appends days since 1970 as a date.
pub(crate) fn write_date(out: &mut String, days: i32) {
    match days {
        i32::MAX => out.push_str("infinity"),
        i32::MIN => out.push_str("-infinity"),
        ZERO_DATE => out.push_str("0000-00-00"),
        days => {
            let era = push_date(out, i64::from(days));
            out.push_str(era);
        }
    }
}

/// Appends microseconds since midnight, with at least `digits` fraction digits.
pub(crate) fn write_time(out: &mut String, micros: i64, digits: u8) {
    push_clock(out, micros, digits);
}

/// Appends a signed length of time as `hours:minutes:seconds`.
pub(crate) fn write_duration(out: &mut String, micros: i64, digits: u8) {
    if micros < 0 {
        out.push('-');
    }
    // The absolute value of i64::MIN does not fit; it is saturated, 292,000 years off any value.
    push_clock(out, micros.checked_abs().unwrap_or(i64::MAX), digits);
}

/// Appends microseconds since 1970 as a wall clock; with `utc` as an instant.
pub(crate) fn write_timestamp(out: &mut String, micros: i64, digits: u8, utc: bool) {
    match micros {
        i64::MAX => out.push_str("infinity"),
        i64::MIN => out.push_str("-infinity"),
        ZERO_TIMESTAMP => out.push_str("0000-00-00 00:00:00"),
        micros => {
            let era = push_date(out, micros.div_euclid(MICROS_PER_DAY));
            out.push(' ');
            push_clock(out, micros.rem_euclid(MICROS_PER_DAY), digits);
            if utc {
                out.push_str("+00:00");
            }
            out.push_str(era);
        }
    }
}

/// Reads what [`write_date`] writes.
pub(crate) fn read_date(text: &str) -> Option<i32> {
    if let Some(days) = plain_date(text.as_bytes()) {
        return Some(days);
    }
    match text {
        "infinity" => return Some(i32::MAX),
        "-infinity" => return Some(i32::MIN),
        "0000-00-00" => return Some(ZERO_DATE),
        _ => {}
    }
    let (text, before_christ) = split_era(text);
    let mut cursor = Cursor(text.as_bytes());
    let days = cursor.date(before_christ)?;
    cursor.end()?;
    i32::try_from(days).ok().filter(|days| *days > ZERO_DATE && *days < i32::MAX)
}

/// Days since 1970 of `YYYY-MM-DD` and nothing else, from the year 1 on.
fn plain_date(text: &[u8]) -> Option<i32> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else { return None };
    let pair = |tens: u8, ones: u8| {
        let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        are_digits.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let (year, month, day) = (pair(y0, y1)? * 100 + pair(y2, y3)?, pair(m0, m1)?, pair(d0, d1)?);
    let is_date = year > 0
        && (1..=12).contains(&month)
        && day > 0
        && (day <= 28 || day <= days_in_month(year, month));
    if is_date { i32::try_from(days_from_civil(year, month, day)).ok() } else { None }
}

/// Reads a time of day, 00:00 to 24:00.
pub(crate) fn read_time(text: &str) -> Option<i64> {
    let mut cursor = Cursor(text.as_bytes());
    let hours = cursor.digits(2, 2)?;
    let micros = cursor.behind_hours(hours)?;
    cursor.end()?;
    (micros <= MICROS_PER_DAY).then_some(micros)
}

/// Checks a time of day with its offset, as PostgreSQL prints it: `12:34:56.789+02`,
/// `-03:30`, `+05:53:28`. The text itself is the value.
pub(crate) fn read_timetz(text: &str) -> Option<String> {
    let mut cursor = Cursor(text.as_bytes());
    let hours = cursor.digits(2, 2)?;
    let micros = cursor.behind_hours(hours)?;
    cursor.offset()?;
    cursor.end()?;
    (micros <= MICROS_PER_DAY).then(|| text.to_owned())
}

/// Reads what [`write_duration`] writes.
pub(crate) fn read_duration(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut cursor = Cursor(text.as_bytes());
    let hours = cursor.digits(2, 9)?;
    let micros = cursor.behind_hours(hours)?;
    cursor.end()?;
    Some(if negative { -micros } else { micros })
}

/// Reads what [`write_timestamp`] writes. `utc` asks for an offset, which must then be there.
pub(crate) fn read_timestamp(text: &str, utc: bool) -> Option<i64> {
    match text {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        text if is_zero(text) => return Some(ZERO_TIMESTAMP),
        _ => {}
    }
    let (text, before_christ) = split_era(text);
    let mut cursor = Cursor(text.as_bytes());
    let days = cursor.date(before_christ)?;
    if !cursor.skip(b' ') && !cursor.skip(b'T') {
        return None;
    }
    let hours = cursor.digits(2, 2)?;
    let clock = cursor.behind_hours(hours)?;
    if clock >= MICROS_PER_DAY {
        return None;
    }
    let offset = if utc { cursor.offset()? } else { 0 };
    cursor.end()?;
    let micros = days.checked_mul(MICROS_PER_DAY)?.checked_add(clock)?.checked_sub(offset)?;
    (micros > ZERO_TIMESTAMP && micros < i64::MAX).then_some(micros)
}

/// MySQL's zero date, with as many zeros behind the point as its server prints.
fn is_zero(text: &str) -> bool {
    let fraction = text.strip_prefix("0000-00-00 00:00:00");
    fraction.is_some_and(|fraction| {
        let zeros = fraction.strip_prefix('.').unwrap_or("x");
        let all = (1..=6).contains(&zeros.len()) && zeros.bytes().all(|byte| byte == b'0');
        fraction.is_empty() || all
    })
}

fn split_era(text: &str) -> (&str, bool) {
    match text.strip_suffix(" BC") {
        Some(rest) => (rest, true),
        None => (text, false),
    }
}

/// Appends the date and returns the suffix of its era.
fn push_date(out: &mut String, days: i64) -> &'static str {
    let (year, month, day) = civil_from_days(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    // Writing into a String cannot fail.
    write!(out, "{year:04}-{month:02}-{day:02}").unwrap_or_default();
    era
}

fn push_clock(out: &mut String, micros: i64, digits: u8) {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(out, "{hours:02}:{minutes:02}:{seconds:02}").unwrap_or_default();
    // No digit is ever cut off; beyond the declared ones, 3 or 6 as other writers do.
    let needed = match fraction {
        0 => 0,
        fraction if fraction % 1_000 == 0 => 3,
        _ => 6,
    };
    let declared = usize::from(digits.min(6));
    let exact = |digits: usize| {
        let power = u32::try_from(6 - digits).unwrap_or(0);
        fraction % 10_i64.pow(power) == 0
    };
    let shown = if exact(declared) { declared } else { needed };
    if shown > 0 {
        let power = u32::try_from(6 - shown).unwrap_or(0);
        let fraction = fraction / 10_i64.pow(power);
        write!(out, ".{fraction:0shown$}").unwrap_or_default();
    }
}

/// Days since 1970 of a date of the proleptic Gregorian calendar. The algorithm counts years from
/// March, so that the leap day is a year's last: <https://howardhinnant.github.io/date_algorithms.html>.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The unread rest of a text.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip(byte).then_some(())
    }

    /// A number of at least `least` and at most `most` digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(count)?;
        if count < least {
            return None;
        }
        self.0 = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }

    fn date(&mut self, before_christ: bool) -> Option<i64> {
        let year = self.digits(4, 7)?;
        self.expect(b'-')?;
        let month = self.digits(2, 2)?;
        self.expect(b'-')?;
        let day = self.digits(2, 2)?;
        let year = match (year, before_christ) {
            (0, _) => return None,
            (year, true) => 1 - year,
            (year, false) => year,
        };
        let real = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        real.then(|| days_from_civil(year, month, day))
    }

    /// `:minutes[:seconds[.fraction]]` behind the hours; 60 seconds are no valid minute.
    fn behind_hours(&mut self, hours: i64) -> Option<i64> {
        self.expect(b':')?;
        let minutes = self.digits(2, 2).filter(|minutes| *minutes < 60)?;
        let mut micros = (hours * 60 + minutes) * 60 * MICROS_PER_SECOND;
        if self.skip(b':') {
            let seconds = self.digits(2, 2).filter(|seconds| *seconds < 60)?;
            micros += seconds * MICROS_PER_SECOND;
            if self.skip(b'.') {
                let before = self.0.len();
                let fraction = self.digits(1, 6)?;
                let read = u32::try_from(before - self.0.len()).ok()?;
                micros += fraction * 10_i64.pow(6 - read);
            }
        }
        Some(micros)
    }

    /// `Z`, `±hh`, `±hh:mm` or `±hh:mm:ss`, as microseconds ahead of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.skip(b'Z') {
            return Some(0);
        }
        let sign = if self.skip(b'+') {
            1
        } else {
            self.expect(b'-')?;
            -1
        };
        let mut seconds = self.digits(2, 2).filter(|hours| *hours < 24)? * 3_600;
        for unit in [60, 1] {
            if self.skip(b':') {
                seconds += self.digits(2, 2).filter(|part| *part < 60)? * unit;
            }
        }
        Some(sign * seconds * MICROS_PER_SECOND)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timestamp(micros: i64, digits: u8, utc: bool) -> String {
        let mut text = String::new();
        write_timestamp(&mut text, micros, digits, utc);
        text
    }

    fn date(days: i32) -> String {
        let mut text = String::new();
        write_date(&mut text, days);
        text
    }

    #[test]
    fn known_dates_have_their_known_text() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(-719_528), "0001-01-01 BC");
        assert_eq!(timestamp(-1, 0, false), "1969-12-31 23:59:59.999999");
        assert_eq!(timestamp(1_500_000, 0, false), "1970-01-01 00:00:01.500");
        assert_eq!(timestamp(1_500_000, 6, true), "1970-01-01 00:00:01.500000+00:00");
        assert_eq!(timestamp(1_500_000, 1, false), "1970-01-01 00:00:01.5");
        assert_eq!(timestamp(i64::MAX, 6, true), "infinity");
    }

    #[test]
    fn what_is_not_strict_is_refused() {
        for text in [
            "2024-2-1",
            "2023-02-29",
            "2024-13-01",
            "24-01-01",
            "2024-01-01 ",
            "0000-01-01",
            "",
            "2024-02-00",
            "tomorrow",
        ] {
            assert_eq!(read_date(text), None, "{text}");
        }
        for text in ["2024-01-01 24:00:00", "2024-01-01", "2024-01-01 10:00:60", "2024-01-01 10"] {
            assert_eq!(read_timestamp(text, false), None, "{text}");
        }
        assert_eq!(read_timestamp("2024-01-01 10:00:00", true), None);
        assert_eq!(read_timestamp("2024-01-01 10:00:00Z", false), None);
        assert_eq!(
            read_timestamp("2024-01-01T12:00:00+02:00", true),
            read_timestamp("2024-01-01 10:00:00Z", true)
        );
        for zero in ["0000-00-00 00:00:00", "0000-00-00 00:00:00.000"] {
            assert_eq!(read_timestamp(zero, false), Some(ZERO_TIMESTAMP));
        }
        for text in ["0000-00-00 00:00:00.", "0000-00-00 00:00:00.001", "0000-00-00 00:00:000"] {
            assert_eq!(read_timestamp(text, false), None, "{text}");
        }
        assert_eq!(read_time("24:00:00"), Some(MICROS_PER_DAY));
        assert_eq!(read_time("24:00:00.000001"), None);
        assert_eq!(read_duration("-838:59:59"), Some(-3_020_399_000_000));
    }

    proptest! {
        #[test]
        fn dates_come_back(
            days in prop_oneof![any::<i32>().prop_map(|days| days / 8), -800_000..3_000_000],
        ) {
            prop_assert_eq!(read_date(&date(days)), Some(days));
        }

        #[test]
        fn timestamps_come_back(
            micros in any::<i64>().prop_map(|micros| micros / 2), digits in 0_u8..=6, utc: bool,
        ) {
            prop_assert_eq!(read_timestamp(&timestamp(micros, digits, utc), utc), Some(micros));
        }

        #[test]
        fn times_and_durations_come_back(micros in -MICROS_PER_DAY..=MICROS_PER_DAY, digits in 0_u8..=6) {
            let mut text = String::new();
            write_duration(&mut text, micros, digits);
            prop_assert_eq!(read_duration(&text), Some(micros));
            text.clear();
            write_time(&mut text, micros.abs(), digits);
            prop_assert_eq!(read_time(&text), Some(micros.abs()));
        }
    }
}
