//! Writing one chunk: one transaction, rows then receipt then fence.
//!
//! ```text
//! begin    (settle: lock the stream row, look for the receipt)      no row written yet
//! write    batch ─► compute pool: check, encode ─► LOAD DATA stream or INSERT statements
//! commit   end of stream: warnings = 0 and affected = sent
//!          (upsert: merge from the session's own table)
//!          receipt row ─► epoch under a shared lock, still ours ─► COMMIT
//! ```
//!
//! `LOAD DATA LOCAL` ignores strict mode: it stores something else and counts a warning. So any
//! warning rolls the chunk back, and the chunk is read again and written by strict INSERT, which
//! names the column that did not fit. Any error poisons the writer: its socket is closed, which
//! rolls back, and the session is never used again; after a deadlock the next statement would
//! otherwise start a transaction of its own.

mod sift;

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use rowferry_codec::mysql_text::{TextEncoder, TextError, TextForm};
use rowferry_core::{
    Begun, Chunk, ChunkTotals, ChunkWriter, ConnectorError, ErrorClass, LoadInto, Payload,
    Prepared, Receipt, RejectedRow, Result, TableRef, Tried, WriteMode, target_altered,
};
use rowferry_runtime::{FailPoint, Stage, Task};
use tokio::sync::mpsc;

use crate::config::{self, Purpose, Server};
use crate::conn::Conn;
use crate::merge::{self, Merge};
use crate::progress::{self, Progress};
use crate::sink::SinkState;
use crate::{altered, columns, error, quarantine, session, sql};

/// Bytes of one packet of a load: large enough that its header and its copy do not show, small
/// enough that the server parses one while the next is encoded.
const PIECE_BYTES: usize = 512 << 10;
/// Packets that may wait for the socket: two keep it busy while a batch is encoded.
const PIECES_QUEUED: usize = 2;
/// Bytes of one INSERT: past this a statement's fixed cost no longer shows.
const STATEMENT_BYTES: usize = 1 << 20;
/// Room for what stands around the rows in a packet.
const STATEMENT_MARGIN: usize = 4 << 10;

/// A session that is set up for one stream and load table.
pub(crate) struct WriteSession {
    pub(crate) conn: Conn,
    pub(crate) merge: Option<Merge>,
}

impl WriteSession {
    /// Opens a session; for an upsert with its own table to merge from, made before any transaction.
    pub(crate) async fn open(server: &Server, prepared: &Prepared) -> Result<Self> {
        let mut conn = session::open(server, &prepared.stream.stream_id, Purpose::Chunk).await?;
        let merge = if prepared.write == WriteMode::Upsert && prepared.load == LoadInto::Target {
            Some(merge::prepare(server, &mut conn, prepared).await?)
        } else {
            None
        };
        Ok(Self { conn, merge })
    }
}

/// Starts a chunk, or finds that an earlier attempt is durable.
pub(crate) async fn begin(
    sink: &Arc<SinkState>,
    chunk: &Chunk,
    prepared: &Prepared,
    settle: bool,
) -> Result<Begun> {
    let stream_id = &prepared.stream.stream_id;
    let mut session = match sink.take_idle(stream_id) {
        // After a failure the idle ones may be dead too.
        Some(session) if !settle => session,
        Some(stale) => {
            config::cut(stale.conn);
            WriteSession::open(&sink.server, prepared).await?
        }
        None => WriteSession::open(&sink.server, prepared).await?,
    };
    let progress = Progress::new(&sink.server, prepared.stream.progress_schema.as_deref());
    if settle {
        sink.end_abandoned(&mut session.conn, stream_id).await?;
    }
    if settle && let Some(receipt) = settled(&mut session.conn, &progress, chunk, prepared).await? {
        sink.give_idle(stream_id, session);
        return Ok(Begun::AlreadyDurable(receipt));
    }
    if let Some(merge) = &session.merge {
        merge.empty(&mut session.conn).await.map_err(|error| {
            error::of(error, format!("could not begin chunk {} of {}", chunk.no.0, prepared.target))
        })?;
    }
    let writer = MysqlWriter::new(Arc::clone(sink), progress, session, chunk, prepared)?;
    Ok(Begun::Writer(Box::new(writer)))
}

