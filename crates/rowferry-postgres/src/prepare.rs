//! Making the table that chunks are written to.
//!
//! PostgreSQL's DDL is transactional, so each step here is one fenced transaction: the stream row
//! is locked and its epoch compared before anything is created. Staging tables carry the stream and
//! the run in their name, so that a late statement of an older process finds nothing.

use rowferry_core::{
    Claim, ConnectorError, ErrorClass, LoadInto, Prepared, Result, TablePlan, TableRef,
    TypeDefinition, WriteMode,
};
use rowferry_runtime::FailPoint;
use tokio_postgres::types::Type;

use crate::client::Client;
use crate::create::{self, create};
use crate::describe;
use crate::error::failed;
use crate::progress::{Progress, RunOf, table_json};
use crate::session::Session;
use crate::{altered, shape, sql, vacuum};

/// Staging table of a run: beside the target, in its schema.
pub(crate) fn staging(target: &TableRef, stream_id: &str, run: i64) -> TableRef {
    let name = format!("{}{run}", staging_prefix(stream_id));
    TableRef { schema: target.schema.clone(), name }
}

fn staging_prefix(stream_id: &str) -> String {
    format!("_rowferry_s_{}_r", stream_id.get(..12).unwrap_or(stream_id))
}

/// Drops every staging table of the stream beside `target`.
pub(crate) async fn drop_staging(
    client: &Client,
    target: &TableRef,
    stream_id: &str,
) -> Result<()> {
    const FIND: &str = "select c.relname::text from pg_catalog.pg_class c \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1::text and pg_catalog.starts_with(c.relname::text, $2) \
             and c.relkind = 'r'";
    let attempt = || format!("could not drop old staging tables of table {target}");
    let found = client
        .query_typed(
            FIND,
            &[(&target.schema, Type::TEXT), (&staging_prefix(stream_id), Type::TEXT)],
        )
        .await
        .map_err(failed(attempt()))?;
    for row in found {
        let old = TableRef { schema: target.schema.clone(), name: row.get(0)? };
        let drop = format!("drop table {}", sql::table(&old));
        client.batch_execute(&drop).await.map_err(failed(attempt()))?;
    }
    Ok(())
}

/// Rows of `table`, counted up to `limit`; `None` when it does not exist.
pub(crate) async fn rows(
    client: &Client,
    table: &TableRef,
    limit: Option<u64>,
) -> Result<Option<u64>> {
    if !exists(client, table).await? {
        return Ok(None);
    }
    let name = sql::table(table);
    let query = match limit {
        Some(limit) => format!("select count(*) from (select from {name} limit {limit}) t"),
        None => format!("select count(*) from {name}"),
    };
    let count: i64 = client
        .query_typed_one(&query, &[])
        .await
        .map_err(failed(format!("could not count the rows of table {table}")))?
        .get(0)?;
    Ok(u64::try_from(count).ok())
}

/// Whether a relation of that name exists.
pub(crate) async fn exists(client: &Client, table: &TableRef) -> Result<bool> {
    const EXISTS: &str = "select exists (select from pg_catalog.pg_class c \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1::text and c.relname = $2::text)";
    let row = client
        .query_typed_one(EXISTS, &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)])
        .await
        .map_err(failed(format!("could not look for table {table}")))?;
    row.get(0)
}

/// Makes the staging table or the target, in one fenced transaction.
pub(crate) async fn prepare(
    session: &Session,
    progress: &Progress,
    target: &TableRef,
    plan: &TablePlan,
    claim: &Claim,
) -> Result<Prepared> {
    let load_table = match plan.load {
        LoadInto::StagingReplace | LoadInto::StagingAppend => {
            staging(target, &plan.stream.stream_id, claim.run)
        }
        LoadInto::Target => target.clone(),
    };
    let mut prepared = Prepared::of(plan, claim, target.clone(), load_table);
    let client = &session.client;
    let attempt = || format!("could not prepare table {}", prepared.load_table);
    progress.begin_fenced(client, &RunOf::prepared(&prepared)).await?;
    let found = exists(client, &prepared.load_table).await?;
    let expected = claim.receipts.iter().any(|receipt| receipt.totals.rows_written > 0);
    if !found {
        let target_exists = exists(client, target).await?;
        if !(target_exists && plan.keeps_shape()) {
            make_types(client, plan).await?;
        }
        for statement in create(plan, target, &prepared.load_table, target_exists) {
            client.batch_execute(&statement).await.map_err(failed(attempt()))?;
            FailPoint::TableStatement.reach();
        }
        if prepared.load_table == *target {
            // A table that is loaded in place has its keys from the start.
            make_parts(client, plan, target).await?;
        } else {
            let statement = vacuum::leave_alone(&prepared.load_table);
            client.batch_execute(&statement).await.map_err(failed(attempt()))?;
        }
    }
    let staged = plan.load != LoadInto::Target;
    let existed = plan.target_existing.is_some() && (!staged || plan.keeps_shape());
    prepared.shape = altered::loaded(client, plan, &prepared.load_table, existed).await?;
    let lost = expected && (!found || (staged && is_empty(client, &prepared.load_table).await?));
    if staged {
        let note = format!(
            "update {} set staging_name = $2, updated_at = now() where stream_id = $1",
            progress.stream()
        );
        let name = table_json(&prepared.load_table);
        client
            .execute_typed(&note, &[(&plan.stream.stream_id, Type::TEXT), (&name, Type::TEXT)])
            .await
            .map_err(failed(attempt()))?;
    }
    FailPoint::TableStatement.reach();
    client.batch_execute("commit").await.map_err(failed(attempt()))?;
    FailPoint::TableStatement.reach();
    prepared.staging_lost = lost;
    if plan.load == LoadInto::Target && plan.write == WriteMode::Upsert {
        check_upsert(session, &prepared).await?;
    }
    Ok(prepared)
}

