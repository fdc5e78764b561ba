//! The one tokio runtime of the process.

use std::time::Duration;

use crate::context::cores;
use crate::failure::{Failure, Result};

/// How long background tasks may take to end. Guessed: they have nothing left to do.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// How long files may take to be closed. Guessed: SQLite moves a log of some mebibytes into its file.
const CLOSE: Duration = Duration::from_secs(10);

/// Runs `work` on a new runtime and waits until all of it is closed, so that nothing is said after
/// the last line.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores())
        .enable_all()
        .build()
        .map_err(|error| {
            let message = format!("could not start the runtime: {error}");
            Failure::local("runtime", message, "Allow this user more threads.")
        })?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(SHUTDOWN);
    if !rowferry_runtime::wait_for_owners(CLOSE) {
        crate::out::talk("warning: a SQLite file is still being closed; its log stays beside it");
    }
    result
}
