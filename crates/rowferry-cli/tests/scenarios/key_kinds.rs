//! Every kind of key in every direction: texts under linguistic orders, without case, with blanks at
//! the end; bytes, UUIDs, floats, decimals, times, bits, labels; several columns, one of them null.
//! Each table is cut into many chunks, the run is killed in the middle and taken up again, and then
//! changed rows are merged by the same keys: every row is there once.

use rowferry_testkit::{Database, Engine};

use crate::dump::{Kind, assert_same, dump};
use crate::mixed::is_full;
use crate::two_ends::TwoEnds;

/// A table `k_NAME` whose rows are found by its key.
struct KeyKind {
    name: &'static str,
    /// Columns and key, as declared.
    declared: &'static str,
    /// What follows the table.
    after: &'static str,
    columns: &'static [(&'static str, Kind)],
    /// The key's values of row `n`, in SQL.
    values: fn(u32) -> String,
    /// Whether a table can be cut by it.
    cuts: bool,
    /// Lines of the job.
    options: &'static str,
}

const KEY: KeyKind = KeyKind {
    name: "",
    declared: "",
    after: "",
    columns: &[],
    values: |n| n.to_string(),
    cuts: true,
    options: "",
};

/// Texts that linguistic orders, orders by bytes and readers without case see differently.
const WORDS: [&str; 18] = [
    "Apfel", "apfel", "Äpfel", "äpfel", "Zebra", "zebra", "_x", "-x", "x y", "é", "e", "E", "ß",
    "ss", "10", "9", " a", "😀",
];

fn word(n: u32) -> &'static str {
    WORDS[n as usize % WORDS.len()]
}

/// Differs in case, accents and signs only.
fn exact(n: u32) -> String {
    format!("'{}-{}'", word(n), n as usize / WORDS.len())
}

/// As [`exact`], half of them with a blank at the end.
fn blanks(n: u32) -> String {
    let tail = if n.is_multiple_of(2) { "" } else { " " };
    format!("'{}-{}{tail}'", word(n / 2), n as usize / 2 / WORDS.len())
}

/// Differs by its number, whatever is taken for equal.
fn loose(n: u32) -> String {
    format!("'{}-{n}'", word(n))
}

/// As [`loose`], without what latin1 does not know.
fn western(n: u32) -> String {
    loose(n).replace('😀', "ÿ")
}

fn uuid(n: u32) -> String {
    let mixed = n.wrapping_mul(2_654_435_761);
    format!("'{mixed:08x}-{:04x}-4000-8000-{n:012x}'", mixed & 0xFFFF)
}

fn hex(n: u32) -> String {
    format!("{:08x}00{:02x}", n.wrapping_mul(2_654_435_761), n % 256)
}

fn number(n: u32) -> String {
    let sign = if n.is_multiple_of(2) { "" } else { "-" };
    format!("{sign}{}.{:03}", n / 3, n % 1_000)
}

/// Minus zero first.
fn float(n: u32) -> String {
    if n == 0 { "-0e0".to_owned() } else { format!("{}e-1", number(n)) }
}

fn instant(n: u32) -> String {
    format!("'20{:02}-0{}-1{} 0{}:00:00.{:06}'", n % 80, n % 9 + 1, n % 9, n % 10, n)
}

fn composite(n: u32) -> String {
    format!("{}, {}, '20{:02}-01-01'", i64::from(n % 7) - 3, exact(n), n % 60)
}

/// The second column is null for every third row, and so for several rows of one first column.
fn null_later(n: u32) -> String {
    let second = if n.is_multiple_of(3) { "null".to_owned() } else { exact(n) };
    format!("{}, {second}", n % 5)
}

