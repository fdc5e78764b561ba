//! Cutting a table into chunks, lazily and in key order.
//!
//! Why not ask for min and max and divide? Because ids have gaps, text keys have no arithmetic and
//! statistics are stale: equal slices of a snowflake-id range put all rows into one of them. Why
//! not walk the index for every bound? Because a walk reads every key once more, a tenth of the
//! cost of the copy itself. So:
//!
//! ```text
//! integer key   one probe per chunk: the next key that exists; then `next + width`,
//!               where width follows the density of the keys seen so far
//! other keys    one index walk per chunk: the n-th key behind the bound
//! no key        physical blocks
//! ```
//!
//! Either way the ranges are half-open, start and end unbounded, and meet byte for byte, so wrong
//! estimates can only unbalance chunks and never lose a row. Holes that a killed run left are cut
//! by the same code, with numbers between those of their neighbours.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;

use crate::{
    CHUNK_NO_STEP, Chunk, ChunkNo, Coverage, Hole, KeyColumns, KeyRange, KeyTuple, KeyValue,
    Result, TableRef, coverage::NULL_KEYS_NO,
};

/// Rows looked at to learn the density of an integer key before the first chunk. Guessed: small
/// enough to cost one millisecond, large enough to see past a few gaps.
const DENSITY_SAMPLE_ROWS: u64 = 1_000;

/// How much wider, for the same number of rows, the next chunk may become. Guessed: an empty
/// stretch of a million chunks is crossed in ten, and one dense stretch is never taken whole.
const SPREAD_GROWTH_MAX: f64 = 4.0;

/// A hole that is cut again takes numbers this many times denser than the gap around it.
const RECUT_STEPS: i64 = 1 << 10;

/// Looks up keys in one table, within one read view. Rows with a null in a key column are ignored.
#[async_trait]
pub trait KeyProbe: Send {
    /// The `rows`-th key (1 = the next) greater than `after`, if it is not beyond `upto`.
    async fn nth_key(
        &mut self,
        after: Option<&KeyTuple>,
        upto: Option<&KeyTuple>,
        rows: u64,
    ) -> Result<Option<KeyTuple>>;
}

/// How large chunks should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkSpec {
    /// Rows per chunk at most.
    pub rows: u64,
    /// Bytes per chunk at most, by the estimate of a row.
    pub bytes: u64,
    /// Bytes of a row, before any was seen.
    pub row_bytes_estimated: Option<u64>,
    /// Whether rows with null keys belong to the scope (not behind a watermark).
    pub with_null_keys: bool,
}

/// Hands out the chunks of one table.
pub struct Cutter {
    table: TableRef,
    spec: ChunkSpec,
    row_bytes: Option<u64>,
    way: Way,
}

enum Way {
    Keys(KeyCutter),
    Blocks(VecDeque<Chunk>),
}

struct KeyCutter {
    probe: Box<dyn KeyProbe>,
    key: KeyColumns,
    null_keys_pending: bool,
    holes: VecDeque<Hole>,
    /// Next existing key of the hole in front, when it was already probed.
    next_key: Option<KeyTuple>,
    /// Keys per row seen lately: the width of a chunk is rows × spread.
    spread: Option<f64>,
    /// Widths of the integer chunks handed out and not yet observed, from their first existing key
    /// on: a gap in front of that key says nothing about the density behind it.
    widths: BTreeMap<ChunkNo, f64>,
}

impl Cutter {
    /// Cuts `table` by `key`, leaving out what `done` covers.
    pub fn by_key(
        table: TableRef,
        key: KeyColumns,
        spec: ChunkSpec,
        done: &Coverage,
        probe: Box<dyn KeyProbe>,
    ) -> Self {
        let null_keys_pending = spec.with_null_keys && key.is_nullable() && !done.null_keys_done;
        let holes = done.holes().into();
        let row_bytes = spec.row_bytes_estimated;
        let way = Way::Keys(KeyCutter {
            probe,
            key,
            null_keys_pending,
            holes,
            next_key: None,
            spread: None,
            widths: BTreeMap::new(),
        });
        Self { table, spec, row_bytes, way }
    }

