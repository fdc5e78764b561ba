//! The end of a buffer that text is written to.
//!
//! Most cells are short, and appending a few bytes to a `Vec` is a call. The pen keeps some zeros
//! behind the text, so that it can write a whole register and count only the bytes in use.

/// Bytes by which the zeros grow: filled while the first-level cache holds them.
const GROW_BYTES: usize = 1 << 10;

/// Pieces up to this size are copied as one of this size, whatever their length.
const SHORT_BYTES: usize = 32;

/// Writes text to the end of a buffer; [`Pen::finish`] leaves the text alone in it.
pub struct Pen<'a> {
    /// The text, and behind `end` bytes that mean nothing.
    out: &'a mut Vec<u8>,
    end: usize,
}

impl<'a> Pen<'a> {
    /// A pen behind the last byte of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        let end = out.len();
        Self { out, end }
    }

    /// Bytes of text before the pen.
    pub const fn position(&self) -> usize {
        self.end
    }

    /// Takes back what was written behind the first `length` bytes.
    pub fn cut_to(&mut self, length: usize) {
        self.end = self.end.min(length);
    }

    /// Leaves the text alone in its buffer.
    pub fn finish(self) {
        self.out.truncate(self.end);
    }

    /// The last byte of text.
    pub fn last(&self) -> Option<u8> {
        self.out.get(self.end.checked_sub(1)?).copied()
    }

    /// Writes the first `used` of `N` bytes.
    #[inline]
    pub fn put<const N: usize>(&mut self, bytes: [u8; N], used: usize) {
        if self.out.len() < self.end + N {
            self.grow(N);
        }
        if let Some(slot) = self.out.get_mut(self.end..).and_then(<[u8]>::first_chunk_mut::<N>) {
            *slot = bytes;
        }
        self.end += used;
    }

    /// Writes a byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.put([byte], 1);
    }

    /// Writes bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        if let Some(slot) = self.out.get_mut(self.end..end) {
            slot.copy_from_slice(bytes);
        } else {
            self.out.truncate(self.end);
            self.out.extend_from_slice(bytes);
        }
        self.end = end;
    }

    /// Writes `length` bytes of `data` from `start` on.
    #[inline]
    pub fn piece(&mut self, data: &[u8], start: usize, length: usize) {
        if length <= SHORT_BYTES
            && let Some(piece) = data.get(start..).and_then(<[u8]>::first_chunk::<SHORT_BYTES>)
        {
            self.put(*piece, length);
        } else {
            self.bytes(data.get(start..start + length).unwrap_or_default());
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        self.out.resize(self.end + bytes + GROW_BYTES, 0);
    }
}
