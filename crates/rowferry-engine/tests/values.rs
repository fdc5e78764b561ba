//! Casts, policies, rejected rows and columns that turn out wider than planned.

use std::sync::Arc;

use arrow_array::{Array, cast::AsArray, types::Float64Type};
use rowferry_core::{
    CanonicalType, Cast, ColumnChoice, ColumnWish, Fidelity, OnBadRow, PlanProblem, TableRef,
    ValueLimits,
};
use rowferry_engine::{RunReport, RunStatus, ValueChange};
use rowferry_synthetic::MemorySink;

use crate::spoiled::Spoiled;
use crate::world::{Run, World, failure, table};

const FINITE: ValueLimits = ValueLimits::Float { nan: false, infinite: false };

/// A target that has no NaN, and takes whatever a cast asks for as text.
fn finite() -> MemorySink {
    MemorySink::new().choosing(|wish: &ColumnWish<'_>, choice: ColumnChoice| {
        let mut choice = choice;
        if wish.source.name == "ratio" {
            choice.limits = FINITE;
            choice.fidelity = Fidelity::Checked;
            choice.rule = Some("not NaN or infinite".to_owned());
            choice.options = vec!["else null".to_owned()];
            choice.column.nullable = true;
        }
        if wish.cast_target().is_some() {
            let text = CanonicalType::Text { chars: None, fixed: false };
            choice.column.canonical = Some(text.clone());
            choice.converted = Some(text);
        }
        Ok(choice)
    })
}

fn world(source: Spoiled, sink: MemorySink, cast: &str) -> World {
    let world = World::reading(Arc::new(source), &["rows"]).into_sink(sink);
    world.with_entries(|entry| {
        if let Some((column, cast)) = cast.split_once(": ") {
            let cast: Cast = cast.parse().unwrap();
            entry.casts.insert(column.to_owned(), cast);
        }
    })
}

fn quarantine(mut world: World, max_rejects: u64) -> World {
    world.job.settings.on_bad_row = OnBadRow::Quarantine { max_rejects };
    world
}

fn rows(sink: &MemorySink) -> u64 {
    sink.rows(&TableRef::bare("rows"))
}

fn nulls(sink: &MemorySink, column: &str) -> usize {
    let batches = sink.batches(&TableRef::bare("rows"));
    batches.iter().map(|batch| batch.column_by_name(column).unwrap().null_count()).sum()
}

fn rejected(sink: &MemorySink) -> Vec<String> {
    let rows = sink.rejected(&TableRef::bare("rows"));
    rows.into_iter().map(|row| format!("{} {:?} {}", row.key, row.column, row.rule)).collect()
}

#[track_caller]
fn message(report: &RunReport) -> String {
    let error = table(report, "rows").error.as_ref().expect("the table failed");
    format!("{} {}", error.message, error.next)
}

#[tokio::test]
async fn values_that_become_null_are_counted() {
    let spoiled = Spoiled::rows(1_000).with_nan_every(99);
    let world = world(spoiled, finite(), "ratio: else null");
    let report = world.run().await;
    assert_eq!(report.status, RunStatus::Ok);
    let change = ValueChange {
        column: "ratio".to_owned(),
        rule: "NaN".to_owned(),
        policy: "null".to_owned(),
        count: 10,
    };
    assert_eq!(table(&report, "rows").values, [change]);
    assert_eq!(rows(&world.target), 1_000);
    // Every tenth ratio is null by itself, row 990 among them.
    assert_eq!(nulls(&world.target, "ratio"), 100 + 10 - 1);
}

