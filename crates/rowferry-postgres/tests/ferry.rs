//! One table carried by hand: what the engine does, in a few lines.

use std::collections::BTreeMap;

use rowferry_core::{
    Begun, CanonicalType, Chunk, ChunkSpec, ChunkTotals, Claim, ClaimStart, ColumnPlan, ColumnWish,
    Consistency, Coverage, Cutter, Endpoint, Fingerprint, KeyColumn, KeyColumns, LoadInto, Mode,
    Prepared, ReadSpec, ReplaceMode, Result, Secret, Sink, Snapshot, Source, StreamLock,
    StreamSpec, TablePlan, TableRef, TableSchema, WireFormat, WriteMode,
};
use rowferry_postgres::{PostgresSink, PostgresSource};
use rowferry_runtime::ComputePool;

use crate::server::Server;

pub(crate) struct Ferry {
    pub(crate) source: PostgresSource,
    pub(crate) sink: PostgresSink,
}

/// What a test asks for.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) cut_by: &'static [&'static str],
    pub(crate) load: LoadInto,
    pub(crate) write: WriteMode,
    pub(crate) replace: ReplaceMode,
    pub(crate) keep_old: bool,
    pub(crate) wire: bool,
    pub(crate) chunk_rows: u64,
}

impl Wish {
    pub(crate) fn replace(from: &'static str, to: &'static str) -> Self {
        Self {
            from,
            to,
            cut_by: &[],
            load: LoadInto::StagingReplace,
            write: WriteMode::Replace,
            replace: ReplaceMode::Swap,
            keep_old: false,
            wire: false,
            chunk_rows: 100,
        }
    }

    pub(crate) fn into_target(from: &'static str, to: &'static str, write: WriteMode) -> Self {
        Self { load: LoadInto::Target, write, ..Self::replace(from, to) }
    }
}

impl Ferry {
    pub(crate) async fn new(server: &Server) -> Self {
        Self::at(server.endpoint()).await
    }

    /// From one database to another.
    pub(crate) async fn between(from: &Server, to: &Server) -> Self {
        let source = Self::at(from.endpoint()).await.source;
        Self { source, sink: Self::at(to.endpoint()).await.sink }
    }

    /// With a login whose password is its name.
    pub(crate) async fn login(server: &Server, user: &str) -> Self {
        let mut endpoint = server.endpoint();
        endpoint.user = user.to_owned();
        endpoint.password = Some(Secret::new(user));
        Self::at(endpoint).await
    }

    pub(crate) async fn at(endpoint: Endpoint) -> Self {
        let compute = ComputePool::new(2).unwrap();
        let source = PostgresSource::connect(&endpoint, compute.clone()).await.unwrap();
        let sink = PostgresSink::connect(&endpoint, compute).await.unwrap();
        Self { source, sink }
    }

    pub(crate) async fn plan(&self, wish: &Wish) -> TablePlan {
        let source = self.source.describe(&TableRef::parse(wish.from)).await.unwrap();
        let target = TableRef::parse(wish.to);
        let existing = self.sink.describe(&target).await.unwrap().map(|found| found.schema);
        let key: Vec<String> =
            source.primary_key().map(|key| key.columns.clone()).unwrap_or_default();
        let columns = source
            .columns
            .iter()
            .map(|column| {
                let existing = existing.as_ref().and_then(|table| table.column(&column.name));
                let in_key = key.contains(&column.name);
                let wish =
                    ColumnWish { existing, in_key, ..ColumnWish::plain(column, &column.name) };
                ColumnPlan::new(column.clone(), self.sink.plan_column(&wish).unwrap())
            })
            .filter(|column| !column.target.generated)
            .collect();
        let cut_by = if wish.cut_by.is_empty() {
            key.clone()
        } else {
            wish.cut_by.iter().map(|name| (*name).to_owned()).collect()
        };
        TablePlan {
            foreign_keys: Vec::new(),
            stream: stream(wish, &target),
            cut_by: key_columns(&source, &cut_by),
            target,
            target_existing: existing,
            columns,
            key_enforced: !key.is_empty(),
            key,
            mode: Mode::Full,
            write: wish.write,
            load: wish.load,
            replace: wish.replace,
            keep_old: wish.keep_old,
            duplicates: None,
            predicate: None,
            insert_batch_rows: 1000,
            warnings: Vec::new(),
            source,
        }
    }

