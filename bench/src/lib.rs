//! What the codecs and kernels cost, without a server.
//!
//! ```text
//! Shape   rows of one kind: lineitem, narrow, wide, texts, sparse
//! Family  one codec or kernel
//! Case    a family on a shape: work that can be repeated, its rows and its bytes
//! ```
//!
//! The same cases are timed by criterion (`benches/`, a file per family) and counted in
//! instructions by `scripts/instructions` (`bin/kernels.rs`).

mod case;
mod copy;
mod load_text;
mod mysql_rows;
mod normalize;
mod row_hashes;
mod shape;

pub use case::{Case, Family};
pub use shape::Shape;
