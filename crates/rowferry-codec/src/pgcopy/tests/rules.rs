//! Values that the target would refuse or change stop the encoder, with the place and no value.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray,
    FixedSizeBinaryArray, Float64Array, Int8Array, Int64Array, ListArray, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array, types::Int64Type,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use rowferry_core::CanonicalType as C;

use super::{
    super::{CodecError, Encoder, can_decode, can_encode, decode, rule::Rule},
    PgType as P, batch, column, encode,
    recorded::{self, TEXT, numeric},
};

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
fn bit_strings_have_the_targets_length() {
    let bits = |pg, text: &str| {
        broken(C::BitString { bits: None, varying: true }, pg, StringArray::from(vec!["101", text]))
    };
    assert_eq!(bits(P::Bit { bits: 3 }, "111"), None);
    assert_eq!(bits(P::Bit { bits: 3 }, "11"), Some(Rule::BIT_COUNT.words));
    assert_eq!(bits(P::Bit { bits: 3 }, "1111"), Some(Rule::BIT_COUNT.words));
    assert_eq!(bits(P::VarBit { bits: Some(3) }, ""), None);
    assert_eq!(bits(P::VarBit { bits: Some(3) }, "1111"), Some(Rule::BIT_COUNT.words));
    assert_eq!(bits(P::VarBit { bits: None }, &"01".repeat(99)), None);
    assert_eq!(bits(P::VarBit { bits: None }, "012"), Some(Rule::BIT_TEXT.words));
    assert_eq!(bits(P::Varchar { chars: Some(3) }, "0000"), Some(Rule::CHARS.words));
    assert!(can_encode(&C::Bits { bits: 3 }, &P::VarBit { bits: Some(3) }));
    assert!(!can_encode(&C::Bits { bits: 4 }, &P::VarBit { bits: Some(3) }));
}

#[test]
fn times_with_zone_are_checked() {
    let time = |digits, text| {
        let array = StringArray::from(vec!["00:00:00+00", text]);
        broken(C::TimeTz, P::TimeTz { digits }, array)
    };
    for text in ["24:00:00-15:59:59", "12:34:56.789000+02:00", "23:59:59.999999+01:30:15"] {
        assert_eq!(time(6, text), None, "{text}");
    }
    let malformed = [
        "",
        "12:34:56",
        "12:34+02",
        "12:34:56 +02",
        "12:34:56.+02",
        "12:34:56.1234567+02",
        "1:2:3+4",
        "12:60:00+00",
        "12:00:60+00",
        "12:34:56+16",
        "12:34:56+01:60",
        "12:34:56+02:",
        "12:34:56Z",
        "12:34:56+01:02:03:04",
        "-1:00:00+00",
        "12:34:56+02 ",
        "١٢:34:56+02",
    ];
    for text in malformed {
        assert_eq!(time(6, text), Some(Rule::TIME_TZ.words), "{text}");
    }
    assert_eq!(time(6, "24:00:01+00"), Some(Rule::TIME_OF_DAY.words));
    assert_eq!(time(2, "12:34:56.780+02"), None);
    assert_eq!(time(2, "12:34:56.789+02"), Some(Rule::FRACTION.words));
}

#[test]
fn intervals_keep_their_digits() {
    let interval = |digits, micros: i64| {
        let value = |micros: i64| (i128::from(micros) << 64 | 0x7_0000_0003).to_be_bytes();
        let values = [value(0), value(micros)];
        let array = FixedSizeBinaryArray::try_from_iter(values.iter()).unwrap();
        broken(C::Interval, P::Interval { digits }, array)
    };
    assert_eq!(interval(6, -1), None);
    assert_eq!(interval(2, -10_000), None);
    assert_eq!(interval(2, -10_001), Some(Rule::FRACTION.words));
    assert_eq!(interval(0, i64::MAX), None);
    let duration = |digits, micros| {
        let array = DurationMicrosecondArray::from(vec![0, micros]);
        broken(C::Duration { digits: 6 }, P::Interval { digits }, array)
    };
    assert_eq!(duration(3, 5_000), None);
    assert_eq!(duration(3, 5_500), Some(Rule::FRACTION.words));
}

