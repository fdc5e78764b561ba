//! Opening the ledger file: settings, layout, and what happens to a damaged one.
//!
//! A damaged file is never repaired and never deleted: it is set aside under a new name, since it
//! may still tell a person something, and a new one takes its place. The target knows how far each
//! copy is, so nothing but history is lost.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode};

use crate::{LedgerError, drift, position};

/// Layout of the tables, kept in `user_version`: 1 had no positions, 2 had no drift.
const LAYOUT: i64 = 3;

/// How long a write waits for another process: its transactions take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Times that the change to WAL is tried: SQLite does not wait for a lock there.
const WAL_TRIES: u32 = 40;

const CREATE: &str = "
create table run (
  run_id text not null primary key,
  job text not null,
  started_at text not null,
  row text not null
);
create index run_by_start on run (started_at);
create table run_table (
  run_id text not null references run on delete cascade,
  stream_id text not null,
  row text not null,
  primary key (run_id, stream_id)
) without rowid;
create table stream (
  stream_id text not null primary key,
  job text not null,
  target text not null,
  row text not null
) without rowid;
create table chunk (
  run_id text not null references run on delete cascade,
  stream_id text not null,
  chunk_no integer not null,
  row text not null,
  primary key (run_id, stream_id, chunk_no)
) without rowid;
create index chunk_by_stream on chunk (stream_id, run_id);
";

/// An open ledger, and where a damaged one went.
pub(crate) struct Store {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) set_aside: Option<PathBuf>,
}

impl Store {
    /// Opens or makes the file.
    pub(crate) fn open(path: PathBuf) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| unwritable(&path, error))?;
        }
        match connect(&path) {
            Ok(connection) => Ok(Self { connection, path, set_aside: None }),
            Err(error) if is_damage(&error) => replace(path),
            Err(error) => Err(error),
        }
    }
}

/// Sets a damaged file aside. Two processes may find the damage at once: the second one waits, and
/// finds the new file of the first.
fn replace(path: PathBuf) -> Result<Store, LedgerError> {
    let gate = beside(&path, ".repair-lock");
    let held = File::create(&gate).and_then(|file| file.lock().map(|()| file));
    let held = held.map_err(|error| unwritable(&path, error))?;
    let set_aside = match connect(&path) {
        Ok(connection) => return Ok(Store { connection, path, set_aside: None }),
        Err(error) if is_damage(&error) => set_aside(&path)?,
        Err(error) => return Err(error),
    };
    tracing::warn!(
        damaged = %set_aside.display(),
        "the ledger is damaged; it was set aside and a new one was made"
    );
    let connection = connect(&path)?;
    drop(held);
    Ok(Store { connection, path, set_aside: Some(set_aside) })
}

fn set_aside(path: &Path) -> Result<PathBuf, LedgerError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let mut suffix = format!(".damaged-{seconds}");
    let mut number = 1;
    while beside(path, &suffix).exists() {
        suffix = format!(".damaged-{seconds}-{number}");
        number += 1;
    }
    let target = beside(path, &suffix);
    // The log belongs to the file: left behind, it would be played into the new one.
    for part in ["-wal", "-shm"] {
        let from = beside(path, part);
        if from.exists() {
            std::fs::rename(&from, beside(&target, part)).map_err(|e| unwritable(path, e))?;
        }
    }
    std::fs::rename(path, &target).map_err(|error| unwritable(path, error))?;
    Ok(target)
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    let refused = |source| statement_failed("open", path, source);
    let mut connection = Connection::open(path).map_err(refused)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(refused)?;
    check(&connection, path)?;
    // Before anything is written: a file that is not ours stays as it is.
    recognize(&connection, path)?;
    to_wal(&connection).map_err(refused)?;
    connection
        .execute_batch("pragma synchronous = full; pragma foreign_keys = on;")
        .map_err(refused)?;
    lay_out(&mut connection, path)?;
    Ok(connection)
}

fn check(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let refused = |source| statement_failed("check", path, source);
    let found: String =
        connection.query_row("pragma quick_check(1)", [], |row| row.get(0)).map_err(refused)?;
    if found == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(refused(rusqlite::Error::SqliteFailure(code, Some(found))))
}

fn to_wal(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        match connection.query_row("pragma journal_mode = wal", [], |_| Ok(())) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && tries < WAL_TRIES =>
            {
                tries += 1;
                std::thread::sleep(Duration::from_millis(25));
            }
            done => return done,
        }
    }
}

/// The layout of the file; 0 = an empty one.
fn recognize(connection: &Connection, path: &Path) -> Result<i64, LedgerError> {
    let refused = |source| statement_failed("read the layout", path, source);
    let ask = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let found = ask("pragma user_version").map_err(refused)?;
    if found == 0 && ask("select count(*) from sqlite_schema").map_err(refused)? > 0 {
        let ours = "select count(*) from sqlite_schema where name = 'run_table'";
        if ask(ours).map_err(refused)? == 0 {
            return Err(LedgerError::Foreign { path: path.to_owned() });
        }
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        let words = "the layout's number is gone".to_owned();
        return Err(refused(rusqlite::Error::SqliteFailure(code, Some(words))));
    }
    if (0..=LAYOUT).contains(&found) {
        Ok(found)
    } else {
        Err(LedgerError::Newer { path: path.to_owned(), found, known: LAYOUT })
    }
}

/// Brings the file to this version's layout. Two processes may do so at once: the second one finds
/// nothing left to do.
fn lay_out(connection: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    let refused = |source| statement_failed("lay out tables", path, source);
    // Asked without a write lock first: a run that is busy writing must not keep others out.
    let found = recognize(connection, path)?;
    if found == LAYOUT {
        return Ok(());
    }
    if found > 0 {
        back_up(connection, path, found)?;
    }
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(refused)?;
    let statements = match recognize(&transaction, path)? {
        0 => format!("{CREATE} {} {}", position::CREATE, drift::CREATE),
        1 => format!("{} {}", position::CREATE, drift::CREATE),
        2 => drift::CREATE.to_owned(),
        _ => return Ok(()),
    };
    let statements = format!("{statements} pragma user_version = {LAYOUT};");
    transaction.execute_batch(&statements).map_err(refused)?;
    transaction.commit().map_err(refused)
}

/// Keeps a copy of an older file, for the version that wrote it.
fn back_up(connection: &Connection, path: &Path, layout: i64) -> Result<(), LedgerError> {
    let copy = beside(path, &format!(".layout-{layout}"));
    if copy.exists() {
        return Ok(());
    }
    // Under another name first: what was cut short must not look like a copy.
    let part = beside(path, &format!(".layout-{layout}-{}", std::process::id()));
    connection
        .execute("vacuum into ?1", [part.to_string_lossy()])
        .map_err(|source| statement_failed("copy the older file", path, source))?;
    std::fs::rename(&part, &copy).map_err(|error| unwritable(path, error))
}

/// The error of a statement; what only rights or space can mend is told apart.
pub(crate) fn statement_failed(
    attempt: &'static str,
    path: &Path,
    source: rusqlite::Error,
) -> LedgerError {
    match source.sqlite_error_code() {
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::DiskFull
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure,
        ) => unwritable(path, source),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            LedgerError::Held { path: path.to_owned(), source }
        }
        _ => LedgerError::Statement { attempt, path: path.to_owned(), source },
    }
}

fn is_damage(error: &LedgerError) -> bool {
    let LedgerError::Statement { source, .. } = error else { return false };
    matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn unwritable(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> LedgerError {
    LedgerError::Unwritable { path: path.to_owned(), source: source.into() }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}
