//! Typical mistakes: each has its exit code, its slug, and a message that names the thing and the
//! next step. The messages stand in `snapshots/`; `INSTA_UPDATE=always` writes them anew.

use std::fmt::Write as _;

use crate::world::{Told, World, finish};

/// A mistake: name, arguments (apart by blanks), exit code, slug.
type Mistake = (&'static str, &'static str, i32, &'static str);

const ON_THE_COMMAND_LINE: [Mistake; 21] = [
    ("missing SQLite source", "copy sqlite:none.db sqlite:b.db --table orders", 69, "missing-file"),
    ("unknown table", "copy sqlite:a.db sqlite:b.db --table order", 78, "unknown-table"),
    (
        "unknown column",
        "copy sqlite:a.db sqlite:b.db --table orders --include id,notes",
        78,
        "unknown-column",
    ),
    (
        "unknown column in a filter",
        "copy sqlite:a.db sqlite:b.db --table orders --where idd>3",
        78,
        "unknown-column",
    ),
    (
        "a filter of two parts",
        "copy sqlite:a.db sqlite:b.db --table orders --where id>3andid<9",
        78,
        "not-supported-yet",
    ),
    (
        "a target that is not ours",
        "copy sqlite:a.db sqlite:foreign.db --table orders",
        76,
        "target-not-empty",
    ),
    ("the same table twice", "copy sqlite:a.db sqlite:a.db --table orders", 2, "same-table"),
    (
        "the same table by another path",
        "copy sqlite:a.db sqlite:./a.db --table orders",
        2,
        "same-table",
    ),
    ("the same table with a pattern", "copy sqlite:a.db sqlite:a.db --all", 2, "same-table"),
    ("no table", "copy sqlite:a.db sqlite:b.db", 2, "no-table"),
    (
        "a URL of no known form",
        "copy sqllite:a.db sqlite:b.db --table orders",
        78,
        "unknown-endpoint",
    ),
    (
        "an unset variable as an end",
        "copy env:NOWHERE sqlite:b.db --table orders",
        78,
        "unset-variable",
    ),
    (
        "a server that is down",
        "copy postgres://app@127.0.0.1:1/shop sqlite:b.db --table orders",
        69,
        "unreachable",
    ),
    (
        "a mode that comes later",
        "copy sqlite:a.db sqlite:b.db --table orders --mode snapshot",
        78,
        "not-supported-yet",
    ),
    ("a command that comes later", "man", 78, "not-supported-yet"),
    (
        "modes that contradict each other",
        "copy sqlite:a.db sqlite:b.db --table orders --mode incremental --write append",
        78,
        "nonsensical-mode",
    ),
    (
        "an upsert without a key",
        "copy sqlite:a.db sqlite:b.db --table keyless --write upsert",
        78,
        "key-needed",
    ),
    ("null: as a source", "copy null: sqlite:b.db --table orders", 78, "not-a-source"),
    (
        "two tables into one",
        "copy sqlite:a.db sqlite:b.db --table orders=x,keyless=x",
        78,
        "target-twice",
    ),
    (
        "a report that cannot be written",
        "copy sqlite:a.db sqlite:b.db --table orders --report no/such/report.json",
        74,
        "report-unwritable",
    ),
    (
        "a ledger that cannot be written",
        "copy sqlite:a.db sqlite:b.db --table orders --state a.db/rowferry.db",
        74,
        "state-unwritable",
    ),
];

const USAGE: [Mistake; 5] = [
    ("an unknown flag", "copy sqlite:a.db sqlite:b.db --tabel orders", 2, ""),
    ("an unknown command", "cpoy sqlite:a.db sqlite:b.db", 2, ""),
    (
        "a size that is none",
        "copy sqlite:a.db sqlite:b.db --table orders --chunk-bytes much",
        2,
        "",
    ),
    (
        "a duration that is none",
        "copy sqlite:a.db sqlite:b.db --table orders --deadline soon",
        2,
        "",
    ),
    ("zero workers", "copy sqlite:a.db sqlite:b.db --table orders --workers 0", 2, ""),
];

/// A mistake in a job file: name, the file after its first lines, exit code, slug.
const IN_A_FILE: [Mistake; 11] = [
    (
        "an unknown key",
        "    tables:\n      - source: orders\n        includes: [id]\n",
        78,
        "unknown-key",
    ),
    ("a tab", "    tables:\n\t- source: orders\n", 78, "tab-in-yaml"),
    ("an unset variable", "    tables:\n      - source: ${TABLE}\n", 78, "unset-variable"),
    (
        "a key twice",
        "    mode: full\n    mode: full\n    tables:\n      - source: orders\n",
        78,
        "duplicate-key",
    ),
    (
        "a pattern that matches nothing",
        "    tables:\n      - source: tmp_*\n",
        78,
        "no-tables-match",
    ),
    ("a wrong value", "    mode: fulll\n    tables:\n      - source: orders\n", 78, "bad-value"),
    (
        "a key that comes later",
        "    tables:\n      - source: orders\n        transformations: []\n",
        78,
        "not-supported-yet",
    ),
    (
        "a mode that comes later",
        "    mode: cdc\n    tables:\n      - source: orders\n",
        78,
        "not-supported-yet",
    ),
    (
        "a watermark that is not the key",
        "    mode: incremental\n    tables:\n      - source: orders\n        incremental_key: paid_at\n",
        78,
        "not-supported-yet",
    ),
    ("no tables", "    mode: full\n", 78, "missing-key"),
    (
        "a size that is none",
        "    settings: { chunk_bytes: much }\n    tables:\n      - source: orders\n",
        78,
        "bad-size",
    ),
];

const FILE_START: &str =
    "version: 1\njobs:\n  - name: shop\n    source: sqlite:a.db\n    target: sqlite:b.db\n";

fn world() -> World {
    let world = World::new();
    world.orders("a.db", 5);
    world.sql("a.db", "create table keyless (a text)");
    world.sql(
        "foreign.db",
        "create table orders (id integer primary key); insert into orders values (1)",
    );
    world
}

/// Adds what a mistake led to, with everything taken out that differs from run to run.
fn note(page: &mut String, world: &World, name: &str, told: &Told, code: i32, slug: &str) {
    if told.code != code {
        writeln!(page, "WRONG CODE: {} instead of {code}", told.code).unwrap();
    }
    if !slug.is_empty() && told.slugs().first() != Some(&slug) {
        writeln!(page, "WRONG SLUG: {:?} instead of {slug}", told.slugs()).unwrap();
    }
    if !slug.is_empty() && !told.stderr.contains("next: ") {
        writeln!(page, "NO NEXT STEP").unwrap();
    }
    let words = told.stderr.replace(&world.folder().display().to_string(), "[folder]");
    writeln!(page, "## {name}: exit {code}\n{}\n", words.trim_end()).unwrap();
}

/// Compares the page with its snapshot, after the contract that no snapshot may bend.
fn settle(name: &str, page: &str) {
    for word in ["WRONG CODE", "WRONG SLUG", "NO NEXT STEP"] {
        assert!(!page.contains(word), "{page}");
    }
    insta::assert_snapshot!(name, page);
}

#[test]
fn mistakes_on_the_command_line() {
    let mut page = String::new();
    for (name, line, code, slug) in ON_THE_COMMAND_LINE.iter().chain(&USAGE) {
        let world = world();
        let told = world.run(&line.split(' ').collect::<Vec<_>>());
        note(&mut page, &world, name, &told, *code, slug);
        assert!(!world.path("none.db").exists(), "a missing source was created");
    }
    settle("command_line", &page);
}

#[test]
fn mistakes_in_a_job_file() {
    let mut page = String::new();
    for (name, text, code, slug) in IN_A_FILE {
        let world = world();
        world.write("rowferry.yaml", &format!("{FILE_START}{text}"));
        note(&mut page, &world, name, &world.run(&["run"]), code, slug);
    }
    let world = world();
    note(&mut page, &world, "no file", &world.run(&["run"]), 78, "unreadable-file");
    world.write("rowferry.yaml", &format!("{FILE_START}    tables:\n      - source: orders\n"));
    let told = world.run(&["run", "--job", "shpo"]);
    note(&mut page, &world, "an unknown job", &told, 78, "unknown-job");
    let told = world.run(&["run", "--table", "order"]);
    note(&mut page, &world, "an unknown table of the job", &told, 78, "no-tables-match");
    let told = world.run(&["run", "--table", "orders=x"]);
    note(&mut page, &world, "a renamed table of a job", &told, 2, "table-rename");
    note(
        &mut page,
        &world,
        "a worker without interval",
        &world.run(&["worker"]),
        78,
        "no-interval",
    );
    settle("job_file", &page);
}

#[test]
fn a_source_that_lost_its_rows_keeps_the_target() {
    let world = world();
    let copy = ["copy", "sqlite:a.db", "sqlite:b.db", "--table", "orders"];
    world.run(&copy).expect(0);
    world.sql("a.db", "delete from orders");
    let told = world.run(&copy).expect(76);
    assert_eq!(told.slugs(), ["source-empty"]);
    assert!(told.stderr.contains("--accept-shrink"), "{}", told.stderr);
    assert_eq!(world.value("b.db", "select count(*) from orders"), "5");
    world.run(&[&copy[..], &["--accept-shrink"]].concat()).expect(0);
    assert_eq!(world.value("b.db", "select count(*) from orders"), "0");
}

#[test]
fn a_target_dropped_by_hand_is_made_again() {
    let world = world();
    let copy = ["copy", "sqlite:a.db", "sqlite:b.db", "--table", "orders"];
    world.run(&copy).expect(0);
    world.sql("b.db", "drop table orders");
    world.run(&copy).expect(0);
    assert_eq!(world.value("b.db", "select count(*) from orders"), "5");
}

#[test]
fn a_ledger_that_cannot_be_written_is_said_before_anything_is_copied() {
    let world = world();
    let mut command = world.command(&["copy", "sqlite:a.db", "sqlite:b.db", "--table", "orders"]);
    command.env("ROWFERRY_STATE", "/proc/rowferry.db");
    let told = finish(command).expect(74);
    assert_eq!(told.slugs(), ["state-unwritable"]);
    assert!(!world.path("b.db").exists());
}

/// A wrong password and a missing right, on each kind of server.
#[test]
fn servers_refuse_with_77() {
    for server in
        [rowferry_testkit::postgres(), rowferry_testkit::mariadb(), rowferry_testkit::mysql()]
            .into_iter()
            .flatten()
    {
        let world = world();
        let database = server.database("cli_refused");
        let url = database.url();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (_, place) = rest.rsplit_once('@').unwrap();
        let wrong = format!("{scheme}://nobody-known:kanarienvogel@{place}");
        let told = world.run(&["copy", &wrong, "sqlite:b.db", "--table", "orders"]).expect(77);
        assert!(told.stderr.contains("nobody-known"), "{}", told.stderr);
        assert!(!told.stderr.contains("kanarienvogel"), "{}", told.stderr);
        assert!(told.stderr.contains("next: "), "{}", told.stderr);
        let told = world.run(&["copy", &url, "sqlite:b.db", "--table", "no_such_table"]).expect(78);
        assert_eq!(told.slugs(), ["unknown-table"]);
    }
}
