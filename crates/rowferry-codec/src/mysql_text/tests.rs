use std::sync::Arc;

use std::net::Ipv6Addr;

use arrow_array::types::Float32Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, DurationMicrosecondArray,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};
use proptest::prelude::*;

use super::*;
use crate::digits;

fn batch(array: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter([("c", array)]).unwrap()
}

fn encoder(rule: TextRule, form: TextForm) -> TextEncoder {
    TextEncoder::new(vec![TextColumn { name: "c".to_owned(), nullable: true, rule }], form)
}

fn text() -> TextRule {
    TextRule::Text {
        chars_max: None,
        bytes_max: None,
        repertoire: Repertoire::All,
        blanks_dropped: false,
    }
}

/// One column written as text; rows end in a line feed.
fn written(rule: TextRule, array: ArrayRef) -> String {
    let batch = batch(array);
    let encoder = encoder(rule, TextForm::Load);
    encoder.check(&batch, 0).unwrap();
    let mut out = Vec::new();
    encoder.append(&batch, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn refused(rule: TextRule, array: ArrayRef) -> String {
    match encoder(rule, TextForm::Load).check(&batch(array), 100).unwrap_err() {
        TextError::Value { row, reason, .. } => format!("{row}: {reason}"),
        TextError::Shape { found, .. } => panic!("{found}"),
    }
}

/// Fields of a load file, read by the rules of the manual.
fn fields(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut fields = Vec::new();
    let mut field = Vec::new();
    let mut null = false;
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next().unwrap() {
                b'N' => null = true,
                b'0' => field.push(0),
                b't' => field.push(b'\t'),
                b'n' => field.push(b'\n'),
                other => field.push(*other),
            },
            b'\t' | b'\n' => {
                let value = std::mem::take(&mut field);
                fields.push((!std::mem::take(&mut null)).then_some(value));
            }
            other => field.push(*other),
        }
    }
    fields
}

#[test]
fn dates_and_times_are_written_as_the_servers_show_them() {
    let dates = Date32Array::from(vec![0, -1, 19_782, -719_162, 2_932_896, i32::MIN + 1]);
    assert_eq!(
        written(TextRule::Date { zero: true }, Arc::new(dates)),
        "1970-01-01\n1969-12-31\n2024-02-29\n0001-01-01\n9999-12-31\n0000-00-00\n"
    );
    let times = TimestampMicrosecondArray::from(vec![-1, 1_709_251_199_123_456]);
    let rule = TextRule::DateTime { digits: 6, zero: false, range: None };
    assert_eq!(
        written(rule, Arc::new(times)),
        "1969-12-31 23:59:59.999999\n2024-02-29 23:59:59.123456\n"
    );
    let spans = DurationMicrosecondArray::from(vec![-3_020_399_000_000, 500_000, -1_000_000]);
    assert_eq!(
        written(TextRule::Time { digits: 1, max: 3_020_399_000_000 }, Arc::new(spans)),
        "-838:59:59.0\n00:00:00.5\n-00:00:01.0\n"
    );
}

#[test]
fn numbers_keep_every_digit() {
    let decimals = Decimal128Array::from(vec![-5, 12_345, 0, i128::from(u64::MAX) * 100])
        .with_precision_and_scale(38, 2)
        .unwrap();
    assert_eq!(
        written(TextRule::Decimal { precision: 38, scale: 2 }, Arc::new(decimals)),
        "-0.05\n123.45\n0.00\n18446744073709551615.00\n"
    );
    let wide = Decimal128Array::from(vec![1_500, -20]).with_precision_and_scale(20, 3).unwrap();
    let rule = TextRule::Decimal { precision: 5, scale: 2 };
    assert_eq!(written(rule, Arc::new(wide)), "1.50\n-0.02\n");
    let texts = StringArray::from(vec!["-12.3400", "7.000", "5"]);
    let rule = TextRule::Decimal { precision: 5, scale: 2 };
    assert_eq!(written(rule, Arc::new(texts)), "-12.34\n7.00\n5\n");
    let floats = Float32Array::from(vec![f32::MAX, 0.1]);
    assert_eq!(
        written(TextRule::Float, Arc::new(floats)),
        "3.4028234663852886e+38\n0.10000000149011612\n"
    );
    let bits = UInt64Array::from(vec![513]);
    assert_eq!(written(TextRule::Bits { bits: 10 }, Arc::new(bits)), "\u{2}\u{1}\n");
}

