//! Arrow batches into COPY tuples.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt8Array};
use arrow_schema::DataType;
use bytes::BytesMut;
use rowferry_core::CanonicalType;

use super::{BLOCK_ROWS, CodecError, ColumnCodec, PgType, cells::cells};

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
        | C::UInt64 => matches!(
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
        ),
        C::Bits { bits } => {
            matches!(pg, P::Bool | P::Int2 | P::Int4 | P::Int8 | P::Numeric { .. })
                || matches!(pg, P::Bit { bits: target } if *target == u32::from(*bits))
                || matches!(pg, P::VarBit { bits: most } if most.is_none_or(|most| most >= u32::from(*bits)))
        }
        C::Float32 | C::Float64 => matches!(pg, P::Float4 | P::Float8),
        C::Decimal { .. } => matches!(pg, P::Numeric { .. } | P::Money { .. }),
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

/// Encodes batches of one shape for one target table. Cheap to clone, made for a compute pool.
#[derive(Clone, Debug)]
pub struct Encoder {
    columns: Arc<[ColumnCodec]>,
}

impl Encoder {
    /// An encoder for batches with exactly these columns in this order.
    ///
    /// # Errors
    ///
    /// [`CodecError::NoEncoding`] for a pair of types that [`can_encode`] refuses.
    pub fn new(columns: &[ColumnCodec]) -> Result<Self, CodecError> {
        match columns.iter().find(|column| !can_encode(&column.canonical, &column.pg)) {
            Some(column) => Err(CodecError::no_encoding(column)),
            None => Ok(Self { columns: columns.into() }),
        }
    }

    /// Appends the rows of `batch` as tuples, without header and trailer.
    ///
    /// # Nulls
    ///
    /// A null becomes a field of length −1; what its slot in the array holds is never looked at.
    ///
    /// # Errors
    ///
    /// [`CodecError::Value`] for the first value that the target column would refuse or change;
    /// `out` is then as it was before. [`CodecError::Batch`] for a batch of another shape.
    pub fn encode(&self, batch: &RecordBatch, out: &mut BytesMut) -> Result<(), CodecError> {
        let before = out.len();
        let result = self.encode_blocks(batch, out);
        if result.is_err() {
            out.truncate(before);
        }
        result
    }

    fn encode_blocks(&self, batch: &RecordBatch, out: &mut BytesMut) -> Result<(), CodecError> {
        let arrays = self.arrays(batch)?;
        let mut columns = arrays
            .iter()
            .zip(self.columns.iter())
            .map(|(array, column)| match cells(column, array) {
                Ok(Some(cells)) => Ok(cells),
                Ok(None) => Err(CodecError::no_encoding(column)),
                Err((row, rule)) => Err(CodecError::value(&column.name, row, rule)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let count = i16::try_from(columns.len())
            .map_err(|_many| CodecError::Batch("more than 32767 columns".to_owned()))?;
        let mut sizes = [0_usize; BLOCK_ROWS];
        for start in (0..batch.num_rows()).step_by(BLOCK_ROWS) {
            let rows = start..batch.num_rows().min(start + BLOCK_ROWS);
            let sizes = sizes.get_mut(..rows.len()).unwrap_or_default();
            sizes.fill(size_of_val(&count));
            for (cells, column) in columns.iter_mut().zip(self.columns.iter()) {
                cells
                    .measure(rows.clone(), sizes)
                    .map_err(|(row, rule)| CodecError::value(&column.name, row, rule))?;
            }
            let mut end = out.len();
            // From here on `sizes` holds where each row's next field goes.
            let places = sizes;
            for place in places.iter_mut() {
                let start = end;
                end += *place;
                *place = start;
            }
            out.resize(end, 0);
            for place in places.iter_mut() {
                put(out, place, count.to_be_bytes());
            }
            for (cells, column) in columns.iter().zip(self.columns.iter()) {
                cells
                    .scatter(rows.clone(), places, out)
                    .map_err(|(row, rule)| CodecError::value(&column.name, row, rule))?;
            }
        }
        Ok(())
    }

    /// The arrays by position, booleans as numbers.
    fn arrays(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, CodecError> {
        if batch.num_columns() != self.columns.len() {
            return Err(CodecError::Batch(format!(
                "{} columns where {} are expected",
                batch.num_columns(),
                self.columns.len()
            )));
        }
        batch
            .columns()
            .iter()
            .zip(self.columns.iter())
            .map(|(array, column)| {
                let expected = column.canonical.arrow();
                if *array.data_type() != expected {
                    return Err(CodecError::Batch(format!(
                        "column {} is {} where {expected} is expected",
                        column.name,
                        array.data_type()
                    )));
                }
                Ok(match array.as_any().downcast_ref::<BooleanArray>() {
                    Some(bools) if expected == DataType::Boolean => {
                        let values = bools.values().iter().map(u8::from).collect();
                        Arc::new(UInt8Array::new(values, bools.nulls().cloned()))
                    }
                    _ => Arc::clone(array),
                })
            })
            .collect()
    }
}

/// Writes `bytes` at `place` and moves it on. The block was sized for all that is put into it.
#[inline]
pub(super) fn put<const N: usize>(out: &mut [u8], place: &mut usize, bytes: [u8; N]) {
    let slot = out.get_mut(*place..).and_then(<[u8]>::first_chunk_mut::<N>);
    debug_assert!(slot.is_some(), "a row was measured too short");
    if let Some(slot) = slot {
        *slot = bytes;
    }
    *place += N;
}

/// As [`put`], for a value of any length.
#[inline]
pub(super) fn put_slice(out: &mut [u8], place: &mut usize, bytes: &[u8]) {
    let slot = out.get_mut(*place..*place + bytes.len());
    debug_assert!(slot.is_some(), "a row was measured too short");
    if let Some(slot) = slot {
        slot.copy_from_slice(bytes);
    }
    *place += bytes.len();
}
