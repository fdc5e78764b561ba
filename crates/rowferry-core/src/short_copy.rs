//! Copies of a few bytes.

/// Copies `from` to `to`, which has the same length.
///
/// What is short is copied as its first and its last bytes, which may overlap: the general copy is
/// a call that costs more than these moves. Texts of a table are mostly short.
///
/// # Panics
///
/// With slices of different lengths: beyond 32 bytes always, below that in debug builds.
#[inline]
pub fn copy_short(to: &mut [u8], from: &[u8]) {
    debug_assert_eq!(to.len(), from.len(), "copies are of one length");
    match from.len() {
        0 => {}
        1..4 => {
            ends::<1>(to, from);
            if let (Some(to), Some(from)) = (to.get_mut(1), from.get(1)) {
                *to = *from;
            }
        }
        4..8 => ends::<4>(to, from),
        8..16 => ends::<8>(to, from),
        16..=32 => ends::<16>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Copies the first and the last `N` bytes.
#[inline]
fn ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::copy_short;

    #[test]
    fn every_byte_is_copied() {
        let from: Vec<u8> = (1..=100).collect();
        for length in 0..=from.len() {
            // Between bytes that are not part of it.
            let mut to = vec![0; length + 2];
            copy_short(&mut to[1..=length], &from[..length]);
            assert_eq!(to[1..=length], from[..length]);
            assert_eq!((to[0], to[length + 1]), (0, 0));
        }
    }
}
