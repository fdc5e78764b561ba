//! Where the values of a block of rows stand.

use std::ops::Range;

use super::wire_type::WireType;

/// The place of a NULL. Blocks end below it.
pub(super) const NULL: u32 = u32::MAX;

/// Keeps the columns' strides off powers of two, which would share a few sets of the cache.
const STRIDE_PAD: usize = 16;

/// Unused bits before the first column's.
const BITS_BEFORE: usize = 2;

/// Places of values, column by column.
pub(super) struct Places {
    /// Bytes of a column's values; 0 = a length stands before them.
    widths: Vec<u8>,
    rows: usize,
    stride: usize,
    starts: Vec<u32>,
    /// Whether the block has a NULL at all.
    nulls: bool,
}

impl Places {
    pub(super) fn new(wire: impl Iterator<Item = WireType>, block_rows: usize) -> Self {
        let widths: Vec<u8> = wire.map(|wire| wire.width().unwrap_or(0)).collect();
        let stride = block_rows + STRIDE_PAD;
        let starts = vec![0; widths.len() * stride];
        Self { widths, rows: 0, stride, starts, nulls: false }
    }

    /// Notes the values of these rows. After it each value starts within its row, and the row ends
    /// with its last value; the error is what is wrong.
    pub(super) fn walk(&mut self, bytes: &[u8], rows: &[Range<u32>]) -> Result<(), &'static str> {
        self.rows = rows.len();
        self.nulls = false;
        for (index, row) in rows.iter().enumerate() {
            let range = row.start as usize..row.end as usize;
            let Some(row) = bytes.get(range.clone()) else { return Err("a row is cut off") };
            let Some((0, row)) = row.split_first() else { return Err("a packet is no row") };
            let bits = (self.widths.len() + BITS_BEFORE).div_ceil(8);
            let Some((bits, values)) = row.split_at_checked(bits) else {
                return Err("a row is cut off");
            };
            let start = range.end - values.len();
            let end = if bits.iter().all(|byte| *byte == 0) {
                self.walk_row(index, values, start, |_| false)
            } else {
                self.nulls = true;
                self.walk_row(index, values, start, |column| {
                    let bit = column + BITS_BEFORE;
                    bits.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
                })
            };
            if end != Some(values.len()) {
                return Err("a row does not end where its packet does");
            }
        }
        Ok(())
    }

    /// The values of one row, which stand in `values` and `start` bytes behind the block's first.
    /// Returns where they end.
    #[inline]
    fn walk_row(
        &mut self,
        row: usize,
        values: &[u8],
        start: usize,
        is_null: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut at = 0;
        let slots = self.starts.get_mut(row..)?.iter_mut().step_by(self.stride);
        for (column, (slot, width)) in slots.zip(&self.widths).enumerate() {
            if is_null(column) {
                *slot = NULL;
                continue;
            }
            *slot = u32::try_from(start + at).ok()?;
            at += match width {
                0 => {
                    let rest = values.get(at..)?;
                    let (length, head) = length(rest)?;
                    head.checked_add(length)?
                }
                width => usize::from(*width),
            };
        }
        Some(at)
    }

    /// Places of one column's values.
    pub(super) fn column(&self, index: usize) -> &[u32] {
        let start = index * self.stride;
        self.starts.get(start..start + self.rows).unwrap_or_default()
    }

    /// Whether a value of the block is NULL.
    pub(super) const fn has_nulls(&self) -> bool {
        self.nulls
    }
}

/// A length before bytes, and how many bytes it takes itself; `None` where no length stands.
#[inline]
pub fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    match first {
        // One byte below these; 251 is the NULL of the text protocol, 255 an error.
        0..=250 => Some((usize::from(*first), 1)),
        252 => Some((usize::from(u16::from_le_bytes(*rest.first_chunk()?)), 3)),
        253 => {
            let [low, middle, high] = *rest.first_chunk()?;
            Some((u32::from_le_bytes([low, middle, high, 0]) as usize, 4))
        }
        254 => Some((usize::try_from(u64::from_le_bytes(*rest.first_chunk()?)).ok()?, 9)),
        251 | 255 => None,
    }
}
