//! Limits and policies against naive row loops.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    Float32Array, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray, UInt64Array,
    cast::AsArray, types as t,
};
use arrow_buffer::i256;
use proptest::{collection::vec, option, prelude::*};
use rowferry_core::{Policy, ValueLimits as L};

use crate::{Misfit, Normalized, Rule, misfits, normalize};

fn found(array: impl Array + 'static, limits: &L) -> Vec<(usize, Rule)> {
    let array: ArrayRef = Arc::new(array);
    misfits(&array, limits).unwrap().into_iter().map(|Misfit { row, rule }| (row, rule)).collect()
}

fn normalized(array: impl Array + 'static, limits: &L, policy: &Policy) -> Normalized {
    normalize(&(Arc::new(array) as ArrayRef), Vec::new(), limits, policy).unwrap()
}

fn naive<T>(values: &[Option<T>], rule: impl Fn(&T) -> Option<Rule>) -> Vec<(usize, Rule)> {
    let rows = values.iter().enumerate();
    rows.filter_map(|(row, value)| Some((row, rule(value.as_ref()?)?))).collect()
}

const fn text(chars: Option<u64>, bytes: Option<u64>) -> L {
    L::Text { chars, bytes, nul: true, bmp_only: false, no_trailing_blank: false }
}

fn micros(years_from_1970: i64) -> i64 {
    years_from_1970 * 365 * 86_400_000_000
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn integers_beyond_a_bound_are_found(
        values in vec(option::of(-300_i32..300), 0..80), min in -200_i128..200, width in 0_i128..200,
    ) {
        let limits = L::Integer { min, max: min + width };
        let rule = |value: &i32| {
            (!(min..=min + width).contains(&i128::from(*value))).then_some(Rule::Range)
        };
        prop_assert_eq!(found(Int32Array::from(values.clone()), &limits), naive(&values, rule));
        let unsigned: Vec<_> = values.iter().map(|v| v.map(|v| u64::from(v.unsigned_abs()))).collect();
        let rule = |value: &u64| {
            (!(min..=min + width).contains(&i128::from(*value))).then_some(Rule::Range)
        };
        prop_assert_eq!(found(UInt64Array::from(unsigned.clone()), &limits), naive(&unsigned, rule));
    }

    #[test]
    fn texts_beyond_a_rule_are_found(
        values in vec(option::of("[a\u{e9}\u{20ac}\u{1f600}\0 ]{0,5}"), 0..60),
        chars in option::of(0_u64..6), bytes in option::of(0_u64..12),
        nul: bool, bmp_only: bool, no_trailing_blank: bool,
    ) {
        let limits = L::Text { chars, bytes, nul, bmp_only, no_trailing_blank };
        let rule = |value: &String| {
            if chars.is_some_and(|most| value.chars().count() as u64 > most) {
                Some(Rule::Characters)
            } else if bytes.is_some_and(|most| value.len() as u64 > most) {
                Some(Rule::Bytes)
            } else if !nul && value.contains('\0') {
                Some(Rule::Nul)
            } else if bmp_only && value.chars().any(|letter| u32::from(letter) > 0xFFFF) {
                Some(Rule::Supplementary)
            } else {
                (no_trailing_blank && value.ends_with(' ')).then_some(Rule::TrailingBlank)
            }
        };
        let array = StringArray::from(values.clone());
        let expected = naive(&values, rule);
        prop_assert_eq!(&found(array.clone(), &limits), &expected);
        // A slice begins somewhere inside the buffers.
        let from = values.len() / 2;
        let behind: Vec<_> =
            expected.iter().filter(|(row, _)| *row >= from).map(|(row, rule)| (row - from, *rule)).collect();
        prop_assert_eq!(found(array.slice(from, values.len() - from), &limits), behind);
    }

    #[test]
    fn decimals_beyond_their_digits_are_found(
        values in vec(option::of(-10_i64.pow(9)..10_i64.pow(9)), 0..60),
        at in 0_u8..=9, precision in 1_u32..=12, scale in 0_u32..=6,
    ) {
        let scale = scale.min(precision);
        let limits = L::Decimal { precision, scale, nan: false, infinite: false };
        let rule = |value: &i64| {
            let power = |places: u32| 10_i128.pow(places);
            let value = i128::from(*value);
            let integer = value.abs() / power(at.into());
            let fraction = value.abs() % power(at.into());
            if integer >= power(precision - scale) {
                return Some(Rule::Digits);
            }
            let kept = power(u32::from(at).saturating_sub(scale));
            (fraction % kept != 0).then_some(Rule::Fraction)
        };
        let expected = naive(&values, rule);
        let narrow: Decimal128Array = values.iter().map(|v| v.map(i128::from)).collect();
        let narrow = narrow.with_precision_and_scale(18, at.cast_signed()).unwrap();
        prop_assert_eq!(&found(narrow, &limits), &expected);
        let wide: Decimal256Array =
            values.iter().map(|v| v.map(|v| i256::from_i128(v.into()))).collect();
        let wide = wide.with_precision_and_scale(50, at.cast_signed()).unwrap();
        prop_assert_eq!(&found(wide, &limits), &expected);
        let written: StringArray = values
            .iter()
            .map(|v| v.map(|v| {
                let sign = if v < 0 { "-" } else { "" };
                let power = 10_u64.pow(at.into());
                let (integer, fraction) = (v.unsigned_abs() / power, v.unsigned_abs() % power);
                format!("{sign}{integer}.{fraction:00$}0", usize::from(at))
            }))
            .collect();
        prop_assert_eq!(&found(written, &limits), &expected);
    }

    #[test]
    fn times_beyond_a_rule_are_found_and_moved_to_the_nearest(
        values in vec(option::of(prop_oneof![
            8 => -3_000_000_i64..3_000_000,
            1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => Just(i64::MIN + 1),
        ]), 0..60),
        min in -2_000_000_i64..0, max in 0_i64..2_000_000,
        digits in 0_u8..=6, infinite: bool, zero: bool,
    ) {
        let limits = L::Temporal { min, max, infinite, zero, digits };
        let unit = 10_i64.pow(u32::from(6 - digits));
        let rule = |value: &i64| match *value {
            i64::MAX | i64::MIN => (!infinite).then_some(Rule::Infinite),
            value if value == i64::MIN + 1 => (!zero).then_some(Rule::ZeroDate),
            value if value < min || value > max => Some(Rule::Range),
            value => (value % unit != 0).then_some(Rule::Fraction),
        };
        let array = TimestampMicrosecondArray::from(values.clone()).with_timezone("UTC");
        prop_assert_eq!(found(array.clone(), &limits), naive(&values, rule));
        let done = normalized(array.clone(), &limits, &Policy::Clamp);
        prop_assert_eq!(done.array.data_type(), array.data_type());
        let after = done.array.as_primitive::<t::TimestampMicrosecondType>();
        let inside: Vec<i64> = (min.div_euclid(unit)..=max.div_euclid(unit) + 1)
            .map(|step| step * unit)
            .filter(|value| (min..=max).contains(value))
            .take(50_000)
            .collect();
        prop_assume!(inside.len() < 50_000 && !inside.is_empty());
        for (before, after) in values.iter().zip(after) {
            let Some(before) = *before else {
                prop_assert_eq!(after, None);
                continue;
            };
            if rule(&before).is_none() || before == i64::MIN + 1 {
                prop_assert_eq!(after, Some(before));
                continue;
            }
            let distance = |to: i64| (i128::from(to) - i128::from(before)).abs();
            let nearest = inside.iter().map(|to| distance(*to)).min().unwrap();
            prop_assert_eq!(distance(after.unwrap()), nearest, "{} became {:?}", before, after);
        }
        let zeros = naive(&values, |value| rule(value).filter(|rule| *rule == Rule::ZeroDate));
        prop_assert_eq!(done.misfits.len(), zeros.len());
    }

    #[test]
    fn null_takes_exactly_the_misfits(values in vec(option::of(any::<f64>()), 0..60)) {
        let limits = L::Float { nan: false, infinite: false };
        let done = normalized(Float64Array::from(values.clone()), &limits, &Policy::Null);
        let naive: Vec<_> = values.iter().map(|value| value.filter(|value| value.is_finite())).collect();
        prop_assert_eq!(done.array.as_primitive::<t::Float64Type>(), &Float64Array::from(naive.clone()));
        let changed = values.iter().zip(&naive).filter(|(a, b)| a.is_some() != b.is_some()).count();
        prop_assert_eq!(done.applied.values().sum::<u64>(), changed as u64);
    }
}

