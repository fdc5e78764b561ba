//! Dates, times and lengths of time as text, without trailing zeros of a fraction.
//!
//! ```text
//! date       2024-02-29   0044-03-15 BC   infinity   -infinity   0000-00-00
//! time       13:05:09.25   24:00:00       duration   -838:59:59.5
//! timestamp  2024-02-29 13:05:09.25       instant    2024-02-29 13:05:09.25+00:00
//! interval   1 year 2 mons -3 days +04:05:06, as PostgreSQL prints it
//! ```

use std::fmt::Write as _;

const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// MySQL's zero date in days, see [`rowferry_core::CanonicalType::Date`].
pub(crate) const ZERO_DATE: i32 = i32::MIN + 1;
/// MySQL's zero date in microseconds.
pub(crate) const ZERO_TIMESTAMP: i64 = i64::MIN + 1;

/// Appends days since 1970.
pub(crate) fn date(out: &mut String, days: i32) {
    match days {
        i32::MAX => out.push_str("infinity"),
        i32::MIN => out.push_str("-infinity"),
        ZERO_DATE => out.push_str("0000-00-00"),
        days => {
            let era = day(out, i64::from(days));
            out.push_str(era);
        }
    }
}

/// Appends microseconds since 1970; behind an instant stands its offset, which is always zero.
pub(crate) fn timestamp(out: &mut String, micros: i64, instant: bool) {
    match micros {
        i64::MAX => out.push_str("infinity"),
        i64::MIN => out.push_str("-infinity"),
        ZERO_TIMESTAMP => out.push_str("0000-00-00 00:00:00"),
        micros => {
            let era = day(out, micros.div_euclid(MICROS_PER_DAY));
            out.push(' ');
            clock(out, micros.rem_euclid(MICROS_PER_DAY).unsigned_abs());
            if instant {
                out.push_str("+00:00");
            }
            out.push_str(era);
        }
    }
}

/// Appends a time of day or a signed length of time.
pub(crate) fn duration(out: &mut String, micros: i64) {
    if micros < 0 {
        out.push('-');
    }
    clock(out, micros.unsigned_abs());
}

/// Appends months, days and microseconds in PostgreSQL's own style: a field behind a negative one
/// says its sign. The words of PostgreSQL 17 for infinite intervals are all-greatest and all-least.
pub(crate) fn interval(out: &mut String, months: i32, days: i32, micros: i64) {
    match (months, days, micros) {
        (i32::MAX, i32::MAX, i64::MAX) => return out.push_str("infinity"),
        (i32::MIN, i32::MIN, i64::MIN) => return out.push_str("-infinity"),
        _ => {}
    }
    let start = out.len();
    let mut behind_minus = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let gap = if out.len() > start { " " } else { "" };
        let sign = if behind_minus && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        // Writing into a String cannot fail, here and below.
        write!(out, "{gap}{sign}{value} {unit}{plural}").unwrap_or_default();
        behind_minus = value < 0;
    }
    if out.len() > start && micros == 0 {
        return;
    }
    if out.len() > start {
        out.push(' ');
    }
    if behind_minus && micros >= 0 {
        out.push('+');
    }
    duration(out, micros);
}

/// Appends the date; the suffix of its era stands behind whatever follows.
fn day(out: &mut String, days: i64) -> &'static str {
    let (year, month, day) = civil(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    let mut text = *b"0000-00-00";
    put_pair(&mut text, 0, year / 100);
    put_pair(&mut text, 2, year % 100);
    put_pair(&mut text, 5, month);
    put_pair(&mut text, 8, day);
    push_behind(out, year / 100, &text);
    era
}

