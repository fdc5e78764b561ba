//! The coordinator's hold on one stream: the lock, the claim, and what it prepares.
//!
//! Three layers keep a second process out. The named lock of the target table is held by a session
//! that does nothing else, so it is gone with its owner. The sessions of an owner that lost it are
//! ended before anything is claimed. And the epoch rises with each claim, so that whatever may still
//! be alive commits nothing.

use std::sync::Arc;

use async_trait::async_trait;
use mysql_async::params;
use rowferry_core::{
    Claim, ClaimStart, ConnectorError, ErrorClass, Phase, Prepared, Published, Result, Sealed,
    SeenState, StreamLock, StreamSpec, StreamState, TablePlan, TableRef,
};
use rowferry_runtime::{FailPoint, LockTries};

use crate::blockers;
use crate::config::{self, Purpose};
use crate::conn::Conn;
use crate::holder::Holder;
use crate::progress::{self, Progress};
use crate::sink::SinkState;
use crate::staging::{self, Secondary};
use crate::{error, publish, session, sql};

pub(crate) struct MysqlLock {
    pub(crate) sink: Arc<SinkState>,
    pub(crate) stream: StreamSpec,
    pub(crate) progress: Progress,
    /// Target with its database.
    pub(crate) target: TableRef,
    holder: Holder,
    /// Does the work; a statement at a time commits by itself unless a transaction is begun.
    work: Option<Conn>,
    seen: SeenState,
    /// Indexes of a table that the run creates, built when it is loaded.
    pub(crate) indexes: Vec<Secondary>,
}

impl MysqlLock {
    /// Takes the lock of the target table, or of the stream where several may write one table.
    pub(crate) async fn take(sink: Arc<SinkState>, stream: &StreamSpec) -> Result<Self> {
        let server = Arc::clone(&sink.server);
        let attempt = || format!("could not lock target table {}", stream.target_table);
        let target =
            TableRef::new(server.database_of(&stream.target_table), &stream.target_table.name);
        let what = if stream.shared_target {
            stream.stream_id.clone()
        } else {
            // Names may differ in case and mean one table; two locks for one table must not be.
            target.to_string().to_lowercase()
        };
        let mut holder = server.open(Purpose::Write).await?;
        holder
            .query_drop("set autocommit = 1")
            .await
            .map_err(|error| error::of(error, attempt()))?;
        let name = lock_name(&what);
        let got: Option<Option<u8>> = holder
            .query_first(format!("select get_lock({name}, 0)"))
            .await
            .map_err(|error| error::of(error, attempt()))?;
        if got.flatten() != Some(1) {
            config::close(holder).await;
            return Err(ConnectorError::new(
                ErrorClass::Busy,
                "locked",
                format!("another run is writing target table {}", stream.target_table),
            )
            .with_next(format!(
                "Wait until it has finished, or let this one wait with `--on-locked wait`. If its \
                 owner is dead, `rowferry state unlock {short} --target URL` shows and ends it.",
                short = stream.stream_id.get(..8).unwrap_or(&stream.stream_id),
            )));
        }
        let mut work = session::open(&server, &stream.stream_id, Purpose::Write).await;
        if let Err(error) = &work
            && error.code == "too-many-sessions"
        {
            // A dead owner's sessions may hold all slots; we hold the lock, so none is alive.
            session::end_all(&server, &mut holder, &stream.stream_id).await?;
            work = session::open(&server, &stream.stream_id, Purpose::Write).await;
        }
        let mut work = work?;
        work.query_drop("set autocommit = 1").await.map_err(|error| error::of(error, attempt()))?;
        let progress = Progress::new(&server, stream.progress_schema.as_deref());
        Ok(Self {
            sink,
            stream: stream.clone(),
            progress,
            target,
            holder: Holder::watch(holder, &name).await?,
            work: Some(work),
            seen: SeenState::default(),
            indexes: Vec::new(),
        })
    }

    pub(crate) fn work(&mut self) -> Result<&mut Conn> {
        self.work.as_mut().filter(|conn| !conn.is_disconnected()).ok_or_else(|| {
            ConnectorError::new(
                ErrorClass::Transient,
                "connection-lost",
                "the session that works for this stream is gone",
            )
        })
    }

    /// Runs one statement of the coordinator.
    pub(crate) async fn execute(&mut self, statement: &str, attempt: &str) -> Result<()> {
        self.work()?.query_drop(statement).await.map_err(|error| error::of(error, attempt))?;
        FailPoint::TableStatement.reach();
        Ok(())
    }

