//! Chunk → batches or wire rows, on the thread that owns the connection.
//!
//! ```text
//! owner thread:  step, append, …, batch ──► channel of 2 ──► ChunkReader::next
//!                then the greatest key, then End
//! ```
//!
//! The channel is the backpressure: with two batches waiting, the thread waits too. Behind a batch
//! that a large row made too large it waits until the next one is asked for, so that not several of
//! them lie in the channel. When the reader
//! is dropped the channel closes, and a progress handler stops a scan that finds no rows to send;
//! it looks at a flag of this read alone, so it can never hit the next read of the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use rowferry_core::{
    Chunk, ChunkReader, Column, ConnectorError, Digest, KeyColumns, KeyRange, KeyTuple, Payload,
    ReadSpec, Result, TableRef, TableShape, WireFormat, source_altered,
};
use rowferry_runtime::Task;
use rusqlite::{Connection, Row};
use tokio::sync::mpsc;

use crate::altered;
use crate::cells::{Cells, Misfit};
use crate::chunks::one_key;
use crate::error::{data, failed};
use crate::snapshot::Lease;
use crate::sql::{self, Query};
use crate::{row_key, wire};

/// Batches that wait between the thread and the reader: one being taken, one being made.
const BATCHES_WAITING: usize = 2;

/// Steps of SQLite's virtual machine between two looks at the flag: about a millisecond.
const STEPS_PER_LOOK: i32 = 100_000;

/// A batch is cut at a size and ends with the row that crosses it. One of several times that size
/// holds a large row.
const SIZES_OF_A_LARGE_ONE: usize = 4;

/// What the owner thread sends.
enum Sent {
    Rows(Payload),
    /// Rows behind which the thread waits to be told to go on.
    RowsAndPause(Payload),
    End(Option<KeyTuple>, Option<Digest>),
    Failed(ConnectorError),
}

/// What rows become.
enum Shape {
    Batch {
        cells: Vec<Cells>,
        schema: SchemaRef,
    },
    /// Bytes of so many columns each, as they are stored.
    Wire {
        bytes: Vec<u8>,
        /// Bytes of the largest row among them.
        largest: usize,
        columns: usize,
        digest: Digest,
    },
}

/// The thread's way to its reader.
struct Way {
    sender: mpsc::Sender<Sent>,
    told: std::sync::mpsc::Receiver<()>,
}

impl Way {
    /// `false` when the reader has gone.
    fn send(&self, payload: Payload) -> bool {
        self.sender.blocking_send(Sent::Rows(payload)).is_ok()
    }

    /// As [`Self::send`], until the next payload is asked for.
    fn send_and_wait(&self, payload: Payload) -> bool {
        self.sender.blocking_send(Sent::RowsAndPause(payload)).is_ok() && self.told.recv().is_ok()
    }
}

/// Everything the thread needs to read one chunk.
struct ChunkRead {
    table: String,
    query: Query,
    /// Key and lower bound of a span without upper bound: its greatest key is asked for.
    open_end: Option<(KeyColumns, Option<KeyTuple>)>,
    shape: Shape,
    names: Vec<String>,
    /// The key's columns among those read, and their positions, for naming a row.
    key: Vec<(usize, Column)>,
    batch_bytes: usize,
    batch_rows: usize,
    /// For a read in a transaction of its own: what the table must be in it.
    own_view: Option<Arc<TableShape>>,
}

/// One chunk being read.
pub(crate) struct SqliteReader {
    receiver: mpsc::Receiver<Sent>,
    /// Tells a thread that waits to go on.
    go_on: std::sync::mpsc::SyncSender<()>,
    paused: bool,
    stopped: Arc<AtomicBool>,
    last_key: Option<KeyTuple>,
    digest: Option<Digest>,
    ended: bool,
    // Held so that the connection goes back to its view, and the task ends, with the reader.
    _task: Task<()>,
    _lease: Arc<Lease>,
}

impl SqliteReader {
    /// Starts reading `chunk` on the leased connection. With `own_view` the read opens and closes
    /// its own transaction, in which the table must be that.
    pub(crate) fn start(
        lease: Lease,
        chunk: &Chunk,
        spec: &ReadSpec,
        table: String,
        own_view: Option<Arc<TableShape>>,
    ) -> Result<Self> {
        let read = ChunkRead::new(chunk, spec, table, own_view)?;
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let (go_on, told) = std::sync::mpsc::sync_channel(1);
        let stopped = Arc::new(AtomicBool::new(false));
        let lease = Arc::new(lease);
        let (flag, held) = (Arc::clone(&stopped), Arc::clone(&lease));
        let task = rowferry_runtime::spawn("sqlite read", async move {
            let to = Way { sender, told };
            let answer =
                held.owner().call(move |connection| read.run(connection, &flag, &to)).await;
            if let Err(error) = answer {
                tracing::debug!(%error, "reading thread did not answer");
            }
        });
        Ok(Self {
            receiver,
            go_on,
            paused: false,
            stopped,
            last_key: None,
            digest: None,
            ended: false,
            _task: task,
            _lease: lease,
        })
    }
}

