//! What the tests stand on: small jobs over generated rows, an observer that can act in the middle
//! of a run, and rows as text to compare.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rowferry_core::{
    Chunk, ChunkNo, Consistency, Endpoint, EndpointKind, Guard, Job, KeyRange, Mode, Payload,
    PublishWhen, ReadSpec, Receipt, Result, Settings, Sink, Source, TableJob, TablePlan, TableRef,
};
use rowferry_engine::{
    JobEnds, Observer, Pace, RunContext, RunOptions, RunReport, TableReport, run_job,
};
use rowferry_runtime::{ByteBudget, CancellationToken, ComputePool, Jitter};
use rowferry_synthetic::{GenerateSource, MemorySink};
use rowferry_testkit::{Faults, FaultySink, FaultySource, StepFault};
use tokio::sync::Semaphore;

/// Shares of a memory budget: three payloads of a chunk and half of the budget for large rows.
const PAYLOADS_PER_BUDGET: u64 = 6;

/// Called with the number of chunks that are durable so far.
type OnDurable = Box<dyn Fn(u64) + Send + Sync>;

/// One job and what its runs share.
pub(crate) struct World {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) target: MemorySink,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) job: Job,
    pub(crate) options: RunOptions,
    pub(crate) workers: usize,
    pub(crate) payload_bytes: u64,
}

/// One run of a world's job, before it starts.
pub(crate) struct Run {
    pub(crate) stop: CancellationToken,
    pub(crate) abort: CancellationToken,
    on_durable: OnDurable,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            on_durable: Box::new(|_| {}),
        }
    }
}

impl Run {
    /// Does `act` as soon as `chunks` chunks of the run are durable.
    pub(crate) fn after(mut self, chunks: u64, act: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_durable = Box::new(move |durable| {
            if durable == chunks {
                act();
            }
        });
        self
    }

    /// Asks the run to stop as soon as `chunks` chunks are durable.
    pub(crate) fn stopped_after(self, chunks: u64) -> Self {
        let stop = self.stop.clone();
        self.after(chunks, move || stop.cancel())
    }
}

impl World {
    /// Copies `tables` of what `generate:` makes of `spec` into memory, in chunks of 100 rows, one
    /// at a time.
    pub(crate) fn of(spec: &str, tables: &[&str]) -> Self {
        Self::reading(Arc::new(GenerateSource::open(spec).unwrap()), tables)
    }

    pub(crate) fn reading(source: Arc<dyn Source>, tables: &[&str]) -> Self {
        let target = MemorySink::new();
        let settings = Settings {
            parallel_tables: 1,
            chunk_rows: 100,
            retry_for: Duration::from_secs(30),
            ..Settings::documented()
        };
        let job = Job {
            name: "engine".to_owned(),
            source: Endpoint::empty(EndpointKind::Generate),
            target: Endpoint::empty(EndpointKind::Null),
            mode: Mode::Full,
            publish: PublishWhen::Table,
            every: None,
            settings,
            progress_schema: None,
            casts: Vec::new(),
            tables: tables.iter().map(|name| TableJob::of(TableRef::bare(*name))).collect(),
            warnings: Vec::new(),
        };
        Self {
            source,
            sink: Arc::new(target.clone()),
            target,
            job,
            options: RunOptions {
                run_key: None,
                restart: false,
                resume_within: RunOptions::RESUME_WITHIN,
                accept_shrink: false,
                shutdown_grace: RunOptions::SHUTDOWN_GRACE,
            },
            workers: 1,
            payload_bytes: 2 << 20,
        }
    }

    /// Writes into `target` instead.
    pub(crate) fn into_sink(mut self, target: MemorySink) -> Self {
        self.sink = Arc::new(target.clone());
        self.target = target;
        self
    }

    /// Lets the chunks of the target fail by `faults`.
    pub(crate) fn with_sink_faults(mut self, faults: &Faults) -> Self {
        self.sink = Arc::new(FaultySink::new(Arc::new(self.target.clone()), faults.clone()));
        self
    }

    /// Lets the steps around the chunks fail by `steps`.
    pub(crate) fn with_step_faults(mut self, steps: &Faults<StepFault>) -> Self {
        let sink = FaultySink::new(Arc::new(self.target.clone()), Faults::default());
        self.sink = Arc::new(sink.with_steps(steps));
        self
    }

    /// Lets the chunks of the source fail by `faults`.
    pub(crate) fn with_source_faults(mut self, faults: &Faults) -> Self {
        self.source = Arc::new(FaultySource::new(Arc::clone(&self.source), faults.clone()));
        self
    }

    /// Changes the entry of every table.
    pub(crate) fn with_entries(mut self, change: impl Fn(&mut TableJob)) -> Self {
        self.job.tables.iter_mut().for_each(change);
        self
    }

    /// Sets the guard of every table.
    pub(crate) fn with_guard(self, guard: Guard) -> Self {
        self.with_entries(|entry| entry.guard = guard)
    }

