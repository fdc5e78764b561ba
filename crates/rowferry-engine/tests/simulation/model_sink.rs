//! The target as one process sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{RecordBatch, cast::AsArray, types::Int64Type};
use async_trait::async_trait;
use rowferry_core::{
    Begun, CheckLine, Chunk, ChunkTotals, ChunkWriter, ColumnChoice, ColumnPlan, ColumnWish,
    ConnectorError, ErrorClass, ForeignKey, Payload, PlanProblem, Prepared, Receipt, RejectedRow,
    Result, Sink, StreamLock, StreamSpec, StreamState, TablePlan, TableRef, TargetTable, Tried,
    WireFormat,
};
use tokio::sync::OwnedMutexGuard;

use super::case::breaks_a_rule;
use super::model::{Fate, Flaw, Session, Step, failed};
use super::model_lock::ModelLock;
use super::process::Process;

pub(crate) struct ModelSink(pub(crate) Arc<Process>);

#[async_trait]
impl Sink for ModelSink {
    fn engine(&self) -> &str {
        self.0.model.sink.engine()
    }

    async fn identity(&self) -> Result<String> {
        Ok("memory:target".to_owned())
    }

    async fn describe(&self, table: &TableRef) -> Result<Option<TargetTable>> {
        match self.0.step(Step::DescribeTarget, table).await {
            Fate::Well => self.0.model.sink.describe(table).await,
            Fate::Fails(class) => Err(failed(class, Step::DescribeTarget)),
            Fate::AnswerLost | Fate::UnderWay { .. } => {
                Err(failed(ErrorClass::Transient, Step::DescribeTarget))
            }
        }
    }

    fn plan_column(&self, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
        self.0.model.sink.plan_column(wish)
    }

    fn ddl(&self, plan: &TablePlan) -> Vec<String> {
        self.0.model.sink.ddl(plan)
    }

    fn writes_in_turn(&self) -> bool {
        self.0.model.case.writes_in_turn
    }

    fn accepts(&self, format: WireFormat, columns: &[ColumnPlan]) -> bool {
        self.0.model.sink.accepts(format, columns)
    }

    async fn lock(&self, stream: &StreamSpec) -> Result<Box<dyn StreamLock>> {
        if let Fate::Fails(class) = self.0.step(Step::Lock, &stream.target_table).await {
            return Err(failed(class, Step::Lock));
        }
        let inner = self.0.model.sink.lock(stream).await?;
        let target = stream.target_table.clone();
        Ok(Box::new(ModelLock { process: Arc::clone(&self.0), target, inner }))
    }

    async fn begin(&self, chunk: &Chunk, prepared: &Prepared, settle: bool) -> Result<Begun> {
        let model = &self.0.model;
        match self.0.step(Step::Begin, &prepared.target).await {
            Fate::Well => {}
            Fate::Fails(class) => return Err(failed(class, Step::Begin)),
            Fate::AnswerLost | Fate::UnderWay { .. } => {
                return Err(failed(ErrorClass::Transient, Step::Begin));
            }
        }
        let mut turn = None;
        if settle && model.case.writes_in_turn {
            turn = Some(Arc::clone(&self.0.writing).lock_owned().await);
        }
        if settle && model.flaw != Some(Flaw::NothingSettled) {
            model.settle(Some(&prepared.target)).await;
        }
        let begun = model.sink.begin(chunk, prepared, settle).await?;
        let Begun::Writer(inner) = begun else { return Ok(begun) };
        let ended = Arc::new(AtomicBool::new(false));
        model.state().sessions.push(Session {
            target: prepared.target.clone(),
            process: self.0.number,
            ended: Arc::clone(&ended),
        });
        Ok(Begun::Writer(Box::new(ModelWriter {
            process: Arc::clone(&self.0),
            inner: Some(inner),
            chunk: chunk.clone(),
            prepared: Arc::new(prepared.clone()),
            ids: Vec::new(),
            batches: Vec::new(),
            ended,
            turn,
        })))
    }