#[async_trait]
impl ChunkReader for SqliteReader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        if self.ended {
            return Ok(None);
        }
        if std::mem::take(&mut self.paused) {
            // A thread that ended meanwhile says why by what it sent.
            self.go_on.try_send(()).ok();
        }
        match self.receiver.recv().await {
            Some(Sent::Rows(payload)) => Ok(Some(payload)),
            Some(Sent::RowsAndPause(payload)) => {
                self.paused = true;
                Ok(Some(payload))
            }
            Some(Sent::End(last_key, digest)) => {
                self.last_key = last_key;
                self.digest = digest;
                self.ended = true;
                Ok(None)
            }
            Some(Sent::Failed(error)) => Err(error),
            None => Err(ConnectorError::bug("the thread that reads a chunk ended early")),
        }
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.last_key.clone()
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.clone()
    }
}

impl Drop for SqliteReader {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl ChunkRead {
    fn new(
        chunk: &Chunk,
        spec: &ReadSpec,
        table: String,
        own_view: Option<Arc<TableShape>>,
    ) -> Result<Self> {
        let query = sql::select_range(
            &table,
            &spec.columns,
            &chunk.range,
            spec.predicate.as_ref(),
            spec.ordered,
        )?;
        let (key, open_end) = match &chunk.range {
            KeyRange::Span { key, lower, upper: None } => {
                (Some(key), Some((key.clone(), lower.clone())))
            }
            KeyRange::Span { key, .. } | KeyRange::NullKeys { key } => (Some(key), None),
            KeyRange::Whole | KeyRange::Blocks { .. } => (None, None),
        };
        let place = |name: &String| {
            spec.columns.iter().cloned().enumerate().find(|(_, column)| column.name == *name)
        };
        let key = key.map(|key| key.names().iter().filter_map(place).collect()).unwrap_or_default();
        let shape = Shape::of(spec)?;
        Ok(Self {
            table,
            query,
            open_end,
            shape,
            names: spec.columns.iter().map(|column| column.name.clone()).collect(),
            key,
            batch_bytes: usize::try_from(spec.batch_bytes).unwrap_or(usize::MAX).max(1),
            batch_rows: usize::try_from(spec.batch_rows).unwrap_or(usize::MAX).max(1),
            own_view,
        })
    }

    fn run(mut self, connection: &mut Connection, stopped: &Arc<AtomicBool>, to: &Way) {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let flag = Arc::clone(stopped);
        let watch =
            connection.progress_handler(STEPS_PER_LOOK, Some(move || flag.load(Ordering::Relaxed)));
        let done = match watch {
            Ok(()) => self.run_in_view(connection, to),
            Err(error) => Err(self.failed(error)),
        };
        if let Err(error) = connection.progress_handler(0, None::<fn() -> bool>) {
            tracing::debug!(%error, "could not remove the progress handler");
        }
        // Nobody listens any more when the reader was dropped.
        drop(to.sender.blocking_send(match done {
            Ok(last_key) => Sent::End(last_key, self.shape.digest()),
            Err(error) => Sent::Failed(error),
        }));
    }

    /// Rows and greatest key must come from one view: without the snapshot's own transaction this
    /// read opens one.
    fn run_in_view(&mut self, connection: &Connection, to: &Way) -> Result<Option<KeyTuple>> {
        let Some(shape) = self.own_view.take() else {
            return self.rows_and_last_key(connection, to);
        };
        connection.execute_batch("begin").map_err(|error| self.failed(error))?;
        let table = TableRef::bare(self.table.clone());
        let done = altered::shape(connection, &table).and_then(|now| match shape.change(&now) {
            Some(change) => Err(source_altered(&table, &change)),
            None => self.rows_and_last_key(connection, to),
        });
        connection.execute_batch("rollback").map_err(|error| self.failed(error))?;
        done
    }

    fn rows_and_last_key(&mut self, connection: &Connection, to: &Way) -> Result<Option<KeyTuple>> {
        if !self.send_rows(connection, to)? {
            return Ok(None);
        }
        let Some((key, lower)) = &self.open_end else { return Ok(None) };
        let query = sql::last_key(&self.table, key, lower.as_ref());
        one_key(connection, &self.table, key, &query)
    }

