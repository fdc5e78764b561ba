//! Cells in SQLite's record format: <https://www.sqlite.org/fileformat2.html#record_format>.
//!
//! ```text
//! record   varint bytes of the header, itself included; a varint per cell: its serial type; the cells' bodies
//! ```

use rowferry_core::copy_short;
use rusqlite::types::ValueRef;

use crate::affinity::Affinity;

/// Serial types of what has no body, or one of a fixed size.
const NULL: u64 = 0;
const REAL: u64 = 7;
const ZERO: u64 = 8;
const ONE: u64 = 9;
/// 2^47: from there an integer takes eight bytes.
const WHOLE_END: f64 = 140_737_488_355_328.0;
/// Of bytes and text: twice their length is added.
const BLOB: u64 = 12;
const TEXT: u64 = 13;
/// Serial type and bytes of an integer that needs so many bytes: there is no body of five or seven.
const INTEGERS: [(u64, usize); 9] =
    [(1, 1), (1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (5, 6), (6, 8), (6, 8)];

/// A column of doubles keeps those without a fraction as integers, where these take fewer bytes; read, they
/// are doubles again, and −0.0 is 0.0.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a whole number far within its ends")]
pub(super) fn as_stored(affinity: Affinity, cell: ValueRef<'_>) -> ValueRef<'_> {
    match (affinity, cell) {
        (Affinity::Real, ValueRef::Real(value))
            if value.abs() < WHOLE_END && value.fract() == 0.0 =>
        {
            ValueRef::Integer(value as i64)
        }
        (_, cell) => cell,
    }
}

/// The serial type of a cell, and the bytes of its body.
#[inline]
pub(super) fn serial(cell: ValueRef<'_>) -> (u64, usize) {
    match cell {
        ValueRef::Null => (NULL, 0),
        ValueRef::Integer(0) => (ZERO, 0),
        ValueRef::Integer(1) => (ONE, 0),
        ValueRef::Integer(value) => {
            // All bits behind the first that is not the sign, and one for the sign.
            let bits = 65 - (value ^ (value >> 63)).leading_zeros();
            INTEGERS.get(bits.div_ceil(8) as usize).copied().unwrap_or((6, 8))
        }
        ValueRef::Real(_) => (REAL, 8),
        ValueRef::Text(bytes) => (TEXT + 2 * bytes.len() as u64, bytes.len()),
        ValueRef::Blob(bytes) => (BLOB + 2 * bytes.len() as u64, bytes.len()),
    }
}

/// Writes the body of a cell to the start of `out`, which has the room that [`serial`] says.
#[inline]
pub(super) fn put_body(out: &mut [u8], cell: ValueRef<'_>) {
    match cell {
        ValueRef::Null => {}
        ValueRef::Integer(value) => {
            let bytes = value.to_be_bytes();
            let unused = bytes.len().saturating_sub(out.len());
            copy_short(out, bytes.get(unused..).unwrap_or_default());
        }
        ValueRef::Real(value) => copy_short(out, &value.to_be_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => copy_short(out, bytes),
    }
}

/// Bytes of a number in SQLite's variable length: seven bits in each, and eight in a ninth.
#[inline]
pub(super) const fn varint_bytes(value: u64) -> usize {
    match 64 - value.leading_zeros() {
        0..=7 => 1,
        8..=14 => 2,
        15..=21 => 3,
        bits @ 22..=56 => bits.div_ceil(7) as usize,
        _ => 9,
    }
}

/// Writes a number to the start of `out`, which has room for it, and returns its bytes.
#[inline]
pub(super) fn put_varint(out: &mut [u8], value: u64) -> usize {
    // Almost all serial types.
    match (u8::try_from(value), out.first_mut()) {
        (Ok(value @ 0..0x80), Some(first)) => {
            *first = value;
            1
        }
        _ => put_long_varint(out, value),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn put_long_varint(out: &mut [u8], value: u64) -> usize {
    let size = varint_bytes(value);
    let mut rest = value;
    let bytes = out.get_mut(..size).unwrap_or_default();
    let mut backwards = bytes.iter_mut().rev();
    if size == 9
        && let Some(last) = backwards.next()
    {
        *last = rest as u8;
        rest >>= 8;
    }
    let mut more = if size == 9 { 0x80 } else { 0 };
    for byte in backwards {
        *byte = (rest as u8 & 0x7f) | more;
        rest >>= 7;
        more = 0x80;
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_length_of_the_format() {
        for (value, bytes) in [
            (0, vec![0]),
            (0x7f, vec![0x7f]),
            (0x80, vec![0x81, 0]),
            (0x3fff, vec![0xff, 0x7f]),
            (0x4000, vec![0x81, 0x80, 0]),
            ((1 << 56) - 1, vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            (1 << 56, vec![0x80, 0xc0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
            (u64::MAX, vec![0xff; 9]),
        ] {
            let mut out = [0; 9];
            let size = put_varint(&mut out, value);
            assert_eq!(&out[..size], &bytes[..], "{value:#x}");
            assert_eq!(size, varint_bytes(value));
        }
    }

    #[test]
    fn an_integer_takes_the_fewest_bytes_that_hold_it() {
        for (value, expected) in [
            (0, (8, 0)),
            (1, (9, 0)),
            (-1, (1, 1)),
            (127, (1, 1)),
            (128, (2, 2)),
            (-128, (1, 1)),
            (-129, (2, 2)),
            (1 << 23, (4, 4)),
            ((1 << 23) - 1, (3, 3)),
            (1 << 31, (5, 6)),
            ((1 << 47) - 1, (5, 6)),
            (1 << 47, (6, 8)),
            (i64::MIN, (6, 8)),
            (i64::MAX, (6, 8)),
        ] {
            assert_eq!(serial(ValueRef::Integer(value)), expected, "{value}");
        }
    }
}
