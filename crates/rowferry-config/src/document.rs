//! A parsed file while it is read: typed access to its nodes, with every mistake collected.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rowferry_core::{Rate, nearest};

use crate::env::interpolate;
use crate::yaml::{Node, Value};
use crate::{ConfigError, Env, parse_bytes, parse_duration, parse_rate};

/// Reads nodes and collects what is wrong with them. A getter that answers `None` has noted why.
pub(crate) struct Document<'a> {
    pub(crate) file: String,
    pub(crate) base: &'a Path,
    pub(crate) env: &'a dyn Env,
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) warnings: Vec<String>,
}

/// A mapping whose keys have been checked.
#[derive(Clone, Copy)]
pub(crate) struct Section<'n> {
    pub(crate) node: &'n Node,
}

impl<'n> Section<'n> {
    pub(crate) fn get(self, key: &str) -> Option<&'n Node> {
        self.node.entry(key).filter(|node| !matches!(node.value, Value::Null))
    }
}

/// Keys of a mapping: those that work, and those that a later version will know.
#[derive(Clone, Copy)]
pub(crate) struct Keys {
    /// What the mapping is, for messages: `a job`, `settings`.
    pub(crate) of: &'static str,
    pub(crate) known: &'static [&'static str],
    pub(crate) later: &'static [&'static str],
}

impl<'a> Document<'a> {
    pub(crate) fn new(file: &str, base: &'a Path, env: &'a dyn Env) -> Self {
        Self { file: file.to_owned(), base, env, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(crate) fn wrong(&mut self, node: &Node, error: ConfigError) {
        self.errors.push(error.at(&self.file, node.line, node.column));
    }

    /// Fills in the variables of every scalar below `node`; keys stay as they are.
    pub(crate) fn fill_in(&mut self, node: &mut Node) {
        let filled = match &mut node.value {
            Value::Scalar { text, filled } => match interpolate(text, self.env) {
                Ok((value, used)) => {
                    *text = value;
                    *filled = used;
                    None
                }
                Err(error) => Some(error),
            },
            Value::Sequence(items) => {
                for item in items {
                    self.fill_in(item);
                }
                None
            }
            Value::Mapping(entries) => {
                for (_, value) in entries {
                    self.fill_in(value);
                }
                None
            }
            Value::Null => None,
        };
        if let Some(error) = filled {
            self.wrong(node, error);
        }
    }

    /// Checks that `node` is a mapping of known keys.
    pub(crate) fn section<'n>(&mut self, node: &'n Node, keys: &Keys) -> Option<Section<'n>> {
        let Value::Mapping(entries) = &node.value else {
            self.expected(node, &format!("{} must be a mapping", keys.of));
            return None;
        };
        for (key, _) in entries {
            let Value::Scalar { text, .. } = &key.value else { continue };
            if keys.known.contains(&text.as_str()) {
                continue;
            }
            let error = if keys.later.contains(&text.as_str()) {
                ConfigError::not_supported_yet(text).with_next(format!(
                    "Remove {text}: this version would not act on it, and it never ignores a key."
                ))
            } else {
                let error =
                    ConfigError::new("unknown-key", format!("unknown key {text:?} in {}", keys.of));
                match nearest(text, keys.known.iter().copied()) {
                    Some(near) => error.with_next(format!("Did you mean {near:?}?")),
                    None => error.with_next(format!("Known here: {}.", keys.known.join(", "))),
                }
            };
            self.wrong(key, error);
        }
        Some(Section { node })
    }

    fn expected(&mut self, node: &Node, what: &str) {
        let message = format!("{what}, found {}", node.kind());
        self.wrong(
            node,
            ConfigError::new("wrong-type", message)
                .with_next("docs/config.md shows the form of every key."),
        );
    }

    pub(crate) fn missing(&mut self, at: &Node, of: &str, key: &str) {
        let error = ConfigError::new("missing-key", format!("{of} needs the key {key:?}"));
        self.wrong(at, error.with_next(format!("Add {key}; config/example.yaml shows its form.")));
    }

