//! One chunk: begin, both ends started at once, read, transform, write, commit.
//!
//! The order of what a chunk takes is fixed: its turn to read where there are turns, the writer,
//! then bytes of the budget, then the read. Whoever holds bytes can therefore hand them on, or waits with a few small
//! payloads for a chunk that needs no more than is left, and nothing waits in a circle.
//! Reading runs one payload ahead of writing; more would only hold memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use rowferry_core::{
    Begun, Chunk, ChunkReader, ChunkTotals, ChunkWriter, ConnectorError, Digest, ErrorClass,
    KeyTuple, OnBadRow, Payload, Receipt, RejectedRow, Result, Settings, Snapshot, TablePlan,
};
use rowferry_runtime::{FailPoint, Stage, Stopwatch, spawn};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::big_rows::{BigRows, Held, Room};
use crate::lane::Lane;
use crate::pace::Pace;
use crate::reading_turn::ReadingTurn;
use crate::row_limit::{self, ROW_TOO_LARGE};
use crate::sieve::sift;
use crate::transform::Transform;
use crate::values::Changes;
use crate::{JobEnds, RunContext};

/// Payloads that may wait between reader and writer.
const PREFETCH_PAYLOADS: usize = 1;

/// Slug of a reader's error about a value beyond its column's type.
const UNREPRESENTABLE: &str = "unrepresentable";

/// Payloads of one chunk that hold bytes at once: one being read, one waiting, one being written.
pub(crate) const PAYLOADS_IN_FLIGHT: u64 = 3;

/// Everything a chunk of one table needs.
pub(crate) struct ChunkCopier {
    pub(crate) ends: JobEnds,
    pub(crate) settings: Settings,
    /// The plan that the run started with.
    pub(crate) plan: Arc<TablePlan>,
    pub(crate) context: RunContext,
    /// Rows set aside by durable chunks of the run.
    pub(crate) rejected: AtomicU64,
    big_rows: BigRows,
    lane: Mutex<Arc<Lane>>,
    /// What the user should know of changes of lane.
    notes: Mutex<Vec<String>>,
}

/// A durable chunk, and what policies changed on its way; nothing is known of the changes where an
/// earlier attempt committed it.
pub(crate) struct Copied {
    pub(crate) receipt: Receipt,
    pub(crate) changes: Changes,
}

/// Where an error came from: a lost read view can be opened again, a lost writer cannot help it.
#[derive(Debug)]
pub(crate) enum CopyError {
    Read(ConnectorError),
    /// Found between the ends: by a kernel, or by counting.
    Rows(ConnectorError),
    Write(ConnectorError),
}

impl CopyError {
    pub(crate) fn error(&self) -> &ConnectorError {
        match self {
            Self::Read(error) | Self::Rows(error) | Self::Write(error) => error,
        }
    }

    pub(crate) fn into_error(self) -> ConnectorError {
        match self {
            Self::Read(error) | Self::Rows(error) | Self::Write(error) => error,
        }
    }
}

/// How one attempt at a chunk is made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner {
    /// An earlier attempt may have committed it.
    pub(crate) settle: bool,
    /// An earlier attempt met rows that the target refuses: look for them.
    pub(crate) sift: bool,
}

/// What the reading task hands over.
enum Item {
    Rows {
        payload: Payload,
        _held: Held,
    },
    /// Comes behind the last rows, and with it what the chunk held for all of them.
    End {
        last_key: Option<KeyTuple>,
        digest: Option<Digest>,
        _room: Room,
    },
}

impl ChunkCopier {
    /// The copier of a table in its first lane; `rejected` rows were set aside by earlier attempts.
    pub(crate) fn new(
        ends: JobEnds,
        settings: Settings,
        lane: Lane,
        context: RunContext,
        rejected: u64,
    ) -> Self {
        let in_turn = ends.reading_turns.are_taken();
        Self {
            ends,
            settings,
            plan: Arc::clone(&lane.plan),
            big_rows: BigRows::new(context.budget.clone(), in_turn),
            context,
            rejected: AtomicU64::new(rejected),
            lane: Mutex::new(Arc::new(lane)),
            notes: Mutex::default(),
        }
    }

