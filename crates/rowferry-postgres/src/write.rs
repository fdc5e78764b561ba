//! Writing a chunk: one COPY, one receipt, one commit.
//!
//! ```text
//!  begin ─ copy … from stdin (format binary) ─ [merge] ─ receipt + epoch for share ─ commit
//! ```
//!
//! An upsert copies into a temporary table of the session and merges it by key in the same
//! transaction. The temporary table is made before the transaction and empties itself at commit.
//!
//! **Any error poisons the writer**: its session is dropped, which cancels what runs and closes the
//! connection, and the server rolls back. Dropping a writer does the same, so a chunk that was not
//! committed leaves no row. A commit without an answer is of class `Unknown`; [`WriterPool::settle`]
//! finds out what became of it before the chunk may be tried again.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::SinkExt as _;
use rowferry_core::{
    Chunk, ChunkTotals, ChunkWriter, ConnectorError, ErrorClass, LoadInto, Payload, Prepared,
    Receipt, RejectedRow, Result, WireFormat, WriteMode,
};
use rowferry_runtime::ComputePool;
use tokio_postgres::{CopyInSink, Statement};

use crate::config::Purpose;
use crate::error::{commit_failed, failed, pool_failed};
use crate::lock::session_name;
use crate::prepare::{Merge, merge_way};
use crate::progress::{Progress, RunOf};
use crate::session::{Connector, Session};
use crate::sql;
use crate::wire::ChunkEncoder;

/// Sessions that wait for their next chunk, by stream and epoch. A session never serves another
/// epoch: its application name says for whom it writes.
pub(crate) struct WriterPool {
    connector: Arc<Connector>,
    idle: Mutex<BTreeMap<(String, i64), Vec<Writing>>>,
}

/// A session that is set up to write the chunks of one stream.
struct Writing {
    session: Session,
    copy: Statement,
    merge: Option<Merging>,
}

/// How rows get from the temporary table into the target.
#[derive(Clone)]
struct Merging {
    delete: Option<String>,
    insert: String,
}

impl WriterPool {
    pub(crate) fn new(connector: Arc<Connector>) -> Self {
        Self { connector, idle: Mutex::new(BTreeMap::new()) }
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
            None => Writing::open(&self.connector, prepared).await,
        }
    }

    fn give_back(&self, prepared: &Prepared, writing: Writing) {
        let key = (prepared.stream.stream_id.clone(), prepared.epoch);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(key).or_default().push(writing);
    }

    /// Closes the idle sessions of a stream: no chunk of it is to come.
    pub(crate) fn retire(&self, stream_id: &str) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(stream, _), _| stream != stream_id);
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
        let session = self.connector.open(Purpose::Write, Some(&name)).await?;
        let client = &session.client;
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
    async fn open(connector: &Arc<Connector>, prepared: &Prepared) -> Result<Self> {
        let name = session_name(&prepared.stream.stream_id, prepared.epoch);
        let session = connector.open(Purpose::Write, Some(&name)).await?;
        let attempt = || format!("could not set up a writer of table {}", prepared.load_table);
        let columns = sql::list(prepared.columns.iter().map(|column| column.target.name.as_str()));
        let upsert = prepared.load == LoadInto::Target && prepared.write == WriteMode::Upsert;
        let (into, merge) = if upsert {
            let way = merge_way(&session, prepared).await?;
            let buffer = format!(
                "create temporary table {UPSERT_BUFFER} on commit delete rows \
                 as select {columns} from {} with no data",
                sql::table(&prepared.target)
            );
            session.client.batch_execute(&buffer).await.map_err(failed(attempt()))?;
            (UPSERT_BUFFER.to_owned(), Some(merging(prepared, way, &columns)))
        } else {
            (sql::table(&prepared.load_table), None)
        };
        let copy = format!("copy {into} ({columns}) from stdin (format binary)");
        let copy = session.client.prepare(&copy).await.map_err(failed(attempt()))?;
        Ok(Self { session, copy, merge })
    }
}

/// The session's own table for the rows of one chunk of an upsert.
const UPSERT_BUFFER: &str = "pg_temp._rowferry_upsert";

fn merging(prepared: &Prepared, way: Merge, columns: &str) -> Merging {
    let target = sql::table(&prepared.target);
    let key = sql::list(prepared.key.iter().map(String::as_str));
    // Explicit values go into identity columns too, as COPY does.
    let insert = format!(
        "insert into {target} ({columns}) overriding system value \
         select {columns} from {UPSERT_BUFFER}"
    );
    match way {
        Merge::OnConflict => {
            let all = prepared.columns.iter().map(|column| column.target.name.as_str());
            let mut set: Vec<&str> =
                all.clone().filter(|name| !prepared.key.iter().any(|key| key == name)).collect();
            // A table of nothing but its key: the update changes nothing, and counts the row.
            if set.is_empty() {
                set = all.collect();
            }
            let set: Vec<String> = set
                .into_iter()
                .map(|name| format!("{0} = excluded.{0}", sql::quote(name)))
                .collect();
            Merging {
                delete: None,
                insert: format!("{insert} on conflict ({key}) do update set {}", set.join(", ")),
            }
        }
        Merge::DeleteInsert => {
            let equal: Vec<String> = prepared
                .key
                .iter()
                .map(|name| format!("t.{0} = s.{0}", sql::quote(name)))
                .collect();
            Merging {
                delete: Some(format!(
                    "delete from {target} t using {UPSERT_BUFFER} s where {}",
                    equal.join(" and ")
                )),
                insert,
            }
        }
    }
}

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
}