#[test]
fn what_does_not_fit_is_refused_with_its_row() {
    let check = |rule, array: ArrayRef, words: &str| {
        let found = refused(rule, array);
        assert!(found.starts_with("101: ") && found.contains(words), "{found}");
    };
    check(
        TextRule::Integer { min: -128, max: 127 },
        Arc::new(Int64Array::from(vec![127, 128])),
        "outside",
    );
    check(TextRule::Float, Arc::new(Float64Array::from(vec![1.0, f64::NAN])), "not finite");
    let decimals = |values: Vec<i128>| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(20, 3).unwrap())
    };
    let rule = TextRule::Decimal { precision: 5, scale: 2 };
    check(rule.clone(), decimals(vec![1_230, 1_239]), "fraction digits");
    check(rule, decimals(vec![999_990, 1_000_000]), "does not fit");
    let rule = TextRule::Text {
        chars_max: Some(2),
        bytes_max: None,
        repertoire: Repertoire::All,
        blanks_dropped: false,
    };
    check(rule, Arc::new(StringArray::from(vec!["äö", "abc"])), "longer than 2");
    check(
        TextRule::Enum { labels: vec!["a".to_owned(), "b".to_owned()] },
        Arc::new(StringArray::from(vec!["a", "1"])),
        "label",
    );
    check(
        TextRule::DateTime { digits: 3, zero: false, range: None },
        Arc::new(TimestampMicrosecondArray::from(vec![1_000, 1_001])),
        "fraction digits",
    );
    check(
        TextRule::Date { zero: false },
        Arc::new(Date32Array::from(vec![0, i32::MAX])),
        "infinite",
    );
    check(
        TextRule::Json { doubles: true },
        Arc::new(StringArray::from(vec!["[1.10, 1e2, \"1e999\"]", "[0.1234567890123456789]"])),
        "double",
    );
}

#[test]
fn sets_addresses_and_characters_are_checked() {
    let texts = |bad: &str| -> ArrayRef { Arc::new(StringArray::from(vec!["", bad])) };
    let set = TextRule::Set { labels: vec!["b".to_owned(), "a".to_owned()] };
    for (bad, words) in [("a,b", "order"), ("b,b", "order"), ("c", "no label"), ("b,", "no label")]
    {
        let found = refused(set.clone(), texts(bad));
        assert!(found.starts_with("101: ") && found.contains(words), "{bad}: {found}");
    }
    assert_eq!(written(set, texts("b,a")), "\nb,a\n");
    let one = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    for (v6, bad) in [(false, "10.0.0.1/8"), (false, "::1"), (true, "1.2.3.4"), (true, "::1/64")] {
        assert!(refused(TextRule::Inet { v6 }, one(bad)).contains("address"), "{bad}");
    }
    for (repertoire, good, bad) in [
        (Repertoire::Basic, "é€\u{FFFF}", "😀"),
        (Repertoire::Latin1, "é€ÿ\u{81}", "\u{80}"),
        (Repertoire::Latin1, "Žœ™", "Ā"),
        (Repertoire::Ascii, "a\u{7F}", "é"),
    ] {
        let rule =
            TextRule::Text { chars_max: None, bytes_max: None, repertoire, blanks_dropped: false };
        assert_eq!(written(rule.clone(), one(good)), format!("{good}\n"));
        assert!(refused(rule, one(bad)).contains("character set"), "{bad}");
    }
    let lists: Vec<Option<Vec<Option<f32>>>> =
        vec![Some(vec![Some(1.0)]), Some(vec![Some(1.0), Some(f32::NAN)])];
    let array = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
    assert!(refused(TextRule::Vector { elements: 2 }, array).contains("not finite"));
}

#[test]
fn a_null_in_a_column_without_nulls_is_refused() {
    let column = TextColumn { name: "c".to_owned(), nullable: false, rule: TextRule::Float };
    let encoder = TextEncoder::new(vec![column], TextForm::Load);
    let array: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None]));
    assert!(encoder.check(&batch(array), 0).is_err());
}

