//! A password that holds everything, in the dress of each form it is given in; and a search for it
//! where it must not be.

use std::path::Path;

/// Panics when `secret` stands in `text` raw, percent-encoded or in base64.
#[track_caller]
pub fn assert_no_canary(text: &str, secret: &str) {
    let percent = percent_encoded(secret);
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

/// A password with every printable ASCII sign, the ones that some form escapes among them, and letters
/// of other alphabets.
#[derive(Clone, Debug)]
pub struct Canary(String);

/// Characters of a piece that stands in no text by chance.
const PIECE_CHARS: usize = 8;

impl Default for Canary {
    fn default() -> Self {
        // Not at its start, where `env:` and the like are looked for, nor with a space at an end.
        Self(('!'..='~').chain(" äß€Ж".chars()).collect())
    }
}

impl Canary {
    /// As it is.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// For a URL.
    pub fn in_url(&self) -> String {
        percent_encoded(&self.0)
    }

    /// As a value of libpq's key-value form, with its quotes.
    pub fn in_libpq(&self) -> String {
        format!("'{}'", self.0.replace('\\', r"\\").replace('\'', r"\'"))
    }

    /// As a value of an ADO.NET string, with its quotes.
    pub fn in_dotnet(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }

    /// As a scalar of YAML, a literal of PostgreSQL or of SQLite, with its quotes.
    pub fn doubled(&self) -> String {
        format!("'{}'", self.0.replace('\'', "''"))
    }

    /// As a literal of MySQL and MariaDB, with its quotes.
    pub fn in_mysql(&self) -> String {
        format!("'{}'", self.0.replace('\\', r"\\").replace('\'', "''"))
    }

    /// Panics when it, or a piece of it, stands in `text` in any dress.
    #[track_caller]
    pub fn assert_absent(&self, what: &str, text: &str) {
        let seen = std::panic::catch_unwind(|| assert_no_canary(text, &self.0));
        assert!(seen.is_ok(), "{what}:\n{text}");
        let chars: Vec<char> = self.0.chars().collect();
        for piece in chars.windows(PIECE_CHARS) {
            let piece: String = piece.iter().collect();
            let coded = percent_encoded(&piece);
            assert!(!text.contains(&piece), "{what}: {piece} of the secret stands in it:\n{text}");
            assert!(
                coded == piece || !text.contains(&coded),
                "{what}: {coded} stands in it:\n{text}"
            );
        }
    }

    /// Looks into every file below `folder` but those of the given names; counts them.
    #[track_caller]
    pub fn assert_in_no_file(&self, folder: &Path, except: &[&str]) -> usize {
        let mut looked_at = 0;
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                looked_at += self.assert_in_no_file(&path, except);
            } else if !except.iter().any(|except| name == *except) {
                let bytes = std::fs::read(&path).unwrap_or_default();
                self.assert_absent(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
                looked_at += 1;
            }
        }
        looked_at
    }
}

/// Everything but letters, digits and `-._~`.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encoded).collect()
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

    #[test]
    fn a_piece_is_seen_too() {
        let canary = Canary::default();
        for text in ["host EFGHIJKL of", "%2A%2B%2C-.%2F01", "at 56789:;<=>"] {
            let seen = std::panic::catch_unwind(|| canary.assert_absent("", text));
            assert!(seen.is_err(), "{text}");
        }
        canary.assert_absent("", "ABCDEFG is too little");
    }
}