/// Makes the types of users that the columns need and that are not there.
async fn make_types(client: &Client, plan: &TablePlan) -> Result<()> {
    // Tables of one job may need the same type at the same time.
    const ALONE: &str =
        "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('rowferry types'))";
    const EXISTS: &str = "select pg_catalog.to_regtype($1) is not null";
    let needs: Vec<&TypeDefinition> = plan
        .columns
        .iter()
        .flat_map(|column| &column.target.native.needs)
        .filter(|need| need.extension.is_none())
        .collect();
    if needs.is_empty() {
        return Ok(());
    }
    let attempt = |name: &str| format!("could not make type {name}");
    client.query_typed(ALONE, &[]).await.map_err(failed("could not wait for other tables"))?;
    for need in needs {
        let there: bool = client
            .query_typed_one(EXISTS, &[(&need.name, Type::TEXT)])
            .await
            .map_err(failed(attempt(&need.name)))?
            .get(0)?;
        if !there {
            client.batch_execute(&need.definition).await.map_err(failed(attempt(&need.name)))?;
        }
    }
    Ok(())
}

/// Makes keys and indexes of a table that is loaded in place, under names that are free.
async fn make_parts(client: &Client, plan: &TablePlan, target: &TableRef) -> Result<()> {
    for part in create::parts(plan) {
        let name = free_name(client, target, &part).await?;
        client
            .batch_execute(&part.create(target, &name))
            .await
            .map_err(failed(format!("could not make {name:?} of table {target}")))?;
    }
    Ok(())
}

/// The name of `part` if nothing in the target's schema has it, else one made of the table's.
pub(crate) async fn free_name(
    client: &Client,
    target: &TableRef,
    part: &shape::Part,
) -> Result<String> {
    let wanted = TableRef { schema: target.schema.clone(), name: part.name.clone() };
    if exists(client, &wanted).await? {
        Ok(shape::part_name(target, part))
    } else {
        Ok(part.name.clone())
    }
}

async fn is_empty(client: &Client, table: &TableRef) -> Result<bool> {
    Ok(rows(client, table, Some(1)).await? == Some(0))
}

/// How an upsert meets the rows that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    /// `insert … on conflict (key) do update`.
    OnConflict,
    /// `delete` by key, then `insert`: another unique key must never decide which row is hit.
    DeleteInsert,
}

/// Which way of merging the target's unique keys allow.
///
/// # Errors
///
/// Class `Setup`, slug `no-unique-key`, when nothing in the target makes the key unique.
pub(crate) async fn merge_way(session: &Session, prepared: &Prepared) -> Result<Merge> {
    const UNIQUE: &str = "select count(*) from pg_catalog.pg_index x \
         where x.indrelid = $1 and x.indisunique";
    let relation = describe::find(session, &prepared.target, &[]).await?.ok_or_else(|| {
        ConnectorError::new(
            ErrorClass::Setup,
            "unknown-table",
            format!("table {} does not exist", prepared.target),
        )
    })?;
    let keys = describe::keys(session, &relation).await?;
    let mut wanted: Vec<&String> = prepared.key.iter().collect();
    wanted.sort();
    let matches = keys.iter().any(|key| {
        let mut columns: Vec<&String> = key.columns.iter().collect();
        columns.sort();
        columns == wanted
    });
    if !matches {
        let columns = sql::list(prepared.key.iter().map(String::as_str));
        return Err(ConnectorError::new(
            ErrorClass::Setup,
            "no-unique-key",
            format!("table {} has no unique key on exactly ({columns})", prepared.target),
        )
        .with_next(format!(
            "Add one, for example: alter table {} add primary key ({columns});",
            sql::table(&prepared.target)
        )));
    }
    // Partial and expression indexes count too: any of them can refuse or redirect a row.
    let count: i64 = session
        .client
        .query_typed_one(UNIQUE, &[(&relation.oid, Type::OID)])
        .await
        .map_err(failed(format!("could not read the keys of table {}", prepared.target)))?
        .get(0)?;
    Ok(if count == 1 { Merge::OnConflict } else { Merge::DeleteInsert })
}

/// An upsert by delete and insert would set off the actions of foreign keys from other tables.
async fn check_upsert(session: &Session, prepared: &Prepared) -> Result<()> {
    const FOREIGN: &str = "select k.conname::text, k.conrelid::pg_catalog.regclass::text \
         from pg_catalog.pg_constraint k \
         join pg_catalog.pg_class c on c.oid = k.confrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where k.contype = 'f' and n.nspname = $1::text and c.relname = $2::text \
         order by 1 limit 1";
    if merge_way(session, prepared).await? == Merge::OnConflict {
        return Ok(());
    }
    let found = session
        .client
        .query_typed_opt(
            FOREIGN,
            &[(&prepared.target.schema, Type::TEXT), (&prepared.target.name, Type::TEXT)],
        )
        .await
        .map_err(failed(format!("could not read the keys of table {}", prepared.target)))?;
    let Some(row) = found else { return Ok(()) };
    let (name, from): (String, String) = (row.get(0)?, row.get(1)?);
    Err(ConnectorError::new(
        ErrorClass::Conflict,
        "target-has-dependents",
        format!(
            "table {} has several unique keys, and foreign key {name:?} of table {from} points at it",
            prepared.target
        ),
    )
    .with_next("Rows would have to be deleted to be replaced; drop the foreign key for the copy."))
}
