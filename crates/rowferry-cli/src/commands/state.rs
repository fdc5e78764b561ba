//! `state`: the durable state of streams, as the target or the ledger has it.

use std::io::{BufRead as _, IsTerminal as _};
use std::sync::Arc;

use rowferry_core::{ConnectorError, EndpointKind, ErrorClass, Sink};
use rowferry_runtime::ComputePool;

use super::stream_view::{StreamView, find, render, render_one};
use crate::args::{StateAction, StatePlace};
use crate::block_on::block_on;
use crate::context::cores;
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::{Output, OutputFormat};
use crate::history::History;
use crate::{exit, job_file, out, registry, state_path, units};

pub(super) fn run(action: StateAction) -> Ending {
    match action {
        StateAction::List { place, output } => super::told(list(&place, output), output.output),
        StateAction::Show { stream, place, output } => {
            super::told(show(&stream, &place, output), output.output)
        }
        StateAction::Reset { stream, place, yes, output } => {
            super::told(reset(&stream, &place, yes), output.output)
        }
        StateAction::Accept { stream, place, yes, output } => {
            super::told(super::accept::run(&stream, &place, yes), output.output)
        }
        StateAction::Unlock { stream, place, yes, output } => {
            super::told(super::unlock::run(&stream, &place, yes), output.output)
        }
    }
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
    let ledger = state_path::settle(place.state.as_deref(), None);
    block_on(async {
        let sink = sink(place).await?;
        let schema = place.progress_schema.as_deref();
        let known = sink.streams(schema).await?;
        let stream = find(known.into_iter().map(StreamView::of_target).collect(), wanted)?;
        let question = format!(
            "forget {} -> {} ({} rows, {})? Its next run starts anew.",
            stream.source,
            stream.target,
            units::grouped(stream.rows),
            stream.status
        );
        confirm(&question, "to forget it", yes)?;
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
    if place.target.is_some() {
        let known = sink(place).await?.streams(place.progress_schema.as_deref()).await?;
        return Ok(known.into_iter().map(StreamView::of_target).collect());
    }
    let path = state_path::settle(place.state.as_deref(), None);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let known = History::open(&path).await?.streams().await?;
    Ok(known.into_iter().map(StreamView::of_ledger).collect())
}

/// The target that was named. One that is not there is not made by asking for its state.
pub(super) async fn sink(place: &StatePlace) -> Result<Arc<dyn Sink>> {
    let Some(url) = &place.target else {
        return Err(Failure::usage(
            "no-target",
            "the state of a stream lives in its target, and no target is named",
            "Name it with --target URL.",
        ));
    };
    let endpoint = job_file::endpoint(url)?;
    if endpoint.kind == EndpointKind::Sqlite && !endpoint.path.exists() {
        let message = format!("there is no SQLite file {}", endpoint.path.display());
        let missing = ConnectorError::new(ErrorClass::Transient, "missing-file", message);
        return Err(missing.with_next("Correct the path of the target.").into());
    }
    registry::sink(&endpoint, &ComputePool::new(cores())?).await
}

/// Asks on a terminal; elsewhere `--yes` is the answer. `purpose` completes "Add --yes …".
pub(super) fn confirm(question: &str, purpose: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    let refused = || {
        Failure::usage(
            "not-confirmed",
            format!("nothing was changed: {question}"),
            format!("Add --yes {purpose}."),
        )
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    out::talk(&format!("{question} [y/N]"));
    let mut answer = String::new();
    // No answer is no.
    drop(std::io::stdin().lock().read_line(&mut answer));
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(refused()) }
}
