//! The `null:` sink.

use async_trait::async_trait;
use rowferry_core::{
    Begun, CheckLine, Chunk, ColumnChoice, ColumnPlan, ColumnWish, ForeignKey, PlanProblem,
    Prepared, Result, Sink, StreamLock, StreamSpec, StreamState, TablePlan, TableRef, TargetTable,
    WireFormat,
};

use crate::memory_sink::MemorySink;

/// Counts rows and drops them, to measure the reading end alone.
///
/// It keeps the whole contract of a sink (lock, epoch, receipts) for the life of the process and
/// has no durable state: a killed run starts anew. Every payload is taken, wire bytes too.
#[derive(Debug)]
pub struct NullSink(MemorySink);

impl NullSink {
    /// A sink that has seen nothing yet.
    pub fn new() -> Self {
        Self(MemorySink::counting("null"))
    }
}

impl Default for NullSink {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Sink for NullSink {
    fn engine(&self) -> &str {
        self.0.engine()
    }

    async fn identity(&self) -> Result<String> {
        self.0.identity().await
    }

    fn is_lasting(&self) -> bool {
        false
    }

    async fn describe(&self, _table: &TableRef) -> Result<Option<TargetTable>> {
        Ok(None)
    }

    fn plan_column(&self, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
        self.0.plan_column(wish)
    }

    fn ddl(&self, _plan: &TablePlan) -> Vec<String> {
        Vec::new()
    }

    fn accepts(&self, _format: WireFormat, _columns: &[ColumnPlan]) -> bool {
        true
    }

    async fn lock(&self, stream: &StreamSpec) -> Result<Box<dyn StreamLock>> {
        self.0.lock(stream).await
    }

    async fn begin(&self, chunk: &Chunk, prepared: &Prepared, settle: bool) -> Result<Begun> {
        self.0.begin(chunk, prepared, settle).await
    }

    async fn unlink(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<()> {
        self.0.unlink(table, keys).await
    }

    async fn link(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<Vec<String>> {
        self.0.link(table, keys).await
    }

    async fn streams(&self, progress_schema: Option<&str>) -> Result<Vec<StreamState>> {
        self.0.streams(progress_schema).await
    }

    async fn forget(&self, progress_schema: Option<&str>, stream_id: &str) -> Result<()> {
        self.0.forget(progress_schema, stream_id).await
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        self.0.check().await
    }
}
