//! Rows from a seed: the expression language of `sync run`, and its statements as SQL text.
//!
//! ```text
//! text ─ parse ─► Expression ─┐
//!                             ├─ Generator ─► Value ─ Statement::fill ─► SQL text
//! seed ─ Dice ────────────────┘
//! ```
//!
//! Nothing here reads a file or opens a connection, and nothing asks a clock: one seed gives the same
//! rows on every database and in every run.

mod dice;
mod error;
mod evaluate;
mod expression;
mod fill;
mod function;
mod operation;
mod parser;
mod pattern;
mod statement;
mod token;
mod value;
mod words;

pub use error::{EvaluateError, ParseError};
pub use evaluate::Generator;
pub use expression::{Expression, Operator};
pub use fill::placeholders;
pub use function::Function;
pub use parser::parse;
pub use pattern::Pattern;
pub use statement::{Argument, Batch, Script, SectionName, Statement};
pub use value::{Row, Value};

#[cfg(test)]
mod properties;
