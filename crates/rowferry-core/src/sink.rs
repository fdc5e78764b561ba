//! The writing end.
//!
//! Order of calls for one table: `describe`, `plan_column` for each column, `lock`, `state`,
//! `claim`, `prepare`, then `begin` … `commit` for each chunk from many workers at once, then
//! `seal` and `publish`. The lock lives as long as the [`StreamLock`] value.

use std::fmt;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Chunk, ChunkTotals, Claim, ClaimStart, ColumnChoice, ColumnWish, ConnectorError, ForeignKey,
    Holder, LoadInto, Payload, PlanProblem, Receipt, RejectedRow, ReplaceMode, Result, StreamSpec,
    StreamState, TablePlan, TableRef, TableSchema, WireFormat, WriteMode,
};

/// A table found in the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetTable {
    /// Its schema.
    pub schema: TableSchema,
    /// Objects that a swap would cut off (views, triggers, policies, publications), each as
    /// `kind name`, in name order.
    pub dependents: Vec<String>,
    /// Foreign keys that a swap would cut off, unless they are taken off before it and made again
    /// after it: those of other tables, and its own where staging cannot have them.
    pub references: Vec<Reference>,
    /// Whether writes to it can be rolled back (false for MyISAM and the like).
    pub transactional: bool,
}

/// A foreign key that points at a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// The table that has it.
    pub table: TableRef,
    /// Its name; empty where the database keeps none.
    pub name: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "foreign key of {}", self.table),
            name => write!(f, "foreign key {name} of {}", self.table),
        }
    }
}

/// Where and how chunks of one table are written: plain, enough for `begin` in any process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Stream.
    pub stream: StreamSpec,
    /// Run of the claim.
    pub run: i64,
    /// Epoch of the claim.
    pub epoch: i64,
    /// Target table.
    pub target: TableRef,
    /// The table that chunks are written to: staging or the target itself.
    pub load_table: TableRef,
    /// What `load_table` is.
    pub load: LoadInto,
    /// Source and target columns in the order of the read.
    pub columns: Vec<crate::ColumnPlan>,
    /// Target columns that identify a row.
    pub key: Vec<String>,
    /// See [`TablePlan::key_enforced`].
    pub key_enforced: bool,
    /// `Upsert` merges by key; otherwise rows are inserted.
    pub write: WriteMode,
    /// How staging takes the target's place.
    pub replace: ReplaceMode,
    /// Keep the swapped-out table.
    pub keep_old: bool,
    /// Rows of one multi-row INSERT.
    pub insert_batch_rows: u32,
    /// What `load_table` is; no chunk becomes durable in a table that is another.
    pub shape: crate::TableShape,
    /// Staging was missing or emptied and had to be made anew: receipts of this run are void and
    /// the engine starts a new run.
    pub staging_lost: bool,
}

impl Prepared {
    /// What a plan and its claim say of the run, for rows that go into `load_table`; the shape of that
    /// table is for the sink to fill in.
    pub fn of(plan: &TablePlan, claim: &Claim, target: TableRef, load_table: TableRef) -> Self {
        Self {
            stream: plan.stream.clone(),
            run: claim.run,
            epoch: claim.epoch,
            target,
            load_table,
            load: plan.load,
            columns: plan.columns.clone(),
            key: plan.key.clone(),
            key_enforced: plan.key_enforced,
            write: plan.write,
            replace: plan.replace,
            keep_old: plan.keep_old,
            insert_batch_rows: plan.insert_batch_rows,
            shape: crate::TableShape::default(),
            staging_lost: false,
        }
    }
}

/// What sealing found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Rows counted in the loaded table; `None` when chunks went into the target itself.
    pub rows: Option<u64>,
}

/// What publishing did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Rows in the target afterwards, where they are known without another scan.
    pub rows_in_target: Option<u64>,
}

/// What a copy will do to a target table, as far as rights are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Target table.
    pub table: TableRef,
    /// How rows are written.
    pub write: WriteMode,
    /// How staging takes the target's place.
    pub replace: ReplaceMode,
    /// Schema of the progress tables; `None` = the connection's own.
    pub progress_schema: Option<String>,
}

