//! Read views.
//!
//! MySQL cannot hand a view to another session, so a view of a whole table is made of N sessions
//! that open theirs while nobody can write the table:
//!
//! ```text
//! coordinator   lock tables t read ───────────────────────────────┐ unlock tables
//! reader 1..N        start transaction with consistent snapshot ──┘
//! ```
//!
//! The lock waits for open writers of the table (their metadata locks), so when it is held no
//! change of the table is half done, and every view opened under it shows the same rows. It is
//! tried for two seconds only: a queue behind a long transaction would stop the application. Where
//! it cannot be had, one session reads everything, or each chunk has a view of its own.
//!
//! A session whose query was given up is freed by `kill query` from another one, since closing it
//! would lose its part of the view for good.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rowferry_core::{
    Chunk, ChunkReader, Column, ConnectorError, Consistency, ErrorClass, Horizon, KeyColumns,
    KeyProbe, ReadScript, ReadSpec, Result, ServerDigest, Snapshot, TableSchema, TableShape,
    source_altered,
};
use rowferry_runtime::Task;
use tokio::sync::Semaphore;

use crate::altered;
use crate::chunks::{self, MysqlKeyProbe};
use crate::config::{self, Purpose, Server};
use crate::conn::Conn;
use crate::describe;
use crate::error;
use crate::hashed;
use crate::link::Link;
use crate::read::MysqlReader;
use crate::sql;

/// Longest wait for the lock under which equal views are opened.
const LOCK_SECONDS: u8 = 2;

pub(crate) const OPEN_VIEW: &str = "start transaction with consistent snapshot, read only";

/// The sessions of one snapshot.
pub(crate) struct Sessions {
    pub(crate) server: Arc<Server>,
    /// Whether the sessions hold the view of the whole table and cannot be replaced.
    pinned: bool,
    idle: Mutex<Vec<Link>>,
    /// One permit for each pinned session that is neither leased nor lost.
    free: Semaphore,
    pinned_count: Mutex<usize>,
    rescues: Mutex<Vec<Task<()>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The data are plain lists: a panic elsewhere leaves them whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    fn new(server: Arc<Server>, pinned: Option<Vec<Link>>) -> Arc<Self> {
        let count = pinned.as_ref().map_or(0, Vec::len);
        Arc::new(Self {
            server,
            pinned: pinned.is_some(),
            idle: Mutex::new(pinned.unwrap_or_default()),
            free: Semaphore::new(count),
            pinned_count: Mutex::new(count),
            rescues: Mutex::new(Vec::new()),
        })
    }

    /// A session inside the view; of a chunk's own view it is opened by the reader.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease> {
        if self.pinned {
            let permit = self.free.acquire().await.map_err(|_closed| view_lost())?;
            permit.forget();
        }
        let idle = locked(&self.idle).pop();
        let conn = match idle {
            Some(conn) => conn,
            None if self.pinned => return Err(view_lost()),
            None => self.server.open_link().await?,
        };
        Ok(Lease { conn: Some(conn), sessions: Arc::clone(self), busy: false })
    }

    pub(crate) const fn is_pinned(&self) -> bool {
        self.pinned
    }

    fn give_back(&self, conn: Link) {
        locked(&self.idle).push(conn);
        if self.pinned {
            self.free.add_permits(1);
        }
    }

    fn lose(&self, conn: Link) {
        // Closes the socket: the server ends the query when it notices.
        drop(conn);
        if self.pinned {
            let mut count = locked(&self.pinned_count);
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.free.close();
            }
        }
    }

    /// Ends the query of a session whose reader was dropped, and keeps its view.
    fn rescue(self: &Arc<Self>, mut conn: Link) {
        let sessions = Arc::clone(self);
        let task = rowferry_runtime::spawn("free a session", async move {
            let killed = async {
                let mut control = sessions.server.open(Purpose::Read).await.ok()?;
                control.query_drop(format!("kill query {}", conn.id())).await.ok()?;
                config::close(control).await;
                let rest = conn.drop_rows().await;
                if !rest.as_ref().map_or_else(error::is_server_answer, |()| true) {
                    return None;
                }
                // A query that ended by itself leaves the kill to the next statement.
                match conn.query_drop("do 0").await {
                    Ok(()) => Some(()),
                    Err(_killed) => conn.query_drop("do 0").await.ok(),
                }
            };
            match killed.await {
                Some(()) => sessions.give_back(conn),
                None => sessions.lose(conn),
            }
        });
        let mut rescues = locked(&self.rescues);
        rescues.retain(|task| !task.is_finished());
        rescues.push(task);
    }
}

