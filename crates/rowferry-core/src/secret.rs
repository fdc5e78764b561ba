//! Texts that must never be printed, and the net under everything that is.
//!
//! The first line of defence is the type: a [`Secret`] shows itself as `***`, and only a driver asks
//! for its text. The second is [`redact`]: every secret of this process is known to it from the moment
//! it is made, and whatever is about to be printed goes through it. So a secret that came out some
//! other way, in the words of a server or of a library, is blotted out as well.

use std::borrow::Cow;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A password or another text that must never be printed. `Debug` and `Display` show `***`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text, which [`redact`] keeps out of all output from now on.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        remember(&text);
        Self(text)
    }

    /// The text itself, for the driver only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLOT)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLOT)
    }
}

/// What stands in the place of a secret.
const BLOT: &str = "***";
/// Shorter texts are found in every second line. Guessed: nobody's password has three letters.
const BYTES_MIN: usize = 4;
/// A plain word or number up to this length may as well be the name of a table, or a count: in the
/// place of every one of them, `***` would break what machines read. Guessed: longer than most names.
const PLAIN_BYTES_MAX: usize = 16;
/// Letters of base64 that are sure to be the secret's: fewer could be anything's. Guessed.
const CODE_LETTERS_MIN: usize = 8;

/// Secrets that are known at once; the oldest is forgotten for one more. A job file names some tens:
/// this only bounds what a process costs that makes new ones for ever.
const KNOWN_MAX: usize = 1_000;

/// What is looked for, the longest first, so that no tail is left of one that holds another.
static KNOWN: RwLock<Vec<Known>> = RwLock::new(Vec::new());

/// `text` with every secret of this process blotted out: raw, percent-encoded, escaped or doubled as
/// in JSON, SQL and YAML, and in base64.
///
/// It is meant for what people read, some lines a second; rows never come by here.
pub fn redact(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.iter().fold(Cow::Borrowed(text), |text, secret| match secret.blotted(&text) {
        Some(clean) => Cow::Owned(clean),
        None => text,
    })
}

fn remember(text: &str) {
    if text.len() < BYTES_MIN || (text.len() <= PLAIN_BYTES_MAX && is_plain(text)) {
        return;
    }
    learn(&mut KNOWN.write().unwrap_or_else(PoisonError::into_inner), text);
}

fn learn(known: &mut Vec<Known>, text: &str) {
    if known.iter().any(|other| other.text == text) {
        return;
    }
    let number = known.iter().map(|secret| secret.number).max().map_or(0, |newest| newest + 1);
    if known.len() >= KNOWN_MAX {
        known.retain(|secret| secret.number + KNOWN_MAX as u64 > number);
    }
    let place = known.partition_point(|other| other.text.len() >= text.len());
    known.insert(place, Known::new(text, number));
}

/// A word of letters, or a number.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        || text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
}

struct Known {
    text: String,
    /// Counts secrets in the order in which they were made.
    number: u64,
    /// What base64 makes of it wherever it starts within a longer text.
    codes: Vec<String>,
}

impl Known {
    fn new(text: &str, number: u64) -> Self {
        let standard = [0, 1, 2].map(|shift| base64_inside(text.as_bytes(), shift));
        let of_urls = standard.clone().map(|code| code.replace('+', "-").replace('/', "_"));
        let mut codes: Vec<String> = standard.into_iter().chain(of_urls).collect();
        codes.retain(|code| code.len() >= CODE_LETTERS_MIN);
        codes.dedup();
        Self { text: text.to_owned(), number, codes }
    }

