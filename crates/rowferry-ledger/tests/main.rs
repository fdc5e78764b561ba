//! The ledger survives what happens to files: damage, two processes, missing rights.

use std::path::Path;

use rowferry_core::{Chunk, ChunkNo, ChunkTotals, ErrorClass, KeyRange, Receipt, TableRef};
use rowferry_ledger::{ChunkRow, JobLock, Ledger, LedgerError, RunRow, TableRow};
use rusqlite::Connection;

fn run(id: &str, started_at: &str) -> RunRow {
    RunRow {
        run_id: id.into(),
        job: "shop".into(),
        command: "run".into(),
        started_at: started_at.into(),
        status: "running".into(),
        ..RunRow::default()
    }
}

fn table(target: &str) -> TableRow {
    TableRow {
        stream_id: format!("stream-{target}"),
        job: "shop".into(),
        target: target.into(),
        status: "ok".into(),
        rows_written: 7,
        warnings: vec!["something".into()],
        ..TableRow::default()
    }
}

fn chunk(no: i64) -> ChunkRow {
    let chunk = Chunk {
        no: ChunkNo(no),
        table: TableRef::bare("t"),
        range: KeyRange::Whole,
        rows_estimated: None,
    };
    ChunkRow::of(&Receipt::of(&chunk, ChunkTotals { rows_read: 3, ..ChunkTotals::default() }))
}

/// A closed ledger with some pages of history.
#[expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
async fn filled(path: &Path) {
    let ledger = Ledger::open(path).await.unwrap();
    for number in 0..200 {
        let id = format!("run-{number:04}");
        ledger.start_run(&run(&id, &format!("2026-01-01T00:00:{number:04}Z"))).await.unwrap();
        ledger.upsert_table(&id, &table("orders")).await.unwrap();
    }
}

/// Waits until the thread of a dropped ledger has closed its file.
fn wait_closed(path: &Path) {
    let log = path.with_extension("db-wal");
    for _ in 0..200 {
        if !log.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[tokio::test]
async fn what_is_noted_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/state.db");
    let ledger = Ledger::open(&path).await.unwrap();
    let mut first = run("a", "2026-01-01T00:00:00Z");
    ledger.start_run(&first).await.unwrap();
    ledger.start_run(&run("b", "2026-01-02T00:00:00Z")).await.unwrap();
    for no in [3, 1, 2, 1] {
        ledger.record_chunk("a", "stream-orders", &chunk(no)).await.unwrap();
    }
    let numbers: Vec<i64> =
        ledger.chunks("stream-orders").await.unwrap().iter().map(|chunk| chunk.chunk_no).collect();
    assert_eq!(numbers, [1, 2, 3]);
    ledger.upsert_table("a", &table("orders")).await.unwrap();
    ledger.upsert_table("a", &table("items")).await.unwrap();
    first.status = "ok".into();
    first.exit_code = Some(0);
    ledger.finish_run(&first).await.unwrap();

    let runs = ledger.runs(10).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(runs.last(), Some(&first));
    assert_eq!(ledger.tables("a").await.unwrap(), [table("items"), table("orders")]);
    assert_eq!(ledger.streams().await.unwrap().len(), 2);

    ledger.upsert_table("b", &table("orders")).await.unwrap();
    assert!(ledger.chunks("stream-orders").await.unwrap().is_empty());
    ledger.forget_stream("stream-orders").await.unwrap();
    assert_eq!(ledger.streams().await.unwrap().len(), 1);
    assert_eq!(ledger.tables("a").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_cut_at_any_page_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    filled(&whole).await;
    wait_closed(&whole);
    let bytes = std::fs::read(&whole).unwrap();
    assert!(bytes.len() > 8 * 4096, "{}", bytes.len());
    for length in (600..bytes.len()).step_by(4096).chain((4096..bytes.len()).step_by(4096)) {
        let path = folder.path().join(format!("cut-{length}.db"));
        std::fs::write(&path, bytes.get(..length).unwrap()).unwrap();
        let ledger = Ledger::open(&path).await.unwrap();
        let aside = ledger.set_aside().unwrap_or_else(|| panic!("cut at {length} unnoticed"));
        assert_eq!(std::fs::metadata(aside).unwrap().len(), length as u64);
        ledger.start_run(&run("new", "2026-01-01T00:00:00Z")).await.unwrap();
        assert_eq!(ledger.runs(5).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.db");
    std::fs::write(&path, b"").unwrap();
    let ledger = Ledger::open(&path).await.unwrap();
    assert_eq!(ledger.set_aside(), None);
    assert!(ledger.streams().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_later_layout_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later.db");
    Connection::open(&path).unwrap().execute_batch("pragma user_version = 99").unwrap();
    let error = Ledger::open(&path).await.err().unwrap();
    assert!(matches!(error, LedgerError::Newer { found: 99, .. }));
    assert_eq!(error.class(), ErrorClass::Setup);
}

#[tokio::test]
async fn two_handles_write_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let write = |name: &'static str| {
        let path = path.clone();
        async move {
            let ledger = Ledger::open(&path).await.unwrap();
            for number in 0..50 {
                let id = format!("{name}-{number}");
                ledger.start_run(&run(&id, "2026-01-01T00:00:00Z")).await.unwrap();
            }
        }
    };
    tokio::join!(write("a"), write("b"), write("c"));
    let ledger = Ledger::open(&path).await.unwrap();
    assert_eq!(ledger.runs(1_000).await.unwrap().len(), 150);
}

#[tokio::test]
async fn a_path_that_cannot_be_written_is_a_local_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    // A file where a folder should be: refused to root as well, unlike a read-only folder.
    let error = Ledger::open(&file.join("state.db")).await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::Local);
    assert_eq!(error.code(), "state-unwritable");
    let error = Ledger::open(folder.path()).await.err().unwrap();
    assert_eq!(error.code(), "state-unwritable");
}

#[test]
fn a_job_runs_once() {
    let folder = tempfile::tempdir().unwrap();
    let held = JobLock::acquire(folder.path(), "shop / café").unwrap();
    let error = JobLock::acquire(folder.path(), "shop / café").unwrap_err();
    assert_eq!(error.class(), ErrorClass::Busy);
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    JobLock::acquire(folder.path(), "other").unwrap();
    drop(held);
    JobLock::acquire(folder.path(), "shop / café").unwrap();
}