    pub(crate) fn text(&mut self, node: &Node) -> Option<String> {
        if let Value::Scalar { text, .. } = &node.value {
            return Some(text.clone());
        }
        self.expected(node, "a single value must stand here");
        None
    }

    pub(crate) fn text_of(&mut self, section: Section<'_>, key: &str) -> Option<String> {
        section.get(key).and_then(|node| self.text(node))
    }

    /// The text of a key that must be there and not be empty.
    pub(crate) fn required(&mut self, section: Section<'_>, of: &str, key: &str) -> Option<String> {
        let Some(node) = section.get(key) else {
            self.missing(section.node, of, key);
            return None;
        };
        let text = self.text(node)?;
        if text.is_empty() {
            self.missing(node, of, key);
            return None;
        }
        Some(text)
    }

    fn parsed<T>(
        &mut self,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, ConfigError>,
    ) -> Option<T> {
        let text = self.text(node)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(node, error);
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, node: &Node) -> Option<Duration> {
        self.parsed(node, parse_duration)
    }

    pub(crate) fn bytes(&mut self, node: &Node) -> Option<u64> {
        self.parsed(node, parse_bytes)
    }

    pub(crate) fn rate(&mut self, node: &Node) -> Option<Rate> {
        self.parsed(node, parse_rate)
    }

    /// A whole number from 1; `_` may group its digits.
    pub(crate) fn count(&mut self, node: &Node) -> Option<u64> {
        self.parsed(node, |text| {
            text.replace('_', "").parse::<u64>().ok().filter(|n| *n > 0).ok_or_else(|| {
                ConfigError::new("wrong-type", format!("{text:?} is not a whole number from 1"))
                    .with_next("Write digits, as in 100000 or 100_000.")
            })
        })
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        self.parsed(node, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(true),
            "false" | "no" | "off" => Ok(false),
            _ => Err(ConfigError::new("wrong-type", format!("{text:?} is not true or false"))
                .with_next("Write true or false.")),
        })
    }

    /// One of some words, case left out of account.
    pub(crate) fn choice<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        self.parsed(node, |text| {
            let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            found.map(|(_, value)| *value).ok_or_else(|| {
                let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                ConfigError::new(
                    "bad-value",
                    format!("{text:?} is not one of: {}", list.join(", ")),
                )
                .with_next(match nearest(text, list) {
                    Some(near) => format!("Did you mean {near:?}?"),
                    None => "Use one of the words above.".to_owned(),
                })
            })
        })
    }

    /// A list of texts; a single text counts as a list of one.
    pub(crate) fn texts(&mut self, node: &Node) -> Vec<String> {
        match &node.value {
            Value::Sequence(items) => items.iter().filter_map(|item| self.text(item)).collect(),
            Value::Scalar { text, .. } => vec![text.clone()],
            Value::Null => Vec::new(),
            Value::Mapping(_) => {
                self.expected(node, "a list must stand here");
                Vec::new()
            }
        }
    }

    pub(crate) fn texts_of(&mut self, section: Section<'_>, key: &str) -> Vec<String> {
        section.get(key).map(|node| self.texts(node)).unwrap_or_default()
    }

    /// The items of a list.
    pub(crate) fn items<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match &node.value {
            Value::Sequence(items) => items,
            Value::Null => &[],
            Value::Scalar { .. } | Value::Mapping(_) => {
                self.expected(node, "a list must stand here");
                &[]
            }
        }
    }

    /// The entries of a mapping with free keys.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node) -> Vec<(&'n str, &'n Node, &'n Node)> {
        let Value::Mapping(entries) = &node.value else {
            if !matches!(node.value, Value::Null) {
                self.expected(node, "a mapping must stand here");
            }
            return Vec::new();
        };
        let named = entries.iter().filter_map(|(key, value)| match &key.value {
            Value::Scalar { text, .. } => Some((text.as_str(), key, value)),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
        });
        named.collect()
    }

    /// A path, against the folder of the file.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }
}
