//! Values of other databases, handed to the sink as the engine would hand them over.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float32Array, RecordBatch,
    StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array,
};
use rowferry_core::{
    Begun, CanonicalType, ChunkTotals, ClaimStart, Column, ColumnPlan, ColumnWish, Consistency,
    ErrorClass, JsonFlavor, NativeType, Payload, Sink as _,
};

use crate::copy::{Copy, Wanted, block_on, endpoint, whole};
use crate::servers;

fn column(name: &str, canonical: CanonicalType) -> Column {
    Column {
        name: name.to_owned(),
        native: NativeType::new("postgres", canonical.name()),
        canonical: Some(canonical),
        nullable: true,
        default: None,
        default_meaning: None,
        identity: None,
        generated: false,
        expression: None,
        collation: None,
        comment: None,
    }
}

fn columns() -> Vec<(Column, ArrayRef)> {
    let decimals =
        Decimal128Array::from(vec![Some(-5), None]).with_precision_and_scale(38, 10).unwrap();
    let uuid: Vec<u8> = (0..16).map(|byte| byte * 16 + 9).collect();
    let uuids = [Some(uuid.as_slice()), None];
    let uuids =
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids.into_iter(), 16).unwrap();
    let stamps = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None]);
    vec![
        (
            column("id", CanonicalType::Text { chars: None, fixed: false }),
            Arc::new(StringArray::from(vec!["Ä\t\\ ", "ä"])),
        ),
        (
            column("flag", CanonicalType::Boolean),
            Arc::new(BooleanArray::from(vec![Some(true), None])),
        ),
        (column("n", CanonicalType::Decimal { precision: 38, scale: 10 }), Arc::new(decimals)),
        (column("u", CanonicalType::Uuid), Arc::new(uuids)),
        (
            column("tod", CanonicalType::Time { digits: 6 }),
            Arc::new(Time64MicrosecondArray::from(vec![Some(86_400_000_000), None])),
        ),
        (column("at", CanonicalType::Instant { digits: 6 }), Arc::new(stamps.with_timezone("UTC"))),
        (
            column("j", CanonicalType::Json { flavor: JsonFlavor::PgJsonb }),
            Arc::new(StringArray::from(vec![Some("{\"ä\": 1.5}"), None])),
        ),
        (
            column("jt", CanonicalType::Json { flavor: JsonFlavor::Text }),
            Arc::new(StringArray::from(vec![Some("{\"b\":1,  \"b\":2}"), None])),
        ),
        (
            column("bits", CanonicalType::Bits { bits: 64 }),
            Arc::new(UInt64Array::from(vec![Some(u64::MAX - 1), None])),
        ),
        (
            column("f", CanonicalType::Float32),
            Arc::new(Float32Array::from(vec![Some(f32::MAX), None])),
        ),
        (
            column("e", CanonicalType::Enum { labels: vec!["x".into(), "ü'y".into()] }),
            Arc::new(StringArray::from(vec![Some("ü'y"), None])),
        ),
    ]
}

#[test]
fn values_of_other_databases_arrive_by_load_and_by_insert() {
    let _alone = servers::SETTINGS.lock();
    for server in servers::all() {
        for load in ["1", "0"] {
            let database = server.database(&format!("foreign_{load}"));
            server.sql(&database, "create table t (id int primary key)");
            server.sql("mysql", &format!("set global local_infile = {load}"));
            block_on(async {
                let at = endpoint(server, &database);
                let mut copy =
                    Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
                let columns = columns();
                let planned = columns.iter().map(|(source, _)| {
                    let in_key = source.name == "id";
                    let wish = ColumnWish { in_key, ..ColumnWish::plain(source, &source.name) };
                    ColumnPlan::new(source.clone(), copy.sink.plan_column(&wish).unwrap())
                });
                copy.plan.columns = planned.collect();
                let (mut lock, _, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
                let fields =
                    columns.iter().map(|(column, array)| (column.name.clone(), Arc::clone(array)));
                let batch = RecordBatch::try_from_iter(fields).unwrap();
                let chunk = whole(&copy, 1 << 20);
                let Begun::Writer(mut writer) =
                    copy.sink.begin(&chunk, &prepared, false).await.unwrap()
                else {
                    panic!("nothing is durable yet");
                };
                writer.write(Payload::Batch(batch)).await.unwrap();
                let totals =
                    ChunkTotals { rows_read: 2, rows_written: 2, ..ChunkTotals::default() };
                let _receipt = writer.commit(totals).await.unwrap();
                lock.seal(&prepared).await.unwrap();
                lock.publish(&prepared, None).await.unwrap();
            });
            let found = server.sql(
                &database,
                "select hex(id), flag, n, lower(hex(u)), tod, `at`, json_extract(j, '$'), hex(jt), \
                 hex(bits), f + 0e0 > 3.4e38, hex(e) from u where flag",
            );
            assert_eq!(
                found,
                format!(
                    "C384095C20\t1\t-0.0000000005\t09192939495969798999a9b9c9d9e9f9\t24:00:00.000000\t\
                     2023-11-14 22:13:20.123456\t{{\"ä\": 1.5}}\t7B2262223A312C20202262223A327D\t\
                     FFFFFFFFFFFFFFFE\t1\tC3BC2779\n"
                )
            );
            let nulls = "select count(*) from u where flag is null and n is null and u is null \
                and tod is null and `at` is null and j is null and jt is null and bits is null \
                and f is null and e is null and id = 'ä'";
            assert_eq!(server.sql(&database, nulls), "1\n");
        }
        server.sql("mysql", "set global local_infile = 1");
    }
}

#[test]
fn what_no_column_can_hold_is_refused_by_name() {
    for server in servers::all() {
        let database = server.database("refused");
        server.sql(&database, "create table t (id int primary key)");
        block_on(async {
            let at = endpoint(server, &database);
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let problem = |canonical| {
                let column = column("c", canonical);
                copy.sink.plan_column(&ColumnWish::plain(&column, "c")).unwrap_err()
            };
            let found = problem(CanonicalType::DecimalText);
            assert_eq!(
                (found.code.as_str(), found.column.as_deref()),
                ("unsupported-type", Some("c"))
            );
            problem(CanonicalType::Decimal { precision: 70, scale: 2 });
            let existing = column("c", CanonicalType::Date);
            let source = column("c", CanonicalType::Boolean);
            let wish = ColumnWish { existing: Some(&existing), ..ColumnWish::plain(&source, "c") };
            let found = copy.sink.plan_column(&wish).unwrap_err();
            assert_eq!(found.code, "type-mismatch");
            let mut wanted = Wanted::full("t", "u", &["id"]);
            wanted.consistency = Consistency::Chunk;
            server.sql(&database, "create table f (id float primary key, s int, x int)");
            wanted.table = "f";
            let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
            let error = copy.run().await.unwrap_err();
            assert_eq!(
                (error.class, error.code),
                (ErrorClass::Setup, "unsupported-key"),
                "{error}"
            );
        });
    }
}
