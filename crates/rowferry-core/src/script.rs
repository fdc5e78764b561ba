//! Statements that a person wrote, as they are run: no row of a copy passes here.

use async_trait::async_trait;

use crate::Result;

/// How a dialect writes what is put into such statements.
pub trait ScriptWords {
    /// A text as it stands between single quotes.
    fn inside_quotes(&self, text: &str) -> String;

    /// The expression for the unit separator, ASCII 31.
    fn separator(&self) -> &'static str;
}

/// What a statement came to; of several, all their counts and the rows of the last with rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptAnswer {
    /// Rows that were changed, as the server counts them.
    pub rows_changed: u64,
    /// Names of the columns, where there are rows.
    pub columns: Vec<String>,
    /// Rows in the server's text form, NULL as `None`.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows beyond those that were asked for.
    pub rows_left_out: u64,
}

impl ScriptAnswer {
    /// Takes a row, unless there are `rows_max` of them.
    pub fn take(&mut self, row: Vec<Option<String>>, rows_max: usize) {
        if self.rows.len() < rows_max {
            self.rows.push(row);
        } else {
            self.rows_left_out += 1;
        }
    }

    /// Starts with the rows of another statement.
    pub fn start_rows(&mut self, columns: Vec<String>) {
        self.columns = columns;
        self.rows.clear();
        self.rows_left_out = 0;
    }
}

/// A session in which each statement is a transaction of its own.
///
/// Names are found as the login's own sessions find them, instants are written in UTC, and a value
/// that a column cannot hold is an error. Dropping the session in the middle of a statement cancels
/// it.
#[async_trait]
pub trait ScriptSession: ScriptWords + Send + Sync {
    /// Runs a statement as it is, and keeps `rows_max` of its rows.
    ///
    /// # Errors
    ///
    /// What the server says to it; a syntax error is of class `Setup`.
    async fn run(&mut self, statement: &str, rows_max: usize) -> Result<ScriptAnswer>;
}
