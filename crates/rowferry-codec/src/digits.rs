//! Digits of numbers, dates and times.
//!
//! Eight digits are made at a time, as the bytes of a word: a handful of multiplications on all of
//! them together, and no division per digit. The first digit is the lowest byte, so that the word
//! is written as it lies, and leading zeros are shifted out.

use crate::pen::{Put, Room};

/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const DAYS_TO_EPOCH: i64 = 719_468;
/// Days in four centuries.
const CENTURIES_DAYS: u64 = 146_097;
/// Microseconds in a day.
pub const DAY_MICROS: i64 = 86_400_000_000;
/// 0001-01-01 and 9999-12-31, in days since 1970-01-01.
pub const FOUR_DIGIT_YEARS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// Numbers with more digits than a word.
const WORD_MAX: u64 = 100_000_000;
/// Numbers with more digits than two words.
const TWO_WORDS_MAX: u64 = WORD_MAX * WORD_MAX;
/// Bytes of the longest decimal of 128 bits, 39 digits and a point, up to a whole word.
const LONG_BYTES: usize = 40;
/// The digit 0 in each byte.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// The eight digits of a number below 10^8 as numbers, the first one in the lowest byte.
///
/// Each quotient is a product with the divisor's inverse, rounded up, that is exact for so small a
/// dividend: 10486 / 2^20 is 1/100 up to 9,999.
#[inline]
const fn eight(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    digits_of(hundreds | (fours - hundreds * 100) << 16)
}

/// The four digits of a number below 10^4, as [`eight`].
#[inline]
const fn four(number: u64) -> u64 {
    let hundreds = (number * 10_486) >> 20;
    digits_of(hundreds | (number - hundreds * 100) << 16)
}

