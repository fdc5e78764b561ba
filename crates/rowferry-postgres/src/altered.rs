//! Whether a table is still the one that a plan was made for.
//!
//! To be asked in a transaction that has used the table, or locked it: until its end nobody can alter
//! it, and each statement of a writer sees the catalogue as it is.

use rowferry_core::{Result, ShapeColumn, TablePlan, TableRef, TableShape, target_altered};
use tokio_postgres::types::Type;

use crate::client::Client;
use crate::error::failed;
use crate::row::Row;

/// Types of users are told apart by number: how they are named depends on who asks.
const SHAPE: &str = "select c.oid::text, a.attname::text, \
         case when a.atttypid < 16384 then pg_catalog.format_type(a.atttypid, a.atttypmod) \
             else 'type ' || a.atttypid || ' ' || a.atttypmod end, \
         a.attnum::int8 \
     from pg_catalog.pg_attribute a \
     join pg_catalog.pg_class c on c.oid = a.attrelid \
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
     where n.nspname = $1::text and c.relname = $2::text \
         and a.attnum > 0 and not a.attisdropped order by a.attnum";

/// What the catalogue says of a table; no columns when there is none.
pub(crate) async fn shape(client: &Client, table: &TableRef) -> Result<TableShape> {
    let rows = client
        .query_typed(SHAPE, &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)])
        .await
        .map_err(failed(format!("could not look at table {table} again")))?;
    let column = |row: &Row| {
        Ok(ShapeColumn { name: row.get(1)?, declared: row.get(2)?, place: row.get(3)? })
    };
    Ok(TableShape {
        identity: rows.first().map(|row| row.get(0)).transpose()?.unwrap_or_default(),
        columns: rows.iter().map(column).collect::<Result<_>>()?,
        rules: String::new(),
    })
}

/// The shape of the table that chunks go into, which is that of the plan where it was there before.
pub(crate) async fn loaded(
    client: &Client,
    plan: &TablePlan,
    table: &TableRef,
    existed: bool,
) -> Result<TableShape> {
    let now = shape(client, table).await?;
    let planned = plan.columns.iter().map(|column| &column.target);
    match now.change_since_plan(planned).filter(|_| existed) {
        Some(change) => Err(target_altered(&plan.target, &change)),
        None => Ok(now),
    }
}
