//! From what the user asked and what both databases say to a [`TablePlan`].

use rowferry_core::{
    ConnectorError, ErrorClass, Job, LoadInto, PlanProblem, Result, TablePlan, TableRef,
};

use crate::draft::Draft;
use crate::expand::{TableTask, expand};
use crate::{JobEnds, RunContext};

/// A table as `plan` shows it.
#[derive(Clone, Debug)]
pub struct PlannedTable {
    /// Source table.
    pub source: TableRef,
    /// Target table.
    pub target: TableRef,
    /// The plan; `None` when problems forbid one.
    pub plan: Option<TablePlan>,
    /// Why the table cannot be copied as asked.
    pub problems: Vec<PlanProblem>,
    /// Statements that would create the target.
    pub ddl: Vec<String>,
}

/// Plans every table of `job`, without changing anything. Problems of all tables are collected.
///
/// # Errors
///
/// What is not about one table: see [`expand`], and failures of the connections.
pub async fn plan_job(
    job: &Job,
    ends: &JobEnds,
    only: &[String],
    context: &RunContext,
) -> Result<Vec<PlannedTable>> {
    let mut planned = Vec::new();
    for task in expand(job, ends.source.as_ref(), only).await? {
        planned.push(plan_table(job, &task, ends, context).await?);
    }
    Ok(planned)
}

/// Plans one table.
///
/// # Errors
///
/// Failures of the connections. A table that does not exist or does not fit is a problem instead.
pub async fn plan_table(
    job: &Job,
    task: &TableTask,
    ends: &JobEnds,
    context: &RunContext,
) -> Result<PlannedTable> {
    let mut planned = PlannedTable {
        source: task.source.clone(),
        target: task.target.clone(),
        plan: None,
        problems: Vec::new(),
        ddl: Vec::new(),
    };
    let source = match ends.source.describe(&task.source).await {
        Ok(schema) => schema,
        Err(error) if error.class == ErrorClass::Setup => {
            planned.problems.push(problem_of(&error));
            return Ok(planned);
        }
        Err(error) => return Err(error),
    };
    let target = ends.sink.describe(&task.target).await?;
    let source_id = ends.source.identity().await?;
    let mut draft =
        Draft { job, task, source: &source, target: target.as_ref(), problems: Vec::new() };
    let mut plan = draft.plan(&source_id, ends, context);
    planned.problems = draft.problems;
    planned.problems.extend(ends.sink.shape(&mut plan));
    if planned.problems.is_empty() {
        planned.ddl = if target.is_none() || plan.load != LoadInto::Target {
            ends.sink.ddl(&plan)
        } else {
            Vec::new()
        };
        planned.plan = Some(plan);
    }
    Ok(planned)
}

fn problem_of(error: &ConnectorError) -> PlanProblem {
    PlanProblem {
        code: error.code.to_owned(),
        column: None,
        message: error.to_string(),
        next: error.next.clone().unwrap_or_default(),
        casts: Vec::new(),
    }
}
