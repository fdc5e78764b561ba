//! Values that the target would refuse or change stop the encoder, with the place and no value.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array,
    Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array,
};
use rowferry_core::CanonicalType as C;

use super::{
    super::{CodecError, Encoder, can_encode, rule::Rule},
    PgType as P, batch, column, encode,
};

const TEXT: C = C::Text { chars: None, fixed: false };

/// Encodes rows of which the first is good; answers with the second one's broken rule.
fn broken(canonical: C, pg: P, array: impl arrow_array::Array + 'static) -> Option<&'static str> {
    let columns = [column("c", canonical, pg)];
    let array: ArrayRef = Arc::new(array);
    match encode(&columns, &batch(&columns, vec![array])) {
        Ok(_) => None,
        Err(CodecError::Value { column, row, rule, .. }) => {
            assert_eq!((column.as_str(), row), ("c", 1));
            Some(rule)
        }
        Err(other) => panic!("{other}"),
    }
}

fn texts(pg: P, good: &str, other: &str) -> Option<&'static str> {
    broken(TEXT, pg, StringArray::from(vec![good, other]))
}

fn numeric(precision: u16, scale: i16) -> P {
    P::Numeric { precision_scale: Some((precision, scale)) }
}

#[test]
fn lengths_are_counted_in_characters() {
    let varchar = || P::Varchar { chars: Some(3) };
    assert_eq!(texts(varchar(), "äöü", "ab "), None);
    assert_eq!(texts(varchar(), "", "abc "), Some(Rule::CHARS.words));
    let bpchar = || P::Bpchar { chars: Some(3) };
    assert_eq!(texts(bpchar(), "a", "äöü"), None);
    assert_eq!(texts(bpchar(), "a", "abcd"), Some(Rule::CHARS.words));
    assert_eq!(texts(bpchar(), "a", "a "), Some(Rule::BLANKS.words));
}

#[test]
fn texts_are_checked() {
    assert_eq!(texts(P::Text, "a", "b\0"), Some(Rule::NUL.words));
    let labels = || P::Enum { labels: vec!["x".to_owned(), "y".to_owned()] };
    assert_eq!(texts(labels(), "x", "y"), None);
    assert_eq!(texts(labels(), "x", "z"), Some(Rule::LABEL.words));
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    assert_eq!(texts(P::Uuid, uuid, uuid), None);
    assert_eq!(texts(P::Uuid, uuid, &uuid.to_uppercase()), Some(Rule::UUID.words));
    let bytes: Vec<&[u8]> = vec![&[0; 16], &[0; 15]];
    let binary = C::Binary { bytes: None, fixed: false };
    assert_eq!(broken(binary, P::Uuid, BinaryArray::from(bytes)), Some(Rule::UUID.words));
}

#[test]
fn integers_narrow_only_where_they_fit() {
    let values = || Int64Array::from(vec![1, 70_000]);
    assert_eq!(broken(C::Int64, P::Int4, values()), None);
    assert_eq!(broken(C::Int64, P::Int2, values()), Some(Rule::RANGE.words));
    assert_eq!(broken(C::Int64, P::Bool, values()), Some(Rule::NOT_BOOL.words));
    assert_eq!(broken(C::Int64, numeric(4, 0), values()), Some(Rule::PRECISION.words));
    assert_eq!(broken(C::Int64, numeric(5, 0), values()), None);
    let large = || UInt64Array::from(vec![1, u64::MAX]);
    assert_eq!(broken(C::UInt64, P::Int8, large()), Some(Rule::RANGE.words));
    assert_eq!(broken(C::UInt64, numeric(20, 0), large()), None);
    assert_eq!(broken(C::UInt64, P::Float8, large()), Some(Rule::INEXACT.words));
    assert_eq!(broken(C::Int8, P::Int2, Int8Array::from(vec![1, -1])), None);
    assert_eq!(broken(C::Boolean, P::Int2, BooleanArray::from(vec![false, true])), None);
    let floats = Float64Array::from(vec![0.5, 0.1]);
    assert_eq!(broken(C::Float64, P::Float4, floats), Some(Rule::INEXACT.words));
}

#[test]
fn decimals_are_never_rounded() {
    let canonical = || C::Decimal { precision: 10, scale: 3 };
    let values = |second| {
        let array = Decimal128Array::from(vec![1_000, second]);
        array.with_precision_and_scale(10, 3).unwrap()
    };
    assert_eq!(broken(canonical(), numeric(10, 2), values(1_230)), None);
    assert_eq!(broken(canonical(), numeric(10, 2), values(1_239)), Some(Rule::SCALE.words));
    assert_eq!(broken(canonical(), numeric(4, 3), values(9_999)), None);
    assert_eq!(broken(canonical(), numeric(4, 3), values(10_000)), Some(Rule::PRECISION.words));
    assert_eq!(broken(canonical(), P::Numeric { precision_scale: None }, values(1_239)), None);
}

