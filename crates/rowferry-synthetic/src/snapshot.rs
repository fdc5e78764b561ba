//! Reading a generated table: ranges of keys become ranges of row numbers.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{
    Chunk, ChunkReader, ConnectorError, Consistency, Digest, ErrorClass, Horizon, KeyColumns,
    KeyProbe, KeyRange, KeyTuple, Payload, ReadSpec, Result, Snapshot, TableSchema,
};

use crate::batch;
use crate::table::Table;

/// Rows of one "physical block" of a table without a key. Guessed: fine enough for any chunk size.
const BLOCK_ROWS: u64 = 1_000;

/// Bytes of a row, roughly, to turn a batch's bytes into rows.
const ROW_BYTES: u64 = 128;

/// Rows of one batch at most: making them takes about ten milliseconds, and a task should not
/// hold its thread for longer.
const BATCH_ROWS: u64 = 16_384;

/// A view of one table; generated rows never change, so every view is the same.
pub(crate) struct GeneratedView {
    table: Arc<Table>,
    seed: u64,
}

impl GeneratedView {
    pub(crate) fn new(table: Arc<Table>, seed: u64) -> Self {
        Self { table, seed }
    }

    /// Row numbers of a range, and whether it wants the rows whose key is null.
    fn rows_of(&self, range: &KeyRange) -> Result<(Range<u64>, Nulls)> {
        let rows = self.table.rows;
        Ok(match range {
            KeyRange::Whole => (0..rows, Nulls::With),
            KeyRange::NullKeys { key } => {
                check_key(&self.table, key)?;
                (0..rows, Nulls::Only)
            }
            KeyRange::Blocks { from, to } => {
                let end = to.map_or(rows, |to| to.saturating_mul(BLOCK_ROWS).min(rows));
                (from.saturating_mul(BLOCK_ROWS).min(end)..end, Nulls::With)
            }
            KeyRange::Span { key, lower, upper } => {
                check_key(&self.table, key)?;
                let start = bound(&self.table, lower.as_ref())?.unwrap_or(0);
                let end = bound(&self.table, upper.as_ref())?.unwrap_or(rows).min(rows);
                (start.min(end)..end, Nulls::Without)
            }
        })
    }
}

/// What happens to rows with a null key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nulls {
    With,
    Without,
    Only,
}

/// The first row behind a boundary.
fn bound(table: &Table, key: Option<&KeyTuple>) -> Result<Option<u64>> {
    let Some(key) = key else { return Ok(None) };
    match table.numbering.first_after(key) {
        Some(row) => Ok(Some(row)),
        None => Err(ConnectorError::bug(format!("a boundary is no key of {}", table.name))),
    }
}

fn check_key(table: &Table, key: &KeyColumns) -> Result<()> {
    if key.names() == table.numbering.key_columns() {
        return Ok(());
    }
    let message =
        format!("not supported yet: cut_by other than the key of generated {}", table.name);
    Err(ConnectorError::new(ErrorClass::Setup, "not-supported", message)
        .with_next("Leave out `cut_by` and `key`."))
}

#[async_trait]
impl Snapshot for GeneratedView {
    fn consistency(&self) -> Consistency {
        Consistency::Table
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        // Nothing ever writes here, so no row can still commit.
        Ok(Some(Horizon { oldest_open: 1, next: 1 }))
    }

    async fn probe(&self, _table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        check_key(&self.table, key)?;
        Ok(Box::new(Probe { table: Arc::clone(&self.table) }))
    }

    async fn blocks(&self, _table: &TableSchema) -> Result<Option<u64>> {
        Ok(Some(self.table.rows.div_ceil(BLOCK_ROWS)))
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        if spec.predicate.is_some() {
            let message = "not supported yet: filters on a generated table";
            return Err(ConnectorError::new(ErrorClass::Setup, "not-supported", message)
                .with_next("Leave out `filters`, or copy the rows into a database first."));
        }
        let index = |name: &str| self.table.recipes.iter().position(|recipe| recipe.name == name);
        let columns = spec
            .columns
            .iter()
            .map(|column| {
                index(&column.name).ok_or_else(|| {
                    let message =
                        format!("generated {} has no column {}", self.table.name, column.name);
                    ConnectorError::new(ErrorClass::Setup, "unknown-column", message)
                })
            })
            .collect::<Result<Vec<usize>>>()?;
        let (rows, nulls) = self.rows_of(&chunk.range)?;
        let unbounded = matches!(chunk.range, KeyRange::Span { upper: None, .. });
        let last_key = if unbounded {
            // At most one row in two is null, so this ends at once.
            rows.clone().rev().find_map(|row| self.table.numbering.key_of(row))
        } else {
            None
        };
        Ok(Box::new(Reader {
            table: Arc::clone(&self.table),
            seed: self.seed,
            columns,
            rows,
            nulls,
            batch_rows: spec.batch_rows.min(spec.batch_bytes / ROW_BYTES).clamp(1, BATCH_ROWS),
            last_key,
        }))
    }
}

struct Probe {
    table: Arc<Table>,
}

#[async_trait]
impl KeyProbe for Probe {
    async fn nth_key(
        &mut self,
        after: Option<&KeyTuple>,
        upto: Option<&KeyTuple>,
        rows: u64,
    ) -> Result<Option<KeyTuple>> {
        let start = bound(&self.table, after)?.unwrap_or(0);
        let end = bound(&self.table, upto)?.unwrap_or(self.table.rows).min(self.table.rows);
        let numbering = self.table.numbering;
        if numbering.null_every() == 0 {
            let row = start.saturating_add(rows.saturating_sub(1));
            return Ok((row < end).then(|| numbering.key_of(row)).flatten());
        }
        let nth = usize::try_from(rows.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok((start..end).filter_map(|row| numbering.key_of(row)).nth(nth))
    }
}

struct Reader {
    table: Arc<Table>,
    seed: u64,
    columns: Vec<usize>,
    rows: Range<u64>,
    nulls: Nulls,
    batch_rows: u64,
    last_key: Option<KeyTuple>,
}

#[async_trait]
impl ChunkReader for Reader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        let numbering = self.table.numbering;
        let nulls = self.nulls;
        let wanted = |row: &u64| match nulls {
            Nulls::With => true,
            Nulls::Without => !numbering.is_null(*row),
            Nulls::Only => numbering.is_null(*row),
        };
        let limit = usize::try_from(self.batch_rows).unwrap_or(usize::MAX);
        let rows: Vec<u64> = self.rows.by_ref().filter(wanted).take(limit).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        batch::build(&self.table, self.seed, &self.columns, &rows).map(|b| Some(Payload::Batch(b)))
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.last_key.clone()
    }

    fn digest(&self) -> Option<Digest> {
        None
    }
}