    /// `false` when the reader has gone.
    fn send_rows(&mut self, connection: &Connection, to: &Way) -> Result<bool> {
        let mut statement =
            connection.prepare_cached(&self.query.text).map_err(|error| self.failed(error))?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(&self.query.parameters))
            .map_err(|error| self.failed(error))?;
        let (mut count, mut bytes) = (0, 0);
        while let Some(row) = rows.next().map_err(|error| self.failed(error))? {
            match self.shape.append(row) {
                Ok(row_bytes) => bytes += row_bytes,
                Err(NotRead::Refused(error)) => return Err(self.failed(error)),
                Err(NotRead::Misfit(index, misfit)) => {
                    return Err(self.misfit(index, &misfit, row));
                }
            }
            count += 1;
            if count >= self.batch_rows || bytes >= self.batch_bytes {
                let payload = self.shape.take(count)?;
                let sent = if bytes >= self.batch_bytes.saturating_mul(SIZES_OF_A_LARGE_ONE) {
                    to.send_and_wait(payload)
                } else {
                    to.send(payload)
                };
                if !sent {
                    return Ok(false);
                }
                (count, bytes) = (0, 0);
            }
        }
        Ok(count == 0 || to.send(self.shape.take(count)?))
    }

    fn failed(&self, error: rusqlite::Error) -> ConnectorError {
        failed(format!("could not read rows of table {}", self.table), error)
    }

    fn misfit(&self, index: usize, misfit: &Misfit, row: &Row<'_>) -> ConnectorError {
        let column = self.names.get(index).map_or("", String::as_str);
        let table = &self.table;
        let error = data(
            "unrepresentable",
            format!(
                "column {column:?} of table {table} holds {} where {} was expected",
                misfit.found, misfit.expected
            ),
        )
        .with_next(
            "Correct the row, cast the column under `casts`, or leave it out with `exclude`.",
        )
        .with_column(column);
        let cells: Option<Vec<_>> =
            self.key.iter().map(|(at, column)| Some((column, row.get_ref(*at).ok()?))).collect();
        match cells.and_then(row_key::of_cells) {
            Some(key) => error.with_key(key),
            None => error,
        }
    }
}

/// Why a row was not taken.
enum NotRead {
    Refused(rusqlite::Error),
    Misfit(usize, Misfit),
}

impl Shape {
    fn of(spec: &ReadSpec) -> Result<Self> {
        match spec.wire {
            Some(WireFormat::SqliteCells) => Ok(Self::Wire {
                bytes: Vec::new(),
                largest: 0,
                columns: spec.columns.len(),
                digest: wire::no_rows(),
            }),
            Some(WireFormat::PgCopyBinary) => Err(ConnectorError::bug(
                "a SQLite table was asked for in a wire format that was not offered",
            )),
            None => {
                let fields: Vec<_> = spec
                    .columns
                    .iter()
                    .filter_map(|column| Some(column.canonical.as_ref()?.field(&column.name)))
                    .collect();
                Ok(Self::Batch {
                    cells: spec.columns.iter().map(Cells::of).collect::<Result<_>>()?,
                    schema: Arc::new(Schema::new(fields)),
                })
            }
        }
    }

    /// Appends a row and returns the bytes that it takes.
    fn append(&mut self, row: &Row<'_>) -> Result<usize, NotRead> {
        match self {
            Self::Batch { cells, .. } => {
                let mut bytes = 0;
                for (index, cells) in cells.iter_mut().enumerate() {
                    let cell = row.get_ref(index).map_err(NotRead::Refused)?;
                    bytes += cells.append(cell).map_err(|misfit| NotRead::Misfit(index, misfit))?;
                }
                Ok(bytes)
            }
            Self::Wire { bytes, largest, columns, digest } => {
                let start = bytes.len();
                wire::push_row(bytes, *columns);
                for index in 0..*columns {
                    wire::push_cell(bytes, row.get_ref(index).map_err(NotRead::Refused)?);
                }
                let row = bytes.get(start..).unwrap_or_default();
                wire::digest(digest, row);
                *largest = row.len().max(*largest);
                Ok(row.len())
            }
        }
    }

    /// The rows so far.
    fn take(&mut self, rows: usize) -> Result<Payload> {
        match self {
            Self::Batch { cells, schema } => {
                let columns: Vec<ArrayRef> = cells.iter_mut().map(Cells::finish).collect();
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
                    .map(Payload::Batch)
                    .map_err(|error| {
                        ConnectorError::bug("columns of a batch do not match").with_source(error)
                    })
            }
            Self::Wire { bytes, largest, .. } => {
                let capacity = bytes.len();
                let bytes = std::mem::replace(bytes, Vec::with_capacity(capacity)).into();
                let largest_row = std::mem::take(largest) as u64;
                let format = WireFormat::SqliteCells;
                Ok(Payload::Wire { format, rows: rows as u64, largest_row, bytes })
            }
        }
    }

    fn digest(&self) -> Option<Digest> {
        match self {
            Self::Batch { .. } => None,
            Self::Wire { digest, .. } => Some(digest.clone()),
        }
    }
}
