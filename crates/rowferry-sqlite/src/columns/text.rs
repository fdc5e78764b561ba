//! Columns of text that is written for the table: dates, times, and whatever else has no class of
//! its own in SQLite.

use arrow_array::types::{ArrowPrimitiveType, Date32Type, TimestampMicrosecondType};
use arrow_array::{Array, BinaryArray, PrimitiveArray};
use arrow_buffer::OffsetBuffer;
use rowferry_codec::digits;
use rowferry_codec::pen::{Pen, Put as _};

use super::{Cells, Made, Words};
use crate::fit::Binding;
use crate::iso;

/// Writes the text of each row that is not null.
pub(super) fn text(
    array: &dyn Array,
    mut write: impl FnMut(usize, &mut Pen<'_>) -> Result<(), Words>,
) -> Made {
    let (mut bytes, mut lengths) = (Vec::new(), Vec::with_capacity(array.len()));
    let mut pen = Pen::new(&mut bytes);
    for row in 0..array.len() {
        let start = pen.position();
        if array.is_valid(row) {
            write(row, &mut pen).map_err(|words| (row, words))?;
        }
        lengths.push(pen.position() - start);
    }
    pen.finish();
    let places = OffsetBuffer::from_lengths(lengths);
    Ok(Cells::Text(BinaryArray::new(places, bytes.into(), None)))
}

/// As [`text`], where a row's text is made in a string first.
pub(super) fn slow_text(
    array: &dyn Array,
    mut write: impl FnMut(usize, &mut String) -> Result<(), Words>,
) -> Made {
    let mut scratch = String::new();
    text(array, |row, pen| {
        scratch.clear();
        write(row, &mut scratch)?;
        pen.bytes(scratch.as_bytes());
        Ok(())
    })
}

pub(super) fn dates(array: &PrimitiveArray<Date32Type>) -> Made {
    let mut scratch = String::new();
    text(array, |row, pen| {
        let days = array.value(row);
        if digits::FOUR_DIGIT_YEARS.contains(&days.into()) {
            digits::date(days.into(), pen);
        } else {
            scratch.clear();
            iso::write_date(&mut scratch, days);
            pen.bytes(scratch.as_bytes());
        }
        Ok(())
    })
}

/// Fraction digits that a column has at least.
const fn fraction_digits(binding: Binding) -> u8 {
    if let Binding::Iso(digits) = binding { digits } else { 0 }
}

pub(super) fn clocks<T: ArrowPrimitiveType<Native = i64>>(
    array: &PrimitiveArray<T>,
    binding: Binding,
    write: impl Fn(&mut String, i64, u8),
) -> Made {
    let digits = fraction_digits(binding);
    slow_text(array, |row, text| {
        write(text, array.value(row), digits);
        Ok(())
    })
}

pub(super) fn timestamps(
    array: &PrimitiveArray<TimestampMicrosecondType>,
    binding: Binding,
    utc: bool,
) -> Made {
    let fraction = fraction_digits(binding).min(6);
    let step = 10_i64.pow(6 - u32::from(fraction));
    let mut scratch = String::new();
    text(array, |row, pen| {
        let micros = array.value(row);
        let days = micros.div_euclid(digits::DAY_MICROS);
        if digits::FOUR_DIGIT_YEARS.contains(&days) && micros % step == 0 {
            digits::datetime(micros, fraction, pen);
            if utc {
                pen.put(*b"+00:00", 6);
            }
        } else {
            scratch.clear();
            iso::write_timestamp(&mut scratch, micros, fraction, utc);
            pen.bytes(scratch.as_bytes());
        }
        Ok(())
    })
}
