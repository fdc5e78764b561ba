//! `status`: what ran, how far, how fast.

use rowferry_ledger::{DriftRow, RunRow};
use serde::Serialize;

use crate::args::StatusArgs;
use crate::block_on::block_on;
use crate::failure::Result;
use crate::flags::OutputFormat;
use crate::history::{History, PastRun};
use crate::{exit, out, state_path, summary, units};

/// One line of JSON.
#[derive(Serialize)]
struct StatusLine<'a> {
    version: u8,
    /// Newest first.
    runs: &'a [PastRun],
    /// What was last found of each table, however many runs ago.
    last_drift: &'a [DriftRow],
}

pub(super) fn run(args: &StatusArgs) -> Result<u8> {
    if args.place.target.is_some() {
        return super::state::list(&args.place, args.output);
    }
    let path = state_path::settle(args.place.state.as_deref(), None);
    if !path.exists() {
        out::talk(&format!("nothing has run yet: there is no ledger at {}", path.display()));
        if args.output.output == OutputFormat::Json {
            out::result(&line(&[], &[]));
        }
        return Ok(exit::OK);
    }
    let (runs, drift) = block_on(async {
        let history = History::open(&path).await?;
        Ok((history.runs(args.last).await?, history.last_drift().await?))
    })?;
    match args.output.output {
        OutputFormat::Json => out::result(&line(&runs, &drift)),
        OutputFormat::Text if runs.is_empty() => out::talk("nothing has run yet"),
        OutputFormat::Text => {
            out::result(&render(&runs));
            if !drift.is_empty() {
                out::result(&format!("\nlast drift\n{}", render_drift(&drift)));
            }
        }
    }
    Ok(exit::OK)
}

fn line(runs: &[PastRun], last_drift: &[DriftRow]) -> String {
    super::json_line(&StatusLine { version: 1, runs, last_drift })
}

/// What was last found of each table, however many runs ago.
fn render_drift(found: &[DriftRow]) -> String {
    let header =
        ["compared", "job", "table", "target", "rows", "in target", "differences", "status"];
    let mut table = summary::plain_table(&header, &[4, 5, 6]);
    for row in found {
        let error = row.error_code.as_ref().map(|code| format!(": {code}"));
        table.add_row([
            row.finished_at.clone(),
            row.job.clone(),
            row.source.clone(),
            row.target.clone(),
            units::grouped(row.rows_source),
            units::grouped(row.rows_target),
            units::grouped(row.mismatches + row.missing + row.extra),
            format!("{}{}", row.status, error.unwrap_or_default()),
        ]);
    }
    summary::trimmed(&table)
}

fn render(runs: &[PastRun]) -> String {
    let header =
        ["started", "job", "table", "target", "written", "resumed", "rows/s", "time", "status"];
    let mut table = summary::plain_table(&header, &[4, 5, 6, 7]);
    for PastRun { run, tables, .. } in runs {
        let totals = &run.totals;
        table.add_row([
            run.started_at.clone(),
            run.job.clone(),
            units::counted(totals.tables.max(tables.len() as u64), "table"),
            run.command.clone(),
            units::grouped(totals.rows_written),
            String::new(),
            String::new(),
            String::new(),
            run_status(run),
        ]);
        for of_run in tables {
            let error = of_run.error_code.as_ref().map(|code| format!(": {code}"));
            table.add_row([
                String::new(),
                // A run of several jobs names the job of each table.
                if of_run.job == run.job { String::new() } else { of_run.job.clone() },
                of_run.source.clone(),
                of_run.target.clone(),
                units::grouped(of_run.rows_written),
                units::grouped(of_run.chunks_resumed),
                units::grouped(summary::whole(of_run.rows_per_second)),
                units::seconds(of_run.seconds),
                format!("{}{}", of_run.status, error.unwrap_or_default()),
            ]);
        }
    }
    summary::trimmed(&table)
}

/// A run without an end is running, or its process was killed: the ledger cannot tell.
fn run_status(run: &RunRow) -> String {
    match (&run.finished_at, run.exit_code) {
        (Some(_), Some(code)) => format!("{} ({code})", run.status),
        (Some(_), None) => run.status.clone(),
        (None, _) => "running or killed".to_owned(),
    }
}
