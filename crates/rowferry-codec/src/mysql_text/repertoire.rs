//! Which characters a character set has.

/// The characters that a column's character set can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repertoire {
    /// Every character (`utf8mb4`).
    All,
    /// U+0000 to U+FFFF (`utf8mb3`, `ucs2`).
    Basic,
    /// Those of code page 1252, and U+0081, U+008D, U+008F, U+0090, U+009D: what the servers call
    /// `latin1`.
    Latin1,
    /// U+0000 to U+007F.
    Ascii,
    /// Those of another character set: the server alone knows them, and refuses the others.
    Server,
}

/// Characters of code page 1252 beyond U+00FF
/// (<https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1252.TXT>).
const CP1252: &str = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ";

impl Repertoire {
    /// Whether the character set has every character of `text`.
    #[inline]
    pub fn has(self, text: &str) -> bool {
        match self {
            Self::All | Self::Server => true,
            // Only characters beyond U+FFFF begin with such a byte.
            Self::Basic => text.bytes().all(|byte| byte < 0xF0),
            Self::Ascii => text.is_ascii(),
            Self::Latin1 => text.is_ascii() || text.chars().all(latin1),
        }
    }
}

fn latin1(sign: char) -> bool {
    match sign {
        '\u{80}'..='\u{9F}' => {
            matches!(sign, '\u{81}' | '\u{8D}' | '\u{8F}' | '\u{90}' | '\u{9D}')
        }
        '\0'..='\u{FF}' => true,
        other => CP1252.contains(other),
    }
}