#[test]
fn statements_stop_where_the_next_row_does_not_fit() {
    let batch = batch(Arc::new(StringArray::from(vec!["aaaa", "bbbb", "o'\\\0"])));
    let encoder = encoder(text(), TextForm::Insert);
    let mut out = Vec::new();
    assert_eq!(encoder.append_rows(&batch, 0..3, 17, &mut out).unwrap(), 2);
    assert_eq!(out, b"('aaaa'),('bbbb')");
    out.clear();
    assert_eq!(encoder.append_rows(&batch, 2..3, 17, &mut out).unwrap(), 1);
    assert_eq!(out, b"('o\\'\\\\\\0')");
}

#[test]
fn memory_for_a_text_is_judged_by_its_first_rows() {
    let rows = batch(Arc::new(StringArray::from_iter_values(
        (0..10_000).map(|_row| "thirty bytes, with the line end"),
    )));
    let mut out = Vec::new();
    encoder(text(), TextForm::Load).append(&rows, &mut out).unwrap();
    assert!(out.capacity() <= out.len() * 6 / 5, "{} of {}", out.len(), out.capacity());
    // A statement takes no more than it may hold.
    let mut some = Vec::new();
    let insert = encoder(text(), TextForm::Insert);
    assert!(insert.append_rows(&rows, 0..10_000, 100_000, &mut some).unwrap() > 2_000);
    assert!(some.capacity() <= 110_000, "{}", some.capacity());
}

