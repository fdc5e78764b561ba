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
    Begun, CanonicalType, Chunk, ChunkNo, ChunkTotals, ClaimStart, Column, ColumnPlan, ColumnWish,
    Consistency, ErrorClass, JsonFlavor, KeyRange, LoadInto, NativeType, Payload, Result, Sink,
    Source, TablePlan, TableRef, TableSchema, WriteMode,
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
                assert!(error.to_string().contains("at c0 = 1"), "{error}");
                assert_eq!(value(&files.target, "select count(*) from t"), "Integer(0)");
            }
        }
    }
}
