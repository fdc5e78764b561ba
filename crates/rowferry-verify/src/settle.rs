//! Tables that are written while they are compared: a difference counts when it does not go away.
//!
//! A row that replication has not brought over yet looks like a missing one. So rows that differ are
//! held back by their keys and looked at again until they are equal once or the time is over. Rows that
//! begin to differ only then were equal before and are not looked at. Each read has a view of its own: a
//! view of the whole table would show what was there before, and keep the writers of a SQLite file out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rowferry_core::Result;
use tokio::time::Instant;

use crate::Difference;
use crate::resolve::{Group, Resolved, resolve};
use crate::table::{Table, Tally};

/// Pause between two looks. Guessed: most rows are behind by less.
const PAUSE: Duration = Duration::from_millis(500);

/// Rows held back at most; what differs beyond them is told at once.
const HELD_ROWS: usize = 10_000;

/// A key in words.
type KeyText = Vec<Option<String>>;

/// Rows that may still become equal.
#[derive(Default)]
pub(crate) struct Unsettled {
    groups: Vec<(Group, BTreeSet<KeyText>)>,
    rows: usize,
}

impl Unsettled {
    /// Holds the rows of a group back; those for which there is no room are handed out.
    pub(crate) fn hold(&mut self, (group, differences): Resolved) -> Vec<Difference> {
        if differences.is_empty() || self.rows + differences.len() > HELD_ROWS {
            return differences;
        }
        self.rows += differences.len();
        self.groups.push((group, differences.iter().map(key).collect()));
        Vec::new()
    }
}

fn key(difference: &Difference) -> KeyText {
    difference.key().into_iter().map(|(_, value)| value).collect()
}

/// Looks at the rows that were held back until they are equal or `patience` is over, and tells of
/// those that still differ then.
pub(crate) async fn settle(
    table: &Arc<Table>,
    tally: &mut Tally<'_>,
    patience: Duration,
) -> Result<()> {
    let mut groups = tally.unsettled.take().unwrap_or_default().groups;
    let until = Instant::now() + patience;
    while !groups.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        tokio::time::sleep(PAUSE.min(left)).await;
        let last = Instant::now() >= until;
        let mut open = Vec::new();
        for (group, mut keys) in groups {
            let mut differences = resolve(table, &group).await?;
            differences.retain(|difference| keys.contains(&key(difference)));
            if last {
                tally.tell(&differences);
            } else if !differences.is_empty() {
                keys = differences.iter().map(key).collect();
                open.push((group, keys));
            }
        }
        groups = open;
    }
    Ok(())
}
