//! The numbers of a run: one struct for the summary table, the JSON line and the ledger.

use rowferry_core::{ConnectorError, ErrorClass};
use rowferry_runtime::{Stage, Stopwatch};
use serde::{Deserialize, Serialize};

/// How a run or a table ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything asked for is done.
    Ok,
    /// Everything is done, but rows that the target cannot hold were set aside.
    Degraded,
    /// Some tables are done, others failed.
    Partial,
    /// Nothing is done.
    Failed,
    /// Left alone on request.
    Skipped,
    /// Stopped by a signal or the deadline; progress is saved.
    Stopped,
}

/// Same words for a table.
pub type TableStatus = RunStatus;

/// A failure as JSON and text output show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// Stable slug.
    pub code: String,
    /// Class word.
    pub class: String,
    /// Job.
    pub job: String,
    /// Source table; empty when the failure is not about one.
    pub table: String,
    /// What failed, with the server's own words and the causes.
    pub message: String,
    /// What is already durable.
    pub saved: String,
    /// What to do next.
    pub next: String,
}

impl ErrorReport {
    /// The report of `error` in `job` and `table`, with what is `saved`.
    pub fn new(error: &ConnectorError, job: &str, table: &str, saved: &str) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = inner.source();
        }
        Self {
            code: error.code.to_owned(),
            class: error.class.word().to_owned(),
            job: job.to_owned(),
            table: table.to_owned(),
            message,
            saved: saved.to_owned(),
            next: error.next.clone().unwrap_or_else(|| next_step(error.class).to_owned()),
        }
    }

    /// The same for a copy, which goes on where it was when the same command is run again.
    #[must_use]
    pub fn continued(mut self) -> Self {
        if self.before_run_again().is_some() {
            self.next.truncate(self.next.len() - 1);
            self.next.push_str("; it continues behind what is saved.");
        }
        self
    }

    /// What is to be done first, up to the first letter, where the advice ends in running the same command
    /// again: what that does is for the command to say.
    pub fn before_run_again(&self) -> Option<&str> {
        self.next.strip_suffix("un the same command again.")
    }
}

/// What to do when the error itself does not say.
fn next_step(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Transient | ErrorClass::Unknown => {
            "When the server can be reached, run the same command again."
        }
        ErrorClass::Fenced | ErrorClass::Busy => "Run the same command again later.",
        ErrorClass::Data => "Correct the row in the source, or leave its column out.",
        ErrorClass::Refused => "Check user, password, rights and TLS settings.",
        ErrorClass::Setup => "Correct the job and run it again.",
        ErrorClass::Conflict => "Decide which side is right; `rowferry plan` shows both.",
        ErrorClass::Local => "Make room or choose another place with --state, then run again.",
        ErrorClass::Bug => "Please report this with the command that led here.",
    }
}

/// Seconds spent in each phase, summed over tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// Describe, plan, claim, prepare.
    pub plan: f64,
    /// Chunks.
    pub copy: f64,
    /// Row count of staging, keys.
    pub index: f64,
    /// Swap.
    pub publish: f64,
}

/// Seconds that workers spent in each stage of their chunks, added up over all of them. Where a
/// connector decodes or encodes rows one by one, as they come or go, that is part of `read` or
/// `write`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stages {
    /// Waiting for the source and taking its rows.
    pub read: f64,
    /// Bytes of the source into columns.
    pub decode: f64,
    /// Checks, conversions, dedupe, digest.
    pub transform: f64,
    /// Columns into bytes of the target.
    pub encode: f64,
    /// Waiting for a turn at the target, handing rows to it, commits.
    pub write: f64,
    /// Writers that waited for rows of the source.
    pub wait_for_rows: f64,
    /// Readers that waited until the target took rows, or for memory.
    pub wait_for_room: f64,
}

impl Stages {
    /// What a stopwatch has counted.
    pub fn of(stopwatch: &Stopwatch) -> Self {
        let spent = |stage| stopwatch.spent(stage).as_secs_f64();
        let (decode, encode) = (spent(Stage::Decode), spent(Stage::Encode));
        Self {
            // Both wait for what is done on the compute pool on their behalf.
            read: (spent(Stage::Read) - decode).max(0.0),
            decode,
            transform: spent(Stage::Transform),
            encode,
            write: (spent(Stage::Write) - encode).max(0.0),
            wait_for_rows: spent(Stage::AwaitRows),
            wait_for_room: spent(Stage::AwaitRoom),
        }
    }
}

/// Sums over tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tables.
    pub tables: u64,
    /// Tables that failed.
    pub failed: u64,
    /// Rows read in this run.
    pub rows_read: u64,
    /// Rows made durable in this run.
    pub rows_written: u64,
    /// Rows set aside in this run.
    pub rows_rejected: u64,
    /// Duplicates left out in this run.
    pub duplicates: u64,
    /// Payload bytes read in this run.
    pub bytes_read: u64,
    /// Payload bytes written in this run.
    pub bytes_written: u64,
}

/// Values of one column that a policy changed on their way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// Source column.
    pub column: String,
    /// What the values broke: `NaN`, `too many characters`.
    pub rule: String,
    /// What became of them: `null`, `clamp`, `replace:?`.
    pub policy: String,
    /// How many.
    pub count: u64,
}

