//! From a difference to what puts the target right, and to what undoes that.

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, StringArray};
use rowferry_core::{
    CanonicalType, Column, ConnectorError, ErrorClass, Mend, MendCell, MendValue, Result,
};
use rowferry_kernels::{EqualForm, KernelError};

use crate::lane::kernel_failed;
use crate::{Difference, DifferenceKind, Side};

const TEXT: CanonicalType = CanonicalType::Text { chars: None, fixed: false };

/// What makes a row of the target that of the source, and what makes it the old one again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mending {
    /// The change.
    pub mend: Mend,
    /// Its undoing.
    pub undo: Mend,
}

impl Difference {
    /// What puts the target right.
    ///
    /// # Errors
    ///
    /// Class `Data`, slug `cannot-hold`, when a value of the source has no twin in the target's
    /// column.
    pub fn mending(&self) -> Result<Mending> {
        let all: Vec<usize> = (0..self.lane.columns.len()).collect();
        let (key, cells) = (&self.lane.key, &self.cells);
        Ok(match self.kind {
            DifferenceKind::Missing => Mending {
                mend: Mend::Insert { row: self.cells_of(Side::Source, &all)? },
                undo: Mend::Delete { key: self.cells_of(Side::Source, key)? },
            },
            DifferenceKind::Extra => Mending {
                mend: Mend::Delete { key: self.cells_of(Side::Target, key)? },
                undo: Mend::Insert { row: self.cells_of(Side::Target, &all)? },
            },
            DifferenceKind::Mismatch => {
                let key = self.cells_of(Side::Target, key)?;
                let (new, old) =
                    (self.cells_of(Side::Source, cells)?, self.cells_of(Side::Target, cells)?);
                Mending {
                    mend: Mend::Update { key: key.clone(), cells: new },
                    undo: Mend::Update { key, cells: old },
                }
            }
        })
    }

    /// Values of one side in the text form of the target's columns.
    fn cells_of(&self, side: Side, places: &[usize]) -> Result<Vec<MendCell>> {
        places.iter().map(|place| self.cell(side, *place)).collect()
    }

    fn cell(&self, side: Side, place: usize) -> Result<MendCell> {
        let missing =
            || ConnectorError::bug("a difference speaks of a column that is not compared");
        let pair = self.lane.columns.get(place).ok_or_else(missing)?;
        let (_, from, _) = self.lane.meaning(side, place).ok_or_else(missing)?;
        let row = match side {
            Side::Source => self.source.as_ref(),
            Side::Target => self.target.as_ref(),
        };
        let row = row.ok_or_else(missing)?;
        let cell = row.batch.columns().get(place).ok_or_else(missing)?.slice(row.row, 1);
        let column = pair.target.clone();
        if cell.is_null(0) {
            return Ok(MendCell { column, value: None });
        }
        let to = column.canonical.clone().ok_or_else(missing)?;
        let value = match (from, &to) {
            (CanonicalType::List { element: from }, CanonicalType::List { element: to }) => {
                let elements = cell.as_list::<i32>().value(0);
                texts(&elements, from, to)?.map(|elements| {
                    let owned = elements.iter().map(|element| element.map(str::to_owned));
                    MendValue::List(owned.collect())
                })
            }
            (_, CanonicalType::List { .. }) => return Err(Mend::no_literal(&column)),
            _ => texts(&cell, from, &to)?.map(|text| MendValue::Text(text.value(0).to_owned())),
        };
        let value = value.ok_or_else(|| cannot_hold(&column))?;
        Ok(MendCell { column, value: Some(value) })
    }
}

/// Values of `from` in the text form of `to`; `None` when one of them has no twin there.
fn texts(
    values: &ArrayRef,
    from: &CanonicalType,
    to: &CanonicalType,
) -> Result<Option<StringArray>> {
    let written = |values: &ArrayRef, meaning| EqualForm::Meaning(TEXT).apply(values, meaning);
    let formed = match EqualForm::Meaning(to.clone()).apply(values, from) {
        Ok(formed) if !formed.misfits.is_empty() => return Ok(None),
        Ok(formed) => written(&formed.array, to),
        // Where there is no conversion, the server reads the text itself, or refuses it.
        Err(KernelError::Conversion { .. }) => written(values, from),
        Err(error) => Err(error),
    };
    let formed = formed.map_err(kernel_failed)?;
    Ok(formed.misfits.is_empty().then(|| formed.array.as_string::<i32>().clone()))
}

fn cannot_hold(column: &Column) -> ConnectorError {
    let message = format!(
        "a value of the source has no twin in the target's column {:?} of type {}",
        column.name, column.native.declared
    );
    ConnectorError::new(ErrorClass::Data, "cannot-hold", message)
        .with_column(&column.name)
        .with_next("Change the column's type, or copy the table with a cast that says what becomes of such values.")
}
