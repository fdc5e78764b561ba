//! What `plan` shows of a table, as text and as JSON, from one value.

use rowferry_core::{
    Consistency, Fidelity, Job, LoadInto, Mode, PlanProblem, Policy, Settings, TablePlan, WriteMode,
};
use rowferry_engine::{PlannedColumn, PlannedTable, RunContext, casts_to_paste};
use serde::Serialize;

use crate::{summary, units};

/// One job with its tables.
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    pub(crate) job: String,
    pub(crate) source: String,
    pub(crate) target: String,
    /// Chunks in flight.
    pub(crate) workers: usize,
    /// Connections at the source and at the target while chunks are copied.
    pub(crate) connections_source: usize,
    pub(crate) connections_target: usize,
    pub(crate) tables: Vec<TableView>,
}

/// One table.
#[derive(Debug, Serialize)]
pub(crate) struct TableView {
    source: String,
    target: String,
    target_exists: bool,
    /// What a run would make of the progress that the target has.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    mode: &'static str,
    write: &'static str,
    load: &'static str,
    consistency: &'static str,
    key: Vec<String>,
    cut_by: Vec<String>,
    rows_estimated: Option<u64>,
    chunks_estimated: Option<u64>,
    columns: Vec<ColumnView>,
    ddl: Vec<String>,
    warnings: Vec<String>,
    problems: Vec<PlanProblem>,
    /// The line of a job file with which the columns with problems would go.
    #[serde(skip_serializing_if = "Option::is_none")]
    casts: Option<String>,
}

#[derive(Debug, Serialize)]
struct ColumnView {
    name: String,
    source_type: String,
    meaning: String,
    target_name: String,
    target_type: String,
    nullable: bool,
    /// `E` exact, `W` widened, `V` checked value by value, `L` lossy, `X` not possible.
    flag: char,
    /// What is checked or lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Casts that avoid the rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<String>,
    /// What becomes of values that break it.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// Casts with which a column with a problem would go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    casts: Vec<String>,
    /// The target computes it again; it is not copied.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    recreated: bool,
}

impl JobView {
    /// What `planned` means for `job` with this many workers. `states` has a line for each table.
    pub(crate) fn new(
        job: &Job,
        planned: &[PlannedTable],
        states: Vec<Option<String>>,
        workers: usize,
    ) -> Self {
        let at_once = job.settings.parallel_tables.min(planned.len()).max(1);
        Self {
            job: job.name.clone(),
            source: job.source.to_string(),
            target: job.target.to_string(),
            workers,
            // Each table being copied has a prober, and a lock with a heartbeat of its own.
            connections_source: workers + at_once + 1,
            connections_target: workers + RunContext::commits_beside(workers) + at_once + 1,
            tables: planned
                .iter()
                .zip(states)
                .map(|(table, state)| TableView::new(job, table, state))
                .collect(),
        }
    }

    /// Whether some table cannot be copied as asked.
    pub(crate) fn has_problems(&self) -> bool {
        self.tables.iter().any(|table| !table.problems.is_empty())
    }

    /// As text.
    pub(crate) fn render(&self) -> String {
        let mut lines = vec![
            format!("job {}: {} -> {}", self.job, self.source, self.target),
            format!(
                "{} workers, up to {} source and {} target connections",
                self.workers, self.connections_source, self.connections_target
            ),
        ];
        for table in &self.tables {
            lines.push(String::new());
            lines.extend(table.lines());
        }
        lines.join("\n")
    }
}

impl TableView {
    fn new(job: &Job, planned: &PlannedTable, state: Option<String>) -> Self {
        let plan = planned.plan.as_ref();
        let rows_estimated = plan.and_then(|plan| plan.source.rows_estimated);
        Self {
            source: planned.source.to_string(),
            target: planned.target.to_string(),
            target_exists: plan.is_some_and(|plan| plan.target_existing.is_some()),
            state,
            mode: match job.mode {
                Mode::Full => "full",
                Mode::Incremental => "incremental",
            },
            write: plan.map_or("", |plan| write_word(plan.write)),
            load: plan.map_or("", |plan| load_words(plan.load)),
            consistency: consistency_word(job.settings.consistency),
            key: plan.map(|plan| plan.key.clone()).unwrap_or_default(),
            cut_by: plan
                .and_then(|plan| plan.cut_by.as_ref())
                .map(rowferry_core::KeyColumns::names)
                .unwrap_or_default(),
            rows_estimated,
            chunks_estimated: plan.and_then(|plan| chunks(plan, &job.settings)),
            columns: columns(planned),
            ddl: planned.ddl.clone(),
            warnings: plan.map(|plan| plan.warnings.clone()).unwrap_or_default(),
            problems: planned.problems.clone(),
            casts: casts_to_paste(&planned.problems),
        }
    }

