//! What belongs to a table: keys, indexes, foreign keys, checks, triggers and its numbering.

use rowferry_core::{CheckConstraint, ForeignKey, Index, Key, TableRef, Untranslated};
use rusqlite::{Connection, OptionalExtension as _};

use crate::ddl::Facts;
use crate::describe::Found;
use crate::sql::quote;

/// The number after the highest one that was ever given, as far as the file knows it.
pub(crate) fn next_identity(
    connection: &Connection,
    found: &Found,
    column: &str,
    autoincrement: bool,
) -> rusqlite::Result<Option<i64>> {
    let highest: Option<i64> = connection.query_row(
        &format!("select max({}) from {}", quote(column), quote(&found.name)),
        [],
        |row| row.get(0),
    )?;
    let given: Option<i64> = if autoincrement {
        connection
            .query_row(
                "select seq from sqlite_sequence where name = ?1 collate nocase",
                [&found.name],
                |row| row.get(0),
            )
            .optional()?
            .flatten()
    } else {
        None
    };
    // Without a row there is nothing to go on behind.
    Ok(highest.max(given).and_then(|number| number.checked_add(1)))
}

pub(crate) fn foreign_keys(
    connection: &Connection,
    found: &Found,
) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare(
        "select id, \"table\", \"from\", \"to\", on_update, on_delete \
         from pragma_foreign_key_list(?1) order by id, seq",
    )?;
    let mut rows = statement.query([&found.name])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (from, to): (String, Option<String>) = (row.get(2)?, row.get(3)?);
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let action = |index: usize| -> rusqlite::Result<Option<String>> {
                let action: String = row.get(index)?;
                Ok(Some(action.to_lowercase()).filter(|action| action != "no action"))
            };
            keys.push((
                id,
                ForeignKey {
                    name: String::new(),
                    columns: Vec::new(),
                    to: TableRef::bare(row.get::<_, String>(1)?),
                    to_columns: Vec::new(),
                    on_update: action(4)?,
                    on_delete: action(5)?,
                },
            ));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(from);
            key.to_columns.extend(to);
        }
    }
    let mut keys: Vec<ForeignKey> = keys.into_iter().map(|(_, key)| key).collect();
    for key in &mut keys {
        // SQLite keeps no names of them; these are those that PostgreSQL would give.
        key.name = format!("{}_{}_fkey", found.name, key.columns.join("_"));
        if key.to_columns.is_empty() {
            key.to_columns = connection
                .prepare("select name from pragma_table_info(?1) where pk > 0 order by pk")?
                .query_map([&key.to.name], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
        }
    }
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(keys)
}

pub(crate) fn checks(found: &Found, facts: Facts) -> Vec<CheckConstraint> {
    let unnamed = |number: usize| format!("{}_check{number}", found.name);
    let mut checks: Vec<CheckConstraint> = facts
        .checks
        .into_iter()
        .enumerate()
        .map(|(index, (name, expression))| CheckConstraint {
            name: name.unwrap_or_else(|| unnamed(index + 1)),
            expression,
        })
        .collect();
    checks.sort_by(|a, b| a.name.cmp(&b.name));
    checks
}

pub(crate) fn triggers(
    connection: &Connection,
    found: &Found,
) -> rusqlite::Result<Vec<Untranslated>> {
    connection
        .prepare(
            "select name, sql from sqlite_schema where type = 'trigger' \
             and tbl_name = ?1 collate nocase order by name",
        )?
        .query_map([&found.name], |row| {
            Ok(Untranslated {
                kind: "trigger".to_owned(),
                name: row.get(0)?,
                definition: row.get(1)?,
            })
        })?
        .collect()
}

/// Keys, other indexes, and the statements of those keys that are indexes of their own.
type KeysAndIndexes = (Vec<Key>, Vec<Index>, Vec<String>);

pub(crate) fn keys_and_indexes(
    connection: &Connection,
    found: &Found,
) -> rusqlite::Result<KeysAndIndexes> {
    let (mut keys, mut indexes, mut unique_statements) = (Vec::new(), Vec::new(), Vec::new());
    let mut statement = connection
        .prepare("select name, \"unique\", origin, partial from pragma_index_list(?1)")?;
    let mut rows = statement.query([&found.name])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let (unique, partial): (bool, bool) = (row.get(1)?, row.get(3)?);
        let origin: String = row.get(2)?;
        let parts: Vec<(Option<String>, bool, String)> = connection
            .prepare(
                "select name, \"desc\", coll from pragma_index_xinfo(?1) where key = 1 \
                 order by seqno",
            )?
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let columns: Option<Vec<String>> = parts.iter().map(|(name, ..)| name.clone()).collect();
        let definition: Option<String> = connection
            .query_row("select sql from sqlite_schema where name = ?1", [&name], |row| row.get(0))
            .optional()?
            .flatten();
        if let (true, false, Some(columns)) = (unique, partial, &columns) {
            keys.push(Key { name, columns: columns.clone(), primary: origin == "pk" });
            unique_statements.extend(definition);
        } else {
            let plain = parts.iter().all(|(_, descends, collation)| {
                !descends && collation.eq_ignore_ascii_case("binary")
            });
            indexes.push(Index {
                portable: !partial && plain && columns.is_some(),
                columns: columns.unwrap_or_default(),
                definition: definition.unwrap_or_default(),
                name,
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
    unique_statements.sort();
    Ok((keys, indexes, unique_statements))
}

/// Name given to the key of an `INTEGER PRIMARY KEY`, which the catalogue does not name.
const ROWID_KEY: &str = "rowid";

pub(crate) fn rowid_alias(keys: &[Key]) -> Option<String> {
    keys.iter()
        .find(|key| key.primary && key.name == ROWID_KEY)
        .and_then(|key| key.columns.first().cloned())
}
