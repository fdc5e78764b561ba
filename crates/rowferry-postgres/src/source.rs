//! The reading end.

use async_trait::async_trait;
use rowferry_core::{
    CheckLine, Column, Consistency, Endpoint, Result, Snapshot, Source, TableListing, TableRef,
    TableSchema, WireFormat,
};
use rowferry_runtime::ComputePool;

use crate::describe::{self, ENGINE};
use crate::error::failed;
use crate::rights;
use crate::server::Server;
use crate::snapshot::PgSnapshot;

/// A PostgreSQL database that tables are read from.
pub struct PostgresSource {
    server: Server,
    compute: ComputePool,
}

impl PostgresSource {
    /// Connects to `endpoint`. Rows are decoded on `compute`.
    ///
    /// # Errors
    ///
    /// Class `Transient` when the server cannot be reached, `Refused` when it does not let this
    /// login in or TLS fails, `Setup` for an unknown database.
    pub async fn connect(endpoint: &Endpoint, compute: ComputePool) -> Result<Self> {
        Ok(Self { server: Server::connect(endpoint).await?, compute })
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn engine(&self) -> &str {
        ENGINE
    }

    async fn identity(&self) -> Result<String> {
        self.server.identity().await
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        let session = self.server.questions().await?;
        describe::listing(&session).await
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        let session = self.server.questions().await?;
        match describe::find(&session, table, &self.server.schemas).await? {
            Some(relation) => {
                describe::describe(&session, &relation, self.server.money_digits).await
            }
            None => Err(describe::unknown_table(&session, table).await),
        }
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        _readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        let session = self.server.questions().await?;
        let found = describe::find(&session, &table.table, &self.server.schemas).await?;
        let Some(relation) = found else {
            return Err(describe::unknown_table(&session, &table.table).await);
        };
        let snapshot = PgSnapshot::open(
            &self.server.pool,
            self.compute.clone(),
            table,
            &relation,
            consistency,
        )
        .await?;
        Ok(Box::new(snapshot))
    }

    /// Every type goes: what has no binary form crosses as its text, and numbers of types are put
    /// right by the writer. A column that was demoted is to be looked at, but its bytes are as before.
    fn offers(&self, format: WireFormat, columns: &[Column]) -> bool {
        match format {
            WireFormat::PgCopyBinary => columns
                .iter()
                .all(|column| column.native.engine == ENGINE && column.canonical.is_some()),
            WireFormat::SqliteCells => false,
        }
    }

    async fn missing_grants(&self, table: &TableRef) -> Result<Vec<String>> {
        let session = self.server.questions().await?;
        match describe::find(&session, table, &self.server.schemas).await? {
            Some(relation) => rights::to_read(&session, &relation.table).await,
            None => Ok(Vec::new()),
        }
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        const RIGHTS: &str = "select count(*), count(*) filter (where \
                 pg_catalog.has_table_privilege(c.oid, 'select')), \
                 current_user::text, pg_catalog.current_setting('server_encoding'), \
                 pg_catalog.pg_is_in_recovery() \
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' \
                 and n.nspname !~ '^pg_'";
        let mut lines = vec![self.server.check_version().await?];
        let session = self.server.questions().await?;
        let row = session
            .client
            .query_typed_one(RIGHTS, &[])
            .await
            .map_err(failed("could not read the rights of this login"))?;
        let (tables, readable): (i64, i64) = (row.get(0)?, row.get(1)?);
        let user: String = row.get(2)?;
        lines.push(CheckLine {
            name: "right to read tables".to_owned(),
            found: format!("{readable} of {tables} tables"),
            advice: (readable < tables).then(|| {
                format!(
                    "For the tables to be copied: grant select on all tables in schema … to {};",
                    crate::sql::quote(&user)
                )
            }),
            fatal: tables > 0 && readable == 0,
        });
        let encoding: String = row.get(3)?;
        lines.push(CheckLine {
            name: "server encoding".to_owned(),
            advice: (encoding == "SQL_ASCII").then(|| {
                "Text may hold bytes that are not UTF-8; such rows are refused.".to_owned()
            }),
            found: encoding,
            fatal: false,
        });
        let standby: bool = row.get(4)?;
        lines.push(CheckLine {
            name: "role of the server".to_owned(),
            found: if standby { "standby" } else { "primary" }.to_owned(),
            advice: standby.then(|| {
                "Long reads on a standby may be cancelled; raise max_standby_streaming_delay."
                    .to_owned()
            }),
            fatal: false,
        });
        Ok(lines)
    }
}
