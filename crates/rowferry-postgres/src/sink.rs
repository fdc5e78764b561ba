//! The writing end.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{
    Access, Begun, CheckLine, Chunk, ColumnChoice, ColumnPlan, ColumnWish, ConnectorError,
    Endpoint, ErrorClass, ForeignKey, Holder, PlanProblem, Prepared, Result, Sink, StreamLock,
    StreamSpec, StreamState, TablePlan, TableRef, TargetTable, WireFormat,
};
use rowferry_runtime::ComputePool;
use tokio_postgres::types::Type;

use crate::config::Purpose;
use crate::describe::{self, ENGINE};
use crate::error::failed;
use crate::known::Known;
use crate::lock::PgStreamLock;
use crate::progress::Progress;
use crate::server::Server;
use crate::write::{PgChunkWriter, WriterPool};
use crate::{columns, create, foreign_keys, holders, rights, shape, sql};

/// A PostgreSQL database that tables are written to.
pub struct PostgresSink {
    server: Server,
    compute: ComputePool,
    known: Known,
    writers: Arc<WriterPool>,
}

impl PostgresSink {
    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// Connects to `endpoint`. Rows are encoded on `compute`.
    ///
    /// # Errors
    ///
    /// Class `Transient` when the server cannot be reached, `Refused` when it does not let this
    /// login in or TLS fails, `Setup` for an unknown database.
    pub async fn connect(endpoint: &Endpoint, compute: ComputePool) -> Result<Self> {
        let server = Server::connect(endpoint).await?;
        let known = Known::load(&server).await?;
        let writers = Arc::new(WriterPool::new(Arc::clone(&server.pool), server.money_digits));
        Ok(Self { server, compute, known, writers })
    }

    /// `table` with a schema: its own, that of the table of this name, or the connection's own.
    async fn resolve(&self, table: &TableRef) -> Result<TableRef> {
        if table.schema.is_some() {
            return Ok(table.clone());
        }
        let session = self.server.questions().await?;
        if let Some(found) = describe::find(&session, table, &self.server.schemas).await? {
            return Ok(found.table);
        }
        Ok(TableRef::new(self.own_schema()?, &table.name))
    }

    fn own_schema(&self) -> Result<&str> {
        self.server.own_schema().ok_or_else(|| {
            ConnectorError::new(
                ErrorClass::Setup,
                "unknown-schema",
                "the login's search path names no schema that exists",
            )
            .with_next("Write targets as schema.table, and set `progress_schema`.")
        })
    }

    fn progress(&self, schema: Option<&str>) -> Result<Progress> {
        Ok(Progress::new(match schema {
            Some(schema) => schema,
            None => self.own_schema()?,
        }))
    }
}

#[async_trait]
impl Sink for PostgresSink {
    fn engine(&self) -> &str {
        ENGINE
    }

    async fn identity(&self) -> Result<String> {
        self.server.identity().await
    }

    async fn describe(&self, table: &TableRef) -> Result<Option<TargetTable>> {
        let session = self.server.questions().await?;
        let Some(relation) = describe::find(&session, table, &self.server.schemas).await? else {
            return Ok(None);
        };
        if !matches!(relation.kind, 'r' | 'p') {
            return Err(ConnectorError::new(
                ErrorClass::Setup,
                "target-not-a-table",
                format!("target {} is not a table", relation.table),
            )
            .with_next("Name another target."));
        }
        let (schema, dependents, references) = tokio::try_join!(
            describe::describe(&session, &relation, self.server.money_digits),
            shape::dependents(&session.client, &relation.table),
            shape::references(&session.client, &relation.table),
        )?;
        Ok(Some(TargetTable { schema, dependents, references, transactional: true }))
    }

    fn plan_column(&self, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
        // Every deterministic collation tells byte-distinct texts apart, so keys need no other type.
        columns::plan(&self.known, wish)
    }

    fn shape(&self, plan: &mut TablePlan) -> Vec<PlanProblem> {
        columns::check_table_name(&plan.target).into_iter().collect()
    }

    fn ddl(&self, plan: &TablePlan) -> Vec<String> {
        let target = TableRef {
            schema: plan.target.schema.clone().or(self.server.own_schema().map(str::to_owned)),
            name: plan.target.name.clone(),
        };
        if plan.target_existing.is_some() {
            return Vec::new();
        }
        let mut statements = create::missing_types(plan, &self.known);
        statements.extend(create::create(plan, &target, &target, false));
        let name = |part: &shape::Part| part.create(&target, &part.name);
        statements.extend(create::parts(plan).iter().map(name));
        statements
    }

    fn not_carried(&self, plan: &TablePlan) -> Vec<String> {
        create::not_carried(plan)
    }

    /// Bytes pass when every column stores literally the same type at both ends: receive functions
    /// check lengths only, and a narrower type would round or cut without a word.
    fn accepts(&self, format: WireFormat, columns: &[ColumnPlan]) -> bool {
        match format {
            WireFormat::PgCopyBinary => {
                columns.iter().all(|column| columns::passes(&self.known, column))
            }
            WireFormat::SqliteCells => false,
        }
    }

    async fn lock(&self, stream: &StreamSpec) -> Result<Box<dyn StreamLock>> {
        let target = self.resolve(&stream.target_table).await?;
        let progress = self.progress(stream.progress_schema.as_deref())?;
        let lock =
            PgStreamLock::take(&self.server.pool, &self.writers, stream, target, progress).await?;
        Ok(Box::new(lock))
    }

