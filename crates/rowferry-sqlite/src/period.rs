//! Intervals as text, as PostgreSQL prints them: `1 year 2 mons -3 days +04:05:06.5`.
//!
//! Months, days and time are three numbers that are never carried into each other. A field that
//! is zero is left out, and a plus stands before what follows a negative field.

use std::fmt::Write as _;

/// Microseconds, days and months: big-endian, as [`rowferry_core::CanonicalType::Interval`] says.
pub(crate) type Bytes = [u8; 16];

const MICROS_PER_SECOND: u64 = 1_000_000;

/// Appends an interval. Bytes of another length are none.
pub(crate) fn write(out: &mut String, bytes: &[u8]) -> Option<()> {
    let (micros, rest) = bytes.split_first_chunk()?;
    let (days, months) = rest.split_first_chunk()?;
    let micros = i64::from_be_bytes(*micros);
    let days = i32::from_be_bytes(*days);
    let months = i32::from_be_bytes(months.try_into().ok()?);
    let mut negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value != 0 {
            let plus = if negative && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            // Writing into a String cannot fail.
            write!(out, "{plus}{value} {unit}{plural} ").unwrap_or_default();
            negative = value < 0;
        }
    }
    if micros == 0 && !out.is_empty() {
        out.truncate(out.trim_end().len());
        return Some(());
    }
    let sign = if micros < 0 {
        "-"
    } else if negative {
        "+"
    } else {
        ""
    };
    let seconds = micros.unsigned_abs() / MICROS_PER_SECOND;
    let fraction = micros.unsigned_abs() % MICROS_PER_SECOND;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(out, "{sign}{hours:02}:{minutes:02}:{seconds:02}").unwrap_or_default();
    if fraction > 0 {
        write!(out, ".{fraction:06}").unwrap_or_default();
        out.truncate(out.trim_end_matches('0').len());
    }
    Some(())
}

/// Reads what [`write`] writes; fields may stand in any order but only once.
pub(crate) fn read(text: &str) -> Option<Bytes> {
    let (mut years, mut months, mut days, mut micros) = (None, None, None, None);
    let mut words = text.split(' ');
    while let Some(word) = words.next() {
        if word.contains(':') {
            set(&mut micros, time(word)?)?;
            continue;
        }
        let number = number(word)?;
        match words.next()? {
            "year" | "years" => set(&mut years, number)?,
            "mon" | "mons" => set(&mut months, number)?,
            "day" | "days" => set(&mut days, number)?,
            _ => return None,
        }
    }
    let months = years.unwrap_or(0).checked_mul(12)?.checked_add(months.unwrap_or(0))?;
    let mut bytes = [0; 16];
    let (first, rest) = bytes.split_first_chunk_mut()?;
    *first = micros.unwrap_or(0).to_be_bytes();
    let (second, third) = rest.split_first_chunk_mut()?;
    *second = i32::try_from(days.unwrap_or(0)).ok()?.to_be_bytes();
    third.copy_from_slice(&i32::try_from(months).ok()?.to_be_bytes());
    Some(bytes)
}

fn set(place: &mut Option<i64>, value: i64) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn number(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('+').unwrap_or(word);
    let bare = digits.strip_prefix('-').unwrap_or(digits);
    let plain = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

fn time(word: &str) -> Option<i64> {
    let (negative, word) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (clock, fraction) = word.split_once('.').unwrap_or((word, "0"));
    let mut parts = clock.split(':').map(|part| {
        let plain = part.len() >= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse::<i128>().ok())?
    });
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let real = parts.next().is_none() && minutes < 60 && seconds < 60;
    let plain = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    if !real || !plain {
        return None;
    }
    let fraction: i128 = format!("{fraction:0<6}").parse().ok()?;
    let seconds = hours.checked_mul(3_600)?.checked_add(minutes * 60 + seconds)?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(fraction)?;
    i64::try_from(if negative { -micros } else { micros }).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(months: i32, days: i32, micros: i64) -> Bytes {
        let mut bytes = Vec::new();
        bytes.extend(micros.to_be_bytes());
        bytes.extend(days.to_be_bytes());
        bytes.extend(months.to_be_bytes());
        bytes.try_into().unwrap()
    }

    fn shown(months: i32, days: i32, micros: i64) -> String {
        let mut text = String::new();
        write(&mut text, &bytes(months, days, micros)).unwrap();
        text
    }

    /// As `select make_interval(...)` prints them.
    #[test]
    fn intervals_look_as_postgresql_prints_them() {
        assert_eq!(shown(0, 0, 0), "00:00:00");
        assert_eq!(shown(1, 2, 11_045_678_000), "1 mon 2 days 03:04:05.678");
        assert_eq!(shown(14, -3, 14_706_000_000), "1 year 2 mons -3 days +04:05:06");
        assert_eq!(shown(-1, 1, -1), "-1 mons +1 day -00:00:00.000001");
        assert_eq!(shown(12, 0, 0), "1 year");
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "1", "1 mon 1 mon", "1 week", "1:2:3", "00:60:00", "P1D", "1  mon", "--1 day"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn intervals_come_back(months: i32, days: i32, micros: i64) {
            let text = shown(months, days, micros);
            prop_assert_eq!(read(&text), Some(bytes(months, days, micros)), "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9:. a-z]{0,20}|.*") {
            let _read = read(&text);
        }
    }
}