#[test]
fn the_longest_numbers_fit_their_slots() {
    let decimals = |scale: i8| -> ArrayRef {
        let ends = Decimal128Array::from(vec![i128::MIN, i128::MAX, -1, 0]);
        Arc::new(ends.with_precision_and_scale(38, scale).unwrap())
    };
    let durations = || -> ArrayRef {
        let longest = (838 * 3600 + 59 * 60 + 59) * 1_000_000 + 999_999;
        Arc::new(DurationMicrosecondArray::from(vec![-longest, longest]))
    };
    let uuids = FixedSizeBinaryArray::try_from_iter([[0xab_u8; 16]].iter()).unwrap();
    let last = 253_402_300_799_999_999;
    for form in [TextForm::Load, TextForm::Insert] {
        let text = |rule, array| {
            let mut out = Vec::new();
            encoder(rule, form).append(&batch(array), &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            text.replace("),(", "\n").replace(['(', ')', '\''], "").trim_end().to_owned()
        };
        let decimal = |scale| TextRule::Decimal { precision: 38, scale };
        let digits = "170141183460469231731687303715884105728";
        let max = "170141183460469231731687303715884105727";
        assert_eq!(text(decimal(0), decimals(0)), format!("-{digits}\n{max}\n-1\n0"));
        let zeros = "0".repeat(37);
        let expected = format!(
            "-1.{}\n1.{}\n-0.{zeros}1\n0.{zeros}0",
            digits.split_at(1).1,
            max.split_at(1).1
        );
        assert_eq!(text(decimal(38), decimals(38)), expected);
        let rule = TextRule::Time { digits: 6, max: i64::MAX };
        assert_eq!(text(rule, durations()), "-838:59:59.999999\n838:59:59.999999");
        let rule = TextRule::DateTime { digits: 6, zero: false, range: None };
        let stamps = Arc::new(TimestampMicrosecondArray::from(vec![last]));
        assert_eq!(text(rule, stamps), "9999-12-31 23:59:59.999999");
        let expected = "abababab-abab-abab-abab-abababababab";
        assert_eq!(text(TextRule::UuidText, Arc::new(uuids.clone())), expected);
        let floats = Arc::new(Float64Array::from(vec![-f64::MIN_POSITIVE, f64::MIN]));
        let expected = "-2.2250738585072014e-308\n-1.7976931348623157e308";
        assert_eq!(text(TextRule::Float, floats).replace("e+", "e"), expected);
        let unsigned = TextRule::Integer { min: 0, max: u64::MAX.into() };
        let words = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert_eq!(text(unsigned, words), u64::MAX.to_string());
    }
}

proptest! {
    #[test]
    fn any_bytes_survive_the_load_text(
        values in proptest::collection::vec(proptest::option::of(
            proptest::collection::vec(any::<u8>(), 0..40)), 1..20)
    ) {
        let array: BinaryArray = values.iter().collect();
        let encoder = encoder(TextRule::Binary { bytes_max: None, exact: false }, TextForm::Load);
        let mut out = Vec::new();
        encoder.append(&batch(Arc::new(array)), &mut out).unwrap();
        prop_assert_eq!(fields(&out), values);
    }

    #[test]
    fn any_vector_is_its_elements_least_byte_first(
        lists in proptest::collection::vec(proptest::option::of(
            proptest::collection::vec(-1e30_f32..1e30, 1..5)), 1..8)
    ) {
        let arrow = lists.iter().map(|list| {
            list.as_ref().map(|list| list.iter().copied().map(Some).collect::<Vec<_>>())
        });
        let array: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(arrow));
        let rule = TextRule::Vector { elements: 4 };
        let naive: Vec<Option<Vec<u8>>> = lists
            .iter()
            .map(|list| {
                list.as_ref().map(|list| list.iter().flat_map(|float| float.to_le_bytes()).collect())
            })
            .collect();
        // A slice must write its own rows.
        for from in 0..lists.len() {
            let some = batch(array.slice(from, lists.len() - from));
            let encoder = encoder(rule.clone(), TextForm::Load);
            encoder.check(&some, 0).unwrap();
            let mut out = Vec::new();
            encoder.append(&some, &mut out).unwrap();
            prop_assert_eq!(&fields(&out)[..], &naive[from..]);
        }
    }

    #[test]
    fn a_set_is_taken_when_a_row_loop_takes_it(text in "[abc,]{0,6}") {
        let labels = ["b", "a", "c"].map(str::to_owned).to_vec();
        let naive = text.is_empty() || {
            let places: Vec<Option<usize>> = text
                .split(',')
                .map(|part| labels.iter().position(|label| label == part))
                .collect();
            places.iter().all(Option::is_some) && places.windows(2).all(|pair| pair[0] < pair[1])
        };
        let array: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
        let taken = encoder(TextRule::Set { labels }, TextForm::Load).check(&batch(array), 0).is_ok();
        prop_assert_eq!(taken, naive, "{}", text);
    }

    #[test]
    fn every_address_of_version_6_is_taken(address in any::<u128>()) {
        let text = Ipv6Addr::from(address).to_string();
        let rule = TextRule::Inet { v6: true };
        let array: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
        prop_assert_eq!(written(rule, array), format!("{text}\n"));
    }

    #[test]
    fn any_decimal_is_its_own_text(value in any::<i128>(), scale in 0_u8..38) {
        let value = value % 10_i128.pow(37);
        let mut out = Vec::new();
        let mut pen = Pen::new(&mut out);
        digits::decimal(value, scale, &mut pen);
        pen.finish();
        let text = String::from_utf8(out).unwrap();
        prop_assert_eq!(text.replace('.', "").parse::<i128>().unwrap(), value);
        let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        prop_assert_eq!(fraction, usize::from(scale));
    }

    #[test]
    fn any_integer_is_its_own_text(signed in any::<i64>(), unsigned in any::<u64>()) {
        let text = |write: &dyn Fn(&mut Pen<'_>)| {
            let mut out = Vec::new();
            let mut pen = Pen::new(&mut out);
            write(&mut pen);
            pen.finish();
            String::from_utf8(out).unwrap()
        };
        prop_assert_eq!(text(&|pen| digits::signed(signed, pen)), signed.to_string());
        for power in 0..20 {
            let unsigned = unsigned / 10_u64.pow(power);
            prop_assert_eq!(text(&|pen| digits::unsigned(unsigned, pen)), unsigned.to_string());
        }
    }

    #[test]
    fn any_double_is_read_back_from_its_text(value in any::<f64>()) {
        prop_assume!(value.is_finite());
        let text = written(TextRule::Float, Arc::new(Float64Array::from(vec![value])));
        prop_assert_eq!(text.trim().parse::<f64>().unwrap().to_bits(), value.to_bits());
    }
}
