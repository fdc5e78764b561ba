//! A batch as a database of its own, whose rows SQLite takes over as they lie.
//!
//! [`crate::rows_table`] hands a batch over cell by cell, on the one thread that may write to a file.
//! Where nothing has to be looked at on the way, the compute pool makes SQLite's own records of the rows
//! instead, on pages of a database in memory that has the same table, and
//! `insert into main.t select * from image.t` copies each record from page to page: less than
//! half of the time on that thread for rows of 17 columns (0.6 µs instead of 1.4). SQLite does so where both tables
//! are alike (<https://www.sqlite.org/src/file/src/insert.c>, its transfer optimization), and reads the
//! image cell by cell where it thinks they are not.

mod pages;
mod record;
mod template;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::columns::Columns;
use crate::sql::quote;
use pages::{PAGE_BYTES, RECORD_BYTES_MAX};
use record::{as_stored, put_body, put_varint, serial, varint_bytes};
pub(crate) use template::Template;

/// Name of the databases, each with its place behind it.
const NAME: &str = "rowferry_image_";
/// Images of a transaction, which holds on to every database that it has read: as many as SQLite lets be
/// attached to a connection (`SQLITE_MAX_ATTACHED`).
const IMAGES_MAX: usize = 10;
/// Bytes of a transaction's images from which it gets no more of them. Guessed: ten payloads of lineitem have
/// 13 MiB, and where dates are most of a row its text is several times as long as the payload.
const BYTES_MAX: usize = 24 << 20;

/// A batch as a database.
pub(crate) struct Image {
    bytes: Vec<u8>,
}

/// The images that were made for one transaction.
#[derive(Default)]
pub(crate) struct Made {
    images: usize,
    bytes: usize,
}

impl Made {
    /// Whether the transaction may have one more.
    pub(crate) const fn has_room(&self) -> bool {
        self.images < IMAGES_MAX && self.bytes < BYTES_MAX
    }

    pub(crate) fn add(&mut self, image: &Image) {
        self.images += 1;
        self.bytes += image.bytes.len();
    }
}

/// The images that the transaction of a connection has read.
#[derive(Default)]
pub(crate) struct Attached {
    images: usize,
}

impl Attached {
    /// Shows an image to the transaction under way, and returns the statement that takes over its rows
    /// into `table`. [`Made`] says how many a transaction may have.
    pub(crate) fn show(
        &mut self,
        connection: &mut Connection,
        image: &Image,
        table: &str,
    ) -> rusqlite::Result<String> {
        let name = format!("{NAME}{}", self.images);
        connection.execute_batch(&format!("attach ':memory:' as {name}"))?;
        self.images += 1;
        connection.deserialize_read_exact(&*name, &image.bytes[..], image.bytes.len(), true)?;
        // Read where it lies, and not once more in a cache.
        connection.execute_batch(&format!("pragma {name}.mmap_size = {}", image.bytes.len()))?;
        let table = quote(table);
        Ok(format!("insert into main.{table} select * from {name}.{table}"))
    }

    /// Frees all images, once there is no transaction.
    pub(crate) fn free(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        while let Some(last) = self.images.checked_sub(1) {
            connection.execute_batch(&format!("detach {NAME}{last}"))?;
            self.images = last;
        }
        Ok(())
    }
}

impl Image {
    /// The image of a batch; `None` where SQLite would refuse or change a cell, or a record is too long
    /// for a page.
    pub(crate) fn of(template: &Template, batch: &Columns) -> Option<Self> {
        let numbers = row_numbers(template, batch)?;
        let lengths = Lengths::of(template, batch)?;
        let cells: Option<Vec<usize>> = numbers
            .iter()
            .enumerate()
            .map(|(row, number)| {
                let record = lengths.record(row);
                let before = varint_bytes(record as u64) + varint_bytes(number.cast_unsigned());
                (record <= RECORD_BYTES_MAX).then_some(before + record)
            })
            .collect();
        let cells = cells?;
        let leaves = pages::leaves(&cells);
        let last: Vec<i64> = leaves
            .iter()
            .map(|rows| numbers.get(rows.clone()).and_then(|rows| rows.iter().max().copied()))
            .map(Option::unwrap_or_default)
            .collect();
        let (mut bytes, first_leaf) = pages::database(&template.first_page, &last)?;
        let leaf = Leaf { template, batch, numbers: &numbers, lengths: &lengths, cells: &cells };
        let pages = bytes.get_mut(first_leaf..)?.chunks_exact_mut(PAGE_BYTES);
        for (page, rows) in pages.zip(leaves) {
            leaf.write(page, rows)?;
        }
        Some(Self { bytes })
    }
}

