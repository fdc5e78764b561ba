//! One chunk on its way into a memory sink: rows and receipt become visible together.

use arrow_array::RecordBatch;
use async_trait::async_trait;
use rowferry_core::{
    Chunk, ChunkTotals, ChunkWriter, ConnectorError, LoadInto, Payload, Prepared, Receipt,
    RejectedRow, Result, Tried, WriteMode,
};

use crate::memory_state::Shared;

pub(crate) struct MemoryWriter {
    shared: Shared,
    chunk: Chunk,
    prepared: Prepared,
    batches: Vec<RecordBatch>,
    rejected: Vec<RejectedRow>,
    rows: u64,
}

impl MemoryWriter {
    pub(crate) fn new(shared: Shared, chunk: Chunk, prepared: Prepared) -> Self {
        Self { shared, chunk, prepared, batches: Vec::new(), rejected: Vec::new(), rows: 0 }
    }
}

#[async_trait]
impl ChunkWriter for MemoryWriter {
    async fn write(&mut self, payload: Payload) -> Result<()> {
        self.rows += payload.rows();
        if !self.shared.keep_rows {
            return Ok(());
        }
        match payload {
            Payload::Batch(batch) => {
                self.batches.push(renamed(&batch, &self.prepared)?);
                Ok(())
            }
            Payload::Wire { .. } => {
                Err(ConnectorError::bug("a memory sink was handed wire bytes it never accepted"))
            }
        }
    }

    /// Memory takes every row.
    async fn try_write(&mut self, batch: RecordBatch) -> Result<Tried> {
        self.write(Payload::Batch(batch)).await.map(|()| Tried::Written)
    }

    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()> {
        self.rejected.extend_from_slice(rows);
        Ok(())
    }

    async fn commit(self: Box<Self>, totals: ChunkTotals) -> Result<Receipt> {
        let prepared = &self.prepared;
        let mut guard = self.shared.state();
        let state = &mut *guard;
        // Looked at first, so that a fenced writer changes nothing.
        let twice =
            state.fenced(prepared)?.receipts.iter().any(|receipt| receipt.no == self.chunk.no);
        if twice {
            return Err(ConnectorError::bug(format!("chunk {} commits twice", self.chunk.no.0)));
        }
        if totals.rows_rejected != self.rejected.len() as u64 {
            return Err(ConnectorError::bug(
                "rows were set aside and not counted, or counted twice",
            ));
        }
        if totals.rows_written != self.rows {
            return Err(ConnectorError::bug(format!(
                "chunk {} counts {} rows, but {} were written",
                self.chunk.no.0, totals.rows_written, self.rows
            )));
        }
        let table = state
            .tables
            .get_mut(&prepared.load_table)
            .ok_or_else(|| ConnectorError::bug(format!("table {} is gone", prepared.load_table)))?;
        if self.shared.keep_rows {
            let write = match prepared.load {
                LoadInto::Target => prepared.write,
                LoadInto::StagingReplace | LoadInto::StagingAppend => WriteMode::Append,
            };
            table.add(&self.batches, write)?;
        } else {
            table.rows += self.rows;
        }
        if !self.rejected.is_empty() {
            let rejected = state.rejected.entry(prepared.target.clone()).or_default();
            rejected.extend(self.rejected);
        }
        let receipt = Receipt::of(&self.chunk, totals);
        let stream = state.fenced(prepared)?;
        stream.row.rows += receipt.totals.rows_written;
        stream.row.chunks += 1;
        stream.row.age_seconds = 0;
        stream.receipts.push(receipt.clone());
        Ok(receipt)
    }
}

/// The batch under its target column names.
fn renamed(batch: &RecordBatch, prepared: &Prepared) -> Result<RecordBatch> {
    let schema = batch.schema();
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .zip(&prepared.columns)
        .map(|(field, plan)| field.as_ref().clone().with_name(&plan.target.name))
        .collect();
    let schema = std::sync::Arc::new(arrow_schema::Schema::new(fields));
    RecordBatch::try_new(schema, batch.columns().to_vec()).map_err(|error| {
        ConnectorError::bug("a payload does not have the columns of the plan").with_source(error)
    })
}
