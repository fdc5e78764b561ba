//! The canonical bytes of a row.
//!
//! ```text
//! row      slot of each column in order, then tail of each column in order
//! slot     marker (0 = null), then the value or the length of the tail; its width is fixed
//! tail     bytes of texts and binaries, and decimals of more than 38 digits
//! ```
//!
//! Why slots of fixed width, also for nulls? Because then each column fills its slots in one loop
//! without a measuring pass, and a row stays unambiguous: no two different rows share their bytes.
//!
//! | logical value | slot |
//! |---|---|
//! | integers, booleans | marker 1 (2 above `i64::MAX`), 8 bytes |
//! | floats | marker 1, 8 bytes of the double; −0 is 0, every NaN is one |
//! | decimals | marker 1, scale, 16 bytes, without trailing zeros; markers 3 and 4 have a tail |
//! | dates, times | marker 1, 8 bytes |
//! | texts, binaries, uuids | marker 1, length |
//! | lists | marker 1, length of the tail: slot and tail of each element |
//!
//! The layout is part of the digest kind `rows-v1` and never changes under that name.

use std::ops::Range;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, ListArray, PrimitiveArray, RecordBatch,
    cast::AsArray,
    types::{
        Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_schema::{DataType, Field, TimeUnit};
use rowferry_core::CanonicalType;

use crate::{
    KernelError,
    decimal::{self, Plain},
};

/// Rows whose slots are filled together: 256 rows of 200 bytes stay in the second-level cache.
const BLOCK_ROWS: usize = 256;

/// Slot of an integer, a float or a time.
const WORD_SLOT: usize = 9;
/// Slot of a decimal.
const DECIMAL_SLOT: usize = 21;
/// Slot of a text.
const LENGTH_SLOT: usize = 5;

/// One column seen as slots and tails.
trait Slots {
    fn width(&self) -> usize;
    /// Fills the slots of `rows`, which lie at `offset` in each `stride` bytes of zeros.
    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize);
    /// The tail of a row, if this column has tails.
    fn tail(&self, row: usize, out: &mut Vec<u8>);
    fn has_tails(&self) -> bool;
}

/// Calls `each(row, bytes)` for every row of `batch` in order; bytes are those of `columns`.
pub(crate) fn for_each_row(
    batch: &RecordBatch,
    columns: &[usize],
    mut each: impl FnMut(usize, &[u8]),
) -> Result<(), KernelError> {
    let columns = columns
        .iter()
        .map(|position| {
            let array = batch.columns().get(*position);
            let array = array.ok_or(KernelError::Column { position: *position })?;
            slots_of(array, batch.schema_ref().field(*position))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let stride: usize = columns.iter().map(|column| column.width()).sum();
    let tailed: Vec<_> = columns.iter().filter(|column| column.has_tails()).collect();
    let mut slots = vec![0_u8; stride * BLOCK_ROWS];
    let mut row_bytes = Vec::new();
    for start in (0..batch.num_rows()).step_by(BLOCK_ROWS) {
        let rows = start..batch.num_rows().min(start + BLOCK_ROWS);
        slots.fill(0);
        let mut offset = 0;
        for column in &columns {
            column.fill(rows.clone(), &mut slots, stride, offset);
            offset += column.width();
        }
        for (index, row) in rows.enumerate() {
            let slots = slots.get(index * stride..(index + 1) * stride).unwrap_or_default();
            if tailed.is_empty() {
                each(row, slots);
                continue;
            }
            row_bytes.clear();
            row_bytes.extend_from_slice(slots);
            for column in &tailed {
                column.tail(row, &mut row_bytes);
            }
            each(row, &row_bytes);
        }
    }
    Ok(())
}

/// Writes one slot: marker and payload.
#[inline]
fn put<const N: usize>(slots: &mut [u8], marker: u8, payload: [u8; N]) {
    if let Some((slot_marker, rest)) = slots.split_first_mut()
        && let Some(slot) = rest.first_chunk_mut::<N>()
    {
        *slot_marker = marker;
        *slot = payload;
    }
}

/// Values that become eight bytes.
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
            if !nulls.is_some_and(|nulls| nulls.is_null(row)) {
                let (marker, word) = (self.word)(*value);
                put(slots.get_mut(offset..).unwrap_or_default(), marker, word);
            }
        }
    }

    fn tail(&self, _row: usize, _out: &mut Vec<u8>) {}

    fn has_tails(&self) -> bool {
        false
    }
}

struct Bools<'a>(&'a BooleanArray);

impl Slots for Bools<'_> {
    fn width(&self) -> usize {
        WORD_SLOT
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        for (row, slots) in rows.zip(slots.chunks_exact_mut(stride)) {
            if self.0.is_valid(row) {
                let word = u64::from(self.0.value(row)).to_le_bytes();
                put(slots.get_mut(offset..).unwrap_or_default(), 1, word);
            }
        }
    }

    fn tail(&self, _row: usize, _out: &mut Vec<u8>) {}

    fn has_tails(&self) -> bool {
        false
    }
}

