//! What is delivered once: receipts, staging, swaps, merges, one writer at a time.

use rowferry_core::{
    Begun, ClaimStart, Coverage, ErrorClass, LoadInto, ReplaceMode, Sink, TableRef, WriteMode,
};

use crate::assert_equal;
use crate::copy::*;

#[tokio::test]
async fn a_killed_copy_continues_behind_its_receipts() {
    let numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)";
    let files = Files::with(&format!(
        "create table t (id text primary key not null, v int); \
         insert into t {numbers} select 'k' || i, i from n"
    ));
    let ask = Ask::full("t", &["id"]);
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let first = start(&source, &sink, &ask, ClaimStart::NewRun).await.unwrap();
    assert_eq!(load(&sink, &first, &ask, 9).await.unwrap(), 9);
    drop(first);
    let mut second = start(&source, &sink, &ask, ClaimStart::Continue).await.unwrap();
    assert_eq!(second.claim.receipts.len(), 9);
    assert!(!second.prepared.staging_lost);
    let more = load(&sink, &second, &ask, usize::MAX).await.unwrap();
    assert!(more > 20 && more < 40, "{more}");
    assert_eq!(second.lock.seal(&second.prepared).await.unwrap().rows, Some(300));
    let published = second.lock.publish(&second.prepared, Some("w")).await.unwrap();
    assert_eq!(published.rows_in_target, Some(300));
    // Publishing again changes nothing.
    second.lock.publish(&second.prepared, None).await.unwrap();
    assert_equal(&files, "t").await;
    let state = second.lock.state().await.unwrap().unwrap();
    assert_eq!((state.rows, state.watermark.as_deref()), (300, Some("w")));
    assert_eq!(
        value(&files.target, "select count(*) from sqlite_schema where name glob '_rowferry_s_*'"),
        "Integer(0)"
    );
}

#[tokio::test]
async fn lost_staging_is_said() {
    let files = Files::with("create table t (id integer primary key); insert into t values (1)");
    let ask = Ask::full("t", &["id"]);
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let first = start(&source, &sink, &ask, ClaimStart::NewRun).await.unwrap();
    load(&sink, &first, &ask, usize::MAX).await.unwrap();
    let staging = first.prepared.load_table.name.clone();
    drop(first);
    execute(&files.target, &format!("delete from \"{staging}\""));
    let second = start(&source, &sink, &ask, ClaimStart::Continue).await.unwrap();
    assert!(second.prepared.staging_lost);
    drop(second);
    execute(&files.target, &format!("drop table \"{staging}\""));
    let third = start(&source, &sink, &ask, ClaimStart::Continue).await.unwrap();
    assert!(third.prepared.staging_lost);
}

#[tokio::test]
async fn a_process_that_was_overtaken_writes_nothing() {
    let files = Files::with("create table t (id integer primary key); insert into t values (1)");
    let ask = Ask::full("t", &["id"]);
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let mut first = start(&source, &sink, &ask, ClaimStart::NewRun).await.unwrap();
    // The successor's claim, from another connection.
    execute(&files.target, "update _rowferry_stream set epoch = epoch + 1");
    let error = load(&sink, &first, &ask, 1).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Fenced);
    let error = first.lock.publish(&first.prepared, None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Fenced);
    assert_eq!(value(&files.target, "select count(*) from _rowferry_chunk"), "Integer(0)");
}

#[tokio::test]
async fn a_dropped_writer_leaves_no_row_and_gives_its_turn_back() {
    let files = Files::with("create table t (id integer primary key); insert into t values (1)");
    let ask = Ask::direct("t", &["id"], WriteMode::Append);
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let started = start(&source, &sink, &ask, ClaimStart::NewRun).await.unwrap();
    let spec = read_spec(&started.plan);
    let done = Coverage::default();
    let snapshot = started.snapshot.as_ref();
    let chunk = cutter(snapshot, &started.plan, 7, &done).await.unwrap().next().await.unwrap();
    let chunk = chunk.unwrap();
    let Begun::Writer(mut writer) = sink.begin(&chunk, &started.prepared, false).await.unwrap()
    else {
        panic!("nothing is durable yet");
    };
    let (payloads, _) = read_chunk(snapshot, &spec, &chunk).await.unwrap();
    for payload in payloads {
        writer.write(payload).await.unwrap();
    }
    drop(writer);
    // The settling look waits for the turn, hence for the rollback.
    let begun = sink.begin(&chunk, &started.prepared, true).await.unwrap();
    assert!(matches!(begun, Begun::Writer(_)));
    drop(begun);
    assert_eq!(value(&files.target, "select count(*) from t"), "Integer(0)");
    copy_chunk(snapshot, &sink, &started.prepared, &spec, &chunk).await.unwrap();
    let begun = sink.begin(&chunk, &started.prepared, true).await.unwrap();
    let Begun::AlreadyDurable(receipt) = begun else { panic!("the chunk is durable") };
    assert_eq!((receipt.no, receipt.totals.rows_written), (chunk.no, 1));
    assert_eq!(value(&files.target, "select count(*) from t"), "Integer(1)");
}