#[test]
fn amounts_and_system_types_have_ranges() {
    let money = |digits, second| {
        let array = Decimal128Array::from(vec![100, second]);
        let array = array.with_precision_and_scale(30, 2).unwrap();
        broken(C::Decimal { precision: 30, scale: 2 }, P::Money { digits }, array)
    };
    assert_eq!(money(2, i64::MIN.into()), None);
    assert_eq!(money(2, i128::from(i64::MAX) + 1), Some(Rule::RANGE.words));
    assert_eq!(money(0, 200), None);
    assert_eq!(money(0, 250), Some(Rule::SCALE.words));
    assert_eq!(money(3, i64::MAX.into()), Some(Rule::RANGE.words));
    let integers = |pg, second| broken(C::Int64, pg, Int64Array::from(vec![1, second]));
    assert_eq!(integers(P::Xid, u32::MAX.into()), None);
    assert_eq!(integers(P::Xid, -1), Some(Rule::RANGE.words));
    assert_eq!(integers(P::Lsn, i64::MAX), None);
    assert_eq!(integers(P::Xid8, -1), Some(Rule::RANGE.words));
    let bytes: Vec<&[u8]> = vec![b"a", b"ab"];
    let bytes = BinaryArray::from(bytes);
    assert_eq!(broken(recorded::BINARY, P::Char1, bytes), Some(Rule::ONE_BYTE.words));
}

#[test]
fn elements_are_checked_as_columns_are() {
    let lists = |canonical: C, element: P, items: Vec<Vec<Option<i64>>>| {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(items.into_iter().map(Some));
        broken(recorded::list(canonical), recorded::array(element, 21), list)
    };
    let rows = |last| vec![vec![Some(1), None, Some(2)], vec![None, Some(3), last]];
    assert_eq!(lists(C::Int64, P::Int2, rows(Some(4))), None);
    assert_eq!(lists(C::Int64, P::Int2, rows(Some(70_000))), Some(Rule::RANGE.words));
    // Without the element type's number an array can be read, and not written.
    assert!(!can_encode(&recorded::list(C::Int64), &recorded::array(P::Int8, 0)));
    assert!(can_decode(&recorded::list(C::Int64), &recorded::array(P::Int8, 0)));
    assert!(!can_encode(&recorded::list(C::Date), &recorded::array(P::Int8, 20)));
    let set = C::Set { labels: vec!["x".to_owned(), "z".to_owned()] };
    let labels = P::Enum { labels: vec!["x".to_owned(), "y".to_owned()] };
    let sets = StringArray::from(vec!["x", "x,z"]);
    assert_eq!(broken(set, recorded::array(labels, 99), sets), Some(Rule::LABEL.words));
}

#[test]
fn elements_behind_a_null_are_never_looked_at() {
    let texts = StringArray::from(vec!["a", "b\0", "c"]);
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    let list = |nulls: Vec<bool>| {
        let offsets = OffsetBuffer::from_lengths([1, 1, 1]);
        ListArray::new(Arc::clone(&item), offsets, Arc::new(texts.clone()), Some(nulls.into()))
    };
    let check = |nulls| broken(recorded::list(TEXT), recorded::array(P::Text, 25), list(nulls));
    assert_eq!(check(vec![true, false, true]), None);
    assert_eq!(check(vec![true, true, true]), Some(Rule::NUL.words));
}

#[test]
fn an_element_that_breaks_a_rule_is_found_by_its_row() {
    // 400 arrays, so that the broken one lies behind the first block; row 300 is empty.
    let broken_row = 301;
    let numbers = |canonical: C| {
        let rows = (0..400).map(|row| {
            let value = if row == broken_row { 7_000 } else { 7 };
            let count = if row == 300 { 0 } else { row % 3 + 1 };
            Some(vec![Some(value); count])
        });
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(rows);
        let columns =
            [column("c", recorded::list(canonical), recorded::array(numeric(9, 0), 1700))];
        encode(&columns, &batch(&columns, vec![Arc::new(list)])).unwrap()
    };
    let narrow = recorded::list(C::Decimal { precision: 3, scale: 0 });
    let columns = [column("c", narrow, recorded::array(numeric(3, 0), 1700))];
    let error = decode(&columns, &numbers(C::Int64), 400).unwrap_err();
    assert_eq!(error.place(), Some(("c", broken_row)));
    // Text is looked at when all of it is there.
    let bytes: Vec<Vec<u8>> = (0..400)
        .map(|row| if row == broken_row { vec![0xff] } else { vec![b'a'; row % 3] })
        .collect();
    let item = Arc::new(Field::new("item", DataType::Binary, true));
    let lengths = (0..400).map(|row| usize::from(row != 300));
    let values = bytes.iter().enumerate().filter(|(row, _)| *row != 300).map(|(_, value)| value);
    let values = Arc::new(BinaryArray::from_iter_values(values));
    let list = ListArray::new(item, OffsetBuffer::from_lengths(lengths), values, None);
    let from = [column("c", recorded::list(recorded::BINARY), recorded::array(P::Bytea, 25))];
    let wire = encode(&from, &batch(&from, vec![Arc::new(list)])).unwrap();
    let to = [column("c", recorded::list(TEXT), recorded::array(P::Text, 25))];
    let error = decode(&to, &wire, 400).unwrap_err();
    assert_eq!(error.place(), Some(("c", broken_row)));
}

