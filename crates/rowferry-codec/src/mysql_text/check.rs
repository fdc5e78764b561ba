//! Whether every value of a column may stand in its target column exactly.

use std::net::{Ipv4Addr, Ipv6Addr};

use arrow_array::{
    Array, BinaryArray, Date32Array, Decimal128Array, Decimal256Array, DurationMicrosecondArray,
    Float32Array, Float64Array, ListArray, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_buffer::i256;

use super::cells::{Integers, ZERO_DATE, ZERO_TIMESTAMP};
use super::{Repertoire, TextColumn, TextError, TextRule, date_text, json, shape};
use crate::digits::{DAY_MICROS, FOUR_DIGIT_YEARS};

/// Checks one column; `first_row` is the number of its first row in the chunk.
pub(super) fn column(
    column: &TextColumn,
    array: &dyn Array,
    first_row: u64,
) -> Result<(), TextError> {
    let bad = |row: usize, reason: String| TextError::Value {
        column: column.name.clone(),
        row: first_row + row as u64,
        reason,
    };
    if !column.nullable
        && array.null_count() > 0
        && let Some(row) = (0..array.len()).find(|row| array.is_null(*row))
    {
        return Err(bad(row, "null in a column that does not allow it".to_owned()));
    }
    let found = find(&column.rule, array).ok_or_else(|| shape(column, array))?;
    match found {
        Some((row, reason)) => Err(bad(row, reason)),
        None => Ok(()),
    }
}

/// The first row that does not fit, and why.
type Found = Option<(usize, String)>;

/// `None` when the rule cannot be applied to an array of this type.
fn find(rule: &TextRule, array: &dyn Array) -> Option<Found> {
    let any = array.as_any();
    match rule {
        TextRule::Integer { min, max } => integer(array, *min, *max),
        TextRule::Decimal { precision, scale } => decimal(array, *precision, *scale),
        TextRule::Float => Some(float(array)),
        TextRule::Text { .. } => any.downcast_ref().map(|array| text(rule, array)),
        TextRule::Enum { labels } => any.downcast_ref::<StringArray>().map(|array| {
            first(array, |row| {
                let value = array.value(row);
                (!labels.iter().any(|label| label == value))
                    .then(|| "the text is not a label of the enum".to_owned())
            })
        }),
        TextRule::Set { labels } => any.downcast_ref::<StringArray>().map(|array| {
            first(array, |row| set_reason(array.value(row), labels).map(str::to_owned))
        }),
        TextRule::Inet { v6 } => any.downcast_ref::<StringArray>().map(|array| {
            first(array, |row| {
                let value = array.value(row);
                let address = if *v6 {
                    value.parse::<Ipv6Addr>().is_ok()
                } else {
                    value.parse::<Ipv4Addr>().is_ok()
                };
                (!address).then(|| {
                    let version = if *v6 { 6 } else { 4 };
                    format!("the text is no address of version {version} without a mask")
                })
            })
        }),
        TextRule::Vector { elements } => {
            any.downcast_ref::<ListArray>().and_then(|array| vector(array, *elements))
        }
        TextRule::Json { doubles } => any.downcast_ref::<StringArray>().map(|array| {
            if !doubles {
                return None;
            }
            first(array, |row| json::change_by_doubles(array.value(row)).map(str::to_owned))
        }),
        TextRule::Binary { bytes_max, exact } => binary(array, *bytes_max, *exact),
        TextRule::Bits { bits } => any.downcast_ref::<UInt64Array>().map(|array| {
            first(array, |row| {
                let used = 64 - array.value(row).leading_zeros();
                (used > u32::from(*bits)).then(|| format!("the number has more than {bits} bits"))
            })
        }),
        TextRule::Date { zero } => any.downcast_ref().map(|array| date(array, *zero)),
        TextRule::DateTime { digits, zero, range } => any
            .downcast_ref::<TimestampMicrosecondArray>()
            .map(|array| datetime(array, *digits, *zero, *range)),
        TextRule::DateText { time } => any
            .downcast_ref::<StringArray>()
            .map(|array| first(array, |row| date_text::reason(array.value(row), *time))),
        TextRule::Time { digits, max } => time(array, *digits, *max),
        TextRule::UuidBytes | TextRule::UuidText => Some(None),
        TextRule::Year => Integers::new(array).map(|integers| {
            first(array, |row| {
                let year = integers.value(row);
                (year != 0 && !(1901..=2155).contains(&year))
                    .then(|| "the year is neither 0 nor between 1901 and 2155".to_owned())
            })
        }),
    }
}

fn first(array: &dyn Array, reason: impl Fn(usize) -> Option<String>) -> Found {
    let nulls = array.nulls();
    (0..array.len())
        .filter(|row| !nulls.is_some_and(|nulls| nulls.is_null(*row)))
        .find_map(|row| reason(row).map(|reason| (row, reason)))
}

fn integer(array: &dyn Array, min: i128, max: i128) -> Option<Found> {
    let outside = || format!("the number is outside {min} to {max}");
    if let Some(integers) = Integers::new(array) {
        let (least, greatest) = integers.limits();
        if least >= min && greatest <= max {
            return Some(None);
        }
        return Some(first(array, |row| {
            (!(min..=max).contains(&integers.value(row))).then(outside)
        }));
    }
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<Decimal128Array>().filter(|array| array.scale() == 0) {
        return Some(first(array, |row| (!(min..=max).contains(&array.value(row))).then(outside)));
    }
    let array = any.downcast_ref::<Decimal256Array>().filter(|array| array.scale() == 0)?;
    let (min, max) = (i256::from_i128(min), i256::from_i128(max));
    Some(first(array, |row| (!(min..=max).contains(&array.value(row))).then(outside)))
}

fn decimal(array: &dyn Array, precision: u8, scale: u8) -> Option<Found> {
    let any = array.as_any();
    let reason = |digits: &str, own: u8| decimal_reason(digits, own, precision, scale);
    if let Some(integers) = Integers::new(array) {
        let (least, greatest) = integers.limits();
        let room = precision - scale.min(precision);
        let digits = |value: i128| value.unsigned_abs().to_string().len();
        if digits(least).max(digits(greatest)) <= usize::from(room) {
            return Some(None);
        }
        return Some(first(array, |row| {
            reason(&integers.value(row).unsigned_abs().to_string(), 0)
        }));
    }
    if let Some(array) = any.downcast_ref::<Decimal128Array>() {
        let own = array.scale().unsigned_abs();
        if fits(array.precision(), own, precision, scale) {
            return Some(None);
        }
        return Some(first(array, |row| reason(&array.value(row).unsigned_abs().to_string(), own)));
    }
    if let Some(array) = any.downcast_ref::<Decimal256Array>() {
        let own = array.scale().unsigned_abs();
        if fits(array.precision(), own, precision, scale) {
            return Some(None);
        }
        return Some(first(array, |row| {
            reason(array.value(row).to_string().trim_start_matches('-'), own)
        }));
    }
    let array = any.downcast_ref::<StringArray>()?;
    Some(first(array, |row| {
        let text = array.value(row);
        let number = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) {
            return Some("the number is not finite".to_owned());
        }
        let own = u8::try_from(fraction.len()).unwrap_or(u8::MAX);
        reason(&format!("{whole}{fraction}"), own)
    }))
}

