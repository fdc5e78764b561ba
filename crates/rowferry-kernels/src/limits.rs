//! Which values of a column lie beyond its limits.
//!
//! Every check starts with a scan without branches that only says whether anything could be
//! outside; rows are looked at one by one only then. The scan reads the slots of nulls too, whose
//! bytes mean nothing, so it may cry wolf and the second look decides.

#![expect(clippy::needless_bitwise_bool, reason = "without branches the scans become vector code")]

use std::collections::HashSet;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringArray, cast::AsArray,
    types as t,
};
use arrow_buffer::i256;
use arrow_schema::{DataType, TimeUnit};
use rowferry_core::ValueLimits;

use crate::{KernelError, Misfit, Rule, clock_text, exact, json};

/// The values of `array` that lie beyond `limits`, in row order. Limits of another kind than the
/// array's bound nothing.
///
/// # Nulls
///
/// Null is always inside.
///
/// # Errors
///
/// [`KernelError::Storage`] for an array that holds no canonical type.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{ArrayRef, Float64Array};
/// # use rowferry_core::ValueLimits;
/// # use rowferry_kernels::{Rule, misfits};
/// let rates: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)]));
/// let found = misfits(&rates, &ValueLimits::Float { nan: false, infinite: false })?;
/// assert_eq!((found.len(), found[0].row, found[0].rule), (1, 2, Rule::Nan));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn misfits(array: &ArrayRef, limits: &ValueLimits) -> Result<Vec<Misfit>, KernelError> {
    match limits {
        ValueLimits::Any => Ok(Vec::new()),
        ValueLimits::Integer { min, max } => integers(array, *min, *max),
        ValueLimits::Float { nan, infinite } => Ok(floats(array, *nan, *infinite)),
        ValueLimits::Decimal { precision, scale, nan, infinite } => {
            Ok(decimals(array, &Decimals::new(*precision, *scale, *nan, *infinite)))
        }
        ValueLimits::Text { chars, bytes, nul, bmp_only, no_trailing_blank } => {
            let rules = Texts {
                chars: chars.unwrap_or(u64::MAX),
                bytes: bytes.unwrap_or(u64::MAX),
                nul: *nul,
                bmp_only: *bmp_only,
                no_trailing_blank: *no_trailing_blank,
            };
            Ok(array.as_string_opt::<i32>().map_or_else(Vec::new, |array| texts(array, &rules)))
        }
        ValueLimits::Json { nul } => Ok(documents(array, *nul)),
        ValueLimits::Labels(labels) => Ok(words(array, labels)),
        ValueLimits::Bytes { max, exact } => Ok(lengths(array, *max, *exact)),
        ValueLimits::Temporal { min, max, infinite, zero, digits } => {
            let rules = Times {
                min: *min,
                max: *max,
                infinite: *infinite,
                zero: *zero,
                unit: unit_of(*digits),
            };
            Ok(times(array, &rules))
        }
    }
}

/// Microseconds of the last digit.
pub(crate) fn unit_of(digits: u8) -> i64 {
    10_i64.pow(u32::from(6_u8.saturating_sub(digits)))
}

/// Values of an array without branches, then row by row where the first pass found something.
fn look<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    outside: impl Fn(T::Native) -> bool,
    rule: impl Fn(T::Native) -> Option<Rule>,
) -> Vec<Misfit> {
    if !array.values().iter().fold(false, |any, value| any | outside(*value)) {
        return Vec::new();
    }
    let rows = array.iter().enumerate();
    rows.filter_map(|(row, value)| Some(Misfit { row, rule: rule(value?)? })).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "types that are no integers have no such limit")]
