//! `verify`: compares the tables of two databases, and says exactly where they differ.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rowferry_core::{ColumnPlan, Job, OnBadRow, TableRef};
use rowferry_engine::{JobEnds, RunOptions, TableTask, expand, plan_table};
use rowferry_runtime::{CancellationToken, ComputePool, Jitter};
use rowferry_verify::{Difference, TablePair, TableVerdict, VerifyContext, VerifyEnds, compare};

use crate::block_on::block_on;
use crate::edg_ends::{End, variables_name_both};
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::{Limits, Shape};
use crate::observer::Silent;
use crate::repairs::{Repairs, UndoFile};
use crate::signals::Signals;
use crate::verify_args::{Places, Reading, RepairCommand, RepairWord, VerifyArgs, VerifyCommand};
use crate::verify_page::{LINES_MAX, page};
use crate::verify_view::{Printer, TableResult, VerifyReport, lines};
use crate::{context, job_file, out, registry, same_table, settle};

/// How long rows of live tables may differ. Guessed: replication that is further behind is looked into.
const SETTLE_FOR: Duration = Duration::from_secs(10);

/// Two databases and what of them is compared.
pub(super) struct Verification {
    job: Job,
    /// From a job file; else the tables stand in the command.
    of_file: bool,
}

impl Verification {
    /// The job's name.
    pub(super) fn name(&self) -> &str {
        &self.job.name
    }
}

/// What is asked for, beside what is compared.
pub(super) struct Asked<'a> {
    pub(super) args: &'a VerifyArgs,
    pub(super) repair: Option<RepairWord>,
    pub(super) undo: &'a Path,
    pub(super) printer: Printer,
}

pub(super) fn run(command: &VerifyCommand, verbose: bool) -> Ending {
    carry_out(&command.verify, command.repair, &command.undo.file, verbose)
}

/// `repair`: the same, and the statements are printed unless they are to be run.
pub(super) fn repair(command: &RepairCommand, verbose: bool) -> Ending {
    let how = if command.apply { RepairWord::Apply } else { RepairWord::Sql };
    carry_out(&command.verify, Some(how), &command.undo.file, verbose)
}

fn carry_out(args: &VerifyArgs, repair: Option<RepairWord>, undo: &Path, verbose: bool) -> Ending {
    let output = args.output.output;
    let script = repair == Some(RepairWord::Sql);
    let asked = Asked { args, repair, undo, printer: Printer { output, verbose, script } };
    let mut report = VerifyReport::new(args.equality.strict, args.equality.allow_empty);
    let verified =
        verifications(args).and_then(|jobs| block_on(verify_until(&asked, &jobs, &mut report)));
    match verified {
        Ok(()) => report.ending(output),
        Err(failure) => Ending::failed(&failure, output),
    }
}

/// Compares everything, unless a signal comes before the end: what was found until then is kept.
pub(super) async fn verify_until(
    asked: &Asked<'_>,
    jobs: &[Verification],
    report: &mut VerifyReport,
) -> Result<()> {
    let signals = Signals::at_once(asked.printer.output)?;
    match signals.or(Box::pin(verify_all(asked, jobs, report))).await {
        Err(failure) if signals.reason() == Some(failure.exit_code) => {
            report.stop(failure);
            Ok(())
        }
        verified => verified,
    }
}

/// What is to be compared, from a job file or from the command.
fn verifications(args: &VerifyArgs) -> Result<Vec<Verification>> {
    let from_file =
        args.places == Places::default() && args.ends.len() < 2 && !variables_name_both();
    if from_file {
        return jobs_of_file(args).map(|(jobs, _)| jobs);
    }
    Ok(vec![settled(args, of_command(args)?)?])
}

fn settled(args: &VerifyArgs, mut verification: Verification) -> Result<Verification> {
    let job = &mut verification.job;
    settle::apply(job, &Shape::default(), &limits(&args.reading))?;
    same_table::refuse_by_address(job)?;
    Ok(verification)
}

fn limits(reading: &Reading) -> Limits {
    Limits {
        workers: reading.workers,
        chunk_rows: reading.chunk_rows,
        waiting: reading.waiting.clone(),
        ..Limits::default()
    }
}

/// The jobs of a file that were asked for, and the ledger that it names.
pub(super) fn jobs_of_file(args: &VerifyArgs) -> Result<(Vec<Verification>, Option<PathBuf>)> {
    let file = job_file::load(args.ends.first().map(std::path::Path::new))?;
    let jobs = settle::keep_jobs(file.jobs, &args.job)?;
    let jobs = settle::keep_jobs_with(jobs, &settle::only(&args.tables)?)?;
    let jobs = jobs.into_iter().map(|job| settled(args, Verification { job, of_file: true }));
    Ok((jobs.collect::<Result<_>>()?, file.state))
}

