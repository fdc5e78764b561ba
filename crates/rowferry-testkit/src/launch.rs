//! What starting any server needs: a program, a free port, a folder.

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{Engine, Server, variable};
use crate::watchdog::Watched;

/// Name and password of the user that tests log in with. A password, so that the login of the
/// connectors is exercised and a canary can be searched for.
pub(crate) const USER: &str = "rowferry";
pub(crate) const PASSWORD: &str = "ferry-canary-7Jq";

/// Why there is no server.
#[derive(Debug)]
pub(crate) struct Reason(String);

impl Reason {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Reason {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The file named by the environment variable, else the first of the usual places that exists.
pub(crate) fn find(environment: &str, usual: &[PathBuf]) -> Result<PathBuf, Reason> {
    let places = match variable(environment) {
        Some(place) => vec![PathBuf::from(place)],
        None => usual.to_vec(),
    };
    places.iter().find(|place| place.exists()).cloned().ok_or_else(|| {
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        Reason(format!("not found at {}; {environment} names another place", places.join(", ")))
    })
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, Reason> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A new folder that the watchdog removes. `owner` is given it when we are root.
pub(crate) fn folder(engine: Engine, owner: Option<&str>) -> Result<PathBuf, Reason> {
    let folder =
        tempfile::Builder::new().prefix(&format!("rowferry-{}-", engine.word())).tempdir()?.keep();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    if let Some(owner) = owner {
        run(Command::new("chown").arg(owner).arg(&folder), &folder)?;
    }
    Ok(folder)
}

/// Runs a preparing command to its end; on failure the folder is removed.
pub(crate) fn run(command: &mut Command, folder: &Path) -> Result<(), Reason> {
    let output = command.current_dir("/").output()?;
    if output.status.success() {
        return Ok(());
    }
    drop(std::fs::remove_dir_all(folder));
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().next_back().unwrap_or("no words").trim().to_owned();
    Err(Reason(format!("{} failed: {last}", command.get_program().display())))
}

/// Starts the server and waits until it answers.
pub(crate) fn start(
    engine: Engine,
    port: u16,
    folder: &Path,
    command: &[OsString],
) -> Result<Server, Reason> {
    let process = Some(Watched::start(folder, command)?);
    let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
    Server { engine, port, user, password, process }.wait_ready()
}

/// Whether this process is root; some servers refuse to be.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self")
        .is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0)
}