fn fits(own_precision: u8, own_scale: u8, precision: u8, scale: u8) -> bool {
    own_scale <= scale && own_precision - own_scale.min(own_precision) <= precision - scale
}

fn decimal_reason(digits: &str, own: u8, precision: u8, scale: u8) -> Option<String> {
    let excess = usize::from(own.saturating_sub(scale));
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    if excess > zeros && !digits.bytes().all(|byte| byte == b'0') {
        return Some(format!("the number has more than {scale} fraction digits"));
    }
    let whole = digits.len().saturating_sub(usize::from(own));
    let whole = digits.get(..whole).unwrap_or_default().trim_start_matches('0').len();
    (whole > usize::from(precision - scale.min(precision)))
        .then(|| format!("the number does not fit decimal({precision},{scale})"))
}

fn float(array: &dyn Array) -> Found {
    let reason = || "the number is not finite".to_owned();
    if let Some(array) = array.as_any().downcast_ref::<Float64Array>() {
        return first(array, |row| (!array.value(row).is_finite()).then(reason));
    }
    let array = array.as_any().downcast_ref::<Float32Array>()?;
    first(array, |row| (!array.value(row).is_finite()).then(reason))
}

fn text(rule: &TextRule, array: &StringArray) -> Found {
    let TextRule::Text { chars_max, bytes_max, repertoire, blanks_dropped } = rule else {
        return None;
    };
    if keeps_all(array, *chars_max, *bytes_max, *repertoire, *blanks_dropped) {
        return None;
    }
    first(array, |row| {
        let value = array.value(row);
        if let Some(max) = chars_max
            && value.len() > *max as usize
            && value.chars().count() > *max as usize
        {
            return Some(format!("the text is longer than {max} characters"));
        }
        if let Some(max) = bytes_max
            && value.len() as u64 > *max
        {
            return Some(format!("the text is longer than {max} bytes"));
        }
        if !repertoire.has(value) {
            return Some("the column's character set has no such character".to_owned());
        }
        (*blanks_dropped && value.ends_with(' '))
            .then(|| "the column would drop the trailing blanks".to_owned())
    })
}

