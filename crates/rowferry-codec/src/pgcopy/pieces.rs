//! Columns whose values are pieces of the wire: texts, binaries.

use arrow_array::ArrayRef;

use super::{
    columns::{Broken, ColumnBuilder},
    rule::Rule,
};
use crate::joined::{Joined, variable_array};
use crate::validity::{Validity, WORD_ROWS};

/// Gathers the first bytes of each field; `F` says how many.
struct Pieces<F> {
    joined: Joined,
    offsets: Vec<i32>,
    valid: Validity,
    is_text: bool,
    keep: F,
}

impl<F: Fn(&[u8]) -> Result<usize, Rule>> ColumnBuilder for Pieces<F> {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (word, heads) in heads.chunks(WORD_ROWS).enumerate() {
            let mut valid = 0_u64;
            let mut ends = [0_i32; WORD_ROWS];
            for (row, (head, end)) in heads.iter().zip(&mut ends).enumerate() {
                if let Some((field, rest)) = field_and_rest(bytes, *head) {
                    let length =
                        (self.keep)(field).map_err(|rule| (word * WORD_ROWS + row, rule))?;
                    self.joined.push(rest, length);
                    valid |= 1 << row;
                }
                // Pieces of the wire are no longer than it, and that is below 2 GiB.
                *end = i32::try_from(self.joined.end()).unwrap_or(i32::MAX);
            }
            self.offsets.extend_from_slice(ends.get(..heads.len()).unwrap_or_default());
            self.valid.append(valid, heads.len());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, Broken> {
        let (values, nulls) = (self.joined.into_bytes(), self.valid.finish());
        variable_array(values, self.offsets, nulls, self.is_text).map_err(|row| (row, Rule::UTF8))
    }
}

/// The field whose length word stands at `head`, and all bytes from its first one on; `None` = NULL.
#[inline]
fn field_and_rest(bytes: &[u8], head: u32) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.get(head as usize..)?.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    Some((rest.get(..length)?, rest))
}

/// `bytes` is the room that the values have at first, `keep` the length of a field's part that is
/// its value.
pub(super) fn pieces(
    rows: usize,
    bytes: usize,
    is_text: bool,
    keep: impl Fn(&[u8]) -> Result<usize, Rule> + 'static,
) -> Box<dyn ColumnBuilder> {
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    let (joined, valid) = (Joined::new(bytes), Validity::new(rows));
    Box::new(Pieces { joined, offsets, valid, is_text, keep })
}

/// The length of a padded field without its blanks, eight bytes at a time: the wire carries the
/// padding, which means nothing.
#[inline]
pub(super) fn without_blanks(field: &[u8]) -> usize {
    const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);
    let mut rest = field;
    while let Some((before, last)) = rest.split_last_chunk::<8>() {
        let differs = u64::from_le_bytes(*last) ^ BLANKS;
        if differs != 0 {
            // The last byte is the highest one.
            return rest.len() - differs.leading_zeros() as usize / 8;
        }
        rest = before;
    }
    rest.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, cast::AsArray};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn short_and_long_pieces_stand_one_after_another(
            values in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80)), 0..200),
            cut in any::<prop::sample::Index>(),
        ) {
            let (mut bytes, mut heads) = (Vec::new(), Vec::new());
            for value in &values {
                heads.push(u32::try_from(bytes.len()).unwrap());
                let length = value.as_ref().map_or(-1, |value| i32::try_from(value.len()).unwrap());
                bytes.extend(length.to_be_bytes());
                bytes.extend(value.iter().flatten());
            }
            let mut builder = pieces(values.len(), 0, false, |field| Ok(field.len()));
            // Blocks may end anywhere.
            let (first, second) = heads.split_at(cut.index(heads.len() + 1));
            builder.append(&bytes, first).unwrap();
            builder.append(&bytes, second).unwrap();
            let array = builder.finish().unwrap();
            prop_assert_eq!(array.len(), values.len());
            let decoded: Vec<Option<Vec<u8>>> =
                array.as_binary::<i32>().iter().map(|value| value.map(<[u8]>::to_vec)).collect();
            prop_assert_eq!(decoded, values);
        }

        #[test]
        fn a_text_cut_through_a_character_is_found_by_its_row(
            texts in proptest::collection::vec("[a-cäöü€😀]{0,40}", 1..150),
            row in any::<prop::sample::Index>(),
        ) {
            let row = row.index(texts.len());
            let (mut bytes, mut heads) = (Vec::new(), Vec::new());
            let mut push = |value: &[u8]| {
                heads.push(u32::try_from(bytes.len()).unwrap());
                bytes.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
                bytes.extend(value);
            };
            for (number, text) in texts.iter().enumerate() {
                // Side by side in the array the two halves are one character.
                if number == row {
                    push(&[0xc3]);
                    push(&[0xa4]);
                }
                push(text.as_bytes());
            }
            let mut builder = pieces(heads.len(), 0, true, |field| Ok(field.len()));
            builder.append(&bytes, &heads).unwrap();
            prop_assert_eq!(builder.finish().unwrap_err(), (row, Rule::UTF8));
        }

        #[test]
        fn blanks_at_the_end_are_left_out(text in "[ a]{0,12}[a€]{0,2} {0,30}") {
            prop_assert_eq!(without_blanks(text.as_bytes()), text.trim_end_matches(' ').len());
        }
    }
}
