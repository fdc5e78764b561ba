//! How the values of one column cross: in the binary form of their type, or as the server's text.
//!
//! ```text
//!            as bytes (wire)                     as batches
//!  reading   c, or c::text for text_only         c where the codec knows the type, else c::text
//!  writing   into c, or as text for text_only    into c where the codec knows a rule, else as text
//! ```
//!
//! A value that arrives as text goes into a column of type text of the session's buffer, and from
//! there by a cast into its own.

use rowferry_codec::pgcopy::{PgType, can_decode, can_encode};
use rowferry_core::{CanonicalType, Column, ColumnPlan};

use crate::sql;
use crate::types::Words;

/// The form in which a column's values cross.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the binary form of this type.
    Binary(PgType),
    /// As text.
    Text,
}

impl Way {
    /// The codec's type of what crosses.
    pub(crate) fn pg_type(self) -> PgType {
        match self {
            Self::Binary(pg) => pg,
            Self::Text => PgType::Text,
        }
    }
}

/// How a batch gets the values of `column`; `None` when nothing delivers its canonical type.
pub(crate) fn reading(column: &Column) -> Option<Way> {
    let canonical = column.canonical.as_ref()?;
    match Words::to_read(money_digits(canonical)).pg_type(column) {
        Some(pg) if can_decode(canonical, &pg) => Some(Way::Binary(pg)),
        _ => is_text(canonical).then_some(Way::Text),
    }
}

/// A money column was given a meaning by the digits of its database.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these hold money")]
fn money_digits(canonical: &CanonicalType) -> u8 {
    match canonical {
        CanonicalType::Decimal { scale, .. } => *scale,
        CanonicalType::List { element } => money_digits(element),
        _ => 0,
    }
}

/// How the values of a batch get into the target's column; `None` when there is no exact rule.
pub(crate) fn writing(words: &Words, column: &ColumnPlan) -> Option<Way> {
    into_column(words, column.written()?, &column.target)
}

/// The same for values of a meaning.
pub(crate) fn into_column(words: &Words, written: &CanonicalType, target: &Column) -> Option<Way> {
    match words.pg_type(target) {
        Some(pg) if can_encode(written, &pg) => Some(Way::Binary(pg)),
        _ => is_text(written).then_some(Way::Text),
    }
}

/// Whether values of this meaning travel as text.
fn is_text(canonical: &CanonicalType) -> bool {
    can_encode(canonical, &PgType::Text) && canonical.arrow() == arrow_schema::DataType::Utf8
}

/// The expression that a read of `column` selects.
pub(crate) fn selected(column: &Column, wire: bool) -> String {
    let name = format!("t.{}", sql::quote(&column.name));
    let as_text = if wire { column.native.text_only } else { reading(column) == Some(Way::Text) };
    if as_text { format!("{name}::pg_catalog.text") } else { name }
}
