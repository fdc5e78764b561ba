//! The ledger as one process sees it: it may be told of what is durable, and of nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{Receipt, Result, TablePlan};
use rowferry_engine::{Observer, TableReport};

use super::model::{Fate, Step, failed};
use super::process::Process;

pub(crate) struct ModelLedger(pub(crate) Arc<Process>);

#[async_trait]
impl Observer for ModelLedger {
    async fn table_started(&self, _: &TablePlan, _: i64, _: u64, _: u64) -> Result<()> {
        Ok(())
    }

    fn note(&self, _: &str, _: &str) {}

    fn rows_moved(&self, _: &str, _: u64, _: u64) {}

    async fn chunk_durable(&self, plan: &TablePlan, run: i64, receipt: &Receipt) -> Result<()> {
        let model = &self.0.model;
        let target = &plan.target;
        // Somebody else may have claimed since, and begun a new run.
        let ours = self.0.claim_of(target).is_some_and(|claim| {
            claim.run == run && model.state().epochs.get(target) == Some(&claim.epoch)
        });
        if ours && !model.sink.receipts(target).iter().any(|known| known.no == receipt.no) {
            let no = receipt.no.0;
            model
                .accuse(format!("the ledger hears of chunk {no} of {target}, the target has none"));
        }
        match self.0.step(Step::Ledger, target).await {
            Fate::Fails(class) => Err(failed(class, Step::Ledger)),
            Fate::Well | Fate::AnswerLost | Fate::UnderWay { .. } => Ok(()),
        }
    }

    async fn table_finished(&self, _: &TableReport) {}
}
