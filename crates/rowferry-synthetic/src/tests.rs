//! Same seed, same rows; any cut covers every row once; no value is lost on the way into Arrow.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rowferry_core::{
    Chunk, ChunkNo, ChunkSpec, Consistency, Coverage, Cutter, KeyColumn, KeyColumns, KeyRange,
    Payload, ReadSpec, Snapshot, Source as _, TableRef, TableSchema,
};

use crate::GenerateSource;

fn spec(schema: &TableSchema, batch_rows: u64) -> ReadSpec {
    ReadSpec {
        columns: schema.columns.clone(),
        predicate: None,
        wire: None,
        batch_bytes: 1 << 20,
        batch_rows,
        ordered: false,
    }
}

/// The rows of a chunk as text.
async fn rows(view: &dyn Snapshot, chunk: &Chunk, spec: &ReadSpec) -> Vec<String> {
    let mut reader = view.read(chunk, spec).await.unwrap();
    let mut rows = Vec::new();
    while let Some(payload) = reader.next().await.unwrap() {
        let Payload::Batch(batch) = payload else { panic!("no wire was asked for") };
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|array| format!("{:?}", array.slice(row, 1)));
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

fn whole(table: &TableRef) -> Chunk {
    Chunk { no: ChunkNo(1), table: table.clone(), range: KeyRange::Whole, rows_estimated: None }
}

fn key_columns(schema: &TableSchema) -> Option<KeyColumns> {
    let key = schema.keys.first()?;
    let column = |name: &String| {
        let column = schema.column(name)?;
        Some(KeyColumn {
            name: name.clone(),
            native: column.native.clone(),
            nullable: column.nullable,
            integer: column.canonical.as_ref()?.is_integer(),
            collation: None,
        })
    };
    key.columns.iter().map(column).collect::<Option<Vec<_>>>().map(KeyColumns)
}

async fn cut_and_compare(total: u64, seed: u64, chunk_rows: u64) {
    let source = GenerateSource::open(&format!("shop?rows={total}&seed={seed}")).unwrap();
    for listing in source.tables().await.unwrap() {
        let schema = source.describe(&listing.table).await.unwrap();
        let view = source.snapshot(&schema, Consistency::Auto, 1).await.unwrap();
        let read = spec(&schema, 37);
        let mut expected = rows(view.as_ref(), &whole(&schema.table), &read).await;
        let size = ChunkSpec {
            rows: chunk_rows,
            bytes: u64::MAX,
            row_bytes_estimated: None,
            with_null_keys: true,
        };
        let mut cutter = if let Some(key) = key_columns(&schema) {
            let probe = view.probe(&schema, &key).await.unwrap();
            Cutter::by_key(schema.table.clone(), key, size, &Coverage::default(), probe)
        } else {
            let blocks = view.blocks(&schema).await.unwrap();
            Cutter::by_blocks(schema.table.clone(), size, blocks, schema.rows_estimated)
        };
        let mut found = Vec::new();
        while let Some(chunk) = cutter.next().await.unwrap() {
            found.extend(rows(view.as_ref(), &chunk, &read).await);
        }
        assert_eq!(expected.len() as u64, listing.rows_estimated.unwrap());
        expected.sort_unstable();
        found.sort_unstable();
        assert!(expected == found, "table {} was not covered once", schema.table);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_row_is_in_one_chunk(total in 0_u64..2_500, seed: u64, chunk_rows in 1_u64..300) {
        block_on(cut_and_compare(total, seed, chunk_rows));
    }
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_seed_others() {
    block_on(async {
        let read = async |spec_text: &str| {
            let source = GenerateSource::open(spec_text).unwrap();
            let schema = source.describe(&TableRef::bare("orders")).await.unwrap();
            let view = source.snapshot(&schema, Consistency::Auto, 1).await.unwrap();
            rows(view.as_ref(), &whole(&schema.table), &spec(&schema, 100)).await
        };
        let first = read("shop?rows=1200&seed=7").await;
        assert_eq!(first, read("shop?rows=1200&seed=7").await);
        assert_ne!(first, read("shop?rows=1200&seed=8").await);
    });
}

#[test]
fn nulls_are_where_a_recipe_wants_them_and_nowhere_else() {
    block_on(async {
        let mut nulls = BTreeMap::new();
        for set in ["shop", "rows", "lineitem", "narrow", "wide", "texts", "sparse"] {
            let set = format!("{set}?rows={}", if set == "shop" { 30_000 } else { 3_000 });
            let source = GenerateSource::open(&set).unwrap();
            for listing in source.tables().await.unwrap() {
                let schema = source.describe(&listing.table).await.unwrap();
                let view = source.snapshot(&schema, Consistency::Auto, 1).await.unwrap();
                let read = spec(&schema, 8_192);
                let mut reader = view.read(&whole(&schema.table), &read).await.unwrap();
                while let Some(Payload::Batch(batch)) = reader.next().await.unwrap() {
                    for (column, array) in schema.columns.iter().zip(batch.columns()) {
                        let name = (schema.table.name.clone(), column.name.clone());
                        *nulls.entry((name, column.nullable)).or_insert(0) += array.null_count();
                    }
                }
            }
        }
        for ((name, nullable), count) in nulls {
            assert_eq!(nullable, count > 0, "{name:?} has {count} nulls");
        }
    });
}

#[test]
fn a_wrong_spec_names_the_word() {
    let words = |spec: &str| GenerateSource::open(spec).unwrap_err().to_string();
    assert_eq!(words("shopp"), "generate: knows no set of tables \"shopp\", did you mean shop?");
    assert_eq!(words("shop?sed=1"), "generate: knows no option \"sed\", did you mean seed?");
    assert_eq!(words("shop?rows=x"), "rows in generate:shop?rows=x is not a whole number");
}
