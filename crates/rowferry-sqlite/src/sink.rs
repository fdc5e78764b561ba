//! The writing end: a SQLite file as [`Sink`].

use std::path::PathBuf;

use async_trait::async_trait;
use rowferry_core::{
    Begun, CheckLine, Chunk, Claim, ClaimStart, ColumnChoice, ColumnPlan, ColumnWish,
    ConnectorError, Endpoint, ErrorClass, ForeignKey, Holder, HolderRole, PlanProblem, Policy,
    Prepared, Published, Result, Sealed, Sink, StreamLock, StreamSpec, StreamState, TablePlan,
    TableRef, TargetTable, WireFormat,
};
use rowferry_runtime::{ComputePool, FailPoint};

use crate::affinity::Affinity;
use crate::choose;
use crate::config::{identity, target_file};
use crate::create;
use crate::database::Database;
use crate::error::failed;
use crate::journal::is_wal;
use crate::lock::TableLock;
use crate::types::ENGINE;
use crate::{describe, progress, publish, write};

/// A SQLite file that tables are written to. Cloning shares its connection and its turns.
#[derive(Clone)]
pub struct SqliteSink {
    path: PathBuf,
    database: Database,
    compute: ComputePool,
}

impl SqliteSink {
    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// Opens the file of `endpoint` for writing, or makes it.
    ///
    /// Batches become cells on `compute`; one thread owns the connection and takes them.
    ///
    /// # Errors
    ///
    /// Class `Refused` when the file or its folder may not be written, `Setup`, slug
    /// `not-a-database`, when the file is something else.
    pub async fn open(endpoint: &Endpoint, compute: ComputePool) -> Result<Self> {
        let path = target_file(endpoint)?;
        let database = Database::open(path.clone()).await?;
        Ok(Self { path, database, compute })
    }
}

#[async_trait]
impl Sink for SqliteSink {
    fn engine(&self) -> &str {
        ENGINE
    }

    async fn identity(&self) -> Result<String> {
        let path = self.path.clone();
        self.database.ask(move |writing| identity(&writing.connection, &path)).await
    }

    async fn describe(&self, table: &TableRef) -> Result<Option<TargetTable>> {
        let table = table.clone();
        self.database
            .ask(move |writing| {
                let refused = |error| failed(format!("could not describe table {table}"), error);
                let Some(found) = describe::find(&writing.connection, &table)? else {
                    return Ok(None);
                };
                if !found.is_table {
                    return Err(crate::error::setup(
                        "not-a-table",
                        format!("target {table} is a view or a virtual table"),
                    )
                    .with_next("Name a table, or drop the view."));
                }
                let schema = describe::schema(&writing.connection, &found).map_err(refused)?;
                let dependents =
                    describe::dependents(&mut writing.connection, &found.name).map_err(refused)?;
                let references =
                    describe::references(&mut writing.connection, &found.name).map_err(refused)?;
                Ok(Some(TargetTable { schema, dependents, references, transactional: true }))
            })
            .await
    }

    fn plan_column(&self, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
        choose::plan_column(wish)
    }

    fn writes_in_turn(&self) -> bool {
        true
    }

    fn folds_names(&self) -> bool {
        true
    }

    fn shape(&self, plan: &mut TablePlan) -> Vec<PlanProblem> {
        publish::check_table_name(&plan.target).into_iter().collect()
    }

    fn not_carried(&self, plan: &TablePlan) -> Vec<String> {
        create::not_carried(plan)
    }

    fn ddl(&self, plan: &TablePlan) -> Vec<String> {
        let table = create::create_table(&plan.target.name, plan, true);
        let mut statements = vec![table];
        statements.extend(create::indexes(plan, |_name| false));
        statements
    }

    /// Cells pass where both columns pull them to the same class, unless somebody has to look at
    /// the values on the way.
    fn accepts(&self, format: WireFormat, columns: &[ColumnPlan]) -> bool {
        format == WireFormat::SqliteCells
            && columns.iter().all(|column| {
                column.source.native.engine == ENGINE
                    && column.converted.is_none()
                    && column.cast.otherwise == Policy::Strict
                    && Affinity::of_native(&column.source.native)
                        == Affinity::of_native(&column.target.native)
            })
    }

    async fn lock(&self, stream: &StreamSpec) -> Result<Box<dyn StreamLock>> {
        progress::check_schema(stream.progress_schema.as_deref())?;
        let lock = TableLock::take(&self.path, stream)?;
        Ok(Box::new(SqliteLock {
            database: self.database.clone(),
            stream: stream.clone(),
            lock,
            plan: None,
        }))
    }

    async fn begin(&self, chunk: &Chunk, prepared: &Prepared, settle: bool) -> Result<Begun> {
        write::begin((&self.database, &self.compute), chunk, prepared, settle).await
    }

    /// Nothing to do: foreign keys stand in the statement that makes the table and name their
    /// parent by text, so an exchange of tables does not touch them.
    async fn unlink(&self, _table: &TableRef, _keys: &[ForeignKey]) -> Result<()> {
        Ok(())
    }

    /// The keys are there; what is left is to look whether the rows keep them.
    async fn link(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<Vec<String>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let name = table.name.clone();
        let orphans = self
            .database
            .ask(move |writing| Ok(publish::orphans(&writing.connection, &name)))
            .await?;
        let attempt = || format!("the foreign keys of table {table} could not be checked");
        Ok(match orphans {
            Ok(orphans) => orphans
                .into_iter()
                .map(|(parent, rows)| {
                    format!(
                        "{rows} rows of table {table} point at rows that {parent} does not have."
                    )
                })
                .collect(),
            // A key to columns that are not unique there can be declared, but never looked at.
            Err(error) => vec![format!("{}.", failed(attempt(), error))],
        })
    }

