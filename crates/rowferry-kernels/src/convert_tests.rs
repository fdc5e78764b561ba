//! Conversions against naive row loops.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    DurationMicrosecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int16Array,
    Int64Array, ListArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    UInt64Array,
    cast::AsArray,
    types::{self as t, Float64Type, Int32Type},
};
use arrow_buffer::i256;
use proptest::{collection::vec, option, prelude::*};
use rowferry_core::{CanonicalType as C, JsonFlavor};

use crate::{Converted, KernelError, Misfit, Rule, convert};

const TEXT: C = C::Text { chars: None, fixed: false };
const BYTES: C = C::Binary { bytes: None, fixed: false };

fn decimal(precision: u8, scale: u8) -> C {
    C::Decimal { precision, scale }
}

fn list_of(element: C) -> C {
    C::List { element: Box::new(element) }
}

fn converted(array: impl Array + 'static, from: &C, to: &C) -> Converted {
    let array: ArrayRef = Arc::new(array);
    let converted = convert(&array, from, to).unwrap();
    assert_eq!(converted.array.data_type(), &to.arrow());
    assert_eq!(converted.array.len(), array.len());
    for misfit in &converted.misfits {
        assert!(converted.array.is_null(misfit.row), "{misfit:?}");
    }
    converted
}