    /// Cuts a table without a key into stretches of blocks, or into one whole read when `blocks`
    /// is `None`.
    pub fn by_blocks(
        table: TableRef,
        spec: ChunkSpec,
        blocks: Option<u64>,
        rows_estimated: Option<u64>,
    ) -> Self {
        let chunks = match blocks {
            None => VecDeque::from([Chunk {
                no: ChunkNo(CHUNK_NO_STEP),
                table: table.clone(),
                range: KeyRange::Whole,
                rows_estimated,
            }]),
            Some(blocks) => block_chunks(&table, &spec, blocks, rows_estimated),
        };
        Self { table, row_bytes: spec.row_bytes_estimated, spec, way: Way::Blocks(chunks) }
    }

    /// The next chunk in key order, or `None` when the scope is covered.
    pub async fn next(&mut self) -> Result<Option<Chunk>> {
        let rows = self.rows_wanted();
        match &mut self.way {
            Way::Blocks(chunks) => Ok(chunks.pop_front()),
            Way::Keys(cutter) => cutter.next(&self.table, rows).await,
        }
    }

    /// Takes note of a finished chunk: its rows and payload bytes steer the size of later ones.
    pub fn observe(&mut self, chunk: &Chunk, rows: u64, bytes: u64) {
        let width = match &mut self.way {
            Way::Keys(cutter) => cutter.widths.remove(&chunk.no),
            Way::Blocks(_) => None,
        };
        if let Some(row_bytes) = bytes.checked_div(rows) {
            self.row_bytes = Some(row_bytes.max(1));
        }
        if let (Way::Keys(cutter), Some(width)) = (&mut self.way, width) {
            // A filter may leave a chunk nearly empty and the next one full: widen in steps.
            let widest = cutter.spread.unwrap_or(1.0) * SPREAD_GROWTH_MAX;
            cutter.spread = Some((width / as_f64(rows.max(1))).clamp(1.0, widest.max(1.0)));
        }
    }

    /// Goes on with a probe of another read view, after the source lost the first one.
    pub fn set_probe(&mut self, probe: Box<dyn KeyProbe>) {
        if let Way::Keys(cutter) = &mut self.way {
            cutter.probe = probe;
            cutter.next_key = None;
        }
    }

    fn rows_wanted(&self) -> u64 {
        let by_bytes = self.row_bytes.map_or(u64::MAX, |row| self.spec.bytes / row.max(1));
        self.spec.rows.min(by_bytes).max(1)
    }
}

impl KeyCutter {
    async fn next(&mut self, table: &TableRef, rows: u64) -> Result<Option<Chunk>> {
        if std::mem::take(&mut self.null_keys_pending) {
            return Ok(Some(Chunk {
                no: NULL_KEYS_NO,
                table: table.clone(),
                range: KeyRange::NullKeys { key: self.key.clone() },
                rows_estimated: None,
            }));
        }
        let Some(hole) = self.holes.front().cloned() else { return Ok(None) };
        let (no, room_left) = number_in(&hole);
        let bound = if room_left { self.bound(&hole, no, rows).await? } else { None };
        let upper = bound.or_else(|| hole.upper.clone());
        if upper == hole.upper {
            self.holes.pop_front();
            self.next_key = None;
        } else if let Some(front) = self.holes.front_mut() {
            front.lower.clone_from(&upper);
            front.after = no;
        }
        Ok(Some(Chunk {
            no,
            table: table.clone(),
            range: KeyRange::Span { key: self.key.clone(), lower: hole.lower, upper },
            rows_estimated: Some(rows),
        }))
    }

