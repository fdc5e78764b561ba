//! Hears of a run as it happens: the ledger notes it, the progress shows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rowferry_core::{Position, Receipt, Result, TablePlan};
use rowferry_engine::{Observer, TableReport};

use crate::history::History;
use crate::out;
use crate::progress::Progress;

/// Observer of a run.
pub(crate) struct RunObserver {
    history: History,
    run_id: String,
    progress: Progress,
    /// Stream of each table that was started, for its end.
    streams: Mutex<BTreeMap<String, String>>,
}

impl RunObserver {
    /// Notes what happens under `run_id`.
    pub(crate) fn new(history: &History, run_id: &str, progress: &Progress) -> Self {
        Self {
            history: history.clone(),
            run_id: run_id.to_owned(),
            progress: progress.clone(),
            streams: Mutex::default(),
        }
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // Names stay usable after a panic elsewhere.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Observer for RunObserver {
    async fn remembered(&self, plan: &TablePlan, target_id: &str) -> Result<Option<Position>> {
        self.history.position(&plan.stream.stream_id, target_id).await
    }

    async fn learned(
        &self,
        plan: &TablePlan,
        target_id: &str,
        position: &Position,
        receipts: &[Receipt],
    ) -> Result<()> {
        let stream_id = &plan.stream.stream_id;
        self.history.learn(&self.run_id, (stream_id, target_id), position, receipts).await
    }

    async fn table_started(
        &self,
        plan: &TablePlan,
        _run: i64,
        chunks_resumed: u64,
        rows_resumed: u64,
    ) -> Result<()> {
        let table = plan.source.table.to_string();
        self.streams().insert(table.clone(), plan.stream.stream_id.clone());
        self.progress.started(&table, plan.source.rows_estimated, rows_resumed);
        self.history.table_started(&self.run_id, plan, chunks_resumed).await
    }

    fn note(&self, table: &str, text: &str) {
        // The engine's notes about a table often name it themselves.
        if text.contains(table) {
            out::talk(text);
        } else {
            out::talk(&format!("{table}: {text}"));
        }
    }

    fn rows_moved(&self, table: &str, rows: u64, _bytes: u64) {
        self.progress.moved(table, rows);
    }

    async fn chunk_durable(&self, plan: &TablePlan, _run: i64, receipt: &Receipt) -> Result<()> {
        self.history.chunk_durable(&self.run_id, plan, receipt).await
    }

    async fn table_finished(&self, report: &TableReport) {
        self.progress.finished(report);
        let stream = self.streams().remove(&report.source);
        // A table that failed before it was claimed has no stream; its run tells of it.
        if let Some(stream) = stream {
            self.history.table_finished(&self.run_id, &stream, report).await;
        }
    }
}

/// Observer of a plan: nothing happens.
pub(crate) struct Silent;

#[async_trait]
impl Observer for Silent {
    async fn table_started(&self, _: &TablePlan, _: i64, _: u64, _: u64) -> Result<()> {
        Ok(())
    }

    fn note(&self, _: &str, _: &str) {}

    fn rows_moved(&self, _: &str, _: u64, _: u64) {}

    async fn chunk_durable(&self, _: &TablePlan, _: i64, _: &Receipt) -> Result<()> {
        Ok(())
    }

    async fn table_finished(&self, _: &TableReport) {}
}
