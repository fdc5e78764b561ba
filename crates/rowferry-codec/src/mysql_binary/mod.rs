//! Rows of MySQL's binary protocol into Arrow batches.
//!
//! ```text
//! row      0x00, one bit per column (1 = NULL; two unused bits first), values that are not NULL
//! value    a number of its type's width, or a length and so many bytes
//! ```
//!
//! A row says nowhere where a value starts but by the lengths of all before it. So a block of rows
//! is walked once, noting each value's place, and is then read column by column: one loop per column
//! has no dispatch inside. A row must end where its packet does: with a damaged length or NULL bit
//! the values behind it are others, and that is the only place where it shows.
//!
//! Reference: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>.

mod builders;
mod decode;
mod forms;
mod places;
#[cfg(test)]
mod tests;
mod wire_type;

pub use decode::{BinaryColumn, RowDecoder, RowError, Rows};
pub use forms::Broken;
pub use places::length;
pub use wire_type::WireType;

/// Rows that are decoded together, column by column. 256 rows of 200 bytes are 50 KiB: inside the
/// second-level cache of every server since 2010.
const BLOCK_ROWS: usize = 256;
