//! From the command line as written to what a run needs: every choice made once, here.
//! Precedence: flag, environment (clap reads it as the flag), file, default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rowferry_config::glob_match;
use rowferry_core::{Cast, Consistency, Job, Mode, OnBadRow, Settings, TableRef, WriteMode};
use rowferry_engine::RunOptions;

use crate::failure::{Failure, Result};
use crate::flags::{
    ConsistencyWord, Control, Limits, ModeWord, OnLocked, OutputFormat, ProgressWord, RunOutput,
    Shape, TableNames, Waiting, WriteWord,
};
use crate::units::Workers;
use crate::{job_file, state_path};

/// Everything a run was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Command word, for the ledger.
    pub(crate) command: &'static str,
    /// Jobs in the order of the file.
    pub(crate) jobs: Vec<Job>,
    /// Tables to keep; empty = all.
    pub(crate) only: Vec<String>,
    /// What the engine is told.
    pub(crate) options: RunOptions,
    /// Ledger.
    pub(crate) state: PathBuf,
    /// When another run holds a lock.
    pub(crate) on_locked: OnLocked,
    /// Exit 99 when there was nothing to do.
    pub(crate) exit_skip: bool,
    /// Exit 1 when rows were set aside.
    pub(crate) strict: bool,
    /// Stop and save after this long.
    pub(crate) deadline: Option<Duration>,
    /// Form of the result.
    pub(crate) output: OutputFormat,
    /// Where the whole report goes.
    pub(crate) report: Option<PathBuf>,
    /// Progress on stderr.
    pub(crate) progress: ProgressWord,
}

impl Request {
    /// The tables asked for that `job` may have; empty = all of its tables.
    pub(crate) fn only_of(&self, job: &Job) -> Vec<String> {
        self.only.iter().filter(|name| could_have(job, name)).cloned().collect()
    }

    /// Settles jobs that came from a file or from two URLs. `state_of_file` is the ledger that the
    /// job file names.
    pub(crate) fn new(
        command: &'static str,
        jobs: Vec<Job>,
        only: Vec<String>,
        control: &Control,
        output: &RunOutput,
        state_of_file: Option<&Path>,
    ) -> Self {
        Self {
            command,
            jobs,
            only,
            options: options(control),
            state: state_path::settle(control.state.as_deref(), state_of_file),
            on_locked: control.on_locked.unwrap_or(OnLocked::Fail),
            exit_skip: control.exit_skip,
            strict: control.strict,
            deadline: control.deadline,
            output: output.form.output,
            report: output.report.clone(),
            progress: output.progress,
        }
    }
}

fn options(control: &Control) -> RunOptions {
    // Airflow names the logical run for us: a retry of the task then continues, the next run does not.
    let of_airflow = || std::env::var("AIRFLOW_CTX_DAG_RUN_ID").ok();
    let run_key = control.run_key.clone().or_else(of_airflow).filter(|key| !key.is_empty());
    RunOptions {
        run_key,
        restart: control.restart,
        resume_within: control.resume_within.unwrap_or(RunOptions::RESUME_WITHIN),
        accept_shrink: control.accept_shrink,
        shutdown_grace: control.shutdown_grace.unwrap_or(RunOptions::SHUTDOWN_GRACE),
    }
}

/// Keeps the jobs that were asked for by name.
pub(crate) fn keep_jobs(jobs: Vec<Job>, names: &[String]) -> Result<Vec<Job>> {
    for name in names {
        if !jobs.iter().any(|job| job.name == *name) {
            let known: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
            let next = match rowferry_core::nearest(name, known.iter().copied()) {
                Some(near) => format!("Did you mean {near:?}?"),
                None => format!("The file has: {}.", known.join(", ")),
            };
            return Err(Failure::setup("unknown-job", format!("no job is called {name:?}"), next));
        }
    }
    Ok(jobs.into_iter().filter(|job| names.is_empty() || names.contains(&job.name)).collect())
}

/// Tables of a file's jobs to keep. Renaming belongs to `copy`; in a file it has its own key.
pub(crate) fn only(tables: &TableNames) -> Result<Vec<String>> {
    match tables.names.iter().find(|name| name.contains('=')) {
        None => Ok(tables.names.clone()),
        Some(name) => Err(Failure::usage(
            "table-rename",
            format!("--table {name:?} renames a table of a job file"),
            "Set `target:` of the table in the file, or use `rowferry copy`.",
        )),
    }
}

/// Leaves out jobs that have none of the tables asked for, so that a file of many small jobs can be
/// run for one table. A name that no job could have is an error here, before any connection.
pub(crate) fn keep_jobs_with(jobs: Vec<Job>, only: &[String]) -> Result<Vec<Job>> {
    for name in only {
        if !jobs.iter().any(|job| could_have(job, name)) {
            let tables = jobs.iter().flat_map(|job| &job.tables);
            let known: Vec<String> = tables.map(|table| table.source.to_string()).collect();
            let next = match rowferry_core::nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean {near:?}?"),
                None => format!("The file has: {}.", known.join(", ")),
            };
            let message = format!("no table of the file matches {name:?}");
            return Err(Failure::setup("no-tables-match", message, next));
        }
    }
    let asked = |job: &Job| only.is_empty() || only.iter().any(|name| could_have(job, name));
    Ok(jobs.into_iter().filter(asked).collect())
}

