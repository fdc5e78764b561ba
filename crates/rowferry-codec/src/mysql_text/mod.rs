//! Text that MySQL and MariaDB read: fields of `LOAD DATA` and literals of a multi-row `INSERT`.
//!
//! ```text
//! check    column by column: may this value stand in that column exactly? first bad cell = error
//! append   a block of rows: digits and dates into slots, column by column; then all cells row by row
//! ```
//!
//! The checks are not optional. `LOAD DATA LOCAL` turns what does not fit into something else with
//! a warning, and even a strict `INSERT` rounds decimals and cuts trailing blanks with a note, so a
//! value that the column cannot hold exactly must never be sent.

mod cells;
mod check;
mod column;
mod date_text;
mod json;
mod repertoire;
#[cfg(test)]
mod row_loop_tests;
mod slot;
#[cfg(test)]
mod tests;

use std::ops::Range;

use arrow_array::{Array, ArrayRef, RecordBatch};

use crate::expected;
use crate::pen::{Pen, Put as _};
use cells::cells;
use column::{BLOCK_ROWS, Column, Rows};
pub use repertoire::Repertoire;

/// Which dialect of text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    /// `LOAD DATA` with its default separators: fields end in tab, rows in line feed, `\N` is NULL.
    Load,
    /// Parenthesised rows of literals separated by commas, for a session without
    /// `NO_BACKSLASH_ESCAPES` and with `utf8mb4`.
    Insert,
}

impl TextForm {
    const fn has_literals(self) -> bool {
        matches!(self, Self::Insert)
    }

    /// NULL, and how many bytes of it count.
    const fn null(self) -> ([u8; 4], usize) {
        match self {
            Self::Load => (*b"\\N  ", 2),
            Self::Insert => (*b"null", 4),
        }
    }

    /// What stands behind a cell, and behind the last one of a row.
    const fn separators(self) -> (u8, u8) {
        match self {
            Self::Load => (b'\t', b'\n'),
            Self::Insert => (b',', b')'),
        }
    }
}

/// What the target column accepts, and so how values are checked and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextRule {
    /// Integers, booleans as 0 and 1, decimals without fraction.
    Integer {
        /// Least value.
        min: i128,
        /// Greatest value.
        max: i128,
    },
    /// Finite floats, written so that the nearest double is the same number.
    Float,
    /// Decimals with at most this many digits and fraction digits.
    Decimal {
        /// Total digits.
        precision: u8,
        /// Fraction digits.
        scale: u8,
    },
    /// Characters.
    Text {
        /// Greatest number of characters.
        chars_max: Option<u32>,
        /// Greatest number of bytes in UTF-8.
        bytes_max: Option<u64>,
        /// Characters that the column's character set has.
        repertoire: Repertoire,
        /// The column drops trailing blanks, so values may not have any.
        blanks_dropped: bool,
    },
    /// One of the labels.
    Enum {
        /// Labels as the column has them.
        labels: Vec<String>,
    },
    /// Labels in the column's order, with commas between them.
    Set {
        /// Labels as the column has them.
        labels: Vec<String>,
    },
    /// JSON text.
    Json {
        /// The column keeps fractions as doubles: numbers that a double would change are refused.
        doubles: bool,
    },
    /// Bytes.
    Binary {
        /// Greatest length.
        bytes_max: Option<u64>,
        /// Every value must have exactly `bytes_max` bytes.
        exact: bool,
    },
    /// A number of at most this many bits.
    Bits {
        /// Width of the column in bits.
        bits: u8,
    },
    /// Dates from 0001-01-01 to 9999-12-31.
    Date {
        /// Also the zero date.
        zero: bool,
    },
    /// Wall clocks from the year 0001 to 9999.
    DateTime {
        /// Fraction digits of the column.
        digits: u8,
        /// Also the zero date.
        zero: bool,
        /// Least and greatest microsecond since 1970 where the column's range is smaller.
        range: Option<(i64, i64)>,
    },
    /// The same as text, also without a month or day and of the year 0000.
    DateText {
        /// Fraction digits of a column with a time of day; `None` = of dates only.
        time: Option<u8>,
    },
    /// Times and signed durations.
    Time {
        /// Fraction digits of the column.
        digits: u8,
        /// Greatest absolute value in microseconds.
        max: i64,
    },
    /// A uuid as its 16 bytes.
    UuidBytes,
    /// A uuid as 36 lower-case characters.
    UuidText,
    /// A year: 0 or 1901 to 2155, always four digits.
    Year,
    /// A network address without a mask.
    Inet {
        /// Version 6 rather than 4.
        v6: bool,
    },
    /// A list of at most so many finite floats, as their bytes.
    Vector {
        /// Most elements.
        elements: u32,
    },
}

