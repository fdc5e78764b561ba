//! An empty database with the table of a load, as SQLite itself makes it.

use rowferry_core::Column;
use rusqlite::{Connection, OptionalExtension as _};

use super::pages::PAGE_BYTES;
use crate::affinity::Affinity;
use crate::describe::{self, Found};

/// Pages of a database with one empty table: that of the catalogue, and that of the table.
const PAGES: usize = 2;

/// Whatever speaks of a condition, or of what becomes of a row that is refused, if only in a name.
const OF_OTHER_RULES: [&str; 2] = ["check", "conflict"];

/// What an image begins with, and which cells its rows have.
pub(crate) struct Template {
    /// Header and catalogue.
    pub(super) first_page: Vec<u8>,
    /// In the order of the table.
    pub(super) columns: Vec<Stored>,
}

/// A column of the table.
pub(super) struct Stored {
    /// Position among the columns that are read.
    pub(super) position: usize,
    pub(super) affinity: Affinity,
    pub(super) nullable: bool,
    /// Whether it is the number of the row, which lies before the record and not in it.
    pub(super) numbers_row: bool,
}

impl Template {
    /// The template of a table; `None` where something has to be looked at, computed or kept beside
    /// each row, or where it cannot be made a second time. `columns` are all of the table, in its order;
    /// `position` says where one is among those that are read.
    ///
    /// Rows that are taken over as they lie meet no constraint of the table but the uniqueness of their
    /// number, so that there must be no other, and `not null` is for whoever makes the rows.
    pub(crate) fn of(
        connection: &Connection,
        found: &Found,
        columns: &[Column],
        position: impl Fn(&str) -> Option<usize>,
    ) -> rusqlite::Result<Option<Self>> {
        if !found.keeps_any_row() || has_parts(connection, found)? {
            return Ok(None);
        }
        let row_number = row_number(connection, found)?;
        let stored = columns.iter().map(|column| {
            Some(Stored {
                position: position(&column.name).filter(|_| !column.generated)?,
                affinity: Affinity::of_native(&column.native),
                nullable: column.nullable,
                numbers_row: row_number.as_deref() == Some(&*column.name),
            })
        });
        let Some(columns) = stored.collect() else { return Ok(None) };
        let Some(statement) = describe::statement(connection, found)? else { return Ok(None) };
        let words = statement.to_ascii_lowercase();
        if OF_OTHER_RULES.iter().any(|word| words.contains(word)) {
            return Ok(None);
        }
        let encoding: String = connection.query_row("pragma encoding", [], |row| row.get(0))?;
        if encoding != "UTF-8" {
            return Ok(None);
        }
        let Ok(empty) = empty_database(&statement) else { return Ok(None) };
        // More than that is another b-tree, or a statement of many pages.
        if empty.len() != PAGES * PAGE_BYTES {
            return Ok(None);
        }
        let first_page = empty.get(..PAGE_BYTES).unwrap_or_default().to_vec();
        Ok(Some(Self { first_page, columns }))
    }
}

/// Whether the table has indexes or triggers.
fn has_parts(connection: &Connection, found: &Found) -> rusqlite::Result<bool> {
    const PARTS: &str = "select 1 from sqlite_schema where type <> 'table' \
         and tbl_name = ?1 collate nocase limit 1";
    connection.query_row(PARTS, [&found.name], |_| Ok(())).optional().map(|part| part.is_some())
}

/// The column that is the number of the row: a key that has no index of its own.
fn row_number(connection: &Connection, found: &Found) -> rusqlite::Result<Option<String>> {
    const KEY: &str = "select name from pragma_table_info(?1) where pk > 0";
    connection.query_row(KEY, [&found.name], |row| row.get(0)).optional()
}

/// The bytes of a database in which only this statement was run.
fn empty_database(statement: &str) -> rusqlite::Result<Vec<u8>> {
    let mut scratch = Connection::open_in_memory()?;
    scratch.execute_batch(&format!("pragma page_size = {PAGE_BYTES}"))?;
    // One statement and no more, whatever a file says that its table was made by.
    scratch.execute(statement, [])?;
    Ok(scratch.serialize("main")?.to_vec())
}
