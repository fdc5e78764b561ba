//! Which grants a login lacks for a copy, as the statements that give them.

use rowferry_core::{Access, ReplaceMode, Result, TableRef, WriteMode};
use tokio_postgres::types::{ToSql, Type};

use crate::error::failed;
use crate::session::Session;

/// Grants that reading `table`, which has a schema, needs and this login lacks.
pub(crate) async fn to_read(session: &Session, table: &TableRef) -> Result<Vec<String>> {
    let mut missing = to_use(session, table).await?;
    missing.extend(on_table(session, table, &["select"]).await?);
    Ok(missing)
}

/// Grants that writing to `target` with its progress tables in `progress` needs and this login lacks.
pub(crate) async fn to_write(
    session: &Session,
    target: &TableRef,
    progress: &str,
    access: &Access,
) -> Result<Vec<String>> {
    let swap = access.write == WriteMode::Replace && access.replace == ReplaceMode::Swap;
    let mut missing = to_use(session, target).await?;
    if access.write == WriteMode::Replace || !exists(session, target).await? {
        missing.extend(to_create(session, target).await?);
    }
    if swap {
        missing.extend(to_own(session, target).await?);
    }
    let on_target: &[&str] = match access.write {
        WriteMode::Append => &["select", "insert"],
        WriteMode::Replace if swap => &[],
        // Where one key decides which row is met, it is updated; else it is deleted and inserted.
        WriteMode::Upsert if unique_indexes(session, target).await? <= 1 => {
            &["select", "insert", "update"]
        }
        WriteMode::Replace | WriteMode::Upsert => &["select", "insert", "delete"],
    };
    missing.extend(on_table(session, target, on_target).await?);
    if access.write == WriteMode::Upsert {
        missing.extend(to_make_temporary(session).await?);
    }
    for name in ["_rowferry_stream", "_rowferry_chunk", "_rowferry_quarantine"] {
        let own = TableRef::new(progress, name);
        missing.extend(to_use(session, &own).await?);
        if exists(session, &own).await? {
            let rights = ["select", "insert", "update", "delete"];
            missing.extend(on_table(session, &own, &rights).await?);
        } else if name != "_rowferry_quarantine" {
            missing.extend(to_create(session, &own).await?);
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    missing.retain(|statement| seen.insert(statement.clone()));
    Ok(missing)
}

async fn to_use(session: &Session, table: &TableRef) -> Result<Vec<String>> {
    const USE: &str = "select pg_catalog.format('grant usage on schema %I to %I;', n.nspname, \
             current_user) from pg_catalog.pg_namespace n where n.nspname = $1::text \
         and not pg_catalog.has_schema_privilege(n.oid, 'usage')";
    statements(session, USE, &[(&table.schema, Type::TEXT)]).await
}

async fn to_create(session: &Session, table: &TableRef) -> Result<Vec<String>> {
    const CREATE: &str = "select pg_catalog.format('grant create on schema %I to %I;', n.nspname, \
             current_user) from pg_catalog.pg_namespace n where n.nspname = $1::text \
         and not pg_catalog.has_schema_privilege(n.oid, 'create')";
    statements(session, CREATE, &[(&table.schema, Type::TEXT)]).await
}

/// A table can only be exchanged by its owner.
async fn to_own(session: &Session, table: &TableRef) -> Result<Vec<String>> {
    const OWN: &str = "select pg_catalog.format('alter table %I.%I owner to %I;', n.nspname, \
             c.relname, current_user) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1::text and c.relname = $2::text \
             and not pg_catalog.pg_has_role(c.relowner, 'usage')";
    let names: [(&(dyn ToSql + Sync), Type); 2] =
        [(&table.schema, Type::TEXT), (&table.name, Type::TEXT)];
    statements(session, OWN, &names).await
}

async fn to_make_temporary(session: &Session) -> Result<Vec<String>> {
    const TEMPORARY: &str = "select pg_catalog.format('grant temporary on database %I to %I;', \
             pg_catalog.current_database(), current_user) \
         where not pg_catalog.has_database_privilege(pg_catalog.current_database(), 'temporary')";
    statements(session, TEMPORARY, &[]).await
}

/// One statement for all of `rights` that are missing on a table that is there.
async fn on_table(session: &Session, table: &TableRef, rights: &[&str]) -> Result<Vec<String>> {
    const TABLE: &str = "select pg_catalog.format('grant %s on table %I.%I to %I;', \
             pg_catalog.string_agg(r.word, ', ' order by r.place), n.nspname, c.relname, \
             current_user) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             cross join pg_catalog.unnest($3::text[]) with ordinality r(word, place) \
         where n.nspname = $1::text and c.relname = $2::text \
             and not pg_catalog.has_table_privilege(c.oid, r.word) \
         group by n.nspname, c.relname";
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&table.schema, Type::TEXT), (&table.name, Type::TEXT), (&rights, Type::TEXT_ARRAY)];
    statements(session, TABLE, &parameters).await
}

async fn unique_indexes(session: &Session, table: &TableRef) -> Result<i64> {
    const UNIQUE: &str = "select count(*) from pg_catalog.pg_index x \
         join pg_catalog.pg_class c on c.oid = x.indrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1::text and c.relname = $2::text and x.indisunique";
    let names: [(&(dyn ToSql + Sync), Type); 2] =
        [(&table.schema, Type::TEXT), (&table.name, Type::TEXT)];
    let row = session.client.query_typed_one(UNIQUE, &names).await;
    row.map_err(failed("could not read the keys of the target"))?.get(0)
}

async fn exists(session: &Session, table: &TableRef) -> Result<bool> {
    crate::prepare::exists(&session.client, table).await
}

async fn statements(
    session: &Session,
    query: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<String>> {
    let attempt = failed("could not read the rights of this login");
    let rows = session.client.query_typed(query, parameters).await.map_err(attempt)?;
    rows.iter().map(|row| row.get(0)).collect()
}
