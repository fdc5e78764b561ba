//! Batch to batch: convert, normalize, key hash, dedupe, digest. Pure, no async.
//!
//! The last three look at rows through [`row_bytes`]: the canonical bytes of a row's logical values,
//! which do not depend on how Arrow stores them. Two rows are equal when these bytes are.

mod clock_text;
mod convert;
#[cfg(test)]
mod convert_tests;
mod decimal;
mod dedupe;
mod digest;
mod epoch;
mod equal_form;
mod error;
mod exact;
mod fold;
mod json;
mod json_value;
mod key_hash;
mod limits;
mod normalize;
#[cfg(test)]
mod normalize_tests;
mod row_bytes;
#[cfg(test)]
mod row_bytes_tests;
mod row_key;
mod rule;
#[cfg(test)]
mod tests;
mod text_form;
mod variant;
mod written;

pub use convert::{Converted, convert};
pub use dedupe::{Deduper, Keep, dedupe, find_duplicate, keep_rows};
pub use digest::{DIGEST_KIND, digest_rows};
pub use epoch::from_epoch;
pub use equal_form::EqualForm;
pub use error::KernelError;
pub use fold::{Comparable, Fold, FormedColumn};
pub use key_hash::key_hash;
pub use limits::misfits;
pub use normalize::{Applied, Normalized, normalize};
pub use row_key::{KeyPart, row_key};
pub use rule::{Misfit, Rule};
pub use written::written;
