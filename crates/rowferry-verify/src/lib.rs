//! Compares tables of two databases, row by row and in bounded memory. Names no database, holds no
//! SQL: both ends are read through [`rowferry_core::Source`], as a copy reads its source.
//!
//! ```text
//!  resolve   both tables ─► columns by name, a rule of equality for each pair, the key
//!  fold      both sides read at once ─► sums of row hashes, in buckets by key
//!              range by range of the key, where both servers order it alike
//!              else the whole table, each side cut in its own order
//!            (asked to, two servers of one engine hash first, and only what they tell apart is read)
//!  leaf      buckets that differ are read again ─► rows by key ─► cells
//! ```
//!
//! A stretch counts only when both sides were read to their end: a cut connection is an error, never
//! "equal" and never a missing row.

mod asked;
mod casts;
mod collect;
mod comparison;
mod cutting;
mod difference;
mod equality;
mod lane;
mod leaf;
mod mending;
mod pushdown;
mod range;
mod resolve;
mod settle;
mod side;
mod table;
mod verdict;
mod whole;

pub use asked::{TablePair, VerifyContext, VerifyEnds};
pub use difference::{Difference, DifferenceKind, RowRef};
pub use equality::{Equality, EqualityRule, equality};
pub use mending::Mending;
pub use side::Side;
pub use table::{Found, compare};
pub use verdict::{OneSided, PushdownUse, RuleUsed, TableVerdict};
