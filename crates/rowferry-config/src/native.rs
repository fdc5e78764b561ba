//! The native shape: `version`, `state`, `connections`, `jobs`.

use std::collections::BTreeMap;

use rowferry_core::{
    Consistency, Duplicates, Endpoint, EndpointKind, Guard, Job, Mode, PublishWhen, ReplaceMode,
    Secret, Settings, TableJob, TableRef, WriteMode, nearest,
};

use crate::document::{Document, Keys, Section};
use crate::endpoint::{Parts, complete, parse_for, port, tls_mode};
use crate::job_file::Read;
use crate::pairs::check_pairs;
use crate::yaml::{Node, Value};
use crate::{ConfigError, parse_predicate, secret};

pub(crate) const FILE: Keys = Keys {
    of: "the file",
    known: &["version", "state", "connections", "jobs"],
    later: &["include", "alerts", "metrics", "notify"],
};
pub(crate) const CONNECTION: Keys = Keys {
    of: "a connection",
    known: &[
        "type",
        "url",
        "host",
        "port",
        "socket",
        "database",
        "user",
        "password",
        "tls",
        "ssl",
        "tls_root",
        "path",
        "application",
        "generate",
    ],
    later: &["credentials", "tls_cert", "tls_key", "options", "ssh"],
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
        "memory_budget",
        "consistency",
        "passthrough",
        "on_bad_row",
    ],
    later: &["max_rate", "throttle", "snapshot_max", "error_values", "deadline", "resume_within"],
};
const DEFAULTS: Keys = Keys { of: "defaults", known: &[], later: &["casts", "types"] };
pub(crate) const TABLE: Keys = Keys {
    of: "a table",
    known: &[
        "source",
        "exclude_tables",
        "target",
        "key",
        "cut_by",
        "on_duplicate",
        "include",
        "exclude",
        "rename",
        "filters",
        "incremental_key",
        "write",
        "replace",
        "keep_old",
        "guard",
        "shared_target",
        "insert_batch_rows",
    ],
    later: &[
        "casts",
        "types",
        "transformations",
        "verify",
        "checksum",
        "conflict_resolution",
        "max_rate",
    ],
};
pub(crate) const GUARD: Keys = Keys { of: "guard", known: &["max_shrink", "min_rows"], later: &[] };

/// Words for the engines.
pub(crate) const ENGINES: [(&str, EndpointKind); 8] = [
    ("postgres", EndpointKind::Postgres),
    ("postgresql", EndpointKind::Postgres),
    ("mysql", EndpointKind::Mysql),
    ("mariadb", EndpointKind::Mysql),
    ("sqlite", EndpointKind::Sqlite),
    ("sqlite3", EndpointKind::Sqlite),
    ("generate", EndpointKind::Generate),
    ("null", EndpointKind::Null),
];

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

/// A connection: a string, or a mapping of its parts.
pub(crate) fn connection(doc: &mut Document<'_>, node: &Node) -> Option<(Endpoint, Vec<String>)> {
    if let Value::Scalar { text, filled } = &node.value {
        return match parse_for(text, None, doc.env, doc.base, !filled) {
            Ok(endpoint) => Some(endpoint),
            Err(error) => {
                doc.wrong(node, error);
                None
            }
        };
    }
    let before = doc.errors.len();
    let section = doc.section(node, &CONNECTION)?;
    let kind = section.get("type").and_then(|node| doc.choice(node, &ENGINES));
    let found = match (section.get("url"), kind) {
        (Some(url), _) => connection(doc, url).filter(|(endpoint, _)| {
            kind.is_none_or(|kind| kind == endpoint.kind) || {
                doc.wrong(url, ConfigError::new("bad-endpoint", "type and url name two engines"));
                false
            }
        }),
        (None, Some(kind)) => from_parts(doc, section, kind),
        (None, None) => {
            if section.get("type").is_none() {
                doc.missing(node, "a connection", "type");
            }
            None
        }
    };
    found.filter(|_| doc.errors.len() == before)
}

