//! One view of a SQLite file, seen by several connections at once.
//!
//! A read transaction of SQLite sees the file as it was at its first read, but nothing hands that
//! moment to another connection. So the moments are made to coincide:
//!
//! ```text
//! WAL mode           begin immediate          (no other writer can commit now)
//!                    reader 1: begin, read    ┐
//!                    reader n: begin, read    ┘ all see the same last commit
//!                    rollback                 (writers go on; the readers keep their view)
//!
//! rollback journal   reader 1: begin, read    (its lock keeps every commit out)
//!                    reader n: begin, read    (the file has not changed in between)
//!
//! WAL, file not      reader 1: begin, read    one connection serves all reads, one after another
//! writable
//! ```
//!
//! What this prevents: two chunks of one table read from two moments, with a row that moved between
//! them met twice or never.
//!
//! A view of [`Consistency::Chunk`] holds no transaction between reads; each read opens its own.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rowferry_core::{
    Chunk, ChunkReader, ConnectorError, Consistency, Horizon, KeyColumns, KeyProbe, ReadSpec,
    Result, Snapshot, TableSchema, TableShape, source_altered,
};
use rowferry_runtime::Owner;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::altered;
use crate::chunks::SqliteProbe;
use crate::config::{BUSY_TIMEOUT, open_reader, open_writer};
use crate::error::{failed, thread_failed};
use crate::journal::is_wal;
use crate::read::SqliteReader;

/// Connections to read with at most, whatever is asked for. Guessed: beyond it readers wait for the
/// same disk, and each holds a page cache.
const READERS_MAX: usize = 16;

/// The view.
pub(crate) struct SqliteSnapshot {
    table: String,
    /// What the table was when the view was opened.
    shape: Arc<TableShape>,
    consistency: Consistency,
    /// For probing; a reader too when there is only one connection.
    prober: Owner<Connection>,
    readers: Arc<Pool>,
}

/// Connections that wait for the next read.
struct Pool {
    idle: Mutex<Vec<Owner<Connection>>>,
    permits: Arc<Semaphore>,
}

/// A connection while it reads; it goes back to its pool when dropped.
pub(crate) struct Lease {
    owner: Owner<Connection>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(crate) const fn owner(&self) -> &Owner<Connection> {
        &self.owner
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Ok(mut idle) = self.pool.idle.lock() {
            idle.push(self.owner.clone());
        }
    }
}

impl Pool {
    async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let gone = || ConnectorError::bug("the connections of a SQLite view are gone");
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_closed| gone())?;
        let owner = self.idle.lock().ok().and_then(|mut idle| idle.pop()).ok_or_else(gone)?;
        Ok(Lease { owner, pool: Arc::clone(self), _permit: permit })
    }
}

/// Starts a thread that owns a reading connection.
pub(crate) async fn reader(path: &Path) -> Result<Owner<Connection>> {
    let path = path.to_owned();
    Owner::spawn("sqlite-read", move || open_reader(&path)).await.map_err(thread_failed)?
}

impl SqliteSnapshot {
    /// Opens a view of the file for `readers` reads at once, and one more connection for probing.
    pub(crate) async fn open(
        path: &Path,
        table: &TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Self> {
        let consistency = match consistency {
            Consistency::Chunk => Consistency::Chunk,
            Consistency::Auto | Consistency::Table => Consistency::Table,
        };
        let first = reader(path).await?;
        let mut owners = vec![first.clone()];
        let wanted = readers.clamp(1, READERS_MAX) + 1;
        if consistency == Consistency::Chunk {
            while owners.len() < wanted {
                owners.push(reader(path).await?);
            }
        } else {
            let wal = first
                .call(|connection| is_wal(connection))
                .await
                .map_err(thread_failed)?
                .map_err(|error| failed("could not read the journal mode", error))?;
            if wal {
                align_wal(path, &mut owners, wanted).await?;
            } else {
                begin(&first).await?;
                while owners.len() < wanted {
                    let next = reader(path).await?;
                    begin(&next).await?;
                    owners.push(next);
                }
            }
        }
        let named = table.table.clone();
        let shape = first.call(move |connection| altered::shape(connection, &named)).await;
        let shape = shape.map_err(thread_failed)??;
        if let Some(change) = shape.change_since_plan(&table.columns) {
            return Err(source_altered(&table.table, &change));
        }
        let prober = if owners.len() > 1 { owners.pop().unwrap_or(first) } else { first };
        let permits = Arc::new(Semaphore::new(owners.len()));
        let readers = Arc::new(Pool { idle: Mutex::new(owners), permits });
        let (table, shape) = (table.table.name.clone(), Arc::new(shape));
        Ok(Self { table, shape, consistency, prober, readers })
    }
}

/// Opens the views of `wanted` readers while no writer can commit. When this user may not write to
/// the file, no such moment can be made, and the first reader alone is the view.
async fn align_wal(path: &Path, owners: &mut Vec<Owner<Connection>>, wanted: usize) -> Result<()> {
    let gate_path = path.to_owned();
    let gate = Owner::spawn("sqlite-align", move || -> Result<Connection> {
        let connection = open_writer(&gate_path, false, BUSY_TIMEOUT)?;
        connection
            .execute_batch("begin immediate")
            .map_err(|error| failed("could not hold back writers for a moment", error))?;
        Ok(connection)
    })
    .await
    .map_err(thread_failed)?;
    match gate {
        Ok(gate) => {
            while owners.len() < wanted {
                owners.push(reader(path).await?);
            }
            for owner in owners.iter() {
                begin(owner).await?;
            }
            gate.call(|connection| connection.execute_batch("rollback"))
                .await
                .map_err(thread_failed)?
                .map_err(|error| failed("could not let writers go on", error))
        }
        Err(error) if error.class == rowferry_core::ErrorClass::Refused => {
            tracing::info!(
                "the SQLite source cannot be written to: one connection reads all chunks in turn"
            );
            match owners.first() {
                Some(first) => begin(first).await,
                None => Ok(()),
            }
        }
        Err(error) => Err(error),
    }
}

/// Opens a read transaction and fixes its view by a first read.
async fn begin(owner: &Owner<Connection>) -> Result<()> {
    owner
        .call(|connection| {
            connection.execute_batch("begin")?;
            connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))
        })
        .await
        .map_err(thread_failed)?
        .map_err(|error| failed("could not open a read view", error))
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn consistency(&self) -> Consistency {
        self.consistency
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        // One writer at a time, and a view shows whole commits only: nothing below is still open.
        Ok(Some(Horizon { oldest_open: 0, next: 0 }))
    }

    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        let probe = SqliteProbe::new(self.prober.clone(), table.table.name.clone(), key.clone())?;
        Ok(Box::new(probe))
    }

    async fn blocks(&self, _table: &TableSchema) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        let lease = self.readers.lease().await?;
        // A read with a view of its own may meet another table than the one before it.
        let own_view = (self.consistency == Consistency::Chunk).then(|| Arc::clone(&self.shape));
        let reader = SqliteReader::start(lease, chunk, spec, self.table.clone(), own_view)?;
        Ok(Box::new(reader))
    }
}