/// One column of the target, in the order of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextColumn {
    /// Target column name, for messages.
    pub name: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// What the column accepts.
    pub rule: TextRule,
}

/// Why a batch cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A value that the column cannot hold exactly. The value itself is not repeated.
    #[error("column {column:?}, row {row} of the chunk: {reason}")]
    Value {
        /// Target column.
        column: String,
        /// Row within the chunk, counted from 0.
        row: u64,
        /// What does not fit: lowercase, no value.
        reason: String,
    },
    /// The batch does not have the columns that were planned.
    #[error("column {column:?} cannot be written from {found}")]
    Shape {
        /// Target column.
        column: String,
        /// Arrow type found.
        found: String,
    },
}

/// Writes batches of one table.
#[derive(Clone, Debug)]
pub struct TextEncoder {
    columns: Vec<TextColumn>,
    form: TextForm,
}

impl TextEncoder {
    /// An encoder for `columns` in the order of the batches.
    pub fn new(columns: Vec<TextColumn>, form: TextForm) -> Self {
        Self { columns, form }
    }

    /// Checks every value of `batch`; `first_row` is the number of its first row in the chunk.
    ///
    /// # Nulls
    ///
    /// A null in a column that does not allow it is an error.
    pub fn check(&self, batch: &RecordBatch, first_row: u64) -> Result<(), TextError> {
        if batch.num_columns() != self.columns.len() {
            return Err(TextError::Shape {
                column: String::new(),
                found: format!("{} columns", batch.num_columns()),
            });
        }
        for (column, array) in self.columns.iter().zip(batch.columns()) {
            check::column(column, array.as_ref(), first_row)?;
        }
        Ok(())
    }

    /// Appends all rows of a checked batch.
    pub fn append(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), TextError> {
        self.append_rows(batch, 0..batch.num_rows(), usize::MAX, out).map(drop)
    }

    /// Appends rows of a checked batch while `out` stays within `bytes_max`. Returns how many rows
    /// were appended: fewer than asked when the next one does not fit.
    pub fn append_rows(
        &self,
        batch: &RecordBatch,
        rows: Range<usize>,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, TextError> {
        let mut block = Rows::new(self.form, self.columns(batch, &rows)?);
        let begin = out.len();
        let mut pen = Pen::new(out);
        let mut done = 0;
        for start in rows.clone().step_by(BLOCK_ROWS) {
            let upto = rows.end.min(start + BLOCK_ROWS);
            block.form(start..upto);
            if done == BLOCK_ROWS {
                let text = pen.position() - begin;
                let rest = expected::bytes(text, done, rows.end - start);
                // The row that does not fit is written before it is taken back.
                let allowed = bytes_max.saturating_sub(pen.position()) + text / done;
                pen.reserve(rest.min(allowed));
            }
            for row in start..upto {
                let before = pen.position();
                if self.form.has_literals() {
                    open_row(&mut pen);
                }
                block.put(row, &mut pen);
                if pen.position() > bytes_max {
                    pen.cut_to(before);
                    pen.finish();
                    return Ok(done);
                }
                done += 1;
            }
        }
        pen.finish();
        Ok(done)
    }

    fn columns<'a>(
        &self,
        batch: &'a RecordBatch,
        rows: &Range<usize>,
    ) -> Result<Vec<Column<'a>>, TextError> {
        let (behind_cell, behind_row) = self.form.separators();
        let last = self.columns.len().saturating_sub(1);
        let column = |(index, (column, array)): (usize, (&TextColumn, &'a ArrayRef))| {
            let cells = cells(&column.rule, array.as_ref(), rows, self.form);
            let separator = if index == last { behind_row } else { behind_cell };
            let cells = cells.ok_or_else(|| shape(column, array))?;
            Ok(Column { cells, nulls: array.nulls(), separator })
        };
        self.columns.iter().zip(batch.columns()).enumerate().map(column).collect()
    }
}

fn shape(column: &TextColumn, array: &dyn Array) -> TextError {
    TextError::Shape { column: column.name.clone(), found: array.data_type().to_string() }
}

/// Begins a row of literals, behind a comma where another one stands before it.
fn open_row(pen: &mut Pen<'_>) {
    if pen.last() == Some(b')') {
        pen.byte(b',');
    }
    pen.byte(b'(');
}
