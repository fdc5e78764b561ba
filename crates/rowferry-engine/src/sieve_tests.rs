use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, UInt64Array};
use async_trait::async_trait;
use proptest::prelude::*;
use rowferry_core::{
    ChunkTotals, ChunkWriter, ConnectorError, ErrorClass, Payload, Receipt, RejectedRow, Result,
    Tried,
};

use super::sift;

/// A table with a constraint that some rows break.
#[derive(Default)]
struct Picky {
    bad: BTreeSet<u64>,
    written: Vec<u64>,
    trials: usize,
}

#[async_trait]
impl ChunkWriter for Picky {
    async fn write(&mut self, _payload: Payload) -> Result<()> {
        Err(ConnectorError::bug("only trials were expected"))
    }

    async fn try_write(&mut self, batch: RecordBatch) -> Result<Tried> {
        self.trials += 1;
        let rows: Vec<u64> = batch.column(0).as_primitive::<UInt64Type>().values().to_vec();
        if rows.iter().any(|row| self.bad.contains(row)) {
            let refusal = ConnectorError::new(ErrorClass::Data, "check-violated", "no");
            return Ok(Tried::Refused(refusal));
        }
        self.written.extend(rows);
        Ok(Tried::Written)
    }

    async fn reject(&mut self, _rows: &[RejectedRow]) -> Result<()> {
        Ok(())
    }

    async fn commit(self: Box<Self>, _totals: ChunkTotals) -> Result<Receipt> {
        Err(ConnectorError::bug("nothing is committed here"))
    }
}

fn batch(rows: u64) -> RecordBatch {
    let column: arrow_array::ArrayRef = Arc::new(UInt64Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter([("id", column)]).unwrap()
}

fn sifted(rows: u64, bad: &BTreeSet<u64>, allowed: u64) -> (Vec<u64>, Picky) {
    let mut picky = Picky { bad: bad.clone(), ..Picky::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(sift(&mut picky, &batch(rows), allowed)).unwrap();
    (refused.into_iter().map(|refused| refused.row as u64).collect(), picky)
}

proptest! {
    #[test]
    fn exactly_the_bad_rows_come_back(
        rows in 0_u64..3_000,
        bad in prop::collection::btree_set(0_u64..3_000, 0..60),
    ) {
        let (refused, picky) = sifted(rows, &bad, u64::MAX);
        let there: Vec<u64> = bad.into_iter().filter(|row| *row < rows).collect();
        prop_assert_eq!(&refused, &there);
        let good: Vec<u64> = (0..rows).filter(|row| !there.contains(row)).collect();
        prop_assert_eq!(&picky.written, &good);
        let halvings = rows.max(1).next_power_of_two().ilog2() as usize;
        prop_assert!(picky.trials <= 2 * there.len() * halvings + 1, "{} trials", picky.trials);
    }
}

#[test]
fn it_ends_when_too_many_are_bad() {
    let bad = (0..1_000).collect();
    let (refused, picky) = sifted(1_000, &bad, 3);
    assert_eq!(refused, [0, 1, 2, 3]);
    assert!(picky.trials < 30, "{} trials", picky.trials);
}
