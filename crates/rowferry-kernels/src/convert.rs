//! One meaning to another, value by value and never with a loss.
//!
//! | from | to |
//! |---|---|
//! | anything | text in its text form, see [`crate::text_form`] |
//! | list | JSON |
//! | text, enum, set, JSON, opaque | one another; bytes (UTF-8); uuid in lower case with hyphens |
//! | integers, boolean, bits, decimals | one another, where no digit is lost |
//! | integers, float32 | float64, where no digit is lost |
//! | set | list of text |
//! | bits | bit string, and back |
//! | uuid | 16 bytes, and back |
//! | date | timestamp at midnight |
//! | time, interval without months and days | duration, and back |
//! | cell of any class | integer, text, bytes of its own class; a number as float or decimal, where no digit is lost |
//!
//! A wall clock never becomes an instant, nor the other way round: nobody said in which zone.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, PrimitiveArray,
    builder::{BinaryBuilder, FixedSizeBinaryBuilder, ListBuilder, StringBuilder},
    cast::AsArray,
    make_array, types as t,
};
use arrow_schema::DataType;
use rowferry_core::CanonicalType as C;

use crate::variant::{self, Cell};
use crate::{KernelError, Misfit, Rule, clock_text, exact, text_form};

/// A converted column.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The values; null where the value did not fit.
    pub array: ArrayRef,
    /// Values that have no twin in the new meaning, in row order.
    pub misfits: Vec<Misfit>,
}

/// Converts `array`, whose values mean `from`, to the meaning `to`.
///
/// # Nulls
///
/// Nulls stay null and are never misfits.
///
/// # Errors
///
/// [`KernelError::Conversion`] when there is no such conversion, [`KernelError::Storage`] when the
/// array is not stored as `from` is. Both are mistakes of a plan, never of a value.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{ArrayRef, StringArray, cast::AsArray, types::Decimal128Type};
/// # use rowferry_core::CanonicalType;
/// # use rowferry_kernels::{Rule, convert};
/// let prices: ArrayRef = Arc::new(StringArray::from(vec![Some("1.5"), Some("0.125"), None]));
/// let to = CanonicalType::Decimal { precision: 6, scale: 2 };
/// let converted = convert(&prices, &CanonicalType::DecimalText, &to)?;
/// assert_eq!(converted.array.as_primitive::<Decimal128Type>().value(0), 150);
/// assert_eq!(converted.misfits[0].rule, Rule::Fraction);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn convert(array: &ArrayRef, from: &C, to: &C) -> Result<Converted, KernelError> {
    if *array.data_type() != from.arrow() {
        return Err(KernelError::Storage { data_type: array.data_type().to_string() });
    }
    if keeps_storage(from, to) {
        return Ok(Converted { array: stored_as(array, &to.arrow())?, misfits: Vec::new() });
    }
    if exact::is_exact(from)
        && exact::is_exact(to)
        && let Some(converted) = exact::convert(array, from, to)?
    {
        return Ok(converted);
    }
    match (from, to) {
        (_, C::Text { .. }) | (C::List { .. }, C::Json { .. }) => texts(array, from),
        (C::Text { .. }, C::Uuid) => Ok(uuids(array)),
        (C::Text { .. }, C::DecimalText) => Ok(exact::decimal_texts(array)),
        (C::Text { .. }, C::Decimal { .. }) => convert(array, &C::DecimalText, to),
        (_, C::Binary { .. }) if from.arrow() == DataType::Utf8 => {
            let array = array.as_string::<i32>();
            Ok(bytes(array.iter().map(|text| text.map(|text| Ok(text.as_bytes())))))
        }
        (C::Uuid, C::Binary { .. }) => {
            let array = array.as_fixed_size_binary();
            Ok(bytes(array.iter().map(|uuid| uuid.map(Ok))))
        }
        (C::Binary { .. }, C::Uuid) => Ok(uuids_of_bytes(array)),
        (C::Set { .. }, C::List { element }) if matches!(**element, C::Text { .. }) => {
            Ok(members(array))
        }
        (C::BitString { .. }, C::Bits { bits }) => {
            let digits = array.as_string::<i32>();
            let width = usize::from(*bits);
            Ok(primitives::<t::UInt64Type>(array, |row| {
                let digits = digits.value(row);
                let value = u64::from_str_radix(digits, 2).map_err(|_foreign| Rule::Form)?;
                if digits.len() == width { Ok(value) } else { Err(Rule::Range) }
            }))
        }
        (C::Float32, C::Float64) => {
            let floats = array.as_primitive::<t::Float32Type>();
            Ok(primitives::<t::Float64Type>(array, |row| Ok(floats.value(row).into())))
        }
        (_, C::Float64) if exact::is_exact(from) => float_of_integers(array, from),
        (C::Date, C::Timestamp { .. }) => {
            let days = array.as_primitive::<t::Date32Type>();
            Ok(primitives::<t::TimestampMicrosecondType>(array, |row| midnight(days.value(row))))
        }
        (C::Interval, C::Duration { .. }) => {
            let intervals = array.as_fixed_size_binary();
            Ok(primitives::<t::DurationMicrosecondType>(
                array,
                |row| match text_form::interval_parts(intervals.value(row)) {
                    (0, 0, micros) => Ok(micros),
                    _ => Err(Rule::Calendar),
                },
            ))
        }
        (C::Duration { .. } | C::Time { .. }, C::Interval) => intervals(array),
        (C::Variant, _) => cells(array, to).ok_or_else(|| no_way(from, to)),
        _ => Err(no_way(from, to)),
    }
}

