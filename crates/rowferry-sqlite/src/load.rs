//! Rows into one table: the statements of a load and what the table takes, looked up once a chunk.

use std::sync::Arc;

use rowferry_core::{
    ConnectorError, ErrorClass, LoadInto, Prepared, Result, WriteMode, target_altered,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement};

use crate::affinity::Affinity;
use crate::altered;
use crate::bind::{NotBound, bind_cell};
use crate::columns::{Columns, NotKept};
use crate::database::Writing;
use crate::describe;
use crate::error::{data, failed, setup};
use crate::image::{Image, Template};
use crate::rows_table;
use crate::sql::{quote, quote_list};
use crate::{row_key, wire};

/// How rows meet the rows that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    Insert,
    OnConflict,
    DeleteFirst,
}

/// A column of the plan that is written; one that the table computes is not.
struct Written {
    /// Position among the columns that are read.
    position: usize,
    /// What the table's own column does to a cell.
    affinity: Affinity,
}

/// Statements and columns of one load.
pub(crate) struct Loading {
    /// Of one row, by parameters.
    insert: String,
    /// Of a whole batch.
    insert_rows: String,
    delete: Option<String>,
    written: Vec<Written>,
    /// Positions of the key's columns among those read.
    keys: Vec<usize>,
    /// How rows are made that the table takes over as they lie, where it does.
    template: Option<Arc<Template>>,
}

/// A batch on its way into the table.
pub(crate) struct Batch {
    pub(crate) columns: Arc<Columns>,
    pub(crate) image: Option<Image>,
}

impl Loading {
    /// What the table that is loaded asks for now.
    pub(crate) fn of(connection: &Connection, prepared: &Prepared) -> Result<Self> {
        let table = &prepared.load_table;
        let Some(found) = describe::find(connection, table)? else {
            return Err(setup("unknown-table", format!("target table {table} does not exist")));
        };
        let now = altered::shape(connection, table)?;
        if let Some(change) = prepared.shape.change(&now) {
            return Err(target_altered(&prepared.target, &change));
        }
        let columns = describe::shape(connection, &found)
            .map_err(|error| failed(format!("could not describe table {table}"), error))?;
        let merge = merge_of(connection, prepared, &found)?;
        let mut written = Vec::new();
        for (position, planned) in prepared.columns.iter().enumerate() {
            let name = &planned.target.name;
            let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            let Some(column) = column else {
                return Err(setup(
                    "unknown-column",
                    format!("target table {table} does not have column {name:?}"),
                ));
            };
            if !column.generated {
                let affinity = Affinity::of_native(&column.native);
                written.push(Written { position, affinity });
            }
        }
        let name = |position: &usize| prepared.columns.get(*position).map(|c| &*c.target.name);
        let names: Vec<&str> = written.iter().filter_map(|w| name(&w.position)).collect();
        let position = |name: &String| prepared.columns.iter().position(|c| c.target.name == *name);
        let read = |name: &str| {
            prepared.columns.iter().position(|c| c.target.name.eq_ignore_ascii_case(name))
        };
        let template = match merge {
            Merge::Insert => Template::of(connection, &found, &columns, read)
                .map_err(|error| failed(format!("could not describe table {table}"), error))?,
            Merge::OnConflict | Merge::DeleteFirst => None,
        };
        Ok(Self {
            insert: insert_text(prepared, merge, &names, &values(names.len())),
            insert_rows: insert_text(prepared, merge, &names, &rows(&written)),
            delete: (merge == Merge::DeleteFirst).then(|| delete_text(prepared)),
            written,
            keys: prepared.key.iter().filter_map(position).collect(),
            template: template.map(Arc::new),
        })
    }

    pub(crate) fn template(&self) -> Option<Arc<Template>> {
        self.template.clone()
    }

    /// Inserts rows by their meaning; the first of them is number `first` of its chunk.
    pub(crate) fn insert_batch(
        &self,
        writing: &mut Writing,
        prepared: &Prepared,
        batch: &Batch,
        first: u64,
    ) -> Result<()> {
        if let Some(image) = &batch.image
            && take_over(writing, prepared, image, batch.columns.rows())?
        {
            return Ok(());
        }
        self.insert_columns(writing, prepared, &batch.columns, first)
    }

