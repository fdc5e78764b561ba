//! Random tables in every direction: what arrives is equal, or the run refuses. A run that ends well
//! with any difference is the one failure that must never be.
//!
//! `ROWFERRY_ORACLE_SEED`, `ROWFERRY_ORACLE_SEEDS` and `ROWFERRY_ORACLE_ROWS` choose the first seed,
//! how many there are, and the rows of a table; `scripts/oracle` sets them for a long run.

use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};

use crate::fixture::Entry;
use crate::mixed::number;
use crate::random::Random;
use crate::recipes::{Way, literal};
use crate::ride::{Line, Ride, compare, expect_none, make, of_table};

/// Rows of one INSERT: long enough to be quick, short enough for every server's packet.
const BATCH: usize = 200;

fn direction(from: Engine, to: Engine) {
    let first = number("ROWFERRY_ORACLE_SEED", 1);
    for seed in first..first + number("ROWFERRY_ORACLE_SEEDS", 2) {
        println!("seed {seed}, {from:?} to {to:?}");
        if !calm(from, to, seed) {
            return;
        }
        wild(from, to, seed);
    }
}

/// Values that the target holds: all of them arrive. `false` without servers.
fn calm(from: Engine, to: Engine, seed: u64) -> bool {
    let Some(ride) = Ride::new(from, to, "oracle") else { return false };
    let mut random = Random::new(seed);
    let way = Way { from, to, wild: false };
    let all: Vec<(&Entry, &str)> = recipes(&ride).collect();
    let chosen: Vec<(&Entry, &str)> = all.into_iter().filter(|_| !random.once_in(3)).collect();
    let rows = number("ROWFERRY_ORACLE_ROWS", 300);
    let table = Table::new(&chosen, &ride, &mut random);
    ride.fill(&table.statements(&chosen, way, rows, &mut random));
    ride.job(&[table.line()]);
    let (told, report) = ride.run();
    let what = format!("seed {seed}, {from:?} to {to:?}, {}", table.create);
    let mut found = Vec::new();
    if told.code == 0 {
        let entries: Vec<&Entry> = chosen.iter().map(|(entry, _)| *entry).collect();
        found.extend(compare(&ride.source, &ride.target, "random", &entries));
        found.truncate(20);
    } else {
        let error = &report["tables"][0]["error"];
        found.push(format!("refused values that fit, exit {}: {error}", told.code));
    }
    expect_none(&what, &found);
    true
}

/// Any value that the source holds: it arrives equal or is refused, and then nothing of it is left.
fn wild(from: Engine, to: Engine, seed: u64) {
    let Some(ride) = Ride::new(from, to, "wild") else { return };
    let mut random = Random::new(seed ^ 0x5157);
    let way = Way { from, to, wild: true };
    let cases: Vec<(&Entry, &str, String)> = recipes(&ride)
        .map(|(entry, recipe)| (entry, recipe, format!("wild_{}", entry.name)))
        .collect();
    let mut statements = Vec::new();
    for (entry, recipe, table) in &cases {
        let rows: Vec<(u32, Vec<String>)> =
            (1..=3).map(|id| (id, vec![literal(recipe, way, &mut random)])).collect();
        statements.extend(make(from, table, &[entry], rows));
    }
    ride.fill(&statements);
    let lines: Vec<Line> = cases.iter().map(|(_, _, table)| Line::of(table)).collect();
    ride.job(&lines);
    let (_, report) = ride.run();
    let mut found = Vec::new();
    for (entry, _, table) in &cases {
        let report = of_table(&report["tables"], table);
        if report["exit_code"] == 0 {
            found.extend(compare(&ride.source, &ride.target, table, &[entry]));
        } else if report["exit_code"] != 65 {
            found.push(format!("{table}: neither copied nor refused: {report}"));
        }
    }
    expect_none(&format!("seed {seed}, {from:?} to {to:?}, wild values"), &found);
}

fn recipes(ride: &Ride) -> impl Iterator<Item = (&Entry, &str)> {
    let to = ride.target.engine();
    ride.entries
        .iter()
        .filter(move |entry| entry.goes(to))
        .filter_map(|entry| Some((entry, entry.random.as_deref()?)))
}

/// A random table: its key, and which columns take NULL.
struct Table {
    create: String,
    nullable: Vec<bool>,
    key: Vec<&'static str>,
}

impl Table {
    fn new(chosen: &[(&Entry, &str)], ride: &Ride, random: &mut Random) -> Self {
        let nullable: Vec<bool> = chosen.iter().map(|_| !random.once_in(3)).collect();
        let columns: Vec<String> = chosen
            .iter()
            .zip(&nullable)
            .map(|((entry, _), nullable)| {
                let not = if *nullable { " null" } else { " not null" };
                // SQLite takes no word for what is so anyway.
                let not = if *nullable && ride.source.engine() == Sqlite { "" } else { not };
                format!(", {} {}{not}", entry.name, entry.declared)
            })
            .collect();
        let columns = columns.concat();
        let (key, ending): (&[&str], &str) = match random.below(4) {
            0 => (&["id"], ", primary key (id)"),
            1 => (&["part", "id"], ", primary key (part, id)"),
            2 => (&["code"], ", primary key (code)"),
            _ => (&[], ""),
        };
        let create = format!(
            "create table random (id bigint not null, part int not null, code varchar(40) not null{columns}{ending})"
        );
        Self { create, nullable, key: key.to_vec() }
    }

    fn line(&self) -> Line {
        let line = Line::of("random");
        if self.key.is_empty() {
            line
        } else {
            line.with(format!("key: [{}]", self.key.join(", ")))
        }
    }

    fn statements(
        &self,
        chosen: &[(&Entry, &str)],
        way: Way,
        rows: u64,
        random: &mut Random,
    ) -> Vec<String> {
        let rows: Vec<String> = (0..rows)
            .map(|row| {
                // Gaps, and codes whose order is not that of the numbers.
                let id = row * 7 + random.below(7);
                let code = format!("'{:x}-{row}'", random.below(65_536));
                let cells = chosen.iter().zip(&self.nullable).map(|((_, recipe), nullable)| {
                    if *nullable && random.once_in(9) {
                        "null".to_owned()
                    } else {
                        literal(recipe, way, random)
                    }
                });
                let cells: Vec<String> = cells.collect();
                format!("({id}, {}, {code}, {})", row % 5, cells.join(", "))
            })
            .collect();
        let typed = |batch: &[String]| match way.from {
            // A list of rows must agree in its types before it meets the table's.
            Postgres => batch
                .iter()
                .map(|row| format!("insert into random values {row}"))
                .collect::<Vec<_>>()
                .join(";\n"),
            Mariadb | Mysql | Sqlite => format!("insert into random values {}", batch.join(",\n")),
        };
        std::iter::once(self.create.clone())
            .chain((way.from != Sqlite).then(|| "begin".to_owned()))
            .chain(rows.chunks(BATCH).map(typed))
            .chain((way.from != Sqlite).then(|| "commit".to_owned()))
            .collect()
    }
}

every_direction!(direction);