fn no_way(from: &C, to: &C) -> KernelError {
    KernelError::Conversion { from: from.name(), to: to.name() }
}

/// Whether every value of `from` is stored in the same bytes under `to`. What the declared sizes of
/// `to` ask for is looked at with the limits of the column.
fn keeps_storage(from: &C, to: &C) -> bool {
    let words = |meaning: &C| {
        matches!(
            meaning,
            C::Text { .. }
                | C::Json { .. }
                | C::Enum { .. }
                | C::Set { .. }
                | C::Opaque { .. }
                | C::TimeTz
                | C::BitString { .. }
        )
    };
    let bytes = |meaning: &C| matches!(meaning, C::Binary { .. } | C::Geometry { .. });
    let clock = |meaning: &C| matches!(meaning, C::Time { .. } | C::Duration { .. });
    from == to
        || words(from) && words(to)
        || *from == C::DecimalText && matches!(to, C::Text { .. })
        || bytes(from) && bytes(to)
        || clock(from) && clock(to)
        || matches!((from, to), (C::Timestamp { .. }, C::Timestamp { .. }))
        || matches!((from, to), (C::Instant { .. }, C::Instant { .. }))
}

fn stored_as(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, KernelError> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let data = array.to_data().into_builder().data_type(to.clone()).build();
    data.map(make_array).map_err(|error| KernelError::Arrow(error.to_string()))
}

/// The value of each row that is not null; misfits become null.
fn primitives<T: arrow_array::ArrowPrimitiveType>(
    array: &ArrayRef,
    value: impl Fn(usize) -> Result<T::Native, Rule>,
) -> Converted {
    let mut misfits = Vec::new();
    let values = (0..array.len()).map(|row| {
        if array.is_null(row) {
            return None;
        }
        value(row).map_err(|rule| misfits.push(Misfit { row, rule })).ok()
    });
    let values: PrimitiveArray<T> = values.collect();
    Converted { array: Arc::new(values), misfits }
}

fn texts(array: &ArrayRef, from: &C) -> Result<Converted, KernelError> {
    Ok(written(array, text_form::text_of(array.as_ref(), from)?))
}

/// What `append` writes of each row that is not null.
fn written(array: &ArrayRef, append: impl Fn(usize, &mut String) -> Result<(), Rule>) -> Converted {
    // A guess: most texts of numbers and times have about 16 bytes.
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 16);
    let mut text = String::new();
    let mut misfits = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        match append(row, &mut text) {
            Ok(()) => builder.append_value(&text),
            Err(rule) => {
                misfits.push(Misfit { row, rule });
                builder.append_null();
            }
        }
    }
    Converted { array: Arc::new(builder.finish()), misfits }
}

fn bytes<'a>(rows: impl Iterator<Item = Option<Result<&'a [u8], Rule>>>) -> Converted {
    let mut builder = BinaryBuilder::new();
    let mut misfits = Vec::new();
    for (row, value) in rows.enumerate() {
        match value {
            Some(Ok(value)) => builder.append_value(value),
            None => builder.append_null(),
            Some(Err(rule)) => {
                misfits.push(Misfit { row, rule });
                builder.append_null();
            }
        }
    }
    Converted { array: Arc::new(builder.finish()), misfits }
}

fn uuids(array: &ArrayRef) -> Converted {
    let texts = array.as_string::<i32>();
    sixteen(texts.iter().map(|text| text.map(|text| uuid(text).ok_or(Rule::Form))))
}

fn uuids_of_bytes(array: &ArrayRef) -> Converted {
    let values = array.as_binary::<i32>();
    sixteen(values.iter().map(|value| {
        value.map(|value| <[u8; 16]>::try_from(value).map_err(|_other_length| Rule::Bytes))
    }))
}

