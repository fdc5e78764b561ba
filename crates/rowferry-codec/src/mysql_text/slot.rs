//! Room for the text of one short cell.
//!
//! The cells of a column are formed one behind the other, in a loop without calls, and then stand where
//! rows can be put together from them by moves of constant size.

use crate::pen::{Put as _, Room};

/// Most bytes of a slot's text. A decimal of 128 bits has 41 with sign and point, a uuid in quotes 38;
/// behind it stands a separator, and numbers are written as words, whose unused end needs room too.
pub(super) const TEXT_BYTES: usize = 47;

/// Bytes of a vector register.
const REGISTER_BYTES: usize = 16;

/// The text of a cell, and behind it bytes that mean nothing.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    text: [u8; TEXT_BYTES],
    /// How many of them are in use. A byte, so that a slot is three vector registers.
    used: u8,
}

impl Slot {
    pub(super) const EMPTY: Self = Self { text: [0; TEXT_BYTES], used: 0 };

    /// Replaces the text by what `write` writes.
    #[inline]
    pub(super) fn fill(&mut self, write: impl FnOnce(&mut Room<'_>)) {
        let mut room = Room::new(&mut self.text);
        write(&mut room);
        let used = room.position();
        assert!(used <= TEXT_BYTES, "a cell is too long for its slot");
        // So it is below 256.
        self.used = u8::try_from(used).unwrap_or(0);
    }

    /// Writes the text. Most are one vector register.
    #[inline]
    pub(super) fn put(&self, room: &mut Room<'_>) {
        let used = usize::from(self.used);
        match self.text.first_chunk::<REGISTER_BYTES>() {
            Some(text) if used <= REGISTER_BYTES => room.put(*text, used),
            _ => room.put(self.text, used),
        }
    }
}
