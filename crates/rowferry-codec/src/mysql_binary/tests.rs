//! Rows made value by value, and what a loop over them expects.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, builder::*};
use arrow_buffer::i256;
use arrow_schema::{Field, Schema};
use proptest::prelude::*;
use rowferry_core::CanonicalType;

use super::{BinaryColumn, Broken, RowDecoder, RowError, Rows, WireType};

/// A value, as a person would say it.
#[derive(Clone, Debug)]
enum Said {
    Null,
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Year, month, day, hour, minute, second, microsecond.
    Moment([u32; 7]),
    /// Negative, days, hour, minute, second, microsecond.
    Span(bool, [u32; 5]),
}

/// The kinds of columns; each takes what [`said`] makes for it.
const KINDS: usize = 18;
/// The first of them, whose values have one width.
const FIXED: usize = 10;

fn column(kind: usize) -> BinaryColumn {
    let int = |bytes, unsigned| WireType::Int { bytes, unsigned };
    let text = CanonicalType::Text { chars: None, fixed: false };
    let (canonical, wire) = match kind {
        0 => (CanonicalType::Int8, int(1, false)),
        1 => (CanonicalType::UInt8, int(1, true)),
        2 => (CanonicalType::Int16, int(2, false)),
        3 => (CanonicalType::UInt16, int(2, true)),
        4 => (CanonicalType::Int32, int(4, false)),
        5 => (CanonicalType::UInt32, int(4, true)),
        6 => (CanonicalType::Int64, int(8, false)),
        7 => (CanonicalType::UInt64, int(8, true)),
        8 => (CanonicalType::Float32, WireType::Float),
        9 => (CanonicalType::Float64, WireType::Double),
        10 => (CanonicalType::Decimal { precision: 30, scale: 4 }, WireType::Bytes),
        11 => (CanonicalType::Decimal { precision: 60, scale: 4 }, WireType::Bytes),
        12 => (text, WireType::Bytes),
        13 => (CanonicalType::Binary { bytes: None, fixed: false }, WireType::Bytes),
        14 => (CanonicalType::Date, WireType::Date),
        15 => (CanonicalType::Timestamp { digits: 6 }, WireType::Date),
        16 => (CanonicalType::Duration { digits: 6 }, WireType::Time),
        _ => (CanonicalType::Uuid, WireType::Bytes),
    };
    BinaryColumn { name: format!("c{kind}"), canonical, wire, labels: None }
}

fn said(kind: usize) -> BoxedStrategy<Said> {
    let int = |low: i128, high: i128| {
        prop_oneof![Just(low), Just(high), low..=high].prop_map(Said::Int).boxed()
    };
    let moment = (1_u32..=9999, 1_u32..=12, 1_u32..=28, 0_u32..24, 0_u32..60, 0_u32..60);
    let some = match kind {
        0 => int(i8::MIN.into(), i8::MAX.into()),
        1 => int(0, u8::MAX.into()),
        2 => int(i16::MIN.into(), i16::MAX.into()),
        3 => int(0, u16::MAX.into()),
        4 => int(i32::MIN.into(), i32::MAX.into()),
        5 => int(0, u32::MAX.into()),
        6 => int(i64::MIN.into(), i64::MAX.into()),
        7 => int(0, u64::MAX.into()),
        8 => any::<f32>().prop_map(|value| Said::Float(value.into())).boxed(),
        9 => any::<f64>().prop_map(Said::Float).boxed(),
        10 | 11 => "-?[0-9]{1,26}[.][0-9]{4}".prop_map(Said::Text).boxed(),
        // Of each width that a length has; the longest in a test of its own.
        12 => prop_oneof!["\\PC{0,12}", "[a-zé]{240,300}"].prop_map(Said::Text).boxed(),
        13 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Said::Bytes).boxed(),
        14 => (moment.0, moment.1, moment.2)
            .prop_map(|(y, m, d)| Said::Moment([y, m, d, 0, 0, 0, 0]))
            .boxed(),
        15 => (moment, prop_oneof![Just(0), 0_u32..1_000_000])
            .prop_map(|((y, mo, d, h, mi, s), us)| Said::Moment([y, mo, d, h, mi, s, us]))
            .boxed(),
        16 => (any::<bool>(), 0_u32..35, 0_u32..24, 0_u32..60, 0_u32..60, 0_u32..1_000_000)
            .prop_map(|(neg, d, h, m, s, us)| Said::Span(neg, [d, h, m, s, us]))
            .boxed(),
        _ => any::<[u8; 16]>().prop_map(|bytes| Said::Bytes(bytes.to_vec())).boxed(),
    };
    prop_oneof![4 => some, 1 => Just(Said::Null)].boxed()
}

fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len();
    match length {
        0..=250 => out.push(u8::try_from(length).unwrap()),
        251..=0xffff => {
            out.push(252);
            out.extend_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
        }
        0x1_0000..=0xff_ffff => {
            out.push(253);
            out.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes()[..3]);
        }
        _ => {
            out.push(254);
            out.extend_from_slice(&(length as u64).to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

fn put(out: &mut Vec<u8>, kind: usize, value: &Said) {
    match value {
        Said::Null => {}
        Said::Int(value) => {
            let bytes = [1, 1, 2, 2, 4, 4, 8, 8][kind];
            out.extend_from_slice(&value.to_le_bytes()[..bytes]);
        }
        #[expect(clippy::cast_possible_truncation, reason = "made of such a value")]
        Said::Float(value) if kind == 8 => out.extend_from_slice(&(*value as f32).to_le_bytes()),
        Said::Float(value) => out.extend_from_slice(&value.to_le_bytes()),
        Said::Text(text) => put_sized(out, text.as_bytes()),
        Said::Bytes(bytes) if kind == 17 => put_sized(out, uuid_text(bytes).as_bytes()),
        Said::Bytes(bytes) => put_sized(out, bytes),
        Said::Moment([year, month, day, clock @ .., micros]) => {
            let length = match (clock, micros) {
                ([0, 0, 0], 0) => 4,
                (_, 0) => 7,
                _ => 11,
            };
            let mut parts = u16::try_from(*year).unwrap().to_le_bytes().to_vec();
            parts.extend(
                [month, day].into_iter().chain(clock).map(|part| u8::try_from(*part).unwrap()),
            );
            parts.extend_from_slice(&micros.to_le_bytes());
            out.push(length);
            out.extend_from_slice(&parts[..length.into()]);
        }
        Said::Span(negative, [days, hour, minute, second, micros]) => {
            let length = if *micros == 0 { 8 } else { 12 };
            let mut parts = vec![u8::from(*negative)];
            parts.extend_from_slice(&days.to_le_bytes());
            parts.extend([hour, minute, second].map(|part| u8::try_from(*part).unwrap()));
            parts.extend_from_slice(&micros.to_le_bytes());
            out.push(length);
            out.extend_from_slice(&parts[..length.into()]);
        }
    }
}

fn uuid_text(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..4], &hex[4..6], &hex[6..8], &hex[8..10], &hex[10..]].map(<[String]>::concat).join("-")
}

/// The rows as a server would send them, each in a packet.
fn packets(kinds: &[usize], rows: &[Vec<Said>]) -> Rows {
    let mut packets = Rows::default();
    for row in rows {
        packets.bytes.extend_from_slice(&[9; 4]);
        let start = packets.bytes.len();
        let mut bits = vec![0_u8; (kinds.len() + 2).div_ceil(8)];
        let mut values = Vec::new();
        for (place, (kind, value)) in kinds.iter().zip(row).enumerate() {
            if matches!(value, Said::Null) {
                bits[(place + 2) / 8] |= 1 << ((place + 2) % 8);
            }
            put(&mut values, *kind, value);
        }
        packets.bytes.push(0);
        packets.bytes.extend_from_slice(&bits);
        packets.bytes.extend_from_slice(&values);
        let end = packets.bytes.len();
        packets.packets.push(u32::try_from(start).unwrap()..u32::try_from(end).unwrap());
    }
    packets
}

