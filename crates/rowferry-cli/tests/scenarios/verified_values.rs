//! No false alarm: every type of the fixtures, copied in every direction and then compared.

use rowferry_testkit::Engine;

use crate::fixture::Entry;
use crate::ride::{Line, Ride, make, of_table, rows_of};

fn equal_after_a_copy(from: Engine, to: Engine) {
    let Some(ride) = Ride::new(from, to, "verified_values") else { return };
    let goes: Vec<&Entry> = ride.entries.iter().filter(|entry| entry.goes(to)).collect();
    let values: Vec<Vec<&str>> = goes.iter().map(|entry| entry.good(to)).collect();
    ride.fill(&make(from, "wide", &goes, rows_of(&values)));
    ride.job(&[Line::of("wide")]);
    let (_, planned) = ride.plan();
    let problems = of_table(&planned, "wide")["problems"].as_array().cloned().unwrap_or_default();
    let refused: Vec<&str> =
        problems.iter().filter_map(|problem| problem["column"].as_str()).collect();
    if !refused.is_empty() {
        ride.job(&[Line::of("wide").with(format!("exclude: [{}]", refused.join(", ")))]);
    }
    let (told, report) = ride.run();
    assert_eq!(told.code, 0, "{report}");
    let told = ride.world.run(&["verify", "job.yaml", "--verbose"]);
    assert_eq!(told.code, 0, "\n--- stdout\n{}\n--- stderr\n{}", told.stdout, told.stderr);
    let told = ride.world.run(&["verify", "job.yaml", "--pushdown", "--output", "json"]);
    assert_eq!(told.code, 0, "\n--- stdout\n{}\n--- stderr\n{}", told.stdout, told.stderr);
    let used = &told.json()["tables"][0]["pushdown"];
    let (asked, equal) = (used["asked"].as_u64().unwrap(), used["equal"].as_u64().unwrap());
    assert_eq!(asked > 0, from == to && from != Engine::Sqlite, "{used}");
    assert_eq!(asked, equal, "{used}");
}

every_direction!(equal_after_a_copy);
