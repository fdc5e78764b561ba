//! What the caller of a run decides, and the handles a run works with.

use std::sync::Arc;
use std::time::Duration;

use rowferry_core::Settings;
use rowferry_runtime::{ByteBudget, CancellationToken, ComputePool, Jitter};
use tokio::sync::Semaphore;

use crate::{Observer, Pace};

/// Choices of one run that are not part of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Name of the logical run.
    pub run_key: Option<String>,
    /// Start anew whatever is there.
    pub restart: bool,
    /// An unfinished run without a name continues when it is younger than this.
    pub resume_within: Duration,
    /// Let an empty or shrunken source replace the target.
    pub accept_shrink: bool,
    /// How long current chunks may take to finish once the run is asked to stop.
    pub shutdown_grace: Duration,
}

impl RunOptions {
    /// An unfinished run without a name continues for half a day: longer than a night's outage,
    /// shorter than the distance of two daily runs.
    pub const RESUME_WITHIN: Duration = Duration::from_hours(12);
    /// Below the 30 s after which orchestrators kill.
    pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(20);
}

/// A run of which nothing was asked.
impl Default for RunOptions {
    fn default() -> Self {
        Self {
            run_key: None,
            restart: false,
            resume_within: Self::RESUME_WITHIN,
            accept_shrink: false,
            shutdown_grace: Self::SHUTDOWN_GRACE,
        }
    }
}

/// Handles shared by all tables of a run. Cloning shares them.
#[derive(Clone)]
pub struct RunContext {
    /// Where kernels run.
    pub compute: ComputePool,
    /// What spreads pauses between attempts.
    pub jitter: Jitter,
    /// Bytes in flight.
    pub budget: ByteBudget,
    /// Size of `budget`, in bytes.
    pub memory_budget: u64,
    /// How fast rows are read.
    pub pace: Arc<Pace>,
    /// One permit per chunk in flight.
    pub slots: Arc<Semaphore>,
    /// Held by the one chunk that has only its commit before it, in place of its slot.
    pub committing: Arc<Semaphore>,
    /// Number of slots.
    pub workers: usize,
    /// Cancelled by the first signal or the deadline: no new chunk, current ones finish.
    pub stop: CancellationToken,
    /// Cancelled by the second signal: current chunks are dropped.
    pub abort: CancellationToken,
    /// Choices of this run.
    pub options: Arc<RunOptions>,
    /// Who hears of progress.
    pub observer: Arc<dyn Observer>,
    /// Host and process, for messages of others who meet our lock.
    pub owner: String,
    /// Version written into the state.
    pub tool_version: String,
}

impl RunContext {
    /// Slug of the error with which a run ends that was stopped before its first table.
    pub const STOPPED: &'static str = "stopped";

    /// `work`, unless the run is asked to stop before it is done: for steps that leave nothing to save.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            done = work => Some(done),
        }
    }

    /// `work`, unless it has to be dropped: see [`Self::out_of_patience`].
    pub(crate) async fn within_grace<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.out_of_patience() => None,
        }
    }

    /// Waits until work in flight has to be dropped: the second signal, or the end of the grace
    /// that the first one left.
    pub async fn out_of_patience(&self) {
        self.stop.cancelled().await;
        tokio::select! {
            biased;
            () = tokio::time::sleep(self.options.shutdown_grace) => {}
            () = self.abort.cancelled() => {}
        }
    }

    /// Chunks that may commit beside `workers` others. More than one would be more sessions at the
    /// target for little, and who asks for one worker wants one chunk at a time.
    pub fn commits_beside(workers: usize) -> usize {
        usize::from(workers > 1)
    }

    /// Chunks in flight for these settings on a machine of `cores`.
    pub fn workers_for(settings: &Settings, cores: usize) -> usize {
        // Four streams saturate one server of the usual size; more only deepen its queues.
        const WORKERS_MAX_AUTO: usize = 4;
        settings.workers.unwrap_or_else(|| cores.clamp(1, WORKERS_MAX_AUTO)).max(1)
    }
}