fn view_lost() -> ConnectorError {
    ConnectorError::new(
        ErrorClass::Transient,
        "snapshot-lost",
        "the sessions that held the read view are gone",
    )
    .with_next("Run the same command again: it reads in a new view.")
}

/// A session on loan. Dropping it gives it back, unless a call on it was left unfinished.
pub(crate) struct Lease {
    conn: Option<Link>,
    sessions: Arc<Sessions>,
    /// A result is still being sent.
    pub(crate) busy: bool,
}

impl Lease {
    /// The session.
    pub(crate) fn conn(&mut self) -> Result<&mut Link> {
        self.conn.as_mut().ok_or_else(view_lost)
    }

    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if conn.is_disconnected() {
            self.sessions.lose(conn);
        } else if !self.busy {
            self.sessions.give_back(conn);
        } else if self.sessions.pinned {
            self.sessions.rescue(conn);
        } else {
            drop(conn);
        }
    }
}

/// A read view of one table.
pub(crate) struct MysqlSnapshot {
    sessions: Arc<Sessions>,
    pub(crate) probes: Arc<Sessions>,
    pub(crate) table: TableSchema,
    /// What the table was before the view was opened.
    pub(crate) shape: TableShape,
    horizon: Option<Horizon>,
    /// Seconds by the server's clock, asked only where there is no horizon.
    opened_at: Option<u64>,
}

/// Opens the view that `consistency` asks for.
pub(crate) async fn open(
    server: &Arc<Server>,
    table: &TableSchema,
    consistency: Consistency,
    readers: usize,
) -> Result<MysqlSnapshot> {
    let mut coordinator = server.open(Purpose::Read).await?;
    let engine = describe::storage_engine(server, &mut coordinator, &table.table).await?;
    let shape = altered::shape(server, &mut coordinator, &table.table).await?;
    if let Some(change) = altered::since_plan(&shape, table.columns.iter()) {
        return Err(source_altered(&table.table, &change));
    }
    // A view of other engines does not hold: their rows have no versions.
    let versioned = engine.is_none_or(|engine| engine.eq_ignore_ascii_case("innodb"));
    let before = clock(&mut coordinator).await;
    let pinned = match consistency {
        Consistency::Chunk => None,
        Consistency::Auto | Consistency::Table if !versioned => None,
        Consistency::Auto => equal_views(server, &mut coordinator, table, readers).await?,
        Consistency::Table => match equal_views(server, &mut coordinator, table, readers).await? {
            Some(conns) => Some(conns),
            None => Some(vec![one_view(server).await?]),
        },
    };
    let horizon = match (&pinned, before, clock(&mut coordinator).await) {
        // A transaction that was open when the view opened was open before it, or began since.
        (Some(_), Some(before), Some(after)) => {
            Some(Horizon { oldest_open: before.oldest_open, next: after.next })
        }
        _ => None,
    };
    let opened_at = match horizon {
        Some(_) => None,
        None => seconds(&mut coordinator).await?,
    };
    config::close(coordinator).await;
    // Bounds from another view are as good: chunks cover the line wherever they meet.
    let probes = Sessions::new(Arc::clone(server), None);
    let sessions = Sessions::new(Arc::clone(server), pinned);
    Ok(MysqlSnapshot { sessions, probes, table: table.clone(), shape, horizon, opened_at })
}

/// Whole seconds since 1970 by the server's clock.
async fn seconds(conn: &mut Conn) -> Result<Option<u64>> {
    conn.query_first("select cast(unix_timestamp() as unsigned)")
        .await
        .map_err(|error| error::of(error, "could not ask the server for the time"))
}

async fn one_view(server: &Server) -> Result<Link> {
    let mut conn = server.open_link().await?;
    open_view(&mut conn).await?;
    Ok(conn)
}

