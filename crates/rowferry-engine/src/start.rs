//! Run, resume or run again: the one table of rules that decides how a table starts.
//!
//! The target alone says how far a copy is. What was remembered of it only tells whether it lost
//! something that it had said before: then a person must choose, since nobody else can know whether
//! a backup was put back on purpose.

use std::time::Duration;

use rowferry_core::{
    ConnectorError, ErrorClass, LoadInto, Mode, Phase, Position, StreamState, TablePlan, WriteMode,
};

use crate::RunOptions;

/// How a table starts.
#[derive(Debug)]
pub(crate) enum Start {
    /// A new run; the text says why, where the user may wonder.
    New(Option<String>),
    /// Continue the unfinished run.
    Continue,
    /// This logical run already finished the table.
    Finished,
}

/// How this process takes up its own run of a table after a fault.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// What is durable stays.
    Continue,
    /// Nothing of it can be used.
    FromZero,
    /// The last step got through; only its answer was lost.
    Published,
}

/// Decides how this process goes on with `run`, which it had claimed, after a fault.
///
/// # Errors
///
/// Class `Fenced` when another process has started a newer run, `Conflict` when the progress of an
/// append or upsert is gone.
pub(crate) fn again(
    plan: &TablePlan,
    run: i64,
    state: Option<&StreamState>,
) -> Result<Again, ConnectorError> {
    let replaces = plan.load == LoadInto::StagingReplace;
    let Some(state) = state else {
        return if replaces { Ok(Again::FromZero) } else { Err(progress_vanished(plan)) };
    };
    if state.run < run {
        let message = format!(
            "target {} was put back to run {} while run {run} was under way",
            plan.target, state.run
        );
        return Err(conflict("target-behind", message)
            .with_next(ways_out(plan, "takes the target's word, and the next run begins there")));
    }
    if state.run != run {
        return Err(ConnectorError::new(
            ErrorClass::Fenced,
            "fenced",
            format!("another process has started a newer run of table {}", plan.source.table),
        )
        .with_next("Nothing is to be done: the newer run copies the table."));
    }
    if state.phase == Phase::Done {
        return Ok(Again::Published);
    }
    same_plan(plan, state)?;
    let holds_in_one_view = plan.cut_by.is_none() && state.phase == Phase::Loading;
    Ok(if holds_in_one_view { Again::FromZero } else { Again::Continue })
}

fn progress_vanished(plan: &TablePlan) -> ConnectorError {
    conflict(
        "progress-gone",
        format!("the progress of the copy into {} disappeared while it ran", plan.target),
    )
    .with_next("Some of its rows are in the target. Remove them, then copy again with `--restart`.")
}

/// What was found in the target.
pub(crate) struct Found<'a> {
    pub(crate) state: Option<&'a StreamState>,
    /// What was last heard of the stream in this target.
    pub(crate) remembered: Option<&'a Position>,
    pub(crate) target_exists: bool,
    pub(crate) target_has_rows: bool,
    /// Whether the job says itself how rows are written.
    pub(crate) write_is_explicit: bool,
}

/// Decides how the table of `plan` starts.
///
/// # Errors
///
/// Class `Conflict` when a person must choose.
pub(crate) fn decide(
    plan: &TablePlan,
    found: &Found<'_>,
    options: &RunOptions,
) -> Result<Start, ConnectorError> {
    if options.restart && (found.state.is_some() || found.remembered.is_some()) {
        return Ok(Start::New(Some("starting anew, as asked".to_owned())));
    }
    let state = match (found.state, found.remembered) {
        (Some(state), Some(remembered)) if remembered.is_ahead_of(&state.position()) => {
            return Err(target_behind(plan, remembered, state));
        }
        (Some(state), _) => state,
        (None, Some(remembered)) => return progress_missed(plan, found, remembered, options),
        (None, None) => return first_run(plan, found),
    };
    if state.phase == Phase::Done {
        return run_again(plan, found, state, options);
    }
    unfinished(plan, found, state, options)
}

/// What a run of `plan` would make of `state`, in words for people. Whether an empty stream meets
/// rows of somebody else is left to the run.
pub fn foresee(plan: &TablePlan, state: &StreamState, options: &RunOptions) -> String {
    let found = Found {
        state: Some(state),
        remembered: None,
        target_exists: plan.target_existing.is_some(),
        target_has_rows: false,
        write_is_explicit: true,
    };
    let (run, chunks) = (state.run, state.chunks);
    match decide(plan, &found, options) {
        Ok(Start::Continue) => {
            format!("run {run} is unfinished and continues behind {chunks} durable chunks")
        }
        Ok(Start::Finished) => format!("run {run} has finished under this run key; nothing to do"),
        Ok(Start::New(Some(why))) => format!("run {}: {why}", run + 1),
        Ok(Start::New(None)) => match plan.mode {
            Mode::Full => format!("run {run} has finished; run {} copies every row", run + 1),
            Mode::Incremental => format!("run {} reads behind the watermark of run {run}", run + 1),
        },
        Err(error) => {
            let next = error.next.as_deref().unwrap_or_default();
            format!("error[{}]: {}. {next}", error.code, error.message)
        }
    }
}

fn first_run(plan: &TablePlan, found: &Found<'_>) -> Result<Start, ConnectorError> {
    if found.target_has_rows && !found.write_is_explicit {
        return Err(conflict(
            "target-not-empty",
            format!("target table {} has rows that this job did not write", plan.target),
        )
        .with_next(
            "Say what to do with them: `--write replace` exchanges them, `append` adds to them, \
             `upsert` merges by key.",
        ));
    }
    Ok(Start::New(None))
}

