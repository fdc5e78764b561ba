//! The end of a buffer that text is written to.
//!
//! Most cells are short, and appending a few bytes to a `Vec` is a call. The pen keeps some zeros
//! behind the text, so that it can write a whole register and count only the bytes in use.

use rowferry_core::copy_short;

/// Bytes by which the zeros grow: filled while the first-level cache holds them.
const GROW_BYTES: usize = 1 << 10;

/// What text is written with.
pub trait Put {
    /// Writes the first `used` of `N` bytes.
    fn put<const N: usize>(&mut self, bytes: [u8; N], used: usize);

    /// Writes bytes.
    fn bytes(&mut self, bytes: &[u8]);

    /// Bytes of text so far.
    fn position(&self) -> usize;

    /// Takes back what was written behind the first `length` bytes.
    fn cut_to(&mut self, length: usize);

    /// Writes a byte.
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.put([byte], 1);
    }
}

/// Where a [`Room`] that was too small ends; half of all numbers, so that more can be added.
const NO_ROOM: usize = usize::MAX / 2;

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

    /// Leaves the text alone in its buffer.
    pub fn finish(self) {
        self.out.truncate(self.end);
    }

    /// The last byte of text.
    pub fn last(&self) -> Option<u8> {
        self.out.get(self.end.checked_sub(1)?).copied()
    }

    /// Takes memory for as many more bytes and the zeros behind them, where it is not there already.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.out.reserve((self.end + bytes + GROW_BYTES).saturating_sub(self.out.len()));
    }

    /// Room for at least so many bytes, of which [`Pen::advance`] counts those in use.
    #[inline]
    pub fn room(&mut self, bytes: usize) -> Room<'_> {
        if self.out.len() < self.end + bytes {
            self.grow(bytes);
        }
        Room::new(self.out.get_mut(self.end..).unwrap_or_default())
    }

    /// Counts bytes that were written into the room.
    ///
    /// # Panics
    ///
    /// When it was too small for them: text that is lost would be worse.
    #[inline]
    pub fn advance(&mut self, used: usize) {
        self.end += used;
        assert!(self.end <= self.out.len(), "a row was given too little room");
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        self.out.resize(self.end + bytes + GROW_BYTES, 0);
    }
}

impl Put for Pen<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N], used: usize) {
        if self.out.len() < self.end + N {
            self.grow(N);
        }
        if let Some(place) = place(self.out, self.end) {
            *place = bytes;
        }
        self.end += used;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        if let Some(slot) = self.out.get_mut(self.end..end) {
            slot.copy_from_slice(bytes);
        } else {
            self.out.truncate(self.end);
            self.out.extend_from_slice(bytes);
        }
        self.end = end;
    }

    fn position(&self) -> usize {
        self.end
    }

    fn cut_to(&mut self, length: usize) {
        self.end = self.end.min(length);
    }
}

/// Writes text into room that is large enough for it, and for the unused end of the last register. Where
/// it is not, nothing more is written, and the position is beyond any room: whoever takes the text
/// compares it once.
pub struct Room<'a> {
    bytes: &'a mut [u8],
    end: usize,
}

impl<'a> Room<'a> {
    /// All of `bytes`.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, end: 0 }
    }
}

impl Put for Room<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N], used: usize) {
        match place(self.bytes, self.end) {
            Some(place) => {
                *place = bytes;
                self.end += used;
            }
            None => self.end = NO_ROOM,
        }
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.end..self.end + bytes.len()) {
            Some(place) => {
                copy_short(place, bytes);
                self.end += bytes.len();
            }
            None => self.end = NO_ROOM,
        }
    }

    fn position(&self) -> usize {
        self.end
    }

    fn cut_to(&mut self, length: usize) {
        self.end = self.end.min(length);
    }
}

/// The `N` bytes from `start` on.
#[inline]
fn place<const N: usize>(bytes: &mut [u8], start: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(start..start + N)?.as_mut_array()
}
