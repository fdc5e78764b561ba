//! Tables that a run makes, with their names and DDL. Each name carries stream and run, so that a
//! late statement of an earlier run finds nothing.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, params};
use rowferry_core::{Key, Result, TablePlan, TableRef};

use crate::config::Server;
use crate::definition;
use crate::error;
use crate::sql;
use crate::types::Native;

fn short(stream_id: &str) -> String {
    stream_id.chars().take(12).collect()
}

/// The staging table of a run, in the target's database.
pub(crate) fn name(server: &Server, target: &TableRef, stream_id: &str, run: i64) -> TableRef {
    let database = server.database_of(target);
    TableRef::new(database, format!("_rowferry_s_{}_r{run}", short(stream_id)))
}

/// The swapped-out table of a run.
pub(crate) fn old_name(server: &Server, target: &TableRef, stream_id: &str, run: i64) -> TableRef {
    let database = server.database_of(target);
    TableRef::new(database, format!("_rowferry_o_{}_r{run}", short(stream_id)))
}

/// The session's own table that rows are merged from.
pub(crate) fn merge_name(server: &Server, target: &TableRef, stream_id: &str) -> TableRef {
    TableRef::new(server.database_of(target), format!("_rowferry_m_{}", short(stream_id)))
}

/// Tables of a stream whose names begin as those of `sample` do, up to the run.
pub(crate) async fn siblings(conn: &mut Conn, sample: &TableRef) -> Result<Vec<TableRef>> {
    let prefix = sample.name.rsplit_once('r').map_or(sample.name.as_str(), |(prefix, _)| prefix);
    let names: Vec<String> = conn
        .exec(
            "select table_name from information_schema.tables \
             where table_schema = :db and left(table_name, char_length(:prefix)) = :prefix",
            params! { "db" => sample.schema.as_deref(), "prefix" => prefix },
        )
        .await
        .map_err(|error| error::of(error, "could not look for staging tables"))?;
    Ok(names.into_iter().map(|name| TableRef { schema: sample.schema.clone(), name }).collect())
}

/// Whether a table is there.
pub(crate) async fn exists(conn: &mut Conn, table: &TableRef) -> Result<bool> {
    let found: Option<u8> = conn
        .exec_first(
            "select 1 from information_schema.tables \
             where table_schema = :db and table_name = :name",
            params! { "db" => table.schema.as_deref(), "name" => &table.name },
        )
        .await
        .map_err(|error| error::of(error, format!("could not look for table {table}")))?;
    Ok(found.is_some())
}

/// `create table` for a new table of the plan.
pub(crate) fn create(server: &Server, plan: &TablePlan, table: &TableRef) -> String {
    let primary: &[String] = if plan.key_enforced { &plan.key } else { &[] };
    let mut parts = definition::columns(plan, server.flavor);
    if !primary.is_empty() {
        parts.push(format!("primary key ({})", sql::list(primary.iter().map(String::as_str))));
    }
    parts.extend(definition::checks(plan, server.flavor));
    let comment = definition::comment(plan);
    format!(
        "create table {} (\n  {}\n) engine = InnoDB character set utf8mb4 collate {}{comment}",
        sql::table(table),
        parts.join(",\n  "),
        server.flavor.binary_collation()
    )
}

/// A secondary index of the new table: its name and its part of `alter table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secondary {
    pub(crate) name: String,
    pub(crate) clause: String,
}

/// Unique keys and plain indexes of the source that the target's types can carry. They are built
/// after the load, when one sort is cheaper than many small inserts.
pub(crate) fn secondaries(plan: &TablePlan) -> Vec<Secondary> {
    let primary = plan.source.primary_key();
    let unique = plan
        .source
        .keys
        .iter()
        .filter(|key| !key.primary && Some(*key) != primary)
        .filter_map(|key: &Key| secondary(plan, "unique key", &key.name, &key.columns));
    let plain = plan
        .source
        .indexes
        .iter()
        .filter_map(|index| secondary(plan, "key", &index.name, &index.columns));
    unique.chain(plain).collect()
}

fn secondary(plan: &TablePlan, kind: &str, name: &str, columns: &[String]) -> Option<Secondary> {
    if columns.is_empty() {
        return None;
    }
    let mut bytes = 0_u64;
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        let planned = plan.columns.iter().find(|planned| planned.source.name == *column)?;
        let native = Native::parse(&planned.target.native.declared);
        if native.is_large() {
            return None;
        }
        bytes += match native {
            Native::Char(chars) | Native::VarChar(chars) => u64::from(chars) * 4,
            Native::Binary(bytes) | Native::VarBinary(bytes) => bytes.into(),
            _ => 16,
        };
        names.push(planned.target.name.as_str());
    }
    // The widest index entry of InnoDB.
    if bytes > 3_072 {
        return None;
    }
    let name: String = name.chars().take(64).collect();
    let clause = format!("add {kind} {} ({})", sql::quote(&name), sql::list(names));
    Some(Secondary { name, clause })
}
