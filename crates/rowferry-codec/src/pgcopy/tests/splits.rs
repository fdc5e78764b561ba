//! Messages may be cut anywhere.

use std::sync::Arc;

use arrow_array::{Int32Array, StringArray};
use proptest::prelude::*;
use rowferry_core::CanonicalType as C;

use super::{
    super::{Decoder, HEADER, RawTuples, TRAILER},
    PgType as P, batch, column, encode,
};

proptest! {
    #[test]
    fn any_split_gives_the_same_rows(
        texts in proptest::collection::vec("[a-z]{0,20}", 0..40),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let text = C::Text { chars: None, fixed: false };
        let columns = [column("n", C::Int32, P::Int4), column("t", text, P::Text)];
        let numbers: Vec<i32> = (0..).take(texts.len()).collect();
        let rows = batch(
            &columns,
            vec![Arc::new(Int32Array::from(numbers)), Arc::new(StringArray::from(texts))],
        );
        let tuples = encode(&columns, &rows).unwrap();
        let stream = [HEADER, &tuples, TRAILER].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let mut raw = RawTuples::new();
        let mut decoder = Decoder::new(&columns).unwrap();
        let (mut wire, mut count, mut start) = (Vec::new(), 0, 0);
        let mut decoded = 0;
        for cut in cuts {
            let message = stream.get(start..cut).unwrap();
            start = cut;
            raw.push(message).unwrap();
            decoder.push(message.to_vec().into()).unwrap();
            let taken = raw.take();
            count += taken.rows;
            wire.extend_from_slice(&taken.bytes);
            if let Some(part) = decoder.take_batch().unwrap() {
                prop_assert_eq!(&part, &rows.slice(decoded, part.num_rows()));
                decoded += part.num_rows();
            }
        }
        prop_assert!(raw.is_finished() && decoder.is_finished());
        prop_assert_eq!((count, decoded), (rows.num_rows(), rows.num_rows()));
        prop_assert_eq!(wire, tuples);
    }
}

#[test]
fn a_stream_without_trailer_is_not_finished() {
    let mut raw = RawTuples::new();
    raw.push(HEADER).unwrap();
    raw.push(&[0, 1, 0, 0, 0, 1]).unwrap();
    assert_eq!((raw.rows(), raw.is_finished()), (0, false));
    raw.push(&[7]).unwrap();
    assert_eq!((raw.rows(), raw.is_finished()), (1, false));
    raw.push(TRAILER).unwrap();
    assert!(raw.is_finished());
    assert!(raw.push(&[0]).is_err());
}

#[test]
fn foreign_streams_are_refused() {
    assert!(RawTuples::new().push(b"PGCOPX").is_err());
    let mut raw = RawTuples::new();
    raw.push(HEADER).unwrap();
    assert!(raw.push(&[0xff, 0xfe]).is_err());
}