/// Whether the column keeps all these texts, as far as their lengths and last bytes tell: most
/// columns need no closer look. Behind a null may stand anything, which costs one and no more.
fn keeps_all(
    array: &StringArray,
    chars_max: Option<u32>,
    bytes_max: Option<u64>,
    repertoire: Repertoire,
    blanks_dropped: bool,
) -> bool {
    let ends = array.value_offsets();
    let longest = ends.array_windows().map(|[start, end]| end - start).max().unwrap_or(0);
    let longest = u64::try_from(longest).unwrap_or(u64::MAX);
    let last = |[start, end]: &[i32; 2]| {
        let last = usize::try_from(end - 1).ok().filter(|_| start < end)?;
        array.value_data().get(last).copied()
    };
    // A character has at least one byte.
    chars_max.is_none_or(|max| longest <= max.into())
        && bytes_max.is_none_or(|max| longest <= max)
        && matches!(repertoire, Repertoire::All | Repertoire::Server)
        && !(blanks_dropped && ends.array_windows().any(|ends| last(ends) == Some(b' ')))
}

/// A set's labels stand in the order of the column, each once; the server would sort them.
fn set_reason(value: &str, labels: &[String]) -> Option<&'static str> {
    if value.is_empty() {
        return None;
    }
    let mut after = 0;
    for part in value.split(',') {
        let Some(place) = labels.iter().position(|label| label == part) else {
            return Some("the text has a part that is no label of the set");
        };
        if place < after {
            return Some("the labels are not in the order of the set, or one stands twice");
        }
        after = place + 1;
    }
    None
}

/// `None` when the elements are not floats.
fn vector(array: &ListArray, elements: u32) -> Option<Found> {
    array.values().as_any().downcast_ref::<Float32Array>()?;
    Some(first(array, |row| {
        let list = array.value(row);
        let floats = list.as_any().downcast_ref::<Float32Array>()?;
        if floats.is_empty() || floats.len() > elements as usize {
            return Some(format!("the list does not have 1 to {elements} elements"));
        }
        (0..floats.len())
            .any(|index| floats.is_null(index) || !floats.value(index).is_finite())
            .then(|| "the list has an element that is null or not finite".to_owned())
    }))
}

fn binary(array: &dyn Array, bytes_max: Option<u64>, exact: bool) -> Option<Found> {
    let reason = |length: usize| {
        let max = bytes_max?;
        let length = length as u64;
        if length > max {
            return Some(format!("the value is longer than {max} bytes"));
        }
        (exact && length < max).then(|| format!("the value has fewer than {max} bytes"))
    };
    if let Some(array) = array.as_any().downcast_ref::<BinaryArray>() {
        return Some(first(array, |row| reason(array.value(row).len())));
    }
    let array = array.as_any().downcast_ref::<StringArray>()?;
    Some(first(array, |row| reason(array.value(row).len())))
}

fn date(array: &Date32Array, zero: bool) -> Found {
    // All at once, without early exit; behind a null may stand anything, which costs a closer look.
    let plain = |days: i32| FOUR_DIGIT_YEARS.contains(&days.into());
    if array.values().iter().fold(true, |all, days| all & plain(*days)) {
        return None;
    }
    first(array, |row| match array.value(row) {
        ZERO_DATE => zero_reason(zero),
        i32::MAX | i32::MIN => Some("the date is infinite".to_owned()),
        days => year_reason(days.into()),
    })
}

fn datetime(
    array: &TimestampMicrosecondArray,
    digits: u8,
    zero: bool,
    range: Option<(i64, i64)>,
) -> Found {
    let unit = unit(digits);
    first(array, |row| match array.value(row) {
        ZERO_TIMESTAMP => zero_reason(zero),
        i64::MAX | i64::MIN => Some("the time is infinite".to_owned()),
        micros if micros % unit != 0 => Some(fraction_reason(digits)),
        micros => {
            if range.is_some_and(|(min, max)| !(min..=max).contains(&micros)) {
                return Some("the time is outside the range of the column's type".to_owned());
            }
            year_reason(micros.div_euclid(DAY_MICROS))
        }
    })
}

fn time(array: &dyn Array, digits: u8, max: i64) -> Option<Found> {
    let unit = unit(digits);
    let reason = |micros: i64| {
        if micros % unit != 0 {
            return Some(fraction_reason(digits));
        }
        (micros.unsigned_abs() > max.unsigned_abs())
            .then(|| "the time is outside -838:59:59 to 838:59:59".to_owned())
    };
    if let Some(array) = array.as_any().downcast_ref::<Time64MicrosecondArray>() {
        return Some(first(array, |row| reason(array.value(row))));
    }
    let array = array.as_any().downcast_ref::<DurationMicrosecondArray>()?;
    Some(first(array, |row| reason(array.value(row))))
}

/// Microseconds of the last fraction digit.
fn unit(digits: u8) -> i64 {
    10_i64.pow(u32::from(6_u8.saturating_sub(digits)))
}

fn fraction_reason(digits: u8) -> String {
    format!("the time has more than {digits} fraction digits")
}

fn zero_reason(allowed: bool) -> Option<String> {
    (!allowed).then(|| "a zero date has no equal in the target".to_owned())
}

fn year_reason(days: i64) -> Option<String> {
    (!FOUR_DIGIT_YEARS.contains(&days))
        .then(|| "the date is outside 0001-01-01 to 9999-12-31".to_owned())
}
