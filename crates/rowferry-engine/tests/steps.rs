//! Steps around the chunks that fail: the same process takes the table up again.

use std::time::Duration;

use futures_util::future::join_all;
use rowferry_core::{ErrorClass, PublishWhen, WriteMode};
use rowferry_engine::RunStatus;
use rowferry_testkit::{Faults, Step, StepFault};

use crate::world::{World, failure, table};

const WRITES: [WriteMode; 3] = [WriteMode::Replace, WriteMode::Append, WriteMode::Upsert];

fn lost(step: Step, done: bool) -> StepFault {
    StepFault { step, done, class: ErrorClass::Transient }
}

fn rows(write: WriteMode, steps: &Faults<StepFault>) -> World {
    World::of("rows?rows=450", &["rows"])
        .with_step_faults(steps)
        .with_entries(|entry| entry.write = Some(write))
}

#[tokio::test]
async fn every_step_is_done_again_and_no_row_is_read_twice() {
    let cases = Step::ALL.into_iter().flat_map(|step| [(step, false), (step, true)]);
    let cases = cases.flat_map(|(step, done)| WRITES.map(|write| (step, done, write)));
    join_all(cases.map(|(step, done, write)| async move {
        let steps = Faults::script([lost(step, done)]);
        let world = rows(write, &steps);
        let report = world.run().await;
        let case = format!("{step:?}, done: {done}, {write:?}");
        assert_eq!((report.status, report.exit_code), (RunStatus::Ok, 0), "{case}: {report:#?}");
        assert_eq!(steps.left(), 0, "{case}: the fault was met");
        let report = table(&report, "rows");
        assert_eq!((report.rows_read, report.chunks_resumed), (450, 0), "{case}");
        // What came behind the last key since the chunks were done is looked for, and is nothing.
        assert!((5..=6).contains(&report.chunks), "{case}: {} chunks", report.chunks);
        world.assert_arrived("rows").await;
    }))
    .await;
}

#[tokio::test]
async fn a_run_that_was_told_to_start_anew_does_so_once() {
    let steps = Faults::default();
    let mut world = rows(WriteMode::Upsert, &steps);
    world.run().await;
    let steps = Faults::script([lost(Step::Seal, true), lost(Step::Publish, true)]);
    world = world.with_step_faults(&steps);
    world.options.restart = true;
    let report = world.run().await;
    assert_eq!((report.exit_code, steps.left()), (0, 0), "{report:#?}");
    assert_eq!(table(&report, "rows").rows_read, 450, "copied once more, and not twice");
}

#[tokio::test]
async fn tables_that_are_shown_together_are_taken_up_again_too() {
    let steps = Faults::script([lost(Step::Publish, false), lost(Step::Publish, true)]);
    let mut world = World::of("shop?rows=900", &["customers", "products"]).with_step_faults(&steps);
    world.job.publish = PublishWhen::Job;
    let report = world.run().await;
    assert_eq!((report.exit_code, steps.left()), (0, 0), "{report:#?}");
    world.assert_arrived("customers").await;
    world.assert_arrived("products").await;
}

#[tokio::test]
async fn faults_without_end_end_the_run_when_its_patience_does() {
    let steps = Faults::script([lost(Step::Seal, false); 99]);
    let mut world = rows(WriteMode::Append, &steps);
    world.job.settings.retry_for = Duration::from_secs(2);
    let report = world.run().await;
    assert_eq!(failure(&report, "rows"), ("scripted-fault", 69));
    assert!((2..20).contains(&(99 - steps.left())), "{} attempts", 99 - steps.left());
    let world = world.with_step_faults(&Faults::default());
    let report = world.run().await;
    assert_eq!((report.exit_code, table(&report, "rows").rows_read), (0, 0), "{report:#?}");
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn a_lasting_failure_is_not_tried_again() {
    let steps = [ErrorClass::Setup, ErrorClass::Fenced, ErrorClass::Busy, ErrorClass::Refused];
    join_all(steps.map(|class| async move {
        let steps = Faults::script([StepFault { step: Step::Seal, done: false, class }; 2]);
        let report = rows(WriteMode::Replace, &steps).run().await;
        assert_eq!(failure(&report, "rows"), ("scripted-fault", class.exit_code()));
        assert_eq!(steps.left(), 1);
    }))
    .await;
}
