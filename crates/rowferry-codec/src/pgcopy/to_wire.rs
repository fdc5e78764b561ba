//! Which canonical types go into which of the server's types, and with which checks.

use std::collections::HashSet;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, StringArray,
    cast::AsArray,
    types::{
        Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use rowferry_core::CanonicalType;

use super::{
    PgType,
    bits::{self, Count},
    calendar,
    cells::{BoxedCells, bytes, fixed, staged, text},
    lists::ListCells,
    numeric::{self, Fit},
    rule::Rule,
    timetz, uuid,
};

/// Whether there is an exact rule from values of this meaning to a column of this type. Single
/// values can still break it and then stop the encoder.
#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named has no rule")]
pub fn can_encode(canonical: &CanonicalType, pg: &PgType) -> bool {
    use CanonicalType as C;
    use PgType as P;
    match canonical {
        C::Boolean
        | C::Int8
        | C::Int16
        | C::Int32
        | C::Int64
        | C::UInt8
        | C::UInt16
        | C::UInt32
        | C::UInt64 => takes_integers(pg),
        C::Bits { bits } => match pg {
            P::Bool | P::Int2 | P::Int4 | P::Int8 | P::Numeric { .. } => true,
            P::Bit { bits: target } => *target == u32::from(*bits),
            P::VarBit { bits: most } => most.is_none_or(|most| most >= u32::from(*bits)),
            _ => false,
        },
        C::Float32 | C::Float64 => matches!(pg, P::Float4 | P::Float8),
        C::Decimal { precision, .. } => match pg {
            P::Numeric { .. } => true,
            // Money holds 19 digits; a decimal of 256 bits has no use there.
            P::Money { .. } => *precision <= 38,
            _ => false,
        },
        C::DecimalText => {
            matches!(pg, P::Numeric { .. } | P::Text | P::Varchar { .. })
        }
        C::Text { .. } => matches!(
            pg,
            P::Text
                | P::Varchar { .. }
                | P::Bpchar { .. }
                | P::Enum { .. }
                | P::Json
                | P::Jsonb
                | P::Uuid
                | P::Bit { .. }
                | P::VarBit { .. }
                | P::TimeTz { .. }
        ),
        C::Opaque { .. } => matches!(pg, P::Text | P::Varchar { .. } | P::Bpchar { .. }),
        C::BitString { .. } => {
            matches!(pg, P::Bit { .. } | P::VarBit { .. } | P::Text | P::Varchar { .. })
        }
        C::TimeTz => matches!(pg, P::TimeTz { .. } | P::Text | P::Varchar { .. }),
        C::Set { .. } => match pg {
            P::Text | P::Varchar { .. } => true,
            P::Array { element, oid } => {
                *oid != 0 && matches!(**element, P::Text | P::Varchar { .. } | P::Enum { .. })
            }
            _ => false,
        },
        C::List { element: canonical } => match pg {
            P::Array { element, oid } => *oid != 0 && can_encode(canonical, element),
            _ => false,
        },
        C::Enum { .. } => {
            matches!(pg, P::Text | P::Varchar { .. } | P::Bpchar { .. } | P::Enum { .. })
        }
        C::Json { .. } => matches!(pg, P::Json | P::Jsonb | P::Text | P::Varchar { .. }),
        C::Binary { .. } => matches!(pg, P::Bytea | P::Uuid | P::Char1),
        C::Geometry { .. } => matches!(pg, P::Bytea),
        C::Date => matches!(pg, P::Date),
        C::Time { .. } => matches!(pg, P::Time { .. }),
        C::Duration { .. } => matches!(pg, P::Interval { .. } | P::Time { .. }),
        C::Interval => matches!(pg, P::Interval { .. }),
        C::Timestamp { .. } => matches!(pg, P::Timestamp { .. }),
        C::Instant { .. } => matches!(pg, P::TimestampTz { .. }),
        C::Uuid => matches!(
            pg,
            P::Uuid | P::Text | P::Varchar { .. } | P::Bpchar { chars: Some(36) } | P::Bytea
        ),
        C::Variant => false,
    }
}

fn takes_integers(pg: &PgType) -> bool {
    use PgType as P;
    matches!(
        pg,
        P::Bool
            | P::Int2
            | P::Int4
            | P::Int8
            | P::Oid
            | P::Xid
            | P::Xid8
            | P::Lsn
            | P::Float4
            | P::Float8
            | P::Numeric { .. }
    )
}

/// The writer of the cells of an array that [`super::lists::prepared`] gave; `None` where
/// [`can_encode`] says no.
pub(super) fn cells<'a>(
    canonical: &CanonicalType,
    pg: &'a PgType,
    array: &'a ArrayRef,
) -> BoxedCells<'a> {
    use CanonicalType as C;
    if !can_encode(canonical, pg) {
        return None;
    }
    match canonical {
        // Booleans come as numbers 0 and 1.
        C::Boolean | C::UInt8 => integers(array.as_primitive::<UInt8Type>(), pg),
        C::Int8 => integers(array.as_primitive::<Int8Type>(), pg),
        C::Int16 => integers(array.as_primitive::<Int16Type>(), pg),
        C::Int32 => integers(array.as_primitive::<Int32Type>(), pg),
        C::Int64 => integers(array.as_primitive::<Int64Type>(), pg),
        C::UInt16 => integers(array.as_primitive::<UInt16Type>(), pg),
        C::UInt32 => integers(array.as_primitive::<UInt32Type>(), pg),
        C::UInt64 => integers(array.as_primitive::<UInt64Type>(), pg),
        C::Bits { bits } => numbered_bits(array.as_primitive::<UInt64Type>(), *bits, pg),
        C::Float32 => float32(array.as_primitive::<Float32Type>(), pg),
        C::Float64 => float64(array.as_primitive::<Float64Type>(), pg),
        C::Decimal { precision, scale } => decimals(array, *precision, *scale, pg),
        C::Set { .. } if matches!(pg, PgType::Array { .. }) => {
            lists(&CanonicalType::Text { chars: None, fixed: false }, array, pg)
        }
        C::DecimalText
        | C::Text { .. }
        | C::Enum { .. }
        | C::Set { .. }
        | C::Json { .. }
        | C::BitString { .. }
        | C::TimeTz
        | C::Opaque { .. } => texts(array, pg),
        C::Binary { .. } | C::Geometry { .. } => binaries(array, pg),
        C::Date => fixed(array.as_primitive::<Date32Type>(), |days| {
            calendar::date_to_pg(days).map(i32::to_be_bytes)
        }),
        C::Time { .. } => times(array.as_primitive::<Time64MicrosecondType>(), pg),
        C::Duration { .. } => durations(array.as_primitive::<DurationMicrosecondType>(), pg),
        C::Interval => intervals(array, pg),
        C::Timestamp { .. } | C::Instant { .. } => {
            timestamps(array.as_primitive::<TimestampMicrosecondType>(), pg)
        }
        C::Uuid => uuids(array, pg),
        C::List { element } => lists(element, array, pg),
        C::Variant => None,
    }
}

