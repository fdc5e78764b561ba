//! Where the helper program is, and how it is started.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rowferry_core::{ConnectorError, ErrorClass, Result};

use crate::error::failed;

const NAME: &str = "rowferry-connectorx";
const VARIABLE: &str = "ROWFERRY_CONNECTORX";

/// The helper program.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// The program that `ROWFERRY_CONNECTORX` names, or the one beside the running executable.
    ///
    /// # Errors
    ///
    /// Class `Setup`, slug `no-helper`, when there is none.
    pub fn find() -> Result<Self> {
        let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join(NAME));
        let (path, place) = match (named, beside()) {
            (Some(path), _) => (path, format!("where {VARIABLE} says")),
            (None, Some(path)) => (path, "beside rowferry".to_owned()),
            (None, None) => return Err(missing(Path::new(NAME), "beside rowferry")),
        };
        if path.is_file() { Ok(Self { path }) } else { Err(missing(&path, &place)) }
    }

    /// Starts it in a group of its own: a Ctrl-C at the terminal is meant for rowferry, which lets a
    /// chunk come to its end.
    pub(crate) fn start(&self) -> Result<Child> {
        Command::new(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| {
                let attempt = format!("could not start the helper program {}", self.path.display());
                failed(ErrorClass::Setup, "no-helper", &attempt).with_source(error)
            })
    }
}

fn missing(path: &Path, place: &str) -> ConnectorError {
    let message =
        format!("ConnectorX needs its helper program, and {} is not there", path.display());
    failed(ErrorClass::Setup, "no-helper", &message).with_next(format!(
        "It was looked for {place}. Build it with `scripts/connectorx build` and put it there, or \
         name it by {VARIABLE}; or take `connectorx+` out of the URL."
    ))
}
