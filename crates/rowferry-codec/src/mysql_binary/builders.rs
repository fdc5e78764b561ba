//! One builder per column: the values of a block of rows into Arrow buffers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, ArrowPrimitiveType, FixedSizeBinaryArray, ListArray, PrimitiveArray,
    types::{
        Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use rowferry_core::CanonicalType;

use super::{
    decode::BinaryColumn,
    forms::{Broken, bits, date, decimal128, decimal256, duration, sized, timestamp, uuid},
    places::NULL,
    wire_type::WireType,
};
use crate::joined::{Joined, variable_array};
use crate::validity::{Validity, WORD_ROWS};

/// Row within the block or batch, and what is wrong with its value.
pub(super) type BrokenAt = (usize, Broken);

/// Gathers the values of one column.
pub(super) trait ColumnBuilder {
    /// Appends the values at `places`; without `nulls` none of them is NULL.
    fn append(&mut self, bytes: &[u8], places: &[u32], nulls: bool) -> Result<(), BrokenAt>;
    fn finish(self: Box<Self>) -> Result<ArrayRef, BrokenAt>;
}

/// The bytes from a value's first one on, which may be a length.
#[inline]
fn value(bytes: &[u8], place: u32) -> &[u8] {
    bytes.get(place as usize..).unwrap_or_default()
}

/// Values of a fixed Arrow width.
struct Plain<A: ArrowPrimitiveType, F> {
    values: Vec<A::Native>,
    valid: Validity,
    data_type: DataType,
    read: F,
}

impl<A: ArrowPrimitiveType, F: Fn(&[u8]) -> Result<A::Native, Broken>> ColumnBuilder
    for Plain<A, F>
{
    fn append(&mut self, bytes: &[u8], places: &[u32], nulls: bool) -> Result<(), BrokenAt> {
        for (word, places) in places.chunks(WORD_ROWS).enumerate() {
            let mut valid = 0_u64;
            let start = self.values.len();
            self.values.resize(start + places.len(), A::default_value());
            let slots = self.values.get_mut(start..).unwrap_or_default();
            for (row, (place, slot)) in places.iter().zip(slots).enumerate() {
                if !nulls || *place != NULL {
                    let value = (self.read)(value(bytes, *place));
                    *slot = value.map_err(|broken| (word * WORD_ROWS + row, broken))?;
                    valid |= 1 << row;
                }
            }
            self.valid.append(valid, places.len());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, BrokenAt> {
        let values = ScalarBuffer::from(self.values);
        let array = PrimitiveArray::<A>::new(values, self.valid.finish());
        Ok(Arc::new(array.with_data_type(self.data_type)))
    }
}

/// Texts and binaries as they are; `F` looks at each.
struct Pieces<F> {
    joined: Joined,
    offsets: Vec<i32>,
    valid: Validity,
    is_text: bool,
    check: F,
}

impl<F: Fn(&[u8]) -> Result<(), Broken>> ColumnBuilder for Pieces<F> {
    fn append(&mut self, bytes: &[u8], places: &[u32], nulls: bool) -> Result<(), BrokenAt> {
        for (word, places) in places.chunks(WORD_ROWS).enumerate() {
            let mut valid = 0_u64;
            let mut ends = [0_i32; WORD_ROWS];
            for (row, (place, end)) in places.iter().zip(&mut ends).enumerate() {
                if !nulls || *place != NULL {
                    let broken = |broken| (word * WORD_ROWS + row, broken);
                    let (piece, rest) = sized(value(bytes, *place)).map_err(broken)?;
                    (self.check)(piece).map_err(broken)?;
                    self.joined.push(rest, piece.len());
                    valid |= 1 << row;
                }
                let broken = |_long| (word * WORD_ROWS + row, Broken::OtherType);
                *end = i32::try_from(self.joined.end()).map_err(broken)?;
            }
            self.offsets.extend_from_slice(ends.get(..places.len()).unwrap_or_default());
            self.valid.append(valid, places.len());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, BrokenAt> {
        let (values, nulls) = (self.joined.into_bytes(), self.valid.finish());
        variable_array(values, self.offsets, nulls, self.is_text).map_err(|row| (row, Broken::Text))
    }
}

/// What bytes that are made become.
#[derive(Clone, Copy)]
enum Form {
    Text,
    /// Floats of four bytes, least byte first.
    Vector,
    Uuid,
}

/// Values whose bytes are made; `F` appends the value that stands at a place.
struct Made<F> {
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    form: Form,
    append: F,
}

impl<F: Fn(&[u8], &mut Vec<u8>) -> Result<(), Broken>> ColumnBuilder for Made<F> {
    fn append(&mut self, bytes: &[u8], places: &[u32], nulls: bool) -> Result<(), BrokenAt> {
        for (row, place) in places.iter().enumerate() {
            let is_null = nulls && *place == NULL;
            if !is_null {
                (self.append)(value(bytes, *place), &mut self.values)
                    .map_err(|broken| (row, broken))?;
            }
            // Labels can be longer than the number that stands for them.
            let end = i32::try_from(self.values.len()).map_err(|_long| (row, Broken::OtherType))?;
            self.offsets.push(end);
            self.nulls.append(!is_null);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, BrokenAt> {
        let nulls = self.nulls.finish();
        match self.form {
            Form::Text => variable_array(self.values, self.offsets, nulls, true)
                .map_err(|row| (row, Broken::Text)),
            Form::Vector => vectors(&self.values, &self.offsets, nulls),
            Form::Uuid => uuids(self.values, nulls),
        }
    }
}

fn vectors(
    values: &[u8],
    offsets: &[i32],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, BrokenAt> {
    // The bytes of each value are whole floats: that was looked at.
    let floats: Vec<f32> = values.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
    let offsets: Vec<i32> = offsets.iter().map(|end| end / 4).collect();
    let field = Arc::new(Field::new("item", DataType::Float32, true));
    let items = Arc::new(PrimitiveArray::<Float32Type>::from(floats));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let array = ListArray::try_new(field, offsets, items, nulls);
    array.map(|array| Arc::new(array) as ArrayRef).map_err(|_shape| (0, Broken::Vector))
}

fn uuids(values: Vec<u8>, nulls: Option<NullBuffer>) -> Result<ArrayRef, BrokenAt> {
    let slots = match &nulls {
        None => values,
        // Slots of NULLs have their sixteen bytes too.
        Some(nulls) => {
            let mut present = values.chunks(16);
            let slot = |valid| if valid { present.next().unwrap_or_default() } else { &[0; 16] };
            nulls.iter().flat_map(slot).copied().collect()
        }
    };
    let array = FixedSizeBinaryArray::try_new(16, Buffer::from_vec(slots), nulls);
    array.map(|array| Arc::new(array) as ArrayRef).map_err(|_shape| (0, Broken::Uuid))
}

fn plain<A: ArrowPrimitiveType>(
    rows: usize,
    canonical: &CanonicalType,
    read: impl Fn(&[u8]) -> Result<A::Native, Broken> + 'static,
) -> Box<dyn ColumnBuilder> {
    let (values, valid) = (Vec::with_capacity(rows), Validity::new(rows));
    Box::new(Plain::<A, _> { values, valid, data_type: canonical.arrow(), read })
}

fn pieces(
    room: Room,
    is_text: bool,
    check: impl Fn(&[u8]) -> Result<(), Broken> + 'static,
) -> Box<dyn ColumnBuilder> {
    let (joined, valid) = (Joined::new(room.bytes), Validity::new(room.rows));
    Box::new(Pieces { joined, offsets: room.offsets(), valid, is_text, check })
}

fn made(
    room: Room,
    form: Form,
    append: impl Fn(&[u8], &mut Vec<u8>) -> Result<(), Broken> + 'static,
) -> Box<dyn ColumnBuilder> {
    let values = Vec::with_capacity(room.bytes);
    let nulls = NullBufferBuilder::new(room.rows);
    Box::new(Made { values, offsets: room.offsets(), nulls, form, append })
}

/// What a column's buffers have room for at first.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) rows: usize,
    /// Of values of any length.
    pub(super) bytes: usize,
}

impl Room {
    /// The offsets of so many rows, of which the first is there.
    fn offsets(self) -> Vec<i32> {
        let mut offsets = Vec::with_capacity(self.rows + 1);
        offsets.push(0);
        offsets
    }
}

#[inline]
fn number<const N: usize>(value: &[u8]) -> Result<[u8; N], Broken> {
    value.first_chunk().copied().ok_or(Broken::OtherType)
}

/// Integers of the wire as the type `A`, which holds them or refuses.
fn ints<A: ArrowPrimitiveType>(
    rows: usize,
    canonical: &CanonicalType,
    wire: WireType,
) -> Option<Box<dyn ColumnBuilder>>
where
    A::Native: TryFrom<i8> + TryFrom<i16> + TryFrom<i32> + TryFrom<i64>,
    A::Native: TryFrom<u8> + TryFrom<u16> + TryFrom<u32> + TryFrom<u64>,
{
    macro_rules! read {
        ($wire:ty) => {
            plain::<A>(rows, canonical, |value| {
                let value = <$wire>::from_le_bytes(number(value)?);
                A::Native::try_from(value).map_err(|_range| Broken::Number)
            })
        };
    }
    let WireType::Int { bytes, unsigned } = wire else { return None };
    Some(match (bytes, unsigned) {
        (1, false) => read!(i8),
        (1, true) => read!(u8),
        (2, false) => read!(i16),
        (2, true) => read!(u16),
        (4, false) => read!(i32),
        (4, true) => read!(u32),
        (8, false) => read!(i64),
        (8, true) => read!(u64),
        _ => return None,
    })
}

/// The builder of a column, where its values of the wire can be of its type.
pub(super) fn builder(column: &BinaryColumn, room: Room) -> Option<Box<dyn ColumnBuilder>> {
    let (canonical, wire, rows) = (&column.canonical, column.wire, room.rows);
    if let Some(labels) = &column.labels {
        return labelled(Arc::clone(labels), wire, room);
    }
    match canonical {
        CanonicalType::Int8 => ints::<Int8Type>(rows, canonical, wire),
        CanonicalType::Int16 => ints::<Int16Type>(rows, canonical, wire),
        CanonicalType::Int32 => ints::<Int32Type>(rows, canonical, wire),
        CanonicalType::Int64 => ints::<Int64Type>(rows, canonical, wire),
        CanonicalType::UInt8 => ints::<UInt8Type>(rows, canonical, wire),
        CanonicalType::UInt16 => ints::<UInt16Type>(rows, canonical, wire),
        CanonicalType::UInt32 => ints::<UInt32Type>(rows, canonical, wire),
        CanonicalType::UInt64 => ints::<UInt64Type>(rows, canonical, wire),
        CanonicalType::Float32 => (wire == WireType::Float).then(|| {
            plain::<Float32Type>(rows, canonical, |value| Ok(f32::from_le_bytes(number(value)?)))
        }),
        CanonicalType::Float64 => (wire == WireType::Double).then(|| {
            plain::<Float64Type>(rows, canonical, |value| Ok(f64::from_le_bytes(number(value)?)))
        }),
        CanonicalType::Date => {
            (wire == WireType::Date).then(|| plain::<Date32Type>(rows, canonical, date))
        }
        CanonicalType::Timestamp { .. } | CanonicalType::Instant { .. } => (wire == WireType::Date)
            .then(|| plain::<TimestampMicrosecondType>(rows, canonical, timestamp)),
        CanonicalType::Duration { .. } => (wire == WireType::Time)
            .then(|| plain::<DurationMicrosecondType>(rows, canonical, duration)),
        CanonicalType::Decimal { .. }
        | CanonicalType::Enum { .. }
        | CanonicalType::Text { .. }
        | CanonicalType::Json { .. }
        | CanonicalType::Set { .. }
        | CanonicalType::Opaque { .. }
        | CanonicalType::DecimalText
        | CanonicalType::List { .. }
        | CanonicalType::Binary { .. }
        | CanonicalType::Geometry { .. }
        | CanonicalType::Bits { .. }
        | CanonicalType::Uuid => (wire == WireType::Bytes).then(|| of_bytes(canonical, room))?,
        // No type of this server means these.
        CanonicalType::Boolean
        | CanonicalType::Time { .. }
        | CanonicalType::BitString { .. }
        | CanonicalType::Interval
        | CanonicalType::TimeTz
        | CanonicalType::Variant => None,
    }
}

/// The builder of a column whose values stand behind their lengths.
#[expect(clippy::wildcard_enum_match_arm, reason = "the caller names the types")]
fn of_bytes(canonical: &CanonicalType, room: Room) -> Option<Box<dyn ColumnBuilder>> {
    let rows = room.rows;
    Some(match canonical {
        CanonicalType::Decimal { precision, .. } if *precision <= 38 => {
            plain::<Decimal128Type>(rows, canonical, |value| {
                decimal128(sized(value)?.0).ok_or(Broken::Decimal)
            })
        }
        CanonicalType::Decimal { .. } => plain::<Decimal256Type>(rows, canonical, |value| {
            decimal256(sized(value)?.0).ok_or(Broken::Decimal)
        }),
        CanonicalType::Bits { .. } => {
            plain::<UInt64Type>(rows, canonical, |value| bits(sized(value)?.0))
        }
        CanonicalType::Enum { .. } => {
            pieces(
                room,
                true,
                |label| {
                    if label.is_empty() { Err(Broken::EnumError) } else { Ok(()) }
                },
            )
        }
        CanonicalType::Text { .. }
        | CanonicalType::Json { .. }
        | CanonicalType::Set { .. }
        | CanonicalType::Opaque { .. }
        | CanonicalType::DecimalText => pieces(room, true, |_any| Ok(())),
        CanonicalType::Binary { .. } | CanonicalType::Geometry { .. } => {
            pieces(room, false, |_any| Ok(()))
        }
        CanonicalType::List { element } if **element == CanonicalType::Float32 => {
            made(room, Form::Vector, |value, out| {
                let (floats, _) = sized(value)?;
                out.extend_from_slice(floats);
                if floats.len().is_multiple_of(4) { Ok(()) } else { Err(Broken::Vector) }
            })
        }
        CanonicalType::Uuid => made(room, Form::Uuid, |value, out| {
            out.extend_from_slice(&uuid(sized(value)?.0).ok_or(Broken::Uuid)?);
            Ok(())
        }),
        _ => return None,
    })
}

/// Labels that are read by their number, counted from 1.
fn labelled(labels: Arc<[String]>, wire: WireType, room: Room) -> Option<Box<dyn ColumnBuilder>> {
    // The query asks for them as a number of the widest type.
    if wire != (WireType::Int { bytes: 8, unsigned: true }) {
        return None;
    }
    Some(made(room, Form::Text, move |value, out| {
        let number = u64::from_le_bytes(number(value)?);
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let label = index.and_then(|index| labels.get(index)).ok_or(Broken::EnumError)?;
        out.extend_from_slice(label.as_bytes());
        Ok(())
    }))
}