/// Days since 1970 by counting years and months.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let leaps = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let of_year = |year| if leaps(year) { 366 } else { 365 };
    let of_month = |month| match month {
        2 if leaps(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let years: i64 = if year >= 1970 {
        (1970..year).map(of_year).sum()
    } else {
        -(year..1970).map(of_year).sum::<i64>()
    };
    years + (1..month).map(of_month).sum::<i64>() + i64::from(day) - 1
}

fn moment([year, month, day, hour, minute, second, micros]: [u32; 7]) -> i64 {
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    (days(year, month, day) * 86_400 + seconds) * 1_000_000 + i64::from(micros)
}

/// One column, appended value by value.
fn expected(kind: usize, values: &[&Said]) -> ArrayRef {
    macro_rules! of {
        ($builder:expr, $pattern:pat => $value:expr) => {{
            let mut builder = $builder;
            for value in values {
                match value {
                    $pattern => builder.append_value($value),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    let data_type = column(kind).canonical.arrow();
    match kind {
        0 => of!(Int8Builder::new(), Said::Int(value) => i8::try_from(*value).unwrap()),
        1 => of!(UInt8Builder::new(), Said::Int(value) => u8::try_from(*value).unwrap()),
        2 => of!(Int16Builder::new(), Said::Int(value) => i16::try_from(*value).unwrap()),
        3 => of!(UInt16Builder::new(), Said::Int(value) => u16::try_from(*value).unwrap()),
        4 => of!(Int32Builder::new(), Said::Int(value) => i32::try_from(*value).unwrap()),
        5 => of!(UInt32Builder::new(), Said::Int(value) => u32::try_from(*value).unwrap()),
        6 => of!(Int64Builder::new(), Said::Int(value) => i64::try_from(*value).unwrap()),
        7 => of!(UInt64Builder::new(), Said::Int(value) => u64::try_from(*value).unwrap()),
        #[expect(clippy::cast_possible_truncation, reason = "made of such a value")]
        8 => of!(Float32Builder::new(), Said::Float(value) => *value as f32),
        9 => of!(Float64Builder::new(), Said::Float(value) => *value),
        10 => of!(Decimal128Builder::new().with_data_type(data_type),
            Said::Text(text) => text.replace('.', "").parse().unwrap()),
        11 => of!(Decimal256Builder::new().with_data_type(data_type),
            Said::Text(text) => i256::from_string(&text.replace('.', "")).unwrap()),
        12 => of!(StringBuilder::new(), Said::Text(text) => text),
        13 => of!(BinaryBuilder::new(), Said::Bytes(bytes) => bytes),
        14 => of!(Date32Builder::new(), Said::Moment([year, month, day, ..]) =>
            i32::try_from(days(*year, *month, *day)).unwrap()),
        15 => of!(TimestampMicrosecondBuilder::new(), Said::Moment(parts) => moment(*parts)),
        16 => of!(DurationMicrosecondBuilder::new(), Said::Span(negative, parts) => {
            let [days, hour, minute, second, micros] = parts.map(i64::from);
            let value = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros;
            if *negative { -value } else { value }
        }),
        _ => {
            let mut builder = FixedSizeBinaryBuilder::new(16);
            for value in values {
                if let Said::Bytes(bytes) = value {
                    builder.append_value(bytes).unwrap();
                } else {
                    builder.append_null();
                }
            }
            Arc::new(builder.finish())
        }
    }
}

fn decoder(kinds: &[usize]) -> RowDecoder {
    RowDecoder::new(kinds.iter().map(|kind| column(*kind)).collect())
}

/// Columns of the first `kinds` kinds.
fn table(kinds: usize) -> impl Strategy<Value = (Vec<usize>, Vec<Vec<Said>>)> {
    proptest::collection::vec(0..kinds, 1..24).prop_flat_map(|kinds| {
        let row: Vec<_> = kinds.iter().map(|kind| said(*kind)).collect();
        // Some tables have more than one block of rows.
        let rows = prop_oneof![4 => 0..20_usize, 1 => 250..530_usize];
        (Just(kinds), rows.prop_flat_map(move |rows| proptest::collection::vec(row.clone(), rows)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn rows_are_those_of_a_loop_over_values((kinds, rows) in table(KINDS)) {
        let batch = decoder(&kinds).decode(&packets(&kinds, &rows)).unwrap();
        let fields: Vec<Field> =
            kinds.iter().map(|kind| column(*kind).canonical.field(&format!("c{kind}"))).collect();
        let columns = kinds
            .iter()
            .enumerate()
            .map(|(place, kind)| {
                expected(*kind, &rows.iter().map(|row| &row[place]).collect::<Vec<_>>())
            })
            .collect();
        prop_assert_eq!(batch, RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap());
    }

    /// What a damaged wire makes of a row is an error, or a row.
    #[test]
    fn a_flipped_bit_neither_panics_nor_changes_the_number_of_rows(
        (kinds, rows) in table(KINDS),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let mut packets = packets(&kinds, &rows);
        prop_assume!(!packets.bytes.is_empty());
        let at = at.index(packets.bytes.len());
        packets.bytes[at] ^= 1 << bit;
        if let Ok(batch) = decoder(&kinds).decode(&packets) {
            prop_assert_eq!(batch.num_rows(), rows.len());
        }
    }

    /// A value that is taken for a NULL leaves its bytes behind. Where lengths are on the wire, they
    /// can end by chance where the row does.
    #[test]
    fn a_value_taken_for_a_null_is_seen(
        (kinds, rows) in table(FIXED),
        row in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!rows.is_empty());
        let mut packets = packets(&kinds, &rows);
        let (row, place) = (row.index(rows.len()), place.index(kinds.len()));
        prop_assume!(!matches!(rows[row][place], Said::Null));
        let bits = packets.packets[row].start as usize + 1;
        packets.bytes[bits + (place + 2) / 8] ^= 1 << ((place + 2) % 8);
        prop_assert!(matches!(decoder(&kinds).decode(&packets), Err(RowError::Garbled(_))));
    }

    #[test]
    fn no_bytes_make_it_panic(
        kinds in proptest::collection::vec(0..KINDS, 0..6),
        rows in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..6),
    ) {
        let mut packets = Rows::default();
        for row in rows {
            let start = u32::try_from(packets.bytes.len()).unwrap();
            packets.bytes.extend_from_slice(&row);
            packets.packets.push(start..u32::try_from(packets.bytes.len()).unwrap());
        }
        packets.packets.push(7..u32::MAX);
        prop_assert!(decoder(&kinds).decode(&packets).is_err());
    }
}

fn decode_one(column: BinaryColumn, value: &[u8]) -> Result<RecordBatch, RowError> {
    let bytes = [&[0, 0], value].concat();
    let packet = 0..u32::try_from(bytes.len()).unwrap();
    RowDecoder::new(vec![column]).decode(&Rows { bytes, packets: vec![packet] })
}

fn broken(column: BinaryColumn, value: &[u8]) -> Option<Broken> {
    match decode_one(column, value) {
        Err(RowError::Value { broken, .. }) => Some(broken),
        Ok(_) | Err(RowError::Garbled(_)) => None,
    }
}

#[test]
fn values_that_a_type_cannot_hold_are_refused() {
    let narrow = BinaryColumn { wire: WireType::Int { bytes: 8, unsigned: true }, ..column(0) };
    assert_eq!(broken(narrow.clone(), &200_u64.to_le_bytes()), Some(Broken::Number));
    assert!(decode_one(narrow, &100_u64.to_le_bytes()).is_ok());
    assert_eq!(broken(column(10), b"\x011"), None);
    assert_eq!(broken(column(10), b"\x02ab"), Some(Broken::Decimal));
    assert_eq!(broken(column(12), b"\x01\xff"), Some(Broken::Text));
    assert_eq!(broken(column(14), &[4, 0xe7, 7, 2, 29]), Some(Broken::NoSuchDay));
    assert_eq!(broken(column(14), &[4, 0xe7, 7, 2, 0]), Some(Broken::PartialDate));
    assert_eq!(broken(column(15), &[7, 0xe7, 7, 2, 1, 24, 0, 0]), Some(Broken::Date));
    assert_eq!(broken(column(15), &[5, 0xe7, 7, 2, 1, 1]), Some(Broken::OtherType));
    assert_eq!(broken(column(16), &[8, 2, 0, 0, 0, 0, 0, 0, 0]), Some(Broken::Time));
    assert_eq!(broken(column(17), b"\x03abc"), Some(Broken::Uuid));
    let list = CanonicalType::List { element: Box::new(CanonicalType::Float32) };
    let vector = BinaryColumn { canonical: list, ..column(12) };
    assert_eq!(broken(vector.clone(), &[3, 0, 0, 0]), Some(Broken::Vector));
    assert!(decode_one(vector, &[8, 0, 0, 0, 0, 0, 0, 0x80, 0x3f]).is_ok());
    let bits = BinaryColumn { canonical: CanonicalType::Bits { bits: 64 }, ..column(12) };
    assert_eq!(broken(bits, &[9, 1, 2, 3, 4, 5, 6, 7, 8, 9]), Some(Broken::OtherType));
    let other = BinaryColumn { wire: WireType::Double, ..column(12) };
    assert_eq!(broken(other, &[0; 8]), Some(Broken::OtherType));
}

#[test]
fn the_zero_date_has_a_number_of_its_own() {
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{Date32Type, TimestampMicrosecondType};
    for zero in [&[0][..], &[4, 0, 0, 0, 0]] {
        let batch = decode_one(column(14), zero).unwrap();
        assert_eq!(batch.column(0).as_primitive::<Date32Type>().value(0), i32::MIN + 1);
        let batch = decode_one(column(15), zero).unwrap();
        let value = batch.column(0).as_primitive::<TimestampMicrosecondType>().value(0);
        assert_eq!(value, i64::MIN + 1);
    }
}

#[test]
fn labels_come_by_their_numbers() {
    use arrow_array::cast::AsArray as _;
    let labels = Some(Arc::from(["a".to_owned(), String::new()]));
    let wire = WireType::Int { bytes: 8, unsigned: true };
    let column = || BinaryColumn { wire, labels: labels.clone(), ..column(12) };
    let label = |number: u64| decode_one(column(), &number.to_le_bytes());
    assert_eq!(label(1).unwrap().column(0).as_string::<i32>().value(0), "a");
    assert_eq!(label(2).unwrap().column(0).as_string::<i32>().value(0), "");
    for number in [0, 3, u64::MAX] {
        assert_eq!(broken(column(), &number.to_le_bytes()), Some(Broken::EnumError));
    }
    let one = BinaryColumn {
        canonical: CanonicalType::Enum { labels: vec!["a".to_owned()] },
        ..self::column(12)
    };
    assert_eq!(broken(one, &[0]), Some(Broken::EnumError));
}

#[test]
fn long_texts_have_long_lengths() {
    for length in [250, 251, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000] {
        let rows = packets(&[12], &[vec![Said::Text("x".repeat(length))], vec![Said::Null]]);
        let batch = decoder(&[12]).decode(&rows).unwrap();
        let text = arrow_array::cast::AsArray::as_string::<i32>(batch.column(0));
        assert_eq!(text.value(0).len(), length);
        assert_eq!(batch.column(0).null_count(), 1);
    }
}

#[test]
fn the_first_bad_row_is_told_and_its_key_can_be_read() {
    let good = |number| vec![Said::Int(number), Said::Text("x".into()), Said::Int(1)];
    let mut rows: Vec<Vec<Said>> = (0..300).map(good).collect();
    rows[270][1] = Said::Text(String::new());
    let mut columns = [6, 12, 7].map(column);
    columns[1].canonical = CanonicalType::Enum { labels: vec!["x".to_owned()] };
    columns[2].canonical = CanonicalType::UInt8;
    rows[280][2] = Said::Int(256);
    let rows = packets(&[6, 12, 7], &rows);
    let decoder = RowDecoder::new(columns.to_vec());
    let error = RowError::Value { column: 1, row: 270, broken: Broken::EnumError };
    assert_eq!(decoder.decode(&rows), Err(error));
    let key = decoder.decode_some(&rows, 270..271, &[0]).unwrap();
    assert_eq!(key.column(0), &expected(6, &[&Said::Int(270)]));
}
