//! Arrow columns → columns of cells, each in the storage class and the text that its column keeps.
//!
//! Done for a whole batch on the compute pool, before the thread that writes sees it: that thread
//! is the one thing a SQLite file cannot have two of. What is stored as it lies in Arrow (text,
//! bytes, integers of 64 bits) is shared; only the rest is made.

mod numbers;
#[cfg(test)]
pub(crate) mod tests;
mod text;

use std::ops::Range;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{
    Array, BinaryArray, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use rowferry_codec::digits;
use rowferry_core::{CanonicalType, ConnectorError, Prepared, Result};
use rusqlite::types::ValueRef;

use crate::affinity::{Affinity, looks_numeric};
use crate::error::setup;
use crate::fit::{Binding, binding};
use crate::{decimal, iso, period, wire};
use numbers::{Number, decimals, integers, large_integers, numbers, reals, within};
use text::{clocks, dates, slow_text, text, timestamps};

/// A batch as cells.
pub(crate) struct Columns {
    rows: usize,
    columns: Vec<Column>,
}

/// Why a value cannot be stored: words that hold no value.
type Words = &'static str;

/// A value that its column would not keep.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotKept {
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) words: Words,
}

/// Why there are no cells.
pub(crate) enum NoColumns {
    /// The batch and its plan do not go together.
    Plan(ConnectorError),
    NotKept(NotKept),
}

impl Columns {
    /// The cells of `batch`, whose columns are those of `prepared`.
    pub(crate) fn of(prepared: &Prepared, batch: &RecordBatch) -> Result<Self, NoColumns> {
        if batch.num_columns() != prepared.columns.len() {
            let wrong = ConnectorError::bug("a batch has other columns than its plan");
            return Err(NoColumns::Plan(wrong));
        }
        let mut columns = Vec::with_capacity(prepared.columns.len());
        for (index, (planned, array)) in prepared.columns.iter().zip(batch.columns()).enumerate() {
            let wrong = || {
                NoColumns::Plan(ConnectorError::bug(format!(
                    "column {:?} of a batch is not stored as its plan says",
                    planned.target.name
                )))
            };
            let meaning = planned.written().ok_or_else(wrong)?;
            let binding = binding(meaning, &planned.source.native, &planned.target.native)
                .map_err(|message| NoColumns::Plan(setup("type-does-not-fit", message)))?;
            let not_kept = |(row, words)| NoColumns::NotKept(NotKept { row, column: index, words });
            columns.push(
                Column::of(array.as_ref(), meaning, binding)
                    .ok_or_else(wrong)?
                    .map_err(not_kept)?,
            );
        }
        Ok(Self { rows: batch.num_rows(), columns })
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// The cell of a row; NULL where there is none.
    #[inline]
    pub(crate) fn cell(&self, row: usize, column: usize) -> ValueRef<'_> {
        self.columns.get(column).map_or(ValueRef::Null, |column| column.cell(row))
    }

    /// Calls `look` with each of these rows and its cell of a column; `None` = there is no such column, or
    /// there are not so many rows.
    #[inline]
    pub(crate) fn each<'a>(
        &'a self,
        column: usize,
        rows: Range<usize>,
        look: impl FnMut(usize, ValueRef<'a>),
    ) -> Option<()> {
        if rows.end > self.rows {
            return None;
        }
        self.columns.get(column)?.each(rows, look);
        Some(())
    }

    /// Whether each cell of a column keeps its class in a column of this affinity, whatever its value.
    pub(crate) fn is_kept(&self, column: usize, affinity: Affinity) -> bool {
        let cells = self.columns.get(column).map(|column| &column.cells);
        match (cells, affinity) {
            (Some(_), Affinity::None)
            | (Some(Cells::Integers(_)), Affinity::Integer | Affinity::Numeric)
            | (Some(Cells::Reals(_)), Affinity::Real)
            | (Some(Cells::Text(_)), Affinity::Text)
            | (Some(Cells::Bytes(_) | Cells::Sixteen(_)), _) => true,
            (Some(_) | None, _) => false,
        }
    }
}

/// One column of cells.
struct Column {
    nulls: Option<NullBuffer>,
    cells: Cells,
}

enum Cells {
    Integers(Int64Array),
    Reals(Float64Array),
    /// Where integers and doubles stand beside each other.
    Numbers(Vec<Number>),
    Text(BinaryArray),
    Bytes(BinaryArray),
    Sixteen(FixedSizeBinaryArray),
    Variants(BinaryArray),
}

