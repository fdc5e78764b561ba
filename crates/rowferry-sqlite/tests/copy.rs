//! A copy as the engine does it, small enough to look at each step.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![expect(clippy::print_stdout, reason = "a skipped check is said")]

use std::path::{Path, PathBuf};
use std::process::Command;

use rowferry_core::{
    Begun, CanonicalType, Chunk, ChunkSpec, ChunkTotals, Claim, ClaimStart, ColumnPlan, ColumnWish,
    Consistency, Coverage, Cutter, Endpoint, EndpointKind, Fingerprint, KeyColumn, KeyColumns,
    LoadInto, Mode, Payload, Prepared, ReadSpec, ReplaceMode, Result, Sink, Snapshot, Source,
    StreamLock, StreamSpec, TablePlan, TableRef, WireFormat, WriteMode,
};
use rowferry_runtime::ComputePool;
use rowferry_sqlite::{SqliteSink, SqliteSource};
use tempfile::TempDir;

/// Two files in a folder of their own.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
}

impl Files {
    /// A source made by `sql`; the target does not exist yet.
    pub(crate) fn with(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source.db");
        let target = folder.path().join("target.db");
        execute(&source, sql);
        Self { folder, source, target }
    }
}

/// Runs statements through our own SQLite.
pub(crate) fn execute(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// One value by our own SQLite.
pub(crate) fn value(path: &Path, sql: &str) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    let value: rusqlite::types::Value = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    format!("{value:?}")
}

/// Rows by the independent client, sorted; `None` without the client.
pub(crate) fn oracle(path: &Path, sql: &str) -> Option<String> {
    let Ok(output) = Command::new("sqlite3")
        // The last connection that closes holds the file for a moment.
        .args(["-readonly", "-cmd", ".timeout 10000"])
        .arg(path)
        .arg(sql)
        .output()
    else {
        assert!(std::env::var("CI").is_err(), "the sqlite3 client is missing");
        println!("skipped: sqlite3 (the client is not installed)");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<&[u8]> = output.stdout.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    Some(String::from_utf8_lossy(&lines.join(&b'\n')).into_owned())
}

pub(crate) fn endpoint(path: &Path) -> Endpoint {
    Endpoint { path: path.to_owned(), ..Endpoint::empty(EndpointKind::Sqlite) }
}

pub(crate) fn pool() -> ComputePool {
    ComputePool::new(1).unwrap()
}

pub(crate) async fn open_source(path: &Path) -> SqliteSource {
    SqliteSource::open(&endpoint(path), pool()).await.unwrap()
}

pub(crate) async fn open_sink(path: &Path) -> SqliteSink {
    SqliteSink::open(&endpoint(path), pool()).await.unwrap()
}

/// What one copy is asked for.
pub(crate) struct Ask {
    pub(crate) table: &'static str,
    pub(crate) key: Vec<&'static str>,
    pub(crate) key_enforced: bool,
    pub(crate) write: WriteMode,
    pub(crate) load: LoadInto,
    pub(crate) replace: ReplaceMode,
    pub(crate) keep_old: bool,
    pub(crate) chunk_rows: u64,
}

impl Ask {
    /// A full copy of `table` through staging, in small chunks.
    pub(crate) fn full(table: &'static str, key: &[&'static str]) -> Self {
        Self {
            table,
            key: key.to_vec(),
            key_enforced: true,
            write: WriteMode::Replace,
            load: LoadInto::StagingReplace,
            replace: ReplaceMode::Swap,
            keep_old: false,
            chunk_rows: 7,
        }
    }

    /// Rows into the target itself.
    pub(crate) fn direct(table: &'static str, key: &[&'static str], write: WriteMode) -> Self {
        Self { write, load: LoadInto::Target, ..Self::full(table, key) }
    }
}

pub(crate) fn stream(table: &str, source: &str) -> StreamSpec {
    StreamSpec {
        stream_id: format!("{source}0123456789abcdef{table}"),
        job: "test".into(),
        source_id: "source".into(),
        source_table: TableRef::bare(table),
        target_table: TableRef::bare(table),
        progress_schema: None,
        run_key: None,
        fingerprint: Fingerprint::default(),
        owner: "test on here".into(),
        shared_target: false,
        tool_version: "0.0.0".into(),
    }
}

pub(crate) async fn plan(source: &SqliteSource, sink: &SqliteSink, ask: &Ask) -> Result<TablePlan> {
    let schema = source.describe(&TableRef::bare(ask.table)).await?;
    let existing = sink.describe(&schema.table).await?;
    let columns = schema
        .columns
        .iter()
        .map(|column| {
            let existing = existing.as_ref().and_then(|table| table.schema.column(&column.name));
            let wish = ColumnWish { existing, ..ColumnWish::plain(column, &column.name) };
            ColumnPlan::new(column.clone(), sink.plan_column(&wish).unwrap())
        })
        .collect();
    let cut_by = KeyColumns(
        ask.key
            .iter()
            .map(|name| {
                let column = schema.column(name).unwrap();
                KeyColumn {
                    name: column.name.clone(),
                    native: column.native.clone(),
                    nullable: column.nullable,
                    integer: column.canonical.as_ref().is_some_and(CanonicalType::is_integer),
                    collation: column.collation.clone(),
                }
            })
            .collect(),
    );
    Ok(TablePlan {
        foreign_keys: Vec::new(),
        stream: stream(ask.table, "a"),
        target: schema.table.clone(),
        target_existing: existing.map(|table| table.schema),
        source: schema,
        columns,
        key: ask.key.iter().map(|name| (*name).to_owned()).collect(),
        key_enforced: ask.key_enforced,
        cut_by: (!ask.key.is_empty()).then_some(cut_by),
        mode: Mode::Full,
        write: ask.write,
        load: ask.load,
        replace: ask.replace,
        keep_old: ask.keep_old,
        duplicates: None,
        predicate: None,
        insert_batch_rows: 1_000,
        warnings: Vec::new(),
    })
}

