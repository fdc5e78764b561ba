//! A memory cgroup: the kernel ends a process in it that takes more than its limit.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A group with a limit; removed with the value, when its processes have ended.
#[derive(Debug)]
pub struct MemoryCage {
    folder: PathBuf,
}

impl MemoryCage {
    /// A group of at most `mib` mebibytes, of whichever version the machine has. `None` after a
    /// `skipped:` line where this process may not make one.
    pub fn of(mib: u64) -> Option<Self> {
        match make(mib) {
            Ok(folder) => Some(Self { folder }),
            Err(error) => {
                eprintln!("skipped: no memory cgroup, the peak alone is measured ({error})");
                None
            }
        }
    }

    /// The file into which a process writes its number to be caught.
    pub fn door(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }
}

impl Drop for MemoryCage {
    fn drop(&mut self) {
        drop(std::fs::remove_dir(&self.folder));
    }
}

fn make(mib: u64) -> io::Result<PathBuf> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("rowferry-{}-{number}", std::process::id());
    let root = Path::new("/sys/fs/cgroup");
    // Version 1 has a tree of its own for memory; in version 2 the controller must be handed down.
    let (parent, limit) = if root.join("memory").is_dir() {
        (root.join("memory"), "memory.limit_in_bytes")
    } else {
        (root.to_owned(), "memory.max")
    };
    let folder = parent.join(name);
    std::fs::create_dir(&folder)?;
    let limited = std::fs::write(folder.join(limit), (mib << 20).to_string());
    limited.inspect_err(|_error| drop(std::fs::remove_dir(&folder)))?;
    Ok(folder)
}
