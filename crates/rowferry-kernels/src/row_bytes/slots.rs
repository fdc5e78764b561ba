//! How each kind of column fills its slots and tails.

use std::ops::Range;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, ListArray, PrimitiveArray,
    cast::AsArray,
    types::{
        Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, TimeUnit};
use rowferry_core::{CanonicalType, copy_short};

use super::Slots;
use crate::KernelError;
use crate::decimal::{self, Plain};

/// Slot of an integer, a float or a time.
const WORD_SLOT: usize = 9;
/// Slot of a decimal.
const DECIMAL_SLOT: usize = 21;
/// Slot of a text.
const LENGTH_SLOT: usize = 5;

/// Writes a slot, or a part of one, at its offset in the slots of a row.
#[inline]
fn put<const N: usize>(slots: &mut [u8], offset: usize, bytes: [u8; N]) {
    let slot = slots.get_mut(offset..).and_then(<[u8]>::first_chunk_mut::<N>);
    debug_assert!(slot.is_some(), "the slots of a row are as wide as its columns");
    if let Some(slot) = slot {
        *slot = bytes;
    }
}

/// Writes a tail at `place` and moves the place behind it. The block was sized for all tails.
#[inline]
fn put_tail(out: &mut [u8], place: &mut usize, tail: &[u8]) {
    let slot = out.get_mut(*place..*place + tail.len());
    debug_assert!(slot.is_some(), "a row was measured too short");
    if let Some(slot) = slot {
        copy_short(slot, tail);
    }
    *place += tail.len();
}

fn word_slot(marker: u8, word: [u8; 8]) -> [u8; WORD_SLOT] {
    let mut slot = [marker; WORD_SLOT];
    if let Some(bytes) = slot.last_chunk_mut() {
        *bytes = word;
    }
    slot
}

fn length_slot(marker: u8, bytes: usize) -> [u8; LENGTH_SLOT] {
    let [a, b, c, d] = length(bytes);
    [marker, a, b, c, d]
}

fn decimal_slot(number: i128, scale: i32) -> [u8; DECIMAL_SLOT] {
    let mut slot = [0; DECIMAL_SLOT];
    if let Some((head, rest)) = slot.split_first_chunk_mut::<LENGTH_SLOT>()
        && let Some(digits) = rest.first_chunk_mut::<16>()
    {
        let [a, b, c, d] = scale.to_le_bytes();
        *head = [1, a, b, c, d];
        *digits = number.to_le_bytes();
    }
    slot
}

fn is_null(nulls: Option<&NullBuffer>, row: usize) -> bool {
    nulls.is_some_and(|nulls| nulls.is_null(row))
}

/// Values that become eight bytes; `F` gives marker and word of a value.
struct Words<'a, T: ArrowPrimitiveType, F> {
    array: &'a PrimitiveArray<T>,
    word: F,
}

impl<T: ArrowPrimitiveType, F: Fn(T::Native) -> (u8, [u8; 8])> Slots for Words<'_, T, F> {
    fn width(&self) -> usize {
        WORD_SLOT
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        let values = self.array.values().get(rows.clone()).unwrap_or_default();
        let nulls = self.array.nulls();
        for ((row, value), slots) in rows.zip(values).zip(slots.chunks_exact_mut(stride)) {
            let (marker, word) =
                if is_null(nulls, row) { (0, [0; 8]) } else { (self.word)(*value) };
            put(slots, offset, word_slot(marker, word));
        }
    }
}

struct Bools<'a>(&'a BooleanArray);

impl Slots for Bools<'_> {
    fn width(&self) -> usize {
        WORD_SLOT
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        for (row, slots) in rows.zip(slots.chunks_exact_mut(stride)) {
            let valid = self.0.is_valid(row);
            let word = u64::from(valid && self.0.value(row)).to_le_bytes();
            put(slots, offset, word_slot(u8::from(valid), word));
        }
    }
}

/// Decimals of at most 38 digits.
struct Decimals<'a> {
    array: &'a PrimitiveArray<Decimal128Type>,
    scale: i32,
}

impl Slots for Decimals<'_> {
    fn width(&self) -> usize {
        DECIMAL_SLOT
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        let values = self.array.values().get(rows.clone()).unwrap_or_default();
        let nulls = self.array.nulls();
        for ((row, value), slots) in rows.zip(values).zip(slots.chunks_exact_mut(stride)) {
            if is_null(nulls, row) {
                put(slots, offset, [0; DECIMAL_SLOT]);
            } else {
                let (number, scale) = decimal::strip(*value, self.scale);
                put(slots, offset, decimal_slot(number, scale));
            }
        }
    }
}

