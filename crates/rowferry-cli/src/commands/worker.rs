//! `worker`: runs the jobs of a file on their intervals until it is stopped.
//!
//! One job at a time, in the order in which they fall due; tables inside a job run at once as its
//! settings say. A failed run is reported and tried again at the job's next interval: whatever is
//! wrong today may be mended tomorrow, and the other jobs must not wait for it.

use std::path::Path;
use std::time::{Duration, Instant};

use rowferry_core::Job;
use rowferry_engine::RunReport;

use crate::args::WorkerArgs;
use crate::block_on::block_on;
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::{Control, OutputFormat, Shape};
use crate::json::ReportFile;
use crate::session::{JobEnding, Session};
use crate::settle::{self, Request};
use crate::{clock, job_file, out, units};

/// A job and when it runs next.
struct Due {
    job: Job,
    every: Duration,
    at: Instant,
}

pub(super) fn run(args: &WorkerArgs) -> Ending {
    let result = prepare(args).and_then(|(request, due)| block_on(follow(&request, due)));
    match result {
        Ok(code) => Ending::of(code),
        Err(failure) => Ending::failed(&failure, args.output.form.output),
    }
}

fn prepare(args: &WorkerArgs) -> Result<(Request, Vec<Due>)> {
    let file = job_file::load(args.file.as_deref())?;
    let only = settle::only(&args.tables)?;
    let mut jobs = settle::keep_jobs_with(settle::keep_jobs(file.jobs, &args.job)?, &only)?;
    for job in &mut jobs {
        settle::apply(job, &Shape::default(), &args.limits)?;
    }
    let due = jobs.iter().map(|job| due(job, args.every)).collect::<Result<Vec<_>>>()?;
    let control = Control {
        state: args.state.clone(),
        accept_shrink: args.accept_shrink,
        ..Control::default()
    };
    Ok((Request::new("worker", jobs, only, &control, &args.output, file.state.as_deref()), due))
}

fn due(job: &Job, default: Option<Duration>) -> Result<Due> {
    match job.every.or(default) {
        Some(every) => Ok(Due { job: job.clone(), every, at: Instant::now() }),
        None => Err(Failure::setup(
            "no-interval",
            format!("job {:?} does not say how often it runs", job.name),
            "Set `every: 5m` in the file, or give --every.",
        )),
    }
}

async fn follow(request: &Request, mut due: Vec<Due>) -> Result<u8> {
    let session = Session::open(request).await?;
    loop {
        if let Some(code) = session.signals.reason() {
            return Ok(code);
        }
        // There is at least one job: a file without any is refused when it is read.
        let Some(next) = due.iter_mut().min_by_key(|due| due.at) else { return Ok(0) };
        tokio::select! {
            biased;
            () = session.signals.stop.cancelled() => continue,
            () = tokio::time::sleep_until(next.at.into()) => {}
        }
        let started = Instant::now();
        let report = run_once(&session, request, &next.job).await?;
        publish(request, &next.job, report)?;
        // From start to start; a run that took longer than its interval is followed by the next.
        next.at = (started + next.every).max(Instant::now());
    }
}

async fn run_once(session: &Session, request: &Request, job: &Job) -> Result<RunReport> {
    let (started_at, started) = (clock::now(), Instant::now());
    let run = session.new_run(std::slice::from_ref(job), request).await?;
    let mut ending = JobEnding::default();
    ending.add(session.run(job, request, &run.run_id).await);
    let report = RunReport {
        run_id: run.run_id.clone(),
        stages: session.stages(),
        started_at,
        finished_at: clock::now(),
        seconds: started.elapsed().as_secs_f64(),
        ..super::run::sum_up(ending, request, session.signals.reason())
    };
    session.end_run(&run, &report).await;
    Ok(report)
}

/// Prints a run as `run` would; with JSON, one line per run.
fn publish(request: &Request, job: &Job, report: RunReport) -> Result<()> {
    let file = request.report.as_deref().map(Path::new).map(ReportFile::prepare).transpose()?;
    let summary = format!(
        "{}: {} in {}, {} written",
        job.name,
        crate::summary::word(report.status),
        units::seconds(report.seconds),
        units::counted(report.totals.rows_written, "row"),
    );
    if request.output == OutputFormat::Text {
        out::talk(&summary);
    }
    if let Some(line) = super::run::finish(report, file.as_ref(), request.output).last_line {
        out::result(&line);
    }
    Ok(())
}
