//! Cuts cover, are disjoint and can be resumed from any subset of their receipts.

use std::{
    cmp::Ordering,
    pin::pin,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use proptest::{collection::vec, prelude::*};

use crate::{
    Chunk, ChunkNo, ChunkSpec, ChunkTotals, Coverage, Cutter, KeyColumn, KeyColumns, KeyProbe,
    KeyRange, KeyTuple, KeyValue, NativeType, Receipt, Result, TableRef,
};

/// A table: its keys in the order of a server.
#[derive(Clone, Debug)]
struct Keys {
    sorted: Vec<KeyTuple>,
    order: fn(&KeyTuple, &KeyTuple) -> Ordering,
}

impl Keys {
    fn ints(values: impl IntoIterator<Item = i128>) -> Self {
        Self::new(values.into_iter().map(int).collect(), |one, other| {
            one.as_int().cmp(&other.as_int())
        })
    }

    /// Texts in an order that no client would guess: by length, then backwards.
    fn texts(values: Vec<String>) -> Self {
        let tuples = values.into_iter().map(|text| KeyTuple(vec![KeyValue::Text(text)]));
        Self::new(tuples.collect(), |one, other| {
            let rank = |key: &KeyTuple| key.to_json().len();
            rank(one).cmp(&rank(other)).then_with(|| other.to_json().cmp(&one.to_json()))
        })
    }

    fn new(mut sorted: Vec<KeyTuple>, order: fn(&KeyTuple, &KeyTuple) -> Ordering) -> Self {
        sorted.sort_by(order);
        sorted.dedup();
        Self { sorted, order }
    }

    fn within<'a>(
        &'a self,
        lower: Option<&'a KeyTuple>,
        upper: Option<&'a KeyTuple>,
    ) -> impl Iterator<Item = &'a KeyTuple> {
        self.sorted.iter().filter(move |key| {
            lower.is_none_or(|lower| (self.order)(key, lower).is_gt())
                && upper.is_none_or(|upper| (self.order)(key, upper).is_le())
        })
    }

    fn of<'a>(&'a self, chunk: &'a Chunk) -> Vec<&'a KeyTuple> {
        let KeyRange::Span { lower, upper, .. } = &chunk.range else { return Vec::new() };
        self.within(lower.as_ref(), upper.as_ref()).collect()
    }

    fn cutter(&self, rows: u64, done: &Coverage) -> Cutter {
        let spec =
            ChunkSpec { rows, bytes: 1 << 30, row_bytes_estimated: None, with_null_keys: true };
        let integer = self.sorted.first().is_none_or(|key| key.as_int().is_some());
        let native = NativeType::new("double", "key");
        let column =
            KeyColumn { name: "key".into(), native, nullable: true, integer, collation: None };
        let key = KeyColumns(vec![column]);
        Cutter::by_key(TableRef::bare("t"), key, spec, done, Box::new(self.clone()))
    }

    /// Cuts what `done` leaves; each chunk in `durable` is observed and gives a receipt.
    fn run(
        &self,
        rows: u64,
        done: &mut Vec<Receipt>,
        mut durable: impl FnMut() -> bool,
    ) -> Vec<Chunk> {
        let mut cutter = self.cutter(rows, &Coverage::new(None, done));
        let mut chunks = Vec::new();
        while let Some(chunk) = ready(cutter.next()).unwrap() {
            let keys = self.of(&chunk);
            if durable() {
                let rows = keys.len() as u64;
                cutter.observe(&chunk, rows, rows * 100);
                let open = matches!(&chunk.range, KeyRange::Span { upper: None, .. });
                let last_key = keys.last().filter(|_| open).copied().cloned();
                done.push(Receipt::of(&chunk, ChunkTotals { last_key, ..ChunkTotals::default() }));
            }
            chunks.push(chunk);
        }
        chunks
    }
}

#[async_trait]
impl KeyProbe for Keys {
    async fn nth_key(
        &mut self,
        after: Option<&KeyTuple>,
        upto: Option<&KeyTuple>,
        rows: u64,
    ) -> Result<Option<KeyTuple>> {
        let skip = usize::try_from(rows - 1).unwrap_or(usize::MAX);
        Ok(self.within(after, upto).nth(skip).cloned())
    }
}

fn int(value: i128) -> KeyTuple {
    KeyTuple(vec![KeyValue::Int(value)])
}

/// The answer of a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the double never waits"),
    }
}

