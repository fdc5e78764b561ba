//! Values of other engines: every canonical type is written and read back as what it means.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    DurationMicrosecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::i256;
use arrow_schema::Schema;
use rowferry_core::{
    Begun, CanonicalType, CheckConstraint, Chunk, ChunkNo, ChunkTotals, ClaimStart, Column,
    ColumnPlan, ColumnWish, Consistency, DefaultMeaning, ErrorClass, ForeignKey, Identity, Index,
    JsonFlavor, Key, KeyRange, LoadInto, NativeType, Payload, RejectedRow, Result, Sink, Source,
    TablePlan, TableRef, TableSchema, WriteMode,
};

use crate::copy::{
    Ask, Files, by_meaning, execute, open_sink, open_source, plan, read_chunk, stream, value,
};

fn column(name: &str, canonical: CanonicalType) -> Column {
    Column::new(name, Some(canonical), NativeType::new("postgres", "something"))
}

/// Writes one batch of foreign columns into table `t` of the target.
async fn write(files: &Files, columns: Vec<(CanonicalType, ArrayRef)>) -> Result<()> {
    let sink = open_sink(&files.target).await;
    let existing = sink.describe(&TableRef::bare("t")).await?.map(|table| table.schema);
    let mut plans = Vec::new();
    for (index, (canonical, _)) in columns.iter().enumerate() {
        let source = column(&format!("c{index}"), canonical.clone());
        let known = existing.as_ref().and_then(|table| table.column(&source.name));
        let wish = ColumnWish { existing: known, ..ColumnWish::plain(&source, &source.name) };
        let choice = sink.plan_column(&wish).map_err(|problem| {
            rowferry_core::ConnectorError::new(ErrorClass::Setup, "plan", problem.message)
        })?;
        plans.push(ColumnPlan::new(source, choice));
    }
    let rows = columns.first().map_or(0, |(_, array)| array.len());
    let fields: Vec<_> = plans
        .iter()
        .map(|plan| plan.source.canonical.as_ref().unwrap().field(&plan.source.name))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let source = TableSchema {
        table: TableRef::bare("t"),
        columns: plans.iter().map(|plan| plan.source.clone()).collect(),
        ..TableSchema::default()
    };
    let plan = TablePlan {
        stream: stream("t", "a"),
        target: TableRef::bare("t"),
        columns: plans,
        source,
        target_existing: existing,
        key: vec!["c0".into()],
        key_enforced: true,
        write: WriteMode::Append,
        load: LoadInto::Target,
        ..empty_plan(files).await
    };
    let mut lock = sink.lock(&plan.stream).await?;
    let claim = lock.claim(ClaimStart::NewRun).await?;
    let prepared = lock.prepare(&plan, &claim).await?;
    let chunk = Chunk {
        no: ChunkNo(1),
        table: TableRef::bare("t"),
        range: KeyRange::Whole,
        rows_estimated: None,
    };
    let Begun::Writer(mut writer) = sink.begin(&chunk, &prepared, false).await? else {
        panic!("nothing is durable yet");
    };
    writer.write(Payload::Batch(batch)).await?;
    let rows = rows as u64;
    let totals = ChunkTotals { rows_read: rows, rows_written: rows, ..ChunkTotals::default() };
    writer.commit(totals).await.map(drop)
}

async fn empty_plan(files: &Files) -> TablePlan {
    let (source, sink) = (open_source(&files.source).await, open_sink(&files.target).await);
    plan(&source, &sink, &Ask::full("shape", &[])).await.unwrap()
}

fn files() -> Files {
    Files::with("create table shape (v int)")
}

fn ids(count: i32) -> (CanonicalType, ArrayRef) {
    (CanonicalType::Int32, Arc::new(Int32Array::from_iter_values(1..=count)))
}

