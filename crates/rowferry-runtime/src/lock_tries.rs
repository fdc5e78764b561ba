//! Tries of a step that changes tables which other sessions use.

use std::time::Duration;

/// A waiting change of a table holds up everybody behind it, so it waits for a short time, several
/// times.
const TRIES: u32 = 5;

/// Pause between two tries, so that those who queued behind us get through. Guessed.
const PAUSE: Duration = Duration::from_millis(500);

/// The tries of one step.
#[derive(Debug, Default)]
pub struct LockTries(u32);

impl LockTries {
    /// After a try that did not get its lock: whether there is another one, and the pause before it.
    pub async fn again(&mut self) -> bool {
        self.0 += 1;
        if self.0 >= TRIES {
            return false;
        }
        tracing::info!(tries = self.0, "other sessions hold the table, trying again");
        tokio::time::sleep(PAUSE).await;
        true
    }
}