/// Every key lies in exactly one of the receipts, their numbers are unique and rise in key order,
/// and neighbours meet byte for byte.
fn assert_exact(keys: &Keys, receipts: &[Receipt]) {
    let mut spans: Vec<&Receipt> = receipts.iter().filter(|receipt| receipt.no.0 != 0).collect();
    assert_eq!(receipts.len() - spans.len(), 1, "the null keys are copied once");
    spans.sort_by_key(|receipt| receipt.no);
    let mut lower = None;
    let mut covered = 0;
    for pair in spans.windows(2) {
        assert!(pair[0].no < pair[1].no, "a number was given twice");
    }
    for span in &spans {
        assert_eq!(span.lower, lower, "a span starts where the one before ends");
        covered += keys.within(span.lower.as_ref(), span.upper.as_ref()).count();
        // A span without bound that others follow ends at the last key it read.
        if span.upper.is_none() && !std::ptr::eq(*span, *spans.last().unwrap()) {
            let end = span.totals.last_key.clone().or_else(|| span.lower.clone());
            covered -= keys.within(end.as_ref(), None).count();
            lower = end;
        } else {
            lower.clone_from(&span.upper);
        }
    }
    assert_eq!(lower, None, "the last span is open");
    assert_eq!(covered, keys.sorted.len());
}

fn some_keys() -> impl Strategy<Value = Keys> {
    let near = vec(-500..500_i128, 0..300);
    let gaps = (near.clone(), near, any::<i64>()).prop_map(|(here, there, far)| {
        here.into_iter().chain(there.into_iter().map(|key| key + i128::from(far))).collect()
    });
    let signed = vec(any::<i64>().prop_map(i128::from), 0..200);
    let unsigned = vec(any::<u64>().prop_map(i128::from), 0..200);
    let ends =
        vec(prop_oneof![Just(i64::MIN.into()), Just(i64::MAX.into()), Just(u64::MAX.into())], 0..3);
    prop_oneof![
        prop_oneof![gaps, signed, unsigned, ends].prop_map(Keys::ints),
        vec("[a-zA-Zäß😀]{0,6}", 0..200).prop_map(Keys::texts),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_first_cut_covers_and_is_disjoint(keys in some_keys(), rows in 1_u64..50) {
        let mut receipts = Vec::new();
        let chunks = keys.run(rows, &mut receipts, || true);
        prop_assert_eq!(chunks.len(), receipts.len());
        assert_exact(&keys, &receipts);
    }

    #[test]
    fn kills_lose_and_double_nothing(
        keys in some_keys(),
        rows in 1_u64..50,
        kills in vec(vec(any::<bool>(), 1..20), 0..5),
    ) {
        let mut receipts = Vec::new();
        for kill in &kills {
            let mut durable = kill.iter().cycle();
            keys.run(rows, &mut receipts, || *durable.next().unwrap_or(&true));
        }
        keys.run(rows, &mut receipts, || true);
        assert_exact(&keys, &receipts);
    }

    #[test]
    fn rows_appended_after_the_end_are_cut_behind_it(first in vec(0..500_i128, 1..100), more in 1..50_i128) {
        let keys = Keys::ints(first);
        let mut receipts = Vec::new();
        keys.run(10, &mut receipts, || true);
        let top = keys.sorted.last().and_then(KeyTuple::as_int).unwrap();
        let grown = Keys::ints(
            keys.sorted.iter().filter_map(KeyTuple::as_int).chain((1..=more).map(|n| top + n)),
        );
        grown.run(10, &mut receipts, || true);
        assert_exact(&grown, &receipts);
    }
}

#[test]
fn a_gap_does_not_inflate_the_chunks_behind_it() {
    let keys = Keys::ints((0..5_000).chain(1_000_000_000..1_000_005_000));
    let chunks = keys.run(1_000, &mut Vec::new(), || true);
    let largest = chunks.iter().map(|chunk| keys.of(chunk).len()).max();
    assert_eq!(largest, Some(1_000));
}

#[test]
fn an_empty_table_is_one_open_span() {
    let chunks = Keys::ints([]).run(10, &mut Vec::new(), || true);
    let spans: Vec<_> =
        chunks.iter().filter(|chunk| matches!(chunk.range, KeyRange::Span { .. })).collect();
    assert_eq!((chunks.len(), spans.len()), (2, 1));
}

#[test]
fn a_hole_reaches_from_one_receipt_to_the_next() {
    let receipt = |no, lower: Option<i128>, upper: Option<i128>| Receipt {
        no: ChunkNo(no),
        lower: lower.map(int),
        upper: upper.map(int),
        totals: ChunkTotals::default(),
    };
    let done = Coverage::new(None, &[receipt(30, Some(20), Some(30)), receipt(10, None, Some(10))]);
    let holes = done.holes();
    assert_eq!(holes.len(), 2);
    assert_eq!((&holes[0].lower, &holes[0].upper), (&Some(int(10)), &Some(int(20))));
    assert_eq!((holes[0].after, holes[0].before), (ChunkNo(10), Some(ChunkNo(30))));
    assert_eq!((&holes[1].lower, &holes[1].upper), (&Some(int(30)), &None));
}