/// The number of each row: the value of the column that is it, or any.
fn row_numbers(template: &Template, batch: &Columns) -> Option<Vec<i64>> {
    let rows = batch.rows();
    let Some(stored) = template.columns.iter().find(|stored| stored.numbers_row) else {
        return Some((1..=i64::try_from(rows).ok()?).collect());
    };
    let mut numbers = Vec::with_capacity(rows);
    batch.each(stored.position, 0..rows, |_, cell| {
        if let ValueRef::Integer(number) = cell {
            numbers.push(number);
        }
    })?;
    (numbers.len() == rows).then_some(numbers)
}

/// Bytes of each record's parts.
struct Lengths {
    /// Of the serial types.
    types: Vec<usize>,
    /// Of the cells' bodies.
    bodies: Vec<usize>,
}

impl Lengths {
    /// `None` where a cell would not be kept as it is.
    fn of(template: &Template, batch: &Columns) -> Option<Self> {
        let rows = batch.rows();
        let (mut types, mut bodies) = (vec![0_usize; rows], vec![0_usize; rows]);
        for stored in &template.columns {
            if stored.numbers_row {
                for bytes in &mut types {
                    *bytes += 1;
                }
                continue;
            }
            let mut keeps = true;
            let is_checked = !batch.is_kept(stored.position, stored.affinity);
            let mut at = types.iter_mut().zip(&mut bodies);
            batch.each(stored.position, 0..rows, |_, cell| {
                keeps &= stored.nullable || !matches!(cell, ValueRef::Null);
                keeps &= !is_checked || stored.affinity.keeps(cell);
                let (serial, body) = serial(as_stored(stored.affinity, cell));
                if let Some((types, bodies)) = at.next() {
                    *types += varint_bytes(serial);
                    *bodies += body;
                }
            })?;
            if !keeps {
                return None;
            }
        }
        Some(Self { types, bodies })
    }

    /// Of the header, with its own length.
    fn head(&self, row: usize) -> usize {
        let types = self.types.get(row).copied().unwrap_or_default();
        // A length of one byte tells of up to 127; with two there is room for more columns than a table has.
        types + if types < 127 { 1 } else { 2 }
    }

    fn record(&self, row: usize) -> usize {
        self.head(row) + self.bodies.get(row).copied().unwrap_or_default()
    }
}

/// What leaves are written from.
struct Leaf<'a> {
    template: &'a Template,
    batch: &'a Columns,
    numbers: &'a [i64],
    lengths: &'a Lengths,
    cells: &'a [usize],
}

impl Leaf<'_> {
    /// Writes the cells of these rows, column by column.
    fn write(&self, page: &mut [u8], rows: Range<usize>) -> Option<()> {
        let mut at = pages::begin_leaf(page, self.cells.get(rows.clone())?)?;
        // Where the next serial type and the next body of each row go.
        let mut places = Vec::with_capacity(rows.len());
        for row in rows.clone() {
            let next = at + *self.cells.get(row)?;
            let record = self.lengths.record(row);
            at += put_varint(page.get_mut(at..)?, record as u64);
            at += put_varint(page.get_mut(at..)?, self.numbers.get(row)?.cast_unsigned());
            let head = self.lengths.head(row);
            let types = at + put_varint(page.get_mut(at..)?, head as u64);
            places.push((types, at + head));
            at = next;
        }
        for stored in &self.template.columns {
            let mut of_row = places.iter_mut();
            let mut written = Some(());
            self.batch.each(stored.position, rows.clone(), |_, cell| {
                let cell = if stored.numbers_row {
                    ValueRef::Null
                } else {
                    as_stored(stored.affinity, cell)
                };
                let Some((types, body)) = of_row.next() else { return };
                written = written.and(put_cell(page, types, body, cell));
            })?;
            written?;
        }
        Some(())
    }
}

/// Writes a cell's serial type and its body, and moves both places behind them.
#[inline]
fn put_cell(
    page: &mut [u8],
    types: &mut usize,
    body: &mut usize,
    cell: ValueRef<'_>,
) -> Option<()> {
    let (serial, bytes) = serial(cell);
    *types += put_varint(page.get_mut(*types..)?, serial);
    put_body(page.get_mut(*body..*body + bytes)?, cell);
    *body += bytes;
    Some(())
}
