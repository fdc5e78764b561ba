//! One builder per column: the values of a block of rows into Arrow buffers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, FixedSizeBinaryArray, ListArray, PrimitiveArray,
    StringArray,
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

fn append_validity(nulls: &mut NullBufferBuilder, places: &[u32], any: bool) {
    if any {
        for place in places {
            nulls.append(*place != NULL);
        }
    } else {
        nulls.append_n_non_nulls(places.len());
    }
}

/// Values of a fixed Arrow width.
struct Plain<A: ArrowPrimitiveType, F> {
    values: Vec<A::Native>,
    nulls: NullBufferBuilder,
    data_type: DataType,
    read: F,
}

impl<A: ArrowPrimitiveType, F: Fn(&[u8]) -> Result<A::Native, Broken>> ColumnBuilder
    for Plain<A, F>
{
    fn append(&mut self, bytes: &[u8], places: &[u32], nulls: bool) -> Result<(), BrokenAt> {
        self.values.reserve(places.len());
        for (row, place) in places.iter().enumerate() {
            self.values.push(if nulls && *place == NULL {
                A::default_value()
            } else {
                (self.read)(value(bytes, *place)).map_err(|broken| (row, broken))?
            });
        }
        append_validity(&mut self.nulls, places, nulls);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, BrokenAt> {
        let values = ScalarBuffer::from(self.values);
        let array = PrimitiveArray::<A>::new(values, self.nulls.finish());
        Ok(Arc::new(array.with_data_type(self.data_type)))
    }
}

/// What the bytes of values of any length become.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Binary,
    /// Floats of four bytes, least byte first.
    Vector,
    Uuid,
}

/// Values of any length; `F` appends the value that stands at a place.
struct Variable<F> {
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    form: Form,
    append: F,
}

impl<F: Fn(&[u8], &mut Vec<u8>) -> Result<(), Broken>> ColumnBuilder for Variable<F> {
    fn append(&mut self, bytes: &[u8], places: &[u32], nulls: bool) -> Result<(), BrokenAt> {
        for (row, place) in places.iter().enumerate() {
            if !nulls || *place != NULL {
                (self.append)(value(bytes, *place), &mut self.values)
                    .map_err(|broken| (row, broken))?;
            }
            // Labels can be longer than the number that stands for them.
            let end = i32::try_from(self.values.len()).map_err(|_long| (row, Broken::OtherType))?;
            self.offsets.push(end);
        }
        append_validity(&mut self.nulls, places, nulls);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, BrokenAt> {
        let nulls = self.nulls.finish();
        match self.form {
            Form::Text => texts(self.values, self.offsets, nulls),
            Form::Binary => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
                Ok(Arc::new(BinaryArray::new(offsets, Buffer::from_vec(self.values), nulls)))
            }
            Form::Vector => vectors(&self.values, &self.offsets, nulls),
            Form::Uuid => uuids(self.values, nulls),
        }
    }
}

fn texts(
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, BrokenAt> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let values = Buffer::from_vec(values);
    // One validation over all values, and of the places where they meet.
    if let Ok(array) = StringArray::try_new(offsets.clone(), values.clone(), nulls) {
        return Ok(Arc::new(array));
    }
    let place = |end: &i32| usize::try_from(*end).unwrap_or(0);
    let broken = offsets.iter().zip(offsets.iter().skip(1)).position(|(start, end)| {
        let value = values.get(place(start)..place(end)).unwrap_or_default();
        simdutf8::basic::from_utf8(value).is_err()
    });
    Err((broken.unwrap_or(0), Broken::Text))
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
    let (values, nulls) = (Vec::with_capacity(rows), NullBufferBuilder::new(rows));
    Box::new(Plain::<A, _> { values, nulls, data_type: canonical.arrow(), read })
}

fn variable(
    room: Room,
    form: Form,
    append: impl Fn(&[u8], &mut Vec<u8>) -> Result<(), Broken> + 'static,
) -> Box<dyn ColumnBuilder> {
    let mut offsets = Vec::with_capacity(room.rows + 1);
    offsets.push(0);
    let values = Vec::with_capacity(room.bytes);
    let nulls = NullBufferBuilder::new(room.rows);
    Box::new(Variable { values, offsets, nulls, form, append })
}

/// What a column's buffers have room for at first.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) rows: usize,
    /// Of values of any length.
    pub(super) bytes: usize,
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
                decimal128(sized(value)?).ok_or(Broken::Decimal)
            })
        }
        CanonicalType::Decimal { .. } => plain::<Decimal256Type>(rows, canonical, |value| {
            decimal256(sized(value)?).ok_or(Broken::Decimal)
        }),
        CanonicalType::Bits { .. } => {
            plain::<UInt64Type>(rows, canonical, |value| bits(sized(value)?))
        }
        CanonicalType::Enum { .. } => variable(room, Form::Text, |value, out| {
            let label = sized(value)?;
            out.extend_from_slice(label);
            if label.is_empty() { Err(Broken::EnumError) } else { Ok(()) }
        }),
        CanonicalType::Text { .. }
        | CanonicalType::Json { .. }
        | CanonicalType::Set { .. }
        | CanonicalType::Opaque { .. }
        | CanonicalType::DecimalText => variable(room, Form::Text, copy),
        CanonicalType::Binary { .. } | CanonicalType::Geometry { .. } => {
            variable(room, Form::Binary, copy)
        }
        CanonicalType::List { element } if **element == CanonicalType::Float32 => {
            variable(room, Form::Vector, |value, out| {
                let floats = sized(value)?;
                out.extend_from_slice(floats);
                if floats.len().is_multiple_of(4) { Ok(()) } else { Err(Broken::Vector) }
            })
        }
        CanonicalType::Uuid => variable(room, Form::Uuid, |value, out| {
            out.extend_from_slice(&uuid(sized(value)?).ok_or(Broken::Uuid)?);
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
    Some(variable(room, Form::Text, move |value, out| {
        let number = u64::from_le_bytes(number(value)?);
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let label = index.and_then(|index| labels.get(index)).ok_or(Broken::EnumError)?;
        out.extend_from_slice(label.as_bytes());
        Ok(())
    }))
}

#[inline]
fn copy(value: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    out.extend_from_slice(sized(value)?);
    Ok(())
}
