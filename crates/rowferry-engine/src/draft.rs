//! One plan in the making.

use rowferry_core::{
    Cast, Column, ColumnPlan, ColumnWish, Duplicates, Job, KeyColumns, LoadInto, Mode, PlanProblem,
    Policy, ReplaceMode, StreamSpec, TableJob, TablePlan, TableSchema, TargetTable, ValueLimits,
    WriteMode, nearest,
};

use crate::expand::TableTask;
use crate::fingerprint::{Ingredients, fingerprint, stream_id};
use crate::keys::{Identity, is_nullable};
use crate::{JobEnds, RunContext, epochs, foreign_keys};

/// One plan in the making: each step adds what it finds wrong and goes on, so that the user sees
/// all problems at once.
pub(crate) struct Draft<'a> {
    pub(crate) job: &'a Job,
    pub(crate) task: &'a TableTask,
    /// All tables of the job.
    pub(crate) tasks: &'a [TableTask],
    pub(crate) source: &'a TableSchema,
    pub(crate) target: Option<&'a TargetTable>,
    pub(crate) problems: Vec<PlanProblem>,
    /// Every column that was asked for, in the order of the source.
    pub(crate) columns: Vec<PlannedColumn>,
}

/// One column as far as it could be planned.
#[derive(Clone, Debug)]
pub struct PlannedColumn {
    /// As the source has it.
    pub source: Column,
    /// Where it goes; `None` when a problem forbids it.
    pub plan: Option<ColumnPlan>,
    /// The target computes it again from its other columns: it is neither read nor written.
    pub recreated: bool,
}

