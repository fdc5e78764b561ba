//! One chunk into one transaction: rows by one prepared statement, then the receipt.
//!
//! ```text
//! begin(chunk)     wait for the file's turn; after a lost answer, look for the receipt first
//! first write      begin immediate · epoch still ours?
//! write …          insert, or insert … on conflict do update, or delete + insert
//! commit           epoch still ours? · receipt · COMMIT
//! dropped          rollback on the connection's thread; the turn is given back after it
//! ```
//!
//! The transaction starts with the first rows and not with `begin`, so that other programs can
//! write to the file while our source is still thinking.
//!
//! Any error poisons the writer: it is rolled back at once and refuses everything after.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use rowferry_core::{
    Begun, Chunk, ChunkTotals, ChunkWriter, ConnectorError, ErrorClass, LoadInto, Payload,
    Prepared, Receipt, RejectedRow, Result, WriteMode,
};
use rusqlite::Connection;

use crate::bind::{NotBound, Values};
use crate::database::{Database, Turn, Writing};
use crate::describe;
use crate::error::{data, failed, setup};
use crate::progress;
use crate::receipts;
use crate::sql::{quote, quote_list};
use crate::types::{Binding, binding};

/// A chunk being written.
pub(crate) struct SqliteWriter {
    database: Database,
    prepared: Arc<Prepared>,
    chunk: Chunk,
    rows: u64,
    began: bool,
    poisoned: bool,
    // Taken by `commit`; given back on the connection's thread otherwise.
    turn: Option<Turn>,
}

/// How rows meet the rows that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    Insert,
    OnConflict,
    DeleteFirst,
}

/// Starts a chunk, see [`rowferry_core::Sink::begin`].
pub(crate) async fn begin(
    database: &Database,
    chunk: &Chunk,
    prepared: &Prepared,
    settle: bool,
) -> Result<Begun> {
    let turn = database.turn().await;
    if settle && let Some(receipt) = settled(database, chunk, prepared).await? {
        return Ok(Begun::AlreadyDurable(receipt));
    }
    Ok(Begun::Writer(Box::new(SqliteWriter {
        database: database.clone(),
        prepared: Arc::new(prepared.clone()),
        chunk: chunk.clone(),
        rows: 0,
        began: false,
        poisoned: false,
        turn: Some(turn),
    })))
}

/// Looks for the receipt while no other writer can be between its rows and its COMMIT.
async fn settled(
    database: &Database,
    chunk: &Chunk,
    prepared: &Prepared,
) -> Result<Option<Receipt>> {
    let (no, run) = (chunk.no, prepared.run);
    let expected = Receipt::of(chunk, ChunkTotals::default());
    let id = prepared.stream.stream_id.clone();
    let found = database
        .ask(move |writing| {
            writing.begin()?;
            let found = receipts::receipt(&writing.connection, &id, run, no);
            writing.roll_back();
            found
        })
        .await?;
    match found {
        Some(receipt) if receipt.lower != expected.lower || receipt.upper != expected.upper => {
            Err(ConnectorError::bug(format!("receipt {} covers another range", no.0)))
        }
        found => Ok(found),
    }
}

impl SqliteWriter {
    /// Runs `work` in the chunk's transaction; after an error the writer is of no use.
    async fn step<T, F>(&mut self, work: F) -> Result<T>
    where
        F: FnOnce(&mut Writing, &Prepared) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        if self.poisoned {
            return Err(ConnectorError::bug("a chunk was written on after it had failed"));
        }
        // Poisoned until the answer is here: the caller may give up waiting for it.
        self.poisoned = true;
        let began = std::mem::replace(&mut self.began, true);
        let prepared = Arc::clone(&self.prepared);
        let value = self
            .database
            .ask(move |writing| {
                let done = if began { Ok(()) } else { start(writing, &prepared) }
                    .and_then(|()| work(writing, &prepared));
                if done.is_err() {
                    writing.roll_back();
                }
                done
            })
            .await?;
        self.poisoned = false;
        Ok(value)
    }
}

fn start(writing: &mut Writing, prepared: &Prepared) -> Result<()> {
    writing.begin()?;
    progress::check_epoch(&writing.connection, prepared).map(|_phase| ())
}

