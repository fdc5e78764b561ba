//! What `verify` prints: the lines of document 004 and their JSON twins.
//!
//! ```text
//! MISMATCH table=users id=42 column=email source="old@example.com" target="new@example.com"
//! MISSING table=orders id=99 side=target
//! EXTRA table=orders id=100 side=target
//! INFO table verified table=users rows=1000
//! WARN table has mismatches table=orders mismatches=3
//! ERRO verification failed: 3 mismatches
//! ```
//!
//! Rows stand there only with `--verbose`: they hold values.

use rowferry_engine::ErrorReport;
use rowferry_verify::{Difference, DifferenceKind, PushdownUse, Side, TableVerdict};
use serde::Serialize;
use serde_json::json;

use crate::ending::Ending;
use crate::failure::Failure;
use crate::flags::OutputFormat;
use crate::{exit, out, report_error};

/// What came of one table.
pub(crate) struct TableResult {
    pub(crate) job: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) seconds: f64,
    /// Rows of the target that were put right.
    pub(crate) repaired: u64,
    /// The first rows that differ, for the page.
    pub(crate) lines: Vec<String>,
    pub(crate) outcome: Result<TableVerdict, Failure>,
}

/// What came of all of them.
pub(crate) struct VerifyReport {
    strict: bool,
    allow_empty: bool,
    pub(crate) seconds: f64,
    tables: Vec<TableResult>,
    stopped: Option<Failure>,
}

/// One line of JSON for the whole run.
#[derive(Serialize)]
struct ReportLine<'a> {
    version: u8,
    status: &'static str,
    exit_code: u8,
    seconds: f64,
    differences: u64,
    tables: Vec<TableLine<'a>>,
    /// Why it was stopped before its end.
    error: Option<&'a ErrorReport>,
}

#[derive(Serialize)]
struct TableLine<'a> {
    source: &'a str,
    target: &'a str,
    status: &'static str,
    seconds: f64,
    repaired: u64,
    #[serde(flatten)]
    verdict: Option<&'a TableVerdict>,
    error: Option<&'a ErrorReport>,
}

impl VerifyReport {
    pub(crate) const fn new(strict: bool, allow_empty: bool) -> Self {
        Self { strict, allow_empty, seconds: 0.0, tables: Vec::new(), stopped: None }
    }

    pub(crate) fn add(&mut self, table: TableResult) {
        self.tables.push(table);
    }

    /// Was told to stop; the tables that are there are all that was compared.
    pub(crate) fn stop(&mut self, mut failure: Failure) {
        let tables = crate::units::counted(self.tables.len() as u64, "table");
        failure.report.saved = format!("{tables} compared to the end");
        "Run the same command again; it starts anew.".clone_into(&mut failure.report.next);
        report_error::print(&failure.report);
        self.stopped = Some(failure);
    }

    /// `equal`, or why not.
    pub(crate) fn status(&self, table: &TableResult) -> &'static str {
        match &table.outcome {
            Err(_) => "failed",
            Ok(_) if table.repaired > 0 => "repaired",
            Ok(verdict) if verdict.differences() > 0 => "different",
            Ok(verdict) if self.strict && !verdict.one_sided.is_empty() => "different",
            Ok(verdict) if verdict.is_empty() && !self.allow_empty => "empty",
            Ok(_) => "equal",
        }
    }

    /// Cells and rows that differ and were not put right.
    pub(crate) fn differences(&self) -> u64 {
        let open = self.tables.iter().filter(|table| table.repaired == 0);
        open.filter_map(|table| table.outcome.as_ref().ok()).map(TableVerdict::differences).sum()
    }

    pub(crate) fn tables(&self) -> &[TableResult] {
        &self.tables
    }

    /// The answer in one word.
    pub(crate) fn status_word(&self) -> &'static str {
        if self.stopped.is_some() {
            return "stopped";
        }
        match self.exit_code() {
            exit::OK => "equal",
            exit::NEGATIVE => "different",
            _ => "failed",
        }
    }

    fn count(&self, status: &str) -> usize {
        self.tables.iter().filter(|table| self.status(table) == status).count()
    }

    /// What could not be read says nothing about equality, so its code comes before that of a
    /// difference.
    pub(crate) fn exit_code(&self) -> u8 {
        if let Some(stopped) = &self.stopped {
            return stopped.exit_code;
        }
        let failed = self.tables.iter().find_map(|table| table.outcome.as_ref().err());
        match failed {
            Some(failure) => failure.exit_code,
            None if self.count("equal") + self.count("repaired") == self.tables.len() => exit::OK,
            None => exit::NEGATIVE,
        }
    }

    /// The exit code, and the last line where JSON was asked for.
    pub(crate) fn ending(&self, output: OutputFormat) -> Ending {
        let code = self.exit_code();
        let line = ReportLine {
            version: 1,
            status: self.status_word(),
            exit_code: code,
            seconds: self.seconds,
            differences: self.differences(),
            tables: self.tables.iter().map(|table| self.table_line(table)).collect(),
            error: self.stopped.as_ref().map(|failure| &*failure.report),
        };
        // Plain structs with text keys always serialize.
        let last_line = (output == OutputFormat::Json)
            .then(|| serde_json::to_string(&line).unwrap_or_default());
        Ending { code, last_line }
    }

    fn table_line<'a>(&self, table: &'a TableResult) -> TableLine<'a> {
        TableLine {
            source: &table.source,
            target: &table.target,
            status: self.status(table),
            seconds: table.seconds,
            repaired: table.repaired,
            verdict: table.outcome.as_ref().ok(),
            error: table.outcome.as_ref().err().map(|failure| &*failure.report),
        }
    }
}

