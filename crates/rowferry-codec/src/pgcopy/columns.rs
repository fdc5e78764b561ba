//! One builder per column: the fields of a block of rows into Arrow buffers.

use std::{collections::HashSet, sync::Arc};

use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray,
    StringArray,
    types::{
        Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type,
        Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType, UInt32Type, UInt64Type,
    },
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use rowferry_core::CanonicalType;

use super::{CodecError, ColumnCodec, PgType, calendar, numeric, rule::Rule, uuid};

/// Row within the block or batch, and the rule that its value breaks.
pub(super) type Broken = (usize, Rule);

/// Where the fields of a block of rows start: positions of their length words, column by column.
pub(super) struct Heads {
    columns: usize,
    rows: usize,
    stride: usize,
    places: Vec<u32>,
}

/// Keeps the columns' strides off powers of two, which would share a few sets of the cache.
const STRIDE_PAD: usize = 16;

impl Heads {
    pub(super) fn new(columns: usize, block_rows: usize) -> Self {
        let stride = block_rows + STRIDE_PAD;
        Self { columns, rows: 0, stride, places: vec![0; columns * stride] }
    }

    /// Notes the fields of `rows` tuples from `at` on, and returns where they end. After it, each
    /// field lies within `bytes`.
    pub(super) fn walk(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        rows: usize,
    ) -> Result<usize, CodecError> {
        const CUT: CodecError = CodecError::Stream { rule: "a tuple is cut off" };
        self.rows = rows;
        for row in 0..rows {
            let count = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>).ok_or(CUT)?;
            if usize::try_from(i16::from_be_bytes(*count)) != Ok(self.columns) {
                return Err(CodecError::Stream { rule: "another number of fields than columns" });
            }
            at += 2;
            let slots = self.places.get_mut(row..).unwrap_or_default();
            for slot in slots.iter_mut().step_by(self.stride).take(self.columns) {
                let length = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(CUT)?;
                // The caller holds the bytes below 2 GiB.
                *slot = u32::try_from(at).unwrap_or(u32::MAX);
                let length = i32::from_be_bytes(*length);
                at += 4;
                if length > 0 {
                    at += usize::try_from(length).unwrap_or(0);
                } else if length < -1 {
                    return Err(CodecError::Stream { rule: "a negative field length" });
                }
            }
        }
        if at > bytes.len() { Err(CUT) } else { Ok(at) }
    }

    /// Positions of one column's fields.
    pub(super) fn column(&self, index: usize) -> &[u32] {
        let start = index * self.stride;
        self.places.get(start..start + self.rows).unwrap_or_default()
    }
}

/// The field whose length word stands at `head`; `None` = NULL.
#[inline]
fn field(bytes: &[u8], head: u32) -> Option<&[u8]> {
    let (length, rest) = bytes.get(head as usize..)?.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(i32::from_be_bytes(*length)).ok()?)
}

/// Gathers the values of one column.
pub(super) trait ColumnBuilder {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken>;
    fn finish(self: Box<Self>) -> Result<ArrayRef, Broken>;
}

/// Values of a fixed Arrow width.
struct Plain<A: ArrowPrimitiveType, F> {
    values: Vec<A::Native>,
    nulls: NullBufferBuilder,
    data_type: DataType,
    parse: F,
}

