//! The shape of the sync playbook: `sync_config` with its ends and settings, `table_mappings`.
//!
//! `columns` selects and renames: only `"*": "*"` means all columns.

use rowferry_core::{Endpoint, Job, Mode, PublishWhen, Settings, TableJob, TableRef, WriteMode};

use crate::ConfigError;
use crate::connection::{ENGINES, connection, from_parts};
use crate::document::{Document, Keys, Section};
use crate::dotnet::retries;
use crate::job_file::Read;
use crate::native::{mode, push_job};
use crate::table::{filters, incremental_key};
use crate::yaml::{Node, Value};

const FILE: Keys = Keys {
    of: "the file",
    known: &["sync_config", "table_mappings", "schema_sync"],
    later: &[
        "cdc_config",
        "conflict_resolution",
        "conflict_log",
        "metrics",
        "alerting",
        "sync_methods",
        "pg_to_bigquery",
        "mysql_to_elasticsearch",
        "cdc_events",
        "dashboard",
        "schedule",
    ],
};
const CONFIG: Keys = Keys {
    of: "sync_config",
    known: &["name", "source", "target", "sync_settings", "table_mappings", "schema_sync"],
    later: &["cdc_config", "conflict_resolution", "conflict_log", "schedule"],
};
const END: Keys = Keys {
    of: "an end of sync_config",
    known: &[
        "type",
        "host",
        "port",
        "database",
        "credentials",
        "ssl",
        "connection",
        "url",
        "user",
        "username",
        "password",
        "path",
    ],
    later: &["project", "dataset", "index"],
};
const CREDENTIALS: Keys =
    Keys { of: "credentials", known: &["type", "user", "username", "password"], later: &["path"] };
const SETTINGS: Keys = Keys {
    of: "sync_settings",
    known: &["mode", "batch_size", "parallel_tables", "retry_attempts", "checkpoint_interval"],
    later: &["schedule", "throttle"],
};
const MAPPING: Keys = Keys {
    of: "a table mapping",
    known: &[
        "source_table",
        "target_table",
        "columns",
        "exclude_columns",
        "filters",
        "incremental_key",
        "key",
        "transformations",
    ],
    later: &["transform", "conflict_resolution", "checksum"],
};
const SCHEMA_SYNC: Keys = Keys { of: "schema_sync", known: &["mode"], later: &["operations"] };

pub(crate) fn read(doc: &mut Document<'_>, root: &Node) -> Read {
    let Some(file) = doc.section(root, &FILE) else { return Read::default() };
    let Some(at) = file.get("sync_config") else {
        doc.missing(root, "the file", "sync_config");
        return Read::default();
    };
    let Some(config) = doc.section(at, &CONFIG) else { return Read::default() };
    for section in [file, config] {
        if let Some(node) = section.get("schema_sync") {
            schema_sync(doc, node);
        }
    }
    let source = end(doc, config, "source");
    let target = end(doc, config, "target");
    let mut job_mode = Mode::Full;
    let mut limits = Settings::documented();
    if let Some(node) = config.get("sync_settings") {
        job_mode = settings(doc, node, &mut limits).unwrap_or(Mode::Full);
    }
    let mut tables = Vec::new();
    match file.get("table_mappings").or_else(|| config.get("table_mappings")) {
        Some(node) => {
            for item in doc.items(node) {
                tables.extend(mapping(doc, item, job_mode));
            }
        }
        None => doc.missing(root, "the file", "table_mappings"),
    }
    let name = doc.text_of(config, "name").unwrap_or_else(|| "sync".to_owned());
    let mut jobs = Vec::new();
    if let (Some((source, mut warnings)), Some((target, more))) = (source, target) {
        warnings.extend(more);
        warnings.dedup();
        let job = Job {
            name,
            source,
            target,
            mode: job_mode,
            publish: PublishWhen::Table,
            every: None,
            settings: limits,
            progress_schema: None,
            casts: Vec::new(),
            tables,
            warnings,
        };
        push_job(doc, at, &mut jobs, job);
    }
    Read { jobs, ..Read::default() }
}

/// `strict` is what this version does: a change of a schema stops the run.
fn schema_sync(doc: &mut Document<'_>, node: &Node) {
    let Some(section) = doc.section(node, &SCHEMA_SYNC) else { return };
    if let Some(node) = section.get("mode")
        && doc.text(node).is_some_and(|text| text != "strict")
    {
        doc.wrong(
            node,
            ConfigError::not_supported_yet("schema_sync.mode other than strict")
                .with_next("Write mode: strict, or remove schema_sync."),
        );
    }
}

