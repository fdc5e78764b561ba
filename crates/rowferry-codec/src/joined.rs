//! Values of any length, one behind the other.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

/// Pieces up to this size are copied as one of this size, whatever their length: two moves of a
/// vector register, where a copy of a few bytes is a call.
const SHORT_BYTES: usize = 32;

/// Bytes by which the values grow: filled with zeros while the first-level cache holds them.
const GROW_BYTES: usize = 1 << 10;

/// Pieces of the wire on their way into an array.
pub(crate) struct Joined {
    /// The values, and behind `end` some bytes that mean nothing.
    values: Vec<u8>,
    end: usize,
}

impl Joined {
    /// `bytes` is the room that the values have at first.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { values: Vec::with_capacity(bytes + SHORT_BYTES), end: 0 }
    }

    /// Bytes so far.
    #[inline]
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    /// Appends the first `length` bytes of `rest`, which has as many.
    #[inline]
    pub(crate) fn push(&mut self, rest: &[u8], length: usize) {
        let at = self.end;
        self.end += length;
        if length <= SHORT_BYTES
            && let Some(from) = rest.first_chunk::<SHORT_BYTES>()
        {
            if self.values.len() < at + SHORT_BYTES {
                self.grow(at);
            }
            let to = self.values.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<SHORT_BYTES>);
            if let Some(to) = to {
                *to = *from;
            }
        } else {
            self.push_long(rest.get(..length).unwrap_or_default(), at);
        }
    }

    fn push_long(&mut self, piece: &[u8], at: usize) {
        if let Some(to) = self.values.get_mut(at..self.end) {
            to.copy_from_slice(piece);
        } else {
            self.values.truncate(at);
            self.values.extend_from_slice(piece);
        }
    }

    #[cold]
    fn grow(&mut self, at: usize) {
        self.values.resize(at + SHORT_BYTES + GROW_BYTES, 0);
    }

    /// The bytes of all pieces.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.values.truncate(self.end);
        self.values
    }
}

/// The array of values of any length; the error is the row of a text that is not UTF-8.
pub(crate) fn variable_array(
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: Option<NullBuffer>,
    is_text: bool,
) -> Result<ArrayRef, usize> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let values = Buffer::from_vec(values);
    if !is_text {
        return Ok(Arc::new(BinaryArray::new(offsets, values, nulls)));
    }
    // One validation over all values, and of the places where they meet.
    if let Ok(array) = StringArray::try_new(offsets.clone(), values.clone(), nulls) {
        return Ok(Arc::new(array));
    }
    let place = |end: &i32| usize::try_from(*end).unwrap_or(0);
    let broken = offsets.iter().zip(offsets.iter().skip(1)).position(|(start, end)| {
        let value = values.get(place(start)..place(end)).unwrap_or_default();
        simdutf8::basic::from_utf8(value).is_err()
    });
    Err(broken.unwrap_or(0))
}