fn sixteen(rows: impl Iterator<Item = Option<Result<[u8; 16], Rule>>>) -> Converted {
    let mut builder = FixedSizeBinaryBuilder::new(16);
    let mut misfits = Vec::new();
    for (row, value) in rows.enumerate() {
        let value =
            value.and_then(|value| value.map_err(|rule| misfits.push(Misfit { row, rule })).ok());
        // Sixteen bytes always go into a builder of sixteen.
        if value.is_none_or(|value| builder.append_value(value).is_err()) {
            builder.append_null();
        }
    }
    Converted { array: Arc::new(builder.finish()), misfits }
}

/// The one form that is written back as the same text: lower case with hyphens.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut uuid = [0_u8; 16];
    let mut digits = 0;
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        let slot = uuid.get_mut(digits / 2)?;
        *slot = *slot << 4 | digit;
        digits += 1;
    }
    Some(uuid)
}

/// The members of each set; empty text is the set without members.
fn members(array: &ArrayRef) -> Converted {
    let sets = array.as_string::<i32>();
    let mut builder = ListBuilder::new(StringBuilder::new());
    for set in sets {
        if let Some(set) = set {
            for member in set.split(',').filter(|_| !set.is_empty()) {
                builder.values().append_value(member);
            }
        }
        builder.append(set.is_some());
    }
    Converted { array: Arc::new(builder.finish()), misfits: Vec::new() }
}

fn float_of_integers(array: &ArrayRef, from: &C) -> Result<Converted, KernelError> {
    let whole = exact::convert(array, from, &C::Int64)?.ok_or_else(|| no_way(from, &C::Float64))?;
    let numbers = whole.array.as_primitive::<t::Int64Type>();
    let mut converted = primitives::<t::Float64Type>(&whole.array, |row| {
        exact_double(numbers.value(row)).ok_or(Rule::Digits)
    });
    converted.misfits.extend(whole.misfits);
    converted.misfits.sort_unstable();
    Ok(converted)
}

fn exact_double(number: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a loss is looked for in the next line")]
    let float = number as f64;
    // Written out, a double that lost a digit reads otherwise than the integer.
    (format!("{float:.0}") == number.to_string()).then_some(float)
}

fn midnight(days: i32) -> Result<i64, Rule> {
    match days {
        i32::MAX => Ok(i64::MAX),
        i32::MIN => Ok(i64::MIN),
        clock_text::ZERO_DATE => Ok(clock_text::ZERO_TIMESTAMP),
        days => i64::from(days).checked_mul(clock_text::MICROS_PER_DAY).ok_or(Rule::Range),
    }
}

fn intervals(array: &ArrayRef) -> Result<Converted, KernelError> {
    let micros = array.to_data().into_builder().data_type(DataType::Int64).build();
    let micros = make_array(micros.map_err(|error| KernelError::Arrow(error.to_string()))?);
    let micros = micros.as_primitive::<t::Int64Type>();
    Ok(sixteen(
        micros
            .iter()
            .map(|micros| micros.map(|micros| Ok((i128::from(micros) << 64).to_be_bytes()))),
    ))
}

/// Cells of one class; the class is that of `to`.
#[expect(clippy::wildcard_enum_match_arm, reason = "cells have four classes")]
fn cells(array: &ArrayRef, to: &C) -> Option<Converted> {
    let values = array.as_binary::<i32>();
    let cell = |row: usize| variant::cell(values.value(row));
    match to {
        C::Int64 => Some(primitives::<t::Int64Type>(array, |row| match cell(row)? {
            Cell::Integer(value) => Ok(value),
            Cell::Real(_) | Cell::Text(_) | Cell::Blob(_) => Err(Rule::Class),
        })),
        C::Float64 => Some(primitives::<t::Float64Type>(array, |row| match cell(row)? {
            Cell::Real(value) => Ok(value),
            Cell::Integer(value) => exact_double(value).ok_or(Rule::Digits),
            Cell::Text(_) | Cell::Blob(_) => Err(Rule::Class),
        })),
        C::DecimalText => {
            let digits = |row: usize, out: &mut String| {
                match cell(row)? {
                    Cell::Integer(value) => write!(out, "{value}").unwrap_or_default(),
                    Cell::Real(value) if value.is_nan() => return Err(Rule::Nan),
                    Cell::Real(value) if value.is_infinite() => return Err(Rule::Infinite),
                    // Zero has no sign here.
                    Cell::Real(value) => write!(out, "{}", value + 0.0).unwrap_or_default(),
                    Cell::Text(_) | Cell::Blob(_) => return Err(Rule::Class),
                }
                Ok(())
            };
            Some(written(array, digits))
        }
        C::Binary { .. } => Some(bytes(values.iter().map(|value| {
            value.map(|value| match variant::cell(value)? {
                Cell::Blob(value) => Ok(value),
                Cell::Text(value) => Ok(value.as_bytes()),
                Cell::Integer(_) | Cell::Real(_) => Err(Rule::Class),
            })
        }))),
        _ => None,
    }
}
