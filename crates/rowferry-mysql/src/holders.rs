//! The sessions that hold a stream: those that hold its named locks.

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use rowferry_core::{Holder, HolderRole, Result, StreamState};

use crate::config::Server;
use crate::lock::lock_name;
use crate::{error, session};

/// The sessions that hold the stream of `state`, its lock first.
pub(crate) async fn find(
    server: &Server,
    conn: &mut Conn,
    state: &StreamState,
) -> Result<Vec<Holder>> {
    let lost = |error| error::of(error, "could not look for the sessions of the stream");
    let mut found = Vec::new();
    for (role, holders) in [
        (HolderRole::Lock, locks(state)),
        (HolderRole::Writer, session::writers(server, &state.stream_id)),
    ] {
        // Time counts since the session's last statement.
        let query = format!(
            "select p.id, p.host, p.time from information_schema.processlist p \
             join (select distinct id from ({holders}) h) held on held.id = p.id order by p.id"
        );
        let sessions: Vec<(u64, String, Option<i64>)> = conn.query(query).await.map_err(lost)?;
        found.extend(sessions.into_iter().map(|(id, from, silent)| Holder {
            role,
            id,
            from,
            since: None,
            silent_seconds: silent.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
        }));
    }
    Ok(found)
}

/// Ends them, the holder of the lock first: without it none of the others is alive.
pub(crate) async fn end(server: &Server, conn: &mut Conn, state: &StreamState) -> Result<()> {
    let attempt = "could not end the sessions of the stream";
    session::end(conn, &locks(state), attempt).await?;
    session::end(conn, &session::writers(server, &state.stream_id), attempt).await
}

/// The lock of the target table, or of the stream where several write one table.
fn locks(state: &StreamState) -> String {
    [state.target_table.to_lowercase(), state.stream_id.clone()]
        .map(|what| format!("select is_used_lock({}) as id", lock_name(&what)))
        .join(" union all ")
}
