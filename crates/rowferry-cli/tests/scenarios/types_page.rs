//! The tables of `docs/types.md`, made of what the plan says of the fixtures. The test fails when
//! the page says something else; with `INSTA_UPDATE=always` it writes the page instead.

use std::path::Path;

use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};
use serde_json::Value as Json;

use crate::fixture::{Entry, TARGETS};
use crate::ride::{Line, Ride, make, of_table, rows_of};

/// Sources in the order of the page.
const SOURCES: [Engine; 4] = [Postgres, Mysql, Mariadb, Sqlite];

#[test]
fn the_page_of_types_says_what_the_plan_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/types.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut made = page.clone();
    for source in SOURCES {
        let Some(table) = table_of(source) else { return };
        made = filled(&made, source.word(), &table);
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let stale = page.lines().zip(made.lines()).find(|(there, now)| there != now);
    assert!(
        page == made,
        "docs/types.md is stale, `just bless` renews it; the first difference:\n{stale:#?}"
    );
}

/// The page with this text between the markers of `source`.
fn filled(page: &str, source: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- plans: {source} -->\n"), "<!-- end -->");
    let (before, rest) = page.split_once(&start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    format!("{before}{start}\n{table}\n{end}{after}")
}

/// A line for each entry, a column for each target; `None` without servers.
fn table_of(source: Engine) -> Option<String> {
    let mut cells: Vec<Vec<String>> = Vec::new();
    for target in TARGETS {
        let ride = Ride::new(source, target, "page")?;
        let shown = shown_of(&ride);
        if cells.is_empty() {
            cells = shown.iter().map(|entry| vec![format!("`{}`", entry.declared)]).collect();
        }
        let statements: Vec<String> = shown
            .iter()
            .flat_map(|entry| make(source, &name(entry), &[*entry], rows_of(&[entry.plain()])))
            .collect();
        ride.fill(&statements);
        let lines: Vec<Line> = shown.iter().map(|entry| Line::of(name(entry))).collect();
        ride.job(&lines);
        let (_, planned) = ride.plan();
        for (row, entry) in cells.iter_mut().zip(&shown) {
            row.push(cell(of_table(&planned, &name(entry)), &entry.name));
        }
    }
    let mut lines = vec![
        format!("| type | {} |", TARGETS.map(titled).join(" | ")),
        format!("|{}", "---|".repeat(TARGETS.len() + 1)),
    ];
    lines.extend(cells.iter().map(|row| format!("| {} |", row.join(" | "))));
    Some(format!("{}\n", lines.join("\n")))
}

const fn titled(engine: Engine) -> &'static str {
    match engine {
        Postgres => "PostgreSQL",
        Mariadb => "MariaDB",
        Mysql => "MySQL",
        Sqlite => "SQLite",
    }
}

fn name(entry: &Entry) -> String {
    format!("page_{}", entry.name)
}

/// MariaDB shows only what MySQL has not.
fn shown_of(ride: &Ride) -> Vec<&Entry> {
    let mariadb = ride.source.engine() == Mariadb;
    let typed = |entry: &&Entry| !entry.declared.is_empty();
    ride.entries.iter().filter(typed).filter(|entry| !mariadb || entry.is_own()).collect()
}

/// `V decimal(12,2): not NaN`, or the casts of a column that is refused.
fn cell(view: &Json, column: &str) -> String {
    let columns = view["columns"].as_array().cloned().unwrap_or_default();
    let ours = columns.iter().find(|ours| ours["name"] == column).unwrap_or(&Json::Null);
    if ours["flag"] != "X" {
        let text = |key: &str| ours[key].as_str().unwrap_or_default().to_owned();
        let rule = ours["rule"].as_str().map(|rule| format!(": {rule}")).unwrap_or_default();
        return format!("{} `{}`{}", text("flag"), text("target_type"), rule.replace('|', "\\|"));
    }
    let casts = ours["casts"].as_array().cloned().unwrap_or_default();
    let casts: Vec<String> =
        casts.iter().filter_map(|cast| cast.as_str().map(|cast| format!("`{cast}`"))).collect();
    format!("X, casts: {}", casts.join(", "))
}
