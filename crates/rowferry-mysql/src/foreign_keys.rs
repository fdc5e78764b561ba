//! Foreign keys between the tables of one job.
//!
//! They are taken off before tables are exchanged and made again when all are there. With
//! `foreign_key_checks` on, adding one reads the table and refuses rows without a parent.

use std::collections::BTreeMap;

use mysql_async::params;
use rowferry_core::{ConnectorError, ForeignKey, Result, TableRef};

use crate::config::Server;
use crate::conn::Conn;
use crate::{error, sql};

/// Takes off those of `keys` that `table` has.
pub(crate) async fn unlink(
    server: &Server,
    conn: &mut Conn,
    table: &TableRef,
    keys: &[ForeignKey],
) -> Result<()> {
    let there = list(server, conn, table).await?;
    for (name, found) in &there {
        if !keys.iter().any(|key| same(server, key, found)) {
            continue;
        }
        let attempt = format!("could not take foreign key {name:?} off table {table}");
        let statement =
            format!("alter table {} drop foreign key {}", sql::table(table), sql::quote(name));
        conn.query_drop(statement).await.map_err(|failure| error::of(failure, attempt))?;
    }
    Ok(())
}

/// Makes those of `keys` that `table` does not have.
pub(crate) async fn link(
    server: &Server,
    conn: &mut Conn,
    table: &TableRef,
    keys: &[ForeignKey],
) -> Result<Vec<String>> {
    let there = list(server, conn, table).await?;
    let mut left = Vec::new();
    conn.query_drop("set session foreign_key_checks = 1")
        .await
        .map_err(|failure| error::of(failure, "could not turn the checks of foreign keys on"))?;
    for key in keys.iter().filter(|key| !there.values().any(|found| same(server, key, found))) {
        let attempt = format!("foreign key {:?} of table {table} was not made", key.name);
        match conn.query_drop(add(table, key)).await {
            Ok(()) => {}
            Err(failure) if error::is_server_answer(&failure) => {
                left.push(error::of(failure, attempt).to_string());
            }
            Err(failure) => return Err(error::of(failure, attempt)),
        }
    }
    Ok(left)
}

fn add(table: &TableRef, key: &ForeignKey) -> String {
    let mut statement = format!(
        "alter table {} add constraint {} foreign key ({}) references {} ({})",
        sql::table(table),
        sql::quote(&key.name),
        sql::list(key.columns.iter().map(String::as_str)),
        sql::table(&key.to),
        sql::list(key.to_columns.iter().map(String::as_str)),
    );
    for (event, action) in [("delete", &key.on_delete), ("update", &key.on_update)] {
        // InnoDB parses `set default` and refuses it; no action is what it does instead.
        if let Some(action) = action.as_deref().filter(|action| *action != "set default") {
            for word in [" on ", event, " ", action] {
                statement.push_str(word);
            }
        }
    }
    statement
}

fn same(server: &Server, wanted: &ForeignKey, found: &ForeignKey) -> bool {
    wanted.columns == found.columns
        && wanted.to_columns == found.to_columns
        && wanted.to.name == found.to.name
        && server.database_of(&wanted.to) == server.database_of(&found.to)
}

/// The foreign keys of `table` by name.
async fn list(
    server: &Server,
    conn: &mut Conn,
    table: &TableRef,
) -> Result<BTreeMap<String, ForeignKey>> {
    let rows: Vec<(String, String, String, String, String)> = conn
        .exec(
            "select constraint_name, column_name, referenced_table_schema, \
             referenced_table_name, referenced_column_name \
             from information_schema.key_column_usage where table_schema = :db \
             and table_name = :name and referenced_table_name is not null \
             order by constraint_name, ordinal_position",
            params! { "db" => server.database_of(table), "name" => &table.name },
        )
        .await
        .map_err(|failure| -> ConnectorError {
            error::of(failure, format!("could not read the foreign keys of table {table}"))
        })?;
    let mut keys: BTreeMap<String, ForeignKey> = BTreeMap::new();
    for (name, column, schema, to, to_column) in rows {
        let key = keys.entry(name.clone()).or_insert_with(|| ForeignKey {
            name,
            columns: Vec::new(),
            to: TableRef::new(schema, to),
            to_columns: Vec::new(),
            on_delete: None,
            on_update: None,
        });
        key.columns.push(column);
        key.to_columns.push(to_column);
    }
    Ok(keys)
}
