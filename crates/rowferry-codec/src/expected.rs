//! How much room the rest of a batch takes when it is written, judged by its first rows.
//!
//! A buffer that doubles while it fills copies what it holds into memory that the kernel has to
//! clear first. The size of a batch in memory says little: the wire has its own lengths.

/// Rows differ: one in sixteen bytes more than the first of them took.
const SLACK_SHARE: usize = 16;

/// Rows that take more together are unlike those that were looked at, and the buffer may grow for
/// them. Twice what a buffer on its way to a server is meant to hold.
const EXPECTED_MAX: usize = 8 << 20;

/// Bytes for `rows_left` rows, where `rows` of them took `bytes`.
pub(crate) fn bytes(bytes: usize, rows: usize, rows_left: usize) -> usize {
    let expected = bytes.div_ceil(rows.max(1)).saturating_mul(rows_left);
    expected.saturating_add(expected / SLACK_SHARE).min(EXPECTED_MAX)
}

#[cfg(test)]
mod tests {
    use super::{EXPECTED_MAX, bytes};

    #[test]
    fn the_rest_of_a_batch_is_like_its_first_rows() {
        assert_eq!(bytes(1_600, 16, 32), 3_200 + 200);
        assert_eq!(bytes(1_600, 16, 0), 0);
    }

    #[test]
    fn unlike_rows_take_no_room_ahead() {
        // The first rows have texts of a megabyte, and a million follow.
        assert_eq!(bytes(16 << 20, 16, 1_000_000), EXPECTED_MAX);
        assert_eq!(bytes(usize::MAX, 1, 2), EXPECTED_MAX);
        assert_eq!(bytes(0, 0, 0), 0);
    }
}
