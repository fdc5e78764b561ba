//! `check`: connects to both ends and says what is missing.

use rowferry_core::{CheckLine, Endpoint};
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

pub(super) fn run(args: &CheckArgs) -> Result<u8> {
    let pairs = pairs(args)?;
    let views = block_on(async {
        let compute = ComputePool::new(context::cores())?;
        let mut views = Vec::new();
        for (job, source, target) in &pairs {
            let (from, into) =
                tokio::join!(look_at_source(source, &compute), look_at_target(target, &compute));
            views.push(view(job, "source", source, from));
            views.push(view(job, "target", target, into));
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
fn pairs(args: &CheckArgs) -> Result<Vec<(String, Endpoint, Endpoint)>> {
    if let [source, target] = args.ends.as_slice() {
        return Ok(vec![(
            "copy".to_owned(),
            job_file::endpoint(source)?,
            job_file::endpoint(target)?,
        )]);
    }
    let file = job_file::load(args.ends.first().map(std::path::Path::new))?;
    let jobs = settle::keep_jobs(file.jobs, &args.job)?;
    Ok(jobs.into_iter().map(|job| (job.name, job.source, job.target)).collect())
}

async fn look_at_source(endpoint: &Endpoint, compute: &ComputePool) -> Result<Vec<CheckLine>> {
    Ok(registry::source(endpoint, compute).await?.check().await?)
}

async fn look_at_target(endpoint: &Endpoint, compute: &ComputePool) -> Result<Vec<CheckLine>> {
    Ok(registry::sink(endpoint, compute).await?.check().await?)
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
