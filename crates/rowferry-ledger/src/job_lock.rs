//! One run of a job at a time on one host: a file lock next to the ledger.
//!
//! The lock goes with the process, however it ends, so none is ever stale. The file stays: removing
//! it would let two processes lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::LedgerError;

/// The held lock; dropping it gives it back.
#[derive(Debug)]
pub struct JobLock {
    _file: File,
}

impl JobLock {
    /// Takes the lock of `job`, whose file lives in `folder`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Busy`] with the holder's process and host when it is held.
    pub fn acquire(folder: &Path, job: &str) -> Result<Self, LedgerError> {
        let path = lock_path(folder, job);
        let failed = |source| LedgerError::Lock { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                if file.read_to_string(&mut holder).is_err() || holder.is_empty() {
                    "another process".clone_into(&mut holder);
                }
                return Err(LedgerError::Busy { job: job.to_owned(), holder });
            }
        }
        let holder = format!("process {} on {}", std::process::id(), host());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// A readable name with a hash behind it, since job names may hold any character.
fn lock_path(folder: &Path, job: &str) -> PathBuf {
    const READABLE_CHARS: usize = 40;
    let readable: String = job
        .chars()
        .take(READABLE_CHARS)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect();
    // FNV-1a: the same in every build, unlike the standard library's hasher.
    let hash = job.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    folder.join(format!("job-{readable}-{hash:016x}.lock"))
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_else(|| "this host".to_owned())
}
