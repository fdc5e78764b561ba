//! What will be done to one table: plain data, decided before any row moves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    CanonicalType, Cast, Column, ColumnChoice, Fidelity, ForeignKey, KeyColumns, Predicate,
    StreamSpec, TableRef, TableSchema, ValueLimits,
};

/// What a run makes of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The target becomes the source's rows.
    Full,
    /// The first run copies everything; later runs take rows beyond the watermark and upsert them.
    Incremental,
}

/// How rows meet the rows that are already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Staging table, then swap.
    Replace,
    /// Insert; an existing key is an error.
    Append,
    /// Insert or update by key.
    Upsert,
}

/// How a staging table takes the target's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplaceMode {
    /// Atomic rename.
    Swap,
    /// Delete and `insert … select` from staging in one transaction; the table object stays.
    Truncate,
}

/// How far one read view reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// `Table` where it is free, else `Chunk`.
    Auto,
    /// All chunks of a table read one view.
    Table,
    /// Each chunk has its own view.
    Chunk,
}

/// What happens to rows of one chunk whose keys are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// Stop.
    Fail,
    /// Keep the first row in the order of the read.
    First,
    /// Keep the last row in the order of the read.
    Last,
}

/// Where a chunk's transaction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadInto {
    /// A staging table that replaces the target when it is complete.
    StagingReplace,
    /// A staging table whose rows are appended in one transaction when it is complete (no key).
    StagingAppend,
    /// The target itself.
    Target,
}

/// One column on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnPlan {
    /// As the source has it. `canonical` is always present here.
    pub source: Column,
    /// As the target has it or will have it: name, type, nullability.
    pub target: Column,
    /// How values arrive.
    pub fidelity: Fidelity,
    /// The meaning that values are converted to before they are written.
    pub converted: Option<CanonicalType>,
    /// What is checked or lost, for plans and messages.
    pub rule: Option<String>,
    /// Casts that avoid the rule.
    pub options: Vec<String>,
    /// What the target column holds.
    pub limits: ValueLimits,
    /// What the user asked for: the type is chosen already, what numbers count and what becomes of
    /// values beyond the limits are still to be done.
    pub cast: Cast,
}

impl ColumnPlan {
    /// `source` goes where `choice` says; values that do not fit stop the table.
    pub fn new(source: Column, choice: ColumnChoice) -> Self {
        let ColumnChoice { column: target, fidelity, converted, rule, options, limits } = choice;
        let cast = Cast::default();
        Self { source, target, fidelity, converted, rule, options, limits, cast }
    }

    /// The meaning of the values that the sink is given; `None` only for a column without one.
    pub const fn written(&self) -> Option<&CanonicalType> {
        match &self.converted {
            Some(converted) => Some(converted),
            None => self.source.canonical.as_ref(),
        }
    }
}

/// Everything a sink needs to prepare, load and publish one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePlan {
    /// Identity of the stream in the target.
    pub stream: StreamSpec,
    /// The source table as it was described.
    pub source: TableSchema,
    /// Target table.
    pub target: TableRef,
    /// The target as it stands, if it exists.
    pub target_existing: Option<TableSchema>,
    /// Columns in the order of the read.
    pub columns: Vec<ColumnPlan>,
    /// Target column names that identify a row; empty = no key.
    pub key: Vec<String>,
    /// Whether the source enforces that `key` is unique and never null: the target's primary key
    /// is made of it only then.
    pub key_enforced: bool,
    /// Source columns in whose order the table is cut; `None` = physical blocks or one stream.
    pub cut_by: Option<KeyColumns>,
    /// Mode of the job.
    pub mode: Mode,
    /// How rows are written.
    pub write: WriteMode,
    /// Where they are written.
    pub load: LoadInto,
    /// How staging takes the target's place.
    pub replace: ReplaceMode,
    /// Keep the swapped-out table.
    pub keep_old: bool,
    /// Equal keys inside a chunk; `None` = not looked at.
    pub duplicates: Option<Duplicates>,
    /// Filter pushed into the source.
    pub predicate: Option<Predicate>,
    /// Rows of one multi-row INSERT, where the sink writes by INSERT.
    pub insert_batch_rows: u32,
    /// Foreign keys to other targets of the same job, in the target's names: taken off before the
    /// tables are exchanged and made again when all are there.
    pub foreign_keys: Vec<ForeignKey>,
    /// Things the user should know: what is not carried over, what a mode does not see.
    pub warnings: Vec<String>,
}

impl TablePlan {
    /// Whether the target as it stands has every planned column in its planned type, so that a
    /// staging table may take the target's own shape, with whatever else belongs to it.
    pub fn keeps_shape(&self) -> bool {
        self.target_existing.as_ref().is_some_and(|existing| {
            self.columns.iter().all(|column| {
                existing
                    .column(&column.target.name)
                    .is_some_and(|there| there.native.declared == column.target.native.declared)
            })
        })
    }
}

/// A reason why a table cannot be copied as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanProblem {
    /// Slug of the error.
    pub code: String,
    /// Column concerned.
    pub column: Option<String>,
    /// What does not fit: lowercase, no full stop.
    pub message: String,
    /// What can be done, a full sentence.
    pub next: String,
    /// Casts with which the column would go, each ready to be pasted behind its name in `casts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub casts: Vec<String>,
}

impl PlanProblem {
    /// A problem of one column.
    pub fn of_column(
        code: &str,
        column: &str,
        message: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            code: code.to_owned(),
            column: Some(column.to_owned()),
            message: message.into(),
            next: next.into(),
            casts: Vec::new(),
        }
    }

    /// A problem of the table as a whole.
    pub fn of_table(code: &str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            column: None,
            message: message.into(),
            next: next.into(),
            casts: Vec::new(),
        }
    }

    /// The same with casts that would avoid it.
    #[must_use]
    pub fn with_casts(mut self, casts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.casts = casts.into_iter().map(Into::into).collect();
        self
    }
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column {column:?}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
