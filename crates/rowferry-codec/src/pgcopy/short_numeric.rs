//! Numerics of at most four groups: nearly all amounts and counts. Their groups fit one word, and no
//! loop goes over them.

use super::{
    numeric::{NEGATIVE, POSITIVE, wide_shift},
    rule::Rule,
};

/// Powers of ten that fit a word.
const POWERS: [u64; 20] = {
    let mut powers = [1_u64; 20];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Up to four groups in one word, the last one lowest; `None` = there are more. The last eight bytes
/// of a field always exist, since its head has as many; what they hold of it is masked out.
#[inline]
pub(super) fn short_groups(field: &[u8], count: usize) -> Option<u64> {
    const MASKS: [u64; 5] = [0, 0xffff, 0xffff_ffff, 0xffff_ffff_ffff, u64::MAX];
    Some(u64::from_be_bytes(*field.last_chunk()?) & MASKS.get(count)?)
}

/// The number that four groups make.
#[inline]
pub(super) fn short_digits(groups: u64) -> Result<u64, Rule> {
    /// Lifts a group above 9,999 to the highest bit of its lane.
    const LIFT: u64 = 0x7fff - 9_999;
    const LANES: u64 = 0x0001_0001_0001_0001;
    // A lane that runs over spoils only the one above it, when the answer is no already.
    if (groups.wrapping_add(LIFT * LANES) | groups) & (0x8000 * LANES) != 0 {
        return Err(Rule::NUMERIC_FORM);
    }
    let pair = |pair: u64| (pair >> 16) * 10_000 + (pair & 0xffff);
    Ok(pair(groups >> 32) * 100_000_000 + pair(groups & 0xffff_ffff))
}

/// `digits` × 10^`exponent`, which is exact for every value within the column's scale. Divisors are
/// constants, since a division by a variable costs as much as the rest of the field.
#[inline]
pub(super) fn short_shift(digits: u64, exponent: i32) -> Result<u128, Rule> {
    let (quotient, rest) = match exponent {
        0 => (digits, 0),
        -1 => (digits / 10, digits % 10),
        -2 => (digits / 100, digits % 100),
        -3 => (digits / 1_000, digits % 1_000),
        _ => {
            // The product of two words fits two.
            let power = usize::try_from(exponent).ok().and_then(|exponent| POWERS.get(exponent));
            return match power {
                Some(power) => Ok(u128::from(digits) * u128::from(*power)),
                None => wide_shift(u128::from(digits), exponent),
            };
        }
    };
    if rest == 0 { Ok(u128::from(quotient)) } else { Err(Rule::SCALE) }
}

/// A field of at most four groups: its head and its groups are a word each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    pub(super) head: u64,
    /// The last group in the lowest bits.
    pub(super) groups: u64,
}

impl Short {
    /// Bytes of the groups that are sent.
    #[inline]
    pub(super) const fn group_bytes(self) -> usize {
        2 * (self.head >> 48) as usize
    }
}

/// How the numbers of one scale are written as short fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortForm {
    scale: u8,
    /// Moves the last digit to the end of its group.
    factor: u64,
    /// Numbers below this have at most four groups.
    limit: u64,
    /// Weight of the first of four groups.
    weight: i64,
}

impl ShortForm {
    pub(super) const fn new(scale: u8) -> Self {
        // Sixteen digits are four groups.
        let (factor, limit) = match scale % 4 {
            1 => (1_000, 10_000_000_000_000),
            2 => (100, 100_000_000_000_000),
            3 => (10, 1_000_000_000_000_000),
            _ => (1, 10_000_000_000_000_000),
        };
        Self { scale, factor, limit, weight: 3 - scale.div_ceil(4) as i64 }
    }

    /// The field of `value`, in units of the scale's last digit; `None` = it has more groups.
    #[inline]
    pub(super) fn field(self, value: i128) -> Option<Short> {
        let unsigned = u64::try_from(value.unsigned_abs()).ok()?;
        if unsigned >= self.limit {
            return None;
        }
        let scale = u64::from(self.scale);
        if unsigned == 0 {
            return Some(Short { head: scale, groups: 0 });
        }
        let digits = unsigned * self.factor;
        let pair = |pair: u64| (pair / 10_000) << 16 | (pair % 10_000);
        let groups = pair(digits / 100_000_000) << 32 | pair(digits % 100_000_000);
        // Groups at either end that are zero are not sent.
        let (before, behind) = (groups.leading_zeros() / 16, groups.trailing_zeros() / 16);
        let count = u64::from(4 - before - behind);
        let weight = (self.weight - i64::from(before)).cast_unsigned() & 0xffff;
        let sign = u64::from(if value < 0 { NEGATIVE } else { POSITIVE });
        let head = count << 48 | weight << 32 | sign << 16 | scale;
        Some(Short { head, groups: groups >> (16 * behind) })
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
    use proptest::{collection::vec, prelude::*};

    use super::super::{
        numeric::{NEGATIVE, POSITIVE, from_i128, from_long, to_i128},
        rule::Rule,
    };

    /// The value of a field from its digits as text.
    fn naive(
        groups: &[u16],
        weight: i16,
        negative: bool,
        scale: u8,
        limit: u128,
    ) -> Result<i128, Rule> {
        if groups.iter().any(|group| *group > 9_999) {
            return Err(Rule::NUMERIC_FORM);
        }
        let digits: Vec<String> = groups.iter().map(|group| format!("{group:04}")).collect();
        let digits = digits.concat();
        let mut digits = digits.trim_start_matches('0').to_owned();
        let count = i64::try_from(groups.len()).unwrap();
        let behind = 4 * (count - 1 - i64::from(weight)) - i64::from(scale);
        if digits.is_empty() {
            return Ok(0);
        }
        for _ in 0..behind {
            if digits.pop().is_some_and(|digit| digit != '0') {
                return Err(Rule::SCALE);
            }
        }
        digits.extend((behind..0).map(|_| '0').take(100));
        match digits.parse::<u128>() {
            Ok(unsigned) if unsigned < limit => {
                let value = i128::try_from(unsigned).map_err(|_above| Rule::PRECISION)?;
                Ok(if negative { -value } else { value })
            }
            _ => Err(Rule::PRECISION),
        }
    }

    fn field(groups: &[u16], weight: i16, negative: bool, dscale: u16) -> Vec<u8> {
        let sign = if negative { NEGATIVE } else { POSITIVE };
        let head = [u16::try_from(groups.len()).unwrap(), weight.cast_unsigned(), sign, dscale];
        head.iter().chain(groups).flat_map(|word| word.to_be_bytes()).collect()
    }

    fn groups() -> impl Strategy<Value = Vec<u16>> {
        let group = prop_oneof![
            8 => 0_u16..10_000,
            2 => Just(0),
            1 => prop_oneof![Just(9_999), Just(10_000), Just(0x7fff), Just(0x8000), Just(u16::MAX)],
        ];
        vec(group, 0..=5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_field_of_few_groups_is_its_digits(
            groups in groups(), weight in prop_oneof![-12_i16..12, any::<i16>()], negative: bool,
            dscale in 0_u16..40, scale in 0_u8..39, precision in 1_u32..39,
        ) {
            let limit = 10_u128.pow(precision);
            let found = to_i128(&field(&groups, weight, negative, dscale), scale, limit);
            let expected = naive(&groups, weight, negative, scale, limit);
            if groups.len() <= 4 {
                prop_assert_eq!(found, expected);
            } else {
                // Which of two rules is broken first is another matter.
                prop_assert_eq!(found.ok(), expected.ok());
            }
        }

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