impl<A: ArrowPrimitiveType, F: Fn(&[u8]) -> Result<A::Native, Rule>> ColumnBuilder for Plain<A, F> {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (row, head) in heads.iter().enumerate() {
            if let Some(field) = field(bytes, *head) {
                self.values.push((self.parse)(field).map_err(|rule| (row, rule))?);
                self.nulls.append_non_null();
            } else {
                self.values.push(A::default_value());
                self.nulls.append_null();
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        let values = ScalarBuffer::from(self.values);
        let array = PrimitiveArray::<A>::new(values, self.nulls.finish());
        Ok(Arc::new(array.with_data_type(self.data_type)))
    }
}

/// Booleans, bit-packed.
struct Bools {
    values: BooleanBufferBuilder,
    nulls: NullBufferBuilder,
}

impl ColumnBuilder for Bools {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (row, head) in heads.iter().enumerate() {
            match field(bytes, *head) {
                Some(&[value]) => {
                    self.values.append(value != 0);
                    self.nulls.append_non_null();
                }
                Some(_) => return Err((row, Rule::LENGTH)),
                None => {
                    self.values.append(false);
                    self.nulls.append_null();
                }
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        Ok(Arc::new(BooleanArray::new(self.values.finish(), self.nulls.finish())))
    }
}

/// Sixteen bytes each.
struct Uuids {
    values: Vec<u8>,
    nulls: NullBufferBuilder,
}

impl ColumnBuilder for Uuids {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (row, head) in heads.iter().enumerate() {
            let uuid = field(bytes, *head);
            let value = match uuid {
                Some(field) => {
                    <[u8; 16]>::try_from(field).map_err(|_length| (row, Rule::LENGTH))?
                }
                None => [0; 16],
            };
            self.values.extend_from_slice(&value);
            self.nulls.append(uuid.is_some());
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        let values = Buffer::from_vec(self.values);
        let array = FixedSizeBinaryArray::try_new(16, values, self.nulls.finish());
        array.map(|array| Arc::new(array) as ArrayRef).map_err(|_shape| (0, Rule::LENGTH))
    }
}

/// Values of any length; `F` appends the value of a field.
struct Variable<F> {
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    is_text: bool,
    append: F,
}

impl<F: Fn(&[u8], &mut Vec<u8>) -> Result<(), Rule>> ColumnBuilder for Variable<F> {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (row, head) in heads.iter().enumerate() {
            let field = field(bytes, *head);
            if let Some(field) = field {
                (self.append)(field, &mut self.values).map_err(|rule| (row, rule))?;
            }
            self.nulls.append(field.is_some());
            // Numerics can be longer as text than on the wire.
            let end = i32::try_from(self.values.len()).map_err(|_long| (row, Rule::LENGTH))?;
            self.offsets.push(end);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        let nulls = self.nulls.finish();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let values = Buffer::from_vec(self.values);
        if !self.is_text {
            return Ok(Arc::new(BinaryArray::new(offsets, values, nulls)));
        }
        // One validation over all values, and of the places where they meet.
        if let Ok(array) = StringArray::try_new(offsets.clone(), values.clone(), nulls) {
            return Ok(Arc::new(array));
        }
        let place = |end: &i32| usize::try_from(*end).unwrap_or(0);
        let broken = offsets.iter().zip(offsets.iter().skip(1)).position(|(start, end)| {
            let value = values.get(place(start)..place(end)).unwrap_or_default();
            simdutf8::basic::from_utf8(value).is_err()
        });
        Err((broken.unwrap_or(0), Rule::UTF8))
    }
}

fn exactly<const N: usize>(field: &[u8]) -> Result<[u8; N], Rule> {
    field.try_into().map_err(|_length| Rule::LENGTH)
}

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
        C::Decimal { scale, .. } => match pg {
            P::Numeric { .. } => true,
            P::Money { digits } => scale == digits,
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

/// The builder of a column's array for `rows` rows out of `bytes` bytes; `None` where
/// [`can_decode`] says no.
pub(super) fn builder(
    column: &ColumnCodec,
    rows: usize,
    bytes: usize,
) -> Option<Box<dyn ColumnBuilder>> {
    use CanonicalType as C;
    if !can_decode(&column.canonical, &column.pg) {
        return None;
    }
    let data_type = column.canonical.arrow();
    Some(match &column.canonical {
        C::Boolean => Box::new(Bools {
            values: BooleanBufferBuilder::new(rows),
            nulls: NullBufferBuilder::new(rows),
        }),
        C::Int16 => plain::<Int16Type>(rows, data_type, |f| Ok(i16::from_be_bytes(exactly(f)?))),
        C::Int32 => plain::<Int32Type>(rows, data_type, |f| Ok(i32::from_be_bytes(exactly(f)?))),
        C::Int64 => plain::<Int64Type>(rows, data_type, |f| Ok(i64::from_be_bytes(exactly(f)?))),
        C::UInt32 => plain::<UInt32Type>(rows, data_type, |f| Ok(u32::from_be_bytes(exactly(f)?))),
        C::Float32 => {
            plain::<Float32Type>(rows, data_type, |f| Ok(f32::from_be_bytes(exactly(f)?)))
        }
        C::Float64 => {
            plain::<Float64Type>(rows, data_type, |f| Ok(f64::from_be_bytes(exactly(f)?)))
        }
        C::Decimal { precision, scale } => decimal(*precision, *scale, rows, data_type)?,
        C::DecimalText => variable(rows, bytes, true, numeric::to_text),
        C::Text { .. } => text(&column.pg, rows, bytes)?,
        C::Enum { labels } => {
            let labels: HashSet<Vec<u8>> =
                labels.iter().map(|label| label.clone().into_bytes()).collect();
            variable(rows, bytes, true, move |field, out| {
                out.extend_from_slice(field);
                if labels.contains(field) { Ok(()) } else { Err(Rule::LABEL) }
            })
        }
        C::Json { .. } if column.pg == PgType::Jsonb => {
            variable(rows, bytes, true, |field, out| match field.split_first() {
                Some((1, text)) => {
                    out.extend_from_slice(text);
                    Ok(())
                }
                _ => Err(Rule::JSONB_VERSION),
            })
        }
        C::Json { .. } => variable(rows, bytes, true, copy),
        C::Binary { .. } => variable(rows, bytes, false, copy),
        C::Date => plain::<Date32Type>(rows, data_type, |f| {
            calendar::date_from_pg(i32::from_be_bytes(exactly(f)?))
        }),
        C::Time { .. } => plain::<Time64MicrosecondType>(rows, data_type, |f| {
            calendar::time_from_pg(i64::from_be_bytes(exactly(f)?))
        }),
        C::Timestamp { .. } | C::Instant { .. } => {
            plain::<TimestampMicrosecondType>(rows, data_type, |f| {
                calendar::timestamp_from_pg(i64::from_be_bytes(exactly(f)?))
            })
        }
        C::Duration { .. } => plain::<DurationMicrosecondType>(rows, data_type, interval),
        C::Uuid => Box::new(Uuids {
            values: Vec::with_capacity(rows * 16),
            nulls: NullBufferBuilder::new(rows),
        }),
        C::Bits { bits } => {
            let bits = *bits;
            plain::<UInt64Type>(rows, data_type, move |field| bit_string(field, bits))
        }
        _ => return None,
    })
}

fn text(pg: &PgType, rows: usize, bytes: usize) -> Option<Box<dyn ColumnBuilder>> {
    Some(match pg {
        PgType::Text | PgType::Varchar { .. } | PgType::Enum { .. } | PgType::Json => {
            variable(rows, bytes, true, copy)
        }
        // The wire carries the padding, which means nothing.
        PgType::Bpchar { .. } => variable(rows, bytes, true, |field, out| {
            let blanks = field.iter().rev().take_while(|byte| **byte == b' ').count();
            out.extend_from_slice(field.get(..field.len() - blanks).unwrap_or_default());
            Ok(())
        }),
        PgType::Uuid => variable(rows, bytes, true, |field, out| {
            exactly::<16>(field)?;
            uuid::to_text(field, out);
            Ok(())
        }),
        _ => return None,
    })
}

fn plain<A: ArrowPrimitiveType>(
    rows: usize,
    data_type: DataType,
    parse: impl Fn(&[u8]) -> Result<A::Native, Rule> + 'static,
) -> Box<dyn ColumnBuilder> {
    let values = Vec::with_capacity(rows);
    Box::new(Plain::<A, _> { values, nulls: NullBufferBuilder::new(rows), data_type, parse })
}

fn variable(
    rows: usize,
    bytes: usize,
    is_text: bool,
    append: impl Fn(&[u8], &mut Vec<u8>) -> Result<(), Rule> + 'static,
) -> Box<dyn ColumnBuilder> {
    /// Share of a tuple's bytes that one text column is first given room for. Guessed: a table has
    /// a few text columns, and growing by doubling costs one copy.
    const SHARE: usize = 8;
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    let values = Vec::with_capacity(bytes / SHARE);
    let nulls = NullBufferBuilder::new(rows);
    Box::new(Variable { values, offsets, nulls, is_text, append })
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

#[expect(clippy::unnecessary_wraps, reason = "one shape for all appenders")]
fn copy(field: &[u8], out: &mut Vec<u8>) -> Result<(), Rule> {
    out.extend_from_slice(field);
    Ok(())
}

/// Microseconds, days and months; only the first can be a plain length of time.
fn interval(field: &[u8]) -> Result<i64, Rule> {
    let field: [u8; 16] = exactly(field)?;
    let Some((micros, rest)) = field.split_first_chunk::<8>() else { return Err(Rule::LENGTH) };
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Rule::INTERVAL_PARTS);
    }
    Ok(i64::from_be_bytes(*micros))
}

/// Bit count and the bits, first one in the highest place of the first byte.
fn bit_string(field: &[u8], bits: u8) -> Result<u64, Rule> {
    let Some((length, packed)) = field.split_first_chunk::<4>() else { return Err(Rule::LENGTH) };
    let bytes = usize::from(bits).div_ceil(8);
    if u32::from_be_bytes(*length) != u32::from(bits) || packed.len() != bytes || bytes > 8 {
        return Err(Rule::LENGTH);
    }
    let number = packed.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(number >> (bytes * 8 - usize::from(bits)))
}
