//! A table copied onto itself would be lost in the swap, and one compared with itself is always equal:
//! refused before anything is written or read.

use rowferry_core::{Endpoint, EndpointKind, Job, TableRef};
use rowferry_engine::{JobEnds, PlannedTable, RunContext, plan_job};
use rowferry_verify::{TablePair, VerifyEnds};

use crate::failure::{Failure, Result};

/// Refuses what the addresses alone give away.
pub(crate) fn refuse_by_address(job: &Job) -> Result<()> {
    if !same_address(&job.source, &job.target) {
        return Ok(());
    }
    for table in &job.tables {
        let target = table.target.as_ref();
        // A pattern, or a template, is compared after it is expanded.
        let template = target.is_some_and(|target| target.to_string().contains('{'));
        if !template && target.is_none_or(|target| *target == table.source) {
            return Err(refusal(&table.source, &job.target));
        }
    }
    Ok(())
}

/// Refuses tables that turn out to be one and the same when both servers are asked who they are.
pub(crate) async fn refuse_by_identity(
    job: &Job,
    ends: &JobEnds,
    only: &[String],
    context: &RunContext,
) -> Result<()> {
    if is_same_database(ends).await? {
        refuse_planned(job, ends, &plan_job(job, ends, only, context).await?).await?;
    }
    Ok(())
}

/// The same for tables that are planned already.
pub(crate) async fn refuse_planned(
    job: &Job,
    ends: &JobEnds,
    planned: &[PlannedTable],
) -> Result<()> {
    if !is_same_database(ends).await? {
        return Ok(());
    }
    for table in planned {
        // A source that cannot be described is reported by its plan.
        let Ok(source) = ends.source.describe(&table.source).await else { continue };
        let target = ends.sink.describe(&table.target).await?;
        if target.is_some_and(|target| target.schema.table == source.table) {
            return Err(refusal(&source.table, &job.target));
        }
    }
    Ok(())
}

/// The same for tables that are compared: each is equal to itself, whatever was meant.
pub(crate) async fn refuse_pairs(job: &Job, ends: &VerifyEnds, pairs: &[TablePair]) -> Result<()> {
    let VerifyEnds { source, target } = ends;
    if source.engine() != target.engine() || source.identity().await? != target.identity().await? {
        return Ok(());
    }
    for pair in pairs {
        // What cannot be described is reported by its comparison.
        let described = (source.describe(&pair.source).await, target.describe(&pair.target).await);
        if let (Ok(source), Ok(target)) = described
            && source.table == target.table
        {
            return Err(refusal(&source.table, &job.target));
        }
    }
    Ok(())
}

async fn is_same_database(ends: &JobEnds) -> Result<bool> {
    Ok(ends.source.engine() == ends.sink.engine()
        && ends.source.identity().await? == ends.sink.identity().await?)
}

fn same_address(source: &Endpoint, target: &Endpoint) -> bool {
    if source.kind != target.kind {
        return false;
    }
    match source.kind {
        EndpointKind::Sqlite => {
            // A file that does not exist yet cannot be the source.
            let real = |path: &std::path::Path| std::fs::canonicalize(path).ok();
            source.path == target.path
                || real(&source.path).is_some_and(|path| Some(path) == real(&target.path))
        }
        EndpointKind::Postgres | EndpointKind::Mysql => {
            (&source.host, source.port, &source.socket, &source.database)
                == (&target.host, target.port, &target.socket, &target.database)
        }
        EndpointKind::Generate | EndpointKind::Null => false,
    }
}

fn refusal(table: &TableRef, place: &Endpoint) -> Failure {
    let what = if table.to_string().contains('*') {
        format!("the tables {table} of {place} are source and target at once")
    } else {
        format!("source and target are the same table {table} in {place}")
    };
    Failure::usage(
        "same-table",
        what,
        "Give the target another name, such as `--table orders=orders_copy`.",
    )
}
