//! Two tables being compared: their read views, the lane, and reads that are tried again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rowferry_core::{Chunk, ConnectorError, Consistency, KeyRange, Payload, Result, Snapshot};
use rowferry_runtime::{Patience, Stage, Views};

use crate::collect::Collect;
use crate::comparison::Comparison;
use crate::lane::{Lane, UNREPRESENTABLE, kernel_failed};
use crate::pushdown::Pushdown;
use crate::resolve::Resolved;
use crate::settle::Unsettled;
use crate::side::Both;
use crate::{
    Difference, Side, TablePair, TableVerdict, VerifyContext, VerifyEnds, range, settle, whole,
};

/// Who is told of each difference, in the order of the table.
pub type Found<'a> = dyn FnMut(&Difference) + Send + 'a;

/// Compares two tables and hands each difference to `found`.
///
/// # Errors
///
/// Class `Setup` for tables or columns that are not there or have nothing in common; what the ends
/// say when they cannot be read. Differences are no error.
///
/// # Cancellation
///
/// Nothing is changed anywhere, so the future may be dropped at any time.
pub async fn compare(
    asked: &TablePair,
    ends: &VerifyEnds,
    context: &VerifyContext,
    found: &mut Found<'_>,
) -> Result<TableVerdict> {
    let (source, target) =
        tokio::join!(ends.source.describe(&asked.source), ends.target.describe(&asked.target));
    let comparison = Comparison::new(asked, source?, target?)?;
    let lane = Lane::first(&comparison, asked.predicate.as_ref(), context);
    // Whoever waits for rows must not hold the view in which they are not there.
    let consistency =
        if context.settle_for.is_some() { Consistency::Chunk } else { context.consistency };
    let open = |source: &Arc<dyn rowferry_core::Source>, table: &rowferry_core::TableSchema| {
        Views::open(Arc::clone(source), table.clone(), consistency, context.workers)
    };
    let (source, target) = tokio::join!(
        open(&ends.source, &comparison.tables.source),
        open(&ends.target, &comparison.tables.target)
    );
    let mut verdict = TableVerdict {
        columns: comparison.columns.len(),
        one_sided: comparison.one_sided.clone(),
        ignored: comparison.ignored.clone(),
        ..TableVerdict::default()
    };
    if comparison.has_key {
        let places = comparison.key.iter().filter_map(|place| comparison.columns.get(*place));
        verdict.key = places.map(|pair| pair.source.name.clone()).collect();
    }
    let views = Both { source: source?, target: target? };
    let pushdown = match context.pushdown {
        Some(seed) => Some(Pushdown::new(seed, ends, (&comparison, &lane), &views).await),
        None => None,
    };
    let table = Arc::new(Table {
        comparison,
        views,
        pushdown,
        lane: Mutex::new(Arc::new(lane)),
        patience: Patience::new(context.retry_for),
        context: context.clone(),
        rows_seen: AtomicU64::new(0),
        bytes_seen: AtomicU64::new(0),
    });
    let mut tally = Tally { verdict: &mut verdict, found, unsettled: None };
    tally.unsettled = context.settle_for.map(|_| Unsettled::default());
    if table.comparison.ranges.is_some() {
        range::compare(&table, &mut tally).await?;
    } else {
        whole::compare(&table, &mut tally).await?;
    }
    if let Some(patience) = context.settle_for {
        settle::settle(&table, &mut tally, patience).await?;
    }
    verdict.rules.clone_from(&table.lane().rules);
    verdict.pushdown = table.pushdown.as_ref().map(Pushdown::summary);
    Ok(verdict)
}

/// What is found, counted and handed on.
pub(crate) struct Tally<'a> {
    pub(crate) verdict: &'a mut TableVerdict,
    pub(crate) found: &'a mut Found<'a>,
    /// Differences that may still go away; `None`: none is waited for.
    pub(crate) unsettled: Option<Unsettled>,
}

impl Tally<'_> {
    /// Takes the differences of a group: tells of them, or looks at them again later.
    pub(crate) fn take(&mut self, resolved: Resolved) {
        let told = match &mut self.unsettled {
            Some(unsettled) => unsettled.hold(resolved),
            None => resolved.1,
        };
        self.tell(&told);
    }

    /// Counts differences and hands them on.
    pub(crate) fn tell(&mut self, differences: &[Difference]) {
        for difference in differences {
            self.verdict.count(difference.kind, difference.cells.len());
            (self.found)(difference);
        }
    }
}