    /// How chunks are copied now.
    pub(crate) fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.lane.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the user should know since the last call.
    pub(crate) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes to a lane in which a row that `failed` found too large in wire form can be named.
    pub(crate) fn decode(&self, failed: &CopyError, used: &Lane) -> bool {
        if !matches!(failed, CopyError::Rows(error) if error.code == ROW_TOO_LARGE) {
            return false;
        }
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        if lane.number != used.number {
            return true;
        }
        let Some(decoded) = lane.decoded() else { return false };
        *lane = Arc::new(decoded);
        true
    }

    /// Changes to a lane that can hold the value which `failed` speaks of. False when it speaks of
    /// something else, or there is no such lane.
    pub(crate) fn widen(&self, failed: &CopyError, used: &Lane) -> bool {
        let CopyError::Read(error) = failed else { return false };
        let Some(column) = error.column.as_deref().filter(|_| error.code == UNREPRESENTABLE) else {
            return false;
        };
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        // Another chunk met such a value first.
        if lane.number != used.number {
            return true;
        }
        let widened = lane.widened(column, &self.ends, &self.settings, &self.context);
        let Some((wider, words)) = widened else { return false };
        *lane = Arc::new(wider);
        drop(lane);
        self.context.observer.note(&self.plan.source.table.to_string(), &words);
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(words);
        true
    }

    /// Whether rows that the target refused can be looked for and set aside.
    pub(crate) fn may_sift(&self, failed: &CopyError) -> bool {
        matches!(failed, CopyError::Write(error) if error.class == ErrorClass::Data)
            && self.settings.on_bad_row != OnBadRow::Fail
    }

    fn stopwatch(&self) -> &Stopwatch {
        self.context.compute.stopwatch()
    }

