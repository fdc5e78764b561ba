//! Numerics of at most four groups: nearly all amounts and counts. Their groups fit one word, and no
//! loop goes over them.

use super::numeric::{NEGATIVE, POSITIVE};

/// A field of at most four groups: its head and its groups are a word each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    pub(super) head: u64,
    /// The first group in the highest bits.
    pub(super) groups: u64,
    /// How many groups are sent.
    pub(super) count: usize,
}

impl Short {
    /// The field of `value` × 10^−`scale`; `None` when it may have more groups.
    #[inline]
    pub(super) fn new(value: i128, scale: u8) -> Option<Self> {
        /// Numbers below this have at most four groups, with one for the scale's last digits.
        const MAX: u64 = 1_000_000_000_000;
        let unsigned = u64::try_from(value.unsigned_abs()).ok().filter(|number| *number < MAX)?;
        let (rest, lowest) = split_lowest(unsigned, scale);
        let (high, low) = (rest / 100_000_000, rest % 100_000_000);
        let groups = (high << 48) | ((low / 10_000) << 32) | ((low % 10_000) << 16) | lowest;
        if groups == 0 {
            return Some(Self { head: scale.into(), groups, count: 0 });
        }
        // Groups at either end that are zero are not sent.
        let (before, behind) = (groups.leading_zeros() / 16, groups.trailing_zeros() / 16);
        let count = u64::from(4 - before - behind);
        let weight = i64::from(3 - before.cast_signed()) - i64::from(scale.div_ceil(4));
        let sign = if value < 0 { NEGATIVE } else { POSITIVE };
        let head = count << 48 | (weight.cast_unsigned() & 0xffff) << 32 | u64::from(sign) << 16;
        let count = usize::try_from(count).unwrap_or(0);
        Some(Self { head: head | u64::from(scale), groups: groups << (16 * before), count })
    }
}

/// The groups above the lowest one, and that one, filled up with zeros behind the scale's last digit.
#[inline]
pub(super) fn split_lowest(unsigned: u64, scale: u8) -> (u64, u64) {
    match scale % 4 {
        1 => (unsigned / 10, unsigned % 10 * 1_000),
        2 => (unsigned / 100, unsigned % 100 * 100),
        3 => (unsigned / 1_000, unsigned % 1_000 * 10),
        _ => (unsigned / 10_000, unsigned % 10_000),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::numeric::{from_i128, from_long, to_i128};

    proptest! {
        #[test]
        fn short_numbers_are_written_as_long_ones(
            unsigned in 0..1_000_000_000_000_i128, power in 0_u32..12, zeros in 0_u32..6,
            negative: bool, scale in 0_u8..39,
        ) {
            // All lengths, and zeros at the end.
            let unsigned = unsigned / 10_i128.pow(power) / 10_i128.pow(zeros) * 10_i128.pow(zeros);
            let value = if negative { -unsigned } else { unsigned };
            let (mut short, mut long) = (Vec::new(), Vec::new());
            from_i128(value, scale, &mut short);
            from_long(value, scale, &mut long);
            prop_assert_eq!(&short, &long);
            prop_assert_eq!(to_i128(&short, scale, u128::MAX), Ok(value));
        }
    }

    #[test]
    fn numbers_at_every_boundary_are_written_as_long_ones() {
        let around = |power| [10_i128.pow(power) - 1, 10_i128.pow(power), 10_i128.pow(power) + 1];
        let words = [i64::MAX.into(), u64::MAX.into(), i128::from(u64::MAX) + 1];
        for unsigned in (0..38).flat_map(around).chain(words) {
            let check = |value, scale| {
                let (mut short, mut long) = (Vec::new(), Vec::new());
                from_i128(value, scale, &mut short);
                from_long(value, scale, &mut long);
                assert_eq!(short, long, "{value} {scale}");
                assert_eq!(to_i128(&short, scale, u128::MAX), Ok(value), "{value} {scale}");
            };
            (0..=38).for_each(|scale| {
                check(unsigned, scale);
                check(-unsigned, scale);
            });
        }
    }
}
