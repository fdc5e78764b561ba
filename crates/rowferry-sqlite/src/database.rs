//! The one writing connection of a target file, and its turns.
//!
//! SQLite has one writer per file, so there is one connection, on a thread of its own, and one turn
//! at a time: a chunk holds the turn from `begin` to its COMMIT or rollback. Taking the turn before
//! the first row is read, and not at the first write, means that a waiting chunk holds no rows in
//! memory, so waiting chunks can never starve the one that writes.

use std::path::PathBuf;
use std::sync::Arc;

use rowferry_core::{ErrorClass, Result};
use rowferry_runtime::{FailPoint, Owner};
use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::config::open_writer;
use crate::error::{commit_failed, failed, thread_failed};

/// Statements that stay prepared: insert, delete, receipt, epoch, and a few of the catalogue.
const STATEMENTS_KEPT: usize = 32;

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
    path: PathBuf,
}

impl Database {
    /// Opens the file, or makes it.
    pub(crate) async fn open(path: PathBuf) -> Result<Self> {
        let owner = Owner::spawn("sqlite-write", move || -> Result<Writing> {
            let connection = open_writer(&path, true)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
            Ok(Writing { connection, path })
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

impl Writing {
    /// Begins a writing transaction; whatever a dropped caller left open is rolled back first.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.roll_back();
        self.connection
            .execute_batch("begin immediate")
            .map_err(|error| failed("could not begin a transaction in the target", error))
    }

    /// Commits. After an outcome that nobody knows the connection is opened anew, so that the next
    /// look at the file is not answered from this one's cache.
    pub(crate) fn commit(&mut self, attempt: &str) -> Result<()> {
        let Err(error) = self.connection.execute_batch("commit") else { return Ok(()) };
        let error = commit_failed(attempt, error);
        self.roll_back();
        if error.class == ErrorClass::Unknown {
            match open_writer(&self.path, false) {
                Ok(connection) => {
                    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
                    self.connection = connection;
                }
                Err(error) => tracing::warn!(%error, "the target file could not be opened again"),
            }
        }
        Err(error)
    }

    /// Ends an open transaction without a trace. SQLite itself may have ended it already.
    pub(crate) fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("rollback")
        {
            tracing::warn!(%error, "could not roll back in the target");
        }
    }
}