#[tokio::test]
async fn numbers_that_count_time_become_instants() {
    let spoiled = Spoiled::rows(500).with_nan_every(200);
    let world = world(spoiled, MemorySink::new(), "ratio: epoch=s else skip_row");
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Degraded, 0));
    assert_eq!(rejected(&world.target).len(), 2);
    let batches = world.target.batches(&TableRef::bare("rows"));
    let expected = CanonicalType::Instant { digits: 6 }.arrow();
    for batch in &batches {
        assert_eq!(*batch.column_by_name("ratio").unwrap().data_type(), expected);
    }
    // The sink's own advice must not forget what the numbers count.
    let spoiled = Spoiled::rows(500).with_nan_every(200);
    let strict = self::world(spoiled, finite(), "ratio: epoch=s").run().await;
    assert!(message(&strict).contains(r#"`ratio: "epoch=s else null"`"#), "{}", message(&strict));
    let refused = self::world(Spoiled::rows(1), MemorySink::new(), "name: epoch=s").run().await;
    assert_eq!(failure(&refused, "rows").1, 78);
}

#[tokio::test]
async fn left_out_rows_are_named_and_make_the_run_degraded() {
    let spoiled = Spoiled::rows(500).with_nan_every(200);
    let world = world(spoiled, finite(), "ratio: else skip_row");
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Degraded, 0));
    assert_eq!(table(&report, "rows").rows_rejected, 2);
    assert_eq!((rows(&world.target), table(&report, "rows").rows_written), (498, 498));
    assert_eq!(
        rejected(&world.target),
        [r#"{"id":200} Some("ratio") NaN"#, r#"{"id":400} Some("ratio") NaN"#]
    );
}

#[tokio::test]
async fn bad_rows_are_set_aside_up_to_the_limit() {
    let spoiled = Spoiled::rows(500).with_nan_every(100);
    let world = quarantine(world(spoiled.clone(), finite(), ""), 5);
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Degraded, 0));
    assert_eq!(rejected(&world.target).len(), 5);
    let world = quarantine(self::world(spoiled, finite(), ""), 4);
    let report = world.run().await;
    assert_eq!(failure(&report, "rows"), ("too-many-rejects", 65));
    assert!(world.target.batches(&TableRef::bare("rows")).is_empty(), "nothing is published");
}

#[tokio::test]
async fn rejects_of_an_earlier_attempt_count() {
    let spoiled = Spoiled::rows(500).with_nan_every(100);
    let world = quarantine(world(spoiled, finite(), ""), 4);
    let report = world.run_as(Run::default().stopped_after(3)).await;
    assert_eq!(report.status, RunStatus::Stopped);
    let report = world.run().await;
    assert_eq!(failure(&report, "rows"), ("too-many-rejects", 65));
}

