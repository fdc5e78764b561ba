//! One chunk into one transaction: rows by one prepared statement, then the receipt.
//!
//! ```text
//! begin(chunk)     nothing; after a lost answer, wait for the file's turn and look for the receipt
//! first write      wait for the file's turn · begin immediate · epoch still ours? · what the table asks for
//! write …          compute pool: batch → columns of cells, and where the table allows it → an image;
//!                  insert, or insert … on conflict do update, or delete + insert
//! commit           epoch still ours? · receipt · COMMIT
//! dropped          rollback on the connection's thread; the turn is given back after it
//! ```
//!
//! The transaction starts with the first rows and not with `begin`, so that other programs can
//! write to the file while our source is still thinking. The rows of the next chunk may be read
//! meanwhile, see [`rowferry_core::Sink::writes_in_turn`].
//!
//! Any error poisons the writer: it is rolled back at once and refuses everything after.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use rowferry_core::{
    Begun, Chunk, ChunkTotals, ChunkWriter, ConnectorError, ErrorClass, Payload, Prepared, Receipt,
    RejectedRow, Result, Tried, WireFormat,
};

use crate::columns::{Columns, NoColumns};
use crate::database::{Database, Turn, Writing};
use crate::error::{failed, thread_failed};
use crate::image::{self, Image, Template};
use crate::load::{Batch, Loading, not_kept};
use crate::progress;
use crate::quarantine;
use crate::receipts;
use rowferry_runtime::{ComputePool, FailPoint, Stage};

/// A chunk being written.
pub(crate) struct SqliteWriter {
    database: Database,
    compute: ComputePool,
    prepared: Arc<Prepared>,
    chunk: Chunk,
    rows: u64,
    loading: Option<Arc<Loading>>,
    images: image::Made,
    began: bool,
    poisoned: bool,
    // Waited for by the first step, taken by `commit`; given back on the connection's thread otherwise.
    turn: Option<Turn>,
}

/// Starts a chunk, see [`rowferry_core::Sink::begin`].
pub(crate) async fn begin(
    (database, compute): (&Database, &ComputePool),
    chunk: &Chunk,
    prepared: &Prepared,
    settle: bool,
) -> Result<Begun> {
    let mut turn = None;
    if settle {
        turn = Some(database.turn().await);
        if let Some(receipt) = settled(database, chunk, prepared).await? {
            return Ok(Begun::AlreadyDurable(receipt));
        }
    }
    Ok(Begun::Writer(Box::new(SqliteWriter {
        database: database.clone(),
        compute: compute.clone(),
        prepared: Arc::new(prepared.clone()),
        chunk: chunk.clone(),
        rows: 0,
        loading: None,
        images: image::Made::default(),
        began: false,
        poisoned: false,
        turn,
    })))
}

/// Looks for the receipt while no other writer can be between its rows and its COMMIT.
async fn settled(
    database: &Database,
    chunk: &Chunk,
    prepared: &Prepared,
) -> Result<Option<Receipt>> {
    let (no, run) = (chunk.no, prepared.run);
    let expected = Receipt::of(chunk, ChunkTotals::default());
    let id = prepared.stream.stream_id.clone();
    let found = database
        .ask(move |writing| {
            writing.begin()?;
            let found = receipts::receipt(&writing.connection, &id, run, no);
            writing.roll_back();
            found
        })
        .await?;
    match found {
        Some(receipt) if receipt.lower != expected.lower || receipt.upper != expected.upper => {
            Err(ConnectorError::bug(format!("receipt {} covers another range", no.0)))
        }
        found => Ok(found),
    }
}

impl SqliteWriter {
    /// The statements of the chunk, made with its first rows.
    async fn loading(&mut self) -> Result<Arc<Loading>> {
        if let Some(known) = &self.loading {
            return Ok(Arc::clone(known));
        }
        let look = |writing: &mut Writing, prepared: &Prepared| {
            Loading::of(&writing.connection, prepared).map(Arc::new)
        };
        let loading = self.step(look).await?;
        self.loading = Some(Arc::clone(&loading));
        Ok(loading)
    }

    /// A batch as it is inserted, by its image if there is a template; its first row is number `first` of
    /// the chunk.
    async fn batch(
        &self,
        batch: RecordBatch,
        first: u64,
        template: Option<Arc<Template>>,
    ) -> Result<Batch> {
        let prepared = Arc::clone(&self.prepared);
        let made = self.compute.run(Stage::Encode, move || {
            let columns = Columns::of(&prepared, &batch)?;
            let image = template.and_then(|template| Image::of(&template, &columns));
            Ok(Batch { columns: Arc::new(columns), image })
        });
        made.await.map_err(thread_failed)?.map_err(|error| match error {
            NoColumns::Plan(error) => error,
            NoColumns::NotKept(value) => not_kept(&self.prepared, &value, first),
        })
    }

