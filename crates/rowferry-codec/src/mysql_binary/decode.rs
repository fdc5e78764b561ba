//! Blocks of rows into Arrow batches.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use rowferry_core::CanonicalType;

use super::{
    BLOCK_ROWS,
    builders::{BrokenAt, ColumnBuilder, Room, builder},
    forms::Broken,
    places::Places,
    wire_type::WireType,
};

/// The room that a text column has at first is its equal share of the bytes, or that of one among
/// so many columns. Guessed: a table has a few text columns, and growing by doubling costs one copy.
const SHARES_MIN: usize = 8;

/// A column of the rows.
#[derive(Clone, Debug)]
pub struct BinaryColumn {
    /// Name in the batches.
    pub name: String,
    /// Type in the batches.
    pub canonical: CanonicalType,
    /// Form on the wire.
    pub wire: WireType,
    /// Labels of an enum that comes as the number of its label, counted from 1.
    pub labels: Option<Arc<[String]>>,
}

/// Rows as they came.
#[derive(Debug, Default)]
pub struct Rows {
    /// Packets with whatever stands between their contents; below 4 GiB.
    pub bytes: Vec<u8>,
    /// Where the content of each row's packet stands.
    pub packets: Vec<Range<u32>>,
}

/// A failure of the decoder. It names places, never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowError {
    /// The bytes are not rows of these columns.
    Garbled(&'static str),
    /// A value that its column's type cannot hold. Of several, that of the first row of its block
    /// and the first column; but texts that are not UTF-8 are looked for last.
    Value {
        /// Place of the column.
        column: usize,
        /// Row within the block, from 0.
        row: usize,
        /// What is wrong.
        broken: Broken,
    },
}

/// How the rows of a query become batches: made once, used for every batch, on any thread.
#[derive(Clone, Debug)]
pub struct RowDecoder {
    columns: Arc<[BinaryColumn]>,
    schema: SchemaRef,
}

impl RowDecoder {
    /// A decoder of rows with these columns.
    pub fn new(columns: Vec<BinaryColumn>) -> Self {
        let fields: Vec<_> =
            columns.iter().map(|column| column.canonical.field(&column.name)).collect();
        Self { columns: columns.into(), schema: Arc::new(Schema::new(fields)) }
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[BinaryColumn] {
        &self.columns
    }

    /// Decodes all rows. Pure: made for a compute pool.
    ///
    /// # Nulls
    ///
    /// A NULL becomes a null; the zero date has a number of its own, see the canonical types.
    ///
    /// # Errors
    ///
    /// See [`RowError`]. A column whose form on the wire cannot be its type fails at its first value
    /// that is not NULL.
    pub fn decode(&self, rows: &Rows) -> Result<RecordBatch, RowError> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        self.decode_some(rows, 0..rows.packets.len(), &all)
    }

    /// As [`Self::decode`], of some rows and of the columns at these places.
    ///
    /// # Errors
    ///
    /// Those of [`Self::decode`]; the columns and rows that they name are counted among all.
    pub fn decode_some(
        &self,
        rows: &Rows,
        range: Range<usize>,
        places: &[usize],
    ) -> Result<RecordBatch, RowError> {
        let packets = rows.packets.get(range.clone()).unwrap_or_default();
        let mut columns = self.builders(packets.len(), rows.bytes.len(), places);
        let mut walk = Places::new(self.columns.iter().map(|column| column.wire), BLOCK_ROWS);
        let mut done = range.start;
        for block in packets.chunks(BLOCK_ROWS) {
            walk.walk(&rows.bytes, block).map_err(RowError::Garbled)?;
            append(&mut columns, &rows.bytes, &walk, done)?;
            done += block.len();
        }
        let mut first = None;
        let mut arrays = Vec::with_capacity(places.len());
        for Building { place, builder, .. } in columns {
            match builder.map(ColumnBuilder::finish) {
                Some(Ok(array)) => arrays.push(array),
                Some(Err(broken)) => first = earlier(first, place, broken, range.start),
                None => arrays.push(self.nothing(place, packets.len())),
            }
        }
        if let Some(error) = first {
            return Err(error);
        }
        let schema = match self.schema.project(places) {
            Ok(schema) => Arc::new(schema),
            Err(_place) => return Err(RowError::Garbled("no such column")),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(packets.len()));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|_shape| RowError::Garbled("columns of different lengths"))
    }

    fn builders(&self, rows: usize, bytes: usize, places: &[usize]) -> Vec<Building> {
        let room = Room { rows, bytes: bytes / self.columns.len().max(SHARES_MIN) };
        let of = |place: &usize| {
            let column = self.columns.get(*place)?;
            Some(Building { place: *place, builder: builder(column, room) })
        };
        places.iter().filter_map(of).collect()
    }

    /// A column of NULLs only, of which it does not matter how others would stand on the wire.
    fn nothing(&self, place: usize, rows: usize) -> arrow_array::ArrayRef {
        let data_type = self.columns.get(place).map(|column| column.canonical.arrow());
        arrow_array::new_null_array(&data_type.unwrap_or(arrow_schema::DataType::Null), rows)
    }
}

/// A column on its way; without a builder, only NULLs can be.
struct Building {
    place: usize,
    builder: Option<Box<dyn ColumnBuilder>>,
}

/// Appends a block of rows, the first of which is the `done`th; the error is that of the first row
/// that has one.
fn append(
    columns: &mut [Building],
    bytes: &[u8],
    walk: &Places,
    done: usize,
) -> Result<(), RowError> {
    let mut first = None;
    for Building { place, builder } in columns {
        let places = walk.column(*place);
        let appended = match builder {
            Some(builder) => builder.append(bytes, places, walk.has_nulls()),
            None => match places.iter().position(|place| *place != super::places::NULL) {
                Some(row) => Err((row, Broken::OtherType)),
                None => Ok(()),
            },
        };
        if let Err(broken) = appended {
            first = earlier(first, *place, broken, done);
        }
    }
    first.map_or(Ok(()), Err)
}

/// The error of the earlier row; of one row, that of its first column, which is looked at first.
fn earlier(
    first: Option<RowError>,
    column: usize,
    (row, broken): BrokenAt,
    done: usize,
) -> Option<RowError> {
    match first {
        Some(RowError::Value { row: earlier, .. }) if earlier <= done + row => first,
        _ => Some(RowError::Value { column, row: done + row, broken }),
    }
}
