//! A file to its jobs: finds the shape by the keys at the top and hands over to its reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rowferry_core::{Endpoint, Job, nearest};

use crate::document::Document;
use crate::yaml::{self, Node, Value};
use crate::{ConfigError, ConfigErrors, Env, dotnet, native, sync_config, syncset};

/// Which of the known shapes a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `version`, `connections`, `jobs`.
    Native,
    /// `Sync.Entities`, as the .NET worker reads it.
    DotNet,
    /// `primary_db`, `replica_dbs`, `tables`.
    Syncset,
    /// `sync_config`, `table_mappings`.
    SyncConfig,
}

/// What a file asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFile {
    /// The SQLite ledger, if the file names one.
    pub state: Option<PathBuf>,
    /// Jobs in the order of the file; their names differ.
    pub jobs: Vec<Job>,
    /// Connections by name, each with its warnings; only the native shape names any.
    pub connections: BTreeMap<String, (Endpoint, Vec<String>)>,
    /// Shape of the file.
    pub shape: Shape,
    /// What the user should know about the file as a whole; each job has its own beside it.
    pub warnings: Vec<String>,
}

/// Reads a job file of any shape, YAML or JSON. Relative paths in it are taken against its folder.
///
/// # Errors
///
/// All mistakes of the file together.
pub fn load_file(path: &Path, env: &dyn Env) -> Result<JobFile, ConfigErrors> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let mut wrong =
            ConfigError::new("unreadable-file", format!("could not read the job file: {error}"))
                .with_next("Name the file as an argument, or set SYNC_CONFIG_PATH.");
        wrong.file = Some(name.clone());
        wrong
    })?;
    load_str(&text, &name, path.parent().unwrap_or(Path::new("")), env)
}

/// Reads the text of a job file; `name` stands in messages, `base` is the folder of its paths.
///
/// # Errors
///
/// All mistakes of the text together.
pub fn load_str(
    text: &str,
    name: &str,
    base: &Path,
    env: &dyn Env,
) -> Result<JobFile, ConfigErrors> {
    let mut root = yaml::parse(text, name)?;
    let mut doc = Document::new(name, base, env);
    let shape = shape(&root, name)?;
    doc.fill_in(&mut root);
    if !doc.errors.is_empty() {
        // What hangs on a missing variable would only be said a second time.
        return Err(ConfigErrors(doc.errors));
    }
    let read = match shape {
        Shape::Native => native::read(&mut doc, &root),
        Shape::DotNet => dotnet::read(&mut doc, &root),
        Shape::Syncset => syncset::read(&mut doc, &root),
        Shape::SyncConfig => sync_config::read(&mut doc, &root),
    };
    if !doc.errors.is_empty() {
        doc.errors.sort_by_key(|error| (error.line, error.column));
        return Err(ConfigErrors(doc.errors));
    }
    if read.jobs.is_empty() {
        let wrong = ConfigError::new("no-jobs", "the file holds no job")
            .at(name, 1, 1)
            .with_next("Add a job; config/example.yaml shows every key.");
        return Err(wrong.into());
    }
    let Read { state, jobs, connections } = read;
    Ok(JobFile { state, jobs, connections, shape, warnings: doc.warnings })
}

/// What a reader of one shape found; what is wrong stands in the document.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) state: Option<PathBuf>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) connections: BTreeMap<String, (Endpoint, Vec<String>)>,
}

fn shape(root: &Node, file: &str) -> Result<Shape, ConfigError> {
    const TOP: [(&str, Shape); 7] = [
        ("jobs", Shape::Native),
        ("connections", Shape::Native),
        ("Sync", Shape::DotNet),
        ("primary_db", Shape::Syncset),
        ("replica_dbs", Shape::Syncset),
        ("sync_config", Shape::SyncConfig),
        ("table_mappings", Shape::SyncConfig),
    ];
    if let Some((_, shape)) = TOP.iter().find(|(key, _)| root.entry(key).is_some()) {
        return Ok(*shape);
    }
    let error = ConfigError::new("unknown-shape", "the file has none of the keys of a job file")
        .at(file, root.line, root.column);
    let keys = match &root.value {
        Value::Mapping(entries) => entries.as_slice(),
        Value::Null | Value::Scalar { .. } | Value::Sequence(_) => &[],
    };
    for (key, _) in keys {
        if let Value::Scalar { text, .. } = &key.value
            && let Some(near) = nearest(text, TOP.iter().map(|(key, _)| *key))
        {
            return Err(ConfigError::new(
                "unknown-key",
                format!("unknown key {text:?} in the file"),
            )
            .at(file, key.line, key.column)
            .with_next(format!("Did you mean {near:?}?")));
        }
    }
    Err(error.with_next("A job file has `jobs:` at the top; see config/example.yaml."))
}

#[cfg(test)]
#[path = "job_file_tests.rs"]
mod tests;
