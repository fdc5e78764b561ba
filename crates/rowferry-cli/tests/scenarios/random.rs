//! A small source of chance whose seed is printed, so that a run can be repeated.

use crate::mixed::number;

/// `SplitMix64`: small, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

/// The seed of the environment, else the time; printed.
pub(crate) fn seed() -> u64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_secs());
    let seed = number("ROWFERRY_KILL_SEED", now);
    println!("ROWFERRY_KILL_SEED={seed}");
    seed
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `end` without it.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// From `min` to `max` with both.
    pub(crate) fn between(&mut self, min: i128, max: i128) -> i128 {
        let width = (max - min).unsigned_abs() + 1;
        let wide = (u128::from(self.next()) << 64) | u128::from(self.next());
        min + i128::try_from(wide % width).unwrap()
    }

    pub(crate) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        let place = usize::try_from(self.below(of.len() as u64)).unwrap();
        of.get(place).unwrap()
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// From zero to below one.
    pub(crate) fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or_default())
            / (f64::from(u32::MAX) + 1.0)
    }
}
