//! Two databases, tables made from the fixtures' entries in one of them, and jobs that copy them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rowferry_testkit::{Database, Engine};
use serde_json::Value as Json;

use crate::ends::database;
use crate::fixture::{Entry, entries};
use crate::kind::Kind;
use crate::world::{Told, World};

/// The key of the row that is looked at.
pub(crate) const KEY: u32 = 4711;

/// A source with its entries, and a target.
pub(crate) struct Ride {
    pub(crate) world: World,
    pub(crate) source: Database,
    pub(crate) target: Database,
    pub(crate) entries: Vec<Entry>,
}

/// A table of a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) table: String,
    /// Further keys of the table in the job file.
    pub(crate) keys: Vec<String>,
}

impl Line {
    pub(crate) fn of(table: impl Into<String>) -> Self {
        Self { table: table.into(), keys: Vec::new() }
    }

    pub(crate) fn with(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }
}

/// `casts:` of one column.
pub(crate) fn casts(column: &str, cast: &str) -> String {
    format!("casts: {{ {column}: \"{cast}\" }}")
}

impl Ride {
    /// Fresh databases; `None` after a `skipped:` line.
    pub(crate) fn new(from: Engine, to: Engine, name: &str) -> Option<Self> {
        let world = World::new();
        let source = database(from, &world, &format!("{name}_source"))?;
        let target = database(to, &world, &format!("{name}_target"))?;
        let ride = Self { world, source, target, entries: entries(from) };
        let before: Vec<&str> = ride
            .entries
            .iter()
            .flat_map(|entry| &entry.before)
            .map(String::as_str)
            .filter(|sql| sql.starts_with("create"))
            .collect();
        if !before.is_empty() {
            ride.source.exec(&before.join(";\n"));
        }
        Some(ride)
    }

    /// Runs statements in the source, in a session that takes every literal as it is.
    pub(crate) fn fill(&self, statements: &[String]) {
        let session: Vec<&str> = self
            .entries
            .iter()
            .flat_map(|entry| &entry.before)
            .map(String::as_str)
            .filter(|sql| sql.starts_with("set "))
            .collect();
        let words = session.into_iter().chain(statements.iter().map(String::as_str));
        let words: Vec<&str> = match self.source.engine() {
            Engine::Sqlite => ["begin"].into_iter().chain(words).chain(["commit"]).collect(),
            Engine::Postgres | Engine::Mariadb | Engine::Mysql => words.collect(),
        };
        self.source.exec(&format!("{};\n", words.join(";\n")));
    }

    /// A job of these tables, written to `job.yaml`.
    pub(crate) fn job(&self, lines: &[Line]) {
        self.world.write("job.yaml", &job(&self.source, &self.target, lines));
    }

    /// `plan` as JSON, with the exit code.
    pub(crate) fn plan(&self) -> (i32, Json) {
        plan(&self.world)
    }

    /// `run`, with the full report.
    pub(crate) fn run(&self) -> (Told, Json) {
        run(&self.world)
    }
}

pub(crate) fn job(source: &Database, target: &Database, lines: &[Line]) -> String {
    let mut text = format!(
        "version: 1\nconnections:\n  from: {}\n  to: {}\njobs:\n  - name: values\n    source: from\n    target: to\n    settings: {{ chunk_rows: 10000 }}\n    tables:\n",
        source.url(),
        target.url(),
    );
    for line in lines {
        writeln!(text, "      - source: {}", line.table).unwrap();
        for key in &line.keys {
            writeln!(text, "        {key}").unwrap();
        }
    }
    text
}

pub(crate) fn plan(world: &World) -> (i32, Json) {
    let told = world.run(&["plan", "job.yaml", "--output", "json"]);
    assert!(matches!(told.code, 0 | 78), "{told:?}");
    let code = told.code;
    let views = told.json();
    (code, views[0]["tables"].clone())
}

pub(crate) fn run(world: &World) -> (Told, Json) {
    let told = world.run(&["run", "job.yaml", "--output", "json", "--report", "report.json"]);
    let report = std::fs::read(world.path("report.json")).unwrap_or_default();
    let report = serde_json::from_slice(&report)
        .unwrap_or_else(|error| panic!("no report: {error}: {told:?}"));
    (told, report)
}

/// A table `name` of `(id, entries…)` with these rows of literals.
pub(crate) fn make(
    engine: Engine,
    name: &str,
    entries: &[&Entry],
    rows: impl IntoIterator<Item = (u32, Vec<String>)>,
) -> Vec<String> {
    let id = if engine == Engine::Sqlite { "integer" } else { "bigint" };
    let columns: Vec<String> =
        entries.iter().map(|entry| format!(", {} {}", entry.name, entry.declared)).collect();
    let columns = columns.concat();
    let mut statements = vec![format!("create table {name} (id {id} primary key{columns})")];
    statements.extend(rows.into_iter().map(|(id, literals)| {
        format!("insert into {name} values ({id}, {})", literals.join(", "))
    }));
    statements
}