fn all_types() -> Vec<(CanonicalType, ArrayRef)> {
    let wide = i256::from_string("-99999999999999999999999999999999999999999999999999").unwrap();
    let decimal = Decimal128Array::from(vec![Some(-1_000), None, Some(5)]);
    let decimal = decimal.with_precision_and_scale(12, 2).unwrap();
    let decimal256 = Decimal256Array::from(vec![Some(wide), None, Some(i256::ONE)]);
    let decimal256 = decimal256.with_precision_and_scale(60, 20).unwrap();
    let instants = TimestampMicrosecondArray::from(vec![Some(i64::MIN), None, Some(1)]);
    let uuid = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
        [Some([7_u8; 16]), None, Some([0xab; 16])].into_iter(),
        16,
    );
    let text = |values: [&str; 2]| -> ArrayRef {
        Arc::new(StringArray::from(vec![Some(values[0]), None, Some(values[1])]))
    };
    vec![
        ids(3),
        (CanonicalType::Boolean, Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        (CanonicalType::Int8, Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(1)]))),
        (CanonicalType::Int16, Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(1)]))),
        (CanonicalType::Int64, Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(1)]))),
        (CanonicalType::UInt8, Arc::new(UInt8Array::from(vec![Some(u8::MAX), None, Some(1)]))),
        (CanonicalType::UInt16, Arc::new(UInt16Array::from(vec![Some(u16::MAX), None, Some(1)]))),
        (CanonicalType::UInt32, Arc::new(UInt32Array::from(vec![Some(u32::MAX), None, Some(1)]))),
        (CanonicalType::UInt64, Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(1)]))),
        (CanonicalType::Float32, Arc::new(Float32Array::from(vec![Some(0.1), None, Some(1e38)]))),
        (
            CanonicalType::Float64,
            Arc::new(Float64Array::from(vec![Some(0.1), None, Some(f64::INFINITY)])),
        ),
        (CanonicalType::Decimal { precision: 12, scale: 2 }, Arc::new(decimal)),
        (CanonicalType::Decimal { precision: 60, scale: 20 }, Arc::new(decimal256)),
        (CanonicalType::DecimalText, text(["1.10", "NaN"])),
        (CanonicalType::Text { chars: Some(4), fixed: true }, text(["ab", "a\u{0}ü"])),
        (CanonicalType::Text { chars: None, fixed: false }, text(["", "12"])),
        (
            CanonicalType::Binary { bytes: Some(2), fixed: true },
            Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), None, Some(b"ab")])),
        ),
        (
            CanonicalType::Date,
            Arc::new(Date32Array::from(vec![Some(i32::MAX), None, Some(-800_000)])),
        ),
        (
            CanonicalType::Time { digits: 6 },
            Arc::new(Time64MicrosecondArray::from(vec![Some(86_400_000_000), None, Some(1)])),
        ),
        (
            CanonicalType::Duration { digits: 0 },
            Arc::new(DurationMicrosecondArray::from(vec![Some(-3_020_399_000_000), None, Some(1)])),
        ),
        (
            CanonicalType::Timestamp { digits: 3 },
            Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN + 1), None, Some(-1)])),
        ),
        (CanonicalType::Instant { digits: 6 }, Arc::new(instants.with_timezone("UTC"))),
        (CanonicalType::Uuid, Arc::new(uuid.unwrap())),
        (CanonicalType::Json { flavor: JsonFlavor::PgJsonb }, text(["1.0", "{}"])),
        (
            CanonicalType::Bits { bits: 63 },
            Arc::new(UInt64Array::from(vec![Some(5), None, Some(0)])),
        ),
        (
            CanonicalType::Bits { bits: 64 },
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0)])),
        ),
        (CanonicalType::Enum { labels: vec!["a'b".into(), "c".into()] }, text(["a'b", "c"])),
    ]
}

#[tokio::test]
async fn every_canonical_type_is_kept() {
    let mut files = files();
    write(&files, all_types()).await.unwrap();
    let first = "select c8 || ' ' || c11 || ' ' || c12 || ' ' || c13 || ' ' || c17 || ' ' || c18 \
                 || ' ' || c19 || ' ' || c20 || ' ' || c21 || ' ' || c22 || ' ' || typeof(c23) \
                 || ' ' || hex(c25) from t where c0 = 1";
    assert_eq!(
        value(&files.target, first),
        "Text(\"18446744073709551615 -10.00 -999999999999999999999999999999.99999999999999999999 \
         1.10 infinity 24:00:00.000000 -838:59:59 0000-00-00 00:00:00 -infinity \
         07070707-0707-0707-0707-070707070707 text FFFFFFFFFFFFFFFF\")"
    );
    assert_eq!(
        value(&files.target, "select c19 || c20 from t where c0 = 3"),
        "Text(\"00:00:00.0000011969-12-31 23:59:59.999999\")"
    );
    // Read back what was written, and write that again elsewhere: nothing may change.
    std::mem::swap(&mut files.source, &mut files.target);
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let plan = plan(&source, &sink, &Ask::full("t", &["c0"])).await.unwrap();
    let snapshot = source.snapshot(&plan.source, Consistency::Table, 1).await.unwrap();
    let chunk = Chunk {
        no: ChunkNo(1),
        table: TableRef::bare("t"),
        range: KeyRange::Whole,
        rows_estimated: None,
    };
    let (payloads, _) = read_chunk(snapshot.as_ref(), &by_meaning(&plan), &chunk).await.unwrap();
    let Some(Payload::Batch(batch)) = payloads.first() else { panic!("one batch") };
    for (index, (canonical, written)) in all_types().iter().enumerate() {
        let read = batch.column(index);
        if read.data_type() == written.data_type() {
            assert_eq!(read, written, "{}", canonical.name());
        }
    }
}

