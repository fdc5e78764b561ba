//! The coordinator's hold on a stream: a session lock, then the claim.
//!
//! ```text
//!  lock session   pg_try_advisory_lock(target), …(stream)      heartbeat every 10 s, nothing else
//!  work session   end old sessions ─ epoch + 1 ─ receipts ─ DDL ─ seal ─ publish
//! ```
//!
//! The lock alone is not enough: a process that was frozen in the middle of COPY loses its lock
//! session after a minute, but its COPY session lives as long as its socket does, holds row locks
//! and unique entries, and would go on when the process wakes. So the new owner first ends every
//! session of the stream (they carry the stream in their application name) and then raises the
//! epoch, which every commit of a chunk checks under a shared lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use rowferry_core::{
    Claim, ClaimStart, ConnectorError, ErrorClass, Phase, Prepared, Published, Result, Sealed,
    SeenState, StreamLock, StreamSpec, StreamState, TablePlan, TableRef,
};
use rowferry_runtime::{LockTries, Task, heartbeat, spawn};
use tokio_postgres::types::{ToSql, Type};

use crate::blockers;
use crate::config::Purpose;
use crate::error::failed;
use crate::finish::Finish;
use crate::pool::{Place, SessionPool};
use crate::progress::{FORMAT_VERSION, Progress, fenced};
use crate::session::Session;
use crate::write::WriterPool;
use crate::{prepare, publish, sql};

/// Tries to take a lock whose owner may just be leaving, …
const LOCK_TRIES: u32 = 5;
/// … at this distance: the server notices a closed socket within a second.
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// Looks at whether the previous owner's sessions are gone, …
pub(crate) const END_TRIES: u32 = 100;
/// … at this distance: ten seconds in all, since a rollback may take a while.
pub(crate) const END_PAUSE: Duration = Duration::from_millis(100);

/// The application name of sessions that write for a stream.
pub(crate) fn session_name(stream_id: &str, epoch: i64) -> String {
    format!("rowferry:{stream_id}:{epoch}")
}

/// The hold on one stream. Dropping it lets go of the lock.
pub(crate) struct PgStreamLock {
    pool: Arc<SessionPool>,
    writers: Arc<WriterPool>,
    spec: StreamSpec,
    /// The target with its schema.
    target: TableRef,
    progress: Progress,
    /// `None` only while it is dropped.
    holder: Option<Arc<Session>>,
    alive: Arc<AtomicBool>,
    /// `None` after an error: a session that failed is never used again.
    work: Option<Session>,
    seen: SeenState,
    /// What the plan wants of the table once it is loaded.
    finish: Finish,
    _heart: Task<()>,
}

impl PgStreamLock {
    pub(crate) async fn take(
        pool: &Arc<SessionPool>,
        writers: &Arc<WriterPool>,
        spec: &StreamSpec,
        target: TableRef,
        progress: Progress,
    ) -> Result<Self> {
        let (lock, own) =
            (format!("rowferry:{}:lock", spec.stream_id), session_name(&spec.stream_id, 0));
        // Both at once: a login takes several round trips.
        let (holder, work) = tokio::try_join!(
            pool.take(Purpose::Lock, Some(&lock)),
            pool.take(Purpose::Write, Some(&own)),
        )?;
        let holder = Arc::new(holder);
        take_locks(&holder, spec, &target).await?;
        let alive = Arc::new(AtomicBool::new(true));
        let heart = spawn("postgres heartbeat", beat(Arc::downgrade(&holder), Arc::clone(&alive)));
        Ok(Self {
            pool: Arc::clone(pool),
            writers: Arc::clone(writers),
            spec: spec.clone(),
            target,
            progress,
            holder: Some(holder),
            alive,
            work: Some(work),
            seen: SeenState::default(),
            finish: Finish::default(),
            _heart: heart,
        })
    }

    /// Takes the work session out; it is put back only by a call that succeeded.
    async fn work(&mut self) -> Result<Session> {
        if let Some(session) = self.work.take().filter(|session| !session.is_closed()) {
            return Ok(session);
        }
        let name = session_name(&self.spec.stream_id, 0);
        self.pool.take(Purpose::Write, Some(&name)).await
    }

