//! Decimals of at most 38 digits as numeric fields.
//!
//! A field must be made before its length is known. Most have at most four groups and are then two
//! words, which are kept from measuring to writing and written with moves of constant size.

use std::ops::Range;

use arrow_array::{Array, PrimitiveArray, types::Decimal128Type};
use arrow_buffer::NullBuffer;

use super::{
    cells::{Cells, LENGTH_BYTES, NULL_FIELD},
    columns::Broken,
    encode::{put, put_value},
    numeric::{self, Fit},
    short_numeric::{Short, ShortForm},
};

/// Bytes of a field's head.
const HEAD_BYTES: usize = 8;

/// Writes decimals; a block of fields is kept.
pub(super) struct DecimalCells<'a> {
    values: &'a [i128],
    nulls: Option<&'a NullBuffer>,
    scale: u8,
    /// What the column takes, where that is not all of them.
    fit: Option<Fit>,
    fields: Vec<Field>,
    /// Bytes of the long fields.
    long: Vec<u8>,
}

enum Field {
    Null,
    Short(Short),
    /// Where its bytes lie.
    Long(Range<usize>),
}

impl<'a> DecimalCells<'a> {
    pub(super) fn new(
        array: &'a PrimitiveArray<Decimal128Type>,
        scale: u8,
        fit: Option<Fit>,
    ) -> Self {
        let (values, nulls) = (array.values(), array.nulls());
        Self { values, nulls, scale, fit, fields: Vec::new(), long: Vec::new() }
    }
}

impl Cells for DecimalCells<'_> {
    fn width(&self) -> Option<usize> {
        None
    }

    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        self.fields.clear();
        self.long.clear();
        let form = ShortForm::new(self.scale);
        let values = self.values.get(rows.clone()).unwrap_or_default();
        for ((row, value), size) in rows.zip(values).zip(sizes) {
            *size += LENGTH_BYTES;
            if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                self.fields.push(Field::Null);
                continue;
            }
            if let Some(fit) = self.fit {
                fit.check(value.unsigned_abs(), self.scale).map_err(|rule| (row, rule))?;
            }
            self.fields.push(if let Some(short) = form.field(*value) {
                *size += HEAD_BYTES + short.group_bytes();
                Field::Short(short)
            } else {
                let start = self.long.len();
                numeric::from_long(*value, self.scale, &mut self.long);
                *size += self.long.len() - start;
                Field::Long(start..self.long.len())
            });
        }
        Ok(())
    }

    fn scatter(
        &self,
        _rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken> {
        for (field, place) in self.fields.iter().zip(places) {
            match field {
                Field::Null => put(out, place, NULL_FIELD),
                Field::Short(short) => put_short(*short, place, out),
                Field::Long(bytes) => {
                    put_value(out, place, self.long.get(bytes.clone()).unwrap_or_default());
                }
            }
        }
        Ok(())
    }
}

/// Writes the last groups first, over bytes of the head where there are fewer than four, and then the
/// head: moves of constant size that stay within the cell.
#[inline]
fn put_short(short: Short, place: &mut usize, out: &mut [u8]) {
    let length = HEAD_BYTES + short.group_bytes();
    let cell = out.get_mut(*place..*place + LENGTH_BYTES + length);
    debug_assert!(cell.is_some(), "a row was measured too short");
    if let Some(cell) = cell {
        if let Some(groups) = cell.last_chunk_mut() {
            *groups = short.groups.to_be_bytes();
        }
        put_head(cell, length, short.head);
    }
    *place += LENGTH_BYTES + length;
}

#[inline]
fn put_head(cell: &mut [u8], length: usize, head: u64) {
    let Some((word, rest)) = cell.split_first_chunk_mut::<LENGTH_BYTES>() else { return };
    // A short field has at most sixteen bytes.
    *word = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(slot) = rest.first_chunk_mut::<HEAD_BYTES>() {
        *slot = head.to_be_bytes();
    }
}
