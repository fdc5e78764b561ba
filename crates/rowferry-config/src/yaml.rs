//! YAML and JSON text to a tree whose nodes know their place: the only module that knows the parser.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::ConfigError;

/// Nodes of one file at most, copies by aliases included: far above any real job file, and low
/// enough that aliases of aliases cannot fill the memory.
const NODES_MAX: usize = 200_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) value: Value,
}

/// What a node holds. Scalars stay text: the reader of a key knows which type it wants.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Scalar {
        text: String,
        /// A variable was filled in, so a password in it does not stand in the file.
        filled: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    pub(crate) fn entry(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .find(|(name, _)| matches!(&name.value, Value::Scalar { text, .. } if text == key))
                .map(|(_, node)| node),
            Value::Null | Value::Scalar { .. } | Value::Sequence(_) => None,
        }
    }

    /// The word for its kind, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// A container that is still open.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
}

struct Builder<'a> {
    file: &'a str,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    count: usize,
    root: Option<Node>,
}

/// Parses one document.
pub(crate) fn parse(text: &str, file: &str) -> Result<Node, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder =
        Builder { file, open: Vec::new(), anchors: BTreeMap::new(), count: 0, root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let (line, column) = (place(error.marker().line()), place(error.marker().col() + 1));
            syntax(text, line, &error.info()).at(file, line, column)
        })?;
        builder.event(event, &span)?;
    }
    builder.root.ok_or_else(|| {
        ConfigError::new("empty-file", "the file is empty").at(file, 1, 1).with_next(
            "Start from config/example.yaml, or let `rowferry copy … --print-config` write one.",
        )
    })
}

/// The parser's words, or ours where a tab is the cause: its words speak of tokens.
fn syntax(text: &str, line: u32, words: &str) -> ConfigError {
    let start = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(2);
    let tab = text
        .lines()
        .skip(start)
        .take(2)
        .any(|line| line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t'));
    if tab {
        ConfigError::new("tab-in-yaml", "a tab cannot indent YAML")
            .with_next("Replace the tabs at the start of the line by spaces.")
    } else {
        // The words quote no text of the file except single characters and anchor names.
        ConfigError::new("yaml-syntax", format!("not valid YAML: {words}"))
            .with_next("Look at this place and the lines just before it.")
    }
}

fn place(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn node(span: &Span, value: Value) -> Node {
    Node { line: place(span.start.line()), column: place(span.start.col() + 1), value }
}

impl Builder<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser may add kinds of events")]
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), ConfigError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                let plain = matches!(style, ScalarStyle::Plain);
                let empty = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if empty {
                    Value::Null
                } else {
                    Value::Scalar { text: text.into_owned(), filled: false }
                };
                self.finish(node(span, value), anchor, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.start(node(span, Value::Sequence(Vec::new())), anchor);
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                self.start(node(span, Value::Mapping(Vec::new())), anchor);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.finish(open.node, open.anchor, 1),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((copy, size)) => self.finish(copy, 0, size),
                None => Err(self.wrong(span, "yaml-syntax", "an alias inside its own anchor")),
            },
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(self.wrong(span, "yaml-syntax", "a second document in one file"))
            }
            // Comments and the marks of the stream carry no data. The parser's list is open.
            other if !other.is_node() => Ok(()),
            _ => Err(self.wrong(span, "yaml-syntax", "an unknown kind of YAML node")),
        }
    }

    fn start(&mut self, node: Node, anchor: usize) {
        self.open.push(Open { node, anchor, key: None });
    }

    fn finish(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), ConfigError> {
        self.count += size;
        let (line, column) = (node.line, node.column);
        if self.count > NODES_MAX {
            return Err(ConfigError::new("file-too-large", "more than 200000 values in one file")
                .at(self.file, line, column));
        }
        if anchor != 0 {
            let size = weight(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::Sequence(items) => items.push(node),
            Value::Mapping(entries) => {
                if let Some(key) = open.key.take() {
                    entries.push((key, node));
                } else {
                    let Value::Scalar { text, .. } = &node.value else {
                        return Err(ConfigError::new("yaml-syntax", "a key must be a single word")
                            .at(self.file, line, column));
                    };
                    let twice = entries.iter().find(
                        |(key, _)| matches!(&key.value, Value::Scalar { text: t, .. } if t == text),
                    );
                    if let Some((first, _)) = twice {
                        let message = format!(
                            "the key {text:?} stands here twice, first in line {}",
                            first.line
                        );
                        return Err(ConfigError::new("duplicate-key", message)
                            .at(self.file, line, column)
                            .with_next("Remove one of the two."));
                    }
                    open.key = Some(node);
                }
            }
            Value::Null | Value::Scalar { .. } => {}
        }
        Ok(())
    }

    fn refuse_tag(&self, tag: Option<&Tag>, span: &Span) -> Result<(), ConfigError> {
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => {
                Err(self.wrong(span, "not-supported-yet", "not supported yet: YAML tags"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn wrong(&self, span: &Span, slug: &'static str, message: &str) -> ConfigError {
        let at = node(span, Value::Null);
        ConfigError::new(slug, message).at(self.file, at.line, at.column)
    }
}

fn weight(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar { .. } => 1,
        Value::Sequence(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|(_, v)| 1 + weight(v)).sum::<usize>(),
    }
}