fn texts(array: impl Array + 'static, from: &C) -> Vec<Option<String>> {
    let converted = converted(array, from, &TEXT);
    assert!(converted.misfits.is_empty());
    converted.array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn text(array: impl Array + 'static, from: &C) -> String {
    texts(array, from).remove(0).unwrap()
}

fn rules(converted: &Converted) -> Vec<(usize, Rule)> {
    converted.misfits.iter().map(|Misfit { row, rule }| (*row, *rule)).collect()
}

/// A decimal as a person writes it.
fn plain(digits: i128, scale: u32) -> String {
    let unsigned = digits.unsigned_abs().to_string();
    let scale = usize::try_from(scale).unwrap();
    let padded = format!("{unsigned:0>0$}", scale + 1);
    let (integer, fraction) = padded.split_at(padded.len() - scale);
    let sign = if digits < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{integer}") } else { format!("{sign}{integer}.{fraction}") }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn floats_read_back_as_the_same_bits(values in vec(any::<f64>(), 1..50)) {
        for (value, text) in values.iter().zip(texts(Float64Array::from(values.clone()), &C::Float64)) {
            let back: f64 = text.unwrap().parse().unwrap();
            prop_assert!(back.to_bits() == value.to_bits() || back.is_nan() && value.is_nan());
        }
    }

    #[test]
    fn short_floats_read_back_as_the_same_bits(values in vec(any::<f32>(), 1..50)) {
        for (value, text) in values.iter().zip(texts(Float32Array::from(values.clone()), &C::Float32)) {
            let back: f32 = text.unwrap().parse().unwrap();
            prop_assert!(back.to_bits() == value.to_bits() || back.is_nan() && value.is_nan());
        }
    }

    #[test]
    fn decimals_are_written_in_full(
        values in vec(option::of(-10_i128.pow(18)..10_i128.pow(18)), 0..50), scale in 0_u8..=18,
    ) {
        let array: Decimal128Array = values.iter().copied().collect();
        let array = array.with_precision_and_scale(18, scale.cast_signed()).unwrap();
        let naive: Vec<_> =
            values.iter().map(|value| value.map(|value| plain(value, scale.into()))).collect();
        prop_assert_eq!(texts(array, &decimal(18, scale)), naive);
    }

    #[test]
    fn long_decimals_are_written_in_full(
        values in vec((any::<i128>(), 0_u32..38), 0..50), scale in 0_u8..=38,
    ) {
        let values: Vec<i128> =
            values.iter().map(|(value, cut)| value % 10_i128.pow(38) / 10_i128.pow(*cut)).collect();
        let array = Decimal128Array::from(values.clone());
        let array = array.with_precision_and_scale(38, scale.cast_signed()).unwrap();
        let naive: Vec<_> =
            values.iter().map(|value| Some(plain(*value, scale.into()))).collect();
        prop_assert_eq!(texts(array, &decimal(38, scale)), naive);
    }

    #[test]
    fn integers_and_bytes_are_written_digit_by_digit(
        signed in vec(any::<i64>(), 1..9), unsigned in vec(any::<u64>(), 1..9),
        bytes in vec(any::<u8>(), 0..40),
    ) {
        let naive: Vec<_> = signed.iter().map(|value| Some(value.to_string())).collect();
        prop_assert_eq!(texts(Int64Array::from(signed), &C::Int64), naive);
        let naive: Vec<_> = unsigned.iter().map(|value| Some(value.to_string())).collect();
        prop_assert_eq!(texts(UInt64Array::from(unsigned), &C::UInt64), naive);
        let naive = bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let array = BinaryArray::from_iter_values([bytes]);
        let meaning = C::Binary { bytes: None, fixed: false };
        prop_assert_eq!(texts(array, &meaning), vec![Some(naive)]);
    }

    /// Written with the fraction digits of the source, a number fits when cutting zeros off its
    /// fraction leaves at most `scale` digits and its integer has at most `precision - scale`.
    #[test]
    fn decimals_of_text_are_never_rounded(
        values in vec(option::of((any::<i64>(), 0_u32..25)), 0..50),
        precision in prop_oneof![1_u8..=38, 39_u8..=76], scale in 0_u8..=20,
    ) {
        let scale = scale.min(precision);
        let written: Vec<Option<String>> =
            values.iter().map(|value| value.map(|(digits, at)| plain(digits.into(), at))).collect();
        let to = decimal(precision, scale);
        let done = converted(StringArray::from(written.clone()), &C::DecimalText, &to);
        let back = texts(done.array, &to);
        for (row, (before, after)) in written.iter().zip(&back).enumerate() {
            let rule = done.misfits.iter().find(|misfit| misfit.row == row).map(|found| found.rule);
            let Some(before) = before else {
                prop_assert_eq!((after, rule), (&None, None));
                continue;
            };
            let unsigned = before.trim_start_matches('-');
            let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
            let (integer, fraction) =
                (integer.trim_start_matches('0'), fraction.trim_end_matches('0'));
            let fits = integer.len() <= usize::from(precision - scale)
                && fraction.len() <= usize::from(scale);
            prop_assert_eq!(rule.is_none(), fits, "{} into {}", before, to.name());
            if let Some(after) = after {
                let value = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
                let before = if before.contains('.') { value(before) } else { before.clone() };
                let after = if after.contains('.') { value(after) } else { after.clone() };
                prop_assert_eq!(before.replace("-0", "0"), after.replace("-0", "0"));
            }
        }
    }

    #[test]
    fn integers_fit_as_the_language_says(values in vec(option::of(any::<i64>()), 0..80)) {
        let near: Vec<_> = values.iter().map(|value| value.map(|value| value % 70_000)).collect();
        let done = converted(Int64Array::from(near.clone()), &C::Int64, &C::Int16);
        let naive: Vec<_> = near.iter().map(|value| value.and_then(|v| i16::try_from(v).ok())).collect();
        prop_assert_eq!(done.array.as_primitive::<t::Int16Type>(), &Int16Array::from(naive));
        let misfits = near.iter().filter(|value| value.is_some_and(|v| i16::try_from(v).is_err()));
        prop_assert_eq!(done.misfits.len(), misfits.count());
        let done = converted(Int64Array::from(values.clone()), &C::Int64, &C::UInt64);
        let naive: Vec<_> = values.iter().map(|value| value.and_then(|v| u64::try_from(v).ok())).collect();
        prop_assert_eq!(done.array.as_primitive::<t::UInt64Type>(), &UInt64Array::from(naive));
    }

    #[test]
    fn decimals_come_back_through_any_wider_one(
        values in vec(option::of(-10_i128.pow(9)..10_i128.pow(9)), 0..50),
        more in 0_u8..=20, wide: bool,
    ) {
        let from = decimal(10, 4);
        let to = decimal(if wide { 60 } else { 38 }, 4 + more);
        let array: Decimal128Array = values.into_iter().collect();
        let array = array.with_precision_and_scale(10, 4).unwrap();
        let there = converted(array.clone(), &from, &to);
        prop_assert!(there.misfits.is_empty());
        let back = converted(there.array, &to, &from);
        prop_assert_eq!(back.array.as_primitive::<t::Decimal128Type>(), &array);
    }

    #[test]
    fn uuids_come_back(values in vec(option::of(any::<[u8; 16]>()), 1..50)) {
        let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.iter().copied(), 16).unwrap();
        let written = converted(array.clone(), &C::Uuid, &TEXT);
        for (text, value) in written.array.as_string::<i32>().iter().zip(&values) {
            let naive = value.map(|value| {
                let hex = format!("{:032x}", u128::from_be_bytes(value));
                let digits = hex.chars().enumerate();
                let hyphenated = digits.flat_map(|(at, digit)| {
                    let hyphen = matches!(at, 8 | 12 | 16 | 20).then_some('-');
                    hyphen.into_iter().chain([digit])
                });
                hyphenated.collect::<String>()
            });
            prop_assert_eq!(text.map(str::to_owned), naive);
        }
        let back = converted(written.array, &TEXT, &C::Uuid);
        prop_assert_eq!(back.array.as_fixed_size_binary(), &array);
        let bytes = converted(array.clone(), &C::Uuid, &BYTES);
        let back = converted(bytes.array, &BYTES, &C::Uuid);
        prop_assert_eq!(back.array.as_fixed_size_binary(), &array);
    }

    #[test]
    fn lists_become_json_that_reads_back(
        rows in vec(option::of(vec(option::of("\\PC{0,4}|[\"\\\\\n\u{1}/]{0,3}"), 0..4)), 1..20),
    ) {
        let mut builder = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
        for row in &rows {
            for value in row.iter().flatten() {
                builder.values().append_option(value.as_deref());
            }
            builder.append(row.is_some());
        }
        for (row, text) in rows.iter().zip(texts(builder.finish(), &list_of(TEXT))) {
            let back: Option<Vec<Option<String>>> =
                text.map(|text| serde_json::from_str(&text).unwrap());
            prop_assert_eq!(&back, row);
        }
    }

    #[test]
    fn dates_and_clocks_read_as_arrow_prints_them(days in -600_000_i32..2_000_000, micros in any::<u32>()) {
        let date = text(Date32Array::from(vec![days]), &C::Date);
        let printed = |array: &dyn Array| {
            arrow::util::display::array_value_to_string(array, 0).unwrap()
        };
        prop_assert_eq!(&date, &printed(&Date32Array::from(vec![days])));
        let micros = i64::from(days) * 86_400_000_000 + i64::from(micros) * 17;
        let clock = text(TimestampMicrosecondArray::from(vec![micros]), &C::Timestamp { digits: 6 });
        let arrow = printed(&TimestampMicrosecondArray::from(vec![micros])).replace('T', " ");
        let arrow = if arrow.contains('.') { arrow.trim_end_matches('0') } else { &arrow };
        prop_assert_eq!(&clock, arrow);
    }
}

