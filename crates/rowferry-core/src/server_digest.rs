//! Rows that a server counts and hashes where they are.

/// Rows of one or more chunks, as their server counted and hashed them.
///
/// Two digests are to be compared only when both servers are of one engine, hashed columns of the same
/// types in the same order, and were given the same seed. Equal ones then mean equal rows, in any order
/// and however often each; different ones mean nothing, as two servers may spell one value in two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerDigest {
    /// Rows that were hashed.
    pub rows: u64,
    /// Sum of a 64-bit hash for each row, modulo 2^128.
    pub sum: i128,
}

impl ServerDigest {
    /// Adds the rows of another chunk.
    pub const fn add(&mut self, more: Self) {
        self.rows += more.rows;
        self.sum = self.sum.wrapping_add(more.sum);
    }
}
