//! The session that holds a named lock and does nothing else.
//!
//! It is asked several times in a [`lease`] whether it still holds the lock, also while an index is
//! built that takes an hour, and the server ends it after a lease of silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rowferry_core::Result;
use rowferry_runtime::{Task, heartbeat, lease, spawn};
use tokio::sync::Mutex;

use crate::config;
use crate::conn::Conn;
use crate::error;

/// Held as long as this value lives and [`Self::is_alive`].
pub(crate) struct Holder {
    conn: Arc<Mutex<Option<Conn>>>,
    /// The question whether this session holds the lock.
    query: String,
    alive: Arc<AtomicBool>,
    _heart: Task<()>,
}

impl Holder {
    /// Watches over `conn`, which holds the lock that the expression `name` names.
    pub(crate) async fn watch(mut conn: Conn, name: &str) -> Result<Self> {
        // In whole seconds, one at least.
        let seconds = lease().as_secs().max(1);
        conn.query_drop(format!("set session wait_timeout = {seconds}"))
            .await
            .map_err(|error| error::of(error, "could not set up the session of the lock"))?;
        let query = format!("select is_used_lock({name}) = connection_id()");
        let conn = Arc::new(Mutex::new(Some(conn)));
        let alive = Arc::new(AtomicBool::new(true));
        let heart = beat(Arc::clone(&conn), query.clone(), Arc::clone(&alive));
        Ok(Self { conn, query, alive, _heart: spawn("mysql heartbeat", heart) })
    }

    /// Asks the server now.
    pub(crate) async fn is_alive(&self) -> bool {
        if self.alive.load(Ordering::Relaxed) && !ask(&self.conn, &self.query).await {
            self.alive.store(false, Ordering::Relaxed);
        }
        self.alive.load(Ordering::Relaxed)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // A question on its way has the session; it is dropped with its task.
        if let Ok(mut conn) = self.conn.try_lock()
            && let Some(conn) = conn.take()
        {
            config::cut(conn);
        }
    }
}

async fn beat(conn: Arc<Mutex<Option<Conn>>>, query: String, alive: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(heartbeat()).await;
        if !ask(&conn, &query).await {
            alive.store(false, Ordering::Relaxed);
            return;
        }
    }
}

/// Whether the session answers in time that it holds the lock.
async fn ask(conn: &Mutex<Option<Conn>>, query: &str) -> bool {
    let mut conn = conn.lock().await;
    let Some(conn) = conn.as_mut() else { return false };
    let answer = tokio::time::timeout(heartbeat(), conn.query_first::<Option<u8>, _>(query)).await;
    matches!(answer, Ok(Ok(Some(Some(1)))))
}
