//! One seed from the first run to the last resume.

use std::sync::Arc;
use std::time::Duration;

use rowferry_engine::{ErrorReport, JobEnds, Pace, RunContext, RunOptions, RunReport, run_job};
use rowferry_runtime::{ByteBudget, CancellationToken, ComputePool, Jitter};
use tokio::sync::Semaphore;

use super::case::Case;
use super::dice::Dice;
use super::ledger::ModelLedger;
use super::model::{Flaw, Model};
use super::model_sink::ModelSink;
use super::model_source::ModelSource;
use super::process::{Halt, Process};
use super::promises;

/// The first run and five resumes.
const ATTEMPTS: u64 = 6;
/// The last attempts are left alone: then everything has to come right.
const DISTURBED: u64 = 4;
/// Time of the model after which a run hangs. Far beyond any patience of the engine.
const HANGS_AFTER: Duration = Duration::from_hours(24);

/// How one seed ended.
pub(crate) struct Voyage {
    /// Promises that were not held; empty is what is wanted.
    pub(crate) accusations: Vec<String>,
    /// Kills, freezes and failures of calls.
    pub(crate) faults: u64,
    /// What happened, where it was asked for.
    pub(crate) lines: Vec<String>,
}

/// Sails `seed`; `told` keeps the story in words.
pub(crate) fn sail(seed: u64, flaw: Option<Flaw>, told: bool) -> Voyage {
    let mut dice = Dice::new(seed);
    let case = Case::of(&mut dice);
    let model = Arc::new(Model::new(case, dice, flaw, told));
    model.tell(|| format!("{:#?}", model.case));
    for attempt in 0..ATTEMPTS {
        let disturbed = attempt < DISTURBED;
        let halt = prepare(&model, disturbed);
        let report = attempt_once(&model, attempt, halt);
        let Some(report) = report else { continue };
        if attempt + 1 == ATTEMPTS {
            promises::at_the_end(&model, &report);
        } else if halt.is_none() && report.exit_code == 0 && model.state().dice.percent(50) {
            // Nothing is left to do; some go on all the same, as a schedule would.
            promises::at_the_end(&model, &report);
            break;
        }
        if !model.state().accusations.is_empty() {
            break;
        }
    }
    let (accusations, faults) = {
        let state = model.state();
        (state.accusations.clone(), state.faults)
    };
    Voyage { accusations, faults, lines: model.lines() }
}

/// Decides what goes wrong in the next attempt.
fn prepare(model: &Model, disturbed: bool) -> Option<(u64, Halt)> {
    let mut state = model.state();
    state.faults_left = if disturbed { state.dice.below(5) } else { 0 };
    if !disturbed || state.dice.percent(35) {
        return None;
    }
    let halt = state.dice.pick(&[
        Halt::Killed,
        Halt::Killed,
        Halt::Frozen,
        Halt::Frozen,
        Halt::AskedToStop,
    ]);
    // Guessed: runs of these tables take some dozens to some hundreds of steps.
    let reach = state.dice.pick(&[10, 40, 120, 300]);
    state.faults += 1;
    Some((1 + state.dice.below(reach), halt))
}

/// Runs until the process ends or is killed; the report of the last process that ended by itself.
fn attempt_once(model: &Arc<Model>, number: u64, halt: Option<(u64, Halt)>) -> Option<RunReport> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let report = runtime.block_on(live(model, number, halt));
    // With the runtime go all tasks of the process, and with them its locks and transactions.
    drop(runtime);
    let settle = async {
        model.settle(None).await;
        promises::at_rest(model).await;
    };
    futures_util::FutureExt::now_or_never(settle).expect("the model alone never waits");
    report
}

async fn live(model: &Arc<Model>, number: u64, halt: Option<(u64, Halt)>) -> Option<RunReport> {
    let process = Process::new(model, number * 10, halt);
    let mut running = Box::pin(run(&process));
    tokio::select! {
        biased;
        () = process.halted.notified() => {}
        report = &mut running => return Some(report),
    }
    if halt.is_some_and(|(_, halt)| halt == Halt::Killed) {
        return None;
    }
    // Frozen for longer than its lease: the server ends the sessions that hold its locks.
    for table in &model.case.tables {
        model.sink.break_lock(&table.name);
    }
    let successor = Process::new(model, number * 10 + 1, None);
    let pause = Duration::from_millis(model.state().dice.below(120));
    let late = async {
        tokio::time::sleep(pause).await;
        process.wake();
        running.await
    };
    let (report, _overtaken) = tokio::join!(run(&successor), late);
    Some(report)
}

/// One run of the program; what it says of itself is looked at as soon as it ends.
async fn run(process: &Arc<Process>) -> RunReport {
    let model = &process.model;
    let mut job = model.case.job.clone();
    let (workers, jitter) = {
        let mut state = model.state();
        let dice = &mut state.dice;
        job.settings.parallel_tables = 1 + dice.place(3);
        job.settings.chunk_rows = 1 + dice.below(10);
        if dice.percent(10) {
            job.settings.retry_for = Duration::ZERO;
        }
        (1 + dice.place(4), Jitter::seeded(dice.roll()))
    };
    // The smallest have room for one payload at a time.
    let memory_budget = model.state().dice.pick(&[96, 4 << 10, 1 << 20, 1 << 20]);
    let context = RunContext {
        compute: ComputePool::inline(),
        jitter,
        budget: ByteBudget::new(memory_budget),
        memory_budget,
        pace: Arc::new(Pace::new(None)),
        slots: Arc::new(Semaphore::new(workers)),
        committing: Arc::new(Semaphore::new(RunContext::commits_beside(workers))),
        workers,
        stop: process.stop.clone(),
        abort: CancellationToken::new(),
        options: Arc::new(RunOptions {
            run_key: model.case.run_key.clone(),
            restart: false,
            resume_within: RunOptions::RESUME_WITHIN,
            accept_shrink: false,
            shutdown_grace: RunOptions::SHUTDOWN_GRACE,
        }),
        observer: Arc::new(ModelLedger(Arc::clone(process))),
        owner: process.number.to_string(),
        tool_version: "0".to_owned(),
    };
    let ends = JobEnds::new(
        Arc::new(ModelSource(Arc::clone(process))),
        Arc::new(ModelSink(Arc::clone(process))),
    );
    let ended = tokio::time::timeout(HANGS_AFTER, run_job(&job, &ends, &[], &context)).await;
    let report = match ended {
        Ok(Ok(tables)) => RunReport::of(tables, None),
        Ok(Err(error)) => {
            let code = error.class.exit_code();
            RunReport::of(Vec::new(), Some((code, ErrorReport::new(&error, "simulation", "", ""))))
        }
        Err(_elapsed) => {
            model.accuse("a run hangs".to_owned());
            RunReport::of(Vec::new(), None)
        }
    };
    model.tell(|| format!("process {} ends with {}", process.number, report.exit_code));
    promises::of_report(model, &report);
    report
}
