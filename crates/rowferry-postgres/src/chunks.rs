//! Looking up keys for the cutter, inside a read view.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{ConnectorError, KeyColumns, KeyProbe, KeyTuple, Result, TableRef};

use crate::error::failed;
use crate::session::Session;
use crate::snapshot::View;
use crate::sql;

/// Walks the index of a key on a connection of its own.
pub(crate) struct PgKeyProbe {
    /// `None` after an error: a session that failed is never used again.
    session: Option<Session>,
    table: TableRef,
    key: KeyColumns,
    view: Arc<View>,
}

impl PgKeyProbe {
    pub(crate) fn new(session: Session, table: TableRef, key: KeyColumns, view: Arc<View>) -> Self {
        Self { session: Some(session), table, key, view }
    }
}

impl Drop for PgKeyProbe {
    /// The last look-up done, its session reads chunks.
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.view.give_back(session);
        }
    }
}

#[async_trait]
impl KeyProbe for PgKeyProbe {
    async fn nth_key(
        &mut self,
        after: Option<&KeyTuple>,
        upto: Option<&KeyTuple>,
        rows: u64,
    ) -> Result<Option<KeyTuple>> {
        let query = sql::nth_key(&self.table, &self.key, after, upto, rows);
        let attempt = || format!("could not look up keys of table {}", self.table);
        let Some(session) = self.session.take() else {
            return Err(self.view.lost());
        };
        session.set_busy(true);
        let row = session.client.query_typed_opt(&query, &[]).await.map_err(failed(attempt()))?;
        session.set_busy(false);
        self.session = Some(session);
        match row {
            None => Ok(None),
            Some(row) => sql::key_tuple(&self.key, &row)?.map(Some).ok_or_else(|| {
                ConnectorError::bug(format!("a key of table {} is not as described", self.table))
            }),
        }
    }
}
