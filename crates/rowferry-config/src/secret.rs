//! Passwords that stand elsewhere: `env:NAME`, `file:PATH`, `exec:[command, args]`.

use std::path::Path;
use std::process::{Command, Stdio};

use rowferry_core::Secret;

use crate::env::unset;
use crate::yaml::{self, Value};
use crate::{ConfigError, Env, private_file};

/// The text of a warning about a password that stands in plain sight.
pub(crate) const PLAIN_PASSWORD: &str =
    "a password stands in plain text: write ${NAME}, env:NAME or file:PATH in its place";

/// A password and whether it stood in plain text.
pub(crate) fn resolve(
    text: &str,
    env: &dyn Env,
    base: &Path,
    warnings: &mut Vec<String>,
) -> Result<(Secret, bool), ConfigError> {
    if let Some(name) = text.strip_prefix("env:") {
        return env.get(name).map(|v| (Secret::new(v), false)).ok_or_else(|| unset(name, None));
    }
    if let Some(path) = text.strip_prefix("file:") {
        let path = base.join(path);
        let content = private_file::read(&path, "the password file")?;
        private_file::warn_if_open(&path, "the password file", warnings);
        return Ok((Secret::new(content.trim_end_matches(['\r', '\n'])), false));
    }
    if let Some(list) = text.strip_prefix("exec:") {
        return run(list, base).map(|secret| (secret, false));
    }
    for manager in ["vault:", "aws-sm:", "gcp-sm:"] {
        if text.starts_with(manager) {
            return Err(ConfigError::not_supported_yet(manager).with_next(
                "Use exec:[command, args] with the secret manager's own command-line program.",
            ));
        }
    }
    Ok((Secret::new(text), true))
}

/// Runs a command without a shell and takes its standard output, without the last line end.
fn run(list: &str, base: &Path) -> Result<Secret, ConfigError> {
    let wrong = || {
        ConfigError::new("bad-secret", "exec: needs a list [command, args]")
            .with_next("Write for example exec:[pass, show, db/shop].")
    };
    let words: Vec<String> = match yaml::parse(list, "exec").map(|node| node.value) {
        Ok(Value::Sequence(items)) => items
            .into_iter()
            .filter_map(|item| match item.value {
                Value::Scalar { text, .. } => Some(text),
                Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
            })
            .collect(),
        Ok(_) | Err(_) => return Err(wrong()),
    };
    let (program, arguments) = words.split_first().ok_or_else(wrong)?;
    // A program named with a folder is looked for beside the job file, as all paths are.
    let path = if program.contains('/') { base.join(program) } else { program.into() };
    let failed = |why: &str| {
        ConfigError::new("secret-command", format!("the password command {program:?} {why}"))
    };
    let output = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(&format!("could not be started: {error}")))?;
    if !output.status.success() {
        return Err(failed(&format!("ended with {}", output.status)));
    }
    // The error of the conversion would hold the bytes.
    let text = String::from_utf8(output.stdout).map_err(|_bytes| failed("wrote no valid UTF-8"))?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}
