//! What can go wrong between Arrow and COPY bytes.

use super::{ColumnCodec, rule::Rule};

/// A failure of the codec. It names the column and the row within the batch, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No exact rule leads from the Arrow values to the target column's type.
    #[error("column {column}: no exact way from {canonical} to {pg}")]
    NoEncoding {
        /// Column.
        column: String,
        /// Canonical type of the values.
        canonical: String,
        /// Type of the target column.
        pg: String,
    },
    /// Values of the server's type are not delivered as this canonical type.
    #[error("column {column}: no way from {pg} to {canonical}")]
    NoDecoding {
        /// Column.
        column: String,
        /// Type of the source column.
        pg: String,
        /// Canonical type asked for.
        canonical: String,
    },
    /// A value breaks a rule of its type.
    #[error("column {column}, row {row} of the batch: {rule}")]
    Value {
        /// Column.
        column: String,
        /// Row within the batch, from 0.
        row: usize,
        /// Which rule.
        rule: &'static str,
        /// What to do.
        next: &'static str,
        /// Whether the value is sound and only the canonical type cannot hold it, so that a wider
        /// one would: NaN in a decimal, an array of two dimensions.
        unrepresentable: bool,
    },
    /// The bytes are not a COPY binary stream of these columns.
    #[error("malformed copy stream: {rule}")]
    Stream {
        /// What is wrong with it.
        rule: &'static str,
    },
    /// The batch does not have the columns that the encoder was made for: a bug of the caller.
    #[error("batch does not fit the encoder: {0}")]
    Batch(String),
}

impl CodecError {
    /// What the user can do, as a full sentence.
    pub const fn next(&self) -> &'static str {
        match self {
            Self::NoEncoding { .. } => {
                "Change the target column's type, cast the source column, or leave the column out."
            }
            Self::NoDecoding { .. } => "Cast the column to text, or leave it out.",
            Self::Value { next, .. } => next,
            Self::Stream { .. } => {
                "The bytes do not follow the COPY binary format; check proxies between here and \
                 the server."
            }
            Self::Batch(_) => "This is a bug of rowferry; please report it.",
        }
    }

    /// Whether the column could be read after all, as [`rowferry_core::CanonicalType::demoted`].
    pub const fn is_unrepresentable(&self) -> bool {
        matches!(self, Self::Value { unrepresentable: true, .. })
    }

    /// Column and row of a value that breaks a rule.
    pub fn place(&self) -> Option<(&str, usize)> {
        match self {
            Self::Value { column, row, .. } => Some((column, *row)),
            Self::NoEncoding { .. }
            | Self::NoDecoding { .. }
            | Self::Stream { .. }
            | Self::Batch(_) => None,
        }
    }

    pub(super) fn value(column: &str, row: usize, broken: Rule) -> Self {
        Self::Value {
            column: column.to_owned(),
            row,
            rule: broken.words,
            next: broken.next,
            unrepresentable: broken.unrepresentable,
        }
    }

    pub(super) fn no_encoding(column: &ColumnCodec) -> Self {
        Self::NoEncoding {
            column: column.name.clone(),
            canonical: column.canonical.name(),
            pg: column.pg.to_string(),
        }
    }

    pub(super) fn no_decoding(column: &ColumnCodec) -> Self {
        Self::NoDecoding {
            column: column.name.clone(),
            canonical: column.canonical.name(),
            pg: column.pg.to_string(),
        }
    }
}
