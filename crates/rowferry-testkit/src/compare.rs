//! Comparing two dumps as multisets of rows.

use std::cmp::Ordering;
use std::fmt::Write as _;

/// Differences that a failed comparison prints; a table that is wholly wrong needs no more.
const SHOWN: usize = 12;

/// A row that one side has more often than the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only the left side has it.
    Missing(String),
    /// Only the right side has it.
    Extra(String),
}

/// Rows that are not on both sides equally often, in order. Both dumps must be sorted.
pub fn differences(left: &[String], right: &[String]) -> Vec<Difference> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut found = Vec::new();
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(b),
        };
        let (a, b) = (
            if order.is_le() { left.next() } else { None },
            if order.is_ge() { right.next() } else { None },
        );
        match (a, b) {
            (Some(row), None) => found.push(Difference::Missing(row.clone())),
            (None, Some(row)) => found.push(Difference::Extra(row.clone())),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
}

/// Panics when the dumps differ, with the differing rows one below the other and the first field
/// that differs marked.
#[track_caller]
pub fn assert_same(source: &[String], target: &[String]) {
    let found = differences(source, target);
    if found.is_empty() {
        return;
    }
    let mut table = String::new();
    for difference in found.iter().take(SHOWN) {
        let (word, row) = match difference {
            Difference::Missing(row) => ("missing", row),
            Difference::Extra(row) => ("extra  ", row),
        };
        writeln!(table, "  {word} | {}", row.replace('\t', " | ")).unwrap_or_default();
    }
    let missing = found.iter().find_map(|difference| match difference {
        Difference::Missing(row) => Some(row),
        Difference::Extra(_) => None,
    });
    let extra = found.iter().find_map(|difference| match difference {
        Difference::Extra(row) => Some(row),
        Difference::Missing(_) => None,
    });
    if let (Some(a), Some(b)) = (missing, extra)
        && let Some((field, (a, b))) =
            a.split('\t').zip(b.split('\t')).enumerate().find(|(_, (a, b))| a != b)
    {
        writeln!(table, "  first difference: field {} is {a:?} and {b:?}", field + 1)
            .unwrap_or_default();
    }
    panic!(
        "source has {} rows, target has {}, {} rows differ:\n{table}",
        source.len(),
        target.len(),
        found.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_planted_differences_of_four_are_seen() {
        let rows: Vec<String> = (0..100).map(|row| format!("{row:03}\tvalue {row}")).collect();
        assert_same(&rows, &rows);
        let plant = |change: fn(&mut Vec<String>)| {
            let mut planted = rows.clone();
            change(&mut planted);
            planted.sort_unstable();
            differences(&rows, &planted).len()
        };
        assert_eq!(plant(|rows| drop(rows.remove(41))), 1, "missing");
        assert_eq!(plant(|rows| rows.push("999\tnew".to_owned())), 1, "extra");
        assert_eq!(plant(|rows| rows.push(rows[7].clone())), 1, "doubled");
        assert_eq!(plant(|rows| rows[5].push('!')), 2, "altered");
    }
}
