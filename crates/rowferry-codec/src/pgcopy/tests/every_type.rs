//! Every canonical type: what is encoded decodes to the same values.

use std::sync::Arc;

use arrow_array::{cast::AsArray, types::*, *};
use arrow_buffer::{OffsetBuffer, i256};
use arrow_schema::Field;
use proptest::{collection::vec, option, prelude::*};
use rowferry_core::{CanonicalType as C, JsonFlavor};

use super::{
    super::{can_decode, decode},
    PgType as P, batch, column, encode,
    recorded::{BINARY, TEXT, array, labels, list, numeric},
};

/// Rows of one batch: more than a block, so that blocks meet.
const ROWS: std::ops::Range<usize> = 0..400;

type Arrays = BoxedStrategy<ArrayRef>;

fn arrays<T, A>(value: impl Strategy<Value = T> + 'static, rows: usize) -> Arrays
where
    T: std::fmt::Debug + 'static,
    A: Array + From<Vec<Option<T>>> + 'static,
{
    vec(option::of(value), rows).prop_map(|values| Arc::new(A::from(values)) as ArrayRef).boxed()
}

fn texts(value: impl Strategy<Value = String> + 'static, rows: usize) -> Arrays {
    arrays::<_, StringArray>(value, rows)
}

fn sixteens(rows: usize) -> Arrays {
    vec(option::of(any::<[u8; 16]>()), rows)
        .prop_map(|values| {
            let array =
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), 16);
            Arc::new(array.unwrap()) as ArrayRef
        })
        .boxed()
}

fn binaries(value: impl Strategy<Value = Vec<u8>> + 'static, rows: usize) -> Arrays {
    vec(option::of(value), rows)
        .prop_map(|values| Arc::new(BinaryArray::from_iter(values)) as ArrayRef)
        .boxed()
}

