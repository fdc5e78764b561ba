//! `bench`: a copy that is measured: where its time goes, and what keeps it from being faster.
//!
//! `generate:` stands in for a source and `null:` for a target, so that each end can be measured
//! alone. Into a database it writes a table of its own, `rowferry_bench_NAME`, unless the command
//! names another one.

use rowferry_core::{TableJob, TableRef};
use rowferry_engine::{RunContext, RunReport, Stages};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::context::cores;
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::{Control, OutputFormat, RunOutput, Shape};
use crate::process_cost::{Cost, peak_bytes};
use crate::settle::{self, Request};
use crate::summary::{plain_table, trimmed};
use crate::{exit, out, units};

/// Name of the job; part of the identity of its streams.
const JOB_NAME: &str = "bench";

/// The table that is written where none is named begins so.
const TABLE_PREFIX: &str = "rowferry_bench_";

/// Share of the cores' time from which the processor is what binds. Guessed: tasks never fall into
/// all cores without a gap.
const BUSY: f64 = 0.75;

/// One round.
#[derive(Debug, Serialize)]
struct Round {
    seconds: f64,
    rows: u64,
    bytes: u64,
    rows_per_second: f64,
    bytes_per_second: f64,
    /// Seconds of processor time of this process; `None` where the system does not tell.
    cpu_seconds: Option<f64>,
    stages: Stages,
}

/// All rounds; the object of `--output json`.
#[derive(Debug, Serialize)]
struct Measured {
    workers: usize,
    cores: usize,
    rounds: Vec<Round>,
    /// Number of the round with the median time, counted from 0.
    median: usize,
    /// Greatest size of the process so far; `None` where the system does not tell.
    peak_bytes: Option<u64>,
    verdict: String,
}

pub(super) fn run(args: &BenchArgs) -> Ending {
    let output = args.output.output;
    let request = match request(args) {
        Ok(request) => request,
        Err(failure) => return Ending::failed(&failure, output),
    };
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let before = Cost::so_far();
        match super::run::carry_out(&request) {
            Ok(report) if report.exit_code == exit::OK => {
                rounds.push(Round::of(&report, before.and_then(Cost::since)));
            }
            Ok(report) => return super::run::finish(report, None, output),
            Err(failure) => return Ending::failed(&failure, output),
        }
    }
    let settings = request.jobs.first().map(|job| &job.settings);
    let workers = settings.map_or(1, |settings| RunContext::workers_for(settings, cores()));
    let measured = Measured::of(rounds, workers, cores());
    match output {
        OutputFormat::Json => out::result(&super::json_line(&measured)),
        OutputFormat::Text => out::result(&measured.to_string()),
    }
    Ending::of(exit::OK)
}

fn request(args: &BenchArgs) -> Result<Request> {
    if args.rounds == 0 {
        return Err(Failure::usage("no-round", "--rounds is 0", "Give a number above 0."));
    }
    let ends = (args.source.as_str(), args.target.as_str(), args.config.as_deref());
    let (mut job, state) = super::copy::job(JOB_NAME, ends, &args.tables, false)?;
    job.tables.iter_mut().filter(|table| table.target.is_none()).for_each(name_target);
    settle::apply(&mut job, &Shape::default(), &args.limits)?;
    let output = RunOutput { form: args.output, report: None, progress: args.progress };
    let control = Control { state: args.state.clone(), restart: true, ..Control::default() };
    Ok(Request::new(JOB_NAME, vec![job], Vec::new(), &control, &output, state.as_deref()))
}

fn name_target(table: &mut TableJob) {
    table.target = Some(TableRef::bare(format!("{TABLE_PREFIX}{}", table.source.name)));
}

impl Round {
    fn of(report: &RunReport, cpu_seconds: Option<f64>) -> Self {
        let (rows, bytes) = (report.totals.rows_read, report.totals.bytes_read);
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let per_second = |count: u64| count as f64 / report.seconds.max(f64::EPSILON);
        Self {
            seconds: report.seconds,
            rows,
            bytes,
            rows_per_second: per_second(rows),
            bytes_per_second: per_second(bytes),
            cpu_seconds,
            stages: report.stages,
        }
    }
}