/// Rows that hold every literal of every column once, then NULL.
pub(crate) fn rows_of(values: &[Vec<&str>]) -> Vec<(u32, Vec<String>)> {
    let most = values.iter().map(Vec::len).max().unwrap_or(0);
    let row = |number: usize| {
        let cells = values.iter().map(|of| of.get(number).map_or("null", |text| text).to_owned());
        (u32::try_from(number).unwrap() + 1, cells.collect())
    };
    (0..=most).map(row).collect()
}

/// Texts of one column by key, in one form.
pub(crate) type Shown = BTreeMap<String, String>;

/// What `database` holds in these columns, column by column.
pub(crate) fn shown(database: &Database, table: &str, columns: &[(String, Kind)]) -> Vec<Shown> {
    let expressions: Vec<&str> = columns.iter().map(|(text, _)| text.as_str()).collect();
    let query = format!("select id, {} from {table}", expressions.join(", "));
    let mut all = vec![Shown::new(); columns.len()];
    for line in database.query(&query) {
        let mut fields = line.split('\t');
        let id = fields.next().unwrap_or_default().to_owned();
        for ((shown, (_, kind)), field) in all.iter_mut().zip(columns).zip(fields.by_ref()) {
            shown.insert(id.clone(), kind.normal(field));
        }
        assert_eq!(fields.next(), None, "a line of {table} is torn: {line}");
    }
    all
}

/// The same with what both engines cannot tell apart made equal: MariaDB and SQLite have no
/// negative zero.
pub(crate) fn alike(shown: &Shown, kind: Kind, ends: [Engine; 2]) -> Shown {
    let no_sign = ends.iter().any(|end| matches!(end, Engine::Mariadb | Engine::Sqlite));
    let zero = |text: &String| match text.as_str() {
        "8000000000000000" if kind == Kind::Float && no_sign => "0000000000000000".to_owned(),
        other => other.to_owned(),
    };
    shown.iter().map(|(id, text)| (id.clone(), zero(text))).collect()
}

/// How an entry is shown by one end; two ends of one engine show their own text of everything.
pub(crate) fn column_of(entry: &Entry, end: Engine, other: Engine) -> (String, Kind) {
    match (end, other) {
        (Engine::Postgres, Engine::Postgres) => (Kind::Own.expression(end, &entry.name), Kind::Own),
        (Engine::Sqlite, Engine::Sqlite) => (Kind::Cell.expression(end, &entry.name), Kind::Cell),
        _ => (entry.shown(end), entry.kind),
    }
}

/// Differences of `entries` between the tables of that name, one line each.
pub(crate) fn compare(
    source: &Database,
    target: &Database,
    table: &str,
    entries: &[&Entry],
) -> Vec<String> {
    let (from, to) = (source.engine(), target.engine());
    let columns = |end, other| -> Vec<(String, Kind)> {
        entries.iter().map(|entry| column_of(entry, end, other)).collect()
    };
    let sent = shown(source, table, &columns(from, to));
    let came = shown(target, table, &columns(to, from));
    let mut found = Vec::new();
    let count = format!("select count(*) from {table}");
    let (here, there) = (source.value(&count), target.value(&count));
    if here != there {
        found.push(format!("{table}: {here} rows were sent, {there} came"));
    }
    for ((entry, sent), came) in entries.iter().zip(&sent).zip(&came) {
        let sent = alike(sent, entry.kind, [from, to]);
        let came = alike(came, entry.kind, [from, to]);
        for (id, text) in &sent {
            let there = came.get(id);
            if there != Some(text) {
                let name = (&entry.name, &entry.declared);
                found.push(format!(
                    "{} ({}) of row {id}: {text:.200} became {there:.200?}",
                    name.0, name.1
                ));
            }
        }
    }
    found
}

/// The view of `table` in a plan, or its report in a run.
pub(crate) fn of_table<'a>(tables: &'a Json, table: &str) -> &'a Json {
    let ours = |view: &&Json| {
        let name = view["source"].as_str().unwrap_or_default();
        name == table || name.ends_with(&format!(".{table}"))
    };
    tables.as_array().and_then(|tables| tables.iter().find(ours)).unwrap_or(&Json::Null)
}

/// Everything found, or nothing.
#[track_caller]
pub(crate) fn expect_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}: {} findings\n  {}", found.len(), found.join("\n  "));
}
