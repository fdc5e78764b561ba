//! PostgreSQL's numeric: base-10000 groups with a weight, a sign and a display scale.
//!
//! Never rounds. The display scale that is sent is always the value's own scale, because the server
//! cuts digits that a smaller one would hide.

use arrow_buffer::i256;

use super::{
    rule::Rule,
    short_numeric::{ShortForm, short_digits, short_groups, short_shift, split_lowest},
};

pub(super) const POSITIVE: u16 = 0x0000;
pub(super) const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const PLUS_INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;

/// Digits of an `i128`, and one group for the part after the point.
const GROUPS: usize = 11;
/// Most digits behind the point (`NUMERIC_DSCALE_MASK`).
const FRACTION_DIGITS_MAX: usize = 16_383;
/// Most digits before the point (`NUMERIC_WEIGHT_MAX` groups of four).
const INTEGER_DIGITS_MAX: usize = 131_072;

/// 10^n for n up to 38.
pub(super) const fn pow10(exponent: u32) -> Option<u128> {
    10_u128.checked_pow(exponent)
}

struct Wire<'a> {
    weight: i32,
    sign: u16,
    dscale: u16,
    /// Big-endian groups.
    groups: &'a [u8],
}

impl<'a> Wire<'a> {
    #[inline]
    fn parse(field: &'a [u8]) -> Result<Self, Rule> {
        let Some((&[n0, n1, w0, w1, s0, s1, d0, d1], groups)) = field.split_first_chunk::<8>()
        else {
            return Err(Rule::LENGTH);
        };
        if groups.len() != usize::from(u16::from_be_bytes([n0, n1])) * 2 {
            return Err(Rule::LENGTH);
        }
        Ok(Self {
            weight: i32::from(i16::from_be_bytes([w0, w1])),
            sign: u16::from_be_bytes([s0, s1]),
            dscale: u16::from_be_bytes([d0, d1]),
            groups,
        })
    }

    #[inline]
    fn is_negative(&self) -> Result<bool, Rule> {
        match self.sign {
            POSITIVE => Ok(false),
            NEGATIVE => Ok(true),
            NAN | PLUS_INFINITY | MINUS_INFINITY => Err(Rule::NOT_FINITE),
            _ => Err(Rule::NUMERIC_FORM),
        }
    }

    #[inline]
    fn groups(&self) -> impl Iterator<Item = u16> + '_ {
        self.groups.as_chunks::<2>().0.iter().map(|group| u16::from_be_bytes(*group))
    }

    /// Sets a last group aside whose zeros reach beyond `exponent` = 0: the groups before it, its
    /// digits within the scale, and the exponent of the groups before it.
    fn split_last(
        &self,
        exponent: i32,
    ) -> Result<(impl Iterator<Item = u16> + '_, u128, i32), Rule> {
        let groups = self.groups.as_chunks::<2>().0;
        let (before, last, exponent) = match (groups.split_last(), exponent) {
            (Some((last, before)), -3..=-1) => {
                let group = u128::from(u16::from_be_bytes(*last));
                let power = 10_u128.pow(exponent.unsigned_abs());
                if group > 9_999 {
                    return Err(Rule::NUMERIC_FORM);
                }
                if !group.is_multiple_of(power) {
                    return Err(Rule::SCALE);
                }
                (before, group / power, exponent + 4)
            }
            _ => (groups, 0, exponent),
        };
        Ok((before.iter().map(|group| u16::from_be_bytes(*group)), last, exponent))
    }

    /// Power of ten of the last group's last digit.
    #[inline]
    fn exponent(&self) -> i32 {
        // A field's length is an i32, and so is the number of its groups.
        let groups = i32::try_from(self.groups.len() / 2).unwrap_or(i32::MAX);
        4 * (self.weight - groups + 1)
    }
}

