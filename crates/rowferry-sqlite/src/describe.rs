//! Catalogue queries → [`TableSchema`].

use std::sync::{Arc, Mutex};

use rowferry_core::{
    Column, ConnectorError, Identity, Key, NativeType, Reference, Result, TableListing, TableRef,
    TableSchema, nearest,
};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OptionalExtension as _};

use crate::count::Count;
use crate::ddl::{Facts, facts};
use crate::defaults::default_meaning;
use crate::error::{failed, setup};
use crate::objects::{
    checks, foreign_keys, keys_and_indexes, next_identity, rowid_alias, triggers,
};
use crate::observe;
use crate::sql::quote;
use crate::types::{ENGINE, canonical};

/// Tables whose names begin so are ours or SQLite's own; neither is ever listed.
const HIDDEN: &str =
    "name not like 'sqlite\\_%' escape '\\' and name not like '\\_rowferry\\_%' escape '\\'";

/// A table or view as the catalogue has it.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) is_table: bool,
    without_rowid: bool,
    strict: bool,
}

impl Found {
    /// Whether the cells of a row are nothing but stored: the table's own number for each row, any class in
    /// any column.
    pub(crate) const fn keeps_any_row(&self) -> bool {
        self.is_table && !self.without_rowid && !self.strict
    }
}

/// The table's own spelling; SQLite folds ASCII case.
pub(crate) fn find(connection: &Connection, table: &TableRef) -> Result<Option<Found>> {
    if table.schema.as_deref().is_some_and(|schema| !schema.eq_ignore_ascii_case("main")) {
        return Err(setup("no-schemas", format!("table {table}: a SQLite file has no schemas"))
            .with_next("Write the table's name alone."));
    }
    connection
        .query_row(
            "select name, type, wr, strict from pragma_table_list \
             where schema = 'main' and name = ?1 collate nocase",
            [&table.name],
            |row| {
                let kind: String = row.get(1)?;
                Ok(Found {
                    name: row.get(0)?,
                    is_table: kind == "table",
                    without_rowid: row.get(2)?,
                    strict: row.get(3)?,
                })
            },
        )
        .optional()
        .map_err(|error| failed(format!("could not look up table {table}"), error))
}

/// Describes a source table or view; class `Setup` when it does not exist. What its declarations
/// leave open is decided by its first rows.
pub(crate) fn describe(connection: &Connection, table: &TableRef) -> Result<TableSchema> {
    let Some(found) = find(connection, table)? else {
        return Err(unknown_table(connection, table));
    };
    let described = || -> rusqlite::Result<TableSchema> {
        let mut schema = schema(connection, &found)?;
        observe::decide(connection, &mut schema)?;
        Ok(schema)
    };
    described().map_err(|error| failed(format!("could not describe table {table}"), error))
}

/// The schema of a table that was found.
pub(crate) fn schema(connection: &Connection, found: &Found) -> rusqlite::Result<TableSchema> {
    let statement = statement(connection, found)?;
    let facts = statement.as_deref().map(facts).unwrap_or_default();
    let (keys, indexes, unique) = keys_and_indexes(connection, found)?;
    let columns = columns(connection, found, &keys, &facts)?;
    let identity = columns.iter().find(|column| column.identity.is_some());
    let next_identity = match identity {
        Some(column) => next_identity(connection, found, &column.name, facts.autoincrement)?,
        None => None,
    };
    // Unique indexes are keys in the model; their own words go with those of the table.
    let definition = statement
        .filter(|_| found.is_table)
        .map(|table| [vec![table], unique].concat().join(";\n"));
    Ok(TableSchema {
        table: TableRef::bare(found.name.clone()),
        columns,
        keys,
        indexes,
        foreign_keys: foreign_keys(connection, found)?,
        checks: checks(found, facts),
        next_identity,
        definition,
        untranslated: triggers(connection, found)?,
        rows_estimated: rows_estimated(connection, found)?,
        ..TableSchema::default()
    })
}

/// The columns of a table with what decides how cells are written.
pub(crate) fn shape(connection: &Connection, found: &Found) -> rusqlite::Result<Vec<Column>> {
    columns(connection, found, &[], &Facts::default())
}

fn columns(
    connection: &Connection,
    found: &Found,
    keys: &[Key],
    facts: &Facts,
) -> rusqlite::Result<Vec<Column>> {
    let rowid_alias = rowid_alias(keys);
    let of = |pairs: &[(String, String)], name: &str| {
        pairs
            .iter()
            .find(|(column, _)| column.eq_ignore_ascii_case(name))
            .map(|(_, text)| text.clone())
    };
    let mut statement = connection.prepare(
        "select name, type, \"notnull\", dflt_value, hidden from pragma_table_xinfo(?1) \
         where hidden <> 1 order by cid",
    )?;
    statement
        .query_map([&found.name], |row| {
            let name: String = row.get(0)?;
            let declared: String = row.get(1)?;
            let default: Option<String> = row.get(3)?;
            let hidden: i64 = row.get(4)?;
            let numbered = rowid_alias.as_deref() == Some(name.as_str());
            let in_key = found.without_rowid
                && keys.iter().any(|key| key.primary && key.columns.contains(&name));
            let mut native = NativeType::new(ENGINE, declared);
            // Elsewhere `ANY` is an unknown word and has numeric affinity.
            if found.strict && native.declared.eq_ignore_ascii_case("any") {
                native.base = Some("BLOB".to_owned());
            }
            let mut column = Column::new(name, canonical(&native.declared), native);
            column.nullable = !(row.get::<_, bool>(2)? || numbered || in_key);
            column.default_meaning = default.as_deref().and_then(default_meaning);
            column.default = default;
            column.identity = numbered.then_some(Identity::ByDefault);
            column.generated = hidden == 2 || hidden == 3;
            column.expression = of(&facts.expressions, &column.name);
            column.collation = of(&facts.collations, &column.name)
                .filter(|collation| !collation.eq_ignore_ascii_case("binary"));
            Ok(column)
        })?
        .collect()
}

/// The text of the table's own statement.
pub(crate) fn statement(
    connection: &Connection,
    found: &Found,
) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "select sql from sqlite_schema where type = 'table' and name = ?1",
            [&found.name],
            |row| row.get(0),
        )
        .optional()
        .map(Option::flatten)
}

/// All tables of the file in name order.
pub(crate) fn tables(connection: &Connection) -> Result<Vec<TableListing>> {
    let list = || -> rusqlite::Result<Vec<TableListing>> {
        let mut statement = connection.prepare(&format!(
            "select name, wr, strict from pragma_table_list \
             where schema = 'main' and type = 'table' and {HIDDEN} order by name"
        ))?;
        let found = statement
            .query_map([], |row| {
                Ok(Found {
                    name: row.get(0)?,
                    is_table: true,
                    without_rowid: row.get(1)?,
                    strict: row.get(2)?,
                })
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
    let compiled = connection.prepare(&format!("select * from {}", quote(view))).map(|_| ());
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    let reads = reads.lock().is_ok_and(|reads| *reads);
    Ok(compiled.is_ok() && reads)
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
        let text = format!("select {function}(rowid) from {}", quote(&found.name));
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
    match nearest(&table.name, known.iter().map(|listing| listing.table.name.as_str())) {
        Some(near) => error.with_next(format!("Did you mean {near}?")),
        None => error.with_next("`rowferry tables` lists the tables of a file."),
    }
}
