//! The reading end.

use std::sync::Arc;

use async_trait::async_trait;
use mysql_async::params;
use rowferry_core::{
    CheckLine, Column, Consistency, Endpoint, Result, Snapshot, Source, TableListing, TableRef,
    TableSchema, WireFormat,
};
use rowferry_runtime::ComputePool;

use crate::config::{self, Purpose, Server};
use crate::rights::Rights;
use crate::{describe, snapshot};

/// A MySQL or MariaDB server that tables are read from.
#[derive(Debug)]
pub struct MysqlSource {
    server: Arc<Server>,
}

impl MysqlSource {
    /// Connects once, to learn which fork and version the server is.
    ///
    /// # Errors
    ///
    /// Class `Transient` when it cannot be reached, `Refused` for login and TLS, `Setup` for an
    /// unknown database.
    pub async fn connect(endpoint: &Endpoint, compute: ComputePool) -> Result<Self> {
        Ok(Self { server: Server::reach(endpoint, compute).await? })
    }
}

#[async_trait]
impl Source for MysqlSource {
    fn engine(&self) -> &str {
        self.server.flavor.word()
    }

    async fn identity(&self) -> Result<String> {
        self.server.identity().await
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        let mut conn = self.server.open(Purpose::Read).await?;
        let tables = describe::list(&self.server, &mut conn).await?;
        config::close(conn).await;
        Ok(tables)
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        let mut conn = self.server.open(Purpose::Read).await?;
        match describe::table(&self.server, &mut conn, table).await? {
            Some(found) => {
                config::close(conn).await;
                Ok(found.schema)
            }
            None => Err(describe::unknown_table(&self.server, &mut conn, table).await),
        }
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(snapshot::open(&self.server, table, consistency, readers).await?))
    }

    fn offers(&self, _format: WireFormat, _columns: &[Column]) -> bool {
        false
    }

    async fn missing_grants(&self, table: &TableRef) -> Result<Vec<String>> {
        let mut conn = self.server.open(Purpose::Read).await?;
        let rights = Rights::of_login(&mut conn).await?;
        config::close(conn).await;
        Ok(rights.to_read(self.server.database_of(table), table))
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        let mut conn = self.server.open(Purpose::Read).await?;
        let mut lines = vec![CheckLine {
            name: "version".to_owned(),
            found: self.server.version.clone(),
            advice: None,
            fatal: false,
        }];
        let clock = conn.query_drop("show engine innodb status").await.is_ok();
        lines.push(CheckLine {
            name: "right PROCESS".to_owned(),
            found: if clock { "granted" } else { "missing" }.to_owned(),
            advice: (!clock).then(|| {
                "Grant PROCESS if tables are copied incrementally: open transactions are seen by it."
                    .to_owned()
            }),
            fatal: false,
        });
        let others: Vec<String> = conn
            .exec(
                "select table_name from information_schema.tables where table_schema = :db \
                 and engine is not null and engine <> 'InnoDB' order by table_name",
                params! { "db" => &self.server.database },
            )
            .await
            .unwrap_or_default();
        if !others.is_empty() {
            lines.push(CheckLine {
                name: "tables without row versions".to_owned(),
                found: others.join(", "),
                advice: Some(
                    "These tables are read without a common view; convert them to InnoDB."
                        .to_owned(),
                ),
                fatal: false,
            });
        }
        config::close(conn).await;
        Ok(lines)
    }
}