/// Integers of any width into whatever holds integers.
#[expect(clippy::wildcard_enum_match_arm, reason = "can_encode names the pairs")]
fn integers<'a, T>(array: &'a PrimitiveArray<T>, pg: &PgType) -> BoxedCells<'a>
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

fn float32<'a>(array: &'a PrimitiveArray<Float32Type>, pg: &PgType) -> BoxedCells<'a> {
    if *pg == PgType::Float4 {
        fixed(array, |value| Ok(value.to_be_bytes()))
    } else {
        fixed(array, |value| Ok(f64::from(value).to_be_bytes()))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the bits are compared after the cast")]
fn float64<'a>(array: &'a PrimitiveArray<Float64Type>, pg: &PgType) -> BoxedCells<'a> {
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

fn decimals<'a>(array: &'a ArrayRef, precision: u8, scale: u8, pg: &PgType) -> BoxedCells<'a> {
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
    let array = array.as_primitive::<Decimal128Type>();
    let values = array.values();
    if fit.takes_all(precision, scale) {
        return staged(array.nulls(), move |row, out| {
            numeric::from_i128(values.get(row).copied().unwrap_or_default(), scale, out);
            Ok(())
        });
    }
    staged(array.nulls(), move |row, out| {
        let value = values.get(row).copied().unwrap_or_default();
        fit.check(value.unsigned_abs(), scale)?;
        numeric::from_i128(value, scale, out);
        Ok(())
    })
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

