//! What is written against the obvious writer: one row after another, one cell after another, each
//! cell from its text.

use std::{fmt::Write as _, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    DurationMicrosecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int16Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array, cast::AsArray,
    make_array, types::*,
};
use arrow_buffer::{NullBuffer, i256};
use proptest::{collection::vec, prelude::*};

use super::*;

const DAY: i64 = 86_400_000_000;
/// The first and the last day with a year of four digits.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// Column name, rule, array.
type Columns = Vec<(&'static str, TextRule, ArrayRef)>;

/// A row of values, from which every column takes what it needs.
type Seed = (i64, i128, f64, String, Vec<u8>, i64, i64, u32);

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    // All lengths of number, and zeros at the end.
    let long = (any::<i128>(), 0_u32..38, 0_u32..5).prop_map(|(value, cut, zeros)| {
        let (cut, zeros) = (10_i128.pow(cut), 10_i128.pow(zeros));
        value % 10_i128.pow(37) / cut / zeros * zeros
    });
    let short = (any::<i64>(), 0_u32..64).prop_map(|(value, shift)| value >> shift);
    // Mostly without anything to escape, since one such sign changes the way of the whole column.
    let text = prop_oneof![
        20 => "[ a-zé😀]{0,50}",
        1 => "[a\\t\\n\\\\'\\x00\"]{0,40}",
    ];
    let days = prop_oneof![20 => DAYS, 1 => Just(*DAYS.start()), 1 => Just(*DAYS.end())];
    let seed = (
        short,
        long,
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        text,
        vec(any::<u8>(), 0..50),
        days,
        0..DAY,
        any::<u32>(),
    );
    vec(seed, 0..90)
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn columns(seeds: &[Seed], digits: u8) -> Columns {
    let text = || TextRule::Text {
        chars_max: None,
        bytes_max: None,
        repertoire: Repertoire::All,
        blanks_dropped: false,
    };
    let decimal = |precision, scale| TextRule::Decimal { precision, scale };
    let longs = |scale: i8| {
        let values = Decimal128Array::from_iter_values(seeds.iter().map(|seed| seed.1));
        values.with_precision_and_scale(38, scale).unwrap()
    };
    // The column lacks the last three digits, which are zeros.
    let cut =
        Decimal128Array::from_iter_values(seeds.iter().map(|seed| i128::from(seed.0) * 1_000))
            .with_precision_and_scale(38, 3)
            .unwrap();
    let wide =
        seeds.iter().map(|seed| i256::from_i128(seed.1).wrapping_mul(i256::from_i128(1 << 99)));
    let wide = wide.collect::<Decimal256Array>().with_precision_and_scale(76, 30).unwrap();
    let stamp = |seed: &Seed| seed.5 * DAY + seed.6;
    let span = |seed: &Seed| (seed.6 - DAY / 2) * i64::from(seed.7 % 70);
    let uuid = |seed: &Seed| seed.1.to_be_bytes();
    let fits = |values: Vec<Vec<u8>>| BinaryArray::from_iter_values(values);
    #[expect(clippy::cast_possible_truncation, reason = "any bits will do, and days fit")]
    #[expect(clippy::cast_precision_loss, reason = "any float will do")]
    let columns: Columns = vec![
        (
            "bool",
            INTEGER,
            Arc::new(seeds.iter().map(|seed| Some(seed.7 % 2 == 0)).collect::<BooleanArray>()),
        ),
        (
            "int2",
            INTEGER,
            Arc::new(Int16Array::from_iter_values(seeds.iter().map(|seed| seed.7 as i16))),
        ),
        ("int8", INTEGER, Arc::new(Int64Array::from_iter_values(seeds.iter().map(|seed| seed.0)))),
        (
            "uint8",
            INTEGER,
            Arc::new(UInt64Array::from_iter_values(
                seeds.iter().map(|seed| u64::MAX >> (seed.7 % 64)),
            )),
        ),
        ("scale 0", decimal(38, 0), Arc::new(longs(0))),
        ("scale 2", decimal(38, 2), Arc::new(longs(2))),
        ("scale 7", decimal(38, 7), Arc::new(longs(7))),
        ("scale 8", decimal(38, 8), Arc::new(longs(8))),
        ("scale 38", decimal(38, 38), Arc::new(longs(38))),
        ("cut", decimal(38, 1), Arc::new(cut.clone())),
        ("cut to the point", decimal(38, 0), Arc::new(cut)),
        ("wide", decimal(65, 30), Arc::new(wide)),
        (
            "float",
            TextRule::Float,
            Arc::new(Float32Array::from_iter_values(seeds.iter().map(|seed| seed.7 as f32))),
        ),
        (
            "double",
            TextRule::Float,
            Arc::new(Float64Array::from_iter_values(seeds.iter().map(|seed| seed.2))),
        ),
        ("text", text(), Arc::new(StringArray::from_iter_values(seeds.iter().map(|seed| &seed.3)))),
        (
            "bytes",
            TextRule::Binary { bytes_max: None, exact: false },
            Arc::new(fits(seeds.iter().map(|seed| seed.4.clone()).collect())),
        ),
        (
            "bits",
            TextRule::Bits { bits: 20 },
            Arc::new(UInt64Array::from_iter_values(
                seeds.iter().map(|seed| u64::from(seed.7 >> 12)),
            )),
        ),
        (
            "date",
            TextRule::Date { zero: false },
            Arc::new(Date32Array::from_iter_values(seeds.iter().map(|seed| seed.5 as i32))),
        ),
        (
            "stamp",
            TextRule::DateTime { digits, zero: false, range: None },
            Arc::new(TimestampMicrosecondArray::from_iter_values(seeds.iter().map(stamp))),
        ),
        (
            "span",
            TextRule::Time { digits, max: i64::MAX },
            Arc::new(DurationMicrosecondArray::from_iter_values(seeds.iter().map(span))),
        ),
        ("uuid", TextRule::UuidText, Arc::new(sixteens(seeds, uuid))),
        ("uuid bytes", TextRule::UuidBytes, Arc::new(sixteens(seeds, uuid))),
        (
            "year",
            TextRule::Year,
            Arc::new(Int16Array::from_iter_values(
                seeds.iter().map(|seed| 1901 + (seed.7 % 255) as i16),
            )),
        ),
    ];
    columns
}

const INTEGER: TextRule = TextRule::Integer { min: i64::MIN as i128, max: u64::MAX as i128 };

fn sixteens(seeds: &[Seed], value: impl Fn(&Seed) -> [u8; 16]) -> FixedSizeBinaryArray {
    let values = seeds.iter().map(|seed| Some(value(seed)));
    FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 16).unwrap()
}