/// Opens a read view in a session.
pub(crate) async fn open_view(conn: &mut Link) -> Result<()> {
    conn.query_drop(OPEN_VIEW).await.map_err(|error| error::of(error, "could not open a read view"))
}

/// `readers` sessions that see the same rows; `None` when the lock cannot be had.
async fn equal_views(
    server: &Server,
    coordinator: &mut Conn,
    table: &TableSchema,
    readers: usize,
) -> Result<Option<Vec<Link>>> {
    if readers <= 1 {
        return Ok(Some(vec![one_view(server).await?]));
    }
    let mut conns = Vec::with_capacity(readers);
    for _ in 0..readers {
        conns.push(server.open_link().await?);
    }
    let lock = format!("lock tables {} read", sql::table(&table.table));
    let locked = async {
        coordinator.query_drop(format!("set session lock_wait_timeout = {LOCK_SECONDS}")).await?;
        coordinator.query_drop(lock).await
    };
    if let Err(error) = locked.await {
        if !error::is_server_answer(&error) {
            return Err(error::of(error, format!("could not lock table {}", table.table)));
        }
        tracing::info!(table = %table.table, "no lock for equal read views");
        return Ok(None);
    }
    for conn in &mut conns {
        open_view(conn).await?;
    }
    coordinator
        .query_drop("unlock tables")
        .await
        .map_err(|error| error::of(error, format!("could not unlock table {}", table.table)))?;
    Ok(Some(conns))
}

/// The transaction clock; `None` when this login may not see it.
async fn clock(conn: &mut Conn) -> Option<Horizon> {
    let (_, _, status): (String, String, String) =
        conn.query_first("show engine innodb status").await.ok()??;
    parse_clock(&status)
}

/// Reads the counter and the open transactions from the server's report, which is cut in the
/// middle of the list when it grows beyond a megabyte.
fn parse_clock(status: &str) -> Option<Horizon> {
    if status.contains("... truncated...") {
        return None;
    }
    let next = status
        .lines()
        .find_map(|line| line.strip_prefix("Trx id counter "))?
        .trim()
        .parse::<u64>()
        .ok()?;
    let oldest_open = status
        .lines()
        .filter_map(|line| line.strip_prefix("---TRANSACTION ")?.split_once(", ACTIVE"))
        .filter_map(|(id, _)| id.trim().parse::<u64>().ok())
        // Transactions that only read show an address in place of a number.
        .filter(|id| *id < next)
        .min()
        .unwrap_or(next);
    Some(Horizon { oldest_open, next })
}

#[async_trait]
impl Snapshot for MysqlSnapshot {
    fn consistency(&self) -> Consistency {
        if self.sessions.is_pinned() { Consistency::Table } else { Consistency::Chunk }
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        Ok(self.horizon)
    }

    async fn opened_at(&self) -> Result<Option<u64>> {
        Ok(self.opened_at)
    }

    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        chunks::check_key(&table.table, key)?;
        let lease = self.probes.lease().await?;
        Ok(Box::new(MysqlKeyProbe { lease, table: table.clone(), key: key.clone() }))
    }

    async fn blocks(&self, _table: &TableSchema) -> Result<Option<u64>> {
        Ok(None)
    }

    /// A view cannot be handed on, but anybody can open one for a chunk.
    fn script(&self) -> Option<&dyn ReadScript> {
        (!self.sessions.is_pinned()).then_some(self)
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        let lease = self.sessions.lease().await?;
        Ok(Box::new(MysqlReader::start(lease, &self.table, &self.shape, chunk, spec).await?))
    }

    fn hashes(&self, column: &Column) -> bool {
        hashed::image(column).is_some()
    }

    async fn digest(&self, chunk: &Chunk, spec: &ReadSpec, seed: u64) -> Result<ServerDigest> {
        let lease = self.sessions.lease().await?;
        hashed::digest(lease, &self.table, &self.shape, chunk, (spec, seed)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_from_the_report() {
        let report = "TRANSACTIONS\n------------\nTrx id counter 77\n\
            ---TRANSACTION 421937, not started\n---TRANSACTION 75, ACTIVE 3 sec inserting\n\
            ---TRANSACTION 421938, ACTIVE 0 sec\n";
        assert_eq!(parse_clock(report), Some(Horizon { oldest_open: 75, next: 77 }));
    }
}
