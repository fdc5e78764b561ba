//! How a program of another make reads the chunks of a view.

use async_trait::async_trait;
use mysql_async::Row;
use rowferry_core::{
    Chunk, ConnectorError, KeyRange, KeyTuple, ReadScript, ReadSpec, Result, source_altered,
};

use crate::snapshot::{MysqlSnapshot, OPEN_VIEW};
use crate::{altered, chunks, error, read, sql};

#[async_trait]
impl ReadScript for MysqlSnapshot {
    fn before(&self) -> Vec<String> {
        let settings = self.probes.server.reading_session();
        settings.chain([OPEN_VIEW]).map(str::to_owned).collect()
    }

    fn query(&self, chunk: &Chunk, spec: &ReadSpec, forms: &[String]) -> Result<String> {
        if forms.len() != spec.columns.len() {
            return Err(ConnectorError::bug("a read has not as many forms as columns"));
        }
        let forms = spec.columns.iter().zip(forms).enumerate();
        // Named by their places: two expressions may give themselves the same name.
        let expressions: Vec<String> = forms
            .map(|(at, (column, form))| {
                format!("{} as c{at}", form.replace("{}", &sql::quote(&column.name)))
            })
            .collect();
        read::query_for(&expressions, &self.table, chunk, spec)
    }

    async fn last_key(&self, chunk: &Chunk) -> Result<Option<KeyTuple>> {
        let KeyRange::Span { key, lower, upper: None } = &chunk.range else { return Ok(None) };
        let query = chunks::greatest_query(&self.table, key, lower.as_ref());
        let mut lease = self.probes.lease().await?;
        lease.busy = true;
        let row: Option<Row> = lease.conn()?.query_first(&query).await.map_err(|error| {
            error::of(error, format!("could not look up the last key of table {}", chunk.table))
        })?;
        lease.busy = false;
        row.map(|row| chunks::tuple(key, row)).transpose()
    }

    async fn check_unaltered(&self) -> Result<()> {
        let mut lease = self.probes.lease().await?;
        lease.busy = true;
        let now = altered::shape(&self.probes.server, lease.conn()?, &self.table.table).await?;
        lease.busy = false;
        match self.shape.change(&now) {
            Some(change) => Err(source_altered(&self.table.table, &change)),
            None => Ok(()),
        }
    }
}
