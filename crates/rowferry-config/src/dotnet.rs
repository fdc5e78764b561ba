//! The .NET worker's file: `Sync.Entities`, one job each.
//!
//! `Direction: Full` meant: copy once in key order, then go on behind the last key. Here that is an
//! incremental job that upserts, so that a key that commits late is not lost. The `sync_process`
//! table of the old tool is left alone: our ledger gets a file of its own beside it.

use std::path::PathBuf;
use std::time::Duration;

use rowferry_core::{
    Duplicates, Endpoint, EndpointKind, Job, Mode, PublishWhen, Settings, TableJob, TableRef,
    TypeCast, WriteMode,
};

use crate::ConfigError;
use crate::casts;
use crate::document::{Document, Keys, Section};
use crate::endpoint::parse_for;
use crate::job_file::Read;
use crate::native::push_job;
use crate::table::renames;
use crate::yaml::{Node, Value};

const FILE: Keys = Keys {
    of: "the file",
    known: &["Sync", "Logging", "Serilog", "AllowedHosts", "ConnectionStrings"],
    later: &[],
};
const SYNC: Keys = Keys { of: "Sync", known: &["Entities", "SyncProcessDb"], later: &[] };
const ENTITY: Keys = Keys {
    of: "an entity",
    known: &[
        "Name",
        "Source",
        "Target",
        "ChunkSize",
        "InsertBatchSize",
        "MaxInsertRetries",
        "IntervalSeconds",
        "Direction",
        "NormalizerOptions",
    ],
    later: &[],
};
const SOURCE: Keys = Keys {
    of: "a source",
    known: &["Provider", "ConnectionString", "Schema", "Table", "Columns", "Key", "KeyType"],
    later: &[],
};
const TARGET: Keys = Keys {
    of: "a target",
    known: &["Provider", "ConnectionString", "Schema", "Table"],
    later: &["Columns", "Key", "KeyType"],
};
const NORMALIZER: Keys = Keys {
    of: "NormalizerOptions",
    known: &[
        "PreserveCase",
        "DefaultVarcharLength",
        "PreserveDefaults",
        "CopyDataOnReplace",
        "ColumnRenameMap",
        "ProviderOptions",
    ],
    later: &[],
};
/// Source types that may stand without a length and are `varchar` elsewhere.
const TYPES_WITHOUT_LENGTH: [&str; 2] = ["character varying", "varchar"];
const PROVIDERS: [(&str, EndpointKind); 5] = [
    ("MySQL", EndpointKind::Mysql),
    ("MariaDB", EndpointKind::Mysql),
    ("PostgreSQL", EndpointKind::Postgres),
    ("Postgres", EndpointKind::Postgres),
    ("SQLite", EndpointKind::Sqlite),
];

pub(crate) fn read(doc: &mut Document<'_>, root: &Node) -> Read {
    let Some(file) = doc.section(root, &FILE) else { return Read::default() };
    for key in ["Logging", "Serilog", "AllowedHosts", "ConnectionStrings"] {
        if file.get(key).is_some() {
            doc.warnings.push(format!("{key} concerns the .NET host only and is not used"));
        }
    }
    let Some(sync) = file.get("Sync").and_then(|node| doc.section(node, &SYNC)) else {
        return Read::default();
    };
    let state = sync.get("SyncProcessDb").and_then(|node| state(doc, node));
    let mut jobs = Vec::new();
    match sync.get("Entities") {
        Some(node) => {
            for item in doc.items(node) {
                if let Some(job) = entity(doc, item) {
                    push_job(doc, item, &mut jobs, job);
                }
            }
        }
        None => doc.missing(sync.node, "Sync", "Entities"),
    }
    Read { state, jobs, ..Read::default() }
}

/// `Data Source=PATH` of the old state gives `PATH.rowferry.db`.
fn state(doc: &mut Document<'_>, node: &Node) -> Option<PathBuf> {
    let text = doc.text(node).filter(|text| !text.is_empty())?;
    match parse_for(&text, Some(EndpointKind::Sqlite), doc.env, doc.base, false) {
        Ok((endpoint, _)) => {
            let mut path = endpoint.path.into_os_string();
            path.push(".rowferry.db");
            Some(PathBuf::from(path))
        }
        Err(error) => {
            doc.wrong(node, error);
            None
        }
    }
}

fn entity(doc: &mut Document<'_>, node: &Node) -> Option<Job> {
    let section = doc.section(node, &ENTITY)?;
    let name = doc.required(section, "an entity", "Name");
    let mut warnings = Vec::new();
    let source = end(doc, section, "Source", &SOURCE, &mut warnings);
    let target = end(doc, section, "Target", &TARGET, &mut warnings);
    direction(doc, section);
    let mut settings = Settings::documented();
    if let Some(rows) = section.get("ChunkSize").and_then(|node| doc.count(node)) {
        settings.chunk_rows = rows;
    }
    if let Some(node) = section.get("MaxInsertRetries") {
        settings.retry_for = retries(doc, node);
    }
    let seconds = section.get("IntervalSeconds").and_then(|node| doc.duration(node));
    let (source, table, columns, key) = source?;
    let (target, target_table, _, _) = target?;
    let mut table = TableJob::of(table);
    table.line = Some(node.line);
    table.target = Some(target_table);
    table.include = columns;
    table.key = vec![key?];
    table.write = Some(WriteMode::Upsert);
    table.on_duplicate = Some(Duplicates::First);
    if let Some(rows) = section.get("InsertBatchSize").and_then(|node| doc.count(node)) {
        table.insert_batch_rows = u32::try_from(rows).unwrap_or(u32::MAX);
    }
    let casts = section
        .get("NormalizerOptions")
        .map(|node| normalizer(doc, node, &mut table, target.kind))
        .unwrap_or_default();
    warnings.push(
        "Direction Full copies once and then takes new keys only: updates and deletes of copied \
         rows are not seen; of equal keys the first row wins"
            .to_owned(),
    );
    warnings.dedup();
    Some(Job {
        name: name?,
        source,
        target,
        mode: Mode::Incremental,
        publish: PublishWhen::Table,
        every: seconds.filter(|pause| !pause.is_zero()),
        settings,
        progress_schema: None,
        casts,
        tables: vec![table],
        warnings,
    })
}

