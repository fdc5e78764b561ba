//! What a read of some rows leaves behind: sums of all, or the few that are wanted.

use std::sync::Arc;

use arrow_array::RecordBatch;
use rowferry_core::Result;
use rowferry_kernels::{Fold, keep_rows};

use crate::Side;
use crate::lane::{Lane, kernel_failed};

/// Takes batches as they are read. A clone of an untouched one starts anew.
pub(crate) trait Collect: Clone + Send + Sync + 'static {
    fn take(&mut self, batch: &RecordBatch, side: Side, lane: &Lane) -> Result<()>;
    /// Adds what another one of the same start has taken.
    fn merge(&mut self, more: Self);
}

impl Collect for Fold {
    fn take(&mut self, batch: &RecordBatch, side: Side, lane: &Lane) -> Result<()> {
        self.add(&lane.comparable(side, batch)?, &lane.key).map_err(kernel_failed)
    }

    fn merge(&mut self, more: Self) {
        Self::merge(self, &more);
    }
}

/// The rows of some buckets.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    wanted: Arc<[bool]>,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Rows {
    pub(crate) fn of(wanted: Vec<bool>) -> Self {
        Self { wanted: wanted.into(), batches: Vec::new() }
    }
}

impl Collect for Rows {
    fn take(&mut self, batch: &RecordBatch, side: Side, lane: &Lane) -> Result<()> {
        let rows = lane.comparable(side, batch)?;
        let stays = rows.rows_of(&lane.key, &self.wanted).map_err(kernel_failed)?;
        if stays.contains(&true) {
            self.batches.push(keep_rows(batch, stays).map_err(kernel_failed)?);
        }
        Ok(())
    }

    fn merge(&mut self, more: Self) {
        self.batches.extend(more.batches);
    }
}
