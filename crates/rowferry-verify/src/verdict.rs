//! What came of a comparison.

use serde::Serialize;

use crate::{DifferenceKind, EqualityRule, Side};

/// A column that only one table has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OneSided {
    /// The column.
    pub column: String,
    /// Who has it.
    pub side: Side,
}

/// A column whose values are compared by a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleUsed {
    /// The column, by its name in the source.
    pub column: String,
    /// The rule.
    pub rule: EqualityRule,
}

/// What came of asking the servers before reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushdownUse {
    /// Ranges about which they were asked.
    pub asked: u64,
    /// Ranges in which they hash the same rows, so that none of them was read.
    pub equal: u64,
    /// Why they were not asked at all.
    pub unable: Option<String>,
}

/// What was found of two tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableVerdict {
    /// Rows of the source.
    pub rows_source: u64,
    /// Rows of the target.
    pub rows_target: u64,
    /// Cells that differ, in rows of both sides.
    pub mismatches: u64,
    /// Rows of both sides with a cell that differs.
    pub rows_mismatched: u64,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows that only the target has.
    pub extra: u64,
    /// Columns that were compared.
    pub columns: usize,
    /// The key's columns; empty: the tables have none and were compared as multisets.
    pub key: Vec<String>,
    /// Columns of the target that were left out, as asked.
    pub ignored: Vec<String>,
    /// Columns of one side.
    pub one_sided: Vec<OneSided>,
    /// Rules that decided about equality.
    pub rules: Vec<RuleUsed>,
    /// Where it was asked for.
    pub pushdown: Option<PushdownUse>,
}

impl TableVerdict {
    /// Everything that differs: cells, missing rows, extra rows.
    pub const fn differences(&self) -> u64 {
        self.mismatches + self.missing + self.extra
    }

    /// Whether neither table has rows.
    pub const fn is_empty(&self) -> bool {
        self.rows_source == 0 && self.rows_target == 0
    }

    pub(crate) fn count(&mut self, kind: DifferenceKind, cells: usize) {
        match kind {
            DifferenceKind::Mismatch => {
                self.rows_mismatched += 1;
                self.mismatches += cells as u64;
            }
            DifferenceKind::Missing => self.missing += 1,
            DifferenceKind::Extra => self.extra += 1,
        }
    }
}
