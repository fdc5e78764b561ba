//! Where the connector meets the codec: columns of the catalogue, errors with a class, buffers.

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use rowferry_codec::pgcopy::{
    CodecError, ColumnCodec, DecodePlan, Encoder, HEADER, TRAILER, Tuples,
};
use rowferry_core::{
    CanonicalType, Column, ColumnPlan, ConnectorError, ErrorClass, Result, TableRef,
};

use crate::types::Words;
use crate::ways::{self, Way};

/// Bytes of one buffer on its way to the server: large enough that per-message costs vanish, small
/// enough to stay in the cache between the encoder and the socket.
const BUFFER_BYTES: usize = 4 << 20;

/// A column of the codec; `way` is `None` where nothing leads from one side to the other.
fn codec(
    column: &Column,
    canonical: Option<&CanonicalType>,
    way: Option<Way>,
) -> Result<ColumnCodec> {
    match (canonical, way) {
        (Some(canonical), Some(way)) => Ok(ColumnCodec {
            name: column.name.clone(),
            canonical: canonical.clone(),
            pg: way.pg_type(),
        }),
        _ => Err(ConnectorError::new(
            ErrorClass::Setup,
            "type-mismatch",
            format!(
                "column {:?}: no exact way between {} and {}",
                column.name,
                canonical.map_or_else(|| "no meaning".to_owned(), CanonicalType::name),
                column.native.declared
            ),
        )
        .with_column(&column.name)
        .with_next("Cast the column to text, or leave it out with `exclude`.")),
    }
}

/// Tuples into batches.
#[derive(Clone)]
pub(crate) struct ChunkDecoder {
    plan: DecodePlan,
    table: TableRef,
}

impl ChunkDecoder {
    pub(crate) fn new(table: &TableRef, columns: &[Column]) -> Result<Self> {
        let columns: Vec<ColumnCodec> = columns
            .iter()
            .map(|column| codec(column, column.canonical.as_ref(), ways::reading(column)))
            .collect::<Result<_>>()?;
        let plan = DecodePlan::new(&columns).map_err(failed("read", table))?;
        Ok(Self { plan, table: table.clone() })
    }

    pub(crate) fn decode(&self, tuples: &Tuples) -> Result<RecordBatch> {
        self.plan.decode(&tuples.bytes, tuples.rows).map_err(failed("read", &self.table))
    }
}

/// Batches into tuples, for one target table.
#[derive(Clone)]
pub(crate) struct ChunkEncoder {
    encoder: Encoder,
    table: TableRef,
}

impl ChunkEncoder {
    pub(crate) fn new(table: &TableRef, columns: &[&ColumnPlan], words: &Words) -> Result<Self> {
        let columns: Vec<ColumnCodec> = columns
            .iter()
            .map(|column| codec(&column.target, column.written(), ways::writing(words, column)))
            .collect::<Result<_>>()?;
        let encoder = Encoder::new(&columns).map_err(failed("write", table))?;
        Ok(Self { encoder, table: table.clone() })
    }

    /// The rows of `batch` in buffers of about [`BUFFER_BYTES`].
    pub(crate) fn encode(&self, batch: &RecordBatch) -> Result<Vec<Bytes>> {
        let rows = batch.num_rows();
        let size = batch.get_array_memory_size().max(1);
        let pieces = size.div_ceil(BUFFER_BYTES).clamp(1, rows.max(1));
        let step = rows.div_ceil(pieces).max(1);
        (0..rows)
            .step_by(step)
            .map(|from| {
                let mut buffer = BytesMut::with_capacity(size / pieces);
                let piece = batch.slice(from, step.min(rows - from));
                self.encoder.encode(&piece, &mut buffer).map_err(failed("write", &self.table))?;
                Ok(buffer.freeze())
            })
            .collect()
    }

    pub(crate) fn header() -> Bytes {
        Bytes::from_static(HEADER)
    }

    pub(crate) fn trailer() -> Bytes {
        Bytes::from_static(TRAILER)
    }
}

/// Gives a codec error its class. The codec never puts values into its messages.
pub(crate) fn failed(word: &str, table: &TableRef) -> impl FnOnce(CodecError) -> ConnectorError {
    let attempt = format!("could not {word} table {table}");
    let writing = word == "write";
    move |error| {
        let (class, code) = match &error {
            // The engine may read the column again, by a wider meaning.
            CodecError::Value { unrepresentable: true, .. } => {
                (ErrorClass::Data, "unrepresentable")
            }
            CodecError::Value { .. } => (ErrorClass::Data, "value-refused"),
            CodecError::NoEncoding { .. } | CodecError::NoDecoding { .. } => {
                (ErrorClass::Setup, "type-mismatch")
            }
            CodecError::Stream { .. } => (ErrorClass::Transient, "malformed-stream"),
            CodecError::Batch(_) => (ErrorClass::Bug, "bug"),
        };
        let next = error.next();
        let ours = ConnectorError::new(class, code, format!("{attempt}: {error}"));
        match error.place() {
            // Which casts help with a value that cannot be written is known to the plan.
            Some((column, _)) if code == "value-refused" && writing => ours.with_column(column),
            Some((column, _)) => ours.with_column(column).with_next(next),
            None => ours.with_next(next),
        }
    }
}
