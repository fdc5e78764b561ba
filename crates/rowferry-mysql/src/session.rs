//! Sessions that write, and how the next owner of a stream finds and ends them.
//!
//! Each holds a named lock of the server, `rowferry.s.<database and stream>.<slot>`. Who holds a name is known to
//! the server itself (`is_used_lock`), so a session that is gone, or another program's session that
//! got its number, can never be taken for ours; and since a session's locks are given back after its
//! rollback, a free name means that nothing of its transaction is left.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use rowferry_core::{ConnectorError, ErrorClass, Result};

use crate::config::{Purpose, Server};
use crate::error;
use crate::sql;

/// Sessions that one stream may have at once; far above any number of workers.
const SLOTS: u16 = 128;
/// How long an ended session may take to roll back: a chunk's rows take seconds.
const ROLLBACK_TRIES: u32 = 300;
const ROLLBACK_PAUSE: Duration = Duration::from_millis(100);
/// Unknown thread: it ended by itself.
const NO_SUCH_THREAD: u16 = 1094;

/// The name as an expression: lock names are the whole server's, so the database is part of it, and
/// they have at most 64 characters, so it is hashed.
fn slot_name(database: &str, stream_id: &str, slot: u16) -> String {
    let what = sql::text(&format!("{}:{stream_id}", database.to_lowercase()));
    format!("concat('rowferry.s.', left(sha2({what}, 256), 40), '.{slot}')")
}

/// Opens a session for writing that the next owner of the stream can find.
pub(crate) async fn open(server: &Server, stream_id: &str) -> Result<Conn> {
    let attempt = "could not mark a writing session";
    let mut conn = server.open(Purpose::Write).await?;
    for slot in 0..SLOTS {
        let name = slot_name(&server.database, stream_id, slot);
        let got: Option<Option<u8>> = conn
            .query_first(format!("select get_lock({name}, 0)"))
            .await
            .map_err(|error| error::of(error, attempt))?;
        if got.flatten() == Some(1) {
            return Ok(conn);
        }
    }
    Err(ConnectorError::new(ErrorClass::Busy, "too-many-sessions", attempt)
        .with_next("Lower `workers`, or wait until earlier sessions have ended."))
}

/// Ends all sessions of a stream but `conn` itself, and waits until they have rolled back.
pub(crate) async fn end_all(server: &Server, conn: &mut Conn, stream_id: &str) -> Result<()> {
    let attempt = "could not end the sessions of the previous owner";
    end(conn, &writers(server, stream_id), attempt).await
}

/// The numbers of the sessions that write for a stream, as a query.
pub(crate) fn writers(server: &Server, stream_id: &str) -> String {
    (0..SLOTS)
        .map(|slot| {
            format!("select is_used_lock({}) as id", slot_name(&server.database, stream_id, slot))
        })
        .collect::<Vec<_>>()
        .join(" union all ")
}

/// Ends the sessions that the query `holders` gives, but `conn` itself, and waits until it gives
/// none.
pub(crate) async fn end(conn: &mut Conn, holders: &str, attempt: &'static str) -> Result<()> {
    let own = u64::from(conn.id());
    for _ in 0..ROLLBACK_TRIES {
        let ids: Vec<Option<u64>> =
            conn.query(holders).await.map_err(|error| error::of(error, attempt))?;
        let others: Vec<u64> = ids.into_iter().flatten().filter(|id| *id != own).collect();
        if others.is_empty() {
            return Ok(());
        }
        for id in others {
            match conn.query_drop(format!("kill {id}")).await {
                Err(error) if !error::is_code(&error, NO_SUCH_THREAD) => {
                    return Err(error::of(error, attempt));
                }
                Ok(()) | Err(_) => {}
            }
        }
        tokio::time::sleep(ROLLBACK_PAUSE).await;
    }
    Err(ConnectorError::new(ErrorClass::Busy, "locked", attempt)
        .with_next("The server is still rolling back; run again later."))
}