/// Why a stretch was not compared.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A column is read wider from here on: compare the stretch again.
    Widened,
    Failed(ConnectorError),
}

impl From<ConnectorError> for Trouble {
    fn from(error: ConnectorError) -> Self {
        Self::Failed(error)
    }
}

/// Two tables being compared.
pub(crate) struct Table {
    pub(crate) comparison: Comparison,
    pub(crate) views: Both<Views>,
    pub(crate) patience: Patience,
    pub(crate) context: VerifyContext,
    /// Where the servers are to be asked first.
    pub(crate) pushdown: Option<Pushdown>,
    lane: Mutex<Arc<Lane>>,
    rows_seen: AtomicU64,
    bytes_seen: AtomicU64,
}

impl Table {
    /// How both sides are read now.
    pub(crate) fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.lane.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Mean bytes of a row in memory so far; by statistics, as long as none was read.
    pub(crate) fn row_bytes(&self) -> u64 {
        let rows = self.rows_seen.load(Ordering::Relaxed);
        let mean = self.bytes_seen.load(Ordering::Relaxed).checked_div(rows);
        let estimated = || self.comparison.tables.source.row_bytes_estimated();
        mean.or_else(estimated).unwrap_or(1).max(1)
    }

    /// Changes to a lane that can hold the value which `error` speaks of. False when it speaks of
    /// something else, or there is no such lane.
    fn widen(&self, side: Side, error: &ConnectorError, used: &Lane) -> bool {
        let Some(column) = error.column.as_deref().filter(|_| error.code == UNREPRESENTABLE) else {
            return false;
        };
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        // Another stretch met such a value first.
        if lane.number != used.number {
            return true;
        }
        let Some(wider) = lane.widened(side, column) else { return false };
        tracing::info!(%side, column, "the column has values beyond its type and is read wider");
        *lane = Arc::new(wider);
        true
    }

    /// Reads a chunk of one side to its end; what `start` has taken then.
    pub(crate) async fn read<C: Collect>(
        &self,
        side: Side,
        chunk: &Chunk,
        lane: &Arc<Lane>,
        start: &C,
    ) -> Result<C, Trouble> {
        let views = self.views.of(side);
        let mut backoff = self.context.jitter.backoff();
        let (mut number, mut view) = views.current().await;
        loop {
            let error = match self.read_once(side, chunk, lane, view.as_ref(), start.clone()).await
            {
                Ok(collected) => {
                    self.patience.renew();
                    return Ok(collected);
                }
                Err(error) => side.says(error),
            };
            if self.widen(side, &error, lane) {
                return Err(Trouble::Widened);
            }
            let pause = backoff.next_pause();
            // Blocks hold in one view only, so the rows of another one may stand elsewhere.
            let again = !matches!(chunk.range, KeyRange::Blocks { .. });
            if !again || !error.class.is_retryable() || !self.patience.allows(pause) {
                return Err(error.into());
            }
            tracing::warn!(error = %error, %side, pause_ms = pause.as_millis(), "reading failed, trying again");
            tokio::time::sleep(pause).await;
            match views.replace(number).await {
                Ok((next, opened)) => (number, view) = (next, opened),
                // The next attempt fails in the old view and asks again.
                Err(error) => tracing::warn!(error = %error, "could not open a new read view"),
            }
        }
    }

    async fn read_once<C: Collect>(
        &self,
        side: Side,
        chunk: &Chunk,
        lane: &Arc<Lane>,
        view: &dyn Snapshot,
        mut collected: C,
    ) -> Result<C> {
        let mut reader = view.read(chunk, lane.specs.of(side)).await?;
        let mut next = reader.next().await?;
        let (mut rows, mut bytes) = (0, 0);
        while let Some(payload) = next {
            rows += payload.rows();
            bytes += payload.bytes();
            let Payload::Batch(batch) = payload else {
                return Err(ConnectorError::bug("rows came in wire form where none was asked for"));
            };
            let lane = Arc::clone(lane);
            let work = self.context.compute.run(Stage::Transform, move || {
                let batch = lane.as_copied(side, batch)?;
                collected.take(&batch, side, &lane).map(|()| collected)
            });
            let (done, following) = tokio::join!(work, reader.next());
            collected = done.map_err(kernel_failed)??;
            next = following?;
        }
        self.rows_seen.fetch_add(rows, Ordering::Relaxed);
        self.bytes_seen.fetch_add(bytes, Ordering::Relaxed);
        Ok(collected)
    }
}