#[tokio::test]
async fn upsert_merges_by_the_key() {
    for (extra, name) in [("", "the only key"), (", unique (mail)", "another unique key")] {
        let files = Files::with(
            "create table t (id int not null, mail text, v int, primary key (id)); \
             insert into t values (1, 'a', 10), (2, 'b', 20), (3, 'c', 30)",
        );
        execute(
            &files.target,
            &format!(
                "create table t (id int not null, mail text, v int, primary key (id){extra}); \
                 insert into t values (2, 'old', 0), (9, 'kept', 9)"
            ),
        );
        let ask = Ask::direct("t", &["id"], WriteMode::Upsert);
        copy(&files, &ask).await.unwrap();
        copy(&files, &ask).await.unwrap();
        let rows = "select group_concat(id || mail || v, ' ' order by id) from t";
        assert_eq!(value(&files.target, rows), "Text(\"1a10 2b20 3c30 9kept9\")", "{name}");
    }
}

#[tokio::test]
async fn upsert_needs_exactly_that_unique_key() {
    let files = Files::with("create table t (id int primary key not null, v int)");
    execute(&files.target, "create table t (id int, v int)");
    let error = copy(&files, &Ask::direct("t", &["id"], WriteMode::Upsert)).await.unwrap_err();
    assert_eq!((error.class, error.code), (ErrorClass::Setup, "no-unique-key"));
}

#[tokio::test]
async fn append_names_the_violated_key() {
    let files = Files::with("create table t (id integer primary key); insert into t values (1)");
    execute(&files.target, "create table t (id integer primary key); insert into t values (1)");
    let error = copy(&files, &Ask::direct("t", &["id"], WriteMode::Append)).await.unwrap_err();
    assert_eq!((error.class, error.code), (ErrorClass::Data, "duplicate-key"));
    assert!(error.to_string().contains("t.id"), "{error}");
}

#[tokio::test]
async fn rows_without_a_key_are_appended_in_one_step() {
    let files = Files::with("create table t (v int); insert into t values (1), (1), (null)");
    execute(&files.target, "create table t (v int); insert into t values (7)");
    let ask = Ask {
        load: LoadInto::StagingAppend,
        write: WriteMode::Append,
        key_enforced: false,
        ..Ask::full("t", &[])
    };
    copy(&files, &ask).await.unwrap();
    assert_eq!(value(&files.target, "select count(*) || ':' || sum(v) from t"), "Text(\"4:9\")");
}

#[tokio::test]
async fn a_swap_keeps_the_shape_of_the_target() {
    let files =
        Files::with("create table t (id integer primary key, v int); insert into t values (1, 2)");
    execute(
        &files.target,
        "create table t (id integer primary key, v int default 5 check (v > 0)) strict; \
         create index by_v on t (v); insert into t values (8, 8); \
         create view seen as select v from t; create table child (t int references t (id))",
    );
    let sink = open_sink(&files.target).await;
    let found = sink.describe(&TableRef::bare("T")).await.unwrap().unwrap();
    assert_eq!(found.dependents, ["view seen"]);
    assert_eq!(found.schema.table.name, "t");
    let ask = Ask { keep_old: true, ..Ask::full("t", &["id"]) };
    copy(&files, &ask).await.unwrap();
    let table = "select sql from sqlite_schema where name = 't'";
    assert!(value(&files.target, table).contains("check (v > 0)) strict"));
    assert_eq!(value(&files.target, "select v from seen"), "Integer(2)");
    assert_eq!(value(&files.target, "select v from _rowferry_old_t"), "Integer(8)");
    let index = "select tbl_name from sqlite_schema where name = 'by_v'";
    assert_eq!(value(&files.target, index), "Text(\"t\")");
    let child = "select sql from sqlite_schema where name = 'child'";
    assert!(value(&files.target, child).contains("references t (id)"));
    // Again, without keeping, and by truncation.
    copy(&files, &Ask::full("t", &["id"])).await.unwrap();
    copy(&files, &Ask { replace: ReplaceMode::Truncate, ..Ask::full("t", &["id"]) }).await.unwrap();
    assert_equal(&files, "t").await;
    assert_eq!(value(&files.target, "pragma integrity_check"), "Text(\"ok\")");
}

