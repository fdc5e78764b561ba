//! Stopping: by SIGINT, SIGTERM or the deadline.
//!
//! The first signal stops politely: no new chunk starts, current ones finish within the grace and
//! are saved. The second drops current chunks, which roll back. Whatever then still hangs is left
//! to the target's transactions, and the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rowferry_engine::RunOptions;
use rowferry_runtime::{CancellationToken, Task};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Failure, Result};
use crate::{exit, out};

/// How long rolled-back chunks may take to close their connections. With the grace before it, it
/// stays below the 30 s after which orchestrators kill.
const ROLLBACK_GRACE: Duration = Duration::from_secs(8);

/// Exit code of SIGINT, by the shell's convention 128 + 2.
const INTERRUPTED: u8 = 130;
/// Exit code of SIGTERM, 128 + 15.
const TERMINATED: u8 = 143;

/// Listens as long as it lives.
#[derive(Debug)]
pub(crate) struct Signals {
    /// No new chunk.
    pub(crate) stop: CancellationToken,
    /// Drop current chunks.
    pub(crate) abort: CancellationToken,
    /// Exit code of what stopped us first; 0 = nothing did.
    reason: Arc<AtomicU8>,
    _listener: Task<()>,
    _deadline: Option<Task<()>>,
}

impl Signals {
    /// Takes over SIGINT and SIGTERM, and starts the clock of the deadline.
    pub(crate) fn listen(deadline: Option<Duration>) -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::local("signals", format!("could not listen for signals: {error}"), "")
            })
        };
        let (int, term) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let reason = Arc::new(AtomicU8::new(exit::OK));
        let hands = Hands { stop: stop.clone(), abort: abort.clone(), reason: Arc::clone(&reason) };
        let deadline = deadline.map(|after| {
            let hands = hands.clone();
            rowferry_runtime::spawn("deadline", async move {
                tokio::time::sleep(after).await;
                hands.stop_for(exit::LATER, "the deadline is reached");
                tokio::time::sleep(RunOptions::SHUTDOWN_GRACE).await;
                hands.abort.cancel();
            })
        });
        let signals = rowferry_runtime::spawn("signals", follow(int, term, hands));
        Ok(Self { stop, abort, reason, _listener: signals, _deadline: deadline })
    }

    /// The exit code of what asked us to stop: 130, 143, or 75 for the deadline.
    pub(crate) fn reason(&self) -> Option<u8> {
        Some(self.reason.load(Ordering::SeqCst)).filter(|reason| *reason != exit::OK)
    }

    /// Waits for `work`, unless we are asked to stop first.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                Err(Failure::stopped(self.reason().unwrap_or(TERMINATED)))
            }
            done = work => done,
        }
    }
}

#[derive(Clone)]
struct Hands {
    stop: CancellationToken,
    abort: CancellationToken,
    reason: Arc<AtomicU8>,
}

impl Hands {
    /// The first reason stands.
    fn stop_for(&self, reason: u8, words: &str) {
        let first =
            self.reason.compare_exchange(exit::OK, reason, Ordering::SeqCst, Ordering::SeqCst);
        if first.is_ok() {
            out::talk(&format!(
                "{words}: current chunks finish and are saved, at most {} s",
                RunOptions::SHUTDOWN_GRACE.as_secs()
            ));
        }
        self.stop.cancel();
    }
}

async fn follow(mut int: Signal, mut term: Signal, hands: Hands) {
    let code = next(&mut int, &mut term).await;
    hands.stop_for(code, "stopping (once more stops at once)");
    drop(tokio::time::timeout(RunOptions::SHUTDOWN_GRACE, next(&mut int, &mut term)).await);
    hands.abort.cancel();
    drop(tokio::time::timeout(ROLLBACK_GRACE, next(&mut int, &mut term)).await);
    // The target rolls back what hangs; nothing of it is visible.
    std::process::exit(i32::from(code));
}

async fn next(int: &mut Signal, term: &mut Signal) -> u8 {
    tokio::select! {
        _ = int.recv() => INTERRUPTED,
        _ = term.recv() => TERMINATED,
    }
}
