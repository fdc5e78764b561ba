//! The durable state of one stream: one source table flowing into one target table.
//!
//! It lives in the target, in `_rowferry_stream` (one row per stream) and `_rowferry_chunk` (one
//! row per durable chunk), so that it commits with the rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ConnectorError, ErrorClass, Receipt, Result, TableRef};

/// What must not change while a stream is unfinished, by field: `source`, `columns`, `key`,
/// `filter`, `mode`, `write`, `target`. Stored as JSON, so that a difference can be named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub BTreeMap<String, String>);

impl Fingerprint {
    /// Fields in which the two differ, in order.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> =
            self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }
}

/// Who the stream is and what it is about to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSpec {
    /// Hash of job, source identity, source table and target table; 32 hex digits.
    pub stream_id: String,
    /// Job name, or `copy`.
    pub job: String,
    /// What the source server says of itself.
    pub source_id: String,
    /// Source table.
    pub source_table: TableRef,
    /// Target table.
    pub target_table: TableRef,
    /// Schema of the two progress tables; `None` = the connection's own.
    pub progress_schema: Option<String>,
    /// Logical run, if one was named.
    pub run_key: Option<String>,
    /// What must not change while unfinished.
    pub fingerprint: Fingerprint,
    /// Host and process of this run, for messages.
    pub owner: String,
    /// Several streams may write this target.
    pub shared_target: bool,
    /// Version of rowferry that writes the state.
    pub tool_version: String,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Chunks are being loaded.
    Loading,
    /// All chunks are durable; keys are being built or the swap is under way.
    Publishing,
    /// The run is finished.
    Done,
}

impl Phase {
    /// The word stored in the stream row.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Publishing => "publishing",
            Self::Done => "done",
        }
    }

    /// Reads the stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "loading" => Some(Self::Loading),
            "publishing" => Some(Self::Publishing),
            "done" => Some(Self::Done),
            _ => None,
        }
    }
}

/// The stream row as it stands in the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// See [`StreamSpec::stream_id`].
    pub stream_id: String,
    /// Job name.
    pub job: String,
    /// Source table, as text.
    pub source_table: String,
    /// Target table, as text.
    pub target_table: String,
    /// Number of the current or last run.
    pub run: i64,
    /// Rises whenever a process takes over.
    pub epoch: i64,
    /// Logical run of the current or last run.
    pub run_key: Option<String>,
    /// How far it came.
    pub phase: Phase,
    /// What it was planned from.
    pub fingerprint: Fingerprint,
    /// Staging table of the run, if it loads into one.
    pub staging: Option<TableRef>,
    /// Engine-owned JSON text; see the engine's watermark.
    pub watermark: Option<String>,
    /// Rows of finished runs or of the current run's receipts.
    pub rows: u64,
    /// Durable chunks of the current run.
    pub chunks: u64,
    /// Start of the run, UTC, RFC 3339 with seconds.
    pub started_at: String,
    /// Last change of the row or last receipt, UTC.
    pub updated_at: String,
    /// Seconds since `updated_at` by the target's clock.
    pub age_seconds: i64,
    /// Who ran it last.
    pub owner: String,
}

/// How far a stream has come, in few numbers: what a ledger remembers of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Number of the run.
    pub run: i64,
    /// Last epoch that was heard of.
    pub epoch: i64,
    /// Whether the run is finished.
    pub done: bool,
    /// Durable chunks of the run.
    pub chunks: u64,
    /// Logical run.
    pub run_key: Option<String>,
}

impl Position {
    /// Whether a target that says `now` has lost what it said before: neither number ever falls,
    /// unless the target was put back to an earlier state.
    pub fn is_ahead_of(&self, now: &Self) -> bool {
        if now.epoch < self.epoch || now.run < self.run {
            return true;
        }
        // A later owner may have begun a new run, of which nothing was heard.
        now.epoch == self.epoch
            && (now.run != self.run || (self.done && !now.done) || now.chunks < self.chunks)
    }
}

impl StreamState {
    /// The part of it that a ledger remembers.
    pub fn position(&self) -> Position {
        Position {
            run: self.run,
            epoch: self.epoch,
            done: self.phase == Phase::Done,
            chunks: self.chunks,
            run_key: self.run_key.clone(),
        }
    }
}

/// The epoch that the holder of a lock saw last. What a run decides rests on the state that it read:
/// a process that was frozen between reading it and claiming must not begin what its successor has
/// done in the meantime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeenEpoch(Option<i64>);

impl SeenEpoch {
    /// The state was read; `None` = there was no row.
    pub fn note(&mut self, state: Option<&StreamState>) {
        self.0 = Some(state.map_or(0, |state| state.epoch));
    }

    /// The stream row now has `epoch`, raised by one in a transaction that is not committed yet.
    ///
    /// # Errors
    ///
    /// Class `Fenced` when somebody else raised it since the state was read.
    pub fn claim(&mut self, epoch: i64, target: &TableRef) -> Result<()> {
        if self.0.is_some_and(|seen| seen + 1 != epoch) {
            let message = format!("another run has taken over table {target}");
            return Err(ConnectorError::new(ErrorClass::Fenced, "fenced", message));
        }
        self.0 = Some(epoch);
        Ok(())
    }
}

/// How a claim starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimStart {
    /// A new run: `run + 1`, no receipts, phase loading. Old staging of the stream is dropped, the
    /// receipts of the run before are folded into the row and removed. The watermark stays.
    NewRun,
    /// A new run that also forgets the watermark: everything is copied again.
    Anew,
    /// Continue the current run with its receipts.
    Continue,
}

/// What a successful claim hands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Run number.
    pub run: i64,
    /// Our epoch: every chunk commits only while the row still holds it.
    pub epoch: i64,
    /// Phase at the claim.
    pub phase: Phase,
    /// Durable chunks of this run.
    pub receipts: Vec<Receipt>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(run: i64, epoch: i64, done: bool, chunks: u64) -> Position {
        Position { run, epoch, done, chunks, run_key: None }
    }

    #[test]
    fn only_what_was_lost_is_ahead() {
        let heard = at(2, 5, false, 7);
        for gone_on in [
            heard.clone(),
            at(2, 5, false, 8),
            at(2, 5, true, 7),
            at(2, 6, false, 0),
            at(3, 6, false, 0),
            at(4, 9, true, 2),
        ] {
            assert!(!heard.is_ahead_of(&gone_on), "{gone_on:?}");
        }
        for put_back in [
            at(2, 5, false, 6),
            at(2, 4, false, 7),
            at(1, 4, true, 9),
            at(1, 1, false, 0),
            at(1, 5, false, 7),
            at(1, 6, false, 7),
            at(3, 5, false, 7),
        ] {
            assert!(heard.is_ahead_of(&put_back), "{put_back:?}");
        }
        assert!(at(2, 5, true, 7).is_ahead_of(&heard));
    }
}
