//! Which of the server's types are delivered as which canonical types, and how.

use std::{collections::HashSet, sync::Arc};

use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
    UInt64Type,
};
use arrow_schema::{DataType, Field};
use rowferry_core::CanonicalType;

use super::{
    PgType, bits, calendar,
    columns::{ColumnBuilder, bools, exactly, fixed, plain, sixteens, variable},
    lists::Lists,
    numeric,
    pieces::{pieces, without_blanks},
    rule::Rule,
    timetz, uuid,
};

/// Whether columns of this type on the server can be delivered as this canonical type.
#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named has no way")]
pub fn can_decode(canonical: &CanonicalType, pg: &PgType) -> bool {
    use CanonicalType as C;
    use PgType as P;
    match canonical {
        C::Boolean => matches!(pg, P::Bool),
        C::Int16 => matches!(pg, P::Int2),
        C::Int32 => matches!(pg, P::Int4),
        C::Int64 => matches!(pg, P::Int8),
        C::UInt32 => matches!(pg, P::Oid | P::Xid),
        C::UInt64 => matches!(pg, P::Xid8 | P::Lsn),
        C::Float32 => matches!(pg, P::Float4),
        C::Float64 => matches!(pg, P::Float8),
        C::Decimal { precision, scale } => match pg {
            P::Numeric { .. } => true,
            P::Money { digits } => scale == digits && MONEY_PRECISIONS.contains(precision),
            _ => false,
        },
        C::DecimalText => matches!(pg, P::Numeric { .. }),
        C::Text { .. } => matches!(
            pg,
            P::Text | P::Varchar { .. } | P::Bpchar { .. } | P::Enum { .. } | P::Json | P::Uuid
        ),
        C::Enum { .. } => matches!(pg, P::Enum { .. }),
        C::Json { .. } => matches!(pg, P::Json | P::Jsonb),
        C::Binary { .. } => matches!(pg, P::Bytea | P::Char1),
        C::Date => matches!(pg, P::Date),
        C::Time { .. } => matches!(pg, P::Time { .. }),
        C::Duration { .. } => matches!(pg, P::Interval { .. }),
        C::Interval => matches!(pg, P::Interval { .. }),
        C::Timestamp { .. } => matches!(pg, P::Timestamp { .. }),
        C::Instant { .. } => matches!(pg, P::TimestampTz { .. }),
        C::Uuid => matches!(pg, P::Uuid),
        C::Bits { bits } => matches!(pg, P::Bit { bits: pg } if *pg == u32::from(*bits)),
        C::BitString { bits, varying: false } => {
            matches!(pg, P::Bit { bits: pg } if bits.is_none_or(|bits| *pg == bits))
        }
        C::BitString { varying: true, .. } => matches!(pg, P::Bit { .. } | P::VarBit { .. }),
        C::TimeTz => matches!(pg, P::TimeTz { .. }),
        C::Opaque { .. } => matches!(pg, P::Text),
        C::List { element: canonical } => match pg {
            P::Array { element, .. } => can_decode(canonical, element),
            _ => false,
        },
        C::Int8 | C::UInt8 | C::UInt16 | C::Set { .. } | C::Geometry { .. } | C::Variant => false,
    }
}

/// Decimals that hold every amount: 64 bits have 19 digits, and 38 are what 128 bits hold.
const MONEY_PRECISIONS: std::ops::RangeInclusive<u8> = 19..=38;

