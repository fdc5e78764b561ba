//! Looks for a secret where it must not be.

/// Panics when `secret` stands in `text` raw, percent-encoded or in base64.
#[track_caller]
pub fn assert_no_canary(text: &str, secret: &str) {
    let percent: String = secret
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let lower = text.to_lowercase();
    assert!(!text.contains(secret), "the secret stands in the text");
    assert!(!lower.contains(&percent.to_lowercase()), "the secret stands there percent-encoded");
    // Inside a longer base64 text a secret starts at any of three places of a group; the letters
    // that its neighbours also shape are left out.
    for shift in 0..3_usize {
        let padded = [vec![0; shift], secret.as_bytes().to_vec()].concat();
        let code = base64(&padded);
        let whole = padded.len() / 3 * 4;
        let inner = code.get(shift.div_ceil(3) * 4..whole).unwrap_or_default();
        assert!(inner.len() < 8 || !text.contains(inner), "the secret stands there in base64");
    }
}

/// Base64 without padding: <https://www.rfc-editor.org/rfc/rfc4648#section-4>.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let value = group.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            text.push(char::from(LETTERS[value >> (18 - 6 * place) & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dress_of_a_secret_is_seen() {
        let secret = "p@ss/word canary!";
        assert_eq!(base64(b"Many hands"), "TWFueSBoYW5kcw");
        let encoded = [0, 1, 2].map(|n| base64(&[&b"user:"[..n], secret.as_bytes()].concat()));
        for text in ["p%40ss%2Fword%20canary%21", "p%40ss%2fword%20canary%21", secret]
            .map(str::to_owned)
            .iter()
            .chain(&encoded)
        {
            assert!(std::panic::catch_unwind(|| assert_no_canary(text, secret)).is_err(), "{text}");
        }
        assert_no_canary("nothing to see", secret);
    }
}