pub(crate) fn from_parts(
    doc: &mut Document<'_>,
    section: Section<'_>,
    kind: EndpointKind,
) -> Option<(Endpoint, Vec<String>)> {
    meaningless(doc, section, kind);
    match kind {
        EndpointKind::Null => return Some((Endpoint::empty(kind), Vec::new())),
        EndpointKind::Generate => {
            let mut endpoint = Endpoint::empty(kind);
            endpoint.generate = doc.required(section, "a generate connection", "generate")?;
            return Some((endpoint, Vec::new()));
        }
        EndpointKind::Postgres | EndpointKind::Mysql | EndpointKind::Sqlite => {}
    }
    let mut parts = Parts {
        host: doc.text_of(section, "host"),
        socket: doc.text_of(section, "socket").map(Into::into),
        database: doc.text_of(section, "database"),
        user: doc.text_of(section, "user"),
        tls_root: doc.text_of(section, "tls_root").map(Into::into),
        path: doc.text_of(section, "path").map(Into::into),
        application: doc.text_of(section, "application"),
        ..Parts::default()
    };
    if kind == EndpointKind::Sqlite && parts.path.is_none() {
        parts.path = parts.database.take().map(Into::into);
    }
    if let Some(node) = section.get("port") {
        let text = doc.text(node)?;
        match port(&text) {
            Ok(number) => parts.port = Some(number),
            Err(error) => doc.wrong(node, error),
        }
    }
    for key in ["tls", "ssl"] {
        let Some(node) = section.get(key) else { continue };
        match tls_mode(&doc.text(node)?) {
            Ok(mode) => parts.tls = Some(mode),
            Err(error) => doc.wrong(node, error),
        }
    }
    let mut plain = false;
    if let Some(node) = section.get("password") {
        let (secret, stands) = password(doc, node)?;
        parts.password = Some(secret);
        plain = stands;
    }
    match complete(kind, parts, doc.env, doc.base, plain) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            doc.wrong(section.node, error);
            None
        }
    }
}

/// Refuses the keys that say nothing for an engine: they were meant for another one.
fn meaningless(doc: &mut Document<'_>, section: Section<'_>, kind: EndpointKind) {
    let meant: &[&str] = match kind {
        EndpointKind::Null => &["type"],
        EndpointKind::Generate => &["type", "generate"],
        EndpointKind::Sqlite => &["type", "path", "database"],
        EndpointKind::Postgres | EndpointKind::Mysql => &[
            "type",
            "host",
            "port",
            "socket",
            "database",
            "user",
            "password",
            "tls",
            "ssl",
            "tls_root",
            "application",
        ],
    };
    for (key, at, node) in doc.entries(section.node) {
        let known = CONNECTION.known.contains(&key) && !matches!(node.value, Value::Null);
        if known && !meant.contains(&key) {
            let message = format!("{key} says nothing for a connection of type {}", kind.word());
            let error = ConfigError::new("contradiction", message);
            doc.wrong(at, error.with_next(format!("Known for it: {}.", meant.join(", "))));
        }
    }
}

/// A password and whether it stands in the file. A filled-in variable is never looked at again.
fn password(doc: &mut Document<'_>, node: &Node) -> Option<(Secret, bool)> {
    if let Value::Scalar { text, filled: true } = &node.value {
        return Some((Secret::new(text.clone()), false));
    }
    let text = match (&node.value, node.entry("exec")) {
        // Unquoted, `exec: [a, b]` is a mapping of its own.
        (Value::Mapping(entries), Some(command)) if entries.len() == 1 => {
            format!("exec:{}", serde_json::to_string(&doc.texts(command)).unwrap_or_default())
        }
        (Value::Null | Value::Scalar { .. } | Value::Sequence(_) | Value::Mapping(_), _) => {
            doc.text(node)?
        }
    };
    match secret::resolve(&text, doc.env, doc.base) {
        Ok(secret) => Some(secret),
        Err(error) => {
            doc.wrong(node, error);
            None
        }
    }
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
    if let Some(node) = section.get("defaults") {
        doc.section(node, &DEFAULTS);
    }
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
    for (key, place) in
        [("chunk_bytes", &mut settings.chunk_bytes), ("memory_budget", &mut settings.memory_budget)]
    {
        if let Some(node) = section.get(key)
            && let Some(bytes) = doc.bytes(node)
        {
            if bytes == 0 {
                doc.wrong(node, ConfigError::new("bad-value", format!("{key} must not be 0")));
            }
            *place = bytes;
        }
    }
    if let Some(duration) = section.get("retry_for").and_then(|node| doc.duration(node)) {
        settings.retry_for = duration;
    }
    let words =
        [("auto", Consistency::Auto), ("table", Consistency::Table), ("chunk", Consistency::Chunk)];
    if let Some(value) = section.get("consistency").and_then(|node| doc.choice(node, &words)) {
        settings.consistency = value;
    }
    if let Some(value) = section.get("passthrough").and_then(|node| doc.boolean(node)) {
        settings.passthrough = value;
    }
    if let Some(node) = section.get("on_bad_row")
        && doc.text(node).is_some_and(|text| text != "fail")
    {
        doc.wrong(
            node,
            ConfigError::not_supported_yet("on_bad_row other than fail")
                .with_next("Write on_bad_row: fail, or remove it."),
        );
    }
    settings
}

