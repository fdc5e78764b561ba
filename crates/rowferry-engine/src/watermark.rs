//! The watermark of an incremental stream: where the next run starts.
//!
//! Why not the highest key that was read? Because an id is drawn when a row is inserted and becomes
//! visible when its transaction commits: while 41 and 43 are read, 42 may still be open. The next
//! run therefore starts behind the highest key below which nothing was open *when it was read*,
//! and upserts the overlap.
//!
//! A view that saw no open writing transaction settles every key it read. A view that saw some
//! settles the keys of an earlier view whose open transactions are all over by now; so each run
//! leaves its own highest key with its transaction clock as a candidate for the next one.

use rowferry_core::{Horizon, KeyTuple};
use serde::{Deserialize, Serialize};

/// Without the right to see transactions, a key counts as settled after this long. Guessed: few
/// transactions that insert rows stay open for five minutes.
const UNSEEN_SETTLES_AFTER_SECONDS: u64 = 300;

/// State of an incremental stream, stored as JSON in its stream row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// The next run reads keys above this; `None` = from the start.
    pub settled: Option<KeyTuple>,
    /// Highest keys of earlier views that are not settled yet, oldest first; at most two.
    pub candidates: Vec<Candidate>,
}

/// A highest key and the transaction clock of the view that read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Highest key read.
    pub key: KeyTuple,
    /// Clock of the view; `None` = not visible to this login.
    pub horizon: Option<Horizon>,
    /// Unix seconds of the view.
    pub at: u64,
}

impl Watermark {
    /// Reads the stored text; `None` when it is not one of ours.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text to store.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The watermark after a run that read up to `read` (`None` = no row) in one view with this
    /// clock. The server compared the keys; here only their order of arrival counts.
    #[must_use]
    pub fn after(&self, read: Option<KeyTuple>, horizon: Option<Horizon>, now: u64) -> Self {
        let highest = read
            .or_else(|| self.candidates.last().map(|candidate| candidate.key.clone()))
            .or_else(|| self.settled.clone());
        let Some(highest) = highest else { return Self::default() };
        if horizon.is_some_and(|clock| clock.oldest_open >= clock.next) {
            return Self { settled: Some(highest), candidates: Vec::new() };
        }
        let settled_now =
            self.candidates.iter().rposition(|candidate| match (candidate.horizon, horizon) {
                (Some(then), Some(clock)) => clock.oldest_open >= then.next,
                _ => now.saturating_sub(candidate.at) >= UNSEEN_SETTLES_AFTER_SECONDS,
            });
        let settled = settled_now
            .and_then(|index| self.candidates.get(index))
            .map(|candidate| candidate.key.clone())
            .or_else(|| self.settled.clone());
        let still_open = settled_now.map_or(0, |index| index + 1);
        // The oldest one is the next to settle, the newest one the furthest: those two are kept.
        let mut candidates: Vec<Candidate> =
            self.candidates.iter().skip(still_open).take(1).cloned().collect();
        candidates.push(Candidate { key: highest, horizon, at: now });
        Self { settled, candidates }
    }
}

#[cfg(test)]
mod tests {
    use rowferry_core::KeyValue;

    use super::*;

    fn key(id: i128) -> KeyTuple {
        KeyTuple(vec![KeyValue::Int(id)])
    }

    fn clock(oldest_open: u64, next: u64) -> Horizon {
        Horizon { oldest_open, next }
    }

    #[test]
    fn a_quiet_source_settles_what_was_read() {
        let mark = Watermark::default().after(Some(key(10)), Some(clock(5, 5)), 0);
        assert_eq!(mark.settled, Some(key(10)));
        assert!(mark.candidates.is_empty());
    }

    #[test]
    fn an_open_transaction_holds_the_watermark_back() {
        let first = Watermark::default().after(Some(key(10)), Some(clock(5, 5)), 0);
        let second = first.after(Some(key(20)), Some(clock(7, 9)), 1);
        assert_eq!(second.settled, Some(key(10)));
        // Transaction 7 is still open: nothing moves.
        let third = second.after(Some(key(30)), Some(clock(7, 12)), 2);
        assert_eq!(third.settled, Some(key(10)));
        // Everything that was open when 20 was read is over, but 11 is open now.
        let fourth = third.after(Some(key(40)), Some(clock(11, 13)), 3);
        assert_eq!(fourth.settled, Some(key(20)));
        let fifth = fourth.after(None, Some(clock(20, 20)), 4);
        assert_eq!(fifth.settled, Some(key(40)));
    }

    #[test]
    fn without_sight_of_transactions_time_settles() {
        let first = Watermark::default().after(Some(key(10)), None, 1_000);
        assert_eq!(first.settled, None);
        let soon = first.after(Some(key(20)), None, 1_010);
        assert_eq!(soon.settled, None);
        let later = soon.after(Some(key(30)), None, 1_300);
        assert_eq!(later.settled, Some(key(10)));
    }

    #[test]
    fn an_empty_source_has_no_watermark() {
        assert_eq!(Watermark::default().after(None, Some(clock(5, 5)), 0), Watermark::default());
    }

    #[test]
    fn candidates_never_pile_up() {
        let mut mark = Watermark::default();
        for run in 0..100_u64 {
            mark = mark.after(Some(key(i128::from(run))), Some(clock(1, 2 + run)), run);
        }
        assert_eq!(mark.candidates.len(), 2);
    }
}