/// Behind a null stays the value.
fn with_nulls(columns: Columns, seeds: &[Seed]) -> Columns {
    let nulled = |(number, (name, rule, array)): (u32, (_, _, ArrayRef))| {
        let nulls: NullBuffer = seeds
            .iter()
            .map(|seed| !(seed.7 ^ number).wrapping_mul(0x9e37_79b9).is_multiple_of(4))
            .collect();
        let array = array.to_data().into_builder().nulls(Some(nulls)).build().unwrap();
        (name, rule, make_array(array))
    };
    (0..).zip(columns).map(nulled).collect()
}

/// The cell of a row that is not null.
fn cell(rule: &TextRule, array: &dyn Array, row: usize, form: TextForm) -> Vec<u8> {
    let quote = |text: String| match form {
        TextForm::Load => text.into_bytes(),
        TextForm::Insert => format!("'{text}'").into_bytes(),
    };
    let hex = |bytes: &[u8]| {
        let mut text = String::new();
        for byte in bytes {
            write!(text, "{byte:02x}").unwrap();
        }
        text
    };
    let bytes = |bytes: &[u8]| match form {
        TextForm::Load => escaped(bytes, b"\0\t\n\\"),
        TextForm::Insert => format!("x'{}'", hex(bytes)).into_bytes(),
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the test has no columns of other rules")]
    match rule {
        TextRule::Integer { .. } => integer(array, row).to_string().into_bytes(),
        TextRule::Decimal { scale, .. } => {
            let text = match array.as_primitive_opt::<Decimal128Type>() {
                Some(array) => array.value_as_string(row),
                None => array.as_primitive::<Decimal256Type>().value_as_string(row),
            };
            let (integer, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let kept: String = fraction.chars().take((*scale).into()).collect();
            let point = if kept.is_empty() { "" } else { "." };
            format!("{integer}{point}{kept}").into_bytes()
        }
        TextRule::Float => {
            let value = match array.as_primitive_opt::<Float64Type>() {
                Some(array) => array.value(row),
                None => array.as_primitive::<Float32Type>().value(row).into(),
            };
            float(value, form).into_bytes()
        }
        TextRule::Text { .. } => {
            let text = array.as_string::<i32>().value(row).as_bytes();
            match form {
                TextForm::Load => escaped(text, b"\0\t\n\\"),
                TextForm::Insert => [b"'", &escaped(text, b"\0'\\")[..], b"'"].concat(),
            }
        }
        TextRule::Binary { .. } => bytes(array.as_binary::<i32>().value(row)),
        TextRule::UuidBytes => bytes(array.as_fixed_size_binary().value(row)),
        TextRule::Bits { .. } => {
            let value = array.as_primitive::<UInt64Type>().value(row);
            match form {
                TextForm::Load => bytes(&value.to_be_bytes()[5..]),
                TextForm::Insert => value.to_string().into_bytes(),
            }
        }
        TextRule::UuidText => {
            let value = array.as_fixed_size_binary().value(row);
            let parts = [0..4, 4..6, 6..8, 8..10, 10..16].map(|part| hex(&value[part]));
            quote(parts.join("-"))
        }
        TextRule::Date { .. } => quote(date(array.as_primitive::<Date32Type>().value(row).into())),
        TextRule::DateTime { digits, .. } => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let (day, micros) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
            quote(format!("{} {}", date(day), time(micros, *digits)))
        }
        TextRule::Time { digits, .. } => {
            quote(time(array.as_primitive::<DurationMicrosecondType>().value(row), *digits))
        }
        TextRule::Year => quote(format!("{:04}", integer(array, row))),
        other => panic!("{other:?}"),
    }
}

fn integer(array: &dyn Array, row: usize) -> i128 {
    if let Some(array) = array.as_boolean_opt() {
        array.value(row).into()
    } else if let Some(array) = array.as_primitive_opt::<Int16Type>() {
        array.value(row).into()
    } else if let Some(array) = array.as_primitive_opt::<UInt64Type>() {
        array.value(row).into()
    } else {
        array.as_primitive::<Int64Type>().value(row).into()
    }
}

fn escaped(bytes: &[u8], special: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in bytes {
        if special.contains(byte) {
            out.push(b'\\');
        }
        out.push(match byte {
            0 => b'0',
            b'\t' if special.contains(byte) => b't',
            b'\n' if special.contains(byte) => b'n',
            other => *other,
        });
    }
    out
}

/// Counts years and months down from the first day.
fn date(days: i64) -> String {
    let (mut year, mut rest) = (1, days - DAYS.start());
    let leaps = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let year_days = |year| if leaps(year) { 366 } else { 365 };
    while rest >= year_days(year) {
        rest -= year_days(year);
        year += 1;
    }
    let mut month = 1;
    for days in [31, if leaps(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < days {
            break;
        }
        rest -= days;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", rest + 1)
}

fn time(micros: i64, digits: u8) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, micros) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let fraction: String = format!(".{micros:06}").chars().take(usize::from(digits) + 1).collect();
    let fraction = if digits == 0 { String::new() } else { fraction };
    format!("{sign}{:02}:{:02}:{:02}{fraction}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn row_text(columns: &Columns, row: usize, form: TextForm) -> Vec<u8> {
    let (null, comma): (&[u8], &[u8]) = match form {
        TextForm::Load => (b"\\N", b"\t"),
        TextForm::Insert => (b"null", b","),
    };
    let cell = |(_, rule, array): &(_, TextRule, ArrayRef)| {
        if array.is_null(row) { null.to_vec() } else { cell(rule, array.as_ref(), row, form) }
    };
    let cells = columns.iter().map(cell).collect::<Vec<_>>().join(comma);
    match form {
        TextForm::Load => [&cells[..], b"\n"].concat(),
        TextForm::Insert => [b"(", &cells[..], b")"].concat(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // Parts of a batch that start anywhere, rows of it that start anywhere, behind any text.
    #[test]
    fn rows_are_written_as_a_row_loop_writes_them(
        seeds in seeds(), digits in 0_u8..=6, nulls: bool, load: bool, before in "[a)]{0,3}",
        cuts in any::<[prop::sample::Index; 2]>(), bytes_max in any::<prop::sample::Index>(),
    ) {
        let form = if load { TextForm::Load } else { TextForm::Insert };
        let columns = columns(&seeds, digits);
        let columns = if nulls { with_nulls(columns, &seeds) } else { columns };
        let from = cuts[0].index(seeds.len() + 1);
        let slice = |(name, rule, array): (_, _, ArrayRef)| {
            (name, rule, array.slice(from, seeds.len() - from))
        };
        let columns: Columns = columns.into_iter().map(slice).collect();
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.iter().map(|(name, _, array)| (*name, Arc::clone(array), true))).unwrap();
        let rules = columns.iter().map(|(name, rule, _)| {
            TextColumn { name: (*name).to_owned(), nullable: true, rule: rule.clone() }
        });
        let encoder = TextEncoder::new(rules.collect(), form);

        let start = cuts[1].index(batch.num_rows() + 1);
        let rows = start..batch.num_rows();
        let mut naive = vec![before.clone().into_bytes()];
        for row in rows.clone() {
            let comma = form == TextForm::Insert && naive.last().unwrap().last() == Some(&b')');
            let text = row_text(&columns, row, form);
            naive.push(if comma { [b",", &text[..]].concat() } else { text });
        }
        let mut out = before.clone().into_bytes();
        let done = encoder.append_rows(&batch, rows.clone(), usize::MAX, &mut out).unwrap();
        prop_assert_eq!(done, rows.len());
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        prop_assert_eq!(shown(&out), shown(&naive.concat()));
        prop_assert_eq!(&out, &naive.concat());

        // As many rows as fit, and nothing of the next one.
        let bytes_max = bytes_max.index(out.len() + 1);
        let fitting = naive.iter().scan(0, |sum, text| { *sum += text.len(); Some(*sum) });
        let fitting = fitting.skip(1).take_while(|sum| *sum <= bytes_max).count();
        let mut out = before.into_bytes();
        prop_assert_eq!(encoder.append_rows(&batch, rows, bytes_max, &mut out).unwrap(), fitting);
        prop_assert_eq!(out, naive[..=fitting].concat());
    }

    // Most columns are not looked at text by text.
    #[test]
    fn texts_are_taken_when_a_row_loop_takes_them(
        texts in vec(prop::option::of("[aé ]{0,6}"), 0..6),
        chars_max in prop::option::of(0_u32..9), bytes_max in prop::option::of(0_u64..12),
        blanks_dropped: bool, ascii: bool, from in any::<prop::sample::Index>(),
    ) {
        let repertoire = if ascii { Repertoire::Ascii } else { Repertoire::All };
        let rule = TextRule::Text { chars_max, bytes_max, repertoire, blanks_dropped };
        let column = TextColumn { name: "c".to_owned(), nullable: true, rule };
        let from = from.index(texts.len() + 1);
        // Behind a null stands a text that no column takes.
        let values = texts.iter().map(|text| text.as_deref().unwrap_or("aaaaaaaaaaaaaaaaé "));
        let nulls: NullBuffer = texts.iter().map(Option::is_some).collect();
        let array = StringArray::from_iter_values(values).to_data();
        let array = array.into_builder().nulls(Some(nulls)).build().unwrap();
        let array = make_array(array).slice(from, texts.len() - from);
        let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
        let found = TextEncoder::new(vec![column], TextForm::Load).check(&batch, 7);
        let naive = texts[from..].iter().position(|text| text.as_ref().is_some_and(|text| {
            chars_max.is_some_and(|max| text.chars().count() > max as usize)
                || bytes_max.is_some_and(|max| text.len() as u64 > max)
                || ascii && !text.is_ascii()
                || blanks_dropped && text.ends_with(' ')
        }));
        let row = match found {
            Ok(()) => None,
            Err(TextError::Value { row, .. }) => Some(usize::try_from(row).unwrap() - 7),
            Err(TextError::Shape { found, .. }) => panic!("{found}"),
        };
        prop_assert_eq!(row, naive);
    }
}

/// Numbers around which the digits change their number of words, with a point anywhere.
#[test]
fn decimals_at_every_boundary_are_written_as_their_text() {
    for scale in 0..=38_i8 {
        let powers = (0..38).map(|power| 10_i128.pow(power));
        let values: Vec<i128> = powers
            .flat_map(|power| [power - 1, power, power + 1])
            .chain([i64::MAX.into(), u64::MAX.into(), i128::from(u64::MAX) + 1])
            .flat_map(|value| [value, -value])
            .collect();
        let array = Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap();
        let rule = TextRule::Decimal { precision: 38, scale: scale.unsigned_abs() };
        let column = TextColumn { name: "c".to_owned(), nullable: true, rule: rule.clone() };
        let naive: Vec<u8> = (0..array.len())
            .flat_map(|row| [cell(&rule, &array, row, TextForm::Load), b"\n".to_vec()].concat())
            .collect();
        let batch = RecordBatch::try_from_iter([("c", Arc::new(array) as ArrayRef)]).unwrap();
        let mut out = Vec::new();
        TextEncoder::new(vec![column], TextForm::Load).append(&batch, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(naive).unwrap(), "{scale}");
    }
}

/// Of two texts that are equally short and equally near the library may take the other one, so that
/// what is asked for is a double's shortest text: it reads back, and has no more digits than the
/// standard library's.
fn float(value: f64, form: TextForm) -> String {
    let mut text = zmij::Buffer::new().format(value).to_owned();
    assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
    let digits = |text: &str| {
        let mantissa = text.split('e').next().unwrap().replace(['-', '.'], "");
        mantissa.trim_matches('0').len()
    };
    assert!(digits(&text) <= digits(&format!("{value:e}")), "{text}");
    if form == TextForm::Insert && !text.contains('e') {
        text.push_str("e0");
    }
    text
}
