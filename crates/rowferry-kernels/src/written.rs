//! Values of a column as a plan has them written.

use std::sync::Arc;

use arrow_array::ArrayRef;
use rowferry_core::ColumnPlan;

use crate::{KernelError, Normalized, convert, from_epoch, normalize};

/// Brings the values of `column`'s source into the meaning and the limits of its target.
///
/// # Nulls
///
/// As of [`normalize`].
///
/// # Errors
///
/// [`KernelError`] when the array is not one of the source's meaning, or there is no way from it to
/// the target's.
pub fn written(array: &ArrayRef, column: &ColumnPlan) -> Result<Normalized, KernelError> {
    let (mut array, mut unconverted) = (Arc::clone(array), Vec::new());
    if let (Some(from), Some(to)) = (&column.source.canonical, &column.converted) {
        let converted = match column.cast.epoch {
            Some(epoch) => from_epoch(&array, from, epoch, to)?,
            None => convert(&array, from, to)?,
        };
        (array, unconverted) = (converted.array, converted.misfits);
    }
    normalize(&array, unconverted, &column.limits, &column.cast.otherwise)
}
