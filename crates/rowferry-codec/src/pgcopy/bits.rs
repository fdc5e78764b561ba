//! Bit strings: a bit count, and the bits with the first one in the highest place of the first byte.

use super::rule::Rule;

/// Takes the bit count off a field; the packed bytes have exactly its length.
fn split(field: &[u8]) -> Result<(usize, &[u8]), Rule> {
    let (count, packed) = field.split_first_chunk::<4>().ok_or(Rule::LENGTH)?;
    let count = usize::try_from(i32::from_be_bytes(*count)).map_err(|_negative| Rule::BIT_FORM)?;
    if packed.len() == count.div_ceil(8) { Ok((count, packed)) } else { Err(Rule::LENGTH) }
}

/// The number of exactly `bits` bits, 64 at most.
pub(super) fn to_number(field: &[u8], bits: u8) -> Result<u64, Rule> {
    let (count, packed) = split(field)?;
    if count != usize::from(bits) || count > 64 {
        return Err(Rule::LENGTH);
    }
    let number = packed.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(number >> (packed.len() * 8 - count))
}

/// Appends `value` as a bit string of `bits` bits.
pub(super) fn from_number(value: u64, bits: u8, out: &mut Vec<u8>) -> Result<(), Rule> {
    let free = 64 - u32::from(bits);
    let aligned = value.checked_shl(free).unwrap_or(0);
    if aligned.checked_shr(free).unwrap_or(0) != value {
        return Err(Rule::BITS);
    }
    out.extend_from_slice(&u32::from(bits).to_be_bytes());
    let bytes = usize::from(bits).div_ceil(8);
    out.extend_from_slice(aligned.to_be_bytes().get(..bytes).unwrap_or_default());
    Ok(())
}

/// Appends one digit per bit. `bits` is the count of a column that has one.
pub(super) fn to_text(field: &[u8], bits: Option<u32>, out: &mut Vec<u8>) -> Result<(), Rule> {
    let (count, packed) = split(field)?;
    if bits.is_some_and(|bits| usize::try_from(bits) != Ok(count)) {
        return Err(Rule::LENGTH);
    }
    let end = out.len() + count;
    for byte in packed {
        out.extend((0..8).rev().map(|place| b'0' + (byte >> place & 1)));
    }
    out.truncate(end);
    Ok(())
}

/// How many bits a column takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Exactly(u32),
    UpTo(u32),
    Any,
}

/// Appends a text of `0` and `1` in wire form.
pub(super) fn from_text(text: &[u8], count: Count, out: &mut Vec<u8>) -> Result<(), Rule> {
    let length = u32::try_from(text.len()).map_err(|_long| Rule::BIT_COUNT)?;
    let fits = match count {
        Count::Exactly(bits) => length == bits,
        Count::UpTo(bits) => length <= bits,
        Count::Any => true,
    };
    if !text.iter().all(|digit| matches!(digit, b'0' | b'1')) {
        return Err(Rule::BIT_TEXT);
    }
    if !fits {
        return Err(Rule::BIT_COUNT);
    }
    out.extend_from_slice(&length.to_be_bytes());
    for digits in text.chunks(8) {
        let byte = digits.iter().fold(0_u8, |byte, digit| byte << 1 | (digit & 1));
        out.push(byte << (8 - digits.len()));
    }
    Ok(())
}
