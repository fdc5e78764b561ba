//! Random numbers that depend on the place and not on the order of asking.

/// The numbers of one column of one table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice {
    start: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64, table: &str, column: usize) -> Self {
        let name = table.bytes().fold(seed, |hash, byte| mix(hash ^ u64::from(byte)));
        Self { start: mix(name ^ (column as u64)) }
    }

    /// The number of a row.
    pub(crate) fn roll(self, row: u64) -> u64 {
        mix(self.start.wrapping_add(row.wrapping_mul(GOLDEN)))
    }
}

/// 2^64 divided by the golden ratio, the step of splitmix64:
/// <https://prng.di.unimi.it/splitmix64.c>.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finisher of splitmix64.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(GOLDEN);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
