//! Images against rows that are inserted one by one, with SQLite itself as the judge of both.

use proptest::prelude::*;
use rowferry_core::{Column, TableRef};
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::*;
use crate::columns::tests::batch;
use crate::describe;

/// A database whose pages are much smaller than those of an image.
fn database(statement: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&format!("pragma page_size = 512; {statement}")).unwrap();
    connection
}

fn template(connection: &Connection) -> Option<Template> {
    let found = describe::find(connection, &TableRef::bare("t")).unwrap().unwrap();
    let columns: Vec<Column> = describe::shape(connection, &found).unwrap();
    let position = |name: &str| columns.iter().position(|column| column.name == name);
    Template::of(connection, &found, &columns, position).unwrap()
}

fn dump(connection: &Connection, columns: usize) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare("select rowid, * from t order by rowid").unwrap();
    let cells = |row: &rusqlite::Row<'_>| (0..=columns).map(|index| row.get(index)).collect();
    let rows = statement.query_map([], cells).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// Bytes of all records, by SQLite's own count.
fn record_bytes(connection: &Connection) -> i64 {
    let count = "select coalesce(sum(payload), 0) from dbstat where name = 't'";
    connection.query_row(count, [], |row| row.get(0)).unwrap()
}

/// Doubles by their bits, in which −0.0 is not 0.0.
fn exact(rows: Vec<Vec<Value>>) -> Vec<Vec<(Value, Option<u64>)>> {
    let bits = |value: &Value| if let Value::Real(v) = value { Some(v.to_bits()) } else { None };
    let exact = |value: Value| (value.clone(), bits(&value));
    rows.into_iter().map(|row| row.into_iter().map(exact).collect()).collect()
}

fn whole(connection: &Connection, schema: &str) -> String {
    let check = format!("pragma {schema}.integrity_check");
    connection.query_row(&check, [], |row| row.get(0)).unwrap()
}

/// Columns by number, `c0` the number of the row where `numbered`.
fn declared(types: &[&str], numbered: bool) -> String {
    let column = |(index, declared): (usize, &&str)| match (index, numbered) {
        (0, true) => "c0 integer primary key".to_owned(),
        _ => format!("c{index} {declared}"),
    };
    let columns: Vec<String> = types.iter().enumerate().map(column).collect();
    format!("create table t ({})", columns.join(", "))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        2 => any::<i64>().prop_map(Value::Integer),
        2 => (-300_i64..300).prop_map(Value::Integer),
        2 => (0_u32..64).prop_map(|bit| Value::Integer(1_i64.rotate_left(bit))),
        2 => any::<f64>().prop_filter("SQLite has no NaN", |v| !v.is_nan()).prop_map(Value::Real),
        4 => "[0-9a-zä. ]{0,70}".prop_map(Value::Text),
        2 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Value::Blob),
        1 => (1_usize..9000).prop_map(|size| Value::Blob(vec![0xb1; size])),
    ]
}

/// Of all sizes, and both zeros.
fn whole_double() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(-0.0),
        (0_i32..70).prop_map(|bit| 2_f64.powi(bit)),
        (0_i32..50).prop_map(|bit| 1.0 - 2_f64.powi(bit)),
    ]
}

/// Values of one class mostly, as columns are.
fn column(rows: usize) -> impl Strategy<Value = Vec<Value>> {
    let of = |value: BoxedStrategy<Value>| {
        prop::collection::vec(prop_oneof![9 => value, 1 => Just(Value::Null)], rows).boxed()
    };
    prop_oneof![
        of(any::<i64>().prop_map(Value::Integer).boxed()),
        of((0_i64..3).prop_map(Value::Integer).boxed()),
        of((-9.5_f64..9.5).prop_map(Value::Real).boxed()),
        of(whole_double().prop_map(Value::Real).boxed()),
        of("[0-9a-zäß]{0,70}".prop_map(Value::Text).boxed()),
        of(prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Blob).boxed()),
        prop::collection::vec(value(), rows),
    ]
}

