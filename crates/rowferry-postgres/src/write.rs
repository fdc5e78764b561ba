//! Writing a chunk: one COPY, one receipt, one commit.
//!
//! ```text
//!  begin ─ copy … from stdin (format binary) ─ [move on] ─ receipt + epoch for share ─ commit
//! ```
//!
//! An upsert, and a column whose values cross as text, copy into a temporary table of the session
//! and move the rows on in the same transaction; see [`crate::buffer`].
//!
//! **Any error poisons the writer**: its session is dropped, which cancels what runs and closes the
//! connection, and the server rolls back. Dropping a writer does the same, so a chunk that was not
//! committed leaves no row. A commit without an answer is of class `Unknown`; [`WriterPool::settle`]
//! finds out what became of it before the chunk may be tried again.

mod sift;
mod writers;
mod writing;

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use rowferry_codec::pgcopy::Tuples;
use rowferry_core::{
    Chunk, ChunkTotals, ChunkWriter, ConnectorError, ErrorClass, Payload, Prepared, Receipt,
    RejectedRow, Result, Tried, WireFormat, target_altered,
};
use rowferry_runtime::{ComputePool, FailPoint, Stage};

use crate::buffer::Moving;
use crate::client::{Client, CopyIn};
use crate::error::{commit_failed, failed, pool_failed};
use crate::progress::{Progress, RunOf};
use crate::session::Session;
use crate::wire::{self, ChunkEncoder};
use crate::{altered, quarantine};
pub(crate) use writers::WriterPool;
use writing::{Form, Path, Rows, Writing};

/// Bytes of one COPY message. The driver copies each into a buffer that it keeps as long as the
/// connection lives, so this and not the largest row is what a connection holds on to; the server
/// cares for no borders.
const MESSAGE_BYTES: usize = 1 << 20;

/// Rows of other chunks may be committed meanwhile; each statement sees them.
const BEGIN: &str = "begin isolation level read committed";

/// One chunk being written.
pub(crate) struct PgChunkWriter {
    pool: Arc<WriterPool>,
    compute: ComputePool,
    progress: Progress,
    chunk: Chunk,
    prepared: Prepared,
    /// `None` once an error has poisoned the writer.
    open: Option<Open>,
    rows: u64,
    rejected: Vec<RejectedRow>,
    /// The server's process, until the chunk is committed.
    pid: Option<i32>,
}

impl Drop for PgChunkWriter {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            self.pool.abandon(pid);
        }
    }
}

struct Open {
    writing: Writing,
    copying: Option<Copying>,
    /// Whether the transaction has begun.
    begun: bool,
}

/// A COPY under way.
struct Copying {
    form: Form,
    copy: CopyIn,
    path: Path,
}

impl PgChunkWriter {
    pub(crate) async fn begin(
        pool: Arc<WriterPool>,
        compute: ComputePool,
        progress: Progress,
        chunk: &Chunk,
        prepared: &Prepared,
    ) -> Result<Self> {
        let writing = pool.take(prepared).await?;
        let pid = writing.session.pid;
        Ok(Self {
            pid,
            pool,
            compute,
            progress,
            chunk: chunk.clone(),
            prepared: prepared.clone(),
            open: Some(Open { writing, copying: None, begun: false }),
            rows: 0,
            rejected: Vec::new(),
        })
    }

    /// Starts the transaction, with a COPY for rows of this form.
    async fn start(&self, writing: &mut Writing, form: Form) -> Result<Copying> {
        let attempt = || failed(format!("could not start chunk {}", self.chunk.no.0));
        // Outside the transaction, since the session keeps it for the chunks to come.
        let path = writing.path(&self.prepared, form, self.pool.money_digits).await?;
        writing.session.set_busy(true);
        let client = &writing.session.client;
        // Sent together, answered in order: one round trip.
        let begin = client.batch_execute(BEGIN);
        let copy = client.copy_in(&path.copy);
        let (begun, copy) = tokio::join!(begin, copy);
        begun.map_err(attempt())?;
        let mut copy = copy.map_err(attempt())?;
        copy.feed(ChunkEncoder::header()).await.map_err(attempt())?;
        Ok(Copying { form, copy, path })
    }