/// Whether a table of `job` may be meant by `name`; both may hold `*`.
fn could_have(job: &Job, name: &str) -> bool {
    let fits = |text: &str| glob_match(name, text) || glob_match(text, name);
    job.tables.iter().any(|table| {
        // `orders` may be found by `public.*`, and `public.orders` by the entry `orders`.
        let bare = TableRef::parse(name).name;
        fits(&table.source.to_string())
            || fits(&table.source.name)
            || glob_match(&table.source.name, &bare)
    })
}

/// `source` or `source=target`.
pub(crate) fn table_pair(text: &str) -> (TableRef, Option<TableRef>) {
    match text.split_once('=') {
        Some((source, target)) => (TableRef::parse(source), Some(TableRef::parse(target))),
        None => (TableRef::parse(text), None),
    }
}

/// Lets the flags override what the job says.
pub(crate) fn apply(job: &mut Job, shape: &Shape, limits: &Limits) -> Result<()> {
    apply_shape(job, shape)?;
    apply_limits(&mut job.settings, limits);
    for end in [&mut job.source, &mut job.target] {
        end.limits = job.settings.limits;
    }
    Ok(())
}

fn apply_shape(job: &mut Job, shape: &Shape) -> Result<()> {
    match shape.mode {
        None => {}
        Some(ModeWord::Full) => job.mode = Mode::Full,
        Some(ModeWord::Incremental) => job.mode = Mode::Incremental,
        Some(ModeWord::Snapshot) => return Err(Failure::not_supported_yet("mode: snapshot")),
        Some(ModeWord::Cdc) => return Err(Failure::not_supported_yet("mode: cdc")),
    }
    let write = shape.write.map(|word| match word {
        WriteWord::Replace => WriteMode::Replace,
        WriteWord::Append => WriteMode::Append,
        WriteWord::Upsert => WriteMode::Upsert,
    });
    let filter = shape.filter.as_deref().map(job_file::predicate).transpose()?;
    if let Some(max_rejects) = shape.max_rejects {
        job.settings.on_bad_row = OnBadRow::Quarantine { max_rejects };
    }
    let casts = shape.cast.iter().map(|text| column_cast(text)).collect::<Result<Vec<_>>>()?;
    for table in &mut job.tables {
        table.write = write.or(table.write);
        if filter.is_some() {
            table.predicate.clone_from(&filter);
        }
        for (ours, theirs) in [
            (&shape.key, &mut table.key),
            (&shape.cut_by, &mut table.cut_by),
            (&shape.include, &mut table.include),
            (&shape.exclude, &mut table.exclude),
        ] {
            if !ours.is_empty() {
                theirs.clone_from(ours);
            }
        }
        for pair in &shape.rename {
            let (from, to) = pair
                .split_once('=')
                .filter(|(a, b)| !a.is_empty() && !b.is_empty())
                .ok_or_else(|| {
                Failure::usage(
                    "rename-form",
                    format!("--rename {pair:?} is not of the form a=b"),
                    "Write the source's column, =, and the target's column.",
                )
            })?;
            table.rename.insert(from.to_owned(), to.to_owned());
        }
        table.casts.extend(casts.iter().cloned());
    }
    Ok(())
}

/// `column=TYPE else POLICY`.
fn column_cast(text: &str) -> Result<(String, Cast)> {
    let form = || {
        Failure::usage(
            "cast-form",
            format!("--cast {text:?} is not of the form column=CAST"),
            "Write for example --cast rate=\"decimal(38,10) else null\".",
        )
    };
    let (column, cast) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(form)?;
    Ok((column.to_owned(), job_file::cast(cast)?))
}

fn apply_limits(settings: &mut Settings, limits: &Limits) {
    match limits.workers {
        None => {}
        Some(Workers::Auto) => settings.workers = None,
        Some(Workers::Count(count)) => settings.workers = Some(count),
    }
    if let Some(count) = limits.parallel_tables {
        settings.parallel_tables = usize::try_from(count).unwrap_or(usize::MAX);
    }
    settings.chunk_rows = limits.chunk_rows.unwrap_or(settings.chunk_rows);
    settings.chunk_bytes = limits.chunk_bytes.unwrap_or(settings.chunk_bytes);
    settings.memory_budget = limits.memory_budget.unwrap_or(settings.memory_budget);
    settings.max_row_bytes = limits.max_row_bytes.unwrap_or(settings.max_row_bytes);
    settings.max_rate = limits.max_rate.or(settings.max_rate);
    apply_waiting(settings, &limits.waiting);
    let time = &mut settings.limits;
    time.statement = limits.statement_timeout.unwrap_or(time.statement);
    time.lock = limits.lock_timeout.unwrap_or(time.lock);
}

fn apply_waiting(settings: &mut Settings, waiting: &Waiting) {
    settings.retry_for = waiting.retry_for.unwrap_or(settings.retry_for);
    let time = &mut settings.limits;
    time.connect = waiting.connect_timeout.unwrap_or(time.connect);
    time.progress = waiting.progress_timeout.unwrap_or(time.progress);
    settings.consistency = match waiting.consistency {
        None => settings.consistency,
        Some(ConsistencyWord::Auto) => Consistency::Auto,
        Some(ConsistencyWord::Table) => Consistency::Table,
        Some(ConsistencyWord::Chunk) => Consistency::Chunk,
    };
}