fn end(doc: &mut Document<'_>, config: Section<'_>, key: &str) -> Option<(Endpoint, Vec<String>)> {
    let Some(node) = config.get(key) else {
        doc.missing(config.node, "sync_config", key);
        return None;
    };
    if let Value::Scalar { .. } = node.value {
        return connection(doc, node);
    }
    let section = doc.section(node, &END)?;
    if let Some(url) = section.get("connection").or_else(|| section.get("url")) {
        return connection(doc, url);
    }
    // The parts are those of a native connection; the login may stand one level deeper.
    let mut flat = node.clone();
    let Value::Mapping(entries) = &mut flat.value else { return None };
    entries.retain(|(key, _)| !is(key, "credentials"));
    if let Some(node) = section.get("credentials") {
        let login = doc.section(node, &CREDENTIALS)?;
        if let Some(node) = login.get("type")
            && doc.text(node).is_some_and(|text| text == "secret_manager" || text == "vault")
        {
            doc.wrong(
                node,
                ConfigError::not_supported_yet("credentials.type secret_manager").with_next(
                    "Write user and password: the password may be env:NAME, file:PATH or \
                     exec:[command, args].",
                ),
            );
            return None;
        }
        if let Value::Mapping(inner) = &node.value {
            entries.extend(inner.iter().filter(|(key, _)| !is(key, "type")).cloned());
        }
    }
    for (key, _) in entries.iter_mut() {
        if is(key, "username") {
            key.value = Value::Scalar { text: "user".to_owned(), filled: false };
        }
    }
    let Some(kind) = section.get("type") else {
        doc.missing(node, END.of, "type");
        return None;
    };
    let kind = doc.choice(kind, &ENGINES)?;
    from_parts(doc, Section { node: &flat }, kind)
}

fn is(node: &Node, word: &str) -> bool {
    matches!(&node.value, Value::Scalar { text, .. } if text == word)
}

fn settings(doc: &mut Document<'_>, node: &Node, limits: &mut Settings) -> Option<Mode> {
    let section = doc.section(node, &SETTINGS)?;
    if let Some(rows) = section.get("batch_size").and_then(|node| doc.count(node)) {
        limits.chunk_rows = rows;
    }
    if let Some(count) = section.get("parallel_tables").and_then(|node| doc.count(node)) {
        limits.parallel_tables = usize::try_from(count).unwrap_or(usize::MAX);
    }
    if let Some(node) = section.get("retry_attempts") {
        limits.retry_for = retries(doc, node);
    }
    if let Some(node) = section.get("checkpoint_interval") {
        doc.duration(node);
        doc.warnings.push(
            "checkpoint_interval is met by itself: every chunk is a checkpoint of its own"
                .to_owned(),
        );
    }
    section.get("mode").map_or(Some(Mode::Full), |node| mode(doc, node))
}

fn mapping(doc: &mut Document<'_>, node: &Node, mode: Mode) -> Option<TableJob> {
    let section = doc.section(node, &MAPPING)?;
    let source = doc.required(section, MAPPING.of, "source_table")?;
    let mut table = TableJob::of(TableRef::parse(&source));
    table.line = Some(node.line);
    table.target = doc.text_of(section, "target_table").map(|text| TableRef::parse(&text));
    table.write = (mode == Mode::Incremental).then_some(WriteMode::Upsert);
    table.key = doc.texts_of(section, "key");
    if let Some(node) = section.get("columns") {
        columns(doc, node, &mut table);
    }
    table.exclude = doc.texts_of(section, "exclude_columns");
    if let Some(node) = section.get("transformations")
        && !doc.items(node).is_empty()
    {
        doc.wrong(
            node,
            ConfigError::not_supported_yet("transformations").with_next(
                "Remove transformations, or compute the columns in a view of the source.",
            ),
        );
    }
    if let Some(node) = section.get("filters") {
        filters(doc, node, &mut table);
    }
    if let Some(node) = section.get("incremental_key") {
        incremental_key(doc, node, &table);
    }
    Some(table)
}

fn columns(doc: &mut Document<'_>, node: &Node, table: &mut TableJob) {
    if let Value::Sequence(_) = node.value {
        table.include = doc.texts(node);
        return;
    }
    let mut all = false;
    for (from, _, to) in doc.entries(node) {
        let Some(name) = doc.text(to) else { continue };
        match (from, name.as_str()) {
            ("*", "*") => all = true,
            ("*", _) | (_, "*") => doc.wrong(
                to,
                ConfigError::new("bad-value", "`*` maps to `*` only")
                    .with_next("Write \"*\": \"*\" for all columns."),
            ),
            _ => {
                table.include.push(from.to_owned());
                if from != name {
                    table.rename.insert(from.to_owned(), name);
                }
            }
        }
    }
    if all {
        table.include.clear();
    }
}
