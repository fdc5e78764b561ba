//! Rows that are larger than a payload should be: a chunk that has them runs alone.
//!
//! ```text
//!  first worker of a table   read ─► first payload ─► 64 MiB!    takes the budget, writes, …, end
//!  the others                wait for that payload ───────► ask for four times 64 MiB, wait, read
//! ```
//!
//! How large a row is shows only when it is in memory, and then a driver holds it, a batch, an
//! encoder and the other driver. So the first payload of a table is read by one worker alone, and
//! what was seen since says how much of the budget a chunk takes before it reads. Such a chunk has
//! one payload in memory at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rowferry_runtime::{ByteBudget, BytePermit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::reading_turn::ReadingTurn;

/// A payload is cut at a size and ends with the row that crosses it. One of several times that size
/// is a large row.
const SIZES_OF_A_LARGE_ONE: u64 = 4;

/// Times that a large row is in memory on its way from the reading driver to the writing one, by
/// count: driver, batch, encoded, driver.
const COPIES: u64 = 4;

/// How long other workers wait for the first payload of a table. A guess: longer than a busy server
/// needs for a row of 64 MiB. Where a filter finds none for so long, the table is large, and the
/// others wait once.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// Budget from which a chunk may hold payloads while another one leads. Guessed: below it shares of a few
/// bytes are rounded up, and are no shares any more.
const READ_AHEAD_BUDGET: u64 = 1 << 20;

/// What is known of the size of a table's rows. Cloning shares it.
#[derive(Clone)]
pub(crate) struct BigRows {
    /// Bytes of the largest payload lately; 0 = none was read yet.
    largest: Arc<AtomicU64>,
    first_look: Arc<Semaphore>,
    budget: ByteBudget,
    /// Bytes that a chunk alone takes at most.
    most: u64,
}

/// What one chunk holds of the budget, and what it saw.
pub(crate) struct Room {
    rows: BigRows,
    /// The right to read the first payload of the table.
    look: Option<OwnedSemaphorePermit>,
    /// For the whole chunk, when its rows are large.
    alone: Option<BytePermit>,
    /// Taken by each payload of a chunk that runs alone.
    turn: Arc<Semaphore>,
    /// Bytes at which a payload is cut.
    payload_bytes: u64,
    /// Bytes of its largest payload.
    seen: u64,
}

/// Bytes, or the turn, of one payload: given back when it is written.
pub(crate) struct Held {
    _bytes: Option<BytePermit>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl BigRows {
    /// Where chunks take turns, one that is alone leaves the half of the budget in which the small payloads of
    /// all others have room: it would else wait for one that waits for it.
    pub(crate) fn new(budget: ByteBudget, in_turn: bool) -> Self {
        let most = if in_turn { budget.bytes() / 2 } else { budget.bytes() };
        Self { largest: Arc::default(), first_look: Arc::new(Semaphore::new(1)), budget, most }
    }

    /// Waits until a chunk whose payloads are cut at `payload_bytes` may read. One that knows nothing of its table's
    /// rows leads first: it might wait with a huge one in its hands.
    pub(crate) async fn enter(&self, payload_bytes: u64, turn: &ReadingTurn) -> Room {
        let mut look = None;
        if self.largest() == 0 || self.budget.bytes() < READ_AHEAD_BUDGET {
            turn.lead().await;
        }
        if self.largest() == 0 {
            let first = Arc::clone(&self.first_look).acquire_owned();
            look = tokio::time::timeout(FIRST_LOOK, first).await.ok().and_then(Result::ok);
        }
        let largest = self.largest();
        let alone = if is_large(largest, payload_bytes) {
            Some(self.alone(largest, turn).await)
        } else {
            None
        };
        let look = look.filter(|_| largest == 0);
        let turn = Arc::new(Semaphore::new(1));
        Room { rows: self.clone(), look, alone, turn, seen: 0, payload_bytes }
    }

    /// What a chunk with rows of so many bytes holds.
    async fn alone(&self, largest: u64, turn: &ReadingTurn) -> BytePermit {
        turn.lead().await;
        self.budget.acquire(largest.saturating_mul(COPIES).min(self.most)).await
    }

    fn largest(&self) -> u64 {
        self.largest.load(Ordering::Relaxed)
    }
}

impl Room {
    /// Waits until the next payload may be read.
    pub(crate) async fn before_read(&self) -> Held {
        if self.alone.is_some() {
            return self.turn().await;
        }
        let bytes = self.rows.budget.acquire(self.payload_bytes).await;
        Held { _bytes: Some(bytes), _turn: None }
    }