fn of_command(args: &VerifyArgs) -> Result<Verification> {
    if !args.job.is_empty() {
        return Err(Failure::usage(
            "job-without-file",
            "--job names a job of a file, but two databases are given",
            "Give the job file alone, or leave --job out.",
        ));
    }
    let places = &args.places;
    let source = End::Source.place(args.ends.first().or(places.source_url.as_ref()))?;
    let target = End::Target.place(args.ends.get(1).or(places.target_url.as_ref()))?;
    let (job, _) = super::copy::job(
        "verify",
        (source.as_str(), target.as_str(), args.config.as_deref()),
        &args.tables,
        false,
    )?;
    End::Source.check_driver(&job.source, places.source_driver.as_ref())?;
    End::Target.check_driver(&job.target, places.target_driver.as_ref())?;
    Ok(Verification { job, of_file: false })
}

async fn verify_all(
    asked: &Asked<'_>,
    jobs: &[Verification],
    report: &mut VerifyReport,
) -> Result<()> {
    let Asked { args, printer, .. } = asked;
    let started = Instant::now();
    if let Some(pause) = args.reading.wait.filter(|_| !args.reading.live) {
        tokio::time::sleep(pause).await;
    }
    let mut undo = UndoFile::at(asked.undo);
    let compute = ComputePool::new(context::cores())?;
    for verification in jobs {
        for warning in &verification.job.warnings {
            out::talk(&format!("warning: {warning}"));
        }
        let context = verify_context(args, &verification.job, &compute);
        let (ends, pairs) = pairs(args, verification, &compute).await?;
        let mender = match asked.repair {
            Some(_) => Some(Box::pin(registry::mender(&verification.job.target, &compute)).await?),
            None => None,
        };
        for pair in &pairs {
            let repairs = mender.as_ref().map(|mender| Repairs::new(Arc::clone(mender)));
            let mut table = verify_table(asked, pair, (&ends, &context), repairs, &mut undo).await;
            table.job.clone_from(&verification.job.name);
            printer.table(&table, report);
            report.add(table);
        }
    }
    report.seconds = started.elapsed().as_secs_f64();
    printer.closing(report);
    if let Some(path) = &args.report {
        std::fs::write(path, rowferry_core::redact(&page(report)).as_bytes()).map_err(|error| {
            let message = format!("could not write the report {}: {error}", path.display());
            Failure::local("report-file", message, "Name another file with --report.")
        })?;
    }
    Ok(())
}

fn verify_context(args: &VerifyArgs, job: &Job, compute: &ComputePool) -> VerifyContext {
    let settings = &job.settings;
    VerifyContext {
        compute: compute.clone(),
        jitter: Jitter::default(),
        workers: rowferry_engine::RunContext::workers_for(settings, context::cores()),
        retry_for: settings.retry_for,
        chunk_rows: settings.chunk_rows,
        chunk_bytes: settings.chunk_bytes,
        batch_rows: args.reading.batch_size,
        consistency: settings.consistency,
        settle_for: args.reading.live.then(|| args.reading.wait.unwrap_or(SETTLE_FOR)),
        // The standard hasher's keys are random per process.
        pushdown: args.reading.pushdown.then(|| RandomState::new().hash_one(0_u64)),
        strict: args.equality.strict,
    }
}

/// Connects to both ends, and names the tables to compare.
async fn pairs(
    args: &VerifyArgs,
    verification: &Verification,
    compute: &ComputePool,
) -> Result<(VerifyEnds, Vec<TablePair>)> {
    let job = &verification.job;
    // Two connectors at once: on the heap, as they are too large for the stacks of those who wait.
    let source = Box::pin(registry::source(&job.source, compute));
    let target = Box::pin(registry::source(&job.target, compute));
    let (source, target) = tokio::join!(source, target);
    let ends = VerifyEnds { source: source?, target: target? };
    let named = |table: &TableRef| named_pair(args, table);
    if !verification.of_file {
        let pairs = job.tables.iter().map(|table| TablePair {
            target: table.target.clone().unwrap_or_else(|| table.source.clone()),
            ..named(&table.source)
        });
        let pairs: Vec<TablePair> = pairs.collect();
        same_table::refuse_pairs(job, &ends, &pairs).await?;
        return Ok((ends, pairs));
    }
    let sink = Box::pin(registry::sink(&job.target, compute)).await?;
    let copied = JobEnds::new(Arc::clone(&ends.source), sink);
    let only = settle::only(&args.tables)?;
    let tasks = expand(job, &copied, &only)
        .await
        .map_err(|error| Failure::from(error).in_job(&job.name))?;
    let mut pairs = Vec::new();
    for task in &tasks {
        let mut pair = of_task(task, named);
        if !job.casts.is_empty() || !task.entry.casts.is_empty() {
            pair.casts = casts(job, (task, &tasks), &copied, compute).await?;
            pair.sets_aside = job.settings.on_bad_row != OnBadRow::Fail;
        }
        pairs.push(pair);
    }
    same_table::refuse_pairs(job, &ends, &pairs).await?;
    Ok((ends, pairs))
}

