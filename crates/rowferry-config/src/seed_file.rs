//! The configuration of `sync run` and `sync down`: statements that make, fill, empty and drop tables.
//!
//! ```yaml
//! globals: { user_count: 1000 }
//! up:     [{ name: create_users, query: create table users … }]
//! seed:   [{ name: seed_users, type: exec_batch, count: user_count, args: [seq(1, 1)], query: … }]
//! deseed: [{ name: delete_users, query: delete from users }]
//! down:   [{ name: drop_users, query: drop table users }]
//! ```
//!
//! SQL is full of `$`, so that variables are not filled in here.

use std::path::Path;

use rowferry_core::nearest;
use rowferry_seed::{Argument, Batch, Expression, ParseError, Script, Statement};
use rowferry_seed::{Value as Literal, parse, placeholders};

use crate::document::{Document, Keys, Section};
use crate::yaml::{self, Node, Value};
use crate::{ConfigError, ConfigErrors, ProcessEnv};

const FILE: Keys = Keys {
    of: "the file",
    known: &["globals", "up", "seed", "deseed", "down"],
    later: &[
        "expressions",
        "rows",
        "reference",
        "seq",
        "stages",
        "init",
        "run",
        "run_weights",
        "workers",
        "expectations",
        "objects",
    ],
};
const STATEMENT: Keys = Keys {
    of: "a statement",
    known: &["name", "type", "count", "size", "args", "query"],
    later: &[
        "batch_format",
        "row",
        "prepared",
        "wait",
        "retries",
        "suppress_errors",
        "print",
        "transaction",
        "locals",
        "queries",
        "rollback_if",
        "rate",
    ],
};

/// What `type` says: whether rows are kept, whether there are batches.
const TYPES: [(&str, (bool, bool)); 4] = [
    ("query", (true, false)),
    ("exec", (false, false)),
    ("query_batch", (true, true)),
    ("exec_batch", (false, true)),
];

/// Reads such a file.
///
/// # Errors
///
/// All mistakes of the file together.
pub fn load_seed_file(path: &Path) -> Result<Script, ConfigErrors> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("could not read the configuration: {error}");
        let mut wrong = ConfigError::new("unreadable-file", message)
            .with_next("Name the file with --source-config or --target-config.");
        wrong.file = Some(name.clone());
        wrong
    })?;
    load_seed_str(&text, &name)
}

/// Reads the text of such a file; `name` stands in messages.
///
/// # Errors
///
/// All mistakes of the text together.
pub fn load_seed_str(text: &str, name: &str) -> Result<Script, ConfigErrors> {
    let root = yaml::parse(text, name)?;
    let mut reader = Reader {
        doc: Document::new(name, Path::new(""), &ProcessEnv),
        globals: Vec::new(),
        answers: Vec::new(),
    };
    let script = reader.file(&root);
    let mut errors = reader.doc.errors;
    if errors.is_empty() {
        return Ok(script);
    }
    errors.sort_by_key(|error| (error.line, error.column));
    Err(ConfigErrors(errors))
}

struct Reader<'a> {
    doc: Document<'a>,
    /// Names of the globals so far.
    globals: Vec<String>,
    /// Names of statements so far, and whether their rows are kept.
    answers: Vec<(String, bool)>,
}

