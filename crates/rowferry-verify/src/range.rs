//! Comparing range by range of a key that both servers order alike.
//!
//! The source's key is cut; each range is read on both sides at once and folded into a few hundred
//! buckets. Ranges whose folds are equal end there. Of the others only the buckets that differ are
//! read again, so that one altered row costs the range it stands in a second time and no more. A range
//! that turns out far larger on one side, where it was not cut, is cut there first. Where both servers are
//! asked first, only the pieces that they hash differently are read at all.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use rowferry_core::{Chunk, ConnectorError, KeyColumns, KeyRange, KeyTuple, Result};
use rowferry_kernels::Fold;
use rowferry_runtime::{Task, spawn};
use tokio::sync::mpsc;

use crate::collect::Collect;
use crate::cutting::Cutting;
use crate::lane::Lane;
use crate::pushdown::{self, Told};
use crate::resolve::{self, Group, Resolved};
use crate::side::Both;
use crate::table::{Table, Tally, Trouble};
use crate::{Side, whole};

/// Buckets of a range. Guessed: of a hundred thousand rows four hundred share one, so that few rows are
/// held for one that differs, and the sums stay in the cache.
const BUCKETS: usize = 256;

/// A range with more rows than so many chunks was not cut where they stand.
pub(crate) const CHUNKS_MAX: u64 = 4;

/// Pieces of a range that the servers hash differently, each of which they are asked about before it is
/// read. Guessed: a few differences cost as many round trips, and a sixteenth of the rows.
const PIECES: u64 = 16;

/// One range on its way: its differences, and then its rows.
struct Running {
    chunk: Chunk,
    differences: mpsc::Receiver<Resolved>,
    task: Task<Result<Both<u64>>>,
}

/// Compares both tables, `workers` ranges at once, and tells of their differences in key order.
pub(crate) async fn compare(table: &Arc<Table>, tally: &mut Tally<'_>) -> Result<()> {
    let ranges = table.comparison.ranges.as_ref();
    let ranges = ranges.ok_or_else(|| ConnectorError::bug("no order in common to cut by"))?;
    let mut cutting = Cutting::new(table, Side::Source, Some(&ranges.source)).await?;
    if !cutting.is_by_key() {
        return whole::compare(table, tally).await;
    }
    let mut running: VecDeque<Running> = VecDeque::new();
    let mut exhausted = false;
    loop {
        while !exhausted && running.len() < table.context.workers.max(1) {
            match cutting.next().await? {
                Some(chunk) => running.push_back(start(table, chunk)),
                None => exhausted = true,
            }
        }
        let Some(mut front) = running.pop_front() else { return Ok(()) };
        while let Some(resolved) = front.differences.recv().await {
            tally.take(resolved);
        }
        let ended = front.task.join().await;
        let rows = ended.map_err(|panic| {
            ConnectorError::bug("comparing a range failed").with_source(panic)
        })??;
        cutting.observe(&front.chunk, rows.source);
        tally.verdict.rows_source += rows.source;
        tally.verdict.rows_target += rows.target;
    }
}

fn start(table: &Arc<Table>, chunk: Chunk) -> Running {
    // One waits while the next one is being made.
    let (sender, differences) = mpsc::channel(1);
    let (table, range) = (Arc::clone(table), chunk.range.clone());
    let task = spawn("compare range", async move { compare_range(&table, range, &sender).await });
    Running { chunk, differences, task }
}

/// Rows of a range on both sides, after its differences were sent.
fn compare_range<'a>(
    table: &'a Arc<Table>,
    range: KeyRange,
    sender: &'a mpsc::Sender<Resolved>,
) -> Pin<Box<dyn Future<Output = Result<Both<u64>>> + Send + 'a>> {
    Box::pin(async move {
        let told = pushdown::range(table, &range).await;
        match told {
            Told::Equal(rows) => return Ok(Both { source: rows, target: rows }),
            Told::Different(rows) => {
                let least = table.context.batch_rows.max(1);
                let each = (rows.larger().1 / PIECES).max(least);
                if rows.larger().1 > least
                    && let Some(rows) = in_pieces(table, &range, (rows, each), sender).await?
                {
                    return Ok(rows);
                }
            }
            Told::Nothing => {}
        }
        let (folds, lane) = fold(table, &range).await?;
        let rows = Both { source: folds.source.rows(), target: folds.target.rows() };
        let differing = folds.source.differing(&folds.target);
        if differing.is_empty() {
            if let (Some(pushdown), Told::Different(_)) = (&table.pushdown, told) {
                pushdown.was_useless();
            }
            return Ok(rows);
        }
        let each = table.context.chunk_rows.max(1);
        if rows.larger().1 > each.saturating_mul(CHUNKS_MAX)
            && let Some(rows) = in_pieces(table, &range, (rows, each), sender).await?
        {
            return Ok(rows);
        }
        for wanted in resolve::groups(table, &differing, BUCKETS) {
            let group = Group { range: Some(range.clone()), wanted, lane: Arc::clone(&lane) };
            let differences = resolve::resolve(table, &group).await?;
            // Nobody listens any more when another range has failed.
            if sender.send((group, differences)).await.is_err() {
                break;
            }
        }
        Ok(rows)
    })
}

