//! Rights that a login lacks: asked for when a server has refused something, since its own words seldom
//! say what to grant, and beforehand by `check`.

use rowferry_core::{Access, ConnectorError, ErrorClass, Job, Mode, Result, WriteMode};

use crate::JobEnds;
use crate::expand::TableTask;

/// Grants that the source's login lacks for a table.
///
/// # Errors
///
/// Those of the connection.
pub async fn missing_in_source(task: &TableTask, ends: &JobEnds) -> Result<Vec<String>> {
    ends.source.missing_grants(&task.source).await
}

/// Grants that the target's login lacks for a table.
///
/// # Errors
///
/// Those of the connection.
pub async fn missing_in_target(job: &Job, task: &TableTask, ends: &JobEnds) -> Result<Vec<String>> {
    ends.sink.missing_grants(&access(job, task)).await
}

fn access(job: &Job, task: &TableTask) -> Access {
    let by_mode = match job.mode {
        Mode::Full => WriteMode::Replace,
        Mode::Incremental => WriteMode::Upsert,
    };
    Access {
        table: task.target.clone(),
        write: task.entry.write.unwrap_or(by_mode),
        replace: task.entry.replace,
        progress_schema: job.progress_schema.clone(),
    }
}

/// `error` with the grants that are missing as its next step, if it is a server's refusal.
pub(crate) async fn advise(
    error: ConnectorError,
    job: &Job,
    task: &TableTask,
    ends: &JobEnds,
) -> ConnectorError {
    if error.class != ErrorClass::Refused || error.code != "permission-denied" {
        return error;
    }
    // Both may fail for the reason that the error itself has.
    let mut missing = missing_in_source(task, ends).await.unwrap_or_default();
    missing.extend(missing_in_target(job, task, ends).await.unwrap_or_default());
    if missing.is_empty() {
        return error;
    }
    error.with_next(format!("Let an administrator run: {}", missing.join(" ")))
}