/// The target says nothing of a stream that it knew before.
fn progress_missed(
    plan: &TablePlan,
    found: &Found<'_>,
    remembered: &Position,
    options: &RunOptions,
) -> Result<Start, ConnectorError> {
    let another_run = options.run_key.is_some() && options.run_key != remembered.run_key;
    let goes_on = match (plan.mode, plan.write) {
        (Mode::Full, WriteMode::Replace | WriteMode::Upsert) => true,
        // Nothing can be doubled in a table without rows; a finished append owes nothing either.
        (Mode::Full, WriteMode::Append) => {
            remembered.done && (another_run || !found.target_has_rows)
        }
        (Mode::Incremental, _) => false,
    };
    if goes_on {
        return Ok(Start::New(Some(format!(
            "target {} has lost the progress of this copy; starting anew",
            plan.target
        ))));
    }
    Err(conflict(
        "progress-gone",
        format!(
            "the progress of {} is gone from its target: run {} had {} durable chunks",
            plan.target, remembered.run, remembered.chunks
        ),
    )
    .with_next(ways_out(plan, "takes the target as it is")))
}

fn target_behind(plan: &TablePlan, heard: &Position, state: &StreamState) -> ConnectorError {
    let words = |position: &Position| {
        let phase = if position.done { "finished" } else { "unfinished" };
        format!(
            "run {} {phase}, epoch {}, {} chunks",
            position.run, position.epoch, position.chunks
        )
    };
    conflict(
        "target-behind",
        format!(
            "target {} was put back to an earlier state: it says {}, and it had said {}",
            plan.target,
            words(&state.position()),
            words(heard)
        ),
    )
    .with_next(ways_out(plan, "takes the target's word, and the next run goes on from there"))
}

/// Both ways out of a disagreement; the text says what the first one means.
fn ways_out(plan: &TablePlan, accepting: &str) -> String {
    // Enough of the id to be unique among a few thousand.
    let short: String = plan.stream.stream_id.chars().take(8).collect();
    format!(
        "`rowferry state accept {short} --target URL` {accepting}; `--restart` copies everything \
         again."
    )
}

fn run_again(
    plan: &TablePlan,
    found: &Found<'_>,
    state: &StreamState,
    options: &RunOptions,
) -> Result<Start, ConnectorError> {
    let same_key = options.run_key.is_some() && options.run_key == state.run_key;
    if same_key {
        return Ok(Start::Finished);
    }
    match (plan.mode, plan.write) {
        (Mode::Full, WriteMode::Replace) if !found.target_exists => {
            Ok(Start::New(Some(format!("target table {} is gone; copying anew", plan.target))))
        }
        (Mode::Full, WriteMode::Replace | WriteMode::Upsert) => Ok(Start::New(None)),
        (Mode::Full, WriteMode::Append) if options.run_key.is_some() => Ok(Start::New(None)),
        (Mode::Full, WriteMode::Append) => Err(conflict(
            "already-appended",
            format!("table {} was already appended to {}", plan.source.table, plan.target),
        )
        .with_next("To append it once more, use `--restart` or another `--run-key`.")),
        (Mode::Incremental, _) => {
            if !found.target_exists {
                return Err(target_gone(plan));
            }
            same_plan(plan, state)?;
            Ok(Start::New(None))
        }
    }
}

fn unfinished(
    plan: &TablePlan,
    found: &Found<'_>,
    state: &StreamState,
    options: &RunOptions,
) -> Result<Start, ConnectorError> {
    let into_target = plan.load == LoadInto::Target;
    let appends = plan.write == WriteMode::Append && into_target;
    let started_rows = state.chunks > 0;
    // A watermark speaks of rows that must still be there.
    let relies_on_target = started_rows || state.watermark.is_some();
    if into_target && relies_on_target && !found.target_exists {
        return Err(target_gone(plan));
    }
    let wanted = match &options.run_key {
        Some(key) => state.run_key.as_ref() == Some(key),
        None => age(state) <= options.resume_within,
    };
    if !wanted {
        if appends && started_rows {
            return Err(conflict(
                "append-unfinished",
                format!("an earlier append to {} is unfinished", plan.target),
            )
            .with_next(
                "Continue it with its own `--run-key` or a longer `--resume-within`; `--restart` \
                 appends from the start and doubles what is there.",
            ));
        }
        if plan.mode == Mode::Incremental && state.watermark.is_some() {
            same_plan(plan, state)?;
        }
        return Ok(Start::New(Some(format!(
            "an unfinished run of {} from {} is given up; starting anew",
            plan.source.table, state.updated_at
        ))));
    }
    same_plan(plan, state)?;
    if plan.cut_by.is_none() && state.phase == Phase::Loading {
        return Ok(Start::New(Some(format!(
            "table {} has no key to continue by; starting anew",
            plan.source.table
        ))));
    }
    Ok(Start::Continue)
}

fn age(state: &StreamState) -> Duration {
    Duration::from_secs(u64::try_from(state.age_seconds).unwrap_or(0))
}

fn same_plan(plan: &TablePlan, state: &StreamState) -> Result<(), ConnectorError> {
    let differences = state.fingerprint.differences(&plan.stream.fingerprint);
    if differences.is_empty() {
        return Ok(());
    }
    Err(conflict(
        "plan-changed",
        format!(
            "the unfinished copy of {} was planned differently: {} changed",
            plan.source.table,
            differences.join(", ")
        ),
    )
    .with_next("Undo the change to continue, or start anew with `--restart`."))
}

fn target_gone(plan: &TablePlan) -> ConnectorError {
    conflict(
        "target-gone",
        format!("target table {} is gone, but its progress is not", plan.target),
    )
    .with_next("Bring the table back, or copy everything again with `--restart`.")
}

fn conflict(code: &'static str, message: String) -> ConnectorError {
    ConnectorError::new(ErrorClass::Conflict, code, message)
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
