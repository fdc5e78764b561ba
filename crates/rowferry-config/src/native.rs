//! The native shape: `version`, `state`, `connections`, `jobs`.

use std::collections::BTreeMap;

use rowferry_core::{Consistency, Endpoint, Job, Mode, OnBadRow, PublishWhen, Settings, nearest};

use crate::ConfigError;
use crate::casts;
use crate::connection::connection;
use crate::document::{Document, Keys, Section};
use crate::job_file::Read;
use crate::pairs::check_pairs;
use crate::table::table;
use crate::yaml::{Node, Value};

pub(crate) const FILE: Keys = Keys {
    of: "the file",
    known: &["version", "state", "connections", "jobs"],
    later: &["include", "alerts", "metrics", "notify"],
};
pub(crate) const JOB: Keys = Keys {
    of: "a job",
    known: &[
        "name",
        "source",
        "target",
        "mode",
        "publish",
        "every",
        "progress_schema",
        "settings",
        "defaults",
        "tables",
    ],
    later: &[
        "schedule",
        "cdc_config",
        "conflict_resolution",
        "schema_sync",
        "verify",
        "types",
        "alerts",
        "throttle",
        "max_rate",
        "checksum",
    ],
};
pub(crate) const SETTINGS: Keys = Keys {
    of: "settings",
    known: &[
        "parallel_tables",
        "workers",
        "chunk_rows",
        "chunk_bytes",
        "retry_for",
        "connect_timeout",
        "progress_timeout",
        "statement_timeout",
        "lock_timeout",
        "memory_budget",
        "max_row_bytes",
        "max_rate",
        "consistency",
        "passthrough",
        "on_bad_row",
        "max_rejects",
        "error_values",
    ],
    later: &["throttle", "snapshot_max", "deadline", "resume_within"],
};
type Connections = BTreeMap<String, (Endpoint, Vec<String>)>;

pub(crate) fn read(doc: &mut Document<'_>, root: &Node) -> Read {
    let Some(file) = doc.section(root, &FILE) else { return Read::default() };
    match file.get("version").map(|node| (node, doc.text(node))) {
        Some((node, Some(version))) if version != "1" => doc.wrong(
            node,
            ConfigError::new("bad-value", format!("version {version:?} is not known"))
                .with_next("This rowferry reads version: 1."),
        ),
        Some(_) => {}
        None => doc.missing(root, "the file", "version"),
    }
    let state = doc.text_of(file, "state").map(|path| doc.path(&path));
    let mut connections = Connections::new();
    let mut names = Vec::new();
    if let Some(node) = file.get("connections") {
        for (name, _, node) in doc.entries(node) {
            names.push(name.to_owned());
            if let Some(endpoint) = connection(doc, node) {
                connections.insert(name.to_owned(), endpoint);
            }
        }
    }
    let mut jobs: Vec<Job> = Vec::new();
    for node in file.get("jobs").map(|node| doc.items(node)).unwrap_or_default() {
        let Some(job) = job(doc, node, &connections, &names) else { continue };
        push_job(doc, node, &mut jobs, job);
    }
    Read { state, jobs, connections }
}

/// Adds a job whose name is not taken and whose settings do not contradict each other.
pub(crate) fn push_job(doc: &mut Document<'_>, node: &Node, jobs: &mut Vec<Job>, job: Job) {
    if jobs.iter().any(|other| other.name == job.name) {
        let message = format!("two jobs have the name {:?}", job.name);
        doc.wrong(
            node,
            ConfigError::new("duplicate-name", message)
                .with_next("Progress is kept by name: give each job its own."),
        );
    }
    if let Err(error) = check_pairs(&job) {
        doc.wrong(node, error);
    }
    jobs.push(job);
}

/// A job's end: the name of a connection, or a connection itself.
fn end(
    doc: &mut Document<'_>,
    job: Section<'_>,
    key: &str,
    connections: &Connections,
    names: &[String],
) -> Option<(Endpoint, Vec<String>)> {
    let Some(node) = job.get(key) else {
        doc.missing(job.node, "a job", key);
        return None;
    };
    if let Value::Scalar { text, .. } = &node.value {
        if let Some(endpoint) = connections.get(text) {
            return Some(endpoint.clone());
        }
        if names.contains(text) {
            return None; // What is wrong with it has been said where it stands.
        }
        if !text.contains([':', '=', '/', '@']) {
            let error = ConfigError::new(
                "unknown-connection",
                format!("no connection has the name {text:?}"),
            );
            let error = match nearest(text, names.iter().map(String::as_str)) {
                Some(near) => error.with_next(format!("Did you mean {near:?}?")),
                None => error.with_next("Add it under connections, or write a URL or env:NAME."),
            };
            doc.wrong(node, error);
            return None;
        }
    }
    connection(doc, node)
}

