//! SQLite to SQLite, with the sqlite3 client as an independent reader.

mod copy;
mod foreign;
mod same;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use rowferry_core::{
    Begun, Chunk, ChunkNo, ClaimStart, Comparison, Consistency, Coverage, ErrorClass, KeyColumn,
    KeyColumns, KeyRange, Literal, LoadInto, NativeType, Payload, Predicate, ReadSpec, ReplaceMode,
    Sink, Source, TableRef, WriteMode,
};
use rowferry_sqlite::SqliteSource;

use copy::{
    Ask, Files, copy, copy_chunk, cutter, endpoint, execute, load, open_sink, open_source, oracle,
    pool, read_chunk, read_spec, start, stream, value,
};

const ALL_TYPES: &str = "create table t (
  id integer primary key, i int, big bigint, r real, d double, b boolean, txt text, name varchar(20),
  raw blob, n decimal(12,2), free numeric, day date, at datetime, at6 timestamp(6), tm time,
  doc json, own_doc json_text, u uuid, u64 u64_text, dt decimal_text(30,10), zoned timestamptz_text(6),
  len duration_text(6)
);
insert into t values
 (1, -5, 9223372036854775807, 1.5, -1.7976931348623157e308, 1, 'grüße', 'x', x'00ff', 12.5, 1.1,
  '2024-02-29', '2024-02-29 10:11:12', '2024-02-29 10:11:12.123456', '23:59:59', '{\"a\": 1.10}', '1.0',
  '00112233-4455-6677-8899-aabbccddeeff', '18446744073709551615', '123.4500000000',
  '2024-01-01 00:00:00.000001+00:00', '-838:59:59.000000'),
 (2, 0, -9223372036854775808, 0.1, 5e-324, 0, '', '', x'', -0.01, 12345678901, '0001-01-01',
  '9999-12-31 23:59:59.999', '1969-12-31 23:59:59.000001', '24:00:00', '1', '[]', null, '0', '-0.0000000001',
  'infinity', '00:00:00.500000'),
 (-3, null, null, 9e999, null, null, null, null, null, null, null, '0044-03-15 BC', null, null, null,
  null, null, null, null, null, null, null);
insert into t (id, txt) values (4, cast(x'610062' as text));";

/// Dump with the storage class of each cell, so that 1 and '1' differ.
#[expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
async fn dump_sql(files: &Files, table: &str) -> String {
    let schema = open_source(&files.source).await.describe(&TableRef::bare(table)).await.unwrap();
    let cells: Vec<String> = schema
        .columns
        .iter()
        .map(|c| format!("typeof(\"{0}\") || quote(cast(\"{0}\" as blob)) || '|'", c.name))
        .collect();
    format!("select {} from \"{table}\"", cells.join(" || "))
}

async fn assert_equal(files: &Files, table: &str) {
    let sql = dump_sql(files, table).await;
    let (source, target) = (oracle(&files.source, &sql), oracle(&files.target, &sql));
    assert_eq!(source, target);
}

#[tokio::test]
async fn every_type_arrives_with_its_class_and_bytes() {
    let files = Files::with(ALL_TYPES);
    copy(&files, &Ask::full("t", &["id"])).await.unwrap();
    assert_equal(&files, "t").await;
    assert_eq!(value(&files.target, "select hex(txt) from t where id = 4"), "Text(\"610062\")");
    // Once more, over the table that is there now.
    copy(&files, &Ask::full("t", &["id"])).await.unwrap();
    assert_equal(&files, "t").await;
}

/// Reads the whole of table `t` by its meaning.
async fn read_whole(files: &Files) -> rowferry_core::Result<Vec<Payload>> {
    let source = open_source(&files.source).await;
    let schema = source.describe(&TableRef::bare("t")).await?;
    let snapshot = source.snapshot(&schema, Consistency::Table, 1).await?;
    let key = KeyColumns(vec![KeyColumn {
        name: "id".into(),
        native: NativeType::new("sqlite", "integer"),
        nullable: false,
        integer: true,
        collation: None,
    }]);
    let chunk = Chunk {
        no: ChunkNo(1),
        table: TableRef::bare("t"),
        range: KeyRange::Span { key, lower: None, upper: None },
        rows_estimated: None,
    };
    let spec = ReadSpec {
        columns: schema.columns,
        predicate: None,
        wire: None,
        batch_bytes: 1 << 20,
        batch_rows: 10_000,
        ordered: false,
    };
    read_chunk(snapshot.as_ref(), &spec, &chunk).await.map(|(payloads, _)| payloads)
}

