//! Gathering COPY messages into whole tuples, without looking at values.
//!
//! The server puts the header before the first tuple and then sends one tuple per message, but the
//! protocol promises neither. So the collector follows the lengths itself: it knows at any byte
//! whether it stands before a tuple, and a tuple that is cut by a message boundary stays behind
//! for the next [`RawTuples::take`].

use bytes::{Bytes, BytesMut};

use super::{CodecError, HEADER, TRAILER};

/// Tuples of this size or more are those of large rows, and say nothing about how large the next ones
/// will be. Twice the largest payload of ordinary rows.
const LARGE_BYTES: usize = 4 << 20;

/// Bytes of the fixed part of the header.
const HEADER_BYTES: usize = HEADER.len();

/// Whole tuples in wire form, without header and trailer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuples {
    /// Rows in `bytes`.
    pub rows: usize,
    /// The tuples, one after another.
    pub bytes: Bytes,
}

/// Collects the messages of one COPY stream into [`Tuples`]. Cheap enough for an IO task: one copy
/// and one look at each length.
#[derive(Debug, Default)]
pub struct RawTuples {
    buffer: BytesMut,
    /// Bytes of `buffer` that hold whole tuples.
    whole: usize,
    rows: usize,
    /// Bytes of the largest of them.
    largest: usize,
    stage: Stage,
    hash: Option<fn(&[u8]) -> u128>,
    sum: Sum,
}

/// What whole tuples come to, in whatever order they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Tuples.
    pub count: u64,
    /// Their hashes, added up without a carry.
    pub sum: u128,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Header,
    Tuples,
    Finished,
}

impl RawTuples {
    /// A collector that stands before the header.
    pub fn new() -> Self {
        Self::default()
    }

    /// A collector that hashes each tuple as it comes, while it lies in the processor's cache.
    pub fn hashing(hash: fn(&[u8]) -> u128) -> Self {
        Self { hash: Some(hash), ..Self::default() }
    }

    /// Adds the bytes of one message.
    ///
    /// # Errors
    ///
    /// [`CodecError::Stream`] when the bytes cannot belong to a COPY binary stream.
    pub fn push(&mut self, message: &[u8]) -> Result<(), CodecError> {
        if self.stage == Stage::Tuples
            && self.whole == self.buffer.len()
            && let Walk::Tuple(length) = walk_tuple(message)?
            && length == message.len()
        {
            self.buffer.extend_from_slice(message);
            self.found(length);
            return Ok(());
        }
        self.buffer.extend_from_slice(message);
        self.advance()
    }

    /// Whole rows collected since the last [`Self::take`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the largest whole row since the last [`Self::take`].
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// Bytes collected since the last [`Self::take`].
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// All tuples since the beginning; nothing of a collector that does not hash.
    pub fn sum(&self) -> Sum {
        self.sum
    }

    /// Takes the whole tuples collected so far.
    pub fn take(&mut self) -> Tuples {
        let rest = self.buffer.split_off(self.whole);
        let bytes = std::mem::take(&mut self.buffer).freeze();
        // The next ones will be about as many; to grow to that, the buffer would be copied again and
        // again.
        let room = if bytes.len() < LARGE_BYTES { bytes.len() + bytes.len() / 8 } else { 0 };
        self.buffer = BytesMut::with_capacity(room.max(rest.len()));
        self.buffer.extend_from_slice(&rest);
        (self.whole, self.largest) = (0, 0);
        Tuples { rows: std::mem::take(&mut self.rows), bytes }
    }

    /// Whether the trailer was seen: every row came.
    pub fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// Counts the whole tuple behind those known.
    fn found(&mut self, length: usize) {
        if let Some(hash) = self.hash {
            let tuple = self.buffer.get(self.whole..self.whole + length).unwrap_or_default();
            self.sum.count += 1;
            self.sum.sum = self.sum.sum.wrapping_add(hash(tuple));
        }
        self.whole += length;
        self.rows += 1;
        self.largest = self.largest.max(length);
    }

    fn advance(&mut self) -> Result<(), CodecError> {
        if self.stage == Stage::Header && !self.strip_header()? {
            return Ok(());
        }
        while self.stage == Stage::Tuples {
            let rest = self.buffer.get(self.whole..).unwrap_or_default();
            match walk_tuple(rest)? {
                Walk::Tuple(length) => {
                    self.found(length);
                }
                Walk::Trailer => {
                    if rest.len() > TRAILER.len() {
                        return Err(CodecError::Stream { rule: "bytes after the trailer" });
                    }
                    self.buffer.truncate(self.whole);
                    self.stage = Stage::Finished;
                }
                Walk::Partial => return Ok(()),
            }
        }
        if self.whole < self.buffer.len() {
            return Err(CodecError::Stream { rule: "bytes after the trailer" });
        }
        Ok(())
    }

    /// Drops the header from the buffer; `false` = it has not come completely.
    fn strip_header(&mut self) -> Result<bool, CodecError> {
        const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
        /// Set when tuples carry object ids, up to version 11.
        const HAS_OIDS: u32 = 1 << 16;
        let seen = self.buffer.len().min(SIGNATURE.len());
        if self.buffer.get(..seen) != SIGNATURE.get(..seen) {
            return Err(CodecError::Stream { rule: "the signature is missing" });
        }
        let word = |at: usize| {
            let bytes = self.buffer.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*bytes))
        };
        let (Some(flags), Some(extension)) = (word(SIGNATURE.len()), word(SIGNATURE.len() + 4))
        else {
            return Ok(false);
        };
        if flags & HAS_OIDS != 0 || flags >> 16 != 0 {
            return Err(CodecError::Stream { rule: "the header has an unknown flag" });
        }
        let header = HEADER_BYTES.saturating_add(extension as usize);
        if self.buffer.len() < header {
            return Ok(false);
        }
        drop(self.buffer.split_to(header));
        self.stage = Stage::Tuples;
        Ok(true)
    }
}

enum Walk {
    /// A whole tuple of so many bytes.
    Tuple(usize),
    Trailer,
    /// More bytes are needed.
    Partial,
}

/// Follows the lengths of the tuple at the start of `bytes`.
#[inline]
fn walk_tuple(bytes: &[u8]) -> Result<Walk, CodecError> {
    let Some((count, _)) = bytes.split_first_chunk::<2>() else { return Ok(Walk::Partial) };
    let count = i16::from_be_bytes(*count);
    if count < 0 {
        return match count {
            -1 => Ok(Walk::Trailer),
            _ => Err(CodecError::Stream { rule: "a negative field count" }),
        };
    }
    let mut at = 2_usize;
    for _ in 0..count {
        let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
            return Ok(Walk::Partial);
        };
        at += 4;
        match i32::from_be_bytes(*length) {
            -1 => {}
            length => match usize::try_from(length) {
                Ok(length) => at += length,
                Err(_) => return Err(CodecError::Stream { rule: "a negative field length" }),
            },
        }
    }
    Ok(if at <= bytes.len() { Walk::Tuple(at) } else { Walk::Partial })
}
