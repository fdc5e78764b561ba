//! `run`: the jobs of a file, once.

use std::time::Instant;

use rowferry_engine::{RunReport, RunStatus};

use crate::args::RunArgs;
use crate::block_on::block_on;
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::OutputFormat;
use crate::json::ReportFile;
use crate::session::{JobEnding, Session};
use crate::settle::{self, Request};
use crate::{clock, exit, job_file, json, out, report_error, summary};

pub(super) fn run(args: &RunArgs) -> Ending {
    match request(args) {
        Ok(request) if args.control.dry_run => super::plan::show(&request),
        Ok(request) => run_jobs(&request),
        Err(failure) => Ending::failed(&failure, args.output.form.output),
    }
}

/// What the command line and the file ask for.
pub(super) fn request(args: &RunArgs) -> Result<Request> {
    let file = job_file::load(args.file.as_deref())?;
    let only = settle::only(&args.tables)?;
    let mut jobs = settle::keep_jobs_with(settle::keep_jobs(file.jobs, &args.job)?, &only)?;
    for job in &mut jobs {
        settle::apply(job, &args.shape, &args.limits)?;
    }
    Ok(Request::new("run", jobs, only, &args.control, &args.output, file.state.as_deref()))
}

/// Runs all jobs of `request`, one after another; a failed one does not keep the others from
/// running.
pub(super) fn run_jobs(request: &Request) -> Ending {
    let file = match request.report.as_deref().map(ReportFile::prepare).transpose() {
        Ok(file) => file,
        Err(failure) => return Ending::failed(&failure, request.output),
    };
    match carry_out(request) {
        Err(failure) => Ending::failed(&failure, request.output),
        Ok(report) => finish(report, file.as_ref(), request.output),
    }
}

/// Runs all jobs of `request` and says nothing of how they ended but by the report.
pub(crate) fn carry_out(request: &Request) -> Result<RunReport> {
    let (started_at, started) = (clock::now(), Instant::now());
    let report = block_on(async {
        let session = Session::open(request).await?;
        let run = session.new_run(&request.jobs, request).await?;
        let mut ending = JobEnding::default();
        for job in &request.jobs {
            ending.add(session.run(job, request, &run.run_id).await);
            if session.signals.reason().is_some() {
                break;
            }
        }
        let report = sum_up(ending, request, session.signals.reason());
        let report = RunReport { run_id: run.run_id.clone(), stages: session.stages(), ..report };
        session.end_run(&run, &report).await;
        Ok(report)
    })?;
    Ok(RunReport {
        started_at,
        finished_at: clock::now(),
        seconds: started.elapsed().as_secs_f64(),
        ..report
    })
}

/// One report of all jobs, with the exit code that they come to.
pub(crate) fn sum_up(ending: JobEnding, request: &Request, stopped_by: Option<u8>) -> RunReport {
    let JobEnding { tables, failures, skipped } = ending;
    // The first lasting failure stands for all: where there is one, a retry alone does not help.
    let lasting = failures.iter().find(|failure| !is_retryable(failure.exit_code));
    let failure = lasting.or(failures.first());
    let failure = failure.map(|failure| (failure.exit_code, (*failure.report).clone()));
    let mut report = RunReport::of(tables, failure);
    if skipped > 0 && report.tables.is_empty() && report.error.is_none() {
        report.status = RunStatus::Skipped;
    }
    report.run_key = request.options.run_key.clone().unwrap_or_default();
    let stopped = report.tables.iter().any(|table| table.status == RunStatus::Stopped)
        || failures.iter().any(|failure| Some(failure.exit_code) == stopped_by);
    if stopped {
        report.status = RunStatus::Stopped;
        report.exit_code = stopped_by.unwrap_or(exit::LATER);
        let words = || {
            let mut failure = Failure::stopped(report.exit_code).continued();
            failure.report.saved = saved(&report);
            *failure.report
        };
        report.error = report.error.clone().or_else(|| Some(words()));
    } else if report.status == RunStatus::Skipped && request.exit_skip {
        report.exit_code = exit::SKIPPED;
    } else if report.status == RunStatus::Degraded && request.strict {
        report.exit_code = exit::NEGATIVE;
    }
    report.retryable = is_retryable(report.exit_code);
    report
}

/// Prints the summary or keeps the last line, writes the report file, says what failed.
pub(crate) fn finish(
    mut report: RunReport,
    file: Option<&ReportFile>,
    output: OutputFormat,
) -> Ending {
    if let Some(file) = file {
        report.report = Some(file.path().display().to_string());
        if let Err(failure) = file.write(&report) {
            report.report = None;
            report_error::print(&failure.report);
            // What was copied is copied; only a run that was fine otherwise ends by this.
            if report.exit_code == exit::OK {
                report.exit_code = failure.exit_code;
                report.error = Some(*failure.report);
            }
        }
    }
    if output == OutputFormat::Text && !report.tables.is_empty() {
        out::result(&summary::render(&report));
    }
    let of_tables = report.tables.iter().filter_map(|table| table.error.as_ref());
    of_tables.for_each(report_error::print);
    if let Some(error) = report.error.as_ref().filter(|error| error.table.is_empty()) {
        report_error::print(error);
    }
    let last_line = (output == OutputFormat::Json).then(|| json::line(&report));
    Ending { code: report.exit_code, last_line }
}

const fn is_retryable(code: u8) -> bool {
    matches!(code, 69 | 75 | 129 | 130 | 143)
}

fn saved(report: &RunReport) -> String {
    let chunks: u64 = report.tables.iter().map(|table| table.chunks + table.chunks_resumed).sum();
    match chunks {
        0 => "nothing yet".to_owned(),
        chunks => format!("{} durable in the target", crate::units::counted(chunks, "chunk")),
    }
}
