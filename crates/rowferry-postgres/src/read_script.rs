//! How a program of another make reads the chunks of a view.

use async_trait::async_trait;
use rowferry_core::{
    Chunk, ConnectorError, KeyRange, KeyTuple, ReadScript, ReadSpec, Result, source_altered,
};

use crate::config::{Purpose, session_settings};
use crate::error::failed;
use crate::snapshot::View;
use crate::{altered, sql};

/// The oldest version whose settings every version knows: the newer ones only add a limit on
/// sessions that idle outside a transaction, which a session of one query never does.
const PLAIN_VERSION: u32 = 0;

#[async_trait]
impl ReadScript for View {
    fn before(&self) -> Vec<String> {
        let settings = session_settings(Purpose::Read, PLAIN_VERSION, &self.pool.connector.limits);
        let mut statements: Vec<String> = settings.split("; ").map(str::to_owned).collect();
        statements.extend(match &self.coordinator {
            Some(coordinator) => self.begin.of_exported(&coordinator.snapshot_id),
            None => self.begin.of_own_view(),
        });
        statements
    }

    fn query(&self, chunk: &Chunk, spec: &ReadSpec, forms: &[String]) -> Result<String> {
        if forms.len() != spec.columns.len() {
            return Err(ConnectorError::bug("a read has not as many forms as columns"));
        }
        let name = |name: &str| format!("t.{}", sql::quote(name));
        let columns: Vec<String> = spec
            .columns
            .iter()
            .zip(forms)
            .enumerate()
            // Named by their places: two expressions may give themselves the same name.
            .map(|(at, (column, form))| {
                format!("{} as c{at}", form.replace("{}", &name(&column.name)))
            })
            .collect();
        Ok(sql::select(chunk, spec, &columns))
    }

    async fn last_key(&self, chunk: &Chunk) -> Result<Option<KeyTuple>> {
        let (Some(query), KeyRange::Span { key, .. }) =
            (sql::last_key(&chunk.table, &chunk.range), &chunk.range)
        else {
            return Ok(None);
        };
        let session = self.enter().await?;
        session.set_busy(true);
        let row = session
            .client
            .query_typed_opt(&query, &[])
            .await
            .map_err(failed(format!("could not look up the last key of table {}", chunk.table)))?;
        session.set_busy(false);
        self.leave(session).await?;
        row.as_ref().map_or(Ok(None), |row| sql::key_tuple(key, row))
    }

    async fn check_unaltered(&self) -> Result<()> {
        if let Some(coordinator) = &self.coordinator {
            // Nobody can alter a table that it holds.
            return if coordinator.session.is_closed() { Err(self.lost()) } else { Ok(()) };
        }
        let session = self.pool.take(Purpose::Read, None).await?;
        let now = altered::shape(&session.client, &self.table).await?;
        match self.shape.change(&now) {
            Some(change) => Err(source_altered(&self.table, &change)),
            None => Ok(()),
        }
    }
}
