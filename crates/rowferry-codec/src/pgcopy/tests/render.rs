//! Arrow values as the server prints them, written without a look at the codec.

use std::fmt::Write as _;

use arrow_array::{Array, cast::AsArray, types::*};
use rowferry_core::CanonicalType as C;

use super::PgType as P;

/// The text of one value.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is left is text already")]
pub(super) fn text(canonical: &C, pg: &P, array: &dyn Array, row: usize) -> String {
    match canonical {
        C::Boolean => array.as_boolean().value(row).to_string(),
        C::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        C::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        C::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        C::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        C::UInt64 => {
            let value = array.as_primitive::<UInt64Type>().value(row);
            if *pg == P::Lsn {
                format!("{:X}/{:X}", value >> 32, value & 0xffff_ffff)
            } else {
                value.to_string()
            }
        }
        C::Float32 => array.as_primitive::<Float32Type>().value(row).to_string(),
        C::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        C::Decimal { precision, .. } if *precision > 38 => {
            array.as_primitive::<Decimal256Type>().value_as_string(row)
        }
        C::Decimal { .. } => {
            let text = array.as_primitive::<Decimal128Type>().value_as_string(row);
            if matches!(pg, P::Money { .. }) { dollars(&text) } else { text }
        }
        C::Bits { bits } => {
            let value = array.as_primitive::<UInt64Type>().value(row);
            format!("{value:0width$b}", width = usize::from(*bits))
        }
        C::Binary { .. } => bytes(array.as_binary::<i32>().value(row), pg),
        C::Uuid => {
            let mut text = hex(array.as_fixed_size_binary().value(row));
            for hyphen in [8, 13, 18, 23] {
                text.insert(hyphen, '-');
            }
            text
        }
        C::Date => date(array.as_primitive::<Date32Type>().value(row)),
        C::Time { .. } => clock(array.as_primitive::<Time64MicrosecondType>().value(row)),
        C::Duration { .. } => {
            let micros = array.as_primitive::<DurationMicrosecondType>().value(row);
            interval(micros, 0, 0)
        }
        C::Interval => {
            let parts = array.as_fixed_size_binary().value(row);
            let part = |at: usize| parts.get(at..).unwrap();
            interval(
                i64::from_be_bytes(*part(0).first_chunk().unwrap()),
                i32::from_be_bytes(*part(8).first_chunk().unwrap()),
                i32::from_be_bytes(*part(12).first_chunk().unwrap()),
            )
        }
        C::Timestamp { .. } | C::Instant { .. } => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            timestamp(micros, if matches!(canonical, C::Instant { .. }) { "+00" } else { "" })
        }
        C::List { element } => {
            let P::Array { element: element_pg, .. } = pg else { panic!("a list of {pg}") };
            list(element, element_pg, array.as_list::<i32>().value(row).as_ref())
        }
        _ => array.as_string::<i32>().value(row).to_owned(),
    }
}

fn list(canonical: &C, pg: &P, elements: &dyn Array) -> String {
    let quoted = |row: usize| {
        if elements.is_null(row) {
            return "NULL".to_owned();
        }
        let text = text(canonical, pg, elements, row);
        if *canonical == C::Boolean {
            return text.chars().take(1).collect();
        }
        let special = |letter: char| "{}\", \\".contains(letter);
        if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special) {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            text
        }
    };
    format!("{{{}}}", (0..elements.len()).map(quoted).collect::<Vec<_>>().join(","))
}

fn float(value: f64) -> String {
    if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if value != 0.0 && value.abs() < 1e-4 {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

fn dollars(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, cents) = digits.split_once('.').unwrap();
    let groups: Vec<&str> =
        whole.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
    format!("{sign}${}.{cents}", groups.join(","))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn bytes(value: &[u8], pg: &P) -> String {
    match value {
        [0] if *pg == P::Char1 => String::new(),
        [byte] if *pg == P::Char1 && *byte < 128 => char::from(*byte).to_string(),
        [byte] if *pg == P::Char1 => format!("\\{byte:o}"),
        _ => format!("\\x{}", hex(value)),
    }
}

/// Year, month and day of a day since 1970: years of 146,097 / 400 days that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// The date, and what stands behind everything in years before 1.
fn day(days: i64) -> (String, &'static str) {
    let (year, month, day) = civil(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        days => {
            let (date, era) = day(days.into());
            date + era
        }
    }
}

fn timestamp(micros: i64, zone: &str) -> String {
    const DAY: i64 = 86_400_000_000;
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        micros => {
            let (date, era) = day(micros.div_euclid(DAY));
            format!("{date} {}{zone}{era}", clock(micros.rem_euclid(DAY)))
        }
    }
}

fn clock(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if micros % 1_000_000 > 0 {
        let fraction = format!(".{:06}", micros % 1_000_000);
        text.push_str(fraction.trim_end_matches('0'));
    }
    text
}

/// Style `postgres`: after a negative part, a positive one shows its sign.
fn interval(micros: i64, days: i32, months: i32) -> String {
    let mut parts = Vec::new();
    let mut after_negative = false;
    for (number, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if number != 0 {
            let sign = if after_negative && number > 0 { "+" } else { "" };
            parts.push(format!("{sign}{number} {unit}{}", if number == 1 { "" } else { "s" }));
            after_negative = number < 0;
        }
    }
    if micros != 0 || parts.is_empty() {
        let sign = match micros {
            ..0 => "-",
            0.. if after_negative => "+",
            _ => "",
        };
        let unsigned = micros.unsigned_abs();
        // The least number of microseconds has no positive twin.
        let whole = i64::try_from(unsigned).unwrap_or(i64::MAX);
        parts.push(format!("{sign}{}", clock(whole)));
    }
    parts.join(" ")
}
