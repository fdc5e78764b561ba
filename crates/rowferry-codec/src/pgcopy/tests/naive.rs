//! The obvious encoder: one row after another, one cell after another, numerics from their text.

use arrow_array::{Array, RecordBatch, cast::AsArray, types::*};
use rowferry_core::CanonicalType as C;

use super::super::ColumnCodec;

pub(super) fn encode(columns: &[ColumnCodec], batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        out.extend(i16::try_from(columns.len()).unwrap().to_be_bytes());
        for (column, array) in columns.iter().zip(batch.columns()) {
            if array.is_null(row) {
                out.extend((-1_i32).to_be_bytes());
                continue;
            }
            let cell = cell(&column.canonical, array.as_ref(), row);
            out.extend(i32::try_from(cell.len()).unwrap().to_be_bytes());
            out.extend(cell);
        }
    }
    out
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the test has no columns of other types")]
fn cell(canonical: &C, array: &dyn Array, row: usize) -> Vec<u8> {
    match canonical {
        C::Boolean => vec![array.as_boolean().value(row).into()],
        C::Int16 => array.as_primitive::<Int16Type>().value(row).to_be_bytes().into(),
        C::Int32 => array.as_primitive::<Int32Type>().value(row).to_be_bytes().into(),
        C::Int64 => array.as_primitive::<Int64Type>().value(row).to_be_bytes().into(),
        C::Float64 => array.as_primitive::<Float64Type>().value(row).to_be_bytes().into(),
        C::Decimal { precision, .. } if *precision > 38 => {
            numeric(&array.as_primitive::<Decimal256Type>().value_as_string(row))
        }
        C::Decimal { .. } => numeric(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        C::DecimalText => numeric(array.as_string::<i32>().value(row)),
        C::Text { .. } => array.as_string::<i32>().value(row).into(),
        C::Binary { .. } => array.as_binary::<i32>().value(row).into(),
        C::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            let is_infinite = days == i32::MAX || days == i32::MIN;
            (if is_infinite { days } else { days - 10_957 }).to_be_bytes().into()
        }
        C::Timestamp { .. } => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let is_infinite = micros == i64::MAX || micros == i64::MIN;
            (if is_infinite { micros } else { micros - 946_684_800_000_000 }).to_be_bytes().into()
        }
        C::Uuid => array.as_fixed_size_binary().value(row).into(),
        C::Bits { bits } => {
            let value = array.as_primitive::<UInt64Type>().value(row);
            let mut text: String =
                format!("{value:064b}").chars().skip(64 - usize::from(*bits)).collect();
            while !text.len().is_multiple_of(8) {
                text.push('0');
            }
            let mut bytes = u32::from(*bits).to_be_bytes().to_vec();
            for byte in text.as_bytes().chunks(8) {
                bytes.push(u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap());
            }
            bytes
        }
        _ => panic!("not part of this test"),
    }
}

/// Pads the text to whole groups on both sides of the point and reads them off.
fn numeric(text: &str) -> Vec<u8> {
    let (sign, text) = text.strip_prefix('-').map_or((0_u16, text), |text| (0x4000, text));
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let integer_width = integer.len().div_ceil(4) * 4;
    let fraction_width = fraction.len().div_ceil(4) * 4;
    let digits = format!("{integer:0>integer_width$}{fraction:0<fraction_width$}");
    let mut groups: Vec<u16> = digits
        .as_bytes()
        .chunks(4)
        .map(|group| str::from_utf8(group).unwrap().parse().unwrap())
        .collect();
    let mut weight = i16::try_from(integer_width / 4).unwrap() - 1;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    let (sign, weight) = if groups.is_empty() { (0, 0) } else { (sign, weight) };
    let mut out = u16::try_from(groups.len()).unwrap().to_be_bytes().to_vec();
    out.extend(weight.to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(u16::try_from(fraction.len()).unwrap().to_be_bytes());
    out.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
    out
}