fn named_pair(args: &VerifyArgs, table: &TableRef) -> TablePair {
    TablePair {
        source: table.clone(),
        key: args.equality.order_by.clone(),
        ignore: args.equality.ignore_columns.clone(),
        ..TablePair::default()
    }
}

/// What the job's casts make of a table's columns.
async fn casts(
    job: &Job,
    (task, tasks): (&TableTask, &[TableTask]),
    ends: &JobEnds,
    compute: &ComputePool,
) -> Result<Vec<ColumnPlan>> {
    // Nothing runs, so nothing can be stopped.
    let never = CancellationToken::new();
    let options = RunOptions::default();
    let context =
        context::context(&job.settings, &options, compute, (&never, &never), Arc::new(Silent));
    let planned =
        plan_table(job, task, tasks, ends, &context).await.and_then(|table| table.casts());
    planned.map_err(|error| Failure::from(error).in_job(&job.name))
}

/// The tables of a job's task, with the columns that it copies.
fn of_task(task: &TableTask, named: impl Fn(&TableRef) -> TablePair) -> TablePair {
    let entry = &task.entry;
    let mut pair = TablePair { target: task.target.clone(), ..named(&task.source) };
    if pair.key.is_empty() {
        pair.key.clone_from(&entry.key);
    }
    pair.include.clone_from(&entry.include);
    pair.ignore.extend_from_slice(&entry.exclude);
    pair.rename.clone_from(&entry.rename);
    pair.predicate.clone_from(&entry.predicate);
    pair
}

async fn verify_table(
    asked: &Asked<'_>,
    pair: &TablePair,
    (ends, context): (&VerifyEnds, &VerifyContext),
    mut repairs: Option<Repairs>,
    undo: &mut UndoFile,
) -> TableResult {
    let name = pair.source.to_string();
    let started = Instant::now();
    let mut shown: Vec<String> = Vec::new();
    let keeps = asked.args.report.is_some() && asked.printer.verbose;
    let mut found = |difference: &Difference| {
        asked.printer.difference(&name, difference);
        if keeps && shown.len() < LINES_MAX {
            shown.push(lines(&name, difference));
        }
        if let Some(repairs) = &mut repairs {
            repairs.take(difference);
        }
    };
    let verdict = compare(pair, ends, context, &mut found).await.map_err(Failure::from);
    let repaired = match (&verdict, &mut repairs) {
        (Ok(verdict), Some(repairs)) => carry_on(asked, repairs, verdict, undo).await,
        _ => Ok(0),
    };
    let outcome = verdict.and_then(|verdict| repaired.map(|repaired| (verdict, repaired)));
    let (verdict, repaired) = match outcome {
        Ok((verdict, repaired)) => (Ok(verdict), repaired),
        Err(mut failure) => {
            failure.report.table.clone_from(&name);
            (Err(failure), 0)
        }
    };
    TableResult {
        job: String::new(),
        source: name,
        target: pair.target.to_string(),
        seconds: started.elapsed().as_secs_f64(),
        repaired,
        lines: shown,
        outcome: verdict,
    }
}

/// Prints or runs what puts the table right; rows that were.
async fn carry_on(
    asked: &Asked<'_>,
    repairs: &mut Repairs,
    verdict: &TableVerdict,
    undo: &mut UndoFile,
) -> Result<u64> {
    repairs.check(verdict)?;
    match asked.repair {
        Some(RepairWord::Apply) => Ok(repairs.apply(undo).await? as u64),
        Some(RepairWord::Sql) => {
            asked.printer.script(&repairs.script());
            Ok(0)
        }
        None => Ok(0),
    }
}
