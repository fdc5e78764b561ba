//! The last step: rows of both sides, matched by key and compared cell by cell.
//!
//! Rows of one key are a multiset: a key that was named by the user, or none at all, may stand for
//! several rows. Equal rows are taken out first, what is left on both sides is paired in the order of
//! the reads, and what is left over then is on one side only.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use rowferry_core::Result;
use rowferry_kernels::Comparable;

use crate::lane::{Lane, kernel_failed};
use crate::side::Both;
use crate::{Difference, DifferenceKind, RowRef, Side};

/// A row by its hashes; the place says where it stands.
#[derive(Clone, Copy, Debug)]
struct Entry {
    row: u128,
    place: Place,
}

/// Batch, and row in it.
type Place = (usize, usize);

/// Rows of one key that have no equal on the other side.
type Group = Both<Vec<Entry>>;

/// The rows that differ between `rows` of both sides; in key order where that is one integer, else
/// as the source has them, and then those that only the target has.
pub(crate) fn differences(
    lane: &Arc<Lane>,
    rows: &Both<Vec<RecordBatch>>,
) -> Result<Vec<Difference>> {
    let formed = Both {
        source: formed(lane, Side::Source, &rows.source)?,
        target: formed(lane, Side::Target, &rows.target)?,
    };
    let mut groups: BTreeMap<u128, Group> = BTreeMap::new();
    for side in [Side::Source, Side::Target] {
        gather(lane, side, formed.of(side), &mut groups)?;
    }
    let (mut both, mut source, mut target) = (Vec::new(), Vec::new(), Vec::new());
    for group in groups.into_values() {
        let Both { source: left, target: right } = unequal(group);
        let pairs = left.len().min(right.len());
        both.extend(left.iter().zip(&right).map(|(left, right)| (left.place, right.place)));
        source.extend(left.iter().skip(pairs).map(|entry| entry.place));
        target.extend(right.iter().skip(pairs).map(|entry| entry.place));
    }
    let found = Found { lane, rows };
    let mut differences = found.mismatches(&both, &formed)?;
    differences.extend(source.into_iter().map(|place| found.one_sided(Side::Source, place)));
    differences.sort_by_key(|(place, _)| *place);
    target.sort_unstable();
    differences.extend(target.into_iter().map(|place| found.one_sided(Side::Target, place)));
    if lane.integer_key().is_some() {
        differences.sort_by_key(|(_, difference)| integer(difference));
    }
    Ok(differences.into_iter().map(|(_, difference)| difference).collect())
}

fn formed(lane: &Lane, side: Side, batches: &[RecordBatch]) -> Result<Vec<Comparable>> {
    batches.iter().map(|batch| lane.comparable(side, batch)).collect()
}

fn gather(
    lane: &Lane,
    side: Side,
    formed: &[Comparable],
    groups: &mut BTreeMap<u128, Group>,
) -> Result<()> {
    let all: Vec<usize> = (0..lane.columns.len()).collect();
    for (number, batch) in formed.iter().enumerate() {
        let keys = batch.hashes(&lane.key).map_err(kernel_failed)?;
        let rows = batch.hashes(&all).map_err(kernel_failed)?;
        for (at, (key, row)) in keys.into_iter().zip(rows).enumerate() {
            let group = groups.entry(key).or_default();
            group.of_mut(side).push(Entry { row, place: (number, at) });
        }
    }
    Ok(())
}

/// Takes out rows that both sides have; the rest of each side in the order of its read.
fn unequal(mut group: Group) -> Group {
    let mut rest = Group::default();
    group.source.sort_by_key(|entry| entry.row);
    group.target.sort_by_key(|entry| entry.row);
    let mut right = group.target.into_iter().peekable();
    for left in group.source {
        while let Some(before) = right.next_if(|entry| entry.row < left.row) {
            rest.target.push(before);
        }
        if right.next_if(|entry| entry.row == left.row).is_none() {
            rest.source.push(left);
        }
    }
    rest.target.extend(right);
    rest.source.sort_by_key(|entry| entry.place);
    rest.target.sort_by_key(|entry| entry.place);
    rest
}

fn integer(difference: &Difference) -> Option<i128> {
    difference.key().first().and_then(|(_, text)| text.as_ref()?.parse().ok())
}

struct Found<'a> {
    lane: &'a Arc<Lane>,
    rows: &'a Both<Vec<RecordBatch>>,
}

impl Found<'_> {
    fn row(&self, side: Side, (batch, row): Place) -> Option<RowRef> {
        self.rows.of(side).get(batch).map(|batch| RowRef { batch: batch.clone(), row })
    }

    fn one_sided(&self, side: Side, place: Place) -> (Place, Difference) {
        let (kind, source, target) = match side {
            Side::Source => (DifferenceKind::Missing, self.row(side, place), None),
            Side::Target => (DifferenceKind::Extra, None, self.row(side, place)),
        };
        let lane = Arc::clone(self.lane);
        (place, Difference { kind, cells: Vec::new(), source, target, lane })
    }

    /// Pairs of rows with the columns that differ, column by column.
    fn mismatches(
        &self,
        pairs: &[(Place, Place)],
        formed: &Both<Vec<Comparable>>,
    ) -> Result<Vec<(Place, Difference)>> {
        let mut cells: Vec<Vec<usize>> = vec![Vec::new(); pairs.len()];
        for column in 0..self.lane.columns.len() {
            if pairs.is_empty() || self.lane.key.contains(&column) {
                continue;
            }
            let (left, right) = (hashes(&formed.source, column)?, hashes(&formed.target, column)?);
            for ((source, target), cells) in pairs.iter().zip(&mut cells) {
                if at(&left, *source) != at(&right, *target) {
                    cells.push(column);
                }
            }
        }
        let differences = pairs.iter().zip(cells).map(|((source, target), cells)| {
            let difference = Difference {
                kind: DifferenceKind::Mismatch,
                cells,
                source: self.row(Side::Source, *source),
                target: self.row(Side::Target, *target),
                lane: Arc::clone(self.lane),
            };
            (*source, difference)
        });
        Ok(differences.collect())
    }
}

fn hashes(batches: &[Comparable], column: usize) -> Result<Vec<Vec<u128>>> {
    batches.iter().map(|batch| batch.hashes(&[column]).map_err(kernel_failed)).collect()
}

fn at(hashes: &[Vec<u128>], (batch, row): Place) -> Option<u128> {
    hashes.get(batch)?.get(row).copied()
}
