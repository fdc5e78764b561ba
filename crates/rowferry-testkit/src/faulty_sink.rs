//! A sink whose chunks and steps fail by script.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use rowferry_core::{
    Begun, CheckLine, Chunk, ChunkTotals, ChunkWriter, ColumnChoice, ColumnPlan, ColumnWish,
    ErrorClass, ForeignKey, Payload, PlanProblem, Prepared, Receipt, RejectedRow, Result, Sink,
    StreamLock, StreamSpec, StreamState, TablePlan, TableRef, TargetTable, Tried, WireFormat,
};

use crate::faults::{Fault, Faults, scripted};
use crate::faulty_lock::{FaultyLock, Step, StepFault};

/// Wraps a sink; every `begin` takes the next fault of the script.
pub struct FaultySink {
    inner: Arc<dyn Sink>,
    faults: Faults,
    steps: Faults<StepFault>,
}

impl FaultySink {
    /// `inner` with faults.
    pub fn new(inner: Arc<dyn Sink>, faults: Faults) -> Self {
        Self { inner, faults, steps: Faults::default() }
    }

    /// Lets steps outside of chunks fail too.
    #[must_use]
    pub fn with_steps(mut self, steps: &Faults<StepFault>) -> Self {
        self.steps = steps.clone();
        self
    }
}

#[async_trait]
impl Sink for FaultySink {
    fn engine(&self) -> &str {
        self.inner.engine()
    }

    async fn identity(&self) -> Result<String> {
        self.inner.identity().await
    }

    async fn describe(&self, table: &TableRef) -> Result<Option<TargetTable>> {
        self.inner.describe(table).await
    }

    fn plan_column(&self, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
        self.inner.plan_column(wish)
    }

    fn ddl(&self, plan: &TablePlan) -> Vec<String> {
        self.inner.ddl(plan)
    }

    fn accepts(&self, format: WireFormat, columns: &[ColumnPlan]) -> bool {
        self.inner.accepts(format, columns)
    }

    async fn lock(&self, stream: &StreamSpec) -> Result<Box<dyn StreamLock>> {
        let inner = self.steps.around(Step::Lock, self.inner.lock(stream)).await?;
        Ok(Box::new(FaultyLock { inner, faults: self.steps.clone() }))
    }

    async fn begin(&self, chunk: &Chunk, prepared: &Prepared, settle: bool) -> Result<Begun> {
        let fault = self.faults.take();
        fault.at_begin()?;
        Ok(match self.inner.begin(chunk, prepared, settle).await? {
            Begun::Writer(inner) => {
                Begun::Writer(Box::new(FaultyWriter { inner, fault, payloads: 0 }))
            }
            Begun::AlreadyDurable(receipt) => Begun::AlreadyDurable(receipt),
        })
    }

    async fn unlink(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<()> {
        self.inner.unlink(table, keys).await
    }

    async fn link(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<Vec<String>> {
        self.inner.link(table, keys).await
    }

    async fn streams(&self, progress_schema: Option<&str>) -> Result<Vec<StreamState>> {
        self.inner.streams(progress_schema).await
    }

    async fn forget(&self, progress_schema: Option<&str>, stream_id: &str) -> Result<()> {
        self.inner.forget(progress_schema, stream_id).await
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        self.inner.check().await
    }
}

struct FaultyWriter {
    inner: Box<dyn ChunkWriter>,
    fault: Fault,
    payloads: u64,
}

#[async_trait]
impl ChunkWriter for FaultyWriter {
    async fn write(&mut self, payload: Payload) -> Result<()> {
        self.fault.before_payload(self.payloads).await?;
        self.payloads += 1;
        self.inner.write(payload).await
    }

    async fn try_write(&mut self, batch: RecordBatch) -> Result<Tried> {
        self.fault.before_payload(self.payloads).await?;
        self.payloads += 1;
        self.inner.try_write(batch).await
    }

    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()> {
        self.inner.reject(rows).await
    }

    async fn commit(self: Box<Self>, totals: ChunkTotals) -> Result<Receipt> {
        match self.fault {
            Fault::RefuseCommit(class) => Err(scripted(class, "commit")),
            Fault::LoseCommit => Err(scripted(ErrorClass::Unknown, "the way to commit")),
            Fault::LoseAnswer => {
                let _durable = self.inner.commit(totals).await?;
                Err(scripted(ErrorClass::Unknown, "the answer to commit"))
            }
            Fault::None
            | Fault::RefuseBegin(_)
            | Fault::FailAfter(..)
            | Fault::Slow(_)
            | Fault::Hold(_) => self.inner.commit(totals).await,
        }
    }
}
