//! Columns against a loop over rows that knows no shortcut.

use arrow_array::{
    Date32Array, Decimal128Array, Float64Array, TimestampMicrosecondArray, UInt64Array,
};
use proptest::prelude::*;
use rusqlite::types::Value;

use super::*;

/// A batch of these columns, each as one of its class would be, or of variants.
pub(crate) fn batch(rows: usize, columns: &[Vec<Value>]) -> Columns {
    let columns = columns.iter().map(|values| {
        let nulls: NullBuffer = values.iter().map(|value| *value != Value::Null).collect();
        let bytes = |value: &Value| match value {
            Value::Text(text) => text.clone().into_bytes(),
            Value::Blob(bytes) => bytes.clone(),
            Value::Null | Value::Integer(_) | Value::Real(_) => Vec::new(),
        };
        let all = |is: fn(&Value) -> bool| values.iter().all(|v| *v == Value::Null || is(v));
        let cells = if all(|value| matches!(value, Value::Integer(_))) {
            let value = |value: &Value| if let Value::Integer(value) = value { *value } else { 7 };
            Cells::Integers(Int64Array::from_iter_values(values.iter().map(value)))
        } else if all(|value| matches!(value, Value::Real(_))) {
            let value = |value: &Value| if let Value::Real(value) = value { *value } else { 7.5 };
            Cells::Reals(Float64Array::from_iter_values(values.iter().map(value)))
        } else if all(|value| matches!(value, Value::Text(_))) {
            Cells::Text(BinaryArray::from_iter_values(values.iter().map(bytes)))
        } else if all(|value| matches!(value, Value::Blob(_))) {
            Cells::Bytes(BinaryArray::from_iter_values(values.iter().map(bytes)))
        } else {
            let variant = |value: &Value| {
                let mut bytes = Vec::new();
                wire::variant(value.into(), &mut bytes);
                bytes
            };
            Cells::Variants(BinaryArray::from_iter_values(values.iter().map(variant)))
        };
        Column { nulls: Some(nulls), cells }
    });
    Columns { rows, columns: columns.collect() }
}

fn column(array: &dyn Array, meaning: &CanonicalType, binding: Binding) -> Made {
    cells(array, meaning, binding).unwrap()
}

/// The cells of a column that keeps all values.
fn texts(array: &dyn Array, meaning: &CanonicalType, binding: Binding) -> Vec<Option<String>> {
    let column = Column::of(array, meaning, binding).unwrap().unwrap();
    let cell = |row| match column.cell(row) {
        ValueRef::Null => None,
        ValueRef::Text(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => panic!("no text"),
    };
    (0..array.len()).map(cell).collect()
}

/// Numbers of every length, and the ends.
fn numbers_of_all_lengths() -> impl Strategy<Value = i128> {
    let limit = 10_i128.pow(38) - 1;
    prop_oneof![
        any::<i8>().prop_map(i128::from),
        any::<i64>().prop_map(i128::from),
        -limit..=limit,
        Just(limit),
        Just(-limit),
    ]
}

fn moments() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MAX),
        Just(i64::MIN),
        Just(i64::MIN + 1),
        (-62_135_596_800_i64..=253_402_300_799).prop_map(|seconds| seconds * 1_000_000),
        -62_135_596_800_000_000_i64..=253_402_300_799_999_999,
    ]
}

fn maybe<T: Clone + std::fmt::Debug + 'static>(
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Vec<Option<T>>> {
    prop::collection::vec(prop::option::weighted(0.9, some), 0..40)
}

proptest! {
    #[test]
    fn decimals_keep_their_digits(values in maybe(numbers_of_all_lengths()), scale in 0_u8..=38) {
        let array = Decimal128Array::from(values.clone());
        let array = array.with_precision_and_scale(38, i8::try_from(scale).unwrap()).unwrap();
        let meaning = CanonicalType::Decimal { precision: 38, scale };
        let expected: Vec<Option<String>> = values.iter().map(|value| {
            let mut text = String::new();
            decimal::write_unscaled(&mut text, &(*value)?.to_string(), scale.into());
            Some(text)
        }).collect();
        prop_assert_eq!(texts(&array, &meaning, Binding::Digits), expected);
    }

    #[test]
    fn a_decimal_is_kept_where_its_digits_fit(
        value in numbers_of_all_lengths(), scale in 0_u8..=38, precision in 1_u8..=38, within in 0_u8..=38,
    ) {
        prop_assume!(within <= precision);
        let array = Decimal128Array::from(vec![None, Some(value)]);
        let array = array.with_precision_and_scale(38, i8::try_from(scale).unwrap()).unwrap();
        let mut text = String::new();
        decimal::write_unscaled(&mut text, &value.to_string(), scale.into());
        let meaning = CanonicalType::Decimal { precision: 38, scale };
        let made = column(&array, &meaning, Binding::DigitsWithin(precision, within));
        prop_assert_eq!(made.is_ok(), decimal::fits(&text, precision, within), "{}", text);
        prop_assert_eq!(made.err().map(|(row, _words)| row), if decimal::fits(&text, precision, within) { None } else { Some(1) });
    }

    #[test]
    fn dates_are_written_as_row_by_row(values in maybe(any::<i32>()), near in maybe(-800_000..3_000_000)) {
        for values in [values, near] {
            let array = Date32Array::from(values.clone());
            let expected: Vec<Option<String>> = values.iter().map(|days| {
                let mut text = String::new();
                iso::write_date(&mut text, (*days)?);
                Some(text)
            }).collect();
            prop_assert_eq!(texts(&array, &CanonicalType::Date, Binding::Iso(0)), expected);
        }
    }

    #[test]
    fn timestamps_are_written_as_row_by_row(values in maybe(moments()), digits in 0_u8..=6, utc: bool) {
        let array = TimestampMicrosecondArray::from(values.clone());
        let array = if utc { array.with_timezone("UTC") } else { array };
        let expected: Vec<Option<String>> = values.iter().map(|micros| {
            let mut text = String::new();
            iso::write_timestamp(&mut text, (*micros)?, digits, utc);
            Some(text)
        }).collect();
        let meaning = CanonicalType::Timestamp { digits };
        prop_assert_eq!(texts(&array, &meaning, Binding::Iso(digits)), expected);
    }
}

#[test]
fn the_first_value_that_is_not_kept_is_named() {
    let array = Float64Array::from(vec![Some(1.0), None, Some(f64::NAN), Some(f64::NAN)]);
    assert_eq!(column(&array, &CanonicalType::Float64, Binding::Real).err().unwrap().0, 2);
    let array = UInt64Array::from(vec![None, Some(u64::MAX)]);
    assert_eq!(column(&array, &CanonicalType::UInt64, Binding::Integer).err().unwrap().0, 1);
    let digits = texts(&array, &CanonicalType::UInt64, Binding::Digits);
    assert_eq!(digits, [None, Some(u64::MAX.to_string())]);
}

#[test]
fn a_null_that_lies_on_a_number_out_of_range_is_null() {
    let values = UInt64Array::new(vec![u64::MAX, 7].into(), Some(vec![false, true].into()));
    let column = Column::of(&values, &CanonicalType::UInt64, Binding::Integer).unwrap();
    let column = column.map_err(|(row, _words)| row).unwrap();
    assert_eq!(column.cell(0), ValueRef::Null);
    assert_eq!(column.cell(1), ValueRef::Integer(7));
}
