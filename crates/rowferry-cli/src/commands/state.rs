//! `state`: the durable state of streams, as the target or the ledger has it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};

use rowferry_core::StreamState;
use rowferry_ledger::StreamRow;
use rowferry_runtime::ComputePool;
use serde::Serialize;

use crate::args::{StateAction, StatePlace};
use crate::block_on::block_on;
use crate::context::cores;
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::{Output, OutputFormat};
use crate::history::History;
use crate::{exit, job_file, out, registry, state_path, summary, units};

/// Characters of a stream id in a list: enough to be unique among a few thousand.
const SHORT_ID_CHARS: usize = 8;

pub(super) fn run(action: StateAction) -> Ending {
    match action {
        StateAction::List { place, output } => super::told(list(&place, output), output.output),
        StateAction::Show { stream, place, output } => {
            super::told(show(&stream, &place, output), output.output)
        }
        StateAction::Reset { stream, place, yes, output } => {
            super::told(reset(&stream, &place, yes), output.output)
        }
        StateAction::Accept(_) => later("state accept"),
        StateAction::Unlock(_) => later("state unlock"),
    }
}

fn later(name: &str) -> Ending {
    Ending::failed(&Failure::not_supported_yet(name), OutputFormat::Text)
}

/// Prints all streams. Also what `status --target` shows.
pub(super) fn list(place: &StatePlace, output: Output) -> Result<u8> {
    let streams = block_on(streams(place))?;
    match output.output {
        OutputFormat::Json => out::result(&super::json_line(&streams)),
        OutputFormat::Text if streams.is_empty() => out::talk("no streams are known here"),
        OutputFormat::Text => out::result(&render(&streams)),
    }
    Ok(exit::OK)
}

fn show(wanted: &str, place: &StatePlace, output: Output) -> Result<u8> {
    let stream = block_on(async { find(streams(place).await?, wanted) })?;
    match output.output {
        OutputFormat::Json => out::result(&super::json_line(&stream)),
        OutputFormat::Text => out::result(&render_one(&stream)),
    }
    Ok(exit::OK)
}

fn reset(wanted: &str, place: &StatePlace, yes: bool) -> Result<u8> {
    let Some(url) = &place.target else {
        return Err(Failure::usage(
            "no-target",
            "the state of a stream lives in its target, and no target is named",
            "Name it with --target URL.",
        ));
    };
    let ledger = state_path::settle(place.state.as_deref(), None);
    let endpoint = job_file::endpoint(url)?;
    block_on(async {
        let compute = ComputePool::new(cores())?;
        let sink = registry::sink(&endpoint, &compute).await?;
        let schema = place.progress_schema.as_deref();
        let known = sink.streams(schema).await?;
        let stream = find(known.into_iter().map(StreamView::of_target).collect(), wanted)?;
        confirm(&stream, yes)?;
        sink.forget(schema, &stream.stream_id).await?;
        // Target first: a ledger that still knows the stream is corrected by its next run.
        if ledger.exists() {
            History::open(&ledger).await?.forget(&stream.stream_id).await?;
        }
        out::talk(&format!(
            "forgot stream {} ({} -> {}); its rows in the target were left alone",
            stream.stream_id, stream.source, stream.target
        ));
        Ok(exit::OK)
    })
}

/// The streams that the target knows, or without one the ledger.
async fn streams(place: &StatePlace) -> Result<Vec<StreamView>> {
    if let Some(url) = &place.target {
        let endpoint = job_file::endpoint(url)?;
        let sink = registry::sink(&endpoint, &ComputePool::new(cores())?).await?;
        let known = sink.streams(place.progress_schema.as_deref()).await?;
        return Ok(known.into_iter().map(StreamView::of_target).collect());
    }
    let path = state_path::settle(place.state.as_deref(), None);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let known = History::open(&path).await?.streams().await?;
    Ok(known.into_iter().map(StreamView::of_ledger).collect())
}

/// A stream as it is shown: the target knows all of it, the ledger what it last heard.
#[derive(Debug, Serialize)]
struct StreamView {
    stream_id: String,
    job: String,
    source: String,
    target: String,
    /// `loading`, `publishing`, `done`; from the ledger the status of the last run.
    status: String,
    rows: u64,
    /// Durable chunks of the current run.
    chunks: Option<u64>,
    updated_at: String,
    /// Everything else, by name.
    details: BTreeMap<&'static str, String>,
}