#[test]
fn every_meaning_has_a_text() {
    let duration = DurationMicrosecondArray::from(vec![-3_020_399_500_000]);
    assert_eq!(text(duration, &C::Duration { digits: 6 }), "-838:59:59.5");
    let midnight = Time64MicrosecondArray::from(vec![86_400_000_000]);
    assert_eq!(text(midnight, &C::Time { digits: 0 }), "24:00:00");
    assert_eq!(text(BooleanArray::from(vec![true]), &C::Boolean), "true");
    assert_eq!(text(UInt64Array::from(vec![5]), &C::Bits { bits: 8 }), "00000101");
    assert_eq!(text(UInt64Array::from(vec![u64::MAX]), &C::UInt64), "18446744073709551615");
    assert_eq!(text(BinaryArray::from(vec![&b"\0\xff"[..]]), &BYTES), "\\x00ff");
    let instant = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
    assert_eq!(text(instant, &C::Instant { digits: 6 }), "1970-01-01 00:00:00+00:00");
    let floats =
        Float64Array::from(vec![1.0, -0.0, 1e300, f64::NAN, f64::INFINITY, -f64::INFINITY]);
    let words: Vec<_> = texts(floats, &C::Float64).into_iter().flatten().collect();
    assert_eq!(words, ["1", "-0", "1e300", "NaN", "Infinity", "-Infinity"]);
    let mut interval = 3_600_000_000_i64.to_be_bytes().to_vec();
    interval.extend([0, 0, 0, 2, 0, 0, 0, 13]);
    let interval = FixedSizeBinaryArray::try_from_iter([interval].into_iter()).unwrap();
    assert_eq!(text(interval, &C::Interval), "1 year 1 mon 2 days 01:00:00");
}

