//! `state accept`: a person decides that what the target says holds, though it had said more before.
//!
//! Only the ledger of this machine changes: the target is right by definition from then on, and the
//! next run goes on from where it stands.

use rowferry_core::Position;

use super::state::{confirm, sink};
use super::stream_view::{StreamView, find};
use crate::args::StatePlace;
use crate::block_on::block_on;
use crate::failure::{Failure, Result};
use crate::history::History;
use crate::{exit, out, state_path};

/// Stands in the ledger where a run would.
const BY_HAND: &str = "accepted by hand";

pub(super) fn run(wanted: &str, place: &StatePlace, yes: bool) -> Result<u8> {
    let path = state_path::settle(place.state.as_deref(), None);
    block_on(async {
        let sink = sink(place).await?;
        if !path.exists() {
            return Err(Failure::setup(
                "no-ledger",
                format!("there is no ledger {}: nothing disagrees with the target", path.display()),
                "Name the ledger of the runs with `--state`.",
            ));
        }
        let history = History::open(&path).await?;
        let states = sink.streams(place.progress_schema.as_deref()).await?;
        let mut views: Vec<StreamView> =
            states.iter().cloned().map(StreamView::of_target).collect();
        for row in history.streams().await? {
            // What the target has lost is known here only.
            if !views.iter().any(|view| view.stream_id == row.stream_id) {
                views.push(StreamView::of_ledger(row));
            }
        }
        let stream = find(views, wanted)?;
        let id = &stream.stream_id;
        let target_id = sink.identity().await?;
        let now = states.iter().find(|state| state.stream_id == *id);
        let now = now.map(rowferry_core::StreamState::position);
        let before = history.position(id, &target_id).await?;
        let question = format!(
            "{} -> {}: the target says {}, the ledger had heard of {}. Take the target's word?",
            stream.source,
            stream.target,
            words(now.as_ref()),
            words(before.as_ref())
        );
        confirm(&question, "to take the target's word", yes)?;
        match &now {
            Some(now) => history.learn(BY_HAND, (id, &target_id), now, &[]).await?,
            None => history.forget_position(id, &target_id).await?,
        }
        out::talk(&format!(
            "stream {id} ({} -> {}) stands where its target says: {}",
            stream.source,
            stream.target,
            words(now.as_ref())
        ));
        Ok(exit::OK)
    })
}

fn words(position: Option<&Position>) -> String {
    match position {
        None => "nothing".to_owned(),
        Some(Position { run, done: true, .. }) => format!("run {run}, finished"),
        Some(Position { run, chunks, .. }) => {
            format!("run {run}, unfinished, {chunks} durable chunks")
        }
    }
}
