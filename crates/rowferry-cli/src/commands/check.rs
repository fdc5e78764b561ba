//! `check`: connects to both ends and says what is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use rowferry_core::{CheckLine, Endpoint, Job};
use rowferry_engine::{JobEnds, expand, missing_in_source, missing_in_target};
use rowferry_runtime::ComputePool;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::block_on::block_on;
use crate::failure::Result;
use crate::flags::OutputFormat;
use crate::{context, exit, job_file, out, registry, report_error, settle, summary};

/// One end of a job and what was found there.
#[derive(Debug, Serialize)]
struct EndView {
    job: String,
    end: &'static str,
    address: String,
    lines: Vec<CheckLine>,
    error: Option<rowferry_engine::ErrorReport>,
    #[serde(skip)]
    exit_code: u8,
}

/// Two ends, and the job between them when there is one.
struct Pair {
    name: String,
    source: Endpoint,
    target: Endpoint,
    job: Option<Job>,
}

pub(super) fn run(args: &CheckArgs) -> Result<u8> {
    let pairs = pairs(args)?;
    let views = block_on(async {
        let compute = ComputePool::new(context::cores())?;
        let mut views = Vec::new();
        for pair in &pairs {
            views.extend(look_at(pair, &compute).await);
        }
        Ok(views)
    })?;
    match args.output.output {
        OutputFormat::Json => out::result(&super::json_line(&views)),
        OutputFormat::Text => print(&views),
    }
    Ok(exit_code(&views))
}

/// The ends to look at, by job.
fn pairs(args: &CheckArgs) -> Result<Vec<Pair>> {
    if let [source, target] = args.ends.as_slice() {
        return Ok(vec![Pair {
            name: "copy".to_owned(),
            source: job_file::endpoint(source)?,
            target: job_file::endpoint(target)?,
            job: None,
        }]);
    }
    let file = job_file::load(args.ends.first().map(std::path::Path::new))?;
    let jobs = settle::keep_jobs(file.jobs, &args.job)?.into_iter();
    Ok(jobs
        .map(|job| Pair {
            name: job.name.clone(),
            source: job.source.clone(),
            target: job.target.clone(),
            job: Some(job),
        })
        .collect())
}

async fn look_at(pair: &Pair, compute: &ComputePool) -> [EndView; 2] {
    let (source, sink) = tokio::join!(
        registry::source(&pair.source, compute),
        registry::sink(&pair.target, compute)
    );
    let mut grants = (Ok(Vec::new()), Ok(Vec::new()));
    if let (Ok(source), Ok(sink), Some(job)) = (&source, &sink, &pair.job) {
        let ends = JobEnds::new(Arc::clone(source), Arc::clone(sink));
        grants = missing_grants(job, &ends).await;
    }
    let of_source = async { Ok([source?.check().await?, grants.0?].concat()) };
    let of_target = async { Ok([sink?.check().await?, grants.1?].concat()) };
    let (from, into) = tokio::join!(of_source, of_target);
    [view(&pair.name, "source", &pair.source, from), view(&pair.name, "target", &pair.target, into)]
}

/// The grants that the tables of a job need and the logins lack, as findings of both ends.
async fn missing_grants(
    job: &Job,
    ends: &JobEnds,
) -> (Result<Vec<CheckLine>>, Result<Vec<CheckLine>>) {
    let tasks = match expand(job, ends, &[]).await {
        Ok(tasks) => tasks,
        Err(error) => return (Err(error.into()), Ok(Vec::new())),
    };
    let of_source = async {
        let mut missing = BTreeSet::new();
        for task in &tasks {
            missing.extend(missing_in_source(task, ends).await?);
        }
        Ok(missing.into_iter().map(grant_line).collect())
    };
    let of_target = async {
        let mut missing = BTreeSet::new();
        for task in &tasks {
            missing.extend(missing_in_target(job, task, ends).await?);
        }
        Ok(missing.into_iter().map(grant_line).collect())
    };
    tokio::join!(of_source, of_target)
}

fn grant_line(statement: String) -> CheckLine {
    CheckLine {
        name: "right of this login".to_owned(),
        found: "not granted".to_owned(),
        advice: Some(statement),
        fatal: true,
    }
}

fn view(job: &str, end: &'static str, place: &Endpoint, seen: Result<Vec<CheckLine>>) -> EndView {
    let (lines, failure) = match seen {
        Ok(lines) => (lines, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    let negative = lines.iter().any(|line| line.fatal);
    EndView {
        job: job.to_owned(),
        end,
        address: place.to_string(),
        lines,
        exit_code: failure.as_ref().map_or(u8::from(negative), |failure| failure.exit_code),
        error: failure.map(|failure| *failure.in_job(job).report),
    }
}

fn print(views: &[EndView]) {
    for view in views {
        let mut text = format!("{} {}: {}\n", view.job, view.end, view.address);
        let mut table = summary::plain_table(&["", "", "", ""], &[]);
        for line in &view.lines {
            let mark = match (&line.advice, line.fatal) {
                (_, true) => "MISSING",
                (Some(_), false) => "note",
                (None, false) => "ok",
            };
            let advice = line.advice.as_deref().unwrap_or_default();
            table.add_row([mark, &line.name, &line.found, advice]);
        }
        if !view.lines.is_empty() {
            text.push_str(summary::trimmed(&table).trim_start_matches('\n'));
        }
        out::result(&text);
        view.error.iter().for_each(report_error::print);
    }
}

/// The ends' common code; different ones become "the answer is negative".
fn exit_code(views: &[EndView]) -> u8 {
    let mut codes = views.iter().map(|view| view.exit_code).filter(|code| *code != exit::OK);
    match codes.next() {
        None => exit::OK,
        Some(first) if codes.all(|code| code == first) => first,
        Some(_) => exit::NEGATIVE,
    }
}
