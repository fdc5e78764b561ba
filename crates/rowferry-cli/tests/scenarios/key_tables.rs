//! Tables for each kind of key that an engine has.

use rowferry_testkit::Engine;

use crate::dump::Kind;

/// A table `k_NAME` whose rows are found by its key.
pub(crate) struct KeyKind {
    pub(crate) name: &'static str,
    /// Columns and key, as declared.
    pub(crate) declared: &'static str,
    /// What follows the table.
    pub(crate) after: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
    /// The key's values of row `n`, in SQL.
    pub(crate) values: fn(u32) -> String,
    /// Whether a table can be cut by it.
    pub(crate) cuts: bool,
    /// Lines of the job.
    pub(crate) options: &'static str,
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

/// Those of PostgreSQL, as far as `into` can hold their values.
#[expect(clippy::too_many_lines, reason = "one entry for each kind of key")]
pub(crate) fn postgres(into: Engine) -> Vec<KeyKind> {
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

/// Those of MySQL or MariaDB.
#[expect(clippy::too_many_lines, reason = "one entry for each kind of key")]
pub(crate) fn mysql(engine: Engine) -> Vec<KeyKind> {
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

/// Those of SQLite.
#[expect(clippy::too_many_lines, reason = "one entry for each kind of key")]
pub(crate) fn sqlite() -> Vec<KeyKind> {
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
