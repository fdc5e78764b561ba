//! Asking both servers first: where they count and hash the same rows, no row has to travel.
//!
//! Only equal hashes are an answer. Different ones, or none because a server could not, mean that the
//! rows are read and compared as ever: nothing is ever reported by what a server hashed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rowferry_core::{Chunk, ConnectorError, KeyRange, ReadSpec, Result, ServerDigest};

use crate::comparison::{Comparison, Pair};
use crate::lane::Lane;
use crate::side::Both;
use crate::table::{Table, Trouble};
use crate::{PushdownUse, Side, VerifyEnds, range, whole};

/// Useless answers after which no server is asked any more, if they are more than the useful ones.
/// Guessed: tables that are written meanwhile have some of them.
const USELESS_MAX: u64 = 2;

/// What both servers say of the same rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told {
    /// They have the same ones: so many.
    Equal(u64),
    /// They may have different ones: so many.
    Different(Both<u64>),
    /// Nothing: they were not asked, or did not answer.
    Nothing,
}

/// How the servers of two tables are asked.
#[derive(Debug)]
pub(crate) struct Pushdown {
    seed: u64,
    specs: Both<ReadSpec>,
    /// Why the servers cannot be asked about this table, as far as that is known.
    unable: OnceLock<String>,
    asked: AtomicU64,
    equal: AtomicU64,
    /// Ranges about which there was no answer, or whose rows were then read and found equal.
    useless: AtomicU64,
}

impl Pushdown {
    /// Finds out whether both servers can be asked, in the views in which rows are read.
    pub(crate) async fn new(
        seed: u64,
        ends: &VerifyEnds,
        (comparison, lane): (&Comparison, &Lane),
        views: &Both<rowferry_runtime::Views>,
    ) -> Self {
        let mut unable = unlike(ends, comparison);
        for side in [Side::Source, Side::Target] {
            let (_, view) = views.of(side).current().await;
            let columns = &lane.specs.of(side).columns;
            if let Some(column) = columns.iter().find(|column| !view.hashes(column)) {
                let (name, words) = (&column.name, &column.native.declared);
                unable.get_or_insert(if columns.iter().any(|column| view.hashes(column)) {
                    format!("the {side} cannot hash column {name} of type {words}")
                } else {
                    format!("the {side} cannot hash rows")
                });
            }
        }
        Self {
            seed,
            specs: lane.specs.clone(),
            unable: unable.map_or_else(OnceLock::new, OnceLock::from),
            asked: AtomicU64::new(0),
            equal: AtomicU64::new(0),
            useless: AtomicU64::new(0),
        }
    }

    /// What came of asking.
    pub(crate) fn summary(&self) -> PushdownUse {
        PushdownUse {
            asked: self.asked.load(Ordering::Relaxed),
            equal: self.equal.load(Ordering::Relaxed),
            unable: self.unable.get().cloned(),
        }
    }

    fn gave_up(&self) -> bool {
        let useless = self.useless.load(Ordering::Relaxed);
        useless > USELESS_MAX && useless > self.equal.load(Ordering::Relaxed)
    }

    fn told(&self, digests: &Both<ServerDigest>) -> Told {
        if digests.source == digests.target {
            self.equal.fetch_add(1, Ordering::Relaxed);
            Told::Equal(digests.source.rows)
        } else {
            Told::Different(Both { source: digests.source.rows, target: digests.target.rows })
        }
    }

    /// The servers hash rows differently that have been read now, and are equal.
    pub(crate) fn was_useless(&self) {
        self.useless.fetch_add(1, Ordering::Relaxed);
    }

    /// Whoever cannot be asked can still be read, and if not, then that read says why.
    fn failed(&self, error: &ConnectorError) -> Told {
        self.useless.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%error, "a server could not hash rows, which are read instead");
        Told::Nothing
    }
}

/// Why equal hashes of these two tables would not mean equal rows.
fn unlike(ends: &VerifyEnds, comparison: &Comparison) -> Option<String> {
    let (source, target) = (ends.source.engine(), ends.target.engine());
    if source != target {
        return Some(format!("the source is {source} and the target {target}"));
    }
    if let Some(place) = (0..comparison.columns.len()).find(|at| comparison.casts.of(*at).is_some())
    {
        let name = comparison.columns.get(place).map_or("", |pair| pair.source.name.as_str());
        return Some(format!("the job casts column {name}"));
    }
    let differs = |pair: &&Pair| {
        let (left, right) = (&pair.source, &pair.target);
        left.native.stored() != right.native.stored() || left.canonical != right.canonical
    };
    comparison.columns.iter().find(differs).map(|pair| {
        let (left, right) = (&pair.source.native.declared, &pair.target.native.declared);
        format!("column {} is {left} in the source and {right} in the target", pair.source.name)
    })
}

