//! What one table's run has counted so far.

use std::time::Instant;

use rowferry_core::{Digest, Mode, Receipt, TablePlan, WriteMode};

use crate::report::{ErrorReport, Phases, RunStatus, TableReport, ValueChange};
use crate::values::Changes;
use crate::{TableFailure, Watermark};

/// Counters of a table's run by this process.
pub(crate) struct Tally {
    pub(crate) job: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) mode: Mode,
    pub(crate) write: WriteMode,
    pub(crate) started: Instant,
    /// When the table's last step was done; other tables of the job may go on.
    pub(crate) ended: Option<Instant>,
    pub(crate) consistency: &'static str,
    pub(crate) snapshots: u64,
    pub(crate) rows_read: u64,
    pub(crate) rows_written: u64,
    pub(crate) rows_rejected: u64,
    pub(crate) duplicates: u64,
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    pub(crate) chunks_resumed: u64,
    pub(crate) rows_resumed: u64,
    /// Rows that an earlier attempt of the run set aside.
    pub(crate) rejected_resumed: u64,
    pub(crate) rows_in_target: Option<u64>,
    pub(crate) watermark: Option<Watermark>,
    /// What the last plan warned of; `None` before the first.
    plan_warnings: Option<Vec<String>>,
    pub(crate) warnings: Vec<String>,
    /// Values that policies changed in durable chunks.
    changes: Changes,
    pub(crate) phases: Phases,
    /// Chunks of the current run that this process made durable.
    chunks_durable: u64,
    /// Rows that became durable since the last claim.
    rows_durable: u64,
    digest: DigestSum,
}

/// Digest of a whole run, as far as its chunks have one of a kind.
#[derive(Default)]
enum DigestSum {
    #[default]
    Nothing,
    Sum(Digest),
    Unknown,
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn new(job: &str, source: String, target: String, mode: Mode) -> Self {
        let write = match mode {
            Mode::Full => WriteMode::Replace,
            Mode::Incremental => WriteMode::Upsert,
        };
        Self {
            job: job.to_owned(),
            source,
            target,
            mode,
            write,
            started: Instant::now(),
            ended: None,
            consistency: "",
            snapshots: 0,
            rows_read: 0,
            rows_written: 0,
            rows_rejected: 0,
            duplicates: 0,
            bytes: 0,
            chunks: 0,
            chunks_resumed: 0,
            rows_resumed: 0,
            rejected_resumed: 0,
            rows_in_target: None,
            watermark: None,
            plan_warnings: None,
            warnings: Vec::new(),
            changes: Changes::new(),
            phases: Phases::default(),
            chunks_durable: 0,
            rows_durable: 0,
            digest: DigestSum::Nothing,
        }
    }

    /// Takes over what the plan says.
    pub(crate) fn planned(&mut self, plan: &TablePlan) {
        self.write = plan.write;
        self.source = plan.source.table.to_string();
        self.target = plan.target.to_string();
        self.plan_warnings = Some(plan.warnings.clone());
    }

    /// Whether the table was planned, so that both ends have answered.
    pub(crate) const fn is_planned(&self) -> bool {
        self.plan_warnings.is_some()
    }

    /// All that is durable of the run at the start of an attempt, by the word of the target alone: a
    /// server that took over from another may have less than this process was told before.
    pub(crate) fn resumed(&mut self, receipts: &[Receipt]) {
        let rejected: u64 = receipts.iter().map(|receipt| receipt.totals.rows_rejected).sum();
        self.rows_resumed = receipts.iter().map(|receipt| receipt.totals.rows_written).sum();
        self.rows_durable = 0;
        // What this process counted before is not counted twice.
        self.chunks_resumed = (receipts.len() as u64).saturating_sub(self.chunks_durable);
        self.rejected_resumed = rejected.saturating_sub(self.rows_rejected);
        self.digest = DigestSum::Nothing;
        for receipt in receipts {
            self.add_digest(receipt);
        }
    }

    /// A chunk is durable.
    pub(crate) fn durable(&mut self, receipt: &Receipt, changes: Changes) {
        for (change, count) in changes {
            *self.changes.entry(change).or_default() += count;
        }
        self.chunks += 1;
        self.chunks_durable += 1;
        self.rows_read += receipt.totals.rows_read;
        self.rows_written += receipt.totals.rows_written;
        self.rows_durable += receipt.totals.rows_written;
        self.rows_rejected += receipt.totals.rows_rejected;
        self.duplicates += receipt.totals.duplicates;
        self.bytes += receipt.totals.bytes;
        self.add_digest(receipt);
    }