    /// Raises the epoch in its own transaction, which waits for commits in flight.
    async fn raise(&mut self, start: &ClaimStart) -> Result<(i64, i64, Phase)> {
        let attempt = format!("could not claim the copy into {}", self.target);
        let (stream, progress) = (self.stream.clone(), self.progress.clone());
        let (source_table, target_table) =
            (stream.source_table.to_string(), self.target.to_string());
        let fingerprint = serde_json::to_string(&stream.fingerprint).unwrap_or_default();
        self.execute("start transaction", &attempt).await?;
        let conn = self.work()?;
        let lost = |error| error::of(error, attempt.clone());
        let before: Option<(i64, i64, String)> = conn
            .exec_first(
                format!(
                    "select run, epoch, phase from {} where stream_id = ? for update",
                    progress.stream
                ),
                (&stream.stream_id,),
            )
            .await
            .map_err(lost)?;
        let row = before
            .as_ref()
            .map(|(_, epoch, phase)| (*epoch, Phase::from_word(phase).unwrap_or(Phase::Loading)));
        self.seen.check(row, &self.target)?;
        let (run, epoch, phase) = match (&before, start) {
            (None, ClaimStart::Continue) => {
                return Err(ConnectorError::new(
                    ErrorClass::Conflict,
                    "state-missing",
                    format!("{attempt}: its row in the progress table is gone"),
                )
                .with_next("Start anew with `--restart`."));
            }
            (None, ClaimStart::NewRun | ClaimStart::Anew) => (1, 1, Phase::Loading),
            (Some((run, epoch, _)), ClaimStart::NewRun | ClaimStart::Anew) => {
                (run + 1, epoch + 1, Phase::Loading)
            }
            (Some((run, epoch, phase)), ClaimStart::Continue) => {
                (*run, epoch + 1, Phase::from_word(phase).unwrap_or(Phase::Loading))
            }
        };
        let conn = self.work()?;
        let statement = claim_statement(&progress, before.is_some(), start);
        let values = params! {
            "id" => &stream.stream_id,
            "format" => Progress::format_version(),
            "tool" => &stream.tool_version,
            "job" => &stream.job,
            "source_id" => &stream.source_id,
            "source_table" => source_table,
            "target_table" => target_table,
            "run" => run,
            "run_key" => &stream.run_key,
            "epoch" => epoch,
            "owner" => &stream.owner,
            "phase" => phase.word(),
            "fingerprint" => fingerprint,
        };
        conn.exec_drop(statement, values).await.map_err(lost)?;
        if *start != ClaimStart::Continue {
            let receipts = format!("delete from {} where stream_id = ?", progress.chunk);
            conn.exec_drop(receipts, (&stream.stream_id,)).await.map_err(lost)?;
        }
        conn.query_drop("commit").await.map_err(lost)?;
        self.seen.raised(epoch);
        Ok((run, epoch, phase))
    }

    /// Drops the staging tables that runs of this stream left, but that of the run to `keep`.
    async fn drop_staging(&mut self, keep: Option<i64>) -> Result<()> {
        let run = keep.unwrap_or_default();
        let kept = staging::name(&self.sink.server, &self.target, &self.stream.stream_id, run);
        for table in staging::siblings(self.work()?, &kept).await? {
            if keep.is_none() || table != kept {
                let statement = format!("drop table if exists {}", sql::table(&table));
                self.execute(&statement, "could not drop an older staging table").await?;
            }
        }
        Ok(())
    }

    async fn claim_once(&mut self, start: &ClaimStart) -> Result<Claim> {
        let (progress, stream_id) = (self.progress.clone(), self.stream.stream_id.clone());
        self.sink.forget_idle(&stream_id);
        let server = Arc::clone(&self.sink.server);
        let work = self.work()?;
        session::end_all(&server, work, &stream_id).await?;
        progress.create(work).await?;
        let (run, epoch, phase) = self.raise(start).await?;
        if *start != ClaimStart::Continue {
            self.drop_staging(Some(run)).await?;
        }
        let receipts = progress.receipts(self.work()?, &stream_id, run, None).await?;
        Ok(Claim { run, epoch, phase, receipts })
    }

    /// Waits for another try of a step that met a lock, on a session without a transaction; or says
    /// who holds it.
    async fn again(
        &mut self,
        tries: &mut LockTries,
        error: ConnectorError,
        tables: &[&TableRef],
    ) -> Result<()> {
        if error.code != "lock-timeout" {
            return Err(error);
        }
        let server = Arc::clone(&self.sink.server);
        if !tries.again().await {
            let tables = [&[&self.target], tables].concat();
            return Err(blockers::named(error, &server, &tables, &self.progress).await);
        }
        if let Some(work) = self.work.take() {
            config::cut(work);
        }
        let mut work = session::open(&server, &self.stream.stream_id, Purpose::Write).await?;
        work.query_drop("set autocommit = 1")
            .await
            .map_err(|error| error::of(error, "could not set up another session"))?;
        self.work = Some(work);
        Ok(())
    }
}

