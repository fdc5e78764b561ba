//! What the rows of a query become, and what is said of those that cannot.

use arrow_array::RecordBatch;
use rowferry_codec::mysql_binary::{BinaryColumn, Broken, RowDecoder, RowError, Rows, WireType};
use rowferry_core::{Column, ConnectorError, ErrorClass, Result, TableRef};

use crate::types::Native;

/// Bytes of an offset, of which a value of any length has one.
const OFFSET_BYTES: usize = 4;

/// Whether labels are read by their numbers: the empty label looks like the error value.
pub(crate) fn by_number(labels: &[String]) -> bool {
    labels.iter().any(String::is_empty)
}

fn labels(column: &Column) -> Option<Vec<String>> {
    if let Native::Enum(labels) = Native::parse(&column.native.declared) {
        Some(labels)
    } else {
        None
    }
}

/// Decodes the rows of one query.
#[derive(Clone, Debug)]
pub(crate) struct ChunkDecoder {
    rows: RowDecoder,
    table: TableRef,
    /// Where the columns stand by which a bad row is told from others; none where they are not all
    /// read.
    key: Vec<usize>,
    enums: Vec<bool>,
}

impl ChunkDecoder {
    /// A decoder of `columns`, whose values stand on the wire as `wire` says.
    pub(crate) fn new(
        table: &TableRef,
        columns: &[Column],
        wire: &[Option<WireType>],
        key: &[String],
    ) -> Result<Self> {
        if wire.len() != columns.len() {
            return Err(garbled(table, "another number of columns than was asked for"));
        }
        let of = |(column, wire): (&Column, &Option<WireType>)| {
            let labels = labels(column).filter(|labels| by_number(labels));
            let canonical = column.canonical.clone().ok_or_else(|| {
                ConnectorError::bug(format!("column {:?} was planned without a type", column.name))
            })?;
            let wire = wire.ok_or_else(|| garbled(table, "a column of an unknown type"))?;
            Ok(BinaryColumn {
                name: column.name.clone(),
                canonical,
                wire,
                labels: labels.map(Into::into),
            })
        };
        let known = columns.iter().zip(wire).map(of).collect::<Result<Vec<_>>>()?;
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let key = key.iter().map(place).collect::<Option<Vec<_>>>().unwrap_or_default();
        let enums = columns.iter().map(|column| labels(column).is_some()).collect();
        Ok(Self { rows: RowDecoder::new(known), table: table.clone(), key, enums })
    }

    /// Bytes that each row has in a batch at least, NULLs or not.
    pub(crate) fn row_bytes(&self) -> usize {
        let of = |column: &BinaryColumn| {
            column.canonical.arrow().primitive_width().unwrap_or(OFFSET_BYTES)
        };
        self.rows.columns().iter().map(of).sum()
    }

    /// The batch of some rows, before which `rows_before` were read.
    pub(crate) fn decode(&self, rows: &Rows, rows_before: u64) -> Result<RecordBatch> {
        self.rows.decode(rows).map_err(|error| match error {
            RowError::Garbled(words) => garbled(&self.table, words),
            RowError::Value { column, row, broken } => {
                self.refused(rows, (column, row), broken, rows_before)
            }
        })
    }

    #[cold]
    fn refused(
        &self,
        rows: &Rows,
        (column, row): (usize, usize),
        broken: Broken,
        rows_before: u64,
    ) -> ConnectorError {
        let name = self.rows.columns().get(column).map_or("", |column| column.name.as_str());
        let place = rows_before + row as u64;
        let code =
            if broken.is_unrepresentable() { "unrepresentable" } else { "value-not-representable" };
        let message = format!("column {name:?}, row {place} of the chunk: {}", broken.reason());
        let next = if self.enums.get(column) == Some(&true) {
            "Correct the row in the source, or leave the column out: nothing under `casts` can \
             tell the error value from an empty text."
                .to_owned()
        } else {
            format!(
                "Correct the row in the source, or keep it as it is written: set under `casts` \
                 `{name}: \"text\"`."
            )
        };
        let error =
            ConnectorError::new(ErrorClass::Data, code, message).with_column(name).with_next(next);
        // Other columns may not be read, its own can.
        if self.key.is_empty() {
            return error;
        }
        match self.rows.decode_some(rows, row..row + 1, &self.key) {
            Ok(key) => error.with_key(key),
            Err(_broken_too) => error,
        }
    }
}

fn garbled(table: &TableRef, words: &str) -> ConnectorError {
    ConnectorError::new(ErrorClass::Transient, "garbled", format!("could not read table {table}"))
        .with_server(words)
}
