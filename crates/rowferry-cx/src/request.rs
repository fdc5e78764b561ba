//! What the helper program is asked for: one line of JSON on its stdin.

use serde::Serialize;

/// Version of the request and of the stream that answers it.
pub(crate) const VERSION: u32 = 1;

/// One query. The URL holds a password, so this has no `Debug`.
#[derive(Serialize)]
pub(crate) struct Request {
    pub(crate) version: u32,
    pub(crate) url: String,
    pub(crate) before: Vec<String>,
    pub(crate) query: String,
    pub(crate) batch_rows: u64,
    pub(crate) batch_bytes: u64,
    /// We keep stdin open: when it ends, nobody waits for the rows any more.
    pub(crate) attended: bool,
}