const TEXT: &[(&str, Kind)] = &[("k", Kind::Text), ("n", Kind::Int), ("note", Kind::Text)];
const CHAR: &[(&str, Kind)] = &[("k", Kind::Char), ("n", Kind::Int), ("note", Kind::Text)];
const BYTES: &[(&str, Kind)] = &[("k", Kind::Bytes), ("n", Kind::Int), ("note", Kind::Text)];
const UUID: &[(&str, Kind)] = &[("k", Kind::Uuid), ("n", Kind::Int), ("note", Kind::Text)];
const FLOAT: &[(&str, Kind)] = &[("k", Kind::Float), ("n", Kind::Int), ("note", Kind::Text)];
const DECIMAL: &[(&str, Kind)] = &[("k", Kind::Decimal), ("n", Kind::Int), ("note", Kind::Text)];
const STAMP: &[(&str, Kind)] = &[("k", Kind::Stamp), ("n", Kind::Int), ("note", Kind::Text)];
const BITS: &[(&str, Kind)] = &[("k", Kind::Bits), ("n", Kind::Int), ("note", Kind::Text)];
const LABEL: &[(&str, Kind)] =
    &[("f", Kind::Flag), ("k", Kind::Text), ("n", Kind::Int), ("note", Kind::Text)];
const COMPOSITE: &[(&str, Kind)] = &[
    ("a", Kind::Int),
    ("b", Kind::Text),
    ("c", Kind::Date),
    ("n", Kind::Int),
    ("note", Kind::Text),
];
const NULL_LATER: &[(&str, Kind)] =
    &[("a", Kind::Int), ("b", Kind::Text), ("n", Kind::Int), ("note", Kind::Text)];

/// Cut by a column that is no key, repeats itself and is null here and there.
fn cut_by(n: u32) -> String {
    if n.is_multiple_of(9) { "null".to_owned() } else { format!("'{}'", word(n % 12)) }
}

fn postgres(into: Engine) -> Vec<KeyKind> {
    let special: fn(u32) -> String = |n| match n {
        1 => "'NaN'".to_owned(),
        2 => "'Infinity'".to_owned(),
        3 => "'-Infinity'".to_owned(),
        n => float(n),
    };
    vec![
        KeyKind {
            name: "text_c",
            declared: "k varchar(40) collate \"C\" primary key",
            columns: TEXT,
            values: blanks,
            ..KEY
        },
        KeyKind {
            name: "text_en",
            declared: "k varchar(40) collate \"en-US-x-icu\" primary key",
            columns: TEXT,
            values: blanks,
            ..KEY
        },
        KeyKind {
            name: "text_shifted",
            declared: "k varchar(40) collate shifted primary key",
            columns: TEXT,
            values: exact,
            ..KEY
        },
        KeyKind {
            name: "text_blind",
            declared: "k varchar(40) collate blind primary key",
            columns: TEXT,
            values: loose,
            ..KEY
        },
        KeyKind {
            name: "char",
            declared: "k char(12) primary key",
            columns: CHAR,
            values: exact,
            ..KEY
        },
        KeyKind {
            name: "bytes",
            declared: "k bytea primary key",
            columns: BYTES,
            values: |n| format!("'\\x{}'", hex(n)),
            ..KEY
        },
        KeyKind {
            name: "uuid",
            declared: "k uuid primary key",
            columns: UUID,
            values: uuid,
            ..KEY
        },
        KeyKind {
            name: "float",
            declared: "k float8 primary key",
            columns: FLOAT,
            // MySQL and MariaDB have neither NaN nor infinity, SQLite no NaN.
            values: if into == Engine::Postgres { special } else { float },
            cuts: false,
            ..KEY
        },
        KeyKind {
            name: "decimal",
            declared: "k numeric(12,3) primary key",
            columns: DECIMAL,
            values: number,
            ..KEY
        },
        KeyKind {
            name: "instant",
            declared: "k timestamptz primary key",
            columns: &[("k", Kind::Instant), ("n", Kind::Int), ("note", Kind::Text)],
            values: instant,
            ..KEY
        },
        KeyKind {
            name: "label",
            declared: "f boolean, k mood, n integer, primary key (f, k, n)",
            columns: LABEL,
            values: |n| {
                format!("{}, '{}', {n}", n % 2 == 0, ["low", "high", "mid"][n as usize % 3])
            },
            cuts: false,
            ..KEY
        },
        KeyKind {
            name: "bits",
            declared: "k bit(16) primary key",
            columns: BITS,
            values: |n| format!("{n}::bit(16)"),
            cuts: false,
            ..KEY
        },
        KeyKind {
            name: "several",
            declared: "a integer not null, b varchar(40) collate \"C\" not null, c date not null",
            after: "create unique index several on k_several (a desc, b, c desc)",
            columns: COMPOSITE,
            values: composite,
            ..KEY
        },
        KeyKind {
            name: "null_later",
            declared: "a integer not null, b varchar(40)",
            after: "create unique index null_later on k_null_later (a, b)",
            columns: NULL_LATER,
            values: null_later,
            ..KEY
        },
        KeyKind {
            name: "cut_by",
            declared: "k varchar(40) collate \"en-US-x-icu\"",
            after: "create index cut_by on k_cut_by (k)",
            columns: TEXT,
            values: cut_by,
            options: ", cut_by: [k]",
            ..KEY
        },
    ]
}

