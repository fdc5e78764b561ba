//! Counts of time against a naive row loop, and against what SQLite says of the same numbers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray,
    UInt64Array, cast::AsArray, types as t,
};
use proptest::{collection::vec, option, prelude::*};
use rowferry_core::{CanonicalType as C, Epoch};

use super::{Converted, from_epoch};
use crate::{KernelError, Rule};

const INSTANT: C = C::Instant { digits: 6 };

fn instants(array: &ArrayRef, from: &C, epoch: Epoch) -> Result<Converted, KernelError> {
    from_epoch(array, from, epoch, &INSTANT)
}

fn micros(converted: &Converted) -> Vec<Option<i64>> {
    converted.array.as_primitive::<t::TimestampMicrosecondType>().iter().collect()
}

fn of(array: &ArrayRef, from: &C, epoch: Epoch) -> (Vec<Option<i64>>, Vec<(usize, Rule)>) {
    let read = instants(array, from, epoch).unwrap();
    assert_eq!(read.array.data_type(), &INSTANT.arrow());
    // A wall clock of UTC has the same numbers.
    let clock = C::Timestamp { digits: 6 };
    let clocks = from_epoch(array, from, epoch, &clock).unwrap();
    assert_eq!((micros(&clocks), &clocks.misfits), (micros(&read), &read.misfits));
    assert_eq!(clocks.array.data_type(), &clock.arrow());
    (micros(&read), read.misfits.iter().map(|misfit| (misfit.row, misfit.rule)).collect())
}

fn factor(epoch: Epoch) -> i128 {
    match epoch {
        Epoch::Seconds => 1_000_000,
        Epoch::Milliseconds => 1_000,
        Epoch::Microseconds => 1,
        Epoch::Julian => unreachable!("days are doubles"),
    }
}

proptest! {
    #[test]
    fn integers_are_exact_or_out_of_range(
        numbers in vec(option::of(prop_oneof![any::<i64>(), -4_000_000_000_000_i64..4_000_000_000_000]), 0..50),
        epoch in prop::sample::select(vec![Epoch::Seconds, Epoch::Milliseconds, Epoch::Microseconds]),
    ) {
        let array: ArrayRef = Arc::new(Int64Array::from(numbers.clone()));
        let (found, misfits) = of(&array, &C::Int64, epoch);
        for (row, number) in numbers.into_iter().enumerate() {
            let exact = number.map(|number| i128::from(number) * factor(epoch));
            let fits = exact.filter(|exact| {
                i64::try_from(*exact).is_ok_and(|micros| micros != i64::MIN && micros != i64::MAX)
            });
            prop_assert_eq!(found[row].map(i128::from), fits);
            prop_assert_eq!(misfits.contains(&(row, Rule::Range)), exact.is_some() && fits.is_none());
        }
    }

    #[test]
    fn doubles_of_our_days_come_back_to_the_microsecond(micros in -4_000_000_000_000_000_i64..4_000_000_000_000_000) {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let seconds = micros as f64 / 1e6;
        let array: ArrayRef = Arc::new(Float64Array::from(vec![seconds]));
        prop_assert_eq!(of(&array, &C::Float64, Epoch::Seconds).0, [Some(micros)]);
    }
}

#[test]
fn julian_days_are_what_sqlite_says() {
    // sqlite3: select julianday('2000-01-01 12:00'), julianday('1969-12-31 23:59:59.999'), …
    let days = [2_451_545.0, 2_440_587.499_999_988_4, 2_460_000.5, 0.0];
    let array: ArrayRef = Arc::new(Float64Array::from(days.to_vec()));
    let (found, misfits) = of(&array, &C::Float64, Epoch::Julian);
    // sqlite3: select strftime('%s', 2460000.5) …
    let expected = [946_728_000_000_000, -1_000, 1_677_283_200_000_000, -210_866_760_000_000_000];
    assert_eq!(found, expected.map(Some));
    assert_eq!(misfits, []);
    let whole: ArrayRef = Arc::new(Int32Array::from(vec![2_451_545]));
    assert_eq!(of(&whole, &C::Int32, Epoch::Julian).0, [Some(946_728_000_000_000)]);
}

#[test]
fn counts_become_texts_too() {
    let array: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(1_700_000_000), None, Some(i64::MAX)]));
    let text = C::Text { chars: None, fixed: false };
    let read = from_epoch(&array, &C::Int64, Epoch::Seconds, &text).unwrap();
    let texts: Vec<Option<&str>> = read.array.as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("2023-11-14 22:13:20+00:00"), None, None]);
    assert_eq!(read.misfits.len(), 1);
}

#[test]
fn what_is_no_count_is_a_misfit_or_no_conversion() {
    let odd: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, 1e300, 0.5]));
    let (found, misfits) = of(&odd, &C::Float64, Epoch::Microseconds);
    assert_eq!(found, [None; 4]);
    let rules = [Rule::Nan, Rule::Infinite, Rule::Range, Rule::Fraction];
    assert_eq!(misfits, rules.into_iter().enumerate().collect::<Vec<_>>());

    let great: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1]));
    assert_eq!(
        of(&great, &C::UInt64, Epoch::Seconds),
        (vec![None, Some(1_000_000)], vec![(0, Rule::Range)])
    );
    let money = C::Decimal { precision: 20, scale: 7 };
    let decimals = Decimal128Array::from(vec![15_000_000, 1, -1]);
    let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(20, 7).unwrap());
    assert_eq!(
        of(&decimals, &money, Epoch::Seconds),
        (vec![Some(1_500_000), None, None], vec![(1, Rule::Fraction), (2, Rule::Fraction)])
    );

    let cell = |class: u8, value: &[u8]| [&[class], value].concat();
    let cells = [
        cell(1, &5_i64.to_be_bytes()),
        cell(2, &1.5_f64.to_be_bytes()),
        cell(3, b"1970-01-01"),
        cell(4, b"x"),
    ];
    let cells: ArrayRef = Arc::new(BinaryArray::from_iter_values(cells));
    assert_eq!(
        of(&cells, &C::Variant, Epoch::Seconds),
        (
            vec![Some(5_000_000), Some(1_500_000), None, None],
            vec![(2, Rule::Class), (3, Rule::Class)]
        )
    );

    let words: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let text = C::Text { chars: None, fixed: false };
    assert!(matches!(instants(&words, &text, Epoch::Seconds), Err(KernelError::Conversion { .. })));
    assert!(matches!(
        instants(&words, &C::Int64, Epoch::Seconds),
        Err(KernelError::Storage { .. })
    ));
}
