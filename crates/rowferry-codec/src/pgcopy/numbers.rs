//! Numbers into whatever of the server's types holds numbers.

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray,
    cast::AsArray,
    types::{Decimal128Type, Decimal256Type, Float32Type, Float64Type, UInt64Type},
};

use super::{
    PgType, bits,
    cells::{BoxedCells, fixed, staged},
    decimal_cells::DecimalCells,
    numeric::{self, Fit},
    rule::Rule,
};

/// Integers of any width into whatever holds integers.
#[expect(clippy::wildcard_enum_match_arm, reason = "can_encode names the pairs")]
pub(super) fn integers<'a, T>(array: &'a PrimitiveArray<T>, pg: &PgType) -> BoxedCells<'a>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128>,
{
    fn narrow<I: Into<i128>, O: TryFrom<i128>>(value: I) -> Result<O, Rule> {
        O::try_from(value.into()).map_err(|_range| Rule::RANGE)
    }
    match pg {
        PgType::Bool => fixed(array, |value| match value.into() {
            0_i128 => Ok([0]),
            1 => Ok([1]),
            _ => Err(Rule::NOT_BOOL),
        }),
        PgType::Int2 => fixed(array, |value| narrow::<_, i16>(value).map(i16::to_be_bytes)),
        PgType::Int4 => fixed(array, |value| narrow::<_, i32>(value).map(i32::to_be_bytes)),
        PgType::Int8 => fixed(array, |value| narrow::<_, i64>(value).map(i64::to_be_bytes)),
        PgType::Oid | PgType::Xid => {
            fixed(array, |value| narrow::<_, u32>(value).map(u32::to_be_bytes))
        }
        PgType::Xid8 | PgType::Lsn => {
            fixed(array, |value| narrow::<_, u64>(value).map(u64::to_be_bytes))
        }
        PgType::Float4 => fixed(array, |value| exact_f32(value.into()).map(f32::to_be_bytes)),
        PgType::Float8 => fixed(array, |value| exact_f64(value.into()).map(f64::to_be_bytes)),
        PgType::Numeric { precision_scale } => {
            let fit = Fit::of(*precision_scale);
            staged(array.nulls(), move |row, out| {
                let value: i128 = array.value(row).into();
                fit.check(value.unsigned_abs(), 0)?;
                numeric::from_i128(value, 0, out);
                Ok(())
            })
        }
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "checked after")]
fn exact_f32(value: i128) -> Result<f32, Rule> {
    let float = value as f32;
    if float as i128 == value { Ok(float) } else { Err(Rule::INEXACT) }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "checked after")]
fn exact_f64(value: i128) -> Result<f64, Rule> {
    let float = value as f64;
    if float as i128 == value { Ok(float) } else { Err(Rule::INEXACT) }
}

pub(super) fn float32<'a>(array: &'a PrimitiveArray<Float32Type>, pg: &PgType) -> BoxedCells<'a> {
    if *pg == PgType::Float4 {
        fixed(array, |value| Ok(value.to_be_bytes()))
    } else {
        fixed(array, |value| Ok(f64::from(value).to_be_bytes()))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the bits are compared after the cast")]
pub(super) fn float64<'a>(array: &'a PrimitiveArray<Float64Type>, pg: &PgType) -> BoxedCells<'a> {
    if *pg == PgType::Float8 {
        return fixed(array, |value| Ok(value.to_be_bytes()));
    }
    fixed(array, |value| {
        let narrow = value as f32;
        if f64::from(narrow).to_bits() == value.to_bits() {
            Ok(narrow.to_be_bytes())
        } else {
            Err(Rule::INEXACT)
        }
    })
}

pub(super) fn decimals<'a>(
    array: &'a ArrayRef,
    precision: u8,
    scale: u8,
    pg: &PgType,
) -> BoxedCells<'a> {
    if let PgType::Money { digits } = pg {
        return amounts(array.as_primitive::<Decimal128Type>(), scale, *digits);
    }
    let PgType::Numeric { precision_scale } = pg else { return None };
    let fit = Fit::of(*precision_scale);
    if precision > 38 {
        let array = array.as_primitive::<Decimal256Type>();
        return staged(array.nulls(), move |row, out| {
            numeric::from_i256(array.value(row), scale, fit, out)
        });
    }
    let fit = Some(fit).filter(|fit| !fit.takes_all(precision, scale));
    Some(Box::new(DecimalCells::new(array.as_primitive(), scale, fit)))
}

/// Decimals as whole numbers of the smallest unit.
fn amounts(array: &PrimitiveArray<Decimal128Type>, scale: u8, digits: u8) -> BoxedCells<'_> {
    let power = numeric::pow10(u32::from(scale.abs_diff(digits)))?.cast_signed();
    fixed(array, move |value| {
        let amount = if digits >= scale {
            value.checked_mul(power).ok_or(Rule::RANGE)?
        } else if value % power == 0 {
            value / power
        } else {
            return Err(Rule::SCALE);
        };
        i64::try_from(amount).map(i64::to_be_bytes).map_err(|_range| Rule::RANGE)
    })
}

pub(super) fn numbered_bits<'a>(
    array: &'a PrimitiveArray<UInt64Type>,
    bits: u8,
    pg: &PgType,
) -> BoxedCells<'a> {
    if !matches!(pg, PgType::Bit { .. } | PgType::VarBit { .. }) {
        return integers(array, pg);
    }
    staged(array.nulls(), move |row, out| bits::from_number(array.value(row), bits, out))
}
