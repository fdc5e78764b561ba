//! The `generate:` source.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use rowferry_core::{
    CheckLine, Column, ConnectorError, Consistency, ErrorClass, Result, Snapshot, Source,
    TableListing, TableRef, TableSchema, WireFormat, nearest,
};

use crate::request::{Request, Set};
use crate::snapshot::GeneratedView;
use crate::table::{ENGINE, Table};
use crate::{batch, plain, shop};

/// A source without a database.
pub struct GenerateSource {
    request: Request,
    tables: Vec<Arc<Table>>,
}

impl std::fmt::Debug for GenerateSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenerateSource").field("request", &self.request).finish_non_exhaustive()
    }
}

impl GenerateSource {
    /// Reads what stands behind `generate:`: `shop` (six tables) or one of the sets of one table,
    /// `rows`, `lineitem`, `narrow`, `wide`, `texts`, `sparse`, then optionally `?rows=N` (all tables together, 300,000 unless told), `scale=N` (times 300,000)
    /// and `seed=N` (1 unless told).
    ///
    /// # Errors
    ///
    /// Class `Setup`, slug `generate-spec`.
    pub fn open(spec: &str) -> Result<Self> {
        let request = Request::parse(spec)?;
        let rows = request.rows;
        let tables = match request.set {
            Set::Shop => shop::tables(rows),
            Set::Rows => vec![plain::rows(rows)],
            Set::Lineitem => vec![plain::lineitem(rows)],
            Set::Narrow => vec![plain::narrow(rows)],
            Set::Wide => vec![plain::wide(rows)],
            Set::Texts => vec![plain::texts(rows)],
            Set::Sparse => vec![plain::sparse(rows)],
        };
        let tables = tables.into_iter().map(Arc::new).collect();
        Ok(Self { request, tables })
    }

    /// The columns of a table and its rows of these numbers in one batch, for benches that have no
    /// use for chunks.
    ///
    /// # Errors
    ///
    /// Class `Setup`, slug `unknown-table`.
    pub fn batch(&self, table: &TableRef, rows: Range<u64>) -> Result<(Vec<Column>, RecordBatch)> {
        let table = self.table(table)?;
        let columns: Vec<usize> = (0..table.recipes.len()).collect();
        let rows: Vec<u64> = (rows.start..rows.end.min(table.rows)).collect();
        let batch = batch::build(table, self.request.seed, &columns, &rows)?;
        Ok((table.schema().columns, batch))
    }

    fn table(&self, name: &TableRef) -> Result<&Arc<Table>> {
        let found =
            self.tables.iter().find(|table| name.schema.is_none() && table.name == name.name);
        found.ok_or_else(|| {
            let known = self.tables.iter().map(|table| table.name);
            let next = match nearest(&name.name, known.clone()) {
                Some(near) => format!("Did you mean {near}?"),
                None => format!("It has {}.", known.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("generate: has no table {name}");
            ConnectorError::new(ErrorClass::Setup, "unknown-table", message).with_next(next)
        })
    }
}

#[async_trait]
impl Source for GenerateSource {
    fn engine(&self) -> &str {
        ENGINE
    }

    async fn identity(&self) -> Result<String> {
        let Request { set, rows, seed } = self.request;
        Ok(format!("generate:{}?rows={rows}&seed={seed}", set.word()))
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        let listing = |table: &Arc<Table>| TableListing {
            table: TableRef::bare(table.name),
            key: table.key(),
            rows_estimated: Some(table.rows),
            bytes_estimated: None,
        };
        Ok(self.tables.iter().map(listing).collect())
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        Ok(self.table(table)?.schema())
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        _consistency: Consistency,
        _readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        let table = Arc::clone(self.table(&table.table)?);
        Ok(Box::new(GeneratedView::new(table, self.request.seed)))
    }

    fn offers(&self, _format: WireFormat, _columns: &[Column]) -> bool {
        false
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        Ok(vec![CheckLine {
            name: "generator".to_owned(),
            found: self.identity().await?,
            advice: None,
            fatal: false,
        }])
    }
}
