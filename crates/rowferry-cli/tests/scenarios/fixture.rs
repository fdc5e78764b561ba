//! The entries of `fixtures/types`: one for each row of the matrices of types.

use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};

use crate::kind::Kind;

/// Targets in the order of an `into:` line.
pub(crate) const TARGETS: [Engine; 4] = [Postgres, Mariadb, Mysql, Sqlite];

/// One type of a source.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Name of its column.
    pub(crate) name: String,
    /// The type in the source's words.
    pub(crate) declared: String,
    pub(crate) kind: Kind,
    /// Statements that the source needs first.
    pub(crate) before: Vec<String>,
    /// Recipe of the oracle's values.
    pub(crate) random: Option<String>,
    values: Vec<Value>,
    into: Vec<Flag>,
    reads: Vec<(Engine, String)>,
    only: Option<Engine>,
}

/// What the plan says of a type in one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    /// `E`, `W`, `V`; `L` and `X` are refused without a cast.
    pub(crate) letter: char,
    /// The cast with which a refused type goes.
    pub(crate) cast: Option<String>,
}

/// A literal of the source.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) literal: String,
    /// Targets that refuse it.
    refused_by: Vec<Engine>,
    /// Where it arrives it is refused on the way back.
    one_way: bool,
    /// What the refusal says, one of these.
    pub(crate) words: Vec<String>,
}

impl Entry {
    /// What the plan says of it.
    pub(crate) fn flag(&self, target: Engine) -> &Flag {
        let place = TARGETS.iter().position(|engine| *engine == target);
        place.and_then(|place| self.into.get(place)).unwrap()
    }

    /// Whether it goes without a cast.
    pub(crate) fn goes(&self, target: Engine) -> bool {
        !matches!(self.flag(target).letter, 'X' | 'L')
    }

    /// Whether only one of the engines that share this list has the type.
    pub(crate) const fn is_own(&self) -> bool {
        self.only.is_some()
    }

    /// Literals that arrive in `target`.
    pub(crate) fn good(&self, target: Engine) -> Vec<&str> {
        let arrives = |value: &&Value| !value.refused_by.contains(&target);
        self.values.iter().filter(arrives).map(|value| value.literal.as_str()).collect()
    }

    /// Literals that arrive in `target` and come back from there.
    pub(crate) fn returning(&self, target: Engine) -> Vec<&str> {
        let returns = |value: &&Value| !value.one_way && !value.refused_by.contains(&target);
        self.values.iter().filter(returns).map(|value| value.literal.as_str()).collect()
    }

    /// Literals that no target refuses, if there is one.
    pub(crate) fn plain(&self) -> Vec<&str> {
        let values = self.values.iter().filter(|value| value.refused_by.is_empty());
        values.map(|value| value.literal.as_str()).collect()
    }

    /// Literals that `target` refuses.
    pub(crate) fn bad(&self, target: Engine) -> Vec<&Value> {
        self.values.iter().filter(|value| value.refused_by.contains(&target)).collect()
    }

    /// The text by which `engine` shows the column to be compared.
    pub(crate) fn shown(&self, engine: Engine) -> String {
        let own = self.reads.iter().find(|(of, _)| *of == engine);
        match own {
            Some((_, text)) => text.replace("{}", &self.name),
            None => self.kind.expression(engine, &self.name),
        }
    }
}

/// All entries of a source.
pub(crate) fn entries(source: Engine) -> Vec<Entry> {
    let text = match source {
        Postgres => include_str!("../../../../fixtures/types/postgres.txt"),
        Mariadb | Mysql => include_str!("../../../../fixtures/types/mysql.txt"),
        Sqlite => include_str!("../../../../fixtures/types/sqlite.txt"),
    };
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split_once(": ").or(line.strip_suffix(':').map(|key| (key, "")));
        let taken = key.and_then(|(key, rest)| match key.strip_prefix("= ") {
            Some(name) => {
                entries.push(Entry::new(name, rest));
                Some(())
            }
            None => entries.last_mut()?.take(key, rest),
        });
        assert!(taken.is_some(), "line {} of the {source:?} fixtures: {line}", number + 1);
    }
    entries.retain(|entry| entry.only.is_none_or(|only| only == source));
    entries
}

impl Entry {
    fn new(name: &str, declared: &str) -> Self {
        Self {
            name: name.to_owned(),
            declared: declared.to_owned(),
            kind: Kind::Own,
            before: Vec::new(),
            random: None,
            values: Vec::new(),
            into: Vec::new(),
            reads: Vec::new(),
            only: None,
        }
    }

    fn take(&mut self, key: &str, rest: &str) -> Option<()> {
        let (word, more) = key.split_once(' ').unwrap_or((key, ""));
        match word {
            "as" => self.kind = Kind::named(rest)?,
            "only" => self.only = Some(engine(rest)?),
            "into" => self.into = rest.split(" | ").map(Flag::read).collect::<Option<_>>()?,
            "before" => self.before.push(rest.to_owned()),
            "read" => self.reads.push((engine(more)?, rest.to_owned())),
            "random" => self.random = Some(rest.to_owned()),
            "good" => self.values.push(Value {
                literal: rest.to_owned(),
                refused_by: Vec::new(),
                one_way: false,
                words: Vec::new(),
            }),
            "bad" | "one-way" => {
                let (engines, words) = more.split_once(" ~ ")?;
                self.values.push(Value {
                    literal: rest.to_owned(),
                    refused_by: engines.split(' ').map(engine).collect::<Option<_>>()?,
                    one_way: word == "one-way",
                    words: words.split('|').map(str::to_owned).collect(),
                });
            }
            _ => return None,
        }
        Some(())
    }
}

impl Flag {
    fn read(text: &str) -> Option<Self> {
        let (letter, cast) = text.split_once(' ').unwrap_or((text, ""));
        let letter = letter.chars().next().filter(|letter| "EWVLX".contains(*letter))?;
        Some(Self { letter, cast: Some(cast.to_owned()).filter(|cast| !cast.is_empty()) })
    }
}

fn engine(word: &str) -> Option<Engine> {
    TARGETS.into_iter().find(|engine| engine.word() == word)
}

#[test]
fn every_entry_speaks_of_every_target() {
    for source in TARGETS {
        for entry in entries(source) {
            assert_eq!(entry.into.len(), TARGETS.len(), "{source:?} {}", entry.name);
            for target in TARGETS {
                let flag = entry.flag(target);
                assert_eq!(flag.cast.is_none(), entry.goes(target), "{source:?} {}", entry.name);
                assert!(!entry.good(target).is_empty(), "{source:?} {}", entry.name);
            }
        }
    }
}
