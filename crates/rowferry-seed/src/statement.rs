//! A script: its sections, their statements, and what each takes. Plain values.

use std::fmt;

use crate::expression::Expression;

/// A configuration of one end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// Globals in their order; each may use those before it.
    pub globals: Vec<(String, Expression)>,
    /// Statements that make tables.
    pub up: Vec<Statement>,
    /// Statements that fill them.
    pub seed: Vec<Statement>,
    /// Statements that empty them.
    pub deseed: Vec<Statement>,
    /// Statements that take them away.
    pub down: Vec<Statement>,
}

/// A section of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of a script")]
pub enum SectionName {
    Up,
    Seed,
    Deseed,
    Down,
}

impl fmt::Display for SectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Seed => "seed",
            Self::Deseed => "deseed",
            Self::Down => "down",
        })
    }
}

impl Script {
    /// The statements of a section.
    pub fn section(&self, name: SectionName) -> &[Statement] {
        match name {
            SectionName::Up => &self.up,
            SectionName::Seed => &self.seed,
            SectionName::Deseed => &self.deseed,
            SectionName::Down => &self.down,
        }
    }
}

/// A statement of a section.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its name, under which later ones refer to its rows.
    pub name: String,
    /// Whether the rows of its answer are kept.
    pub keeps_rows: bool,
    /// How often its arguments are made; `None` is once, in no batch.
    pub batch: Option<Batch>,
    /// What its placeholders stand for.
    pub arguments: Vec<Argument>,
    /// The SQL text.
    pub query: String,
}

/// Rows in batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Rows in all; 1 without it.
    pub count: Option<Expression>,
    /// Rows of a batch; all of them without it.
    pub size: Option<Expression>,
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Its name, where arguments have names.
    pub name: Option<String>,
    /// Its value.
    pub value: Expression,
}