fn integers(array: &ArrayRef, min: i128, max: i128) -> Result<Vec<Misfit>, KernelError> {
    fn ranged<T: ArrowPrimitiveType>(array: &ArrayRef, min: i128, max: i128) -> Vec<Misfit>
    where
        T::Native: TryFrom<i128> + Into<i128> + PartialOrd,
    {
        let array = array.as_primitive::<T>();
        // A bound that the type itself cannot pass needs no scan.
        let (low, high) = (T::Native::try_from(min).ok(), T::Native::try_from(max).ok());
        let beyond = |value: T::Native| {
            let value: i128 = value.into();
            (value < min || value > max).then_some(Rule::Range)
        };
        match (low, high) {
            (None, None) if min < 0 && max > 0 => Vec::new(),
            (Some(low), Some(high)) => look(array, |value| (value < low) | (value > high), beyond),
            (Some(low), None) if max > 0 => look(array, |value| value < low, beyond),
            (None, Some(high)) if min < 0 => look(array, |value| value > high, beyond),
            _ => look(array, |_| true, beyond),
        }
    }
    Ok(match array.data_type() {
        DataType::Int8 => ranged::<t::Int8Type>(array, min, max),
        DataType::Int16 => ranged::<t::Int16Type>(array, min, max),
        DataType::Int32 => ranged::<t::Int32Type>(array, min, max),
        DataType::Int64 => ranged::<t::Int64Type>(array, min, max),
        DataType::UInt8 => ranged::<t::UInt8Type>(array, min, max),
        DataType::UInt16 => ranged::<t::UInt16Type>(array, min, max),
        DataType::UInt32 => ranged::<t::UInt32Type>(array, min, max),
        DataType::UInt64 => ranged::<t::UInt64Type>(array, min, max),
        DataType::Boolean => booleans(array.as_boolean(), min, max),
        DataType::Decimal128(_, 0) => look(
            array.as_primitive::<t::Decimal128Type>(),
            |value| (value < min) | (value > max),
            |value| (value < min || value > max).then_some(Rule::Range),
        ),
        DataType::Null => return Err(KernelError::Storage { data_type: "Null".to_owned() }),
        _ => Vec::new(),
    })
}

fn booleans(array: &BooleanArray, min: i128, max: i128) -> Vec<Misfit> {
    if min <= 0 && max >= 1 {
        return Vec::new();
    }
    let beyond = |value: bool| !(min..=max).contains(&i128::from(value));
    let rows = array.iter().enumerate();
    rows.filter(|(_, value)| value.is_some_and(beyond))
        .map(|(row, _)| Misfit { row, rule: Rule::Range })
        .collect()
}

fn floats(array: &ArrayRef, nan: bool, infinite: bool) -> Vec<Misfit> {
    let rule = |is_nan: bool, is_infinite: bool| match (is_nan, is_infinite) {
        (true, _) if !nan => Some(Rule::Nan),
        (_, true) if !infinite => Some(Rule::Infinite),
        _ => None,
    };
    if nan && infinite {
        return Vec::new();
    }
    if let Some(array) = array.as_primitive_opt::<t::Float64Type>() {
        look(array, |value| !value.is_finite(), |value| rule(value.is_nan(), value.is_infinite()))
    } else if let Some(array) = array.as_primitive_opt::<t::Float32Type>() {
        look(array, |value| !value.is_finite(), |value| rule(value.is_nan(), value.is_infinite()))
    } else {
        Vec::new()
    }
}

/// Limits of a decimal column.
struct Decimals {
    precision: u32,
    scale: u32,
    nan: bool,
    infinite: bool,
}

impl Decimals {
    const fn new(precision: u32, scale: u32, nan: bool, infinite: bool) -> Self {
        Self { precision, scale, nan, infinite }
    }

    const fn integer_digits(&self) -> u32 {
        self.precision.saturating_sub(self.scale)
    }

    fn of_text(&self, text: &str) -> Option<Rule> {
        match exact::plain_parts(text) {
            Ok((_, integer, fraction)) => self.of_lengths(integer.len(), fraction.len()),
            Err(Rule::Nan) => (!self.nan).then_some(Rule::Nan),
            Err(Rule::Infinite) => (!self.infinite).then_some(Rule::Infinite),
            Err(rule) => Some(rule),
        }
    }

    fn of_lengths(&self, integer: usize, fraction: usize) -> Option<Rule> {
        let beyond =
            |digits: usize, most: u32| !u32::try_from(digits).is_ok_and(|digits| digits <= most);
        if beyond(integer, self.integer_digits()) {
            Some(Rule::Digits)
        } else if beyond(fraction, self.scale) {
            Some(Rule::Fraction)
        } else {
            None
        }
    }
}