/// Rows as batches, as every other target gets them.
pub(crate) fn by_meaning(plan: &TablePlan) -> ReadSpec {
    ReadSpec { wire: None, ..read_spec(plan) }
}

/// As the engine decides it.
fn wire(plan: &TablePlan) -> Option<WireFormat> {
    let same = |column: &ColumnPlan| {
        column.source.native == column.target.native && column.converted.is_none()
    };
    plan.columns.iter().all(same).then_some(WireFormat::SqliteCells)
}

pub(crate) fn read_spec(plan: &TablePlan) -> ReadSpec {
    ReadSpec {
        columns: plan.columns.iter().map(|column| column.source.clone()).collect(),
        predicate: plan.predicate.clone(),
        wire: wire(plan),
        batch_bytes: 1 << 20,
        batch_rows: 5,
        ordered: false,
    }
}

pub(crate) async fn cutter(
    snapshot: &dyn Snapshot,
    plan: &TablePlan,
    rows: u64,
    done: &Coverage,
) -> Result<Cutter> {
    let spec = ChunkSpec { rows, bytes: u64::MAX, row_bytes_estimated: None, with_null_keys: true };
    let table = plan.source.table.clone();
    match &plan.cut_by {
        Some(key) => {
            let probe = snapshot.probe(&plan.source, key).await?;
            Ok(Cutter::by_key(table, key.clone(), spec, done, probe))
        }
        None => Ok(Cutter::by_blocks(table, spec, snapshot.blocks(&plan.source).await?, None)),
    }
}

/// Reads one chunk and hands it to `write`; what was read is in the totals.
pub(crate) async fn read_chunk(
    snapshot: &dyn Snapshot,
    spec: &ReadSpec,
    chunk: &Chunk,
) -> Result<(Vec<Payload>, ChunkTotals)> {
    let mut reader = snapshot.read(chunk, spec).await?;
    let (mut payloads, mut totals) = (Vec::new(), ChunkTotals::default());
    while let Some(payload) = reader.next().await? {
        totals.rows_read += payload.rows();
        totals.bytes += payload.bytes();
        payloads.push(payload);
    }
    totals.rows_written = totals.rows_read;
    totals.last_key = reader.last_key();
    Ok((payloads, totals))
}

/// Copies one chunk in one transaction.
pub(crate) async fn copy_chunk(
    snapshot: &dyn Snapshot,
    sink: &SqliteSink,
    prepared: &Prepared,
    spec: &ReadSpec,
    chunk: &Chunk,
) -> Result<u64> {
    let Begun::Writer(mut writer) = sink.begin(chunk, prepared, false).await? else {
        return Ok(0);
    };
    let (payloads, totals) = read_chunk(snapshot, spec, chunk).await?;
    let rows = totals.rows_read;
    for payload in payloads {
        writer.write(payload).await?;
    }
    writer.commit(totals).await.map(|_receipt| rows)
}

/// Everything up to the chunks.
pub(crate) struct Started {
    pub(crate) plan: TablePlan,
    pub(crate) lock: Box<dyn StreamLock>,
    pub(crate) claim: Claim,
    pub(crate) prepared: Prepared,
    pub(crate) snapshot: Box<dyn Snapshot>,
}

pub(crate) async fn start(
    source: &SqliteSource,
    sink: &SqliteSink,
    ask: &Ask,
    from: ClaimStart,
) -> Result<Started> {
    let plan = plan(source, sink, ask).await?;
    let mut lock = sink.lock(&plan.stream).await?;
    lock.state().await?;
    let claim = lock.claim(from).await?;
    let prepared = lock.prepare(&plan, &claim).await?;
    let snapshot = source.snapshot(&plan.source, Consistency::Auto, 2).await?;
    Ok(Started { plan, lock, claim, prepared, snapshot })
}

/// Copies chunks, at most `limit` of them; the number of chunks made durable.
pub(crate) async fn load(
    sink: &SqliteSink,
    started: &Started,
    ask: &Ask,
    limit: usize,
) -> Result<usize> {
    let spec = read_spec(&started.plan);
    let done = Coverage::new(None, &started.claim.receipts);
    let mut cutter =
        cutter(started.snapshot.as_ref(), &started.plan, ask.chunk_rows, &done).await?;
    let mut count = 0;
    while count < limit {
        let Some(chunk) = cutter.next().await? else { break };
        let rows =
            copy_chunk(started.snapshot.as_ref(), sink, &started.prepared, &spec, &chunk).await?;
        cutter.observe(&chunk, rows, rows * 100);
        count += 1;
    }
    Ok(count)
}

/// The whole copy.
pub(crate) async fn copy(files: &Files, ask: &Ask) -> Result<usize> {
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let mut started = start(&source, &sink, ask, ClaimStart::NewRun).await?;
    let chunks = load(&sink, &started, ask, usize::MAX).await?;
    started.lock.seal(&started.prepared).await?;
    started.lock.publish(&started.prepared, None).await?;
    Ok(chunks)
}