fn numbered_bits<'a>(
    array: &'a PrimitiveArray<UInt64Type>,
    bits: u8,
    pg: &PgType,
) -> BoxedCells<'a> {
    if !matches!(pg, PgType::Bit { .. } | PgType::VarBit { .. }) {
        return integers(array, pg);
    }
    staged(array.nulls(), move |row, out| bits::from_number(array.value(row), bits, out))
}

fn times<'a>(array: &'a PrimitiveArray<Time64MicrosecondType>, pg: &PgType) -> BoxedCells<'a> {
    let PgType::Time { digits } = pg else { return None };
    let step = calendar::step(*digits);
    fixed(array, move |micros| calendar::time_to_pg(micros, step).map(i64::to_be_bytes))
}

fn durations<'a>(
    array: &'a PrimitiveArray<DurationMicrosecondType>,
    pg: &PgType,
) -> BoxedCells<'a> {
    if let PgType::Time { digits } = pg {
        let step = calendar::step(*digits);
        return fixed(array, move |micros| {
            calendar::time_to_pg(micros, step).map(i64::to_be_bytes)
        });
    }
    // Days and months stay zero: a length of time is never turned into calendar units.
    let PgType::Interval { digits } = pg else { return None };
    let step = calendar::step(*digits);
    fixed(array, move |micros| {
        calendar::whole_steps(micros, step).map(|micros| (i128::from(micros) << 64).to_be_bytes())
    })
}

fn intervals<'a>(array: &'a ArrayRef, pg: &PgType) -> BoxedCells<'a> {
    let PgType::Interval { digits } = pg else { return None };
    let step = calendar::step(*digits);
    let array = array.as_fixed_size_binary();
    staged(array.nulls(), move |row, out| {
        let value = array.value(row);
        // The infinities of version 17 have all parts at an end of their range.
        if let Some(micros) = value.first_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes))
            && micros != i64::MAX
            && micros != i64::MIN
        {
            calendar::whole_steps(micros, step)?;
        }
        out.extend_from_slice(value);
        Ok(())
    })
}

fn lists<'a>(element: &CanonicalType, array: &'a ArrayRef, pg: &'a PgType) -> BoxedCells<'a> {
    let PgType::Array { element: element_pg, oid } = pg else { return None };
    let list = array.as_list::<i32>();
    let elements = cells(element, element_pg, list.values())?;
    Some(Box::new(ListCells::new(list, *oid, elements)))
}

fn timestamps<'a>(
    array: &'a PrimitiveArray<TimestampMicrosecondType>,
    pg: &PgType,
) -> BoxedCells<'a> {
    let (PgType::Timestamp { digits } | PgType::TimestampTz { digits }) = pg else { return None };
    let step = calendar::step(*digits);
    fixed(array, move |micros| calendar::timestamp_to_pg(micros, step).map(i64::to_be_bytes))
}

