//! Values of expressions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A row of an earlier statement, by the names of its columns.
pub type Row = Arc<BTreeMap<String, Value>>;

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number, never NaN nor infinite.
    Float(f64),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Value>),
    /// A row of an earlier statement.
    Row(Row),
}

impl Value {
    /// The word for its kind, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nil",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Row(_) => "a row",
        }
    }

    /// The number that it is.
    #[expect(clippy::cast_precision_loss, reason = "mixed arithmetic is that of floats")]
    pub(crate) const fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::List(_) | Self::Row(_) => None,
        }
    }

    /// The whole number that it is, be it written as a float.
    #[expect(clippy::cast_possible_truncation, reason = "the bounds of i64 are checked")]
    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            // 2^63 is the first float beyond an i64.
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 9.2e18 => {
                Some(*number as i64)
            }
            Self::Float(_)
            | Self::Null
            | Self::Bool(_)
            | Self::Text(_)
            | Self::List(_)
            | Self::Row(_) => None,
        }
    }
}

/// Its text, without quotes; lists and rows have one for messages and tests only.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            // Zero has no sign.
            Self::Float(value) => write!(f, "{}", value + 0.0),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => write!(f, "a list of {}", values.len()),
            Self::Row(row) => write!(f, "a row of {} columns", row.len()),
        }
    }
}
