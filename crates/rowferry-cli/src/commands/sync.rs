//! `sync run` and `sync down`: the same rows into two databases, and out of them again.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rowferry_core::Endpoint;
use rowferry_engine::ErrorReport;
use rowferry_runtime::ComputePool;
use rowferry_seed::{Generator, Script, SectionName};
use serde::Serialize;

use crate::block_on::block_on;
use crate::edg_ends::End;
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::OutputFormat;
use crate::script_run::{Ran, ScriptRun, saved};
use crate::signals::Signals;
use crate::sync_args::{ScriptArgs, SyncRunArgs};
use crate::{context, exit, job_file, out, registry, report_error};

/// An end and what is run on it.
struct Side {
    end: End,
    endpoint: Endpoint,
    script: Script,
}

/// Which sections are run, and whether the other end is still of use when one has failed.
struct Plan {
    sections: [SectionName; 2],
    seed: u64,
    goes_on: bool,
}

impl Plan {
    /// What to do about a failure. Nothing is skipped the next time, so that what `sync run` has done
    /// must be taken away first.
    fn next(&self, report: &ErrorReport, begun: bool) -> String {
        let next = &report.next;
        let undo_first = begun && !self.goes_on;
        match report.before_run_again() {
            Some(before) if undo_first => {
                format!("{before}un `sync down`, and then the same command again.")
            }
            Some(_) => format!("{next} It begins with the first statement."),
            None if undo_first => {
                format!("{next} Then run `sync down`, and the same command again.")
            }
            None => next.clone(),
        }
    }
}

/// One line of JSON for the whole run.
#[derive(Serialize)]
struct ReportLine<'a> {
    version: u8,
    status: &'static str,
    exit_code: u8,
    rng_seed: Option<u64>,
    seconds: f64,
    statements: &'a [Ran],
    error: Option<&'a ErrorReport>,
}

pub(super) fn run(args: &SyncRunArgs) -> Ending {
    let seed = args.rng_seed.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = u64::from(since.subsec_nanos());
        out::talk(&format!("the rows are those of --rng-seed {seed}"));
        seed
    });
    let sections = [SectionName::Up, SectionName::Seed];
    carry_out(&args.scripts, &Plan { sections, seed, goes_on: false }, Some(seed))
}

/// What one end cannot clean up is no reason to leave the other as it is.
pub(super) fn down(args: &ScriptArgs) -> Ending {
    let sections = [SectionName::Deseed, SectionName::Down];
    carry_out(args, &Plan { sections, seed: 0, goes_on: true }, None)
}

fn carry_out(args: &ScriptArgs, plan: &Plan, rng_seed: Option<u64>) -> Ending {
    let output = args.output.output;
    let started = Instant::now();
    let mut ran = Vec::new();
    let result = sides(args).and_then(|sides| block_on(run_all(&sides, plan, output, &mut ran)));
    let failure = result.err().map(|mut failure| {
        failure.report.saved = saved(&ran);
        failure.report.next = plan.next(&failure.report, !ran.is_empty());
        report_error::print(&failure.report);
        failure
    });
    let code = failure.as_ref().map_or(exit::OK, |failure| failure.exit_code);
    let line = ReportLine {
        version: 1,
        status: match &failure {
            None => "ok",
            Some(failure) if failure.report.class == "stopped" => "stopped",
            Some(_) => "failed",
        },
        exit_code: code,
        rng_seed,
        seconds: started.elapsed().as_secs_f64(),
        statements: &ran,
        error: failure.as_ref().map(|failure| &*failure.report),
    };
    let last_line = (output == OutputFormat::Json).then(|| super::json_line(&line));
    Ending { code, last_line }
}

/// Both ends; the files are read before anything is connected.
fn sides(args: &ScriptArgs) -> Result<Vec<Side>> {
    let places = &args.places;
    let source = side(
        End::Source,
        (places.source_url.as_ref(), places.source_driver.as_ref()),
        args.source_config.as_ref(),
    )?;
    let target = side(
        End::Target,
        (places.target_url.as_ref(), places.target_driver.as_ref()),
        args.target_config.as_ref(),
    )?;
    let sides: Vec<Side> = [source, target].into_iter().flatten().collect();
    if sides.first().is_some_and(|side| side.end == End::Source) {
        return Ok(sides);
    }
    Err(Failure::usage(
        "no-config",
        "no configuration of the source is named",
        "Name it with --source-config or in EDG_SOURCE_CONFIG.",
    ))
}

/// An end whose configuration is named.
fn side(
    end: End,
    (url, driver): (Option<&String>, Option<&String>),
    config: Option<&PathBuf>,
) -> Result<Option<Side>> {
    let config = config.cloned().or_else(|| end.variable("CONFIG").map(PathBuf::from));
    let Some(config) = config else { return Ok(None) };
    let script = job_file::script(&config)?;
    let endpoint = job_file::endpoint(&end.place(url)?)?;
    end.check_driver(&endpoint, driver)?;
    registry::check_script(&endpoint)?;
    Ok(Some(Side { end, endpoint, script }))
}

async fn run_all(
    sides: &[Side],
    plan: &Plan,
    output: OutputFormat,
    ran: &mut Vec<Ran>,
) -> Result<()> {
    let signals = Signals::at_once(output)?;
    let compute = ComputePool::new(context::cores())?;
    let mut first = None;
    for side in sides {
        let work = Box::pin(run_side(side, plan, (output, &compute), ran));
        let Err(failure) = signals.or(work).await else { continue };
        if !plan.goes_on || signals.reason().is_some() {
            return Err(first.unwrap_or(failure));
        }
        // The first one is told at the end.
        if first.is_some() {
            report_error::print(&failure.report);
        } else {
            first = Some(failure);
        }
    }
    first.map_or(Ok(()), Err)
}

async fn run_side(
    side: &Side,
    plan: &Plan,
    (output, compute): (OutputFormat, &ComputePool),
    ran: &mut Vec<Ran>,
) -> Result<()> {
    let word = side.end.word();
    let generator = Generator::new(plan.seed, &side.script).map_err(|error| {
        let message = format!("the configuration of the {word} cannot be used: {error}");
        Failure::setup("no-value", message, "Correct it under globals.")
    })?;
    let session = registry::script(&side.endpoint, compute).await?;
    let mut run = ScriptRun { end: side.end, script: &side.script, session, generator, output };
    for section in plan.sections {
        run.section(section, ran).await?;
    }
    if output == OutputFormat::Text {
        out::result(&format!("INFO all statements done side={word}"));
    }
    Ok(())
}
