//! Numbers that count time, as microseconds since 1970.

#![expect(clippy::wildcard_enum_match_arm, reason = "few meanings are numbers")]

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, PrimitiveArray, cast::AsArray, types as t};
use rowferry_core::{CanonicalType as C, Epoch};

use crate::convert::{Converted, convert};
use crate::variant::{self, Cell};
use crate::{KernelError, Misfit, Rule, exact};

const MILLISECOND: i64 = 1_000;
const SECOND: i64 = 1_000_000;
/// Milliseconds of a day.
const DAY: f64 = 86_400_000.0;
/// 1970-01-01 00:00:00 UTC in Julian days: <https://www.sqlite.org/lang_datefunc.html>, section 2.
const JULIAN_1970: f64 = 2_440_587.5;
/// The first double that no longer fits into 64 bits; all below it do.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

/// Reads the numbers of `array`, whose values mean `from`, as instants that `epoch` counts, and
/// converts those to the meaning `to`. A timestamp becomes the wall clock of UTC.
///
/// Integers are exact. A fraction is taken to the nearest microsecond (to the nearest millisecond
/// of Julian days, as SQLite's own functions do), which is as close as a double of our days comes.
///
/// # Nulls
///
/// Nulls stay null and are never misfits.
///
/// # Errors
///
/// [`KernelError::Conversion`] when `from` is no number or no instant becomes `to`, [`KernelError::Storage`] when the array is
/// not stored as `from` is.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{ArrayRef, Int64Array, cast::AsArray, types::TimestampMicrosecondType};
/// # use rowferry_core::{CanonicalType, Epoch};
/// # use rowferry_kernels::from_epoch;
/// let seconds: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MAX)]));
/// let instant = CanonicalType::Instant { digits: 6 };
/// let read = from_epoch(&seconds, &CanonicalType::Int64, Epoch::Seconds, &instant)?;
/// assert_eq!(read.array.as_primitive::<TimestampMicrosecondType>().value(0), 1_000_000);
/// assert_eq!(read.misfits[0].row, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_epoch(
    array: &ArrayRef,
    from: &C,
    epoch: Epoch,
    to: &C,
) -> Result<Converted, KernelError> {
    if *array.data_type() != from.arrow() {
        return Err(KernelError::Storage { data_type: array.data_type().to_string() });
    }
    if matches!(to, C::Instant { .. } | C::Timestamp { .. }) {
        return micros(array, from, epoch, to);
    }
    let instant = C::Instant { digits: 6 };
    let instants = micros(array, from, epoch, &instant)?;
    let converted = convert(&instants.array, &instant, to)?;
    Ok(with(converted, instants.misfits))
}

/// Microseconds since 1970, stored as `to` stores them.
fn micros(array: &ArrayRef, from: &C, epoch: Epoch, to: &C) -> Result<Converted, KernelError> {
    Ok(match from {
        C::Float64 => {
            let numbers = array.as_primitive::<t::Float64Type>();
            read(array, to, |row| of_float(numbers.value(row), epoch))
        }
        C::Float32 => {
            let numbers = array.as_primitive::<t::Float32Type>();
            read(array, to, |row| of_float(numbers.value(row).into(), epoch))
        }
        C::Variant => {
            let cells = array.as_binary::<i32>();
            read(array, to, |row| match variant::cell(cells.value(row))? {
                Cell::Integer(number) => of_integer(number, epoch),
                Cell::Real(number) => of_float(number, epoch),
                Cell::Text(_) | Cell::Blob(_) => Err(Rule::Class),
            })
        }
        from if exact::is_exact(from) && epoch != Epoch::Julian => {
            of_exact(array, from, epoch, to)?
        }
        from if from.is_integer() => {
            let whole = exact::convert(array, from, &C::Int64)?;
            let Some(whole) = whole else { return Err(no_way(from, to)) };
            let numbers = whole.array.as_primitive::<t::Int64Type>();
            let done = read(&whole.array, to, |row| of_integer(numbers.value(row), epoch));
            with(done, whole.misfits)
        }
        from => return Err(no_way(from, to)),
    })
}

/// Exact numbers with up to six digits behind the second, or fewer behind smaller units.
fn of_exact(array: &ArrayRef, from: &C, epoch: Epoch, to: &C) -> Result<Converted, KernelError> {
    let scale = match epoch {
        Epoch::Seconds => 6,
        Epoch::Milliseconds => 3,
        Epoch::Microseconds | Epoch::Julian => 0,
    };
    let digits = C::Decimal { precision: 38, scale };
    let scaled = exact::convert(array, from, &digits)?.ok_or_else(|| no_way(from, to))?;
    let numbers = scaled.array.as_primitive::<t::Decimal128Type>();
    let done = read(&scaled.array, to, |row| {
        i64::try_from(numbers.value(row)).map_err(|_wide| Rule::Range).and_then(finite)
    });
    Ok(with(done, scaled.misfits))
}

fn no_way(from: &C, to: &C) -> KernelError {
    KernelError::Conversion { from: from.name(), to: to.name() }
}

fn with(mut converted: Converted, more: Vec<Misfit>) -> Converted {
    converted.misfits.extend(more);
    converted.misfits.sort_unstable();
    converted
}

fn read(array: &ArrayRef, to: &C, value: impl Fn(usize) -> Result<i64, Rule>) -> Converted {
    let mut misfits = Vec::new();
    let values = (0..array.len()).map(|row| {
        let valid = array.is_valid(row).then(|| value(row))?;
        valid.map_err(|rule| misfits.push(Misfit { row, rule })).ok()
    });
    let values: PrimitiveArray<t::TimestampMicrosecondType> = values.collect();
    Converted { array: Arc::new(values.with_data_type(to.arrow())), misfits }
}

fn of_integer(number: i64, epoch: Epoch) -> Result<i64, Rule> {
    let micros = match epoch {
        Epoch::Seconds => number.checked_mul(SECOND),
        Epoch::Milliseconds => number.checked_mul(MILLISECOND),
        Epoch::Microseconds => Some(number),
        #[expect(clippy::cast_precision_loss, reason = "days beyond 2^53 are out of range anyway")]
        Epoch::Julian => return of_float(number as f64, epoch),
    };
    micros.ok_or(Rule::Range).and_then(finite)
}

fn of_float(number: f64, epoch: Epoch) -> Result<i64, Rule> {
    if number.is_nan() {
        return Err(Rule::Nan);
    }
    if number.is_infinite() {
        return Err(Rule::Infinite);
    }
    #[expect(clippy::cast_precision_loss, reason = "both are far below 2^53")]
    let (whole, step) = match epoch {
        Epoch::Seconds => (number * SECOND as f64, 1),
        Epoch::Milliseconds => (number * MILLISECOND as f64, 1),
        Epoch::Microseconds if number.fract() != 0.0 => return Err(Rule::Fraction),
        Epoch::Microseconds => (number, 1),
        Epoch::Julian => ((number - JULIAN_1970) * DAY, MILLISECOND),
    };
    let whole = whole.round();
    if !(-I64_END..I64_END).contains(&whole) {
        return Err(Rule::Range);
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    let whole = whole as i64;
    whole.checked_mul(step).ok_or(Rule::Range).and_then(finite)
}

/// The two ends stand for infinity, which no count reaches.
const fn finite(micros: i64) -> Result<i64, Rule> {
    match micros {
        i64::MIN | i64::MAX => Err(Rule::Range),
        micros => Ok(micros),
    }
}

#[cfg(test)]
#[path = "epoch_tests.rs"]
mod tests;
