//! Statements that put a target right, and those that undo them.
//!
//! They are gathered while tables are compared, and run when that is done, so that no read meets a row
//! that was just written. What would be more than a repair is refused: a table of which so many rows
//! differ is copied again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rowferry_core::{ConnectorError, ErrorClass, Mender, TableRef};
use rowferry_verify::{Difference, DifferenceKind, Side, TableVerdict};

use crate::failure::{Failure, Result};
use crate::units;

/// Rows of one table that are put right at most. Guessed: beyond it a copy is quicker than so many
/// single statements.
const ROWS_MAX: usize = 100_000;

/// Bytes of their statements at most: with what a comparison holds they stay below 200 MB.
const BYTES_MAX: usize = 64 << 20;

/// Statements of one transaction: a lost connection costs these few.
const ROWS_PER_TRANSACTION: usize = 500;

/// The repair of one table in the making.
pub(crate) struct Repairs {
    mender: Arc<dyn Mender>,
    table: Option<TableRef>,
    /// Rows to remove go first: a row to be added may need a value that one of them still has.
    deletes: Vec<Statement>,
    others: Vec<Statement>,
    bytes: usize,
    refused: Option<ConnectorError>,
}

/// A statement and what undoes it.
struct Statement {
    sql: String,
    undo: String,
}

impl Repairs {
    pub(crate) const fn new(mender: Arc<dyn Mender>) -> Self {
        Self {
            mender,
            table: None,
            deletes: Vec::new(),
            others: Vec::new(),
            bytes: 0,
            refused: None,
        }
    }

    /// Takes note of a row that differs.
    pub(crate) fn take(&mut self, difference: &Difference) {
        if self.refused.is_some() {
            return;
        }
        if let Err(error) = self.add(difference) {
            self.refused = Some(error);
        }
    }

    fn add(&mut self, difference: &Difference) -> rowferry_core::Result<()> {
        let table = difference.target();
        let mending = difference.mending()?;
        let statement = Statement {
            sql: self.mender.statement(table, &mending.mend)?,
            undo: self.mender.statement(table, &mending.undo)?,
        };
        self.bytes += statement.sql.len() + statement.undo.len();
        if self.bytes > BYTES_MAX || self.deletes.len() + self.others.len() >= ROWS_MAX {
            let message =
                format!("too many rows of table {table} differ to be repaired one by one");
            return Err(ConnectorError::new(ErrorClass::Conflict, "too-many-differences", message)
                .with_next("Copy the table again."));
        }
        self.table.get_or_insert_with(|| table.clone());
        match difference.kind {
            DifferenceKind::Extra => self.deletes.push(statement),
            DifferenceKind::Mismatch | DifferenceKind::Missing => self.others.push(statement),
        }
        Ok(())
    }

    /// Whether the rows can be put right, now that all of them are known.
    pub(crate) fn check(&mut self, verdict: &TableVerdict) -> Result<()> {
        if verdict.differences() == 0 {
            return Ok(());
        }
        if let Some(error) = self.refused.take() {
            return Err(error.into());
        }
        let refuse = |code, message: &str, next: &str| {
            Err(ConnectorError::new(ErrorClass::Setup, code, message).with_next(next).into())
        };
        if verdict.key.is_empty() {
            return refuse(
                "key-needed",
                "rows of a table without a key cannot be repaired one by one",
                "Name the columns that identify a row with --order-by, or copy the table again.",
            );
        }
        let alone = verdict.one_sided.iter().any(|alone| alone.side == Side::Target);
        if !self.deletes.is_empty() && (alone || !verdict.ignored.is_empty()) {
            return refuse(
                "columns-not-compared",
                "rows would be removed whose columns were not all compared, and could not be put back",
                "Compare all columns of the target.",
            );
        }
        Ok(())
    }

    fn all(&self) -> impl DoubleEndedIterator<Item = &Statement> {
        self.deletes.iter().chain(&self.others)
    }

    /// The statements, each with its semicolon.
    pub(crate) fn script(&self) -> Vec<String> {
        self.all().map(|statement| format!("{};", statement.sql)).collect()
    }

    /// Runs the statements; how many there were. The file that undoes them is there before.
    pub(crate) async fn apply(&self, undo: &mut UndoFile) -> Result<usize> {
        let Some(table) = &self.table else { return Ok(0) };
        let last_first = self.all().rev().map(|statement| statement.undo.as_str());
        undo.write(table, last_first)?;
        let statements: Vec<String> = self.all().map(|statement| statement.sql.clone()).collect();
        let mut done = 0;
        for part in statements.chunks(ROWS_PER_TRANSACTION) {
            if let Err(error) = self.mender.apply(table, part).await {
                let mut failure = Failure::from(error);
                let left = units::counted((statements.len() - done) as u64, "row");
                failure.report.saved = format!(
                    "{} repaired; the first statements of {table} in {} are those of the {left} that \
                     are not",
                    units::counted(done as u64, "row"),
                    undo.path.display()
                );
                return Err(failure);
            }
            done += part.len();
        }
        Ok(done)
    }
}

/// The file with the statements that undo a repair, made when the first one is written.
pub(crate) struct UndoFile {
    pub(crate) path: PathBuf,
    file: Option<std::fs::File>,
}

impl UndoFile {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None }
    }

    fn write<'a>(
        &mut self,
        table: &TableRef,
        statements: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        let failed = |error: std::io::Error, path: &Path| {
            let message = format!("could not write {}: {error}", path.display());
            Failure::local(
                "undo-file",
                message,
                "Name a new file with --undo; nothing was changed.",
            )
        };
        let path = self.path.clone();
        if self.file.is_none() {
            // An older one may be all that can undo an earlier repair.
            let made = std::fs::File::create_new(&path);
            self.file = Some(made.map_err(|error| failed(error, &path))?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = format!("-- table {table}\n");
        for statement in statements {
            text.push_str(statement);
            text.push_str(";\n");
        }
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| failed(error, &path))
    }
}