/// Compares a range in pieces of `each` rows, cut where most of its rows stand; `None` when it cannot be
/// cut, as when all of them have one key.
async fn in_pieces(
    table: &Arc<Table>,
    range: &KeyRange,
    (rows, each): (Both<u64>, u64),
    sender: &mpsc::Sender<Resolved>,
) -> Result<Option<Both<u64>>> {
    let pieces = pieces(table, rows.larger().0, range, each).await?;
    if pieces.len() < 2 {
        return Ok(None);
    }
    let mut sum = Both::<u64>::default();
    for piece in pieces {
        let rows = compare_range(table, piece, sender).await?;
        sum.source += rows.source;
        sum.target += rows.target;
    }
    Ok(Some(sum))
}

/// Folds of a range on both sides, in one lane.
async fn fold(table: &Arc<Table>, range: &KeyRange) -> Result<(Both<Fold>, Arc<Lane>)> {
    loop {
        let lane = table.lane();
        match both(table, range, &lane, &Fold::new(BUCKETS)).await {
            Ok(folds) => return Ok((folds, lane)),
            Err(Trouble::Widened) => {}
            Err(Trouble::Failed(error)) => return Err(error),
        }
    }
}

/// Reads a range on both sides at once.
pub(crate) async fn both<C: Collect>(
    table: &Arc<Table>,
    range: &KeyRange,
    lane: &Arc<Lane>,
    start: &C,
) -> Result<Both<C>, Trouble> {
    let (source, target) = (chunk(table, Side::Source, range)?, chunk(table, Side::Target, range)?);
    let (source, target) = tokio::join!(
        table.read(Side::Source, &source, lane, start),
        table.read(Side::Target, &target, lane, start)
    );
    Ok(Both { source: source?, target: target? })
}

/// The range in the words of one side.
pub(crate) fn chunk(table: &Table, side: Side, range: &KeyRange) -> Result<Chunk> {
    let range = match (range, key(table, side)) {
        (KeyRange::Span { lower, upper, .. }, Some(key)) => {
            KeyRange::Span { key: key.clone(), lower: lower.clone(), upper: upper.clone() }
        }
        (KeyRange::NullKeys { .. }, Some(key)) => KeyRange::NullKeys { key: key.clone() },
        _ => return Err(ConnectorError::bug("a range without an order in common")),
    };
    let name = table.comparison.tables.of(side).table.clone();
    Ok(Chunk { no: rowferry_core::ChunkNo(0), table: name, range, rows_estimated: None })
}

fn key(table: &Table, side: Side) -> Option<&KeyColumns> {
    table.comparison.ranges.as_ref().map(|ranges| ranges.of(side))
}

/// A range cut after every `each` rows of `side`.
async fn pieces(table: &Table, side: Side, range: &KeyRange, each: u64) -> Result<Vec<KeyRange>> {
    let (KeyRange::Span { lower, upper, .. }, Some(key)) = (range, key(table, side)) else {
        return Ok(Vec::new());
    };
    let (_, view) = table.views.of(side).current().await;
    let mut probe = view.probe(table.comparison.tables.of(side), key).await?;
    let span = |lower: &Option<KeyTuple>, upper: Option<KeyTuple>| KeyRange::Span {
        key: key.clone(),
        lower: lower.clone(),
        upper,
    };
    let mut pieces = Vec::new();
    let mut lower = lower.clone();
    while let Some(bound) = probe.nth_key(lower.as_ref(), upper.as_ref(), each).await? {
        if Some(&bound) == upper.as_ref() {
            break;
        }
        pieces.push(span(&lower, Some(bound.clone())));
        lower = Some(bound);
    }
    pieces.push(span(&lower, upper.clone()));
    Ok(pieces)
}
