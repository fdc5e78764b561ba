//! Catalogue queries → [`TableSchema`].

use std::sync::{Arc, Mutex};

use rowferry_core::{
    Column, ConnectorError, Identity, Index, Key, NativeType, Reference, Result, TableListing,
    TableRef, TableSchema,
};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OptionalExtension as _};

use crate::count::Count;
use crate::error::{failed, setup};
use crate::types::{ENGINE, canonical};

/// Tables whose names begin so are ours or SQLite's own; neither is ever listed.
const HIDDEN: &str =
    "name not like 'sqlite\\_%' escape '\\' and name not like '\\_rowferry\\_%' escape '\\'";

/// A table or view as the catalogue has it.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) is_table: bool,
    without_rowid: bool,
}

/// The table's own spelling; SQLite folds ASCII case.
pub(crate) fn find(connection: &Connection, table: &TableRef) -> Result<Option<Found>> {
    if table.schema.as_deref().is_some_and(|schema| !schema.eq_ignore_ascii_case("main")) {
        return Err(setup("no-schemas", format!("table {table}: a SQLite file has no schemas"))
            .with_next("Write the table's name alone."));
    }
    connection
        .query_row(
            "select name, type, wr from pragma_table_list \
             where schema = 'main' and name = ?1 collate nocase",
            [&table.name],
            |row| {
                let kind: String = row.get(1)?;
                Ok(Found {
                    name: row.get(0)?,
                    is_table: kind == "table",
                    without_rowid: row.get(2)?,
                })
            },
        )
        .optional()
        .map_err(|error| failed(format!("could not look up table {table}"), error))
}

/// Describes a source table or view; class `Setup` when it does not exist.
pub(crate) fn describe(connection: &Connection, table: &TableRef) -> Result<TableSchema> {
    match find(connection, table)? {
        Some(found) => schema(connection, &found)
            .map_err(|error| failed(format!("could not describe table {table}"), error)),
        None => Err(unknown_table(connection, table)),
    }
}

/// The schema of a table that was found.
pub(crate) fn schema(connection: &Connection, found: &Found) -> rusqlite::Result<TableSchema> {
    let (keys, indexes, collations) = keys_and_indexes(connection, found)?;
    let rowid_alias = rowid_alias(&keys);
    let mut statement = connection.prepare(
        "select name, type, \"notnull\", dflt_value, hidden from pragma_table_xinfo(?1) \
         where hidden <> 1 order by cid",
    )?;
    let columns = statement
        .query_map([&found.name], |row| {
            let name: String = row.get(0)?;
            let declared: String = row.get(1)?;
            let hidden: i64 = row.get(4)?;
            let numbered = rowid_alias.as_deref() == Some(name.as_str());
            let in_key = found.without_rowid
                && keys.iter().any(|key| key.primary && key.columns.contains(&name));
            let collation = collations
                .iter()
                .find(|(column, _)| *column == name)
                .map(|(_, collation)| collation.clone());
            Ok(Column {
                canonical: canonical(&declared),
                native: NativeType::new(ENGINE, declared),
                nullable: !(row.get::<_, bool>(2)? || numbered || in_key),
                default: row.get(3)?,
                default_meaning: None,
                identity: numbered.then_some(Identity::ByDefault),
                generated: hidden == 2 || hidden == 3,
                expression: None,
                collation,
                comment: None,
                name,
            })
        })?
        .collect::<rusqlite::Result<Vec<Column>>>()?;
    Ok(TableSchema {
        table: TableRef::bare(found.name.clone()),
        columns,
        keys,
        indexes,
        rows_estimated: rows_estimated(connection, found)?,
        bytes_estimated: None,
        comment: None,
        ..TableSchema::default()
    })
}