#[tokio::test]
async fn cells_of_another_class_are_errors_that_name_the_row() {
    let numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)";
    for (declared, usual, literal, found) in [
        ("int", "1", "'x'", "text"),
        ("int", "1", "1.5", "floating"),
        ("text", "'x'", "x'00'", "a blob"),
        ("boolean", "1", "2", "integer"),
        ("date", "'2024-01-01'", "'2024-02-30'", "other text"),
        ("date", "'2024-01-01'", "1700000000", "integer"),
        ("datetime", "'2024-01-01 00:00:00'", "'2024-01-01T00:00:00Z'", "other text"),
        ("decimal(4,1)", "1", "1.25", "more digits"),
        ("numeric", "1", "1.25", "floating"),
        ("uuid", "zeroblob(16)", "'x'", "text"),
        ("text", "'x'", "cast(x'ff' as text)", "other bytes"),
        ("", "x'00'", "'x'", "text"),
        ("period_text", "'1 mon'", "'1 week'", "other text"),
        ("bit_text(3)", "'010'", "'012'", "other text"),
        ("timetz_text", "'10:00:00+02'", "'10:00:00'", "other text"),
    ] {
        let files = Files::with(&format!(
            "create table t (id integer primary key, v {declared}); \
             insert into t {numbers} select i, {usual} from n; \
             insert into t values (1700, {literal})"
        ));
        let mut error = read_whole(&files).await.unwrap_err();
        let key = error.take_key().unwrap();
        assert_eq!(key.schema().field(0).name(), "id");
        assert_eq!(key.column(0).as_primitive::<Int64Type>().values(), &[1700]);
        let is = (error.class, error.code, error.column.as_deref());
        let expected = (ErrorClass::Data, "unrepresentable", Some("v"));
        assert_eq!(is, expected, "{declared} {literal}: {error}");
        let text = error.to_string();
        // Whether the key may be shown is not decided here.
        assert!(!text.contains("1700") && text.contains(found), "{text}");
        assert!(text.contains("\"v\"") && text.contains("table t"), "{text}");
        // The same cell passes from file to file.
        copy(&files, &Ask::full("t", &["id"])).await.unwrap();
        assert_equal(&files, "t").await;
    }
}

#[tokio::test]
async fn keys_of_all_kinds_are_cut_and_covered() {
    let numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)";
    for (columns, rows, key) in [
        ("id integer primary key, v int", "i * i, i", vec!["id"]),
        ("id text primary key not null, v int", "'k' || (i * 7919 % 1000), i", vec!["id"]),
        ("id text collate nocase primary key, v int", "'K' || i, i", vec!["id"]),
        ("id blob primary key, v int", "zeroblob(i), i", vec!["id"]),
        ("id date primary key, v int", "date('2000-01-01', i || ' days'), i", vec!["id"]),
        ("a int, b text, v int, primary key (a, b)", "i % 5, 'b' || i, i", vec!["a", "b"]),
        (
            "a int, b text, v int, unique (a, b)",
            "i % 5, iif(i % 3, 'b' || i, null), i",
            vec!["a", "b"],
        ),
        ("v int", "i", vec![]),
        ("a int, b text, primary key (b, a)) without rowid", "i % 5, 'b' || i", vec!["b", "a"]),
    ] {
        let end = if columns.ends_with("rowid") { "" } else { ")" };
        let files = Files::with(&format!(
            "create table t ({columns}{end}; insert into t {numbers} select {rows} from n"
        ));
        let mut ask = Ask::full("t", &key);
        // Nulls may stand in these keys.
        ask.key_enforced = !columns.contains("unique") && !columns.contains("nocase");
        let chunks = copy(&files, &ask).await.unwrap();
        // A short integer table is one chunk.
        assert!(
            columns.starts_with("id integer") || key.is_empty() || chunks > 10,
            "{columns}: {chunks}"
        );
        assert_equal(&files, "t").await;
    }
}

#[tokio::test]
async fn a_floating_point_key_is_refused() {
    let files = Files::with("create table t (id real primary key); insert into t values (1.5)");
    let error = copy(&files, &Ask::full("t", &["id"])).await.unwrap_err();
    assert_eq!((error.class, error.code), (ErrorClass::Setup, "key-type"));
}

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
async fn a_filter_compares_as_the_column_does() {
    let files = Files::with(
        "create table t (id integer primary key, v int, d decimal_text(9,2), s text); \
         insert into t values (1, 9, '9', 'x'), (2, 10, '10', 'it''s'), (3, null, null, null)",
    );
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let mut plan = copy::plan(&source, &sink, &Ask::full("t", &["id"])).await.unwrap();
    let snapshot = source.snapshot(&plan.source, Consistency::Table, 1).await.unwrap();
    let key = plan.cut_by.clone().unwrap();
    let range = KeyRange::Span { key, lower: None, upper: None };
    let chunk = Chunk { no: ChunkNo(1), table: TableRef::bare("t"), range, rows_estimated: None };
    for (column, comparison, literal, rows) in [
        ("v", Comparison::Greater, Literal::Number("9".into()), Some(1)),
        ("v", Comparison::LessOrEqual, Literal::Number("10.5".into()), Some(2)),
        ("s", Comparison::Equal, Literal::Text("it's".into()), Some(1)),
        ("d", Comparison::Greater, Literal::Number("9".into()), None),
    ] {
        plan.predicate = Some(Predicate { column: column.into(), comparison, literal });
        let read = read_chunk(snapshot.as_ref(), &read_spec(&plan), &chunk).await;
        match (read, rows) {
            (Ok((_, totals)), Some(rows)) => {
                assert_eq!(totals.rows_read, rows, "{column}");
                // The filter is left out of the greatest key.
                assert_eq!(totals.last_key.and_then(|key| key.as_int()), Some(3));
            }
            (Err(error), None) => assert_eq!(error.code, "filter-type"),
            (read, rows) => panic!("{column}: {:?} instead of {rows:?}", read.map(|_| ())),
        }
    }
}

