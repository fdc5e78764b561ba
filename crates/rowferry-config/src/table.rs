//! Tables of a native job, and the parts of a table that other shapes share.

use std::collections::BTreeMap;

use rowferry_core::{Duplicates, Guard, ReplaceMode, TableJob, TableRef, WriteMode};

use crate::casts;
use crate::document::{Document, Keys};
use crate::yaml::{Node, Value};
use crate::{ConfigError, parse_predicate};

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
        "column_names",
        "column_defaults",
        "casts",
        "types",
        "filters",
        "incremental_key",
        "write",
        "replace",
        "keep_old",
        "guard",
        "shared_target",
        "insert_batch_rows",
    ],
    later: &["transformations", "verify", "checksum", "conflict_resolution", "max_rate"],
};
pub(crate) const GUARD: Keys = Keys { of: "guard", known: &["max_shrink", "min_rows"], later: &[] };

pub(crate) fn table(doc: &mut Document<'_>, node: &Node) -> Option<TableJob> {
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
    let words = [("keep", false), ("lower", true)];
    if let Some(value) = section.get("column_names").and_then(|node| doc.choice(node, &words)) {
        table.lower_names = value;
    }
    let words = [("keep", true), ("drop", false)];
    if let Some(value) = section.get("column_defaults").and_then(|node| doc.choice(node, &words)) {
        table.keep_defaults = value;
    }
    table.casts = casts::of_table(doc, section);
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