    async fn other_stream(&self, session: &Session) -> Result<()> {
        let others = self
            .progress
            .states(
                &session.client,
                "s.target_table = $1 and s.stream_id <> $2 and not (s.shared_target and $3)",
                &[
                    (&self.target.to_string(), Type::TEXT),
                    (&self.spec.stream_id, Type::TEXT),
                    (&self.spec.shared_target, Type::BOOL),
                ],
            )
            .await?;
        let Some(other) = others.first() else { return Ok(()) };
        Err(ConnectorError::new(
            ErrorClass::Conflict,
            "target-shared",
            format!(
                "table {} is the target of another stream: table {} of job {}",
                self.target, other.source_table, other.job
            ),
        )
        .with_next(
            "Say `shared_target: true` in both jobs, or forget the other stream with \
             `rowferry state reset`.",
        ))
    }

    /// Ends every session that works for this stream but ours. Sessions that only ask for the lock
    /// are left alone: the one that held it is gone, or we would not be here.
    async fn end_sessions(&self, session: &Session) -> Result<()> {
        const END: &str = "select count(pg_catalog.pg_terminate_backend(a.pid)) \
             from pg_catalog.pg_stat_activity a \
             where pg_catalog.starts_with(a.application_name, $1) \
                 and a.datname = pg_catalog.current_database() \
                 and a.application_name <> $1 || 'lock' \
                 and a.pid <> pg_catalog.pg_backend_pid()";
        let attempt = || "could not end the sessions of the stream's previous owner".to_owned();
        let prefix = format!("rowferry:{}:", self.spec.stream_id);
        for _ in 0..END_TRIES {
            let left: i64 = session
                .client
                .query_typed_one(END, &[(&prefix, Type::TEXT)])
                .await
                .map_err(failed(attempt()))?
                .get(0)?;
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(END_PAUSE).await;
        }
        Err(ConnectorError::new(
            ErrorClass::Busy,
            "locked",
            format!("sessions of an earlier run still work on table {}", self.target),
        )
        .with_next(still_held(&self.spec.stream_id)))
    }

    /// Epoch and phase of the stream row, which stays locked to the end of the transaction. Waits for
    /// commits in flight.
    async fn locked_row(&self, session: &Session) -> Result<Option<(i64, Phase)>> {
        let stream = self.progress.stream();
        let query = format!("select epoch, phase from {stream} where stream_id = $1 for update");
        let row = session
            .client
            .query_typed(&query, &[(&self.spec.stream_id, Type::TEXT)])
            .await
            .map_err(failed(format!("could not claim table {}", self.target)))?;
        let Some(row) = row.first() else { return Ok(None) };
        let phase: String = row.get(1)?;
        let phase = Phase::from_word(&phase).ok_or_else(|| fenced(&self.spec.stream_id))?;
        Ok(Some((row.get(0)?, phase)))
    }

    /// Raises the epoch in the stream row, or makes the row.
    async fn raise(&self, session: &Session, start: &ClaimStart) -> Result<(i64, i64, Phase)> {
        let stream = self.progress.stream();
        // A new run also takes over what the plan says; a continued one leaves it as it is.
        let new_run = match start {
            ClaimStart::NewRun | ClaimStart::Anew => {
                "run = s.run + 1, phase = 'loading', plan_fingerprint = excluded.plan_fingerprint, \
                 run_key = excluded.run_key, staging_name = null, rows = 0, digest = null, \
                 started_at = now(), source_id = excluded.source_id, job = excluded.job, "
            }
            ClaimStart::Continue => "",
        };
        let forget = if *start == ClaimStart::Anew { "watermark = null, " } else { "" };
        let query = format!(
            "insert into {stream} as s (stream_id, job, source_id, source_table, target_table, \
                 run, run_key, epoch, owner, phase, plan_fingerprint, shared_target, \
                 format_version, tool_version) \
             values ($1, $2, $3, $4, $5, 1, $6, 1, $7, 'loading', $8, $9, $10, $11) \
             on conflict (stream_id) do update set {forget}{new_run}epoch = s.epoch + 1, \
                 owner = excluded.owner, shared_target = excluded.shared_target, \
                 format_version = excluded.format_version, \
                 tool_version = excluded.tool_version, updated_at = now() \
             returning run, epoch, phase"
        );
        let spec = &self.spec;
        let fingerprint = serde_json::to_string(&spec.fingerprint).map_err(|error| {
            ConnectorError::bug("could not write the fingerprint as JSON").with_source(error)
        })?;
        let row = session
            .client
            .query_typed_one(
                &query,
                &[
                    (&spec.stream_id, Type::TEXT),
                    (&spec.job, Type::TEXT),
                    (&spec.source_id, Type::TEXT),
                    (&spec.source_table.to_string(), Type::TEXT),
                    (&self.target.to_string(), Type::TEXT),
                    (&spec.run_key, Type::TEXT),
                    (&spec.owner, Type::TEXT),
                    (&fingerprint, Type::TEXT),
                    (&spec.shared_target, Type::BOOL),
                    (&FORMAT_VERSION, Type::INT4),
                    (&spec.tool_version, Type::TEXT),
                ],
            )
            .await
            .map_err(failed(format!("could not claim table {}", self.target)))?;
        let phase: String = row.get(2)?;
        let phase = Phase::from_word(&phase).ok_or_else(|| fenced(&spec.stream_id))?;
        Ok((row.get(0)?, row.get(1)?, phase))
    }

