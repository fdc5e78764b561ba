//! From buckets that differ to the rows in them: which are read together, and what is said of them.

use std::sync::Arc;

use rowferry_core::{ConnectorError, ErrorClass, KeyRange, Result};
use rowferry_runtime::Stage;

use crate::collect::Rows;
use crate::lane::{Lane, kernel_failed};
use crate::side::Both;
use crate::table::{Table, Trouble};
use crate::{Difference, leaf, range, whole};

/// Where rows that differ stand, and how they are found again.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The range of the key in common; `None` = the whole table.
    pub(crate) range: Option<KeyRange>,
    pub(crate) wanted: Rows,
    pub(crate) lane: Arc<Lane>,
}

/// A group, and the rows of it that differ.
pub(crate) type Resolved = (Group, Vec<Difference>);

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

/// Reads the rows of a group on both sides and compares them.
pub(crate) async fn resolve(table: &Arc<Table>, group: &Group) -> Result<Vec<Difference>> {
    let Group { range, wanted, lane } = group;
    let read = match range {
        Some(range) => range::both(table, range, lane, wanted).await,
        None => whole::both(table, lane, wanted).await,
    };
    let rows = match read {
        Ok(rows) => rows,
        Err(Trouble::Failed(error)) => return Err(error),
        Err(Trouble::Widened) => return Err(changed(table)),
    };
    let lane = Arc::clone(lane);
    let rows = Both { source: rows.source.batches, target: rows.target.batches };
    let work = table.context.compute.run(Stage::Transform, move || leaf::differences(&lane, &rows));
    work.await.map_err(kernel_failed)?
}

/// A second read met a value that the first one did not.
fn changed(table: &Table) -> ConnectorError {
    let message =
        format!("table {} was changed while it was compared", table.comparison.tables.source.table);
    ConnectorError::new(ErrorClass::Transient, "changed-while-read", message)
        .with_next("Run again when nobody writes the tables.")
}