fn mysql(engine: Engine) -> Vec<KeyKind> {
    let on_mariadb = engine == Engine::Mariadb;
    let modern = if on_mariadb {
        "k varchar(40) collate uca1400_ai_ci primary key"
    } else {
        "k varchar(40) collate utf8mb4_0900_ai_ci primary key"
    };
    vec![
        KeyKind {
            name: "text_old",
            declared: "k varchar(40) collate utf8mb4_general_ci primary key",
            columns: TEXT,
            values: loose,
            ..KEY
        },
        KeyKind { name: "text_new", declared: modern, columns: TEXT, values: loose, ..KEY },
        KeyKind {
            name: "text_bytes",
            declared: "k varchar(40) collate utf8mb4_bin primary key",
            columns: TEXT,
            values: exact,
            ..KEY
        },
        KeyKind {
            name: "text_latin",
            declared: "k varchar(40) character set latin1 primary key",
            columns: TEXT,
            values: western,
            ..KEY
        },
        KeyKind {
            name: "char",
            declared: "k char(12) collate utf8mb4_bin primary key",
            columns: CHAR,
            values: exact,
            ..KEY
        },
        KeyKind {
            name: "bytes",
            declared: "k varbinary(20) primary key",
            columns: BYTES,
            values: |n| format!("x'{}'", hex(n)),
            ..KEY
        },
        KeyKind {
            name: "fixed",
            declared: "k binary(6) primary key",
            columns: BYTES,
            values: |n| format!("x'{}'", hex(n)),
            ..KEY
        },
        KeyKind {
            name: "uuid",
            declared: if on_mariadb { "k uuid primary key" } else { "k char(36) primary key" },
            columns: UUID,
            values: uuid,
            ..KEY
        },
        KeyKind {
            name: "float",
            declared: "k double primary key",
            columns: FLOAT,
            values: float,
            cuts: false,
            ..KEY
        },
        KeyKind {
            name: "decimal",
            declared: "k decimal(12,3) primary key",
            columns: DECIMAL,
            values: number,
            ..KEY
        },
        KeyKind {
            name: "instant",
            declared: "k datetime(6) primary key",
            columns: STAMP,
            values: instant,
            ..KEY
        },
        KeyKind {
            name: "label",
            declared: "f tinyint(1), k enum('low', 'high', 'mid'), n integer, primary key (f, k, n)",
            columns: LABEL,
            values: |n| format!("{}, '{}', {n}", n % 2, ["low", "high", "mid"][n as usize % 3]),
            cuts: false,
            ..KEY
        },
        KeyKind {
            name: "bits",
            declared: "k bit(16) primary key",
            columns: BITS,
            values: |n| n.to_string(),
            cuts: false,
            ..KEY
        },
        KeyKind {
            name: "several",
            declared: "a integer not null, b varchar(40) collate utf8mb4_bin not null, c date not null",
            after: "create unique index several on k_several (a desc, b, c desc)",
            columns: COMPOSITE,
            values: composite,
            ..KEY
        },
        KeyKind {
            name: "null_later",
            declared: "a integer not null, b varchar(40) collate utf8mb4_bin",
            after: "create unique index null_later on k_null_later (a, b)",
            columns: NULL_LATER,
            values: null_later,
            ..KEY
        },
        KeyKind {
            name: "cut_by",
            declared: "k varchar(40) collate utf8mb4_general_ci",
            after: "create index cut_by on k_cut_by (k)",
            columns: TEXT,
            values: cut_by,
            options: ", cut_by: [k]",
            ..KEY
        },
    ]
}

