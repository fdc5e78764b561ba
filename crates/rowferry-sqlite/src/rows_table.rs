//! A batch as a table that SQLite reads: `insert into t (…) select c0, c1, … from rowferry_rows`.
//!
//! One statement takes a whole batch. A statement per row would bind, step and reset seventeen
//! parameters six million times, and look for the end of the table each time; here the machine
//! that runs the statement asks for each cell and writes it straight into the row.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, CString, c_int};
use std::fmt::Write as _;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::vtab::{Context, Filters, IndexInfo, Module, VTab, VTabConnection, VTabCursor};
use rusqlite::{Connection, Result, ffi};

use crate::bind::Borrowed;
use crate::columns::Columns;

/// Name of the table, which no file holds.
pub(crate) const NAME: &str = "rowferry_rows";

/// Columns of the table: as many as SQLite allows a table to have (`SQLITE_MAX_COLUMN`).
const COLUMNS: usize = 2000;

/// What the table shows now.
#[derive(Clone, Default)]
pub(crate) struct Shown(Arc<Handed>);

#[derive(Default)]
struct Handed {
    batch: Mutex<Option<Arc<Columns>>>,
    /// The row that was read last.
    row: AtomicUsize,
}

impl Shown {
    /// Makes the table known to a connection.
    pub(crate) fn to(connection: &Connection) -> Result<Self> {
        const MODULE: Module<'_, RowsTable> = Module::eponymous_only_module();
        let shown = Self::default();
        connection.create_module(NAME, &MODULE, Some(shown.clone()))?;
        Ok(shown)
    }

    /// Shows `batch` while `work` runs. Of an error it tells at which row SQLite was.
    pub(crate) fn with<T, E>(
        &self,
        batch: &Arc<Columns>,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, (usize, E)> {
        *self.0.batch.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(batch));
        self.0.row.store(0, Ordering::Relaxed);
        let done = work();
        *self.0.batch.lock().unwrap_or_else(PoisonError::into_inner) = None;
        done.map_err(|error| (self.0.row.load(Ordering::Relaxed), error))
    }
}

/// The table; `repr` as the binding asks for.
#[repr(C)]
struct RowsTable {
    base: ffi::sqlite3_vtab,
    shown: Shown,
}

#[expect(unsafe_code, reason = "the binding's trait for tables of a program asks for it")]
// SAFETY: the struct has C's layout and begins with `sqlite3_vtab`.
unsafe impl<'vtab> VTab<'vtab> for RowsTable {
    type Aux = Shown;
    type Cursor = RowsCursor<'vtab>;

    fn connect(
        _connection: &mut VTabConnection,
        shown: Option<&Shown>,
        _module_name: &[u8],
        _database_name: &[u8],
        _table_name: &[u8],
        _arguments: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let mut statement = "create table rows (c0".to_owned();
        for column in 1..COLUMNS {
            // Writing into a String cannot fail.
            write!(statement, ",c{column}").unwrap_or_default();
        }
        statement.push(')');
        let table =
            Self { base: ffi::sqlite3_vtab::default(), shown: shown.cloned().unwrap_or_default() };
        Ok((Cow::Owned(CString::new(statement)?), table))
    }

    /// All rows in their order, whatever is asked.
    fn best_index(&self, _info: &mut IndexInfo) -> Result<bool> {
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<RowsCursor<'vtab>> {
        let handed = Arc::clone(&self.shown.0);
        let batch = handed.batch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let end = batch.as_ref().map_or(0, |batch| batch.rows());
        let base = ffi::sqlite3_vtab_cursor::default();
        Ok(RowsCursor { base, batch, handed, row: Cell::new(0), end, table: PhantomData })
    }
}

/// A place in the batch.
#[repr(C)]
struct RowsCursor<'vtab> {
    base: ffi::sqlite3_vtab_cursor,
    batch: Option<Arc<Columns>>,
    handed: Arc<Handed>,
    row: Cell<usize>,
    end: usize,
    table: PhantomData<&'vtab RowsTable>,
}

impl RowsCursor<'_> {
    fn go_to(&self, row: usize) {
        self.row.set(row);
        self.handed.row.store(row, Ordering::Relaxed);
    }
}

#[expect(unsafe_code, reason = "the binding's trait for tables of a program asks for it")]
// SAFETY: the struct has C's layout and begins with `sqlite3_vtab_cursor`.
unsafe impl VTabCursor for RowsCursor<'_> {
    fn filter(&mut self, _plan: c_int, _words: Option<&str>, _args: &Filters<'_>) -> Result<()> {
        self.go_to(0);
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.go_to(self.row.get() + 1);
        Ok(())
    }

    fn eof(&self) -> bool {
        self.row.get() >= self.end
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let column = usize::try_from(column).unwrap_or(COLUMNS);
        let cell = self.batch.as_ref().map(|batch| batch.cell(self.row.get(), column));
        context.set_result(Borrowed(cell.unwrap_or(ValueRef::Null)))
    }

    fn rowid(&self) -> Result<i64> {
        Ok(i64::try_from(self.row.get()).unwrap_or(i64::MAX))
    }
}
