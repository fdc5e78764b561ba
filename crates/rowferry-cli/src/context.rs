//! The handles that one job's run works with, sized by the job's settings and the machine.

use std::sync::Arc;

use rowferry_core::Settings;
use rowferry_engine::{Observer, Pace, RunContext, RunOptions};
use rowferry_runtime::{ByteBudget, CancellationToken, ComputePool, Jitter};
use tokio::sync::Semaphore;

/// Threads that work at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Host and process, for those who meet our lock.
fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), std::process::id())
}

/// The context of a job with these settings.
pub(crate) fn context(
    settings: &Settings,
    options: &RunOptions,
    compute: &ComputePool,
    (stop, abort): (&CancellationToken, &CancellationToken),
    observer: Arc<dyn Observer>,
) -> RunContext {
    let workers = RunContext::workers_for(settings, cores());
    RunContext {
        compute: compute.clone(),
        jitter: Jitter::default(),
        budget: ByteBudget::new(settings.memory_budget),
        memory_budget: settings.memory_budget,
        pace: Arc::new(Pace::new(settings.max_rate)),
        slots: Arc::new(Semaphore::new(workers)),
        committing: Arc::new(Semaphore::new(RunContext::commits_beside(workers))),
        workers,
        stop: stop.clone(),
        abort: abort.clone(),
        options: Arc::new(options.clone()),
        observer,
        owner: owner(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