    /// Copies `chunk` once.
    pub(crate) async fn copy(
        &self,
        chunk: &Chunk,
        lane: &Lane,
        snapshot: &Arc<dyn Snapshot>,
        manner: Manner,
        slot: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Copied, CopyError> {
        let turn = self.stopwatch().time(Stage::AwaitRoom, self.ends.reading_turns.take()).await;
        if manner.settle {
            // The target looks for an earlier attempt in its own turn.
            self.stopwatch().time(Stage::AwaitRoom, turn.lead()).await;
        }
        let beginning = self.ends.sink.begin(chunk, &lane.prepared, manner.settle);
        let begun = self.stopwatch().time(Stage::Write, beginning).await;
        let mut writer = match begun.map_err(CopyError::Write)? {
            Begun::AlreadyDurable(receipt) => {
                return Ok(Copied { receipt, changes: Changes::new() });
            }
            Begun::Writer(writer) => writer,
        };
        FailPoint::ChunkBegun.reach();
        let room = self.big_rows.enter(lane.read.batch_bytes, &turn).await;
        let starting = async {
            // Each row of a chunk that is sifted has a trial of its own.
            if manner.sift {
                return Ok(());
            }
            let expecting = writer.expect(lane.read.wire);
            self.stopwatch().time(Stage::Write, expecting).await.map_err(CopyError::Write)
        };
        let opening = async { snapshot.read(chunk, &lane.read).await.map_err(CopyError::Read) };
        let (reader, ()) = tokio::try_join!(opening, starting)?;
        let reading = (reader, room, turn);
        let (totals, changes) = self.pump(reading, lane, writer.as_mut(), manner.sift).await?;
        assert_counted(chunk, &totals).map_err(CopyError::Rows)?;
        FailPoint::RowsDone.reach();
        if let Ok(other) = Arc::clone(&self.context.committing).try_acquire_owned() {
            // The slot itself goes to the next chunk.
            *slot = Some(other);
        }
        let committing = writer.commit(totals);
        let receipt =
            self.stopwatch().time(Stage::Write, committing).await.map_err(CopyError::Write)?;
        FailPoint::CommitAnswered.reach();
        Ok(Copied { receipt, changes })
    }

    async fn pump(
        &self,
        (reader, room, turn): (Box<dyn ChunkReader>, Room, ReadingTurn),
        lane: &Lane,
        writer: &mut dyn ChunkWriter,
        sift: bool,
    ) -> Result<(ChunkTotals, Changes), CopyError> {
        let (items, mut incoming) = mpsc::channel(PREFETCH_PAYLOADS);
        let (stopwatch, pace) = (self.stopwatch().clone(), Arc::clone(&self.context.pace));
        let of_reader = turn.clone();
        let mut of_writer = Some(turn);
        let reading = spawn("read chunk", async move {
            read_ahead((reader, of_reader), &items, room, &stopwatch, &pace).await;
        });
        let mut transform = Transform::new(&lane.plan, &lane.rules);
        let mut totals = ChunkTotals::default();
        while let Some(item) = self.stopwatch().time(Stage::AwaitRows, incoming.recv()).await {
            match item.map_err(CopyError::Read)? {
                Item::Rows { payload, _held } => {
                    let (limit, table) = (self.settings.max_row_bytes, &self.plan.source.table);
                    row_limit::check_wire(&payload, limit, &table.to_string())
                        .map_err(CopyError::Rows)?;
                    totals.rows_read += payload.rows();
                    let done = transform
                        .apply(payload, &self.context.compute)
                        .await
                        .map_err(CopyError::Rows)?;
                    totals.duplicates += done.duplicates;
                    self.lead(of_writer.as_ref()).await;
                    self.set_aside(&done.rejected, writer, &mut totals).await?;
                    let payload = done.payload;
                    let refused = self.hand_over(payload, lane, writer, &mut totals, sift).await?;
                    transform.take_back(refused).map_err(CopyError::Rows)?;
                    if totals.rows_written > 0 {
                        of_writer = None;
                    }
                    FailPoint::RowsBegun.reach();
                }
                Item::End { last_key, digest, _room } => {
                    drop(reading);
                    self.lead(of_writer.as_ref()).await;
                    let held_back = transform.finish(&self.context.compute).await;
                    for payload in held_back.map_err(CopyError::Rows)? {
                        let refused =
                            self.hand_over(payload, lane, writer, &mut totals, sift).await?;
                        transform.take_back(refused).map_err(CopyError::Rows)?;
                    }
                    drop(of_writer);
                    totals.last_key = last_key;
                    totals.digest = digest.or_else(|| transform.digest());
                    return Ok((totals, transform.into_changes()));
                }
            }
        }
        // The channel closed without an end: the reading task died.
        let message = format!("reading table {} broke off", self.plan.source.table);
        Err(CopyError::Read(ConnectorError::bug(message)))
    }

    /// Waits until the chunk may ask for the target, where it still has its turn.
    async fn lead(&self, turn: Option<&ReadingTurn>) {
        if let Some(turn) = turn {
            self.stopwatch().time(Stage::AwaitRoom, turn.lead_on()).await;
        }
    }

    /// Counts rows that are not written and lets the writer note them with the chunk.
    async fn set_aside(
        &self,
        rows: &[RejectedRow],
        writer: &mut dyn ChunkWriter,
        totals: &mut ChunkTotals,
    ) -> Result<(), CopyError> {
        if rows.is_empty() {
            return Ok(());
        }
        totals.rows_rejected += rows.len() as u64;
        let so_far = self.rejected.load(Ordering::Relaxed) + totals.rows_rejected;
        self.check_rejects(so_far).map_err(CopyError::Rows)?;
        writer.reject(rows).await.map_err(CopyError::Write)
    }

    /// Stops the table when more rows were set aside than the job allows.
    pub(crate) fn check_rejects(&self, rejected: u64) -> Result<()> {
        let OnBadRow::Quarantine { max_rejects } = self.settings.on_bad_row else { return Ok(()) };
        if rejected <= max_rejects {
            return Ok(());
        }
        let table = &self.plan.source.table;
        Err(ConnectorError::new(
            ErrorClass::Data,
            "too-many-rejects",
            format!(
                "table {table} has more rows that the target cannot hold than `max_rejects: \
                 {max_rejects}` allows"
            ),
        )
        .with_next(
            "`_rowferry_quarantine` in the target names the rows set aside so far; correct them, \
             or raise `max_rejects`.",
        ))
    }

    /// Counts a payload and hands it to the writer; the rows of it that were set aside, one by one.
    async fn hand_over(
        &self,
        payload: Payload,
        lane: &Lane,
        writer: &mut dyn ChunkWriter,
        totals: &mut ChunkTotals,
        sift: bool,
    ) -> Result<Vec<RecordBatch>, CopyError> {
        let (rows, bytes) = (payload.rows(), payload.bytes());
        let before = totals.rows_written;
        totals.rows_written += rows;
        totals.bytes += bytes;
        self.context.observer.rows_moved(&self.plan.source.table.to_string(), rows, bytes);
        if let (true, Payload::Batch(batch)) = (sift, &payload) {
            return self.sift(batch, lane, writer, totals).await;
        }
        // Shares the arrays; only read again when the writer refuses a value.
        let written = match &payload {
            Payload::Batch(batch) => Some(batch.clone()),
            Payload::Wire { .. } => None,
        };
        let writing = self.stopwatch().time(Stage::Write, writer.write(payload));
        writing.await.map_err(|error| {
            let written = written.as_ref().map(|batch| (batch, before));
            CopyError::Write(lane.rules.explain(error, written))
        })?;
        Ok(Vec::new())
    }

    /// Writes the rows of `batch` that the target takes and sets the others aside.
    async fn sift(
        &self,
        batch: &RecordBatch,
        lane: &Lane,
        writer: &mut dyn ChunkWriter,
        totals: &mut ChunkTotals,
    ) -> Result<Vec<RecordBatch>, CopyError> {
        let so_far = self.rejected.load(Ordering::Relaxed) + totals.rows_rejected;
        let allowed = match self.settings.on_bad_row {
            OnBadRow::Quarantine { max_rejects } => max_rejects.saturating_sub(so_far),
            OnBadRow::Fail => 0,
        };
        let refused = sift(writer, batch, allowed).await.map_err(CopyError::Write)?;
        // Numbers count the rows of the chunk that got as far as the writer.
        let first = totals.rows_written + totals.rows_rejected - batch.num_rows() as u64;
        let rows: Result<Vec<RejectedRow>> =
            refused.iter().map(|refused| lane.rules.refused(batch, refused, first)).collect();
        totals.rows_written -= refused.len() as u64;
        self.set_aside(&rows.map_err(CopyError::Rows)?, writer, totals).await?;
        Ok(refused.iter().map(|refused| batch.slice(refused.row, 1)).collect())
    }
}

/// Reads until the end and hands everything to the writer's side, holding bytes of the budget for
/// each payload until it is written.
async fn read_ahead(
    (mut reader, turn): (Box<dyn ChunkReader>, ReadingTurn),
    items: &mpsc::Sender<Result<Item>>,
    mut room: Room,
    stopwatch: &Stopwatch,
    pace: &Pace,
) {
    loop {
        let held = stopwatch.time(Stage::AwaitRoom, room.before_read()).await;
        let item = match stopwatch.time(Stage::Read, reader.next()).await {
            Ok(Some(payload)) => {
                let taking = room.after_read(payload.bytes(), held, &turn);
                let held = stopwatch.time(Stage::AwaitRoom, taking).await;
                let paying = pace.pay(payload.rows(), payload.bytes());
                stopwatch.time(Stage::AwaitRoom, paying).await;
                Ok(Item::Rows { payload, _held: held })
            }
            Ok(None) => {
                drop(turn);
                let (last_key, digest) = (reader.last_key(), reader.digest());
                drop(items.send(Ok(Item::End { last_key, digest, _room: room })).await);
                return;
            }
            Err(error) => Err(error),
        };
        let failed = item.is_err();
        let taken = stopwatch.time(Stage::AwaitRoom, items.send(item)).await;
        if taken.is_err() || failed {
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