    /// Runs `work` in the chunk's transaction; after an error the writer is of no use.
    async fn step<T, F>(&mut self, work: F) -> Result<T>
    where
        F: FnOnce(&mut Writing, &Prepared) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        if self.poisoned {
            return Err(ConnectorError::bug("a chunk was written on after it had failed"));
        }
        if self.turn.is_none() {
            self.turn = Some(self.database.turn().await);
        }
        // Poisoned until the answer is here: the caller may give up waiting for it.
        self.poisoned = true;
        let began = std::mem::replace(&mut self.began, true);
        let prepared = Arc::clone(&self.prepared);
        let value = self
            .database
            .ask(move |writing| {
                let done = if began { Ok(()) } else { start(writing, &prepared) }
                    .and_then(|()| work(writing, &prepared));
                if done.is_err() {
                    writing.roll_back();
                }
                done
            })
            .await?;
        self.poisoned = false;
        Ok(value)
    }
}

/// What a payload is when the connection's thread takes it.
enum Rows {
    Batch(Batch),
    Cells(bytes::Bytes, u64),
}

fn start(writing: &mut Writing, prepared: &Prepared) -> Result<()> {
    writing.begin()?;
    progress::check_epoch(&writing.connection, prepared).map(|_phase| ())
}

/// A constraint that rolls the whole transaction back takes the savepoint with it: that is an error.
fn behind_savepoint(
    writing: &mut Writing,
    work: impl FnOnce(&mut Writing) -> Result<()>,
) -> Result<Tried> {
    let say = |writing: &Writing, statement| {
        writing
            .connection
            .execute_batch(statement)
            .map_err(|error| failed("could not try rows behind a savepoint", error))
    };
    say(writing, "savepoint tried")?;
    match work(writing) {
        Ok(()) => say(writing, "release tried").map(|()| Tried::Written),
        Err(error) if error.class == ErrorClass::Data => {
            say(writing, "rollback to tried; release tried").map(|()| Tried::Refused(error))
        }
        Err(error) => Err(error),
    }
}

#[async_trait]
impl ChunkWriter for SqliteWriter {
    async fn write(&mut self, payload: Payload) -> Result<()> {
        let first = self.rows;
        self.rows += payload.rows();
        let loading = self.loading().await?;
        let rows = match payload {
            Payload::Batch(batch) => {
                let template = loading.template().filter(|_| self.images.has_room());
                let batch = self.batch(batch, first, template).await;
                if let Ok(Batch { image: Some(image), .. }) = &batch {
                    self.images.add(image);
                }
                batch.map(Rows::Batch)
            }
            Payload::Wire { format: WireFormat::SqliteCells, bytes, rows, .. } => {
                Ok(Rows::Cells(bytes, rows))
            }
            Payload::Wire { format: WireFormat::PgCopyBinary, .. } => {
                Err(ConnectorError::bug("wire rows of another engine came"))
            }
        };
        self.step(move |writing, prepared| match rows? {
            Rows::Batch(batch) => loading.insert_batch(writing, prepared, &batch, first),
            Rows::Cells(bytes, rows) => {
                loading.insert_cells(&writing.connection, prepared, &bytes, rows)
            }
        })
        .await
    }

    async fn try_write(&mut self, batch: RecordBatch) -> Result<Tried> {
        let (rows, first) = (batch.num_rows() as u64, self.rows);
        let loading = self.loading().await?;
        let batch = match self.batch(batch, first, None).await {
            Ok(batch) => batch,
            Err(error) if error.class == ErrorClass::Data => return Ok(Tried::Refused(error)),
            Err(error) => return Err(error),
        };
        let tried = self
            .step(move |writing, prepared| {
                behind_savepoint(writing, |writing| {
                    loading.insert_batch(writing, prepared, &batch, first)
                })
            })
            .await?;
        if matches!(tried, Tried::Written) {
            self.rows += rows;
        }
        Ok(tried)
    }

    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()> {
        let (chunk, rows) = (self.chunk.clone(), rows.to_vec());
        self.step(move |writing, prepared| {
            quarantine::add(&writing.connection, prepared, &chunk, &rows).map_err(|error| {
                failed(format!("could not set rows of table {} aside", prepared.target), error)
            })
        })
        .await
    }

    async fn commit(mut self: Box<Self>, totals: ChunkTotals) -> Result<Receipt> {
        if totals.rows_written != self.rows {
            return Err(ConnectorError::bug(format!(
                "chunk {} counted {} rows and handed over {}",
                self.chunk.no.0, totals.rows_written, self.rows
            )));
        }
        let receipt = Receipt::of(&self.chunk, totals);
        let durable = receipt.clone();
        self.step(move |writing, prepared| {
            progress::check_epoch(&writing.connection, prepared)?;
            receipts::insert_receipt(&writing.connection, prepared, &receipt)?;
            FailPoint::ReceiptWritten.reach();
            writing.commit(&format!("could not commit chunk {}", receipt.no.0))?;
            FailPoint::CommitSent.reach();
            Ok(())
        })
        .await?;
        self.turn = None;
        Ok(durable)
    }
}

impl Drop for SqliteWriter {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        if !self.began {
            return;
        }
        let database = self.database.clone();
        // Without a runtime the process is ending, and the file's locks with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let rolled_back = database
                    .ask(move |writing| {
                        writing.roll_back();
                        drop(turn);
                        Ok(())
                    })
                    .await;
                if let Err(error) = rolled_back {
                    tracing::debug!(%error, "the rollback of a dropped chunk did not run");
                }
            });
        }
    }
}
