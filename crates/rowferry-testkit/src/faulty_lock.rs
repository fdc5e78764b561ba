//! A hold on a stream whose steps fail by script.

use async_trait::async_trait;
use rowferry_core::{
    Claim, ClaimStart, ErrorClass, Prepared, Published, Result, Sealed, StreamLock, StreamState,
    TablePlan,
};

use crate::faults::{Faults, scripted};

/// A step of the coordinator of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Taking the lock.
    Lock,
    /// Reading the stream row.
    State,
    /// Raising the epoch.
    Claim,
    /// Making tables.
    Prepare,
    /// Counting and building keys.
    Seal,
    /// Making rows visible.
    Publish,
}

impl Step {
    /// All of them, in the order of a run.
    pub const ALL: [Self; 6] =
        [Self::Lock, Self::State, Self::Claim, Self::Prepare, Self::Seal, Self::Publish];
}

/// What goes wrong with one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepFault {
    /// The step; the first call of it that finds this fault at the head of the script takes it.
    pub step: Step,
    /// It is done, and only its answer is lost.
    pub done: bool,
    /// Class of the error.
    pub class: ErrorClass,
}

impl Faults<StepFault> {
    /// Does `step`, or fails in its place or behind it. Steps fail in the order of their script.
    pub(crate) async fn around<T>(
        &self,
        step: Step,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(fault) = self.take_if(|fault| fault.step == step) else { return call.await };
        if fault.done {
            drop(call.await?);
        }
        Err(scripted(fault.class, "step"))
    }
}

pub(crate) struct FaultyLock {
    pub(crate) inner: Box<dyn StreamLock>,
    pub(crate) faults: Faults<StepFault>,
}

#[async_trait]
impl StreamLock for FaultyLock {
    async fn state(&mut self) -> Result<Option<StreamState>> {
        self.faults.around(Step::State, self.inner.state()).await
    }

    async fn claim(&mut self, start: ClaimStart) -> Result<Claim> {
        self.faults.around(Step::Claim, self.inner.claim(start)).await
    }

    async fn prepare(&mut self, plan: &TablePlan, claim: &Claim) -> Result<Prepared> {
        self.faults.around(Step::Prepare, self.inner.prepare(plan, claim)).await
    }

    async fn target_rows(&mut self, limit: Option<u64>) -> Result<u64> {
        self.inner.target_rows(limit).await
    }

    async fn seal(&mut self, prepared: &Prepared) -> Result<Sealed> {
        self.faults.around(Step::Seal, self.inner.seal(prepared)).await
    }

    async fn publish(&mut self, prepared: &Prepared, watermark: Option<&str>) -> Result<Published> {
        self.faults.around(Step::Publish, self.inner.publish(prepared, watermark)).await
    }

    async fn heartbeat(&mut self) -> Result<()> {
        self.inner.heartbeat().await
    }
}
