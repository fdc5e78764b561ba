//! What a memory sink holds: tables, streams and locks, all behind one mutex. A transaction is one
//! hold of that mutex.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{Array, Int64Array, RecordBatch, StringArray};
use rowferry_core::{
    Column, ConnectorError, ErrorClass, Key, Prepared, Receipt, RejectedRow, Result, StreamSpec,
    StreamState, TableRef, TableSchema, WriteMode,
};

/// One table.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryTable {
    pub(crate) columns: Vec<Column>,
    pub(crate) key: Vec<String>,
    /// Whether equal keys are refused.
    pub(crate) unique: bool,
    pub(crate) batches: Vec<RecordBatch>,
    /// Rows, also where the batches are not kept.
    pub(crate) rows: u64,
    /// Keys of the rows, where rows have any.
    pub(crate) seen: HashSet<String>,
}

/// One stream: its row and the receipts of its current run.
#[derive(Clone, Debug)]
pub(crate) struct MemoryStream {
    pub(crate) spec: StreamSpec,
    pub(crate) row: StreamState,
    pub(crate) receipts: Vec<Receipt>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tables: BTreeMap<TableRef, MemoryTable>,
    pub(crate) streams: BTreeMap<String, MemoryStream>,
    /// Tables that are locked, and by whom.
    pub(crate) locked: BTreeMap<TableRef, u64>,
    /// Locks given out so far.
    pub(crate) holders: u64,
    /// Whether overtaken writers get through.
    pub(crate) unfenced: bool,
    /// Rows set aside, by target.
    pub(crate) rejected: BTreeMap<TableRef, Vec<RejectedRow>>,
}

/// The state, and whether rows are kept or only counted.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) engine: &'static str,
    pub(crate) keep_rows: bool,
    state: Arc<Mutex<State>>,
}

impl Shared {
    pub(crate) fn new(engine: &'static str, keep_rows: bool) -> Self {
        Self { engine, keep_rows, state: Arc::default() }
    }

    /// A panic elsewhere leaves whole values behind: every change is made at its end.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The stream, if its row still holds this run and epoch.
    ///
    /// # Errors
    ///
    /// Class `Fenced` when another owner has claimed it since, or it was forgotten.
    pub(crate) fn fenced(&mut self, prepared: &Prepared) -> Result<&mut MemoryStream> {
        let stream = self
            .streams
            .get_mut(&prepared.stream.stream_id)
            .filter(|stream| stream.row.run == prepared.run)
            .filter(|stream| self.unfenced || stream.row.epoch == prepared.epoch);
        stream.ok_or_else(|| {
            let message = format!("another run has taken over table {}", prepared.target);
            ConnectorError::new(ErrorClass::Fenced, "fenced", message)
        })
    }
}

impl MemoryTable {
    pub(crate) fn schema(&self, table: &TableRef) -> TableSchema {
        let key = (!self.key.is_empty() && self.unique).then(|| Key {
            name: format!("{}_pkey", table.name),
            columns: self.key.clone(),
            primary: true,
        });
        TableSchema {
            table: table.clone(),
            columns: self.columns.clone(),
            keys: key.into_iter().collect(),
            indexes: Vec::new(),
            rows_estimated: Some(self.rows),
            bytes_estimated: None,
            comment: None,
            ..TableSchema::default()
        }
    }

    /// Adds rows, or takes none of them.
    ///
    /// # Errors
    ///
    /// Class `Data`, slug `duplicate-key`, when an inserted key is already there.
    pub(crate) fn add(&mut self, new: &[RecordBatch], write: WriteMode) -> Result<()> {
        if !self.key.is_empty() && (self.unique || write == WriteMode::Upsert) {
            let fresh: Vec<String> = new.iter().flat_map(|batch| self.keys_of(batch)).collect();
            let distinct: HashSet<&str> = fresh.iter().map(String::as_str).collect();
            if distinct.len() < fresh.len() {
                return Err(duplicate());
            }
            if fresh.iter().any(|key| self.seen.contains(key)) {
                if write != WriteMode::Upsert {
                    return Err(duplicate());
                }
                self.remove(&distinct);
            }
        }
        for batch in new {
            self.put(batch.clone());
        }
        Ok(())
    }

    /// Adds a batch as it is.
    pub(crate) fn put(&mut self, batch: RecordBatch) {
        if !self.key.is_empty() {
            let keys = self.keys_of(&batch);
            self.seen.extend(keys);
        }
        self.rows += batch.num_rows() as u64;
        self.batches.push(batch);
    }

    /// A text for each row that is equal exactly when the keys are.
    fn keys_of(&self, batch: &RecordBatch) -> Vec<String> {
        let columns: Vec<_> =
            self.key.iter().filter_map(|name| batch.column_by_name(name)).collect();
        let key = |row: usize| {
            columns.iter().map(|array| cell(array.as_ref(), row)).collect::<Vec<_>>().concat()
        };
        (0..batch.num_rows()).map(key).collect()
    }

    /// Removes the rows with these keys; what stays are slices of the old batches.
    fn remove(&mut self, keys: &HashSet<&str>) {
        let mut kept = Vec::new();
        for batch in &self.batches {
            let mut start = 0;
            for (row, key) in self.keys_of(batch).iter().enumerate() {
                if keys.contains(key.as_str()) {
                    kept.push(batch.slice(start, row - start));
                    start = row + 1;
                }
            }
            kept.push(batch.slice(start, batch.num_rows() - start));
        }
        kept.retain(|batch| batch.num_rows() > 0);
        self.batches = kept;
        self.rows = self.batches.iter().map(|batch| batch.num_rows() as u64).sum();
    }
}

/// The text of one cell. The words of the array itself are slow and the same for every type; the
/// usual keys have shorter ones.
fn cell(array: &dyn Array, row: usize) -> String {
    if array.is_valid(row) {
        if let Some(numbers) = array.as_any().downcast_ref::<Int64Array>() {
            return format!("{}\n", numbers.value(row));
        }
        if let Some(texts) = array.as_any().downcast_ref::<StringArray>() {
            return format!("{:?}\n", texts.value(row));
        }
    }
    format!("{:?}", array.slice(row, 1))
}

fn duplicate() -> ConnectorError {
    let message = "two rows have the same key";
    ConnectorError::new(ErrorClass::Data, "duplicate-key", message)
}
