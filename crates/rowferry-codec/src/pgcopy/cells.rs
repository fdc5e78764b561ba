//! One writer per column: the cells of a block of rows, first measured and then written.

use std::ops::Range;

use arrow_array::{Array, ArrowPrimitiveType, BinaryArray, PrimitiveArray, StringArray};
use arrow_buffer::NullBuffer;

use super::{
    columns::Broken,
    encode::{put, put_slice},
    rule::Rule,
};

/// Length word of a NULL.
const NULL_FIELD: [u8; 4] = (-1_i32).to_be_bytes();
/// Bytes of a length word.
pub(super) const LENGTH_BYTES: usize = 4;

/// Writes the cells of one column.
pub(super) trait Cells {
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
        // Every fixed width is below 2^31.
        let length = u32::try_from(N).unwrap_or(u32::MAX).to_be_bytes();
        let values = self.values.get(rows.clone()).unwrap_or_default();
        for ((row, value), place) in rows.zip(values).zip(places) {
            if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                put(out, place, NULL_FIELD);
                continue;
            }
            let bytes = (self.convert)(*value).map_err(|rule| (row, rule))?;
            put(out, place, length);
            put(out, place, bytes);
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
    #[inline]
    fn value(&self, row: usize) -> Option<&[u8]> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let start = usize::try_from(*self.offsets.get(row)?).ok()?;
        let end = usize::try_from(*self.offsets.get(row + 1)?).ok()?;
        self.data.get(start..end)
    }
}

impl<F: Fn(&[u8]) -> Result<(), Rule>> Cells for Slices<'_, F> {
    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        if self.refuse_nul {
            let has_nul = |row| self.value(row).is_some_and(|value| value.contains(&0));
            if let Some(row) = rows.clone().find(|row| has_nul(*row)) {
                return Err((row, Rule::NUL));
            }
        }
        for (row, size) in rows.zip(sizes) {
            *size += LENGTH_BYTES;
            if let Some(value) = self.value(row) {
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
        for (row, place) in rows.zip(places) {
            let Some(value) = self.value(row) else {
                put(out, place, NULL_FIELD);
                continue;
            };
            put(out, place, length_word(self.version.len() + value.len()));
            if !self.version.is_empty() {
                put_slice(out, place, self.version);
            }
            put_slice(out, place, value);
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
            put(out, place, length_word(end - start));
            put_slice(out, place, bytes.get(start..*end).unwrap_or_default());
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