fn uuids<'a>(array: &'a ArrayRef, pg: &PgType) -> BoxedCells<'a> {
    let array = array.as_fixed_size_binary();
    let is_text = !matches!(pg, PgType::Uuid | PgType::Bytea);
    if let PgType::Varchar { chars: Some(chars) } = pg
        && (*chars as usize) < uuid::TEXT_BYTES
    {
        return staged(array.nulls(), |_row, _out| Err(Rule::CHARS));
    }
    staged(array.nulls(), move |row, out| {
        if is_text {
            uuid::to_text(array.value(row), out);
        } else {
            out.extend_from_slice(array.value(row));
        }
        Ok(())
    })
}

fn binaries<'a>(array: &'a ArrayRef, pg: &PgType) -> BoxedCells<'a> {
    let (is_uuid, is_char) = (*pg == PgType::Uuid, *pg == PgType::Char1);
    bytes(array.as_binary::<i32>(), move |value: &[u8]| {
        if is_uuid && value.len() != 16 {
            Err(Rule::UUID)
        } else if is_char && value.len() != 1 {
            Err(Rule::ONE_BYTE)
        } else {
            Ok(())
        }
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "can_encode names the pairs")]
fn texts<'a>(array: &'a ArrayRef, pg: &'a PgType) -> BoxedCells<'a> {
    let array = array.as_string::<i32>();
    match pg {
        PgType::Text | PgType::Varchar { chars: None } | PgType::Json => {
            text(array, &[], |_| Ok(()))
        }
        // The version of jsonb's text form.
        PgType::Jsonb => text(array, &[1], |_| Ok(())),
        PgType::Varchar { chars: Some(chars) } => {
            let chars = *chars as usize;
            text(array, &[], move |value| fits_chars(value, chars))
        }
        PgType::Bpchar { chars } => {
            let chars = chars.map_or(usize::MAX, |chars| chars as usize);
            text(array, &[], move |value| match value.last() {
                Some(b' ') => Err(Rule::BLANKS),
                _ => fits_chars(value, chars),
            })
        }
        PgType::Enum { labels } => {
            let labels: HashSet<&[u8]> = labels.iter().map(String::as_bytes).collect();
            let check = move |value: &[u8]| labels.contains(value).then_some(()).ok_or(Rule::LABEL);
            text(array, &[], check)
        }
        _ => parsed(array, pg),
    }
}

/// Texts that another wire form is read from.
#[expect(clippy::wildcard_enum_match_arm, reason = "can_encode names the pairs")]
fn parsed<'a>(array: &'a StringArray, pg: &PgType) -> BoxedCells<'a> {
    let bits = |count| {
        staged(array.nulls(), move |row, out| {
            bits::from_text(array.value(row).as_bytes(), count, out)
        })
    };
    match pg {
        PgType::Numeric { precision_scale } => {
            let fit = Fit::of(*precision_scale);
            staged(array.nulls(), move |row, out| {
                numeric::from_text(array.value(row).as_bytes(), fit, out)
            })
        }
        PgType::Uuid => staged(array.nulls(), move |row, out| {
            let uuid = uuid::from_text(array.value(row).as_bytes()).ok_or(Rule::UUID)?;
            out.extend_from_slice(&uuid);
            Ok(())
        }),
        PgType::Bit { bits: count } => bits(Count::Exactly(*count)),
        PgType::VarBit { bits: count } => bits(count.map_or(Count::Any, Count::UpTo)),
        PgType::TimeTz { digits } => {
            let step = calendar::step(*digits);
            staged(array.nulls(), move |row, out| {
                out.extend_from_slice(&timetz::from_text(array.value(row).as_bytes(), step)?);
                Ok(())
            })
        }
        _ => None,
    }
}

/// Characters are counted, since the server counts them; a text with no more bytes needs no count.
#[inline]
fn fits_chars(value: &[u8], chars: usize) -> Result<(), Rule> {
    // Every byte but a continuation starts a character.
    let count = || value.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    if value.len() <= chars || count() <= chars { Ok(()) } else { Err(Rule::CHARS) }
}