    fn insert_columns(
        &self,
        Writing { connection, shown, .. }: &Writing,
        prepared: &Prepared,
        batch: &Arc<Columns>,
        first: u64,
    ) -> Result<()> {
        let statement = |text: &str| {
            connection.prepare_cached(text).map_err(|error| write_failed(prepared, error))
        };
        if let Some(delete) = &self.delete {
            let mut delete = statement(delete)?;
            for row in 0..batch.rows() {
                let cell = |position: usize| batch.cell(row, position);
                self.delete_row(&mut delete, prepared, cell, |error| {
                    error.with_row(first + row as u64)
                })?;
            }
        }
        let mut insert = statement(&self.insert_rows)?;
        let inserted = shown.with(batch, || insert.raw_execute()).map_err(|(row, error)| {
            let error = write_failed(prepared, error);
            // Behind the last row where a trigger made SQLite take all of them before the first.
            let is_known = error.class == ErrorClass::Data && row < batch.rows();
            if is_known { error.with_row(first + row as u64) } else { error }
        })?;
        if inserted == batch.rows() { Ok(()) } else { Err(not_taken(prepared)) }
    }

    /// Inserts rows as another SQLite file holds them.
    pub(crate) fn insert_cells(
        &self,
        connection: &Connection,
        prepared: &Prepared,
        bytes: &[u8],
        rows: u64,
    ) -> Result<()> {
        let mut statements = self.prepare(connection, prepared)?;
        for step in statements.steps() {
            self.run_cells(&mut statements, *step, bytes, rows)?;
        }
        Ok(())
    }

    /// One step of all rows of a payload in wire form.
    fn run_cells(
        &self,
        statements: &mut Statements<'_>,
        step: Step,
        bytes: &[u8],
        rows: u64,
    ) -> Result<()> {
        let prepared = statements.prepared;
        let (mut rest, mut cells, mut count) = (bytes, Vec::new(), 0_u64);
        while wire::next_row(&mut rest, &mut cells)? {
            if cells.len() != prepared.columns.len() {
                return Err(ConnectorError::bug(
                    "a row in wire form has other cells than its plan",
                ));
            }
            let cell = |position: usize| cells.get(position).copied().unwrap_or(ValueRef::Null);
            statements.run(step, cell, |error| {
                let column = |at: &usize| Some((&prepared.columns.get(*at)?.source, cell(*at)));
                let key: Option<Vec<_>> = self.keys.iter().map(column).collect();
                match key.and_then(row_key::of_cells) {
                    Some(key) => error.with_key(key),
                    None => error,
                }
            })?;
            count += 1;
        }
        if count == rows {
            Ok(())
        } else {
            Err(ConnectorError::bug("a payload has other rows than it says"))
        }
    }

    /// Deletes the row that has the key of these cells.
    fn delete_row<'c>(
        &self,
        delete: &mut Statement<'_>,
        prepared: &Prepared,
        cell: impl Fn(usize) -> ValueRef<'c>,
        named: impl Fn(ConnectorError) -> ConnectorError,
    ) -> Result<()> {
        for (index, position) in self.keys.iter().enumerate() {
            bind_cell(delete, index + 1, cell(*position), Affinity::None)
                .map_err(|error| not_bound(prepared, *position, error, &named))?;
        }
        delete.raw_execute().map(|_deleted| ()).map_err(|error| write_failed(prepared, error))
    }

    fn prepare<'a>(
        &'a self,
        connection: &'a Connection,
        prepared: &'a Prepared,
    ) -> Result<Statements<'a>> {
        let statement = |text: &str| {
            connection.prepare_cached(text).map_err(|error| write_failed(prepared, error))
        };
        Ok(Statements {
            insert: statement(&self.insert)?,
            delete: self.delete.as_deref().map(statement).transpose()?,
            loading: self,
            prepared,
        })
    }
}

