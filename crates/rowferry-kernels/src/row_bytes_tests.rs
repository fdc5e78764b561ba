//! Canonical bytes of rows against a row loop that makes them from their description, and the sums
//! that stand in users' targets.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    DurationMicrosecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array, cast::AsArray, make_array, types::*,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, i256};
use arrow_schema::{DataType, Field, Schema};
use proptest::{collection::vec, prelude::*};
use rowferry_core::CanonicalType;

use crate::{digest_rows, row_bytes::for_each_row};

/// Slot and tail of one cell.
#[expect(clippy::wildcard_enum_match_arm, reason = "the test has no columns of other types")]
fn naive(array: &dyn Array, field: &Field, row: usize) -> (Vec<u8>, Vec<u8>) {
    let word = |marker: u8, word: [u8; 8]| ([vec![marker], word.to_vec()].concat(), vec![]);
    let signed = |value: i64| word(1, value.to_le_bytes());
    let float = |value: f64| {
        let value = if value.is_nan() { f64::NAN } else { value };
        word(1, if value == 0.0 { 0.0 } else { value }.to_le_bytes())
    };
    let tailed = |marker: u8, tail: Vec<u8>, width: usize| {
        let mut slot = vec![marker];
        slot.extend(u32::try_from(tail.len()).unwrap().to_le_bytes());
        slot.resize(width, 0);
        (slot, tail)
    };
    let is_decimal_text =
        field.metadata() == CanonicalType::DecimalText.field(field.name()).metadata();
    let decimal = |text: &str| match naive_decimal(text) {
        Ok((number, scale)) => {
            let slot = [&[1][..], &scale.to_le_bytes(), &number.to_le_bytes()].concat();
            (slot, vec![])
        }
        Err((marker, tail)) => tailed(marker, tail, 21),
    };
    let is_null = array.is_null(row);
    match array.data_type() {
        DataType::Decimal128(..) | DataType::Decimal256(..) if is_null => (vec![0; 21], vec![]),
        DataType::Utf8 if is_null && is_decimal_text => (vec![0; 21], vec![]),
        DataType::Utf8 | DataType::Binary | DataType::FixedSizeBinary(_) | DataType::List(_)
            if is_null =>
        {
            (vec![0; 5], vec![])
        }
        _ if is_null => (vec![0; 9], vec![]),
        DataType::Boolean => signed(array.as_boolean().value(row).into()),
        DataType::Int8 => signed(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => signed(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => signed(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => signed(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => signed(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => signed(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => signed(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => {
            let value = array.as_primitive::<UInt64Type>().value(row);
            word(if value < 1 << 63 { 1 } else { 2 }, value.to_le_bytes())
        }
        DataType::Float32 => float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => signed(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Time64(_) => signed(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Duration(_) => signed(array.as_primitive::<DurationMicrosecondType>().value(row)),
        DataType::Timestamp(..) => {
            signed(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Decimal128(..) => {
            decimal(&array.as_primitive::<Decimal128Type>().value_as_string(row))
        }
        DataType::Decimal256(..) => {
            decimal(&array.as_primitive::<Decimal256Type>().value_as_string(row))
        }
        DataType::Utf8 if is_decimal_text => decimal(array.as_string::<i32>().value(row)),
        DataType::Utf8 => tailed(1, array.as_string::<i32>().value(row).into(), 5),
        DataType::Binary => tailed(1, array.as_binary::<i32>().value(row).into(), 5),
        DataType::FixedSizeBinary(_) => {
            tailed(1, array.as_fixed_size_binary().value(row).into(), 5)
        }
        DataType::List(element) => {
            let list = array.as_list::<i32>().value(row);
            let cell = |index| {
                let (slot, tail) = naive(list.as_ref(), element, index);
                [slot, tail].concat()
            };
            tailed(1, (0..list.len()).flat_map(cell).collect(), 5)
        }
        other => panic!("{other}"),
    }
}

/// Number and scale without trailing zeros, or the marker and tail of what has none.
fn naive_decimal(text: &str) -> Result<(i128, i32), (u8, Vec<u8>)> {
    if text.contains(|sign: char| !sign.is_ascii_digit() && sign != '.' && sign != '-') {
        return Err((4, text.into()));
    }
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{integer}{fraction}").replace('-', "");
    let digits = digits.trim_start_matches('0');
    let stripped = digits.trim_end_matches('0');
    if stripped.is_empty() {
        return Ok((0, 0));
    }
    let zeros = i32::try_from(digits.len() - stripped.len()).unwrap();
    let scale = i32::try_from(fraction.len()).unwrap() - zeros;
    let sign = if text.starts_with('-') { "-" } else { "+" };
    match format!("{sign}{stripped}").parse() {
        Ok(number) => Ok((number, scale)),
        Err(_) => {
            Err((3, [&scale.to_le_bytes()[..], sign.as_bytes(), stripped.as_bytes()].concat()))
        }
    }
}

fn bytes_of(batch: &RecordBatch) -> Vec<Vec<u8>> {
    let columns: Vec<usize> = (0..batch.num_columns()).collect();
    let mut rows = Vec::new();
    for_each_row(batch, &columns, |row, bytes| {
        assert_eq!(row, rows.len());
        rows.push(bytes.to_vec());
    })
    .unwrap();
    rows
}

fn naive_bytes_of(batch: &RecordBatch) -> Vec<Vec<u8>> {
    let row = |row| {
        let cells = batch.columns().iter().zip(batch.schema_ref().fields());
        let (slots, tails): (Vec<_>, Vec<_>) =
            cells.map(|(array, field)| naive(array.as_ref(), field, row)).unzip();
        [slots.concat(), tails.concat()].concat()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// A column of each storage; values and nulls follow from `seeds` alone. Behind a null stands a
/// value like any other.
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_type(seeds: &[u64], nulls_every: u64) -> RecordBatch {
    // Xorshift, so that a seed of one column says little about the next one.
    let mix = |seed: &u64, column: u64| {
        let mut state = (seed ^ column.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1;
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        state
    };
    let column = |number: u64| seeds.iter().map(move |seed| mix(seed, number));
    // All lengths of number, and zeros at the end.
    let long = |state: u64| {
        let digits = i128::from(state).wrapping_mul(i128::from(state.rotate_left(17)));
        let cut = 10_i128.pow(u32::try_from(state % 37).unwrap());
        let zeros = 10_i128.pow(u32::try_from(state / 37 % 5).unwrap());
        let number = digits % 10_i128.pow(37) / cut / zeros * zeros;
        if state & 1 == 1 { -number } else { number }
    };
    let text = |state: u64| "é\0 a~".repeat(usize::try_from(state % 13).unwrap());
    let wide =
        |state: u64| i256::from_i128(long(state)).wrapping_mul(i256::from_i128(long(!state)));
    let number_text = |state: u64| match state % 7 {
        0 => "NaN".to_owned(),
        1 => "-Infinity".to_owned(),
        2 => format!("{}.{:07}00", long(state), state % 10_000_000),
        3 => format!("{}", wide(state)),
        4 => format!("-0.{}", "0".repeat(usize::try_from(state % 9).unwrap() + 1)),
        _ => format!("{}", long(state)),
    };
    let signed = |state: u64| state.cast_signed() >> (state % 64);
    let lists = |values: ArrayRef, sizes: Vec<usize>| {
        let item = Arc::new(Field::new("item", values.data_type().clone(), true));
        Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(sizes), values, None))
    };
    let sizes: Vec<usize> = column(40).map(|state| usize::try_from(state % 4).unwrap()).collect();
    let elements = u64::try_from(sizes.iter().sum::<usize>()).unwrap();
    let items = |number: u64| (0..elements).map(move |index| mix(&index, number));
    let inner: ListArray = lists(
        Arc::new(
            items(41).map(|state| (state % 3 > 0).then(|| text(state))).collect::<StringArray>(),
        ),
        sizes.clone(),
    )
    .as_ref()
    .clone();
    let doubles = |state: u64| match state % 9 {
        0 => -0.0,
        1 => f64::NAN,
        2 => -f64::NAN,
        3 => f64::INFINITY,
        _ => f64::from_bits(state),
    };
    #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(column(1).map(|state| Some(state & 1 == 1)).collect::<BooleanArray>()),
        Arc::new(Int8Array::from_iter_values(column(2).map(|state| state as i8))),
        Arc::new(Int16Array::from_iter_values(column(3).map(|state| state as i16))),
        Arc::new(Int32Array::from_iter_values(column(4).map(|state| state as i32))),
        Arc::new(Int64Array::from_iter_values(column(5).map(signed))),
        Arc::new(UInt8Array::from_iter_values(column(6).map(|state| state as u8))),
        Arc::new(UInt16Array::from_iter_values(column(7).map(|state| state as u16))),
        Arc::new(UInt32Array::from_iter_values(column(8).map(|state| state as u32))),
        Arc::new(UInt64Array::from_iter_values(column(9).map(|state| state >> (state % 64)))),
        Arc::new(Float32Array::from_iter_values(
            column(10).map(|state| f32::from_bits(state as u32)),
        )),
        Arc::new(Float64Array::from_iter_values(column(11).map(doubles))),
        Arc::new(Date32Array::from_iter_values(column(12).map(|state| state as i32))),
        Arc::new(Time64MicrosecondArray::from_iter_values(column(13).map(signed))),
        Arc::new(DurationMicrosecondArray::from_iter_values(column(14).map(signed))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(column(15).map(signed))),
        Arc::new(
            Decimal128Array::from_iter_values(column(16).map(|state| i128::from(signed(state))))
                .with_precision_and_scale(38, 2)
                .unwrap(),
        ),
        Arc::new(
            Decimal128Array::from_iter_values(column(17).map(long))
                .with_precision_and_scale(38, 38)
                .unwrap(),
        ),
        Arc::new(
            Decimal256Array::from_iter_values(column(18).map(wide))
                .with_precision_and_scale(76, 9)
                .unwrap(),
        ),
        Arc::new(StringArray::from_iter_values(column(19).map(number_text))),
        Arc::new(StringArray::from_iter_values(column(20).map(text))),
        Arc::new(BinaryArray::from_iter_values(
            column(21).map(|state| state.to_le_bytes().repeat((state % 6) as usize)),
        )),
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                column(22).map(|state| Some(u128::from(state).pow(2).to_le_bytes())),
                16,
            )
            .unwrap(),
        ),
        lists(
            Arc::new(Int32Array::from_iter_values(items(23).map(|state| state as i32))),
            sizes.clone(),
        ),
        lists(
            Arc::new(
                items(24)
                    .map(|state| (state % 3 > 0).then(|| wide(state)))
                    .collect::<Decimal256Array>()
                    .with_precision_and_scale(76, 9)
                    .unwrap(),
            ),
            sizes.clone(),
        ),
        // Lists of lists: each row has one list of the rows of the inner ones.
        lists(Arc::new(inner), vec![1; sizes.len()]),
    ];
    let field = |(number, array): (usize, &ArrayRef)| match number {
        18 => CanonicalType::DecimalText.field("text of a number"),
        _ => Field::new(format!("{number}"), array.data_type().clone(), true),
    };
    let fields: Vec<Field> = arrays.iter().enumerate().map(field).collect();
    let nulled = |(number, array): (u64, ArrayRef)| {
        if nulls_every == 0 {
            return array;
        }
        let nulls: NullBuffer = column(50 + number).map(|state| state % nulls_every > 0).collect();
        make_array(array.to_data().into_builder().nulls(Some(nulls)).build().unwrap())
    };
    let arrays = (0..).zip(arrays).map(nulled).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // Beyond two blocks of 256 rows, and parts of a batch that start anywhere.
    #[test]
    fn rows_have_the_bytes_of_a_row_loop(
        seeds in vec(any::<u64>(), 0..600), nulls_every in 0_u64..4,
        from in any::<prop::sample::Index>(), upto in any::<prop::sample::Index>(),
    ) {
        let batch = every_type(&seeds, nulls_every);
        let from = from.index(seeds.len() + 1);
        let part = batch.slice(from, upto.index(seeds.len() - from + 1));
        for rows in [&batch, &part] {
            prop_assert!(bytes_of(rows) == naive_bytes_of(rows));
        }
    }
}

#[test]
fn a_batch_of_whole_blocks_has_the_bytes_of_a_row_loop() {
    for rows in [0, 1, 255, 256, 257, 512, 513] {
        let batch = every_type(&(0..rows).collect::<Vec<_>>(), 3);
        assert!(bytes_of(&batch) == naive_bytes_of(&batch), "{rows}");
    }
}

/// Sums of `rows-v1` that stand in the targets of every release: these never change.
#[test]
fn the_digests_of_known_rows_never_change() {
    let sum = |rows: u64, nulls_every| {
        let batch = every_type(&(0..rows).collect::<Vec<_>>(), nulls_every);
        format!("{:032x}", digest_rows(&batch).unwrap().sum)
    };
    assert_eq!(sum(1, 0), "bb532016bf0d90dbc10b3c0d595c416e");
    assert_eq!(sum(300, 0), "22735ed961de32fa04e2a1109ad570e0");
    assert_eq!(sum(1_000, 3), "b4f3e0b8adef227076fc1fa3848e0572");
}
