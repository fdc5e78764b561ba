//! From the claim to the sealed rows.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rowferry_core::{
    ChunkSpec, ClaimStart, ConnectorError, Consistency, Coverage, Cutter, ErrorClass, KeyTuple,
    LoadInto, Mode, Phase, Position, Prepared, Receipt, Result, StreamState, TablePlan,
};
use rowferry_runtime::FailPoint;

use super::TableRun;
use super::beginning::anew;
use crate::chunk_loop::ChunkLoop;
use crate::copy_chunk::ChunkCopier;
use crate::heartbeat::HeldLock;
use crate::lane::Lane;
use crate::{TableFailure, Watermark, guard};
use rowferry_runtime::Views;

/// What one attempt at a run of the table works with.
struct Attempt<'a> {
    plan: &'a Arc<TablePlan>,
    lock: &'a HeldLock,
    prepared: Arc<Prepared>,
    run: i64,
    receipts: Vec<Receipt>,
    phase: Phase,
    previous: Option<Watermark>,
}

impl TableRun {
    /// Claims and loads; starts a new run once when what an earlier attempt left cannot be used.
    pub(super) async fn load_once(
        &mut self,
        plan: &Arc<TablePlan>,
        lock: &HeldLock,
        start: ClaimStart,
        state: Option<&StreamState>,
    ) -> Result<Arc<Prepared>, TableFailure> {
        let forgets = start == ClaimStart::Anew;
        let previous = state
            .filter(|_| !forgets)
            .and_then(|state| state.watermark.as_deref())
            .and_then(Watermark::from_json);
        let mut start = start;
        let mut again = true;
        loop {
            let claim = lock.claim(start.clone()).await?;
            FailPoint::Claimed.reach();
            self.run = Some(claim.run);
            let prepared = Arc::new(lock.prepare(plan, &claim).await?);
            FailPoint::Prepared.reach();
            if prepared.staging_lost && again {
                self.start_over(plan, "its staging table is gone");
                (start, again) = (anew(forgets), false);
                continue;
            }
            self.tally.resumed(&claim.receipts);
            let resumed = !claim.receipts.is_empty();
            let position = Position {
                run: claim.run,
                epoch: claim.epoch,
                done: false,
                chunks: claim.receipts.len() as u64,
                run_key: match (&start, state) {
                    (ClaimStart::Continue, Some(state)) => state.run_key.clone(),
                    _ => plan.stream.run_key.clone(),
                },
            };
            self.context
                .observer
                .table_started(plan, claim.run, self.tally.chunks_resumed, self.tally.rows_resumed)
                .await?;
            self.learned(plan, &position, &claim.receipts).await?;
            let attempt = Attempt {
                plan,
                lock,
                prepared: Arc::clone(&prepared),
                run: claim.run,
                receipts: claim.receipts,
                phase: claim.phase,
                previous: previous.clone(),
            };
            match self.attempt(attempt).await {
                Ok(()) => return Ok(prepared),
                // Rows moved between two read views, so that two chunks hold the same key.
                Err(TableFailure::Failed(error))
                    if (resumed || self.tally.snapshots > 1)
                        && again
                        && error.class == ErrorClass::Data
                        && error.code == "duplicate-key"
                        && plan.load == LoadInto::StagingReplace =>
                {
                    self.start_over(plan, "rows moved between two read views");
                    (start, again) = (anew(forgets), false);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    pub(super) fn start_over(&mut self, plan: &TablePlan, why: &str) {
        self.tally.start_over();
        let table = plan.source.table.to_string();
        self.context.observer.note(&table, &format!("starting {table} anew: {why}"));
        self.tally.warnings.push(format!("started anew: {why}"));
    }

    async fn attempt(&mut self, attempt: Attempt<'_>) -> Result<(), TableFailure> {
        let started = Instant::now();
        // Once all chunks are durable a later attempt only has to seal and publish.
        if attempt.phase == Phase::Loading {
            let copied = self.copy(&attempt).await;
            self.tally.phases.copy += started.elapsed().as_secs_f64();
            copied?;
            FailPoint::ChunksDone.reach();
            self.patience.renew();
        } else {
            self.tally.watermark.clone_from(&attempt.previous);
        }
        self.guard(&attempt).await?;
        let sealing = Instant::now();
        let sealed = attempt.lock.seal(&attempt.prepared).await?;
        FailPoint::Sealed.reach();
        self.patience.renew();
        self.tally.phases.index += sealing.elapsed().as_secs_f64();
        let expected = self.tally.rows_of_run();
        match sealed.rows {
            Some(rows) if rows != expected => Err(ConnectorError::bug(format!(
                "staging of table {} holds {rows} rows, the receipts say {expected}",
                attempt.plan.source.table
            ))
            .into()),
            _ => Ok(()),
        }
    }

    async fn copy(&mut self, attempt: &Attempt<'_>) -> Result<(), TableFailure> {
        let plan = attempt.plan;
        // A watermark speaks of one view; anything else may be read chunk by chunk.
        let consistency = match plan.mode {
            Mode::Incremental => Consistency::Table,
            Mode::Full => self.job.settings.consistency,
        };
        let views = Views::open(
            Arc::clone(&self.ends.source),
            plan.source.clone(),
            consistency,
            self.context.workers,
        )
        .await?;
        let (_, view) = views.current().await;
        let views_before = self.tally.snapshots;
        self.tally.snapshots += 1;
        self.tally.consistency = match view.consistency() {
            Consistency::Chunk => "chunk",
            Consistency::Table | Consistency::Auto => "table",
        };
        let (horizon, read_at) = match plan.mode {
            // The source's clock: ours may be set between two runs, and what is open there by then
            // would count as settled.
            Mode::Incremental => (view.horizon().await?, view.opened_at().await?),
            Mode::Full => (None, None),
        };
        let scope_lower = match plan.mode {
            Mode::Incremental => attempt.previous.as_ref().and_then(|mark| mark.settled.clone()),
            Mode::Full => None,
        };
        let cutter = self.cutter(attempt, view.as_ref(), scope_lower.clone()).await?;
        let views = Arc::new(views);
        let (settings, prepared) = (&self.job.settings, Arc::clone(&attempt.prepared));
        let lane = Lane::new(Arc::clone(plan), prepared, &self.ends, settings, &self.context);
        let copier = ChunkCopier::new(
            self.ends.clone(),
            settings.clone(),
            lane,
            self.context.clone(),
            attempt.receipts.iter().map(|receipt| receipt.totals.rows_rejected).sum(),
        );
        let chunks = ChunkLoop {
            copier: Arc::new(copier),
            views: Arc::clone(&views),
            views_before,
            cutter,
            key: plan.cut_by.clone(),
            patience: self.patience.clone(),
            context: self.context.clone(),
            run: attempt.run,
            last_key: None,
        };
        let last_key = chunks.run(&mut self.tally).await?;
        if plan.mode == Mode::Incremental {
            let previous = attempt.previous.clone().unwrap_or_default();
            let one_view = attempt.receipts.is_empty() && views.current().await.0 == 1;
            // Chunks of an earlier attempt were read in earlier views, whose clocks are not known
            // any more: nothing is settled by this run, so the next one reads the same stretch.
            self.tally.watermark = Some(if one_view {
                previous.after(last_key, horizon, read_at.unwrap_or_else(unix_seconds))
            } else {
                previous
            });
        }
        Ok(())
    }

    async fn cutter(
        &self,
        attempt: &Attempt<'_>,
        view: &dyn rowferry_core::Snapshot,
        scope_lower: Option<KeyTuple>,
    ) -> Result<Cutter> {
        let source = &attempt.plan.source;
        let (rows, bytes) = self.job.settings.of_chunk();
        let spec = ChunkSpec {
            rows,
            bytes,
            row_bytes_estimated: source.row_bytes_estimated(),
            with_null_keys: scope_lower.is_none(),
        };
        let table = source.table.clone();
        let Some(key) = &attempt.plan.cut_by else {
            let blocks = view.blocks(source).await?;
            return Ok(Cutter::by_blocks(table, spec, blocks, source.rows_estimated));
        };
        let done = Coverage::new(scope_lower, &attempt.receipts);
        let probe = view.probe(source, key).await?;
        Ok(Cutter::by_key(table, key.clone(), spec, &done, probe))
    }

    async fn guard(&mut self, attempt: &Attempt<'_>) -> Result<()> {
        let replaces = attempt.plan.load == LoadInto::StagingReplace;
        if !replaces || self.context.options.accept_shrink {
            return Ok(());
        }
        let limits = &self.task.entry.guard;
        let loaded = self.tally.rows_of_run();
        let asks = loaded == 0 || guard::needs_count(limits);
        let limit = (!guard::needs_count(limits)).then_some(1);
        let target_rows = if asks { attempt.lock.target_rows(limit).await? } else { 0 };
        guard::check(attempt.plan, limits, loaded, target_rows)
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
