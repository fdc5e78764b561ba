//! The key of a row that an error speaks of, for whoever may put it into words.

use arrow_array::RecordBatch;
use rowferry_core::Column;
use rusqlite::types::ValueRef;

use crate::cells::Cells;

/// One row of these key columns and their cells; `None` without a key, or where a cell is not of
/// its column's class.
pub(crate) fn of_cells<'a>(
    key: impl IntoIterator<Item = (&'a Column, ValueRef<'a>)>,
) -> Option<RecordBatch> {
    let column = |(column, cell): (&Column, ValueRef<'_>)| {
        let mut cells = Cells::of(column).ok()?;
        cells.append(cell).ok()?;
        Some((column.name.clone(), cells.finish()))
    };
    let columns: Option<Vec<_>> = key.into_iter().map(column).collect();
    RecordBatch::try_from_iter(columns.filter(|columns| !columns.is_empty())?).ok()
}
