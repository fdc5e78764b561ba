//! Who holds a stream at this moment.

use serde::{Deserialize, Serialize};

/// What a session or process does for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderRole {
    /// Holds its lock.
    Lock,
    /// Writes for it, or is ready to.
    Writer,
}

/// A session of the target's server, or a process that holds a lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What it does.
    pub role: HolderRole,
    /// Number of the session at the server, or of the process.
    pub id: u64,
    /// Where it comes from, as the server or the lock file says it.
    pub from: String,
    /// Since when, UTC; `None` where the server does not tell.
    pub since: Option<String>,
    /// Seconds since its last sign of life; `None` where the server does not tell.
    pub silent_seconds: Option<u64>,
}
