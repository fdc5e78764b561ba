//! What the runs of one process share: the compute pool, the ledger, the signals, the progress.
//! Runs one job at a time, under its lock.

use std::sync::Arc;
use std::time::Duration;

use rowferry_core::Job;
use rowferry_engine::{JobEnds, RunContext, RunReport, RunStatus, Stages, TableReport, run_job};
use rowferry_ledger::{JobLock, RunRow};
use rowferry_runtime::{ComputePool, Task};

use crate::context::{context, cores};
use crate::failure::{Failure, Result};
use crate::flags::OnLocked;
use crate::history::History;
use crate::observer::RunObserver;
use crate::progress::Progress;
use crate::settle::Request;
use crate::signals::Signals;
use crate::{exit, out, registry, same_table};

/// Pause between two looks at a lock that another run holds. Guessed: quick enough for a person.
const LOCK_POLL: Duration = Duration::from_secs(1);

/// Slug of every lock that another run holds, of a job as of a table.
pub(crate) const LOCKED: &str = "locked";

/// What came of one or more jobs.
#[derive(Debug, Default)]
pub(crate) struct JobEnding {
    /// Tables that were started.
    pub(crate) tables: Vec<TableReport>,
    /// Failures that no table stands for.
    pub(crate) failures: Vec<Failure>,
    /// Jobs left alone because another run holds their lock.
    pub(crate) skipped: usize,
}

impl JobEnding {
    /// Adds what came of another job; `None` = it was left alone.
    pub(crate) fn add(&mut self, result: Result<Option<Vec<TableReport>>>) {
        match result {
            Ok(Some(tables)) => self.tables.extend(tables),
            Ok(None) => self.skipped += 1,
            Err(failure) => self.failures.push(failure),
        }
    }
}

/// Handles for running jobs.
pub(crate) struct Session {
    /// Signals and the deadline.
    pub(crate) signals: Signals,
    compute: ComputePool,
    history: History,
    progress: Progress,
    _lines: Option<Task<()>>,
}

impl Session {
    /// Opens the ledger and starts to listen for signals.
    pub(crate) async fn open(request: &Request) -> Result<Self> {
        let signals = Signals::listen(request)?;
        let history = signals.or(History::open(&request.state)).await?;
        let progress = Progress::new(request.progress);
        let lines = progress.lines();
        Ok(Self { signals, compute: ComputePool::new(cores())?, history, progress, _lines: lines })
    }

    /// Where the time went since the last call.
    pub(crate) fn stages(&self) -> Stages {
        let stopwatch = self.compute.stopwatch();
        let stages = Stages::of(stopwatch);
        stopwatch.reset();
        stages
    }

    /// Notes in the ledger that `jobs` start.
    pub(crate) async fn new_run(&self, jobs: &[Job], request: &Request) -> Result<RunRow> {
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        let key = request.options.run_key.as_deref();
        self.history.start(request.command, &names.join(", "), key).await
    }

    /// Notes how they ended.
    pub(crate) async fn end_run(&self, run: &RunRow, report: &RunReport) {
        self.history.end(run, report).await;
    }

    /// Runs one job under its lock. `None` when another run holds it and we were asked to skip.
    pub(crate) async fn run(
        &self,
        job: &Job,
        request: &Request,
        run_id: &str,
    ) -> Result<Option<Vec<TableReport>>> {
        for warning in &job.warnings {
            out::talk(&format!("warning: {warning}"));
        }
        let result = async {
            same_table::refuse_by_address(job)?;
            match self.signals.or(self.lock(job, request)).await? {
                Some(_lock) => self.run_locked(job, request, run_id).await.map(Some),
                None => Ok(None),
            }
        };
        result.await.map_err(|failure: Failure| failure.in_job(&job.name).continued())
    }

    /// The file lock of the job: two runs of one job on one machine never get as far as the target.
    async fn lock(&self, job: &Job, request: &Request) -> Result<Option<JobLock>> {
        let mut waiting = false;
        loop {
            let failure = match self.history.lock(&job.name) {
                Ok(lock) => return Ok(Some(lock)),
                Err(failure) if failure.report.code == LOCKED => failure,
                Err(failure) => return Err(failure),
            };
            match request.on_locked {
                OnLocked::Fail => return Err(failure),
                OnLocked::Skip => {
                    out::talk(&format!("{}; skipped", failure.report.message));
                    return Ok(None);
                }
                OnLocked::Wait => {}
            }
            if !std::mem::replace(&mut waiting, true) {
                out::talk(&format!("{}; waiting", failure.report.message));
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }

    async fn run_locked(
        &self,
        job: &Job,
        request: &Request,
        run_id: &str,
    ) -> Result<Vec<TableReport>> {
        // Two connectors at once: on the heap, as it is too large for the stacks of those who wait.
        let connecting = Box::pin(registry::ends(&job.source, &job.target, &self.compute));
        let ends = self.signals.or(connecting).await?;
        let observer = Arc::new(RunObserver::new(&self.history, run_id, &self.progress));
        let context = context(
            &job.settings,
            &request.options,
            &self.compute,
            (&self.signals.stop, &self.signals.abort),
            observer,
        );
        let only = request.only_of(job);
        let same = same_table::refuse_by_identity(job, &ends, &only, &context);
        self.signals.or(same).await?;
        self.run_tables(job, request, &ends, &context).await
    }

    /// Runs the tables; those whose lock another job holds are waited for or skipped as asked.
    async fn run_tables(
        &self,
        job: &Job,
        request: &Request,
        ends: &JobEnds,
        context: &RunContext,
    ) -> Result<Vec<TableReport>> {
        let run = async |only: &[String]| {
            let ran = run_job(job, ends, only, context).await;
            // Before the first table was started there is no report that could say so.
            ran.map_err(|error| match (error.code, self.signals.reason()) {
                (RunContext::STOPPED, Some(reason)) => Failure::stopped(reason),
                _ => Failure::from(error),
            })
        };
        let mut reports = run(&request.only_of(job)).await?;
        match request.on_locked {
            OnLocked::Fail => {}
            OnLocked::Skip => reports.iter_mut().for_each(skip_locked),
            OnLocked::Wait => loop {
                let locked: Vec<String> = reports
                    .iter()
                    .filter(|report| is_locked(report))
                    .map(|report| rowferry_core::TableRef::parse(&report.source).name)
                    .collect();
                if locked.is_empty() || self.signals.reason().is_some() {
                    break;
                }
                out::talk(&format!("another run holds {}; waiting", locked.join(", ")));
                tokio::select! {
                    () = tokio::time::sleep(LOCK_POLL) => {}
                    () = self.signals.stop.cancelled() => break,
                }
                let again = run(&locked).await?;
                reports.retain(|report| !again.iter().any(|new| new.source == report.source));
                reports.extend(again);
            },
        }
        Ok(reports)
    }
}

fn is_locked(report: &TableReport) -> bool {
    report.error.as_ref().is_some_and(|error| error.code == LOCKED)
}

fn skip_locked(report: &mut TableReport) {
    if is_locked(report) {
        report.status = RunStatus::Skipped;
        report.exit_code = exit::OK;
        report.warnings.extend(report.error.take().map(|error| error.message));
    }
}
