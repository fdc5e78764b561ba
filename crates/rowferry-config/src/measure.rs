//! Durations and sizes as people write them.

use std::time::Duration;

use rowferry_core::Rate;

use crate::ConfigError;

/// Reads `5m`, `300s`, `1h30m`, `250ms`, `5_minutes`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, ConfigError> {
    let wrong = || {
        ConfigError::new("bad-duration", format!("{text:?} is not a duration"))
            .with_next("Write for example 30s, 5m, 1h30m or 5_minutes; a bare number is seconds.")
    };
    let mut rest: String = text.trim().to_ascii_lowercase();
    rest.retain(|c| c != '_' && c != ' ');
    if let Ok(seconds) = rest.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total: u64 = 0;
    let mut rest = rest.as_str();
    while !rest.is_empty() {
        let (number, tail) = digits(rest).ok_or_else(wrong)?;
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let milliseconds: u64 = match unit {
            "ms" | "millisecond" | "milliseconds" => 1,
            "s" | "sec" | "second" | "seconds" => 1_000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return Err(wrong()),
        };
        total = number
            .checked_mul(milliseconds)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
        rest = tail;
    }
    if text.trim().is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

/// Reads `8MiB`, `32mib`, `100kB`, `1g`; a bare number is bytes. `kB`, `MB` are powers of 1000,
/// `KiB`, `MiB` and the bare letters `k`, `m`, `g` powers of 1024.
pub fn parse_bytes(text: &str) -> Result<u64, ConfigError> {
    let wrong = || {
        ConfigError::new("bad-size", format!("{text:?} is not a size"))
            .with_next("Write for example 32MiB, 500kB or 1GiB; a bare number is bytes.")
    };
    let mut rest: String = text.trim().to_ascii_lowercase();
    rest.retain(|c| c != '_' && c != ' ');
    let (number, unit) = digits(&rest).ok_or_else(wrong)?;
    let factor: u64 = match unit {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// Reads `20MiB/s` and `50_000 rows/s`.
pub fn parse_rate(text: &str) -> Result<Rate, ConfigError> {
    let wrong = || {
        ConfigError::new("bad-rate", format!("{text:?} is not a rate"))
            .with_next("Write for example 20MiB/s or 50_000 rows/s, above 0.")
    };
    let per_second = text.trim().strip_suffix("/s").ok_or_else(wrong)?.trim_end();
    let rate = match per_second.strip_suffix("rows") {
        Some(rows) => Rate::Rows(rows.trim().replace('_', "").parse().map_err(|_digits| wrong())?),
        None => Rate::Bytes(parse_bytes(per_second).map_err(|_size| wrong())?),
    };
    if matches!(rate, Rate::Rows(0) | Rate::Bytes(0)) { Err(wrong()) } else { Ok(rate) }
}

fn digits(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, tail) = text.split_at(end);
    Some((number.parse().ok()?, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in
            [("5m", 300), ("300s", 300), ("5_minutes", 300), ("60_000", 60_000), ("1h30m", 5400)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(parse_duration("250ms").unwrap(), Duration::from_millis(250));
        for text in ["", "m", "5x", "-1s", "1.5h", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        for (text, rate) in [
            ("20MiB/s", Rate::Bytes(20 << 20)),
            ("1 kB/s", Rate::Bytes(1_000)),
            ("50_000 rows/s", Rate::Rows(50_000)),
            ("1rows/s", Rate::Rows(1)),
        ] {
            assert_eq!(parse_rate(text).unwrap(), rate, "{text}");
            assert_eq!(parse_rate(&rate.to_string()).unwrap(), rate, "{text}");
        }
        for text in ["", "5", "20MiB", "0 rows/s", "0MiB/s", "rows/s", "/s", "1.5MiB/s", "5 rows"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("8MiB", 8 << 20), ("60_000", 60_000), ("1kB", 1000), ("1 g", 1 << 30)]
        {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "MiB", "8X", "99999999999GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