fn table() -> impl Strategy<Value = (Vec<&'static str>, Vec<Vec<Value>>)> {
    const TYPES: [&str; 7] = ["", "text", "integer", "real", "numeric", "blob", "text not null"];
    (1_usize..130, 1_usize..7).prop_flat_map(|(rows, columns)| {
        let types = prop::collection::vec(prop::sample::select(&TYPES[..]), columns);
        (types, prop::collection::vec(column(rows), columns))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_image_holds_what_is_inserted_row_by_row(
        (types, mut columns) in table(),
        keys in prop::option::of(prop::collection::btree_set(any::<i64>(), 130)),
    ) {
        let rows = columns[0].len();
        if let Some(keys) = &keys {
            columns[0] = keys.iter().take(rows).copied().map(Value::Integer).collect();
        }
        let statement = declared(&types, keys.is_some());
        let naive = database(&statement);
        let marks = vec!["?"; columns.len()].join(", ");
        let mut insert = naive.prepare(&format!("insert into t values ({marks})")).unwrap();
        let refused = (0..rows).any(|row| {
            insert.execute(params_from_iter(columns.iter().map(|column| &column[row]))).is_err()
        });
        let mut target = database(&statement);
        let template = template(&target).expect("a plain table");
        let image = Image::of(&template, &batch(rows, &columns));
        let kept = dump(&naive, columns.len());
        let as_given = kept.len() == rows
            && kept.iter().enumerate().all(|(row, kept)| {
                kept[1..].iter().zip(&columns).all(|(kept, column)| *kept == column[row])
            });
        prop_assert_eq!(image.is_some(), !refused && as_given);
        let Some(image) = image else { return Ok(()) };
        let mut attached = Attached::default();
        let insert = attached.show(&mut target, &image, "t").unwrap();
        prop_assert_eq!(whole(&target, "rowferry_image_0"), "ok");
        prop_assert_eq!(target.execute(&insert, []).unwrap(), rows);
        attached.free(&target).unwrap();
        prop_assert_eq!(whole(&target, "main"), "ok");
        prop_assert_eq!(record_bytes(&target), record_bytes(&naive));
        prop_assert_eq!(exact(dump(&target, columns.len())), exact(kept));
    }
}

#[test]
fn images_follow_each_other_in_one_transaction() {
    let statement = declared(&["integer", "text"], true);
    let mut target = database(&statement);
    let template = template(&target).unwrap();
    let mut attached = Attached::default();
    // Downwards, and none like the one before it.
    for (at, size) in [900, 1, 0, 4000, 17, 2, 3, 4, 5, 6, 7, 8, 1200].into_iter().enumerate() {
        if at % IMAGES_MAX == 0 {
            target.execute_batch("commit").unwrap_or_default();
            attached.free(&target).unwrap();
            target.execute_batch("begin immediate").unwrap();
        }
        let numbers = (0..size).rev().map(|row| Value::Integer(size * 10_000 + row)).collect();
        let texts = (0..size).map(|row| Value::Text(format!("{size} {row}"))).collect();
        let rows = usize::try_from(size).unwrap();
        let image = Image::of(&template, &batch(rows, &[numbers, texts])).unwrap();
        let insert = attached.show(&mut target, &image, "t").unwrap();
        assert_eq!(target.execute(&insert, []).unwrap(), rows);
    }
    target.execute_batch("commit").unwrap();
    assert_eq!(whole(&target, "main"), "ok");
    let wrong: i64 = target
        .query_row(
            "select count(*) from t where c1 <> (c0 / 10000) || ' ' || (c0 / 10000 - 1 - c0 % 10000)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!((dump(&target, 2).len(), wrong), (6153, 0));
}

#[test]
fn a_refused_image_leaves_nothing_behind() {
    let mut target = database(&declared(&["integer", "text"], true));
    let template = template(&target).unwrap();
    target.execute_batch("begin immediate; insert into t values (3, 'here')").unwrap();
    let numbers = (1..5).map(Value::Integer).collect();
    let texts = (1..5).map(|row| Value::Text(row.to_string())).collect();
    let image = Image::of(&template, &batch(4, &[numbers, texts])).unwrap();
    let insert = Attached::default().show(&mut target, &image, "t").unwrap();
    assert!(target.execute(&insert, []).is_err());
    assert!(!target.is_autocommit());
    assert_eq!(dump(&target, 2).len(), 1);
}

#[test]
fn records_are_taken_over_as_they_lie() {
    for numbered in [true, false] {
        let mut target = database(&declared(&["integer", "text not null"], numbered));
        let template = template(&target).unwrap();
        let columns = [vec![Value::Integer(7)], vec![Value::Text("x".to_owned())]];
        let image = Image::of(&template, &batch(1, &columns)).unwrap();
        let insert = Attached::default().show(&mut target, &image, "t").unwrap();
        let mut explain = target.prepare(&format!("explain {insert}")).unwrap();
        let words = explain.query_map([], |row| row.get::<_, String>(1)).unwrap();
        let words: Vec<String> = words.map(Result::unwrap).collect();
        assert!(words.iter().any(|word| word == "RowCell"), "{words:?}");
        assert!(!words.iter().any(|word| word == "MakeRecord"), "{words:?}");
    }
}

#[test]
fn a_record_that_fills_more_than_a_page_has_no_image() {
    let target = database(&declared(&["blob"], false));
    let template = template(&target).unwrap();
    // The header has four bytes: its length, and three of the serial type.
    for (size, fits) in [(RECORD_BYTES_MAX - 4, true), (RECORD_BYTES_MAX - 3, false)] {
        let image = Image::of(&template, &batch(1, &[vec![Value::Blob(vec![1; size])]]));
        assert_eq!(image.is_some(), fits, "{size}");
    }
}

#[test]
fn a_table_that_looks_at_its_rows_has_no_template() {
    for (statement, expected) in [
        ("create table t (a integer primary key, b text)", true),
        ("create table t (a integer primary key desc, b text)", false),
        ("create table t (a int primary key, b text)", false),
        ("create table t (a, b, primary key (a, b))", false),
        ("create table t (a, b text unique)", false),
        ("create table t (a, b text); create index i on t (b)", false),
        ("create table t (a integer primary key autoincrement, b)", false),
        ("create table t (a integer primary key, b text) without rowid", false),
        ("create table t (a integer, b text) strict", false),
        ("create table t (a, b text CHECK (b <> ''))", false),
        ("create table t (a integer primary key on conflict fail, b)", false),
        ("create table t (a, b text as (a) stored)", false),
        ("create table t (a, b default (1 + 1))", true),
        ("create table \"t\" (\"a b\" references u (a), c collate nocase not null)", true),
        (
            "create table t (a, b); create trigger g after insert on t begin delete from t; end",
            false,
        ),
        ("pragma encoding = 'UTF-16'; create table t (a, b)", false),
    ] {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(statement).unwrap();
        assert_eq!(template(&connection).is_some(), expected, "{statement}");
    }
}
