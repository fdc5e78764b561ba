//! How long a lock outlives an owner that says nothing.

use std::time::Duration;

/// Silence after which a server ends the session that holds a lock: a process that is frozen, or a
/// machine that is gone, keeps nobody out for longer. The minute after which firewalls forget idle
/// connections too; guessed for the rest.
const LEASE: Duration = Duration::from_mins(1);

/// Signs of life within one lease: several may be lost.
const BEATS: u32 = 6;

/// The silence after which a lock is lost. Tests with the feature `failpoints` make it shorter by
/// `ROWFERRY_LEASE_MS`.
pub fn lease() -> Duration {
    #[cfg(feature = "failpoints")]
    if let Ok(text) = std::env::var("ROWFERRY_LEASE_MS")
        && let Ok(milliseconds) = text.parse()
    {
        return Duration::from_millis(milliseconds);
    }
    LEASE
}

/// Pause between two signs of life of a lock's owner.
pub fn heartbeat() -> Duration {
    lease() / BEATS
}
