//! A read view of a table, and what to read in it.

use rowferry_core::{Column, Consistency, ReadSpec, Snapshot, Source as _, TableRef, TableSchema};
use rowferry_postgres::PostgresSource;
use rowferry_runtime::ComputePool;

use crate::server::Server;

/// A relation of the schema `public` as the connector sees it, and a view for one reader.
pub(crate) async fn view(
    server: &Server,
    table: &str,
    consistency: Consistency,
) -> (TableSchema, Box<dyn Snapshot>) {
    let source =
        PostgresSource::connect(&server.endpoint(), ComputePool::new(1).unwrap()).await.unwrap();
    let schema = source.describe(&TableRef::new("public", table)).await.unwrap();
    let view = source.snapshot(&schema, consistency, 1).await.unwrap();
    (schema, view)
}

/// These columns of every row, row by row.
pub(crate) fn spec(columns: Vec<Column>) -> ReadSpec {
    ReadSpec { columns, predicate: None, wire: None, batch_bytes: 1, batch_rows: 1, ordered: false }
}
