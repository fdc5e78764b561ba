//! Whatever a person, or a program, writes into a job file or a connection string: it is read or
//! refused, never with a panic, and no refusal repeats a password.

use std::path::Path;

use rowferry_config::{
    Env, load_str, parse_bytes, parse_cast, parse_duration, parse_endpoint, parse_predicate,
    print_config,
};
use rowferry_testkit::fuzz;

/// Stands in the corpus wherever a password may stand.
const PASSWORD: &str = "s3cr3t-canary";

struct Two;

impl Env for Two {
    fn get(&self, name: &str) -> Option<String> {
        match name {
            "PASSWORD" => Some(PASSWORD.to_owned()),
            "SHOP_URL" => Some(format!("postgres://app:{PASSWORD}@db1/shop")),
            _ => None,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn job_files() {
    let words = [
        "jobs:",
        "\n  - ",
        "  ",
        ": ",
        "{",
        "}",
        "]",
        "&a ",
        "*a",
        "<<: ",
        "|\n",
        ">-\n",
        "---\n",
        "${PASSWORD}",
        "${X:-",
        "${X:?",
        "$$",
        "env:PASSWORD",
        "file:/dev/null",
        "!!str ",
        "? ",
        "sync_config:",
        "Sync:",
        "tables:",
        "source: ",
        "casts:",
        "\"*\": \"*\"",
        "%",
        "#",
    ];
    fuzz("job_file", &words, |input| {
        let text = text(input);
        match load_str(&text, "fuzz.yaml", Path::new("/base"), &Two) {
            Ok(file) => {
                for job in &file.jobs {
                    assert!(!print_config(job).is_empty());
                }
                true
            }
            Err(errors) => {
                assert!(!errors.to_string().is_empty());
                false
            }
        }
    });
}

#[test]
fn connection_strings() {
    let words = [
        "://",
        "@",
        ":",
        "/",
        "?",
        "&",
        "=",
        ";",
        "%",
        "%00",
        "%41",
        "%zz",
        "[::1]",
        "tcp(",
        ")",
        "unix(/tmp/s)",
        "host=",
        "password=",
        "sslmode=",
        "Server=",
        "jdbc:",
        "env:",
        "sqlite:",
        ",",
        " ",
        "''",
        "\"\"",
    ];
    fuzz("connection", &words, |input| {
        let text = text(input);
        match parse_endpoint(&text, &Two, Path::new("/base")) {
            Ok(_) => true,
            Err(error) => {
                let said = format!("{error} {error:?}");
                assert!(!said.contains(PASSWORD), "{text:?}: {said}");
                false
            }
        }
    });
}

#[test]
fn casts_and_measures() {
    let words = ["else ", "epoch=", "(", ")", ",", "decimal", "null", "clamp", "truncate", " "];
    fuzz("cast", &words, |input| {
        let text = text(input);
        drop((parse_bytes(&text), parse_duration(&text)));
        let Ok(cast) = parse_cast(&text) else { return false };
        let printed = cast.to_string();
        let again = parse_cast(&printed).ok();
        assert_eq!(again.as_ref(), Some(&cast), "{text:?} is printed as {printed:?}");
        true
    });
}

#[test]
fn filters() {
    let words =
        ["and ", "or ", "not ", "in (", "is null", "'", "\"", "--", "/*", ";", "(", ")", "<>"];
    fuzz("predicate", &words, |input| parse_predicate(&text(input)).is_ok());
}
