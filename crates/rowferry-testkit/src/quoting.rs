//! Names made to break out of their quotes, and what a server makes of quoted ones.

/// A pattern of such names, for property tests.
pub const EVIL_NAMES: &str = "([\"'`\\\\;-]|--|/\\*|\\PC|[a-z ]){0,12}";

/// The text that a server reads between two `quote`s, of which a doubled one inside is one; `None`
/// when anything stands behind the last.
pub fn read_back(quoted: &str, quote: char) -> Option<String> {
    let mut rest = quoted.strip_prefix(quote)?.chars();
    let mut text = String::new();
    while let Some(sign) = rest.next() {
        match (sign == quote, rest.as_str().strip_prefix(quote)) {
            (false, _) => text.push(sign),
            (true, Some(behind)) => {
                text.push(quote);
                rest = behind.chars();
            }
            (true, None) => return rest.as_str().is_empty().then_some(text),
        }
    }
    None
}
