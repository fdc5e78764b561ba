//! Ends that fail in the middle of a copy.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rowferry_core::{ErrorClass, TableRef, WriteMode};
use rowferry_engine::RunStatus;
use rowferry_synthetic::GenerateSource;
use rowferry_testkit::{Fault, Faults};

use crate::world::{Run, World, failure, table};

/// Bytes of a payload that holds an eighth of a chunk of a thousand generated rows.
const SMALL_PAYLOAD: u64 = 16 << 10;

const ALL_WRITES: [WriteMode; 3] = [WriteMode::Replace, WriteMode::Append, WriteMode::Upsert];

/// Runs a copy of 450 rows in every write mode, with `fault` in its third chunk, and expects each
/// row once.
async fn survives(fault: Fault) {
    join_all(ALL_WRITES.map(async |write| {
        let faults = Faults::script([Fault::None, Fault::None, fault]);
        let world = World::of("rows?rows=450", &["rows"])
            .with_sink_faults(&faults)
            .with_entries(|entry| entry.write = Some(write));
        let report = world.run().await;
        assert_eq!((report.status, report.exit_code), (RunStatus::Ok, 0), "{report:#?}");
        assert_eq!(faults.left(), 0, "the fault was met");
        assert_eq!(table(&report, "rows").rows_written, 450);
        world.assert_arrived("rows").await;
    }))
    .await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_never_doubles_a_row() {
    survives(Fault::LoseAnswer).await;
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_written_again() {
    survives(Fault::LoseCommit).await;
}

#[tokio::test]
async fn a_refused_commit_is_written_again() {
    survives(Fault::RefuseCommit(ErrorClass::Transient)).await;
}

#[tokio::test]
async fn a_chunk_that_could_not_begin_is_tried_again() {
    survives(Fault::RefuseBegin(ErrorClass::Transient)).await;
}

#[tokio::test]
async fn a_lost_answer_doubles_nothing_in_a_table_without_a_key_either() {
    for_events(Fault::LoseAnswer).await;
}

async fn for_events(fault: Fault) {
    let faults = Faults::script([fault]);
    let world = World::of("shop?rows=9000", &["events"])
        .with_sink_faults(&faults)
        .with_entries(|entry| entry.write = Some(WriteMode::Append));
    let report = world.run().await;
    assert_eq!((report.exit_code, faults.left()), (0, 0), "{report:#?}");
    world.assert_arrived("events").await;
}

#[tokio::test]
async fn a_writer_that_fails_after_some_payloads_leaves_nothing_behind_and_is_tried_again() {
    let faults = Faults::script([Fault::FailAfter(3, ErrorClass::Transient)]);
    let mut world = World::of("rows?rows=2000", &["rows"])
        .with_sink_faults(&faults)
        .with_entries(|entry| entry.write = Some(WriteMode::Append));
    world.job.settings.chunk_rows = 1_000;
    world.payload_bytes = SMALL_PAYLOAD;
    let patience = world.job.settings.retry_for;
    world.job.settings.retry_for = Duration::ZERO;
    let given_up = world.run().await;
    assert_eq!(failure(&given_up, "rows"), ("scripted-fault", 69));
    assert_eq!(world.target.rows(&TableRef::bare("rows")), 0, "half a chunk is no chunk");
    assert!(world.target.receipts(&TableRef::bare("rows")).is_empty());

    world.job.settings.retry_for = patience;
    let faults = Faults::script([Fault::FailAfter(3, ErrorClass::Transient)]);
    let world = world.with_sink_faults(&faults);
    let report = world.run().await;
    assert_eq!((report.exit_code, faults.left()), (0, 0), "{report:#?}");
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn a_read_view_that_was_lost_is_opened_again() {
    let faults = Faults::script([Fault::None, Fault::FailAfter(2, ErrorClass::Transient)]);
    let mut world = World::of("rows?rows=3000", &["rows"]).with_source_faults(&faults);
    world.job.settings.chunk_rows = 1_000;
    world.payload_bytes = SMALL_PAYLOAD;
    let report = world.run().await;
    assert_eq!((report.exit_code, faults.left()), (0, 0), "{report:#?}");
    assert_eq!(table(&report, "rows").snapshots, 2);
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn a_table_without_a_key_starts_anew_when_its_read_view_is_lost() {
    let faults = Faults::script([Fault::FailAfter(0, ErrorClass::Transient)]);
    let world = World::of("shop?rows=600", &["events"]).with_source_faults(&faults);
    let report = world.run().await;
    assert_eq!((report.exit_code, report.resumed), (0, false), "{report:#?}");
    let warnings = table(&report, "events").warnings.join("; ");
    assert!(warnings.contains("no key to go on by"), "{warnings}");
    world.assert_arrived("events").await;
}

#[tokio::test]
async fn a_table_without_a_key_gives_up_when_no_view_lasts() {
    let faults = Faults::script([Fault::FailAfter(0, ErrorClass::Transient); 9]);
    let world = World::of("shop?rows=600", &["events"]).with_source_faults(&faults);
    let report = world.run().await;
    assert_eq!(failure(&report, "events"), ("view-lost", 69));
    assert_eq!(faults.left(), 6, "three attempts");
    assert!(report.retryable);
}

#[tokio::test]
async fn a_lasting_failure_ends_its_own_table_only() {
    let faults = Faults::script([Fault::None, Fault::FailAfter(0, ErrorClass::Data)]);
    let world =
        World::of("shop?rows=3000", &["orders", "customers", "products"]).with_sink_faults(&faults);
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Partial, 1), "{report:#?}");
    assert_eq!(failure(&report, "orders"), ("scripted-fault", 65));
    assert!(!report.retryable);
    for finished in ["customers", "products"] {
        assert_eq!(table(&report, finished).status, RunStatus::Ok);
        world.assert_arrived(finished).await;
    }
    assert_eq!(world.target.rows(&TableRef::bare("orders")), 0, "nothing half is shown");
}

#[tokio::test]
async fn a_failure_keeps_what_is_durable_and_the_next_run_continues_behind_it() {
    let fatal = Fault::FailAfter(0, ErrorClass::Data);
    let faults = Faults::script([Fault::None, Fault::None, Fault::None, fatal]);
    let world = World::of("rows?rows=1000", &["rows"]).with_sink_faults(&faults);
    let failed = world.run().await;
    assert_eq!(failure(&failed, "rows"), ("scripted-fault", 65));
    assert!(table(&failed, "rows").error.as_ref().unwrap().saved.contains("are durable"));
    let durable = world.target.receipts(&TableRef::bare("rows"));
    let report = world.run().await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(table(&report, "rows").chunks_resumed, durable.len() as u64);
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn another_owner_fences_the_run_and_no_row_of_it_follows() {
    let world = World::of("rows?rows=1000", &["rows"])
        .with_entries(|entry| entry.write = Some(WriteMode::Append));
    let target = TableRef::bare("rows");
    let rows_at_takeover = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (sink, seen) = (world.target.clone(), Arc::clone(&rows_at_takeover));
    let run = Run::default().after(3, move || {
        sink.take_over(&TableRef::bare("rows"));
        seen.store(sink.rows(&TableRef::bare("rows")), std::sync::atomic::Ordering::Relaxed);
    });
    let report = world.run_as(run).await;
    assert_eq!(failure(&report, "rows"), ("fenced", 75), "{report:#?}");
    assert!(report.retryable);
    let seen = rows_at_takeover.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.target.rows(&target), seen, "a fenced writer changes nothing");
    assert!((300..1_000).contains(&seen));
    // The next owner continues from what is there.
    let report = world.run().await;
    assert_eq!((report.exit_code, report.resumed), (0, true), "{report:#?}");
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn a_staging_table_that_somebody_dropped_is_loaded_anew() {
    let world = World::of("rows?rows=600", &["rows"]);
    let stopped = world.run_as(Run::default().stopped_after(2)).await;
    assert_eq!(stopped.status, RunStatus::Stopped);
    for staging in world.target.table_names() {
        world.target.drop_table(&staging);
    }
    let report = world.run().await;
    assert_eq!((report.exit_code, report.resumed), (0, false), "{report:#?}");
    let source = GenerateSource::open("rows?rows=600").unwrap();
    world.assert_copied(&source, "rows").await;
}
