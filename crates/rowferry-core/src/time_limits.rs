//! How long a database server may take before it counts as gone, or as blocked by others.

use std::time::Duration;

/// Limits on time that hold for every connection of a job. Zero means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// Until a connection is there: name, TCP, TLS and login together.
    pub connect: Duration,
    /// Without a row, an answer or room for what is sent, on a connection that waits for one. Keys,
    /// indexes and the swap of a table have none: there the server is asked whether it still works.
    pub progress: Duration,
    /// For one statement of a chunk that is written.
    pub statement: Duration,
    /// For a lock that another session holds. Statements that change tables try it five times.
    pub lock: Duration,
}

impl TimeLimits {
    /// Login included, since a server may accept and never answer.
    pub const CONNECT: Duration = Duration::from_secs(10);
    /// Longer than any pause of a server that works, and short enough that a run notices by itself
    /// what a firewall has dropped.
    pub const PROGRESS: Duration = Duration::from_mins(2);
    /// A chunk takes seconds; one that takes this long is stuck behind something.
    pub const STATEMENT: Duration = Duration::from_mins(10);
    /// Everybody else queues behind a waiting change of a table, so it must not wait for long.
    pub const LOCK: Duration = Duration::from_secs(10);

    /// The documented defaults.
    pub const fn documented() -> Self {
        Self {
            connect: Self::CONNECT,
            progress: Self::PROGRESS,
            statement: Self::STATEMENT,
            lock: Self::LOCK,
        }
    }
}

/// Tries of a statement that changes a table while other sessions use it, each waiting for
/// [`TimeLimits::lock`].
pub const LOCK_TRIES: u32 = 5;