    async fn begin(&self, chunk: &Chunk, prepared: &Prepared, settle: bool) -> Result<Begun> {
        let progress = self.progress(prepared.stream.progress_schema.as_deref())?;
        if settle && let Some(receipt) = self.writers.settle(chunk, prepared, &progress).await? {
            return Ok(Begun::AlreadyDurable(receipt));
        }
        let writer = PgChunkWriter::begin(
            Arc::clone(&self.writers),
            self.compute.clone(),
            progress,
            chunk,
            prepared,
        )
        .await?;
        Ok(Begun::Writer(Box::new(writer)))
    }

    async fn unlink(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<()> {
        let table = self.resolve(table).await?;
        foreign_keys::unlink(&self.server, &table, keys).await
    }

    async fn link(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<Vec<String>> {
        let table = self.resolve(table).await?;
        let mut resolved = Vec::with_capacity(keys.len());
        for key in keys {
            resolved.push(ForeignKey { to: self.resolve(&key.to).await?, ..key.clone() });
        }
        foreign_keys::link(&self.server, &table, &resolved).await
    }

    async fn streams(&self, progress_schema: Option<&str>) -> Result<Vec<StreamState>> {
        let progress = self.progress(progress_schema)?;
        let session = self.server.questions().await?;
        if !progress.exists(&session.client).await? {
            return Ok(Vec::new());
        }
        progress.states(&session.client, "true", &[]).await
    }

    async fn forget(&self, progress_schema: Option<&str>, stream_id: &str) -> Result<()> {
        let progress = self.progress(progress_schema)?;
        let session = self.server.pool.take(Purpose::Write, None).await?;
        if !progress.exists(&session.client).await? {
            return Ok(());
        }
        let attempt = || "could not forget the stream".to_owned();
        let states = progress
            .states(&session.client, "s.stream_id = $1", &[(&stream_id, Type::TEXT)])
            .await?;
        session.client.batch_execute("begin").await.map_err(failed(attempt()))?;
        if let Some(staging) = states.into_iter().next().and_then(|state| state.staging) {
            let drop = format!(
                "set local lock_timeout = '10s'; drop table if exists {}",
                sql::table(&staging)
            );
            session.client.batch_execute(&drop).await.map_err(failed(attempt()))?;
        }
        let mut tables = vec![progress.chunk(), progress.stream()];
        if progress.has_quarantine(&session.client).await? {
            tables.push(progress.quarantine());
        }
        for table in tables {
            let remove = format!("delete from {table} where stream_id = $1");
            session
                .client
                .execute_typed(&remove, &[(&stream_id, Type::TEXT)])
                .await
                .map_err(failed(attempt()))?;
        }
        session.client.batch_execute("commit").await.map_err(failed(attempt()))
    }

    async fn holders(&self, state: &StreamState) -> Result<Vec<Holder>> {
        holders::find(&*self.server.questions().await?, state).await
    }

    async fn end_holders(&self, state: &StreamState) -> Result<()> {
        holders::end(&*self.server.questions().await?, state).await
    }

    async fn missing_grants(&self, access: &Access) -> Result<Vec<String>> {
        let target = self.resolve(&access.table).await?;
        let progress = match &access.progress_schema {
            Some(schema) => schema,
            None => self.own_schema()?,
        };
        let session = self.server.questions().await?;
        rights::to_write(&session, &target, progress, access).await
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        const RIGHTS: &str = "select current_user::text, pg_catalog.current_database()::text, \
                 pg_catalog.pg_is_in_recovery() \
                     or pg_catalog.current_setting('default_transaction_read_only') = 'on', \
                 pg_catalog.has_database_privilege(pg_catalog.current_database(), 'temporary')";
        const CREATE: &str = "select pg_catalog.has_schema_privilege($1, 'create')";
        let mut lines = vec![self.server.check_version().await?];
        let session = self.server.questions().await?;
        let attempt = || "could not read the rights of this login";
        let row = session.client.query_typed_one(RIGHTS, &[]).await.map_err(failed(attempt()))?;
        let (user, database): (String, String) = (row.get(0)?, row.get(1)?);
        let (user, database) = (sql::quote(&user), sql::quote(&database));
        let schema = self.own_schema()?;
        let create: bool = session
            .client
            .query_typed_one(CREATE, &[(&schema, Type::TEXT)])
            .await
            .map_err(failed(attempt()))?
            .get(0)?;
        let read_only: bool = row.get(2)?;
        let temporary: bool = row.get(3)?;
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        lines.push(CheckLine {
            name: "accepts writes".to_owned(),
            found: yes_no(!read_only),
            advice: read_only.then(|| "Connect to the primary server.".to_owned()),
            fatal: read_only,
        });
        lines.push(CheckLine {
            name: format!("right to create tables in schema {schema}"),
            found: yes_no(create),
            advice: (!create).then(|| {
                format!("grant create, usage on schema {} to {user};", sql::quote(schema))
            }),
            fatal: !create,
        });
        lines.push(CheckLine {
            name: "right to create temporary tables".to_owned(),
            found: yes_no(temporary),
            advice: (!temporary).then(|| {
                format!("Upserts need it: grant temporary on database {database} to {user};")
            }),
            fatal: false,
        });
        Ok(lines)
    }
}
