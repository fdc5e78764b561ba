//! Which rows of a column hold a value.

use arrow_buffer::{BooleanBufferBuilder, NullBuffer};

/// Rows whose bits are gathered in one word.
pub(crate) const WORD_ROWS: usize = 64;

/// Gathers a word of rows at a time. Bits are kept only from the first NULL on, so a column without
/// NULLs pays one comparison for 64 rows.
pub(crate) struct Validity {
    bits: Option<BooleanBufferBuilder>,
    rows: usize,
    capacity: usize,
}

impl Validity {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { bits: None, rows: 0, capacity }
    }

    /// Adds `rows` rows, at most [`WORD_ROWS`]: a bit each, the first one lowest, 1 = a value.
    pub(crate) fn append(&mut self, valid: u64, rows: usize) {
        let unused = u32::try_from(WORD_ROWS - rows.min(WORD_ROWS)).unwrap_or(0);
        let all = u64::MAX.checked_shr(unused).unwrap_or(0);
        if self.bits.is_some() || valid != all {
            let bits = self.bits.get_or_insert_with(|| {
                let mut bits = BooleanBufferBuilder::new(self.capacity);
                bits.append_n(self.rows, true);
                bits
            });
            bits.append_packed_range(0..rows, &valid.to_le_bytes());
        }
        self.rows += rows;
    }

    /// `None` when every row holds a value.
    pub(crate) fn finish(self) -> Option<NullBuffer> {
        self.bits.map(|mut bits| NullBuffer::new(bits.finish()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_are_those_of_a_row_loop(
            words in proptest::collection::vec(
                (prop_oneof![Just(u64::MAX), any::<u64>()], 0..=WORD_ROWS), 0..8)
        ) {
            let mut validity = Validity::new(8);
            let mut naive: Vec<bool> = Vec::new();
            for (word, rows) in words {
                let word = if rows == 0 { 0 } else { word & u64::MAX >> (WORD_ROWS - rows) };
                validity.append(word, rows);
                naive.extend((0..rows).map(|row| word >> row & 1 == 1));
            }
            let nulls = validity.finish();
            prop_assert_eq!(nulls.is_none(), naive.iter().all(|valid| *valid));
            if let Some(nulls) = nulls {
                prop_assert_eq!(nulls.iter().collect::<Vec<_>>(), naive);
            }
        }
    }
}