/// The receipt of an earlier attempt. The exclusive lock waits for a COMMIT that is in flight.
async fn settled(
    conn: &mut Conn,
    progress: &Progress,
    chunk: &Chunk,
    prepared: &Prepared,
) -> Result<Option<Receipt>> {
    let stream_id = &prepared.stream.stream_id;
    let attempt = || format!("could not settle chunk {} of {}", chunk.no.0, prepared.target);
    let epoch = progress
        .epoch_exclusive(conn, stream_id)
        .await
        .map_err(|error| error::of(error, attempt()))?;
    if epoch != Some((prepared.run, prepared.epoch)) {
        return Err(progress::fenced(&prepared.target));
    }
    let receipts = progress.receipts(conn, stream_id, prepared.run, Some(chunk.no)).await?;
    conn.query_drop("rollback").await.map_err(|error| error::of(error, attempt()))?;
    Ok(receipts.into_iter().next())
}

/// How rows get to the server.
enum Way {
    /// One `LOAD DATA LOCAL` for the whole chunk, started with its first rows.
    Load(Option<Load>),
    /// Multi-row INSERT statements.
    Insert,
    /// As `Insert`, each batch behind a savepoint and at once in its table.
    Trial,
}

struct Load {
    pieces: mpsc::Sender<Bytes>,
    task: Task<(WriteSession, Result<(), mysql_async::Error>)>,
}

struct MysqlWriter {
    sink: Arc<SinkState>,
    progress: Progress,
    /// `None` while a load has it.
    session: Option<WriteSession>,
    /// Of the session, until the chunk is committed.
    id: Option<u32>,
    chunk: Chunk,
    prepared: Prepared,
    table: TableRef,
    names: String,
    encoder: Arc<TextEncoder>,
    way: Way,
    rows: u64,
    /// Rows set aside, written before the receipt.
    rejected: Vec<RejectedRow>,
}

impl MysqlWriter {
    fn new(
        sink: Arc<SinkState>,
        progress: Progress,
        session: WriteSession,
        chunk: &Chunk,
        prepared: &Prepared,
    ) -> Result<Self> {
        let loads = sink.server.local_infile && !sink.is_insert_only(&prepared.load_table);
        let form = if loads { TextForm::Load } else { TextForm::Insert };
        let table =
            session.merge.as_ref().map_or(&prepared.load_table, |merge| &merge.table).clone();
        let encoder = TextEncoder::new(columns::text_columns(prepared, sink.server.flavor)?, form);
        Ok(Self {
            sink,
            progress,
            id: Some(session.conn.id()),
            session: Some(session),
            chunk: chunk.clone(),
            table,
            names: columns::names(prepared),
            encoder: Arc::new(encoder),
            way: if loads { Way::Load(None) } else { Way::Insert },
            rows: 0,
            rejected: Vec::new(),
            prepared: prepared.clone(),
        })
    }

    fn attempt(&self) -> String {
        format!("could not write chunk {} of {}", self.chunk.no.0, self.prepared.target)
    }

    fn data_error(&self, error: &TextError) -> ConnectorError {
        match error {
            TextError::Value { column, row, .. } => ConnectorError::new(
                ErrorClass::Data,
                "value-not-representable",
                format!("{}: {error}", self.attempt()),
            )
            .with_column(column)
            .with_row(*row),
            TextError::Shape { .. } => ConnectorError::bug(format!("{}: {error}", self.attempt())),
        }
    }

    fn session(&mut self) -> Result<&mut WriteSession> {
        self.session
            .as_mut()
            .ok_or_else(|| ConnectorError::bug("a writer was used again after an error"))
    }

    async fn load(&mut self, batch: RecordBatch) -> Result<()> {
        let encoder = Arc::clone(&self.encoder);
        let first_row = self.rows;
        let encoded = self.sink.server.compute.run(Stage::Encode, move || {
            let mut out = Vec::new();
            encoder.check(&batch, first_row)?;
            encoder.append(&batch, &mut out).map(|()| out)
        });
        let bytes =
            encoded.await.map_err(error::task_ended)?.map_err(|error| self.data_error(&error))?;
        let mut bytes = Bytes::from(bytes);
        let piece_bytes = PIECE_BYTES.min(self.sink.server.packet_bytes / 2).max(1);
        let pieces = self.load_stream()?;
        while !bytes.is_empty() {
            let piece = bytes.split_to(piece_bytes.min(bytes.len()));
            if pieces.send(piece).await.is_err() {
                // The statement ended early; its answer says why.
                return match self.end_load().await {
                    Err(error) => Err(error),
                    Ok(()) => Err(ConnectorError::bug("a load ended before its rows")),
                };
            }
        }
        Ok(())
    }

