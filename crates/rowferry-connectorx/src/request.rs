//! What is asked for.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// Version of the request and of the stream that answers it.
pub(crate) const VERSION: u32 = 1;

/// One query. It holds a password, so it comes by stdin and is never printed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    version: u32,
    /// Where the database is, in ConnectorX's words.
    pub(crate) url: String,
    /// Statements that the session runs first.
    #[serde(default)]
    pub(crate) before: Vec<String>,
    pub(crate) query: String,
    /// Most rows of one batch of the answer.
    #[serde(default = "all")]
    pub(crate) batch_rows: usize,
    /// About the most bytes of one.
    #[serde(default = "all")]
    pub(crate) batch_bytes: usize,
    /// Whether the caller keeps stdin open, so that its end is the caller's.
    #[serde(default)]
    pub(crate) attended: bool,
}

const fn all() -> usize {
    usize::MAX
}

impl Request {
    pub(crate) fn parse(line: &str) -> Result<Self> {
        // The parser's own words could repeat a piece of the URL.
        let request: Self = serde_json::from_str(line)
            .map_err(|error| anyhow::anyhow!("no JSON request at column {}", error.column()))
            .context("could not read the request")?;
        if request.version != VERSION {
            bail!("the request is of version {}, this program knows {VERSION}", request.version);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let words = |line: &str| format!("{:#}", Request::parse(line).err().expect("refused"));
        let refused = words(r#"{"version": 1, "url": "postgres://u:hunter2@h/d", "wrong": 1}"#);
        assert!(refused.starts_with("could not read the request: no JSON request at"), "{refused}");
        assert!(!refused.contains("hunter2") && !refused.contains("wrong"), "{refused}");
        assert!(words(r#"{"version": 2, "url": "u", "query": "q"}"#).contains("version 2"));
        assert!(Request::parse(r#"{"version": 1, "url": "u", "query": "q"}"#).is_ok());
    }
}
