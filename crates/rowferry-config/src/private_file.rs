//! Files that hold a secret: who may read them.

use std::path::Path;

use crate::ConfigError;

/// Whom a file's mode lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Its owner alone, or there is no such file.
    Owner,
    /// Group or world may read it.
    Others,
    /// Anybody may write into it.
    Anybody,
}

/// Who may read or write the file.
#[cfg(unix)]
pub(crate) fn access(path: &Path) -> Access {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).map_or(0, |about| about.permissions().mode());
    match mode {
        _ if mode & 0o002 != 0 => Access::Anybody,
        _ if mode & 0o070 != 0 || mode & 0o007 != 0 => Access::Others,
        _ => Access::Owner,
    }
}

/// Other systems have no such modes.
#[cfg(not(unix))]
pub(crate) fn access(_path: &Path) -> Access {
    Access::Owner
}

/// A warning when others may read the file.
pub(crate) fn warn_if_open(path: &Path, what: &str, warnings: &mut Vec<String>) {
    if access(path) != Access::Owner {
        let path = path.display();
        warnings.push(format!("{what} {path} may be read by others: chmod 600 it"));
    }
}

/// Its text; `what` names the file in the error.
pub(crate) fn read(path: &Path, what: &str) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("could not read {what} {}: {error}", path.display());
        ConfigError::new("unreadable-secret", message)
    })
}
