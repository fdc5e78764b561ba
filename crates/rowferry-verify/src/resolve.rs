//! From buckets that differ to the rows in them: which are read together, and what is said of them.

use std::sync::Arc;

use rowferry_core::{ConnectorError, ErrorClass, Result};
use rowferry_runtime::Stage;

use crate::collect::Rows;
use crate::lane::{Lane, kernel_failed};
use crate::side::Both;
use crate::table::{Found, Table};
use crate::{Difference, TableVerdict, leaf};

/// Rows that differ, of one read.
pub(crate) type Differences = Vec<Difference>;

/// Bytes of the rows that are held at once, of both sides. Four ranges of them stay below a third of
/// the 200 MB that a comparison may take.
const HELD_BYTES: u64 = 8 << 20;

/// The buckets to be read together: as many as fit into memory, at least one.
pub(crate) fn groups(table: &Table, differing: &[(usize, u64)], buckets: usize) -> Vec<Rows> {
    let most = (HELD_BYTES / table.row_bytes()).max(1);
    let mut groups: Vec<(u64, Vec<bool>)> = Vec::new();
    for (bucket, rows) in differing {
        match groups.last_mut() {
            Some((held, wanted)) if *held + rows <= most => {
                *held += rows;
                mark(wanted, *bucket);
            }
            _ => {
                let mut wanted = vec![false; buckets];
                mark(&mut wanted, *bucket);
                groups.push((*rows, wanted));
            }
        }
    }
    groups.into_iter().map(|(_, wanted)| Rows::of(wanted)).collect()
}

fn mark(wanted: &mut [bool], bucket: usize) {
    if let Some(flag) = wanted.get_mut(bucket) {
        *flag = true;
    }
}

/// Compares rows of both sides.
pub(crate) async fn differences(
    table: &Table,
    lane: &Arc<Lane>,
    rows: Both<Rows>,
) -> Result<Differences> {
    let lane = Arc::clone(lane);
    let rows = Both { source: rows.source.batches, target: rows.target.batches };
    let work = table.context.compute.run(Stage::Transform, move || leaf::differences(&lane, &rows));
    work.await.map_err(kernel_failed)?
}

/// Counts differences and hands them on.
pub(crate) fn tell(differences: &Differences, verdict: &mut TableVerdict, found: &mut Found<'_>) {
    for difference in differences {
        verdict.count(difference.kind, difference.cells.len());
        found(difference);
    }
}

/// A second read met a value that the first one did not.
pub(crate) fn changed(table: &Table) -> ConnectorError {
    let message =
        format!("table {} was changed while it was compared", table.comparison.tables.source.table);
    ConnectorError::new(ErrorClass::Transient, "changed-while-read", message)
        .with_next("Run again when nobody writes the tables.")
}