struct Open {
    copy: Pin<Box<CopyInSink<Bytes>>>,
    writing: Writing,
    encoder: ChunkEncoder,
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
        let encoder = ChunkEncoder::new(&prepared.target, &prepared.columns)?;
        writing.session.set_busy(true);
        let client = &writing.session.client;
        // Sent together, answered in order: one round trip.
        let begin = client.batch_execute("begin isolation level read committed");
        let copy = client.copy_in::<_, Bytes>(&writing.copy);
        let ((), copy) = tokio::try_join!(begin, copy)
            .map_err(failed(format!("could not start chunk {}", chunk.no.0)))?;
        let mut copy = Box::pin(copy);
        copy.feed(ChunkEncoder::header())
            .await
            .map_err(failed(format!("could not start chunk {}", chunk.no.0)))?;
        Ok(Self {
            pool,
            compute,
            progress,
            chunk: chunk.clone(),
            prepared: prepared.clone(),
            open: Some(Open { copy, writing, encoder }),
            rows: 0,
        })
    }

    fn take_open(&mut self) -> Result<Open> {
        self.open.take().ok_or_else(|| ConnectorError::bug("a writer was used after it had failed"))
    }

    fn attempt(&self) -> String {
        format!("could not write chunk {} to table {}", self.chunk.no.0, self.prepared.load_table)
    }

    /// Sends one buffer. A closed pipe means that the server has already answered with an error,
    /// which is then the better one to report.
    async fn send(&self, open: &mut Open, bytes: Bytes) -> Result<()> {
        if let Err(closed) = open.copy.feed(bytes).await {
            let answer = open.copy.as_mut().finish().await;
            return Err(failed(self.attempt())(answer.err().unwrap_or(closed)));
        }
        Ok(())
    }
}

#[async_trait]
impl ChunkWriter for PgChunkWriter {
    async fn write(&mut self, payload: Payload) -> Result<()> {
        let mut open = self.take_open()?;
        let rows = payload.rows();
        match payload {
            Payload::Wire { format: WireFormat::PgCopyBinary, bytes, .. } => {
                self.send(&mut open, bytes).await?;
            }
            Payload::Wire { format: WireFormat::SqliteCells, .. } => {
                return Err(ConnectorError::bug("wire rows of another engine were handed over"));
            }
            Payload::Batch(batch) => {
                let encoder = open.encoder.clone();
                let encoded = self
                    .compute
                    .run(move || encoder.encode(&batch))
                    .await
                    .map_err(pool_failed("could not encode rows"))?;
                for bytes in encoded? {
                    self.send(&mut open, bytes).await?;
                }
            }
        }
        self.rows += rows;
        self.open = Some(open);
        Ok(())
    }

    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()> {
        let message = format!("setting {} rows aside is not supported yet", rows.len());
        Err(ConnectorError::new(ErrorClass::Setup, "not-supported-yet", message))
    }

    async fn commit(mut self: Box<Self>, totals: ChunkTotals) -> Result<Receipt> {
        let mut open = self.take_open()?;
        self.send(&mut open, ChunkEncoder::trailer()).await?;
        let copied = open.copy.as_mut().finish().await.map_err(failed(self.attempt()))?;
        self.count("copied", copied)?;
        let Open { writing, .. } = open;
        let client = &writing.session.client;
        if let Some(merge) = &writing.merge {
            if let Some(delete) = &merge.delete {
                client.execute_typed(delete, &[]).await.map_err(failed(self.attempt()))?;
            }
            let merged =
                client.execute_typed(&merge.insert, &[]).await.map_err(failed(self.attempt()))?;
            self.count("merged", merged)?;
        }
        let run = RunOf::prepared(&self.prepared);
        self.progress.write_receipt(client, &run, &self.chunk, &totals).await?;
        client.batch_execute("commit").await.map_err(|error| {
            commit_failed(format!("could not commit chunk {}", self.chunk.no.0), error)
        })?;
        writing.session.set_busy(false);
        self.pool.give_back(&self.prepared, writing);
        Ok(Receipt::of(&self.chunk, totals))
    }
}

impl PgChunkWriter {
    fn count(&self, word: &str, counted: u64) -> Result<()> {
        if counted == self.rows {
            return Ok(());
        }
        Err(ConnectorError::new(
            ErrorClass::Data,
            "rows-differ",
            format!(
                "{counted} of {} rows of chunk {} were {word} into table {}",
                self.rows, self.chunk.no.0, self.prepared.target
            ),
        )
        .with_next("Look for triggers or rules on the target that swallow rows."))
    }
}