    fn lines(&self) -> Vec<String> {
        let exists = if self.target_exists { " (exists)" } else { "" };
        let mut lines = vec![format!("table {} -> {}{exists}", self.source, self.target)];
        let list = |names: &[String]| {
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        if !self.columns.is_empty() {
            lines.push(self.render_columns());
            lines.extend(self.columns.iter().filter_map(ColumnView::rule_line));
        }
        if !self.write.is_empty() {
            lines.push(format!(
                "  mode {}, write {}, load {}, consistency {}",
                self.mode, self.write, self.load, self.consistency
            ));
            lines.push(format!("  key: {}; cut by: {}", list(&self.key), list(&self.cut_by)));
            lines.push(format!("  {}", self.render_estimate()));
            lines.extend(self.state.iter().map(|state| format!("  state: {state}")));
        }
        for statement in &self.ddl {
            let statement = statement.trim_end_matches(';').replace('\n', "\n  ");
            lines.push(format!("  {statement};"));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("  note: {warning}")));
        if let Some(casts) = &self.casts {
            lines.push("  casts to paste under this table:".to_owned());
            lines.push(format!("    {casts}"));
        }
        for problem in &self.problems {
            lines.push(format!("  error[{}]: {problem}", problem.code));
            if !problem.next.is_empty() {
                lines.push(format!("    next: {}", problem.next));
            }
        }
        lines
    }

    fn render_columns(&self) -> String {
        let header =
            ["", "", "column", "source type", "meaning", "target column", "target type", "null"];
        let mut table = summary::plain_table(&header, &[]);
        for column in &self.columns {
            let computed = if column.recreated { ", computed" } else { "" };
            let target_type = format!("{}{computed}", column.target_type);
            table.add_row([
                "",
                &column.flag.to_string(),
                &column.name,
                &column.source_type,
                &column.meaning,
                &column.target_name,
                &target_type,
                if column.nullable { "yes" } else { "no" },
            ]);
        }
        summary::trimmed(&table)
    }

    fn render_estimate(&self) -> String {
        match (self.rows_estimated, self.chunks_estimated) {
            (Some(rows), Some(chunks)) => {
                format!(
                    "about {} in {}",
                    units::counted(rows, "row"),
                    units::counted(chunks, "chunk")
                )
            }
            (Some(rows), None) => format!("about {}", units::counted(rows, "row")),
            (None, _) => "number of rows not known; chunks are cut while copying".to_owned(),
        }
    }
}

impl ColumnView {
    fn new(column: &PlannedColumn, problems: &[PlanProblem]) -> Self {
        let (source, plan) = (&column.source, column.plan.as_ref());
        let of_column = |problem: &&PlanProblem| problem.column.as_deref() == Some(&source.name);
        let refused = problems.iter().find(of_column);
        let flag = match plan.filter(|_| refused.is_none()) {
            Some(plan) => plan.fidelity.letter(),
            None => 'X',
        };
        let policy =
            plan.map(|plan| &plan.cast.otherwise).filter(|policy| **policy != Policy::Strict);
        Self {
            name: source.name.clone(),
            source_type: source.native.declared.clone(),
            meaning: source
                .canonical
                .as_ref()
                .map_or_else(String::new, rowferry_core::CanonicalType::name),
            target_name: plan.map_or_else(String::new, |plan| plan.target.name.clone()),
            target_type: plan.map_or_else(String::new, |plan| plan.target.native.declared.clone()),
            nullable: plan.map_or(source.nullable, |plan| plan.target.nullable),
            flag,
            rule: plan.and_then(|plan| plan.rule.clone()),
            options: plan.map(|plan| plan.options.clone()).unwrap_or_default(),
            policy: policy.map(ToString::to_string),
            casts: refused.map(|problem| problem.casts.clone()).unwrap_or_default(),
            recreated: column.recreated,
        }
    }

    /// What is checked or lost, and what can be said about it.
    fn rule_line(&self) -> Option<String> {
        let speaks = [Fidelity::Checked, Fidelity::Lossy].map(Fidelity::letter);
        let rule = self.rule.as_ref().filter(|_| speaks.contains(&self.flag))?;
        let otherwise = match &self.policy {
            Some(policy) => format!(", else {policy}"),
            None if self.options.is_empty() => String::new(),
            None => {
                let options: Vec<String> =
                    self.options.iter().map(|cast| format!("{cast:?}")).collect();
                format!(" (options: {})", options.join(", "))
            }
        };
        Some(format!("  {} {}: {rule}{otherwise}", self.flag, self.name))
    }
}

fn columns(planned: &PlannedTable) -> Vec<ColumnView> {
    planned.columns.iter().map(|column| ColumnView::new(column, &planned.problems)).collect()
}

/// Rows by statistics over the rows that fit a chunk.
fn chunks(plan: &TablePlan, settings: &Settings) -> Option<u64> {
    let rows = plan.source.rows_estimated?;
    let (chunk_rows, chunk_bytes) = settings.of_chunk();
    let by_bytes = plan.source.row_bytes_estimated().map_or(u64::MAX, |bytes| chunk_bytes / bytes);
    let rows_per_chunk = chunk_rows.min(by_bytes).max(1);
    Some(rows.div_ceil(rows_per_chunk).max(1))
}

const fn write_word(write: WriteMode) -> &'static str {
    match write {
        WriteMode::Replace => "replace",
        WriteMode::Append => "append",
        WriteMode::Upsert => "upsert",
    }
}

const fn load_words(load: LoadInto) -> &'static str {
    match load {
        LoadInto::StagingReplace => "into staging, then replace",
        LoadInto::StagingAppend => "into staging, then append",
        LoadInto::Target => "into the target",
    }
}

const fn consistency_word(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Auto => "auto",
        Consistency::Table => "table",
        Consistency::Chunk => "chunk",
    }
}
