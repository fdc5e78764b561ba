//! Numbers that count time: what a unit of them is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a number counts time. All but `Julian` count from 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Epoch {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Days since noon of 4714-11-24 BC in Greenwich, as SQLite's `julianday` counts them.
    Julian,
}

impl Epoch {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Julian];

    /// The word behind `epoch=`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Julian => "julian",
        }
    }

    /// What is checked of such numbers: lowercase, for plans.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Seconds => "seconds since 1970, to the microsecond",
            Self::Milliseconds => "milliseconds since 1970, to the microsecond",
            Self::Microseconds => "whole microseconds since 1970",
            Self::Julian => "Julian days, to the millisecond",
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Epoch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|epoch| epoch.word() == text);
        found.ok_or_else(|| format!("{text:?} is not one of s, ms, us, julian"))
    }
}
