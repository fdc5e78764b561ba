//! Bytes that a real server wrote, decoded and encoded again.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    DurationMicrosecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    UInt32Array, UInt64Array,
};
use arrow_buffer::i256;
use rowferry_core::{CanonicalType as C, JsonFlavor};

use super::{
    super::{CodecError, ColumnCodec, can_encode, decode, rule::Rule},
    PgType as P, batch, column, encode, recorded, render,
};

fn check(name: &str, canonical: C, pg: P, array: impl arrow_array::Array + 'static) {
    let columns = [column(name, canonical, pg)];
    let expected = batch(&columns, vec![Arc::new(array) as ArrayRef]);
    let bytes = recorded::bytes(name);
    assert_eq!(decode(&columns, &bytes, 1).unwrap(), expected, "decoding {name}");
    // char(n) is padded by the server, so its bytes differ in blanks alone.
    if name != "bpchar" {
        assert_eq!(encode(&columns, &expected).unwrap(), bytes, "encoding {name}");
    }
}

fn decimal(name: &str, value: i128, precision: u8, scale: i8) {
    let canonical = C::Decimal { precision, scale: scale.unsigned_abs() };
    let pg = P::Numeric { precision_scale: Some((precision.into(), scale.into())) };
    let array = Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale);
    check(name, canonical, pg, array.unwrap());
}

fn decimal_text(name: &str, text: &str) {
    let array = StringArray::from(vec![text]);
    check(name, C::DecimalText, P::Numeric { precision_scale: None }, array);
}

/// What the server itself makes of the value as text is what the decoded value says; encoded again
/// it is what the server wrote.
#[test]
fn decoded_values_are_the_servers_own_texts() {
    for (name, canonical, pg) in recorded::meaningful() {
        let columns = [column(name, canonical, pg)];
        let [ColumnCodec { canonical, pg, .. }] = &columns;
        let bytes = recorded::bytes(name);
        let rows = decode(&columns, &bytes, 1).unwrap();
        // Blanks at the end of char(n) mean nothing: they are not delivered, and in an array they
        // show in the text.
        if name != "bpchar_list" {
            let text = render::text(canonical, pg, rows.column(0).as_ref(), 0);
            assert_eq!(text, recorded::text(name), "{name} as {}", canonical.name());
        }
        let is_padded = name.starts_with("bpchar");
        // An infinite numeric has a display scale that means nothing.
        if !is_padded && name != "numeric_infinity" && can_encode(canonical, pg) {
            assert_eq!(encode(&columns, &rows).unwrap(), bytes, "encoding {name}");
        }
    }
}

/// The column could be read as something wider; nothing is wrong with the value.
#[test]
fn values_beyond_the_meaning_are_told_from_damage() {
    let ints = || (recorded::list(C::Int32), recorded::array(P::Int4, 23));
    let decimal = C::Decimal { precision: 5, scale: 2 };
    let cases = [
        ("numeric_nan_typed", C::Decimal { precision: 15, scale: 2 }, recorded::numeric(15, 2)),
        (
            "numeric_list_nan",
            recorded::list(decimal),
            recorded::array(recorded::numeric(5, 2), 1700),
        ),
        ("array_2d", ints().0, ints().1),
        ("array_6d", ints().0, ints().1),
        ("array_lower_0", ints().0, ints().1),
        ("array_lower_negative", recorded::list(recorded::TEXT), recorded::array(P::Text, 25)),
        ("timestamp_beyond", C::Timestamp { digits: 6 }, P::Timestamp { digits: 6 }),
        ("interval_parts", C::Duration { digits: 6 }, P::Interval { digits: 6 }),
    ];
    for (name, canonical, pg) in cases {
        let error = decode(&[column(name, canonical, pg)], &recorded::bytes(name), 1).unwrap_err();
        assert!(error.is_unrepresentable(), "{name}: {error}");
        assert_eq!(error.place(), Some((name, 0)));
    }
}

