//! Kernels against naive row loops.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Decimal128Array, Decimal256Array, Float64Array, Int32Array, Int64Array,
    ListArray, RecordBatch, StringArray, types::Int32Type,
};
use arrow_buffer::i256;
use arrow_schema::Schema;
use proptest::{collection::vec, option, prelude::*};
use rowferry_core::CanonicalType as C;

use crate::{Deduper, Keep, dedupe, digest_rows, find_duplicate, key_hash};

type Key = (Option<i64>, Option<String>);

/// Columns: two of the key, and the number of the row.
fn rows(keys: &[Key]) -> RecordBatch {
    let ids: Int64Array = keys.iter().map(|(id, _)| *id).collect();
    let texts: StringArray = keys.iter().map(|(_, text)| text.as_deref()).collect();
    let numbers = Int32Array::from_iter_values((0..).take(keys.len()));
    let columns: [(&str, ArrayRef); 3] =
        [("id", Arc::new(ids)), ("text", Arc::new(texts)), ("row", Arc::new(numbers))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
        .unwrap()
}

/// Numbers of the rows that stay.
fn naive_dedupe(keys: &[Key], keep: Keep) -> Vec<i32> {
    let has_null = |key: &Key| key.0.is_none() || key.1.is_none();
    (0..keys.len())
        .filter(|row| {
            let others = match keep {
                Keep::First => &keys[..*row],
                Keep::Last => &keys[row + 1..],
            };
            has_null(&keys[*row]) || !others.contains(&keys[*row])
        })
        .map(|row| i32::try_from(row).unwrap())
        .collect()
}

fn numbers(batch: &RecordBatch) -> Vec<i32> {
    let numbers = batch.column(2).as_any().downcast_ref::<Int32Array>().unwrap();
    numbers.values().to_vec()
}

fn keys() -> impl Strategy<Value = Vec<Key>> {
    vec((option::of(-3..3_i64), option::weighted(0.8, "[ab]{0,2}")), 0..600)
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![Just(Keep::First), Just(Keep::Last)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn dedupe_is_the_row_loop(keys in keys(), keep in keep()) {
        let (rest, dropped) = dedupe(&rows(&keys), &[0, 1], keep).unwrap();
        prop_assert_eq!(rest.num_rows() as u64 + dropped, keys.len() as u64);
        prop_assert_eq!(numbers(&rest), naive_dedupe(&keys, keep));
    }

    #[test]
    fn dedupe_does_not_depend_on_batches(keys in keys(), keep in keep(), size in 1_usize..50) {
        let batch = rows(&keys);
        let mut deduper = Deduper::new(vec![0, 1], keep);
        let (mut kept, mut dropped) = (Vec::new(), 0);
        for start in (0..keys.len()).step_by(size) {
            let part = batch.slice(start, size.min(keys.len() - start));
            let (ready, duplicates) = deduper.push(&part).unwrap();
            kept.extend(numbers(&ready));
            dropped += duplicates;
        }
        kept.extend(deduper.finish().unwrap().iter().flat_map(numbers));
        prop_assert_eq!(kept.len() as u64 + dropped, keys.len() as u64);
        prop_assert_eq!(kept, naive_dedupe(&keys, keep));
    }

    #[test]
    fn the_first_duplicate_is_found(keys in keys()) {
        let found = find_duplicate(&rows(&keys), &[0, 1]).unwrap();
        let expected = (0..keys.len()).find_map(|row| {
            let whole = keys[row].0.is_some() && keys[row].1.is_some();
            let first = keys[..row].iter().position(|key| *key == keys[row]);
            first.filter(|_| whole).map(|first| (first, row))
        });
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn equal_keys_have_equal_hashes(keys in keys()) {
        let hashes = key_hash(&rows(&keys), &[0, 1]).unwrap();
        for (row, key) in keys.iter().enumerate() {
            prop_assert_eq!(hashes.is_null(row), key.0.is_none() || key.1.is_none());
            if row > 0 && hashes.is_valid(row) && hashes.is_valid(row - 1) {
                let same = hashes.value(row) == hashes.value(row - 1);
                prop_assert_eq!(same, keys[row] == keys[row - 1]);
            }
        }
    }

    #[test]
    fn digests_add_up_in_any_order(keys in keys(), cut in any::<prop::sample::Index>()) {
        let batch = rows(&keys);
        let cut = cut.index(keys.len() + 1);
        let (one, other) = (batch.slice(0, cut), batch.slice(cut, keys.len() - cut));
        let (one, other) = (digest_rows(&one).unwrap(), digest_rows(&other).unwrap());
        let whole = digest_rows(&batch).unwrap();
        prop_assert_eq!(whole.sum, other.sum.wrapping_add(one.sum));
        prop_assert_eq!(whole.count, keys.len() as u64);
    }

    #[test]
    fn decimals_count_by_value(values in vec(option::of(any::<i64>()), 0..300), zeros in 0_u8..10) {
        let number = |value: &Option<i64>| value.map(|value| i128::from(value) * 100);
        let narrow: Decimal128Array = values.iter().map(number).collect();
        let narrow = narrow.with_precision_and_scale(38, 2).unwrap();
        let power = 10_i128.pow(zeros.into());
        let wide: Decimal256Array = values
            .iter()
            .map(|value| number(value).map(|value| i256::from_i128(value * power / 100)))
            .collect();
        let wide = wide.with_precision_and_scale(60, zeros.cast_signed()).unwrap();
        let text: StringArray = values
            .iter()
            .map(|value| value.map(|value| format!("{value}.{:0<1$}", "", usize::from(zeros) + 1)))
            .collect();
        let one = |canonical: C, array: ArrayRef| {
            let schema = Arc::new(Schema::new(vec![canonical.field("d")]));
            digest_rows(&RecordBatch::try_new(schema, vec![array]).unwrap()).unwrap()
        };
        let first = one(C::Decimal { precision: 38, scale: 2 }, Arc::new(narrow));
        prop_assert_eq!(&first, &one(C::Decimal { precision: 60, scale: zeros }, Arc::new(wide)));
        prop_assert_eq!(&first, &one(C::DecimalText, Arc::new(text)));
    }
}

#[test]
fn floats_count_by_meaning() {
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, 1.0]));
    let batch = RecordBatch::try_from_iter([("f", floats)]).unwrap();
    let (rest, dropped) = dedupe(&batch, &[0], Keep::First).unwrap();
    assert_eq!((rest.num_rows(), dropped), (3, 2));
}

