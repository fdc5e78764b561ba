//! Tests of the whole codec.

mod every_type;
mod golden;
mod mutation;
mod naive;
mod recorded;
mod render;
mod rewrite;
mod round_trip;
mod rules;
mod splits;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use bytes::BytesMut;
use rowferry_core::CanonicalType;

use super::{CodecError, ColumnCodec, Encoder, PgType};

pub(super) fn column(name: &str, canonical: CanonicalType, pg: PgType) -> ColumnCodec {
    ColumnCodec { name: name.to_owned(), canonical, pg }
}

pub(super) fn batch(columns: &[ColumnCodec], arrays: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<_> = columns.iter().map(|c| c.canonical.field(&c.name)).collect();
    let rows = arrays.first().map_or(0, |array| array.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}

pub(super) fn encode(columns: &[ColumnCodec], rows: &RecordBatch) -> Result<Vec<u8>, CodecError> {
    let mut out = BytesMut::new();
    Encoder::new(columns)?.encode(rows, &mut out)?;
    Ok(out.to_vec())
}