    fn take_open(&mut self) -> Result<Open> {
        self.open.take().ok_or_else(|| ConnectorError::bug("a writer was used after it had failed"))
    }

    fn attempt(&self) -> String {
        format!("could not write chunk {} to table {}", self.chunk.no.0, self.prepared.load_table)
    }

    /// Sends one buffer. A closed pipe means that the server has already answered with an error,
    /// which is then the better one to report.
    async fn send(&self, copying: &mut Copying, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(MESSAGE_BYTES.min(bytes.len()));
            if let Err(closed) = copying.copy.feed(piece).await {
                let answer = copying.copy.finish().await;
                return Err(failed(self.attempt())(answer.err().unwrap_or(closed)));
            }
        }
        Ok(())
    }

    /// Rows as they are sent, in pieces.
    async fn pieces(&self, path: &Path, payload: Payload) -> Result<Vec<Bytes>> {
        match (&path.rows, payload) {
            (Rows::Encode(encoder), Payload::Batch(batch)) => {
                let encoder = encoder.clone();
                self.compute
                    .run(Stage::Encode, move || encoder.encode(&batch))
                    .await
                    .map_err(pool_failed("could not encode rows"))?
            }
            (Rows::Rewrite(rewrite), Payload::Wire { rows, bytes, .. }) => {
                if !rewrite.is_needed() {
                    return Ok(vec![bytes]);
                }
                let (rewrite, table) = (Arc::clone(rewrite), self.prepared.target.clone());
                self.compute
                    .run(Stage::Encode, move || {
                        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                        let rewritten = rewrite.apply(Tuples { rows, bytes });
                        rewritten
                            .map(|tuples| vec![tuples.bytes])
                            .map_err(wire::failed("write", &table))
                    })
                    .await
                    .map_err(pool_failed("could not rewrite rows"))?
            }
            _ => Err(ConnectorError::bug("rows changed their form within a chunk")),
        }
    }
}

#[async_trait]
impl ChunkWriter for PgChunkWriter {
    /// A round trip less for each chunk but a session's first, which makes things that a chunk without
    /// rows would not need.
    async fn expect(&mut self, wire: Option<WireFormat>) -> Result<()> {
        let form = match wire {
            None => Form::Batches,
            Some(WireFormat::PgCopyBinary) => Form::Wire,
            Some(WireFormat::SqliteCells) => return Ok(()),
        };
        let mut open = self.take_open()?;
        if !open.begun && open.writing.knows(&self.prepared, form) {
            open.copying = Some(self.start(&mut open.writing, form).await?);
            open.begun = true;
        }
        self.open = Some(open);
        Ok(())
    }

    async fn write(&mut self, payload: Payload) -> Result<()> {
        let Open { mut writing, copying, begun } = self.take_open()?;
        let rows = payload.rows();
        let form = match &payload {
            Payload::Wire { format: WireFormat::PgCopyBinary, .. } => Form::Wire,
            Payload::Batch(_) => Form::Batches,
            Payload::Wire { format: WireFormat::SqliteCells, .. } => {
                return Err(ConnectorError::bug("wire rows of another engine were handed over"));
            }
        };
        let mut copying = match copying {
            Some(copying) if copying.form == form => copying,
            Some(_) => return Err(ConnectorError::bug("rows changed their form within a chunk")),
            None if begun => return Err(ConnectorError::bug("rows were written after a trial")),
            None => self.start(&mut writing, form).await?,
        };
        for bytes in self.pieces(&copying.path, payload).await? {
            self.send(&mut copying, bytes).await?;
        }
        self.rows += rows;
        self.open = Some(Open { writing, copying: Some(copying), begun: true });
        Ok(())
    }

    async fn try_write(&mut self, batch: RecordBatch) -> Result<Tried> {
        self.try_rows(batch).await
    }

