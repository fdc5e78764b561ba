//! A source whose tables are in memory and change when a test says so.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use rowferry_core::{
    CheckLine, Chunk, ChunkReader, Column, ConnectorError, Consistency, Digest, ErrorClass,
    Horizon, KeyColumns, KeyProbe, KeyRange, KeyTuple, KeyValue, Payload, ReadSpec, Result,
    Snapshot, Source, TableListing, TableRef, TableSchema, WireFormat,
};

/// Tables in memory. Clones share them.
#[derive(Clone)]
pub struct MemorySource {
    tables: Arc<Mutex<BTreeMap<TableRef, Arc<Stored>>>>,
    consistency: Consistency,
    payload_rows: usize,
}

/// The rows of a table at one moment.
struct Stored {
    schema: TableSchema,
    rows: RecordBatch,
    /// One for each row, in rising order, those without a key at the end.
    keys: Vec<Option<KeyTuple>>,
}

impl MemorySource {
    /// A source without tables, whose views reach as far as `consistency` says where the reader
    /// leaves that open, and whose payloads are of so many rows.
    pub fn new(consistency: Consistency, payload_rows: usize) -> Self {
        Self { tables: Arc::default(), consistency, payload_rows: payload_rows.max(1) }
    }

    /// Puts a table there, or exchanges its rows. `keys` has one entry for each row and rises; rows
    /// whose key is null come last.
    pub fn put(&self, schema: TableSchema, rows: RecordBatch, keys: Vec<Option<KeyTuple>>) {
        assert_eq!(rows.num_rows(), keys.len(), "one key for each row");
        let rises = keys.windows(2).all(|pair| match pair {
            [Some(one), Some(next)] => order(one, next).is_lt(),
            [None, Some(_)] => false,
            _ => true,
        });
        assert!(rises, "keys of {} do not rise", schema.table);
        let stored = Stored { schema, rows, keys };
        self.lock().insert(stored.schema.table.clone(), Arc::new(stored));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TableRef, Arc<Stored>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self, table: &TableRef) -> Result<Arc<Stored>> {
        let unknown = || {
            let message = format!("there is no table {table}");
            ConnectorError::new(ErrorClass::Setup, "unknown-table", message)
        };
        self.lock().get(table).cloned().ok_or_else(unknown)
    }
}

#[async_trait]
impl Source for MemorySource {
    fn engine(&self) -> &'static str {
        "memory"
    }

    async fn identity(&self) -> Result<String> {
        Ok("memory:source".to_owned())
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        let listing = |stored: &Arc<Stored>| TableListing {
            table: stored.schema.table.clone(),
            key: stored.schema.primary_key().map(|key| key.columns.clone()).unwrap_or_default(),
            rows_estimated: Some(stored.keys.len() as u64),
            bytes_estimated: None,
        };
        Ok(self.lock().values().map(listing).collect())
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        let stored = self.stored(table)?;
        let rows_estimated = Some(stored.keys.len() as u64);
        Ok(TableSchema { rows_estimated, ..stored.schema.clone() })
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        _readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        let consistency = match consistency {
            Consistency::Auto => self.consistency,
            Consistency::Table | Consistency::Chunk => consistency,
        };
        let held = match consistency {
            Consistency::Chunk => None,
            Consistency::Table | Consistency::Auto => Some(self.stored(&table.table)?),
        };
        Ok(Box::new(View { source: self.clone(), table: table.table.clone(), held }))
    }

    fn offers(&self, _format: WireFormat, _columns: &[Column]) -> bool {
        false
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        Ok(Vec::new())
    }
}

#[derive(Clone)]
struct View {
    source: MemorySource,
    table: TableRef,
    /// The rows of a view of the whole table; `None` where each chunk is read as it is then.
    held: Option<Arc<Stored>>,
}

impl View {
    fn stored(&self) -> Result<Arc<Stored>> {
        self.held.clone().map_or_else(|| self.source.stored(&self.table), Ok)
    }
}

