//! The source as one process sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{cast::AsArray, types::Int64Type};
use async_trait::async_trait;
use rowferry_core::{
    CheckLine, Chunk, ChunkReader, Column, Consistency, Digest, ErrorClass, Horizon, KeyColumns,
    KeyProbe, KeyTuple, Payload, ReadSpec, Result, Snapshot, Source, TableListing, TableRef,
    TableSchema, WireFormat,
};

use super::model::{Fate, Flaw, Step, failed};
use super::process::Process;

pub(crate) struct ModelSource(pub(crate) Arc<Process>);

/// Takes a step that has no effect, so that a lost answer and a refusal are the same.
async fn step(process: &Process, step: Step, table: &TableRef) -> Result<()> {
    match process.step(step, table).await {
        Fate::Well => Ok(()),
        Fate::Fails(class) => Err(failed(class, step)),
        Fate::AnswerLost | Fate::UnderWay { .. } => Err(failed(ErrorClass::Transient, step)),
    }
}

#[async_trait]
impl Source for ModelSource {
    fn engine(&self) -> &str {
        self.0.model.source.engine()
    }

    async fn identity(&self) -> Result<String> {
        self.0.model.source.identity().await
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        self.0.model.source.tables().await
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        step(&self.0, Step::DescribeSource, table).await?;
        self.0.model.source.describe(table).await
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        step(&self.0, Step::OpenView, &table.table).await?;
        let inner = self.0.model.source.snapshot(table, consistency, readers).await?;
        let number = {
            let mut state = self.0.model.state();
            state.views += 1;
            state.views
        };
        let seen = Seen { process: Arc::clone(&self.0), table: table.table.clone(), number };
        Ok(Box::new(ModelView { seen, inner }))
    }

    fn offers(&self, format: WireFormat, columns: &[Column]) -> bool {
        self.0.model.source.offers(format, columns)
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        self.0.model.source.check().await
    }
}

/// A view of a table, by its number.
#[derive(Clone)]
struct Seen {
    process: Arc<Process>,
    table: TableRef,
    number: u64,
}

impl Seen {
    /// A step inside the view, which is gone when the source was restarted.
    async fn step(&self, wanted: Step) -> Result<()> {
        step(&self.process, wanted, &self.table).await?;
        if self.number <= self.process.model.state().views_lost {
            return Err(failed(ErrorClass::Transient, wanted));
        }
        Ok(())
    }

    /// Ids that the process's own run had made durable before now. Source and target tables have
    /// the same names.
    fn durable(&self) -> BTreeSet<i64> {
        let Some(claim) = self.process.claim_of(&self.table) else { return BTreeSet::new() };
        let state = self.process.model.state();
        if state.epochs.get(&self.table) != Some(&claim.epoch) {
            // It was overtaken and does not know yet: it reads in vain, which harms nobody.
            return BTreeSet::new();
        }
        state.durable.get(&(self.table.clone(), claim.run)).cloned().unwrap_or_default()
    }
}

struct ModelView {
    seen: Seen,
    inner: Box<dyn Snapshot>,
}

#[async_trait]
impl Snapshot for ModelView {
    fn consistency(&self) -> Consistency {
        self.inner.consistency()
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        self.inner.horizon().await
    }

    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        self.seen.step(Step::Probe).await?;
        let inner = self.inner.probe(table, key).await?;
        Ok(Box::new(ModelProbe { seen: self.seen.clone(), inner }))
    }

    async fn blocks(&self, table: &TableSchema) -> Result<Option<u64>> {
        self.seen.step(Step::Probe).await?;
        self.inner.blocks(table).await
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        self.seen.step(Step::Read).await?;
        let durable = self.seen.durable();
        let inner = self.inner.read(chunk, spec).await?;
        Ok(Box::new(ModelReader { seen: self.seen.clone(), inner, durable }))
    }
}

struct ModelProbe {
    seen: Seen,
    inner: Box<dyn KeyProbe>,
}

#[async_trait]
impl KeyProbe for ModelProbe {
    async fn nth_key(
        &mut self,
        after: Option<&KeyTuple>,
        upto: Option<&KeyTuple>,
        rows: u64,
    ) -> Result<Option<KeyTuple>> {
        self.seen.step(Step::Probe).await?;
        self.inner.nth_key(after, upto, rows).await
    }
}

struct ModelReader {
    seen: Seen,
    inner: Box<dyn ChunkReader>,
    /// What must not be read again.
    durable: BTreeSet<i64>,
}

#[async_trait]
impl ChunkReader for ModelReader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        let stepped = self.seen.step(Step::NextRows).await;
        let model = &self.seen.process.model;
        if stepped.is_err() && model.flaw == Some(Flaw::EndsEarly) {
            return Ok(None);
        }
        stepped?;
        let payload = self.inner.next().await?;
        if let Some(Payload::Batch(batch)) = &payload {
            for id in batch.column(0).as_primitive::<Int64Type>().values() {
                let moved = model.state().moved.contains(&(self.seen.table.clone(), *id));
                if self.durable.contains(id) && !moved {
                    model.accuse(format!(
                        "row {id} of {} was durable and read again",
                        self.seen.table
                    ));
                }
            }
        }
        Ok(payload)
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.inner.last_key()
    }

    fn digest(&self) -> Option<Digest> {
        self.inner.digest()
    }
}
