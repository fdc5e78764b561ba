//! A whole copy as the engine would drive it, in as few lines as possible.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rowferry_core::{
    Begun, CanonicalType, Chunk, ChunkNo, ChunkSpec, ChunkTotals, Claim, ClaimStart, Column,
    ColumnPlan, ColumnWish, Consistency, Coverage, Cutter, Endpoint, ErrorClass, Fingerprint,
    KeyColumn, KeyColumns, LoadInto, Mode, Prepared, ReadSpec, ReplaceMode, Result, Sink, Source,
    StreamLock, StreamSpec, TablePlan, TableRef, TableSchema, WriteMode,
};
use rowferry_mysql::{MysqlSink, MysqlSource};
use rowferry_runtime::ComputePool;

use crate::servers::Server;

pub(crate) fn endpoint(server: &Server, database: &str) -> Endpoint {
    server.endpoint(database)
}

pub(crate) fn pool() -> ComputePool {
    ComputePool::new(2).unwrap()
}

/// What a test asks for.
pub(crate) struct Wanted<'a> {
    pub(crate) table: &'a str,
    pub(crate) target: &'a str,
    pub(crate) key: &'a [&'a str],
    pub(crate) cut_by: &'a [&'a str],
    pub(crate) write: WriteMode,
    pub(crate) load: LoadInto,
    pub(crate) chunk_rows: u64,
    pub(crate) consistency: Consistency,
}

impl<'a> Wanted<'a> {
    pub(crate) fn full(table: &'a str, target: &'a str, key: &'a [&'a str]) -> Self {
        Self {
            table,
            target,
            key,
            cut_by: key,
            write: WriteMode::Replace,
            load: LoadInto::StagingReplace,
            chunk_rows: 1_000,
            consistency: Consistency::Auto,
        }
    }
}

pub(crate) struct Copy {
    pub(crate) source: MysqlSource,
    pub(crate) sink: Arc<MysqlSink>,
    pub(crate) plan: TablePlan,
    consistency: Consistency,
    chunk_rows: u64,
    /// Chunks that were read again because LOAD DATA did not take them.
    pub(crate) replays: AtomicU32,
}

impl Copy {
    pub(crate) async fn plan(from: &Endpoint, to: &Endpoint, wanted: &Wanted<'_>) -> Result<Self> {
        Self::plan_read_as(from, to, wanted, |_| {}).await
    }