impl StreamView {
    fn of_target(state: StreamState) -> Self {
        let mut details = BTreeMap::from([
            ("run", state.run.to_string()),
            ("epoch", state.epoch.to_string()),
            ("started", state.started_at),
            ("owner", state.owner),
        ]);
        let staging = state.staging.map(|staging| staging.to_string());
        for (name, value) in
            [("run key", state.run_key), ("staging", staging), ("watermark", state.watermark)]
        {
            details.extend(value.map(|value| (name, value)));
        }
        Self {
            stream_id: state.stream_id,
            job: state.job,
            source: state.source_table,
            target: state.target_table,
            status: state.phase.word().to_owned(),
            rows: state.rows,
            chunks: Some(state.chunks),
            updated_at: state.updated_at,
            details,
        }
    }

    fn of_ledger(row: StreamRow) -> Self {
        let mut details = BTreeMap::from([("run id", row.run_id)]);
        details.extend(row.error_code.map(|code| ("last error", code)));
        Self {
            stream_id: row.stream_id,
            job: row.job,
            source: row.source,
            target: row.target,
            status: row.status,
            rows: row.rows,
            chunks: None,
            updated_at: row.finished_at.unwrap_or_else(|| "running or killed".to_owned()),
            details,
        }
    }
}

/// The one stream whose id starts with `wanted`, or whose source or target table it names.
fn find(streams: Vec<StreamView>, wanted: &str) -> Result<StreamView> {
    let known: Vec<String> = streams.iter().map(|stream| stream.source.clone()).collect();
    let fits = |stream: &StreamView| {
        stream.stream_id.starts_with(wanted) || stream.source == wanted || stream.target == wanted
    };
    let mut found: Vec<StreamView> = streams.into_iter().filter(fits).collect();
    match (found.pop(), found.is_empty()) {
        (Some(stream), true) => Ok(stream),
        (Some(_), false) => Err(Failure::setup(
            "stream-ambiguous",
            format!("{wanted:?} fits more than one stream"),
            "Give the stream's id; `rowferry state list` shows it.",
        )),
        (None, _) => Err(Failure::setup(
            "unknown-stream",
            format!("no stream is called {wanted:?}"),
            match rowferry_core::nearest(wanted, known.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean {near:?}?"),
                None => "`rowferry state list` shows what is known.".to_owned(),
            },
        )),
    }
}

fn confirm(stream: &StreamView, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    let refused = || {
        Failure::usage(
            "not-confirmed",
            format!("state of stream {} was left alone", stream.stream_id),
            "Add --yes to forget it.",
        )
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    out::talk(&format!(
        "forget {} -> {} ({} rows, {})? Its next run starts anew. [y/N]",
        stream.source,
        stream.target,
        units::grouped(stream.rows),
        stream.status
    ));
    let mut answer = String::new();
    // No answer is no.
    drop(std::io::stdin().lock().read_line(&mut answer));
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(refused()) }
}

fn render(streams: &[StreamView]) -> String {
    let header = ["stream", "job", "source", "target", "status", "rows", "chunks", "updated"];
    let mut table = summary::plain_table(&header, &[5, 6]);
    for stream in streams {
        table.add_row([
            stream.stream_id.chars().take(SHORT_ID_CHARS).collect(),
            stream.job.clone(),
            stream.source.clone(),
            stream.target.clone(),
            stream.status.clone(),
            units::grouped(stream.rows),
            stream.chunks.map_or_else(String::new, units::grouped),
            stream.updated_at.clone(),
        ]);
    }
    summary::trimmed(&table)
}

fn render_one(stream: &StreamView) -> String {
    let mut rows = vec![
        ("stream", stream.stream_id.clone()),
        ("job", stream.job.clone()),
        ("source", stream.source.clone()),
        ("target", stream.target.clone()),
        ("status", stream.status.clone()),
        ("rows", units::grouped(stream.rows)),
        ("updated", stream.updated_at.clone()),
    ];
    rows.extend(stream.chunks.map(|chunks| ("chunks", units::grouped(chunks))));
    rows.extend(stream.details.iter().map(|(name, value)| (*name, value.clone())));
    let lines: Vec<String> =
        rows.iter().map(|(name, value)| format!("{name:<11}{value}")).collect();
    lines.join("\n")
}