/// All tables of the file in name order.
pub(crate) fn tables(connection: &Connection) -> Result<Vec<TableListing>> {
    let list = || -> rusqlite::Result<Vec<TableListing>> {
        let mut statement = connection.prepare(&format!(
            "select name, wr from pragma_table_list \
             where schema = 'main' and type = 'table' and {HIDDEN} order by name"
        ))?;
        let found = statement
            .query_map([], |row| {
                Ok(Found { name: row.get(0)?, is_table: true, without_rowid: row.get(1)? })
            })?
            .collect::<rusqlite::Result<Vec<Found>>>()?;
        found
            .iter()
            .map(|found| {
                let (keys, _, _) = keys_and_indexes(connection, found)?;
                let primary = keys.into_iter().find(|key| key.primary);
                Ok(TableListing {
                    table: TableRef::bare(found.name.clone()),
                    key: primary.map(|key| key.columns).unwrap_or_default(),
                    rows_estimated: rows_estimated(connection, found)?,
                    bytes_estimated: None,
                })
            })
            .collect()
    };
    list().map_err(|error| failed("could not list the tables", error))
}

/// Foreign keys of other tables that point at a table.
pub(crate) fn references(
    connection: &mut Connection,
    table: &str,
) -> rusqlite::Result<Vec<Reference>> {
    connection
        .prepare(
            "select distinct m.name from sqlite_schema m, pragma_foreign_key_list(m.name) f \
             where m.type = 'table' and f.\"table\" = ?1 collate nocase \
             and m.name <> ?1 collate nocase order by m.name",
        )?
        .query_map([table], |row| {
            Ok(Reference { table: TableRef::bare(row.get::<_, String>(0)?), name: String::new() })
        })?
        .collect()
}

/// What hangs on a table: triggers, and views that read it.
pub(crate) fn dependents(
    connection: &mut Connection,
    table: &str,
) -> rusqlite::Result<Vec<String>> {
    let mut dependents: Vec<String> = connection
        .prepare(
            "select 'trigger ' || name from sqlite_schema where type = 'trigger' \
             and tbl_name = ?1 collate nocase",
        )?
        .query_map([table], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let views: Vec<String> = connection
        .prepare("select name from sqlite_schema where type = 'view'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for view in views {
        if view_reads(connection, &view, table)? {
            dependents.push(format!("view {view}"));
        }
    }
    dependents.sort();
    Ok(dependents)
}

/// Asks SQLite itself which tables a view reads: its text may name them in any spelling. A view
/// that does not compile reads nothing.
fn view_reads(connection: &mut Connection, view: &str, table: &str) -> rusqlite::Result<bool> {
    let reads = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&reads);
    let wanted = table.to_owned();
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if let AuthAction::Read { table_name, .. } = context.action
            && table_name.eq_ignore_ascii_case(&wanted)
            && let Ok(mut seen) = seen.lock()
        {
            *seen = true;
        }
        Authorization::Allow
    }))?;
    let compiled =
        connection.prepare(&format!("select * from {}", crate::sql::quote(view))).map(|_| ());
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    let reads = reads.lock().is_ok_and(|reads| *reads);
    Ok(compiled.is_ok() && reads)
}

type KeysAndIndexes = (Vec<Key>, Vec<Index>, Vec<(String, String)>);

/// Keys, other indexes, and the collation of each indexed column that is not binary.
fn keys_and_indexes(connection: &Connection, found: &Found) -> rusqlite::Result<KeysAndIndexes> {
    let mut keys = Vec::new();
    let mut indexes = Vec::new();
    let mut collations: Vec<(String, String)> = Vec::new();
    let mut statement = connection
        .prepare("select name, \"unique\", origin, partial from pragma_index_list(?1)")?;
    let mut rows = statement.query([&found.name])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let (unique, partial): (bool, bool) = (row.get(1)?, row.get(3)?);
        let origin: String = row.get(2)?;
        let parts: Vec<(Option<String>, String)> = connection
            .prepare("select name, coll from pragma_index_xinfo(?1) where key = 1 order by seqno")?
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let columns: Option<Vec<String>> = parts.iter().map(|(name, _)| name.clone()).collect();
        if let (true, false, Some(columns)) = (unique, partial, &columns) {
            for (column, collation) in &parts {
                let column = column.clone().unwrap_or_default();
                if collation != "BINARY" && !collations.iter().any(|(known, _)| *known == column) {
                    collations.push((column, collation.clone()));
                }
            }
            keys.push(Key { name, columns: columns.clone(), primary: origin == "pk" });
        } else {
            let definition: Option<String> = connection
                .query_row("select sql from sqlite_schema where name = ?1", [&name], |row| {
                    row.get(0)
                })
                .optional()?
                .flatten();
            indexes.push(Index {
                columns: columns.unwrap_or_default(),
                definition: definition.unwrap_or_default(),
                name,
                portable: false,
            });
        }
    }
    // The alias of the rowid has no index of its own.
    if !keys.iter().any(|key| key.primary) {
        let alias: Option<String> = connection
            .query_row(
                "select name from pragma_table_info(?1) where pk = 1",
                [&found.name],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(alias) = alias {
            keys.push(Key { name: ROWID_KEY.to_owned(), columns: vec![alias], primary: true });
        }
    }
    keys.sort_by(|a, b| b.primary.cmp(&a.primary).then_with(|| a.name.cmp(&b.name)));
    indexes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((keys, indexes, collations))
}

