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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use rowferry_codec::pgcopy::{Rewrite, Tuples};
use rowferry_core::{
    Chunk, ChunkTotals, ChunkWriter, ColumnPlan, ConnectorError, ErrorClass, Payload, Prepared,
    Receipt, RejectedRow, Result, Tried, WireFormat, target_altered,
};
use rowferry_runtime::{ComputePool, FailPoint, Stage};
use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use crate::buffer::{self, Moving};
use crate::client::{Client, CopyIn};
use crate::config::Purpose;
use crate::error::{commit_failed, failed, pool_failed};
use crate::lock::{END_PAUSE, END_TRIES, session_name};
use crate::oids::TargetTypes;
use crate::pool::{Place, SessionPool};
use crate::progress::{Progress, RunOf};
use crate::session::Session;
use crate::types::Words;
use crate::ways::{self, Way};
use crate::wire::{self, ChunkEncoder};
use crate::{altered, quarantine, sql};

/// Sessions that wait for their next chunk, by stream and epoch. A session never serves another
/// epoch: its application name says for whom it writes.
pub(crate) struct WriterPool {
    sessions: Arc<SessionPool>,
    money_digits: u8,
    idle: Mutex<BTreeMap<(String, i64), Vec<Writing>>>,
    /// Processes of the server whose writers were given up. Where the network has swallowed our
    /// end of a connection, the server's end lives on, and holds the rows of its chunk.
    abandoned: Mutex<Vec<i32>>,
}

/// A session that writes the chunks of one stream, with what it has made for that.
struct Writing {
    session: Session,
    /// One per form of payload, made when the first payload of that form comes, for the columns as
    /// they were planned then: a column may be read by a wider meaning later.
    paths: BTreeMap<Form, (Vec<ColumnPlan>, Path)>,
}

/// In which form rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// Arrow batches.
    Batches,
    /// Tuples that pass undecoded.
    Wire,
}

/// The way of rows of one form into the table.
#[derive(Clone)]
struct Path {
    copy: Statement,
    moving: Option<Moving>,
    rows: Rows,
}

/// What is done to rows before they are sent.
#[derive(Clone)]
enum Rows {
    Encode(ChunkEncoder),
    Rewrite(Arc<Rewrite>),
}

impl WriterPool {
    pub(crate) fn new(sessions: Arc<SessionPool>, money_digits: u8) -> Self {
        Self { sessions, money_digits, idle: Mutex::default(), abandoned: Mutex::default() }
    }

    async fn take(&self, prepared: &Prepared) -> Result<Writing> {
        let key = (prepared.stream.stream_id.clone(), prepared.epoch);
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // Sessions of earlier epochs have nothing to do any more.
            idle.retain(|(stream, epoch), _| *stream != key.0 || *epoch >= key.1);
            let sessions = idle.entry(key).or_default();
            sessions.retain(|writing| !writing.session.is_closed());
            sessions.pop()
        };
        match idle {
            Some(writing) => Ok(writing),
            None => Writing::open(&self.sessions, prepared).await,
        }
    }

    fn give_back(&self, prepared: &Prepared, writing: Writing) {
        let key = (prepared.stream.stream_id.clone(), prepared.epoch);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(key).or_default().push(writing);
    }

    /// Lets go of the idle sessions of a stream: no chunk of it is to come.
    pub(crate) fn retire(&self, stream_id: &str) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(stream, _), writing| {
            let stays = stream != stream_id;
            if !stays {
                for writing in writing.drain(..) {
                    self.sessions.give_back(writing.session, Place::Outside);
                }
            }
            stays
        });
    }

    /// Ends what is left of writers that were given up, and waits until it has rolled back.
    async fn end_abandoned(&self, client: &Client, stream_id: &str) -> Result<()> {
        const END: &str = "select count(pg_catalog.pg_terminate_backend(a.pid)) \
             from pg_catalog.pg_stat_activity a \
             where a.pid = any($1) and pg_catalog.starts_with(a.application_name, $2)";
        let pids = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let prefix = format!("rowferry:{stream_id}:");
        for _ in 0..END_TRIES {
            let values: [(&(dyn ToSql + Sync), Type); 2] =
                [(&pids, Type::INT4_ARRAY), (&prefix, Type::TEXT)];
            let left: i64 = client
                .query_typed_one(END, &values)
                .await
                .map_err(failed("could not end the session of a writer that was given up"))?
                .get(0)?;
            if left == 0 {
                let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
                abandoned.retain(|pid| !pids.contains(pid));
                return Ok(());
            }
            tokio::time::sleep(END_PAUSE).await;
        }
        // Whatever they hold is waited for, or found out by the next statement.
        Ok(())
    }

    /// Finds out what became of an earlier attempt at `chunk`.
    ///
    /// The exclusive lock of the stream row waits for every commit in flight, since each holds the
    /// row in share mode from before its COMMIT was sent. Behind it, the receipt is there or will
    /// never be. A plain read could look too early.
    pub(crate) async fn settle(
        &self,
        chunk: &Chunk,
        prepared: &Prepared,
        progress: &Progress,
    ) -> Result<Option<Receipt>> {
        let attempt = || format!("could not settle chunk {}", chunk.no.0);
        let name = session_name(&prepared.stream.stream_id, prepared.epoch);
        let session = self.sessions.take(Purpose::Chunk, Some(&name)).await?;
        let client = &session.client;
        self.end_abandoned(client, &prepared.stream.stream_id).await?;
        client
            .batch_execute("begin isolation level read committed")
            .await
            .map_err(failed(attempt()))?;
        progress.fence(client, &RunOf::prepared(prepared)).await?;
        let stream_id = &prepared.stream.stream_id;
        let receipt = progress.receipt(client, stream_id, prepared.run, chunk.no).await?;
        client.batch_execute("rollback").await.map_err(failed(attempt()))?;
        Ok(receipt)
    }
}

