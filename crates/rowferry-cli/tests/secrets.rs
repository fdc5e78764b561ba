//! No password and no value but keys in any output.

use std::process::Command;

use rowferry_testkit::Canary;

use crate::world::{Told, World, finish};

/// A value of a row.
const VALUE: &str = "kanarien-Vogel-4711";

/// What holds the password because the test put it there.
const GIVEN: [&str; 3] = ["job.yaml", "password.txt", "password.sh"];

/// Each form in which a password can be given on a command line. Nothing listens on port 1.
fn forms(canary: &Canary) -> Vec<String> {
    let (url, raw) = (canary.in_url(), canary.text());
    vec![
        format!("postgres://app:{url}@127.0.0.1:1/shop"),
        format!("mysql://app:{url}@127.0.0.1:1/shop"),
        format!("jdbc:postgresql://127.0.0.1:1/shop?user=app&password={url}"),
        format!("host=127.0.0.1 port=1 user=app password={} dbname=shop", canary.in_libpq()),
        format!(
            "server=127.0.0.1;port=1;database=shop;User ID=app;password={}",
            canary.in_dotnet()
        ),
        format!("app:{raw}@tcp(127.0.0.1:1)/shop"),
        "env:SHOP_URL".to_owned(),
    ]
}

/// The same with mistakes, so that they are no connection strings, or not what was meant.
fn broken_forms(canary: &Canary) -> Vec<String> {
    let (url, raw) = (canary.in_url(), canary.text());
    vec![
        format!("postgres://app:{raw}@127.0.0.1:1/shop"),
        format!("mysql://app:{raw}@127.0.0.1:1/shop"),
        format!("nonsense://app:{url}@127.0.0.1:1/shop"),
        format!("postgres://app:{url}%zz@127.0.0.1:1/shop"),
        format!("postgres://app:{url}@127.0.0.1:port/shop"),
        format!("postgres://app@127.0.0.1:1/shop?pasword={url}"),
        format!("postgres://app@127.0.0.1:1/shop?{url}=1"),
        format!("postgres://127.0.0.1:1/shop#{url}"),
        format!("host=127.0.0.1 password={raw}"),
        format!("host=127.0.0.1 {} user=app", canary.in_libpq()),
        format!("server=127.0.0.1;password={raw}"),
        format!("server=127.0.0.1;Key {raw}=1"),
        format!("app:{raw}@tcp(127.0.0.1:1)"),
        format!("jdbc:oracle://127.0.0.1/shop?password={url}"),
        format!("app:{url}"),
        url,
        raw.to_owned(),
    ]
}

/// Every command that takes a connection, as it is meant to be called and otherwise.
fn commands(url: &str) -> Vec<Vec<&str>> {
    let copy = ["copy", url, "sqlite:b.db", "--table", "orders"];
    vec![
        vec!["tables", url],
        vec!["tables", url, "--output", "json"],
        vec!["check", url, "sqlite:b.db"],
        [&copy[..], &["-vvv", "--retry-for", "1s"]].concat(),
        vec!["copy", "sqlite:a.db", url, "--table", "orders", "--output", "json"],
        [&["plan"], &copy[1..], &["-v", "--log-format", "json"]].concat(),
        [&copy[..], &["--print-config"]].concat(),
        [&copy[..], &["--report", "report.json"]].concat(),
        vec!["status", "--target", url],
        vec!["state", "list", "--target", url],
        vec!["state", "reset", "x", "--target", url, "--yes"],
        // In the wrong place.
        vec![url],
        vec!["tables", url, url],
        vec!["copy", url],
        vec!["run", url],
        vec!["config", "validate", url],
        vec!["completions", url],
        [&copy[..], &["--workers", url]].concat(),
        [&copy[..], &["--tabel", url]].concat(),
        [&copy[..], &["--mode", url]].concat(),
        [&copy[..], &["--where", url]].concat(),
        vec!["verify", url, url],
    ]
}

/// The command with what a password can come from besides its arguments.
fn command(world: &World, canary: &Canary, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    let url = format!("postgres://app:{}@127.0.0.1:1/shop", canary.in_url());
    command.env("SHOP_URL", url).env("SHOP_PASSWORD", canary.text()).env("RUST_BACKTRACE", "1");
    command
}

fn silent(canary: &Canary, what: &str, told: &Told) {
    canary.assert_absent(what, &told.stdout);
    canary.assert_absent(what, &told.stderr);
}