    /// Waits for another try of a step that met a lock, or says who holds it.
    async fn again(
        &self,
        tries: &mut LockTries,
        error: ConnectorError,
        tables: &[&TableRef],
    ) -> Result<()> {
        if error.code != "lock-timeout" {
            return Err(error);
        }
        if tries.again().await {
            return Ok(());
        }
        let session = self.pool.take(Purpose::Read, None).await;
        let [stream, chunk] = &self.progress.tables();
        let tables = [&[&self.target, stream, chunk], tables].concat();
        Err(blockers::named(error, session, &tables).await)
    }

    /// Raises the epoch and reads what is durable.
    async fn claim_once(&mut self, start: &ClaimStart) -> Result<Claim> {
        self.check_alive()?;
        let session = self.work().await?;
        self.progress.create(&session.client).await?;
        self.other_stream(&session).await?;
        self.end_sessions(&session).await?;
        let attempt = || format!("could not claim table {}", self.target);
        // Sent together, answered in order: one round trip.
        let begin = session.client.batch_execute("begin");
        let (begun, row) = tokio::join!(begin, self.locked_row(&session));
        begun.map_err(failed(attempt()))?;
        let row = row?;
        // An error leaves the session, and its transaction rolls back.
        self.seen.check(row, &self.target)?;
        let (run, epoch, phase) = self.raise(&session, start).await?;
        if *start != ClaimStart::Continue {
            let remove =
                format!("delete from {} where stream_id = $1 and run < $2", self.progress.chunk());
            session
                .client
                .execute_typed(&remove, &[(&self.spec.stream_id, Type::TEXT), (&run, Type::INT8)])
                .await
                .map_err(failed(attempt()))?;
            prepare::drop_staging(&session.client, &self.target, &self.spec.stream_id).await?;
        }
        session.client.batch_execute("commit").await.map_err(failed(attempt()))?;
        self.seen.raised(epoch);
        let receipts = self.progress.receipts(&session.client, &self.spec.stream_id, run).await?;
        self.work = Some(session);
        Ok(Claim { run, epoch, phase, receipts })
    }

    fn check_alive(&self) -> Result<()> {
        self.holder().map(drop)
    }

    /// The session that holds the lock, if it still does.
    fn holder(&self) -> Result<&Arc<Session>> {
        if self.alive.load(Ordering::Relaxed)
            && let Some(holder) = self.holder.as_ref().filter(|holder| !holder.is_closed())
        {
            return Ok(holder);
        }
        Err(ConnectorError::new(
            ErrorClass::Transient,
            "lock-lost",
            format!("the session that holds the lock of table {} is gone", self.target),
        ))
    }
}

impl Drop for PgStreamLock {
    fn drop(&mut self) {
        self.writers.retire(&self.spec.stream_id);
        // While its heart beats the session is shared, and is closed instead.
        let holder = self.holder.take().and_then(Arc::into_inner);
        for session in holder.into_iter().chain(self.work.take()) {
            self.pool.give_back(session, Place::Outside);
        }
    }
}