type Made = Result<Cells, (usize, Words)>;

impl Column {
    /// `None` when the array is stored in another way than its meaning says.
    fn of(
        array: &dyn Array,
        meaning: &CanonicalType,
        binding: Binding,
    ) -> Option<Result<Self, (usize, Words)>> {
        let made = cells(array, meaning, binding)?;
        Some(made.map(|cells| Self { nulls: array.nulls().cloned(), cells }))
    }

    #[inline]
    fn cell(&self, row: usize) -> ValueRef<'_> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return ValueRef::Null;
        }
        match &self.cells {
            Cells::Integers(array) => ValueRef::Integer(array.value(row)),
            Cells::Text(array) => ValueRef::Text(array.value(row)),
            Cells::Reals(array) => ValueRef::Real(array.value(row)),
            Cells::Numbers(values) => match values.get(row) {
                Some(Number::Integer(value)) => ValueRef::Integer(*value),
                Some(Number::Real(value)) => ValueRef::Real(*value),
                None => ValueRef::Null,
            },
            Cells::Bytes(array) => ValueRef::Blob(array.value(row)),
            Cells::Sixteen(array) => ValueRef::Blob(array.value(row)),
            // Looked at when the column was made.
            Cells::Variants(array) => {
                wire::cell_of_variant(array.value(row)).unwrap_or(ValueRef::Null)
            }
        }
    }
}

impl Column {
    /// As [`Self::cell`] of each row, but what the column holds is looked up once.
    #[inline]
    fn each<'a>(&'a self, rows: Range<usize>, look: impl FnMut(usize, ValueRef<'a>)) {
        let nulls = self.nulls.as_ref();
        match &self.cells {
            Cells::Integers(array) => {
                each(rows, nulls, look, |row| ValueRef::Integer(array.value(row)));
            }
            Cells::Text(array) => each(rows, nulls, look, |row| ValueRef::Text(array.value(row))),
            Cells::Reals(array) => each(rows, nulls, look, |row| ValueRef::Real(array.value(row))),
            Cells::Bytes(array) => each(rows, nulls, look, |row| ValueRef::Blob(array.value(row))),
            Cells::Sixteen(array) => {
                each(rows, nulls, look, |row| ValueRef::Blob(array.value(row)));
            }
            Cells::Numbers(_) | Cells::Variants(_) => each(rows, None, look, |row| self.cell(row)),
        }
    }
}

#[inline]
fn each<'a>(
    rows: Range<usize>,
    nulls: Option<&NullBuffer>,
    mut look: impl FnMut(usize, ValueRef<'a>),
    cell: impl Fn(usize) -> ValueRef<'a>,
) {
    for row in rows {
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        look(row, if is_null { ValueRef::Null } else { cell(row) });
    }
}

fn cells(array: &dyn Array, meaning: &CanonicalType, binding: Binding) -> Option<Made> {
    Some(match array.data_type() {
        DataType::Boolean => {
            let array = array.as_boolean_opt()?;
            let value = |row| i64::from(array.value(row));
            within(Int64Array::from_iter_values((0..array.len()).map(value)), array, binding)
        }
        DataType::Int8 => integers::<Int8Type>(array, binding)?,
        DataType::Int16 => integers::<Int16Type>(array, binding)?,
        DataType::Int32 => integers::<Int32Type>(array, binding)?,
        DataType::Int64 => within(array.as_primitive_opt::<Int64Type>()?.clone(), array, binding),
        DataType::UInt8 => integers::<UInt8Type>(array, binding)?,
        DataType::UInt16 => integers::<UInt16Type>(array, binding)?,
        DataType::UInt32 => integers::<UInt32Type>(array, binding)?,
        DataType::UInt64 => large_integers(array.as_primitive_opt()?, binding),
        DataType::Float32 => {
            let array = array.as_primitive_opt::<Float32Type>()?;
            reals(array.unary(f64::from))
        }
        DataType::Float64 => reals(array.as_primitive_opt::<Float64Type>()?.clone()),
        DataType::Decimal128(_, scale) => {
            decimals(array.as_primitive_opt()?, u8::try_from(*scale).ok()?, binding)
        }
        DataType::Decimal256(_, scale) => {
            let (array, scale) = (array.as_primitive_opt::<Decimal256Type>()?, *scale);
            let scale = usize::try_from(scale).ok()?;
            numbers(array, binding, |row, text| {
                decimal::write_unscaled(text, &array.value(row).to_string(), scale);
            })
        }
        DataType::Utf8 => characters(array.as_string_opt()?, meaning, binding),
        DataType::Binary => bytes(array.as_binary_opt()?, binding),
        DataType::FixedSizeBinary(_) => sixteen(array.as_fixed_size_binary_opt()?, binding),
        DataType::Date32 => dates(array.as_primitive_opt()?),
        DataType::Time64(_) => {
            let array = array.as_primitive_opt::<Time64MicrosecondType>()?;
            clocks(array, binding, iso::write_time)
        }
        DataType::Duration(_) => {
            let array = array.as_primitive_opt::<DurationMicrosecondType>()?;
            clocks(array, binding, iso::write_duration)
        }
        DataType::Timestamp(_, zone) => {
            timestamps(array.as_primitive_opt()?, binding, zone.is_some())
        }
        DataType::Null
        | DataType::Float16
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Interval(_)
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::List(_)
        | DataType::ListView(_)
        | DataType::FixedSizeList(..)
        | DataType::LargeList(_)
        | DataType::LargeListView(_)
        | DataType::Struct(_)
        | DataType::Union(..)
        | DataType::Dictionary(..)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Map(..)
        | DataType::RunEndEncoded(..) => return None,
    })
}

