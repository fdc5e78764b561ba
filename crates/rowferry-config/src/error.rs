//! Mistakes in a job file or a connection string. No text of a connection string is ever repeated.

use std::fmt;

/// One mistake, with its place if it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Stable slug, printed as `error[slug]`.
    pub slug: &'static str,
    /// What is wrong: lowercase, no full stop, no value of a secret.
    pub message: String,
    /// File, as the user named it.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column in characters, from 1.
    pub column: Option<u32>,
    /// What to do, a full sentence.
    pub next: Option<String>,
}

impl ConfigError {
    /// A mistake without a place.
    pub fn new(slug: &'static str, message: impl Into<String>) -> Self {
        Self { slug, message: message.into(), file: None, line: None, column: None, next: None }
    }

    /// The refusal of a key that a later version will know.
    pub fn not_supported_yet(what: &str) -> Self {
        Self::new("not-supported-yet", format!("not supported yet: {what}"))
    }

    /// Adds the next step.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds the place, unless one is known already.
    #[must_use]
    pub(crate) fn at(mut self, file: &str, line: u32, column: u32) -> Self {
        self.file = Some(file.to_owned());
        if self.line.is_none() {
            self.line = Some(line);
            self.column = Some(column);
        }
        self
    }

    /// Exit code of the command that met it.
    pub const fn exit_code(&self) -> u8 {
        78
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, "{number}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// All mistakes of a file, in its order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// Exit code of the command that met them.
    pub const fn exit_code(&self) -> u8 {
        78
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
