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
    /// Payloads of a second: each takes a core of the source for less than a millisecond then, at the
    /// hundred megabytes and more that one reads in a second.
    const PAYLOADS_A_SECOND: u64 = 100;
    /// Bytes of a payload that a look at a socket brings at once.
    const BYTES_MIN: u64 = 64 << 10;
    /// Rows of a payload below which its own costs show. Guessed.
    const ROWS_MIN: u64 = 256;

    /// The rows and bytes of a chunk, where `rows` and `bytes` are the limits without a rate.
    pub fn of_chunk(self, rows: u64, bytes: u64) -> (u64, u64) {
        match self {
            Self::Rows(rate) => (rows.min(rate.saturating_mul(Self::CHUNK_SECONDS)), bytes),
            Self::Bytes(rate) => (rows, bytes.min(rate.saturating_mul(Self::CHUNK_SECONDS))),
        }
    }

    /// The rows and bytes of a payload: what a hundredth of a second may bring. A payload is read at
    /// full speed before its reader waits, so that a larger one keeps a core of the source from
    /// others for longer than they notice. Small rates have payloads worth their while, of a second
    /// at most.
    pub fn of_payload(self, rows: u64, bytes: u64) -> (u64, u64) {
        let share = |rate: u64, least: u64| (rate / Self::PAYLOADS_A_SECOND).max(least.min(rate));
        match self {
            Self::Rows(rate) => (rows.min(share(rate, Self::ROWS_MIN)).max(1), bytes),
            Self::Bytes(rate) => (rows, bytes.min(share(rate, Self::BYTES_MIN)).max(1)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_a_hundredth_of_a_second_but_worth_their_while() {
        let bytes = |rate| Rate::Bytes(rate).of_payload(8_192, 2 << 20);
        assert_eq!(bytes(20 << 20), (8_192, (20 << 20) / 100));
        assert_eq!(bytes(1 << 40), (8_192, 2 << 20));
        assert_eq!(bytes(1 << 20), (8_192, 64 << 10));
        assert_eq!(bytes(1_000), (8_192, 1_000));
        let rows = |rate| Rate::Rows(rate).of_payload(8_192, 2 << 20);
        assert_eq!(rows(100_000), (1_000, 2 << 20));
        assert_eq!(rows(1_000), (256, 2 << 20));
        assert_eq!(rows(1), (1, 2 << 20));
    }
}