impl Reader<'_> {
    fn file(&mut self, root: &Node) -> Script {
        let mut script = Script::default();
        let Some(file) = self.doc.section(root, &FILE) else { return script };
        if let Some(node) = file.get("globals") {
            script.globals = self.globals(node);
        }
        script.up = self.section(file, "up");
        script.seed = self.section(file, "seed");
        // These are run later, by a process that has seen no row.
        self.answers.clear();
        script.deseed = self.section(file, "deseed");
        script.down = self.section(file, "down");
        script
    }

    /// Each is an expression over those before it; what is none is a text.
    fn globals(&mut self, node: &Node) -> Vec<(String, Expression)> {
        let mut read = Vec::new();
        for (name, _, value) in self.doc.entries(node) {
            let Some(text) = self.doc.text(value) else { continue };
            let literal = || Expression::Literal(Literal::Text(text.clone()));
            let expression = parse(&text, &self.names()).unwrap_or_else(|_| literal());
            self.globals.push(name.to_owned());
            read.push((name.to_owned(), expression));
        }
        read
    }

    fn names(&self) -> Vec<&str> {
        self.globals.iter().map(String::as_str).collect()
    }

    fn section(&mut self, file: Section<'_>, name: &str) -> Vec<Statement> {
        let Some(node) = file.get(name) else { return Vec::new() };
        let items = self.doc.items(node);
        items.iter().filter_map(|item| self.statement(item)).collect()
    }

    fn statement(&mut self, node: &Node) -> Option<Statement> {
        let section = self.doc.section(node, &STATEMENT)?;
        let name = self.doc.required(section, STATEMENT.of, "name")?;
        let query = self.doc.required(section, STATEMENT.of, "query");
        let kind =
            section.get("type").map_or(Some((true, false)), |node| self.doc.choice(node, &TYPES));
        let arguments = section.get("args").map(|node| self.arguments(node)).unwrap_or_default();
        let (keeps_rows, is_batch) = kind?;
        let batch = self.batch(section, is_batch);
        if self.answers.iter().any(|(known, _)| *known == name) {
            let message = format!("two statements have the name {name:?}");
            let error = ConfigError::new("bad-value", message);
            self.doc.wrong(node, error.with_next("Give each a name of its own."));
        }
        self.answers.push((name.clone(), keeps_rows));
        let statement = Statement { name, keeps_rows, batch, arguments, query: query? };
        self.check_placeholders(section, &statement);
        Some(statement)
    }

    fn batch(&mut self, section: Section<'_>, is_batch: bool) -> Option<Batch> {
        let [count, size] = ["count", "size"].map(|key| {
            let node = section.get(key)?;
            if !is_batch {
                let message = format!("{key} belongs to exec_batch and query_batch");
                let error = ConfigError::new("bad-value", message);
                self.doc.wrong(node, error.with_next("Write type: exec_batch."));
            }
            self.expression(node)
        });
        is_batch.then_some(Batch { count, size })
    }

    fn arguments(&mut self, node: &Node) -> Vec<Argument> {
        if let Value::Mapping(_) = node.value {
            let entries = self.doc.entries(node);
            let read = entries.into_iter().filter_map(|(name, _, value)| {
                Some(Argument { name: Some(name.to_owned()), value: self.expression(value)? })
            });
            return read.collect();
        }
        let items = self.doc.items(node);
        let read = items
            .iter()
            .filter_map(|item| Some(Argument { name: None, value: self.expression(item)? }));
        read.collect()
    }

    fn expression(&mut self, node: &Node) -> Option<Expression> {
        let text = self.doc.text(node)?;
        let expression = match parse(&text, &self.names()) {
            Ok(expression) => expression,
            Err(error) => {
                self.doc.wrong(node, mistake(error));
                return None;
            }
        };
        for name in expression.referred() {
            if !self.answers.iter().any(|(known, keeps)| known == name && *keeps) {
                let error = self.no_answer(name);
                self.doc.wrong(node, error);
            }
        }
        Some(expression)
    }

    fn no_answer(&self, name: &str) -> ConfigError {
        let message = format!("no statement before this one keeps rows under the name {name:?}");
        let error = ConfigError::new("unknown-statement", message);
        if self.answers.iter().any(|(known, _)| known == name) {
            return error.with_next(format!("Write type: query for the statement {name}."));
        }
        let known = self.answers.iter().filter(|(_, keeps)| *keeps).map(|(name, _)| name.as_str());
        match nearest(name, known) {
            Some(near) => error.with_next(format!("Did you mean {near:?}?")),
            None => error.with_next("Add a statement of type: query with this name before it."),
        }
    }

    fn check_placeholders(&mut self, section: Section<'_>, statement: &Statement) {
        let (Some(node), count) = (section.get("query"), statement.arguments.len()) else { return };
        let (greatest, has_values) = placeholders(&statement.query);
        if has_values && (statement.batch.is_none() || count == 0) {
            let message = "__values__ stands for the rows of a batch, and there are none";
            let error = ConfigError::new("bad-value", message);
            self.doc.wrong(node, error.with_next("Write type: exec_batch, with args."));
        }
        // A statement without arguments keeps its dollars: they may be those of a function's body.
        if count > 0 && greatest > count {
            let message = format!("the placeholder ${greatest} has no argument: there are {count}");
            let error = ConfigError::new("bad-value", message);
            self.doc.wrong(node, error.with_next("Add the argument to args."));
        }
    }
}

