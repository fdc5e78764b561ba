//! Stopping: by SIGINT, SIGTERM, SIGHUP or the deadline.
//!
//! The first signal stops politely: no new chunk starts, current ones finish within the grace and
//! are saved. The second drops current chunks, which roll back. Whatever then still hangs is left
//! to the target's transactions, and the process ends. The deadline does all of it by the clock.
//!
//! SIGHUP, the terminal going away, is a first signal too, unless whoever started us has it ignored
//! (`nohup`); a worker, which is a service, ignores it itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rowferry_runtime::{CancellationToken, Task};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::OutputFormat;
use crate::settle::Request;
use crate::{exit, out};

/// How long rolled-back chunks may take to close their connections. With the default grace before
/// it, it stays below the 30 s after which orchestrators kill.
const ROLLBACK_GRACE: Duration = Duration::from_secs(8);

/// Exit code of SIGHUP, by the shell's convention 128 + 1.
const HUNG_UP: u8 = 129;
/// Exit code of SIGINT, 128 + 2.
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
    /// The same for a command that has no chunk to finish: the first signal stops it.
    pub(crate) fn at_once(output: OutputFormat) -> Result<Self> {
        Self::with(None, output, None, false)
    }

    /// Takes over the signals, and starts the clock of the deadline.
    pub(crate) fn listen(request: &Request) -> Result<Self> {
        let (grace, is_service) = (request.options.shutdown_grace, request.command == "worker");
        Self::with(Some(grace), request.output, request.deadline, is_service)
    }

    fn with(
        grace: Option<Duration>,
        output: OutputFormat,
        deadline: Option<Duration>,
        is_service: bool,
    ) -> Result<Self> {
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let reason = Arc::new(AtomicU8::new(exit::OK));
        let hands = Hands {
            stop: stop.clone(),
            abort: abort.clone(),
            reason: Arc::clone(&reason),
            grace,
            output,
        };
        let deadline = deadline.map(|after| {
            let hands = hands.clone();
            rowferry_runtime::spawn("deadline", async move {
                tokio::time::sleep(after).await;
                hands.stop_for(exit::LATER, "the deadline is reached");
                tokio::time::sleep(hands.grace.unwrap_or_default()).await;
                hands.abort.cancel();
                tokio::time::sleep(ROLLBACK_GRACE).await;
                hands.leave();
            })
        });
        let incoming = Incoming::listen(is_service)?;
        let signals = rowferry_runtime::spawn("signals", follow(incoming, hands));
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
    /// For current chunks; `None` for a command that has none.
    grace: Option<Duration>,
    output: OutputFormat,
}

impl Hands {
    /// The first reason stands.
    fn stop_for(&self, reason: u8, words: &str) {
        let first =
            self.reason.compare_exchange(exit::OK, reason, Ordering::SeqCst, Ordering::SeqCst);
        if let (Ok(_), Some(grace)) = (first, self.grace.filter(|grace| !grace.is_zero())) {
            out::talk(&format!(
                "{words}: current chunks finish and are saved, at most {} s",
                grace.as_secs()
            ));
        }
        self.stop.cancel();
    }

    /// Ends the process, whatever still hangs: the target rolls it back, and nothing of it is visible.
    fn leave(&self) {
        let code = self.reason.load(Ordering::SeqCst);
        let mut stopped = Failure::stopped(code).continued();
        // A command without chunks has nothing to continue, and what it has done is not known here.
        if self.grace.is_none() {
            stopped.report.next.clear();
        }
        let ending = Ending::failed(&stopped, self.output);
        ending.last_line.iter().for_each(|line| out::result(line));
        std::process::exit(i32::from(code));
    }
}

async fn follow(mut incoming: Incoming, hands: Hands) {
    let code = incoming.next().await;
    hands.stop_for(code, "stopping (once more stops at once)");
    drop(tokio::time::timeout(hands.grace.unwrap_or_default(), incoming.next()).await);
    hands.abort.cancel();
    drop(tokio::time::timeout(ROLLBACK_GRACE, incoming.next()).await);
    hands.leave();
}

/// Signals that end us.
struct Incoming {
    int: Signal,
    term: Signal,
    /// `None` while it is ignored.
    hangup: Option<Signal>,
}

impl Incoming {
    fn listen(is_service: bool) -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::local("signals", format!("could not listen for signals: {error}"), "")
            })
        };
        let hangup = if hangup_is_ignored() { None } else { Some(listen(SignalKind::hangup())?) };
        // Taken over once, it no longer ends the process, heard or not.
        let hangup = hangup.filter(|_| !is_service);
        let (int, term) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(Self { int, term, hangup })
    }

    async fn next(&mut self) -> u8 {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.int.recv() => INTERRUPTED,
            _ = self.term.recv() => TERMINATED,
            _ = hangup => HUNG_UP,
        }
    }
}

/// Whether SIGHUP, the first bit of the mask, was ignored when we were started. Taking it over
/// would undo that.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