#[tokio::test]
async fn values_that_would_change_are_refused_with_their_key() {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let json = CanonicalType::Json { flavor: JsonFlavor::Text };
    let cases: Vec<(&str, CanonicalType, ArrayRef, bool)> = vec![
        ("double", CanonicalType::Float64, Arc::new(Float64Array::from(vec![f64::NAN])), false),
        ("int", CanonicalType::UInt64, Arc::new(UInt64Array::from(vec![u64::MAX])), false),
        ("numeric", CanonicalType::DecimalText, text("0.1000000000000000055"), false),
        ("numeric", CanonicalType::DecimalText, text("0.10"), true),
        ("numeric", CanonicalType::DecimalText, text("-9223372036854775808.0"), true),
        ("numeric", CanonicalType::DecimalText, text("9223372036854775809"), false),
        ("json", json.clone(), text("1.0"), false),
        ("json", json.clone(), text("17"), true),
        ("json", json, text("[1.0]"), true),
    ];
    for (declared, canonical, array, fits) in cases {
        let files = files();
        execute(&files.target, &format!("create table t (c0 integer primary key, c1 {declared})"));
        let name = canonical.name();
        match write(&files, vec![ids(1), (canonical, array)]).await {
            Ok(()) => assert!(fits, "{declared} {name}"),
            Err(error) => {
                assert!(!fits, "{declared} {name}: {error}");
                assert_eq!(error.class, ErrorClass::Data);
                assert_eq!(error.row.map(std::num::NonZeroU32::get), Some(1), "{error}");
                assert_eq!(value(&files.target, "select count(*) from t"), "Integer(0)");
            }
        }
    }
}

fn text_array(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Meanings that no declared type of SQLite has, in forms of their own.
fn owner_texts() -> Vec<(CanonicalType, ArrayRef)> {
    let interval = |months: i32, days: i32, micros: i64| {
        [&micros.to_be_bytes()[..], &days.to_be_bytes(), &months.to_be_bytes()].concat()
    };
    let intervals = [interval(1, 2, 11_045_678_000), interval(-14, 3, i64::MIN)];
    let days = [i32::MIN, -800_000];
    vec![
        ids(2),
        (
            CanonicalType::Interval,
            Arc::new(FixedSizeBinaryArray::try_from_iter(intervals.iter()).unwrap()),
        ),
        (CanonicalType::TimeTz, text_array(&["12:34:56.789+02", "24:00:00-15:59:59"])),
        (CanonicalType::BitString { bits: Some(70), varying: true }, text_array(&["", "0101"])),
        (CanonicalType::Date, Arc::new(Date32Array::from(days.to_vec()))),
        (
            CanonicalType::Timestamp { digits: 6 },
            Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX, 253_402_300_800_000_000])),
        ),
    ]
}

