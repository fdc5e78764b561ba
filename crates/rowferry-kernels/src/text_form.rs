//! The text form of every meaning, and JSON of lists.
//!
//! | meaning | text | inside a JSON list |
//! |---|---|---|
//! | boolean | `true`, `false` | the same |
//! | integers | digits | the same |
//! | floats | fewest digits that read back as the same bits, `NaN`, `Infinity`, `-Infinity` | number; not NaN or infinite |
//! | decimals | plain notation, all digits of the scale | string |
//! | text, enum, set, opaque | as it is | string |
//! | json | as it is | the value itself |
//! | bytes, geometry | `\x` and lower-case hex | string |
//! | dates, times, intervals | see [`crate::clock_text`] | string |
//! | uuid | lower case with hyphens | string |
//! | bits | `0` and `1`, as many as declared | string |
//! | list | JSON | array |

use std::fmt::Write as _;

use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray, cast::AsArray, types as t};
use itoa::Buffer;
use rowferry_core::CanonicalType as C;

use crate::{KernelError, Rule, clock_text, variant};

/// Appends the text of a row that is not null.
pub(crate) type Append<'a> = Box<dyn Fn(usize, &mut String) -> Result<(), Rule> + 'a>;

/// The text form of `array`, whose values mean `meaning`.
pub(crate) fn text_of<'a>(array: &'a dyn Array, meaning: &C) -> Result<Append<'a>, KernelError> {
    Ok(match meaning {
        C::Boolean => {
            let array = get(array.as_boolean_opt(), array)?;
            always(move |row, out| out.push_str(if array.value(row) { "true" } else { "false" }))
        }
        C::Int8 => digits::<t::Int8Type>(array)?,
        C::Int16 => digits::<t::Int16Type>(array)?,
        C::Int32 => digits::<t::Int32Type>(array)?,
        C::Int64 => digits::<t::Int64Type>(array)?,
        C::UInt8 => digits::<t::UInt8Type>(array)?,
        C::UInt16 => digits::<t::UInt16Type>(array)?,
        C::UInt32 => digits::<t::UInt32Type>(array)?,
        C::UInt64 => digits::<t::UInt64Type>(array)?,
        C::Float32 => each::<t::Float32Type>(array, |out, value| {
            float(out, value.is_nan(), value.is_infinite(), value > 0.0, value);
        })?,
        C::Float64 => each::<t::Float64Type>(array, |out, value| {
            float(out, value.is_nan(), value.is_infinite(), value > 0.0, value);
        })?,
        C::Decimal { precision, scale } => {
            let scale = usize::from(*scale);
            if *precision <= 38 {
                each::<t::Decimal128Type>(array, move |out, value| {
                    decimal(out, Buffer::new().format(value), scale);
                })?
            } else {
                each::<t::Decimal256Type>(array, move |out, value| {
                    decimal(out, &value.to_string(), scale);
                })?
            }
        }
        C::DecimalText
        | C::Text { .. }
        | C::Json { .. }
        | C::Enum { .. }
        | C::Set { .. }
        | C::BitString { .. }
        | C::TimeTz
        | C::Opaque { .. } => {
            let array = get(array.as_string_opt::<i32>(), array)?;
            always(move |row, out| out.push_str(array.value(row)))
        }
        C::Binary { .. } | C::Geometry { .. } => {
            let array = get(array.as_binary_opt::<i32>(), array)?;
            always(move |row, out| hex(out, array.value(row)))
        }
        C::Date => each::<t::Date32Type>(array, clock_text::date)?,
        C::Time { .. } => each::<t::Time64MicrosecondType>(array, clock_text::duration)?,
        C::Duration { .. } => each::<t::DurationMicrosecondType>(array, clock_text::duration)?,
        C::Timestamp { .. } | C::Instant { .. } => {
            let instant = matches!(meaning, C::Instant { .. });
            each::<t::TimestampMicrosecondType>(array, move |out, value| {
                clock_text::timestamp(out, value, instant);
            })?
        }
        C::Uuid => {
            let array = get(array.as_fixed_size_binary_opt(), array)?;
            always(move |row, out| uuid(out, array.value(row)))
        }
        C::Interval => {
            let array = get(array.as_fixed_size_binary_opt(), array)?;
            always(move |row, out| {
                let (months, days, micros) = interval_parts(array.value(row));
                clock_text::interval(out, months, days, micros);
            })
        }
        C::Bits { bits } => {
            let bits = usize::from(*bits);
            each::<t::UInt64Type>(array, move |out, value| {
                write!(out, "{value:0bits$b}").unwrap_or_default();
            })?
        }
        C::List { .. } => json_of(array, meaning)?,
        C::Variant => {
            let array = get(array.as_binary_opt::<i32>(), array)?;
            Box::new(move |row, out| variant::text(array.value(row), out))
        }
    })
}

