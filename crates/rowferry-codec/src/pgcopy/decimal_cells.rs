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
    short_numeric::Short,
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
            self.fields.push(if let Some(short) = Short::new(*value, self.scale) {
                *size += HEAD_BYTES + 2 * short.count;
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
                Field::Short(short) => put_short(short, place, out),
                Field::Long(bytes) => {
                    put_value(out, place, self.long.get(bytes.clone()).unwrap_or_default());
                }
            }
        }
        Ok(())
    }
}

#[inline]
fn put_short(short: &Short, place: &mut usize, out: &mut [u8]) {
    let length = u128::from(HEAD_BYTES as u64 + 2 * short.count as u64);
    let [_, _, _, _, head @ ..] = (length << 64 | u128::from(short.head)).to_be_bytes();
    put(out, place, head);
    let groups = short.groups.to_be_bytes();
    match short.count {
        0 => {}
        1 => put_first::<2>(groups, place, out),
        2 => put_first::<4>(groups, place, out),
        3 => put_first::<6>(groups, place, out),
        _ => put_first::<8>(groups, place, out),
    }
}

/// Writes the first `N` bytes of the groups.
#[inline]
fn put_first<const N: usize>(groups: [u8; 8], place: &mut usize, out: &mut [u8]) {
    if let Some(first) = groups.first_chunk::<N>() {
        put(out, place, *first);
    }
}
