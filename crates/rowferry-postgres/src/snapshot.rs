//! A read view of one table.
//!
//! ```text
//!  coordinator  begin repeatable read, read only; lock table in access share; pg_export_snapshot()
//!       │
//!       ├── reader   begin …; set transaction snapshot 'x'; copy … ; copy … ; copy …
//!       ├── reader   begin …; set transaction snapshot 'x'; copy … ; copy …
//!       └── prober   begin …; set transaction snapshot 'x'; select key … limit 1 offset n
//! ```
//!
//! Why not one long read? Because one backend is the bottleneck: it spends all its time in sending.
//! Why the lock *before* the snapshot? Because `truncate` and table rewrites are not visible to
//! snapshots: a table truncated between the two would read as empty. Access share is what any
//! `select` takes; it holds off only DDL.
//!
//! A reader keeps its transaction between chunks, so the view costs one statement per connection
//! and not per chunk. When the coordinator is gone, its snapshot cannot be entered any more: that
//! is the transient error `snapshot-lost`, and the engine opens a new view. Readers that are inside
//! keep their view until they end.
//!
//! Per-chunk views are the same with a transaction of its own for each chunk and no coordinator.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rowferry_core::{
    Chunk, ChunkReader, Column, ConnectorError, Consistency, ErrorClass, Horizon, KeyColumns,
    KeyProbe, ReadScript, ReadSpec, Result, ServerDigest, Snapshot, TableRef, TableSchema,
    TableShape, source_altered,
};
use rowferry_runtime::ComputePool;
use tokio_postgres::types::Type;

use crate::begin::Begin;
use crate::chunks::PgKeyProbe;
use crate::config::Purpose;
use crate::describe::Relation;
use crate::error::failed;
use crate::pool::{Place, SessionPool};
use crate::read::PgChunkReader;
use crate::session::Session;
use crate::{altered, hashed};

/// Above this many rows a copy is expected to take longer than a view should be held (an hour at
/// 140,000 rows a second, the speed of one slow core): the server cannot clean up behind it.
const TABLE_VIEW_ROWS_MAX: u64 = 500_000_000;

/// What all readers of a view share.
pub(crate) struct View {
    pub(crate) pool: Arc<SessionPool>,
    pub(crate) table: TableRef,
    /// The primary key, by which rows are named.
    key: Vec<String>,
    /// How its readers start.
    pub(crate) begin: Begin,
    /// What the table was when the view was opened.
    pub(crate) shape: TableShape,
    /// Holds the exported snapshot; `None` = every chunk has a view of its own.
    pub(crate) coordinator: Option<Coordinator>,
    idle: Mutex<Vec<Session>>,
}

pub(crate) struct Coordinator {
    pub(crate) session: Session,
    pub(crate) snapshot_id: String,
}

/// A read view of one table.
pub(crate) struct PgSnapshot {
    view: Arc<View>,
    compute: ComputePool,
    horizon: Horizon,
    blocks: Option<u64>,
    /// Server version as in `server_version_num`.
    version: u32,
}

impl PgSnapshot {
    pub(crate) async fn open(
        pool: &Arc<SessionPool>,
        compute: ComputePool,
        table: &TableSchema,
        relation: &Relation,
        wanted: Consistency,
    ) -> Result<Self> {
        let as_table = match wanted {
            Consistency::Table => true,
            Consistency::Chunk => false,
            Consistency::Auto => {
                table.rows_estimated.is_none_or(|rows| rows <= TABLE_VIEW_ROWS_MAX)
            }
        };
        let attempt = || format!("could not open a read view of table {}", relation.table);
        let session = pool.take(Purpose::Read, None).await?;
        let begin = Begin::reading(relation);
        let statements = begin.of_own_view().join("; ");
        // Sent together, answered in order: one round trip.
        let (begun, shape, horizon, blocks, snapshot_id) = tokio::join!(
            async { session.client.batch_execute(&statements).await.map_err(failed(attempt())) },
            altered::shape(&session.client, &relation.table),
            horizon(&session, attempt()),
            async { if as_table { blocks(&session, relation).await } else { Ok(None) } },
            async { if as_table { export(&session, attempt()).await.map(Some) } else { Ok(None) } },
        );
        // All are answered before one is looked at: in a transaction that failed the first error is
        // the cause, and those behind it only say that there was one.
        begun?;
        let (shape, horizon, blocks, snapshot_id) = (shape?, horizon?, blocks?, snapshot_id?);
        if let Some(change) = shape.change_since_plan(&table.columns) {
            return Err(source_altered(&relation.table, &change));
        }
        let version = session.version;
        let (coordinator, idle) = if let Some(snapshot_id) = snapshot_id {
            (Some(Coordinator { session, snapshot_id }), Vec::new())
        } else {
            session.client.batch_execute("commit").await.map_err(failed(attempt()))?;
            (None, vec![session])
        };
        let view = View {
            pool: Arc::clone(pool),
            table: relation.table.clone(),
            key: table.primary_key().map(|key| key.columns.clone()).unwrap_or_default(),
            begin,
            shape,
            coordinator,
            idle: Mutex::new(idle),
        };
        Ok(Self { view: Arc::new(view), compute, horizon, blocks, version })
    }
}

/// The name under which other sessions enter the view.
async fn export(session: &Session, attempt: String) -> Result<String> {
    const EXPORT: &str = "select pg_catalog.pg_export_snapshot()";
    session.client.query_typed_one(EXPORT, &[]).await.map_err(failed(attempt))?.get(0)
}

