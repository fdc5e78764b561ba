//! Columns of a batch on their way into rows.
//!
//! ```text
//! form    a block of rows: numbers and times into slots, column by column
//! put     row by row: slots, pieces of the array, and whatever longer values need
//! ```

use std::ops::Range;

use arrow_buffer::NullBuffer;

use super::TextForm;
use super::slot::{Slot, TEXT_BYTES};
use crate::pen::{Pen, Put, Room};

/// Rows whose short cells are formed at once: those of twenty columns stay in the first-level cache.
pub(super) const BLOCK_ROWS: usize = 32;

/// Pieces of an array up to this size are copied as one of this size, whatever their length: two moves
/// of a vector register, where a copy of a few bytes is a call.
const PIECE_BYTES: usize = 32;

/// Room that a short cell may need: a slot, or a piece in quotes with a separator.
const SHORT_CELL_BYTES: usize = TEXT_BYTES;

/// Writes the cells of rows into slots, each with this separator.
type Fill<'a> = Box<dyn Fn(Range<usize>, u8, &mut [Slot]) + 'a>;

/// Writes the value of a row that is not null.
type Write<'a> = Box<dyn Fn(usize, &mut Pen<'_>) + 'a>;

/// How the cells of a column get into their rows.
pub(super) enum Cells<'a> {
    /// Each through a slot.
    Short(Fill<'a>),
    /// As they lie in the array.
    Plain(Plain<'a>),
    /// One at a time.
    Each(Write<'a>),
}

/// Texts without a sign that must be escaped.
pub(super) struct Plain<'a> {
    pub(super) offsets: &'a [i32],
    pub(super) data: &'a [u8],
}

impl<'a> Cells<'a> {
    /// Cells that fit a slot. `quoted` ones stand in quotes where the form has literals.
    pub(super) fn short<T: Copy>(
        (values, nulls): (&'a [T], Option<&'a NullBuffer>),
        form: TextForm,
        quoted: bool,
        write: impl Fn(T, &mut Room<'_>) + 'a,
    ) -> Self {
        let ((null, null_bytes), quoted) = (form.null(), quoted && form.has_literals());
        Self::Short(Box::new(move |rows, separator, slots| {
            let values = values.get(rows.clone()).unwrap_or_default();
            // Else the slots would keep the cells of the last block.
            assert_eq!(values.len(), rows.len(), "rows beyond the array");
            for ((row, value), slot) in rows.zip(values).zip(slots) {
                slot.fill(|room| {
                    if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                        room.put(null, null_bytes);
                    } else {
                        if quoted {
                            room.byte(b'\'');
                        }
                        write(*value, room);
                        if quoted {
                            room.byte(b'\'');
                        }
                    }
                    room.byte(separator);
                });
            }
        }))
    }
}

/// A column ready to be written.
pub(super) struct Column<'a> {
    pub(super) cells: Cells<'a>,
    pub(super) nulls: Option<&'a NullBuffer>,
    /// What stands behind each cell.
    pub(super) separator: u8,
}

/// The columns of a batch, and a block of its rows.
pub(super) struct Rows<'a> {
    form: TextForm,
    columns: Vec<Column<'a>>,
    /// The slots of a block, column by column.
    slots: Vec<[Slot; BLOCK_ROWS]>,
    block: Range<usize>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(form: TextForm, columns: Vec<Column<'a>>) -> Self {
        let short = columns.iter().filter(|column| matches!(column.cells, Cells::Short(_))).count();
        Self { form, columns, slots: vec![[Slot::EMPTY; BLOCK_ROWS]; short], block: 0..0 }
    }

    /// Forms the short cells of at most [`BLOCK_ROWS`] rows.
    pub(super) fn form(&mut self, block: Range<usize>) {
        let mut slots = self.slots.iter_mut();
        for column in &self.columns {
            if let Cells::Short(fill) = &column.cells
                && let Some(slots) = slots.next()
            {
                fill(block.clone(), column.separator, slots);
            }
        }
        self.block = block;
    }

    /// Writes a row of the block.
    #[inline]
    pub(super) fn put(&self, row: usize, pen: &mut Pen<'_>) {
        let at = row - self.block.start;
        let mut slots = self.slots.iter();
        let bytes = self.columns.len() * SHORT_CELL_BYTES;
        let mut room = pen.room(bytes);
        for column in &self.columns {
            if let Cells::Short(_) = &column.cells {
                if let Some(slot) = slots.next().and_then(|slots| slots.get(at)) {
                    slot.put(&mut room);
                }
            } else if column.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                let (null, bytes) = self.form.null();
                room.put(null, bytes);
                room.byte(column.separator);
            } else if let Some((piece, bytes)) = column.short_piece(row) {
                self.quote(&mut room);
                room.put(*piece, bytes);
                self.quote(&mut room);
                room.byte(column.separator);
            } else {
                let used = room.position();
                pen.advance(used);
                self.put_long(column, row, pen);
                room = pen.room(bytes);
            }
        }
        let used = room.position();
        pen.advance(used);
    }

    fn put_long(&self, column: &Column<'_>, row: usize, pen: &mut Pen<'_>) {
        match &column.cells {
            Cells::Plain(plain) => {
                self.quote(pen);
                pen.bytes(plain.value(row));
                self.quote(pen);
            }
            Cells::Each(write) => write(row, pen),
            // In slots.
            Cells::Short(_) => {}
        }
        pen.byte(column.separator);
    }

    /// The sign around texts where the form has literals.
    #[inline]
    fn quote(&self, out: &mut impl Put) {
        if self.form.has_literals() {
            out.byte(b'\'');
        }
    }
}

impl Column<'_> {
    /// The text of a row where it is short, and its length.
    #[inline]
    fn short_piece(&self, row: usize) -> Option<(&[u8; PIECE_BYTES], usize)> {
        let Cells::Plain(plain) = &self.cells else { return None };
        let (start, length) = plain.place(row);
        let piece = plain.data.get(start..start + PIECE_BYTES)?.as_array()?;
        (length <= PIECE_BYTES).then_some((piece, length))
    }
}

impl Plain<'_> {
    /// Where the text of a row starts, and its length.
    #[inline]
    fn place(&self, row: usize) -> (usize, usize) {
        // Arrow's offsets are not negative.
        let place = |offset: i32| usize::try_from(offset).unwrap_or(0);
        match self.offsets.get(row..row + 2) {
            Some([start, end]) => (place(*start), place(end - start)),
            _ => (0, 0),
        }
    }

    fn value(&self, row: usize) -> &[u8] {
        let (start, length) = self.place(row);
        self.data.get(start..start + length).unwrap_or_default()
    }
}
