//! Comparing two tables that have no order in common: keys of texts under any collation, keys that
//! one server sorts by its own rules, no key at all.
//!
//! Each side is cut in its own order, or by blocks, and read once into one large set of buckets. Rows
//! of buckets that differ are found by a second read of both sides. Where both servers were asked first
//! and hash all rows alike, nothing is read.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rowferry_core::{Chunk, ConnectorError, Result};
use rowferry_kernels::Fold;
use rowferry_runtime::spawn;

use crate::Side;
use crate::collect::Collect;
use crate::cutting::Cutting;
use crate::lane::Lane;
use crate::pushdown::{self, Told};
use crate::resolve::{self, Group};
use crate::side::Both;
use crate::table::{Table, Tally, Trouble};

/// Buckets of a table: two megabytes of sums. Of six million rows a hundred share one.
const BUCKETS: usize = 1 << 16;

/// Compares both tables.
pub(crate) async fn compare(table: &Arc<Table>, tally: &mut Tally<'_>) -> Result<()> {
    let told = pushdown::whole(table).await;
    if let Told::Equal(rows) = told {
        tally.verdict.rows_source = rows;
        tally.verdict.rows_target = rows;
        return Ok(());
    }
    let (folds, lane) = loop {
        let lane = table.lane();
        match both(table, &lane, &Fold::new(BUCKETS)).await {
            Ok(folds) => break (folds, lane),
            Err(Trouble::Widened) => {}
            Err(Trouble::Failed(error)) => return Err(error),
        }
    };
    tally.verdict.rows_source = folds.source.rows();
    tally.verdict.rows_target = folds.target.rows();
    let differing = folds.source.differing(&folds.target);
    drop(folds);
    for wanted in resolve::groups(table, &differing, BUCKETS) {
        let group = Group { range: None, wanted, lane: Arc::clone(&lane) };
        let differences = resolve::resolve(table, &group).await?;
        tally.take((group, differences));
    }
    Ok(())
}

/// Reads both tables at once.
pub(crate) async fn both<C: Collect>(
    table: &Arc<Table>,
    lane: &Arc<Lane>,
    start: &C,
) -> Result<Both<C>, Trouble> {
    let (source, target) = tokio::join!(
        collect(table, Side::Source, lane, start),
        collect(table, Side::Target, lane, start)
    );
    Ok(Both { source: source?, target: target? })
}

/// Reads all chunks of one side.
async fn collect<C: Collect>(
    table: &Arc<Table>,
    side: Side,
    lane: &Arc<Lane>,
    start: &C,
) -> Result<C, Trouble> {
    let mut sum = start.clone();
    let read = |chunk: Chunk| {
        let (table, lane, start) = (Arc::clone(table), Arc::clone(lane), start.clone());
        async move { table.read(side, &chunk, &lane, &start).await }
    };
    let take = |more| {
        sum.merge(more);
        true
    };
    each_chunk(table, side, read, take).await?;
    Ok(sum)
}

/// Cuts one side in its own order and does `each` with its chunks, `workers` at once; `take` gets what
/// comes of them, in any order, and says whether further ones are wanted.
pub(crate) async fn each_chunk<T, F>(
    table: &Arc<Table>,
    side: Side,
    each: impl Fn(Chunk) -> F,
    mut take: impl FnMut(T) -> bool,
) -> Result<(), Trouble>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Trouble>> + Send + 'static,
{
    let cut_by = table.comparison.cuts.of(side).as_ref();
    let mut cutting = Cutting::new(table, side, cut_by).await?;
    let mut running = FuturesUnordered::new();
    let mut exhausted = false;
    loop {
        while !exhausted && running.len() < table.context.workers.max(1) {
            match cutting.next().await? {
                Some(chunk) => running.push(spawn("compare chunk", each(chunk)).join()),
                None => exhausted = true,
            }
        }
        match running.next().await {
            None => return Ok(()),
            Some(Ok(done)) => exhausted |= !take(done?),
            Some(Err(panic)) => {
                let failed = ConnectorError::bug("comparing a chunk failed");
                return Err(failed.with_source(panic).into());
            }
        }
    }
}
