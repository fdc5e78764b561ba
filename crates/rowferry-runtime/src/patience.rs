//! How long transient failures are retried: counted from the first failure since something got
//! done, so that a copy that moves at all never gives up, and one that does not ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Clock of failures without progress between them. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Patience {
    failing_since: Arc<Mutex<Option<Instant>>>,
    limit: Duration,
}

impl Patience {
    /// Lasts for `limit` from the first failure on.
    pub fn new(limit: Duration) -> Self {
        Self { failing_since: Arc::default(), limit }
    }

    /// Something got done that need not be done again.
    pub fn renew(&self) {
        *self.failing_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether another pause of this length is still worth it, after a failure.
    pub fn allows(&self, pause: Duration) -> bool {
        self.failing_for() + pause <= self.limit
    }

    /// Time since the first failure; the clock starts with the first call.
    pub fn failing_for(&self) -> Duration {
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get_or_insert_with(Instant::now).elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_quiet_time_before_the_first_failure_does_not_count() {
        let patience = Patience::new(Duration::from_millis(50));
        std::thread::sleep(Duration::from_millis(60));
        assert!(patience.allows(Duration::ZERO), "an index build may take longer than that");
        std::thread::sleep(Duration::from_millis(60));
        assert!(!patience.allows(Duration::ZERO));
        patience.renew();
        assert!(patience.allows(Duration::ZERO));
        assert!(!patience.allows(Duration::from_millis(51)));
    }
}
