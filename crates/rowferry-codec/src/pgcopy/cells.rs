//! One writer per column: the cells of a block of rows, first measured and then written.

use std::ops::Range;

use arrow_array::{Array, ArrowPrimitiveType, BinaryArray, PrimitiveArray, StringArray};
use arrow_buffer::NullBuffer;

use super::{
    columns::Broken,
    encode::{put, put_cell, put_slice, put_value},
    rule::Rule,
};

/// Length word of a NULL.
pub(super) const NULL_FIELD: [u8; 4] = (-1_i32).to_be_bytes();
/// Bytes of a length word.
pub(super) const LENGTH_BYTES: usize = 4;

/// Writes the cells of one column.
pub(super) trait Cells {
    /// Bytes of each cell, length word included; `None` unless all cells have the same.
    fn width(&self) -> Option<usize>;
    /// Adds each row's bytes to `sizes`, length word included.
    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken>;
    /// Writes each row's cell at its place and moves the place behind it.
    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken>;
}

pub(super) type BoxedCells<'a> = Option<Box<dyn Cells + 'a>>;

/// Cells of `N` bytes, converted one by one.
struct Fixed<'a, T, F, const N: usize> {
    values: &'a [T],
    nulls: Option<&'a NullBuffer>,
    convert: F,
}

impl<T: Copy, F: Fn(T) -> Result<[u8; N], Rule>, const N: usize> Cells for Fixed<'_, T, F, N> {
    fn width(&self) -> Option<usize> {
        self.nulls.is_none().then_some(LENGTH_BYTES + N)
    }

    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        for (row, size) in rows.zip(sizes) {
            let is_null = self.nulls.is_some_and(|nulls| nulls.is_null(row));
            *size += LENGTH_BYTES + if is_null { 0 } else { N };
        }
        Ok(())
    }

    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken> {
        let values = self.values.get(rows.clone()).unwrap_or_default();
        for ((row, value), place) in rows.zip(values).zip(places) {
            if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                put(out, place, NULL_FIELD);
                continue;
            }
            put_cell(out, place, (self.convert)(*value).map_err(|rule| (row, rule))?);
        }
        Ok(())
    }
}

/// Cells that are the array's own bytes, perhaps behind a version byte.
struct Slices<'a, F> {
    offsets: &'a [i32],
    data: &'a [u8],
    nulls: Option<&'a NullBuffer>,
    version: &'static [u8],
    /// Whether U+0000 stands somewhere in the data, and no cell may hold it.
    refuse_nul: bool,
    check: F,
}

impl<F> Slices<'_, F> {
    /// The bytes of each row; `None` = NULL.
    #[inline]
    fn values(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Option<&[u8]>)> {
        // Arrow's offsets are not negative.
        let place = |offset: i32| usize::try_from(offset).unwrap_or(0);
        let ends = self.offsets.get(rows.start..=rows.end).unwrap_or_default();
        rows.zip(ends.array_windows()).map(move |(row, [start, end])| {
            let value = self.data.get(place(*start)..place(*end));
            (row, value.filter(|_| !self.nulls.is_some_and(|nulls| nulls.is_null(row))))
        })
    }
}

impl<F: Fn(&[u8]) -> Result<(), Rule>> Cells for Slices<'_, F> {
    fn width(&self) -> Option<usize> {
        None
    }

    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        if self.refuse_nul {
            let mut values = self.values(rows.clone());
            let has_nul = |value: Option<&[u8]>| value.is_some_and(|value| value.contains(&0));
            if let Some((row, _)) = values.find(|(_, value)| has_nul(*value)) {
                return Err((row, Rule::NUL));
            }
        }
        for ((row, value), size) in self.values(rows).zip(sizes) {
            *size += LENGTH_BYTES;
            if let Some(value) = value {
                (self.check)(value).map_err(|rule| (row, rule))?;
                *size += self.version.len() + value.len();
            }
        }
        Ok(())
    }

    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken> {
        for ((_, value), place) in self.values(rows).zip(places) {
            let Some(value) = value else {
                put(out, place, NULL_FIELD);
                continue;
            };
            if self.version.is_empty() {
                put_value(out, place, value);
            } else {
                put(out, place, length_word(self.version.len() + value.len()));
                put_slice(out, place, self.version);
                put_slice(out, place, value);
            }
        }
        Ok(())
    }
}

