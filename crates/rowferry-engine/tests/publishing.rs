//! When loaded rows become visible, and when they must not.

use rowferry_core::{ErrorClass, Guard, PublishWhen, TableRef, WriteMode};
use rowferry_engine::RunStatus;
use rowferry_synthetic::GenerateSource;
use rowferry_testkit::{Fault, Faults};

use crate::world::{World, failure, table, target_rows};

#[tokio::test]
async fn a_job_published_as_one_shows_all_tables_or_none() {
    let faults = Faults::script([Fault::FailAfter(0, ErrorClass::Data)]);
    let mut world = World::of("shop?rows=1800", &["orders", "customers"]).with_sink_faults(&faults);
    world.job.publish = PublishWhen::Job;
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Failed, 1), "{report:#?}");
    assert_eq!(failure(&report, "orders"), ("scripted-fault", 65));
    assert_eq!(failure(&report, "customers"), ("not-published", 75));
    let shown = world.target.table_names();
    for name in ["orders", "customers"] {
        assert!(!shown.contains(&TableRef::bare(name)), "{name} is shown");
    }
    // The loaded table is not copied again.
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Ok, 0), "{report:#?}");
    assert_eq!(table(&report, "customers").rows_read, 0);
    for name in ["orders", "customers"] {
        world.assert_arrived(name).await;
    }
}

/// A world whose target `rows` holds 50 rows that the job did not write.
async fn with_rows_of_others(source_rows: u64) -> World {
    let other = World::of("rows?rows=50", &["rows"]);
    assert_eq!(other.run().await.exit_code, 0);
    let table = TableRef::bare("rows");
    let world = World::of(&format!("rows?rows={source_rows}"), &["rows"]);
    let schema = GenerateSource::open("rows").unwrap();
    let schema = rowferry_core::Source::describe(&schema, &table).await.unwrap();
    world.target.put_table(table.clone(), schema.columns, vec!["id".to_owned()]);
    for batch in other.target.batches(&table) {
        world.target.put_rows(&table, batch);
    }
    world
}

#[tokio::test]
async fn rows_of_others_are_not_replaced_unless_the_job_says_so() {
    let world = with_rows_of_others(80).await;
    let refused = world.run().await;
    assert_eq!(failure(&refused, "rows"), ("target-not-empty", 76));
    assert_eq!(world.target.rows(&TableRef::bare("rows")), 50);
    let world = world.with_entries(|entry| entry.write = Some(WriteMode::Replace));
    assert_eq!(world.run().await.exit_code, 0);
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn an_empty_source_never_replaces_rows_unless_accepted() {
    let mut world =
        with_rows_of_others(0).await.with_entries(|entry| entry.write = Some(WriteMode::Replace));
    let before = target_rows(&world.target, "rows");
    let refused = world.run().await;
    assert_eq!(failure(&refused, "rows"), ("source-empty", 76), "{refused:#?}");
    assert_eq!(target_rows(&world.target, "rows"), before, "the target is untouched");
    world.options.accept_shrink = true;
    assert_eq!(world.run().await.exit_code, 0);
    assert_eq!(world.target.rows(&TableRef::bare("rows")), 0);
}

#[tokio::test]
async fn a_source_that_shrank_beyond_the_guard_is_refused() {
    let guards = [
        (Guard { max_shrink: Some(0.2), min_rows: None }, 76),
        (Guard { max_shrink: None, min_rows: Some(31) }, 76),
        (Guard { max_shrink: Some(0.5), min_rows: Some(30) }, 0),
    ];
    for (guard, exit_code) in guards {
        let world = with_rows_of_others(30)
            .await
            .with_entries(|entry| entry.write = Some(WriteMode::Replace))
            .with_guard(guard);
        let report = world.run().await;
        assert_eq!(table(&report, "rows").exit_code, exit_code, "{guard:?}: {report:#?}");
        let rows = if exit_code == 0 { 30 } else { 50 };
        assert_eq!(world.target.rows(&TableRef::bare("rows")), rows);
    }
}