/// Decimals of any length; `F` gives the value of a row that is not null. A block of them is kept.
struct AnyDecimals<'a, F> {
    array: &'a ArrayRef,
    value: F,
    block: Vec<Option<Plain>>,
}

impl<F: Fn(usize) -> Plain> Slots for AnyDecimals<'_, F> {
    fn width(&self) -> usize {
        DECIMAL_SLOT
    }

    fn has_tails(&self) -> bool {
        true
    }

    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) {
        let plain = |row| self.array.is_valid(row).then(|| (self.value)(row));
        self.block.clear();
        self.block.extend(rows.map(plain));
        for (value, size) in self.block.iter().zip(sizes) {
            *size += value.as_ref().map_or(0, |value| value.tail().len());
        }
    }

    fn fill(&self, _rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        for (value, slots) in self.block.iter().zip(slots.chunks_exact_mut(stride)) {
            let (marker, tail) = match value {
                None => {
                    put(slots, offset, [0; DECIMAL_SLOT]);
                    continue;
                }
                Some(Plain::Small { number, scale }) => {
                    put(slots, offset, decimal_slot(*number, *scale));
                    continue;
                }
                Some(Plain::Wide(tail)) => (3, tail),
                Some(Plain::Word(tail)) => (4, tail),
            };
            put(slots, offset, length_slot(marker, tail.len()));
            put(slots, offset + LENGTH_SLOT, [0; DECIMAL_SLOT - LENGTH_SLOT]);
        }
    }

    fn add_tails(&self, _rows: Range<usize>, places: &mut [usize], out: &mut [u8]) {
        for (value, place) in self.block.iter().zip(places) {
            put_tail(out, place, value.as_ref().map(Plain::tail).unwrap_or_default());
        }
    }
}

/// Texts and binaries; `F` gives the bytes of a row that is not null.
struct Bytes<'a, F> {
    nulls: Option<&'a NullBuffer>,
    value: F,
}

impl<'a, F: Fn(usize) -> &'a [u8]> Slots for Bytes<'a, F> {
    fn width(&self) -> usize {
        LENGTH_SLOT
    }

    fn has_tails(&self) -> bool {
        true
    }

    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) {
        for (row, size) in rows.zip(sizes) {
            if !is_null(self.nulls, row) {
                *size += (self.value)(row).len();
            }
        }
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        for (row, slots) in rows.zip(slots.chunks_exact_mut(stride)) {
            if is_null(self.nulls, row) {
                put(slots, offset, [0; LENGTH_SLOT]);
            } else {
                put(slots, offset, length_slot(1, (self.value)(row).len()));
            }
        }
    }

    fn add_tails(&self, rows: Range<usize>, places: &mut [usize], out: &mut [u8]) {
        for (row, place) in rows.zip(places) {
            if !is_null(self.nulls, row) {
                put_tail(out, place, (self.value)(row));
            }
        }
    }
}

/// Lists: the tail holds slot and tail of each element in order. A block of them is kept.
struct Lists<'a> {
    array: &'a ListArray,
    elements: Box<dyn Slots + 'a>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Lists<'_> {
    /// Appends slot and tail of each element of a list.
    fn append(&mut self, row: usize) {
        let offsets = self.array.value_offsets();
        let at = |index: usize| {
            offsets.get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default()
        };
        for element in at(row)..at(row + 1) {
            let element = element..element + 1;
            let (start, width) = (self.bytes.len(), self.elements.width());
            let mut size = [width];
            self.elements.measure(element.clone(), &mut size);
            let [size] = size;
            self.bytes.resize(start + size, 0);
            let slot = self.bytes.get_mut(start..).unwrap_or_default();
            self.elements.fill(element.clone(), slot, size, 0);
            self.elements.add_tails(element, &mut [start + width], &mut self.bytes);
        }
    }

    fn tails(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let tail = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            tail
        })
    }
}