fn mistake(error: ParseError) -> ConfigError {
    let slug = if error.is_later { "not-supported-yet" } else { "bad-expression" };
    let wrong = ConfigError::new(slug, error.to_string());
    match error.next {
        Some(next) => wrong.with_next(next),
        None => wrong.with_next("docs/cli.md lists the functions and patterns that there are."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_read_with_what_they_take() {
        let text = "
globals:
  users: 10
  all: users * 2
  town: new york
up:
  - name: make
    query: create table t (id int)
seed:
  - name: fill
    type: exec_batch
    count: all
    size: users / 2
    args: { id: \"seq(1, 1)\", label: \"'n' + string(arg('id'))\" }
    query: insert into t (id, label) __values__
  - name: ids
    type: query
    query: select id from t
  - name: more
    type: exec
    args: [\"ref_rand('ids').id\"]
    query: delete from t where id = $1
";
        let script = load_seed_str(text, "f.yaml").unwrap();
        assert_eq!(script.globals.len(), 3);
        let [fill, ids, more] = script.seed.as_slice() else { panic!("{script:?}") };
        assert!(fill.batch.is_some() && !fill.keeps_rows && ids.keeps_rows);
        assert_eq!(fill.arguments[0].name.as_deref(), Some("id"));
        assert_eq!(more.arguments[0].value.referred(), ["ids"]);
        assert!(script.up[0].keeps_rows && script.down.is_empty());
    }

    /// The mistakes of `text`, as line, column, slug and words.
    fn mistakes(text: &str) -> Vec<(u32, u32, &'static str, String)> {
        let errors = load_seed_str(text, "f.yaml").unwrap_err().0;
        let place = |error: ConfigError| {
            (error.line.unwrap(), error.column.unwrap(), error.slug, error.message)
        };
        errors.into_iter().map(place).collect()
    }

    #[test]
    fn what_is_not_there_is_refused_by_name_and_place() {
        let check = |text: &str, place: (u32, u32), slug: &str, words: &str| {
            let found = mistakes(text);
            let [(line, column, found_slug, message)] = found.as_slice() else {
                panic!("{text}: {found:?}")
            };
            assert_eq!(((*line, *column), *found_slug), (place, slug), "{text}: {message}");
            assert!(message.contains(words), "{text}: {message}");
        };
        check("run: []\nup: []", (1, 1), "not-supported-yet", "run");
        check("ups: []", (1, 1), "unknown-key", "ups");
        check(
            "up: [{ name: a, query: b, prepared: true }]",
            (1, 27),
            "not-supported-yet",
            "prepared",
        );
        check("up: [{ name: a, query: b, type: loop }]", (1, 33), "bad-value", "loop");
        check("up: [{ name: a, query: b, count: 3 }]", (1, 34), "bad-value", "exec_batch");
        check("up: [{ name: a, query: $2, args: [1] }]", (1, 24), "bad-value", "$2");
        check("up: [{ name: a, query: __values__ }]", (1, 24), "bad-value", "__values__");
        check("up: [{ name: a }]", (1, 6), "missing-key", "query");
        check(
            "up: [{ name: a, query: b, args: [zipf(1)] }]",
            (1, 34),
            "not-supported-yet",
            "zipf()",
        );
        check("up: [{ name: a, query: b, args: [sqe(1)] }]", (1, 34), "bad-expression", "sqe");
        let twice = "up: [{ name: a, query: b }, { name: a, query: b }]";
        check(twice, (1, 29), "bad-value", "two statements");
        let of_exec = "up:\n- { name: a, type: exec, query: b }\n\
             - { name: b, args: [ref_rand('a').id], query: $1 }";
        check(of_exec, (3, 21), "unknown-statement", "\"a\"");
        let across = "seed: [{ name: a, query: b }]\n\
             down: [{ name: c, args: [ref_same('a').id], query: $1 }]";
        check(across, (2, 26), "unknown-statement", "\"a\"");
    }
}
