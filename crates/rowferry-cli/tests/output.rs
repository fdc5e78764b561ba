//! What goes where: stdout, stderr, the last line, the report file, the environment.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::world::{World, finish};

#[test]
fn the_last_line_of_all_output_is_the_report() {
    let world = World::new();
    world.orders("a.db", 100);
    let line = "exec \"$0\" copy sqlite:a.db sqlite:b.db --table orders --output json 2>&1";
    let mut command = world.command(&[]);
    let program = command.get_program().to_owned();
    command = {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", line]).arg(program).current_dir(world.folder()).env_clear();
        shell.env("ROWFERRY_STATE", world.path("s.db")).stdin(Stdio::null());
        shell
    };
    let told = finish(command).expect(0);
    assert!(told.stdout.ends_with("}\n"), "{:?}", told.stdout);
    let report = told.json();
    for field in [
        "version",
        "status",
        "exit_code",
        "retryable",
        "run_id",
        "run_key",
        "resumed",
        "started_at",
        "finished_at",
        "seconds",
        "phases",
        "totals",
        "tables",
        "tables_omitted",
        "report",
        "error",
    ] {
        assert!(report.get(field).is_some(), "{field}: {report}");
    }
    let table = &report["tables"][0];
    assert_eq!((&table["rows_read"], &table["rows_in_target"]), (&100.into(), &100.into()));
    assert_eq!(
        (&table["job"], &table["mode"], &table["write"]),
        (&"copy".into(), &"full".into(), &"replace".into())
    );
}

#[test]
fn many_failing_tables_still_fit_four_kilobytes() {
    let world = World::new();
    world.orders("a.db", 1);
    let names: Vec<String> = (0..200).map(|n| format!("a_rather_long_table_name_{n}")).collect();
    let told = world
        .run(&[
            "copy",
            "sqlite:a.db",
            "sqlite:b.db",
            "--table",
            &names.join(","),
            "--table",
            "orders",
            "--output",
            "json",
            "--report",
            "report.json",
        ])
        .expect(1);
    assert!(told.stdout.len() <= 4_096, "{}", told.stdout.len());
    let report = told.json();
    assert_eq!(report["tables"][0]["status"], "failed");
    assert!(report["tables_omitted"].as_u64().unwrap() > 100);
    let whole = std::fs::read_to_string(world.path("report.json")).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["tables"].as_array().unwrap().len(), 201);
    assert_eq!(report["report"], "report.json");
}

#[test]
fn every_flag_can_come_from_the_environment() {
    let world = World::new();
    world.orders("a.db", 5_000);
    let mut command = world.command(&["copy", "sqlite:a.db", "sqlite:b.db"]);
    command
        .env("ROWFERRY_TABLE", "orders=sales")
        .env("ROWFERRY_OUTPUT", "json")
        .env("ROWFERRY_RESTART", "0")
        .env("ROWFERRY_CHUNK_ROWS", "100")
        .env("AIRFLOW_CTX_DAG_RUN_ID", "scheduled__2026-01-01");
    let report = finish(command).expect(0).json();
    assert_eq!(report["run_key"], "scheduled__2026-01-01");
    assert_eq!(report["tables"][0]["target"], "sales");
    assert!(report["tables"][0]["chunks"].as_u64().unwrap() >= 3);
}

#[test]
fn no_home_is_no_reason_to_fail() {
    let world = World::new();
    world.orders("a.db", 3);
    let mut command = world.command(&["copy", "sqlite:a.db", "sqlite:b.db", "--table", "orders"]);
    command
        .env_remove("HOME")
        .env_remove("ROWFERRY_STATE")
        .env("XDG_STATE_HOME", world.path("xdg"));
    finish(command).expect(0);
    assert!(world.path("xdg/rowferry/rowferry.db").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::new();
    let mut child = world
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!((status.code(), words.as_str()), (Some(0), ""));
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let world = World::new();
    world.orders("a.db", 3);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = world.command(&["tables", "sqlite:a.db"]).stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(74));
}

#[test]
fn the_version_is_there_at_once() {
    let world = World::new();
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let started = Instant::now();
        world.run(&["--version"]).expect(0);
        best = best.min(started.elapsed());
    }
    // A debug build on a busy machine; the release build answers within 10 ms.
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[test]
fn plain_progress_is_on_stderr_and_can_be_silenced() {
    let world = World::new();
    world.orders("a.db", 30);
    let copy = |how: &str| {
        world.run(&["copy", "sqlite:a.db", "sqlite:b.db", "--table", "orders", "--progress", how])
    };
    let told = copy("auto").expect(0);
    assert!(told.stderr.contains("orders: ok, 30 rows in"), "{}", told.stderr);
    assert_eq!(copy("none").expect(0).stderr, "");
}

/// What copies goes on behind what is saved; what reads begins anew.
#[test]
fn only_what_copies_says_that_it_continues() {
    let world = World::new();
    let away = "postgres://app@127.0.0.1:1/shop?sslmode=disable";
    world.write(
        "rowferry.yaml",
        &format!(
            "version: 1\njobs:\n  - name: shop\n    source: {away}\n    target: sqlite:b.db\n    \
             tables: [{{ source: orders }}]\n"
        ),
    );
    let next = |words: &[&str]| {
        let told = world.run(words).expect(69);
        let next = told.stderr.lines().find_map(|line| line.trim_start().strip_prefix("next: "));
        next.unwrap_or_else(|| panic!("{words:?}: {}", told.stderr)).to_owned()
    };
    let again = "When the server can be reached, run the same command again";
    for copies in [&["run"][..], &["copy", away, "sqlite:b.db", "--table", "orders"]] {
        let continues = format!("{again}; it continues behind what is saved.");
        assert_eq!(next(copies), continues, "{copies:?}");
    }
    for reads in [
        &["plan"][..],
        &["check"],
        &["verify"],
        &["drift"],
        &["repair", away, "sqlite:b.db", "--tables", "orders"],
        &["tables", away],
        &["status", "--target", away],
    ] {
        assert_eq!(next(reads), format!("{again}."), "{reads:?}");
    }
}
