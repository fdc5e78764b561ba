//! Where the time of a run goes.
//!
//! Times of all workers are added up, so that two workers that read for a second count as two. A
//! clock is read twice for each payload, which holds thousands of rows.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a worker does, or waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Asking a reader for rows, with all that it does before it has them.
    Read,
    /// Bytes of a source into columns, or into a digest where they pass as they are, on the compute
    /// pool.
    Decode,
    /// Columns checked, converted, deduplicated and digested, on the compute pool.
    Transform,
    /// Columns into bytes of a target, on the compute pool.
    Encode,
    /// Waiting for a writer, handing rows to it and committing them, with all that it does before they
    /// are durable.
    Write,
    /// A writer without rows.
    AwaitRows,
    /// A reader whose rows nobody takes, or for which there is no memory.
    AwaitRoom,
}

const STAGES: usize = 7;

/// Nanoseconds of each stage. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Stopwatch {
    spent: Arc<[AtomicU64; STAGES]>,
}

impl Stopwatch {
    /// Counts how long `work` takes.
    pub async fn time<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = work.await;
        self.add(stage, started.elapsed());
        done
    }

    /// As [`Self::time`], for work that does not wait.
    pub fn time_now<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = work();
        self.add(stage, started.elapsed());
        done
    }

    /// What was counted so far.
    pub fn spent(&self, stage: Stage) -> Duration {
        self.of(stage)
            .map_or(Duration::ZERO, |nanos| Duration::from_nanos(nanos.load(Ordering::Relaxed)))
    }

    /// Counts from zero again.
    pub fn reset(&self) {
        self.spent.iter().for_each(|nanos| nanos.store(0, Ordering::Relaxed));
    }

    fn add(&self, stage: Stage, time: Duration) {
        // Six hundred years.
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.of(stage).map(|spent| spent.fetch_add(nanos, Ordering::Relaxed));
    }

    fn of(&self, stage: Stage) -> Option<&AtomicU64> {
        self.spent.get(stage as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_stage_counts_its_own_time() {
        let watch = Stopwatch::default();
        let pause = Duration::from_millis(5);
        watch.time(Stage::AwaitRoom, tokio::time::sleep(pause)).await;
        watch.clone().time_now(Stage::AwaitRoom, || std::thread::sleep(pause));
        assert!(watch.spent(Stage::AwaitRoom) >= pause * 2);
        assert_eq!(watch.spent(Stage::Read), Duration::ZERO);
        watch.reset();
        assert_eq!(watch.spent(Stage::AwaitRoom), Duration::ZERO);
    }
}
