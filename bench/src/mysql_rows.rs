//! Rows of MySQL's binary protocol into a batch.

use std::hint::black_box;

use anyhow::{Context as _, Result, bail, ensure};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use rowferry_codec::mysql_binary::{BinaryColumn, RowDecoder, Rows, WireType};
use rowferry_core::CanonicalType as C;
use rowferry_kernels::convert;

use crate::{case::Work, shape::ShapeColumn};

/// A packet's length and number stand before each row.
const HEAD_BYTES: usize = 4;

pub(crate) fn decode(columns: &[ShapeColumn], batch: &RecordBatch) -> Result<Work> {
    let known = columns.iter().map(known).collect::<Result<Vec<_>>>()?;
    let rows = sent_by_server(columns, batch)?;
    let decoder = RowDecoder::new(known);
    let same = |decoded: RecordBatch| decoded == *batch;
    let decoded = decoder.decode(&rows).map(same);
    ensure!(decoded == Ok(true), "a bench of a wrong codec says nothing: {decoded:?}");
    let bytes = rows.bytes.len();
    let work = move || {
        let decoded = decoder.decode(black_box(&rows));
        ensure!(black_box(decoded).is_ok(), "what was decoded once is decoded again");
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

/// The column as a table made for it would have it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the shapes have no other types")]
fn known(column: &ShapeColumn) -> Result<BinaryColumn> {
    let int = |bytes| WireType::Int { bytes, unsigned: false };
    let wire = match column.canonical {
        C::Int32 => int(4),
        C::Int64 => int(8),
        C::Float64 => WireType::Double,
        C::Decimal { .. } | C::Text { .. } => WireType::Bytes,
        C::Date | C::Timestamp { .. } => WireType::Date,
        _ => bail!("no column of MySQL for {}", column.canonical.name()),
    };
    let (name, canonical) = (column.name.clone(), column.canonical.clone());
    Ok(BinaryColumn { name, canonical, wire, labels: None })
}

fn sent_by_server(columns: &[ShapeColumn], batch: &RecordBatch) -> Result<Rows> {
    let text = C::Text { chars: None, fixed: false };
    let texts = columns
        .iter()
        .zip(batch.columns())
        .map(|(column, array)| Ok(convert(array, &column.canonical, &text)?.array))
        .collect::<Result<Vec<_>>>()?;
    let mut rows = Rows::default();
    for row in 0..batch.num_rows() {
        rows.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        let start = rows.bytes.len();
        let mut nulls = vec![0_u8; (columns.len() + 2).div_ceil(8)];
        let mut values = Vec::new();
        for (place, (column, arrays)) in
            columns.iter().zip(batch.columns().iter().zip(&texts)).enumerate()
        {
            if arrays.0.is_null(row) {
                let bit = place + 2;
                *nulls.get_mut(bit / 8).context("a bit for each column")? |= 1 << (bit % 8);
            } else {
                put(&mut values, &column.canonical, arrays, row)?;
            }
        }
        rows.bytes.push(0);
        rows.bytes.extend_from_slice(&nulls);
        rows.bytes.extend_from_slice(&values);
        rows.packets.push(u32::try_from(start)?..u32::try_from(rows.bytes.len())?);
    }
    Ok(rows)
}

/// Appends the value of a row, which stands in an array of its type and in one of texts.
#[expect(clippy::wildcard_enum_match_arm, reason = "`known` names the types")]
fn put(
    out: &mut Vec<u8>,
    canonical: &C,
    (array, texts): (&ArrayRef, &ArrayRef),
    row: usize,
) -> Result<()> {
    let text = texts.as_string::<i32>().value(row);
    match canonical {
        C::Int32 => {
            out.extend_from_slice(&array.as_primitive::<Int32Type>().value(row).to_le_bytes());
        }
        C::Int64 => {
            out.extend_from_slice(&array.as_primitive::<Int64Type>().value(row).to_le_bytes());
        }
        C::Float64 => {
            out.extend_from_slice(&array.as_primitive::<Float64Type>().value(row).to_le_bytes());
        }
        C::Date | C::Timestamp { .. } => put_moment(out, text)?,
        _ => {
            if let Ok(length @ 0..=250) = u8::try_from(text.len()) {
                out.push(length);
            } else {
                out.push(252);
                out.extend_from_slice(&u16::try_from(text.len())?.to_le_bytes());
            }
            out.extend_from_slice(text.as_bytes());
        }
    }
    Ok(())
}

/// The parts of `2024-02-29 12:30:00.000001`; those at the end that are zero are left out.
fn put_moment(out: &mut Vec<u8>, text: &str) -> Result<()> {
    let parts: Vec<&str> = text.split(['-', ' ', ':', '.']).collect();
    let part = |place: usize| -> Result<u32> {
        let digits = parts.get(place).copied().unwrap_or("0");
        // Digits behind the point count from its left.
        let digits = if place == 6 { format!("{digits:0<6}") } else { digits.to_owned() };
        Ok(digits.parse()?)
    };
    let mut bytes = u16::try_from(part(0)?)?.to_le_bytes().to_vec();
    for place in 1..6 {
        bytes.push(u8::try_from(part(place)?)?);
    }
    bytes.extend_from_slice(&part(6)?.to_le_bytes());
    let length = match bytes.get(4..) {
        Some([0, 0, 0, 0, 0, 0, 0]) => 4,
        Some([_, _, _, 0, 0, 0, 0]) => 7,
        _ => 11,
    };
    out.push(length);
    out.extend_from_slice(bytes.get(..length.into()).context("eleven bytes at most")?);
    Ok(())
}
