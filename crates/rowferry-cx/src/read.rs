//! One chunk being read by a helper process.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{
    ChunkReader, ConnectorError, Digest, ErrorClass, KeyTuple, Payload, Result, Snapshot,
    TimeLimits,
};
use rowferry_runtime::{ComputePool, Owner, Stage, within};

use crate::answer::{self, Answer, Process};
use crate::arrival::Arrival;
use crate::error::{failed, thread_failed};

/// A chunk on its way through ConnectorX.
pub(crate) struct ConnectorxReader {
    view: Arc<dyn Snapshot>,
    compute: ComputePool,
    limits: TimeLimits,
    arrival: Arc<Arrival>,
    /// `None` when there is nothing to read, or no more.
    answer: Option<Open>,
    last_key: Option<KeyTuple>,
    complete: bool,
    attempt: String,
}

/// An answer, and the process behind it, which ends with it.
struct Open {
    answer: Owner<Answer>,
    process: Process,
}

impl Drop for Open {
    fn drop(&mut self) {
        answer::end(&self.process);
    }
}

impl ConnectorxReader {
    pub(crate) async fn start(
        view: Arc<dyn Snapshot>,
        compute: ComputePool,
        limits: TimeLimits,
        arrival: Arrival,
        answer: Option<Answer>,
        last_key: Option<KeyTuple>,
        attempt: String,
    ) -> Result<Self> {
        let complete = answer.is_none();
        let answer = match answer {
            None => None,
            Some(answer) => {
                let process = answer.process();
                let owner = Owner::spawn("connectorx", || Ok::<_, ConnectorError>(answer)).await;
                let answer = owner.map_err(thread_failed("could not wait for the helper"))??;
                Some(Open { answer, process })
            }
        };
        let arrival = Arc::new(arrival);
        Ok(Self { view, compute, limits, arrival, answer, last_key, complete, attempt })
    }

    fn silent(&self) -> ConnectorError {
        failed(ErrorClass::Transient, "silent", &self.attempt)
            .with_server(format!("ConnectorX sent nothing within {:?}", self.limits.progress))
            .with_next(
                "It sends nothing until it has a whole chunk: lower `chunk_rows`, or raise \
                 `progress_timeout`.",
            )
    }

    /// Whoever altered the table before the query has waited for nobody.
    async fn check_unaltered(&self) -> Result<()> {
        match self.view.script() {
            Some(script) => script.check_unaltered().await,
            None => Err(ConnectorError::bug("a view has lost its script")),
        }
    }
}

#[async_trait]
impl ChunkReader for ConnectorxReader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        // Taken out, so that an error or a dropped future leaves a reader that cannot go on.
        let Some(open) = self.answer.take() else {
            return if self.complete {
                Ok(None)
            } else {
                Err(ConnectorError::bug("a reader was used after it had failed"))
            };
        };
        let answer = within(self.limits.progress, open.answer.call(Answer::next)).await;
        let came = answer
            .map_err(|_silent| self.silent())?
            .map_err(thread_failed("could not read the answer of the helper"))?;
        let came = match came {
            Ok(came) => came,
            // What our own connection says of the view explains more than ConnectorX's words.
            Err(error) => return Err(self.check_unaltered().await.err().unwrap_or(error)),
        };
        let Some(batch) = came else {
            self.check_unaltered().await?;
            self.complete = true;
            return Ok(None);
        };
        let arrival = Arc::clone(&self.arrival);
        let batch = self
            .compute
            .run(Stage::Decode, move || arrival.batch(&batch))
            .await
            .map_err(thread_failed("could not convert rows"))??;
        self.answer = Some(open);
        Ok(Some(Payload::Batch(batch)))
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.last_key.clone()
    }

    fn digest(&self) -> Option<Digest> {
        None
    }
}