/// The transaction clock as the view sees it. The old name of the function works on all versions.
async fn horizon(session: &Session, attempt: String) -> Result<Horizon> {
    const HORIZON: &str = "select pg_catalog.txid_snapshot_xmin(s), \
         pg_catalog.txid_snapshot_xmax(s) from pg_catalog.txid_current_snapshot() s";
    let row = session.client.query_typed_one(HORIZON, &[]).await.map_err(failed(attempt))?;
    let number = |value: i64| u64::try_from(value).unwrap_or_default();
    Ok(Horizon { oldest_open: number(row.get(0)?), next: number(row.get(1)?) })
}

/// Blocks of the largest heap below the table: a range of blocks means that range in each of them.
async fn blocks(session: &Session, relation: &Relation) -> Result<Option<u64>> {
    const BLOCKS: &str = "with recursive tree(oid) as ( \
             select $1::oid union all \
             select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid) \
         select max(pg_catalog.pg_relation_size(c.oid) \
                 / pg_catalog.current_setting('block_size')::int) \
                 filter (where c.relkind in ('r', 'm')), \
             bool_and(c.relkind = 'p' or coalesce(am.amname = 'heap', false)) \
         from pg_catalog.pg_class c join tree on tree.oid = c.oid \
         left join pg_catalog.pg_am am on am.oid = c.relam";
    // Before version 14 a range of blocks is a scan of the whole table.
    if session.version < 140_000 {
        return Ok(None);
    }
    let row = session
        .client
        .query_typed_one(BLOCKS, &[(&relation.oid, Type::OID)])
        .await
        .map_err(failed(format!("could not measure table {}", relation.table)))?;
    let all_heaps: Option<bool> = row.get(1)?;
    let blocks: Option<i64> = row.get(0)?;
    Ok(blocks.filter(|_| all_heaps == Some(true)).and_then(|blocks| u64::try_from(blocks).ok()))
}

impl View {
    /// The columns by which rows are named.
    pub(crate) fn key(&self) -> &[String] {
        &self.key
    }

    /// A session inside the view, ready to read.
    pub(crate) async fn enter(&self) -> Result<Session> {
        let attempt = || format!("could not enter the read view of table {}", self.table);
        let idle = self.take_idle();
        let Some(coordinator) = &self.coordinator else {
            let session = match idle {
                Some(session) => session,
                None => self.pool.take(Purpose::Read, None).await?,
            };
            let begin = self.begin.of_own_view().join("; ");
            session.client.batch_execute(&begin).await.map_err(failed(attempt()))?;
            let now = altered::shape(&session.client, &self.table).await?;
            return match self.shape.change(&now) {
                Some(change) => Err(source_altered(&self.table, &change)),
                None => Ok(session),
            };
        };
        // A session given back is still inside its transaction.
        if let Some(session) = idle {
            return Ok(session);
        }
        if coordinator.session.is_closed() {
            return Err(self.lost());
        }
        let session = self.pool.take(Purpose::Read, None).await?;
        let enter = self.begin.of_exported(&coordinator.snapshot_id).join("; ");
        session.client.batch_execute(&enter).await.map_err(|error| {
            // 22023 and 42704: the exporting transaction has ended (the code depends on the version).
            match error.code().map(tokio_postgres::error::SqlState::code) {
                Some("22023" | "42704") => self.lost(),
                _ => failed(attempt())(error),
            }
        })?;
        Ok(session)
    }

    /// Takes a session back after a read that came to its end.
    pub(crate) async fn leave(&self, session: Session) -> Result<()> {
        if self.coordinator.is_none() {
            session.client.batch_execute("commit").await.map_err(failed(format!(
                "could not close the read view of table {}",
                self.table
            )))?;
        }
        self.give_back(session);
        Ok(())
    }

    /// Keeps a session of the view for the next read of it.
    pub(crate) fn give_back(&self, session: Session) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    fn take_idle(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|session| !session.is_closed());
        idle.pop()
    }

    pub(crate) fn lost(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorClass::Transient,
            "snapshot-lost",
            format!("the read view of table {} is gone", self.table),
        )
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let place = if self.coordinator.is_some() { Place::View } else { Place::Outside };
        let coordinator = self.coordinator.take().map(|coordinator| coordinator.session);
        let idle = std::mem::take(self.idle.get_mut().unwrap_or_else(PoisonError::into_inner));
        for session in coordinator.into_iter().chain(idle) {
            self.pool.give_back(session, place);
        }
    }
}

#[async_trait]
impl Snapshot for PgSnapshot {
    fn consistency(&self) -> Consistency {
        match self.view.coordinator {
            Some(_) => Consistency::Table,
            None => Consistency::Chunk,
        }
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        Ok(Some(self.horizon))
    }

    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        // Outside a common view the prober needs no transaction: each look-up is its own.
        let session = match self.view.coordinator {
            Some(_) => self.view.enter().await?,
            None => self.view.pool.take(Purpose::Read, None).await?,
        };
        Ok(Box::new(PgKeyProbe::new(
            session,
            table.table.clone(),
            key.clone(),
            Arc::clone(&self.view),
        )))
    }

    async fn blocks(&self, _table: &TableSchema) -> Result<Option<u64>> {
        Ok(self.blocks)
    }

    fn script(&self) -> Option<&dyn ReadScript> {
        Some(&*self.view)
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        let view = Arc::clone(&self.view);
        let reader = PgChunkReader::start(view, self.compute.clone(), chunk, spec).await?;
        Ok(Box::new(reader))
    }
    fn hashes(&self, column: &Column) -> bool {
        self.version >= hashed::SINCE && hashed::image(column).is_some()
    }

    async fn digest(&self, chunk: &Chunk, spec: &ReadSpec, seed: u64) -> Result<ServerDigest> {
        hashed::digest(&self.view, chunk, spec, seed).await
    }
}
