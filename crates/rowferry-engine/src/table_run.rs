//! One table from plan to publish.
//!
//! ```text
//! lock ─► state ─► decide ─► claim ─► prepare ─► chunks ─► guard ─► seal │ publish
//!  ▲                            ▲                            │                │
//!  │                            └── a new run, once: staging lost, or keys collide after a resume
//!  └── after a fault that a later attempt may survive, as a new process would ┘
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rowferry_core::{
    ChunkSpec, ClaimStart, ConnectorError, Consistency, Coverage, Cutter, ErrorClass, ForeignKey,
    Job, KeyTuple, LoadInto, Mode, Phase, Prepared, Receipt, Result, StreamState, TablePlan,
};
use rowferry_runtime::FailPoint;

use crate::chunk_loop::ChunkLoop;
use crate::copy_chunk::ChunkCopier;
use crate::expand::TableTask;
use crate::heartbeat::HeldLock;
use crate::lane::Lane;
use crate::persistence::{Persistence, VIEW_LOST};
use crate::planner::{plan_error, plan_table};
use crate::retry::Patience;
use crate::start::{Again, Found, Start, again, decide};
use crate::tally::Tally;
use crate::views::Views;
use crate::{JobEnds, RunContext, TableFailure, TableReport, Watermark, guard};

/// A plan made ahead is used that long; later the schema may have changed, so it is made anew.
/// Guessed: longer than planning a whole job takes, shorter than a person's next statement.
const PLAN_FRESH: Duration = Duration::from_secs(30);
/// Starts from zero of a table that cannot be continued, in one process. Guessed: a source that
/// loses the view more often than this does not keep one as long as the table needs.
const STARTS_FROM_ZERO: u32 = 2;

/// A table that is being copied.
pub(crate) struct TableRun {
    job: Arc<Job>,
    task: TableTask,
    /// All tables of the job.
    tasks: Arc<[TableTask]>,
    ends: JobEnds,
    context: RunContext,
    tally: Tally,
    /// A plan made ahead of the run, and when.
    planned: Option<(TablePlan, Instant)>,
    /// Keys to other tables of the job, as the last plan has them.
    foreign_keys: Vec<ForeignKey>,
    patience: Patience,
    /// The run that this process has claimed.
    run: Option<i64>,
    starts_from_zero: u32,
    stage: Stage,
}

/// How far this process has come.
enum Stage {
    /// Not known, or not far.
    Open,
    /// Only `publish` is missing.
    Loaded(Box<Loaded>),
    /// All is done.
    Published,
}

