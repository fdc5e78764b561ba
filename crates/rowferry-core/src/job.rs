//! What the user asked for, validated: plain values that every job file shape and the command line
//! become. Nothing behind this point sees an unvalidated field.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{
    Cast, Consistency, Duplicates, Endpoint, Mode, Predicate, Rate, ReplaceMode, TableRef,
    TimeLimits, TypeCast, WriteMode,
};

/// One source, one target and the tables that move between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Name; part of the identity of its streams. `copy` for the command without a file.
    pub name: String,
    /// Where rows come from.
    pub source: Endpoint,
    /// Where rows go.
    pub target: Endpoint,
    /// What a run makes of the target.
    pub mode: Mode,
    /// When staging tables take the place of targets.
    pub publish: PublishWhen,
    /// Pause between two runs of `worker`.
    pub every: Option<Duration>,
    /// Limits and parallelism.
    pub settings: Settings,
    /// Schema of the two progress tables in the target; `None` = the connection's own.
    pub progress_schema: Option<String>,
    /// Casts by source type, for every table.
    pub casts: Vec<TypeCast>,
    /// Tables, in the order of the file.
    pub tables: Vec<TableJob>,
    /// What the reader of the file should tell the user (plain-text password, old dialect, …).
    pub warnings: Vec<String>,
}

/// When full copies become visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishWhen {
    /// Each table when it is ready.
    Table,
    /// All tables at the end, and none if one failed.
    Job,
}

/// Limits and parallelism of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Tables copied at once.
    pub parallel_tables: usize,
    /// Chunks in flight in the whole run; `None` = the number of cores, at most 4.
    pub workers: Option<usize>,
    /// Rows per chunk at most.
    pub chunk_rows: u64,
    /// Bytes per chunk at most.
    pub chunk_bytes: u64,
    /// How long passing failures are retried, from the first one since anything got done.
    pub retry_for: Duration,
    /// How long servers may take.
    pub limits: TimeLimits,
    /// Bytes of rows in flight in the whole process.
    pub memory_budget: u64,
    /// Bytes of the texts and binaries of one row at most.
    pub max_row_bytes: u64,
    /// What is read in a second at most; `None` = as much as goes.
    pub max_rate: Option<Rate>,
    /// How far one read view reaches.
    pub consistency: Consistency,
    /// Whether bytes of the same engine may pass through undecoded.
    pub passthrough: bool,
    /// What happens to rows that the target cannot hold.
    pub on_bad_row: OnBadRow,
    /// Whether messages name rows by their keys.
    pub show_keys: bool,
}

/// What happens to rows that the target cannot hold and for which no column's policy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnBadRow {
    /// The first one stops its table.
    Fail,
    /// They are written to `_rowferry_quarantine` and the table goes on.
    Quarantine {
        /// Most of them per table and run; one more stops the table.
        max_rejects: u64,
    },
}

impl Settings {
    /// Rows per chunk: a restart costs at most this many rows per worker.
    pub const CHUNK_ROWS: u64 = 100_000;
    /// Bytes per chunk: 32 MiB, the lower end of the 32–128 MiB at which per-chunk costs vanish.
    pub const CHUNK_BYTES: u64 = 32 << 20;
    /// Bytes of rows in flight: a fifth of the memory of a small container.
    pub const MEMORY_BUDGET: u64 = 96 << 20;
    /// Bytes of one row: four copies of it still fit beside the rest into half a gigabyte, and the
    /// largest packet of a MySQL server with its usual settings is no larger.
    pub const MAX_ROW_BYTES: u64 = 64 << 20;
    /// Tables copied at once.
    pub const PARALLEL_TABLES: usize = 4;
    /// How long transient failures are retried.
    pub const RETRY_FOR: Duration = Duration::from_mins(10);