    /// Takes note of a payload that was read under `held`. A large one waits here until it is alone;
    /// what it holds is given back before, so that no two wait for each other.
    pub(crate) async fn after_read(&mut self, bytes: u64, held: Held, turn: &ReadingTurn) -> Held {
        self.rows.largest.fetch_max(bytes.max(1), Ordering::Relaxed);
        self.seen = self.seen.max(bytes);
        self.look = None;
        if self.alone.is_some() || !is_large(bytes, self.payload_bytes) {
            return held;
        }
        drop(held);
        self.alone = Some(self.rows.alone(bytes, turn).await);
        self.turn().await
    }

    async fn turn(&self) -> Held {
        // Never closed.
        Held { _bytes: None, _turn: Arc::clone(&self.turn).acquire_owned().await.ok() }
    }
}

/// A chunk without large rows lets the next ones hope for the same, bit by bit.
impl Drop for Room {
    fn drop(&mut self) {
        let forget = |largest: u64| Some(self.seen.max(largest / 2).max(1)).filter(|_| largest > 0);
        // An error only says that there was nothing to forget.
        self.rows.largest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, forget).ok();
    }
}

fn is_large(bytes: u64, payload_bytes: u64) -> bool {
    bytes > payload_bytes.saturating_mul(SIZES_OF_A_LARGE_ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: u64 = 1 << 20;
    const LARGE: u64 = 20 << 20;
    const NO_TURN: ReadingTurn = ReadingTurn::none();
    const SHORT: Duration = Duration::from_millis(50);

    fn rows() -> BigRows {
        BigRows::new(ByteBudget::new(64 << 20), false)
    }

    async fn is_held_off<T>(work: impl Future<Output = T>) -> bool {
        tokio::time::timeout(SHORT, work).await.is_err()
    }

    #[tokio::test]
    async fn one_worker_reads_the_first_payload_of_a_table() {
        let rows = rows();
        let mut first = rows.enter(PAYLOAD, &NO_TURN).await;
        assert!(is_held_off(rows.enter(PAYLOAD, &NO_TURN)).await);
        let held = first.before_read().await;
        first.after_read(100, held, &NO_TURN).await;
        rows.enter(PAYLOAD, &NO_TURN).await;
    }

    #[tokio::test]
    async fn a_chunk_of_large_rows_runs_alone_and_reads_them_one_by_one() {
        let rows = rows();
        let mut first = rows.enter(PAYLOAD, &NO_TURN).await;
        let held = first.before_read().await;
        let held = first.after_read(LARGE, held, &NO_TURN).await;
        assert!(is_held_off(first.before_read()).await, "two in memory");
        assert!(is_held_off(rows.enter(PAYLOAD, &NO_TURN)).await, "two chunks");
        drop(held);
        drop(first.before_read().await);
        drop(first);
        rows.enter(PAYLOAD, &NO_TURN).await;
    }

    #[tokio::test]
    async fn two_chunks_that_meet_large_rows_at_once_do_not_wait_for_each_other() {
        let rows = rows();
        rows.largest.store(1, Ordering::Relaxed);
        let (mut one, mut other) =
            (rows.enter(PAYLOAD, &NO_TURN).await, rows.enter(PAYLOAD, &NO_TURN).await);
        let (of_one, of_other) = (one.before_read().await, other.before_read().await);
        let first = async {
            drop(one.after_read(LARGE, of_one, &NO_TURN).await);
            drop(one);
        };
        let second = async {
            drop(other.after_read(LARGE, of_other, &NO_TURN).await);
            drop(other);
        };
        assert!(!is_held_off(async { tokio::join!(first, second) }).await);
    }

    #[tokio::test]
    async fn what_was_large_once_is_forgotten() {
        let rows = rows();
        rows.largest.store(LARGE, Ordering::Relaxed);
        for _ in 0..4 {
            rows.enter(PAYLOAD, &NO_TURN).await;
        }
        let (_one, _other) =
            (rows.enter(PAYLOAD, &NO_TURN).await, rows.enter(PAYLOAD, &NO_TURN).await);
        assert!(rows.largest() > 0);
    }
}