/// Values of a canonical type for a column of the server's type.
#[expect(clippy::too_many_lines, reason = "a table")]
fn values(canonical: &C, rows: usize) -> Arrays {
    let micros = || prop_oneof![-210_866_803_200_000_000..i64::MAX, Just(i64::MAX), Just(i64::MIN)];
    match canonical {
        C::Boolean => arrays::<_, BooleanArray>(any::<bool>(), rows),
        C::Int8 => arrays::<_, Int8Array>(any::<i8>(), rows),
        C::Int16 => arrays::<_, Int16Array>(any::<i16>(), rows),
        C::Int32 => arrays::<_, Int32Array>(any::<i32>(), rows),
        C::Int64 => arrays::<_, Int64Array>(any::<i64>(), rows),
        C::UInt8 => arrays::<_, UInt8Array>(any::<u8>(), rows),
        C::UInt16 => arrays::<_, UInt16Array>(any::<u16>(), rows),
        C::UInt32 => arrays::<_, UInt32Array>(any::<u32>(), rows),
        C::UInt64 => arrays::<_, UInt64Array>(any::<u64>(), rows),
        C::Bits { bits } => {
            let most = u64::MAX >> (64 - u32::from(*bits));
            arrays::<_, UInt64Array>(0..=most, rows)
        }
        C::Float32 => arrays::<_, Float32Array>(any::<f32>(), rows),
        C::Float64 => arrays::<_, Float64Array>(any::<f64>(), rows),
        C::Decimal { precision, scale } if *precision > 38 => {
            let (precision, scale) = (*precision, i8::try_from(*scale).unwrap());
            let digits = format!("-?[1-9][0-9]{{0,{}}}", precision - 1);
            vec(option::of(proptest::string::string_regex(&digits).unwrap()), rows)
                .prop_map(move |values| {
                    let number = |text: String| i256::from_string(&text).unwrap();
                    let values = values.into_iter().map(|value| value.map(number));
                    let array: Decimal256Array = values.collect();
                    Arc::new(array.with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
                })
                .boxed()
        }
        C::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, i8::try_from(*scale).unwrap());
            // Money has 64 bits, which are fewer than its 19 digits.
            let most = (10_i128.pow(u32::from(precision)) - 1).min(i64::MAX.into());
            vec(option::of(-most..=most), rows)
                .prop_map(move |values| {
                    let array = Decimal128Array::from(values);
                    Arc::new(array.with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
                })
                .boxed()
        }
        C::DecimalText => {
            let plain = "-?(0|[1-9][0-9]{0,30})\\.[0-9]{0,29}[1-9]|NaN|-?Infinity";
            texts(plain, rows)
        }
        C::Text { fixed: true, chars } => {
            let most = chars.unwrap_or(1) - 1;
            let pattern = format!("([^\\x00]{{0,{most}}}[^\\x00 ])?");
            texts(proptest::string::string_regex(&pattern).unwrap(), rows)
        }
        C::Text { .. } => texts("[^\\x00]{0,20}", rows),
        C::Json { .. } => texts("\\{\"[a-z]{0,5}\": [1-9][0-9]{0,19}\\}", rows),
        C::Opaque { .. } => texts("<[a-zäöü]{1,9}/>", rows),
        C::Enum { labels } => texts(prop::sample::select(labels.clone()), rows),
        C::Set { labels } => {
            let some = prop::sample::subsequence(labels.clone(), 0..=labels.len());
            texts(some.prop_map(|labels| labels.join(",")), rows)
        }
        C::BitString { bits: Some(bits), varying } => {
            let least = if *varying { 0 } else { *bits };
            let pattern = format!("[01]{{{least},{bits}}}");
            texts(proptest::string::string_regex(&pattern).unwrap(), rows)
        }
        C::BitString { bits: None, .. } => texts("[01]{0,100}", rows),
        C::TimeTz => {
            let clock = "([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\\.[0-9]{0,5}[1-9])?|24:00:00";
            let seconds = "(0[0-9]|1[0-5]):[0-5][0-9]:(0[1-9]|[1-5][0-9])";
            let minutes = "(0[0-9]|1[0-5]):(0[1-9]|[1-5][0-9])";
            // Nothing is west of Greenwich by nothing.
            let offset = format!("[+-]({seconds}|{minutes}|0[1-9]|1[0-5])|\\+00");
            let pattern = format!("({clock})({offset})");
            texts(proptest::string::string_regex(&pattern).unwrap(), rows)
        }
        C::Binary { fixed: true, bytes } => {
            let length = usize::try_from(bytes.unwrap()).unwrap();
            binaries(vec(any::<u8>(), length), rows)
        }
        C::Binary { .. } | C::Geometry { .. } | C::Variant => {
            binaries(vec(any::<u8>(), 0..30), rows)
        }
        C::Date => {
            let days = prop_oneof![-2_440_588..2_145_000_000_i32, Just(i32::MAX), Just(i32::MIN)];
            arrays::<_, Date32Array>(days, rows)
        }
        C::Time { digits } => {
            let step = 10_i64.pow(6 - u32::from(*digits));
            let micros = (0..=86_400_000_000 / step).prop_map(move |steps| steps * step);
            arrays::<_, Time64MicrosecondArray>(micros, rows)
        }
        C::Duration { .. } => arrays::<_, DurationMicrosecondArray>(any::<i64>(), rows),
        C::Timestamp { .. } => arrays::<_, TimestampMicrosecondArray>(micros(), rows),
        C::Instant { .. } => vec(option::of(micros()), rows)
            .prop_map(|values| {
                let array = TimestampMicrosecondArray::from(values).with_timezone("UTC");
                Arc::new(array) as ArrayRef
            })
            .boxed(),
        C::Uuid | C::Interval => sixteens(rows),
        C::List { element } => {
            let (element, field) = (element.clone(), element.arrow());
            vec(option::of(0..5_usize), rows)
                .prop_flat_map(move |lengths| {
                    let count = lengths.iter().flatten().sum();
                    (Just(lengths), values(&element, count))
                })
                .prop_map(move |(lengths, elements)| {
                    let nulls = lengths.iter().map(Option::is_some).collect();
                    let sizes = lengths.iter().map(|length| length.unwrap_or(0));
                    let item = Arc::new(Field::new("item", field.clone(), true));
                    let offsets = OffsetBuffer::from_lengths(sizes);
                    Arc::new(ListArray::new(item, offsets, elements, Some(nulls))) as ArrayRef
                })
                .boxed()
        }
    }
}

