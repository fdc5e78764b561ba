//! The rules that a value can break, by name and never by value.

/// Why a value cannot stand in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Not a number.
    Nan,
    /// `infinity` or `-infinity`, of a number, a date or a timestamp.
    Infinite,
    /// Less than the least or more than the greatest value.
    Range,
    /// More digits before the point than the column has.
    Digits,
    /// More digits after the point than the column has, of a number or of a second.
    Fraction,
    /// Too many characters.
    Characters,
    /// Too many bytes, or too few of a fixed length.
    Bytes,
    /// The character U+0000.
    Nul,
    /// A character beyond U+FFFF.
    Supplementary,
    /// Blanks at the end.
    TrailingBlank,
    /// None of the column's words.
    Label,
    /// MySQL's zero date.
    ZeroDate,
    /// Neither 0 nor 1.
    Boolean,
    /// A length of time with months or days.
    Calendar,
    /// Not written as the target's type is.
    Form,
    /// A list element that JSON has no word for.
    Element,
    /// No JSON.
    Json,
    /// An escape in JSON that is half of a surrogate pair.
    Surrogate,
    /// A cell of another class than the column was cast to.
    Class,
    /// A row with more bytes than the job allows; the column has most of them.
    RowBytes,
}

impl Rule {
    /// The rule in a few lowercase words, for messages, counts and the quarantine table.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Nan => "NaN",
            Self::Infinite => "infinite",
            Self::Range => "out of range",
            Self::Digits => "too many digits",
            Self::Fraction => "too many fraction digits",
            Self::Characters => "too many characters",
            Self::Bytes => "wrong number of bytes",
            Self::Nul => "character U+0000",
            Self::Supplementary => "character beyond U+FFFF",
            Self::TrailingBlank => "blanks at the end",
            Self::Label => "not a label",
            Self::ZeroDate => "zero date",
            Self::Boolean => "neither 0 nor 1",
            Self::Calendar => "has months or days",
            Self::Form => "not written as the type asks",
            Self::Element => "NaN or infinite list element",
            Self::Json => "not valid JSON",
            Self::Surrogate => "half of a surrogate pair",
            Self::Class => "cell of another class",
            Self::RowBytes => "row with too many bytes",
        }
    }
}

/// A value that cannot stand in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Misfit {
    /// Row of the batch.
    pub row: usize,
    /// What it breaks.
    pub rule: Rule,
}