/// The value times 10^`scale`, below `limit` = 10^precision.
#[inline]
pub(super) fn to_i128(field: &[u8], scale: u8, limit: u128) -> Result<i128, Rule> {
    let wire = Wire::parse(field)?;
    let negative = wire.is_negative()?;
    let unsigned = match short_groups(field, wire.groups.len() / 2) {
        Some(groups) => short_shift(short_digits(groups)?, wire.exponent() + i32::from(scale))?,
        None => long_unsigned(&wire, scale)?,
    };
    if unsigned >= limit {
        return Err(Rule::PRECISION);
    }
    let value = i128::try_from(unsigned).map_err(|_above| Rule::PRECISION)?;
    Ok(if negative { -value } else { value })
}

/// As [`to_i128`], without sign and limit, for more than four groups.
fn long_unsigned(wire: &Wire<'_>, scale: u8) -> Result<u128, Rule> {
    // The last group may reach beyond the scale, and with its zeros beyond 128 bits.
    let (groups, last, exponent) = wire.split_last(wire.exponent() + i32::from(scale))?;
    let mut digits = 0_u128;
    for group in groups {
        if group > 9_999 {
            return Err(Rule::NUMERIC_FORM);
        }
        digits = digits
            .checked_mul(10_000)
            .and_then(|digits| digits.checked_add(u128::from(group)))
            .ok_or(Rule::PRECISION)?;
    }
    wide_shift(digits, exponent)?.checked_add(last).ok_or(Rule::PRECISION)
}

pub(super) fn wide_shift(digits: u128, exponent: i32) -> Result<u128, Rule> {
    if digits == 0 {
        return Ok(0);
    }
    let power = pow10(exponent.unsigned_abs());
    if exponent >= 0 {
        return power.and_then(|power| digits.checked_mul(power)).ok_or(Rule::PRECISION);
    }
    match power {
        Some(power) if digits.is_multiple_of(power) => Ok(digits / power),
        _ => Err(Rule::SCALE),
    }
}

/// As [`to_i128`], for more than 38 digits.
pub(super) fn to_i256(field: &[u8], precision: u8, scale: u8) -> Result<i256, Rule> {
    let wire = Wire::parse(field)?;
    let negative = wire.is_negative()?;
    let exponent = wire.exponent() + i32::from(scale);
    let (groups, last, exponent) = wire.split_last(exponent)?;
    let mut digits = i256::ZERO;
    for group in groups {
        if group > 9_999 {
            return Err(Rule::NUMERIC_FORM);
        }
        digits = digits
            .checked_mul(i256::from_i128(10_000))
            .and_then(|digits| digits.checked_add(i256::from_i128(i128::from(group))))
            .ok_or(Rule::PRECISION)?;
    }
    let ten = i256::from_i128(10);
    let power = ten.checked_pow(exponent.unsigned_abs());
    let value = match power {
        _ if digits == i256::ZERO => digits,
        Some(power) if exponent >= 0 => digits.checked_mul(power).ok_or(Rule::PRECISION)?,
        None if exponent >= 0 => return Err(Rule::PRECISION),
        Some(power) if digits.checked_rem(power) == Some(i256::ZERO) => digits.wrapping_div(power),
        _ => return Err(Rule::SCALE),
    };
    let last = i256::from_i128(i128::try_from(last).unwrap_or(0));
    let value = value.checked_add(last).ok_or(Rule::PRECISION)?;
    match ten.checked_pow(u32::from(precision)) {
        Some(limit) if value < limit => Ok(if negative { value.wrapping_neg() } else { value }),
        _ => Err(Rule::PRECISION),
    }
}

