//! Random numbers in the order of asking.

/// 2^64 divided by the golden ratio, the step of splitmix64:
/// <https://prng.di.unimi.it/splitmix64.c>.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bits of a float's fraction, and with them the numbers between 0 and 1 that lie evenly.
const FRACTION_BITS: u32 = 53;

/// The generator splitmix64: a counter and a finisher, the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) const fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        let value = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `limit`; 0 where the limit is 0. Its bias is below `limit` / 2^64.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.roll()) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// A number from 0 up to, but not including, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    pub(crate) fn unit(&mut self) -> f64 {
        let whole = (1_u64 << FRACTION_BITS) as f64;
        (self.roll() >> (u64::BITS - FRACTION_BITS)) as f64 / whole
    }

    /// One of these.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap_or_default();
        items.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_reference() {
        // The first three of the reference implementation with the state 1234567.
        let mut dice = Dice::new(1_234_567);
        let rolls = [dice.roll(), dice.roll(), dice.roll()];
        let expected =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(rolls, expected);
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut dice = Dice::new(1);
        for limit in [1, 2, 7, u64::MAX] {
            for _ in 0..200 {
                assert!(dice.below(limit) < limit);
                assert!((0.0..1.0).contains(&dice.unit()));
            }
        }
        assert_eq!(dice.below(0), 0);
    }
}