#[test]
fn swapped_values_and_nulls_change_the_digest() {
    let digest = |keys: &[Key]| digest_rows(&rows(keys)).unwrap().sum;
    let row = |id, text: Option<&str>| (id, text.map(str::to_owned));
    let straight = digest(&[row(Some(1), Some("a")), row(Some(2), Some("b"))]);
    assert_ne!(straight, digest(&[row(Some(1), Some("b")), row(Some(2), Some("a"))]));
    assert_ne!(digest(&[row(None, Some(""))]), digest(&[row(None, None)]));
    assert_ne!(digest(&[row(Some(0), None)]), digest(&[row(None, None)]));
}

#[test]
fn lists_count_by_their_elements() {
    let digest = |rows: Vec<Option<Vec<Option<i32>>>>| {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(rows);
        let batch = RecordBatch::try_from_iter([("l", Arc::new(lists) as ArrayRef)]).unwrap();
        digest_rows(&batch).unwrap().sum
    };
    let straight = digest(vec![Some(vec![Some(1), None]), Some(vec![])]);
    assert_eq!(straight, digest(vec![Some(vec![]), Some(vec![Some(1), None])]));
    assert_ne!(straight, digest(vec![Some(vec![Some(1)]), Some(vec![None])]));
    assert_ne!(digest(vec![None]), digest(vec![Some(vec![])]));
}

#[test]
fn the_digest_of_a_known_row_never_changes() {
    let digest = digest_rows(&rows(&[(Some(7), Some("seven".to_owned()))])).unwrap();
    // Slots of id, text and row number, then the text.
    let bytes = b"\x01\x07\0\0\0\0\0\0\0\x01\x05\0\0\0\x01\0\0\0\0\0\0\0\0seven";
    assert_eq!(digest.sum, xxhash_rust::xxh3::xxh3_128(bytes));
    assert_eq!(digest.kind, "rows-v1");
}