fn sqlite() -> Vec<KeyKind> {
    vec![
        KeyKind {
            name: "text_nocase",
            declared: "k varchar(40) collate nocase not null primary key",
            columns: TEXT,
            values: loose,
            ..KEY
        },
        KeyKind {
            name: "text_rtrim",
            declared: "k varchar(40) collate rtrim not null primary key",
            columns: TEXT,
            values: exact,
            ..KEY
        },
        KeyKind {
            name: "text_bytes",
            declared: "k varchar(40) not null primary key",
            columns: TEXT,
            values: blanks,
            ..KEY
        },
        KeyKind {
            name: "char",
            declared: "k char(12) not null primary key",
            columns: TEXT,
            values: exact,
            ..KEY
        },
        KeyKind {
            name: "bytes",
            declared: "k blob not null primary key",
            columns: BYTES,
            values: |n| format!("x'{}'", hex(n)),
            ..KEY
        },
        KeyKind {
            name: "uuid",
            declared: "k uuid_text not null primary key",
            columns: UUID,
            values: uuid,
            ..KEY
        },
        KeyKind {
            name: "float",
            declared: "k double not null primary key",
            columns: FLOAT,
            values: float,
            cuts: false,
            ..KEY
        },
        KeyKind {
            name: "decimal",
            declared: "k decimal_text(12,3) not null primary key",
            columns: DECIMAL,
            values: |n| format!("'{}'", number(n)),
            ..KEY
        },
        KeyKind {
            name: "instant",
            declared: "k timestamp_text(6) not null primary key",
            columns: STAMP,
            values: instant,
            ..KEY
        },
        KeyKind {
            name: "label",
            declared: "f boolean not null, k varchar(40) not null, n integer not null, primary key (f, k, n)",
            columns: LABEL,
            values: |n| format!("{}, 'mood', {n}", n % 2),
            cuts: false,
            ..KEY
        },
        KeyKind {
            name: "several",
            declared: "a integer not null, b varchar(40) not null, c date_text not null, n integer, note text, primary key (a desc, b, c desc)",
            after: "without rowid",
            columns: COMPOSITE,
            values: composite,
            ..KEY
        },
        KeyKind {
            name: "null_later",
            declared: "a integer not null, b varchar(40)",
            after: "create unique index null_later on k_null_later (a, b)",
            columns: NULL_LATER,
            values: null_later,
            ..KEY
        },
        KeyKind {
            name: "cut_by",
            declared: "k varchar(40) collate nocase",
            after: "create index cut_by on k_cut_by (k)",
            columns: TEXT,
            values: cut_by,
            options: ", cut_by: [k]",
            ..KEY
        },
    ]
}

impl KeyKind {
    fn table(&self) -> String {
        format!("k_{}", self.name)
    }

    fn fill(&self, source: &Database, rows: u32) {
        let table = self.table();
        let own = |column: &str| self.declared.contains(&format!("{column} "));
        let keyed = self.declared.find(", primary key (");
        let (columns, key) = self.declared.split_at(keyed.unwrap_or(self.declared.len()));
        let number = if own(", n") { "" } else { ", n integer" };
        let note = if own(", note") { "" } else { ", note varchar(20)" };
        let (tail, after) =
            if self.after == "without rowid" { (self.after, "") } else { ("", self.after) };
        source.exec(&format!("create table {table} ({columns}{number}{note}{key}) {tail}"));
        let given = self.columns.iter().any(|(name, _)| *name == "f");
        let values: Vec<String> = (0..rows)
            .map(|n| {
                let number = if given { String::new() } else { format!(", {n}") };
                format!("({}{number}, 'sent')", (self.values)(n))
            })
            .collect();
        source.exec(&format!("insert into {table} values {}", values.join(", ")));
        if !after.is_empty() {
            source.exec(after);
        }
    }

