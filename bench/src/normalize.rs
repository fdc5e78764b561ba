//! Columns against their limits, and columns to text.

use std::hint::black_box;

use anyhow::{Result, bail, ensure};
use arrow_array::{Array, RecordBatch};
use rowferry_core::{CanonicalType as C, Policy, ValueLimits};
use rowferry_kernels::{convert, normalize};

use crate::{case::Work, row_hashes::arrow_bytes, shape::ShapeColumn};

/// 0001-01-01 and 9999-12-31 in days since 1970.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;
const DAY_MICROS: i64 = 86_400_000_000;

/// Limits that all values keep but the type alone does not: each column is looked through.
pub(crate) fn keep(columns: &[ShapeColumn], batch: RecordBatch) -> Result<Work> {
    let limits =
        columns.iter().map(|column| limits(&column.canonical)).collect::<Result<Vec<_>>>()?;
    let bytes = arrow_bytes(&batch)?;
    let work = move || {
        for (array, limits) in batch.columns().iter().zip(&limits) {
            let done = normalize(black_box(array), Vec::new(), limits, &Policy::Clamp)?;
            ensure!(done.misfits.is_empty() && done.applied.is_empty(), "every value fits");
        }
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

pub(crate) fn texts(columns: Vec<ShapeColumn>, batch: RecordBatch) -> Result<Work> {
    let text = C::Text { chars: None, fixed: false };
    let convert_all = move || {
        let mut bytes = 0;
        for (array, column) in batch.columns().iter().zip(&columns) {
            let converted = convert(black_box(array), &column.canonical, &text)?;
            bytes += converted.array.to_data().get_slice_memory_size()?;
        }
        Ok::<_, anyhow::Error>(bytes)
    };
    let bytes = convert_all()?;
    let work = move || {
        black_box(convert_all()?);
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the shapes have no other types")]
fn limits(canonical: &C) -> Result<ValueLimits> {
    let temporal = |unit: i64| ValueLimits::Temporal {
        min: FIRST_DAY * unit,
        max: (LAST_DAY + 1) * unit - 1,
        infinite: false,
        zero: false,
        digits: 6,
    };
    Ok(match canonical {
        C::Int32 => ValueLimits::Integer { min: (i32::MIN + 1).into(), max: i32::MAX.into() },
        C::Int64 => ValueLimits::Integer { min: (i64::MIN + 1).into(), max: i64::MAX.into() },
        C::Float64 => ValueLimits::Float { nan: false, infinite: false },
        C::Decimal { precision, scale } => ValueLimits::Decimal {
            precision: u32::from(*precision) - 1,
            scale: (*scale).into(),
            nan: false,
            infinite: false,
        },
        C::Text { chars, fixed } => ValueLimits::Text {
            chars: chars.map(Into::into),
            bytes: None,
            nul: false,
            bmp_only: true,
            no_trailing_blank: *fixed,
        },
        C::Date => temporal(1),
        C::Timestamp { .. } => temporal(DAY_MICROS),
        _ => bail!("no limits for {}", canonical.name()),
    })
}
