//! Copies that nobody disturbs.

use rowferry_core::{Mode, TableJob, TableRef, WriteMode};
use rowferry_engine::RunStatus;

use crate::world::{World, failure, table};

const SHOP: [&str; 6] = ["addresses", "customers", "events", "order_items", "orders", "products"];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_table_arrives_whole_with_several_workers_and_small_chunks() {
    let mut world = World::of("shop?rows=6000", &["*"]);
    world.workers = 4;
    world.job.settings.parallel_tables = 3;
    world.job.settings.chunk_rows = 37;
    // A few rows per payload, so that chunks have many and the byte budget is always short.
    world.payload_bytes = 2 << 10;
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Ok, 0), "{report:#?}");
    assert_eq!(report.totals.rows_written, 6_000);
    for name in SHOP {
        world.assert_arrived(name).await;
        let copied = table(&report, name);
        assert_eq!(copied.rows_in_target, Some(copied.rows_written), "{name}");
    }
    assert_eq!(world.target.table_names(), SHOP.map(TableRef::bare), "nothing else is left");
}

#[tokio::test]
async fn a_second_full_copy_exchanges_the_rows_instead_of_adding_them() {
    let world = World::of("rows?rows=500", &["rows"]);
    let first = world.run().await;
    let second = world.run().await;
    assert_eq!(second.exit_code, 0, "{second:#?}");
    assert_eq!((table(&second, "rows").rows_written, second.resumed), (500, false));
    assert_eq!(table(&first, "rows").digest, table(&second, "rows").digest);
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn an_append_is_not_done_twice_unless_asked() {
    let mut world = World::of("rows?rows=300", &["rows"])
        .with_entries(|entry| entry.write = Some(WriteMode::Append));
    assert_eq!(world.run().await.exit_code, 0);
    let again = world.run().await;
    assert_eq!(failure(&again, "rows"), ("already-appended", 76));
    world.options.run_key = Some("monday".to_owned());
    world.target.drop_table(&TableRef::bare("rows"));
    assert_eq!(world.run().await.exit_code, 0);
    let same_key = world.run().await;
    assert_eq!(same_key.status, RunStatus::Skipped, "{same_key:#?}");
    world.assert_arrived("rows").await;
}

#[tokio::test]
async fn an_upsert_leaves_the_same_rows_however_often_it_runs() {
    let world = World::of("rows?rows=300", &["rows"])
        .with_entries(|entry| entry.write = Some(WriteMode::Upsert));
    for _ in 0..3 {
        assert_eq!(world.run().await.exit_code, 0);
        world.assert_arrived("rows").await;
    }
}

#[tokio::test]
async fn an_incremental_run_behind_the_watermark_writes_nothing_twice() {
    let mut world = World::of("rows?rows=300", &["rows"]);
    world.job.mode = Mode::Incremental;
    for _ in 0..3 {
        let report = world.run().await;
        assert_eq!(report.exit_code, 0, "{report:#?}");
        world.assert_arrived("rows").await;
    }
}

#[tokio::test]
async fn one_table_that_does_not_exist_leaves_the_others_alone() {
    let mut world = World::of("shop?rows=600", &["orders", "products"]);
    world.job.tables.insert(0, TableJob::of(TableRef::bare("ordres")));
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Partial, 1));
    assert_eq!(failure(&report, "ordres"), ("unknown-table", 78));
    world.assert_arrived("orders").await;
    world.assert_arrived("products").await;
}