/// One table's numbers. `rows_*` and `bytes_*` count this run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableReport {
    /// Job.
    pub job: String,
    /// Source table.
    pub source: String,
    /// Target table.
    pub target: String,
    /// `full` or `incremental`.
    pub mode: String,
    /// `replace`, `append` or `upsert`.
    pub write: String,
    /// How it ended.
    pub status: TableStatus,
    /// Its own exit code.
    pub exit_code: u8,
    /// `table` or `chunk`: what the read view really gave.
    pub consistency: String,
    /// Read views opened for the current run of the table, by this process.
    pub snapshots: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Rows made durable.
    pub rows_written: u64,
    /// Rows of an upsert that existed before; `null` where the target does not say.
    pub rows_updated: Option<u64>,
    /// Rows in the target at the end; `null` when they were not counted.
    pub rows_in_target: Option<u64>,
    /// Rows set aside.
    pub rows_rejected: u64,
    /// Duplicates left out.
    pub duplicates: u64,
    /// Payload bytes read.
    pub bytes_read: u64,
    /// Payload bytes written.
    pub bytes_written: u64,
    /// Chunks made durable.
    pub chunks: u64,
    /// Chunks that an earlier attempt had made durable.
    pub chunks_resumed: u64,
    /// Durable rows over the seconds from the start of the table to its publish.
    pub rows_per_second: f64,
    /// Seconds from the start of the table to its end.
    pub seconds: f64,
    /// Highest key that the next incremental run starts behind.
    pub watermark: Option<serde_json::Value>,
    /// Digest of the rows of the whole table run, `kind:hex`; empty when unknown.
    pub digest: String,
    /// Values that policies changed, by column and rule.
    pub values: Vec<ValueChange>,
    /// Things the user should know.
    pub warnings: Vec<String>,
    /// Seconds by phase.
    #[serde(skip)]
    pub phases: Phases,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

/// A whole run: the JSON object at the end of the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this object.
    pub version: u32,
    /// How it ended.
    pub status: RunStatus,
    /// Process exit code.
    pub exit_code: u8,
    /// Whether running the same command again later makes sense.
    pub retryable: bool,
    /// Id of this run in the ledger.
    pub run_id: String,
    /// Logical run.
    pub run_key: String,
    /// Whether some table continued an earlier attempt.
    pub resumed: bool,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// UTC, RFC 3339.
    pub finished_at: String,
    /// Wall seconds.
    pub seconds: f64,
    /// Seconds by phase, summed over tables.
    pub phases: Phases,
    /// Seconds of workers by stage.
    pub stages: Stages,
    /// Sums over tables.
    pub totals: Totals,
    /// Failed tables first.
    pub tables: Vec<TableReport>,
    /// Tables left out to keep the line short.
    pub tables_omitted: u64,
    /// Where the full report was written.
    pub report: Option<String>,
    /// The first failure.
    pub error: Option<ErrorReport>,
}

impl RunReport {
    /// Sums up `tables`; `failure` is one that no table stands for (connect, configuration).
    pub fn of(tables: Vec<TableReport>, failure: Option<(u8, ErrorReport)>) -> Self {
        let mut totals = Totals { tables: tables.len() as u64, ..Totals::default() };
        let mut phases = Phases::default();
        for table in &tables {
            totals.failed += u64::from(table.status == RunStatus::Failed);
            totals.rows_read += table.rows_read;
            totals.rows_written += table.rows_written;
            totals.rows_rejected += table.rows_rejected;
            totals.duplicates += table.duplicates;
            totals.bytes_read += table.bytes_read;
            totals.bytes_written += table.bytes_written;
            phases.plan += table.phases.plan;
            phases.copy += table.phases.copy;
            phases.index += table.phases.index;
            phases.publish += table.phases.publish;
        }
        let (status, exit_code) = sum_up(&tables, failure.as_ref().map(|(code, _)| *code));
        let mut tables = tables;
        tables.sort_by_key(|table| table.status != RunStatus::Failed);
        let error = failure
            .map(|(_, error)| error)
            .or_else(|| tables.iter().find_map(|table| table.error.clone()));
        Self {
            version: 1,
            status,
            exit_code,
            retryable: matches!(exit_code, 69 | 75 | 129 | 130 | 143),
            run_id: String::new(),
            run_key: String::new(),
            resumed: tables.iter().any(|table| table.chunks_resumed > 0),
            started_at: String::new(),
            finished_at: String::new(),
            seconds: 0.0,
            phases,
            stages: Stages::default(),
            totals,
            tables,
            tables_omitted: 0,
            report: None,
            error,
        }
    }
}

/// Status and exit code: one table alone keeps its own code; if every failure is worth a retry,
/// that code stands; a lasting failure among others that finished is 1.
fn sum_up(tables: &[TableReport], failure: Option<u8>) -> (RunStatus, u8) {
    let failed: Vec<u8> = tables
        .iter()
        .filter(|table| table.status == RunStatus::Failed)
        .map(|table| table.exit_code)
        .chain(failure)
        .collect();
    let stopped = tables.iter().any(|table| table.status == RunStatus::Stopped);
    let degraded = tables.iter().any(|table| table.status == RunStatus::Degraded);
    let done = degraded || tables.iter().any(|table| table.status == RunStatus::Ok);
    let skipped = tables.iter().any(|table| table.status == RunStatus::Skipped);
    let Some(first) = failed.first().copied() else {
        return if stopped {
            (RunStatus::Stopped, 75)
        } else if degraded {
            (RunStatus::Degraded, 0)
        } else if skipped && !done {
            (RunStatus::Skipped, 0)
        } else {
            (RunStatus::Ok, 0)
        };
    };
    let status = if done { RunStatus::Partial } else { RunStatus::Failed };
    let alike = failed.iter().all(|code| *code == first);
    let refused = !done && failed.iter().all(|code| matches!(code, 76 | 78));
    let code = if failed.iter().all(|code| matches!(code, 69 | 75)) || (alike && !done) {
        first
    } else if refused {
        // Plans were refused before anything was done, at least one for its configuration.
        78
    } else {
        1
    };
    (status, code)
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
