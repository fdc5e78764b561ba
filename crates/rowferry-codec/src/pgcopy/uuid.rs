//! UUIDs as text: 36 characters, lower case, hyphens after 8, 12, 16 and 20 digits.

/// Bytes of a uuid as text.
pub(super) const TEXT_BYTES: usize = 36;

/// Whether a hyphen stands before this byte.
const fn hyphen_before(byte: usize) -> bool {
    matches!(byte, 4 | 6 | 8 | 10)
}

pub(super) fn to_text(uuid: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (index, byte) in uuid.iter().enumerate() {
        if hyphen_before(index) {
            out.push(b'-');
        }
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// The uuid that `text` spells in exactly this form; `None` for any other spelling.
pub(super) fn from_text(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != TEXT_BYTES {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = text.iter().copied();
    let mut uuid = [0_u8; 16];
    for (index, slot) in uuid.iter_mut().enumerate() {
        if hyphen_before(index) && bytes.next()? != b'-' {
            return None;
        }
        *slot = digit(bytes.next()?)? << 4 | digit(bytes.next()?)?;
    }
    Some(uuid)
}
