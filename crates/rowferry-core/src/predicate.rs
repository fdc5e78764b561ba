//! One comparison of a column with a literal: the only filter of this version.

use serde::{Deserialize, Serialize};

/// Comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The operator as every SQL dialect writes it.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// A literal of a filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// Plain decimal notation, checked to hold only sign, digits and one point.
    Number(String),
    /// Characters between quotes, unescaped.
    Text(String),
    /// True or false.
    Boolean(bool),
}

/// `column op literal`. Rows for which it is NULL are left out, as SQL does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Predicate {
    /// Source column.
    pub column: String,
    /// Operator.
    pub comparison: Comparison,
    /// Right-hand side.
    pub literal: Literal,
}