    /// Runs the job undisturbed.
    pub(crate) async fn run(&self) -> RunReport {
        self.run_as(Run::default()).await
    }

    pub(crate) async fn run_as(&self, run: Run) -> RunReport {
        RunReport::of(self.try_run_as(run).await.unwrap(), None)
    }

    /// The reports of its tables, or why none was started.
    pub(crate) async fn try_run_as(&self, run: Run) -> rowferry_core::Result<Vec<TableReport>> {
        let memory_budget =
            self.payload_bytes * PAYLOADS_PER_BUDGET * u64::try_from(self.workers).unwrap();
        let context = RunContext {
            compute: ComputePool::new(2).unwrap(),
            jitter: Jitter::default(),
            budget: ByteBudget::new(memory_budget),
            memory_budget,
            pace: Arc::new(Pace::new(self.job.settings.max_rate)),
            slots: Arc::new(Semaphore::new(self.workers)),
            committing: Arc::new(Semaphore::new(RunContext::commits_beside(self.workers))),
            workers: self.workers,
            stop: run.stop,
            abort: run.abort,
            options: Arc::new(self.options.clone()),
            observer: Arc::new(Watching {
                durable: AtomicU64::new(0),
                on_durable: run.on_durable,
                receipts: Mutex::default(),
            }),
            owner: "test".to_owned(),
            tool_version: "0".to_owned(),
        };
        let ends = JobEnds::new(Arc::clone(&self.source), Arc::clone(&self.sink));
        run_job(&self.job, &ends, &[], &context).await
    }

    /// Panics unless the target's `table` holds the rows of `source`, each as often as there.
    pub(crate) async fn assert_copied(&self, source: &dyn Source, table: &str) {
        let expected = source_rows(source, table).await;
        rowferry_testkit::assert_same(&expected, &target_rows(&self.target, table));
    }

    /// As [`Self::assert_copied`], with the rows of the world's own source. Faults must be used up.
    pub(crate) async fn assert_arrived(&self, table: &str) {
        self.assert_copied(self.source.as_ref(), table).await;
    }
}

/// The report of one table.
#[track_caller]
pub(crate) fn table<'a>(report: &'a RunReport, name: &str) -> &'a TableReport {
    let found = report.tables.iter().find(|table| table.source == name);
    found.unwrap_or_else(|| panic!("no report of {name}: {report:#?}"))
}

/// Slug and exit code of a table's failure.
#[track_caller]
pub(crate) fn failure<'a>(report: &'a RunReport, name: &str) -> (&'a str, u8) {
    let table = table(report, name);
    let error = table.error.as_ref();
    (error.map_or("", |error| error.code.as_str()), table.exit_code)
}

/// All rows of a source table as sorted text.
pub(crate) async fn source_rows(source: &dyn Source, table: &str) -> Vec<String> {
    let schema = source.describe(&TableRef::bare(table)).await.unwrap();
    let view = source.snapshot(&schema, Consistency::Auto, 1).await.unwrap();
    let chunk = Chunk {
        no: ChunkNo(1),
        table: schema.table.clone(),
        range: KeyRange::Whole,
        rows_estimated: None,
    };
    let spec = ReadSpec {
        columns: schema.columns.clone(),
        predicate: None,
        wire: None,
        batch_bytes: 1 << 20,
        batch_rows: 1 << 10,
        ordered: false,
    };
    let mut reader = view.read(&chunk, &spec).await.unwrap();
    let mut batches = Vec::new();
    while let Some(Payload::Batch(batch)) = reader.next().await.unwrap() {
        batches.push(batch);
    }
    as_text(&batches)
}

/// All rows of a target table as sorted text.
pub(crate) fn target_rows(target: &MemorySink, table: &str) -> Vec<String> {
    as_text(&target.batches(&TableRef::bare(table)))
}

fn as_text(batches: &[arrow_array::RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|array| format!("{:?}", array.slice(row, 1)));
            rows.push(cells.collect::<Vec<_>>().join("\t"));
        }
    }
    rows.sort_unstable();
    rows
}

/// Counts durable chunks and checks that none is told twice.
struct Watching {
    durable: AtomicU64,
    on_durable: OnDurable,
    receipts: Mutex<Vec<(String, ChunkNo)>>,
}

#[async_trait]
impl Observer for Watching {
    async fn table_started(&self, _: &TablePlan, _: i64, _: u64, _: u64) -> Result<()> {
        Ok(())
    }

    fn note(&self, _: &str, _: &str) {}

    fn rows_moved(&self, _: &str, _: u64, _: u64) {}

    async fn chunk_durable(&self, plan: &TablePlan, _: i64, receipt: &Receipt) -> Result<()> {
        let chunk = (plan.source.table.to_string(), receipt.no);
        let mut receipts = self.receipts.lock().unwrap();
        assert!(!receipts.contains(&chunk), "{chunk:?} is durable twice");
        receipts.push(chunk);
        drop(receipts);
        (self.on_durable)(self.durable.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(())
    }

    async fn table_finished(&self, _: &TableReport) {}
}
