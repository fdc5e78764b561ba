//! Who stands in the way of a statement that waited for a lock.

use rowferry_core::{ConnectorError, ErrorClass, Result, TableRef};
use tokio_postgres::types::Type;

use crate::session::Session;

/// The last word on a lock that never came: others are busy with the tables, and these are they.
pub(crate) async fn named(
    error: ConnectorError,
    session: Result<Session>,
    tables: &[&TableRef],
) -> ConnectorError {
    let holders = match session {
        Ok(session) => holders(&session, tables).await,
        Err(error) => Err(error),
    };
    let holders = match holders {
        Ok(holders) if holders.is_empty() => "sessions that have ended since".to_owned(),
        Ok(holders) => holders.join(", "),
        Err(error) => {
            tracing::debug!(%error, "could not look for the holders of a lock");
            "other sessions".to_owned()
        }
    };
    let mut error = error;
    error.class = ErrorClass::Busy;
    let words = error.server.take().unwrap_or_default();
    error.with_server(format!("{words}; locked by {holders}")).with_next(
        "Let them finish or end them, then run again; raise `lock_timeout` to wait longer.",
    )
}

/// Other sessions that hold locks on these tables; their statements may hold values and are not told.
async fn holders(session: &Session, tables: &[&TableRef]) -> Result<Vec<String>> {
    const HOLDERS: &str = "select distinct 'session ' || a.pid || ' of ' || coalesce(a.usename, '?') \
             || case when a.application_name = '' then '' else ' (' || a.application_name || ')' end \
             || ', ' || coalesce(a.state, 'unknown') || coalesce(' for ' \
             || extract(epoch from now() - a.xact_start)::int8 || ' s', '') \
         from pg_catalog.pg_locks l \
         join pg_catalog.pg_stat_activity a on a.pid = l.pid \
         join pg_catalog.pg_class c on c.oid = l.relation \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where l.granted and l.database = (select oid from pg_catalog.pg_database \
                 where datname = pg_catalog.current_database()) \
             and n.nspname || '.' || c.relname = any($1) \
             and l.pid <> pg_catalog.pg_backend_pid() order by 1";
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let rows = session
        .client
        .query_typed(HOLDERS, &[(&names, Type::TEXT_ARRAY)])
        .await
        .map_err(crate::error::failed("could not look for the holders of a lock"))?;
    rows.iter().map(|row| row.get(0)).collect()
}
