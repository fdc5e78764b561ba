//! Patterns become tables.

use std::collections::BTreeMap;

use rowferry_core::{ConnectorError, ErrorClass, Job, Result, TableJob, TableRef, nearest};

use crate::JobEnds;

/// One table to copy, with the entry of the job that asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct TableTask {
    /// The entry.
    pub entry: TableJob,
    /// Source table.
    pub source: TableRef,
    /// Target table.
    pub target: TableRef,
    /// Rows by statistics, where the table came out of a listing.
    pub rows_estimated: Option<u64>,
}

/// The tables of `job`: explicit entries beat patterns, patterns are expanded by the source's own
/// listing, the largest table comes first. `only` keeps the named ones.
///
/// # Errors
///
/// Class `Setup`: `no-tables-match` for a pattern or an `only` name that matches nothing,
/// `target-twice` when two tables would be written to one target.
pub async fn expand(job: &Job, ends: &JobEnds, only: &[String]) -> Result<Vec<TableTask>> {
    let source = ends.source.as_ref();
    let is_pattern = |entry: &TableJob| {
        entry.source.name.contains('*')
            || entry.source.schema.as_deref().is_some_and(|schema| schema.contains('*'))
    };
    let listing =
        if job.tables.iter().any(is_pattern) { source.tables().await? } else { Vec::new() };
    let explicit: Vec<&TableRef> =
        job.tables.iter().filter(|entry| !is_pattern(entry)).map(|entry| &entry.source).collect();
    let mut tasks = Vec::new();
    for entry in &job.tables {
        if !is_pattern(entry) {
            tasks.push(task(entry, entry.source.clone(), None));
            continue;
        }
        let before = tasks.len();
        let mut matched = false;
        for listed in &listing {
            if !matches(entry, &listed.table) {
                continue;
            }
            matched = true;
            if !explicit.iter().any(|named| same_table(named, &listed.table)) {
                tasks.push(task(entry, listed.table.clone(), listed.rows_estimated));
            }
        }
        if !matched {
            return Err(no_match(&entry.source.to_string(), &listing));
        }
        tasks[before..].sort_by_key(|task| std::cmp::Reverse(task.rows_estimated.unwrap_or(0)));
    }
    let tasks = keep_only(tasks, only)?;
    refuse_shared_targets(&tasks, ends.sink.folds_names())?;
    Ok(tasks)
}

fn task(entry: &TableJob, source: TableRef, rows_estimated: Option<u64>) -> TableTask {
    let target = match &entry.target {
        Some(target) => TableRef {
            schema: target.schema.as_deref().map(|schema| fill(schema, &source)),
            name: fill(&target.name, &source),
        },
        None => TableRef::bare(source.name.clone()),
    };
    TableTask { entry: entry.clone(), source, target, rows_estimated }
}

/// `pattern` with the names of `source` in the place of `{table}` and `{schema}`; a name is never
/// looked at again, whatever it holds.
fn fill(pattern: &str, source: &TableRef) -> String {
    let words = [
        ("{table}", source.name.as_str()),
        ("{schema}", source.schema.as_deref().unwrap_or_default()),
    ];
    let mut filled = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let found = words.iter().find_map(|(word, name)| Some((name, rest.strip_prefix(word)?)));
        if let Some((name, behind)) = found {
            filled.push_str(name);
            rest = behind;
        } else {
            filled.push(first);
            rest = rest.split_at(first.len_utf8()).1;
        }
    }
    filled
}

fn matches(entry: &TableJob, table: &TableRef) -> bool {
    let schema_fits = match (&entry.source.schema, &table.schema) {
        (Some(pattern), Some(schema)) => wildcard(pattern, schema),
        (Some(pattern), None) => pattern == "*",
        (None, _) => true,
    };
    schema_fits
        && wildcard(&entry.source.name, &table.name)
        && !entry
            .exclude_tables
            .iter()
            .any(|pattern| wildcard(pattern, &table.name) || wildcard(pattern, &table.to_string()))
}

pub(crate) fn same_table(named: &TableRef, listed: &TableRef) -> bool {
    named.name == listed.name && (named.schema.is_none() || named.schema == listed.schema)
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let mut rest = rest;
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    true
}

fn keep_only(tasks: Vec<TableTask>, only: &[String]) -> Result<Vec<TableTask>> {
    if only.is_empty() {
        return Ok(tasks);
    }
    let fits = |task: &TableTask, name: &str| {
        wildcard(name, &task.source.name) || wildcard(name, &task.source.to_string())
    };
    for name in only {
        if !tasks.iter().any(|task| fits(task, name)) {
            let known: Vec<String> = tasks.iter().map(|task| task.source.to_string()).collect();
            let error = ConnectorError::new(
                ErrorClass::Setup,
                "no-tables-match",
                format!("no table of the job matches {name:?}"),
            );
            return Err(error.with_next(match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean {near:?}?"),
                None => format!("The job has: {}.", known.join(", ")),
            }));
        }
    }
    Ok(tasks.into_iter().filter(|task| only.iter().any(|name| fits(task, name))).collect())
}

fn no_match(pattern: &str, listing: &[rowferry_core::TableListing]) -> ConnectorError {
    let names: Vec<String> = listing.iter().map(|listed| listed.table.to_string()).collect();
    let plain = pattern.replace('*', "");
    let next = match nearest(&plain, names.iter().map(String::as_str)) {
        Some(near) => format!("Did you mean {near:?}? `rowferry tables` lists what is there."),
        None => format!(
            "The source shows {} tables to this login; `rowferry tables` lists them.",
            names.len()
        ),
    };
    ConnectorError::new(
        ErrorClass::Setup,
        "no-tables-match",
        format!("pattern {pattern:?} matches no table of the source"),
    )
    .with_next(next)
}

fn refuse_shared_targets(tasks: &[TableTask], folds_names: bool) -> Result<()> {
    let mut seen: BTreeMap<String, &TableRef> = BTreeMap::new();
    for task in tasks {
        let target = task.target.to_string();
        let name = if folds_names { target.to_lowercase() } else { target };
        if let Some(first) = seen.insert(name, &task.source)
            && !task.entry.shared_target
        {
            return Err(ConnectorError::new(
                ErrorClass::Setup,
                "target-twice",
                format!(
                    "tables {first} and {} would both be written to {}",
                    task.source, task.target
                ),
            )
            .with_next(
                "Give one of them another `target`, or set `shared_target: true` with `write: \
                 append` or `upsert` on both.",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_places_are_left_alone() {
        let source = TableRef::new("{table}", "{schema}");
        assert_eq!(fill("{schema}_{table}_{x}{", &source), "{table}_{schema}_{x}{");
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "orders", true),
            ("tmp_*", "tmp_x", true),
            ("tmp_*", "xtmp_", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("orders", "orders2", false),
            ("*_old", "x_old", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(wildcard(pattern, text), fits, "{pattern} {text}");
        }
    }
}
