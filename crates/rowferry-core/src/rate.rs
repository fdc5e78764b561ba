//! How much a run may read in a second.

use std::fmt;

/// A limit on what is read in a second, over all tables and workers of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rate {
    /// Rows, at least one.
    Rows(u64),
    /// Bytes as they are read, at least one.
    Bytes(u64),
}

impl Rate {
    /// The seconds that a chunk is made for: so long its view, its transaction and its locks stay
    /// open. Workers share the rate, so it is that many times longer; with four of them it still
    /// ends well within the ten minutes that a statement may take.
    const CHUNK_SECONDS: u64 = 60;

    /// The rows and bytes of a chunk, where `rows` and `bytes` are the limits without a rate.
    pub fn of_chunk(self, rows: u64, bytes: u64) -> (u64, u64) {
        match self {
            Self::Rows(rate) => (rows.min(rate.saturating_mul(Self::CHUNK_SECONDS)), bytes),
            Self::Bytes(rate) => (rows, bytes.min(rate.saturating_mul(Self::CHUNK_SECONDS))),
        }
    }

    /// The rows and bytes of a payload: what a second may bring, so that nothing comes in bursts.
    pub fn of_payload(self, rows: u64, bytes: u64) -> (u64, u64) {
        match self {
            Self::Rows(rate) => (rows.min(rate).max(1), bytes),
            Self::Bytes(rate) => (rows, bytes.min(rate).max(1)),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(form, "{rows} rows/s"),
            Self::Bytes(bytes) => write!(form, "{bytes} B/s"),
        }
    }
}
