//! The read view of a table, opened again when its server lost it.

use std::sync::Arc;

use rowferry_core::{Consistency, Result, Snapshot, Source, TableSchema};
use tokio::sync::Mutex;

/// The current view of one table and how many were opened.
pub struct Views {
    source: Arc<dyn Source>,
    table: TableSchema,
    consistency: Consistency,
    readers: usize,
    current: Mutex<(u64, Arc<dyn Snapshot>)>,
}

impl Views {
    /// Opens the first view.
    pub async fn open(
        source: Arc<dyn Source>,
        table: TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Self> {
        let first: Arc<dyn Snapshot> = source.snapshot(&table, consistency, readers).await?.into();
        Ok(Self { source, table, consistency, readers, current: Mutex::new((1, first)) })
    }

    /// The view and its number.
    pub async fn current(&self) -> (u64, Arc<dyn Snapshot>) {
        let current = self.current.lock().await;
        (current.0, Arc::clone(&current.1))
    }

    /// Opens a new view unless somebody else already replaced number `lost`.
    pub async fn replace(&self, lost: u64) -> Result<(u64, Arc<dyn Snapshot>)> {
        let mut current = self.current.lock().await;
        if current.0 == lost {
            let next = self.source.snapshot(&self.table, self.consistency, self.readers).await?;
            *current = (lost + 1, next.into());
        }
        Ok((current.0, Arc::clone(&current.1)))
    }
}
