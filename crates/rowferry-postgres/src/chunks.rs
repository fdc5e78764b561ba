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
    session: Session,
    table: TableRef,
    key: KeyColumns,
    // The view's coordinator must live as long as its probe.
    _view: Arc<View>,
}

impl PgKeyProbe {
    pub(crate) fn new(session: Session, table: TableRef, key: KeyColumns, view: Arc<View>) -> Self {
        Self { session, table, key, _view: view }
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
        self.session.set_busy(true);
        let row = self
            .session
            .client
            .query_typed_opt(&query, &[])
            .await
            .map_err(failed(format!("could not look up keys of table {}", self.table)))?;
        self.session.set_busy(false);
        match row {
            None => Ok(None),
            Some(row) => sql::key_tuple(&self.key, &row)?.map(Some).ok_or_else(|| {
                ConnectorError::bug(format!("a key of table {} is not as described", self.table))
            }),
        }
    }
}
