//! Which of the two databases is meant.

use std::fmt;

use rowferry_core::ConnectorError;
use serde::Serialize;

/// One of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Where the rows came from.
    Source,
    /// Where they should be.
    Target,
}

impl Side {
    /// An error of this side, which may be of the same server and table as the other one.
    pub(crate) fn says(self, mut error: ConnectorError) -> ConnectorError {
        error.message = format!("{self}: {}", error.message);
        error
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// One value for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Both<T> {
    pub(crate) source: T,
    pub(crate) target: T,
}

impl<T> Both<T> {
    pub(crate) const fn of(&self, side: Side) -> &T {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    pub(crate) const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Source => &mut self.source,
            Side::Target => &mut self.target,
        }
    }
}

impl Both<u64> {
    /// The side with more, and how many that is.
    pub(crate) const fn larger(&self) -> (Side, u64) {
        if self.source < self.target {
            (Side::Target, self.target)
        } else {
            (Side::Source, self.source)
        }
    }
}
