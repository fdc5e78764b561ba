//! Whose rows may be read, where a target takes one chunk at a time.
//!
//! ```text
//! chunk 1   read ──────► end
//!              write … write … write … commit
//! chunk 2                read ──────────► end
//!                           (waits for the target) write … write … commit
//! ```
//!
//! The turn passes on once a chunk has read all its rows and the target has begun to take them.
//! A chunk that waits for the target while it still has to read would hold bytes of the budget
//! that the chunk in the target may need to get to its end, and both would wait for ever.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of one target. Cloning shares them.
#[derive(Clone)]
pub(crate) struct ReadingTurns(Option<Arc<Semaphore>>);

/// The right to read. The task that reads and the one that writes have a copy each, and the next
/// chunk reads when both are gone.
pub(crate) type ReadingTurn = Option<Arc<OwnedSemaphorePermit>>;

impl ReadingTurns {
    /// Of a target that takes one chunk at a time, or as many as come.
    pub(crate) fn new(one_at_a_time: bool) -> Self {
        Self(one_at_a_time.then(|| Arc::new(Semaphore::new(1))))
    }

    pub(crate) async fn take(&self) -> ReadingTurn {
        // The semaphore is never closed.
        Arc::clone(self.0.as_ref()?).acquire_owned().await.ok().map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_chunk_reads_when_both_halves_are_done() {
        let turns = ReadingTurns::new(true);
        let of_reader = turns.take().await;
        let of_writer = of_reader.clone();
        let next = rowferry_runtime::spawn("next chunk", {
            let turns = turns.clone();
            async move { turns.take().await }
        });
        for half in [of_writer, of_reader] {
            tokio::task::yield_now().await;
            assert!(!next.is_finished());
            drop(half);
        }
        assert!(next.join().await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_target_that_takes_many_chunks_has_no_turns() {
        let turns = ReadingTurns::new(false);
        assert!(turns.take().await.is_none());
        assert!(turns.take().await.is_none());
    }
}
