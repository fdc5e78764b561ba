//! A disk so small that a test can fill it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted folder that holds a few megabytes; unmounted with the value.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `kib` kibibytes over `folder`, which must exist; everyone may write to it.
    /// `None` after a `skipped:` line where this process may not mount.
    pub fn mount(folder: &Path, kib: u32) -> Option<Self> {
        let options = format!("size={kib}k,mode=0777");
        let mounted = run(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs"], folder);
        match mounted {
            Ok(()) => Some(Self { folder: folder.to_owned() }),
            Err(words) => {
                eprintln!("skipped: no small disk, this user may not mount ({words})");
                None
            }
        }
    }

    /// Makes room, with everything left in its place.
    pub fn grow(&self, kib: u32) {
        let options = format!("remount,size={kib}k");
        run(&["mount", "-o", &options], &self.folder).expect("a mounted disk can grow");
    }

    /// Where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server may still have files open.
        drop(run(&["umount", "-l"], &self.folder));
    }
}

fn run(words: &[&str], folder: &Path) -> Result<(), String> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let output = Command::new(program)
        .args(arguments)
        .arg(folder)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
