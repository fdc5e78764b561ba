//! Tasks that end with their handle, so that nothing runs on behind a caller's back.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::RuntimeError;

/// A running task. Dropping it aborts the task at its next await.
#[derive(Debug)]
pub struct Task<T> {
    name: String,
    handle: JoinHandle<T>,
}

/// Starts `future` as a task called `name` in the current tracing span.
#[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
pub fn spawn<T, F>(name: &str, future: F) -> Task<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    Task { name: name.to_owned(), handle: tokio::spawn(future.in_current_span()) }
}

impl<T> Task<T> {
    /// Waits for the task's answer.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Panicked`] when it panicked.
    pub async fn join(mut self) -> Result<T, RuntimeError> {
        (&mut self.handle).await.map_err(|_join| RuntimeError::Panicked { name: self.name.clone() })
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
