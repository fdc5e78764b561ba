//! SQLite to SQLite, with the sqlite3 client as an independent reader.

mod copy;
mod delivery;
mod foreign;
mod reading;
mod same;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use rowferry_core::{
    Chunk, ChunkNo, Consistency, ErrorClass, KeyColumn, KeyColumns, KeyRange, NativeType, Payload,
    ReadSpec, Source, TableRef,
};
use rowferry_sqlite::SqliteSource;

use copy::{Ask, Files, copy, endpoint, open_source, oracle, pool, read_chunk, value};

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