    /// The inclusive upper bound of the next chunk; `None` = the rest of the hole.
    async fn bound(&mut self, hole: &Hole, no: ChunkNo, rows: u64) -> Result<Option<KeyTuple>> {
        if !self.key.is_integer() {
            return self.probe.nth_key(hole.lower.as_ref(), hole.upper.as_ref(), rows).await;
        }
        let first = match self.next_key.take() {
            Some(key) => Some(key),
            None => self.probe.nth_key(hole.lower.as_ref(), hole.upper.as_ref(), 1).await?,
        };
        let Some(first) = first.as_ref().and_then(KeyTuple::as_int) else { return Ok(None) };
        let Some(spread) = self.spread(hole, first, rows).await? else { return Ok(None) };
        let width = as_i128((as_f64(rows) * spread).ceil()).max(1);
        let bound = KeyTuple(vec![KeyValue::Int(first.saturating_add(width - 1))]);
        // A chunk that would be the last is left unbounded, so that it also takes late rows.
        self.next_key = self.probe.nth_key(Some(&bound), hole.upper.as_ref(), 1).await?;
        if self.next_key.is_none() {
            return Ok(None);
        }
        self.widths.insert(no, as_f64(u64::try_from(width).unwrap_or(u64::MAX)));
        Ok(Some(bound))
    }

    /// Keys per row: from finished chunks, else from a short walk. `None` = fewer rows than the
    /// walk looks at, so one chunk takes them all.
    async fn spread(&mut self, hole: &Hole, first: i128, rows: u64) -> Result<Option<f64>> {
        if self.spread.is_none() {
            let sample_rows = rows.min(DENSITY_SAMPLE_ROWS);
            let sample =
                self.probe.nth_key(hole.lower.as_ref(), hole.upper.as_ref(), sample_rows).await?;
            if let Some(last) = sample.as_ref().and_then(KeyTuple::as_int) {
                let keys = (last - first).unsigned_abs().saturating_add(1);
                let keys = as_f64(u64::try_from(keys).unwrap_or(u64::MAX));
                self.spread = Some((keys / as_f64(sample_rows)).max(1.0));
            }
        }
        Ok(self.spread)
    }
}

/// Number of the next chunk of `hole`, and whether another one fits behind it.
fn number_in(hole: &Hole) -> (ChunkNo, bool) {
    let after = hole.after.0;
    match hole.before {
        None => (ChunkNo(after.saturating_add(CHUNK_NO_STEP)), true),
        Some(ChunkNo(before)) => {
            let step = ((before - after) / RECUT_STEPS).max(1);
            let no = after + step;
            // The number of the receipt behind is taken; the last free one takes the whole rest.
            (ChunkNo(no.min(before - 1)), no + 1 < before)
        }
    }
}

fn block_chunks(
    table: &TableRef,
    spec: &ChunkSpec,
    blocks: u64,
    rows_estimated: Option<u64>,
) -> VecDeque<Chunk> {
    // PostgreSQL's page size; only a ratio of bytes to blocks is needed here.
    const BLOCK_BYTES: u64 = 8_192;
    let by_rows = rows_estimated
        .filter(|rows| *rows > 0)
        .map_or(u64::MAX, |rows| spec.rows.saturating_mul(blocks) / rows);
    let step = by_rows.min(spec.bytes / BLOCK_BYTES).max(1);
    let count = blocks.div_ceil(step).max(1);
    (0..count)
        .map(|index| Chunk {
            no: ChunkNo(
                i64::try_from(index + 1).unwrap_or(i64::MAX / CHUNK_NO_STEP) * CHUNK_NO_STEP,
            ),
            table: table.clone(),
            range: KeyRange::Blocks {
                from: index * step,
                to: (index + 1 < count).then_some((index + 1) * step),
            },
            rows_estimated: rows_estimated.map(|rows| rows / count),
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "an estimate of density needs no exact digits")]
fn as_f64(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, reason = "float to int saturates; a width is bounded")]
fn as_i128(value: f64) -> i128 {
    value as i128
}
