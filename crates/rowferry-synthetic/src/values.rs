//! What recipes are made of: types, words, numbers, moments.

use std::borrow::Cow;
use std::fmt::Write as _;

use rowferry_core::CanonicalType as T;

use crate::table::{Fill, Nulls, Recipe};

/// 2020-01-01 in days since 1970, and in microseconds.
pub(crate) const DAY_2020: i64 = 18_262;
pub(crate) const MICROS_OF_DAY: i64 = 86_400_000_000;
pub(crate) const MICROS_2020: i64 = DAY_2020 * MICROS_OF_DAY;
/// Five years, the span of the shop's history.
pub(crate) const MICROS_OF_HISTORY: u64 = 5 * 365 * 86_400_000_000;

pub(crate) const NAMES: [&str; 8] =
    ["Ada", "Boris", "Chloë", "Dương", "Émile", "Fatıma", "Grzegorz", "春香"];
pub(crate) const CITIES: [&str; 8] =
    ["Lisboa", "Zürich", "Kraków", "København", "Αθήνα", "東京", "Québec", "O'Fallon"];
pub(crate) const THINGS: [&str; 6] =
    ["lamp", "kettle", "chair", "notebook \"A5\"", "tea, green", "scarf"];
pub(crate) const STATES: [&str; 4] = ["new", "paid", "sent", "returned"];

/// A column; one row in `null_every` is NULL, with 0 none.
pub(crate) const fn recipe(
    name: &'static str,
    canonical: T,
    null_every: u64,
    fill: Fill,
) -> Recipe {
    let nulls = if null_every == 0 { Nulls::Never } else { Nulls::OneIn(null_every) };
    Recipe { name: Cow::Borrowed(name), canonical, nulls, fill }
}

pub(crate) const fn text(chars: u32) -> T {
    T::Text { chars: Some(chars), fixed: false }
}

pub(crate) const fn decimal(precision: u8, scale: u8) -> T {
    T::Decimal { precision, scale }
}

pub(crate) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

pub(crate) fn pick<'a>(words: &[&'a str], r: u64) -> &'a str {
    let count = words.len() as u64;
    usize::try_from(r % count.max(1)).ok().and_then(|index| words.get(index)).copied().unwrap_or("")
}

pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number below `limit`, evenly enough for test rows.
pub(crate) fn below(r: u64, limit: u64) -> i64 {
    int(r % limit.max(1))
}

/// Cents between −999,999.99 and 999,999.99.
pub(crate) fn money(r: u64) -> i128 {
    i128::from(r % 200_000_000) - 99_999_999
}

pub(crate) fn moment(r: u64) -> i64 {
    MICROS_2020 + below(r, MICROS_OF_HISTORY)
}

/// Evenly in `0 <= x < 1`, from 53 bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
pub(crate) fn fraction(r: u64) -> f64 {
    (r >> 11) as f64 / (1_u64 << 53) as f64
}

/// Multiples of a half, exact in both float widths.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) fn half_steps(r: u64, steps: u64) -> f64 {
    (r % steps) as f64 / 2.0
}
