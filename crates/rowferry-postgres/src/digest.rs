//! The digest of rows that pass through undecoded.

use rowferry_codec::pgcopy::Sum;
use rowferry_core::Digest;
use xxhash_rust::xxh3::xxh3_128;

/// What is hashed: the bytes of each COPY tuple. Never compared with a digest of decoded rows.
const KIND: &str = "pgcopy-v1";

/// The hash of one tuple.
pub(crate) fn of_tuple(tuple: &[u8]) -> u128 {
    xxh3_128(tuple)
}

/// The digest of all tuples of a chunk: their order does not matter.
pub(crate) fn of(tuples: Sum) -> Digest {
    Digest { kind: KIND.to_owned(), count: tuples.count, sum: tuples.sum }
}

#[cfg(test)]
mod tests {
    use rowferry_codec::pgcopy::{HEADER, RawTuples, TRAILER};

    use super::*;

    #[test]
    fn order_does_not_matter_and_content_does() {
        let one: &[u8] = &[0, 1, 0, 0, 0, 1, 7];
        let two: &[u8] = &[0, 1, 0xff, 0xff, 0xff, 0xff];
        let digest = |tuples: &[&[u8]], message: usize| {
            let stream = [&[HEADER], tuples, &[TRAILER]].concat().concat();
            let mut collector = RawTuples::hashing(of_tuple);
            for piece in stream.chunks(message) {
                collector.push(piece).unwrap();
                collector.take();
            }
            of(collector.sum())
        };
        assert_eq!(digest(&[one, two], 100), digest(&[two, one], 3));
        assert_ne!(digest(&[one, two], 100), digest(&[one, one], 100));
    }
}