/// One finding of `check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLine {
    /// What was looked at: `version`, `right to create tables`, `local_infile`, …
    pub name: String,
    /// What was found.
    pub found: String,
    /// `None` when fine; otherwise what to do, a full sentence.
    pub advice: Option<String>,
    /// Whether a copy cannot work as it is.
    pub fatal: bool,
}

/// How a chunk begins.
pub enum Begun {
    /// Write it.
    Writer(Box<dyn ChunkWriter>),
    /// An earlier attempt's COMMIT got through; nothing is to be done.
    AlreadyDurable(Receipt),
}

/// A database that tables are written to.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Engine word as in [`crate::NativeType::engine`].
    fn engine(&self) -> &str;

    /// What the server says of itself; same meaning as [`crate::Source::identity`].
    async fn identity(&self) -> Result<String>;

    /// Whether what is written outlives this process, so that its progress can be missed later.
    fn is_lasting(&self) -> bool {
        true
    }

    /// Describes the target table; `None` when it does not exist.
    async fn describe(&self, table: &TableRef) -> Result<Option<TargetTable>>;

    /// The target column for `wish.source`, and how exactly values arrive in it.
    ///
    /// With `wish.existing` the column is checked against it and it is returned; otherwise a type
    /// is chosen: that of the cast, the verbatim native type from the same engine, else by
    /// canonical type. A `generated` column in the answer is computed by the target as the source
    /// does: it stays out of the plan's columns, since its values are neither read nor written.
    /// What would be lossy or cannot be mapped is a problem that lists the casts
    /// with which it goes; with one of them it is done.
    fn plan_column(&self, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem>;

    /// Whether names of tables and columns that differ only in the case of letters may be the same
    /// name here.
    fn folds_names(&self) -> bool {
        false
    }

    /// What belongs to the source table and will not be in the target, each as a few words:
    /// `2 triggers: audit, touch`. Asked once the plan is complete.
    fn not_carried(&self, _plan: &TablePlan) -> Vec<String> {
        Vec::new()
    }

    /// Looks at the columns of a planned table together: what is too wide as a whole gets another
    /// type, what is not carried over gets a warning, what cannot be is a problem. A sink whose
    /// tables have no limits of their own leaves the plan as it is.
    fn shape(&self, _plan: &mut TablePlan) -> Vec<PlanProblem> {
        Vec::new()
    }

    /// Whether chunks are written one after the other, however many are begun. The rows of the next
    /// one are then read while this one's are written, and none of the others'.
    fn writes_in_turn(&self) -> bool {
        false
    }

    /// Statements that would create the target, for `plan`.
    fn ddl(&self, plan: &TablePlan) -> Vec<String>;

    /// Whether payloads in this wire format can be written to `columns` undecoded.
    fn accepts(&self, format: WireFormat, columns: &[crate::ColumnPlan]) -> bool;

    /// Takes the session lock of the target table. Class `Busy`, slug `locked`, when it is held.
    async fn lock(&self, stream: &StreamSpec) -> Result<Box<dyn StreamLock>>;

    /// Starts a chunk. `settle` is set for every attempt after the first: the stream row is then
    /// locked exclusively and the receipt looked for, since an earlier COMMIT may be in flight.
    async fn begin(&self, chunk: &Chunk, prepared: &Prepared, settle: bool) -> Result<Begun>;

    /// Takes off those of `keys` that `table` has, so that tables that point at each other can be
    /// exchanged one by one. A table or key that is not there is no error.
    async fn unlink(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<()>;

    /// Makes those of `keys` that `table` does not have and validates them against its rows.
    /// Returns what could not be made or is broken by a row, as sentences for the user.
    async fn link(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<Vec<String>>;

    /// All streams known in this target, in the order of job and table. Empty when the progress
    /// tables do not exist.
    async fn streams(&self, progress_schema: Option<&str>) -> Result<Vec<StreamState>>;

    /// Forgets a stream: drops its staging table and removes its rows from the progress tables.
    async fn forget(&self, progress_schema: Option<&str>, stream_id: &str) -> Result<()>;

    /// Who holds the stream of `state` at this moment.
    async fn holders(&self, _state: &StreamState) -> Result<Vec<Holder>> {
        Ok(Vec::new())
    }

    /// Ends those who hold the stream of `state`, and waits until what they had not committed is
    /// rolled back.
    ///
    /// # Errors
    ///
    /// Class `Busy` when they are still there in the end, or when only their own machine can end
    /// them.
    async fn end_holders(&self, _state: &StreamState) -> Result<()> {
        Ok(())
    }

    /// The grants that this login lacks for `access`, each as the statement that gives it. Empty where
    /// there are no grants.
    async fn missing_grants(&self, _access: &Access) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Version, rights and settings that matter for writing.
    async fn check(&self) -> Result<Vec<CheckLine>>;
}

/// The coordinator's hold on one stream. Dropping it gives the lock back.
#[async_trait]
pub trait StreamLock: Send {
    /// The stream row, without changing it. Creates nothing; a staging table that a finished run left
    /// may go. Class `Conflict`, slug `target-shared`, when another stream owns the same target table.
    async fn state(&mut self) -> Result<Option<StreamState>>;

    /// Ends the sessions of the previous owner, raises the epoch and reads the receipts, creating
    /// the progress tables when they are missing. Class `Fenced` when somebody else claimed or
    /// finished the stream since [`Self::state`] was asked: see [`crate::SeenState`].
    async fn claim(&mut self, start: ClaimStart) -> Result<Claim>;

    /// Makes the staging or target table, as the plan says. Idempotent within a run.
    async fn prepare(&mut self, plan: &TablePlan, claim: &Claim) -> Result<Prepared>;

    /// Rows in the target table now, counted up to `limit`; 0 when it does not exist.
    async fn target_rows(&mut self, limit: Option<u64>) -> Result<u64>;

    /// Sets phase `publishing`, counts a staging table, and builds keys. Idempotent.
    async fn seal(&mut self, prepared: &Prepared) -> Result<Sealed>;

    /// Makes the rows visible (swap, truncate-and-insert, append from staging; nothing for rows
    /// that went into the target itself), stores `watermark` and sets phase `done`, in one fenced
    /// transaction where the server can. Idempotent.
    async fn publish(&mut self, prepared: &Prepared, watermark: Option<&str>) -> Result<Published>;

    /// Proves that the lock's session still lives. Called every few seconds by the engine.
    async fn heartbeat(&mut self) -> Result<()>;
}

/// What became of rows that were tried.
#[derive(Debug)]
pub enum Tried {
    /// All of them are in the transaction.
    Written,
    /// None of them is, for this reason: one or more of them broke a rule.
    Refused(ConnectorError),
}

/// One chunk being written, in one target transaction. Dropping it leaves no visible row.
///
/// A chunk is written by [`Self::write`] alone or by [`Self::try_write`] alone.
#[async_trait]
pub trait ChunkWriter: Send {
    /// Rows are on their way, in wire form or as batches: does before they are there what can be done,
    /// so that both ends start at the same time. Not called when rows are to be tried one by one.
    async fn expect(&mut self, _wire: Option<WireFormat>) -> Result<()> {
        Ok(())
    }

    /// Hands over rows. Returns when the writer can take more: the backpressure.
    async fn write(&mut self, payload: Payload) -> Result<()>;

    /// Writes `batch` behind a savepoint, so that a refusal leaves the transaction as it was: the
    /// rows that a server does not take are found by halves. Every rule of the target that is not
    /// put off to the end of the transaction is applied before it returns.
    ///
    /// # Errors
    ///
    /// Whatever is not about the rows, as [`Self::write`]. The writer is then of no use.
    async fn try_write(&mut self, batch: RecordBatch) -> Result<Tried>;

    /// Writes rows that were set aside into `_rowferry_quarantine`, in the chunk's transaction.
    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()>;

    /// Writes the receipt, checks the epoch under a shared lock and commits.
    ///
    /// Class `Fenced` when the epoch is no longer ours; `Unknown` when no answer to COMMIT came.
    async fn commit(self: Box<Self>, totals: ChunkTotals) -> Result<Receipt>;
}
