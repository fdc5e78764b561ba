//! Rules of the house that no compiler checks: which crate may see which, one arrow, no second TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on, tests left out. `rowferry-core` goes without saying.
const EDGES: [(&str, &[&str]); 16] = [
    (
        "cli",
        &[
            "config",
            "cx",
            "engine",
            "ledger",
            "mysql",
            "postgres",
            "runtime",
            "seed",
            "sqlite",
            "synthetic",
            "verify",
        ],
    ),
    ("codec", &[]),
    ("config", &["seed"]),
    ("core", &[]),
    ("cx", &["runtime"]),
    ("engine", &["kernels", "runtime"]),
    ("kernels", &[]),
    ("ledger", &["runtime"]),
    ("mysql", &["codec", "runtime", "tls"]),
    ("postgres", &["codec", "runtime", "tls"]),
    ("runtime", &[]),
    ("seed", &[]),
    ("sqlite", &["codec", "runtime"]),
    ("synthetic", &["runtime"]),
    ("tls", &[]),
    ("verify", &["kernels", "runtime"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders deep")
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

#[test]
fn crates_see_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.into_iter().collect();
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap().trim_start_matches("rowferry-");
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(on) = dependency["name"].as_str().unwrap().strip_prefix("rowferry-") else {
                continue;
            };
            let for_tests = dependency["kind"] == "dev";
            if for_tests || on == "core" || name == "bench" {
                continue;
            }
            assert!(on != "testkit", "{name} depends on testkit outside its tests");
            let may = name == "testkit" || allowed.get(name).is_some_and(|list| list.contains(&on));
            assert!(may, "new edge between crates: {name} depends on {on}");
        }
    }
}

#[test]
fn the_lock_file_holds_one_arrow_and_one_tls() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let names: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    for one in ["\"arrow-schema\"", "\"arrow-array\"", "\"rustls\""] {
        assert_eq!(names.iter().filter(|name| **name == one).count(), 1, "{one}");
    }
    for none in ["\"openssl-sys\"", "\"native-tls\"", "\"aws-lc-sys\""] {
        assert!(!names.contains(&none), "{none} is in the lock file");
    }
}

#[test]
fn modules_are_named_after_an_idea() {
    let mut folders = vec![root().join("crates")];
    let banned: BTreeSet<&str> = ["utils", "util", "common", "helpers", "misc", "prelude"].into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            assert!(!banned.contains(stem), "{} says nothing by its name", path.display());
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                // A report, no rule: type tables may be long.
                if lines > 500 {
                    println!("{} has {lines} lines", path.display());
                }
            }
        }
    }
}
