//! Where the ledger lives when nobody says so: the user's state folder, never the current one.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const FILE: &str = "rowferry.db";

/// The ledger's place: `asked` (flag or `ROWFERRY_STATE`), the job file's, the user's state folder.
///
/// Schedulers replace the whole environment, so HOME may be missing: then a folder of the user's
/// own in `/var/tmp`, which outlives a reboot.
pub(crate) fn settle(asked: Option<&Path>, of_file: Option<&Path>) -> PathBuf {
    asked
        .or(of_file)
        .map_or_else(|| default(|name| std::env::var_os(name), user_id()), Path::to_path_buf)
}

fn default(variable: impl Fn(&str) -> Option<OsString>, user: u32) -> PathBuf {
    // The XDG rule: a relative value is not valid and is ignored.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(state) = absolute("XDG_STATE_HOME") {
        return state.join("rowferry").join(FILE);
    }
    match absolute("HOME") {
        Some(home) => home.join(".local/state/rowferry").join(FILE),
        None => PathBuf::from(format!("/var/tmp/rowferry-{user}")).join(FILE),
    }
}

/// The user who runs us, as the owner of our own process; 0 where there is no `/proc`.
fn user_id() -> u32 {
    std::fs::metadata("/proc/self").map_or(0, |about| about.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_needs_neither_home_nor_xdg() {
        let with = |pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, OsString)> =
                pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            default(
                |name| pairs.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone()),
                1000,
            )
        };
        assert_eq!(with(&[("HOME", "/h")]), Path::new("/h/.local/state/rowferry/rowferry.db"));
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]),
            Path::new("/s/rowferry/rowferry.db")
        );
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_STATE_HOME", "relative")]),
            Path::new("/h/.local/state/rowferry/rowferry.db")
        );
        assert_eq!(with(&[]), Path::new("/var/tmp/rowferry-1000/rowferry.db"));
    }
}
