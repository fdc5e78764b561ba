//! The compute pool: decode, kernels and encode run here, entered through one function.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use crate::{RuntimeError, Stage, Stopwatch};

/// Jobs that may wait in the pool's queue per thread. Guessed: enough to keep a thread busy while
/// its next job is on the way, few enough that a slow pool is felt by those who feed it.
const QUEUED_JOBS_PER_THREAD: usize = 4;

/// A rayon pool of our own. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ComputePool {
    /// `None`: work is done where it is asked for.
    pool: Option<Arc<rayon::ThreadPool>>,
    permits: Arc<Semaphore>,
    stopwatch: Stopwatch,
}

impl ComputePool {
    /// A pool of `threads` threads, at least one.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Pool`] when the operating system refuses threads.
    pub fn new(threads: usize) -> Result<Self, RuntimeError> {
        let threads = threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("compute-{index}"))
            .build()
            .map_err(RuntimeError::Pool)?;
        let permits = Arc::new(Semaphore::new(threads * QUEUED_JOBS_PER_THREAD));
        Ok(Self { pool: Some(Arc::new(pool)), permits, stopwatch: Stopwatch::default() })
    }

    /// A pool without threads: work is done on the caller's, at once. For simulations, which repeat
    /// a run step by step and so have one thread only.
    pub fn inline() -> Self {
        let permits = Arc::new(Semaphore::new(QUEUED_JOBS_PER_THREAD));
        Self { pool: None, permits, stopwatch: Stopwatch::default() }
    }

    /// What counts the time of the work done here, and of those who feed it.
    pub const fn stopwatch(&self) -> &Stopwatch {
        &self.stopwatch
    }

    /// Runs `work`, which belongs to `stage`, on the pool and waits for its answer without blocking
    /// the caller's thread.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Panicked`] when `work` panics.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the answer; work that has started runs to its end.
    pub async fn run<T, F>(&self, stage: Stage, work: F) -> Result<T, RuntimeError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let panicked = || RuntimeError::Panicked { name: "a compute job".to_owned() };
        let stopwatch = self.stopwatch.clone();
        let work = move || stopwatch.time_now(stage, work);
        let Some(pool) = &self.pool else {
            return catch_unwind(AssertUnwindSafe(work)).map_err(|_panic| panicked());
        };
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let (answer, wait) = oneshot::channel();
        let span = tracing::Span::current();
        pool.spawn(move || {
            let _entered = span.enter();
            let result = catch_unwind(AssertUnwindSafe(work));
            drop(permit);
            // Nobody waits any more when the caller was cancelled.
            drop(answer.send(result));
        });
        match wait.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) | Err(_) => Err(panicked()),
        }
    }
}
