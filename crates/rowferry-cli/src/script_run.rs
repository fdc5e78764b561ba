//! Runs sections of a script on one end, statement by statement.
//!
//! Each end has a generator of its own that starts with the same seed: what one of them is given, the
//! other is given too, as long as their configurations ask for the same in the same order.

use rowferry_core::{ConnectorError, ErrorClass, ScriptSession};
use rowferry_seed::{Batch, EvaluateError, Generator, Script, SectionName, Statement, Value};
use serde::Serialize;

use crate::edg_ends::End;
use crate::failure::{Failure, Result};
use crate::flags::OutputFormat;
use crate::out;

/// Rows of one statement that later ones may refer to. Guessed: they lie in memory, at some hundred
/// bytes each.
const ROWS_KEPT: usize = 1_000_000;

/// A statement that was run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ran {
    pub(crate) side: &'static str,
    pub(crate) section: String,
    pub(crate) name: String,
    /// Rows that were changed, or kept.
    pub(crate) rows: u64,
    /// Whether all of it was.
    pub(crate) done: bool,
}

/// An end while its script is run.
pub(crate) struct ScriptRun<'a> {
    pub(crate) end: End,
    pub(crate) script: &'a Script,
    pub(crate) session: Box<dyn ScriptSession>,
    pub(crate) generator: Generator,
    pub(crate) output: OutputFormat,
}

/// Which statement of a section is being run.
#[derive(Clone, Copy)]
struct Place<'a> {
    section: SectionName,
    statement: &'a Statement,
    number: usize,
    count: usize,
}

impl ScriptRun<'_> {
    /// Runs a section; what was run stands in `ran`, also when it is stopped in between.
    pub(crate) async fn section(&mut self, section: SectionName, ran: &mut Vec<Ran>) -> Result<()> {
        let statements = self.script.section(section);
        for (index, statement) in statements.iter().enumerate() {
            let place = Place { section, statement, number: index + 1, count: statements.len() };
            let side = self.end.word();
            let (section, name) = (section.to_string(), statement.name.clone());
            ran.push(Ran { side, section, name, rows: 0, done: false });
            let Some(now) = ran.last_mut() else { continue };
            let result = self.statement(place, now).await;
            now.done = result.is_ok();
            result?;
            if self.output == OutputFormat::Text {
                out::result(&line(now, statement));
            }
        }
        Ok(())
    }

    async fn statement(&mut self, place: Place<'_>, ran: &mut Ran) -> Result<()> {
        let statement = place.statement;
        let Some(batch) = &statement.batch else {
            return self.rows(place, (1, 1), ran).await;
        };
        let (count, size) = self.sizes(batch).map_err(|error| self.no_value(place, &error))?;
        let mut first = 1;
        while first <= count {
            let last = count.min(first.saturating_add(size - 1));
            self.rows(place, (first, last), ran).await?;
            first = last + 1;
        }
        Ok(())
    }

    /// Rows of a statement, and of each of its batches.
    fn sizes(&mut self, batch: &Batch) -> Result<(u64, u64), EvaluateError> {
        let mut value = |expression: &Option<_>, absent| {
            expression.as_ref().map_or(Ok(absent), |value| self.generator.count(value))
        };
        let count = value(&batch.count, 1)?;
        let size = value(&batch.size, count)?;
        Ok((count, if size == 0 { count } else { size }))
    }

    /// Makes the rows `first` to `last` and runs the statement with them.
    async fn rows(
        &mut self,
        place: Place<'_>,
        (first, last): (u64, u64),
        ran: &mut Ran,
    ) -> Result<()> {
        let statement = place.statement;
        let made: Result<Vec<Vec<Value>>, _> =
            (first..=last).map(|number| self.generator.row(&statement.arguments, number)).collect();
        let text = made.and_then(|rows| statement.fill(&rows, &*self.session));
        let text = text.map_err(|error| self.no_value(place, &error))?;
        let rows_max = if statement.keeps_rows { ROWS_KEPT } else { 0 };
        let answer = self.session.run(&text, rows_max).await;
        let answer = answer.map_err(|error| self.failed(place, (first, last), error))?;
        if !statement.keeps_rows || answer.columns.is_empty() {
            ran.rows += answer.rows_changed;
            return Ok(());
        }
        self.generator.keep(&statement.name, &answer.columns, answer.rows);
        let kept = self.generator.kept(&statement.name);
        ran.rows = kept as u64;
        if answer.rows_left_out > 0 || kept > ROWS_KEPT {
            let words = format!("its answer has more than {ROWS_KEPT} rows");
            let failure = self.failure(place, "too-many-rows", &words);
            return Err(with_next(failure, "Ask for fewer rows, by a limit or a condition."));
        }
        Ok(())
    }

    fn name(&self, place: Place<'_>) -> String {
        let Place { section, statement, number, count } = place;
        let (end, name) = (self.end.word(), &statement.name);
        format!("statement {name:?} ({number} of {count} in {section}) of the {end}")
    }

    fn failure(&self, place: Place<'_>, code: &str, words: &str) -> Failure {
        Failure::setup(code, format!("{} failed: {words}", self.name(place)), "")
    }

    fn no_value(&self, place: Place<'_>, error: &EvaluateError) -> Failure {
        let failure = self.failure(place, "no-value", &error.to_string());
        with_next(failure, "Correct the expression; `docs/cli.md` says what there is.")
    }

    fn failed(
        &self,
        place: Place<'_>,
        (first, last): (u64, u64),
        mut error: ConnectorError,
    ) -> Failure {
        let name = self.name(place);
        error.message = match place.statement.batch {
            Some(_) => format!("{name} failed with rows {first} to {last}"),
            None => format!("{name} failed"),
        };
        // Each statement is a transaction of its own, so nothing waits for a COMMIT's answer.
        if error.next.is_none() && error.class != ErrorClass::Transient {
            error = error.with_next("Correct the statement and run the same command again.");
        }
        error.into()
    }
}

fn with_next(mut failure: Failure, next: &str) -> Failure {
    next.clone_into(&mut failure.report.next);
    failure
}

fn line(ran: &Ran, statement: &Statement) -> String {
    let Ran { side, section, name, rows, .. } = ran;
    let rows = match (section.as_str(), statement.keeps_rows && *rows == 0) {
        ("up" | "down", _) | (_, true) => String::new(),
        _ => format!(" rows={rows}"),
    };
    format!("INFO statement done side={side} section={section} name={name}{rows}")
}

/// What was done before it stopped, in words.
pub(crate) fn saved(ran: &[Ran]) -> String {
    let mut parts = Vec::new();
    for Ran { side, section, name, rows, done } in ran {
        match (done, rows) {
            (true, 0) => parts.push(format!("{side} {section} {name}")),
            (true, rows) => parts.push(format!("{side} {section} {name} ({rows} rows)")),
            (false, 0) => {}
            (false, rows) => parts.push(format!("{side} {section} {name} (the first {rows} rows)")),
        }
    }
    match parts.as_slice() {
        [] => "nothing was done".to_owned(),
        parts => format!("done were: {}", parts.join(", ")),
    }
}