impl Writing {
    async fn open(sessions: &SessionPool, prepared: &Prepared) -> Result<Self> {
        let name = session_name(&prepared.stream.stream_id, prepared.epoch);
        let session = sessions.take(Purpose::Chunk, Some(&name)).await?;
        Ok(Self { session, paths: BTreeMap::new() })
    }

    /// The way for rows of this form, made once per session.
    async fn path(&mut self, prepared: &Prepared, form: Form, money_digits: u8) -> Result<Path> {
        if let Some((columns, path)) = self.paths.get(&form)
            && *columns == prepared.columns
        {
            return Ok(path.clone());
        }
        let path = self.make_path(prepared, form, money_digits).await?;
        self.paths.insert(form, (prepared.columns.clone(), path.clone()));
        Ok(path)
    }

    async fn make_path(&self, prepared: &Prepared, form: Form, money_digits: u8) -> Result<Path> {
        let attempt = || format!("could not set up a writer of table {}", prepared.load_table);
        let columns: Vec<&ColumnPlan> = written(&prepared.columns).collect();
        let types = TargetTypes::load(&self.session, &prepared.load_table).await?;
        let (rows, as_text, word) = match form {
            Form::Batches => {
                let words = Words::to_write(&types.catalog, money_digits);
                let encoder = ChunkEncoder::new(&prepared.target, &columns, &words)?;
                let as_text = columns
                    .iter()
                    .map(|column| ways::writing(&words, column) == Some(Way::Text))
                    .collect();
                (Rows::Encode(encoder), as_text, "batches")
            }
            Form::Wire => {
                let as_text: Vec<bool> =
                    columns.iter().map(|column| column.source.native.text_only).collect();
                let shapes = columns
                    .iter()
                    .zip(&as_text)
                    .map(|(column, as_text)| types.shape(&column.target.name, *as_text))
                    .collect();
                (Rows::Rewrite(Arc::new(Rewrite::new(shapes))), as_text, "tuples")
            }
        };
        let columns: Vec<(&ColumnPlan, bool)> = columns.into_iter().zip(as_text).collect();
        let names = sql::list(columns.iter().map(|(column, _)| column.target.name.as_str()));
        let buffer = buffer::buffer(&self.session, prepared, &columns, word).await?;
        let (into, moving) = match buffer {
            Some(buffer) => {
                let create = &buffer.create;
                self.session.client.batch_execute(create).await.map_err(failed(attempt()))?;
                (buffer.name, Some(buffer.moving))
            }
            None => (sql::table(&prepared.load_table), None),
        };
        let copy = format!("copy {into} ({names}) from stdin (format binary)");
        let copy = self.session.client.prepare(&copy).await.map_err(failed(attempt()))?;
        Ok(Path { copy, moving, rows })
    }
}

/// Columns that are written; the others are computed by the database.
fn written(columns: &[ColumnPlan]) -> impl Iterator<Item = &ColumnPlan> {
    columns.iter().filter(|column| !column.target.generated)
}

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
            self.pool.abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
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

    /// Starts the transaction, with a COPY for rows of this form. Not before the first rows are
    /// there: only they tell their form.
    async fn start(&self, writing: &mut Writing, form: Form) -> Result<Copying> {
        let attempt = || failed(format!("could not start chunk {}", self.chunk.no.0));
        // Outside the transaction, since the session keeps it for the chunks to come.
        let path = writing.path(&self.prepared, form, self.pool.money_digits).await?;
        writing.session.set_busy(true);
        let client = &writing.session.client;
        // Sent together, answered in order: one round trip.
        let begin = client.batch_execute(BEGIN);
        let copy = client.copy_in(&path.copy);
        let ((), mut copy) = tokio::try_join!(begin, copy).map_err(attempt())?;
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
