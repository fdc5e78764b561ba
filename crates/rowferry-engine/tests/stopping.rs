//! Runs that are asked to end early, and the runs after them.

use std::time::{Duration, Instant};

use rowferry_core::{TableRef, WriteMode};
use rowferry_engine::{RunContext, RunStatus};
use rowferry_testkit::{Fault, Faults};

use crate::world::{Run, World, failure, table};

#[tokio::test]
async fn a_stopped_run_continues_with_exactly_the_chunks_that_are_missing() {
    let undisturbed = World::of("rows?rows=1050", &["rows"]);
    let expected = undisturbed.run().await;
    for write in [WriteMode::Replace, WriteMode::Append, WriteMode::Upsert] {
        let world =
            World::of("rows?rows=1050", &["rows"]).with_entries(|entry| entry.write = Some(write));
        let stopped = world.run_as(Run::default().stopped_after(3)).await;
        assert_eq!((stopped.status, stopped.exit_code), (RunStatus::Stopped, 75));
        let durable = world.target.receipts(&TableRef::bare("rows"));
        assert!((3..=4).contains(&durable.len()), "no new chunk after the stop");

        let report = world.run().await;
        let copied = table(&report, "rows");
        assert_eq!(report.exit_code, 0, "{report:#?}");
        assert_eq!(copied.chunks_resumed, durable.len() as u64);
        let resumed: u64 = durable.iter().map(|receipt| receipt.totals.rows_written).sum();
        assert_eq!(copied.rows_written + resumed, 1_050, "no row is copied again");
        assert_eq!(copied.digest, table(&expected, "rows").digest);
        world.assert_arrived("rows").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_stopped_again_and_again_arrives_whole() {
    let mut world = World::of("shop?rows=3000", &["*"]);
    world.workers = 3;
    world.job.settings.parallel_tables = 2;
    world.job.settings.chunk_rows = 40;
    // One logical run: tables that are finished are left alone.
    world.options.run_key = Some("night".to_owned());
    let mut runs = 0;
    let mut report = world.run_as(Run::default().stopped_after(5)).await;
    while report.status == RunStatus::Stopped {
        runs += 1;
        assert!(runs < 60, "every run makes at least five chunks durable");
        report = world.run_as(Run::default().stopped_after(5)).await;
    }
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert!(runs > 3, "it was stopped {runs} times");
    for name in ["addresses", "customers", "events", "order_items", "orders", "products"] {
        world.assert_arrived(name).await;
    }
}

#[tokio::test]
async fn a_run_that_was_stopped_before_it_began_changes_nothing() {
    let world = World::of("rows?rows=100", &["rows"]);
    let run = Run::default();
    run.stop.cancel();
    let error = world.try_run_as(run).await.unwrap_err();
    assert_eq!((error.code, error.class.exit_code()), (RunContext::STOPPED, 75));
    assert!(world.target.table_names().is_empty());
}

#[tokio::test]
async fn the_second_signal_drops_the_chunks_in_flight() {
    // The first chunk never ends; the one beside it is the sign to stop.
    let faults = Faults::script([Fault::Hold(0)]);
    let mut world = World::of("rows?rows=1000", &["rows"])
        .with_sink_faults(&faults)
        .with_entries(|entry| entry.write = Some(WriteMode::Append));
    world.workers = 2;
    let run = Run::default();
    let (stop, abort) = (run.stop.clone(), run.abort.clone());
    let started = Instant::now();
    let report = world
        .run_as(run.after(1, move || {
            stop.cancel();
            abort.cancel();
        }))
        .await;
    assert_eq!(report.status, RunStatus::Stopped);
    assert!(started.elapsed() < Duration::from_secs(5), "nobody waited for the grace to end");
    let target = TableRef::bare("rows");
    let durable = world.target.receipts(&target).len() as u64;
    assert_eq!(world.target.rows(&target), durable * 100, "the held chunk left no row");
    let report = world.run().await;
    assert_eq!((report.exit_code, report.resumed), (0, true), "{report:#?}");
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn a_chunk_that_outlasts_the_grace_is_dropped() {
    let faults = Faults::script([Fault::Hold(0)]);
    let mut world = World::of("rows?rows=1000", &["rows"]).with_sink_faults(&faults);
    world.workers = 2;
    world.options.shutdown_grace = Duration::from_millis(50);
    let report = world.run_as(Run::default().stopped_after(1)).await;
    assert_eq!(report.status, RunStatus::Stopped);
    let report = world.run().await;
    assert_eq!((report.exit_code, report.resumed), (0, true), "{report:#?}");
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn an_unfinished_run_that_is_too_old_is_started_anew() {
    let world = World::of("rows?rows=600", &["rows"]);
    assert_eq!(world.run_as(Run::default().stopped_after(2)).await.status, RunStatus::Stopped);
    world.target.set_age(&TableRef::bare("rows"), 13 * 60 * 60);
    let report = world.run().await;
    assert_eq!((report.exit_code, report.resumed), (0, false), "{report:#?}");
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn a_job_that_changed_while_unfinished_asks_a_person() {
    let world = World::of("rows?rows=600", &["rows"]);
    assert_eq!(world.run_as(Run::default().stopped_after(2)).await.status, RunStatus::Stopped);
    let mut changed = world.with_entries(|entry| entry.exclude = vec!["comment".to_owned()]);
    let refused = changed.run().await;
    assert_eq!(failure(&refused, "rows"), ("plan-changed", 76), "{refused:#?}");
    changed.options.restart = true;
    assert_eq!(changed.run().await.exit_code, 0);
}

#[tokio::test]
async fn a_table_that_another_run_writes_is_left_to_it() {
    let faults = Faults::script([Fault::Slow(Duration::from_millis(200))]);
    let world = World::of("rows?rows=100", &["rows"]).with_sink_faults(&faults);
    let (first, second) = tokio::join!(world.run(), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        world.run().await
    });
    assert_eq!(first.exit_code, 0, "{first:#?}");
    assert_eq!(failure(&second, "rows"), ("locked", 75), "{second:#?}");
    world.assert_arrived("rows").await;
}