#[test]
fn nothing_outside_means_nothing_copied() {
    let array: ArrayRef = Arc::new(StringArray::from(vec![Some("abc"), None]));
    let done = normalize(&array, Vec::new(), &text(Some(3), None), &Policy::Null).unwrap();
    assert!(Arc::ptr_eq(&array, &done.array));
}

#[test]
fn garbage_under_a_null_is_inside() {
    let floats = Float64Array::new(vec![f64::NAN, 1.0].into(), Some(vec![false, true].into()));
    assert_eq!(found(floats, &L::Float { nan: false, infinite: false }), []);
}

#[test]
fn infinities_are_clamped_and_nan_is_not() {
    let limits = L::Float { nan: false, infinite: false };
    let values = vec![f32::INFINITY, -f32::INFINITY, f32::NAN, 1.0];
    let done = normalized(Float32Array::from(values), &limits, &Policy::Clamp);
    let after = done.array.as_primitive::<t::Float32Type>();
    assert_eq!(after.values()[..2], [f32::MAX, f32::MIN]);
    assert_eq!(done.misfits, [Misfit { row: 2, rule: Rule::Nan }]);
    assert_eq!(done.applied[&Rule::Infinite], 2);
}

#[test]
fn dates_are_clamped_to_days() {
    let limits = L::Temporal { min: -10, max: 10, infinite: false, zero: false, digits: 0 };
    let days = Date32Array::from(vec![i32::MAX, i32::MIN, i32::MIN + 1, 11, 3]);
    let done = normalized(days, &limits, &Policy::Clamp);
    let after = done.array.as_primitive::<t::Date32Type>();
    assert_eq!(after.values()[..], [10, -10, i32::MIN + 1, 10, 3]);
    assert_eq!(done.misfits, [Misfit { row: 2, rule: Rule::ZeroDate }]);
}

