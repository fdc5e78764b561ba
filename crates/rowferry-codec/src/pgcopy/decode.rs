//! COPY tuples into Arrow batches.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;

use super::{
    BLOCK_ROWS, CodecError, ColumnCodec, RawTuples,
    columns::Heads,
    from_wire::{builder, can_decode},
};

/// How the tuples of a read become batches: checked once, used for every batch, on any thread.
#[derive(Clone, Debug)]
pub struct DecodePlan {
    columns: Arc<[ColumnCodec]>,
    schema: SchemaRef,
}

/// The room that a text column has at first is its equal share of the bytes, or that of one among
/// so many columns. Guessed: a table has a few text columns, and growing by doubling costs one copy.
const SHARES_MIN: usize = 8;

impl DecodePlan {
    /// A plan for tuples of these columns.
    ///
    /// # Errors
    ///
    /// [`CodecError::NoDecoding`] when the server's type is not delivered as the canonical type.
    pub fn new(columns: &[ColumnCodec]) -> Result<Self, CodecError> {
        if let Some(column) =
            columns.iter().find(|column| !can_decode(&column.canonical, &column.pg))
        {
            return Err(CodecError::no_decoding(column));
        }
        let fields: Vec<_> =
            columns.iter().map(|column| column.canonical.field(&column.name)).collect();
        Ok(Self { columns: columns.into(), schema: Arc::new(Schema::new(fields)) })
    }

    /// The Arrow schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes `rows` tuples that fill `bytes`. Pure: made for a compute pool.
    ///
    /// # Nulls
    ///
    /// A field of length −1 becomes a null; lengths of zero stay empty values.
    ///
    /// # Errors
    ///
    /// [`CodecError::Value`] for a value that the canonical type cannot hold,
    /// [`CodecError::Stream`] when the bytes are not exactly these tuples.
    pub fn decode(&self, bytes: &[u8], rows: usize) -> Result<RecordBatch, CodecError> {
        if i32::try_from(bytes.len()).is_err() {
            // Arrow's offsets are 32 bits wide; a batch is cut far below that.
            return Err(CodecError::Stream { rule: "more than 2 GiB in one batch" });
        }
        let share = bytes.len() / self.columns.len().max(SHARES_MIN);
        let mut builders: Vec<_> = self
            .columns
            .iter()
            .map(|column| {
                builder(&column.canonical, &column.pg, rows, share)
                    .ok_or_else(|| CodecError::no_decoding(column))
            })
            .collect::<Result<_, _>>()?;
        let widths = self.columns.iter().map(|column| column.pg.wire_bytes());
        let mut heads = Heads::new(widths, BLOCK_ROWS);
        let mut at = 0;
        let mut done = 0;
        while done < rows {
            let block = BLOCK_ROWS.min(rows - done);
            at = heads.walk(bytes, at, block)?;
            for (index, (builder, column)) in
                builders.iter_mut().zip(self.columns.iter()).enumerate()
            {
                builder
                    .append(bytes, heads.column(index))
                    .map_err(|(row, rule)| CodecError::value(&column.name, done + row, rule))?;
            }
            done += block;
        }
        if at != bytes.len() {
            return Err(CodecError::Stream { rule: "bytes behind the last tuple" });
        }
        let arrays = builders
            .into_iter()
            .zip(self.columns.iter())
            .map(|(builder, column)| {
                builder.finish().map_err(|(row, rule)| CodecError::value(&column.name, row, rule))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| CodecError::Batch(error.to_string()))
    }
}

/// Decodes `rows` tuples that fill `bytes`; [`DecodePlan`] does the same with the checks done once.
///
/// # Errors
///
/// Those of [`DecodePlan::new`] and [`DecodePlan::decode`].
pub fn decode(
    columns: &[ColumnCodec],
    bytes: &[u8],
    rows: usize,
) -> Result<RecordBatch, CodecError> {
    DecodePlan::new(columns)?.decode(bytes, rows)
}

/// Collector and plan in one, for a caller that decodes where it reads.
#[derive(Debug)]
pub struct Decoder {
    plan: DecodePlan,
    tuples: RawTuples,
}

impl Decoder {
    /// A decoder that stands before the header.
    ///
    /// # Errors
    ///
    /// [`CodecError::NoDecoding`], see [`DecodePlan::new`].
    pub fn new(columns: &[ColumnCodec]) -> Result<Self, CodecError> {
        Ok(Self { plan: DecodePlan::new(columns)?, tuples: RawTuples::new() })
    }

    /// The plan, for decoding elsewhere.
    pub fn plan(&self) -> &DecodePlan {
        &self.plan
    }

    /// Adds one message; see [`RawTuples::push`].
    ///
    /// # Errors
    ///
    /// [`CodecError::Stream`] when the bytes cannot belong to a COPY binary stream.
    #[expect(clippy::needless_pass_by_value, reason = "messages come as owned Bytes")]
    pub fn push(&mut self, message: Bytes) -> Result<(), CodecError> {
        self.tuples.push(&message)
    }

    /// Whole rows since the last batch.
    pub fn rows(&self) -> usize {
        self.tuples.rows()
    }

    /// Bytes since the last batch.
    pub fn bytes(&self) -> usize {
        self.tuples.bytes()
    }

    /// Whether the trailer was seen.
    pub fn is_finished(&self) -> bool {
        self.tuples.is_finished()
    }

    /// The whole rows collected so far as a batch; `None` when there are none.
    ///
    /// # Errors
    ///
    /// Those of [`DecodePlan::decode`].
    pub fn take_batch(&mut self) -> Result<Option<RecordBatch>, CodecError> {
        let tuples = self.tuples.take();
        if tuples.rows == 0 {
            return Ok(None);
        }
        self.plan.decode(&tuples.bytes, tuples.rows).map(Some)
    }
}