async fn take_locks(holder: &Session, spec: &StreamSpec, target: &TableRef) -> Result<()> {
    // Streams that share a target hold its lock together; each still has its own.
    let shared = if spec.shared_target { "_shared" } else { "" };
    let query = format!(
        "select case when pg_catalog.pg_try_advisory_lock{shared}( \
                 pg_catalog.hashtextextended($1, 0)) \
             then pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($2, 0)) \
             else false end"
    );
    let target_key = format!("rowferry target {}", sql::table(target));
    let stream_key = format!("rowferry stream {}", spec.stream_id);
    for attempt in 1..=LOCK_TRIES {
        let taken: bool = holder
            .client
            .query_typed_one(&query, &[(&target_key, Type::TEXT), (&stream_key, Type::TEXT)])
            .await
            .map_err(failed(format!("could not lock table {target}")))?
            .get(0)?;
        if taken {
            return Ok(());
        }
        // Half of the pair may have been taken.
        holder
            .client
            .batch_execute("select pg_catalog.pg_advisory_unlock_all()")
            .await
            .map_err(failed(format!("could not lock table {target}")))?;
        if attempt < LOCK_TRIES {
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }
    Err(ConnectorError::new(
        ErrorClass::Busy,
        "locked",
        format!("another run holds the lock of table {target}"),
    )
    .with_next(still_held(&spec.stream_id)))
}

/// What to do about a lock that somebody holds.
fn still_held(stream_id: &str) -> String {
    let short = stream_id.get(..8).unwrap_or(stream_id);
    format!(
        "Wait for the other run to finish, or let this one wait with `--on-locked wait`. If its \
         owner is dead, `rowferry state unlock {short} --target URL` shows and ends it."
    )
}

/// Keeps the lock session from idling out, also while index builds take their time.
async fn beat(holder: Weak<Session>, alive: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(heartbeat()).await;
        let Some(holder) = holder.upgrade() else { return };
        let answer =
            tokio::time::timeout(heartbeat(), holder.client.batch_execute("select 1")).await;
        if !matches!(answer, Ok(Ok(()))) {
            alive.store(false, Ordering::Relaxed);
            return;
        }
    }
}

#[async_trait]
impl StreamLock for PgStreamLock {
    async fn state(&mut self) -> Result<Option<StreamState>> {
        let session = self.work().await?;
        if !self.progress.exists(&session.client).await? {
            self.work = Some(session);
            self.seen.note(None);
            return Ok(None);
        }
        let own = [(&self.spec.stream_id as &(dyn ToSql + Sync), Type::TEXT)];
        let ((), states) = tokio::try_join!(
            self.other_stream(&session),
            self.progress.states(&session.client, "s.stream_id = $1", &own),
        )?;
        self.work = Some(session);
        let state = states.into_iter().next();
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
            let session = self.work().await?;
            match prepare::prepare(&session, &self.progress, &self.target, plan, claim).await {
                Ok(prepared) => {
                    self.work = Some(session);
                    self.finish = Finish::of(plan);
                    return Ok(prepared);
                }
                Err(error) => self.again(&mut tries, error, &[]).await?,
            }
        }
    }

    async fn target_rows(&mut self, limit: Option<u64>) -> Result<u64> {
        let session = self.work().await?;
        let rows = prepare::rows(&session.client, &self.target, limit).await?;
        self.work = Some(session);
        Ok(rows.unwrap_or(0))
    }

    async fn seal(&mut self, prepared: &Prepared) -> Result<Sealed> {
        self.check_alive()?;
        self.writers.retire(&self.spec.stream_id);
        let mut tries = LockTries::default();
        loop {
            let session = self.work().await?;
            match publish::seal(&session, &self.progress, prepared, &self.finish).await {
                Ok(sealed) => {
                    self.work = Some(session);
                    return Ok(sealed);
                }
                Err(error) => self.again(&mut tries, error, &[&prepared.load_table]).await?,
            }
        }
    }

    async fn publish(&mut self, prepared: &Prepared, watermark: Option<&str>) -> Result<Published> {
        self.check_alive()?;
        let mut tries = LockTries::default();
        loop {
            let session = self.work().await?;
            let (progress, finish) = (&self.progress, &self.finish);
            match publish::publish(&session.client, progress, prepared, finish, watermark).await {
                Ok(published) => {
                    self.work = Some(session);
                    return Ok(published);
                }
                Err(error) => self.again(&mut tries, error, &[&prepared.load_table]).await?,
            }
        }
    }

    async fn heartbeat(&mut self) -> Result<()> {
        let holder = self.holder()?;
        let answer = tokio::time::timeout(heartbeat(), holder.client.batch_execute("select 1"));
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(failed(format!("could not reach the lock of table {}", self.target))(error))
            }
            Err(_elapsed) => {
                self.alive.store(false, Ordering::Relaxed);
                self.check_alive()
            }
        }
    }
}