#[tokio::test]
async fn all_readers_of_a_table_see_one_moment() {
    for mode in ["wal", "delete"] {
        let files = Files::with(&format!(
            "pragma journal_mode = {mode}; create table t (id integer primary key); \
             insert into t values (1), (2)"
        ));
        let source = open_source(&files.source).await;
        let schema = source.describe(&TableRef::bare("t")).await.unwrap();
        let snapshot = source.snapshot(&schema, Consistency::Table, 3).await.unwrap();
        if mode == "wal" {
            execute(&files.source, "insert into t values (3)");
        }
        let sink = open_sink(&files.target).await;
        let plan = copy::plan(&source, &sink, &Ask::full("t", &["id"])).await.unwrap();
        let chunk = Chunk {
            no: ChunkNo(1),
            table: schema.table.clone(),
            range: KeyRange::Span { key: plan.cut_by.clone().unwrap(), lower: None, upper: None },
            rows_estimated: None,
        };
        let spec = read_spec(&plan);
        let mut readers = Vec::new();
        for _ in 0..3 {
            readers.push(snapshot.read(&chunk, &spec).await.unwrap());
        }
        for mut reader in readers {
            let payload = reader.next().await.unwrap().unwrap();
            assert_eq!(payload.rows(), 2, "{mode}");
            assert!(reader.next().await.unwrap().is_none());
            assert_eq!(reader.last_key().and_then(|key| key.as_int()), Some(2), "{mode}");
        }
        let fresh = source.snapshot(&schema, Consistency::Chunk, 1).await.unwrap();
        let (payloads, _) = read_chunk(fresh.as_ref(), &spec, &chunk).await.unwrap();
        let rows: u64 = payloads.iter().map(rowferry_core::Payload::rows).sum();
        assert_eq!(rows, if mode == "wal" { 3 } else { 2 });
    }
}

#[tokio::test]
async fn a_dropped_reader_frees_its_connection() {
    let numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000)";
    let files =
        Files::with(&format!("create table t (v int); insert into t {numbers} select i from n"));
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let plan = copy::plan(&source, &sink, &Ask::full("t", &[])).await.unwrap();
    let snapshot = source.snapshot(&plan.source, Consistency::Table, 1).await.unwrap();
    let chunk = Chunk {
        no: ChunkNo(1),
        table: TableRef::bare("t"),
        range: KeyRange::Whole,
        rows_estimated: None,
    };
    for _ in 0..5 {
        let mut reader = snapshot.read(&chunk, &read_spec(&plan)).await.unwrap();
        reader.next().await.unwrap().unwrap();
    }
    let (_, totals) = read_chunk(snapshot.as_ref(), &read_spec(&plan), &chunk).await.unwrap();
    assert_eq!(totals.rows_read, 50_000);
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

#[tokio::test]
async fn bad_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.db");
    let error = SqliteSource::open(&endpoint(&missing), pool()).await.err().unwrap();
    assert_eq!((error.class, error.code), (ErrorClass::Transient, "missing-file"));
    assert!(!missing.exists());
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, only a longer line of text".repeat(50)).unwrap();
    let error = SqliteSource::open(&endpoint(&text), pool()).await.err().unwrap();
    assert_eq!((error.class, error.code), (ErrorClass::Setup, "not-a-database"));
    let nowhere = folder.path().join("no/folder/target.db");
    let error = rowferry_sqlite::SqliteSink::open(&endpoint(&nowhere), pool()).await.err().unwrap();
    assert_eq!(error.class, ErrorClass::Refused);
    let files = Files::with("create table orders (id integer primary key)");
    let error = open_source(&files.source).await.describe(&TableRef::bare("order")).await;
    let error = error.unwrap_err();
    assert_eq!((error.class, error.code), (ErrorClass::Setup, "unknown-table"));
    assert_eq!(error.next.as_deref(), Some("Did you mean orders?"));
    assert!(files.folder.path().exists());
}