/// Plain notation with all digits of the display scale; `NaN`, `Infinity`, `-Infinity`.
pub(super) fn to_text(field: &[u8], out: &mut Vec<u8>) -> Result<(), Rule> {
    let wire = Wire::parse(field)?;
    let special: Option<&[u8]> = match wire.sign {
        NAN => Some(b"NaN"),
        PLUS_INFINITY => Some(b"Infinity"),
        MINUS_INFINITY => Some(b"-Infinity"),
        _ => None,
    };
    if let Some(word) = special {
        out.extend_from_slice(word);
        return Ok(());
    }
    if wire.is_negative()? {
        out.push(b'-');
    }
    let mut groups = wire.groups();
    let integer_start = out.len();
    for _ in 0..=wire.weight.max(-1) {
        push_group(groups.next().unwrap_or(0), out)?;
    }
    let digits = out.get(integer_start..).unwrap_or_default();
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    out.drain(integer_start..integer_start + zeros);
    if out.len() == integer_start {
        out.push(b'0');
    }
    if wire.dscale > 0 {
        out.push(b'.');
    }
    let fraction_start = out.len();
    let fraction_end = fraction_start + usize::from(wire.dscale);
    // Groups between the point and the first one that was sent.
    for _ in wire.weight..-1 {
        if out.len() >= fraction_end {
            break;
        }
        push_group(0, out)?;
    }
    for group in groups {
        push_group(group, out)?;
    }
    let hidden = out.get(fraction_end..).unwrap_or_default();
    if hidden.iter().any(|digit| *digit != b'0') {
        return Err(Rule::NUMERIC_FORM);
    }
    out.resize(fraction_end, b'0');
    Ok(())
}

fn push_group(group: u16, out: &mut Vec<u8>) -> Result<(), Rule> {
    if group > 9_999 {
        return Err(Rule::NUMERIC_FORM);
    }
    for power in [1_000, 100, 10, 1] {
        // A digit is at most 9.
        out.push(b'0' + u8::try_from(group / power % 10).unwrap_or(0));
    }
    Ok(())
}

/// What a target column takes: digits before the point and digits behind it, either of which may be
/// negative. `None` = anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit(Option<(i32, i32)>);

impl Fit {
    pub(super) fn of(precision_scale: Option<(u16, i16)>) -> Self {
        Self(
            precision_scale.map(|(precision, scale)| {
                (i32::from(precision) - i32::from(scale), i32::from(scale))
            }),
        )
    }

    /// Whether every decimal of this precision and scale fits.
    pub(super) fn takes_all(self, precision: u8, scale: u8) -> bool {
        self.0.is_none_or(|(before, behind)| {
            behind >= i32::from(scale) && before >= i32::from(precision) - i32::from(scale)
        })
    }

    /// Checks `unsigned` × 10^−`scale`.
    pub(super) fn check(self, unsigned: u128, scale: u8) -> Result<(), Rule> {
        let Some((before, behind)) = self.0 else { return Ok(()) };
        if unsigned == 0 {
            return Ok(());
        }
        let scale = i32::from(scale);
        if let Ok(excess) = u32::try_from(scale - behind)
            && pow10(excess).is_none_or(|power| !unsigned.is_multiple_of(power))
        {
            return Err(Rule::SCALE);
        }
        match u32::try_from(before + scale) {
            Ok(digits) if pow10(digits).is_none_or(|limit| unsigned < limit) => Ok(()),
            _ => Err(Rule::PRECISION),
        }
    }

    /// Checks decimal digits before and behind the point.
    fn check_digits(self, integer: &[u8], fraction: &[u8]) -> Result<(), Rule> {
        let Some((before, behind)) = self.0 else { return Ok(()) };
        let length = |digits: &[u8]| i32::try_from(digits.len()).unwrap_or(i32::MAX);
        let mut places = integer.iter().chain(fraction).enumerate();
        let Some((first, _)) = places.find(|(_, digit)| **digit != b'0') else { return Ok(()) };
        let last = places.filter(|(_, digit)| **digit != b'0').last().map_or(first, |(at, _)| at);
        let place = |at: usize| length(integer) - i32::try_from(at).unwrap_or(i32::MAX);
        if place(first) > before {
            Err(Rule::PRECISION)
        } else if place(last) <= -behind {
            Err(Rule::SCALE)
        } else {
            Ok(())
        }
    }
}