    async fn streams(&self, progress_schema: Option<&str>) -> Result<Vec<StreamState>> {
        progress::check_schema(progress_schema)?;
        self.database.ask(|writing| progress::states(&writing.connection, None)).await
    }

    async fn forget(&self, progress_schema: Option<&str>, stream_id: &str) -> Result<()> {
        progress::check_schema(progress_schema)?;
        let stream_id = stream_id.to_owned();
        self.database
            .change("could not forget the stream", move |writing| {
                progress::forget(&writing.connection, &stream_id)
                    .map_err(|error| failed("could not forget the stream", error))
            })
            .await
    }

    async fn holders(&self, state: &StreamState) -> Result<Vec<Holder>> {
        let holder = TableLock::holder(&self.path, &TableRef::parse(&state.target_table))?;
        Ok(holder
            .map(|owner| {
                let (host, process) = owner.rsplit_once(':').unwrap_or((owner.as_str(), ""));
                Holder {
                    role: HolderRole::Lock,
                    id: process.parse().unwrap_or(0),
                    from: host.to_owned(),
                    since: None,
                    silent_seconds: None,
                }
            })
            .into_iter()
            .collect())
    }

    /// The system takes the lock back from a process that ends, however it does, and from no other.
    async fn end_holders(&self, state: &StreamState) -> Result<()> {
        let Some(holder) = self.holders(state).await?.pop() else { return Ok(()) };
        Err(ConnectorError::new(
            ErrorClass::Busy,
            "locked",
            format!(
                "process {} on {} is alive and holds the lock of table {}",
                holder.id, holder.from, state.target_table
            ),
        )
        .with_next(format!(
            "End it there with `kill {}`: its lock goes with it, and what it has committed stays.",
            holder.id
        )))
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        // A transaction that is begun for writing and rolled back proves the right to write.
        let turn = self.database.turn().await;
        let lines = self
            .database
            .ask(|writing| {
                let writable = writing.begin();
                writing.roll_back();
                let wal = is_wal(&writing.connection)
                    .map_err(|error| failed("could not read the journal mode", error))?;
                let line = |name: &str, found: String| CheckLine {
                    name: name.to_owned(),
                    found,
                    advice: None,
                    fatal: false,
                };
                let mut right = line("right to write", "yes".into());
                if let Err(error) = writable {
                    right.found = error.to_string();
                    right.advice = error.next;
                    right.fatal = true;
                }
                let mode = if wal { "wal" } else { "rollback journal" };
                Ok(vec![
                    line("version", format!("SQLite {}", rusqlite::version())),
                    line("journal mode", mode.into()),
                    right,
                ])
            })
            .await;
        drop(turn);
        lines
    }
}

/// The coordinator's hold on one target table.
struct SqliteLock {
    database: Database,
    stream: StreamSpec,
    lock: TableLock,
    /// Of the last `prepare`; publishing a new table asks it for the source's indexes.
    plan: Option<TablePlan>,
}

#[async_trait]
impl StreamLock for SqliteLock {
    async fn state(&mut self) -> Result<Option<StreamState>> {
        let stream = self.stream.clone();
        self.database
            .ask(move |writing| {
                progress::check_format(&writing.connection)?;
                progress::check_shared(&writing.connection, &stream)?;
                let states = progress::states(&writing.connection, Some(&stream.stream_id))?;
                Ok(states.into_iter().next())
            })
            .await
    }

    async fn claim(&mut self, start: ClaimStart) -> Result<Claim> {
        let stream = self.stream.clone();
        self.database
            .change("could not claim the stream in the target", move |writing| {
                progress::claim(&writing.connection, &stream, &start)
            })
            .await
    }

    async fn prepare(&mut self, plan: &TablePlan, claim: &Claim) -> Result<Prepared> {
        self.plan = Some(plan.clone());
        let (plan, claim) = (plan.clone(), claim.clone());
        self.database
            .change("could not prepare the target table", move |writing| {
                publish::prepare(&writing.connection, &plan, &claim)
            })
            .await
    }

    async fn target_rows(&mut self, limit: Option<u64>) -> Result<u64> {
        let table = self.stream.target_table.clone();
        self.database
            .ask(move |writing| publish::target_rows(&writing.connection, &table, limit))
            .await
    }

    async fn seal(&mut self, prepared: &Prepared) -> Result<Sealed> {
        let prepared = prepared.clone();
        self.database
            .change("could not seal the staging table", move |writing| {
                publish::seal(&writing.connection, &prepared)
            })
            .await
            .inspect(|_sealed| FailPoint::IntentWritten.reach())
    }

    async fn publish(&mut self, prepared: &Prepared, watermark: Option<&str>) -> Result<Published> {
        let Some(plan) = self.plan.clone() else {
            return Err(ConnectorError::bug("a table was published that was not prepared"));
        };
        let (prepared, watermark) = (prepared.clone(), watermark.map(str::to_owned));
        self.database
            .change("could not publish the target table", move |writing| {
                publish::publish(&writing.connection, &plan, &prepared, watermark.as_deref())
            })
            .await
    }

    async fn heartbeat(&mut self) -> Result<()> {
        self.lock.check()
    }
}
