//! Arrow batches into COPY tuples.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use bytes::BytesMut;
use rowferry_core::copy_short;

use super::{
    BLOCK_ROWS, CodecError, ColumnCodec,
    cells::LENGTH_BYTES,
    lists::prepared,
    to_wire::{can_encode, cells},
};
use crate::expected;

/// Encodes batches of one shape for one target table. Cheap to clone, made for a compute pool.
#[derive(Clone, Debug)]
pub struct Encoder {
    columns: Arc<[ColumnCodec]>,
}

impl Encoder {
    /// An encoder for batches with exactly these columns in this order.
    ///
    /// # Errors
    ///
    /// [`CodecError::NoEncoding`] for a pair of types that [`can_encode`] refuses.
    pub fn new(columns: &[ColumnCodec]) -> Result<Self, CodecError> {
        match columns.iter().find(|column| !can_encode(&column.canonical, &column.pg)) {
            Some(column) => Err(CodecError::no_encoding(column)),
            None => Ok(Self { columns: columns.into() }),
        }
    }

    /// Appends the rows of `batch` as tuples, without header and trailer.
    ///
    /// # Nulls
    ///
    /// A null becomes a field of length −1; what its slot in the array holds is never looked at.
    ///
    /// # Errors
    ///
    /// [`CodecError::Value`] for the first value that the target column would refuse or change;
    /// `out` is then as it was before. [`CodecError::Batch`] for a batch of another shape.
    pub fn encode(&self, batch: &RecordBatch, out: &mut BytesMut) -> Result<(), CodecError> {
        let before = out.len();
        let result = self.encode_blocks(batch, out);
        if result.is_err() {
            out.truncate(before);
        }
        result
    }

    fn encode_blocks(&self, batch: &RecordBatch, out: &mut BytesMut) -> Result<(), CodecError> {
        let arrays = self.arrays(batch)?;
        let mut columns = arrays
            .iter()
            .zip(self.columns.iter())
            .map(|(array, column)| {
                cells(&column.canonical, &column.pg, array)
                    .ok_or_else(|| CodecError::no_encoding(column))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let count = i16::try_from(columns.len())
            .map_err(|_many| CodecError::Batch("more than 32767 columns".to_owned()))?;
        // Columns whose cells all have the same size need not be measured row by row.
        let alike: usize = columns.iter().filter_map(|cells| cells.width()).sum();
        let mut sizes = [0_usize; BLOCK_ROWS];
        for start in (0..batch.num_rows()).step_by(BLOCK_ROWS) {
            let rows = start..batch.num_rows().min(start + BLOCK_ROWS);
            let sizes = sizes.get_mut(..rows.len()).unwrap_or_default();
            sizes.fill(size_of_val(&count) + alike);
            let measured = columns.iter_mut().zip(self.columns.iter());
            for (cells, column) in measured.filter(|(cells, _)| cells.width().is_none()) {
                cells
                    .measure(rows.clone(), sizes)
                    .map_err(|(row, rule)| CodecError::value(&column.name, row, rule))?;
            }
            let mut end = out.len();
            // From here on `sizes` holds where each row's next field goes.
            let places = sizes;
            for place in places.iter_mut() {
                let start = end;
                end += *place;
                *place = start;
            }
            if end > out.capacity() {
                let (block, rows_left) = (end - out.len(), batch.num_rows() - rows.start);
                out.reserve(expected::bytes(block, rows.len(), rows_left).max(block));
            }
            out.resize(end, 0);
            for place in places.iter_mut() {
                put(out, place, count.to_be_bytes());
            }
            for (cells, column) in columns.iter().zip(self.columns.iter()) {
                cells
                    .scatter(rows.clone(), places, out)
                    .map_err(|(row, rule)| CodecError::value(&column.name, row, rule))?;
            }
        }
        Ok(())
    }

    /// The arrays by position, as the cells want them.
    fn arrays(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, CodecError> {
        if batch.num_columns() != self.columns.len() {
            return Err(CodecError::Batch(format!(
                "{} columns where {} are expected",
                batch.num_columns(),
                self.columns.len()
            )));
        }
        batch
            .columns()
            .iter()
            .zip(self.columns.iter())
            .map(|(array, column)| {
                let expected = column.canonical.arrow();
                if *array.data_type() != expected {
                    return Err(CodecError::Batch(format!(
                        "column {} is {} where {expected} is expected",
                        column.name,
                        array.data_type()
                    )));
                }
                Ok(prepared(array, column))
            })
            .collect()
    }
}

/// Writes `bytes` at `place` and moves it on. The block was sized for all that is put into it.
#[inline]
pub(super) fn put<const N: usize>(out: &mut [u8], place: &mut usize, bytes: [u8; N]) {
    let slot = out.get_mut(*place..).and_then(<[u8]>::first_chunk_mut::<N>);
    debug_assert!(slot.is_some(), "a row was measured too short");
    if let Some(slot) = slot {
        *slot = bytes;
    }
    *place += N;
}

/// As [`put`], for a length word and the `N` bytes that it counts.
#[inline]
pub(super) fn put_cell<const N: usize>(out: &mut [u8], place: &mut usize, bytes: [u8; N]) {
    let cell = out.get_mut(*place..).and_then(<[u8]>::split_first_chunk_mut::<LENGTH_BYTES>);
    debug_assert!(cell.is_some(), "a row was measured too short");
    if let Some((length, rest)) = cell
        && let Some(slot) = rest.first_chunk_mut::<N>()
    {
        // Every fixed width is far below 2^31.
        *length = u32::try_from(N).unwrap_or(u32::MAX).to_be_bytes();
        *slot = bytes;
    }
    *place += LENGTH_BYTES + N;
}

/// As [`put_cell`], for a value of any length.
#[inline]
pub(super) fn put_value(out: &mut [u8], place: &mut usize, value: &[u8]) {
    let cell = out.get_mut(*place..).and_then(<[u8]>::split_first_chunk_mut::<LENGTH_BYTES>);
    let cell = cell.and_then(|(length, rest)| Some((length, rest.get_mut(..value.len())?)));
    debug_assert!(cell.is_some(), "a row was measured too short");
    if let Some((length, slot)) = cell {
        // Arrow's 32-bit offsets keep every value below 2^31 bytes.
        *length = u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes();
        copy_short(slot, value);
    }
    *place += LENGTH_BYTES + value.len();
}

/// As [`put`], for bytes of any number.
#[inline]
pub(super) fn put_slice(out: &mut [u8], place: &mut usize, bytes: &[u8]) {
    let slot = out.get_mut(*place..*place + bytes.len());
    debug_assert!(slot.is_some(), "a row was measured too short");
    if let Some(slot) = slot {
        copy_short(slot, bytes);
    }
    *place += bytes.len();
}
