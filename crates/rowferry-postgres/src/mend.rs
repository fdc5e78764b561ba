//! Single rows put right. A literal has no type of its own, so the server gives it its column's.

use async_trait::async_trait;
use rowferry_core::{
    CanonicalType, Column, Identity, Mend, MendCell, MendWords, Mender, Result, TableRef,
};

use crate::PostgresSink;
use crate::config::Purpose;
use crate::error::failed;
use crate::sql;

struct Words;

impl MendWords for Words {
    fn quote(&self, name: &str) -> String {
        sql::quote(name)
    }

    fn literal(&self, column: &Column, value: &str) -> Result<String> {
        // The text form of a list is JSON, which is no array here.
        if matches!(column.canonical, Some(CanonicalType::List { .. }) | None) {
            return Err(Mend::no_literal(column));
        }
        Ok(sql::literal(value))
    }

    fn before_values(&self, row: &[MendCell]) -> &'static str {
        let always = row.iter().any(|cell| cell.column.identity == Some(Identity::Always));
        if always { " overriding system value" } else { "" }
    }
}

#[async_trait]
impl Mender for PostgresSink {
    fn statement(&self, table: &TableRef, mend: &Mend) -> Result<String> {
        mend.statement(&sql::table(table), &Words)
    }

    async fn apply(&self, table: &TableRef, statements: &[String]) -> Result<()> {
        let attempt = || format!("could not repair table {table}");
        let session = self.server().connector.open(Purpose::Chunk, None).await?;
        let client = &session.client;
        client.batch_execute("begin").await.map_err(failed(attempt()))?;
        for statement in statements {
            let changed = client.execute_typed(statement, &[]).await.map_err(failed(attempt()))?;
            if changed != 1 {
                client.batch_execute("rollback").await.map_err(failed(attempt()))?;
                return Err(Mend::moved(table, changed));
            }
        }
        client.batch_execute("commit").await.map_err(failed(attempt()))
    }
}