#[tokio::test]
async fn a_swap_that_fails_half_way_changes_nothing() {
    let files =
        Files::with("create table t (id integer primary key, v int); insert into t values (1, 2)");
    // The new rows have no such column, so the index cannot be made again.
    execute(
        &files.target,
        "create table t (id integer primary key, gone int); create index by_gone on t (gone); \
         insert into t values (8, 8)",
    );
    let error = copy(&files, &Ask::full("t", &["id"])).await.unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
    assert_eq!(value(&files.target, "select gone from t"), "Integer(8)");
    assert_eq!(value(&files.target, "select phase from _rowferry_stream"), "Text(\"publishing\")");
    execute(&files.target, "drop index by_gone");
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let mut again =
        start(&source, &sink, &Ask::full("t", &["id"]), ClaimStart::Continue).await.unwrap();
    assert!(!again.prepared.staging_lost);
    again.lock.publish(&again.prepared, None).await.unwrap();
    assert_equal(&files, "t").await;
}

#[tokio::test]
async fn one_run_at_a_time_writes_a_table() {
    let files = Files::with("create table t (id integer primary key)");
    let sink = open_sink(&files.target).await;
    let held = sink.lock(&stream("t", "a")).await.unwrap();
    // SQLite folds the case of names, so this is the same table.
    let error = sink.lock(&stream("T", "b")).await.err().unwrap();
    assert_eq!((error.class, error.code), (ErrorClass::Busy, "locked"));
    assert!(error.to_string().contains("held by test on here"), "{error}");
    assert!(sink.lock(&stream("u", "a")).await.is_ok());
    drop(held);
    assert!(sink.lock(&stream("t", "a")).await.is_ok());
    let left = std::fs::read_dir(files.folder.path()).unwrap();
    let locks = left.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().contains("rowferry-lock")
    });
    assert_eq!(locks.count(), 0);
}

#[tokio::test]
async fn a_second_stream_of_one_target_is_refused_unless_shared() {
    let files = Files::with("create table t (id integer primary key)");
    copy(&files, &Ask::full("t", &["id"])).await.unwrap();
    let sink = open_sink(&files.target).await;
    let mut other = stream("t", "b");
    let mut lock = sink.lock(&other).await.unwrap();
    let error = lock.state().await.unwrap_err();
    assert_eq!((error.class, error.code), (ErrorClass::Conflict, "target-shared"));
    drop(lock);
    other.shared_target = true;
    assert_eq!(sink.lock(&other).await.unwrap().state().await.unwrap(), None);
    let streams = sink.streams(None).await.unwrap();
    assert_eq!(streams.len(), 1);
    sink.forget(None, &streams[0].stream_id).await.unwrap();
    assert!(sink.streams(None).await.unwrap().is_empty());
}

/// More payloads than a transaction has places for images: the others go cell by cell.
#[tokio::test]
async fn a_chunk_of_many_payloads_is_written_whole_or_not_at_all() {
    const TABLE: &str =
        "create table t (id integer primary key, n int, txt text not null, r real, raw blob)";
    let rows = "with recursive c (i) as (select 1 union all select i + 1 from c where i < 203) \
         insert into t select 1000 - 3 * i, nullif(i, 7), i || ' ä', i / 8.0, randomblob(i * 40) from c";
    let files = Files::with(&format!("{TABLE}; {rows}"));
    execute(&files.target, TABLE);
    let (source, sink) = (open_source(&files.source).await, open_sink(&files.target).await);
    let ask = Ask { chunk_rows: 1000, ..Ask::direct("t", &["id"], WriteMode::Append) };
    let started = start(&source, &sink, &ask, ClaimStart::NewRun).await.unwrap();
    let (snapshot, spec) = (started.snapshot.as_ref(), by_meaning(&started.plan));
    let done = Coverage::new(None, &started.claim.receipts);
    let mut cutter = cutter(snapshot, &started.plan, ask.chunk_rows, &done).await.unwrap();
    let chunk = cutter.next().await.unwrap().unwrap();
    // In the third payload, and in the thirtieth.
    for key in [1000 - 3 * 190, 1000 - 3 * 60] {
        execute(&files.target, &format!("insert into t (id, txt) values ({key}, 'here')"));
        let refused = copy_chunk(snapshot, &sink, &started.prepared, &spec, &chunk).await;
        let error = refused.unwrap_err();
        // Keys go down in the source, and up in the chunk; numbers of rows begin with one.
        let row = 204 - (1000 - key) / 3;
        assert_eq!((error.code, error.row.map(u32::from)), ("duplicate-key", Some(row)));
        assert_eq!(value(&files.target, "select count(*) from t"), "Integer(1)");
        execute(&files.target, "delete from t");
    }
    copy_chunk(snapshot, &sink, &started.prepared, &spec, &chunk).await.unwrap();
    let dump = "select *, typeof(n), typeof(r) from t order by id";
    assert_eq!(oracle(&files.source, dump), oracle(&files.target, dump));
    assert_eq!(value(&files.target, "select count(*) from t"), "Integer(203)");
    assert_eq!(value(&files.target, "pragma integrity_check"), "Text(\"ok\")");
}