#[test]
fn json_has_numbers_where_they_are_exact() {
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([
        Some(vec![Some(1.5), None, Some(-0.0)]),
        Some(vec![]),
        Some(vec![Some(f64::NAN)]),
        None,
    ]);
    let to = C::Json { flavor: JsonFlavor::Text };
    let done = converted(lists, &list_of(C::Float64), &to);
    let json: Vec<_> = done.array.as_string::<i32>().iter().collect();
    assert_eq!(json, [Some("[1.5,null,-0]"), Some("[]"), None, None]);
    assert_eq!(rules(&done), [(2, Rule::Element)]);
    let days =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(i32::MAX)])]);
    assert_eq!(text(days, &list_of(C::Int32)), "[1,2147483647]");
    let prices: Decimal128Array = [Some(150)].into_iter().collect();
    let prices = prices.with_precision_and_scale(6, 2).unwrap();
    let field = Arc::new(arrow_schema::Field::new("item", decimal(6, 2).arrow(), true));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([1]);
    let prices = ListArray::new(field, offsets, Arc::new(prices), None);
    assert_eq!(text(prices, &list_of(decimal(6, 2))), r#"["1.50"]"#);
}

#[test]
fn only_the_twin_of_a_value_is_taken() {
    let done = converted(Int64Array::from(vec![0, 1, 2]), &C::Int64, &C::Boolean);
    assert_eq!(done.array.as_boolean(), &BooleanArray::from(vec![Some(false), Some(true), None]));
    assert_eq!(rules(&done), [(2, Rule::Boolean)]);
    let uuid = "0d5c2a3e-0000-4000-8000-00000000000a";
    let words =
        StringArray::from(vec![uuid, &uuid.to_uppercase(), uuid.trim_start_matches('0'), ""]);
    let done = converted(words, &TEXT, &C::Uuid);
    assert_eq!(rules(&done), [(1, Rule::Form), (2, Rule::Form), (3, Rule::Form)]);
    let numbers = StringArray::from(vec!["NaN", "-Infinity", "1e5", "12", "-0.00"]);
    let done = converted(numbers, &C::DecimalText, &decimal(2, 0));
    assert_eq!(rules(&done), [(0, Rule::Nan), (1, Rule::Infinite), (2, Rule::Form)]);
    let words =
        || StringArray::from(vec![Some("1.50"), None, Some(" 1"), Some("-0.125"), Some("")]);
    let done = converted(words(), &TEXT, &C::DecimalText);
    assert_eq!(rules(&done), [(2, Rule::Form), (4, Rule::Form)]);
    assert_eq!(texts(done.array, &C::DecimalText)[3].as_deref(), Some("-0.125"));
    let done = converted(words(), &TEXT, &decimal(3, 2));
    assert_eq!(rules(&done), [(2, Rule::Form), (3, Rule::Fraction), (4, Rule::Form)]);
    let done = converted(Int64Array::from(vec![1 << 53, (1 << 53) + 1]), &C::Int64, &C::Float64);
    assert_eq!(rules(&done), [(1, Rule::Digits)]);
    let bits = StringArray::from(vec!["101", "10"]);
    let done =
        converted(bits, &C::BitString { bits: Some(3), varying: false }, &C::Bits { bits: 3 });
    assert_eq!(rules(&done), [(1, Rule::Range)]);
    let wide = C::Decimal { precision: 60, scale: 2 };
    let million: arrow_array::Decimal256Array =
        [Some(i256::from_i128(100_000_000)), Some(i256::from_i128(1))].into_iter().collect();
    let million = million.with_precision_and_scale(60, 2).unwrap();
    let done = converted(million, &wide, &C::Int32);
    assert_eq!(done.array.as_primitive::<Int32Type>().value(0), 1_000_000);
    assert_eq!(rules(&done), [(1, Rule::Fraction)]);
}

#[test]
fn months_and_days_are_never_hours() {
    let parts = |micros: i64, days: i32, months: i32| {
        [&micros.to_be_bytes()[..], &days.to_be_bytes(), &months.to_be_bytes()].concat()
    };
    let rows = [parts(-5, 0, 0), parts(0, 1, 0), parts(0, 0, -1)];
    let intervals = FixedSizeBinaryArray::try_from_iter(rows.into_iter()).unwrap();
    let done = converted(intervals, &C::Interval, &C::Duration { digits: 6 });
    assert_eq!(rules(&done), [(1, Rule::Calendar), (2, Rule::Calendar)]);
    let back = converted(done.array, &C::Duration { digits: 6 }, &C::Interval);
    assert_eq!(back.array.as_fixed_size_binary().value(0), parts(-5, 0, 0));
    assert!(back.array.is_null(1));
}

