//! Times of day with an offset: microseconds and seconds west of UTC on the wire, text in Arrow.
//!
//! The text is the server's own (`DateStyle` ISO): `12:34:56.789+02`, with minutes and seconds of
//! the offset only where they are not zero.

use super::{calendar, rule::Rule};

/// Offsets stay below this many seconds (`TZDISP_LIMIT`).
const OFFSET_LIMIT: i32 = 16 * 3_600;
/// Bytes on the wire.
const WIRE_BYTES: usize = 12;

/// Appends the text of a field.
pub(super) fn to_text(field: &[u8], out: &mut Vec<u8>) -> Result<(), Rule> {
    let field: [u8; WIRE_BYTES] = field.try_into().map_err(|_length| Rule::LENGTH)?;
    let (micros, west) = field.split_first_chunk::<8>().ok_or(Rule::LENGTH)?;
    let micros = calendar::time_from_pg(i64::from_be_bytes(*micros))?;
    let west = i32::from_be_bytes(west.try_into().map_err(|_length| Rule::LENGTH)?);
    if west <= -OFFSET_LIMIT || west >= OFFSET_LIMIT {
        return Err(Rule::CALENDAR);
    }
    push_time(micros.unsigned_abs(), out);
    out.push(if west <= 0 { b'+' } else { b'-' });
    let offset = u64::from(west.unsigned_abs());
    push_two(offset / 3_600, out);
    let (minutes, seconds) = (offset / 60 % 60, offset % 60);
    if minutes != 0 || seconds != 0 {
        out.push(b':');
        push_two(minutes, out);
    }
    if seconds != 0 {
        out.push(b':');
        push_two(seconds, out);
    }
    Ok(())
}

fn push_time(micros: u64, out: &mut Vec<u8>) {
    let seconds = micros / 1_000_000;
    for (separator, part) in
        [(None, seconds / 3_600), (Some(b':'), seconds / 60 % 60), (Some(b':'), seconds % 60)]
    {
        out.extend(separator);
        push_two(part, out);
    }
    let mut fraction = micros % 1_000_000;
    if fraction > 0 {
        out.push(b'.');
    }
    let mut place = 100_000;
    while fraction > 0 {
        out.push(digit(fraction / place));
        fraction %= place;
        place /= 10;
    }
}

fn push_two(number: u64, out: &mut Vec<u8>) {
    out.extend([digit(number / 10), digit(number)]);
}

/// The last decimal digit.
fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or(0)
}

/// The wire form of a text for a column that keeps fractions in steps of `step` microseconds.
pub(super) fn from_text(text: &[u8], step: i64) -> Result<[u8; WIRE_BYTES], Rule> {
    let (micros, west) = parse(text).ok_or(Rule::TIME_TZ)?;
    let micros = calendar::time_to_pg(micros, step)?;
    let mut field = [0; WIRE_BYTES];
    let (head, tail) = field.split_at_mut(size_of_val(&micros));
    head.copy_from_slice(&micros.to_be_bytes());
    tail.copy_from_slice(&west.to_be_bytes());
    Ok(field)
}

/// Microseconds, and seconds west of UTC.
fn parse(text: &[u8]) -> Option<(i64, i32)> {
    let (hours, rest) = two(text)?;
    let (minutes, rest) = two(rest.strip_prefix(b":")?)?;
    let (seconds, mut rest) = two(rest.strip_prefix(b":")?)?;
    let mut fraction = 0;
    if let Some(digits) = rest.strip_prefix(b".") {
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, behind) = digits.split_at_checked(count)?;
        // The server has no more than six; without a digit the point says nothing.
        if !(1..=6).contains(&count) {
            return None;
        }
        fraction = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
            * calendar::step(u8::try_from(count).ok()?);
        rest = behind;
    }
    let (sign, rest) = rest.split_first()?;
    let (offset_hours, mut rest) = two(rest)?;
    let mut offset = offset_hours * 3_600;
    for unit in [60, 1] {
        let Some(part) = rest.strip_prefix(b":") else { break };
        let (part, behind) = two(part)?;
        offset += sixtieths(part)? * unit;
        rest = behind;
    }
    if !rest.is_empty() || offset >= OFFSET_LIMIT {
        return None;
    }
    let west = match sign {
        b'+' => -offset,
        b'-' => offset,
        _ => return None,
    };
    let seconds = hours * 3_600 + sixtieths(minutes)? * 60 + sixtieths(seconds)?;
    Some((i64::from(seconds) * 1_000_000 + fraction, west))
}

fn sixtieths(number: i32) -> Option<i32> {
    (number < 60).then_some(number)
}

/// Takes two digits off the front.
fn two(text: &[u8]) -> Option<(i32, &[u8])> {
    let ([tens, ones], rest) = text.split_first_chunk::<2>()?;
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    Some((digit(*tens)? * 10 + digit(*ones)?, rest))
}
