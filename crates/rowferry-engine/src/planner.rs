//! From what the user asked and what both databases say to a [`TablePlan`].

use rowferry_core::{
    Cast, ColumnPlan, ConnectorError, ErrorClass, Job, LoadInto, PlanProblem, Result, TablePlan,
    TableRef, TableSchema,
};

use crate::draft::{Draft, PlannedColumn};
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
    /// Every column that was asked for, also those with problems.
    pub columns: Vec<PlannedColumn>,
    /// Why the table cannot be copied as asked.
    pub problems: Vec<PlanProblem>,
    /// Statements that would create the target.
    pub ddl: Vec<String>,
}

impl PlannedTable {
    /// The columns whose values the user has cast.
    ///
    /// # Errors
    ///
    /// Class `Setup` when one of them cannot be cast as asked.
    pub fn casts(&self) -> Result<Vec<ColumnPlan>> {
        let plans = self.columns.iter().map(|column| column.plan.as_ref());
        if plans.clone().any(|plan| plan.is_none()) {
            return Err(plan_error(&self.source, &self.problems));
        }
        Ok(plans.flatten().filter(|plan| plan.cast != Cast::default()).cloned().collect())
    }
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
    let tasks = expand(job, ends, only).await?;
    for task in &tasks {
        planned.push(plan_table(job, task, &tasks, ends, context).await?);
    }
    Ok(planned)
}

/// Plans one table; `tasks` are all tables of the job.
///
/// # Errors
///
/// Failures of the connections. A table that does not exist or does not fit is a problem instead.
pub async fn plan_table(
    job: &Job,
    task: &TableTask,
    tasks: &[TableTask],
    ends: &JobEnds,
    context: &RunContext,
) -> Result<PlannedTable> {
    let mut planned = PlannedTable {
        source: task.source.clone(),
        target: task.target.clone(),
        plan: None,
        columns: Vec::new(),
        problems: Vec::new(),
        ddl: Vec::new(),
    };
    let source = match ends.source.describe(&task.source).await {
        Ok(schema) if task.entry.keep_defaults => schema,
        Ok(schema) => without_defaults(schema),
        Err(error) if error.class == ErrorClass::Setup => {
            planned.problems.push(problem_of(&error));
            return Ok(planned);
        }
        Err(error) => return Err(error),
    };
    let target = ends.sink.describe(&task.target).await?;
    let source_id = ends.source.identity().await?;
    let mut draft = Draft {
        job,
        task,
        tasks,
        source: &source,
        target: target.as_ref(),
        problems: Vec::new(),
        columns: Vec::new(),
    };
    let mut plan = draft.plan(&source_id, ends, context);
    planned.problems = draft.problems;
    planned.columns = draft.columns;
    planned.problems.extend(ends.sink.shape(&mut plan));
    planned.problems.extend(own_name(&task.target));
    // What was shaped as a whole is shown as it will be.
    for column in &mut planned.columns {
        if let Some(shaped) =
            plan.columns.iter().find(|made| made.source.name == column.source.name)
        {
            column.plan = Some(shaped.clone());
        }
    }
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

/// The refusal of a target that looks like a table of rowferry's own: it would be taken for one.
fn own_name(target: &TableRef) -> Option<PlanProblem> {
    const OWN: &str = "_rowferry_";
    target.name.to_ascii_lowercase().starts_with(OWN).then(|| {
        PlanProblem::of_table(
            "bad-name",
            format!(
                "names that start with {OWN} are kept for rowferry, and {:?} does",
                target.name
            ),
            "Give the table another name with `target`.",
        )
    })
}

/// The table as if its columns had no defaults; its own statement would still name them.
fn without_defaults(mut schema: TableSchema) -> TableSchema {
    schema.definition = None;
    for column in &mut schema.columns {
        column.default = None;
        column.default_meaning = None;
    }
    schema
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

/// All problems of a table as one error: the first one's slug, every one's words.
pub(crate) fn plan_error(table: &TableRef, problems: &[PlanProblem]) -> ConnectorError {
    // Slugs are static in errors; those that scripts may look for are listed here.
    const CODES: [&str; 21] = [
        "unknown-table",
        "unknown-column",
        "unmapped-type",
        "key-needed",
        "key-type",
        "target-has-dependents",
        "not-transactional",
        "nonsensical-mode",
        "type-mismatch",
        "type-does-not-fit",
        "generated-column",
        "unsupported-type",
        "no-columns",
        "cut-by-key",
        "lossy",
        "unknown-type",
        "cast-does-not-fit",
        "bad-name",
        "column-twice",
        "no-unique-key",
        "not-carried",
    ];
    let first = problems.first();
    let code = first
        .and_then(|problem| CODES.iter().find(|code| **code == problem.code))
        .copied()
        .unwrap_or("plan-refused");
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let class =
        if code == "target-has-dependents" { ErrorClass::Conflict } else { ErrorClass::Setup };
    let mut steps: Vec<String> = problems.iter().map(|problem| problem.next.clone()).collect();
    steps.dedup();
    steps.extend(casts_to_paste(problems).map(|line| format!("Under the table: `{line}`.")));
    ConnectorError::new(class, code, format!("cannot copy table {table}: {}", words.join("; ")))
        .with_next(steps.join(" "))
}

/// The line of a job file with which the columns of `problems` would go, the first way of each:
/// `casts: { rate: "decimal(38,10)" }`.
pub fn casts_to_paste(problems: &[PlanProblem]) -> Option<String> {
    let casts = problems.iter().filter_map(|problem| {
        let (column, cast) = (problem.column.as_ref()?, problem.casts.first()?);
        // JSON strings are YAML strings.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let column = if is_plain_key(column) { column.clone() } else { quoted(column) };
        Some(format!("{column}: {}", quoted(cast)))
    });
    let casts: Vec<String> = casts.collect();
    (!casts.is_empty()).then(|| format!("casts: {{ {} }}", casts.join(", ")))
}

/// Whether a name needs no quotes as a key of YAML, where `no` and `null` are no texts.
fn is_plain_key(name: &str) -> bool {
    const WORDS: [&str; 8] = ["null", "true", "false", "yes", "no", "on", "off", "y"];
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() > 1
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        && !WORDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_are_ready_to_be_pasted() {
        let problem = |column: &str, casts: &[&str]| {
            PlanProblem::of_column("lossy", column, "m", "n").with_casts(casts.iter().copied())
        };
        let line = casts_to_paste(&[
            problem("rate_2", &["decimal(38,10)", "text"]),
            problem("gone", &[]),
            problem("no", &["else null"]),
            problem("Größe \"x\"", &["text"]),
        ]);
        let expected =
            r#"casts: { rate_2: "decimal(38,10)", "no": "else null", "Größe \"x\"": "text" }"#;
        assert_eq!(line.as_deref(), Some(expected));
        assert_eq!(casts_to_paste(&[problem("gone", &[])]), None);
    }
}
