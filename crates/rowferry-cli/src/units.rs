//! Counts, sizes and durations as people write them on a command line.

use std::time::Duration;

use rowferry_core::Rate;

/// `--workers`: a number, or as many as the machine suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// Let the run decide.
    Auto,
    /// This many.
    Count(usize),
}

/// `4` or `auto`.
pub(crate) fn workers(text: &str) -> Result<Workers, String> {
    if text == "auto" {
        return Ok(Workers::Auto);
    }
    let count = count(text)?;
    usize::try_from(count).map(Workers::Count).map_err(|error| error.to_string())
}

/// A whole number above zero; `_` may separate digits.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    match digits.parse::<u64>() {
        Ok(0) => Err("expected a number above 0".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("expected a whole number, such as 100000 or 100_000".to_owned()),
    }
}

/// `32MiB`, `64kB`, `1048576`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    rowferry_config::parse_bytes(text).map_err(|error| said(&error))
}

/// `20MiB/s`, `50_000 rows/s`.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    rowferry_config::parse_rate(text).map_err(|error| said(&error))
}

/// `90s`, `5m`, `5_minutes`, `1h30m`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    rowferry_config::parse_duration(text).map_err(|error| said(&error))
}

/// An error of the job file's reader in the form that clap prints.
fn said(error: &rowferry_config::ConfigError) -> String {
    error.next.clone().unwrap_or_else(|| error.to_string())
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2,500 rows`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `34.5 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, shift) in UNITS {
        if number >> shift > 0 {
            // Tenths by integer arithmetic: no float has to be cast.
            let tenths = u128::from(number) * 10 / (1_u128 << shift);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{number} B")
}

/// `850 ms`, `12.3 s`, `4 m 05 s`, `2 h 03 m`.
pub(crate) fn seconds(value: f64) -> String {
    let span = Duration::try_from_secs_f64(value).unwrap_or_default();
    let whole = span.as_secs();
    match whole {
        0 => format!("{} ms", span.subsec_millis()),
        1..60 => format!("{whole}.{} s", span.subsec_millis() / 100),
        60..3_600 => format!("{} m {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} m", whole / 3_600, whole % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_as_people_write_them() {
        assert_eq!(size("32MiB"), Ok(32 << 20));
        assert!(size("much").is_err());
        assert_eq!(duration("5_minutes"), Ok(Duration::from_mins(5)));
        assert!(duration("soon").is_err());
        assert_eq!(workers("auto"), Ok(Workers::Auto));
        assert!(workers("0").is_err());
    }

    #[test]
    fn numbers_are_printed_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(2_500, "row"), "2,500 rows");
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(36_175_872), "34.5 MiB");
        assert_eq!(seconds(0.85), "850 ms");
        assert_eq!(seconds(12.34), "12.3 s");
        assert_eq!(seconds(245.0), "4 m 05 s");
        assert_eq!(seconds(7_380.0), "2 h 03 m");
    }
}