/// Looks at each row that is not null.
fn check(
    array: &dyn Array,
    mut look: impl FnMut(usize) -> Result<(), Words>,
) -> Result<(), (usize, Words)> {
    let mut present = (0..array.len()).filter(|row| array.is_valid(*row));
    present.try_for_each(|row| look(row).map_err(|words| (row, words)))
}

fn characters(array: &StringArray, meaning: &CanonicalType, binding: Binding) -> Made {
    match (meaning, binding) {
        (CanonicalType::DecimalText, _) => {
            return numbers(array, binding, |row, text| text.push_str(array.value(row)));
        }
        (_, Binding::GuardedText) => check(array, |row| guarded(array.value(row)))?,
        (_, Binding::JsonText) => check(array, |row| json(array.value(row)))?,
        _ => {}
    }
    Ok(Cells::Text(array.clone().into()))
}

/// Text into a column that says it holds JSON.
fn json(text: &str) -> Result<(), Words> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_any| ()).map_err(|_error| {
        "text that is not JSON (an array of several dimensions or with another lower bound has none)"
    })
}

/// Text into a column of numeric affinity, which turns text that looks like a number into that
/// number. `1` becomes the integer 1 and reads back as `1`; `1.0` would not come back.
fn guarded(text: &str) -> Result<(), Words> {
    if !looks_numeric(text.as_bytes()) {
        return Ok(());
    }
    let comes_back = text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
        || text
            .parse::<f64>()
            .is_ok_and(|number| number.fract() != 0.0 && decimal::of_double(number) == text);
    if comes_back { Ok(()) } else { Err("a number in text that the column's type would change") }
}

fn bytes(array: &BinaryArray, binding: Binding) -> Made {
    let Binding::Cell(affinity) = binding else { return Ok(Cells::Bytes(array.clone())) };
    check(array, |row| {
        let cell = wire::cell_of_variant(array.value(row)).ok_or("a cell of no class")?;
        kept(cell, affinity)
    })?;
    Ok(Cells::Variants(array.clone()))
}

/// Whether the column leaves a cell in its own class.
pub(crate) fn kept(cell: ValueRef<'_>, affinity: Affinity) -> Result<(), Words> {
    if affinity.keeps(cell) {
        return Ok(());
    }
    Err(if matches!(cell, ValueRef::Text(_)) {
        "text that the column's type would change"
    } else {
        "a number that the column's type would change"
    })
}

/// Sixteen bytes of a UUID or an interval.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other ways of binding are as one here")]
fn sixteen(array: &FixedSizeBinaryArray, binding: Binding) -> Made {
    match binding {
        Binding::UuidText => text(array, |row, pen| {
            digits::uuid(array.value(row), pen);
            Ok(())
        }),
        Binding::Period => slow_text(array, |row, text| {
            period::write(text, array.value(row)).ok_or("an interval of another length")
        }),
        _ => Ok(Cells::Sixteen(array.clone())),
    }
}
