//! The shape of syncset-db: `primary_db`, `replica_dbs`, `tables.<name>`; each replica is a job.

use rowferry_core::{Job, Mode, PublishWhen, Settings, TableJob, TableRef, WriteMode};

use crate::ConfigError;
use crate::connection::connection;
use crate::document::{Document, Keys};
use crate::job_file::Read;
use crate::native::push_job;
use crate::table::renames;
use crate::yaml::Node;

const FILE: Keys = Keys {
    of: "the file",
    known: &["primary_db", "replica_dbs", "tables"],
    later: &["schedule", "metrics", "log_level"],
};
const PRIMARY: Keys = Keys { of: "primary_db", known: &["url"], later: &[] };
const REPLICA: Keys = Keys { of: "a replica", known: &["name", "url"], later: &[] };
const TABLE: Keys = Keys {
    of: "a table",
    known: &["primary_key", "mode", "batch_size", "columns_to_sync", "column_mapping", "checksum"],
    later: &["conflict_resolution"],
};
const CHECKSUM: Keys = Keys { of: "checksum", known: &["enabled", "columns"], later: &[] };

pub(crate) fn read(doc: &mut Document<'_>, root: &Node) -> Read {
    let Some(file) = doc.section(root, &FILE) else { return Read::default() };
    let mut primary = None;
    if let Some(node) = file.get("primary_db") {
        let url = doc.section(node, &PRIMARY).and_then(|section| section.get("url"));
        if url.is_none() {
            doc.missing(node, "primary_db", "url");
        }
        primary = url.and_then(|url| connection(doc, url));
    } else {
        doc.missing(root, "the file", "primary_db");
    }
    let mut settings = Settings::documented();
    let tables = tables(doc, root, &mut settings);
    let mut jobs = Vec::new();
    let Some(replicas) = file.get("replica_dbs") else {
        doc.missing(root, "the file", "replica_dbs");
        return Read::default();
    };
    for node in doc.items(replicas) {
        let Some(section) = doc.section(node, &REPLICA) else { continue };
        let name = doc.required(section, "a replica", "name");
        let Some(url) = section.get("url") else {
            doc.missing(node, "a replica", "url");
            continue;
        };
        let target = connection(doc, url);
        let (Some(name), Some((target, more)), Some((source, warnings))) =
            (name, target, primary.clone())
        else {
            continue;
        };
        let mut warnings = warnings;
        warnings.extend(more);
        warnings.dedup();
        let job = Job {
            name,
            source,
            target,
            mode: Mode::Incremental,
            publish: PublishWhen::Table,
            every: None,
            settings: settings.clone(),
            progress_schema: None,
            casts: Vec::new(),
            tables: tables.clone(),
            warnings,
        };
        push_job(doc, node, &mut jobs, job);
    }
    Read { jobs, ..Read::default() }
}

fn tables(doc: &mut Document<'_>, root: &Node, settings: &mut Settings) -> Vec<TableJob> {
    let mut tables = Vec::new();
    let mut sizes = Vec::new();
    let Some(node) = root.entry("tables") else {
        doc.missing(root, "the file", "tables");
        return tables;
    };
    for (name, at, node) in doc.entries(node) {
        let Some(section) = doc.section(node, &TABLE) else { continue };
        let mut table = TableJob::of(TableRef::parse(name));
        table.line = Some(at.line);
        table.write = Some(WriteMode::Upsert);
        table.key = doc.texts_of(section, "primary_key");
        table.include = doc.texts_of(section, "columns_to_sync");
        if let Some(node) = section.get("column_mapping") {
            table.rename = renames(doc, node);
        }
        if let Some(node) = section.get("mode") {
            let insert = doc.choice(node, &[("insert", true), ("upsert", false)]);
            if insert == Some(true) {
                doc.warnings.push(format!(
                    "table {name}: mode insert writes by upsert, so that a row met twice is no error"
                ));
            }
        }
        sizes.extend(section.get("batch_size").and_then(|node| doc.count(node)));
        if let Some(node) = section.get("checksum") {
            checksum(doc, node);
        }
        tables.push(table);
    }
    if let Some(smallest) = sizes.iter().min() {
        settings.chunk_rows = *smallest;
        if sizes.iter().any(|size| size != smallest) {
            doc.warnings.push(format!(
                "batch_size is one number per job here: all tables use the smallest, {smallest}"
            ));
        }
    }
    tables
}

fn checksum(doc: &mut Document<'_>, node: &Node) {
    let Some(section) = doc.section(node, &CHECKSUM) else { return };
    let enabled = section.get("enabled").map(|node| (node, doc.boolean(node)));
    if let Some((node, Some(true))) = enabled {
        doc.wrong(
            node,
            ConfigError::not_supported_yet("checksum")
                .with_next("Write enabled: false, or remove checksum."),
        );
    }
}