#[tokio::test]
async fn forms_of_other_servers_come_back_as_what_they_were() {
    let mut files = files();
    write(&files, owner_texts()).await.unwrap();
    let row = |id: i32| {
        format!(
            "select c1 || ' | ' || c2 || ' | ' || c3 || ' | ' || c4 || ' | ' || c5 from t where c0 = {id}"
        )
    };
    assert_eq!(
        value(&files.target, &row(1)),
        "Text(\"1 mon 2 days 03:04:05.678 | 12:34:56.789+02 |  | -infinity | infinity\")"
    );
    assert_eq!(
        value(&files.target, &row(2)),
        "Text(\"-1 years -2 mons +3 days -2562047788:00:54.775808 | 24:00:00-15:59:59 | 0101 | \
         0222-09-04 BC | 10000-01-01 00:00:00.000000\")"
    );
    std::mem::swap(&mut files.source, &mut files.target);
    let source = open_source(&files.source).await;
    let schema = source.describe(&TableRef::bare("t")).await.unwrap();
    let sink = open_sink(&files.target).await;
    let plan = plan(&source, &sink, &Ask::full("t", &["c0"])).await.unwrap();
    let snapshot = source.snapshot(&schema, Consistency::Table, 1).await.unwrap();
    let chunk = Chunk {
        no: ChunkNo(1),
        table: TableRef::bare("t"),
        range: KeyRange::Whole,
        rows_estimated: None,
    };
    let (payloads, _) = read_chunk(snapshot.as_ref(), &by_meaning(&plan), &chunk).await.unwrap();
    let Some(Payload::Batch(batch)) = payloads.first() else { panic!("one batch") };
    for (index, (canonical, written)) in owner_texts().iter().enumerate().skip(1) {
        assert_eq!(schema.columns[index].canonical.as_ref(), Some(canonical));
        assert_eq!(batch.column(index), written, "{}", canonical.name());
    }
}

