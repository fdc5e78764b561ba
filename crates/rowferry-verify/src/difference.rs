//! A row that differs between the ends.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch, cast::AsArray};
use rowferry_core::{CanonicalType, TableRef};
use rowferry_kernels::EqualForm;
use serde::Serialize;

use crate::Side;
use crate::lane::Lane;

/// How a row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Both sides have it, with other values.
    Mismatch,
    /// Only the source has it.
    Missing,
    /// Only the target has it.
    Extra,
}

/// One row of a batch.
#[derive(Clone, Debug)]
pub struct RowRef {
    pub(crate) batch: RecordBatch,
    pub(crate) row: usize,
}

/// A row that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// How.
    pub kind: DifferenceKind,
    /// Places of the columns that differ; of a mismatch at least one.
    pub cells: Vec<usize>,
    pub(crate) source: Option<RowRef>,
    pub(crate) target: Option<RowRef>,
    pub(crate) lane: Arc<Lane>,
}

/// What is written for a value that has no text, such as bytes among texts.
const NO_TEXT: &str = "?";

impl Difference {
    /// Names and values of the key, as the side has it that has the row; `None` is NULL.
    pub fn key(&self) -> Vec<(&str, Option<String>)> {
        let side = if self.source.is_some() { Side::Source } else { Side::Target };
        self.lane.key.iter().map(|place| (self.column(*place), self.text(side, *place))).collect()
    }

    /// The target table, as its server resolved it.
    pub fn target(&self) -> &TableRef {
        &self.lane.target
    }

    /// Name of a column, by its place, as the source has it.
    pub fn column(&self, place: usize) -> &str {
        self.lane.columns.get(place).map_or("", |pair| &pair.source.name)
    }

    /// The text of a value; `None` is NULL, or a row that the side does not have.
    pub fn text(&self, side: Side, place: usize) -> Option<String> {
        const TEXT: CanonicalType = CanonicalType::Text { chars: None, fixed: false };
        let row = match side {
            Side::Source => self.source.as_ref()?,
            Side::Target => self.target.as_ref()?,
        };
        let (_, meaning, _) = self.lane.meaning(side, place)?;
        let cell = row.batch.columns().get(place)?.slice(row.row, 1);
        if cell.is_null(0) {
            return None;
        }
        let texts = EqualForm::Meaning(TEXT).apply(&cell, meaning).ok();
        let texts = texts.filter(|texts| texts.array.is_valid(0));
        Some(texts.map_or_else(
            || NO_TEXT.to_owned(),
            |texts| texts.array.as_string::<i32>().value(0).to_owned(),
        ))
    }
}
