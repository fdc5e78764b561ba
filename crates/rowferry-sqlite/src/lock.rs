//! The lock of one target table: a file beside the SQLite file, locked by the operating system.
//!
//! The lock goes with the process, however it ends, so none is ever stale. It is held for one
//! table and not for the file, since two jobs may fill two tables of one file. The lock file is
//! removed by its last holder; a holder that comes between the removal and a new file notices that
//! its own file has no name any more, and tries again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use rowferry_core::{ConnectorError, ErrorClass, Result, StreamSpec, TableRef};

use crate::error::FILE_LOCKED;

/// Times that a lock file may vanish under our hands before we call it busy.
const TRIES: usize = 100;

/// Stands between a file's name and what tells its tables apart.
const LOCK_MARK: &str = ".rowferry-lock-";

/// The held lock; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct TableLock {
    path: PathBuf,
    file: File,
}

impl TableLock {
    /// Takes the lock, or says who holds it.
    pub(crate) fn take(database: &Path, stream: &StreamSpec) -> Result<Self> {
        let path = lock_path(database, &stream.target_table);
        for _ in 0..TRIES {
            let mut file = open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy(&mut file, stream)),
                Err(TryLockError::Error(error)) => return Err(unlockable(&path, &error)),
            }
            if !is_named(&path, &file) {
                continue;
            }
            write_owner(&mut file, stream).map_err(|error| unlockable(&path, &error))?;
            return Ok(Self { path, file });
        }
        Err(busy(&mut open(&path)?, stream))
    }

    /// Who holds the lock of a table, as the holder wrote it: `host:process`; `None` when nobody does.
    /// A file that was left behind is removed on the way.
    pub(crate) fn holder(database: &Path, table: &TableRef) -> Result<Option<String>> {
        let path = lock_path(database, table);
        if path.exists() { Self::holder_in(path) } else { Ok(None) }
    }

    fn holder_in(path: PathBuf) -> Result<Option<String>> {
        let mut file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {
                drop(Self { path, file });
                Ok(None)
            }
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(|error| unlockable(&path, &error))?;
                Ok(Some(owner))
            }
            Err(TryLockError::Error(error)) => Err(unlockable(&path, &error)),
        }
    }

    /// Who holds the lock of any table of a file.
    pub(crate) fn any_holder(database: &Path) -> Option<String> {
        let start = format!("{}{LOCK_MARK}", database.file_name()?.to_str()?);
        let files = std::fs::read_dir(database.parent()?).ok()?.flatten();
        files
            .filter(|file| file.file_name().to_str().is_some_and(|name| name.starts_with(&start)))
            .find_map(|file| Self::holder_in(file.path()).ok().flatten())
    }

    /// Proves that the file which others would lock is still ours.
    pub(crate) fn check(&self) -> Result<()> {
        if is_named(&self.path, &self.file) {
            Ok(())
        } else {
            Err(ConnectorError::new(
                ErrorClass::Fenced,
                "lock-lost",
                format!("lock file {} was removed", self.path.display()),
            )
            .with_next("Run the same command again; what was committed is kept."))
        }
    }
}

impl Drop for TableLock {
    fn drop(&mut self) {
        if cfg!(unix)
            && is_named(&self.path, &self.file)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "lock file stays");
        }
        // Closing the file gives the lock back.
    }
}

fn lock_path(database: &Path, table: &TableRef) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(format!("{LOCK_MARK}{:016x}", name_hash(&table.name)));
    PathBuf::from(name)
}

/// FNV-1a of the lower-case name: the same in every build, unlike the standard library's hasher.
fn name_hash(name: &str) -> u64 {
    name.to_ascii_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| unlockable(path, &error))
}

/// Whether the name still belongs to this very file.
#[cfg(unix)]
fn is_named(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (std::fs::metadata(path), file.metadata()) {
        (Ok(named), Ok(ours)) => named.dev() == ours.dev() && named.ino() == ours.ino(),
        _ => false,
    }
}

/// Elsewhere lock files are never removed, so the name always stays.
#[cfg(not(unix))]
fn is_named(_path: &Path, _file: &File) -> bool {
    true
}

fn write_owner(file: &mut File, stream: &StreamSpec) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(stream.owner.as_bytes())
}

fn busy(file: &mut File, stream: &StreamSpec) -> ConnectorError {
    let mut owner = String::new();
    let known = file.read_to_string(&mut owner).is_ok_and(|length| length > 0);
    let error = ConnectorError::new(
        ErrorClass::Busy,
        "locked",
        format!("target table {} is being written by another run", stream.target_table),
    )
    .with_next(format!(
        "Wait for the other run to end, or let this one wait with `--on-locked wait`. \
         `rowferry state unlock {short} --target URL` shows who it is.",
        short = stream.stream_id.get(..8).unwrap_or(&stream.stream_id),
    ));
    if known { error.with_server(format!("held by {owner}")) } else { error }
}

/// Puts the run that holds a file in the place of SQLite's word that somebody does.
pub(crate) fn explain_held(error: ConnectorError, database: &Path) -> ConnectorError {
    let holder = if error.code == FILE_LOCKED { TableLock::any_holder(database) } else { None };
    let Some(owner) = holder else { return error };
    let words = format!("SQLite file {} is being written by another run", database.display());
    ConnectorError::new(ErrorClass::Busy, "locked", words)
        .with_server(format!("held by {owner}"))
        .with_next("Wait for the other run to end; `rowferry status` shows how far it is.")
}

fn unlockable(path: &Path, error: &std::io::Error) -> ConnectorError {
    let refused = matches!(
        error.kind(),
        std::io::ErrorKind::PermissionDenied
            | std::io::ErrorKind::ReadOnlyFilesystem
            | std::io::ErrorKind::NotFound
    );
    let class = if refused { ErrorClass::Refused } else { ErrorClass::Transient };
    ConnectorError::new(class, "lock-file", format!("could not lock {}", path.display()))
        .with_server(error.to_string())
        .with_next("Give this user the right to write to the folder of the target file.")
}