/// Appends `value` × 10^−`scale` in wire form.
pub(super) fn from_i128(value: i128, scale: u8, out: &mut Vec<u8>) {
    match ShortForm::new(scale).field(value) {
        Some(short) => {
            out.extend_from_slice(&short.head.to_be_bytes());
            let groups = short.groups.to_be_bytes();
            let (_, sent) = groups.split_at(groups.len() - short.group_bytes());
            out.extend_from_slice(sent);
        }
        None => from_long(value, scale, out),
    }
}

/// As [`from_i128`], for any value.
pub(super) fn from_long(value: i128, scale: u8, out: &mut Vec<u8>) {
    let sign = if value < 0 { NEGATIVE } else { POSITIVE };
    let unsigned = value.unsigned_abs();
    let mut groups = [0_u16; GROUPS];
    let used = match u64::try_from(unsigned) {
        Ok(unsigned) => split_small(unsigned, scale, &mut groups),
        Err(_) => split_wide(unsigned, scale, &mut groups),
    };
    // Groups lie lowest first; those at either end that are zero are not sent.
    let groups = groups.get(..used).unwrap_or_default();
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    let sent = groups.get(zeros..).unwrap_or_default();
    let behind = i16::from(scale).div_euclid(4) + i16::from(!scale.is_multiple_of(4));
    let count = u16::try_from(sent.len()).unwrap_or(0);
    let weight = if sent.is_empty() { 0 } else { i16::try_from(used).unwrap_or(0) - behind - 1 };
    let sign = if sent.is_empty() { POSITIVE } else { sign };
    let mut field = [0_u8; 8 + 2 * GROUPS];
    if let Some((head, tail)) = field.split_first_chunk_mut::<8>() {
        let [n0, n1] = count.to_be_bytes();
        let [w0, w1] = weight.to_be_bytes();
        let [s0, s1] = sign.to_be_bytes();
        *head = [n0, n1, w0, w1, s0, s1, 0, scale];
        for (slot, group) in tail.as_chunks_mut::<2>().0.iter_mut().zip(sent.iter().rev()) {
            *slot = group.to_be_bytes();
        }
    }
    // One copy of a constant size is cheaper than one of a few bytes.
    let end = out.len() + 8 + 2 * sent.len();
    out.extend_from_slice(&field);
    out.truncate(end);
}

/// Splits into groups, lowest first, and returns how many; the highest one is not zero. The lowest
/// group is filled up with zeros behind the scale's last digit.
#[inline]
fn split_small(unsigned: u64, scale: u8, groups: &mut [u16; GROUPS]) -> usize {
    let (mut rest, mut group) = split_lowest(unsigned, scale);
    let mut used = 0;
    for slot in groups {
        if rest == 0 && group == 0 {
            break;
        }
        *slot = u16::try_from(group).unwrap_or(0);
        used += 1;
        group = rest % 10_000;
        rest /= 10_000;
    }
    used
}

/// As [`split_small`]. Limbs of 10^16 keep the many small divisions in 64 bits.
fn split_wide(unsigned: u128, scale: u8, groups: &mut [u16; GROUPS]) -> usize {
    const LIMB: u128 = 10_000_000_000_000_000;
    let (divisor, factor) = match scale % 4 {
        1 => (10, 1_000),
        2 => (100, 100),
        3 => (1_000, 10),
        _ => (10_000, 1),
    };
    let mut rest = unsigned / divisor;
    let (first, others) = groups.split_at_mut(1);
    first.fill(u16::try_from(unsigned % divisor * factor).unwrap_or(0));
    let mut used = 1;
    for limb_groups in others.chunks_mut(4) {
        let mut limb = u64::try_from(rest % LIMB).unwrap_or(0);
        rest /= LIMB;
        for slot in limb_groups {
            if rest == 0 && limb == 0 {
                return used;
            }
            *slot = u16::try_from(limb % 10_000).unwrap_or(0);
            limb /= 10_000;
            used += 1;
        }
    }
    used
}

