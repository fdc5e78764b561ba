//! The script of faults that faulty ends follow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rowferry_core::{ConnectorError, ErrorClass, Result};

/// What goes wrong with one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The chunk cannot be started.
    RefuseBegin(ErrorClass),
    /// After so many payloads the next one fails.
    FailAfter(u64, ErrorClass),
    /// COMMIT never reaches the server, and its answer never comes.
    LoseCommit,
    /// COMMIT is done, but its answer never comes.
    LoseAnswer,
    /// COMMIT is refused.
    RefuseCommit(ErrorClass),
    /// Every payload takes this much longer.
    Slow(Duration),
    /// After so many payloads nothing happens any more.
    Hold(u64),
}

/// A shared script of faults: each is taken once, in order; after the last all is well. Of chunks
/// each one that begins takes the next.
#[derive(Debug)]
pub struct Faults<F = Fault> {
    script: Arc<Mutex<VecDeque<F>>>,
}

impl<F> Clone for Faults<F> {
    fn clone(&self) -> Self {
        Self { script: Arc::clone(&self.script) }
    }
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        Self::script([])
    }
}

impl<F> Faults<F> {
    /// A script of these faults.
    pub fn script(faults: impl IntoIterator<Item = F>) -> Self {
        Self { script: Arc::new(Mutex::new(faults.into_iter().collect())) }
    }

    /// Faults not yet taken.
    pub fn left(&self) -> usize {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes the next fault if it is `wanted`.
    pub(crate) fn take_if(&self, wanted: impl FnOnce(&F) -> bool) -> Option<F> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        if script.front().is_some_and(wanted) { script.pop_front() } else { None }
    }
}

impl Faults<Fault> {
    pub(crate) fn take(&self) -> Fault {
        self.take_if(|_| true).unwrap_or(Fault::None)
    }
}

impl Fault {
    /// What happens before payload number `done` + 1.
    pub(crate) async fn before_payload(self, done: u64) -> Result<()> {
        match self {
            Self::FailAfter(payloads, class) if done >= payloads => Err(scripted(class, "payload")),
            Self::Hold(payloads) if done >= payloads => std::future::pending().await,
            Self::Slow(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Self::None
            | Self::RefuseBegin(_)
            | Self::FailAfter(..)
            | Self::LoseCommit
            | Self::LoseAnswer
            | Self::RefuseCommit(_)
            | Self::Hold(_) => Ok(()),
        }
    }

    pub(crate) fn at_begin(self) -> Result<()> {
        match self {
            Self::RefuseBegin(class) => Err(scripted(class, "begin")),
            Self::None
            | Self::FailAfter(..)
            | Self::LoseCommit
            | Self::LoseAnswer
            | Self::RefuseCommit(_)
            | Self::Slow(_)
            | Self::Hold(_) => Ok(()),
        }
    }
}

pub(crate) fn scripted(class: ErrorClass, step: &str) -> ConnectorError {
    ConnectorError::new(class, "scripted-fault", format!("{step} failed by script"))
}