    /// The open end of the load, which is started with the first rows.
    fn load_stream(&mut self) -> Result<mpsc::Sender<Bytes>> {
        if let Way::Load(Some(load)) = &self.way {
            return Ok(load.pieces.clone());
        }
        let statement =
            columns::load_statement(&self.table, &self.prepared, self.sink.server.flavor);
        let mut session = self
            .session
            .take()
            .ok_or_else(|| ConnectorError::bug("a writer was used again after an error"))?;
        let (pieces, queue) = mpsc::channel::<Bytes>(PIECES_QUEUED);
        let task = rowferry_runtime::spawn("load data", async move {
            let result = session.conn.load(statement, queue).await;
            (session, result)
        });
        self.way = Way::Load(Some(Load { pieces: pieces.clone(), task }));
        Ok(pieces)
    }

    /// Ends the load and looks at its answer: nothing changed, nothing left out.
    async fn end_load(&mut self) -> Result<()> {
        let Way::Load(load) = &mut self.way else { return Ok(()) };
        let Some(Load { pieces, task }) = load.take() else { return Ok(()) };
        drop(pieces);
        let (session, result) = task.join().await.map_err(error::task_ended)?;
        let warnings = session.conn.get_warnings();
        let affected = session.conn.affected_rows();
        match result {
            Ok(()) if warnings == 0 && affected == self.rows => {
                self.session = Some(session);
                Ok(())
            }
            Err(error) if !error::is_server_answer(&error) => Err(error::of(error, self.attempt())),
            Ok(()) => {
                config::cut(session.conn);
                Err(self.replay(format!(
                    "{warnings} warnings, {affected} of {} rows taken by LOAD DATA",
                    self.rows
                )))
            }
            Err(error) => {
                config::cut(session.conn);
                let error = error::of(error, self.attempt());
                if error.class.is_retryable() {
                    return Err(error);
                }
                Err(self.replay(error.server.map(String::from).unwrap_or_default()))
            }
        }
    }

    /// From now on this table is written by INSERT, which says exactly what does not fit.
    fn replay(&self, words: String) -> ConnectorError {
        tracing::info!(table = %self.prepared.target, %words, "writing by INSERT from here on");
        self.sink.set_insert_only(&self.prepared.load_table);
        ConnectorError::new(ErrorClass::Transient, "load-refused", self.attempt())
            .with_server(words)
            .replay()
    }

    async fn insert(&mut self, batch: RecordBatch) -> Result<()> {
        let encoder = Arc::clone(&self.encoder);
        let (first_row, total) = (self.rows, batch.num_rows());
        let checked = self
            .sink
            .server
            .compute
            .run(Stage::Encode, move || encoder.check(&batch, first_row).map(|()| batch));
        let batch =
            checked.await.map_err(error::task_ended)?.map_err(|error| self.data_error(&error))?;
        let head = format!("insert into {} ({}) values ", sql::table(&self.table), self.names);
        let packet = self.sink.server.packet_bytes.saturating_sub(STATEMENT_MARGIN);
        let rows_max = usize::try_from(self.prepared.insert_batch_rows).unwrap_or(1).max(1);
        let mut from = 0;
        while from < total {
            let (encoder, batch, mut text) =
                (Arc::clone(&self.encoder), batch.clone(), head.clone().into_bytes());
            let upto = (from + rows_max).min(total);
            let encoded = self.sink.server.compute.run(Stage::Encode, move || {
                let some = encoder.append_rows(
                    &batch,
                    from..upto,
                    STATEMENT_BYTES.min(packet),
                    &mut text,
                )?;
                // A row larger than a statement should be has one of its own.
                let rows = match some {
                    0 => encoder.append_rows(&batch, from..from + 1, packet, &mut text)?,
                    rows => rows,
                };
                Ok((text, rows))
            });
            let (text, rows) = encoded
                .await
                .map_err(error::task_ended)?
                .map_err(|error| self.data_error(&error))?;
            if rows == 0 {
                return Err(self.too_large(first_row + from as u64));
            }
            self.execute(text, rows as u64).await?;
            from += rows;
        }
        Ok(())
    }

    fn too_large(&self, row: u64) -> ConnectorError {
        ConnectorError::new(
            ErrorClass::Data,
            "row-too-large",
            format!("{}: row {row} of the chunk does not fit into one packet", self.attempt()),
        )
        .with_next("Raise max_allowed_packet on the server.")
    }

    async fn execute(&mut self, statement: Vec<u8>, rows: u64) -> Result<()> {
        let attempt = self.attempt();
        let conn = &mut self.session()?.conn;
        conn.query_drop(statement).await.map_err(|error| error::of(error, attempt.clone()))?;
        let affected = conn.affected_rows();
        merge::no_warnings(conn, &attempt).await?;
        if affected != rows {
            return Err(ConnectorError::new(ErrorClass::Data, "rows-missing", attempt)
                .with_server(format!("{affected} of {rows} rows were taken")));
        }
        Ok(())
    }

