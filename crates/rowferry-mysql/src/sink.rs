//! The writing end.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rowferry_core::{
    Access, Begun, CheckLine, Chunk, ColumnChoice, ColumnPlan, ColumnWish, Endpoint, ForeignKey,
    Holder, PlanProblem, Prepared, Result, Sink, StreamLock, StreamSpec, StreamState, TablePlan,
    TableRef, TargetTable, WireFormat,
};
use rowferry_runtime::ComputePool;

use crate::config::{self, Purpose, Server};
use crate::conn::Conn;
use crate::lock::MysqlLock;
use crate::progress::Progress;
use crate::rights::Rights;
use crate::write::{self, WriteSession};
use crate::{describe, error, foreign_keys, holders, plan, session, shape, sql, staging};

/// What the writers of one sink share.
pub(crate) struct SinkState {
    pub(crate) server: Arc<Server>,
    /// Tables for which `LOAD DATA` changed or refused a value.
    insert_only: Mutex<HashSet<TableRef>>,
    /// Sessions that committed and wait for the next chunk, by stream.
    idle: Mutex<HashMap<String, Vec<WriteSession>>>,
    /// Connections whose writers were given up. Where the network has swallowed our end of one, the
    /// server's end lives on, and holds the rows of its chunk.
    abandoned: Mutex<BTreeSet<u64>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data are plain collections: a panic elsewhere leaves them whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SinkState {
    pub(crate) fn is_insert_only(&self, table: &TableRef) -> bool {
        locked(&self.insert_only).contains(table)
    }

    pub(crate) fn set_insert_only(&self, table: &TableRef) {
        locked(&self.insert_only).insert(table.clone());
    }

    pub(crate) fn take_idle(&self, stream_id: &str) -> Option<WriteSession> {
        locked(&self.idle).get_mut(stream_id)?.pop()
    }

    pub(crate) fn give_idle(&self, stream_id: &str, session: WriteSession) {
        locked(&self.idle).entry(stream_id.to_owned()).or_default().push(session);
    }

    /// A writer was given up.
    pub(crate) fn abandon(&self, id: u32) {
        locked(&self.abandoned).insert(id.into());
    }

    /// Ends what is left of writers that were given up, and waits until it has rolled back.
    pub(crate) async fn end_abandoned(&self, conn: &mut Conn, stream_id: &str) -> Result<()> {
        let ids = locked(&self.abandoned).clone();
        if !ids.is_empty() {
            let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let writers = session::writers(&self.server, stream_id);
            let left = format!("select w.id from ({writers}) w where w.id in ({list})");
            let attempt = "could not end the session of a writer that was given up";
            session::end(conn, &left, attempt).await?;
            locked(&self.abandoned).retain(|id| !ids.contains(id));
        }
        Ok(())
    }

    /// Closes the waiting sessions of a stream.
    pub(crate) fn forget_idle(&self, stream_id: &str) {
        for session in locked(&self.idle).remove(stream_id).unwrap_or_default() {
            config::cut(session.conn);
        }
    }
}

/// A MySQL or MariaDB server that tables are written to.
pub struct MysqlSink {
    state: Arc<SinkState>,
}

impl std::fmt::Debug for MysqlSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MysqlSink").field("address", &self.state.server.address).finish()
    }
}

impl MysqlSink {
    pub(crate) fn server(&self) -> &Server {
        &self.state.server
    }

    /// Connects once, to learn which fork and version the server is.
    ///
    /// # Errors
    ///
    /// Class `Transient` when it cannot be reached, `Refused` for login and TLS, `Setup` for an
    /// unknown database.
    pub async fn connect(endpoint: &Endpoint, compute: ComputePool) -> Result<Self> {
        let state = SinkState {
            server: Server::reach(endpoint, compute).await?,
            insert_only: Mutex::default(),
            idle: Mutex::default(),
            abandoned: Mutex::default(),
        };
        Ok(Self { state: Arc::new(state) })
    }
}

#[async_trait]
impl Sink for MysqlSink {
    fn engine(&self) -> &str {
        self.state.server.flavor.word()
    }

    fn folds_names(&self) -> bool {
        true
    }

    async fn identity(&self) -> Result<String> {
        self.state.server.identity().await
    }

    async fn describe(&self, table: &TableRef) -> Result<Option<TargetTable>> {
        let mut conn = self.state.server.open(Purpose::Read).await?;
        let found = describe::table(&self.state.server, &mut conn, table).await?;
        config::close(conn).await;
        Ok(found)
    }

    fn plan_column(&self, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
        plan::plan_column(wish, self.state.server.flavor)
    }

    fn shape(&self, plan: &mut TablePlan) -> Vec<PlanProblem> {
        shape::table(plan, self.state.server.flavor)
    }

    fn ddl(&self, plan: &TablePlan) -> Vec<String> {
        if plan.target_existing.is_some() {
            return Vec::new();
        }
        let target = sql::table(&plan.target);
        let create = staging::create(&self.state.server, plan, &plan.target);
        let indexes = staging::secondaries(plan, self.state.server.flavor);
        std::iter::once(create)
            .chain(
                indexes.into_iter().map(|index| format!("alter table {target} {}", index.clause)),
            )
            .collect()
    }

    fn accepts(&self, _format: WireFormat, _columns: &[ColumnPlan]) -> bool {
        false
    }

    async fn lock(&self, stream: &StreamSpec) -> Result<Box<dyn StreamLock>> {
        Ok(Box::new(MysqlLock::take(Arc::clone(&self.state), stream).await?))
    }