#[test]
fn a_password_is_in_no_output_of_any_command() {
    let (world, canary) = (World::new(), Canary::default());
    world.orders("a.db", 3);
    for url in forms(&canary) {
        let told = finish(command(&world, &canary, &["tables", &url]));
        assert_eq!(told.slugs(), ["unreachable"], "{told:?}");
        for arguments in commands(&url) {
            let told = finish(command(&world, &canary, &arguments));
            silent(&canary, &format!("{arguments:?}"), &told);
        }
    }
    assert!(canary.assert_in_no_file(world.folder(), &GIVEN) > 1);
}

#[test]
fn a_broken_connection_string_is_not_repeated() {
    let (world, canary) = (World::new(), Canary::default());
    for url in broken_forms(&canary) {
        for arguments in [
            vec!["tables", &url],
            vec!["copy", &url, "sqlite:b.db", "--table", "orders", "--retry-for", "1s"],
            vec!["plan", "sqlite:a.db", &url, "--table", "orders", "--output", "json"],
        ] {
            let told = finish(command(&world, &canary, &arguments));
            assert_ne!(told.code, 0, "{told:?}");
            silent(&canary, &format!("{arguments:?}"), &told);
        }
    }
    canary.assert_in_no_file(world.folder(), &GIVEN);
}

#[test]
fn a_password_of_a_job_file_is_in_no_output() {
    let (world, canary) = (World::new(), Canary::default());
    let url = format!("postgres://app:{}@127.0.0.1:1/shop", canary.in_url());
    world.write("password.txt", &format!("{}\n", canary.text()));
    // Prints the password, and notes how it and its parent were called.
    world.write(
        "password.sh",
        "cat password.txt; cat /proc/$$/cmdline /proc/$PPID/cmdline | tr '\\0' ' ' >> called.txt\n",
    );
    let parts = "{ type: postgres, host: 127.0.0.1, port: 1, database: shop, user: app, password: ";
    for connection in [
        format!("{parts}{} }}", canary.doubled()),
        format!("{parts}'env:SHOP_PASSWORD' }}"),
        format!("{parts}'${{SHOP_PASSWORD}}' }}"),
        format!("{parts}'file:password.txt' }}"),
        format!("{parts}'exec:[sh, password.sh]' }}"),
        format!("'{url}'"),
        "'env:SHOP_URL'".to_owned(),
        "'${SHOP_URL}'".to_owned(),
    ] {
        world.write(
            "job.yaml",
            &format!(
                "version: 1\nconnections:\n  shop: {connection}\njobs:\n  - name: shop\n    \
                 source: shop\n    target: sqlite:b.db\n    settings: {{ retry_for: 1s }}\n    \
                 tables:\n      - source: orders\n"
            ),
        );
        for arguments in [
            &["config", "show", "job.yaml"][..],
            &["config", "validate", "job.yaml"],
            &["config", "migrate", "job.yaml"],
            &["run", "job.yaml", "--output", "json"],
            &["run", "job.yaml", "-vvv", "--report", "report.json", "--log-format", "json"],
            &["plan", "job.yaml"],
            &["check", "job.yaml", "--output", "json"],
            &["copy", "shop", "sqlite:b.db", "--config", "job.yaml", "--table", "orders"],
            &["copy", "shop", "sqlite:b.db", "--config", "job.yaml", "--all", "--print-config"],
            &["status"],
            &["state", "list", "--target", &url],
        ] {
            let told = finish(command(&world, &canary, arguments));
            silent(&canary, &format!("{connection} {arguments:?}"), &told);
            if arguments[0] == "run" {
                assert_eq!(told.code, 69, "{connection}: {told:?}");
            }
        }
        // A file with a mistake right behind the password.
        let text = std::fs::read_to_string(world.path("job.yaml")).unwrap();
        world.write("job.yaml", &text.replace(" }", ", prot: 1 }").replace("shop: 'p", "shop: p'"));
        let told = finish(command(&world, &canary, &["config", "show", "job.yaml"]));
        silent(&canary, &connection, &told);
    }
    assert!(world.path("called.txt").exists());
    assert!(canary.assert_in_no_file(world.folder(), &GIVEN) > 3);
}

#[test]
fn a_value_that_does_not_fit_is_named_by_its_key_alone() {
    let world = World::new();
    world.sql(
        "a.db",
        &format!(
            "create table t (id integer primary key, n integer not null, note text);
             insert into t values (1, 1, '{VALUE}'), (2, '{VALUE}', '{VALUE}');"
        ),
    );
    let told = world.run(&["copy", "sqlite:a.db", "sqlite:b.db", "--table", "t", "-vvv"]);
    for text in [&told.stdout, &told.stderr] {
        assert!(!text.contains(VALUE), "{text}");
    }
}