impl Slots for Lists<'_> {
    fn width(&self) -> usize {
        LENGTH_SLOT
    }

    fn has_tails(&self) -> bool {
        true
    }

    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) {
        self.bytes.clear();
        self.ends.clear();
        for (row, size) in rows.zip(sizes) {
            let start = self.bytes.len();
            if self.array.is_valid(row) {
                self.append(row);
            }
            self.ends.push(self.bytes.len());
            *size += self.bytes.len() - start;
        }
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        for ((row, tail), slots) in rows.zip(self.tails()).zip(slots.chunks_exact_mut(stride)) {
            put(slots, offset, length_slot(u8::from(self.array.is_valid(row)), tail.len()));
        }
    }

    fn add_tails(&self, _rows: Range<usize>, places: &mut [usize], out: &mut [u8]) {
        for (tail, place) in self.tails().zip(places) {
            put_tail(out, place, tail);
        }
    }
}

fn length(bytes: usize) -> [u8; 4] {
    // Arrow's 32-bit offsets keep every value below 2^31 bytes.
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn signed(value: i64) -> (u8, [u8; 8]) {
    (1, value.to_le_bytes())
}

fn float(value: f64) -> (u8, [u8; 8]) {
    // Adding zero turns −0 into 0 and leaves the rest.
    let one = if value.is_nan() { f64::NAN } else { value + 0.0 };
    (1, one.to_bits().to_le_bytes())
}

fn words<'a, T: ArrowPrimitiveType>(
    array: &'a ArrayRef,
    word: impl Fn(T::Native) -> (u8, [u8; 8]) + 'a,
) -> Box<dyn Slots + 'a> {
    Box::new(Words::<'a, T, _> { array: array.as_primitive::<T>(), word })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "types that no canonical type is stored in")]
pub(super) fn slots_of<'a>(
    array: &'a ArrayRef,
    field: &Field,
) -> Result<Box<dyn Slots + 'a>, KernelError> {
    Ok(match array.data_type() {
        DataType::Boolean => Box::new(Bools(array.as_boolean())),
        DataType::Int8 => words::<Int8Type>(array, |value| signed(value.into())),
        DataType::Int16 => words::<Int16Type>(array, |value| signed(value.into())),
        DataType::Int32 => words::<Int32Type>(array, |value| signed(value.into())),
        DataType::Int64 => words::<Int64Type>(array, signed),
        DataType::UInt8 => words::<UInt8Type>(array, |value| signed(value.into())),
        DataType::UInt16 => words::<UInt16Type>(array, |value| signed(value.into())),
        DataType::UInt32 => words::<UInt32Type>(array, |value| signed(value.into())),
        DataType::UInt64 => words::<UInt64Type>(array, |value| {
            (if i64::try_from(value).is_ok() { 1 } else { 2 }, value.to_le_bytes())
        }),
        DataType::Float32 => words::<Float32Type>(array, |value| float(value.into())),
        DataType::Float64 => words::<Float64Type>(array, float),
        DataType::Date32 => words::<Date32Type>(array, |value| signed(value.into())),
        DataType::Time64(TimeUnit::Microsecond) => words::<Time64MicrosecondType>(array, signed),
        DataType::Duration(TimeUnit::Microsecond) => {
            words::<DurationMicrosecondType>(array, signed)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            words::<TimestampMicrosecondType>(array, signed)
        }
        DataType::Decimal128(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal128Type>(), i32::from(*scale));
            Box::new(Decimals { array: values, scale })
        }
        DataType::Decimal256(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal256Type>(), i32::from(*scale));
            let value = move |row| decimal::of_i256(values.value(row), scale);
            Box::new(AnyDecimals { array, value, block: Vec::new() })
        }
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            if is_decimal_text(field) {
                let value = move |row| decimal::of_text(values.value(row).as_bytes());
                return Ok(Box::new(AnyDecimals { array, value, block: Vec::new() }));
            }
            Box::new(Bytes { nulls: array.nulls(), value: move |row| values.value(row).as_bytes() })
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            Box::new(Bytes { nulls: array.nulls(), value: move |row| values.value(row) })
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            Box::new(Bytes { nulls: array.nulls(), value: move |row| values.value(row) })
        }
        DataType::List(element) => {
            let array = array.as_list::<i32>();
            let elements = slots_of(array.values(), element)?;
            Box::new(Lists { array, elements, bytes: Vec::new(), ends: Vec::new() })
        }
        other => {
            return Err(KernelError::Type {
                column: field.name().clone(),
                data_type: other.to_string(),
            });
        }
    })
}

/// Whether the field's texts are numbers: the canonical type stands in its metadata.
fn is_decimal_text(field: &Field) -> bool {
    field.metadata() == CanonicalType::DecimalText.field(field.name()).metadata()
}
