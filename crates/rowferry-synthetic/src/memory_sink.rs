//! A sink that keeps everything in memory and the whole contract of [`Sink`]: session lock, epoch
//! fence, receipts with the rows, staging and swap. For tests of whatever drives a sink.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use rowferry_core::{
    Begun, CheckLine, Chunk, Column, ColumnChoice, ColumnPlan, ColumnWish, ConnectorError,
    ErrorClass, ForeignKey, NativeType, PlanProblem, Prepared, Receipt, RejectedRow, Result, Sink,
    StreamLock, StreamSpec, StreamState, TablePlan, TableRef, TargetTable, WireFormat,
};

use crate::memory_lock::MemoryLock;
use crate::memory_state::{MemoryTable, Shared};
use crate::memory_writer::MemoryWriter;

/// Changes what a sink answers about a column.
type Choose =
    dyn Fn(&ColumnWish<'_>, ColumnChoice) -> Result<ColumnChoice, PlanProblem> + Send + Sync;

/// Tables in memory. Clones share them.
#[derive(Clone)]
pub struct MemorySink {
    shared: Shared,
    choose: Option<Arc<Choose>>,
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySink").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Default for MemorySink {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySink {
    /// A sink without tables.
    pub fn new() -> Self {
        Self { shared: Shared::new("memory", true), choose: None }
    }

    pub(crate) fn counting(engine: &'static str) -> Self {
        Self { shared: Shared::new(engine, false), choose: None }
    }

    /// Lets `choose` change or refuse the choice for each new column: other limits, a conversion.
    #[must_use]
    pub fn choosing(
        mut self,
        choose: impl Fn(&ColumnWish<'_>, ColumnChoice) -> Result<ColumnChoice, PlanProblem>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.choose = Some(Arc::new(choose));
        self
    }

    /// The rows that were set aside by durable chunks into `target`, in the order of their keys.
    pub fn rejected(&self, target: &TableRef) -> Vec<RejectedRow> {
        let state = self.shared.state();
        let mut rows = state.rejected.get(target).cloned().unwrap_or_default();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    fn chosen(
        &self,
        wish: &ColumnWish<'_>,
        choice: ColumnChoice,
    ) -> Result<ColumnChoice, PlanProblem> {
        match &self.choose {
            Some(choose) => choose(wish, choice),
            None => Ok(choice),
        }
    }

    /// Puts a table there, as if somebody else had made it. `key` is enforced.
    pub fn put_table(&self, table: TableRef, columns: Vec<Column>, key: Vec<String>) {
        let table_there = MemoryTable { columns, key, unique: true, ..MemoryTable::default() };
        self.shared.state().tables.insert(table, table_there);
    }

    /// Puts rows into a table, as if somebody else had written them.
    pub fn put_rows(&self, table: &TableRef, batch: RecordBatch) {
        if let Some(table) = self.shared.state().tables.get_mut(table) {
            table.put(batch);
        }
    }

    /// Takes a table away, as if somebody else had dropped it.
    pub fn drop_table(&self, table: &TableRef) {
        self.shared.state().tables.remove(table);
    }

    /// Names of all tables, staging included, in order.
    pub fn table_names(&self) -> Vec<TableRef> {
        self.shared.state().tables.keys().cloned().collect()
    }

    /// The rows of a table in the order of their commits; empty when there is no such table.
    pub fn batches(&self, table: &TableRef) -> Vec<RecordBatch> {
        self.shared.state().tables.get(table).map(|table| table.batches.clone()).unwrap_or_default()
    }

    /// Number of rows of a table; 0 when there is no such table.
    pub fn rows(&self, table: &TableRef) -> u64 {
        self.shared.state().tables.get(table).map_or(0, |table| table.rows)
    }

    /// The receipts of the current run of the stream into `target`, in chunk order.
    pub fn receipts(&self, target: &TableRef) -> Vec<Receipt> {
        let state = self.shared.state();
        let stream = state.streams.values().find(|stream| stream.spec.target_table == *target);
        let mut receipts = stream.map(|stream| stream.receipts.clone()).unwrap_or_default();
        receipts.sort_by_key(|receipt| receipt.no);
        receipts
    }

    /// Raises the epoch of the stream into `target`, as another process would that takes over.
    pub fn take_over(&self, target: &TableRef) {
        for stream in self.shared.state().streams.values_mut() {
            if stream.spec.target_table == *target {
                stream.row.epoch += 1;
            }
        }
    }

    /// Takes the lock of `target` from whoever holds it, as a server does with a session that is
    /// silent for too long.
    pub fn break_lock(&self, target: &TableRef) {
        self.shared.state().locked.remove(target);
    }

    /// Whether somebody holds the lock of `target`.
    pub fn is_locked(&self, target: &TableRef) -> bool {
        self.shared.state().locked.contains_key(target)
    }

    /// Lets writers of a run commit that another one has overtaken: a broken sink, to see whether a
    /// test finds that out.
    #[must_use]
    pub fn without_fence(self) -> Self {
        self.shared.state().unfenced = true;
        self
    }

    /// Makes the stream into `target` look as if it was last touched so long ago.
    pub fn set_age(&self, target: &TableRef, seconds: i64) {
        for stream in self.shared.state().streams.values_mut() {
            if stream.spec.target_table == *target {
                stream.row.age_seconds = seconds;
            }
        }
    }
}

#[async_trait]
impl Sink for MemorySink {
    fn engine(&self) -> &str {
        self.shared.engine
    }

    async fn identity(&self) -> Result<String> {
        Ok(format!("{}:{}", self.shared.engine, std::process::id()))
    }

    async fn describe(&self, table: &TableRef) -> Result<Option<TargetTable>> {
        Ok(self.shared.state().tables.get(table).map(|found| TargetTable {
            schema: found.schema(table),
            dependents: Vec::new(),
            references: Vec::new(),
            transactional: true,
        }))
    }

    fn plan_column(&self, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
        let source = wish.source;
        let problem = |code: &str, message: String, next: &str| {
            PlanProblem::of_column(code, &source.name, message, next)
        };
        let Some(canonical) = &source.canonical else {
            let message = format!("type {} has no mapping", source.native.declared);
            return Err(problem("unmapped-type", message, "Leave the column out."));
        };
        match wish.existing {
            Some(column) if column.canonical.as_ref() == Some(canonical) => {
                self.chosen(wish, ColumnChoice::exact(column.clone()))
            }
            Some(column) if self.choose.is_some() => {
                self.chosen(wish, ColumnChoice::exact(column.clone()))
            }
            Some(column) => {
                let message =
                    format!("{} does not fit {}", canonical.name(), column.native.declared);
                Err(problem("type-mismatch", message, "Give the target column the same type."))
            }
            None => {
                let native = NativeType::new(self.shared.engine, canonical.name());
                let mut column = Column::new(wish.name, Some(canonical.clone()), native);
                column.nullable = source.nullable;
                self.chosen(wish, ColumnChoice::exact(column))
            }
        }
    }

    fn ddl(&self, _plan: &TablePlan) -> Vec<String> {
        Vec::new()
    }

    fn accepts(&self, _format: WireFormat, _columns: &[ColumnPlan]) -> bool {
        false
    }

    async fn lock(&self, stream: &StreamSpec) -> Result<Box<dyn StreamLock>> {
        if let Some(lock) = MemoryLock::take(&self.shared, stream) {
            return Ok(Box::new(lock));
        }
        let message = format!("table {} is being written by another run", stream.target_table);
        Err(ConnectorError::new(ErrorClass::Busy, "locked", message))
    }

    async fn begin(&self, chunk: &Chunk, prepared: &Prepared, _settle: bool) -> Result<Begun> {
        // Commits are atomic here, so nothing is ever in flight and `settle` has nothing to wait
        // for; the receipt alone decides.
        let mut state = self.shared.state();
        let stream = state.fenced(prepared)?;
        let durable = stream.receipts.iter().find(|receipt| receipt.no == chunk.no).cloned();
        Ok(match durable {
            Some(receipt) => Begun::AlreadyDurable(receipt),
            None => Begun::Writer(Box::new(MemoryWriter::new(
                self.shared.clone(),
                chunk.clone(),
                prepared.clone(),
            ))),
        })
    }

    async fn unlink(&self, _table: &TableRef, _keys: &[ForeignKey]) -> Result<()> {
        Ok(())
    }

    async fn link(&self, _table: &TableRef, _keys: &[ForeignKey]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn streams(&self, _progress_schema: Option<&str>) -> Result<Vec<StreamState>> {
        let state = self.shared.state();
        let mut rows: Vec<StreamState> = state.streams.values().map(|s| s.row.clone()).collect();
        rows.sort_by(|a, b| (&a.job, &a.target_table).cmp(&(&b.job, &b.target_table)));
        Ok(rows)
    }

    async fn forget(&self, _progress_schema: Option<&str>, stream_id: &str) -> Result<()> {
        let mut state = self.shared.state();
        if let Some(staging) = state.streams.remove(stream_id).and_then(|stream| stream.row.staging)
        {
            state.tables.remove(&staging);
        }
        Ok(())
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        Ok(Vec::new())
    }
}
