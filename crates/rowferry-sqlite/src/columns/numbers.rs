//! Columns of numbers, checked against what the column of the table keeps.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, UInt64Type};
use arrow_array::{Array, BinaryArray, Float64Array, Int64Array, PrimitiveArray};
use rowferry_codec::digits;
use rowferry_codec::pen::Put as _;

use super::text::text;
use super::{Cells, Made, Words, check};
use crate::decimal;
use crate::fit::Binding;

#[derive(Clone, Copy)]
pub(super) enum Number {
    Integer(i64),
    Real(f64),
}

/// Integers, checked where the column's meaning or type has narrower ends.
pub(super) fn within(values: Int64Array, array: &dyn Array, binding: Binding) -> Made {
    if let Binding::IntegerWithin(min, max) = binding {
        check(array, |row| {
            let fits = (min..=max).contains(&values.value(row));
            if fits { Ok(()) } else { Err("a number beyond what the column holds") }
        })?;
    }
    Ok(Cells::Integers(values))
}

pub(super) fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(
    array: &dyn Array,
    binding: Binding,
) -> Option<Made> {
    let values = array.as_primitive_opt::<T>()?.values().iter().map(|value| (*value).into());
    Some(within(Int64Array::from_iter_values(values), array, binding))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other ways of binding are as one here")]
pub(super) fn large_integers(array: &PrimitiveArray<UInt64Type>, binding: Binding) -> Made {
    match binding {
        Binding::Digits => text(array, |row, pen| {
            digits::unsigned(array.value(row), pen);
            Ok(())
        }),
        Binding::BigEndian => {
            let bytes = array.values().iter().map(|value| value.to_be_bytes());
            Ok(Cells::Bytes(BinaryArray::from_iter_values(bytes)))
        }
        _ => {
            let mut values = vec![0; array.len()];
            check(array, |row| {
                let value = i64::try_from(array.value(row)).map_err(
                    |_large| "a number beyond 9223372036854775807, the largest integer here",
                )?;
                values.get_mut(row).into_iter().for_each(|slot| *slot = value);
                Ok(())
            })?;
            within(values.into(), array, binding)
        }
    }
}

/// SQLite would store a NaN as NULL.
pub(super) fn reals(array: Float64Array) -> Made {
    check(&array, |row| {
        if array.value(row).is_nan() { Err("NaN, which SQLite stores as NULL") } else { Ok(()) }
    })?;
    Ok(Cells::Reals(array))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other ways of binding are as one here")]
pub(super) fn decimals(
    array: &PrimitiveArray<Decimal128Type>,
    scale: u8,
    binding: Binding,
) -> Made {
    // The column holds numbers of fewer digits than this without their point, where it takes all
    // fraction digits.
    let end = match binding {
        Binding::Digits => Some(u128::MAX),
        Binding::DigitsWithin(precision, most) if scale <= most && most <= precision => {
            10_u128.checked_pow((precision - most + scale).into())
        }
        _ => None,
    };
    let Some(end) = end else {
        return numbers(array, binding, |row, text| {
            decimal::write_unscaled(text, &array.value(row).to_string(), scale.into());
        });
    };
    text(array, |row, pen| {
        let value = array.value(row);
        if value.unsigned_abs() >= end {
            return Err("a decimal with more digits than the column's type says");
        }
        digits::decimal(value, scale, pen);
        Ok(())
    })
}

/// Decimals as text, or in a column of numeric affinity as the number that has exactly this value:
/// digits that neither an integer nor a double holds are refused. `write` writes a row's digits.
pub(super) fn numbers(
    array: &dyn Array,
    binding: Binding,
    write: impl Fn(usize, &mut String),
) -> Made {
    let mut scratch = String::new();
    let mut digits_of = |row: usize| -> Result<String, Words> {
        scratch.clear();
        write(row, &mut scratch);
        if let Binding::DigitsWithin(precision, scale) | Binding::NumericWithin(precision, scale) =
            binding
            && decimal::is_finite(&scratch)
            && !decimal::fits(&scratch, precision, scale)
        {
            return Err("a decimal with more digits than the column's type says");
        }
        Ok(std::mem::take(&mut scratch))
    };
    if !matches!(binding, Binding::Numeric | Binding::NumericWithin(..)) {
        return text(array, |row, pen| {
            pen.bytes(digits_of(row)?.as_bytes());
            Ok(())
        });
    }
    let mut values = vec![Number::Integer(0); array.len()];
    check(array, |row| {
        let digits = digits_of(row)?;
        let value = number(&digits)?;
        values.get_mut(row).into_iter().for_each(|slot| *slot = value);
        Ok(())
    })?;
    Ok(Cells::Numbers(values))
}

/// The number that has exactly the value of `text`.
pub(super) fn number(text: &str) -> Result<Number, Words> {
    match text {
        "Infinity" => return Ok(Number::Real(f64::INFINITY)),
        "-Infinity" => return Ok(Number::Real(f64::NEG_INFINITY)),
        "NaN" => return Err("NaN, which SQLite stores as NULL"),
        _ => {}
    }
    let normal = decimal::normalized(text);
    if let Some(whole) = normal.strip_suffix('.') {
        let whole = if whole.is_empty() { "0" } else { whole };
        if let Ok(integer) = whole.parse() {
            return Ok(Number::Integer(integer));
        }
    }
    match text.parse::<f64>() {
        Ok(value)
            if value.is_finite() && decimal::normalized(&decimal::of_double(value)) == normal =>
        {
            Ok(Number::Real(value))
        }
        _ => Err("a decimal with more digits than the column's type keeps"),
    }
}
