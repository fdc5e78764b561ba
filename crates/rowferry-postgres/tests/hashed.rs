//! What the server hashes: two values have one hash only when psql shows them as the same text.

use std::collections::BTreeMap;

use rowferry_core::{
    Chunk, ChunkNo, Consistency, KeyColumn, KeyColumns, KeyRange, KeyTuple, KeyValue, ServerDigest,
    TableSchema,
};

use crate::every_type::{cells, every_type};
use crate::reads::{spec, view};
use crate::server::{self, Server};

/// Values that the server's own hashes of rows do not tell apart, or that its comparisons hold equal.
const TRAPS: &str = "create extension if not exists citext;
    create collation blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
    create table traps (id int primary key, c0 numeric, c1 bigint, c2 timestamp, c3 timestamptz,
        c4 time, c5 interval, c6 int[], c7 jsonb, c8 citext, c9 text collate blind, c10 text,
        c11 double precision, c12 numeric[]);
    insert into traps values
        (0, 5.00, 0, '2024-01-01', '2024-01-01', '01:00', '1 day', '{1,2}', '{\"a\": -1}', 'a', 'a',
            'a', 0, '{1}'),
        (1, -5.00, 4294967297, timestamp '2024-01-01' + interval '4294.967297 s',
            timestamptz '2024-01-01' + interval '4294.967297 s', '02:11:34.967297', '24:00',
            '{{1,2}}', '{\"a\": 1}', 'A', 'A', 'a ', '-0', '{-1}'),
        (2, 'NaN', -4294967297, 'infinity', 'infinity', '24:00', '0', '[0:1]={1,2}', 'null', '', 'ä',
            'A', 'NaN', '{1,null}'),
        (3, 0.05, -1, '-infinity', '-infinity', '00:00', '-1 day', '{2,1}', '{}', 'NULL', '', '',
            'infinity', '{null,1}'),
        (4, null, null, null, null, null, null, null, null, null, null, null, null, null);";

fn chunk(table: &TableSchema, lower: Option<i128>, upper: Option<i128>) -> Chunk {
    let bound = |id: Option<i128>| id.map(|id| KeyTuple(vec![KeyValue::Int(id)]));
    let key = KeyColumns(vec![KeyColumn::of(table.column("id").unwrap())]);
    let range = KeyRange::Span { key, lower: bound(lower), upper: bound(upper) };
    Chunk { no: ChunkNo(1), table: table.table.clone(), range, rows_estimated: None }
}

/// Hashes every cell of a table by itself, and compares with its text. How many were hashed.
async fn tells_apart(server: &Server, name: &str, columns: usize) -> usize {
    let (table, view) = view(server, name, Consistency::Table).await;
    let texts = cells(server, name, columns);
    let mut hashed = 0;
    for place in 0..columns {
        let column = table.column(&format!("c{place}")).unwrap();
        if !view.hashes(column) {
            assert_eq!(column.canonical, None, "{name}: {}", column.native.declared);
            continue;
        }
        let spec = spec(vec![column.clone()]);
        let mut by_sum = BTreeMap::new();
        for (row, line) in texts.lines().enumerate() {
            let id = i128::try_from(row).unwrap();
            let chunk = chunk(&table, Some(id - 1), Some(id));
            let digest = view.digest(&chunk, &spec, 7).await.unwrap();
            assert_eq!(digest.rows, 1);
            let text = line.split('|').nth(place).unwrap();
            let other = by_sum.insert(digest.sum, text);
            let words = &column.native.declared;
            assert!(other.is_none_or(|other| other == text), "{words}: {text} is {other:?}");
            hashed += 1;
        }
    }
    hashed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_with_one_hash_have_one_text() {
    let Some(server) = server::start() else { return };
    let (tables, with_values) = every_type(&server);
    let mut hashed = 0;
    for (table, columns) in tables {
        hashed += tells_apart(&server, table, columns).await;
    }
    assert!(hashed > 5 * with_values, "{hashed} cells of {with_values} types");
    server.psql(TRAPS);
    assert_eq!(tells_apart(&server, "traps", 13).await, 65);
}

/// All rows of a table, which fit into one chunk.
async fn digest(server: &Server, table: &str, seed: u64) -> ServerDigest {
    let (table, view) = view(server, table, Consistency::Table).await;
    let spec = spec(table.columns.clone());
    view.digest(&chunk(&table, None, None), &spec, seed).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sum_is_of_rows_and_not_of_columns() {
    let Some(server) = server::start() else { return };
    server.psql(TRAPS);
    let columns = "id int primary key, a int, b text";
    server.psql(&format!(
        "create table one ({columns}); create table same ({columns}); create table swapped ({columns});
         create table twice ({columns}); create table none ({columns});
         insert into one select n, n * 7, 'x' || n from generate_series(1, 100) n;
         insert into same select * from one order by id desc;
         insert into swapped select id, a, case id when 3 then 'x4' when 4 then 'x3' else b end from one;
         insert into twice select * from one; update twice set a = 7, b = 'x1' where id = 2;",
    ));
    let one = digest(&server, "one", 1).await;
    assert_eq!(one.rows, 100);
    assert_eq!(digest(&server, "same", 1).await, one);
    for other in ["swapped", "twice"] {
        let other = digest(&server, other, 1).await;
        assert_eq!(other.rows, 100);
        assert_ne!(other.sum, one.sum);
    }
    assert_ne!(digest(&server, "one", 2).await.sum, one.sum);
    assert_eq!(digest(&server, "none", 1).await, ServerDigest::default());
}