/// Appends a value of more than 38 digits.
pub(super) fn from_i256(value: i256, scale: u8, fit: Fit, out: &mut Vec<u8>) -> Result<(), Rule> {
    let text = value.to_string();
    let digits = text.strip_prefix('-').unwrap_or(&text).as_bytes();
    let scale = usize::from(scale);
    // Zeros in front, so that the point always lies within the digits.
    let mut padded = vec![b'0'; scale.saturating_sub(digits.len())];
    padded.extend_from_slice(digits);
    let (integer, fraction) = padded.split_at(padded.len() - scale);
    fit.check_digits(integer, fraction)?;
    from_digits(text.starts_with('-'), integer, fraction, out);
    Ok(())
}

/// Appends a number in plain notation, or one of the special words.
pub(super) fn from_text(text: &[u8], fit: Fit, out: &mut Vec<u8>) -> Result<(), Rule> {
    let special = match text {
        b"NaN" => Some(NAN),
        b"Infinity" => Some(PLUS_INFINITY),
        b"-Infinity" => Some(MINUS_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        if fit.0.is_some() && sign != NAN {
            return Err(Rule::NO_INFINITY);
        }
        push_head(0, 0, sign, 0, out);
        return Ok(());
    }
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        _ => (false, text),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let (integer, fraction) = match point {
        Some(point) => {
            let (integer, rest) = digits.split_at(point);
            (integer, rest.get(1..).unwrap_or_default())
        }
        None => (digits, &digits[..0]),
    };
    let plain = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if integer.is_empty() || point.is_some() == fraction.is_empty() {
        return Err(Rule::DECIMAL_TEXT);
    }
    if !plain(integer) || !plain(fraction) {
        return Err(Rule::DECIMAL_TEXT);
    }
    if fraction.len() > FRACTION_DIGITS_MAX {
        return Err(Rule::SCALE);
    }
    let zeros = integer.iter().take_while(|digit| **digit == b'0').count();
    if integer.len() - zeros > INTEGER_DIGITS_MAX {
        return Err(Rule::PRECISION);
    }
    fit.check_digits(integer, fraction)?;
    from_digits(negative, integer, fraction, out);
    Ok(())
}

fn from_digits(negative: bool, integer: &[u8], fraction: &[u8], out: &mut Vec<u8>) {
    let zeros = integer.iter().take_while(|digit| **digit == b'0').count();
    let integer = integer.get(zeros..).unwrap_or_default();
    let group = |digits: &[u8]| {
        digits.iter().fold(0_u16, |group, digit| group * 10 + u16::from(digit - b'0'))
    };
    let mut groups: Vec<u16> = integer.rchunks(4).rev().map(group).collect();
    let before = i16::try_from(groups.len()).unwrap_or(i16::MAX);
    for digits in fraction.chunks(4) {
        let missing = 4 - u32::try_from(digits.len()).unwrap_or(4);
        groups.push(group(digits) * 10_u16.pow(missing));
    }
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let end = groups.iter().rposition(|group| *group != 0).map_or(leading, |last| last + 1);
    let sent = groups.get(leading..end).unwrap_or_default();
    let weight = before - 1 - i16::try_from(leading).unwrap_or(0);
    let dscale = u16::try_from(fraction.len()).unwrap_or(0);
    if sent.is_empty() {
        return push_head(0, 0, POSITIVE, dscale, out);
    }
    let sign = if negative { NEGATIVE } else { POSITIVE };
    push_head(u16::try_from(sent.len()).unwrap_or(0), weight, sign, dscale, out);
    out.extend(sent.iter().flat_map(|group| group.to_be_bytes()));
}

fn push_head(count: u16, weight: i16, sign: u16, dscale: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&dscale.to_be_bytes());
}
