//! The canonical bytes of a row.
//!
//! ```text
//! row      slot of each column in order, then tail of each column in order
//! slot     marker (0 = null), then the value or the length of the tail; its width is fixed
//! tail     bytes of texts and binaries, and decimals of more than 38 digits
//! ```
//!
//! Why slots of fixed width, also for nulls? Because then each column fills its slots in one loop,
//! only tails are measured, and a row stays unambiguous: no two different rows share their bytes.
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

mod slots;

use std::ops::Range;

use arrow_array::RecordBatch;

use crate::KernelError;
use slots::slots_of;

/// Rows whose slots are filled together: 256 rows of 200 bytes stay in the second-level cache.
const BLOCK_ROWS: usize = 256;

/// One column seen as slots and tails. The tails of a block of rows are measured, then its slots are
/// filled, then its tails added; what [`Slots::measure`] keeps is of that block.
trait Slots {
    fn width(&self) -> usize;
    /// Whether rows have tails here; a column that says so measures and adds them.
    fn has_tails(&self) -> bool {
        false
    }
    /// Adds the length of each row's tail.
    fn measure(&mut self, _rows: Range<usize>, _sizes: &mut [usize]) {}
    /// Fills the slots of `rows`, which lie at `offset` in each `stride` bytes.
    fn fill(&self, rows: Range<usize>, slots: &mut [u8], stride: usize, offset: usize);
    /// Writes each row's tail at its place, and moves the place behind it.
    fn add_tails(&self, _rows: Range<usize>, _places: &mut [usize], _out: &mut [u8]) {}
}

/// Calls `each(row, bytes)` for every row of `batch` in order; bytes are those of `columns`.
pub(crate) fn for_each_row(
    batch: &RecordBatch,
    columns: &[usize],
    mut each: impl FnMut(usize, &[u8]),
) -> Result<(), KernelError> {
    let mut columns = columns
        .iter()
        .map(|position| {
            let array = batch.columns().get(*position);
            let array = array.ok_or(KernelError::Column { position: *position })?;
            slots_of(array, batch.schema_ref().field(*position))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let stride: usize = columns.iter().map(|column| column.width()).sum();
    let has_tails = columns.iter().any(|column| column.has_tails());
    let mut slots = vec![0_u8; stride * BLOCK_ROWS];
    let mut places = [0_usize; BLOCK_ROWS];
    let mut block = Vec::new();
    for start in (0..batch.num_rows()).step_by(BLOCK_ROWS) {
        let rows = start..batch.num_rows().min(start + BLOCK_ROWS);
        let places = places.get_mut(..rows.len()).unwrap_or_default();
        places.fill(0);
        let mut offset = 0;
        for column in &mut columns {
            column.measure(rows.clone(), places);
            column.fill(rows.clone(), &mut slots, stride, offset);
            offset += column.width();
        }
        if !has_tails {
            for (index, row) in rows.enumerate() {
                each(row, slots.get(index * stride..(index + 1) * stride).unwrap_or_default());
            }
            continue;
        }
        join(&slots, stride, places, &mut block);
        for column in &columns {
            column.add_tails(rows.clone(), places, &mut block);
        }
        let mut start = 0;
        for (row, end) in rows.zip(places) {
            each(row, block.get(start..*end).unwrap_or_default());
            start = *end;
        }
    }
    Ok(())
}

/// Copies the slots of each row to where the row will stand in `block`. `places` holds the lengths of
/// the rows' tails; then where the next tail goes, and when all are there, where the row ends.
fn join(slots: &[u8], stride: usize, places: &mut [usize], block: &mut Vec<u8>) {
    let size = places.iter().sum::<usize>() + stride * places.len();
    if block.len() < size {
        block.resize(size, 0);
    }
    let mut end = 0;
    for (place, slots) in places.iter_mut().zip(slots.chunks_exact(stride)) {
        let start = end;
        end += stride + *place;
        *place = start + stride;
        if let Some(row) = block.get_mut(start..*place) {
            row.copy_from_slice(slots);
        }
    }
}