/// Cells whose bytes must be made before their length is known; a block of them is kept.
struct Staged<'a, F> {
    nulls: Option<&'a NullBuffer>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    append: F,
}

impl<F: Fn(usize, &mut Vec<u8>) -> Result<(), Rule>> Cells for Staged<'_, F> {
    fn width(&self) -> Option<usize> {
        None
    }

    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        self.bytes.clear();
        self.ends.clear();
        for (row, size) in rows.zip(sizes) {
            let start = self.bytes.len();
            if !self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                (self.append)(row, &mut self.bytes).map_err(|rule| (row, rule))?;
            }
            self.ends.push(self.bytes.len());
            *size += LENGTH_BYTES + self.bytes.len() - start;
        }
        Ok(())
    }

    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken> {
        scatter_staged(self.nulls, &self.bytes, &self.ends, rows.zip(places), out);
        Ok(())
    }
}

/// Writes cells that stand one after another in `bytes`, each to its `end`.
pub(super) fn scatter_staged<'a>(
    nulls: Option<&NullBuffer>,
    bytes: &[u8],
    ends: &[usize],
    cells: impl Iterator<Item = (usize, &'a mut usize)>,
    out: &mut [u8],
) {
    let mut start = 0;
    for ((row, place), end) in cells.zip(ends) {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            put(out, place, NULL_FIELD);
        } else {
            put_value(out, place, bytes.get(start..*end).unwrap_or_default());
        }
        start = *end;
    }
}

fn length_word(length: usize) -> [u8; 4] {
    // Arrow's 32-bit offsets keep every value below 2^31 bytes.
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all arms of the type table")]
pub(super) fn fixed<'a, T: ArrowPrimitiveType, const N: usize>(
    array: &'a PrimitiveArray<T>,
    convert: impl Fn(T::Native) -> Result<[u8; N], Rule> + 'a,
) -> BoxedCells<'a> {
    Some(Box::new(Fixed { values: array.values(), nulls: array.nulls(), convert }))
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all arms of the type table")]
pub(super) fn staged<'a>(
    nulls: Option<&'a NullBuffer>,
    append: impl Fn(usize, &mut Vec<u8>) -> Result<(), Rule> + 'a,
) -> BoxedCells<'a> {
    Some(Box::new(Staged { nulls, bytes: Vec::new(), ends: Vec::new(), append }))
}

/// Bytes as they are; `check` looks at each value.
#[expect(clippy::unnecessary_wraps, reason = "one shape for all arms of the type table")]
pub(super) fn bytes<'a>(
    array: &'a BinaryArray,
    check: impl Fn(&[u8]) -> Result<(), Rule> + 'a,
) -> BoxedCells<'a> {
    let (offsets, data, nulls) = (array.value_offsets(), array.value_data(), array.nulls());
    Some(Box::new(Slices { offsets, data, nulls, version: &[], refuse_nul: false, check }))
}

/// Text behind a version byte or none. U+0000 is looked for in all values at once, and in single
/// ones only when it is somewhere: a slot behind a null may hold anything.
#[expect(clippy::unnecessary_wraps, reason = "one shape for all arms of the type table")]
pub(super) fn text<'a>(
    array: &'a StringArray,
    version: &'static [u8],
    check: impl Fn(&[u8]) -> Result<(), Rule> + 'a,
) -> BoxedCells<'a> {
    let (offsets, data, nulls) = (array.value_offsets(), array.value_data(), array.nulls());
    let place = |end: Option<&i32>| end.and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
    let used = data.get(place(offsets.first())..place(offsets.last())).unwrap_or_default();
    let refuse_nul = used.contains(&0);
    Some(Box::new(Slices { offsets, data, nulls, version, refuse_nul, check }))
}
