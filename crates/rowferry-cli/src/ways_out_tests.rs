//! Every message that leaves a person or a scheduler with a decision names a way out that exists.
//!
//! The messages are found in the source, so that a new one cannot miss it.

use std::path::{Path, PathBuf};

use super::command;

/// One place that makes an error of class busy, fenced or conflict.
struct Message {
    file: PathBuf,
    slug: String,
    /// The source from the slug to the end of the item around it.
    text: String,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs")
            && !path.to_string_lossy().contains("tests")
        {
            found.push(path);
        }
    }
}

fn messages() -> Vec<Message> {
    const MARKS: [&str; 5] = [
        "ErrorClass::Busy,",
        "ErrorClass::Fenced,",
        "ErrorClass::Conflict,",
        "conflict(",
        "refusal(",
    ];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for name in ["engine", "postgres", "mysql", "sqlite"] {
        sources(&crates.join(format!("rowferry-{name}/src")), &mut files);
    }
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut places: Vec<usize> = MARKS
            .iter()
            .flat_map(|mark| text.match_indices(mark).map(|(at, mark)| at + mark.len()))
            .collect();
        places.sort_unstable();
        for (index, place) in places.iter().enumerate() {
            let end = places.get(index + 1).copied().unwrap_or(text.len());
            let item = text.get(*place..end).unwrap();
            let item = ["\n}\n", "\n    }\n"]
                .iter()
                .filter_map(|end| item.find(end))
                .min()
                .map_or(item, |end| item.get(..end).unwrap());
            let Some(slug) = item.trim_start().strip_prefix('"') else { continue };
            let slug = slug.split('"').next().unwrap().to_owned();
            found.push(Message { file: file.clone(), slug, text: item.to_owned() });
        }
    }
    found
}

/// What stands between backticks, and flags that stand alone.
fn named(text: &str) -> Vec<String> {
    // A text that goes on in the next line ends in a backslash there.
    let words = text.split_whitespace().filter(|word| *word != "\\").collect::<Vec<_>>().join(" ");
    let quoted = words.split('`').skip(1).step_by(2).map(str::to_owned);
    let bare = words
        .split('`')
        .step_by(2)
        .flat_map(|part| part.split(' '))
        .filter(|word| word.trim_start_matches('"').starts_with("--"))
        .map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-').to_owned());
    quoted.chain(bare).collect()
}

fn is_accepted(words: &[&str]) -> bool {
    command().try_get_matches_from(words).is_ok()
}

#[test]
fn every_way_out_exists() {
    let messages = messages();
    assert!(messages.len() > 30, "only {} messages were found", messages.len());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut wrong = Vec::new();
    for Message { file, slug, text } in &messages {
        let place = format!("{}: {slug}", file.file_name().unwrap().display());
        // The last one is that of a table from a server's code to class, slug and next step.
        if !["with_next(", "ways_out(", "Some("].iter().any(|call| text.contains(call)) {
            wrong.push(format!("{place} names no way out"));
        }
        if !page.contains(&format!("`{slug}`")) {
            wrong.push(format!("{place} is not in docs/operations.md"));
        }
        for way in named(text) {
            let way = way.replace("{short}", "1f0c");
            let words: Vec<&str> = way.split(' ').collect();
            let exists = match words.first() {
                Some(&"rowferry") => {
                    let with = |more: &[&str]| is_accepted(&[&words[..], more].concat());
                    with(&[]) || with(&["stream"]) || with(&["stream", "--target", "sqlite:a"])
                }
                Some(flag) if flag.starts_with("--") => {
                    let copy = ["rowferry", "copy", "sqlite:a", "sqlite:b", "--table", "t"];
                    let with = |value: &[&str]| is_accepted(&[&copy, &words[..], value].concat());
                    with(&[]) || with(&["1h"])
                }
                // A key of a job file or a statement: the pages speak of those.
                _ => true,
            };
            if !exists {
                wrong.push(format!("{place} names {way:?}, which does not exist"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