    async fn unlink(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<()> {
        self.0.model.sink.unlink(table, keys).await
    }

    async fn link(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<Vec<String>> {
        self.0.model.sink.link(table, keys).await
    }

    async fn streams(&self, progress_schema: Option<&str>) -> Result<Vec<StreamState>> {
        self.0.model.sink.streams(progress_schema).await
    }

    async fn forget(&self, progress_schema: Option<&str>, stream_id: &str) -> Result<()> {
        self.0.model.sink.forget(progress_schema, stream_id).await
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        self.0.model.sink.check().await
    }
}

struct ModelWriter {
    process: Arc<Process>,
    /// Gone once it commits.
    inner: Option<Box<dyn ChunkWriter>>,
    chunk: Chunk,
    prepared: Arc<Prepared>,
    /// Ids of the rows that it holds.
    ids: Vec<i64>,
    /// The rows, for the flaw that needs them.
    batches: Vec<RecordBatch>,
    /// Whether the server ended its session.
    ended: Arc<AtomicBool>,
    /// Where the target takes one chunk at a time: from the first rows to the commit.
    turn: Option<OwnedMutexGuard<()>>,
}

impl ModelWriter {
    async fn step(&mut self, step: Step) -> Result<Fate> {
        if self.process.model.case.writes_in_turn && self.turn.is_none() {
            self.turn = Some(Arc::clone(&self.process.writing).lock_owned().await);
        }
        let fate = self.process.step(step, &self.prepared.target).await;
        if self.ended.load(Ordering::Relaxed) {
            return Err(failed(ErrorClass::Transient, step));
        }
        Ok(fate)
    }

    async fn write_step(&mut self, step: Step) -> Result<()> {
        match self.step(step).await? {
            Fate::Well => Ok(()),
            Fate::Fails(class) => Err(failed(class, step)),
            Fate::AnswerLost | Fate::UnderWay { .. } => Err(failed(ErrorClass::Transient, step)),
        }
    }

    fn inner(&mut self) -> &mut dyn ChunkWriter {
        self.inner.as_mut().expect("nothing is written after COMMIT").as_mut()
    }

    /// The target's own rule.
    fn refused(batch: &RecordBatch) -> Option<ConnectorError> {
        let values = batch.column(2).as_string::<i32>();
        let broken = values.iter().any(|value| value.is_some_and(breaks_a_rule));
        broken.then(|| {
            let message = "a rule of the target is broken";
            ConnectorError::new(ErrorClass::Data, "check-violated", message).with_column("v")
        })
    }

    fn hold(&mut self, batch: &RecordBatch) {
        self.ids.extend(batch.column(0).as_primitive::<Int64Type>().values());
        self.batches.push(batch.clone());
    }
}

impl Drop for ModelWriter {
    fn drop(&mut self) {
        if self.inner.is_some() && self.process.model.flaw == Some(Flaw::CommitsOnClose) {
            for batch in &self.batches {
                self.process.model.sink.put_rows(&self.prepared.load_table, batch.clone());
            }
        }
    }
}

#[async_trait]
impl ChunkWriter for ModelWriter {
    async fn write(&mut self, payload: Payload) -> Result<()> {
        self.write_step(Step::Write).await?;
        if let Payload::Batch(batch) = &payload {
            if let Some(refused) = Self::refused(batch) {
                return Err(refused);
            }
            self.hold(batch);
        }
        self.inner().write(payload).await
    }

    async fn try_write(&mut self, batch: RecordBatch) -> Result<Tried> {
        self.write_step(Step::Write).await?;
        if let Some(refused) = Self::refused(&batch) {
            return Ok(Tried::Refused(refused));
        }
        self.hold(&batch);
        self.inner().try_write(batch).await
    }

    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()> {
        self.write_step(Step::SetAside).await?;
        self.inner().reject(rows).await
    }

    async fn commit(mut self: Box<Self>, totals: ChunkTotals) -> Result<Receipt> {
        let fate = self.step(Step::Commit).await?;
        let model = Arc::clone(&self.process.model);
        if let Fate::Fails(class) = fate {
            if model.flaw == Some(Flaw::LostCommitSaidDone) && class == ErrorClass::Unknown {
                return Ok(Receipt::of(&self.chunk, totals));
            }
            return Err(failed(class, Step::Commit));
        }
        let writer = self.inner.take().expect("a chunk commits once");
        let (prepared, ids) = (Arc::clone(&self.prepared), std::mem::take(&mut self.ids));
        if let Fate::UnderWay { lands } = fate {
            model.keep_under_way(writer, totals, prepared, ids, lands);
            return Err(failed(ErrorClass::Unknown, Step::Commit));
        }
        let receipt = model.land(writer, totals, &prepared, &ids).await?;
        if fate == Fate::AnswerLost {
            return Err(failed(ErrorClass::Unknown, Step::Commit));
        }
        Ok(receipt)
    }
}
