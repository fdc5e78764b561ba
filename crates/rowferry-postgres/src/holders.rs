//! The sessions that hold a stream: they carry its id in their application name.

use std::time::Duration;

use rowferry_core::{ConnectorError, ErrorClass, Holder, HolderRole, Result, StreamState};
use tokio_postgres::types::Type;

use crate::error::failed;
use crate::row::Row;
use crate::session::Session;

/// Looks at whether ended sessions are gone, …
const END_TRIES: u32 = 100;
/// … at this distance: ten seconds in all, since a rollback may take a while.
const END_PAUSE: Duration = Duration::from_millis(100);

/// The sessions that hold the stream of `state`, its lock first.
pub(crate) async fn find(session: &Session, state: &StreamState) -> Result<Vec<Holder>> {
    const FIND: &str = "select a.pid, right(a.application_name, 5) = ':lock', \
             coalesce(pg_catalog.host(a.client_addr) || ':' || a.client_port, 'this machine'), \
             to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
             extract(epoch from clock_timestamp() - a.state_change)::int8 \
         from pg_catalog.pg_stat_activity a \
         where pg_catalog.starts_with(a.application_name, $1) \
             and a.datname = pg_catalog.current_database() \
             and a.pid <> pg_catalog.pg_backend_pid() order by 2 desc, 1";
    let rows = session
        .client
        .query_typed(FIND, &[(&prefix(state), Type::TEXT)])
        .await
        .map_err(failed("could not look for the sessions of the stream"))?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let holder = |row: &Row| {
        Ok(Holder {
            role: if row.get(1)? { HolderRole::Lock } else { HolderRole::Writer },
            id: unsigned(row.get::<i32>(0)?.into()),
            from: row.get(2)?,
            since: row.get(3)?,
            silent_seconds: row.get::<Option<i64>>(4)?.map(unsigned),
        })
    };
    rows.iter().map(holder).collect()
}

/// Ends them, the holder of the lock too.
pub(crate) async fn end(session: &Session, state: &StreamState) -> Result<()> {
    const END: &str = "select count(pg_catalog.pg_terminate_backend(a.pid)) \
         from pg_catalog.pg_stat_activity a \
         where pg_catalog.starts_with(a.application_name, $1) \
             and a.datname = pg_catalog.current_database() \
             and a.pid <> pg_catalog.pg_backend_pid()";
    for _ in 0..END_TRIES {
        let left: i64 = session
            .client
            .query_typed_one(END, &[(&prefix(state), Type::TEXT)])
            .await
            .map_err(failed("could not end the sessions of the stream"))?
            .get(0)?;
        if left == 0 {
            return Ok(());
        }
        tokio::time::sleep(END_PAUSE).await;
    }
    let message = format!("sessions still work on table {}", state.target_table);
    Err(ConnectorError::new(ErrorClass::Busy, "locked", message)
        .with_next("They are rolling back; look again with `rowferry state unlock` later."))
}

fn prefix(state: &StreamState) -> String {
    format!("rowferry:{}:", state.stream_id)
}