fn decimals(array: &ArrayRef, limits: &Decimals) -> Vec<Misfit> {
    if let Some(array) = array.as_string_opt::<i32>() {
        let rows = array.iter().enumerate();
        let misfits =
            rows.filter_map(|(row, text)| Some(Misfit { row, rule: limits.of_text(text?)? }));
        return misfits.collect();
    }
    if let DataType::Decimal128(precision, scale) = array.data_type() {
        return decimals_128(array, u32::from(*precision), scale.unsigned_abs().into(), limits);
    }
    if let DataType::Decimal256(precision, scale) = array.data_type() {
        let (precision, scale) = (u32::from(*precision), u32::from(scale.unsigned_abs()));
        if precision - scale <= limits.integer_digits() && scale <= limits.scale {
            return Vec::new();
        }
        let values = array.as_primitive::<t::Decimal256Type>();
        let rule = |value: i256| limits.of_text(&pointed(&value.to_string(), scale));
        return look(values, |_| true, rule);
    }
    let bound = 10_i128.checked_pow(limits.integer_digits()).map_or(i128::MAX, |end| end - 1);
    let mut found = integers(array, -bound, bound).unwrap_or_default();
    for misfit in &mut found {
        misfit.rule = Rule::Digits;
    }
    found
}

fn decimals_128(array: &ArrayRef, precision: u32, scale: u32, limits: &Decimals) -> Vec<Misfit> {
    if precision - scale <= limits.integer_digits() && scale <= limits.scale {
        return Vec::new();
    }
    let end = 10_u128.checked_pow(limits.integer_digits() + scale).unwrap_or(u128::MAX);
    let unit = 10_i128.checked_pow(scale.saturating_sub(limits.scale)).unwrap_or(i128::MAX);
    look(
        array.as_primitive::<t::Decimal128Type>(),
        |value| (value.unsigned_abs() >= end) | (value % unit != 0),
        |value| {
            if value.unsigned_abs() >= end {
                Some(Rule::Digits)
            } else {
                (value % unit != 0).then_some(Rule::Fraction)
            }
        },
    )
}

/// Digits with the point that `scale` puts into them.
fn pointed(digits: &str, scale: u32) -> String {
    let scale = usize::try_from(scale).unwrap_or(usize::MAX);
    let unsigned = digits.trim_start_matches('-');
    let padded = format!("{unsigned:0>0$}", scale.saturating_add(1));
    match padded.split_at_checked(padded.len() - scale) {
        Some((integer, fraction)) if !fraction.is_empty() => format!("{integer}.{fraction}"),
        _ => padded,
    }
}

/// Limits of a text column.
struct Texts {
    chars: u64,
    bytes: u64,
    nul: bool,
    bmp_only: bool,
    no_trailing_blank: bool,
}

impl Texts {
    fn rule(&self, text: &str) -> Option<Rule> {
        let bytes = text.len() as u64;
        // A character has at least one byte, so few bytes need no counting.
        if bytes > self.chars && text.chars().count() as u64 > self.chars {
            Some(Rule::Characters)
        } else if bytes > self.bytes {
            Some(Rule::Bytes)
        } else if !self.nul && text.contains('\0') {
            Some(Rule::Nul)
        } else if self.bmp_only && text.bytes().any(is_four_byte_lead) {
            Some(Rule::Supplementary)
        } else if self.no_trailing_blank && text.ends_with(' ') {
            Some(Rule::TrailingBlank)
        } else {
            None
        }
    }

    /// Whether some text could break a rule.
    fn suspects(&self, array: &StringArray) -> bool {
        let offsets = array.value_offsets();
        let longest = offsets
            .windows(2)
            .map(|pair| pair.last().unwrap_or(&0) - pair.first().unwrap_or(&0))
            .max();
        let longest = u64::try_from(longest.unwrap_or(0)).unwrap_or(u64::MAX);
        let whole = whole_text(array);
        longest > self.chars.min(self.bytes)
            || (!self.nul && whole.contains(&0))
            || (self.bmp_only && whole.iter().fold(false, |any, byte| any | (*byte >= 0xF0)))
            || self.no_trailing_blank
    }
}

/// In UTF-8 only characters beyond U+FFFF begin with such a byte.
const fn is_four_byte_lead(byte: u8) -> bool {
    byte >= 0xF0
}

/// The bytes of all values, in one piece.
fn whole_text(array: &StringArray) -> &[u8] {
    let at = |offset: Option<&i32>| {
        offset.and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default()
    };
    let offsets = array.value_offsets();
    array.value_data().get(at(offsets.first())..at(offsets.last())).unwrap_or_default()
}

fn texts(array: &StringArray, rules: &Texts) -> Vec<Misfit> {
    if !rules.suspects(array) {
        return Vec::new();
    }
    let rows = array.iter().enumerate();
    rows.filter_map(|(row, text)| Some(Misfit { row, rule: rules.rule(text?)? })).collect()
}

