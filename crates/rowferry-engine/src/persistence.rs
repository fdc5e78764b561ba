//! Tries a table again, in the same process, after a fault that a later attempt may survive: a
//! server that restarts, a lock's session that is gone, a swap without an answer.
//!
//! Chunks have attempts of their own; this is for what happens around them. Each attempt does what
//! the next process would do: it takes the lock, looks at what is durable and goes on from there.

use std::time::Duration;

use rowferry_core::ErrorClass;
use rowferry_runtime::{Backoff, CancellationToken, heartbeat, lease};

use crate::{RunContext, TableFailure};
use rowferry_runtime::Patience;

/// Attempts at one table.
pub(crate) struct Persistence {
    patience: Patience,
    backoff: Backoff,
    stop: CancellationToken,
}

impl Persistence {
    pub(crate) fn new(patience: Patience, context: &RunContext) -> Self {
        Self { patience, backoff: context.jitter.backoff(), stop: context.stop.clone() }
    }

    /// Returns when it is time for the next attempt. `claimed` says that this process held the
    /// table before: then a lock in its way may be that of its own lost session, and a server that
    /// takes no writes any more was not just a mistake in the command.
    ///
    /// # Errors
    ///
    /// The failure, when no further attempt is worth it.
    pub(crate) async fn after(
        &mut self,
        failure: TableFailure,
        claimed: bool,
    ) -> Result<(), TableFailure> {
        let pause = self.backoff.next_pause();
        let TableFailure::Failed(error) = &failure else { return Err(failure) };
        let worth = match error.class {
            ErrorClass::Transient | ErrorClass::Unknown => {
                let lasts = error.code == VIEW_LOST || (error.code == "read-only" && !claimed);
                !lasts && self.patience.allows(pause)
            }
            ErrorClass::Busy => claimed && error.code == "locked" && self.may_be_our_own(pause),
            ErrorClass::Fenced
            | ErrorClass::Data
            | ErrorClass::Refused
            | ErrorClass::Setup
            | ErrorClass::Conflict
            | ErrorClass::Local
            | ErrorClass::Bug => false,
        };
        if !worth {
            return Err(failure);
        }
        // What would be tried again is not what ends a run that was told to stop.
        if self.stop.is_cancelled() {
            return Err(TableFailure::Stopped);
        }
        tracing::warn!(error = %error, pause_ms = pause.as_millis(), "table failed, trying again");
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.stop.cancelled() => Err(TableFailure::Stopped),
        }
    }

    /// A server gives the lock of a silent session back after a lease; a sign of life more is slack
    /// for its clock.
    fn may_be_our_own(&self, pause: Duration) -> bool {
        self.patience.failing_for() + pause <= lease() + heartbeat()
    }
}

/// Slug of a table without a key that lost too many read views.
pub(crate) const VIEW_LOST: &str = "view-lost";