    /// `text` without this secret; `None` when it was not there.
    fn blotted(&self, text: &str) -> Option<String> {
        let mut clean = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some(length) = self.length_in(rest) {
                clean.push_str(text.get(copied..at).unwrap_or_default());
                clean.push_str(BLOT);
                at += length;
                copied = at;
            } else {
                at += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
        (copied > 0).then(|| clean + text.get(copied..).unwrap_or_default())
    }

    /// Bytes of the secret at the start of `text`, in whatever dress it stands there.
    fn length_in(&self, text: &str) -> Option<usize> {
        let code = || self.codes.iter().find(|code| text.starts_with(*code)).map(String::len);
        dressed(self.text.as_bytes(), text.as_bytes()).or_else(code)
    }
}

/// Bytes of `secret` at the start of `text`, each of its bytes in any spelling.
fn dressed(secret: &[u8], text: &[u8]) -> Option<usize> {
    let mut ends = vec![0];
    for byte in secret {
        let mut next: Vec<usize> = Vec::new();
        for end in ends {
            let rest = text.get(end..).unwrap_or_default();
            for length in spellings(*byte, rest) {
                if !next.contains(&(end + length)) {
                    next.push(end + length);
                }
            }
        }
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.into_iter().max()
}

/// Lengths of the spellings of `byte` that `text` starts with.
fn spellings(byte: u8, text: &[u8]) -> impl Iterator<Item = usize> {
    let hex = |from: usize| {
        let digits = text.get(from..from + 2).and_then(|digits| str::from_utf8(digits).ok());
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) == Some(byte)
    };
    let quote = matches!(byte, b'\'' | b'"' | b'`');
    let escapable = quote || matches!(byte, b'\\' | b'/');
    [
        (text.first() == Some(&byte), 1),
        (text.first() == Some(&b'%') && hex(1), 3),
        (byte == b' ' && text.first() == Some(&b'+'), 1),
        (escapable && text.starts_with(&[b'\\', byte]), 2),
        (quote && text.starts_with(&[byte, byte]), 2),
        (text.starts_with(b"\\u00") && hex(4), 6),
    ]
    .into_iter()
    .filter_map(|(found, length)| found.then_some(length))
}

/// The letters of base64 that `bytes` alone decide, `shift` bytes behind the start of a group:
/// <https://www.rfc-editor.org/rfc/rfc4648#section-4>.
fn base64_inside(bytes: &[u8], shift: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let own = bytes.get((3 - shift) % 3..).unwrap_or_default();
    let mut code = String::new();
    for group in own.chunks_exact(3) {
        let value = group.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
        for place in [18, 12, 6, 0] {
            let letter = LETTERS.get(value >> place & 63).copied();
            code.push(letter.map_or('=', char::from));
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "k%2F \"it's\\ a/Vogel`ä`";

    #[test]
    fn a_process_that_makes_secrets_for_ever_knows_the_newest() {
        let mut known = Vec::new();
        let text = |number: usize| format!("{number}-secret");
        for number in 0..KNOWN_MAX * 2 {
            learn(&mut known, &text(number));
        }
        assert_eq!(known.len(), KNOWN_MAX);
        assert!(
            (KNOWN_MAX..KNOWN_MAX * 2)
                .all(|number| { known.iter().any(|secret| secret.text == text(number)) })
        );
        assert!(known.is_sorted_by_key(|secret| std::cmp::Reverse(secret.text.len())));
    }

    #[test]
    fn every_dress_of_a_secret_is_blotted_out() {
        let secret = Secret::new(PASSWORD);
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        for (dress, text) in [
            ("raw", PASSWORD),
            ("of a URL", "k%252F%20%22it%27s%5C%20a%2FVogel%60%C3%A4%60"),
            ("of a URL in small letters", "k%252F%20%22it%27s%5c%20a%2fVogel%60%c3%a4%60"),
            ("of a form", "k%252F+%22it%27s%5C+a%2FVogel%60%C3%A4%60"),
            ("of JSON", r#"k%2F \"it's\\ a/Vogel`ä`"#),
            ("of a cautious JSON", r"k%2F \u0022it\u0027s\u005c a\/Vogel`ä`"),
            ("of SQL and YAML", "k%2F \"it''s\\ a/Vogel`ä`"),
            ("of SQL with backslashes", "k%2F \\\"it\\'s\\\\ a/Vogel`ä`"),
        ] {
            assert_eq!(redact(&format!("<{text}> <{text}>")), "<***> <***>", "{dress}");
        }
        assert_eq!(redact("k%2F and nothing more"), "k%2F and nothing more");
    }

    #[test]
    fn base64_is_found_wherever_it_starts() {
        let _secret = Secret::new("Vogel-in-the-mine");
        assert_eq!(base64_inside(b"Many hands", 0), "TWFueSBoYW5k");
        // user:, u:, us: before it: three places within a group.
        for code in [
            "dXNlcjpWb2dlbC1pbi10aGUtbWluZQ==",
            "dTpWb2dlbC1pbi10aGUtbWluZQ==",
            "dXM6Vm9nZWwtaW4tdGhlLW1pbmU=",
        ] {
            let text = format!("Basic {code}");
            let clean = redact(&text);
            assert!(clean.contains("***") && clean.len() < 24, "{clean}");
        }
    }

    #[test]
    fn words_that_anything_may_hold_are_left_alone() {
        for text in ["abc", "postgres", "changeme", "1234", "3.14", "rows_written"] {
            let _secret = Secret::new(text);
            assert_eq!(redact(text), text);
        }
        let _long = Secret::new("correcthorsebatterystaple");
        assert_eq!(redact("(correcthorsebatterystaple)"), "(***)");
    }

    #[test]
    fn nothing_is_left_of_a_secret_that_holds_another() {
        let (_short, _long) = (Secret::new("Kanari3n"), Secret::new("Kanari3nvogel"));
        assert_eq!(redact("Kanari3nvogel Kanari3n"), "*** ***");
    }

    #[test]
    fn many_signs_of_one_kind_are_matched_in_time() {
        let _secret = Secret::new("\\".repeat(60));
        assert_eq!(redact(&format!("{}x", "\\".repeat(119))).trim_start_matches("***"), "x");
    }
}
