//! The sessions that write chunks, between two chunks; and what is done about a writer that was given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rowferry_core::{Chunk, Prepared, Receipt, Result};
use tokio_postgres::types::{ToSql, Type};

use super::writing::Writing;
use crate::client::Client;
use crate::config::Purpose;
use crate::error::failed;
use crate::lock::{END_PAUSE, END_TRIES, session_name};
use crate::pool::{Place, SessionPool};
use crate::progress::{Progress, RunOf};

/// Sessions that wait for their next chunk, by stream and epoch. A session never serves another
/// epoch: its application name says for whom it writes.
pub(crate) struct WriterPool {
    sessions: Arc<SessionPool>,
    pub(super) money_digits: u8,
    idle: Mutex<BTreeMap<(String, i64), Vec<Writing>>>,
    /// Processes of the server whose writers were given up. Where the network has swallowed our
    /// end of a connection, the server's end lives on, and holds the rows of its chunk.
    abandoned: Mutex<Vec<i32>>,
}

impl WriterPool {
    pub(crate) fn new(sessions: Arc<SessionPool>, money_digits: u8) -> Self {
        Self { sessions, money_digits, idle: Mutex::default(), abandoned: Mutex::default() }
    }

    pub(super) async fn take(&self, prepared: &Prepared) -> Result<Writing> {
        let key = (prepared.stream.stream_id.clone(), prepared.epoch);
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // Sessions of earlier epochs have nothing to do any more.
            idle.retain(|(stream, epoch), _| *stream != key.0 || *epoch >= key.1);
            let sessions = idle.entry(key).or_default();
            sessions.retain(|writing| !writing.session.is_closed());
            sessions.pop()
        };
        match idle {
            Some(writing) => Ok(writing),
            None => Writing::open(&self.sessions, prepared).await,
        }
    }

    pub(super) fn give_back(&self, prepared: &Prepared, writing: Writing) {
        let key = (prepared.stream.stream_id.clone(), prepared.epoch);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(key).or_default().push(writing);
    }

    /// Lets go of the idle sessions of a stream: no chunk of it is to come.
    pub(crate) fn retire(&self, stream_id: &str) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(stream, _), writing| {
            let stays = stream != stream_id;
            if !stays {
                for writing in writing.drain(..) {
                    self.sessions.give_back(writing.session, Place::Outside);
                }
            }
            stays
        });
    }

    /// Remembers the server's process of a writer that was given up.
    pub(super) fn abandon(&self, pid: i32) {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
    }

    /// Ends what is left of writers that were given up, and waits until it has rolled back.
    async fn end_abandoned(&self, client: &Client, stream_id: &str) -> Result<()> {
        const END: &str = "select count(pg_catalog.pg_terminate_backend(a.pid)) \
             from pg_catalog.pg_stat_activity a \
             where a.pid = any($1) and pg_catalog.starts_with(a.application_name, $2)";
        let pids = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let prefix = format!("rowferry:{stream_id}:");
        for _ in 0..END_TRIES {
            let values: [(&(dyn ToSql + Sync), Type); 2] =
                [(&pids, Type::INT4_ARRAY), (&prefix, Type::TEXT)];
            let left: i64 = client
                .query_typed_one(END, &values)
                .await
                .map_err(failed("could not end the session of a writer that was given up"))?
                .get(0)?;
            if left == 0 {
                let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
                abandoned.retain(|pid| !pids.contains(pid));
                return Ok(());
            }
            tokio::time::sleep(END_PAUSE).await;
        }
        // Whatever they hold is waited for, or found out by the next statement.
        Ok(())
    }

    /// Finds out what became of an earlier attempt at `chunk`.
    ///
    /// The exclusive lock of the stream row waits for every commit in flight, since each holds the
    /// row in share mode from before its COMMIT was sent. Behind it, the receipt is there or will
    /// never be. A plain read could look too early.
    pub(crate) async fn settle(
        &self,
        chunk: &Chunk,
        prepared: &Prepared,
        progress: &Progress,
    ) -> Result<Option<Receipt>> {
        let attempt = || format!("could not settle chunk {}", chunk.no.0);
        let name = session_name(&prepared.stream.stream_id, prepared.epoch);
        let session = self.sessions.take(Purpose::Chunk, Some(&name)).await?;
        let client = &session.client;
        self.end_abandoned(client, &prepared.stream.stream_id).await?;
        client
            .batch_execute("begin isolation level read committed")
            .await
            .map_err(failed(attempt()))?;
        progress.fence(client, &RunOf::prepared(prepared)).await?;
        let stream_id = &prepared.stream.stream_id;
        let receipt = progress.receipt(client, stream_id, prepared.run, chunk.no).await?;
        client.batch_execute("rollback").await.map_err(failed(attempt()))?;
        Ok(receipt)
    }
}
