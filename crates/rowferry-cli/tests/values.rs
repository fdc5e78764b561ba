//! Casts, checked values and rows set aside, as the command line shows them.

use crate::world::World;

const SHOP: &str = "generate:shop?rows=300";

/// The column `weighed` holds numbers up to 2^64; an INTEGER of SQLite ends at 2^63.
fn copy<'a>(target: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["copy", SHOP, target, "--table", "order_items"], more].concat()
}

#[test]
fn a_plan_tells_how_each_column_arrives() {
    let world = World::new();
    let told = world.run(&["plan", SHOP, "sqlite:b.db", "--table", "order_items"]).expect(0);
    let letter = |column: &str| {
        let row = told.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(column));
        row.and_then(|row| row.split_whitespace().next()).unwrap_or("").to_owned()
    };
    assert_eq!([letter("line"), letter("price"), letter("discount")], ["E", "W", "V"]);
    let rule = told.stdout.lines().find(|line| line.starts_with("  V discount: not NaN"));
    assert!(rule.is_some_and(|rule| rule.ends_with("(options: \"text\")")), "{}", told.stdout);
    let told =
        world.run(&["plan", SHOP, "sqlite:b.db", "--table", "order_items", "--output", "json"]);
    let columns = told.expect(0).json()[0]["tables"][0]["columns"].clone();
    let discount = columns.as_array().unwrap().iter().find(|one| one["name"] == "discount");
    let discount = discount.unwrap();
    assert_eq!((&discount["flag"], &discount["options"][0]), (&"V".into(), &"text".into()));
}

#[test]
fn a_column_that_cannot_go_is_shown_with_the_casts_that_help() {
    let world = World::new();
    let asked = ["--cast", "weighed=nonsense(3)", "--cast", "line=else clamp"];
    let ends = ["plan", SHOP, "sqlite:b.db", "--table", "order_items"];
    let told = world.run(&[&ends[..], &asked].concat()).expect(78);
    assert!(told.stdout.contains("\n   X  weighed "), "{}", told.stdout);
    assert!(told.stdout.contains("\n    casts: { "), "{}", told.stdout);
    for code in ["error[unknown-type]", "error[cast-does-not-fit]"] {
        assert!(told.stdout.contains(code), "{code}: {}", told.stdout);
    }
    let told = world.run(&copy("sqlite:b.db", &asked)).expect(78);
    assert_eq!(told.slugs().len(), 1);
    assert_eq!(world.value("b.db", "select count(*) from sqlite_master"), "0");
}

#[test]
fn the_first_value_that_does_not_fit_names_its_row() {
    let world = World::new();
    let told = world.run(&copy("sqlite:b.db", &["--cast", "weighed=INTEGER"])).expect(65);
    assert_eq!(told.slugs(), ["value-does-not-fit"]);
    for part in ["order_items", "weighed", "order_id", "line"] {
        assert!(told.stderr.contains(part), "{part}: {}", told.stderr);
    }
}

#[test]
fn rows_set_aside_make_a_run_degraded() {
    let world = World::new();
    let cast = ["--cast", "weighed=INTEGER", "--output", "json"];
    let limit = ["--max-rejects", "150"];
    let report = world.run(&copy("sqlite:b.db", &[&cast[..], &limit].concat())).expect(0).json();
    assert_eq!(report["status"], "degraded");
    let rejected = report["totals"]["rows_rejected"].as_u64().unwrap();
    let written = report["totals"]["rows_written"].as_u64().unwrap();
    assert!(rejected > 0 && rejected + written == 150, "{report}");
    let listed = world.value("b.db", "select count(*) from _rowferry_quarantine");
    assert_eq!(listed, rejected.to_string());
    assert_eq!(world.value("b.db", "select count(*) from order_items"), written.to_string());
    let strict = [&cast[..], &limit, &["--strict"]].concat();
    world.run(&copy("sqlite:c.db", &strict)).expect(1);
    let told = world.run(&copy("sqlite:d.db", &[&cast[..2], &["--max-rejects", "3"]].concat()));
    assert_eq!(told.expect(65).slugs(), ["too-many-rejects"]);
}

#[test]
fn values_that_a_policy_changes_are_counted() {
    let world = World::new();
    let cast = ["--cast", "weighed=INTEGER else null"];
    let told = world.run(&copy("sqlite:b.db", &cast)).expect(0);
    let nulls = world.value("b.db", "select count(*) from order_items where weighed is null");
    let line = told.stdout.lines().find(|line| line.contains("values: null in")).unwrap();
    let count: u64 = line
        .split_once("weighed: ")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .and_then(|count| count.parse().ok())
        .unwrap();
    // One in fifteen is null by itself.
    assert!(count > 0 && nulls.parse::<u64>().unwrap() == count + 10, "{line}, {nulls}");
}

#[test]
fn casts_that_are_none_are_usage_errors() {
    let world = World::new();
    for wrong in ["weighed", "=text"] {
        let told = world.run(&copy("sqlite:b.db", &["--cast", wrong])).expect(2);
        assert_eq!(told.slugs(), ["cast-form"]);
    }
    let told = world.run(&copy("sqlite:b.db", &["--cast", "weighed=else later"])).expect(78);
    assert!(told.stderr.contains("skip_row"), "{}", told.stderr);
}
