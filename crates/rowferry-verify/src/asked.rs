//! What a comparison is asked to do, and what it works with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rowferry_core::{ColumnPlan, Consistency, Predicate, Source, TableRef};
use rowferry_runtime::{ComputePool, Jitter};

/// Two tables that should hold the same rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TablePair {
    /// Table of the source.
    pub source: TableRef,
    /// Table of the target.
    pub target: TableRef,
    /// Columns of the source that identify a row; empty = those of a key of either table.
    pub key: Vec<String>,
    /// Columns of the source to compare; empty = all.
    pub include: Vec<String>,
    /// Columns of either side that are left out.
    pub ignore: Vec<String>,
    /// Columns of the source that have another name in the target.
    pub rename: BTreeMap<String, String>,
    /// Which rows of the source should be in the target.
    pub predicate: Option<Predicate>,
    /// Columns that a copy casts on their way: the source's values are compared as it writes them.
    pub casts: Vec<ColumnPlan>,
    /// Whether a copy sets rows aside whose values do not fit.
    pub sets_aside: bool,
}

/// The two databases. Cloning shares them.
#[derive(Clone)]
pub struct VerifyEnds {
    /// Where the rows came from.
    pub source: Arc<dyn Source>,
    /// Where they should be.
    pub target: Arc<dyn Source>,
}

/// How comparisons are made.
#[derive(Clone, Debug)]
pub struct VerifyContext {
    /// Where rows are hashed.
    pub compute: ComputePool,
    /// What spreads pauses between attempts.
    pub jitter: Jitter,
    /// Stretches of a table read at once, each on both sides.
    pub workers: usize,
    /// How long transient failures are retried.
    pub retry_for: Duration,
    /// Rows of a stretch at most.
    pub chunk_rows: u64,
    /// Bytes of a stretch at most.
    pub chunk_bytes: u64,
    /// Rows hashed at once.
    pub batch_rows: u64,
    /// How far one read view reaches.
    pub consistency: Consistency,
    /// Tables that are written meanwhile: how long a difference may take to go away.
    pub settle_for: Option<Duration>,
    /// Ask both servers first whether they hash the same rows; with this seed.
    pub pushdown: Option<u64>,
    /// Compare values by their text instead of by the rules of equality.
    pub strict: bool,
}
