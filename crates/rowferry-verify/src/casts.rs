//! Rows of the source as a job's copy writes them, where it casts values on their way.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use rowferry_core::{ColumnPlan, ConnectorError, ErrorClass, Policy, Result, TableRef};
use rowferry_kernels::{Rule, keep_rows, written};

use crate::lane::kernel_failed;

/// The casts of one table's columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Casts {
    table: TableRef,
    /// By the place of the column among those compared.
    columns: Vec<(usize, ColumnPlan)>,
    /// Whether rows with a value that does not fit are set aside instead of stopping the copy.
    sets_aside: bool,
}

impl Casts {
    pub(crate) const fn new(
        table: TableRef,
        columns: Vec<(usize, ColumnPlan)>,
        sets_aside: bool,
    ) -> Self {
        Self { table, columns, sets_aside }
    }

    /// The plan of the column at this place, where it is cast.
    pub(crate) fn of(&self, place: usize) -> Option<&ColumnPlan> {
        self.columns.iter().find(|(at, _)| *at == place).map(|(_, column)| column)
    }

    /// The column at this place is read with another meaning from here on.
    pub(crate) fn read_as(&mut self, place: usize, meaning: &rowferry_core::CanonicalType) {
        for (_, column) in self.columns.iter_mut().filter(|(at, _)| *at == place) {
            column.source.canonical = Some(meaning.clone());
        }
    }

    /// The rows that a copy would write, with the values that it would write.
    ///
    /// # Errors
    ///
    /// Class `Data` when a copy would stop at a value.
    pub(crate) fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.columns.is_empty() {
            return Ok(batch);
        }
        let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
        let mut arrays = batch.columns().to_vec();
        let mut stays = vec![true; batch.num_rows()];
        for (place, column) in &self.columns {
            let (Some(array), Some(field), Some(meaning)) =
                (arrays.get_mut(*place), fields.get_mut(*place), column.written())
            else {
                return Err(ConnectorError::bug("a cast speaks of a column that is not compared"));
            };
            let done = written(array, column).map_err(kernel_failed)?;
            *array = done.array;
            *field = Arc::new(meaning.field(field.name()));
            let leaves_out = self.sets_aside || column.cast.otherwise == Policy::SkipRow;
            for misfit in done.misfits {
                if !leaves_out {
                    return Err(self.stops(column, misfit.rule));
                }
                if let Some(stays) = stays.get_mut(misfit.row) {
                    *stays = false;
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = Arc::new(Schema::new(fields));
        let batch =
            RecordBatch::try_new_with_options(schema, arrays, &options).map_err(kernel_failed)?;
        if stays.contains(&false) {
            keep_rows(&batch, stays).map_err(kernel_failed)
        } else {
            Ok(batch)
        }
    }

    fn stops(&self, column: &ColumnPlan, rule: Rule) -> ConnectorError {
        let (name, table) = (&column.source.name, &self.table);
        let message = format!(
            "a value of column {name:?} of table {table} does not fit the job's cast: {}",
            rule.words()
        );
        ConnectorError::new(ErrorClass::Data, "value-does-not-fit", message)
            .with_column(name)
            .with_next(
                "A copy stops at this value too: mend it in the source, or say under `casts` what \
                 becomes of such values, as in `else null`.",
            )
    }
}