/// What the servers say of a range of the key in common.
pub(crate) async fn range(table: &Arc<Table>, range: &KeyRange) -> Told {
    let Some(pushdown) = may_ask(table) else { return Told::Nothing };
    match is_short(table, range).await {
        Ok(true) => {}
        Ok(false) => return Told::Nothing,
        Err(error) => return pushdown.failed(&error),
    }
    let digest =
        async |side| digest(table, pushdown, side, &range::chunk(table, side, range)?).await;
    pushdown.asked.fetch_add(1, Ordering::Relaxed);
    // Both are awaited: a statement that is given up costs a session, and with it a view.
    match tokio::join!(digest(Side::Source), digest(Side::Target)) {
        (Ok(source), Ok(target)) => pushdown.told(&Both { source, target }),
        (Err(error), _) | (_, Err(error)) => pushdown.failed(&error),
    }
}

/// Whether a range of the source's key is short on the target too. A server is silent while it hashes,
/// and one that is silent for long is taken for dead. Only the first range and the last one are looked
/// at: there stand the rows of a target that is far larger.
async fn is_short(table: &Table, range: &KeyRange) -> Result<bool> {
    let (KeyRange::Span { lower, upper, .. }, Some(ranges)) = (range, &table.comparison.ranges)
    else {
        return Ok(false);
    };
    if lower.is_some() && upper.is_some() {
        return Ok(true);
    }
    let (_, view) = table.views.target.current().await;
    let mut probe = view.probe(&table.comparison.tables.target, &ranges.target).await?;
    let most = table.context.chunk_rows.saturating_mul(range::CHUNKS_MAX);
    Ok(probe.nth_key(lower.as_ref(), upper.as_ref(), most).await?.is_none())
}

/// What the servers say of two whole tables, each cut in its own order.
pub(crate) async fn whole(table: &Arc<Table>) -> Told {
    let Some(pushdown) = may_ask(table) else { return Told::Nothing };
    let stop = OnceLock::new();
    let (source, target) =
        tokio::join!(sum(table, Side::Source, &stop), sum(table, Side::Target, &stop));
    if let Some(Stop::Uncut) = stop.get() {
        let reason = || "a table has no key or blocks by which it could be cut".to_owned();
        pushdown.unable.get_or_init(reason);
        return Told::Nothing;
    }
    pushdown.asked.fetch_add(1, Ordering::Relaxed);
    match stop.get() {
        Some(Stop::Failed(error)) => pushdown.failed(error),
        _ => pushdown.told(&Both { source, target }),
    }
}

/// Why two whole tables are not hashed to their ends.
enum Stop {
    /// Rows can only be had all at once.
    Uncut,
    Failed(ConnectorError),
}

/// The digest of all rows of one side, or of some of them when either side stops. What is under way is
/// awaited: a statement that is given up costs a session.
async fn sum(table: &Arc<Table>, side: Side, stop: &OnceLock<Stop>) -> ServerDigest {
    let each = |chunk: Chunk| {
        let table = Arc::clone(table);
        async move {
            Ok(match &table.pushdown {
                Some(pushdown) if !matches!(chunk.range, KeyRange::Whole) => {
                    digest(&table, pushdown, side, &chunk).await.map_err(Stop::Failed)
                }
                _ => Err(Stop::Uncut),
            })
        }
    };
    let mut sum = ServerDigest::default();
    let take = |more: Result<ServerDigest, Stop>| {
        match more {
            Ok(more) => sum.add(more),
            Err(why) => drop(stop.set(why)),
        }
        stop.get().is_none()
    };
    match whole::each_chunk(table, side, each, take).await {
        Ok(()) => {}
        Err(Trouble::Failed(error)) => drop(stop.set(Stop::Failed(error))),
        Err(Trouble::Widened) => drop(stop.set(Stop::Uncut)),
    }
    sum
}

fn may_ask(table: &Table) -> Option<&Pushdown> {
    table
        .pushdown
        .as_ref()
        .filter(|pushdown| pushdown.unable.get().is_none() && !pushdown.gave_up())
}

async fn digest(
    table: &Table,
    pushdown: &Pushdown,
    side: Side,
    chunk: &Chunk,
) -> Result<ServerDigest> {
    let (_, view) = table.views.of(side).current().await;
    let digest = view.digest(chunk, pushdown.specs.of(side), pushdown.seed).await;
    digest.map_err(|error| side.says(error))
}
