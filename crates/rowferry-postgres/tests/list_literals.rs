//! Literals of lists against the server: what it makes of them, element by element.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rowferry_core::{Mend, MendCell, MendValue, Mender as _, Sink as _, TableRef};

use crate::ferry::Ferry;
use crate::server;

/// Lists of each kind: as many as one look at the server takes in a second.
const LISTS: usize = 500;

/// Elements, which may be NULL.
type List<T> = Vec<Option<T>>;

fn lists<T: std::fmt::Debug>(element: impl Strategy<Value = T>) -> impl Strategy<Value = List<T>> {
    proptest::collection::vec(proptest::option::weighted(0.8, element), 0..6)
}

/// Texts of the signs that mean something in an array, in a string or to somebody else.
fn text() -> impl Strategy<Value = String> {
    let signs = "\"'\\{},;nulNUL()[]=: \n\t\r\u{1}$%ä😀".chars().collect::<Vec<_>>();
    let of_signs = proptest::collection::vec(proptest::sample::select(signs), 0..8);
    prop_oneof![
        4 => of_signs.prop_map(String::from_iter),
        1 => Just("NULL".to_owned()),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn texts<T>(list: &List<T>, text: impl Fn(&T) -> String) -> MendValue {
    MendValue::List(list.iter().map(|element| element.as_ref().map(&text)).collect())
}

/// What the server should say of a list: the bytes of each element.
fn said<T>(list: &List<T>, bytes: impl Fn(&T) -> Vec<u8>) -> String {
    let elements = list.iter().map(|element| match element {
        Some(element) => format!("<{}>", hex(&bytes(element))),
        None => "null".to_owned(),
    });
    elements.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_reads_every_list_as_it_was_meant() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create table lists (id integer, texts text[], bytes bytea[], floats float8[], \
         letters \"char\"[], numbers integer[])",
    );
    let ferry = Ferry::new(&server).await;
    let table = TableRef::new("public", "lists");
    let columns = ferry.sink.describe(&table).await.unwrap().unwrap().schema.columns;

    // Every bit pattern of a double; all NaN are one to PostgreSQL's text.
    let float = any::<u64>()
        .prop_map(f64::from_bits)
        .prop_map(|float| if float.is_nan() { f64::NAN } else { float });
    let strategy = (
        lists(text()),
        lists(proptest::collection::vec(any::<u8>(), 0..5)),
        lists(float),
        lists(any::<u8>()),
        lists(any::<i32>()),
    );
    let mut runner = TestRunner::default();
    let (mut statements, mut expected) = (Vec::new(), Vec::new());
    for id in 0..LISTS {
        let (signs, bytes, floats, letters, numbers) =
            strategy.new_tree(&mut runner).unwrap().current();
        let values = [
            MendValue::Text(id.to_string()),
            texts(&signs, Clone::clone),
            texts(&bytes, |bytes| format!("\\x{}", hex(bytes))),
            texts(&floats, |float| format!("{float:?}").replace("inf", "Infinity")),
            texts(&letters, |letter| format!("\\x{letter:02x}")),
            texts(&numbers, i32::to_string),
        ];
        let row = columns.iter().cloned().zip(values);
        let row = row.map(|(column, value)| MendCell { column, value: Some(value) }).collect();
        statements.push(ferry.sink.statement(&table, &Mend::Insert { row }).unwrap());
        expected.push(format!(
            "{id}|{}|{}|{}|{}|{}",
            said(&signs, |text| text.as_bytes().to_vec()),
            said(&bytes, Clone::clone),
            said(&floats, |float| float.to_be_bytes().to_vec()),
            said(&letters, |letter| vec![*letter]),
            said(&numbers, |number| number.to_be_bytes().to_vec()),
        ));
    }
    ferry.sink.apply(&table, &statements).await.unwrap();

    let elements = |column: &str, bytes: &str| {
        format!(
            "(select coalesce(string_agg(coalesce('<' || encode({bytes}(e), 'hex') || '>', 'null'), \
             '' order by place), '') from unnest({column}) with ordinality u (e, place))"
        )
    };
    let found = server.psql(&format!(
        "select id, {}, {}, {}, {}, {} from lists order by id",
        elements("texts", "textsend"),
        elements("bytes", "byteasend"),
        elements("floats", "float8send"),
        elements("letters", "charsend"),
        elements("numbers", "int4send"),
    ));
    for ((found, expected), statement) in found.lines().zip(&expected).zip(&statements) {
        assert_eq!(found, expected, "{statement}");
    }
    assert_eq!(found.lines().count(), LISTS);
    // Lists without elements are lists, and not NULL.
    assert_eq!(server.psql("select count(*) from lists where numbers is null"), "0");
}