/// Prints as the command was asked to.
#[derive(Clone, Copy)]
pub(crate) struct Printer {
    pub(crate) output: OutputFormat,
    /// Say which rows differ.
    pub(crate) verbose: bool,
    /// What is printed is a script of SQL, and everything else in it a comment.
    pub(crate) script: bool,
}

impl Printer {
    /// A row that differs: a line for it, or for each of its cells.
    pub(crate) fn difference(self, table: &str, difference: &Difference) {
        if !self.verbose {
            return;
        }
        match self.output {
            OutputFormat::Text => self.say(&lines(table, difference)),
            OutputFormat::Json => out::result(&json_line(table, difference)),
        }
    }

    fn say(self, text: &str) {
        if self.script {
            let lines: Vec<String> = text.lines().map(|line| format!("-- {line}")).collect();
            out::result(&lines.join("\n"));
        } else {
            out::result(text);
        }
    }

    /// The statements that put a table right.
    pub(crate) fn script(self, statements: &[String]) {
        match self.output {
            OutputFormat::Text => statements.iter().for_each(|statement| out::result(statement)),
            OutputFormat::Json => {
                for statement in statements {
                    out::result(&json!({ "kind": "statement", "sql": statement }).to_string());
                }
            }
        }
    }

    /// A table that was compared, or was not.
    pub(crate) fn table(self, table: &TableResult, report: &VerifyReport) {
        let name = &table.source;
        if let Err(failure) = &table.outcome {
            report_error::print(&failure.report);
        }
        let (Ok(verdict), OutputFormat::Text) = (&table.outcome, self.output) else { return };
        for alone in &verdict.one_sided {
            let (column, side) = (word(&alone.column), alone.side);
            self.say(&format!(
                "WARN column on one side only table={name} column={column} side={side}"
            ));
        }
        if self.verbose {
            for used in &verdict.rules {
                let (column, rule) = (word(&used.column), used.rule.word());
                self.say(&format!(
                    "INFO column compared by a rule table={name} column={column} rule={rule}"
                ));
            }
        }
        if let Some(line) = verdict.pushdown.as_ref().map(|used| pushdown_line(name, used)) {
            self.say(&line);
        }
        let rows = verdict.rows_source;
        self.say(&match report.status(table) {
            "repaired" => {
                let rows = table.repaired;
                format!("INFO table repaired table={name} rows={rows}")
            }
            "empty" => format!("WARN table has no rows on either side table={name}"),
            "different" => {
                let mismatches = verdict.differences();
                format!("WARN table has mismatches table={name} mismatches={mismatches}")
            }
            _ => format!("INFO table verified table={name} rows={rows}"),
        });
    }

    /// What came of everything.
    pub(crate) fn closing(self, report: &VerifyReport) {
        if self.output == OutputFormat::Json {
            return;
        }
        let (differences, empty) = (report.differences(), report.count("empty"));
        let failed = report.count("failed");
        let mut reasons = Vec::new();
        if differences > 0 || report.count("different") > 0 {
            reasons.push(format!("{differences} mismatches"));
        }
        if empty > 0 {
            reasons.push(format!(
                "{empty} without rows on both sides (--allow-empty takes that as equal)"
            ));
        }
        if failed > 0 {
            reasons.push(format!("{failed} could not be compared"));
        }
        self.say(&if reasons.is_empty() {
            "INFO all tables verified".to_owned()
        } else {
            format!("ERRO verification failed: {}", reasons.join(", "))
        });
    }
}

/// The line of a row, or a line for each cell that differs.
pub(crate) fn lines(table: &str, difference: &Difference) -> String {
    let key: Vec<String> = difference
        .key()
        .into_iter()
        .map(|(name, value)| {
            let value = value.map_or_else(|| "NULL".to_owned(), |value| word(&value));
            format!("{}={value}", word(name))
        })
        .collect();
    let row = format!("table={table} {}", key.join(" "));
    match difference.kind {
        DifferenceKind::Missing => format!("MISSING {row} side=target"),
        DifferenceKind::Extra => format!("EXTRA {row} side=target"),
        DifferenceKind::Mismatch => {
            let cell = |place: &usize| {
                format!(
                    "MISMATCH {row} column={} source={} target={}",
                    word(difference.column(*place)),
                    quoted(difference.text(Side::Source, *place)),
                    quoted(difference.text(Side::Target, *place))
                )
            };
            difference.cells.iter().map(cell).collect::<Vec<_>>().join("\n")
        }
    }
}

fn pushdown_line(table: &str, PushdownUse { asked, equal, unable }: &PushdownUse) -> String {
    match unable {
        Some(reason) => {
            format!("WARN table not hashed by its servers table={table} reason={reason:?}")
        }
        None => {
            format!("INFO ranges hashed by the servers table={table} asked={asked} equal={equal}")
        }
    }
}

/// As it is where that is one plain word, else in quotes.
fn word(text: &str) -> String {
    let plain = |sign: char| sign.is_alphanumeric() || "-_.:+@/".contains(sign);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("{text:?}") }
}

/// In quotes; without them it is NULL.
fn quoted(text: Option<String>) -> String {
    text.map_or_else(|| "NULL".to_owned(), |text| format!("{text:?}"))
}

fn json_line(table: &str, difference: &Difference) -> String {
    let key: serde_json::Map<String, serde_json::Value> =
        difference.key().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let cells: Vec<serde_json::Value> = difference
        .cells
        .iter()
        .map(|place| {
            json!({
                "column": difference.column(*place),
                "source": difference.text(Side::Source, *place),
                "target": difference.text(Side::Target, *place),
            })
        })
        .collect();
    json!({ "table": table, "kind": difference.kind, "key": key, "cells": cells }).to_string()
}