#[test]
fn decimal_texts_are_checked() {
    let values = |text| StringArray::from(vec!["1", text]);
    let any = || P::Numeric { precision_scale: None };
    for text in ["NaN", "-Infinity", "0.10", "-12.5"] {
        assert_eq!(broken(C::DecimalText, any(), values(text)), None, "{text}");
    }
    for text in ["", "-", ".5", "5.", "1e3", "+1", "١"] {
        let rule = broken(C::DecimalText, any(), values(text));
        assert_eq!(rule, Some(Rule::DECIMAL_TEXT.words), "{text}");
    }
    let typed = |text| broken(C::DecimalText, numeric(5, 2), values(text));
    assert_eq!(typed("999.990"), None);
    assert_eq!(typed("1000"), Some(Rule::PRECISION.words));
    assert_eq!(typed("0.001"), Some(Rule::SCALE.words));
    assert_eq!(typed("NaN"), None);
    assert_eq!(typed("Infinity"), Some(Rule::NO_INFINITY.words));
    // Scales below zero and beyond the precision, from version 15 on.
    let wide = |text| broken(C::DecimalText, numeric(2, -3), StringArray::from(vec!["0", text]));
    assert_eq!(wide("99000"), None);
    assert_eq!(wide("99500"), Some(Rule::SCALE.words));
    assert_eq!(wide("100000"), Some(Rule::PRECISION.words));
    let tiny = |text| broken(C::DecimalText, numeric(3, 5), StringArray::from(vec!["0", text]));
    assert_eq!(tiny("0.00999"), None);
    assert_eq!(tiny("0.01"), Some(Rule::PRECISION.words));
}

#[test]
fn calendars_differ_at_their_ends() {
    let stamp = |digits, second| {
        let array = TimestampMicrosecondArray::from(vec![0, second]);
        broken(C::Timestamp { digits: 6 }, P::Timestamp { digits }, array)
    };
    assert_eq!(stamp(6, i64::MAX), None);
    assert_eq!(stamp(6, i64::MIN + 1), Some(Rule::ZERO_DATE.words));
    assert_eq!(stamp(6, i64::MIN + 2), Some(Rule::TARGET_CALENDAR.words));
    assert_eq!(stamp(0, 1_000_000), None);
    assert_eq!(stamp(0, -1), Some(Rule::FRACTION.words));
    let date = |second| broken(C::Date, P::Date, Date32Array::from(vec![0, second]));
    assert_eq!(date(i32::MIN + 1), Some(Rule::ZERO_DATE.words));
    assert_eq!(date(i32::MIN + 2), Some(Rule::TARGET_CALENDAR.words));
    assert_eq!(date(i32::MAX - 1), Some(Rule::TARGET_CALENDAR.words));
    assert_eq!(date(-2_440_588), None);
    let time = |second| {
        let array = Time64MicrosecondArray::from(vec![0, second]);
        broken(C::Time { digits: 6 }, P::Time { digits: 6 }, array)
    };
    assert_eq!(time(86_400_000_000), None);
    assert_eq!(time(86_400_000_001), Some(Rule::TIME_OF_DAY.words));
}

#[test]
fn bits_must_fit() {
    let bits = |bits, second| {
        let array = UInt64Array::from(vec![0, second]);
        broken(C::Bits { bits }, P::Bit { bits: bits.into() }, array)
    };
    assert_eq!(bits(3, 7), None);
    assert_eq!(bits(3, 8), Some(Rule::BITS.words));
    assert_eq!(bits(64, u64::MAX), None);
}

#[test]
fn pairs_without_a_rule_are_refused_early() {
    assert!(!can_encode(&C::Timestamp { digits: 6 }, &P::TimestampTz { digits: 6 }));
    assert!(!can_encode(&C::Float64, &P::Numeric { precision_scale: None }));
    assert!(!can_encode(&C::Bits { bits: 8 }, &P::Bit { bits: 10 }));
    let refused = Encoder::new(&[column("c", C::Date, P::Text)]);
    assert!(matches!(refused, Err(CodecError::NoEncoding { .. })));
}

#[test]
fn a_slot_behind_a_null_is_never_looked_at() {
    let nulls = arrow_buffer::NullBuffer::from(vec![true, false]);
    let array = Int64Array::new(vec![1, i64::MAX].into(), Some(nulls));
    assert_eq!(broken(C::Int64, P::Int2, array), None);
}

#[test]
fn an_error_leaves_the_buffer_as_it_was() {
    let columns = [column("c", C::Int64, P::Int2)];
    let rows = batch(&columns, vec![Arc::new(Int64Array::from(vec![1, 1 << 40]))]);
    let mut out = bytes::BytesMut::from(&b"before"[..]);
    assert!(Encoder::new(&columns).unwrap().encode(&rows, &mut out).is_err());
    assert_eq!(out, &b"before"[..]);
}
