//! Which canonical types go into which of the server's types, and with which checks.

use std::collections::HashSet;

use arrow_array::{
    Array, ArrayRef, PrimitiveArray, StringArray,
    cast::AsArray,
    types::{
        Date32Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
};
use rowferry_core::CanonicalType;

use super::{
    PgType,
    bits::{self, Count},
    calendar,
    cells::{BoxedCells, bytes, fixed, staged, text},
    lists::ListCells,
    numbers::{decimals, float32, float64, integers, numbered_bits},
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