/// The first value's broken rule, which is the fault of the bytes and not of the meaning.
fn damage(canonical: C, pg: P, bytes: &[u8]) -> &'static str {
    match decode(&[column("c", canonical, pg)], bytes, 1) {
        Err(CodecError::Value { row: 0, rule, unrepresentable: false, .. }) => rule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn damaged_values_are_refused() {
    let ints =
        |oid, bytes: &[u8]| damage(recorded::list(C::Int32), recorded::array(P::Int4, oid), bytes);
    assert_eq!(ints(20, &recorded::bytes("int4_list")), Rule::ELEMENT_TYPE.words);
    let array = |words: &[i32]| {
        let length = i32::try_from(words.len() * 4).unwrap();
        let bytes = [length].into_iter().chain(words.iter().copied()).flat_map(i32::to_be_bytes);
        [0, 1].into_iter().chain(bytes).collect::<Vec<u8>>()
    };
    let malformed: [&[i32]; 11] = [
        &[],
        &[0],
        &[0, 0, 23, 1],
        &[-1, 0, 23],
        &[7, 0, 23],
        &[1, 0, 23, 1],
        &[1, 0, 23, 1, 1],
        &[1, 0, 23, -1, 1],
        &[1, 0, 23, 1, 1, 5, 7],
        &[1, 0, 23, 1, 1, -2, 7],
        &[1, 0, 23, 1, 1, 4, 7, 0],
    ];
    for words in malformed {
        assert_eq!(ints(23, &array(words)), Rule::ARRAY_FORM.words, "{words:?}");
    }
    assert_eq!(ints(23, &array(&[1, 0, 23, 1, 1, 8, 7, 7])), Rule::LENGTH.words);
    let bits = |bits| C::BitString { bits: Some(bits), varying: false };
    let other = damage(bits(13), P::Bit { bits: 13 }, &recorded::bytes("bit12"));
    assert_eq!(other, Rule::LENGTH.words);
    let number = damage(C::Bits { bits: 13 }, P::Bit { bits: 13 }, &recorded::bytes("bit12"));
    assert_eq!(number, Rule::LENGTH.words);
    let char1 = C::Binary { bytes: Some(1), fixed: true };
    assert_eq!(damage(char1, P::Char1, &recorded::bytes("text_empty")), Rule::LENGTH.words);
    let time = damage(C::TimeTz, P::TimeTz { digits: 6 }, &recorded::bytes("time"));
    assert_eq!(time, Rule::LENGTH.words);
    let interval = damage(C::Interval, P::Interval { digits: 6 }, &recorded::bytes("time"));
    assert_eq!(interval, Rule::LENGTH.words);
}

#[test]
fn numbers() {
    check("bool", C::Boolean, P::Bool, BooleanArray::from(vec![true]));
    check("int2", C::Int16, P::Int2, Int16Array::from(vec![-2]));
    check("int4", C::Int32, P::Int4, Int32Array::from(vec![i32::MAX]));
    check("int8", C::Int64, P::Int8, Int64Array::from(vec![i64::MIN]));
    check("oid", C::UInt32, P::Oid, UInt32Array::from(vec![u32::MAX]));
    check("float4", C::Float32, P::Float4, Float32Array::from(vec![-0.0]));
    check("float8", C::Float64, P::Float8, Float64Array::from(vec![f64::NAN]));
    check("null", C::Int32, P::Int4, Int32Array::from(vec![None]));
    check("bit3", C::Bits { bits: 3 }, P::Bit { bits: 3 }, UInt64Array::from(vec![5]));
    check("bit12", C::Bits { bits: 12 }, P::Bit { bits: 12 }, UInt64Array::from(vec![1]));
}

#[test]
fn decimals() {
    decimal("numeric_money", 2_116_823, 15, 2);
    decimal("numeric_zero", 0, 15, 2);
    decimal("numeric_small", -5, 15, 10);
    decimal("numeric_38", 10_i128.pow(38) - 1, 38, 3);
    let wide = i256::from_string("-12345678901234567890123456789012345678901230000123").unwrap();
    check(
        "numeric_wide",
        C::Decimal { precision: 50, scale: 7 },
        P::Numeric { precision_scale: Some((50, 7)) },
        Decimal256Array::from(vec![wide]).with_precision_and_scale(50, 7).unwrap(),
    );
    decimal_text("numeric_power", "10000000000");
    decimal_text("numeric_tiny", "0.00000000000000000001");
    decimal_text("numeric_scale", "1.10");
    decimal_text("numeric_nan", "NaN");
}

#[test]
fn infinity_comes_with_a_display_scale_that_means_nothing() {
    let columns = [column("n", C::DecimalText, P::Numeric { precision_scale: None })];
    let rows = decode(&columns, &recorded::bytes("numeric_infinity"), 1).unwrap();
    let expected = batch(&columns, vec![Arc::new(StringArray::from(vec!["-Infinity"]))]);
    assert_eq!(rows, expected);
}

#[test]
fn texts() {
    let text = C::Text { chars: None, fixed: false };
    check("text", text.clone(), P::Text, StringArray::from(vec!["grüße 😀"]));
    check("varchar", text, P::Varchar { chars: Some(3) }, StringArray::from(vec![""]));
    let fixed = C::Text { chars: Some(5), fixed: true };
    check("bpchar", fixed, P::Bpchar { chars: Some(5) }, StringArray::from(vec!["ab"]));
    let bytes: &[u8] = b"\x00\xff\\";
    check(
        "bytea",
        C::Binary { bytes: None, fixed: false },
        P::Bytea,
        BinaryArray::from(vec![bytes]),
    );
    let json = || StringArray::from(vec![r#"{"a" : 1.10}"#]);
    check("json", C::Json { flavor: JsonFlavor::Text }, P::Json, json());
    let jsonb = StringArray::from(vec![r#"{"a": 1.10}"#]);
    check("jsonb", C::Json { flavor: JsonFlavor::PgJsonb }, P::Jsonb, jsonb);
    let uuid = 0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11_u128.to_be_bytes();
    let uuid = FixedSizeBinaryArray::try_from_iter([uuid].into_iter()).unwrap();
    check("uuid", C::Uuid, P::Uuid, uuid);
}

#[test]
fn times() {
    // Days and microseconds since 1970, reckoned by `date -u`.
    check("date", C::Date, P::Date, Date32Array::from(vec![19_782]));
    check("date_bc", C::Date, P::Date, Date32Array::from(vec![-2_440_550]));
    check("date_infinity", C::Date, P::Date, Date32Array::from(vec![i32::MIN]));
    let time = Time64MicrosecondArray::from(vec![86_400_000_000]);
    check("time", C::Time { digits: 6 }, P::Time { digits: 6 }, time);
    let stamp = |name, micros| {
        let array = TimestampMicrosecondArray::from(vec![micros]);
        check(name, C::Timestamp { digits: 6 }, P::Timestamp { digits: 6 }, array);
    };
    stamp("timestamp", 946_684_799_999_999);
    stamp("timestamp_infinity", i64::MAX);
    let instant = TimestampMicrosecondArray::from(vec![1_709_200_800_500_000]);
    let instant = instant.with_timezone("UTC");
    check("timestamptz", C::Instant { digits: 6 }, P::TimestampTz { digits: 6 }, instant);
    let length = DurationMicrosecondArray::from(vec![-3_020_399_500_000]);
    check("interval", C::Duration { digits: 6 }, P::Interval { digits: 6 }, length);
}