/// The builder of a column's array for `rows` rows out of `bytes` bytes; `None` where
/// [`can_decode`] says no.
#[expect(clippy::wildcard_enum_match_arm, reason = "can_decode names the pairs")]
pub(super) fn builder(
    canonical: &CanonicalType,
    pg: &PgType,
    rows: usize,
    bytes: usize,
) -> Option<Box<dyn ColumnBuilder>> {
    use CanonicalType as C;
    if !can_decode(canonical, pg) {
        return None;
    }
    let data_type = canonical.arrow();
    Some(match canonical {
        C::Boolean => bools(rows),
        C::Int16 => fixed::<Int16Type, _>(rows, data_type, |f| Ok(i16::from_be_bytes(f))),
        C::Int32 => fixed::<Int32Type, _>(rows, data_type, |f| Ok(i32::from_be_bytes(f))),
        C::Int64 => fixed::<Int64Type, _>(rows, data_type, |f| Ok(i64::from_be_bytes(f))),
        C::UInt32 => fixed::<UInt32Type, _>(rows, data_type, |f| Ok(u32::from_be_bytes(f))),
        C::UInt64 => fixed::<UInt64Type, _>(rows, data_type, |f| Ok(u64::from_be_bytes(f))),
        C::Float32 => fixed::<Float32Type, _>(rows, data_type, |f| Ok(f32::from_be_bytes(f))),
        C::Float64 => fixed::<Float64Type, _>(rows, data_type, |f| Ok(f64::from_be_bytes(f))),
        C::Decimal { .. } if matches!(pg, PgType::Money { .. }) => {
            fixed::<Decimal128Type, _>(rows, data_type, |f| Ok(i64::from_be_bytes(f).into()))
        }
        C::Decimal { precision, scale } => decimal(*precision, *scale, rows, data_type)?,
        C::DecimalText => variable(rows, bytes, true, numeric::to_text),
        C::Text { .. } => text(pg, rows, bytes)?,
        C::Enum { labels } => {
            let labels: HashSet<Vec<u8>> =
                labels.iter().map(|label| label.clone().into_bytes()).collect();
            pieces(rows, bytes, true, move |field| {
                if labels.contains(field) { Ok(field.len()) } else { Err(Rule::LABEL) }
            })
        }
        C::Json { .. } if *pg == PgType::Jsonb => {
            variable(rows, bytes, true, |field, out| match field.split_first() {
                Some((1, text)) => {
                    out.extend_from_slice(text);
                    Ok(())
                }
                _ => Err(Rule::JSONB_VERSION),
            })
        }
        C::Json { .. } | C::Opaque { .. } => pieces(rows, bytes, true, whole),
        C::Binary { .. } if *pg == PgType::Char1 => {
            pieces(rows, bytes, false, |field| Ok(exactly::<1>(field)?.len()))
        }
        C::Binary { .. } => pieces(rows, bytes, false, whole),
        C::Date => fixed::<Date32Type, _>(rows, data_type, |f| {
            calendar::date_from_pg(i32::from_be_bytes(f))
        }),
        C::Time { .. } => fixed::<Time64MicrosecondType, _>(rows, data_type, |f| {
            calendar::time_from_pg(i64::from_be_bytes(f))
        }),
        C::Timestamp { .. } | C::Instant { .. } => {
            fixed::<TimestampMicrosecondType, _>(rows, data_type, |f| {
                calendar::timestamp_from_pg(i64::from_be_bytes(f))
            })
        }
        C::Duration { .. } => fixed::<DurationMicrosecondType, _>(rows, data_type, interval),
        C::TimeTz => variable(rows, bytes, true, timetz::to_text),
        C::Uuid | C::Interval => sixteens(rows),
        C::Bits { bits } => {
            let bits = *bits;
            plain::<UInt64Type>(rows, data_type, move |field| bits::to_number(field, bits))
        }
        C::BitString { .. } => {
            let count = if let PgType::Bit { bits } = pg { Some(*bits) } else { None };
            variable(rows, bytes, true, move |field, out| bits::to_text(field, count, out))
        }
        C::List { element: canonical } => {
            let PgType::Array { element, oid } = pg else { return None };
            let elements = builder(canonical, element, rows, bytes)?;
            let field = Arc::new(Field::new("item", canonical.arrow(), true));
            Box::new(Lists::new(*oid, elements, field, rows))
        }
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "can_decode names the pairs")]
fn text(pg: &PgType, rows: usize, bytes: usize) -> Option<Box<dyn ColumnBuilder>> {
    Some(match pg {
        PgType::Text | PgType::Varchar { .. } | PgType::Enum { .. } | PgType::Json => {
            pieces(rows, bytes, true, whole)
        }
        PgType::Bpchar { .. } => pieces(rows, bytes, true, |field| Ok(without_blanks(field))),
        PgType::Uuid => variable(rows, bytes, true, |field, out| {
            exactly::<16>(field)?;
            uuid::to_text(field, out);
            Ok(())
        }),
        _ => return None,
    })
}

fn decimal(
    precision: u8,
    scale: u8,
    rows: usize,
    data_type: DataType,
) -> Option<Box<dyn ColumnBuilder>> {
    if precision > 38 {
        return Some(plain::<Decimal256Type>(rows, data_type, move |field| {
            numeric::to_i256(field, precision, scale)
        }));
    }
    let limit = numeric::pow10(u32::from(precision))?;
    Some(plain::<Decimal128Type>(rows, data_type, move |field| {
        numeric::to_i128(field, scale, limit)
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all pieces")]
fn whole(field: &[u8]) -> Result<usize, Rule> {
    Ok(field.len())
}

/// Microseconds, days and months; only the first can be a plain length of time.
fn interval(field: [u8; 16]) -> Result<i64, Rule> {
    let Some((micros, rest)) = field.split_first_chunk::<8>() else { return Err(Rule::LENGTH) };
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Rule::INTERVAL_PARTS);
    }
    Ok(i64::from_be_bytes(*micros))
}
