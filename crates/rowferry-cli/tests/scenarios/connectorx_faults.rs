//! What becomes of a helper program that is missing, dies, hangs or sends something else. Programs of a
//! few lines stand in for it, so ConnectorX need not be built.

use std::os::unix::fs::PermissionsExt as _;

use rowferry_testkit::Engine::{Postgres, Sqlite};

use crate::ends::wait_until;
use crate::two_ends::TwoEnds;
use crate::world::{Told, finish};

/// A table to be read by `script`, a shell's.
fn ends(script: &str) -> Option<TwoEnds> {
    let mut ends = TwoEnds::new(Postgres, Sqlite, "connectorx_faults")?;
    ends.source.exec("create table t (id int primary key); insert into t values (1), (2)");
    ends.read_by(&format!("connectorx+{}", ends.source.url()));
    ends.world.write("helper", &format!("#!/bin/sh\n{script}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(ends.world.path("helper"), mode).unwrap();
    Some(ends)
}

fn copy(ends: &TwoEnds, words: &[&str]) -> Told {
    let mut command = ends.copy_command("t", words);
    command.env("ROWFERRY_CONNECTORX", ends.world.path("helper")).env("PATH", "/usr/bin:/bin");
    finish(command)
}

/// The copy ends with `code` and says all of these.
#[track_caller]
fn ends_with(script: &str, code: i32, said: &[&str]) {
    let Some(ends) = ends(script) else { return };
    let told = copy(&ends, &["--retry-for", "1s"]).expect(code);
    for words in said {
        assert!(told.stdout.contains(words), "{words} is missing in {told:?}");
    }
    let arrived = ends.target.try_query("select count(*) from t").unwrap_or_default();
    assert!(arrived.is_empty() || arrived == ["0"], "{arrived:?}");
}

#[test]
fn its_last_words_are_told() {
    let script = "echo first words >&2; echo last words >&2; exit 1";
    ends_with(script, 65, &["connectorx-failed", "last words"]);
}

#[test]
fn what_may_pass_is_tried_again() {
    let script = "echo the server is gone >&2; exit 69";
    ends_with(script, 69, &["connectorx-unavailable", "the server is gone"]);
}

#[test]
fn one_that_is_killed_is_tried_again() {
    ends_with("kill -9 $$", 69, &["helper-died", "was killed"]);
}

#[test]
fn rubbish_is_no_stream() {
    ends_with("echo hello", 78, &["helper-rubbish", "no whole stream"]);
    ends_with("exit 0", 78, &["helper-rubbish"]);
}

#[test]
fn rubbish_without_end_is_cut_off() {
    // It ends by the closed pipe, or is ended.
    let Some(ends) = ends("yes") else { return };
    let told = copy(&ends, &["--retry-for", "1s"]);
    assert!(matches!(told.code, 65 | 69 | 78), "{told:?}");
}

#[test]
fn one_that_says_nothing_is_ended() {
    let Some(ends) = ends("echo $$ > pid; exec sleep 1000") else { return };
    ends.write_job("retry_for: 1s, progress_timeout: 1s", &["t"]);
    let mut command = ends.world.command(&["run", "job.yaml", "--output", "json"]);
    command.env("ROWFERRY_CONNECTORX", ends.world.path("helper")).env("PATH", "/usr/bin:/bin");
    let told = finish(command).expect(69);
    assert!(told.stdout.contains("progress_timeout"), "{told:?}");
    let pid = std::fs::read_to_string(ends.world.path("pid")).unwrap();
    let process = format!("/proc/{}", pid.trim());
    wait_until("the silent helper to end", || !std::path::Path::new(&process).exists());
}

#[test]
fn without_the_program_nothing_is_connected() {
    let Some(ends) = ends("") else { return };
    let mut command = ends.copy_command("t", &[]);
    command.env("ROWFERRY_CONNECTORX", "/nowhere/rowferry-connectorx");
    let told = finish(command).expect(78);
    for words in ["no-helper", "/nowhere/rowferry-connectorx", "scripts/connectorx build"] {
        assert!(told.stdout.contains(words), "{words} is missing in {told:?}");
    }
}

#[test]
fn the_password_goes_by_stdin_alone() {
    let script = "tr '\\0' '\\n' < /proc/$$/cmdline > seen; env >> seen; \
                  read -r line; echo \"$line\" > asked; echo \"$line\" >&2; exit 1";
    let Some(mut ends) = ends(script) else { return };
    let (role, password) = ("rowferry_cx_reader", "Kanarien:Vogel/4711");
    let database = ends.source.name().to_owned();
    ends.source.exec(&format!(
        "drop role if exists {role}; create role {role} login password '{password}'; \
         grant select on t to {role}"
    ));
    let port = ends.source.endpoint().port;
    ends.read_by(&format!(
        "connectorx+postgres://{role}:Kanarien%3AVogel%2F4711@127.0.0.1:{port}/{database}"
    ));
    let told = copy(&ends, &[]);
    ends.source.exec(&format!("revoke all on t from {role}; drop role {role}"));
    let told = told.expect(65);
    let read = |name: &str| std::fs::read_to_string(ends.world.path(name)).unwrap();
    assert!(read("asked").contains("Kanarien%3AVogel%2F4711"), "it was not asked");
    for (place, text) in [
        ("arguments and environment", &read("seen")),
        ("stdout", &told.stdout),
        ("stderr", &told.stderr),
    ] {
        assert!(!text.contains("Kanarien"), "{place}: {text}");
    }
}

/// Problems of the plan of `t`: column, slug, casts.
fn problems(ends: &TwoEnds) -> Vec<(String, String, bool)> {
    let mut command = ends.world.command(&["plan", "job.yaml", "--output", "json"]);
    command.env("ROWFERRY_CONNECTORX", ends.world.path("helper"));
    let planned = finish(command).json();
    let problems = planned[0]["tables"][0]["problems"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let told = problems.iter().map(|problem| {
        let by_text = problem["casts"].as_array().is_some_and(|casts| casts == &["text"]);
        (text(&problem["column"]), text(&problem["code"]), by_text)
    });
    told.collect()
}

#[test]
fn what_it_cannot_carry_is_refused_by_name() {
    let Some(ends) = ends("") else { return };
    ends.source.exec(
        "alter table t add tags int[], add letter \"char\", add flags bit(3), add took interval",
    );
    ends.write_job("", &["t"]);
    let refused = |column: &str| (column.to_owned(), "not-carried".to_owned(), true);
    assert_eq!(problems(&ends), ["tags", "letter", "flags"].map(refused));
    // An interval is carried; the target alone has no type for it.
    let casts = "source: t, casts: { tags: text, letter: text, flags: text, took: text }";
    ends.write_job("", &[&format!("{{ {casts} }}")]);
    assert_eq!(problems(&ends), []);
}

#[test]
fn connectorx_only_reads() {
    let Some(ends) = ends("") else { return };
    let into = format!("connectorx+{}", ends.source.url());
    let from = "generate:rows?rows=1";
    let told = ends.world.run(&["copy", from, &into, "--table", "rows", "--output", "json"]);
    assert!(told.expect(78).stdout.contains("not-a-target"));
}
