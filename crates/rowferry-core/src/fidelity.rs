//! How exactly a column arrives, and what a sink is asked and answers about it.

use serde::{Deserialize, Serialize};

use crate::{CanonicalType, Cast, CastTarget, Column, ValueLimits};

/// How values of a column arrive in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Same value, equivalent type.
    Exact,
    /// Every value arrives and can be read back, in a wider or different type.
    Widened,
    /// Exact for values in range; any other value is a row error, or what the cast says.
    Checked,
    /// Something of some values is lost: only by a cast that names the target type.
    Lossy,
}

impl Fidelity {
    /// One letter for plans: `E`, `W`, `V`, `L`. What cannot be mapped at all is a
    /// [`crate::PlanProblem`] and shown as `X`.
    pub const fn letter(self) -> char {
        match self {
            Self::Exact => 'E',
            Self::Widened => 'W',
            Self::Checked => 'V',
            Self::Lossy => 'L',
        }
    }
}

/// What a sink is asked about one column.
#[derive(Clone, Copy, Debug)]
pub struct ColumnWish<'a> {
    /// As the source has it.
    pub source: &'a Column,
    /// Name in the target.
    pub name: &'a str,
    /// The target column of that name, where the table exists and stays.
    pub existing: Option<&'a Column>,
    /// The column identifies rows: equality and order must be those of the source's bytes.
    pub in_key: bool,
    /// What the user asked for.
    pub cast: Option<&'a Cast>,
}

impl<'a> ColumnWish<'a> {
    /// A new column of the same name, without a cast.
    pub const fn plain(source: &'a Column, name: &'a str) -> Self {
        Self { source, name, existing: None, in_key: false, cast: None }
    }

    /// The target type that the cast asks for.
    pub fn cast_target(&self) -> Option<&'a CastTarget> {
        self.cast.and_then(|cast| cast.to.as_ref())
    }
}

/// A sink's answer: where the values go, and how exactly they arrive there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnChoice {
    /// The target column.
    pub column: Column,
    /// How values arrive.
    pub fidelity: Fidelity,
    /// Values are converted to this meaning before they are written; `None` = as they are read.
    pub converted: Option<CanonicalType>,
    /// For [`Fidelity::Checked`] and [`Fidelity::Lossy`]: what is checked or lost, lowercase,
    /// without full stop: `at most 20 characters`, `not NaN or infinite`.
    pub rule: Option<String>,
    /// Casts that avoid the rule, ready to be pasted: `longtext`, `else null`.
    pub options: Vec<String>,
    /// What the column holds; policies are applied to values beyond it.
    pub limits: ValueLimits,
}

impl ColumnChoice {
    /// Values go unchanged into `column`.
    pub const fn exact(column: Column) -> Self {
        Self {
            column,
            fidelity: Fidelity::Exact,
            converted: None,
            rule: None,
            options: Vec::new(),
            limits: ValueLimits::Any,
        }
    }
}
