//! Cutting and reading: keys, filters, one view for all readers.

use rowferry_core::{
    Chunk, ChunkNo, Comparison, Consistency, ErrorClass, KeyRange, Literal, Predicate, Source,
    TableRef,
};

use crate::assert_equal;
use crate::copy::*;

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
async fn a_filter_compares_as_the_column_does() {
    let files = Files::with(
        "create table t (id integer primary key, v int, d decimal_text(9,2), s text); \
         insert into t values (1, 9, '9', 'x'), (2, 10, '10', 'it''s'), (3, null, null, null)",
    );
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let mut plan = crate::copy::plan(&source, &sink, &Ask::full("t", &["id"])).await.unwrap();
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
        let plan = crate::copy::plan(&source, &sink, &Ask::full("t", &["id"])).await.unwrap();
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
    let plan = crate::copy::plan(&source, &sink, &Ask::full("t", &[])).await.unwrap();
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