#[test]
fn a_field_that_breaks_a_rule_is_found_by_its_row() {
    // Rows at both ends of a word of null bits and of a block, with NULLs before them.
    for broken_row in [0, 1, 63, 64, 65, 255, 256, 257, 320, 399] {
        let check = |good: &[u8], bad: &[u8], canonical: C, pg: P| {
            let field = |row| match row {
                row if row == broken_row => Some(bad),
                row if row % 5 == 3 => None,
                _ => Some(good),
            };
            let bytes: BinaryArray = (0..400).map(field).collect();
            let from = [column("c", recorded::BINARY, P::Bytea)];
            let wire = encode(&from, &batch(&from, vec![Arc::new(bytes)])).unwrap();
            let error = decode(&[column("c", canonical, pg)], &wire, 400).unwrap_err();
            assert_eq!(error.place(), Some(("c", broken_row)));
        };
        check(&[0; 8], &[0; 7], C::Int64, P::Int8);
        check(&[0; 4], &[0x7f, 0xff, 0xff, 0xfe], C::Date, P::Date);
        let digit = |digit| [0, 1, 0, 0, 0, 0, 0, 0, 0, digit];
        check(&digit(9), &digit(10), C::Decimal { precision: 1, scale: 0 }, numeric(1, 0));
        let labels = || vec!["a".to_owned()];
        check(b"a", b"b", C::Enum { labels: labels() }, P::Enum { labels: labels() });
        check(b"a", b"\xff", TEXT, P::Text);
    }
}

#[test]
fn pairs_without_a_rule_are_refused_early() {
    assert!(!can_encode(&C::Timestamp { digits: 6 }, &P::TimestampTz { digits: 6 }));
    assert!(!can_encode(&C::Float64, &P::Numeric { precision_scale: None }));
    assert!(!can_encode(&C::Bits { bits: 8 }, &P::Bit { bits: 10 }));
    let money =
        |precision, scale| can_decode(&C::Decimal { precision, scale }, &P::Money { digits: 2 });
    // Eighteen digits are fewer than 64 bits have, and more than 38 are another array.
    assert_eq!(
        [money(18, 2), money(19, 2), money(19, 3), money(39, 2)],
        [false, true, false, false]
    );
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

#[test]
fn a_batch_is_written_into_memory_that_is_taken_once() {
    let columns = [column("id", C::Int64, P::Int8), column("note", TEXT, P::Text)];
    // Fifty rows of the second hundred are twice as long: within the slack.
    let note = |row: i64| "-".repeat(if (100..150).contains(&row) { 60 } else { 30 });
    let rows = batch(
        &columns,
        vec![
            Arc::new(Int64Array::from_iter_values(0..10_000)),
            Arc::new(StringArray::from_iter_values((0..10_000).map(note))),
        ],
    );
    let mut out = bytes::BytesMut::new();
    Encoder::new(&columns).unwrap().encode(&rows, &mut out).unwrap();
    // A buffer that doubled would end at a power of two times its first room.
    let first = 256 * (2 + 4 + 8 + 4 + 30) + 50 * 30;
    let expected = crate::expected::bytes(first, 256, 10_000);
    assert_eq!(out.capacity(), expected);
    assert!(out.len() <= expected && expected <= out.len() * 6 / 5, "{} of {expected}", out.len());
}
