//! What MySQL and MariaDB read.

use std::hint::black_box;

use anyhow::{Result, bail};
use arrow_array::RecordBatch;
use rowferry_codec::mysql_text::{Repertoire, TextColumn, TextEncoder, TextForm, TextRule};
use rowferry_core::CanonicalType as C;

use crate::{case::Work, shape::ShapeColumn};

/// Check and text, as the writer does them.
pub(crate) fn load(columns: &[ShapeColumn], batch: RecordBatch) -> Result<Work> {
    let encoder = TextEncoder::new(rules(columns)?, TextForm::Load);
    let mut out = Vec::new();
    encoder.append(&batch, &mut out)?;
    let bytes = out.len();
    let work = move || {
        out.clear();
        encoder.check(black_box(&batch), 0)?;
        encoder.append(&batch, &mut out)?;
        black_box(&out);
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

/// Literals alone: the check is that of [`load`].
pub(crate) fn insert(columns: &[ShapeColumn], batch: RecordBatch) -> Result<Work> {
    let encoder = TextEncoder::new(rules(columns)?, TextForm::Insert);
    let mut out = Vec::new();
    encoder.append(&batch, &mut out)?;
    let bytes = out.len();
    let work = move || {
        out.clear();
        encoder.append(black_box(&batch), &mut out)?;
        black_box(&out);
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

/// The columns as a table made for them would have them.
fn rules(columns: &[ShapeColumn]) -> Result<Vec<TextColumn>> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the shapes have no other types")]
    let rule = |column: &ShapeColumn| {
        let rule = match column.canonical {
            C::Int32 => TextRule::Integer { min: i32::MIN.into(), max: i32::MAX.into() },
            C::Int64 => TextRule::Integer { min: i64::MIN.into(), max: i64::MAX.into() },
            C::Float64 => TextRule::Float,
            C::Decimal { precision, scale } => TextRule::Decimal { precision, scale },
            C::Text { chars, fixed } => TextRule::Text {
                chars_max: chars,
                bytes_max: chars.is_none().then_some(u32::MAX.into()),
                repertoire: Repertoire::All,
                blanks_dropped: fixed,
            },
            C::Date => TextRule::Date { zero: false },
            C::Timestamp { digits } => TextRule::DateTime { digits, zero: false, range: None },
            _ => bail!("no column of MySQL for {}", column.canonical.name()),
        };
        Ok(TextColumn { name: column.name.clone(), nullable: true, rule })
    };
    columns.iter().map(rule).collect()
}
