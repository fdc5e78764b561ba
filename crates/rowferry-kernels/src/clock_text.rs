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
    write!(out, "{year:04}-{month:02}-{day:02}").unwrap_or_default();
    era
}

fn clock(out: &mut String, micros: u64) {
    const SECOND: u64 = MICROS_PER_SECOND.unsigned_abs();
    let (seconds, fraction) = (micros / SECOND, micros % SECOND);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(out, "{hours:02}:{minutes:02}:{seconds:02}").unwrap_or_default();
    if fraction > 0 {
        write!(out, ".{fraction:06}").unwrap_or_default();
        out.truncate(out.trim_end_matches('0').len());
    }
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
}
