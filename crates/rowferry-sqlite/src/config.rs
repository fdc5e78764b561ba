//! Opening a SQLite file: flags and settings of every connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rowferry_core::{ConnectorError, Endpoint, ErrorClass, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::failed;

/// How long a connection waits for another one's lock. Longer than a checkpoint or a chunk of
/// another process takes, shorter than a user's patience; guessed.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_mins(1);

/// Page cache of a writing connection, in KiB: a chunk's index pages stay in memory. With it a copy
/// of rows of 64 MiB keeps its promise about memory; 32 MiB left no margin.
const WRITER_CACHE_KIB: i64 = 24 << 10;

/// WAL pages before a commit copies them back into the file: 32 MiB of 4 KiB pages, about one
/// chunk, so that hot pages are copied once per chunk and not once per MiB.
const WAL_CHECKPOINT_PAGES: i64 = 8_192;

/// The real path of an existing source file.
///
/// The file is only asked for its metadata: opening it here and closing it again would drop the
/// POSIX locks that SQLite holds on it in this process.
pub(crate) fn existing_file(endpoint: &Endpoint) -> Result<PathBuf> {
    let missing = |error: std::io::Error| {
        let shown = endpoint.path.display();
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            return ConnectorError::new(
                ErrorClass::Refused,
                "no-right",
                format!("could not reach SQLite file {shown}"),
            )
            .with_server(error.to_string());
        }
        ConnectorError::new(
            ErrorClass::Transient,
            "missing-file",
            format!("could not open SQLite file {shown}"),
        )
        .with_server(error.to_string())
        .with_next("Check the path; a source file is never created.")
    };
    let path = endpoint.path.canonicalize().map_err(missing)?;
    if path.is_dir() {
        return Err(ConnectorError::new(
            ErrorClass::Setup,
            "not-a-database",
            format!("{} is a folder, not a SQLite file", path.display()),
        ));
    }
    Ok(path)
}

/// The real path of a target file, which need not exist; its folder must.
pub(crate) fn target_file(endpoint: &Endpoint) -> Result<PathBuf> {
    if endpoint.path.exists() {
        return existing_file(endpoint);
    }
    let shown = endpoint.path.display();
    let Some(name) = endpoint.path.file_name() else {
        return Err(crate::error::setup("no-file-name", format!("{shown} names no SQLite file")));
    };
    let folder = match endpoint.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| {
        ConnectorError::new(
            ErrorClass::Refused,
            "cannot-open",
            format!("could not reach the folder of SQLite file {shown}"),
        )
        .with_server(error.to_string())
        .with_next("Make the folder, or name another file.")
    })?;
    Ok(folder.join(name))
}

/// A connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let attempt = || format!("could not open SQLite file {} for reading", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(attempt(), e))?;
    settle(&connection).map_err(|error| failed(attempt(), error))?;
    // The first statement reads the header, so a file that is no database is named here.
    connection
        .query_row("select count(*) from sqlite_schema", [], |_| Ok(()))
        .map_err(|error| failed(attempt(), error))?;
    Ok(connection)
}

/// A connection that writes, or with `create` makes the file. It waits `patience` for a lock.
///
/// `synchronous` is FULL, not WAL's usual NORMAL: with NORMAL a power loss takes back the last commits, and a
/// receipt that was reported as durable would vanish after the source was told to forget the rows.
/// It costs one sync per chunk: narrow rows still went in at 1.0 to 1.8 million a second (measured on
/// two busy cores, chunks of 100,000), against 2.3 million with NORMAL.
/// Foreign keys are not enforced while loading, since chunks of parents and children arrive in any
/// order, and a delete that is half of an upsert must not cascade.
pub(crate) fn open_writer(path: &Path, create: bool, patience: Duration) -> Result<Connection> {
    let attempt = || format!("could not open SQLite file {} for writing", path.display());
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(attempt(), e))?;
    let prepare = || -> rusqlite::Result<()> {
        settle(&connection)?;
        connection.busy_timeout(patience)?;
        connection.execute_batch(&format!(
            "pragma synchronous = full; pragma foreign_keys = off; \
             pragma legacy_alter_table = on; pragma cache_size = -{WRITER_CACHE_KIB}; \
             pragma temp_store = memory;"
        ))?;
        connection.query_row(
            &format!("pragma wal_autocheckpoint = {WAL_CHECKPOINT_PAGES}"),
            [],
            |_| Ok(()),
        )
    };
    prepare().map_err(|error| failed(attempt(), error))?;
    // Without the right to write SQLite opens the file for reading, and says so only later.
    if connection.is_readonly("main").map_err(|error| failed(attempt(), error))? {
        return Err(ConnectorError::new(ErrorClass::Refused, "read-only", attempt())
            .with_server("the file may only be read")
            .with_next("Give this user the right to write to the file and to its folder."));
    }
    Ok(connection)
}

/// Settings of both kinds. With the string fallback of double quotes left on, a column that was
/// dropped behind our back would silently read as its own name.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    Ok(())
}

/// What the file says of itself: its real path, and its application id where one is set.
pub(crate) fn identity(connection: &Connection, path: &Path) -> Result<String> {
    let id: i64 = connection
        .query_row("pragma application_id", [], |row| row.get(0))
        .map_err(|error| failed("could not read the application id", error))?;
    let path = path.display();
    Ok(if id == 0 { format!("sqlite:{path}") } else { format!("sqlite:{path}#{id}") })
}
