//! What can be wrong with an expression: when it is read, and when it is evaluated.

use std::fmt;

/// A text that is no expression of this language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Place in the text, in characters from 1.
    pub column: usize,
    /// Whether the language has it, and only this version does not.
    pub is_later: bool,
    /// What is wrong: lowercase, no full stop.
    pub message: String,
    /// What to do, a full sentence.
    pub next: Option<String>,
}

impl ParseError {
    pub(crate) fn new(column: usize, message: impl Into<String>) -> Self {
        Self { column, is_later: false, message: message.into(), next: None }
    }

    pub(crate) fn later(column: usize, what: &str) -> Self {
        Self { is_later: true, ..Self::new(column, format!("not supported yet: {what}")) }
    }

    pub(crate) fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {} of the expression)", self.message, self.column)
    }
}

impl std::error::Error for ParseError {}

/// An expression that has no value. Its words hold no generated value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateError(pub(crate) String);

impl EvaluateError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EvaluateError {}