fn direction(doc: &mut Document<'_>, entity: Section<'_>) {
    let Some(node) = entity.get("Direction") else {
        doc.missing(entity.node, "an entity", "Direction");
        return;
    };
    match doc.text(node) {
        Some(text) if text.eq_ignore_ascii_case("Full") => {}
        Some(text) if text.eq_ignore_ascii_case("Incremental") => doc.wrong(
            node,
            ConfigError::not_supported_yet("Direction: Incremental").with_next(
                "Write Direction: Full, which copies once and then goes on behind the last key.",
            ),
        ),
        Some(_) => {
            doc.choice(node, &[("Full", ())]);
        }
        None => {}
    }
}

/// The old tool waited 2, 4, 8, … seconds between its attempts: the sum is how long we retry, an
/// hour at most.
pub(crate) fn retries(doc: &mut Document<'_>, node: &Node) -> Duration {
    const LONGEST: u64 = 3_600;
    let attempts = doc
        .text(node)
        .and_then(|text| text.parse::<u32>().ok())
        .or_else(|| doc.count(node).and_then(|count| u32::try_from(count).ok()))
        .unwrap_or_default();
    let seconds = 2_u64.checked_shl(attempts).map_or(LONGEST, |sum| (sum - 2).min(LONGEST));
    Duration::from_secs(if attempts > 11 { LONGEST } else { seconds })
}

type End = (Endpoint, TableRef, Vec<String>, Option<String>);

fn end(
    doc: &mut Document<'_>,
    entity: Section<'_>,
    key: &str,
    keys: &Keys,
    warnings: &mut Vec<String>,
) -> Option<End> {
    let Some(node) = entity.get(key) else {
        doc.missing(entity.node, "an entity", key);
        return None;
    };
    let section = doc.section(node, keys)?;
    let kind = section.get("Provider").map(|node| doc.choice(node, &PROVIDERS));
    if kind.is_none() {
        doc.missing(node, keys.of, "Provider");
    }
    let text = doc.required(section, keys.of, "ConnectionString");
    let table = doc.required(section, keys.of, "Table");
    let schema = doc.text_of(section, "Schema").filter(|schema| !schema.is_empty());
    let columns = doc.texts_of(section, "Columns");
    let column = if key == "Source" {
        if let Some(node) = section.get("KeyType") {
            let words = ["long", "int", "datetime"].map(|word| (word, ()));
            doc.choice(node, &words);
        }
        doc.required(section, keys.of, "Key")
    } else {
        None
    };
    let at = section.get("ConnectionString")?;
    let plain = !matches!(at.value, Value::Scalar { filled: true, .. });
    let endpoint = match parse_for(&text?, Some(kind??), doc.env, doc.base, plain) {
        Ok((endpoint, more)) => {
            warnings.extend(more);
            endpoint
        }
        Err(error) => {
            doc.wrong(at, error);
            return None;
        }
    };
    if endpoint.kind == EndpointKind::Sqlite && schema.is_some() {
        doc.wrong(
            section.get("Schema")?,
            ConfigError::new("bad-value", "SQLite has no schemas").with_next("Remove Schema."),
        );
    }
    Some((endpoint, TableRef { schema, name: table? }, columns, column))
}

/// Options of the old tool's own CREATE TABLE. Returns casts for columns whose source type has no
/// length: MySQL's `varchar` needs one.
fn normalizer(
    doc: &mut Document<'_>,
    node: &Node,
    table: &mut TableJob,
    target: EndpointKind,
) -> Vec<TypeCast> {
    let Some(section) = doc.section(node, &NORMALIZER) else { return Vec::new() };
    if let Some(keep) = section.get("PreserveCase").and_then(|node| doc.boolean(node)) {
        table.lower_names = !keep;
    }
    if let Some(keep) = section.get("PreserveDefaults").and_then(|node| doc.boolean(node)) {
        table.keep_defaults = keep;
    }
    if let Some(node) = section.get("CopyDataOnReplace")
        && doc.boolean(node) == Some(true)
    {
        doc.wrong(
            node,
            ConfigError::not_supported_yet("CopyDataOnReplace: true").with_next(
                "Remove CopyDataOnReplace: a table that fits stays, and nothing is copied aside.",
            ),
        );
    }
    if let Some(node) = section.get("ProviderOptions")
        && !doc.entries(node).is_empty()
    {
        doc.wrong(
            node,
            ConfigError::not_supported_yet("ProviderOptions").with_next("Remove ProviderOptions."),
        );
    }
    if let Some(node) = section.get("ColumnRenameMap") {
        table.rename = renames(doc, node);
    }
    let length = section.get("DefaultVarcharLength").and_then(|node| doc.count(node));
    match length.filter(|_| target == EndpointKind::Mysql) {
        Some(length) => TYPES_WITHOUT_LENGTH
            .iter()
            .map(|from| casts::to_type(from, format!("varchar({length})")))
            .collect(),
        None => Vec::new(),
    }
}
