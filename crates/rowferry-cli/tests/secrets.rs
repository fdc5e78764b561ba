//! No password and no value but keys in any output.

use crate::world::{Told, World};

/// Stands for a password: every kind of sign that some dialect or some output escapes.
const CANARY: &str = "kanarien-Vogel-4711";
/// The same with signs that have to be escaped in a URL.
const CANARY_ESCAPED: &str = "p%40ss%3Akanarien%2FVogel%204711";

fn silent(told: &Told, what: &str) {
    for text in [&told.stdout, &told.stderr] {
        for canary in [CANARY, CANARY_ESCAPED, "kanarien/Vogel", "p@ss"] {
            assert!(!text.contains(canary), "{what} says {canary}:\n{text}");
        }
    }
}

#[test]
fn a_password_is_in_no_output_of_any_command() {
    let world = World::new();
    world.orders("a.db", 3);
    for secret in [CANARY, CANARY_ESCAPED] {
        // Nothing listens on port 1, so every attempt to connect fails.
        for url in [
            format!("postgres://app:{secret}@127.0.0.1:1/shop"),
            format!("mysql://app:{secret}@127.0.0.1:1/shop"),
            format!("app:{CANARY}@tcp(127.0.0.1:1)/shop"),
            format!("host=127.0.0.1 port=1 user=app password={CANARY} dbname=shop"),
            format!("server=127.0.0.1;port=1;database=shop;User ID=app;password={CANARY}"),
            format!("jdbc:postgresql://127.0.0.1:1/shop?user=app&password={CANARY}"),
            format!("nonsense://app:{secret}@127.0.0.1:1/shop"),
            format!("postgres://app:{secret}%zz@127.0.0.1:1/shop"),
            format!("postgres://app:{secret}@127.0.0.1:port/shop"),
        ] {
            for arguments in [
                vec!["tables", &url],
                vec!["check", &url, "sqlite:b.db"],
                vec!["copy", &url, "sqlite:b.db", "--table", "orders", "-vvv", "--retry-for", "1s"],
                vec!["copy", "sqlite:a.db", &url, "--table", "orders", "--output", "json"],
                vec![
                    "plan",
                    &url,
                    "sqlite:b.db",
                    "--table",
                    "orders",
                    "-v",
                    "--log-format",
                    "json",
                ],
                vec!["copy", &url, "sqlite:b.db", "--table", "orders", "--print-config"],
                vec!["status", "--target", &url],
                vec!["state", "reset", "x", "--target", &url, "--yes"],
            ] {
                let told = world.run(&arguments);
                silent(&told, &format!("{:?}", arguments.first()));
            }
        }
    }
}

#[test]
fn a_password_of_a_file_is_in_no_output() {
    let world = World::new();
    world.write(
        "rowferry.yaml",
        &format!(
            "version: 1\nconnections:\n  shop:\n    type: postgres\n    host: 127.0.0.1\n    \
             port: 1\n    database: shop\n    user: app\n    password: {CANARY}\n    tls: disable\n\
             jobs:\n  - name: shop\n    source: shop\n    target: sqlite:b.db\n    tables:\n      \
             - source: orders\n"
        ),
    );
    for arguments in [
        &["config", "show"][..],
        &["config", "validate"],
        &["run", "--output", "json"],
        &["plan"],
        &["check"],
        &["run", "-vvv", "--report", "r.json"],
    ] {
        silent(&world.run(arguments), &arguments.join(" "));
    }
    let ledger = std::fs::read(world.path("state/rowferry.db")).unwrap_or_default();
    assert!(!ledger.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
}

#[test]
fn a_value_that_does_not_fit_is_named_by_its_key_alone() {
    let world = World::new();
    world.sql(
        "a.db",
        &format!(
            "create table t (id integer primary key, n integer not null, note text);
             insert into t values (1, 1, '{CANARY}'), (2, '{CANARY}', '{CANARY}');"
        ),
    );
    let told = world.run(&["copy", "sqlite:a.db", "sqlite:b.db", "--table", "t", "-vvv"]);
    silent(&told, "copy");
}