    fn line(&self, write: &str, into: Engine) -> String {
        // Bytes of any length are no key there.
        let short = matches!(into, Engine::Mariadb | Engine::Mysql) && self.name == "bytes";
        let casts = if short { ", casts: { k: varbinary(20) }" } else { "" };
        format!("{{ source: {}, write: {write}{casts}{} }}", self.table(), self.options)
    }

    /// Whether rows can be merged by it.
    fn merges(&self) -> bool {
        self.cuts && !matches!(self.name, "null_later" | "cut_by")
    }
}

fn each_row_once(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "keys") else { return };
    let mut kinds = match from {
        Engine::Postgres => {
            ends.source.exec(
                "create collation blind (provider = icu, locale = 'und-u-ks-level2', \
                 deterministic = false); \
                 create collation shifted (provider = icu, locale = 'en-US-u-ka-shifted'); \
                 create type mood as enum ('low', 'high', 'mid')",
            );
            postgres(to)
        }
        Engine::Mariadb | Engine::Mysql => mysql(from),
        Engine::Sqlite => sqlite(),
    };
    if !is_full() {
        // A third of them each, so that the targets of a source see all of them together.
        let third = match to {
            Engine::Postgres => 0,
            Engine::Mariadb => 1,
            Engine::Mysql | Engine::Sqlite => 2,
        };
        let mut place = 0;
        kinds.retain(|_| {
            place += 1;
            place % 3 == third
        });
    }
    let rows = if is_full() { 2_000 } else { 80 };
    println!("faults: {}", kinds.len());
    for kind in &kinds {
        kind.fill(&ends.source, rows);
    }
    let compare = |what: &str| {
        for kind in &kinds {
            let expected = dump(&ends.source, &kind.table(), kind.columns);
            assert_eq!(expected.len() as u64, u64::from(rows), "{}", kind.name);
            let found = dump(&ends.target, &kind.table(), kind.columns);
            assert_same(&format!("{what}, {}", kind.name), &expected, &found);
        }
    };
    let settings = format!("chunk_rows: {}", rows / 8);
    let lines: Vec<String> = kinds.iter().map(|kind| kind.line("append", to)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    ends.write_job(&settings, &lines);
    #[cfg(feature = "failpoints")]
    {
        // Some tables are done then, some in the middle.
        let mut command = ends.world.command(&["run", "job.yaml", "--run-key", "k"]);
        command.env("ROWFERRY_FAILPOINT", format!("commit-answered:{}", kinds.len() * 4));
        let told = crate::world::finish(command);
        assert_eq!(told.code, -1, "it was not killed: {told:?}");
        crate::ends::wait_for_silence(&ends.target);
    }
    let report = ends.run_job(&["--run-key", "k"]).expect(0).json();
    assert_eq!(report["totals"]["duplicates"], 0);
    compare("append");
    let receipts = "select s.target_table, count(*) from _rowferry_stream s \
         join _rowferry_chunk c on c.stream_id = s.stream_id group by s.target_table";
    let receipts = ends.target.query(receipts);
    for kind in kinds.iter().filter(|kind| kind.cuts) {
        let name = kind.table();
        let chunks = receipts.iter().find(|line| line.contains(&name)).map(String::as_str);
        let chunks = chunks.and_then(|line| line.split('\t').next_back()?.parse::<u32>().ok());
        assert!(chunks > Some(4), "{name} was not cut: {receipts:?}");
    }

    let merged: Vec<&KeyKind> = kinds.iter().filter(|kind| kind.merges()).collect();
    for kind in &merged {
        let table = kind.table();
        ends.source.exec(&format!("update {table} set note = 'new' where n % 2 = 0"));
    }
    let lines: Vec<String> = merged.iter().map(|kind| kind.line("upsert", to)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    ends.write_job(&settings, &lines);
    ends.run_job(&["--restart"]).expect(0);
    compare("upsert");
}

every_direction! { each_row_once:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_mysql: Postgres => Mysql;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
    mysql_to_postgres: Mysql => Postgres;
    mysql_to_mysql: Mysql => Mysql;
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mariadb: Sqlite => Mariadb;
    sqlite_to_sqlite: Sqlite => Sqlite;
}
