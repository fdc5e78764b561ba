//! PostgreSQL's COPY binary format, both ways.
//!
//! ```text
//! stream   header (19 bytes), tuples, trailer (field count -1)
//! tuple    i16 field count, then per field: i32 length (-1 = NULL), bytes
//! ```
//!
//! The server casts nothing and narrows some values without a word: a numeric with too small a
//! display scale is cut, a timestamp rounds to the column's digits, varchar loses excess blanks.
//! So the encoder is chosen by the *target column's* type and checks every value against it before
//! a byte leaves; a pair of types without an exact rule is refused when the encoder is made.
//!
//! Both ways work on a block of rows at a time, column by column: one loop per column has no
//! dispatch inside and keeps its state in registers, and a block small enough for the second-level
//! cache is not fetched again for each column.
//!
//! Between two PostgreSQL servers tuples need not be read at all: [`RawTuples`] gathers them and
//! [`Rewrite`] puts the target's type numbers in.
//!
//! Reference: <https://www.postgresql.org/docs/current/sql-copy.html> (binary format).

mod bits;
mod calendar;
mod cells;
mod collect;
mod column;
mod columns;
mod decimal_cells;
mod decode;
mod encode;
mod error;
mod from_wire;
mod lists;
mod numbers;
mod numeric;
mod pieces;
mod rewrite;
mod rule;
mod short_numeric;
#[cfg(test)]
mod tests;
mod timetz;
mod to_wire;
mod uuid;

pub use collect::{RawTuples, Sum, Tuples};
pub use column::{ColumnCodec, PgType};
pub use decode::{DecodePlan, Decoder, decode};
pub use encode::Encoder;
pub use error::CodecError;
pub use from_wire::can_decode;
pub use rewrite::{Rewrite, TypeShape};
pub use to_wire::can_encode;

/// Start of a stream: signature, no flags, no header extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// End of a stream: the field count −1.
pub const TRAILER: &[u8] = &[0xff, 0xff];

/// Rows that are decoded or encoded together, column by column. 256 rows of 200 bytes are 50 KiB:
/// inside the second-level cache of every server since 2010.
const BLOCK_ROWS: usize = 256;