#[test]
fn special_dates_stay_special() {
    let days = Date32Array::from(vec![i32::MAX, i32::MIN, i32::MIN + 1, 1, i32::MAX - 1]);
    let done = converted(days, &C::Date, &C::Timestamp { digits: 6 });
    let micros = done.array.as_primitive::<t::TimestampMicrosecondType>();
    assert_eq!(micros.values()[..4], [i64::MAX, i64::MIN, i64::MIN + 1, 86_400_000_000]);
    assert_eq!(rules(&done), [(4, Rule::Range)]);
}

#[test]
fn sets_become_lists() {
    let sets = StringArray::from(vec![Some("a,b"), Some(""), None]);
    let labels = vec!["a".to_owned(), "b".to_owned()];
    let done = converted(sets, &C::Set { labels }, &list_of(TEXT));
    let lists = done.array.as_list::<i32>();
    assert_eq!(lists.value(0).as_string::<i32>(), &StringArray::from(vec!["a", "b"]));
    assert!(lists.value(1).is_empty() && lists.is_valid(1) && lists.is_null(2));
}

#[test]
fn cells_keep_their_class() {
    let cell = |class: u8, bytes: &[u8]| [&[class], bytes].concat();
    let rows = [
        cell(1, &7_i64.to_be_bytes()),
        cell(2, &1.5_f64.to_be_bytes()),
        cell(3, b"seven"),
        cell(4, b"\xff"),
    ];
    let cells = BinaryArray::from_iter_values(&rows);
    let done = converted(cells.clone(), &C::Variant, &TEXT);
    let words: Vec<_> = done.array.as_string::<i32>().iter().collect();
    assert_eq!(words, [Some("7"), Some("1.5"), Some("seven"), None]);
    for (to, misfits) in [(C::Int64, [1, 2, 3].as_slice()), (C::Float64, &[2, 3]), (BYTES, &[0, 1])]
    {
        let done = converted(cells.clone(), &C::Variant, &to);
        let rows: Vec<_> = done.misfits.iter().map(|misfit| misfit.row).collect();
        assert_eq!(rows, misfits, "{}", to.name());
    }
}

proptest! {
    #[test]
    fn cells_that_are_numbers_keep_their_digits(
        cells in vec(prop_oneof![any::<i64>().prop_map(Ok), any::<f64>().prop_map(Err)], 1..40),
    ) {
        let bytes = cells.iter().map(|cell| match cell {
            Ok(integer) => [&[1], &integer.to_be_bytes()[..]].concat(),
            Err(real) => [&[2], &real.to_be_bytes()[..]].concat(),
        });
        let array = BinaryArray::from_iter_values(bytes);
        let decimals = converted(array.clone(), &C::Variant, &C::DecimalText);
        let floats = converted(array, &C::Variant, &C::Float64);
        for (row, cell) in cells.iter().enumerate() {
            let digits = decimals.array.as_string::<i32>().value(row);
            let float = floats.array.as_primitive::<Float64Type>().value(row);
            match cell {
                Ok(integer) => {
                    prop_assert_eq!(digits, integer.to_string());
                    if floats.array.is_valid(row) {
                        prop_assert_eq!(format!("{float:.0}"), integer.to_string());
                    }
                }
                Err(real) if real.is_finite() => {
                    let back = digits.parse::<f64>().unwrap();
                    prop_assert_eq!(back.to_bits(), (*real + 0.0).to_bits());
                    prop_assert!(!digits.contains(['e', 'E']) && digits != "-0");
                    prop_assert_eq!(float.to_bits(), real.to_bits());
                }
                Err(_) => prop_assert!(decimals.array.is_null(row)),
            }
        }
    }
}

#[test]
fn what_has_no_twin_is_refused() {
    let clock: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0]));
    let refused = convert(&clock, &C::Timestamp { digits: 6 }, &C::Instant { digits: 6 });
    assert!(matches!(refused, Err(KernelError::Conversion { .. })), "{refused:?}");
    let refused = convert(&clock, &C::Int64, &TEXT);
    assert!(matches!(refused, Err(KernelError::Storage { .. })), "{refused:?}");
}
