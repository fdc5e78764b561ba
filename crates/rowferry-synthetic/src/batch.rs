//! Rows by number → Arrow columns. One match per column, then a plain loop.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, FixedSizeBinaryBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, PrimitiveArray, RecordBatch, RecordBatchOptions,
};
use arrow_schema::Schema;
use rowferry_core::{CanonicalType, ConnectorError, Result};

use crate::dice::Dice;
use crate::table::{Fill, Recipe, Table};

/// The values of `columns` (indexes into the recipes) in `rows`.
///
/// # Nulls
///
/// As each recipe says.
pub(crate) fn build(
    table: &Table,
    seed: u64,
    columns: &[usize],
    rows: &[u64],
) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for &index in columns {
        let recipe = table
            .recipes
            .get(index)
            .ok_or_else(|| ConnectorError::bug(format!("no column {index} in {}", table.name)))?;
        fields.push(recipe.canonical.field(&recipe.name));
        arrays.push(column(recipe, Dice::new(seed, table.name, index), rows)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(
        |error| {
            ConnectorError::bug(format!("a generated batch of {} does not fit", table.name))
                .with_source(error)
        },
    )
}

fn column(recipe: &Recipe, dice: Dice, rows: &[u64]) -> Result<ArrayRef> {
    let cells = || rows.iter().map(|&row| (!recipe.nulls.has(row)).then(|| (row, dice.roll(row))));
    Ok(match recipe.fill {
        Fill::Int(fill) => {
            return integers(recipe, cells().map(|cell| cell.map(|(row, r)| fill(row, r))));
        }
        Fill::Unsigned(fill) => Arc::new(
            cells()
                .map(|cell| cell.map(|(row, r)| fill(row, r)))
                .collect::<PrimitiveArray<UInt64Type>>(),
        ),
        Fill::Float(fill) => floats(recipe, cells().map(|cell| cell.map(|(row, r)| fill(row, r))))?,
        Fill::Bool(fill) => Arc::new(
            cells().map(|cell| cell.map(|(row, r)| fill(row, r))).collect::<BooleanArray>(),
        ),
        Fill::Decimal(fill) => Arc::new(
            cells()
                .map(|cell| cell.map(|(row, r)| fill(row, r)))
                .collect::<Decimal128Array>()
                .with_data_type(recipe.canonical.arrow()),
        ),
        Fill::Text(fill) => {
            let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * 16);
            let mut buffer = String::new();
            for cell in cells() {
                builder.append_option(cell.map(|(row, r)| {
                    buffer.clear();
                    fill(row, r, &mut buffer);
                    buffer.as_str()
                }));
            }
            Arc::new(builder.finish())
        }
        Fill::Bytes(fill) => {
            let mut builder = BinaryBuilder::with_capacity(rows.len(), rows.len() * 16);
            let mut buffer = Vec::new();
            for cell in cells() {
                builder.append_option(cell.map(|(row, r)| {
                    buffer.clear();
                    fill(row, r, &mut buffer);
                    buffer.as_slice()
                }));
            }
            Arc::new(builder.finish())
        }
        Fill::Uuid(fill) => {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(rows.len(), 16);
            for cell in cells() {
                match cell {
                    Some((row, r)) => builder.append_value(fill(row, r)).map_err(|error| {
                        ConnectorError::bug("a generated uuid has not 16 bytes").with_source(error)
                    })?,
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
    })
}

fn integers(recipe: &Recipe, cells: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
    use CanonicalType as T;
    Ok(match &recipe.canonical {
        T::Int8 => narrow::<Int8Type>(cells),
        T::Int16 => narrow::<Int16Type>(cells),
        T::Int32 => narrow::<Int32Type>(cells),
        T::Int64 => narrow::<Int64Type>(cells),
        T::UInt8 => narrow::<UInt8Type>(cells),
        T::UInt16 => narrow::<UInt16Type>(cells),
        T::UInt32 => narrow::<UInt32Type>(cells),
        T::Date => narrow::<Date32Type>(cells),
        T::Time { .. } => narrow::<Time64MicrosecondType>(cells),
        T::Timestamp { .. } => narrow::<TimestampMicrosecondType>(cells),
        T::Instant { .. } => {
            let array: PrimitiveArray<TimestampMicrosecondType> = cells.collect();
            Arc::new(array.with_timezone("UTC"))
        }
        T::Boolean
        | T::UInt64
        | T::Float32
        | T::Float64
        | T::Decimal { .. }
        | T::DecimalText
        | T::Text { .. }
        | T::Binary { .. }
        | T::Duration { .. }
        | T::Uuid
        | T::Json { .. }
        | T::Bits { .. }
        | T::Enum { .. }
        | T::Set { .. }
        | T::BitString { .. }
        | T::Interval
        | T::TimeTz
        | T::List { .. }
        | T::Geometry { .. }
        | T::Opaque { .. }
        | T::Variant => return Err(misfit(recipe)),
    })
}

/// A value outside the type would be an error of a recipe; the test of all recipes looks for NULLs
/// that nobody asked for.
fn narrow<T: ArrowPrimitiveType>(cells: impl Iterator<Item = Option<i64>>) -> ArrayRef
where
    T::Native: TryFrom<i64>,
{
    let values = cells.map(|cell| cell.and_then(|value| T::Native::try_from(value).ok()));
    Arc::new(values.collect::<PrimitiveArray<T>>())
}

fn floats(recipe: &Recipe, cells: impl Iterator<Item = Option<f64>>) -> Result<ArrayRef> {
    #[expect(clippy::cast_possible_truncation, reason = "recipes of float32 are exact in it")]
    let short = |value: f64| value as f32;
    if recipe.canonical == CanonicalType::Float32 {
        let values = cells.map(|cell| cell.map(short));
        Ok(Arc::new(values.collect::<PrimitiveArray<Float32Type>>()))
    } else if recipe.canonical == CanonicalType::Float64 {
        Ok(Arc::new(cells.collect::<PrimitiveArray<Float64Type>>()))
    } else {
        Err(misfit(recipe))
    }
}

fn misfit(recipe: &Recipe) -> ConnectorError {
    ConnectorError::bug(format!(
        "the recipe of column {} does not make {}",
        recipe.name,
        recipe.canonical.name()
    ))
}
