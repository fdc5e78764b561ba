//! Whose rows may be read, where a target takes one chunk at a time.
//!
//! ```text
//! chunk 1   read ───────────────► end
//!              write … write … write … commit
//! chunk 2             read ··· (waits) ───────────► end
//!                                  (waits) write … write … commit
//! chunk 3                                 read ··· (waits) ─────────►
//! ```
//!
//! The chunk that leads reads as it likes. The one behind it reads ahead, a few payloads that the
//! budget has room for, and waits with them until it leads itself. Lead passes on once a chunk
//! has read all its rows and the target has begun to take them.
//!
//! A chunk asks the target for its turn, and takes more of the budget than small payloads need, once it
//! leads: whoever waits for something that another chunk holds waits for one before it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// The turns of one target. Cloning shares them.
#[derive(Clone)]
pub(crate) struct ReadingTurns(Option<Arc<Places>>);

/// One of each.
struct Places {
    first: Arc<Semaphore>,
    /// Behind the leader, or about to lead.
    second: Arc<Semaphore>,
}

/// The right of a chunk to read. The task that reads and the one that writes have a copy each, and the
/// next chunk leads when both are gone.
#[derive(Clone)]
pub(crate) struct ReadingTurn(Option<Arc<Held>>);

struct Held {
    places: Arc<Places>,
    first: OnceCell<Option<OwnedSemaphorePermit>>,
    second: Mutex<Option<OwnedSemaphorePermit>>,
}

impl ReadingTurns {
    /// Of a target that takes one chunk at a time, or as many as come.
    pub(crate) fn new(one_at_a_time: bool) -> Self {
        let place = || Arc::new(Semaphore::new(1));
        Self(one_at_a_time.then(|| Arc::new(Places { first: place(), second: place() })))
    }

    pub(crate) const fn are_taken(&self) -> bool {
        self.0.is_some()
    }

    /// Waits for the place behind the leader.
    pub(crate) async fn take(&self) -> ReadingTurn {
        let Some(places) = &self.0 else { return ReadingTurn::none() };
        // The semaphores are never closed.
        let second = Arc::clone(&places.second).acquire_owned().await.ok();
        let places = Arc::clone(places);
        ReadingTurn(Some(Arc::new(Held {
            places,
            first: OnceCell::new(),
            second: Mutex::new(second),
        })))
    }
}

impl ReadingTurn {
    /// Of a target that takes as many chunks as come.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Waits until this chunk leads.
    pub(crate) async fn lead(&self) {
        let Some(held) = &self.0 else { return };
        let first = || async { Arc::clone(&held.places.first).acquire_owned().await.ok() };
        held.first.get_or_init(first).await;
    }

    /// Waits until this chunk, some rows of which are here, leads, and lets the next one begin to read:
    /// not before, so that it cannot take the source's session that this one waits for.
    pub(crate) async fn lead_on(&self) {
        self.lead().await;
        if let Some(held) = &self.0 {
            held.second.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_held_off<T>(work: impl Future<Output = T>) -> bool {
        let moment = std::time::Duration::from_millis(20);
        tokio::time::timeout(moment, work).await.is_err()
    }

    #[tokio::test]
    async fn the_next_chunk_leads_when_both_halves_are_done() {
        let turns = ReadingTurns::new(true);
        let of_reader = turns.take().await;
        let of_writer = of_reader.clone();
        of_writer.lead_on().await;
        let next = turns.take().await;
        for half in [of_writer, of_reader] {
            assert!(is_held_off(next.lead()).await);
            drop(half);
        }
        next.lead().await;
    }

    #[tokio::test]
    async fn one_chunk_reads_ahead_and_only_of_one_that_has_begun() {
        let turns = ReadingTurns::new(true);
        let first = turns.take().await;
        first.lead().await;
        assert!(is_held_off(turns.take()).await, "the first has no rows yet");
        first.lead_on().await;
        let second = turns.take().await;
        assert!(is_held_off(turns.take()).await, "the second does not lead");
        drop(first);
        second.lead_on().await;
        turns.take().await;
    }

    #[tokio::test]
    async fn a_chunk_that_fails_frees_both_places() {
        let turns = ReadingTurns::new(true);
        let first = turns.take().await;
        first.lead_on().await;
        drop((first, turns.take().await));
        turns.take().await.lead_on().await;
    }

    #[tokio::test]
    async fn a_target_that_takes_many_chunks_has_no_turns() {
        let turns = ReadingTurns::new(false);
        let (one, other) = (turns.take().await, turns.take().await);
        one.lead().await;
        other.lead_on().await;
    }
}