/// A table as another server describes it.
fn shop() -> TableSchema {
    let text = CanonicalType::Text { chars: None, fixed: false };
    let mut id = column("id", CanonicalType::Int64);
    id.identity = Some(Identity::ByDefault);
    let mut name = column("name", text);
    name.nullable = false;
    name.default_meaning = Some(DefaultMeaning::Constant("it's".into()));
    let mut at = column("at", CanonicalType::Timestamp { digits: 3 });
    at.default_meaning = Some(DefaultMeaning::Now(3));
    let price = column("price", CanonicalType::Decimal { precision: 9, scale: 2 });
    let mood = column("mood", CanonicalType::Enum { labels: vec!["sad".into(), "it's".into()] });
    let check = |name: &str, expression: &str| CheckConstraint {
        name: name.into(),
        expression: expression.into(),
    };
    let index = |name: &str, columns: &[&str], portable: bool| Index {
        name: name.into(),
        columns: columns.iter().map(|name| (*name).into()).collect(),
        definition: String::new(),
        portable,
    };
    let key = |name: &str, columns: &[&str], primary: bool| Key {
        name: name.into(),
        columns: columns.iter().map(|name| (*name).into()).collect(),
        primary,
    };
    TableSchema {
        table: TableRef::bare("t"),
        columns: vec![id, name, at, price, mood],
        keys: vec![key("t_pkey", &["id"], true), key("t_name_key", &["name", "at"], false)],
        indexes: vec![
            index("by_day", &["at"], true),
            index("x", &["price"], true),
            index("odd", &["at"], false),
        ],
        checks: vec![
            check("positive", "(id > 0)"),
            check(
                "known",
                "((name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            ),
            check("dear", "(price > (10)::numeric)"),
        ],
        next_identity: Some(42),
        ..TableSchema::default()
    }
}

#[tokio::test]
async fn a_table_of_another_server_is_made_with_what_belongs_to_it() {
    let files = files();
    let sink = open_sink(&files.target).await;
    execute(&files.target, "create table x (v int primary key); create index t_by_day on x (v)");
    let source = shop();
    let columns = source
        .columns
        .iter()
        .map(|column| {
            let wish = ColumnWish::plain(column, &column.name);
            ColumnPlan::new(column.clone(), sink.plan_column(&wish).unwrap())
        })
        .collect();
    let plan = TablePlan {
        stream: stream("t", "a"),
        target: TableRef::bare("t"),
        source,
        columns,
        key: vec!["id".into()],
        foreign_keys: vec![ForeignKey {
            name: "up".into(),
            columns: vec!["id".into()],
            to: TableRef::new("public", "x"),
            to_columns: vec!["v".into()],
            on_delete: Some("cascade".into()),
            on_update: None,
        }],
        ..empty_plan(&files).await
    };
    let mut lock = sink.lock(&plan.stream).await.unwrap();
    let claim = lock.claim(ClaimStart::NewRun).await.unwrap();
    let prepared = lock.prepare(&plan, &claim).await.unwrap();
    lock.seal(&prepared).await.unwrap();
    lock.publish(&prepared, None).await.unwrap();
    let made = "select replace(substr(sql, instr(sql, '(')), char(10), '') from sqlite_schema \
                where name = 't'";
    assert_eq!(
        value(&files.target, made),
        format!(
            "Text({:?})",
            "(  \"id\" INTEGER PRIMARY KEY AUTOINCREMENT,  \
             \"name\" TEXT not null default ('it''s'),  \
             \"at\" TIMESTAMP_TEXT(3) default (strftime('%Y-%m-%d %H:%M:%f', 'now')),  \
             \"price\" DECIMAL_TEXT(9,2),  \
             \"mood\" TEXT check (\"mood\" in ('sad', 'it''s')),  \
             constraint \"positive\" check (\"id\" > 0),  \
             constraint \"known\" check (\"name\" in ('a', 'b')),  \
             foreign key (\"id\") references \"x\" (\"v\") on delete cascade)"
        )
    );
    let indexes = "select group_concat(name) from (select name from sqlite_schema \
                   where type = 'index' and tbl_name = 't' and sql is not null order by name)";
    assert_eq!(value(&files.target, indexes), "Text(\"t_at_idx,t_name_key,t_x\")");
    let orphan =
        "pragma foreign_keys = off; insert into t (name, at, mood) values ('a', 'x', 'sad')";
    execute(&files.target, orphan);
    assert_eq!(value(&files.target, "select id from t"), "Integer(42)");
    // The row points at nothing in x.
    let broken = sink.link(&plan.target, &plan.foreign_keys).await.unwrap();
    assert_eq!(broken, ["1 rows of table t point at rows that x does not have."]);
}

#[tokio::test]
async fn names_that_differ_in_case_alone_are_one_column() {
    let files = files();
    let sink = open_sink(&files.target).await;
    let mut plan = empty_plan(&files).await;
    let mut twin = plan.columns[0].clone();
    twin.target.name = twin.target.name.to_uppercase();
    plan.columns.push(twin);
    let mut lock = sink.lock(&plan.stream).await.unwrap();
    let claim = lock.claim(ClaimStart::NewRun).await.unwrap();
    let error = lock.prepare(&plan, &claim).await.unwrap_err();
    assert_eq!((error.class, error.code), (ErrorClass::Setup, "column-twice"));
    plan.target = TableRef::bare("SQLite_t");
    let codes: Vec<String> = sink.shape(&mut plan).into_iter().map(|found| found.code).collect();
    assert_eq!(codes, ["bad-name"]);
}

#[tokio::test]
async fn rows_set_aside_are_kept_once_with_their_chunk() {
    let files = files();
    let sink = open_sink(&files.target).await;
    let plan = empty_plan(&files).await;
    let mut lock = sink.lock(&plan.stream).await.unwrap();
    let claim = lock.claim(ClaimStart::NewRun).await.unwrap();
    let prepared = lock.prepare(&plan, &claim).await.unwrap();
    let chunk = Chunk {
        no: ChunkNo(7),
        table: TableRef::bare("shape"),
        range: KeyRange::Whole,
        rows_estimated: None,
    };
    let row = |key: &str| RejectedRow {
        key: key.into(),
        column: Some("v".into()),
        code: "value-does-not-fit".into(),
        rule: "at most 20 characters".into(),
    };
    let rows = [row("{\"v\":1}"), row("{\"v\":2}")];
    // Not committed, hence not there.
    let Begun::Writer(mut writer) = sink.begin(&chunk, &prepared, false).await.unwrap() else {
        panic!("nothing is durable yet");
    };
    writer.reject(&rows).await.unwrap();
    drop(writer);
    let Begun::Writer(mut writer) = sink.begin(&chunk, &prepared, true).await.unwrap() else {
        panic!("nothing is durable yet");
    };
    for _ in 0..2 {
        writer.reject(&rows).await.unwrap();
    }
    let totals = ChunkTotals { rows_read: 2, rows_rejected: 2, ..ChunkTotals::default() };
    assert_eq!(writer.commit(totals).await.unwrap().no, chunk.no);
    let kept = "select group_concat(key || chunk_no || \"column\" || code || rule) \
                from _rowferry_quarantine";
    assert_eq!(
        value(&files.target, kept),
        "Text(\"{\\\"v\\\":1}7vvalue-does-not-fitat most 20 characters,\
         {\\\"v\\\":2}7vvalue-does-not-fitat most 20 characters\")"
    );
    sink.forget(None, &plan.stream.stream_id).await.unwrap();
    assert_eq!(value(&files.target, "select count(*) from _rowferry_quarantine"), "Integer(0)");
}
