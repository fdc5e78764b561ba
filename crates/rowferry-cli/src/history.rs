//! The ledger as the commands use it: its errors become ours, its rows are made from reports.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rowferry_core::{ConnectorError, Position, Receipt, TablePlan};
use rowferry_engine::{RunReport, RunStatus, TableReport};
use rowferry_ledger::{
    ChunkRow, DriftRow, JobLock, Ledger, LedgerError, RunRow, RunTotals, StreamRow, TableRow,
};
use serde::Serialize;

use crate::failure::Result;
use crate::verify_view::{TableResult, VerifyReport};
use crate::{clock, out, summary};

/// An open ledger. Cloning shares it.
#[derive(Clone)]
pub(crate) struct History {
    ledger: Ledger,
    folder: PathBuf,
}

/// A run of the past with its tables.
#[derive(Debug, Serialize)]
pub(crate) struct PastRun {
    #[serde(flatten)]
    pub(crate) run: RunRow,
    pub(crate) tables: Vec<TableRow>,
    /// What a run of `drift` found.
    pub(crate) drift: Vec<DriftRow>,
}

impl History {
    /// Opens the ledger at `path`, making it if need be.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let ledger = Ledger::open(path).await.map_err(failure)?;
        if let Some(aside) = ledger.set_aside() {
            out::talk(&format!(
                "warning: the ledger was damaged and is now {}; how far a copy is stands in its target",
                aside.display()
            ));
        }
        // A scheduler's working folder is often a temporary one too.
        if std::path::absolute(path).is_ok_and(|path| path.starts_with(std::env::temp_dir())) {
            out::talk(&format!(
                "warning: the ledger {} is in a temporary folder; what it knows may be lost",
                path.display()
            ));
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        Ok(Self { ledger, folder })
    }

    /// The file lock of a job.
    pub(crate) fn lock(&self, job: &str) -> Result<JobLock> {
        JobLock::acquire(&self.folder, job).map_err(failure)
    }

    /// Notes that a command starts to move rows.
    pub(crate) async fn start(
        &self,
        command: &str,
        jobs: &str,
        key: Option<&str>,
    ) -> Result<RunRow> {
        let run = RunRow {
            run_id: new_run_id(),
            run_key: key.map(str::to_owned),
            job: jobs.to_owned(),
            command: command.to_owned(),
            started_at: clock::now(),
            status: "running".to_owned(),
            ..RunRow::default()
        };
        self.ledger.start_run(&run).await.map_err(failure)?;
        Ok(run)
    }

    /// Notes how it ended. History only: a failure is told and changes nothing.
    pub(crate) async fn end(&self, run: &RunRow, report: &RunReport) {
        let totals = &report.totals;
        let ended = RunRow {
            finished_at: Some(clock::now()),
            status: summary::word(report.status).to_owned(),
            exit_code: Some(report.exit_code),
            totals: RunTotals {
                tables: totals.tables,
                failed: totals.failed,
                rows_read: totals.rows_read,
                rows_written: totals.rows_written,
                rows_rejected: totals.rows_rejected,
                duplicates: totals.duplicates,
                bytes_read: totals.bytes_read,
                bytes_written: totals.bytes_written,
            },
            ..run.clone()
        };
        tell(self.ledger.finish_run(&ended).await);
    }

    /// Notes that a table is being copied.
    pub(crate) async fn table_started(
        &self,
        run_id: &str,
        plan: &TablePlan,
        chunks_resumed: u64,
    ) -> Result<(), ConnectorError> {
        let row = TableRow {
            stream_id: plan.stream.stream_id.clone(),
            job: plan.stream.job.clone(),
            source: plan.source.table.to_string(),
            target: plan.target.to_string(),
            status: "running".to_owned(),
            chunks_resumed,
            ..TableRow::default()
        };
        self.ledger.upsert_table(run_id, &row).await.map_err(connector_error)
    }

    /// What a target last said of a stream.
    pub(crate) async fn position(
        &self,
        stream_id: &str,
        target_id: &str,
    ) -> Result<Option<Position>, ConnectorError> {
        self.ledger.position(stream_id, target_id).await.map_err(connector_error)
    }

    /// Takes the word of a target for the place of a stream.
    pub(crate) async fn learn(
        &self,
        run_id: &str,
        (stream_id, target_id): (&str, &str),
        position: &Position,
        receipts: &[Receipt],
    ) -> Result<(), ConnectorError> {
        let chunks = receipts.iter().map(ChunkRow::of).collect();
        let learned = self.ledger.learn(run_id, stream_id, target_id, position, chunks).await;
        learned.map_err(connector_error)
    }

    /// Forgets what a target said of a stream.
    pub(crate) async fn forget_position(&self, stream_id: &str, target_id: &str) -> Result<()> {
        self.ledger.forget_position(stream_id, target_id).await.map_err(failure)
    }

    /// Notes a durable chunk, from its receipt.
    pub(crate) async fn chunk_durable(
        &self,
        run_id: &str,
        plan: &TablePlan,
        receipt: &Receipt,
    ) -> Result<(), ConnectorError> {
        let (stream_id, chunk) = (&plan.stream.stream_id, ChunkRow::of(receipt));
        self.ledger.record_chunk(run_id, stream_id, &chunk).await.map_err(connector_error)
    }

