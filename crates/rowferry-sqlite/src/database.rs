//! The one writing connection of a target file, and its turns.
//!
//! SQLite has one writer per file, so there is one connection, on a thread of its own, and one turn
//! at a time: a chunk holds the turn from its first rows to its COMMIT or rollback.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rowferry_core::{ConnectorError, ErrorClass, Result};
use rowferry_runtime::{FailPoint, Owner};
use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::config::{BUSY_TIMEOUT, open_writer};
use crate::error::{commit_failed, failed, thread_failed};
use crate::image;
use crate::journal;
use crate::lock::{TableLock, explain_held};
use crate::rows_table::Shown;

/// Statements that stay prepared: insert, delete, receipt, epoch, and a few of the catalogue.
const STATEMENTS_KEPT: usize = 32;

/// How long to wait for a file that another run of ours writes: longer than the commit of a chunk,
/// during which nobody else may look into a file in rollback-journal mode.
const HELD_TIMEOUT: Duration = Duration::from_secs(5);

/// The writing end of a file. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Database {
    owner: Owner<Writing>,
    turn: Arc<Mutex<()>>,
}

/// The right to write, until dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// What lives on the thread.
pub(crate) struct Writing {
    pub(crate) connection: Connection,
    /// The batch that its statements read.
    pub(crate) shown: Shown,
    /// The images that its transaction has read.
    pub(crate) images: image::Attached,
    /// Whether the file waits for its first table, see [`journal`].
    is_new: bool,
    path: PathBuf,
}

impl Database {
    /// Opens the file, or makes it.
    pub(crate) async fn open(path: PathBuf) -> Result<Self> {
        let owner = Owner::spawn("sqlite-write", move || -> Result<Writing> {
            Writing::open(path.clone()).map_err(|error| explain_held(error, &path))
        })
        .await
        .map_err(thread_failed)??;
        Ok(Self { owner, turn: Arc::new(Mutex::new(())) })
    }

    /// Waits for the turn.
    pub(crate) async fn turn(&self) -> Turn {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Runs `work` on the thread, between two calls of whoever has the turn. For reading only.
    pub(crate) async fn ask<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&mut Writing) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.owner.call(work).await.map_err(thread_failed)?
    }

    /// Takes the turn and runs `work` in one transaction of its own.
    pub(crate) async fn change<T, F>(&self, attempt: &'static str, work: F) -> Result<T>
    where
        F: FnOnce(&mut Writing) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let turn = self.turn().await;
        self.ask(move |writing| {
            // Held here and not by the caller, who may give up waiting while the work still runs.
            let _turn = turn;
            writing.begin()?;
            match work(writing) {
                Ok(value) => {
                    FailPoint::TableStatement.reach();
                    writing.commit(attempt)?;
                    writing.settle_journal()?;
                    FailPoint::TableStatement.reach();
                    Ok(value)
                }
                Err(error) => {
                    writing.roll_back();
                    Err(error)
                }
            }
        })
        .await
    }
}

fn journal_failed(error: rusqlite::Error) -> ConnectorError {
    failed("could not set how the target file is journaled", error)
}

fn connect(path: &Path, create: bool, patience: Duration) -> Result<(Connection, Shown)> {
    let connection = open_writer(path, create, patience)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    let shown = Shown::to(&connection)
        .map_err(|error| failed("could not show batches to the target file", error))?;
    Ok((connection, shown))
}

impl Writing {
    /// The connection of a file, which is made where it is not there.
    fn open(path: PathBuf) -> Result<Self> {
        let patience =
            if TableLock::any_holder(&path).is_some() { HELD_TIMEOUT } else { BUSY_TIMEOUT };
        let (connection, shown) = connect(&path, true, patience)?;
        let started = journal::start(&connection).and_then(|is_new| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok(is_new)
        });
        let is_new = started.map_err(journal_failed)?;
        Ok(Self { connection, shown, images: image::Attached::default(), is_new, path })
    }

    /// Begins a writing transaction; whatever a dropped caller left open is rolled back first.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.roll_back();
        self.settle_journal()?;
        self.connection
            .execute_batch("begin immediate")
            .map_err(|error| failed("could not begin a transaction in the target", error))
    }

    /// Commits. After an outcome that nobody knows the connection is opened anew, so that the next
    /// look at the file is not answered from this one's cache.
    pub(crate) fn commit(&mut self, attempt: &str) -> Result<()> {
        let Err(error) = self.connection.execute_batch("commit") else {
            self.free_images();
            return Ok(());
        };
        let error = commit_failed(attempt, error);
        self.roll_back();
        if error.class == ErrorClass::Unknown {
            match connect(&self.path, false, BUSY_TIMEOUT) {
                Ok((connection, shown)) => {
                    (self.connection, self.shown) = (connection, shown);
                    self.images = image::Attached::default();
                }
                Err(error) => tracing::warn!(%error, "the target file could not be opened again"),
            }
        }
        Err(error)
    }

    /// After a change of tables the first one may be there. Before each transaction once more: somebody
    /// who read the new table at that moment was in the way.
    fn settle_journal(&mut self) -> Result<()> {
        if self.is_new {
            self.is_new = journal::settle(&self.connection).map_err(journal_failed)?;
        }
        Ok(())
    }

    /// Ends an open transaction without a trace. SQLite itself may have ended it already.
    pub(crate) fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("rollback")
        {
            tracing::warn!(%error, "could not roll back in the target");
        }
        self.free_images();
    }

    /// Without them `begin immediate` concerns the file alone.
    fn free_images(&mut self) {
        if let Err(error) = self.images.free(&self.connection) {
            tracing::warn!(%error, "could not let go of rows that were written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_of_the_first_table_delays_the_wal_by_one_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.db");
        let mut writing = Writing::open(path.clone()).unwrap();
        writing.begin().unwrap();
        writing.connection.execute_batch("create table t (id integer)").unwrap();
        writing.commit("create").unwrap();
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("begin; select * from t").unwrap();
        writing.settle_journal().unwrap();
        assert!(!journal::is_wal(&writing.connection).unwrap());
        reader.execute_batch("commit").unwrap();
        writing.begin().unwrap();
        writing.commit("nothing").unwrap();
        assert!(journal::is_wal(&writing.connection).unwrap());
    }
}