/// The JSON form of `array`: of lists, and of what stands in them.
pub(crate) fn json_of<'a>(array: &'a dyn Array, meaning: &C) -> Result<Append<'a>, KernelError> {
    Ok(match meaning {
        C::Boolean
        | C::Int8
        | C::Int16
        | C::Int32
        | C::Int64
        | C::UInt8
        | C::UInt16
        | C::UInt32
        | C::UInt64
        | C::Json { .. } => text_of(array, meaning)?,
        C::Float32 => finite(array, meaning, |row, array| {
            array.as_primitive::<t::Float32Type>().value(row).is_finite()
        })?,
        C::Float64 => finite(array, meaning, |row, array| {
            array.as_primitive::<t::Float64Type>().value(row).is_finite()
        })?,
        C::List { element } => {
            let lists = get(array.as_list_opt::<i32>(), array)?;
            let values = lists.values();
            let append = json_of(values.as_ref(), element)?;
            Box::new(move |row, out| {
                out.push('[');
                let (first, end) = bounds(lists.value_offsets(), row);
                for index in first..end {
                    if index > first {
                        out.push(',');
                    }
                    if values.is_null(index) {
                        out.push_str("null");
                    } else {
                        append(index, out)?;
                    }
                }
                out.push(']');
                Ok(())
            })
        }
        C::Decimal { .. }
        | C::DecimalText
        | C::Text { .. }
        | C::Binary { .. }
        | C::Date
        | C::Time { .. }
        | C::Duration { .. }
        | C::Timestamp { .. }
        | C::Instant { .. }
        | C::Uuid
        | C::Bits { .. }
        | C::Enum { .. }
        | C::Set { .. }
        | C::BitString { .. }
        | C::Interval
        | C::TimeTz
        | C::Geometry { .. }
        | C::Opaque { .. }
        | C::Variant => {
            let append = text_of(array, meaning)?;
            Box::new(move |row, out| {
                let mut plain = String::new();
                append(row, &mut plain)?;
                quote(out, &plain);
                Ok(())
            })
        }
    })
}

fn finite<'a>(
    array: &'a dyn Array,
    meaning: &C,
    is_finite: impl Fn(usize, &'a dyn Array) -> bool + 'a,
) -> Result<Append<'a>, KernelError> {
    let append = text_of(array, meaning)?;
    Ok(Box::new(
        move |row, out| {
            if is_finite(row, array) { append(row, out) } else { Err(Rule::Element) }
        },
    ))
}

fn bounds(offsets: &[i32], row: usize) -> (usize, usize) {
    let at = |index: usize| {
        offsets.get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default()
    };
    (at(row), at(row + 1))
}

/// Appends `text` as a JSON string.
pub(crate) fn quote(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).unwrap_or_default();
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// The array as the storage that its meaning asks for.
fn get<'a, T>(array: Option<&'a T>, whole: &dyn Array) -> Result<&'a T, KernelError> {
    array.ok_or_else(|| KernelError::Storage { data_type: whole.data_type().to_string() })
}

fn always<'a>(append: impl Fn(usize, &mut String) + 'a) -> Append<'a> {
    Box::new(move |row, out| {
        append(row, out);
        Ok(())
    })
}

fn each<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    append: impl Fn(&mut String, T::Native) + 'a,
) -> Result<Append<'a>, KernelError> {
    let array: &PrimitiveArray<T> = get(array.as_primitive_opt::<T>(), array)?;
    Ok(always(move |row, out| append(out, array.value(row))))
}

fn digits<T: ArrowPrimitiveType>(array: &dyn Array) -> Result<Append<'_>, KernelError>
where
    T::Native: itoa::Integer,
{
    each::<T>(array, |out, value| out.push_str(Buffer::new().format(value)))
}

/// Rust's debug form of a float has the fewest digits that read back as the same bits; whole
/// numbers lose the `.0` that it puts behind them.
pub(crate) fn float(
    out: &mut String,
    nan: bool,
    infinite: bool,
    positive: bool,
    value: impl std::fmt::Debug,
) {
    match (nan, infinite, positive) {
        (true, _, _) => out.push_str("NaN"),
        (_, true, true) => out.push_str("Infinity"),
        (_, true, false) => out.push_str("-Infinity"),
        _ => {
            write!(out, "{value:?}").unwrap_or_default();
            if out.ends_with(".0") {
                out.truncate(out.len() - 2);
            }
        }
    }
}

/// Appends `number`, the text of an integer, × 10^−`scale` in plain notation.
fn decimal(out: &mut String, number: &str, scale: usize) {
    let digits = match number.strip_prefix('-') {
        Some(digits) => {
            out.push('-');
            digits
        }
        None => number,
    };
    if scale == 0 {
        out.push_str(digits);
        return;
    }
    match digits.len().checked_sub(scale).and_then(|point| digits.split_at_checked(point)) {
        Some((integer, fraction)) if !integer.is_empty() => {
            out.push_str(integer);
            out.push('.');
            out.push_str(fraction);
        }
        _ => {
            out.push_str("0.");
            out.extend((digits.len()..scale).map(|_| '0'));
            out.push_str(digits);
        }
    }
}

fn hex(out: &mut String, bytes: &[u8]) {
    out.push_str("\\x");
    for byte in bytes {
        hex_digits(out, *byte);
    }
}

fn uuid(out: &mut String, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        hex_digits(out, *byte);
    }
}

fn hex_digits(out: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        out.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
    }
}

/// Months, days and microseconds of an interval's 16 bytes.
pub(crate) fn interval_parts(bytes: &[u8]) -> (i32, i32, i64) {
    let micros = bytes.first_chunk().map_or(0, |micros| i64::from_be_bytes(*micros));
    let word = |from: usize| {
        let bytes = bytes.get(from..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| i32::from_be_bytes(*bytes))
    };
    (word(12), word(8), micros)
}
