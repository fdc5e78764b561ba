//! One table from plan to publish.
//!
//! ```text
//! lock ─► state ─► decide ─► claim ─► prepare ─► chunks ─► guard ─► seal │ publish
//!  ▲                            ▲                            │                │
//!  │                            └── a new run, once: staging lost, or keys collide after a resume
//!  └── after a fault that a later attempt may survive, as a new process would ┘
//! ```

mod beginning;
mod loading;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rowferry_core::{ErrorClass, ForeignKey, Job, LoadInto, Prepared, Result, TablePlan};
use rowferry_runtime::FailPoint;

use crate::expand::TableTask;
use crate::heartbeat::HeldLock;
use crate::persistence::Persistence;
use crate::planner::{plan_error, plan_table};
use crate::tally::Tally;
use crate::{JobEnds, RunContext, TableFailure, TableReport, Watermark, grants};
use rowferry_runtime::Patience;

/// A plan made ahead is used that long; later the schema may have changed, so it is made anew.
/// Guessed: longer than planning a whole job takes, shorter than a person's next statement.
const PLAN_FRESH: Duration = Duration::from_secs(30);

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
    /// What the target calls itself; `None` where nothing lasts.
    target_id: Option<String>,
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
            target_id: None,
            stage: Stage::Open,
        }
    }

    /// The result, with the grants that are missing if a server refused something.
    pub(crate) async fn advised<T>(
        &self,
        result: Result<T, TableFailure>,
    ) -> Result<T, TableFailure> {
        match result {
            Err(TableFailure::Failed(error)) => {
                Err(grants::advise(*error, &self.job, &self.task, &self.ends).await.into())
            }
            other => other,
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
        if self.ends.sink.is_lasting() {
            self.target_id = Some(self.ends.sink.identity().await?);
        }
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
}
