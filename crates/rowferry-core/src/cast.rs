//! What a user asks for one column: another target type, and what becomes of values that do not
//! fit it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Epoch;

/// The type that a column is to have in the target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CastTarget {
    /// The target's widest text, whatever it is called there.
    Text,
    /// The target's widest bytes.
    Bytes,
    /// A type in the words of the target: `datetime(6)`.
    Type(String),
}

/// What becomes of a value that the target column cannot hold. Each application is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The table stops there.
    #[default]
    Strict,
    /// It becomes NULL.
    Null,
    /// Infinities, dates and times become the nearest value that fits.
    Clamp,
    /// Characters that do not fit are replaced by this text.
    Replace(String),
    /// The row is left out and counted as rejected.
    SkipRow,
}

/// A cast as written in a job file: `epoch=UNIT`, `TYPE` and `else POLICY`, each of which may be
/// left out. `text` and `bytes` alone stand for the target's own widest types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cast {
    /// The numbers of the column count time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// Target type; `None` = the one that would have been chosen.
    pub to: Option<CastTarget>,
    /// What becomes of values that do not fit.
    pub otherwise: Policy,
}

/// A cast for all columns of a source type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TypeCast {
    /// Source type in the source's words, with or without its arguments: `numeric`,
    /// `numeric(12,2)`; compared without regard to case.
    pub from: String,
    /// What is asked for.
    pub cast: Cast,
}

impl TypeCast {
    /// Whether it speaks of columns declared like this.
    pub fn matches(&self, declared: &str) -> bool {
        let whole = declared.eq_ignore_ascii_case(&self.from);
        let head = declared.split_once('(').map_or(declared, |(head, _)| head).trim_end();
        whole || head.eq_ignore_ascii_case(&self.from)
    }
}

impl FromStr for Cast {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (to, otherwise) = split_policy(text);
        let (epoch, to) = match to.trim().strip_prefix("epoch=") {
            None => (None, to),
            Some(rest) => {
                let (unit, to) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                (Some(unit.parse()?), to)
            }
        };
        let to = match to.trim() {
            "" => None,
            "text" => Some(CastTarget::Text),
            "bytes" => Some(CastTarget::Bytes),
            other => Some(CastTarget::Type(other.to_owned())),
        };
        let cast = Self { epoch, to, otherwise: otherwise.trim().parse()? };
        if text.is_empty() { Err("a cast is empty".to_owned()) } else { Ok(cast) }
    }
}

/// Both sides of the first word `else`, whatever blanks are around it.
fn split_policy(text: &str) -> (&str, &str) {
    const ELSE: &str = "else";
    text.match_indices(ELSE)
        .filter_map(|(at, _)| {
            let (to, rest) = text.split_at_checked(at)?;
            Some((to, rest.strip_prefix(ELSE)?))
        })
        .find(|(to, policy)| {
            let begins = to.is_empty() || to.ends_with(char::is_whitespace);
            begins && policy.starts_with(char::is_whitespace)
        })
        .unwrap_or((text, "strict"))
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "strict" => Self::Strict,
            "null" => Self::Null,
            "clamp" => Self::Clamp,
            "skip_row" => Self::SkipRow,
            other => match other.strip_prefix("replace:") {
                Some(text) => Self::Replace(text.to_owned()),
                None => {
                    return Err(format!(
                        "{other:?} is not one of strict, null, clamp, replace:TEXT, skip_row"
                    ));
                }
            },
        })
    }
}

impl fmt::Display for CastTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Type(declared) => declared,
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strict => f.write_str("strict"),
            Self::Null => f.write_str("null"),
            Self::Clamp => f.write_str("clamp"),
            Self::Replace(text) => write!(f, "replace:{text}"),
            Self::SkipRow => f.write_str("skip_row"),
        }
    }
}

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.epoch.map(|epoch| format!("epoch={epoch}")),
            self.to.as_ref().map(ToString::to_string),
        ];
        let mut words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() || self.otherwise != Policy::Strict {
            words.push(format!("else {}", self.otherwise));
        }
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_of_all_kinds_stand_around_else() {
        let cast: Cast = "datetime(6)\telse\n null".parse().unwrap();
        assert_eq!(cast.to_string(), "datetime(6) else null");
        assert!("epoch=ms\telse cla'mp".parse::<Cast>().is_err(), "a type called else");
        let cast: Cast = "elsewhere".parse().unwrap();
        assert_eq!(cast.to_string(), "elsewhere");
    }

    #[test]
    fn casts_are_read_as_they_are_printed() {
        for text in [
            "datetime(6)",
            "text",
            "bytes",
            "else null",
            "decimal(38,10) else clamp",
            "text else replace:?",
            "else skip_row",
            "else strict",
            "epoch=s",
            "epoch=ms datetime(3)",
            "epoch=julian else null",
            "epoch=us text else skip_row",
        ] {
            let cast: Cast = text.parse().unwrap();
            assert_eq!(cast.to_string(), text);
            assert_eq!(cast.to_string().parse(), Ok(cast));
        }
        for wrong in
            ["", "else", "else nul", "date else later", "epoch=", "epoch=h", "epoch=ss date"]
        {
            let read = wrong.parse::<Cast>();
            assert!(read.is_err() || wrong == "else", "{wrong}: {read:?}");
        }
    }

    #[test]
    fn a_cast_of_a_type_finds_its_columns() {
        let of = |from: &str| TypeCast { from: from.to_owned(), cast: Cast::default() };
        assert!(of("numeric").matches("numeric(12,2)"));
        assert!(of("NUMERIC(12,2)").matches("numeric(12,2)"));
        assert!(!of("numeric(12,3)").matches("numeric(12,2)"));
        assert!(!of("num").matches("numeric"));
    }
}