    /// The documented defaults.
    pub const fn documented() -> Self {
        Self {
            parallel_tables: Self::PARALLEL_TABLES,
            workers: None,
            chunk_rows: Self::CHUNK_ROWS,
            chunk_bytes: Self::CHUNK_BYTES,
            retry_for: Self::RETRY_FOR,
            limits: TimeLimits::documented(),
            memory_budget: Self::MEMORY_BUDGET,
            max_row_bytes: Self::MAX_ROW_BYTES,
            max_rate: None,
            consistency: Consistency::Auto,
            passthrough: true,
            on_bad_row: OnBadRow::Fail,
            show_keys: true,
        }
    }

    /// Rows and bytes of a chunk at most.
    pub fn of_chunk(&self) -> (u64, u64) {
        match self.max_rate {
            Some(rate) => rate.of_chunk(self.chunk_rows, self.chunk_bytes),
            None => (self.chunk_rows, self.chunk_bytes),
        }
    }
}

/// One entry of a job: a table, or a pattern of tables.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in job files")]
pub struct TableJob {
    /// `orders`, `public.orders`, `public.*`, `shop.tmp_*`: `*` stands for any characters.
    pub source: TableRef,
    /// Patterns of table names left out of a pattern.
    pub exclude_tables: Vec<String>,
    /// Target table; `{table}` and `{schema}` stand for the source's. `None` = the same name in
    /// the target connection's own schema.
    pub target: Option<TableRef>,
    /// Source columns that identify a row; empty = the primary key.
    pub key: Vec<String>,
    /// Source columns in whose order the table is cut; empty = the key.
    pub cut_by: Vec<String>,
    /// Equal keys; `None` = the default (only looked at where the source does not enforce the key).
    pub on_duplicate: Option<Duplicates>,
    /// Source columns to copy; empty = all.
    pub include: Vec<String>,
    /// Source columns to leave out.
    pub exclude: Vec<String>,
    /// Source column name to target column name.
    pub rename: BTreeMap<String, String>,
    /// Columns that are not renamed get their names in lower-case letters.
    pub lower_names: bool,
    /// New target columns get the source's defaults, where the target has a word for them.
    pub keep_defaults: bool,
    /// Source column name to what is asked for it.
    pub casts: BTreeMap<String, Cast>,
    /// Filter.
    pub predicate: Option<Predicate>,
    /// How rows are written; `None` = the mode's default.
    pub write: Option<WriteMode>,
    /// How staging takes the target's place.
    pub replace: ReplaceMode,
    /// Keep the swapped-out table.
    pub keep_old: bool,
    /// Limits below which a copy never replaces the target.
    pub guard: Guard,
    /// Several streams may write this target.
    pub shared_target: bool,
    /// Rows of one multi-row INSERT.
    pub insert_batch_rows: u32,
    /// Line of the entry in its file, for messages about it.
    pub line: Option<u32>,
}

impl TableJob {
    /// Rows of one multi-row INSERT: past a thousand, a statement's fixed cost no longer shows.
    pub const INSERT_BATCH_ROWS: u32 = 1_000;

    /// An entry for `source` with the documented defaults.
    pub fn of(source: TableRef) -> Self {
        Self {
            source,
            exclude_tables: Vec::new(),
            target: None,
            key: Vec::new(),
            cut_by: Vec::new(),
            on_duplicate: None,
            include: Vec::new(),
            exclude: Vec::new(),
            rename: BTreeMap::new(),
            lower_names: false,
            keep_defaults: true,
            casts: BTreeMap::new(),
            predicate: None,
            write: None,
            replace: ReplaceMode::Swap,
            keep_old: false,
            guard: Guard { max_shrink: None, min_rows: None },
            shared_target: false,
            insert_batch_rows: Self::INSERT_BATCH_ROWS,
            line: None,
        }
    }
}

/// When a copy must not replace what is there. An empty source never replaces a target with rows,
/// whatever stands here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// Largest allowed loss of rows, as a share of the target's rows (0.5 = half).
    pub max_shrink: Option<f64>,
    /// Least rows of the source.
    pub min_rows: Option<u64>,
}
