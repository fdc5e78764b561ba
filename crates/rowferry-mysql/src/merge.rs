//! Upsert: a chunk's rows go into the session's own table, then into the target by key.
//!
//! `on duplicate key update` acts on *any* unique key and may hit the wrong row, so it is used only
//! where the primary key is the only one. Elsewhere the rows with these keys are deleted and all
//! rows inserted, and a conflict on another unique key is an error.

use mysql_async::Conn;
use mysql_async::ServerError;
use mysql_async::prelude::Queryable as _;
use rowferry_core::{ConnectorError, ErrorClass, Prepared, Result, TableRef, TableSchema};

use crate::config::Server;
use crate::types::Flavor;
use crate::{columns, describe, error, sql, staging};

/// How rows of the session's table get into the target.
pub(crate) struct Merge {
    /// The session's own table.
    pub(crate) table: TableRef,
    statements: Vec<String>,
    /// The last statement inserts every row, so its count must match.
    inserts_all: bool,
}

/// Refuses a target that does not have exactly the key that identifies rows.
pub(crate) fn check_key(target: &TableSchema, key: &[String]) -> Result<()> {
    let same = |columns: &[String]| {
        columns.len() == key.len() && columns.iter().all(|column| key.contains(column))
    };
    if !key.is_empty() && target.keys.iter().any(|found| same(&found.columns)) {
        return Ok(());
    }
    Err(ConnectorError::new(
        ErrorClass::Setup,
        "no-unique-key",
        format!("table {} has no unique key over ({})", target.table, key.join(", ")),
    )
    .with_next("Add a primary or unique key over exactly these columns to the target."))
}

/// Makes the session's own table, outside any transaction.
pub(crate) async fn prepare(
    server: &Server,
    conn: &mut Conn,
    prepared: &Prepared,
) -> Result<Merge> {
    let attempt = || format!("could not prepare the upsert into {}", prepared.target);
    let found = describe::table(server, conn, &prepared.target).await?;
    let Some(found) = found else {
        return Err(describe::unknown_table(server, conn, &prepared.target).await);
    };
    check_key(&found.schema, &prepared.key)?;
    let table = staging::merge_name(server, &prepared.target, &prepared.stream.stream_id);
    let names = columns::names(prepared);
    let target = sql::table(&prepared.target);
    let own = sql::table(&table);
    // Made from a select, it has the target's types and none of its keys and checks.
    conn.query_drop(format!(
        "create temporary table if not exists {own} engine = InnoDB as \
         select {names} from {target} where false"
    ))
    .await
    .map_err(|error| error::of(error, attempt()))?;
    let insert = format!("insert into {target} ({names}) select {names} from {own}");
    let (last, inserts_all) = if has_only_primary(&found.schema) {
        (format!("{insert} on duplicate key update {}", updates(server, prepared, &table)), false)
    } else {
        (insert, true)
    };
    let mut statements = Vec::new();
    if inserts_all {
        let on: Vec<String> = prepared
            .key
            .iter()
            .map(|column| format!("t.{0} = m.{0}", sql::quote(column)))
            .collect();
        statements.push(format!(
            "delete t from {own} m straight_join {target} t on {}",
            on.join(" and ")
        ));
    }
    statements.push(last);
    Ok(Merge { table, statements, inserts_all })
}

/// Whether no other unique index exists, also none over expressions or the beginnings of texts.
fn has_only_primary(target: &TableSchema) -> bool {
    let hidden = target.indexes.iter().any(|index| index.definition.starts_with("unique "));
    !hidden && target.keys.len() == 1 && target.keys.iter().all(|key| key.primary)
}

fn updates(server: &Server, prepared: &Prepared, own: &TableRef) -> String {
    let new = |name: &str| match server.flavor {
        Flavor::MySql => format!("{}.{}", sql::table(own), sql::quote(name)),
        Flavor::MariaDb => format!("values({})", sql::quote(name)),
    };
    let target = sql::table(&prepared.target);
    let rest: Vec<String> = prepared
        .columns
        .iter()
        .map(|column| &column.target.name)
        .filter(|name| !prepared.key.contains(name))
        .map(|name| format!("{target}.{} = {}", sql::quote(name), new(name)))
        .collect();
    if !rest.is_empty() {
        return rest.join(", ");
    }
    // Only key columns: an equal key needs no change.
    let first = prepared.key.first().map(|name| sql::quote(name)).unwrap_or_default();
    format!("{target}.{first} = {target}.{first}")
}

impl Merge {
    /// Empties the session's table inside the new transaction; TRUNCATE would commit.
    pub(crate) async fn empty(&self, conn: &mut Conn) -> Result<(), mysql_async::Error> {
        conn.query_drop(format!("delete from {}", sql::table(&self.table))).await
    }

    /// Merges `rows` rows into the target.
    pub(crate) async fn run(
        &self,
        conn: &mut Conn,
        prepared: &Prepared,
        rows: u64,
        attempt: &str,
    ) -> Result<()> {
        for statement in &self.statements {
            conn.query_drop(statement.as_str()).await.map_err(|error| error::of(error, attempt))?;
            // Reading the warnings would overwrite the count.
            let affected = conn.affected_rows();
            no_warnings(conn, attempt).await?;
            let last = self.statements.last() == Some(statement);
            if last && self.inserts_all && affected != rows {
                return Err(ConnectorError::bug(format!(
                    "{attempt}: {affected} of {rows} rows were merged into {}",
                    prepared.target
                )));
            }
        }
        Ok(())
    }
}

/// A warning of a statement that writes means that something else was stored than was sent.
pub(crate) async fn no_warnings(conn: &mut Conn, attempt: &str) -> Result<()> {
    if conn.get_warnings() == 0 {
        return Ok(());
    }
    let first: Option<(String, u16, String)> = conn
        .query_first("show warnings limit 1")
        .await
        .map_err(|error| error::of(error, attempt))?;
    let attempt = format!("{attempt}: the server warned about a value");
    Err(match first {
        Some((_, code, message)) => {
            let warning = ServerError { code, message, state: "01000".to_owned() };
            let mut error = error::of(warning.into(), attempt);
            error.class = ErrorClass::Data;
            error.code = "value-changed";
            error
        }
        None => ConnectorError::new(ErrorClass::Data, "value-changed", attempt),
    })
}
