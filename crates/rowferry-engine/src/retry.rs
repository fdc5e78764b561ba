//! How long transient failures are retried: counted from the last committed chunk, so that a copy
//! that moves at all never gives up, and one that does not ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Clock of the last sign of progress. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    last_progress: Arc<Mutex<Instant>>,
    limit: Duration,
}

impl Patience {
    /// Starts now and lasts for `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { last_progress: Arc::new(Mutex::new(Instant::now())), limit }
    }

    /// A chunk was committed.
    pub(crate) fn renew(&self) {
        *self.last_progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether another pause of this length is still worth it.
    pub(crate) fn allows(&self, pause: Duration) -> bool {
        let last = *self.last_progress.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed() + pause <= self.limit
    }
}
