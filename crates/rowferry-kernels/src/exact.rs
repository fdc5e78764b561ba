//! Numbers that keep every digit: integers, booleans, bits and decimals as one another.

#![expect(clippy::wildcard_enum_match_arm, reason = "few meanings are exact numbers")]

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray,
    builder::{BooleanBuilder, StringBuilder},
    cast::AsArray,
    types as t,
};
use arrow_buffer::i256;
use rowferry_core::CanonicalType as C;

use crate::{KernelError, Misfit, Rule, convert::Converted, text_form};

/// An exact number: `digits` × 10^−`scale`.
type Number = (i128, u32);

/// Reads a row that is not null as an exact number.
type Read<'a> = Box<dyn Fn(usize) -> Result<Number, Rule> + 'a>;

/// Whether values of this meaning are exact numbers.
pub(crate) const fn is_exact(meaning: &C) -> bool {
    matches!(meaning, C::Boolean | C::Bits { .. } | C::Decimal { .. } | C::DecimalText)
        || meaning.is_integer()
}

/// `array` as the exact numbers of `to`; `None` when `to` is none.
pub(crate) fn convert(
    array: &ArrayRef,
    from: &C,
    to: &C,
) -> Result<Option<Converted>, KernelError> {
    if let C::Decimal { precision, scale } = *to
        && (precision > 38 || matches!(from, C::Decimal { precision, .. } if *precision > 38))
    {
        return wide_decimal(array, from, precision, scale).map(Some);
    }
    let read = reader(array, from)?;
    let rows = || (0..array.len()).map(|row| array.is_valid(row).then(|| read(row)));
    Ok(Some(match *to {
        C::Boolean => {
            let mut misfits = Vec::new();
            let mut builder = BooleanBuilder::with_capacity(array.len());
            for (row, number) in rows().enumerate() {
                match number.map(|number| number.and_then(whole)) {
                    None => builder.append_null(),
                    Some(Ok(bit @ (0 | 1))) => builder.append_value(bit == 1),
                    Some(_) => {
                        misfits.push(Misfit { row, rule: Rule::Boolean });
                        builder.append_null();
                    }
                }
            }
            Converted { array: Arc::new(builder.finish()), misfits }
        }
        C::Int8 => integers::<t::Int8Type>(rows()),
        C::Int16 => integers::<t::Int16Type>(rows()),
        C::Int32 => integers::<t::Int32Type>(rows()),
        C::Int64 => integers::<t::Int64Type>(rows()),
        C::UInt8 => integers::<t::UInt8Type>(rows()),
        C::UInt16 => integers::<t::UInt16Type>(rows()),
        C::UInt32 => integers::<t::UInt32Type>(rows()),
        C::UInt64 => integers::<t::UInt64Type>(rows()),
        C::Bits { bits } => primitives::<t::UInt64Type>(rows(), |number| {
            let value = u64::try_from(whole(number)?).map_err(|_too_big| Rule::Range)?;
            if bits < 64 && value >> bits > 0 { Err(Rule::Range) } else { Ok(value) }
        }),
        C::Decimal { precision, scale } => {
            let converted = primitives::<t::Decimal128Type>(rows(), |number| {
                rescale(number, precision.into(), scale.into())
            });
            typed(converted, to)?
        }
        _ => return Ok(None),
    }))
}

/// Gives decimals their precision and scale.
fn typed(converted: Converted, to: &C) -> Result<Converted, KernelError> {
    let data = converted.array.to_data().into_builder().data_type(to.arrow()).build();
    let data = data.map_err(|error| KernelError::Arrow(error.to_string()))?;
    Ok(Converted { array: arrow_array::make_array(data), misfits: converted.misfits })
}

fn reader<'a>(array: &'a ArrayRef, from: &C) -> Result<Read<'a>, KernelError> {
    Ok(match *from {
        C::Boolean => {
            let array = array.as_boolean();
            Box::new(move |row| Ok((i128::from(array.value(row)), 0)))
        }
        C::Int8 => whole_numbers::<t::Int8Type>(array),
        C::Int16 => whole_numbers::<t::Int16Type>(array),
        C::Int32 => whole_numbers::<t::Int32Type>(array),
        C::Int64 => whole_numbers::<t::Int64Type>(array),
        C::UInt8 => whole_numbers::<t::UInt8Type>(array),
        C::UInt16 => whole_numbers::<t::UInt16Type>(array),
        C::UInt32 => whole_numbers::<t::UInt32Type>(array),
        C::UInt64 | C::Bits { .. } => whole_numbers::<t::UInt64Type>(array),
        C::Decimal { precision, scale } if precision <= 38 => {
            let array = array.as_primitive::<t::Decimal128Type>();
            Box::new(move |row| Ok((array.value(row), scale.into())))
        }
        _ => {
            let text = text_form::text_of(array.as_ref(), from)?;
            Box::new(move |row| {
                let mut plain = String::new();
                text(row, &mut plain)?;
                parse(&plain)
            })
        }
    })
}

fn whole_numbers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Read<'_>
where
    T::Native: Into<i128>,
{
    let array = array.as_primitive::<T>();
    Box::new(move |row| Ok((array.value(row).into(), 0)))
}

fn integers<T: ArrowPrimitiveType>(
    rows: impl Iterator<Item = Option<Result<Number, Rule>>>,
) -> Converted
where
    T::Native: TryFrom<i128>,
{
    primitives::<T>(rows, |number| {
        T::Native::try_from(whole(number)?).map_err(|_outside| Rule::Range)
    })
}