    /// A new run was started after all: what was counted as durable is void.
    pub(crate) fn start_over(&mut self) {
        self.chunks_resumed = 0;
        self.rows_resumed = 0;
        self.rejected_resumed = 0;
        self.chunks_durable = 0;
        self.rows_durable = 0;
        self.digest = DigestSum::Nothing;
    }

    /// Rows of the whole run, resumed ones included.
    pub(crate) fn rows_of_run(&self) -> u64 {
        self.rows_resumed + self.rows_durable
    }

    fn add_digest(&mut self, receipt: &Receipt) {
        let sum = std::mem::take(&mut self.digest);
        self.digest = match (sum, &receipt.totals.digest) {
            (DigestSum::Nothing, Some(first)) => DigestSum::Sum(first.clone()),
            (DigestSum::Sum(mut sum), Some(more)) if sum.kind == more.kind => {
                sum.count += more.count;
                sum.sum = sum.sum.wrapping_add(more.sum);
                DigestSum::Sum(sum)
            }
            // A chunk without a digest, or of another kind: the whole has none.
            _ => DigestSum::Unknown,
        };
    }

    /// The report of the table.
    pub(crate) fn report(&self, failure: Option<&TableFailure>) -> TableReport {
        let ended = self.ended.unwrap_or_else(Instant::now);
        let seconds = ended.duration_since(self.started).as_secs_f64();
        let (status, exit_code, error) = match failure {
            None if self.rows_rejected + self.rejected_resumed > 0 => {
                (RunStatus::Degraded, 0, None)
            }
            None => (RunStatus::Ok, 0, None),
            Some(TableFailure::Stopped) => (RunStatus::Stopped, 75, None),
            Some(TableFailure::Skipped(_)) => (RunStatus::Skipped, 0, None),
            Some(TableFailure::Failed(error)) => {
                let saved = self.saved();
                let report = ErrorReport::new(error, &self.job, &self.source, &saved).continued();
                (RunStatus::Failed, error.class.exit_code(), Some(report))
            }
        };
        let mut warnings = self.plan_warnings.clone().unwrap_or_default();
        warnings.extend(self.warnings.iter().cloned());
        if let Some(TableFailure::Skipped(why)) = failure {
            warnings.push(why.clone());
        }
        TableReport {
            job: self.job.clone(),
            source: self.source.clone(),
            target: self.target.clone(),
            mode: format!("{:?}", self.mode).to_lowercase(),
            write: format!("{:?}", self.write).to_lowercase(),
            status,
            exit_code,
            consistency: self.consistency.to_owned(),
            snapshots: self.snapshots,
            rows_read: self.rows_read,
            rows_written: self.rows_written,
            rows_updated: None,
            rows_in_target: self.rows_in_target,
            rows_rejected: self.rows_rejected,
            duplicates: self.duplicates,
            bytes_read: self.bytes,
            bytes_written: self.bytes,
            chunks: self.chunks,
            chunks_resumed: self.chunks_resumed,
            rows_per_second: per_second(self.rows_written, seconds),
            seconds,
            watermark: self
                .watermark
                .as_ref()
                .and_then(|mark| mark.settled.as_ref())
                .and_then(|key| serde_json::to_value(key).ok()),
            digest: match &self.digest {
                DigestSum::Sum(digest) => format!("{}:{:032x}", digest.kind, digest.sum),
                DigestSum::Nothing | DigestSum::Unknown => String::new(),
            },
            values: self.values(),
            warnings,
            phases: self.phases,
            error,
        }
    }

    fn values(&self) -> Vec<ValueChange> {
        let changes = self.changes.iter().map(|((column, rule, policy), count)| ValueChange {
            column: column.clone(),
            rule: (*rule).to_owned(),
            policy: policy.clone(),
            count: *count,
        });
        changes.collect()
    }

    fn saved(&self) -> String {
        let chunks = self.chunks + self.chunks_resumed;
        if chunks == 0 {
            return "nothing was written".to_owned();
        }
        format!("{} rows in {chunks} chunks are durable", self.rows_of_run())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people needs no exact digits")]
fn per_second(rows: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { (rows as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 }
}