/// The digits of four numbers below 100, the first of which lies in the lowest sixteen bits. As
/// above, 103 / 2^10 is 1/10 up to 99.
#[inline]
const fn digits_of(pairs: u64) -> u64 {
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

/// The characters of the low `count` of eight digits; those behind them mean nothing.
#[inline]
const fn last_digits(number: u64, count: u32) -> [u8; 8] {
    ((eight(number) + ZEROS) >> (8 * (8 - count))).to_le_bytes()
}

/// Appends decimal digits.
#[inline]
pub fn unsigned(number: u64, out: &mut impl Put) {
    if number < WORD_MAX {
        return unsigned_word(number, out);
    }
    let (text, used) = long_unsigned(number);
    out.put(text, used);
}

/// As [`unsigned`], for at most eight digits.
#[inline]
fn unsigned_word(number: u64, out: &mut impl Put) {
    let digits = eight(number);
    // Also 0 has a digit.
    let zeros = (digits.trailing_zeros() / 8).min(7);
    out.put(((digits + ZEROS) >> (8 * zeros)).to_le_bytes(), 8 - zeros as usize);
}

/// As [`unsigned`], for more than one word. A call by value, so that a loop over shorter ones keeps
/// its place in registers.
#[inline(never)]
fn long_unsigned(number: u64) -> ([u8; 24], usize) {
    let mut text = [0; 24];
    let mut room = Room::new(&mut text);
    if number < TWO_WORDS_MAX {
        unsigned_word(number / WORD_MAX, &mut room);
    } else {
        unsigned_word(number / TWO_WORDS_MAX, &mut room);
        room.put(last_digits(number / WORD_MAX % WORD_MAX, 8), 8);
    }
    room.put(last_digits(number % WORD_MAX, 8), 8);
    let used = room.position();
    (text, used)
}

/// Appends a sign where needed, and decimal digits.
#[inline]
pub fn signed(value: i64, out: &mut impl Put) {
    if value < 0 {
        out.byte(b'-');
    }
    unsigned(value.unsigned_abs(), out);
}

/// Appends exactly four digits.
pub fn year(number: u64, out: &mut impl Put) {
    out.put((four(number % 10_000) + ZEROS).to_le_bytes(), 4);
}

/// Appends a decimal of `scale` fraction digits.
#[inline]
pub fn decimal(value: i128, scale: u8, out: &mut impl Put) {
    if value < 0 {
        out.byte(b'-');
    }
    match u64::try_from(value.unsigned_abs()) {
        // The point needs a place in the word of the fraction.
        Ok(magnitude) if magnitude < WORD_MAX && (1..8).contains(&scale) => {
            one_word(magnitude, scale.into(), out);
        }
        _ => {
            let (text, used) = longer(value.unsigned_abs(), scale);
            out.put(text, used);
        }
    }
}

/// As [`decimal`], without the sign; by value as [`long_unsigned`].
#[inline(never)]
fn longer(magnitude: u128, scale: u8) -> ([u8; LONG_BYTES], usize) {
    let mut text = [0; LONG_BYTES];
    let mut room = Room::new(&mut text);
    match u64::try_from(magnitude) {
        Ok(magnitude) if scale == 0 => unsigned(magnitude, &mut room),
        Ok(magnitude) if magnitude < TWO_WORDS_MAX && scale < 8 => {
            two_words(magnitude, scale.into(), &mut room);
        }
        _ => decimal_text(&magnitude.to_string(), scale, &mut room),
    }
    let used = room.position();
    (text, used)
}

/// As [`decimal`], for at most eight digits, of which `scale`, 1 to 7, stand behind the point.
#[inline]
fn one_word(magnitude: u64, scale: u32, out: &mut impl Put) {
    let digits = eight(magnitude);
    // A digit stands before the point, even if it is 0.
    let zeros = (digits.trailing_zeros() / 8).min(7 - scale);
    let characters = digits + ZEROS;
    out.put((characters >> (8 * zeros)).to_le_bytes(), (8 - scale - zeros) as usize);
    fraction(characters >> (8 * (8 - scale)), scale, out);
}

/// As [`one_word`], for at most sixteen digits.
fn two_words(magnitude: u64, scale: u32, out: &mut impl Put) {
    let digits =
        u128::from(eight(magnitude / WORD_MAX)) | u128::from(eight(magnitude % WORD_MAX)) << 64;
    let zeros = (digits.trailing_zeros() / 8).min(15 - scale);
    let characters = digits + (u128::from(ZEROS) << 64 | u128::from(ZEROS));
    out.put((characters >> (8 * zeros)).to_le_bytes(), (16 - scale - zeros) as usize);
    // At most seven characters are left.
    fraction(u64::try_from(characters >> (8 * (16 - scale))).unwrap_or(0), scale, out);
}

/// Appends the point and the first `scale` of eight characters.
#[inline]
fn fraction(characters: u64, scale: u32, out: &mut impl Put) {
    out.put((characters << 8 | u64::from(b'.')).to_le_bytes(), scale as usize + 1);
}

/// Appends a decimal whose digits without sign and point are `digits`.
pub fn decimal_text(digits: &str, scale: u8, out: &mut impl Put) {
    let scale = usize::from(scale);
    let digits = digits.as_bytes();
    let whole = digits.len().saturating_sub(scale);
    let (whole_digits, fraction) = digits.split_at(whole);
    out.bytes(if whole_digits.is_empty() { b"0" } else { whole_digits });
    if scale > 0 {
        out.byte(b'.');
        for _ in fraction.len()..scale {
            out.byte(b'0');
        }
        out.bytes(fraction);
    }
}

/// Year, month and day of a number of days since 1970-01-01, from the year 1 to the year 9999.
///
/// Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms"
/// (<https://doi.org/10.1002/spe.3172>): years of centuries and months of years by multiplication.
#[inline]
const fn civil(days: i64) -> (u64, u64, u64) {
    const YEARS: u64 = 2_939_745;
    let quarters = 4 * (days + DAYS_TO_EPOCH).unsigned_abs() + 3;
    let century = quarters / CENTURIES_DAYS;
    let years = ((quarters % CENTURIES_DAYS) | 3) * YEARS;
    let day_of_year = (years & 0xffff_ffff) / YEARS / 4;
    let months = 2_141 * day_of_year + 197_913;
    let day = (months & 0xffff) / 2_141 + 1;
    // These years begin in March.
    let is_next = (day_of_year >= 306) as u64;
    (100 * century + (years >> 32) + is_next, (months >> 16) - 12 * is_next, day)
}

/// Appends `YYYY-MM-DD`.
#[inline]
pub fn date(days: i64, out: &mut impl Put) {
    const DASHES: u128 = (b'-' as u128) << 32 | (b'-' as u128) << 56;
    let (year, month, day) = civil(days);
    // Checked dates have years of four digits.
    let (century, year) = (year / 100 % 100, year % 100);
    let digits = digits_of(century | year << 16 | month << 32 | day << 48) + ZEROS;
    let (year, month, day) = (digits & 0xffff_ffff, digits >> 32 & 0xffff, digits >> 48);
    let text = u128::from(year) | u128::from(month) << 40 | u128::from(day) << 64 | DASHES;
    out.put(text.to_le_bytes(), 10);
}

/// Appends `YYYY-MM-DD hh:mm:ss` and the fraction.
#[inline]
pub fn datetime(micros: i64, digits: u8, out: &mut impl Put) {
    date(micros.div_euclid(DAY_MICROS), out);
    out.byte(b' ');
    time(micros.rem_euclid(DAY_MICROS), digits, out);
}

/// Appends a sign where needed, `hh:mm:ss` with as many hour digits as needed, and the fraction of
/// at most six digits.
#[inline]
pub fn time(micros: i64, digits: u8, out: &mut impl Put) {
    const COLONS: u64 = (b':' as u64) << 16 | (b':' as u64) << 40;
    if micros < 0 {
        out.byte(b'-');
    }
    let (seconds, micros) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    let clock = digits_of((hours % 100) | (minute << 16) | (second << 32)) + ZEROS;
    let (hour, minute, second) = (clock & 0xffff, clock >> 16 & 0xffff, clock >> 32 & 0xffff);
    let text = hour | minute << 24 | second << 48 | COLONS;
    if hours < 100 {
        out.put(text.to_le_bytes(), 8);
    } else {
        unsigned(hours, out);
        out.put((text >> 16).to_le_bytes(), 6);
    }
    if digits > 0 {
        fraction(u64::from_le_bytes(last_digits(micros, 6)), u32::from(digits.min(6)), out);
    }
}

/// Appends two lower-case hex digits per byte.
pub fn hex(bytes: &[u8], out: &mut impl Put) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.put([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]], 2);
    }
}

/// Appends a uuid's 36 characters.
pub fn uuid(bytes: &[u8], out: &mut impl Put) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.byte(b'-');
        }
        hex(std::slice::from_ref(byte), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_goes_on_day_by_day() {
        let (mut year, mut month, mut day) = (1, 1, 1);
        for days in FOUR_DIGIT_YEARS {
            assert_eq!(civil(days), (year, month, day), "{days}");
            let leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u64::from(leaps),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }

    #[test]
    fn eight_digits_are_those_of_the_number() {
        for number in (0..WORD_MAX).step_by(997).chain([WORD_MAX - 1]) {
            let text = format!("{number:08}");
            assert_eq!(last_digits(number, 8), text.as_bytes());
        }
    }
}