/// A table whose rows are all durable and sealed; only `publish` is missing.
struct Loaded {
    lock: HeldLock,
    prepared: Arc<Prepared>,
    watermark: Option<Watermark>,
    plan: Arc<TablePlan>,
}

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
    pub(crate) fn new(
        job: Arc<Job>,
        task: TableTask,
        tasks: Arc<[TableTask]>,
        ends: JobEnds,
        context: RunContext,
    ) -> Self {
        let tally =
            Tally::new(&job.name, task.source.to_string(), task.target.to_string(), job.mode);
        let patience = Patience::new(job.settings.retry_for);
        Self {
            job,
            task,
            tasks,
            ends,
            context,
            tally,
            planned: None,
            foreign_keys: Vec::new(),
            patience,
            run: None,
            starts_from_zero: 0,
            stage: Stage::Open,
        }
    }

    /// Loads all rows and seals them; tries again while that is worth it.
    pub(crate) async fn load(&mut self) -> Result<(), TableFailure> {
        let mut persistence = self.persistence();
        loop {
            let Err(failure) = self.load_now().await else { return Ok(()) };
            // Ends that never answered are a mistake in the command more often than a fault.
            if !self.tally.is_planned() {
                return Err(failure);
            }
            persistence.after(failure, self.run.is_some()).await?;
        }
    }

    /// Makes the loaded rows visible; after a fault the table is taken up again.
    pub(crate) async fn publish(&mut self) -> Result<(), TableFailure> {
        let mut persistence = self.persistence();
        loop {
            let failure = match std::mem::replace(&mut self.stage, Stage::Open) {
                Stage::Open => self.load().await.err(),
                Stage::Published => {
                    self.stage = Stage::Published;
                    return Ok(());
                }
                Stage::Loaded(loaded) => match self.publish_now(&loaded).await {
                    Ok(()) => None,
                    Err(failure) => {
                        drop(loaded);
                        Some(failure)
                    }
                },
            };
            if let Some(failure) = failure {
                persistence.after(failure, true).await?;
            }
        }
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(self.patience.clone(), &self.context)
    }

    async fn load_now(&mut self) -> Result<(), TableFailure> {
        if self.context.stop.is_cancelled() {
            return Err(TableFailure::Stopped);
        }
        // Nothing is there to be saved before the claim.
        let context = self.context.clone();
        let planned = context.unless_stopped(self.plan()).await;
        let plan = Arc::new(planned.ok_or(TableFailure::Stopped)??);
        self.tally.planned(&plan);
        self.foreign_keys.clone_from(&plan.foreign_keys);
        if self.tasks.len() == 1 {
            self.unlink_now().await?;
        }
        FailPoint::BeforeLock.reach();
        let locked = HeldLock::take(self.ends.sink.as_ref(), &plan.stream);
        let lock = context.unless_stopped(locked).await.ok_or(TableFailure::Stopped)??;
        FailPoint::Locked.reach();
        let state = lock.state().await?;
        let Some(start) = self.start(&plan, &lock, state.as_ref()).await? else {
            self.published(&plan);
            return Ok(());
        };
        let prepared = self.load_once(&plan, &lock, start, state.as_ref()).await?;
        let watermark = self.tally.watermark.clone();
        self.stage = Stage::Loaded(Box::new(Loaded { lock, prepared, watermark, plan }));
        Ok(())
    }

    /// How the run is claimed; `None` when an earlier attempt of this process has published it.
    async fn start(
        &mut self,
        plan: &TablePlan,
        lock: &HeldLock,
        state: Option<&StreamState>,
    ) -> Result<Option<ClaimStart>, TableFailure> {
        if let Some(run) = self.run {
            return match again(plan, run, state)? {
                Again::Continue => Ok(Some(ClaimStart::Continue)),
                Again::Published => Ok(None),
                Again::FromZero if self.starts_from_zero == STARTS_FROM_ZERO => {
                    Err(view_lost(plan).into())
                }
                Again::FromZero => {
                    self.starts_from_zero += 1;
                    self.start_over(plan, "it has no key to go on by after a fault");
                    Ok(Some(ClaimStart::NewRun))
                }
            };
        }
        match self.decide(plan, lock, state).await? {
            Start::Finished => {
                let why = "finished earlier under the same run key; left alone";
                Err(TableFailure::Skipped(why.to_owned()))
            }
            Start::New(why) => {
                if let Some(why) = why {
                    self.context.observer.note(&self.tally.source, &why);
                }
                Ok(Some(anew(self.context.options.restart)))
            }
            Start::Continue => Ok(Some(ClaimStart::Continue)),
        }
    }

    async fn publish_now(&mut self, loaded: &Loaded) -> Result<(), TableFailure> {
        let started = Instant::now();
        let watermark = loaded.watermark.as_ref().map(Watermark::to_json);
        let published = loaded.lock.publish(&loaded.prepared, watermark.as_deref()).await?;
        FailPoint::Published.reach();
        self.tally.phases.publish += started.elapsed().as_secs_f64();
        self.published(&loaded.plan);
        if published.rows_in_target.is_some() {
            self.tally.rows_in_target = published.rows_in_target;
        }
        Ok(())
    }

    fn published(&mut self, plan: &TablePlan) {
        if plan.load == LoadInto::StagingReplace {
            self.tally.rows_in_target = Some(self.tally.rows_of_run());
        }
        self.stage = Stage::Published;
    }

    /// Takes off the keys to other tables of the job, before any of them is exchanged; tries again
    /// while that is worth it.
    pub(crate) async fn unlink(&self) -> Result<(), TableFailure> {
        let mut persistence = self.persistence();
        loop {
            let Err(error) = self.unlink_now().await else { return Ok(()) };
            persistence.after(error.into(), false).await?;
        }
    }

    async fn unlink_now(&self) -> Result<()> {
        if self.foreign_keys.is_empty() {
            return Ok(());
        }
        self.ends.sink.unlink(&self.task.target, &self.foreign_keys).await
    }

    /// Makes them again when all tables are there. What cannot be made is a warning: the rows are
    /// those of the source all the same, and the next run tries again.
    pub(crate) async fn link(&mut self) {
        if self.foreign_keys.is_empty() {
            return;
        }
        match self.ends.sink.link(&self.task.target, &self.foreign_keys).await {
            Ok(left) => self.tally.warnings.extend(left),
            Err(error) => self.tally.warnings.push(format!("foreign keys were not made: {error}")),
        }
    }

    /// The numbers, with why it ended early.
    pub(crate) fn report(&self, failure: Option<&TableFailure>) -> TableReport {
        self.tally.report(failure)
    }

    /// Marks the end of a step: the report counts seconds up to the last one.
    pub(crate) fn mark_end(&mut self) {
        self.tally.ended = Some(Instant::now());
    }

    /// Whether rows are loaded and wait for publish.
    pub(crate) const fn is_loaded(&self) -> bool {
        matches!(self.stage, Stage::Loaded(_))
    }

    async fn plan(&mut self) -> Result<TablePlan> {
        if let Some((plan, made)) = self.planned.take()
            && made.elapsed() < PLAN_FRESH
        {
            return Ok(plan);
        }
        let started = Instant::now();
        let planned =
            plan_table(&self.job, &self.task, &self.tasks, &self.ends, &self.context).await?;
        self.tally.phases.plan += started.elapsed().as_secs_f64();
        match planned.plan {
            Some(plan) => Ok(plan),
            None => Err(plan_error(&self.task.source, &planned.problems)),
        }
    }

    /// Plans ahead of the run, so that a job with problems is refused before anything is written.
    ///
    /// # Errors
    ///
    /// The problems of the plan. Failures of the connections and a table that is not there are left
    /// to the table's own run: they say nothing of what was asked for the others.
    pub(crate) async fn plan_ahead(&mut self) -> Result<()> {
        match self.plan().await {
            Ok(plan) => {
                self.tally.planned(&plan);
                self.foreign_keys.clone_from(&plan.foreign_keys);
                self.planned = Some((plan, Instant::now()));
                Ok(())
            }
            Err(error)
                if matches!(error.class, ErrorClass::Setup | ErrorClass::Conflict)
                    && error.code != "unknown-table" =>
            {
                Err(error)
            }
            Err(_) => Ok(()),
        }
    }

    async fn decide(
        &self,
        plan: &TablePlan,
        lock: &HeldLock,
        state: Option<&StreamState>,
    ) -> Result<Start> {
        let target_exists = plan.target_existing.is_some();
        let asks_for_rows = state.is_none() && target_exists;
        let target_has_rows = asks_for_rows && lock.target_rows(Some(1)).await? > 0;
        let found = Found {
            state,
            target_exists,
            target_has_rows,
            write_is_explicit: self.task.entry.write.is_some(),
        };
        decide(plan, &found, &self.context.options)
    }

    /// Claims and loads; starts a new run once when what an earlier attempt left cannot be used.
    async fn load_once(
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
            self.context
                .observer
                .table_started(plan, claim.run, self.tally.chunks_resumed, self.tally.rows_resumed)
                .await?;
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

    fn start_over(&mut self, plan: &TablePlan, why: &str) {
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
        let horizon = match plan.mode {
            Mode::Incremental => view.horizon().await?,
            Mode::Full => None,
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
                previous.after(last_key, horizon, unix_seconds())
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
        let spec = ChunkSpec {
            rows: self.job.settings.chunk_rows,
            bytes: self.job.settings.chunk_bytes,
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

fn view_lost(plan: &TablePlan) -> ConnectorError {
    let table = &plan.source.table;
    let message = format!(
        "table {table} has no key to go on by, and {} attempts at it were cut off",
        STARTS_FROM_ZERO + 1
    );
    ConnectorError::new(ErrorClass::Transient, VIEW_LOST, message).with_next(
        "Name a column to cut it by with `--cut-by`, or run again when the ends are steady.",
    )
}

/// A new run; one that was asked for by hand forgets the watermark too.
const fn anew(forgets: bool) -> ClaimStart {
    if forgets { ClaimStart::Anew } else { ClaimStart::NewRun }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