fn documents(array: &ArrayRef, nul: bool) -> Vec<Misfit> {
    let Some(array) = array.as_string_opt::<i32>() else { return Vec::new() };
    let rows = array.iter().enumerate();
    rows.filter_map(|(row, text)| Some(Misfit { row, rule: json::broken(text?, nul)? })).collect()
}

fn words(array: &ArrayRef, labels: &[String]) -> Vec<Misfit> {
    let Some(array) = array.as_string_opt::<i32>() else { return Vec::new() };
    let labels: HashSet<&str> = labels.iter().map(String::as_str).collect();
    let rows = array.iter().enumerate();
    rows.filter(|(_, text)| text.is_some_and(|text| !labels.contains(text)))
        .map(|(row, _)| Misfit { row, rule: Rule::Label })
        .collect()
}

fn lengths(array: &ArrayRef, max: u64, exact: bool) -> Vec<Misfit> {
    let fits = |bytes: usize| {
        let bytes = bytes as u64;
        if exact { bytes == max } else { bytes <= max }
    };
    let misfit = |(row, bytes): (usize, Option<usize>)| {
        bytes.filter(|bytes| !fits(*bytes)).map(|_| Misfit { row, rule: Rule::Bytes })
    };
    if let Some(array) = array.as_binary_opt::<i32>() {
        array.iter().map(|value| value.map(<[u8]>::len)).enumerate().filter_map(misfit).collect()
    } else if let Some(array) = array.as_string_opt::<i32>() {
        array.iter().map(|value| value.map(str::len)).enumerate().filter_map(misfit).collect()
    } else {
        Vec::new()
    }
}

/// Limits of a column of dates or times.
pub(crate) struct Times {
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) infinite: bool,
    pub(crate) zero: bool,
    /// Microseconds of the last digit; 1 for dates.
    pub(crate) unit: i64,
}

impl Times {
    fn rule(&self, value: i64, specials: Option<(i64, i64, i64)>) -> Option<Rule> {
        match specials {
            Some((past, zero, future)) if value == past || value == future || value == zero => {
                let (allowed, rule) = if value == zero {
                    (self.zero, Rule::ZeroDate)
                } else {
                    (self.infinite, Rule::Infinite)
                };
                (!allowed).then_some(rule)
            }
            _ if value < self.min || value > self.max => Some(Rule::Range),
            _ => (value % self.unit != 0).then_some(Rule::Fraction),
        }
    }
}

/// `-infinity`, MySQL's zero date and `infinity` of dates.
const DATE_SPECIALS: (i64, i64, i64) =
    (i32::MIN as i64, clock_text::ZERO_DATE as i64, i32::MAX as i64);
/// The same of timestamps.
const TIMESTAMP_SPECIALS: (i64, i64, i64) = (i64::MIN, clock_text::ZERO_TIMESTAMP, i64::MAX);

#[expect(clippy::wildcard_enum_match_arm, reason = "types that are no times have no such limit")]
fn times(array: &ArrayRef, limits: &Times) -> Vec<Misfit> {
    fn micros<T: ArrowPrimitiveType<Native = i64>>(
        array: &ArrayRef,
        limits: &Times,
        specials: Option<(i64, i64, i64)>,
    ) -> Vec<Misfit> {
        let (min, max, unit) = (limits.min, limits.max, limits.unit);
        let array = array.as_primitive::<T>();
        let rule = |value| limits.rule(value, specials);
        if unit == 1 {
            return look(array, |value| (value < min) | (value > max), rule);
        }
        look(array, |value| (value < min) | (value > max) | (value % unit != 0), rule)
    }
    match array.data_type() {
        DataType::Date32 => {
            let dates = Times { unit: 1, ..*limits };
            look(
                array.as_primitive::<t::Date32Type>(),
                |value| (i64::from(value) < limits.min) | (i64::from(value) > limits.max),
                |value| dates.rule(value.into(), Some(DATE_SPECIALS)),
            )
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            micros::<t::TimestampMicrosecondType>(array, limits, Some(TIMESTAMP_SPECIALS))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            micros::<t::Time64MicrosecondType>(array, limits, None)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            micros::<t::DurationMicrosecondType>(array, limits, None)
        }
        _ => Vec::new(),
    }
}