/// Decimals; `F` gives the value of a row that is not null.
struct Decimals<'a, F> {
    array: &'a ArrayRef,
    has_tails: bool,
    value: F,
}

impl<F: Fn(usize) -> Plain> Slots for Decimals<'_, F> {
    fn width(&self) -> usize {
        DECIMAL_SLOT
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        for (row, slots) in rows.zip(slots.chunks_exact_mut(stride)) {
            if self.array.is_null(row) {
                continue;
            }
            let slot = slots.get_mut(offset..).unwrap_or_default();
            match (self.value)(row) {
                Plain::Small { number, scale } => {
                    put(slot, 1, scale.to_le_bytes());
                    let number_slot = slot.get_mut(LENGTH_SLOT..);
                    if let Some(number_slot) = number_slot.and_then(<[u8]>::first_chunk_mut::<16>) {
                        *number_slot = number.to_le_bytes();
                    }
                }
                Plain::Wide(digits) => put(slot, 3, length(digits.len())),
                Plain::Word(word) => put(slot, 4, length(word.len())),
            }
        }
    }

    fn tail(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_valid(row)
            && let Plain::Wide(tail) | Plain::Word(tail) = (self.value)(row)
        {
            out.extend_from_slice(&tail);
        }
    }

    fn has_tails(&self) -> bool {
        self.has_tails
    }
}

/// Texts and binaries; `F` gives the bytes of a row, empty where it is null.
struct Bytes<'a, F> {
    array: &'a ArrayRef,
    value: F,
}

impl<'a, F: Fn(usize) -> &'a [u8]> Slots for Bytes<'a, F> {
    fn width(&self) -> usize {
        LENGTH_SLOT
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        for (row, slots) in rows.zip(slots.chunks_exact_mut(stride)) {
            if self.array.is_valid(row) {
                let length = length((self.value)(row).len());
                put(slots.get_mut(offset..).unwrap_or_default(), 1, length);
            }
        }
    }

    #[inline]
    fn tail(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_valid(row) {
            out.extend_from_slice((self.value)(row));
        }
    }

    fn has_tails(&self) -> bool {
        true
    }
}

/// Lists: the tail holds slot and tail of each element in order.
struct Lists<'a> {
    array: &'a ListArray,
    elements: Box<dyn Slots + 'a>,
}

impl Lists<'_> {
    fn bytes(&self, row: usize) -> Vec<u8> {
        let offsets = self.array.value_offsets();
        let at = |index: usize| {
            offsets.get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default()
        };
        let (rows, width) = (at(row)..at(row + 1), self.elements.width());
        let mut slots = vec![0; width * rows.len()];
        self.elements.fill(rows.clone(), &mut slots, width, 0);
        let mut bytes = Vec::with_capacity(slots.len());
        for (row, slot) in rows.zip(slots.chunks_exact(width)) {
            bytes.extend_from_slice(slot);
            self.elements.tail(row, &mut bytes);
        }
        bytes
    }
}

impl Slots for Lists<'_> {
    fn width(&self) -> usize {
        LENGTH_SLOT
    }

    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize) {
        for (row, slots) in rows.zip(slots.chunks_exact_mut(stride)) {
            if self.array.is_valid(row) {
                let length = length(self.bytes(row).len());
                put(slots.get_mut(offset..).unwrap_or_default(), 1, length);
            }
        }
    }

    fn tail(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_valid(row) {
            out.extend_from_slice(&self.bytes(row));
        }
    }

    fn has_tails(&self) -> bool {
        true
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
fn slots_of<'a>(array: &'a ArrayRef, field: &Field) -> Result<Box<dyn Slots + 'a>, KernelError> {
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
            let value = move |row| {
                let (number, scale) = decimal::strip(values.value(row), scale);
                Plain::Small { number, scale }
            };
            Box::new(Decimals { array, has_tails: false, value })
        }
        DataType::Decimal256(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal256Type>(), i32::from(*scale));
            let value = move |row| decimal::of_i256(values.value(row), scale);
            Box::new(Decimals { array, has_tails: true, value })
        }
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            if is_decimal_text(field) {
                let value = move |row| decimal::of_text(values.value(row).as_bytes());
                return Ok(Box::new(Decimals { array, has_tails: true, value }));
            }
            Box::new(Bytes { array, value: move |row| values.value(row).as_bytes() })
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            Box::new(Bytes { array, value: move |row| values.value(row) })
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            Box::new(Bytes { array, value: move |row| values.value(row) })
        }
        DataType::List(element) => {
            let array = array.as_list::<i32>();
            Box::new(Lists { array, elements: slots_of(array.values(), element)? })
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
