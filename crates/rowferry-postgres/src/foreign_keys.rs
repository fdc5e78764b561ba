//! Foreign keys between the tables of one job.
//!
//! They are taken off before tables are exchanged and made again when all are there: first `not
//! valid`, so that new rows are checked at once, then validated, which reads the table under a lock
//! that lets others write.

use rowferry_core::{ConnectorError, ErrorClass, ForeignKey, Result, TableRef};
use tokio_postgres::types::Type;

use crate::error::failed;
use crate::server::Server;
use crate::session::Session;
use crate::sql;

/// Takes off those of `keys` that `table` has.
pub(crate) async fn unlink(server: &Server, table: &TableRef, keys: &[ForeignKey]) -> Result<()> {
    let session = server.questions().await?;
    for key in keys {
        for name in names(&session, table, key).await? {
            let statement = format!(
                "alter table {} drop constraint if exists {}",
                sql::table(table),
                sql::quote(&name)
            );
            session.client.batch_execute(&statement).await.map_err(failed(format!(
                "could not take foreign key {name:?} off table {table}"
            )))?;
        }
    }
    Ok(())
}

/// Makes and validates those of `keys` that `table` does not have. Tables come with schemas.
pub(crate) async fn link(
    server: &Server,
    table: &TableRef,
    keys: &[ForeignKey],
) -> Result<Vec<String>> {
    let session = server.questions().await?;
    let mut left = Vec::new();
    for key in keys {
        if !names(&session, table, key).await?.is_empty() {
            continue;
        }
        let named = format!("foreign key {:?} of table {table}", key.name);
        let made = session.client.batch_execute(&add(table, key)).await;
        let validated = match made {
            Ok(()) => {
                let statement = format!(
                    "alter table {} validate constraint {}",
                    sql::table(table),
                    sql::quote(&key.name)
                );
                session.client.batch_execute(&statement).await
            }
            Err(error) => {
                let error = failed(format!("{named} was not made"))(error);
                left.push(not_fatal(error)?);
                continue;
            }
        };
        if let Err(error) = validated {
            let error = failed(format!("{named} holds for new rows only"))(error);
            left.push(not_fatal(error)?);
        }
    }
    Ok(left)
}

/// What the server refuses is told to the user; a lost connection or a bug ends the run.
fn not_fatal(error: ConnectorError) -> Result<String> {
    match error.class {
        ErrorClass::Data | ErrorClass::Setup | ErrorClass::Conflict | ErrorClass::Refused => {
            Ok(error.to_string())
        }
        ErrorClass::Transient
        | ErrorClass::Unknown
        | ErrorClass::Fenced
        | ErrorClass::Busy
        | ErrorClass::Local
        | ErrorClass::Bug => Err(error),
    }
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
        if let Some(action) = action {
            for word in [" on ", event, " ", action] {
                statement.push_str(word);
            }
        }
    }
    statement.push_str(" not valid");
    statement
}

/// Names of the foreign keys of `table` over the same columns to the same columns.
async fn names(session: &Session, table: &TableRef, key: &ForeignKey) -> Result<Vec<String>> {
    const NAMES: &str = "select k.conname::text from pg_catalog.pg_constraint k \
         join pg_catalog.pg_class c on c.oid = k.conrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_class t on t.oid = k.confrelid \
         join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace \
         where k.contype = 'f' and n.nspname = $1::text and c.relname = $2::text \
             and tn.nspname = coalesce($3::text, n.nspname::text) and t.relname = $4::text \
             and $5 = array(select a.attname::text from pg_catalog.unnest(k.conkey) \
                 with ordinality u(attnum, place) join pg_catalog.pg_attribute a \
                 on a.attrelid = k.conrelid and a.attnum = u.attnum order by u.place) \
             and $6 = array(select a.attname::text from pg_catalog.unnest(k.confkey) \
                 with ordinality u(attnum, place) join pg_catalog.pg_attribute a \
                 on a.attrelid = k.confrelid and a.attnum = u.attnum order by u.place) \
         order by 1";
    let found = session
        .client
        .query_typed(
            NAMES,
            &[
                (&table.schema, Type::TEXT),
                (&table.name, Type::TEXT),
                (&key.to.schema, Type::TEXT),
                (&key.to.name, Type::TEXT),
                (&key.columns, Type::TEXT_ARRAY),
                (&key.to_columns, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(failed(format!("could not read the foreign keys of table {table}")))?;
    found.iter().map(|row| row.get(0)).collect()
}