fn job(
    doc: &mut Document<'_>,
    node: &Node,
    connections: &Connections,
    names: &[String],
) -> Option<Job> {
    let section = doc.section(node, &JOB)?;
    let name = doc.required(section, "a job", "name");
    let source = end(doc, section, "source", connections, names);
    let target = end(doc, section, "target", connections, names);
    let mode = section.get("mode").map_or(Some(Mode::Full), |node| mode(doc, node));
    let publish = [("table", PublishWhen::Table), ("job", PublishWhen::Job)];
    let publish = section.get("publish").and_then(|node| doc.choice(node, &publish));
    let every = section.get("every").and_then(|node| doc.duration(node));
    let progress_schema = doc.text_of(section, "progress_schema");
    let settings = section.get("settings").map(|node| settings(doc, node));
    let casts = section.get("defaults").map(|node| casts::of_job(doc, node));
    let mut tables = Vec::new();
    match section.get("tables") {
        Some(node) => {
            for item in doc.items(node) {
                tables.extend(table(doc, item));
            }
        }
        None => doc.missing(node, "a job", "tables"),
    }
    let (source, mut warnings) = source?;
    let (target, more) = target?;
    warnings.extend(more);
    warnings.dedup();
    Some(Job {
        name: name?,
        source,
        target,
        mode: mode?,
        publish: publish.unwrap_or(PublishWhen::Table),
        every,
        settings: settings.unwrap_or(Settings::documented()),
        progress_schema,
        casts: casts.unwrap_or_default(),
        tables,
        warnings,
    })
}

/// A mode; those of later versions are refused by name.
pub(crate) fn mode(doc: &mut Document<'_>, node: &Node) -> Option<Mode> {
    let text = doc.text(node)?;
    if ["snapshot", "cdc"].contains(&text.to_ascii_lowercase().as_str()) {
        doc.wrong(
            node,
            ConfigError::not_supported_yet(&format!("mode: {text}"))
                .with_next("Use mode: full or mode: incremental."),
        );
        return None;
    }
    doc.choice(node, &[("full", Mode::Full), ("incremental", Mode::Incremental)])
}

fn settings(doc: &mut Document<'_>, node: &Node) -> Settings {
    let mut settings = Settings::documented();
    let Some(section) = doc.section(node, &SETTINGS) else { return settings };
    if let Some(count) = section.get("parallel_tables").and_then(|node| doc.count(node)) {
        settings.parallel_tables = usize::try_from(count).unwrap_or(usize::MAX);
    }
    if let Some(node) = section.get("workers")
        && !matches!(&node.value, Value::Scalar { text, .. } if text == "auto")
        && let Some(count) = doc.count(node)
    {
        settings.workers = Some(usize::try_from(count).unwrap_or(usize::MAX));
    }
    if let Some(rows) = section.get("chunk_rows").and_then(|node| doc.count(node)) {
        settings.chunk_rows = rows;
    }
    for (key, place) in [
        ("chunk_bytes", &mut settings.chunk_bytes),
        ("memory_budget", &mut settings.memory_budget),
        ("max_row_bytes", &mut settings.max_row_bytes),
    ] {
        if let Some(node) = section.get(key)
            && let Some(bytes) = doc.bytes(node)
        {
            if bytes == 0 {
                doc.wrong(node, ConfigError::new("bad-value", format!("{key} must not be 0")));
            }
            *place = bytes;
        }
    }
    settings.max_rate = section.get("max_rate").and_then(|node| doc.rate(node));
    if let Some(duration) = section.get("retry_for").and_then(|node| doc.duration(node)) {
        settings.retry_for = duration;
    }
    let limits = &mut settings.limits;
    for (key, place) in [
        ("connect_timeout", &mut limits.connect),
        ("progress_timeout", &mut limits.progress),
        ("statement_timeout", &mut limits.statement),
        ("lock_timeout", &mut limits.lock),
    ] {
        if let Some(limit) = section.get(key).and_then(|node| doc.duration(node)) {
            *place = limit;
        }
    }
    let words =
        [("auto", Consistency::Auto), ("table", Consistency::Table), ("chunk", Consistency::Chunk)];
    if let Some(value) = section.get("consistency").and_then(|node| doc.choice(node, &words)) {
        settings.consistency = value;
    }
    if let Some(value) = section.get("passthrough").and_then(|node| doc.boolean(node)) {
        settings.passthrough = value;
    }
    settings.on_bad_row = bad_rows(doc, section);
    let words = [("keys", true), ("none", false)];
    if let Some(value) = section.get("error_values").and_then(|node| doc.choice(node, &words)) {
        settings.show_keys = value;
    }
    settings
}

/// `on_bad_row: quarantine` needs to say how many rows may be missing in the target.
fn bad_rows(doc: &mut Document<'_>, section: Section<'_>) -> OnBadRow {
    let words = [("fail", false), ("quarantine", true)];
    let quarantine = section.get("on_bad_row").and_then(|node| doc.choice(node, &words));
    let limit = section.get("max_rejects").map(|node| (node, doc.count(node)));
    match (quarantine, limit) {
        (Some(true), Some((_, limit))) => {
            OnBadRow::Quarantine { max_rejects: limit.unwrap_or_default() }
        }
        (Some(true), None) => {
            let error = ConfigError::new(
                "missing-key",
                "on_bad_row: quarantine needs the key \"max_rejects\"",
            );
            doc.wrong(
                section.node,
                error.with_next("Say how many rows of a table may be set aside: max_rejects: 100."),
            );
            OnBadRow::Fail
        }
        (Some(false) | None, Some((node, _))) => {
            let message = "max_rejects says nothing without on_bad_row: quarantine";
            doc.wrong(
                node,
                ConfigError::new("contradiction", message)
                    .with_next("Add on_bad_row: quarantine, or remove max_rejects."),
            );
            OnBadRow::Fail
        }
        (Some(false) | None, None) => OnBadRow::Fail,
    }
}
