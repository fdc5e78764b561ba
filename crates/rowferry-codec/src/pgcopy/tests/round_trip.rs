//! What is encoded decodes to the same values, and is what the naive encoder makes of them.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    FixedSizeBinaryArray, Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_buffer::i256;
use proptest::{collection::vec, option, prelude::*};
use rowferry_core::CanonicalType as C;

use super::{
    super::{ColumnCodec, decode},
    PgType as P, batch, column, encode, naive,
};

/// Rows beyond one block, so that blocks meet.
const ROWS: usize = 300;

fn columns() -> Vec<ColumnCodec> {
    let numeric = |precision, scale| P::Numeric { precision_scale: Some((precision, scale)) };
    vec![
        column("bool", C::Boolean, P::Bool),
        column("int2", C::Int16, P::Int2),
        column("int4", C::Int32, P::Int4),
        column("int8", C::Int64, P::Int8),
        column("float8", C::Float64, P::Float8),
        column("money", C::Decimal { precision: 15, scale: 2 }, numeric(15, 2)),
        column("long", C::Decimal { precision: 38, scale: 9 }, numeric(38, 9)),
        column("wide", C::Decimal { precision: 70, scale: 35 }, numeric(70, 35)),
        column("any", C::DecimalText, P::Numeric { precision_scale: None }),
        column("text", C::Text { chars: None, fixed: false }, P::Text),
        column("bytes", C::Binary { bytes: None, fixed: false }, P::Bytea),
        column("date", C::Date, P::Date),
        column("stamp", C::Timestamp { digits: 6 }, P::Timestamp { digits: 6 }),
        column("uuid", C::Uuid, P::Uuid),
        column("bits", C::Bits { bits: 13 }, P::Bit { bits: 13 }),
    ]
}

type Texts = (Vec<Option<String>>, Vec<Option<String>>, Vec<Option<Vec<u8>>>);

fn rows() -> impl Strategy<Value = RecordBatch> {
    (0..ROWS)
        .prop_flat_map(|rows| {
            let days = prop_oneof![-2_440_588..2_145_000_000_i32, Just(i32::MAX), Just(i32::MIN)];
            let micros =
                prop_oneof![-210_866_803_200_000_000..i64::MAX, Just(i64::MAX), Just(i64::MIN)];
            let small = -999_999_999_999_999..=999_999_999_999_999_i128;
            let long = -(10_i128.pow(38) - 1)..10_i128.pow(38);
            let plain =
                "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?".prop_filter("minus zero", |text| {
                    !text.starts_with('-') || text.contains(|digit| ('1'..='9').contains(&digit))
                });
            let numbers = (
                vec(option::of(any::<bool>()), rows),
                vec(option::of(any::<i16>()), rows),
                vec(option::of(any::<i32>()), rows),
                vec(option::of(any::<i64>()), rows),
                vec(option::of(any::<f64>()), rows),
                vec(option::of(small), rows),
                vec(option::of(long), rows),
                vec(option::of("-?[1-9][0-9]{0,69}"), rows),
            );
            let texts = (
                vec(option::of(plain), rows),
                vec(option::of("[^\\x00]{0,40}"), rows),
                vec(option::of(vec(any::<u8>(), 0..40)), rows),
            );
            let others = (
                vec(option::of(days), rows),
                vec(option::of(micros), rows),
                vec(option::of(any::<[u8; 16]>()), rows),
                vec(option::of(0..1_u64 << 13), rows),
            );
            (numbers, texts, others)
        })
        .prop_map(|(numbers, texts, others)| {
            let (bools, int2, int4, int8, float8, money, long, wide) = numbers;
            let (any, text, bytes): Texts = texts;
            let (days, micros, uuids, bits) = others;
            let wide = wide.iter().map(|text| text.as_deref().and_then(i256::from_string));
            let uuids = uuids.into_iter();
            let arrays: Vec<ArrayRef> = vec![
                Arc::new(BooleanArray::from(bools)),
                Arc::new(Int16Array::from(int2)),
                Arc::new(Int32Array::from(int4)),
                Arc::new(Int64Array::from(int8)),
                Arc::new(Float64Array::from(float8)),
                Arc::new(Decimal128Array::from(money).with_precision_and_scale(15, 2).unwrap()),
                Arc::new(Decimal128Array::from(long).with_precision_and_scale(38, 9).unwrap()),
                Arc::new(
                    wide.collect::<Decimal256Array>().with_precision_and_scale(70, 35).unwrap(),
                ),
                Arc::new(StringArray::from(any)),
                Arc::new(StringArray::from(text)),
                Arc::new(bytes.iter().map(Option::as_deref).collect::<BinaryArray>()),
                Arc::new(Date32Array::from(days)),
                Arc::new(TimestampMicrosecondArray::from(micros)),
                Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids, 16).unwrap()),
                Arc::new(UInt64Array::from(bits)),
            ];
            batch(&columns(), arrays)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn decoding_undoes_encoding(rows in rows()) {
        let columns = columns();
        let bytes = encode(&columns, &rows).unwrap();
        prop_assert_eq!(&bytes, &naive::encode(&columns, &rows));
        prop_assert_eq!(decode(&columns, &bytes, rows.num_rows()).unwrap(), rows);
    }

    #[test]
    fn damaged_bytes_never_panic(rows in rows(), flips in vec((any::<usize>(), any::<u8>()), 1..8), cut in any::<usize>()) {
        let columns = columns();
        let mut bytes = encode(&columns, &rows).unwrap();
        let count = rows.num_rows();
        if !bytes.is_empty() {
            let end = cut % bytes.len();
            prop_assert!(decode(&columns, bytes.get(..end).unwrap(), count).is_err());
            for (at, mask) in flips {
                let at = at % bytes.len();
                bytes[at] ^= mask;
            }
        }
        // Either answer is right; a panic is not.
        drop(decode(&columns, &bytes, count));
    }
}