#[test]
fn characters_that_do_not_fit_are_replaced() {
    let limits = L::Text {
        chars: Some(4),
        bytes: None,
        nul: false,
        bmp_only: true,
        no_trailing_blank: true,
    };
    let words = StringArray::from(vec!["a\0b", "\u{1f600}", "long\0er", "x ", "fine"]);
    let done = normalized(words, &limits, &Policy::Replace("?".to_owned()));
    let after: Vec<_> = done.array.as_string::<i32>().iter().flatten().collect();
    assert_eq!(after, ["a?b", "?", "long?er", "x ", "fine"]);
    let left: Vec<_> = done.misfits.iter().map(|misfit| (misfit.row, misfit.rule)).collect();
    assert_eq!(left, [(2, Rule::Characters), (3, Rule::TrailingBlank)]);
    let labels = L::Labels(vec!["on".to_owned(), "off".to_owned()]);
    let done =
        normalized(StringArray::from(vec!["on", ""]), &labels, &Policy::Replace("off".into()));
    assert_eq!(done.array.as_string::<i32>().value(1), "off");
    let done = normalized(StringArray::from(vec!["on", ""]), &labels, &Policy::Replace("?".into()));
    assert_eq!(done.misfits.len(), 1);
}

#[test]
fn other_kinds_of_limits_are_looked_at_too() {
    assert_eq!(
        found(BooleanArray::from(vec![true]), &L::Integer { min: 0, max: 0 }),
        [(0, Rule::Range)]
    );
    let bytes = || BinaryArray::from(vec![&b"ab"[..], b"abc"]);
    assert_eq!(found(bytes(), &L::Bytes { max: 2, exact: false }), [(1, Rule::Bytes)]);
    assert_eq!(found(bytes(), &L::Bytes { max: 3, exact: true }), [(0, Rule::Bytes)]);
    let words = StringArray::from(vec!["NaN", "Infinity", "12.50", "x"]);
    let limits = L::Decimal { precision: 3, scale: 1, nan: true, infinite: false };
    assert_eq!(found(words, &limits), [(1, Rule::Infinite), (3, Rule::Form)]);
    let days = Date32Array::from(vec![i32::MAX, 5]);
    let open = L::Temporal { min: 0, max: micros(1), infinite: true, zero: false, digits: 6 };
    assert_eq!(found(days, &open), []);
}

#[test]
fn values_without_a_twin_are_counted_as_misfits() {
    let array: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(1.0)]));
    let unconverted = vec![Misfit { row: 0, rule: Rule::Class }];
    let strict = normalize(&array, unconverted.clone(), &L::Any, &Policy::Strict).unwrap();
    assert_eq!(strict.misfits, unconverted);
    let clamp = normalize(&array, unconverted.clone(), &L::Any, &Policy::Clamp).unwrap();
    assert_eq!(clamp.misfits, unconverted);
    let null = normalize(&array, unconverted, &L::Any, &Policy::Null).unwrap();
    assert_eq!((null.misfits.len(), null.applied[&Rule::Class]), (0, 1));
}