#[async_trait]
impl ChunkWriter for SqliteWriter {
    async fn write(&mut self, payload: Payload) -> Result<()> {
        let Payload::Batch(batch) = payload else {
            return Err(ConnectorError::bug("wire rows were handed to a SQLite target"));
        };
        self.rows += batch.num_rows() as u64;
        self.step(move |writing, prepared| insert(&writing.connection, prepared, &batch)).await
    }

    async fn reject(&mut self, rows: &[RejectedRow]) -> Result<()> {
        let message = format!("setting {} rows aside is not supported yet", rows.len());
        Err(ConnectorError::new(ErrorClass::Setup, "not-supported-yet", message))
    }

    async fn commit(mut self: Box<Self>, totals: ChunkTotals) -> Result<Receipt> {
        if totals.rows_written != self.rows {
            return Err(ConnectorError::bug(format!(
                "chunk {} counted {} rows and handed over {}",
                self.chunk.no.0, totals.rows_written, self.rows
            )));
        }
        let receipt = Receipt::of(&self.chunk, totals);
        let durable = receipt.clone();
        self.step(move |writing, prepared| {
            progress::check_epoch(&writing.connection, prepared)?;
            receipts::insert_receipt(&writing.connection, prepared, &receipt)?;
            writing.commit(&format!("could not commit chunk {}", receipt.no.0))
        })
        .await?;
        self.turn = None;
        Ok(durable)
    }
}

impl Drop for SqliteWriter {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        if !self.began {
            return;
        }
        let database = self.database.clone();
        // Without a runtime the process is ending, and the file's locks with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let rolled_back = database
                    .ask(move |writing| {
                        writing.roll_back();
                        drop(turn);
                        Ok(())
                    })
                    .await;
                if let Err(error) = rolled_back {
                    tracing::debug!(%error, "the rollback of a dropped chunk did not run");
                }
            });
        }
    }
}

/// The way of one load, decided by the keys that the table has now.
fn merge_of(connection: &Connection, prepared: &Prepared) -> Result<Merge> {
    if prepared.load != LoadInto::Target || prepared.write != WriteMode::Upsert {
        return Ok(Merge::Insert);
    }
    let unique = unique_keys(connection, prepared)?;
    if !unique.iter().any(|key| same_columns(key, &prepared.key)) {
        return Err(setup(
            "no-unique-key",
            format!(
                "target table {} has no unique key over ({})",
                prepared.target,
                prepared.key.join(", ")
            ),
        )
        .with_next("Add that unique key to the target, or name another `key`."));
    }
    Ok(if unique.len() == 1 { Merge::OnConflict } else { Merge::DeleteFirst })
}

/// Column lists of the unique keys of the table that is loaded.
fn unique_keys(connection: &Connection, prepared: &Prepared) -> Result<Vec<Vec<String>>> {
    let table = &prepared.load_table;
    let Some(found) = describe::find(connection, table)? else {
        return Err(setup("unknown-table", format!("target table {table} does not exist")));
    };
    let schema = describe::schema(connection, &found)
        .map_err(|error| failed(format!("could not describe table {table}"), error))?;
    // A unique index over part of the rows or over expressions is no key, but can be violated.
    let partial = schema.indexes.iter().filter(|index| {
        index
            .definition
            .get(..19)
            .is_some_and(|word| word.eq_ignore_ascii_case("create unique index"))
    });
    let partial = partial.map(|_| Vec::new());
    Ok(schema.keys.into_iter().map(|key| key.columns).chain(partial).collect())
}

/// Whether two column lists name the same columns, in whatever order.
pub(crate) fn same_columns(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|name| b.iter().any(|b| b.eq_ignore_ascii_case(name)))
}