    /// Notes how a table of a stream ended.
    pub(crate) async fn table_finished(&self, run_id: &str, stream: &str, report: &TableReport) {
        let row = TableRow {
            stream_id: stream.to_owned(),
            job: report.job.clone(),
            source: report.source.clone(),
            target: report.target.clone(),
            mode: report.mode.clone(),
            write: report.write.clone(),
            status: summary::word(report.status).to_owned(),
            exit_code: report.exit_code,
            error_code: report.error.as_ref().map(|error| error.code.clone()),
            consistency: report.consistency.clone(),
            snapshots: report.snapshots,
            rows_read: report.rows_read,
            rows_written: report.rows_written,
            rows_updated: report.rows_updated.unwrap_or_default(),
            rows_in_target: report.rows_in_target,
            rows_rejected: report.rows_rejected,
            duplicates: report.duplicates,
            bytes_read: report.bytes_read,
            bytes_written: report.bytes_written,
            chunks: report.chunks,
            chunks_resumed: report.chunks_resumed,
            rows_per_second: report.rows_per_second,
            seconds: report.seconds,
            watermark: report.watermark.as_ref().map(ToString::to_string),
            digest: Some(report.digest.clone()).filter(|digest| !digest.is_empty()),
            warnings: report.warnings.clone(),
            finished_at: Some(clock::now()),
        };
        tell(self.ledger.upsert_table(run_id, &row).await);
        if matches!(report.status, RunStatus::Ok | RunStatus::Degraded) {
            tell(self.ledger.finish_stream(run_id, stream).await);
        }
    }

    /// The newest runs with their tables, newest first.
    pub(crate) async fn runs(&self, limit: u32) -> Result<Vec<PastRun>> {
        let mut past = Vec::new();
        for run in self.ledger.runs(limit).await.map_err(failure)? {
            let tables = self.ledger.tables(&run.run_id).await.map_err(failure)?;
            let drift = self.ledger.drift(&run.run_id).await.map_err(failure)?;
            past.push(PastRun { run, tables, drift });
        }
        Ok(past)
    }

    /// What was last found of each table that `drift` has compared.
    pub(crate) async fn last_drift(&self) -> Result<Vec<DriftRow>> {
        self.ledger.last_drift().await.map_err(failure)
    }

    /// Notes what a comparison found, and how it ended; `failed` is the code of one that could not be
    /// made. History only, as [`Self::end`].
    pub(crate) async fn end_drift(&self, run: &RunRow, report: &VerifyReport, failed: Option<u8>) {
        let found: Vec<DriftRow> =
            report.tables().iter().map(|table| drift_row(report, table)).collect();
        let totals = RunTotals {
            tables: found.len() as u64,
            failed: found.iter().filter(|row| row.status == "failed").count() as u64,
            rows_read: found.iter().map(|row| row.rows_source + row.rows_target).sum(),
            ..RunTotals::default()
        };
        let ended = RunRow {
            finished_at: Some(clock::now()),
            status: failed.map_or(report.status_word(), |_| "failed").to_owned(),
            exit_code: Some(failed.unwrap_or_else(|| report.exit_code())),
            totals,
            ..run.clone()
        };
        tell(self.ledger.record_drift(&run.run_id, found).await);
        tell(self.ledger.finish_run(&ended).await);
    }

    /// Last known state of every stream.
    pub(crate) async fn streams(&self) -> Result<Vec<StreamRow>> {
        self.ledger.streams().await.map_err(failure)
    }

    /// Forgets a stream.
    pub(crate) async fn forget(&self, stream_id: &str) -> Result<()> {
        self.ledger.forget_stream(stream_id).await.map_err(failure)
    }
}

fn drift_row(report: &VerifyReport, table: &TableResult) -> DriftRow {
    let verdict = table.outcome.as_ref().ok().cloned().unwrap_or_default();
    DriftRow {
        job: table.job.clone(),
        source: table.source.clone(),
        target: table.target.clone(),
        status: report.status(table).to_owned(),
        rows_source: verdict.rows_source,
        rows_target: verdict.rows_target,
        mismatches: verdict.mismatches,
        missing: verdict.missing,
        extra: verdict.extra,
        seconds: table.seconds,
        error_code: table.outcome.as_ref().err().map(|failure| failure.report.code.clone()),
        finished_at: clock::now(),
    }
}

/// Unique on this machine, and in the order of time.
fn new_run_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", since.as_micros(), std::process::id())
}

fn connector_error(error: LedgerError) -> ConnectorError {
    ConnectorError::new(error.class(), error.code(), error.to_string())
        .with_next(error.next())
        .with_source(error)
}

fn failure(error: LedgerError) -> crate::failure::Failure {
    connector_error(error).into()
}

fn tell(result: Result<(), LedgerError>) {
    if let Err(error) = result {
        out::talk(&format!("warning: {error}: the rows are safe, their history is not"));
    }
}
