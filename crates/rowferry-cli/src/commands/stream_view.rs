//! A stream as the `state` commands show it, and how one is meant by a word.

use std::collections::BTreeMap;

use rowferry_core::StreamState;
use rowferry_ledger::StreamRow;
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::{summary, units};

/// Characters of a stream id in a list: enough to be unique among a few thousand.
const SHORT_ID_CHARS: usize = 8;

/// A stream as it is shown: the target knows all of it, the ledger what it last heard.
#[derive(Debug, Serialize)]
pub(super) struct StreamView {
    pub(super) stream_id: String,
    pub(super) job: String,
    pub(super) source: String,
    pub(super) target: String,
    /// `loading`, `publishing`, `done`; from the ledger the status of the last run.
    pub(super) status: String,
    pub(super) rows: u64,
    /// Durable chunks of the current run.
    pub(super) chunks: Option<u64>,
    pub(super) updated_at: String,
    /// Everything else, by name.
    details: BTreeMap<&'static str, String>,
}

impl StreamView {
    pub(super) fn of_target(state: StreamState) -> Self {
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

    pub(super) fn of_ledger(row: StreamRow) -> Self {
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
pub(super) fn find(streams: Vec<StreamView>, wanted: &str) -> Result<StreamView> {
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

/// All of them, one line each.
pub(super) fn render(streams: &[StreamView]) -> String {
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

/// One of them, with everything that is known.
pub(super) fn render_one(stream: &StreamView) -> String {
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
