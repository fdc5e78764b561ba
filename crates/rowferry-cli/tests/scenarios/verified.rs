//! `verify` in every direction: copies are equal, whatever the key, and each planted difference is
//! named and nothing else.

use rowferry_testkit::Engine;
use serde_json::Value as Json;

use crate::dump::{assert_same, dump};
use crate::mixed::{COLUMNS, TABLES, fill, number};
use crate::two_ends::TwoEnds;
use crate::world::Told;

const LINES: [&str; 5] = [
    "source: t_bigint",
    "source: t_text",
    "source: t_uuid",
    "{ source: t_composite, key: [part, id] }",
    "source: t_none",
];

fn verify(ends: &TwoEnds, words: &[&str]) -> Told {
    let verify = ["verify", "job.yaml", "--chunk-rows", "500"];
    ends.world.run(&[&verify[..], words].concat())
}

fn table<'a>(report: &'a Json, name: &str) -> &'a Json {
    let tables = report["tables"].as_array().expect("a report has tables");
    let named = |table: &&Json| table["source"].as_str().is_some_and(|found| found.ends_with(name));
    tables.iter().find(named).unwrap_or_else(|| panic!("{name} is not in {report}"))
}

fn counts(table: &Json) -> [u64; 3] {
    ["rows_mismatched", "missing", "extra"].map(|name| table[name].as_u64().unwrap())
}

fn differences_are_found(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "verified") else { return };
    let rows = number("ROWFERRY_VERIFY_ROWS", 3_000);
    fill(&ends.source, rows);
    ends.write_job("chunk_rows: 500", &LINES);
    ends.run_job(&[]).expect(0);

    let told = verify(&ends, &["--output", "json", "--verbose"]).expect(0);
    let report = told.json();
    assert_eq!(told.stdout.lines().count(), 1, "{}", told.stdout);
    for name in TABLES {
        assert_eq!(table(&report, name)["rows_source"], rows, "{report}");
        assert_eq!(table(&report, name)["rows_target"], rows, "{report}");
    }

    for name in TABLES {
        ends.target.exec(&format!(
            "update {name} set name = 'altered' where id in (30, 4500, 9000); \
             delete from {name} where id in (33, 9000 - 3);"
        ));
        ends.source.exec(&format!("delete from {name} where id in (3, 36, 6000)"));
    }
    let report = verify(&ends, &["--output", "json"]).expect(1).json();
    for name in TABLES {
        let expected = if name == "t_none" { [0, 5, 6] } else { [3, 2, 3] };
        assert_eq!(counts(table(&report, name)), expected, "{name}: {report}");
    }
    assert_eq!(report["differences"], 4 * 8 + 11);
    are_found_by_hashes_too(&ends, &report);

    let told = verify(&ends, &["--table", "t_bigint", "--verbose"]).expect(1);
    let lines: Vec<&str> =
        told.stdout.lines().filter(|line| !line.starts_with("INFO column")).collect();
    let expected = [
        "EXTRA table=t_bigint id=3 side=target",
        "MISMATCH table=t_bigint id=30 column=name source=\"Zoë 😀 10 \" target=\"altered\"",
        "MISSING table=t_bigint id=33 side=target",
        "EXTRA table=t_bigint id=36 side=target",
        "MISMATCH table=t_bigint id=4500 column=name source=\"Zoë 😀 1500 \" target=\"altered\"",
        "EXTRA table=t_bigint id=6000 side=target",
        "MISSING table=t_bigint id=8997 side=target",
        "MISMATCH table=t_bigint id=9000 column=name source=\"Zoë 😀 3000 \" target=\"altered\"",
        "WARN table has mismatches table=t_bigint mismatches=8",
        "ERRO verification failed: 8 mismatches",
    ];
    assert_eq!(lines, expected);

    let told = verify(&ends, &["--table", "t_bigint"]).expect(1);
    assert_eq!(told.stdout.lines().collect::<Vec<_>>(), expected[8..]);
    are_repaired(&ends);
}

/// Servers that are asked first change what is read, and nothing else.
fn are_found_by_hashes_too(ends: &TwoEnds, report: &Json) {
    let asked = verify(ends, &["--output", "json", "--pushdown", "--batch-size", "50"]);
    let asked = asked.expect(1).json();
    let able =
        ends.source.engine() == ends.target.engine() && ends.source.engine() != Engine::Sqlite;
    for name in TABLES {
        let (found, plain) = (table(&asked, name), table(report, name));
        assert_eq!(counts(found), counts(plain), "{name}: {asked}");
        for rows in ["rows_source", "rows_target"] {
            assert_eq!(found[rows], plain[rows], "{name}: {asked}");
        }
        let used = &found["pushdown"];
        // MySQL can cut a table by keys only.
        let able = able && (name != "t_none" || ends.source.engine() == Engine::Postgres);
        assert_eq!(used["unable"].is_null(), able, "{name}: {asked}");
        // Six chunks of five hundred rows, those that differ in pieces.
        let (questions, equal) = (used["asked"].as_u64().unwrap(), used["equal"].as_u64().unwrap());
        if able && name == "t_bigint" {
            assert!(questions > equal && equal > 30, "{name}: {asked}");
        }
    }
}

/// Exactly the rows that differ are written; afterwards both sides are equal. The undo brings the
/// differences back.
fn are_repaired(ends: &TwoEnds) {
    const KEYED: [&str; 4] = ["t_bigint", "t_text", "t_uuid", "t_composite"];
    let keyed = KEYED.join(",");
    let repair = ["--table", &keyed, "--repair", "apply", "--undo", "undo.sql", "--output", "json"];
    let report = verify(ends, &repair).expect(0).json();
    for name in KEYED {
        assert_eq!(table(&report, name)["repaired"], 8, "{name}: {report}");
    }
    let told = verify(ends, &["--table", &keyed, "--verbose"]);
    assert_eq!(told.code, 0, "{}\n{}", told.stdout, told.stderr);
    let columns = &COLUMNS;
    for name in KEYED {
        assert_same(name, &dump(&ends.source, name, columns), &dump(&ends.target, name, columns));
    }
    ends.target.exec(&std::fs::read_to_string(ends.world.path("undo.sql")).unwrap());
    let report = verify(ends, &["--table", &keyed, "--output", "json"]).expect(1).json();
    for name in KEYED {
        assert_eq!(counts(table(&report, name)), [3, 2, 3], "{name}: {report}");
    }
}

every_direction!(differences_are_found);