    /// A plan of the source as `change` has it: columns demoted, say.
    pub(crate) async fn plan_read_as(
        from: &Endpoint,
        to: &Endpoint,
        wanted: &Wanted<'_>,
        change: impl FnOnce(&mut TableSchema),
    ) -> Result<Self> {
        let source = MysqlSource::connect(from, pool()).await?;
        let sink = MysqlSink::connect(to, pool()).await?;
        let mut schema = source.describe(&TableRef::bare(wanted.table)).await?;
        change(&mut schema);
        let target = TableRef::bare(wanted.target);
        let existing = sink.describe(&target).await?.map(|found| found.schema);
        let key: Vec<String> = wanted.key.iter().map(|name| (*name).to_owned()).collect();
        let columns = schema
            .columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| {
                let present = existing.as_ref().and_then(|table| table.column(&column.name));
                let in_key = key.contains(&column.name);
                let wish = ColumnWish {
                    existing: present,
                    in_key,
                    ..ColumnWish::plain(column, &column.name)
                };
                ColumnPlan::new(column.clone(), sink.plan_column(&wish).unwrap())
            })
            .collect();
        let key_column = |name: &str| {
            let column: &Column = schema.column(name).unwrap();
            KeyColumn {
                name: name.to_owned(),
                native: column.native.clone(),
                nullable: column.nullable,
                integer: column.canonical.as_ref().is_some_and(CanonicalType::is_integer),
                collation: column.collation.clone(),
            }
        };
        let cut_by: Vec<KeyColumn> = wanted.cut_by.iter().map(|name| key_column(name)).collect();
        let mut plan = TablePlan {
            foreign_keys: Vec::new(),
            stream: StreamSpec {
                stream_id: format!("{:0<32}", hex(wanted.target)),
                job: "copy".to_owned(),
                source_id: source.identity().await?,
                source_table: schema.table.clone(),
                target_table: target.clone(),
                progress_schema: None,
                run_key: None,
                fingerprint: Fingerprint::default(),
                owner: "test".to_owned(),
                shared_target: false,
                tool_version: "0".to_owned(),
            },
            key_enforced: schema.keys.iter().any(|found| found.columns == key),
            target,
            target_existing: existing,
            columns,
            key,
            cut_by: (!cut_by.is_empty()).then_some(KeyColumns(cut_by)),
            mode: Mode::Full,
            write: wanted.write,
            load: wanted.load,
            replace: ReplaceMode::Swap,
            keep_old: false,
            duplicates: None,
            predicate: None,
            insert_batch_rows: 500,
            warnings: Vec::new(),
            source: schema,
        };
        let problems = sink.shape(&mut plan);
        assert!(problems.is_empty(), "{problems:?}");
        Ok(Self {
            source,
            sink: Arc::new(sink),
            plan,
            consistency: wanted.consistency,
            chunk_rows: wanted.chunk_rows,
            replays: AtomicU32::new(0),
        })
    }

    /// Waits for a lock that was dropped a moment ago: the server lets go of it when it notices.
    pub(crate) async fn claim(
        &self,
        start: ClaimStart,
    ) -> Result<(Box<dyn StreamLock>, Claim, Prepared)> {
        let patience = Instant::now() + Duration::from_secs(10);
        let mut lock = loop {
            match self.sink.lock(&self.plan.stream).await {
                Err(error) if error.class == ErrorClass::Busy && Instant::now() < patience => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                other => break other?,
            }
        };
        lock.state().await?;
        let claim = lock.claim(start).await?;
        let prepared = lock.prepare(&self.plan, &claim).await?;
        Ok((lock, claim, prepared))
    }

    /// All chunks that `claim` does not cover, cut with one view.
    pub(crate) async fn load(&self, claim: &Claim, prepared: &Prepared) -> Result<u64> {
        let table = &self.plan.source;
        let snapshot = self.source.snapshot(table, self.consistency, 2).await?;
        let done = Coverage::new(None, &claim.receipts);
        let spec = ChunkSpec {
            rows: self.chunk_rows,
            bytes: 32 << 20,
            row_bytes_estimated: None,
            with_null_keys: true,
        };
        let mut cutter = match &self.plan.cut_by {
            Some(key) => {
                let probe = snapshot.probe(table, key).await?;
                Cutter::by_key(table.table.clone(), key.clone(), spec, &done, probe)
            }
            None => Cutter::by_blocks(table.table.clone(), spec, None, None),
        };
        let mut chunks = 0;
        while let Some(chunk) = cutter.next().await? {
            self.chunk(snapshot.as_ref(), &chunk, prepared).await?;
            chunks += 1;
        }
        Ok(chunks)
    }

    async fn chunk(
        &self,
        snapshot: &dyn rowferry_core::Snapshot,
        chunk: &Chunk,
        prepared: &Prepared,
    ) -> Result<()> {
        for attempt in 0..3 {
            match self.try_chunk(snapshot, chunk, prepared, attempt > 0).await {
                Err(error) if error.retry_now => {
                    self.replays.fetch_add(1, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        panic!("a chunk was replayed three times");
    }

    async fn try_chunk(
        &self,
        snapshot: &dyn rowferry_core::Snapshot,
        chunk: &Chunk,
        prepared: &Prepared,
        settle: bool,
    ) -> Result<()> {
        let mut writer = match self.sink.begin(chunk, prepared, settle).await? {
            Begun::Writer(writer) => writer,
            Begun::AlreadyDurable(_) => return Ok(()),
        };
        let mut reader = snapshot.read(chunk, &self.spec()).await?;
        let mut totals = ChunkTotals::default();
        while let Some(payload) = reader.next().await? {
            totals.rows_read += payload.rows();
            writer.write(payload).await?;
        }
        totals.rows_written = totals.rows_read;
        totals.last_key = reader.last_key();
        let _receipt = writer.commit(totals).await?;
        Ok(())
    }

    pub(crate) fn spec(&self) -> ReadSpec {
        ReadSpec {
            columns: self.plan.columns.iter().map(|column| column.source.clone()).collect(),
            predicate: None,
            wire: None,
            batch_bytes: 1 << 20,
            batch_rows: 300,
            ordered: false,
        }
    }

    /// A new run from start to end.
    pub(crate) async fn run(&self) -> Result<u64> {
        let (mut lock, claim, prepared) = self.claim(ClaimStart::NewRun).await?;
        let chunks = self.load(&claim, &prepared).await?;
        lock.seal(&prepared).await?;
        lock.publish(&prepared, None).await?;
        Ok(chunks)
    }
}

/// A chunk of all rows.
pub(crate) fn whole(copy: &Copy, no: i64) -> Chunk {
    Chunk {
        no: ChunkNo(no),
        table: copy.plan.source.table.clone(),
        range: rowferry_core::KeyRange::Whole,
        rows_estimated: None,
    }
}

fn hex(text: &str) -> String {
    let digits: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    digits.concat().chars().take(32).collect()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
