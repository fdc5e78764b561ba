//! Batch to batch: key hash, dedupe, digest. Pure, no async.
//!
//! All three look at rows through [`row_bytes`]: the canonical bytes of a row's logical values,
//! which do not depend on how Arrow stores them. Two rows are equal when these bytes are.

mod decimal;
mod dedupe;
mod digest;
mod error;
mod key_hash;
mod row_bytes;
#[cfg(test)]
mod tests;

pub use dedupe::{Deduper, Keep, dedupe, find_duplicate};
pub use digest::{DIGEST_KIND, digest_rows};
pub use error::KernelError;
pub use key_hash::key_hash;