fn clock(out: &mut String, micros: u64) {
    const SECOND: u64 = MICROS_PER_SECOND.unsigned_abs();
    let (seconds, fraction) = (micros / SECOND, (micros % SECOND).cast_signed());
    let (hours, seconds) = ((seconds / 3_600).cast_signed(), (seconds % 3_600).cast_signed());
    let mut text = *b"00:00:00";
    put_pair(&mut text, 0, hours);
    put_pair(&mut text, 3, seconds / 60);
    put_pair(&mut text, 6, seconds % 60);
    push_behind(out, hours, &text);
    if fraction > 0 {
        let mut text = *b".000000";
        put_pair(&mut text, 1, fraction / 10_000);
        put_pair(&mut text, 3, fraction / 100);
        put_pair(&mut text, 5, fraction);
        let used = text.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        push(out, text.get(..used).unwrap_or_default());
    }
}

/// Puts the last two digits of a number at a place of `text`.
#[inline]
fn put_pair(text: &mut [u8], place: usize, number: i64) {
    let digit = |number: i64| b'0' + u8::try_from(number % 10).unwrap_or(0);
    if let Some(pair) = text.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
        *pair = [digit(number / 10), digit(number)];
    }
}

/// Appends `text`, which starts with the last two digits of `number`, behind all others of it.
fn push_behind(out: &mut String, number: i64, text: &[u8]) {
    if number < 100 {
        push(out, text);
    } else {
        out.push_str(itoa::Buffer::new().format(number));
        push(out, text.get(2..).unwrap_or_default());
    }
}

/// Appends digits and signs.
fn push(out: &mut String, ascii: &[u8]) {
    out.push_str(str::from_utf8(ascii).unwrap_or_default());
}

/// Year, month and day of the proleptic Gregorian calendar, counted from March so that the leap
/// day is a year's last: <https://howardhinnant.github.io/date_algorithms.html>.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn known_moments_have_their_known_text() {
        assert_eq!(text(|out| date(out, 19_782)), "2024-02-29");
        assert_eq!(text(|out| date(out, -735_160)), "0044-03-15 BC");
        assert_eq!(text(|out| date(out, i32::MIN + 1)), "0000-00-00");
        assert_eq!(text(|out| timestamp(out, -1, false)), "1969-12-31 23:59:59.999999");
        assert_eq!(text(|out| timestamp(out, 250_000, true)), "1970-01-01 00:00:00.25+00:00");
        assert_eq!(text(|out| timestamp(out, i64::MIN, true)), "-infinity");
        assert_eq!(text(|out| duration(out, -3_020_399_500_000)), "-838:59:59.5");
        assert_eq!(text(|out| duration(out, MICROS_PER_DAY)), "24:00:00");
    }

    /// Printed by PostgreSQL 15 with `intervalstyle = postgres`.
    #[test]
    fn intervals_read_as_postgresql_prints_them() {
        for (months, days, micros, printed) in [
            (0, 0, 0, "00:00:00"),
            (14, 3, 14_706_789_000, "1 year 2 mons 3 days 04:05:06.789"),
            (-14, 3, 0, "-1 years -2 mons +3 days"),
            (1, -1, 3_600_000_000, "1 mon -1 days +01:00:00"),
            (0, 1, -1_000_000, "1 day -00:00:01"),
            (0, 0, -1, "-00:00:00.000001"),
        ] {
            assert_eq!(text(|out| interval(out, months, days, micros)), printed);
        }
    }

    proptest! {
        #[test]
        fn any_day_and_time_has_the_digits_of_its_parts(
            days in prop_oneof![any::<i32>(), -800_000..3_000_000], micros: i64, shift in 0_u32..64,
        ) {
            prop_assume!(days > ZERO_DATE && days < i32::MAX);
            let (year, month, day) = civil(days.into());
            let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
            prop_assert_eq!(
                text(|out| date(out, days)), format!("{year:04}-{month:02}-{day:02}{era}"));
            let micros = micros >> shift;
            let (seconds, fraction) =
                (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
            let whole = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
            let fraction = format!(".{fraction:06}");
            let sign = if micros < 0 { "-" } else { "" };
            let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
            prop_assert_eq!(text(|out| duration(out, micros)), format!("{sign}{whole}{fraction}"));
        }
    }
}