/// Canonical types with the type they are written to.
fn pairs() -> Vec<(C, P)> {
    let any = || P::Numeric { precision_scale: None };
    let decimal = |precision, scale| C::Decimal { precision, scale };
    let bits = |bits, varying| C::BitString { bits, varying };
    let enumeration = || P::Enum { labels: labels() };
    let plain = vec![
        (C::Boolean, P::Bool),
        (C::Int16, P::Int2),
        (C::Int32, P::Int4),
        (C::Int64, P::Int8),
        (C::UInt32, P::Oid),
        (C::UInt32, P::Xid),
        (C::UInt64, P::Xid8),
        (C::UInt64, P::Lsn),
        (C::Float32, P::Float4),
        (C::Float64, P::Float8),
        (decimal(12, 3), numeric(12, 3)),
        (decimal(38, 38), numeric(38, 38)),
        (decimal(76, 40), numeric(76, 40)),
        (decimal(19, 2), P::Money { digits: 2 }),
        (decimal(19, 0), P::Money { digits: 0 }),
        (C::DecimalText, any()),
        (TEXT, P::Text),
        (TEXT, P::Varchar { chars: Some(20) }),
        (C::Text { chars: Some(9), fixed: true }, P::Bpchar { chars: Some(9) }),
        (BINARY, P::Bytea),
        (C::Binary { bytes: Some(1), fixed: true }, P::Char1),
        (C::Date, P::Date),
        (C::Time { digits: 6 }, P::Time { digits: 6 }),
        (C::Time { digits: 2 }, P::Time { digits: 2 }),
        (C::Duration { digits: 6 }, P::Interval { digits: 6 }),
        (C::Timestamp { digits: 6 }, P::Timestamp { digits: 6 }),
        (C::Instant { digits: 6 }, P::TimestampTz { digits: 6 }),
        (C::Uuid, P::Uuid),
        (C::Json { flavor: JsonFlavor::Text }, P::Json),
        (C::Json { flavor: JsonFlavor::PgJsonb }, P::Jsonb),
        (C::Bits { bits: 1 }, P::Bit { bits: 1 }),
        (C::Bits { bits: 13 }, P::Bit { bits: 13 }),
        (C::Bits { bits: 64 }, P::Bit { bits: 64 }),
        (C::Enum { labels: labels() }, enumeration()),
        (bits(Some(70), false), P::Bit { bits: 70 }),
        (bits(Some(70), true), P::VarBit { bits: Some(70) }),
        (bits(None, true), P::VarBit { bits: None }),
        (C::Interval, P::Interval { digits: 6 }),
        (C::TimeTz, P::TimeTz { digits: 6 }),
        (C::Opaque { type_name: "xml".to_owned(), chars: None }, P::Text),
    ];
    // An array type for each, which the codec need not know by its number; and lists of lists,
    // which a domain makes possible.
    let lists = plain.iter().cloned().map(|(canonical, pg)| (list(canonical), array(pg, 1)));
    let nested = (list(list(C::Int32)), array(array(P::Int4, 23), 77));
    plain.iter().cloned().chain(lists.collect::<Vec<_>>()).chain([nested]).collect()
}