    /// Locks and claims; the lock must be kept.
    pub(crate) async fn claim(
        &self,
        plan: &TablePlan,
        start: ClaimStart,
    ) -> Result<(Box<dyn StreamLock>, Claim, Prepared)> {
        let mut lock = self.sink.lock(&plan.stream).await?;
        lock.state().await?;
        let claim = lock.claim(start).await?;
        let prepared = lock.prepare(plan, &claim).await?;
        Ok((lock, claim, prepared))
    }

    pub(crate) async fn snapshot(&self, plan: &TablePlan) -> Box<dyn Snapshot> {
        self.source.snapshot(&plan.source, Consistency::Auto, 2).await.unwrap()
    }

    /// All chunks of the table that are not done.
    pub(crate) async fn cut(
        &self,
        plan: &TablePlan,
        snapshot: &dyn Snapshot,
        claim: &Claim,
        chunk_rows: u64,
    ) -> Result<Vec<Chunk>> {
        let spec = ChunkSpec {
            rows: chunk_rows,
            bytes: 64 << 20,
            row_bytes_estimated: None,
            with_null_keys: true,
        };
        let table = plan.source.table.clone();
        let mut cutter = if let Some(key) = &plan.cut_by {
            let probe = snapshot.probe(&plan.source, key).await?;
            let done = Coverage::new(None, &claim.receipts);
            Cutter::by_key(table, key.clone(), spec, &done, probe)
        } else {
            let blocks = snapshot.blocks(&plan.source).await?;
            Cutter::by_blocks(table, spec, blocks, plan.source.rows_estimated)
        };
        let mut chunks = Vec::new();
        while let Some(chunk) = cutter.next().await? {
            chunks.push(chunk);
        }
        Ok(chunks)
    }

    /// Both ends agree to pass the plan's rows as bytes.
    pub(crate) fn assert_passes(&self, plan: &TablePlan) {
        let columns: Vec<_> = plan.columns.iter().map(|column| column.source.clone()).collect();
        assert!(self.source.offers(WireFormat::PgCopyBinary, &columns));
        for column in &plan.columns {
            assert!(
                self.sink.accepts(WireFormat::PgCopyBinary, std::slice::from_ref(column)),
                "column {} of type {} to {}",
                column.source.name,
                column.source.native.declared,
                column.target.native.declared
            );
        }
    }

    /// Reads a column by its wider meaning from now on, as the engine does.
    fn demote(&self, plan: &mut TablePlan, prepared: &mut Prepared, name: &str) {
        let column = plan.columns.iter_mut().find(|column| column.source.name == name).unwrap();
        let demoted = column.source.canonical.as_ref().and_then(CanonicalType::demoted).unwrap();
        column.source.canonical = Some(demoted);
        let wish = ColumnWish {
            existing: Some(&column.target),
            ..ColumnWish::plain(&column.source, &column.target.name)
        };
        *column = ColumnPlan::new(column.source.clone(), self.sink.plan_column(&wish).unwrap());
        prepared.columns.clone_from(&plan.columns);
    }

