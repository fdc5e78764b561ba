//! Where the connector meets the codec: columns of the catalogue, errors with a class, buffers.

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use rowferry_codec::pgcopy::{
    self, CodecError, ColumnCodec, DecodePlan, Encoder, HEADER, TRAILER, Tuples,
};
use rowferry_core::{
    CanonicalType, Column, ColumnPlan, ConnectorError, ErrorClass, Result, TableRef,
};

use crate::types::pg_type;

/// Bytes of one buffer on its way to the server: large enough that per-message costs vanish, small
/// enough to stay in the cache between the encoder and the socket.
const BUFFER_BYTES: usize = 4 << 20;

/// Whether values of this meaning can be written to a column that exists.
pub(crate) fn fits(canonical: &CanonicalType, existing: &Column) -> bool {
    pg_type(existing).is_some_and(|pg| pgcopy::can_encode(canonical, &pg))
}

fn codec(canonical: Option<&CanonicalType>, column: &Column) -> Result<ColumnCodec> {
    match (canonical, pg_type(column)) {
        (Some(canonical), Some(pg)) => {
            Ok(ColumnCodec { name: column.name.clone(), canonical: canonical.clone(), pg })
        }
        _ => Err(ConnectorError::new(
            ErrorClass::Setup,
            "unmapped-type",
            format!(
                "column {:?}: type {} is not supported yet",
                column.name, column.native.declared
            ),
        )
        .with_next("Leave the column out with `exclude`.")),
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
            .map(|column| codec(column.canonical.as_ref(), column))
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
    pub(crate) fn new(table: &TableRef, columns: &[ColumnPlan]) -> Result<Self> {
        let columns: Vec<ColumnCodec> = columns
            .iter()
            .map(|column| codec(column.source.canonical.as_ref(), &column.target))
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
    move |error| {
        let (class, code) = match &error {
            CodecError::Value { .. } => (ErrorClass::Data, "value-refused"),
            CodecError::NoEncoding { .. } | CodecError::NoDecoding { .. } => {
                (ErrorClass::Setup, "type-mismatch")
            }
            CodecError::Stream { .. } => (ErrorClass::Transient, "malformed-stream"),
            CodecError::Batch(_) => (ErrorClass::Bug, "bug"),
        };
        let next = error.next();
        ConnectorError::new(class, code, format!("{attempt}: {error}")).with_next(next)
    }
}
