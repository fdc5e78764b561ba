//! One error type for both ends. Its class is chosen once, where the server's code is known; the
//! engine reacts to the class and never reads the text.

use std::fmt;
use std::num::NonZeroU32;

use arrow_array::RecordBatch;

/// Result of a call across the connector boundary.
pub type Result<T, E = ConnectorError> = std::result::Result<T, E>;

/// What an error means for the run. The exit code of a command follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The server or the network failed in a way that a later attempt may survive. Exit 69.
    Transient,
    /// COMMIT was sent and no answer came: the chunk is durable or it is not. Settled by `begin`.
    Unknown,
    /// Another process raised the epoch of this stream. Exit 75.
    Fenced,
    /// Another process holds the lock of this stream or table. Exit 75.
    Busy,
    /// A value or row cannot be represented or was not accepted. Exit 65.
    Data,
    /// Login, rights or TLS were refused. Exit 77.
    Refused,
    /// The job does not fit the databases: a missing table, an unmapped type. Exit 78.
    Setup,
    /// State, source and target disagree; a person must choose. Exit 76.
    Conflict,
    /// The local disk or the ledger failed. Exit 74.
    Local,
    /// A broken invariant of rowferry. Exit 70.
    Bug,
}

impl ErrorClass {
    /// The process exit code that stands for this class.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Transient | Self::Unknown => 69,
            Self::Fenced | Self::Busy => 75,
            Self::Data => 65,
            Self::Refused => 77,
            Self::Setup => 78,
            Self::Conflict => 76,
            Self::Local => 74,
            Self::Bug => 70,
        }
    }

    /// The word used in JSON output and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Unknown => "unknown",
            Self::Fenced => "fenced",
            Self::Busy => "busy",
            Self::Data => "data",
            Self::Refused => "refused",
            Self::Setup => "setup",
            Self::Conflict => "conflict",
            Self::Local => "local",
            Self::Bug => "bug",
        }
    }

    /// Whether the same chunk may be tried again by this process.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Unknown)
    }
}

/// A failure at one end: what was attempted, on which object, and what the server said.
///
/// `Display` prints the attempt and the server's own words; it never holds a password or a row
/// value. A connector that meets a server message which quotes values keeps only code, constraint
/// and column of it.
#[derive(Debug)]
pub struct ConnectorError {
    /// What the failure means.
    pub class: ErrorClass,
    /// Stable slug, printed as `error[slug]` (`target-not-empty`, `wrong-password`, …).
    pub code: &'static str,
    /// The attempt and its object: lowercase, no full stop.
    pub message: String,
    /// The server's own words with its code, values removed.
    pub server: Option<Box<str>>,
    /// What to do next, a full sentence.
    pub next: Option<String>,
    /// The column whose value broke a rule, by its name at the end that failed.
    pub column: Option<Box<str>>,
    /// Number of the row with that value within its chunk, from 1, in the order of the writes.
    pub row: Option<NonZeroU32>,
    /// The writer changed its way of writing: read the chunk again at once, without a pause.
    pub retry_now: bool,
    more: Option<Box<More>>,
}

/// What few errors have: kept apart, since every result is as large as its error.
#[derive(Default)]
struct More {
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    key: Option<RecordBatch>,
}

/// Without the key, which may have to stay out of logs.
impl fmt::Debug for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl ConnectorError {
    /// An error of `class` with its slug and the attempt that failed.
    pub fn new(class: ErrorClass, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            code,
            message: message.into(),
            server: None,
            next: None,
            column: None,
            row: None,
            retry_now: false,
            more: None,
        }
    }

    /// A broken invariant of rowferry itself.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Bug, "bug", message).with_next(
            "This is a bug of rowferry; please report it with the command that led here.",
        )
    }

    /// Adds the server's own words.
    #[must_use]
    pub fn with_server(mut self, words: impl Into<String>) -> Self {
        self.server = Some(words.into().into_boxed_str());
        self
    }

    /// Adds the next step for the user.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Names the column whose value broke a rule. A reader that cannot hold a value in the
    /// canonical type of its column says so with the slug `unrepresentable` and the column; the
    /// engine may then read the column by [`crate::CanonicalType::demoted`].
    #[must_use]
    pub fn with_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into().into_boxed_str());
        self
    }

    /// Numbers the row whose value broke a rule, from 0 within its chunk, in the order of the writes;
    /// the engine finds its key.
    #[must_use]
    pub fn with_row(mut self, row: u64) -> Self {
        self.row = u32::try_from(row + 1).ok().and_then(NonZeroU32::new);
        self
    }

    /// Adds the key of the row whose value broke a rule, where only the failing end can know it:
    /// one row of the key columns as they are read. The engine puts it into words, or keeps it back.
    #[must_use]
    pub fn with_key(mut self, key: RecordBatch) -> Self {
        self.more.get_or_insert_default().key = Some(key);
        self
    }

    /// The key that [`Self::with_key`] added, which the error has no more.
    pub fn take_key(&mut self) -> Option<RecordBatch> {
        self.more.as_mut()?.key.take()
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.more.get_or_insert_default().source = Some(Box::new(source));
        self
    }

    /// Marks that the chunk should be read again at once.
    #[must_use]
    pub fn replay(mut self) -> Self {
        self.retry_now = true;
        self
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(server) = &self.server {
            write!(f, ": {server}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.more.as_ref()?.source.as_ref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = source.as_ref();
            source
        })
    }
}