    /// Kept until the COPY is over: the connection speaks nothing else meanwhile.
    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()> {
        self.rejected.extend_from_slice(rows);
        Ok(())
    }

    async fn commit(mut self: Box<Self>, totals: ChunkTotals) -> Result<Receipt> {
        let Open { writing, copying, begun } = self.take_open()?;
        let client = &writing.session.client;
        match copying {
            // The table is not touched before its rows move on.
            Some(copying) if copying.path.moving.is_some() => {
                self.end_copy(&writing.session, copying, self.rows).await?;
                self.check_shape(client).await?;
                self.note(client, &totals).await?;
            }
            Some(copying) => {
                // Sent together, answered in order: one round trip. The first error is the cause of
                // those behind it.
                let (copied, unaltered, noted) = tokio::join!(
                    self.end_copy(&writing.session, copying, self.rows),
                    self.check_shape(client),
                    self.note(client, &totals),
                );
                copied.and(unaltered).and(noted)?;
            }
            None => {
                if !begun {
                    // No row came: only the receipt is written.
                    writing.session.set_busy(true);
                    client.batch_execute(BEGIN).await.map_err(failed(self.attempt()))?;
                }
                self.check_shape(client).await?;
                self.note(client, &totals).await?;
            }
        }
        FailPoint::ReceiptWritten.reach();
        let commit = FailPoint::CommitSent.reach_while(client.batch_execute("commit"));
        commit.await.map_err(|error| {
            commit_failed(format!("could not commit chunk {}", self.chunk.no.0), error)
        })?;
        self.pid = None;
        writing.session.set_busy(false);
        self.pool.give_back(&self.prepared, writing);
        Ok(Receipt::of(&self.chunk, totals))
    }
}

impl PgChunkWriter {
    /// Whether the table is still the one that was prepared; from the first row on nobody could alter
    /// it.
    async fn check_shape(&self, client: &Client) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let now = altered::shape(client, &self.prepared.load_table).await?;
        match self.prepared.shape.change(&now) {
            Some(change) => Err(target_altered(&self.prepared.target, &change)),
            None => Ok(()),
        }
    }

    /// Writes what is known of the chunk: rows that were set aside, and the receipt.
    async fn note(&self, client: &Client, totals: &ChunkTotals) -> Result<()> {
        if !self.rejected.is_empty() {
            let table = self.progress.quarantine();
            quarantine::add(client, &table, &self.prepared, &self.chunk, &self.rejected).await?;
        }
        let run = RunOf::prepared(&self.prepared);
        self.progress.write_receipt(client, &run, &self.chunk, totals).await
    }

    /// Ends a COPY of `rows` rows; those in a buffer go on into the table.
    async fn end_copy(&self, session: &Session, mut copying: Copying, rows: u64) -> Result<()> {
        self.send(&mut copying, ChunkEncoder::trailer()).await?;
        let copied = copying.copy.finish().await.map_err(failed(self.attempt()))?;
        self.count("copied", copied, rows)?;
        match &copying.path.moving {
            Some(moving) => self.move_on(&session.client, moving, rows).await,
            None => Ok(()),
        }
    }

    /// Moves the rows of the buffer into the table.
    async fn move_on(&self, client: &Client, moving: &Moving, rows: u64) -> Result<()> {
        if let Some(delete) = &moving.delete {
            client.execute_typed(delete, &[]).await.map_err(failed(self.attempt()))?;
        }
        let moved =
            client.execute_typed(&moving.insert, &[]).await.map_err(failed(self.attempt()))?;
        self.count("merged", moved, rows)
    }

    fn count(&self, word: &str, counted: u64, rows: u64) -> Result<()> {
        if counted == rows {
            return Ok(());
        }
        Err(ConnectorError::new(
            ErrorClass::Data,
            "rows-differ",
            format!(
                "{counted} of {rows} rows of chunk {} were {word} into table {}",
                self.chunk.no.0, self.prepared.target
            ),
        )
        .with_next("Look for triggers or rules on the target that swallow rows."))
    }
}