#[tokio::test]
async fn the_first_bad_row_stops_the_table_by_name() {
    let spoiled = Spoiled::rows(500).with_nan_every(300);
    // The cast makes text of it, which has no NaN in this target.
    let sink = MemorySink::new().choosing(|wish, mut choice| {
        if wish.source.name == "ratio" {
            let list = CanonicalType::Decimal { precision: 20, scale: 2 };
            choice.converted = (wish.source.canonical == Some(CanonicalType::Float64))
                .then_some(CanonicalType::Float64);
            choice.limits = FINITE;
            choice.rule = Some(format!("not NaN, as in {}", list.name()));
            choice.options = vec!["else null".to_owned()];
        }
        Ok(choice)
    });
    let world = world(spoiled.clone(), sink.clone(), "");
    let report = world.run().await;
    assert_eq!(failure(&report, "rows"), ("value-does-not-fit", 65));
    let words = message(&report);
    for part in [r#"row {"id":300}"#, "table rows", r#"column "ratio""#, "NaN", "else null"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let mut quiet = self::world(spoiled, sink, "");
    quiet.job.settings.show_keys = false;
    let words = message(&quiet.run().await);
    assert!(!words.contains(r#"{"id""#) && words.contains("row 100 of its chunk"), "{words}");
}

#[tokio::test]
async fn a_cast_is_done_before_the_sink() {
    let world = world(Spoiled::rows(300), finite(), "shipped: text");
    let report = world.run().await;
    assert_eq!(report.status, RunStatus::Ok);
    let batches = world.target.batches(&TableRef::bare("rows"));
    let days = batches[0].column_by_name("shipped").unwrap().as_string::<i32>();
    assert!(days.value(0).starts_with("20") && days.value(0).len() == 10, "{}", days.value(0));
}

#[tokio::test]
async fn a_column_is_read_wider_once_a_value_asks_for_it() {
    let spoiled = Spoiled::rows(500).with_wide_from(350);
    let mut world = world(spoiled.clone(), finite(), "");
    world.workers = 2;
    let report = world.run().await;
    assert_eq!(report.status, RunStatus::Ok, "{report:#?}");
    assert_eq!(rows(&world.target), 500);
    let warnings = table(&report, "rows").warnings.join("\n");
    assert!(warnings.contains("quantity") && warnings.contains("decimal(12,2)"), "{warnings}");
    let batches = world.target.batches(&TableRef::bare("rows"));
    let words: usize = batches
        .iter()
        .filter_map(|batch| batch.column_by_name("quantity").unwrap().as_string_opt::<i32>())
        .map(|words| words.iter().filter(|word| *word == Some("NaN")).count())
        .sum();
    assert_eq!(words, 151);
}

#[tokio::test]
async fn a_target_that_takes_nothing_wider_lets_the_refusal_stand() {
    let spoiled = Spoiled::rows(500).with_wide_from(350);
    let world = world(spoiled, MemorySink::new(), "");
    let report = world.run().await;
    assert_eq!(failure(&report, "rows"), ("unrepresentable", 65));
}

#[tokio::test]
async fn all_problems_of_all_tables_are_told_before_anything_is_made() {
    let sink = MemorySink::new().choosing(|wish, choice| {
        if matches!(wish.source.name.as_str(), "credit" | "price") {
            let next = "Cast it to text.";
            let problem =
                PlanProblem::of_column("unsupported-type", &wish.source.name, "no decimals", next);
            return Err(problem.with_casts(["text"]));
        }
        Ok(choice)
    });
    let world = World::of("shop?rows=300", &["customers", "orders", "products"]).into_sink(sink);
    let report = world.run().await;
    assert_eq!((report.status, report.exit_code), (RunStatus::Failed, 78));
    assert_eq!(failure(&report, "customers"), ("unsupported-type", 78));
    assert_eq!(failure(&report, "products"), ("unsupported-type", 78));
    assert_eq!(table(&report, "orders").status, RunStatus::Skipped);
    assert_eq!(world.target.table_names(), []);
    let next = &table(&report, "products").error.as_ref().unwrap().next;
    assert!(next.contains(r#"`casts: { price: "text" }`"#), "{next}");
}

#[tokio::test]
async fn a_policy_that_can_never_work_is_refused() {
    for (cast, why) in [
        ("id: else null", "identifies rows"),
        ("ratio: else replace:0", "characters"),
        ("status: else null", "does not allow NULL"),
        ("part: else clamp", "nearest value"),
    ] {
        let sink = MemorySink::new().choosing(|wish, mut choice| {
            choice.limits = match wish.source.name.as_str() {
                "ratio" => FINITE,
                "part" => ValueLimits::Integer { min: 0, max: 9 },
                _ => ValueLimits::Any,
            };
            Ok(choice)
        });
        let report = world(Spoiled::rows(10), sink, cast).run().await;
        assert_eq!(failure(&report, "rows"), ("cast-does-not-fit", 78), "{cast}");
        let words = message(&report);
        assert!(words.contains(why), "{cast}: {words}");
    }
}

#[tokio::test]
async fn values_inside_the_limits_are_not_touched() {
    let world = world(Spoiled::rows(200), finite(), "ratio: else null");
    let report = world.run().await;
    assert_eq!(table(&report, "rows").values, []);
    let batches = world.target.batches(&TableRef::bare("rows"));
    let ratios = batches[0].column_by_name("ratio").unwrap().as_primitive::<Float64Type>();
    assert!(ratios.iter().flatten().all(f64::is_finite));
}
