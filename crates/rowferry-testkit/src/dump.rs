//! All rows of a table as lines of text that are the same on every engine.
//!
//! The database's own client renders each column by SQL written here, not by the code under test;
//! what engines print differently (fractions, floats) is brought to one form afterwards.

use crate::Database;
use crate::server::Engine;

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers of all widths.
    Int,
    /// True and false, as 1 and 0.
    Bool,
    /// Exact decimals; zeros at the end of the fraction do not count.
    Decimal,
    /// Single floats, by value.
    Float32,
    /// Double floats, by value.
    Float64,
    /// Characters.
    Text,
    /// Bytes, as hex.
    Bytes,
    /// Dates.
    Date,
    /// Times of day and wall clocks; zeros at the end of the fraction do not count.
    Time,
    /// Instants, in UTC.
    Instant,
    /// UUIDs, as 32 hex digits.
    Uuid,
    /// JSON by value: white space and the order of members do not count.
    Json,
}

/// A column of a dump.
pub type DumpColumn<'a> = (&'a str, Kind);

/// The rows of `table` (quoted by the caller where it needs to be), one line each, fields apart by
/// tab, sorted by bytes. NULL is `\N`; in text, backslash, tab and line breaks are escaped.
#[track_caller]
pub fn dump(database: &Database, table: &str, columns: &[DumpColumn<'_>]) -> Vec<String> {
    let engine = database.engine();
    let fields: Vec<String> = columns
        .iter()
        .map(|(name, kind)| {
            let null = if backslash_escapes(engine) { r"'\\N'" } else { r"'\N'" };
            format!("coalesce({}, {null})", expression(engine, &quoted(engine, name), *kind))
        })
        .collect();
    let sql = format!("select {} from {table};", fields.join(", "));
    let mut rows: Vec<String> = database
        .query(&sql)
        .into_iter()
        .map(|line| {
            let fields: Vec<String> = line
                .split('\t')
                .zip(columns)
                .map(|(text, (_, kind))| common(text, *kind))
                .collect();
            assert_eq!(fields.len(), columns.len(), "a row of {table} has too few fields: {line}");
            fields.join("\t")
        })
        .collect();
    rows.sort_unstable();
    rows
}

const fn backslash_escapes(engine: Engine) -> bool {
    matches!(engine, Engine::Mariadb | Engine::Mysql)
}

fn quoted(engine: Engine, name: &str) -> String {
    if backslash_escapes(engine) { format!("`{name}`") } else { format!("\"{name}\"") }
}

fn expression(engine: Engine, column: &str, kind: Kind) -> String {
    let text = match engine {
        Engine::Postgres => format!("({column})::text"),
        Engine::Mariadb | Engine::Mysql => format!("cast({column} as char)"),
        Engine::Sqlite => format!("cast({column} as text)"),
    };
    match (kind, engine) {
        (Kind::Bool, Engine::Postgres) => format!("({column})::int::text"),
        (Kind::Float32 | Kind::Float64, Engine::Postgres) => format!("({column})::float8::text"),
        (Kind::Float32 | Kind::Float64, Engine::Mariadb | Engine::Mysql) => {
            // A float prints six digits; as a double it prints all it has.
            format!("cast(cast({column} as double) as char)")
        }
        (Kind::Float32 | Kind::Float64, Engine::Sqlite) => {
            // The bits, since printf of SQLite does not promise to round-trip.
            format!("case when {column} is not null then 'x' || hex(ieee754_to_blob({column})) end")
        }
        (Kind::Bytes, Engine::Postgres) => format!("encode({column}, 'hex')"),
        // Of NULL, SQLite's hex is empty text.
        (Kind::Bytes, Engine::Sqlite) => {
            format!("case when {column} is not null then lower(hex({column})) end")
        }
        (Kind::Bytes, Engine::Mariadb | Engine::Mysql) => format!("lower(hex({column}))"),
        (Kind::Instant, Engine::Postgres) => format!("({column} at time zone 'UTC')::text"),
        (Kind::Uuid, Engine::Mariadb | Engine::Mysql) => {
            format!("case when length({column}) = 16 then hex({column}) else {text} end")
        }
        (Kind::Uuid, Engine::Sqlite) => {
            format!("case typeof({column}) when 'blob' then hex({column}) else {column} end")
        }
        (Kind::Text | Kind::Json, _) => escaped(engine, &text),
        _ => text,
    }
}

fn escaped(engine: Engine, text: &str) -> String {
    let (slash, char_of) = match engine {
        Engine::Postgres => (r"'\'", "chr"),
        Engine::Mariadb | Engine::Mysql => (r"'\\'", "char"),
        Engine::Sqlite => (r"'\'", "char"),
    };
    let joined = |letter: &str| match engine {
        Engine::Postgres | Engine::Sqlite => format!(r"'\{letter}'"),
        Engine::Mariadb | Engine::Mysql => format!(r"'\\{letter}'"),
    };
    let doubled = match engine {
        Engine::Postgres | Engine::Sqlite => r"'\\'",
        Engine::Mariadb | Engine::Mysql => r"'\\\\'",
    };
    [(10, "n"), (13, "r"), (9, "t")]
        .iter()
        .fold(format!("replace({text}, {slash}, {doubled})"), |inner, (code, letter)| {
            format!("replace({inner}, {char_of}({code}), {})", joined(letter))
        })
}

/// One form for what engines print differently.
fn common(text: &str, kind: Kind) -> String {
    if text == r"\N" || text == "NULL" && kind != Kind::Text {
        return r"\N".to_owned();
    }
    match kind {
        Kind::Int | Kind::Text | Kind::Bytes | Kind::Date => text.to_owned(),
        Kind::Bool => match text {
            "t" | "true" => "1".to_owned(),
            "f" | "false" => "0".to_owned(),
            other => other.to_owned(),
        },
        Kind::Decimal => without_end_zeros(text).to_owned(),
        Kind::Time => without_end_zeros(&text.replacen('T', " ", 1)).to_owned(),
        Kind::Instant => {
            let text = text.replacen('T', " ", 1);
            let text =
                text.trim_end_matches('Z').trim_end_matches("+00:00").trim_end_matches("+00");
            without_end_zeros(text).to_owned()
        }
        Kind::Float32 => {
            #[expect(clippy::cast_possible_truncation, reason = "the column holds single floats")]
            let value = double(text) as f32;
            format!("{value:?}")
        }
        Kind::Float64 => format!("{:?}", double(text)),
        Kind::Uuid => text.replace('-', "").to_lowercase(),
        Kind::Json => {
            let raw = text.replace(r"\\", r"\");
            let value: Result<serde_json::Value, _> = serde_json::from_str(&raw);
            value.map_or_else(|_| text.to_owned(), |value| value.to_string())
        }
    }
}

fn without_end_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn double(text: &str) -> f64 {
    let value = match text.strip_prefix('x') {
        Some(bits) => u64::from_str_radix(bits, 16).ok().map(f64::from_bits),
        None => text.parse().ok(),
    };
    value.unwrap_or_else(|| panic!("{text:?} is no number"))
}
