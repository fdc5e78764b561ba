//! Looking up keys for cutting a table into chunks.
//!
//! SQLite compares, the client only carries what it got: a bound goes back in its own storage
//! class, since `x > 9` also returns text rows and `x > '9'` returns no numbers. A double is
//! refused as a key: its text would have to be compared as a number again.

use async_trait::async_trait;
use rowferry_core::{KeyColumns, KeyProbe, KeyTuple, KeyValue, Result};
use rowferry_runtime::Owner;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::affinity::Affinity;
use crate::error::{data, failed, setup, thread_failed};
use crate::sql::{self, Query};

/// A prober on a connection inside the read view.
pub(crate) struct SqliteProbe {
    owner: Owner<Connection>,
    table: String,
    key: KeyColumns,
}

impl SqliteProbe {
    pub(crate) fn new(owner: Owner<Connection>, table: String, key: KeyColumns) -> Result<Self> {
        for column in &key.0 {
            if Affinity::of_native(&column.native) == Affinity::Real {
                return Err(setup(
                    "key-type",
                    format!(
                        "column {:?} of table {table} is a floating-point number and cannot be a \
                         key",
                        column.name
                    ),
                )
                .with_next("Name another key with `cut_by`."));
            }
        }
        Ok(Self { owner, table, key })
    }
}

#[async_trait]
impl KeyProbe for SqliteProbe {
    async fn nth_key(
        &mut self,
        after: Option<&KeyTuple>,
        upto: Option<&KeyTuple>,
        rows: u64,
    ) -> Result<Option<KeyTuple>> {
        let query = sql::nth_key(&self.table, &self.key, after, upto, rows);
        let (table, key) = (self.table.clone(), self.key.clone());
        self.owner
            .call(move |connection| one_key(connection, &table, &key, &query))
            .await
            .map_err(thread_failed)?
    }
}

/// Runs a query that returns at most one key.
pub(crate) fn one_key(
    connection: &Connection,
    table: &str,
    key: &KeyColumns,
    query: &Query,
) -> Result<Option<KeyTuple>> {
    let refused = |error| failed(format!("could not look up keys of table {table}"), error);
    let mut statement = connection.prepare_cached(&query.text).map_err(refused)?;
    let mut rows =
        statement.query(rusqlite::params_from_iter(&query.parameters)).map_err(refused)?;
    match rows.next().map_err(refused)? {
        Some(row) => key_of(row, table, key).map(Some),
        None => Ok(None),
    }
}

fn key_of(row: &Row<'_>, table: &str, key: &KeyColumns) -> Result<KeyTuple> {
    let mut values = Vec::with_capacity(key.0.len());
    for (index, column) in key.0.iter().enumerate() {
        let value = row
            .get_ref(index)
            .map_err(|error| failed(format!("could not read a key of table {table}"), error))?;
        let refused = |found: &str| {
            Err(setup(
                "key-type",
                format!("key column {:?} of table {table} holds {found}", column.name),
            )
            .with_next("Name another key with `cut_by`."))
        };
        values.push(match value {
            ValueRef::Integer(number) => KeyValue::Int(i128::from(number)),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => KeyValue::Text(text.to_owned()),
                Err(_) => {
                    return Err(data(
                        "invalid-utf8",
                        format!(
                            "key column {:?} of table {table} holds text that is not UTF-8",
                            column.name
                        ),
                    ));
                }
            },
            ValueRef::Blob(bytes) => KeyValue::Bytes(bytes.to_vec()),
            ValueRef::Real(_) => return refused("a floating-point number"),
            ValueRef::Null => return refused("a null where none may be"),
        });
    }
    Ok(KeyTuple(values))
}