    async fn begin(&self, chunk: &Chunk, prepared: &Prepared, settle: bool) -> Result<Begun> {
        write::begin(&self.state, chunk, prepared, settle).await
    }

    async fn unlink(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<()> {
        let server = &self.state.server;
        let mut conn = server.open(Purpose::Write).await?;
        let done = foreign_keys::unlink(server, &mut conn, table, keys).await;
        config::close(conn).await;
        done
    }

    async fn link(&self, table: &TableRef, keys: &[ForeignKey]) -> Result<Vec<String>> {
        let server = &self.state.server;
        let mut conn = server.open(Purpose::Write).await?;
        let done = foreign_keys::link(server, &mut conn, table, keys).await;
        config::close(conn).await;
        done
    }

    async fn streams(&self, progress_schema: Option<&str>) -> Result<Vec<StreamState>> {
        let mut conn = self.state.server.open(Purpose::Read).await?;
        let progress = Progress::new(&self.state.server, progress_schema);
        let streams = progress.states(&mut conn, "true").await?;
        config::close(conn).await;
        Ok(streams)
    }

    async fn forget(&self, progress_schema: Option<&str>, stream_id: &str) -> Result<()> {
        let attempt = || format!("could not forget stream {stream_id}");
        let mut conn = self.state.server.open(Purpose::Write).await?;
        let progress = Progress::new(&self.state.server, progress_schema);
        let filter = format!("stream_id = {}", sql::text(stream_id));
        session::end_all(&self.state.server, &mut conn, stream_id).await?;
        for state in progress.states(&mut conn, &filter).await? {
            let target = TableRef::parse(&state.target_table);
            let sample = staging::name(&self.state.server, &target, stream_id, state.run);
            for table in staging::siblings(&mut conn, &sample).await? {
                conn.query_drop(format!("drop table if exists {}", sql::table(&table)))
                    .await
                    .map_err(|error| error::of(error, attempt()))?;
            }
            let aside = progress.has_quarantine(&mut conn).await?;
            let aside = aside.then_some(&progress.quarantine);
            for table in aside.into_iter().chain([&progress.chunk, &progress.stream]) {
                conn.query_drop(format!("delete from {table} where {filter}"))
                    .await
                    .map_err(|error| error::of(error, attempt()))?;
            }
        }
        conn.query_drop("commit").await.map_err(|error| error::of(error, attempt()))?;
        config::close(conn).await;
        Ok(())
    }

    async fn holders(&self, state: &StreamState) -> Result<Vec<Holder>> {
        let mut conn = self.state.server.open(Purpose::Read).await?;
        let found = holders::find(&self.state.server, &mut conn, state).await?;
        config::close(conn).await;
        Ok(found)
    }

    async fn end_holders(&self, state: &StreamState) -> Result<()> {
        let mut conn = self.state.server.open(Purpose::Read).await?;
        holders::end(&self.state.server, &mut conn, state).await?;
        config::close(conn).await;
        Ok(())
    }

    async fn missing_grants(&self, access: &Access) -> Result<Vec<String>> {
        let server = &self.state.server;
        let mut conn = server.open(Purpose::Read).await?;
        let rights = Rights::of_login(&mut conn).await?;
        let missing = rights.to_write(server, &mut conn, access).await?;
        config::close(conn).await;
        Ok(missing)
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        let server = &self.state.server;
        let mut conn = server.open(Purpose::Write).await?;
        let attempt = || format!("could not check {}", server.address);
        let grants: Vec<String> =
            conn.query("show grants").await.map_err(|error| error::of(error, attempt()))?;
        let settings: Option<(String, String, u8)> = conn
            .query_first("select @@sql_mode, @@binlog_format, @@read_only")
            .await
            .unwrap_or_default();
        config::close(conn).await;
        let mut lines = vec![line("version", &server.version, None)];
        // `GRANT … ON … TO 'user'@'host' IDENTIFIED BY …` may end in a hash: only rights are shown.
        let rights: Vec<&str> = grants
            .iter()
            .filter_map(|grant| grant.strip_prefix("GRANT ")?.split_once(" TO ").map(|(g, _)| g))
            .collect();
        lines.push(line("rights", &rights.join("; "), None));
        let load = if server.local_infile { "on" } else { "off" };
        let advice = "Set local_infile=1 on the server: rows are loaded twice as fast.";
        lines.push(line("local_infile", load, (!server.local_infile).then_some(advice)));
        let packet = server.packet_bytes.to_string();
        let small = server.packet_bytes < 16 << 20;
        let advice = "Raise max_allowed_packet to 16M or more: a row must fit into one packet.";
        lines.push(line("max_allowed_packet", &packet, small.then_some(advice)));
        if let Some((mode, binlog, read_only)) = settings {
            lines.push(line("sql_mode of our sessions", &mode, None));
            let statement = binlog.eq_ignore_ascii_case("statement");
            let advice = "Set binlog_format to ROW or MIXED; STATEMENT cannot log this copy.";
            lines.push(line("binlog_format", &binlog, statement.then_some(advice)));
            let mut line = line(
                "read_only",
                if read_only == 1 { "on" } else { "off" },
                (read_only == 1).then_some("Connect to the primary; this server takes no writes."),
            );
            line.fatal = read_only == 1;
            lines.push(line);
        }
        Ok(lines)
    }
}

fn line(name: &str, found: &str, advice: Option<&str>) -> CheckLine {
    CheckLine {
        name: name.to_owned(),
        found: found.to_owned(),
        advice: advice.map(str::to_owned),
        fatal: false,
    }
}
