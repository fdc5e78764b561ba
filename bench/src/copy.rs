//! COPY binary, both ways.

use std::{hint::black_box, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use arrow_array::{RecordBatch, StringArray, cast::AsArray as _};
use bytes::{Bytes, BytesMut};
use rowferry_codec::pgcopy::{ColumnCodec, DecodePlan, Encoder, HEADER, PgType, RawTuples};
use rowferry_core::CanonicalType as C;

use crate::{case::Work, shape::ShapeColumn};

/// Messages, one per tuple as the server sends them, into whole tuples.
pub(crate) fn collect(columns: &[ShapeColumn], batch: &RecordBatch) -> Result<Work> {
    let wire = sent_by_server(columns, batch)?;
    let mut messages = Vec::with_capacity(batch.num_rows());
    let mut rest = wire.clone();
    while !rest.is_empty() {
        let length = tuple_length(&rest).context("a tuple is cut off")?;
        messages.push(rest.split_to(length));
    }
    let work = move || {
        let mut tuples = RawTuples::new();
        tuples.push(HEADER)?;
        messages.iter().try_for_each(|message| tuples.push(message))?;
        black_box(tuples.take());
        Ok(())
    };
    Ok((wire.len(), Box::new(work)))
}

pub(crate) fn decode(columns: &[ShapeColumn], batch: &RecordBatch) -> Result<Work> {
    let codecs = codecs(columns)?;
    let (wire, rows) = (sent_by_server(columns, batch)?, batch.num_rows());
    let plan = DecodePlan::new(&codecs)?;
    ensure!(plan.decode(&wire, rows)? == *batch, "a bench of a wrong codec says nothing");
    let bytes = wire.len();
    let work = move || {
        black_box(plan.decode(black_box(&wire), rows)?);
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

pub(crate) fn encode(columns: &[ShapeColumn], batch: RecordBatch) -> Result<Work> {
    let codecs = codecs(columns)?;
    let bytes = wire_of(&codecs, &batch)?.len();
    let encoder = Encoder::new(&codecs)?;
    let mut out = BytesMut::new();
    let work = move || {
        out.clear();
        encoder.encode(black_box(&batch), &mut out)?;
        black_box(&out);
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

/// The tuples as the server sends them: with `char(n)` padded, which the encoder never writes.
fn sent_by_server(columns: &[ShapeColumn], batch: &RecordBatch) -> Result<Bytes> {
    let mut codecs = codecs(columns)?;
    let mut arrays = batch.columns().to_vec();
    for ((column, codec), array) in columns.iter().zip(&mut codecs).zip(&mut arrays) {
        if let C::Text { chars: Some(chars), fixed: true } = column.canonical {
            let pad = |text: &str| format!("{text:width$}", width = chars as usize);
            let padded: StringArray =
                array.as_string::<i32>().iter().map(|text| text.map(pad)).collect();
            *array = Arc::new(padded);
            codec.pg = PgType::Text;
        }
    }
    wire_of(&codecs, &RecordBatch::try_new(batch.schema(), arrays)?)
}

fn wire_of(codecs: &[ColumnCodec], batch: &RecordBatch) -> Result<Bytes> {
    let mut out = BytesMut::new();
    Encoder::new(codecs)?.encode(batch, &mut out)?;
    Ok(out.freeze())
}

/// The columns as a table made for them would have them.
fn codecs(columns: &[ShapeColumn]) -> Result<Vec<ColumnCodec>> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the shapes have no other types")]
    let codec = |column: &ShapeColumn| {
        let pg = match column.canonical {
            C::Int32 => PgType::Int4,
            C::Int64 => PgType::Int8,
            C::Float64 => PgType::Float8,
            C::Decimal { precision, scale } => {
                PgType::Numeric { precision_scale: Some((precision.into(), scale.into())) }
            }
            C::Text { chars, fixed: true } => PgType::Bpchar { chars },
            C::Text { chars: None, fixed: false } => PgType::Text,
            C::Text { chars, fixed: false } => PgType::Varchar { chars },
            C::Date => PgType::Date,
            C::Timestamp { digits } => PgType::Timestamp { digits },
            _ => bail!("no column of PostgreSQL for {}", column.canonical.name()),
        };
        Ok(ColumnCodec { name: column.name.clone(), canonical: column.canonical.clone(), pg })
    };
    columns.iter().map(codec).collect()
}

fn tuple_length(bytes: &[u8]) -> Option<usize> {
    let count = i16::from_be_bytes(*bytes.first_chunk()?);
    let mut at = 2;
    for _ in 0..count {
        let length = i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
        at += 4 + usize::try_from(length).unwrap_or(0);
    }
    Some(at)
}