#[async_trait]
impl Snapshot for View {
    fn consistency(&self) -> Consistency {
        if self.held.is_some() { Consistency::Table } else { Consistency::Chunk }
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        // Nothing is ever open here between two calls.
        Ok(Some(Horizon { oldest_open: 1, next: 1 }))
    }

    async fn probe(&self, _table: &TableSchema, _key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        Ok(Box::new(self.clone()))
    }

    async fn blocks(&self, _table: &TableSchema) -> Result<Option<u64>> {
        // A block is a row, so that any cut can be met.
        Ok(Some(self.stored()?.keys.len() as u64))
    }

    async fn read(&self, chunk: &Chunk, _spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        let stored = self.stored()?;
        let rows = stored.range(&chunk.range);
        let unbounded = matches!(chunk.range, KeyRange::Span { upper: None, .. });
        let last = if unbounded { stored.keys.get(rows.clone()) } else { None };
        let last_key = last.and_then(|keys| keys.last().cloned().flatten());
        let payload_rows = self.source.payload_rows;
        Ok(Box::new(Reader { stored, rows, payload_rows, last_key }))
    }
}

#[async_trait]
impl KeyProbe for View {
    async fn nth_key(
        &mut self,
        after: Option<&KeyTuple>,
        upto: Option<&KeyTuple>,
        rows: u64,
    ) -> Result<Option<KeyTuple>> {
        let stored = self.stored()?;
        let range = stored.between(after, upto);
        let nth = usize::try_from(rows.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(stored.keys.get(range).and_then(|keys| keys.get(nth).cloned().flatten()))
    }
}

impl Stored {
    fn range(&self, range: &KeyRange) -> Range<usize> {
        let rows = self.keys.len();
        match range {
            KeyRange::Whole => 0..rows,
            KeyRange::NullKeys { .. } => self.keys.partition_point(Option::is_some)..rows,
            KeyRange::Blocks { from, to } => {
                let place = |block: u64| usize::try_from(block).unwrap_or(rows).min(rows);
                place(*from)..to.map_or(rows, place)
            }
            KeyRange::Span { lower, upper, .. } => self.between(lower.as_ref(), upper.as_ref()),
        }
    }

    /// Places of the keys above `lower` and not above `upper`.
    fn between(&self, lower: Option<&KeyTuple>, upper: Option<&KeyTuple>) -> Range<usize> {
        let upto = |bound: &KeyTuple| {
            let within =
                |key: &Option<KeyTuple>| key.as_ref().is_some_and(|key| order(key, bound).is_le());
            self.keys.partition_point(within)
        };
        let start = lower.map_or(0, upto);
        let end = upper.map_or_else(|| self.keys.partition_point(Option::is_some), upto);
        start..end.max(start)
    }
}

/// As this source's server would order them.
fn order(one: &KeyTuple, other: &KeyTuple) -> Ordering {
    let value = |pair: (&KeyValue, &KeyValue)| match pair {
        (KeyValue::Int(one), KeyValue::Int(other)) => one.cmp(other),
        (KeyValue::Text(one), KeyValue::Text(other)) => one.cmp(other),
        (KeyValue::Bytes(one), KeyValue::Bytes(other)) => one.cmp(other),
        (one, other) => panic!("{one:?} and {other:?} are not keys of one table"),
    };
    one.0.iter().zip(&other.0).map(value).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

struct Reader {
    stored: Arc<Stored>,
    rows: Range<usize>,
    payload_rows: usize,
    last_key: Option<KeyTuple>,
}

#[async_trait]
impl ChunkReader for Reader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        let rows = self.rows.len().min(self.payload_rows);
        if rows == 0 {
            return Ok(None);
        }
        let batch = self.stored.rows.slice(self.rows.start, rows);
        self.rows.start += rows;
        Ok(Some(Payload::Batch(batch)))
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.last_key.clone()
    }

    fn digest(&self) -> Option<Digest> {
        None
    }
}
