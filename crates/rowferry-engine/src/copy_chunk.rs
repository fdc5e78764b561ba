//! One chunk: begin, read, transform, write, commit.
//!
//! The order of what a chunk takes is fixed: the writer first, then bytes of the budget, then the
//! read. Whoever holds bytes can therefore always hand them on, and nothing waits in a circle.
//! Reading runs one payload ahead of writing; more would only hold memory.

use std::sync::Arc;

use rowferry_core::{
    Begun, Chunk, ChunkReader, ChunkTotals, ChunkWriter, ConnectorError, Digest, KeyTuple, Payload,
    Prepared, ReadSpec, Receipt, Result, Sink, Snapshot, TablePlan,
};
use rowferry_runtime::{BytePermit, spawn};
use tokio::sync::mpsc;

use crate::RunContext;
use crate::transform::Transform;

/// Payloads that may wait between reader and writer.
const PREFETCH_PAYLOADS: usize = 1;

/// Payloads of one chunk that hold bytes at once: one being read, one waiting, one being written.
pub(crate) const PAYLOADS_IN_FLIGHT: u64 = 3;

/// Everything a chunk of one table needs.
pub(crate) struct ChunkCopier {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) plan: Arc<TablePlan>,
    pub(crate) read: ReadSpec,
    pub(crate) context: RunContext,
}

/// Which end an error came from: a lost read view can be opened again, a lost writer cannot help it.
#[derive(Debug)]
pub(crate) enum CopyError {
    Read(ConnectorError),
    Write(ConnectorError),
}

impl CopyError {
    pub(crate) fn error(&self) -> &ConnectorError {
        match self {
            Self::Read(error) | Self::Write(error) => error,
        }
    }

    pub(crate) fn into_error(self) -> ConnectorError {
        match self {
            Self::Read(error) | Self::Write(error) => error,
        }
    }
}

/// What the reading task hands over.
enum Item {
    Rows { payload: Payload, _held: (BytePermit, Option<BytePermit>) },
    End { last_key: Option<KeyTuple>, digest: Option<Digest> },
}

impl ChunkCopier {
    /// Copies `chunk` once. `settle` is set when an earlier attempt may have committed it.
    pub(crate) async fn copy(
        &self,
        chunk: &Chunk,
        snapshot: &Arc<dyn Snapshot>,
        settle: bool,
    ) -> Result<Receipt, CopyError> {
        let begun = self.sink.begin(chunk, &self.prepared, settle).await;
        let mut writer = match begun.map_err(CopyError::Write)? {
            Begun::AlreadyDurable(receipt) => return Ok(receipt),
            Begun::Writer(writer) => writer,
        };
        let reader = snapshot.read(chunk, &self.read).await.map_err(CopyError::Read)?;
        let totals = self.pump(reader, writer.as_mut()).await?;
        assert_counted(chunk, &totals).map_err(CopyError::Write)?;
        writer.commit(totals).await.map_err(CopyError::Write)
    }

    async fn pump(
        &self,
        reader: Box<dyn ChunkReader>,
        writer: &mut dyn ChunkWriter,
    ) -> Result<ChunkTotals, CopyError> {
        let (items, mut incoming) = mpsc::channel(PREFETCH_PAYLOADS);
        let budget = self.context.budget.clone();
        let (batch_bytes, memory_budget) = (self.read.batch_bytes, self.context.memory_budget);
        let reading = spawn("read chunk", async move {
            read_ahead(reader, &items, &budget, batch_bytes, memory_budget).await;
        });
        let mut transform = Transform::new(&self.plan);
        let mut totals = ChunkTotals::default();
        while let Some(item) = incoming.recv().await {
            match item.map_err(CopyError::Read)? {
                Item::Rows { payload, _held } => {
                    totals.rows_read += payload.rows();
                    let done = transform
                        .apply(payload, &self.context.compute)
                        .await
                        .map_err(CopyError::Write)?;
                    totals.duplicates += done.duplicates;
                    self.hand_over(done.payload, writer, &mut totals).await?;
                }
                Item::End { last_key, digest } => {
                    drop(reading);
                    let held_back = transform.finish(&self.context.compute).await;
                    for payload in held_back.map_err(CopyError::Write)? {
                        self.hand_over(payload, writer, &mut totals).await?;
                    }
                    totals.last_key = last_key;
                    totals.digest = digest.or_else(|| transform.digest());
                    return Ok(totals);
                }
            }
        }
        // The channel closed without an end: the reading task died.
        let message = format!("reading table {} broke off", self.plan.source.table);
        Err(CopyError::Read(ConnectorError::bug(message)))
    }

    /// Counts a payload and hands it to the writer.
    async fn hand_over(
        &self,
        payload: Payload,
        writer: &mut dyn ChunkWriter,
        totals: &mut ChunkTotals,
    ) -> Result<(), CopyError> {
        let (rows, bytes) = (payload.rows(), payload.bytes());
        totals.rows_written += rows;
        totals.bytes += bytes;
        self.context.observer.rows_moved(&self.plan.source.table.to_string(), rows, bytes);
        writer.write(payload).await.map_err(CopyError::Write)
    }
}

/// Reads until the end and hands everything to the writer's side, holding bytes of the budget for
/// each payload until it is written.
async fn read_ahead(
    mut reader: Box<dyn ChunkReader>,
    items: &mpsc::Sender<Result<Item>>,
    budget: &rowferry_runtime::ByteBudget,
    batch_bytes: u64,
    memory_budget: u64,
) {
    loop {
        let permit = budget.acquire(batch_bytes).await;
        let item = match reader.next().await {
            Ok(Some(payload)) => {
                // A payload is larger than asked for when a single row is. Half of the budget is
                // never taken by the regular payloads, so waiting for it always ends.
                let beyond = payload.bytes().saturating_sub(batch_bytes).min(memory_budget / 2);
                let extra =
                    if beyond > batch_bytes { Some(budget.acquire(beyond).await) } else { None };
                Ok(Item::Rows { payload, _held: (permit, extra) })
            }
            Ok(None) => Ok(Item::End { last_key: reader.last_key(), digest: reader.digest() }),
            Err(error) => Err(error),
        };
        let last = !matches!(item, Ok(Item::Rows { .. }));
        if items.send(item).await.is_err() || last {
            return;
        }
    }
}

/// Every row read is written, rejected or counted as a duplicate.
fn assert_counted(chunk: &Chunk, totals: &ChunkTotals) -> Result<()> {
    let accounted = totals.rows_written + totals.rows_rejected + totals.duplicates;
    if accounted == totals.rows_read {
        return Ok(());
    }
    Err(ConnectorError::bug(format!(
        "chunk {} of table {}: {} rows were read, {accounted} accounted for",
        chunk.no.0, chunk.table, totals.rows_read
    )))
}