#[async_trait]
impl StreamLock for MysqlLock {
    async fn state(&mut self) -> Result<Option<StreamState>> {
        let (progress, stream_id) = (self.progress.clone(), self.stream.stream_id.clone());
        let filter = format!(
            "stream_id = {} or lower(target_table) = lower({})",
            sql::text(&stream_id),
            sql::text(&self.target.to_string())
        );
        let shared = self.stream.shared_target;
        let states = progress.states(self.work()?, &filter).await?;
        if let Some(other) = states.iter().find(|state| state.stream_id != stream_id)
            && !shared
        {
            return Err(ConnectorError::new(
                ErrorClass::Conflict,
                "target-shared",
                format!(
                    "target table {} belongs to the copy of {} by job {:?}",
                    self.target, other.source_table, other.job
                ),
            )
            .with_next(
                "Choose another target, set `shared_target: true` to merge shards, or forget the \
                 other stream with `rowferry state reset`.",
            ));
        }
        let state = states.into_iter().find(|state| state.stream_id == stream_id);
        if state.as_ref().is_some_and(|state| state.phase == Phase::Done) {
            // The DROP stands behind the last COMMIT, so a kill between them leaves the table.
            self.drop_staging(None).await?;
        }
        self.seen.note(state.as_ref());
        Ok(state)
    }

    async fn claim(&mut self, start: ClaimStart) -> Result<Claim> {
        let mut tries = LockTries::default();
        loop {
            match self.claim_once(&start).await {
                Ok(claim) => return Ok(claim),
                Err(error) => self.again(&mut tries, error, &[]).await?,
            }
        }
    }

    async fn prepare(&mut self, plan: &TablePlan, claim: &Claim) -> Result<Prepared> {
        let mut tries = LockTries::default();
        loop {
            match self.prepare_once(plan, claim).await {
                Ok(prepared) => return Ok(prepared),
                Err(error) => self.again(&mut tries, error, &[]).await?,
            }
        }
    }

    async fn target_rows(&mut self, limit: Option<u64>) -> Result<u64> {
        let target = self.target.clone();
        if !staging::exists(self.work()?, &target).await? {
            return Ok(0);
        }
        publish::count(self.work()?, &target, limit).await
    }

    async fn seal(&mut self, prepared: &Prepared) -> Result<Sealed> {
        let mut tries = LockTries::default();
        loop {
            match publish::seal(self, prepared).await {
                Ok(sealed) => return Ok(sealed),
                Err(error) => self.again(&mut tries, error, &[&prepared.load_table]).await?,
            }
        }
    }

    async fn publish(&mut self, prepared: &Prepared, watermark: Option<&str>) -> Result<Published> {
        let mut tries = LockTries::default();
        loop {
            match publish::publish(self, prepared, watermark).await {
                Ok(published) => return Ok(published),
                Err(error) => self.again(&mut tries, error, &[&prepared.load_table]).await?,
            }
        }
    }

    async fn heartbeat(&mut self) -> Result<()> {
        if self.holder.is_alive().await {
            return Ok(());
        }
        Err(ConnectorError::new(
            ErrorClass::Transient,
            "lock-lost",
            format!("the lock of target table {} is gone", self.target),
        ))
    }
}

impl Drop for MysqlLock {
    fn drop(&mut self) {
        self.sink.forget_idle(&self.stream.stream_id);
        if let Some(work) = self.work.take() {
            config::cut(work);
        }
    }
}

/// The name of a lock as an expression: it has at most 64 characters, so the server hashes what it
/// stands for.
pub(crate) fn lock_name(what: &str) -> String {
    format!("concat('rowferry.t.', left(sha2({}, 256), 40))", sql::text(what))
}

/// Writes the stream row of a claim.
fn claim_statement(progress: &Progress, exists: bool, start: &ClaimStart) -> String {
    let table = &progress.stream;
    let forget = if *start == ClaimStart::Anew { "watermark = null, " } else { "" };
    match (exists, start) {
        (false, _) => format!(
            "insert into {table} (stream_id, format_version, tool_version, job, source_id, \
             source_table, target_table, run, run_key, epoch, owner, phase, plan_fingerprint, \
             `rows`, started_at, updated_at) values (:id, :format, :tool, :job, :source_id, \
             :source_table, :target_table, :run, :run_key, :epoch, :owner, :phase, \
             :fingerprint, 0, utc_timestamp(6), utc_timestamp(6))"
        ),
        (true, ClaimStart::NewRun | ClaimStart::Anew) => format!(
            "update {table} set {forget}format_version = :format, tool_version = :tool, job = :job, \
             source_id = :source_id, source_table = :source_table, \
             target_table = :target_table, run = :run, run_key = :run_key, epoch = :epoch, \
             owner = :owner, phase = :phase, plan_fingerprint = :fingerprint, \
             staging_name = null, started_at = utc_timestamp(6), \
             updated_at = utc_timestamp(6) where stream_id = :id"
        ),
        (true, ClaimStart::Continue) => format!(
            "update {table} set format_version = :format, tool_version = :tool, epoch = :epoch, \
             owner = :owner, updated_at = utc_timestamp(6) where stream_id = :id and run = :run"
        ),
    }
}

/// The error of a run that may not go on, or nothing.
pub(crate) fn still_ours(found: Option<(i64, i64)>, prepared: &Prepared) -> Result<()> {
    if found == Some((prepared.run, prepared.epoch)) {
        Ok(())
    } else {
        Err(progress::fenced(&prepared.target))
    }
}