    /// Copies one chunk; `None` when an earlier attempt had made it durable.
    pub(crate) async fn carry(
        &self,
        plan: &TablePlan,
        prepared: &Prepared,
        snapshot: &dyn Snapshot,
        chunk: &Chunk,
        wire: bool,
    ) -> Result<Option<ChunkTotals>> {
        let Begun::Writer(mut writer) = self.sink.begin(chunk, prepared, false).await? else {
            return Ok(None);
        };
        let mut reader = snapshot.read(chunk, &read_spec(plan, wire)).await?;
        let mut totals = ChunkTotals::default();
        while let Some(payload) = reader.next().await? {
            totals.rows_read += payload.rows();
            totals.rows_written += payload.rows();
            totals.bytes += payload.bytes();
            writer.write(payload).await?;
        }
        totals.last_key = reader.last_key();
        totals.digest = reader.digest();
        assert!(totals.digest.as_ref().is_none_or(|digest| digest.count == totals.rows_read));
        drop(writer.commit(totals.clone()).await?);
        Ok(Some(totals))
    }

    /// The whole way; returns the chunks.
    pub(crate) async fn copy(&self, wish: &Wish) -> Result<Vec<Chunk>> {
        self.copy_with(wish, None).await
    }

    /// The same with a schema for the progress tables.
    pub(crate) async fn copy_with(
        &self,
        wish: &Wish,
        progress_schema: Option<&str>,
    ) -> Result<Vec<Chunk>> {
        let mut plan = self.plan(wish).await;
        plan.stream.progress_schema = progress_schema.map(str::to_owned);
        let (mut lock, claim, mut prepared) = self.claim(&plan, ClaimStart::NewRun).await?;
        let snapshot = self.snapshot(&plan).await;
        let chunks = self.cut(&plan, snapshot.as_ref(), &claim, wish.chunk_rows).await?;
        let mut rows = 0;
        for chunk in &chunks {
            let totals = loop {
                match self.carry(&plan, &prepared, snapshot.as_ref(), chunk, wish.wire).await {
                    Err(error) if error.code == "unrepresentable" => {
                        self.demote(&mut plan, &mut prepared, error.column.as_deref().unwrap());
                    }
                    other => break other?,
                }
            };
            rows += totals.unwrap().rows_written;
        }
        let sealed = lock.seal(&prepared).await?;
        assert!(sealed.rows.is_none_or(|counted| counted == rows), "{sealed:?} {rows}");
        lock.publish(&prepared, Some("{\"w\":1}")).await?;
        // A second call finds it done.
        lock.publish(&prepared, Some("{\"w\":1}")).await?;
        Ok(chunks)
    }
}

pub(crate) fn read_spec(plan: &TablePlan, wire: bool) -> ReadSpec {
    ReadSpec {
        columns: plan.columns.iter().map(|column| column.source.clone()).collect(),
        predicate: plan.predicate.clone(),
        wire: wire.then_some(WireFormat::PgCopyBinary),
        batch_bytes: 1 << 16,
        batch_rows: 1000,
        ordered: false,
    }
}

fn stream(wish: &Wish, target: &TableRef) -> StreamSpec {
    let mut hash = 7_u128;
    for byte in format!("{} {}", wish.from, wish.to).bytes() {
        hash = hash.wrapping_mul(0x0100_0193).wrapping_add(u128::from(byte)).rotate_left(29);
    }
    StreamSpec {
        stream_id: format!("{hash:032x}"),
        job: "test".into(),
        source_id: "here".into(),
        source_table: TableRef::parse(wish.from),
        target_table: target.clone(),
        progress_schema: None,
        run_key: None,
        fingerprint: Fingerprint(BTreeMap::from([("mode".into(), "full".into())])),
        owner: "test".into(),
        shared_target: false,
        tool_version: "0.1.0".into(),
    }
}

fn key_columns(table: &TableSchema, names: &[String]) -> Option<KeyColumns> {
    if names.is_empty() {
        return None;
    }
    Some(KeyColumns(
        names
            .iter()
            .map(|name| {
                let column = table.column(name).unwrap();
                KeyColumn {
                    name: name.clone(),
                    native: column.native.clone(),
                    nullable: column.nullable,
                    integer: column.canonical.as_ref().is_some_and(CanonicalType::is_integer),
                    collation: column.collation.clone(),
                }
            })
            .collect(),
    ))
}