fn config() -> ProptestConfig {
    // All pairs of types share these cases.
    ProptestConfig { cases: 600, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_encoded_decodes_to_the_same(
        ((canonical, pg), array) in (prop::sample::select(pairs()), ROWS).prop_flat_map(
            |((canonical, pg), rows)| {
                let array = values(&canonical, rows);
                (Just((canonical, pg)), array)
            },
        ),
    ) {
        let columns = [column("c", canonical, pg)];
        let rows = batch(&columns, vec![array]);
        let bytes = encode(&columns, &rows).unwrap();
        prop_assert_eq!(&decode(&columns, &bytes, rows.num_rows()).unwrap(), &rows);
        // A part of a batch is written as if it were one of its own.
        let part = rows.slice(rows.num_rows() / 3, rows.num_rows() / 3);
        let bytes = encode(&columns, &part).unwrap();
        prop_assert_eq!(&decode(&columns, &bytes, part.num_rows()).unwrap(), &part);
    }

    #[test]
    fn sets_are_lists_of_their_labels(sets in values(&C::Set { labels: set_labels() }, 300)) {
        let column_of = |canonical| [column("c", canonical, array(P::Text, 25))];
        let set = column_of(C::Set { labels: set_labels() });
        let bytes = encode(&set, &batch(&set, vec![Arc::clone(&sets)])).unwrap();
        let lists = decode(&column_of(list(TEXT)), &bytes, sets.len()).unwrap();
        let joined: StringArray = lists
            .column(0)
            .as_list::<i32>()
            .iter()
            .map(|labels| {
                let labels = labels?;
                Some(labels.as_string::<i32>().iter().flatten().collect::<Vec<_>>().join(","))
            })
            .collect();
        // The empty set has no label, and not an empty one.
        let lists = lists.column(0).as_list::<i32>();
        prop_assert!(lists.values().as_string::<i32>().iter().flatten().all(|label| !label.is_empty()));
        prop_assert_eq!(joined, sets.as_string::<i32>().clone());
    }

    #[test]
    fn types_that_the_server_lacks_arrive_in_wider_ones(
        tiny in values(&C::Int8, 9),
        short in values(&C::UInt16, 9),
        long in values(&C::UInt64, 9),
        shape in values(&C::Geometry { encoding: "mysql".to_owned() }, 9),
    ) {
        let through = |canonical: C, pg: P, wider: C, values: &ArrayRef| {
            let from = [column("c", canonical, pg.clone())];
            let bytes = encode(&from, &batch(&from, vec![Arc::clone(values)])).unwrap();
            let rows = decode(&[column("c", wider, pg)], &bytes, values.len()).unwrap();
            Arc::clone(rows.column(0))
        };
        let read = through(C::Int8, P::Int2, C::Int16, &tiny);
        prop_assert!(read.as_primitive::<Int16Type>().iter()
            .eq(tiny.as_primitive::<Int8Type>().iter().map(|value| value.map(i16::from))));
        let read = through(C::UInt16, P::Int4, C::Int32, &short);
        prop_assert!(read.as_primitive::<Int32Type>().iter()
            .eq(short.as_primitive::<UInt16Type>().iter().map(|value| value.map(i32::from))));
        let read = through(C::UInt64, numeric(20, 0), C::Decimal { precision: 20, scale: 0 }, &long);
        prop_assert!(read.as_primitive::<Decimal128Type>().iter()
            .eq(long.as_primitive::<UInt64Type>().iter().map(|value| value.map(i128::from))));
        let geometry = C::Geometry { encoding: "mysql".to_owned() };
        prop_assert_eq!(&through(geometry, P::Bytea, BINARY, &shape), &shape);
    }
}

fn set_labels() -> Vec<String> {
    ["red", "blau ", "ö"].map(str::to_owned).into()
}

#[test]
fn every_pair_is_one_that_both_ways_know() {
    for (canonical, pg) in pairs() {
        assert!(super::super::can_encode(&canonical, &pg), "{} into {pg}", canonical.name());
        assert!(can_decode(&canonical, &pg), "{pg} as {}", canonical.name());
    }
}