impl Draft<'_> {
    pub(crate) fn plan(
        &mut self,
        source_id: &str,
        ends: &JobEnds,
        context: &RunContext,
    ) -> TablePlan {
        let entry = &self.task.entry;
        let write = self.write_mode();
        let chosen = self.chosen_columns();
        let chosen = self.readable(chosen, ends);
        let identity = self.identity(&chosen);
        let cut_by = self.cut_by(&identity);
        let load = self.load(write, &identity, cut_by.as_ref());
        let duplicates = self.duplicates(write, &identity, cut_by.as_ref());
        let key_nullable = identity.columns.iter().any(|name| is_nullable(self.source, name));
        let key_enforced = identity.enforced
            || (duplicates.is_some() && !key_nullable && !identity.columns.is_empty());
        let columns = self.columns(&chosen, &identity, load, ends);
        let key = identity.columns.iter().map(|name| renamed(entry, name)).collect::<Vec<_>>();
        self.check_target(write, load);
        let fingerprint = fingerprint(&Ingredients {
            source_id,
            source: &self.source.table,
            target: &self.task.target,
            columns: &columns,
            cut_by: cut_by.as_ref(),
            key: &key,
            predicate: entry.predicate.as_ref(),
            mode: self.job.mode,
            write,
            load,
        });
        let stream = StreamSpec {
            stream_id: stream_id(&self.job.name, source_id, &self.source.table, &self.task.target),
            job: self.job.name.clone(),
            source_id: source_id.to_owned(),
            source_table: self.source.table.clone(),
            target_table: self.task.target.clone(),
            progress_schema: self.job.progress_schema.clone(),
            run_key: context.options.run_key.clone(),
            fingerprint,
            owner: context.owner.clone(),
            shared_target: entry.shared_target,
            tool_version: context.tool_version.clone(),
        };
        // Rows that are merged into a table stay under its keys; only whole tables are exchanged.
        let foreign_keys = if load == LoadInto::StagingReplace {
            foreign_keys::of_job(self.source, self.task, self.tasks)
        } else {
            Vec::new()
        };
        let warnings = self.warnings(write, cut_by.as_ref());
        let mut plan = TablePlan {
            stream,
            source: self.source.clone(),
            target: self.task.target.clone(),
            target_existing: self.target.map(|target| target.schema.clone()),
            columns,
            key,
            key_enforced,
            cut_by,
            mode: self.job.mode,
            write,
            load,
            replace: entry.replace,
            keep_old: entry.keep_old,
            duplicates,
            predicate: entry.predicate.clone(),
            insert_batch_rows: entry.insert_batch_rows,
            foreign_keys,
            warnings,
        };
        if self.target.is_none() || load == LoadInto::StagingReplace {
            let lost = ends.sink.not_carried(&plan);
            plan.warnings.extend(lost.into_iter().map(|lost| format!("not carried over: {lost}")));
        }
        plan
    }

    pub(crate) fn problem(
        &mut self,
        code: &str,
        column: Option<&str>,
        message: String,
        next: String,
    ) {
        self.problems.push(PlanProblem {
            code: code.to_owned(),
            column: column.map(str::to_owned),
            message,
            next,
            casts: Vec::new(),
        });
    }

    fn write_mode(&mut self) -> WriteMode {
        match (self.job.mode, self.task.entry.write) {
            (Mode::Full, write) => write.unwrap_or(WriteMode::Replace),
            (Mode::Incremental, None | Some(WriteMode::Upsert)) => WriteMode::Upsert,
            (Mode::Incremental, Some(write)) => {
                self.problem(
                    "nonsensical-mode",
                    None,
                    format!("mode incremental cannot be combined with write {write:?}")
                        .to_lowercase(),
                    "Use `write: upsert`, or `mode: full`.".to_owned(),
                );
                WriteMode::Upsert
            }
        }
    }

    /// Source columns to copy, in catalogue order.
    fn chosen_columns(&mut self) -> Vec<Column> {
        let entry = &self.task.entry;
        let named = entry
            .include
            .iter()
            .map(|name| ("include", name))
            .chain(entry.exclude.iter().map(|name| ("exclude", name)))
            .chain(entry.rename.keys().map(|name| ("rename", name)))
            .chain(entry.casts.keys().map(|name| ("casts", name)))
            .chain(entry.key.iter().map(|name| ("key", name)))
            .chain(entry.cut_by.iter().map(|name| ("cut_by", name)))
            .chain(entry.predicate.iter().map(|predicate| ("filters", &predicate.column)));
        for (place, name) in named.collect::<Vec<_>>() {
            if self.source.column(name).is_none() {
                let names = self.source.columns.iter().map(|column| column.name.as_str());
                let next = match nearest(name, names) {
                    Some(near) => format!("Did you mean {near:?}?"),
                    None => "`rowferry plan` lists the columns of the table.".to_owned(),
                };
                self.problem(
                    "unknown-column",
                    Some(name),
                    format!(
                        "{place} names a column that table {} does not have",
                        self.source.table
                    ),
                    next,
                );
            }
        }
        let chosen: Vec<Column> = self
            .source
            .columns
            .iter()
            .filter(|column| entry.include.is_empty() || entry.include.contains(&column.name))
            .filter(|column| !entry.exclude.contains(&column.name))
            .cloned()
            .collect();
        if chosen.is_empty() {
            let message = format!("no column of table {} is left to copy", self.source.table);
            self.problem("no-columns", None, message, "Change `include` or `exclude`.".to_owned());
        }
        for column in &chosen {
            if column.canonical.is_none() {
                self.problem(
                    "unmapped-type",
                    Some(&column.name),
                    format!("type {} is not supported yet", column.native.declared),
                    format!("Leave the column out with `exclude: [{}]`.", column.name),
                );
            }
        }
        chosen
    }

    /// The columns as the source reads them; what it cannot read has no meaning from here on.
    fn readable(&mut self, chosen: Vec<Column>, ends: &JobEnds) -> Vec<Column> {
        let mut readable = Vec::with_capacity(chosen.len());
        for column in chosen {
            let read = ends.source.reading(&column, self.cast(&column));
            readable.push(read.unwrap_or_else(|problem| {
                self.problems.push(*problem);
                Column { canonical: None, ..column }
            }));
        }
        readable
    }

    /// What is asked for a column: a cast of the table's entry wins over one for all columns of its
    /// type.
    fn cast(&self, source: &Column) -> Option<&Cast> {
        let of_type = || self.job.casts.iter().find(|cast| cast.matches(&source.native.declared));
        let cast = self.task.entry.casts.get(&source.name);
        cast.or_else(|| of_type().map(|found| &found.cast))
    }

    /// The question to the sink about one column.
    fn wish<'a>(
        &'a self,
        source: &'a Column,
        name: &'a str,
        existing: Option<&'a Column>,
        in_key: bool,
    ) -> ColumnWish<'a> {
        ColumnWish { source, name, existing, in_key, cast: self.cast(source) }
    }

    /// Whether the target's own columns bound the values. A swap may give the table another
    /// shape: it keeps the one it has only while every column of the source fits into it.
    fn keeps_table(
        &self,
        chosen: &[Column],
        identity: &Identity,
        load: LoadInto,
        ends: &JobEnds,
    ) -> bool {
        let swaps =
            load == LoadInto::StagingReplace && self.task.entry.replace == ReplaceMode::Swap;
        let Some(target) = self.target.filter(|_| swaps) else { return true };
        chosen.iter().filter(|column| column.canonical.is_some()).all(|column| {
            let name = renamed(&self.task.entry, &column.name);
            let in_key = identity.columns.contains(&column.name);
            target.schema.column(&name).is_some_and(|existing| {
                let wish = self.wish(column, &name, Some(existing), in_key);
                epochs::choice(&wish, ends).is_ok()
            })
        })
    }

    /// Plans every chosen column; those that the target computes itself are left out of the copy.
    fn columns(
        &mut self,
        chosen: &[Column],
        identity: &Identity,
        load: LoadInto,
        ends: &JobEnds,
    ) -> Vec<ColumnPlan> {
        let keeps_table = self.keeps_table(chosen, identity, load, ends);
        for column in chosen {
            let plan = self.column(column, keeps_table, identity, ends);
            let is_key = identity.columns.contains(&column.name);
            let recreated = !is_key && plan.as_ref().is_some_and(|plan| plan.target.generated);
            self.columns.push(PlannedColumn { source: column.clone(), plan, recreated });
        }
        let moved = self.columns.iter().filter(|column| !column.recreated);
        moved.filter_map(|column| column.plan.clone()).collect()
    }

    fn column(
        &mut self,
        column: &Column,
        keeps_table: bool,
        identity: &Identity,
        ends: &JobEnds,
    ) -> Option<ColumnPlan> {
        column.canonical.as_ref()?;
        let name = renamed(&self.task.entry, &column.name);
        let same = |other: &str| {
            other == name || ends.sink.folds_names() && other.to_lowercase() == name.to_lowercase()
        };
        let planned = self.columns.iter().filter_map(|column| column.plan.as_ref());
        let twin = planned.map(|plan| plan.target.name.clone()).find(|other| same(other));
        if let Some(twin) = twin {
            self.problem(
                "column-twice",
                Some(&column.name),
                format!(
                    "two columns would be written to {name:?} and {twin:?}, which are one name"
                ),
                format!("Give it another name: `rename: {{ {}: {name}_2 }}`.", column.name),
            );
        }
        let existing_table = self.target.filter(|_| keeps_table);
        let existing = existing_table.and_then(|target| target.schema.column(&name));
        if let Some(target) = existing_table
            && existing.is_none()
        {
            let names = target.schema.columns.iter().map(|column| column.name.as_str());
            let near = nearest(&name, names).map(|near| format!(" Did you mean {near:?}?"));
            self.problem(
                "unknown-column",
                Some(&name),
                format!("target table {} does not have this column", self.task.target),
                format!("Rename or exclude it, or drop the target.{}", near.unwrap_or_default()),
            );
            return None;
        }
        let in_key = identity.columns.contains(&column.name);
        let wish = self.wish(column, &name, existing, in_key);
        match epochs::choice(&wish, ends) {
            Ok(choice) => {
                let mut plan = ColumnPlan::new(column.clone(), choice);
                plan.cast = wish.cast.cloned().unwrap_or_default();
                self.check_policy(&plan, in_key);
                Some(plan)
            }
            Err(mut problem) => {
                if let Some(seen) = &column.seen {
                    problem.message = format!("{}; {}", problem.message, seen.words);
                    problem.casts = seen.casts.iter().cloned().chain(problem.casts).collect();
                }
                self.problems.push(problem);
                None
            }
        }
    }

    /// Refuses a policy that would break the table, or could never be applied.
    fn check_policy(&mut self, column: &ColumnPlan, in_key: bool) {
        let policy = &column.cast.otherwise;
        let changes = !matches!(policy, Policy::Strict | Policy::SkipRow);
        let why = if changes && in_key {
            "the column identifies rows, so its values cannot be changed"
        } else if *policy == Policy::Null && !column.target.nullable {
            "the target column does not allow NULL"
        } else if *policy == Policy::Clamp && !has_nearest(&column.limits) {
            "only infinities, dates and times have a nearest value that fits"
        } else if matches!(policy, Policy::Replace(_)) && !has_characters(&column.limits) {
            "only texts have characters that can be replaced"
        } else {
            return;
        };
        let problem = PlanProblem::of_column(
            "cast-does-not-fit",
            &column.source.name,
            format!("`else {policy}` cannot be applied: {why}"),
            "Take the policy out, or leave such rows out with `else skip_row`.",
        );
        self.problems.push(problem.with_casts(["else skip_row"]));
    }

    fn check_target(&mut self, write: WriteMode, load: LoadInto) {
        let Some(target) = self.target else { return };
        if !target.transactional {
            self.problem(
                "not-transactional",
                None,
                format!(
                    "writes to table {} cannot be rolled back by its storage engine",
                    self.task.target
                ),
                "Change its storage engine to one with transactions.".to_owned(),
            );
        }
        let swaps =
            load == LoadInto::StagingReplace && self.task.entry.replace == ReplaceMode::Swap;
        let theirs = target.references.iter().filter(|key| !foreign_keys::is_ours(key, self.tasks));
        let references = theirs.map(ToString::to_string);
        let dependents: Vec<String> = target.dependents.iter().cloned().chain(references).collect();
        if swaps && write == WriteMode::Replace && !dependents.is_empty() {
            self.problem(
                "target-has-dependents",
                None,
                format!(
                    "replacing table {} by a swap would cut off: {}",
                    self.task.target,
                    dependents.join(", ")
                ),
                "Use `replace: truncate`, which keeps the table and exchanges its rows.".to_owned(),
            );
        }
    }

    fn warnings(&self, write: WriteMode, cut: Option<&KeyColumns>) -> Vec<String> {
        let mut warnings = Vec::new();
        if cut.is_none() {
            warnings.push(
                "no key to cut by: read in one view, loaded through staging, a killed run starts \
                 this table anew"
                    .to_owned(),
            );
        }
        for column in &self.columns {
            if column.source.generated && !column.recreated && column.plan.is_some() {
                warnings.push(format!(
                    "column {} is computed in the source and arrives as plain values",
                    column.source.name
                ));
            }
        }
        match (self.job.mode, write) {
            (Mode::Incremental, _) => warnings.push(
                "rows behind the watermark are not read again: updates and deletes of copied rows \
                 are not seen"
                    .to_owned(),
            ),
            (Mode::Full, WriteMode::Upsert) => {
                warnings.push("rows that the source lost stay in the target".to_owned());
            }
            (Mode::Full, WriteMode::Replace | WriteMode::Append) => {}
        }
        if self.task.entry.on_duplicate == Some(Duplicates::First) {
            warnings.push("of rows with equal keys the first one is kept".to_owned());
        }
        warnings
    }
}

/// Whether values beyond these limits can have a nearest one inside; without limits nothing is ever
/// beyond them.
const fn has_nearest(limits: &ValueLimits) -> bool {
    matches!(limits, ValueLimits::Any | ValueLimits::Float { .. } | ValueLimits::Temporal { .. })
}

/// Whether these are limits of texts.
const fn has_characters(limits: &ValueLimits) -> bool {
    matches!(limits, ValueLimits::Any | ValueLimits::Text { .. } | ValueLimits::Labels(_))
}

fn renamed(entry: &TableJob, name: &str) -> String {
    match entry.rename.get(name) {
        Some(name) => name.clone(),
        None if entry.lower_names => name.to_lowercase(),
        None => name.to_owned(),
    }
}