impl Measured {
    fn of(rounds: Vec<Round>, workers: usize, cores: usize) -> Self {
        let mut order: Vec<usize> = (0..rounds.len()).collect();
        let seconds = |at: &usize| rounds.get(*at).map_or(0.0, |round| round.seconds);
        order.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
        let median = order.get(order.len() / 2).copied().unwrap_or_default();
        let verdict = rounds.get(median).map_or_else(String::new, |round| verdict(round, cores));
        Self { workers, cores, rounds, median, peak_bytes: peak_bytes(), verdict }
    }
}

/// What binds, in one line: the processor, or the end that its workers are longer busy with.
fn verdict(round: &Round, cores: usize) -> String {
    let Stages { read, decode, encode, write, .. } = round.stages;
    #[expect(clippy::cast_precision_loss, reason = "no machine has 2^52 cores")]
    let available = round.seconds * cores as f64;
    if let Some(cpu) = round.cpu_seconds.filter(|cpu| *cpu >= BUSY * available) {
        return format!(
            "the processor of this machine binds: rowferry took {} of {} seconds of its cores",
            one_digit(cpu),
            one_digit(available)
        );
    }
    let (reading, writing) = (read + decode, encode + write);
    let end = if reading >= writing { "source" } else { "target" };
    format!(
        "the {end} binds: workers were reading for {} and writing for {}",
        units::seconds(reading),
        units::seconds(writing)
    )
}

fn one_digit(value: f64) -> String {
    format!("{value:.1}")
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = ["round", "time", "rows", "rows/s", "bytes/s", "cpu"];
        let mut table = plain_table(&header, &[0, 1, 2, 3, 4, 5]);
        for (at, round) in self.rounds.iter().enumerate() {
            table.add_row([
                (at + 1).to_string(),
                units::seconds(round.seconds),
                units::grouped(round.rows),
                units::grouped(whole(round.rows_per_second)),
                units::bytes(whole(round.bytes_per_second)),
                round.cpu_seconds.map_or_else(|| "?".to_owned(), units::seconds),
            ]);
        }
        writeln!(f, "{}\n", trimmed(&table))?;
        if let Some(round) = self.rounds.get(self.median) {
            writeln!(f, "{}\n", trimmed(&stages(&round.stages, self.workers, self.median + 1)))?;
        }
        if let Some(peak) = self.peak_bytes {
            writeln!(f, "peak memory {}", units::bytes(peak))?;
        }
        f.write_str(&self.verdict)
    }
}

/// Seconds of all workers by stage, with their share.
fn stages(stages: &Stages, workers: usize, round: usize) -> comfy_table::Table {
    let rows = [
        ("read", stages.read),
        ("decode", stages.decode),
        ("transform", stages.transform),
        ("encode", stages.encode),
        ("write", stages.write),
        ("wait for rows", stages.wait_for_rows),
        ("wait for room", stages.wait_for_room),
    ];
    let all: f64 = rows.iter().map(|(_, seconds)| seconds).sum();
    let title = format!("stage of round {round}");
    let header = [title.as_str(), &units::counted(workers as u64, "worker"), "share"];
    let mut table = plain_table(&header, &[1, 2]);
    for (stage, seconds) in rows {
        let share = 100.0 * seconds / all.max(f64::EPSILON);
        table.add_row([stage.to_owned(), units::seconds(seconds), format!("{share:.0} %")]);
    }
    table
}

/// A rate without its fraction.
fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are positive and far below 2^63"
    )]
    let whole = value as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(seconds: f64, cpu_seconds: f64, stages: Stages) -> Round {
        let cpu_seconds = Some(cpu_seconds);
        let (rows, bytes, rows_per_second, bytes_per_second) = (1, 1, 1.0, 1.0);
        Round { seconds, rows, bytes, rows_per_second, bytes_per_second, cpu_seconds, stages }
    }

    #[test]
    fn the_verdict_names_what_takes_longest() {
        let source = Stages { read: 2.0, decode: 1.0, write: 2.0, ..Stages::default() };
        let target = Stages { read: 1.0, encode: 2.0, write: 1.0, ..Stages::default() };
        assert!(verdict(&round(4.0, 1.0, source), 2).starts_with("the source binds"));
        assert!(verdict(&round(4.0, 1.0, target), 2).starts_with("the target binds"));
        assert!(verdict(&round(4.0, 7.0, target), 2).starts_with("the processor"));
    }

    #[test]
    fn the_median_round_is_the_one_in_the_middle() {
        let rounds = [3.0, 1.0, 2.0].map(|seconds| round(seconds, 0.0, Stages::default()));
        assert_eq!(Measured::of(rounds.into(), 1, 1).median, 2);
    }
}
