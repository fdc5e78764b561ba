//! The reading end: a SQLite file as [`Source`].

use std::path::PathBuf;

use async_trait::async_trait;
use rowferry_core::{
    CheckLine, Column, Consistency, Endpoint, Result, Snapshot, Source, TableListing, TableRef,
    TableSchema, WireFormat,
};
use rowferry_runtime::{ComputePool, Owner};
use rusqlite::Connection;

use crate::config::{existing_file, identity};
use crate::describe;
use crate::error::{failed, thread_failed};
use crate::journal::is_wal;
use crate::snapshot::{SqliteSnapshot, reader};
use crate::types::ENGINE;

/// A SQLite file that tables are read from. Cloning shares its catalogue connection.
#[derive(Clone)]
pub struct SqliteSource {
    path: PathBuf,
    catalogue: Owner<Connection>,
}

impl SqliteSource {
    /// Opens the file of `endpoint` for reading.
    ///
    /// Decoding runs on the threads that own the connections: SQLite hands out cells one by one, so
    /// there is nothing left for `compute` to do.
    ///
    /// # Errors
    ///
    /// Class `Transient`, slug `missing-file`, when there is no such file; it is never created.
    /// `Setup`, slug `not-a-database`, when the file is something else.
    pub async fn open(endpoint: &Endpoint, compute: ComputePool) -> Result<Self> {
        drop(compute);
        let path = existing_file(endpoint)?;
        let catalogue = reader(&path).await?;
        Ok(Self { path, catalogue })
    }

    async fn ask<T, F>(&self, question: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.catalogue.call(move |connection| question(connection)).await.map_err(thread_failed)?
    }
}

#[async_trait]
impl Source for SqliteSource {
    fn engine(&self) -> &str {
        ENGINE
    }

    async fn identity(&self) -> Result<String> {
        let path = self.path.clone();
        self.ask(move |connection| identity(connection, &path)).await
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        self.ask(describe::tables).await
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        let table = table.clone();
        self.ask(move |connection| describe::describe(connection, &table)).await
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        let snapshot = SqliteSnapshot::open(&self.path, table, consistency, readers).await?;
        Ok(Box::new(snapshot))
    }

    fn offers(&self, format: WireFormat, _columns: &[Column]) -> bool {
        format == WireFormat::SqliteCells
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        self.ask(|connection| {
            let wal = is_wal(connection)
                .map_err(|error| failed("could not read the journal mode", error))?;
            Ok(vec![
                CheckLine {
                    name: "version".into(),
                    found: format!("SQLite {}", rusqlite::version()),
                    advice: None,
                    fatal: false,
                },
                CheckLine {
                    name: "journal mode".into(),
                    found: if wal { "wal" } else { "rollback journal" }.into(),
                    advice: (!wal).then(|| {
                        "Writers of this file wait while a copy reads it; `pragma journal_mode = \
                         wal` lifts that."
                            .to_owned()
                    }),
                    fatal: false,
                },
            ])
        })
        .await
    }
}