fn insert(connection: &Connection, prepared: &Prepared, batch: &RecordBatch) -> Result<()> {
    let refused = |error| write_failed(prepared, error);
    let merge = merge_of(connection, prepared)?;
    let columns = values(prepared, batch)?;
    let mut insert = connection.prepare_cached(&insert_text(prepared, merge)).map_err(refused)?;
    let mut delete = match merge {
        Merge::DeleteFirst => {
            Some(connection.prepare_cached(&delete_text(prepared)).map_err(refused)?)
        }
        Merge::Insert | Merge::OnConflict => None,
    };
    let keys = key_positions(prepared);
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        let misfit = |column, error| not_bound(prepared, &columns, &keys, (column, row), error);
        if let Some(delete) = &mut delete {
            for (index, position) in keys.iter().enumerate() {
                if let Some(values) = columns.get(*position) {
                    values
                        .bind(delete, index + 1, row, &mut text)
                        .map_err(|error| misfit(*position, error))?;
                }
            }
            delete.raw_execute().map_err(refused)?;
        }
        for (index, values) in columns.iter().enumerate() {
            values
                .bind(&mut insert, index + 1, row, &mut text)
                .map_err(|error| misfit(index, error))?;
        }
        if insert.raw_execute().map_err(refused)? != 1 {
            return Err(data(
                "row-not-taken",
                format!("target table {} did not take a row (a trigger?)", prepared.target),
            ));
        }
    }
    Ok(())
}

/// The error of a value that was not bound, with the key of its row.
fn not_bound(
    prepared: &Prepared,
    columns: &[Values<'_>],
    keys: &[usize],
    (column, row): (usize, usize),
    error: NotBound,
) -> ConnectorError {
    let found = match error {
        NotBound::Refused(error) => return write_failed(prepared, error),
        NotBound::Misfit(found) => found,
    };
    let name = |index: usize| prepared.columns.get(index).map_or("", |c| c.target.name.as_str());
    let key: Vec<String> = keys
        .iter()
        .filter_map(|key| Some(format!("{} = {}", name(*key), columns.get(*key)?.shown(row)?)))
        .collect();
    let at = if key.is_empty() { String::new() } else { format!(" at {}", key.join(", ")) };
    let name = name(column);
    data(
        "value-does-not-fit",
        format!("column {name:?} of target table {} got {found}{at}", prepared.target),
    )
    .with_next("Correct the row in the source, or leave the column out with `exclude`.")
}

fn values<'a>(prepared: &Prepared, batch: &'a RecordBatch) -> Result<Vec<Values<'a>>> {
    if batch.num_columns() != prepared.columns.len() {
        return Err(ConnectorError::bug("a batch has other columns than its plan"));
    }
    prepared
        .columns
        .iter()
        .zip(batch.columns())
        .map(|(column, array)| {
            let wrong = || {
                ConnectorError::bug(format!(
                    "column {:?} of a batch is not stored as its plan says",
                    column.target.name
                ))
            };
            let canonical = column.source.canonical.as_ref().ok_or_else(wrong)?;
            let binding: Binding = binding(canonical, &column.target.native.declared)
                .map_err(|message| setup("type-does-not-fit", message))?;
            Values::of(array.as_ref(), canonical, binding).ok_or_else(wrong)
        })
        .collect()
}

fn key_positions(prepared: &Prepared) -> Vec<usize> {
    let position =
        |name: &String| prepared.columns.iter().position(|column| column.target.name == *name);
    prepared.key.iter().filter_map(position).collect()
}

fn insert_text(prepared: &Prepared, merge: Merge) -> String {
    let names: Vec<&str> =
        prepared.columns.iter().map(|column| column.target.name.as_str()).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let text = format!(
        "insert into {} ({}) values ({marks})",
        quote(&prepared.load_table.name),
        quote_list(names.iter().copied())
    );
    if merge != Merge::OnConflict {
        return text;
    }
    let set = |name: &&str| format!("{} = excluded.{}", quote(name), quote(name));
    let is_key = |name: &&str| prepared.key.iter().any(|key| key == name);
    let mut sets: Vec<String> = names.iter().filter(|name| !is_key(name)).map(set).collect();
    if sets.is_empty() {
        // Nothing but the key: setting it to itself is an update that changes nothing, where
        // `do nothing` would also pass over other conflicts.
        sets = names.iter().map(set).collect();
    }
    let key = quote_list(prepared.key.iter().map(String::as_str));
    format!("{text} on conflict ({key}) do update set {}", sets.join(", "))
}

fn delete_text(prepared: &Prepared) -> String {
    let table = quote(&prepared.load_table.name);
    let equal: Vec<String> =
        prepared.key.iter().map(|name| format!("{table}.{} = ?", quote(name))).collect();
    format!("delete from {table} where {}", equal.join(" and "))
}

fn write_failed(prepared: &Prepared, error: rusqlite::Error) -> ConnectorError {
    failed(format!("could not write rows into target table {}", prepared.target), error)
}
