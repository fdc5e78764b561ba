//! Who hears of progress: the ledger, the progress bars, the log.

use async_trait::async_trait;
use rowferry_core::{Position, Receipt, Result, TablePlan};

use crate::TableReport;

/// Hears of a run as it happens. Calls for one table come in order; tables run at once.
#[async_trait]
pub trait Observer: Send + Sync {
    /// What was last heard of the stream of `plan` in the target that calls itself `target_id`;
    /// `None` = nothing.
    async fn remembered(&self, _plan: &TablePlan, _target_id: &str) -> Result<Option<Position>> {
        Ok(None)
    }

    /// Where the stream stands by the word of the target itself. `receipts` are those of the run
    /// where they were read. Whatever was remembered gives way to it.
    async fn learned(
        &self,
        _plan: &TablePlan,
        _target_id: &str,
        _position: &Position,
        _receipts: &[Receipt],
    ) -> Result<()> {
        Ok(())
    }

    /// A table is about to be copied. `run` is its number in the target's state, `chunks_resumed`
    /// and `rows_resumed` what an earlier attempt made durable.
    async fn table_started(
        &self,
        plan: &TablePlan,
        run: i64,
        chunks_resumed: u64,
        rows_resumed: u64,
    ) -> Result<()>;

    /// Something the user should know now, one line.
    fn note(&self, table: &str, text: &str);

    /// Rows and bytes were handed to the writer; they are not durable yet.
    fn rows_moved(&self, table: &str, rows: u64, bytes: u64);

    /// A chunk is durable in the target. An error stops the table: what cannot be noted must not
    /// go on unnoticed.
    async fn chunk_durable(&self, plan: &TablePlan, run: i64, receipt: &Receipt) -> Result<()>;

    /// A table ended, well or not.
    async fn table_finished(&self, report: &TableReport);
}
