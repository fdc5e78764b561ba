//! Job files and connection strings: the configuration crate's answers in our terms.

use std::path::{Path, PathBuf};

use rowferry_config::{ConfigError, ConfigErrors, ProcessEnv};
use rowferry_core::{Cast, Endpoint, Job, Predicate};
use rowferry_seed::Script;

use crate::args::may_hold_login;
use crate::failure::{Failure, Result};

/// What `run` reads when no file is named.
const DEFAULT_FILE: &str = "rowferry.yaml";
/// Variable that names the file, as the .NET engine's users set it.
const PATH_VARIABLE: &str = "SYNC_CONFIG_PATH";

/// A job file that was read.
#[derive(Debug)]
pub(crate) struct JobFile {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its jobs, in its order.
    pub(crate) jobs: Vec<Job>,
    /// The ledger that it names.
    pub(crate) state: Option<PathBuf>,
}

/// Reads the named file, else the one of `SYNC_CONFIG_PATH`, else `rowferry.yaml`.
pub(crate) fn load(named: Option<&Path>) -> Result<JobFile> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::var_os(PATH_VARIABLE)
            .filter(|path| !path.is_empty())
            .map_or_else(|| PathBuf::from(DEFAULT_FILE), PathBuf::from),
    };
    if !path.exists() && path.to_str().is_some_and(may_hold_login) {
        return Err(Failure::setup(
            "unreadable-file",
            "there is no such job file, and its name looks like a connection string",
            "Name a job file; `copy`, `plan` and `check` take two connection strings.",
        ));
    }
    let file = rowferry_config::load_file(&path, &ProcessEnv).map_err(|errors| failure(&errors))?;
    for warning in &file.warnings {
        crate::out::talk(&format!("warning: {warning}"));
    }
    Ok(JobFile { path, jobs: file.jobs, state: file.state })
}

/// What `sync run` is given for an end.
pub(crate) fn script(path: &Path) -> Result<Script> {
    rowferry_config::load_seed_file(path).map_err(|errors| failure(&errors))
}

/// A URL or `env:NAME`; relative paths are taken against the current folder.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint> {
    let (endpoint, warnings) = parse(text)?;
    for warning in warnings {
        crate::out::talk(&format!("warning: {warning}"));
    }
    Ok(endpoint)
}

fn parse(text: &str) -> Result<(Endpoint, Vec<String>)> {
    rowferry_config::parse_endpoint(text, &ProcessEnv, Path::new(""))
        .map_err(|error| failure(&error.into()))
}

/// Both ends of a `copy`.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) source: Endpoint,
    pub(crate) target: Endpoint,
    pub(crate) warnings: Vec<String>,
    /// The ledger that the file of connections names.
    pub(crate) state: Option<PathBuf>,
}

impl Ends {
    /// Reads both ends: URLs, `env:NAME`, or connections of the file `config`.
    pub(crate) fn read(source: &str, target: &str, config: Option<&Path>) -> Result<Self> {
        let file = config
            .map(|path| rowferry_config::load_file(path, &ProcessEnv))
            .transpose()
            .map_err(|errors| failure(&errors))?;
        let mut warnings = Vec::new();
        let mut end = |text: &str| -> Result<Endpoint> {
            let known = file.as_ref().and_then(|file| file.connections.get(text));
            let (endpoint, told) = match (known, &file) {
                (Some(known), _) => known.clone(),
                // A URL has a colon; what has none was meant as a name.
                (None, Some(file)) if !text.contains([':', '=']) => {
                    return Err(unknown_connection(text, file.connections.keys()));
                }
                (None, _) => parse(text)?,
            };
            warnings.extend(told);
            Ok(endpoint)
        };
        let (source, target) = (end(source)?, end(target)?);
        warnings.dedup();
        Ok(Self { source, target, warnings, state: file.and_then(|file| file.state) })
    }
}

fn unknown_connection<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Failure {
    let next = match rowferry_core::nearest(name, known.map(String::as_str)) {
        Some(near) => format!("Did you mean {near:?}?"),
        None => "Add it under `connections` of the file, or write a URL or env:NAME.".to_owned(),
    };
    let message = format!("no connection of the file has the name {name:?}");
    Failure::setup("unknown-connection", message, next)
}

/// One comparison of a column with a literal.
pub(crate) fn predicate(text: &str) -> Result<Predicate> {
    rowferry_config::parse_predicate(text).map_err(|error| failure(&error.into()))
}

/// `TYPE`, `else POLICY` or `TYPE else POLICY`.
pub(crate) fn cast(text: &str) -> Result<Cast> {
    rowferry_config::parse_cast(text).map_err(|error| failure(&error.into()))
}

/// The job file that says the same as each job, one YAML document per job; secrets become
/// variables.
pub(crate) fn print(jobs: &[Job]) -> String {
    let files: Vec<String> = jobs.iter().map(rowferry_config::print_config).collect();
    files.join("---\n")
}

/// The JSON schema of job files.
pub(crate) fn schema() -> String {
    format!("{:#}", rowferry_config::schema())
}

/// All mistakes of a file as one failure: the first one's slug, everyone's words.
fn failure(errors: &ConfigErrors) -> Failure {
    let first = errors.0.first();
    let code = first.map_or("config", |error| error.slug);
    let lines: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    let mut next: Vec<&str> =
        errors.0.iter().filter_map(|error: &ConfigError| error.next.as_deref()).collect();
    next.dedup();
    Failure::setup(code, lines.join("\n  "), next.join("\n        "))
}