    /// Everything up to, and not including, COMMIT.
    async fn seal(&mut self, receipt: &Receipt) -> Result<()> {
        self.end_load().await?;
        let attempt = self.attempt();
        let (progress, prepared, rows) = (self.progress.clone(), self.prepared.clone(), self.rows);
        let tried = matches!(self.way, Way::Trial);
        let server = Arc::clone(&self.sink.server);
        let rejected = std::mem::take(&mut self.rejected);
        let session = self.session()?;
        if let Some(merge) = &session.merge
            && rows > 0
            && !tried
        {
            merge.run(&mut session.conn, &prepared, rows, &attempt).await?;
        }
        let conn = &mut session.conn;
        if rows > 0 {
            let now = altered::shape(&server, conn, &prepared.load_table).await?;
            if let Some(change) = prepared.shape.change(&now) {
                return Err(target_altered(&prepared.target, &change));
            }
        }
        let stream_id = &prepared.stream.stream_id;
        let (table, no) = (&progress.quarantine, receipt.no);
        quarantine::write(conn, table, stream_id, prepared.run, no, &rejected)
            .await
            .map_err(|error| error::of(error, format!("{attempt}: could not set rows aside")))?;
        match progress.record(conn, stream_id, prepared.run, prepared.epoch, receipt).await {
            // An earlier attempt's receipt: it is durable, and `begin` will find it.
            Err(error) if error::is_code(&error, 1062) => {
                return Err(ConnectorError::new(ErrorClass::Unknown, "already-durable", attempt));
            }
            other => other.map_err(|error| error::of(error, attempt.clone()))?,
        }
        if conn.affected_rows() != 1 || conn.get_warnings() != 0 {
            return Err(ConnectorError::bug(format!("{attempt}: the receipt was not stored")));
        }
        let epoch = progress
            .epoch_shared(conn, stream_id)
            .await
            .map_err(|error| error::of(error, attempt))?;
        if epoch != Some((prepared.run, prepared.epoch)) {
            return Err(progress::fenced(&prepared.target));
        }
        Ok(())
    }
}

impl Drop for MysqlWriter {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.sink.abandon(id);
        }
        // Not committed: closing the socket rolls back. A running load ends with its task.
        if let Some(session) = self.session.take() {
            config::cut(session.conn);
        }
    }
}

#[async_trait]
impl ChunkWriter for MysqlWriter {
    async fn write(&mut self, payload: Payload) -> Result<()> {
        let batch = match payload {
            Payload::Batch(batch) => batch,
            Payload::Wire { .. } => {
                return Err(ConnectorError::bug("this sink accepts no wire format"));
            }
        };
        let rows = batch.num_rows() as u64;
        if rows == 0 {
            return Ok(());
        }
        match self.way {
            Way::Load(_) => self.load(batch).await?,
            Way::Insert => self.insert(batch).await?,
            Way::Trial => return Err(ConnectorError::bug("rows were written after a trial")),
        }
        self.rows += rows;
        Ok(())
    }

    async fn try_write(&mut self, batch: RecordBatch) -> Result<Tried> {
        self.try_rows(batch).await
    }

    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()> {
        if self.rejected.is_empty() && !rows.is_empty() {
            // On a connection of its own: DDL would commit the chunk.
            let mut conn = self.sink.server.open(Purpose::Write).await?;
            let made = self.progress.create_quarantine(&mut conn).await;
            config::close(conn).await;
            made?;
        }
        // A load has the session until its last row, so they wait for its end.
        self.rejected.extend_from_slice(rows);
        Ok(())
    }

    async fn commit(mut self: Box<Self>, totals: ChunkTotals) -> Result<Receipt> {
        if totals.rows_written != self.rows {
            return Err(ConnectorError::bug(format!(
                "{}: {} rows were counted and {} were written",
                self.attempt(),
                totals.rows_written,
                self.rows
            )));
        }
        let receipt = Receipt::of(&self.chunk, totals);
        self.seal(&receipt).await?;
        FailPoint::ReceiptWritten.reach();
        let attempt = self.attempt();
        let commit = self.session()?.conn.query_drop("commit");
        if let Err(error) = FailPoint::CommitSent.reach_while(commit).await {
            // Even an error that the server sent leaves open what became of the transaction: it
            // may have been killed before or after. `begin` settles it.
            return Err(ConnectorError::new(ErrorClass::Unknown, "commit-unknown", attempt)
                .with_server("no good answer to COMMIT")
                .with_source(error));
        }
        self.id = None;
        if let Some(session) = self.session.take() {
            self.sink.give_idle(&self.prepared.stream.stream_id, session);
        }
        Ok(receipt)
    }
}
