//! A process's hold on one table of the target. It may be lost without the process noticing; then
//! only the epoch stands between it and its successor.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{
    Claim, ClaimStart, ErrorClass, Prepared, Published, Result, Sealed, StreamLock, StreamState,
    TablePlan, TableRef,
};

use super::model::{Fate, Flaw, Step, failed};
use super::process::{Claimed, Process};

pub(crate) struct ModelLock {
    pub(crate) process: Arc<Process>,
    pub(crate) target: TableRef,
    pub(crate) inner: Box<dyn StreamLock>,
}

/// Whether the call is done, and its answer lost.
struct Lost(bool);

impl ModelLock {
    async fn step(&mut self, step: Step) -> Result<Lost> {
        match self.process.step(step, &self.target).await {
            Fate::Well => Ok(Lost(false)),
            Fate::AnswerLost => Ok(Lost(true)),
            Fate::Fails(class) => Err(failed(class, step)),
            Fate::UnderWay { .. } => Err(failed(ErrorClass::Transient, step)),
        }
    }
}

impl Lost {
    fn answer<T>(&self, step: Step, answer: T) -> Result<T> {
        if self.0 { Err(failed(ErrorClass::Transient, step)) } else { Ok(answer) }
    }
}

#[async_trait]
impl StreamLock for ModelLock {
    async fn state(&mut self) -> Result<Option<StreamState>> {
        let lost = self.step(Step::State).await?;
        lost.answer(Step::State, self.inner.state().await?)
    }

    async fn claim(&mut self, start: ClaimStart) -> Result<Claim> {
        let lost = self.step(Step::Claim).await?;
        let model = &self.process.model;
        // The claim waits for commits under way, and ends the sessions of the owner before, where it
        // has the right to.
        model.settle(Some(&self.target)).await;
        if model.flaw != Some(Flaw::NoFence) && model.state().dice.percent(70) {
            model.end_sessions(&self.target, self.process.number);
        }
        let claim = self.inner.claim(start).await?;
        let claimed = Claimed { run: claim.run, epoch: claim.epoch };
        self.process.claimed(&self.target, claimed);
        model.state().epochs.insert(self.target.clone(), claim.epoch);
        lost.answer(Step::Claim, claim)
    }

    async fn prepare(&mut self, plan: &TablePlan, claim: &Claim) -> Result<Prepared> {
        let lost = self.step(Step::Prepare).await?;
        lost.answer(Step::Prepare, self.inner.prepare(plan, claim).await?)
    }

    async fn target_rows(&mut self, limit: Option<u64>) -> Result<u64> {
        let lost = self.step(Step::CountTarget).await?;
        lost.answer(Step::CountTarget, self.inner.target_rows(limit).await?)
    }

    async fn seal(&mut self, prepared: &Prepared) -> Result<Sealed> {
        let lost = self.step(Step::Seal).await?;
        lost.answer(Step::Seal, self.inner.seal(prepared).await?)
    }

    async fn publish(&mut self, prepared: &Prepared, watermark: Option<&str>) -> Result<Published> {
        let lost = self.step(Step::Publish).await?;
        lost.answer(Step::Publish, self.inner.publish(prepared, watermark).await?)
    }

    async fn heartbeat(&mut self) -> Result<()> {
        let lost = self.step(Step::Heartbeat).await?;
        lost.answer(Step::Heartbeat, self.inner.heartbeat().await?)
    }
}