/// Inserts the rows of an image; `false` = the table refuses one of them, nothing is inserted, and which
/// one it is will be known when they come cell by cell.
fn take_over(
    writing: &mut Writing,
    prepared: &Prepared,
    image: &Image,
    rows: usize,
) -> Result<bool> {
    let Writing { connection, images, .. } = writing;
    let inserted = images
        .show(connection, image, &prepared.load_table.name)
        .and_then(|insert| connection.prepare(&insert)?.raw_execute());
    match inserted.map_err(|error| write_failed(prepared, error)) {
        Ok(inserted) if inserted == rows => Ok(true),
        Ok(_) => Err(not_taken(prepared)),
        // Unless SQLite rolled back more than the statement.
        Err(error) if error.class == ErrorClass::Data && !connection.is_autocommit() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The prepared statements of a load.
struct Statements<'a> {
    insert: rusqlite::CachedStatement<'a>,
    delete: Option<rusqlite::CachedStatement<'a>>,
    loading: &'a Loading,
    prepared: &'a Prepared,
}

/// What is done to each row of a payload. All are deleted before the first is inserted: rows that
/// exchange the value of another unique column would otherwise meet the old ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Delete,
    Insert,
}

impl Statements<'_> {
    fn steps(&self) -> &'static [Step] {
        if self.delete.is_some() { &[Step::Delete, Step::Insert] } else { &[Step::Insert] }
    }

    /// Does one step for one row, whose cells are given by position; `named` adds to an error which
    /// row it was.
    fn run<'c>(
        &mut self,
        step: Step,
        cell: impl Fn(usize) -> ValueRef<'c>,
        named: impl Fn(ConnectorError) -> ConnectorError,
    ) -> Result<()> {
        let Self { insert, delete, loading, prepared } = self;
        let refused = |error| write_failed(prepared, error);
        if step == Step::Delete {
            let Some(delete) = delete else { return Ok(()) };
            return loading.delete_row(delete, prepared, cell, named);
        }
        for (index, written) in loading.written.iter().enumerate() {
            bind_cell(insert, index + 1, cell(written.position), written.affinity)
                .map_err(|error| not_bound(prepared, written.position, error, &named))?;
        }
        let inserted = insert.raw_execute().map_err(refused)?;
        if inserted == 1 { Ok(()) } else { Err(not_taken(prepared)) }
    }
}

fn not_taken(prepared: &Prepared) -> ConnectorError {
    data(
        "row-not-taken",
        format!("target table {} did not take a row (a trigger?)", prepared.target),
    )
}

/// The error of a value that was not bound, with its row.
fn not_bound(
    prepared: &Prepared,
    position: usize,
    error: NotBound,
    named: impl FnOnce(ConnectorError) -> ConnectorError,
) -> ConnectorError {
    match error {
        NotBound::Refused(error) => write_failed(prepared, error),
        NotBound::Misfit(found) => named(does_not_fit(prepared, position, found)),
    }
}

/// The error of a value that its column would not keep; `first` is the number of its batch's first
/// row in the chunk.
pub(crate) fn not_kept(prepared: &Prepared, value: &NotKept, first: u64) -> ConnectorError {
    does_not_fit(prepared, value.column, value.words).with_row(first + value.row as u64)
}

fn does_not_fit(prepared: &Prepared, position: usize, found: &str) -> ConnectorError {
    let column = prepared.columns.get(position).map_or("", |c| c.target.name.as_str());
    data(
        "value-does-not-fit",
        format!("column {column:?} of target table {} got {found}", prepared.target),
    )
    .with_next("Correct the row in the source, cast the column under `casts`, or leave it out with `exclude`.")
    .with_column(column)
}

/// The way of one load, decided by the keys that the table has now.
fn merge_of(
    connection: &Connection,
    prepared: &Prepared,
    found: &describe::Found,
) -> Result<Merge> {
    if prepared.load != LoadInto::Target || prepared.write != WriteMode::Upsert {
        return Ok(Merge::Insert);
    }
    let table = &prepared.load_table;
    let unique = unique_keys(connection, found)
        .map_err(|error| failed(format!("could not describe table {table}"), error))?;
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
fn unique_keys(
    connection: &Connection,
    found: &describe::Found,
) -> rusqlite::Result<Vec<Vec<String>>> {
    let schema = describe::schema(connection, found)?;
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

/// One row of parameters.
fn values(columns: usize) -> String {
    format!("values ({})", vec!["?"; columns].join(", "))
}

/// All rows of a batch. Without a condition `on conflict` would be read as that of a join.
fn rows(written: &[Written]) -> String {
    let columns: Vec<String> = written.iter().map(|w| format!("c{}", w.position)).collect();
    format!("select {} from {} where true", columns.join(", "), rows_table::NAME)
}

fn insert_text(prepared: &Prepared, merge: Merge, names: &[&str], rows: &str) -> String {
    let text = format!(
        "insert into {} ({}) {rows}",
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