fn table(doc: &mut Document<'_>, node: &Node) -> Option<TableJob> {
    if let Value::Scalar { text, .. } = &node.value {
        return Some(TableJob { line: Some(node.line), ..TableJob::of(TableRef::parse(text)) });
    }
    let section = doc.section(node, &TABLE)?;
    let source = doc.required(section, "a table", "source");
    let mut table = TableJob::of(TableRef::parse(source.as_deref().unwrap_or_default()));
    table.line = Some(node.line);
    table.target = doc.text_of(section, "target").map(|text| TableRef::parse(&text));
    table.exclude_tables = doc.texts_of(section, "exclude_tables");
    table.key = doc.texts_of(section, "key");
    table.cut_by = doc.texts_of(section, "cut_by");
    table.include = doc.texts_of(section, "include");
    table.exclude = doc.texts_of(section, "exclude");
    table.rename = section.get("rename").map(|node| renames(doc, node)).unwrap_or_default();
    if let Some(node) = section.get("filters") {
        filters(doc, node, &mut table);
    }
    if let Some(node) = section.get("incremental_key") {
        incremental_key(doc, node, &table);
    }
    let words =
        [("fail", Duplicates::Fail), ("first", Duplicates::First), ("last", Duplicates::Last)];
    table.on_duplicate = section.get("on_duplicate").and_then(|node| doc.choice(node, &words));
    table.write = section.get("write").and_then(|node| write(doc, node));
    let words = [("swap", ReplaceMode::Swap), ("truncate", ReplaceMode::Truncate)];
    if let Some(value) = section.get("replace").and_then(|node| doc.choice(node, &words)) {
        table.replace = value;
    }
    if let Some(node) = section.get("keep_old") {
        let words = [("1", true), ("0", false), ("true", true), ("false", false)];
        table.keep_old = doc.choice(node, &words).unwrap_or_default();
    }
    if let Some(node) = section.get("guard") {
        table.guard = guard(doc, node);
    }
    if let Some(value) = section.get("shared_target").and_then(|node| doc.boolean(node)) {
        table.shared_target = value;
    }
    if let Some(rows) = section.get("insert_batch_rows").and_then(|node| doc.count(node)) {
        table.insert_batch_rows = u32::try_from(rows).unwrap_or(u32::MAX);
    }
    source.map(|_| table)
}

fn write(doc: &mut Document<'_>, node: &Node) -> Option<WriteMode> {
    let words = [
        ("replace", WriteMode::Replace),
        ("append", WriteMode::Append),
        ("upsert", WriteMode::Upsert),
    ];
    doc.choice(node, &words)
}

fn guard(doc: &mut Document<'_>, node: &Node) -> Guard {
    let mut guard = Guard { max_shrink: None, min_rows: None };
    let Some(section) = doc.section(node, &GUARD) else { return guard };
    guard.min_rows = section.get("min_rows").and_then(|node| doc.count(node));
    if let Some(node) = section.get("max_shrink")
        && let Some(text) = doc.text(node)
    {
        let share = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
            None => text.parse::<f64>().ok(),
        };
        guard.max_shrink = share.filter(|share| (0.0..=1.0).contains(share));
        if guard.max_shrink.is_none() {
            let message = format!("{text:?} is not a share of rows");
            let error = ConfigError::new("bad-value", message);
            doc.wrong(node, error.with_next("Write for example 50% or 0.5."));
        }
    }
    guard
}

/// Source column to target column.
pub(crate) fn renames(doc: &mut Document<'_>, node: &Node) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (from, _, to) in doc.entries(node) {
        if let Some(to) = doc.text(to) {
            map.insert(from.to_owned(), to);
        }
    }
    map
}

/// At most one filter, of one comparison.
pub(crate) fn filters(doc: &mut Document<'_>, node: &Node, table: &mut TableJob) {
    let texts = doc.texts(node);
    if texts.len() > 1 {
        doc.wrong(
            node,
            ConfigError::not_supported_yet(
                "filters of more than one comparison `column op literal`",
            )
            .with_next("Keep one comparison, or filter in a view of the source."),
        );
        return;
    }
    match texts.first().map(|text| parse_predicate(text)) {
        Some(Ok(predicate)) => table.predicate = Some(predicate),
        Some(Err(error)) => doc.wrong(node, error),
        None => {}
    }
}

/// The column of later runs: this version follows the key itself and nothing else.
pub(crate) fn incremental_key(doc: &mut Document<'_>, node: &Node, table: &TableJob) {
    let columns = doc.texts(node);
    if columns != table.key {
        doc.wrong(
            node,
            ConfigError::not_supported_yet("incremental_key other than the key").with_next(
                "If the column is the key of the table, say so with `key:` too; else use mode: full.",
            ),
        );
    }
}
