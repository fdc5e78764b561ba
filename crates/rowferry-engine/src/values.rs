//! Values on their way into the meaning and the limits of their target columns.
//!
//! ```text
//!  batch ─► convert ─► normalize by policy ─► fits            ─► batch
//!                                          └► left out by rule ─► RejectedRow
//!                                          └► strict            ─► error of class Data
//! ```
//!
//! Only columns that ask for something are looked at. For the others the sink alone refuses what
//! it cannot hold, and [`ValueRules::explain`] finds the row afterwards.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use rowferry_core::{
    CanonicalType, ColumnPlan, ConnectorError, ErrorClass, OnBadRow, Policy, RejectedRow, Result,
    Settings, TablePlan, ValueLimits,
};
use rowferry_kernels::{
    Applied, KernelError, KeyPart, Misfit, Rule, keep_rows, misfits, row_key, written,
};

use crate::row_limit::{self, ROW_TOO_LARGE};
use crate::sieve::RefusedRow;

/// Slug of values that a target column cannot hold.
const DOES_NOT_FIT: &str = "value-does-not-fit";

/// How often a policy changed values: by column, rule and policy.
pub(crate) type Changes = BTreeMap<(String, &'static str, String), u64>;

/// What happens to the values of one table.
pub(crate) struct ValueRules {
    table: String,
    columns: Vec<ColumnPlan>,
    /// Positions of the columns that ask for something.
    asking: Vec<usize>,
    /// The key as it is read.
    key_read: Vec<KeyPart>,
    /// The key as it is written.
    key_written: Vec<KeyPart>,
    show_keys: bool,
    set_aside: bool,
    max_row_bytes: u64,
}

/// A batch that fits.
pub(crate) struct Fitted {
    pub(crate) batch: RecordBatch,
    pub(crate) changes: Changes,
    pub(crate) rejected: Vec<RejectedRow>,
}

/// A value that neither fits nor may be left out.
struct Bad {
    misfit: Misfit,
    position: usize,
}

impl ValueRules {
    /// The rules of `plan`'s columns.
    pub(crate) fn new(plan: &TablePlan, settings: &Settings) -> Self {
        let set_aside = settings.on_bad_row != OnBadRow::Fail;
        let asks = |column: &ColumnPlan| {
            column.converted.is_some()
                // A server that refuses such texts says neither row nor column.
                || matches!(column.limits, ValueLimits::Json { .. })
                || column.limits != ValueLimits::Any
                    && (set_aside || column.cast.otherwise != Policy::Strict)
        };
        let positions = plan.columns.iter().enumerate();
        let asking = positions.filter(|(_, column)| asks(column)).map(|(at, _)| at).collect();
        let key = |meaning: fn(&ColumnPlan) -> Option<&CanonicalType>| {
            let parts = plan.key.iter().filter_map(|name| {
                let position = plan.columns.iter().position(|c| c.target.name == *name)?;
                let column = plan.columns.get(position)?;
                Some((column.source.name.clone(), position, meaning(column)?.clone()))
            });
            parts.collect::<Vec<KeyPart>>()
        };
        Self {
            table: plan.source.table.to_string(),
            columns: plan.columns.clone(),
            asking,
            key_read: key(|column| column.source.canonical.as_ref()),
            key_written: key(ColumnPlan::written),
            show_keys: settings.show_keys,
            set_aside,
            max_row_bytes: settings.max_row_bytes,
        }
    }

    /// Whether rows have to be looked at, so that they cannot pass in wire form.
    pub(crate) fn ask_for_rows(&self) -> bool {
        self.set_aside || !self.asking.is_empty()
    }

    /// Fits `batch`, whose first row is number `first` of its chunk.
    ///
    /// # Errors
    ///
    /// Class `Data` for the first value that does not fit and for which nobody has said what
    /// becomes of it.
    pub(crate) fn fit(&self, batch: RecordBatch, first: u64) -> Result<Fitted> {
        let large = row_limit::beyond(&batch, self.max_row_bytes);
        if self.asking.is_empty() && large.is_empty() {
            return Ok(Fitted { batch, changes: Changes::new(), rejected: Vec::new() });
        }
        let mut changes = Changes::new();
        let misfit = |row| Misfit { row, rule: Rule::RowBytes };
        let large = large.into_iter().map(|(row, position)| Bad { misfit: misfit(row), position });
        let mut bad: Vec<Bad> = large.collect();
        let fitted = self.columns_of(&batch, &mut changes, &mut bad).map_err(kernel_failed)?;
        if bad.is_empty() {
            return Ok(Fitted { batch: fitted, changes, rejected: Vec::new() });
        }
        bad.sort_unstable_by_key(|bad| (bad.misfit.row, bad.position));
        if let Some(worst) = bad.iter().find(|bad| !self.may_leave_out(bad)) {
            let key = row_key(&batch, &self.key_read, worst.misfit.row).map_err(kernel_failed)?;
            let row = self.named(&key, first, worst.misfit.row);
            if worst.misfit.rule == Rule::RowBytes {
                return Err(self.too_large(worst.position, &row));
            }
            return Err(self.refusal(worst.position, &row, worst.misfit.rule.words()));
        }
        // A row with several such values is left out once, for the first of them.
        bad.dedup_by_key(|bad| bad.misfit.row);
        let rejected: Result<Vec<RejectedRow>, KernelError> =
            bad.iter().map(|bad| self.rejected(&batch, bad, first)).collect();
        let mut stays = vec![true; batch.num_rows()];
        for bad in &bad {
            if let Some(stays) = stays.get_mut(bad.misfit.row) {
                *stays = false;
            }
        }
        let batch = keep_rows(&fitted, stays).map_err(kernel_failed)?;
        Ok(Fitted { batch, changes, rejected: rejected.map_err(kernel_failed)? })
    }

    /// Converts and normalizes the columns that ask for it.
    fn columns_of(
        &self,
        batch: &RecordBatch,
        changes: &mut Changes,
        bad: &mut Vec<Bad>,
    ) -> Result<RecordBatch, KernelError> {
        let schema = batch.schema();
        let mut arrays = batch.columns().to_vec();
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        for &position in &self.asking {
            let (Some(column), Some(array), Some(field)) =
                (self.columns.get(position), arrays.get_mut(position), fields.get_mut(position))
            else {
                return Err(KernelError::Column { position });
            };
            let done = written(array, column)?;
            *array = done.array;
            if let Some(to) = &column.converted {
                *field = to.field(field.name()).into();
            }
            add(changes, column, &done.applied);
            bad.extend(done.misfits.into_iter().map(|misfit| Bad { misfit, position }));
        }
        let schema = arrow_schema::Schema::new(fields);
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema.into(), arrays, &options)
            .map_err(|error| KernelError::Arrow(error.to_string()))
    }

    fn may_leave_out(&self, bad: &Bad) -> bool {
        let policy = self.columns.get(bad.position).map(|column| &column.cast.otherwise);
        self.set_aside || policy == Some(&Policy::SkipRow)
    }

    fn rejected(
        &self,
        batch: &RecordBatch,
        bad: &Bad,
        first: u64,
    ) -> Result<RejectedRow, KernelError> {
        let row = bad.misfit.row;
        let key = if self.key_read.is_empty() {
            (first + row as u64).to_string()
        } else {
            row_key(batch, &self.key_read, row)?
        };
        Ok(RejectedRow {
            key,
            column: self.columns.get(bad.position).map(|column| column.target.name.clone()),
            code: DOES_NOT_FIT.to_owned(),
            rule: bad.misfit.rule.words().to_owned(),
        })
    }

    /// A row of `batch`, as it was written, that the target refused; the batch's first row is number
    /// `first` of its chunk.
    pub(crate) fn refused(
        &self,
        batch: &RecordBatch,
        refused: &RefusedRow,
        first: u64,
    ) -> Result<RejectedRow> {
        let key = if self.key_written.is_empty() {
            (first + refused.row as u64).to_string()
        } else {
            row_key(batch, &self.key_written, refused.row).map_err(kernel_failed)?
        };
        let reason = &refused.reason;
        // What an end found itself is said in its message, which may hold the key.
        let rule = reason.server.as_deref().unwrap_or(reason.code);
        Ok(RejectedRow {
            key,
            column: reason.column.as_deref().map(str::to_owned),
            code: reason.code.to_owned(),
            rule: rule.to_owned(),
        })
    }

    /// Adds what the plan knows to a refusal of an end: what the column holds and which casts help,
    /// and the key of the row, where `written` holds it: the rows, and how many of the chunk were
    /// written before them.
    pub(crate) fn explain(
        &self,
        error: ConnectorError,
        written: Option<(&RecordBatch, u64)>,
    ) -> ConnectorError {
        let Some(name) = error.column.as_deref().filter(|_| error.class == ErrorClass::Data) else {
            return error;
        };
        let named = |column: &ColumnPlan| column.target.name == name || column.source.name == name;
        let Some(position) = self.columns.iter().position(named) else { return error };
        let Some(column) = self.columns.get(position) else { return error };
        let mut error = error;
        if let Some(key) = error.take_key().and_then(|row| self.key_read_alone(&row)) {
            error.message = format!("{} (row {key})", error.message);
        } else if let Some((batch, before)) = written
            && let Some(key) = self.key_of(&error, batch, before, position)
        {
            error.message = format!("{} (row {key})", error.message);
        }
        if let Some(rule) = column.rule.as_ref().filter(|rule| !error.message.contains(*rule)) {
            let declared = &column.target.native.declared;
            error.message = format!("{}; {declared} holds: {rule}", error.message);
        }
        if !error.next.as_ref().is_some_and(|next| next.contains("casts")) {
            error.next = self.refusal(position, "", "").next;
        }
        error
    }

    /// The key in a row of key columns alone, unless values stay out of messages.
    fn key_read_alone(&self, row: &RecordBatch) -> Option<String> {
        let part = |(place, field): (usize, &arrow_schema::FieldRef)| {
            let mut columns = self.columns.iter();
            let column = columns.find(|column| column.source.name == *field.name())?;
            Some((field.name().clone(), place, column.source.canonical.clone()?))
        };
        let key: Option<Vec<KeyPart>> =
            row.schema().fields().iter().enumerate().map(part).collect();
        row_key(row, &key.filter(|_| self.show_keys)?, 0).ok()
    }

    /// The key of the row that `error` speaks of. A number says it; without one, the first value
    /// beyond the limits must be meant.
    fn key_of(
        &self,
        error: &ConnectorError,
        batch: &RecordBatch,
        before: u64,
        position: usize,
    ) -> Option<String> {
        if self.key_written.is_empty() || !self.show_keys {
            return None;
        }
        let row = if let Some(row) = error.row {
            usize::try_from(u64::from(row.get()).checked_sub(before + 1)?).ok()?
        } else {
            let (column, array) = (self.columns.get(position)?, batch.columns().get(position)?);
            misfits(array, &column.limits).ok()?.first()?.row
        };
        (row < batch.num_rows()).then(|| row_key(batch, &self.key_written, row).ok())?
    }

    /// A row in words: its key, unless values stay out of messages, else its number.
    fn named(&self, key: &str, first: u64, row: usize) -> String {
        if self.show_keys && !self.key_read.is_empty() {
            format!("row {key}")
        } else {
            format!("row {} of its chunk", first + row as u64 + 1)
        }
    }

    fn too_large(&self, position: usize, row: &str) -> ConnectorError {
        let column = self.columns.get(position).map_or("", |column| &column.source.name);
        let message = format!(
            "{row} of table {} has more than the {} bytes of `max_row_bytes`, most of them in \
             column {column:?}",
            self.table, self.max_row_bytes
        );
        ConnectorError::new(ErrorClass::Data, ROW_TOO_LARGE, message)
            .with_next(row_limit::next(self.set_aside))
    }

    fn refusal(&self, position: usize, row: &str, rule: &str) -> ConnectorError {
        let Some(column) = self.columns.get(position) else {
            return ConnectorError::bug("a rule speaks of a column that is not there");
        };
        let name = &column.source.name;
        let holds = match &column.rule {
            Some(rule) => format!(" ({} holds: {rule})", column.target.native.declared),
            None => String::new(),
        };
        let message =
            format!("{row} of table {} does not fit column {name:?}: {rule}{holds}", self.table);
        let casts: Vec<String> =
            column.options.iter().map(|cast| format!("`{name}: {cast:?}`")).collect();
        let mut next = String::from("Correct the row in the source");
        if casts.is_empty() {
            next.push_str(", or say under `casts` what becomes of such values");
        } else {
            next.push_str(", or set under `casts` ");
            next.push_str(&casts.join(" or "));
        }
        if !self.set_aside {
            next.push_str("; `on_bad_row: quarantine` sets such rows aside");
        }
        next.push('.');
        ConnectorError::new(ErrorClass::Data, DOES_NOT_FIT, message)
            .with_column(name.clone())
            .with_next(next)
    }
}

fn add(changes: &mut Changes, column: &ColumnPlan, applied: &Applied) {
    for (rule, count) in applied {
        let key = (column.source.name.clone(), rule.words(), column.cast.otherwise.to_string());
        *changes.entry(key).or_default() += count;
    }
}

pub(crate) fn kernel_failed(
    error: impl std::error::Error + Send + Sync + 'static,
) -> ConnectorError {
    ConnectorError::bug("a kernel failed").with_source(error)
}
