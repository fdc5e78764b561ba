//! `state unlock`: shows who holds a stream, and ends their sessions in the target.
//!
//! Seldom needed: servers end the session of a silent owner after a minute, and a lock file goes
//! with its process. Whoever is ended here has lost nothing that was durable, and commits nothing
//! more once another run has taken over.

use rowferry_core::{Holder, HolderRole, StreamState};
use rowferry_runtime::lease;

use super::state::{confirm, sink};
use super::stream_view::{StreamView, find};
use crate::args::StatePlace;
use crate::block_on::block_on;
use crate::failure::Result;
use crate::{exit, out, summary, units};

pub(super) fn run(wanted: &str, place: &StatePlace, yes: bool) -> Result<u8> {
    block_on(async {
        let sink = sink(place).await?;
        let states = sink.streams(place.progress_schema.as_deref()).await?;
        let views = states.iter().cloned().map(StreamView::of_target).collect();
        let id = find(views, wanted)?.stream_id;
        let Some(state) = states.into_iter().find(|state| state.stream_id == id) else {
            return Ok(exit::OK);
        };
        let holders = sink.holders(&state).await?;
        if holders.is_empty() {
            let StreamState { source_table, target_table, .. } = &state;
            out::talk(&format!("nobody holds stream {id} ({source_table} -> {target_table})"));
            return Ok(exit::OK);
        }
        out::result(&render(&state, &holders));
        if holders.iter().any(is_lively) {
            out::talk("warning: the owner gave a sign of life within a minute; it may be alive");
        }
        let sessions = units::counted(holders.len() as u64, "session");
        confirm(&format!("end {sessions} of stream {id}?"), "to end them", yes)?;
        sink.end_holders(&state).await?;
        out::talk(&format!("ended {sessions}; the next run takes over behind what is durable"));
        Ok(exit::OK)
    })
}

/// Whether a holder has been heard of within its lease.
fn is_lively(holder: &Holder) -> bool {
    holder.role == HolderRole::Lock
        && holder.silent_seconds.is_some_and(|seconds| seconds < lease().as_secs())
}

fn render(state: &StreamState, holders: &[Holder]) -> String {
    let header = ["holds", "session", "from", "since", "last sign of life"];
    let mut table = summary::plain_table(&header, &[1]);
    for holder in holders {
        table.add_row([
            match holder.role {
                HolderRole::Lock => "lock".to_owned(),
                HolderRole::Writer => "a writer".to_owned(),
            },
            holder.id.to_string(),
            holder.from.clone(),
            holder.since.clone().unwrap_or_else(|| "not told".to_owned()),
            holder
                .silent_seconds
                .map_or_else(|| "not told".to_owned(), |seconds| format!("{seconds} s ago")),
        ]);
    }
    format!(
        "stream {}: {} -> {}\nowner   {} (run {} since {}, last progress {})\n{}",
        state.stream_id,
        state.source_table,
        state.target_table,
        state.owner,
        state.run,
        state.started_at,
        state.updated_at,
        summary::trimmed(&table)
    )
}
