//! The digest of rows that pass through undecoded.

use rowferry_core::Digest;
use xxhash_rust::xxh3::xxh3_128;

/// What is hashed: the bytes of each COPY tuple. Never compared with a digest of decoded rows.
const KIND: &str = "pgcopy-v1";

/// Adds the tuples in `bytes` to `digest`: the order of rows does not matter.
///
/// Returns `None` when the bytes are not whole tuples.
pub(crate) fn add(digest: &mut Digest, bytes: &[u8]) -> Option<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (tuple, behind) = rest.split_at_checked(tuple_bytes(rest)?)?;
        digest.count += 1;
        digest.sum = digest.sum.wrapping_add(xxh3_128(tuple));
        rest = behind;
    }
    Some(())
}

/// A digest of no rows.
pub(crate) fn empty() -> Digest {
    Digest { kind: KIND.to_owned(), count: 0, sum: 0 }
}

/// Length of the tuple at the start of `bytes`.
fn tuple_bytes(bytes: &[u8]) -> Option<usize> {
    let fields = i16::from_be_bytes(*bytes.first_chunk()?);
    let mut at = 2;
    for _ in 0..fields {
        let length = i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
        // −1 is a null, which has no bytes.
        at += 4 + usize::try_from(length.max(0)).ok()?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_content_does() {
        let one = [0, 1, 0, 0, 0, 1, 7];
        let two = [0, 1, 0xff, 0xff, 0xff, 0xff];
        let digest = |parts: &[&[u8]]| {
            let mut digest = empty();
            add(&mut digest, &parts.concat()).map(|()| digest)
        };
        assert_eq!(digest(&[&one, &two]), digest(&[&two, &one]));
        assert_ne!(digest(&[&one, &two]), digest(&[&one, &one]));
        assert_eq!(digest(&[&one, &two[..3]]), None);
    }
}