fn primitives<T: ArrowPrimitiveType>(
    rows: impl Iterator<Item = Option<Result<Number, Rule>>>,
    value: impl Fn(Number) -> Result<T::Native, Rule>,
) -> Converted {
    let mut misfits = Vec::new();
    let values = rows.enumerate().map(|(row, number)| match number?.and_then(&value) {
        Ok(value) => Some(value),
        Err(rule) => {
            misfits.push(Misfit { row, rule });
            None
        }
    });
    let array: PrimitiveArray<T> = values.collect();
    Converted { array: Arc::new(array), misfits }
}

/// The number without its fraction, which must be zero.
fn whole((digits, scale): Number) -> Result<i128, Rule> {
    let unit = 10_i128.checked_pow(scale).ok_or(Rule::Digits)?;
    if digits % unit == 0 { Ok(digits / unit) } else { Err(Rule::Fraction) }
}

/// The digits of a number at another scale; nothing is rounded.
fn rescale((digits, from): Number, precision: u32, scale: u32) -> Result<i128, Rule> {
    let power = |places: u32| 10_i128.checked_pow(places);
    let moved = if scale >= from {
        let factor = power(scale - from);
        if digits == 0 {
            0
        } else {
            factor.and_then(|factor| digits.checked_mul(factor)).ok_or(Rule::Digits)?
        }
    } else {
        match power(from - scale) {
            Some(unit) if digits % unit == 0 => digits / unit,
            None if digits == 0 => 0,
            Some(_) | None => return Err(Rule::Fraction),
        }
    };
    let fits = power(precision).is_none_or(|end| moved.unsigned_abs() < end.unsigned_abs());
    if fits { Ok(moved) } else { Err(Rule::Digits) }
}

/// Sign, integer and fraction digits of a number in plain notation, without needless zeros.
///
/// # Errors
///
/// [`Rule::Nan`], [`Rule::Infinite`], and [`Rule::Form`] for what is no number at all.
pub(crate) fn plain_parts(text: &str) -> Result<(bool, &str, &str), Rule> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    match unsigned {
        "NaN" => return Err(Rule::Nan),
        "Infinity" => return Err(Rule::Infinite),
        _ => {}
    }
    let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(integer) || !plain(fraction) {
        return Err(Rule::Form);
    }
    Ok((negative, integer.trim_start_matches('0'), fraction.trim_end_matches('0')))
}

/// Texts that are decimal numbers in plain notation; the words for numbers without digits are none.
pub(crate) fn decimal_texts(array: &ArrayRef) -> Converted {
    let texts = array.as_string::<i32>();
    let mut misfits = Vec::new();
    let mut builder = StringBuilder::with_capacity(texts.len(), texts.values().len());
    for (row, text) in texts.iter().enumerate() {
        let read = text.map(|text| plain_parts(text).map(|_parts| text)).transpose();
        misfits.extend(read.err().map(|rule| Misfit { row, rule }));
        builder.append_option(read.ok().flatten());
    }
    Converted { array: Arc::new(builder.finish()), misfits }
}

fn parse(text: &str) -> Result<Number, Rule> {
    let (negative, integer, fraction) = plain_parts(text)?;
    let mut digits = 0_i128;
    for digit in integer.bytes().chain(fraction.bytes()) {
        let next = digits.checked_mul(10).and_then(|ten| ten.checked_add(i128::from(digit - b'0')));
        digits = next.ok_or(Rule::Digits)?;
    }
    let scale = u32::try_from(fraction.len()).map_err(|_too_long| Rule::Fraction)?;
    Ok((if negative { -digits } else { digits }, scale))
}

/// Decimals of more than 38 digits go through their text: they are rare, and the text is exact.
fn wide_decimal(
    array: &ArrayRef,
    from: &C,
    precision: u8,
    scale: u8,
) -> Result<Converted, KernelError> {
    let text: text_form::Append<'_> = match from {
        C::Decimal { .. } | C::DecimalText => text_form::text_of(array.as_ref(), from)?,
        _ => {
            let read = reader(array, from)?;
            Box::new(move |row, out| {
                let (digits, _) = read(row)?;
                out.push_str(&digits.to_string());
                Ok(())
            })
        }
    };
    let mut misfits = Vec::new();
    let mut plain = String::new();
    let mut values = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        if array.is_null(row) {
            values.push(None);
            continue;
        }
        plain.clear();
        let digits = text(row, &mut plain).and_then(|()| {
            let (negative, integer, fraction) = plain_parts(&plain)?;
            if fraction.len() > usize::from(scale) {
                return Err(Rule::Fraction);
            }
            if integer.len() > usize::from(precision - scale) {
                return Err(Rule::Digits);
            }
            let sign = if negative { "-" } else { "" };
            Ok(format!("{sign}0{integer}{fraction:0<0$}", usize::from(scale)))
        });
        let value = digits.and_then(|digits| i256::from_string(&digits).ok_or(Rule::Digits));
        if let Err(rule) = value {
            misfits.push(Misfit { row, rule });
        }
        values.push(value.ok());
    }
    let to = C::Decimal { precision, scale };
    if precision > 38 {
        let array: PrimitiveArray<t::Decimal256Type> = values.into_iter().collect();
        return typed(Converted { array: Arc::new(array), misfits }, &to);
    }
    // At most 38 digits were let through.
    let narrow = values.into_iter().map(|value| value.and_then(i256::to_i128));
    let array: PrimitiveArray<t::Decimal128Type> = narrow.collect();
    typed(Converted { array: Arc::new(array), misfits }, &to)
}
