//! Digits of numbers, dates and times, appended to a buffer without allocating.

/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const DAYS_TO_EPOCH: i64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;
/// Microseconds in a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Powers of ten that fit a `u64`.
const POWERS: [u64; 20] = {
    let mut powers = [1_u64; 20];
    let mut index = 1;
    while index < 20 {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

fn pair(value: u64) -> [u8; 2] {
    let at = usize::try_from(value % 100).unwrap_or(0) * 2;
    [PAIRS[at], PAIRS[at + 1]]
}

/// Appends decimal digits.
pub(super) fn unsigned(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    while value >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(value));
        value /= 100;
    }
    if value >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(value));
    } else {
        at -= 1;
        digits[at] = pair(value)[1];
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a sign where needed, and decimal digits.
pub(super) fn signed(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(value.unsigned_abs(), out);
}

/// Appends exactly `width` digits, with leading zeros.
pub(super) fn padded(mut value: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut at = out.len();
    while at > start && value > 0 {
        at -= 1;
        out[at] = pair(value % 10)[1];
        value /= 10;
    }
}

/// Appends a decimal of `scale` fraction digits.
pub(super) fn decimal(value: i128, scale: u8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let magnitude = value.unsigned_abs();
    match (u64::try_from(magnitude), POWERS.get(usize::from(scale))) {
        (Ok(magnitude), Some(power)) => {
            unsigned(magnitude / power, out);
            if scale > 0 {
                out.push(b'.');
                padded(magnitude % power, usize::from(scale), out);
            }
        }
        _ => decimal_text(&magnitude.to_string(), scale, out),
    }
}

/// Appends a decimal whose digits without sign and point are `digits`.
pub(super) fn decimal_text(digits: &str, scale: u8, out: &mut Vec<u8>) {
    let scale = usize::from(scale);
    let digits = digits.as_bytes();
    let whole = digits.len().saturating_sub(scale);
    let (whole_digits, fraction) = digits.split_at(whole);
    out.extend_from_slice(if whole_digits.is_empty() { b"0" } else { whole_digits });
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale - fraction.len(), b'0');
        out.extend_from_slice(fraction);
    }
}

/// Year, month and day of a number of days since 1970-01-01.
pub(super) fn civil(days: i64) -> (i64, u64, u64) {
    let days = days + DAYS_TO_EPOCH;
    let era = days.div_euclid(ERA_DAYS);
    let day_of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

/// Appends `YYYY-MM-DD`.
pub(super) fn date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    padded(year.unsigned_abs(), 4, out);
    out.push(b'-');
    out.extend_from_slice(&pair(month));
    out.push(b'-');
    out.extend_from_slice(&pair(day));
}

/// Appends `YYYY-MM-DD hh:mm:ss` and the fraction.
pub(super) fn datetime(micros: i64, digits: u8, out: &mut Vec<u8>) {
    date(micros.div_euclid(DAY_MICROS), out);
    out.push(b' ');
    time(micros.rem_euclid(DAY_MICROS), digits, out);
}

/// Appends a sign where needed, `hh:mm:ss` with as many hour digits as needed, and the fraction.
pub(super) fn time(micros: i64, digits: u8, out: &mut Vec<u8>) {
    if micros < 0 {
        out.push(b'-');
    }
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    let hours = seconds / 3_600;
    if hours < 100 {
        out.extend_from_slice(&pair(hours));
    } else {
        unsigned(hours, out);
    }
    out.push(b':');
    out.extend_from_slice(&pair(seconds / 60 % 60));
    out.push(b':');
    out.extend_from_slice(&pair(seconds % 60));
    if digits > 0 {
        let drop = POWERS.get(usize::from(6_u8.saturating_sub(digits))).copied().unwrap_or(1);
        out.push(b'.');
        padded(micros % 1_000_000 / drop, usize::from(digits), out);
    }
}

/// Appends two lower-case hex digits per byte.
pub(super) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

/// Appends a uuid's 36 characters.
pub(super) fn uuid(bytes: &[u8], out: &mut Vec<u8>) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        hex(std::slice::from_ref(byte), out);
    }
}
