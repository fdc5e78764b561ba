//! What is measured: one family on one shape.

use std::hint::black_box;

use anyhow::Result;

use crate::{Shape, copy, load_text, mysql_rows, normalize, row_hashes};

/// A codec or kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// COPY messages, one per row, into whole tuples.
    CopyCollect,
    /// COPY tuples into a batch.
    CopyDecode,
    /// A batch into COPY tuples.
    CopyEncode,
    /// Rows of MySQL's binary protocol into a batch.
    MysqlRows,
    /// A batch into the text of `LOAD DATA`, its check included.
    LoadText,
    /// A batch into the literals of a multi-row `INSERT`, without its check.
    InsertText,
    /// The digest of the rows of a batch.
    RowDigest,
    /// The hash of the key of each row.
    KeyHash,
    /// Looking for rows with the same key.
    Dedupe,
    /// Every column against limits that all its values keep.
    Normalize,
    /// Every column to text.
    ToText,
}

/// Work that can be repeated, with what it works on.
pub struct Case {
    /// `family/shape`.
    pub name: String,
    /// Rows of one repetition.
    pub rows: usize,
    /// Bytes of one repetition, of what [`Family::bytes_of`] says.
    pub bytes: usize,
    work: Box<dyn FnMut() -> Result<()>>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::CopyCollect,
        Self::CopyDecode,
        Self::CopyEncode,
        Self::MysqlRows,
        Self::LoadText,
        Self::InsertText,
        Self::RowDigest,
        Self::KeyHash,
        Self::Dedupe,
        Self::Normalize,
        Self::ToText,
    ];

    /// The first half of a case's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CopyCollect => "copy_collect",
            Self::CopyDecode => "copy_decode",
            Self::CopyEncode => "copy_encode",
            Self::MysqlRows => "mysql_rows",
            Self::LoadText => "load_text",
            Self::InsertText => "insert_text",
            Self::RowDigest => "row_digest",
            Self::KeyHash => "key_hash",
            Self::Dedupe => "dedupe",
            Self::Normalize => "normalize",
            Self::ToText => "to_text",
        }
    }

    /// Which bytes its rate counts.
    pub const fn bytes_of(self) -> &'static str {
        match self {
            Self::CopyCollect | Self::CopyDecode | Self::CopyEncode | Self::MysqlRows => "wire",
            Self::LoadText | Self::InsertText | Self::ToText => "text",
            Self::RowDigest | Self::Normalize => "Arrow",
            Self::KeyHash | Self::Dedupe => "key",
        }
    }

    /// The case of this family on `shape`.
    pub fn case(self, shape: Shape) -> Result<Case> {
        let (columns, batch) = shape.batch()?;
        let rows = batch.num_rows();
        let (bytes, work) = match self {
            Self::CopyCollect => copy::collect(&columns, &batch)?,
            Self::CopyDecode => copy::decode(&columns, &batch)?,
            Self::CopyEncode => copy::encode(&columns, batch)?,
            Self::MysqlRows => mysql_rows::decode(&columns, &batch)?,
            Self::LoadText => load_text::load(&columns, batch)?,
            Self::InsertText => load_text::insert(&columns, batch)?,
            Self::RowDigest => row_hashes::digest(batch)?,
            Self::KeyHash => row_hashes::key_hashes(batch)?,
            Self::Dedupe => row_hashes::duplicates(batch)?,
            Self::Normalize => normalize::keep(&columns, batch)?,
            Self::ToText => normalize::texts(columns, batch)?,
        };
        Ok(Case { name: format!("{}/{}", self.word(), shape.word()), rows, bytes, work })
    }
}

/// Bytes of one repetition and the work itself.
pub(crate) type Work = (usize, Box<dyn FnMut() -> Result<()>>);

impl Case {
    /// Does the work once without being counted: buffers grow, the linker looks symbols up.
    pub fn warm_up(&mut self) -> Result<()> {
        // A body of its own: of two functions that are alike the compiler makes one, and both runs
        // would be counted.
        black_box(&mut self.work)()
    }

    /// Does the work once.
    ///
    /// A function of its own that is never inlined: callgrind counts what happens inside it.
    #[inline(never)]
    pub fn counted_work(&mut self) -> Result<()> {
        (self.work)()
    }
}