/// Name given to the key of an `INTEGER PRIMARY KEY`, which the catalogue does not name.
const ROWID_KEY: &str = "rowid";

fn rowid_alias(keys: &[Key]) -> Option<String> {
    keys.iter()
        .find(|key| key.primary && key.name == ROWID_KEY)
        .and_then(|key| key.columns.first().cloned())
}

/// Rows by `analyze`, else by the highest rowid where that is not absurd for the file's size.
fn rows_estimated(connection: &Connection, found: &Found) -> rusqlite::Result<Option<u64>> {
    if !found.is_table {
        return Ok(None);
    }
    let analyzed: bool = connection.query_row(
        "select count(*) from sqlite_schema where name = 'sqlite_stat1'",
        [],
        |row| row.get(0),
    )?;
    if analyzed {
        let stat: Option<String> = connection
            .query_row(
                "select stat from sqlite_stat1 where tbl = ?1 limit 1",
                [&found.name],
                |row| row.get(0),
            )
            .optional()?
            .flatten();
        let rows = stat.as_deref().and_then(|stat| stat.split(' ').next()?.parse().ok());
        if rows.is_some() {
            return Ok(rows);
        }
    }
    if found.without_rowid {
        return Ok(None);
    }
    // A row takes at least four bytes: length, rowid, header, one column.
    let Count(bytes) = connection.query_row(
        "select page_count * page_size from pragma_page_count, pragma_page_size",
        [],
        |row| row.get(0),
    )?;
    let bounds = |function: &str| {
        let text = format!("select {function}(rowid) from {}", crate::sql::quote(&found.name));
        // A column may be called rowid and hold anything.
        connection.query_row(&text, [], |row| Ok(row.get::<_, Option<i64>>(0).ok().flatten()))
    };
    let rows = match (bounds("min")?, bounds("max")?) {
        (Some(min), Some(max)) => u64::try_from(i128::from(max) - i128::from(min) + 1).ok(),
        _ => None,
    };
    Ok(rows.filter(|rows| *rows <= bytes / 4))
}

fn unknown_table(connection: &Connection, table: &TableRef) -> ConnectorError {
    let error = setup("unknown-table", format!("table {table} does not exist"));
    let Ok(known) = tables(connection) else { return error };
    let wanted = table.name.to_lowercase();
    let mut near: Vec<(usize, String)> = known
        .into_iter()
        .map(|listing| (distance(&wanted, &listing.table.name.to_lowercase()), listing.table.name))
        .filter(|(distance, _)| *distance <= wanted.chars().count().div_ceil(3))
        .collect();
    near.sort();
    let near: Vec<String> = near.into_iter().take(3).map(|(_, name)| name).collect();
    if near.is_empty() {
        error.with_next("`rowferry tables` lists the tables of a file.")
    } else {
        error.with_next(format!("Did you mean {}?", near.join(" or ")))
    }
}

/// Edits between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(&b) {
            let edit = (diagonal + usize::from(left != *right)).min(*cell + 1).min(previous + 1);
            diagonal = *cell;
            *cell = edit;
            previous = edit;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
