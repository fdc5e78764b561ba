//! The oracle: both tables dumped by their own clients, each value brought to one text form, compared
//! as multisets of rows. Nothing of rowferry takes part.

use rowferry_testkit::{Database, Engine};

/// What the values of a column mean, so that two engines' texts can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Flag,
    Float,
    Decimal,
    Text,
    Bytes,
    Date,
    Time,
    Stamp,
    Instant,
    Uuid,
    Json,
}

/// Columns of a table, in the order of the comparison.
pub(crate) type Columns<'a> = &'a [(&'a str, Kind)];

/// All rows, sorted: fields apart by bars.
pub(crate) fn dump(database: &Database, table: &str, columns: Columns<'_>) -> Vec<String> {
    let engine = database.engine();
    let expressions: Vec<String> =
        columns.iter().map(|(column, kind)| expression(engine, column, *kind)).collect();
    let query = format!("select {} from {table}", expressions.join(", "));
    let mut rows: Vec<String> =
        database.query(&query).iter().map(|line| normal_row(line, columns)).collect();
    rows.sort_unstable();
    rows
}

/// Fails unless both hold the same rows, each as often.
#[track_caller]
pub(crate) fn assert_same(what: &str, source: &[String], target: &[String]) {
    if let Some(difference) = difference(source, target) {
        panic!(
            "{what}: {} rows in the source, {} in the target; {difference}",
            source.len(),
            target.len()
        );
    }
}

/// The count of the rows and a sum of their digests, made by the server itself: equal for equal
/// multisets, and cheap where a dump of the same table is known to be right. SQLite has no digest
/// function, so there it is the dump's.
pub(crate) fn checksum(database: &Database, table: &str, columns: Columns<'_>) -> Vec<String> {
    let names = || columns.iter().map(|(column, _)| *column);
    match database.engine() {
        Engine::Postgres => {
            let row = names().collect::<Vec<_>>().join(", ");
            database.query(&format!(
                "select count(*), sum(hashtextextended(row({row})::text, 0)::numeric) from {table}"
            ))
        }
        Engine::Mariadb | Engine::Mysql => {
            let fields: Vec<String> =
                names().map(|column| format!("coalesce(hex({column}), '-')")).collect();
            let row = fields.join(", '|', ");
            database.query(&format!(
                "select count(*), sum(cast(conv(left(sha2(concat({row}), 256), 15), 16, 10) as unsigned)) \
                 from {table}"
            ))
        }
        Engine::Sqlite => dump(database, table, columns),
    }
}

/// The first difference of two sorted dumps.
fn difference(source: &[String], target: &[String]) -> Option<String> {
    let place = source.iter().zip(target).position(|(left, right)| left != right);
    match place {
        Some(place) => Some(format!(
            "first difference:\n  source {}\n  target {}",
            source[place], target[place]
        )),
        None if source.len() == target.len() => None,
        None => {
            let longer = if source.len() > target.len() { source } else { target };
            Some(format!("only one side has:\n  {}", longer[source.len().min(target.len())]))
        }
    }
}

/// Text and bytes travel as hex, so that no tab or line end inside a value breaks the dump.
fn expression(engine: Engine, column: &str, kind: Kind) -> String {
    match engine {
        Engine::Postgres => match kind {
            Kind::Text => format!("encode(convert_to({column}::text, 'UTF8'), 'hex')"),
            Kind::Bytes => format!("encode({column}, 'hex')"),
            Kind::Flag => format!("{column}::integer"),
            Kind::Instant => format!("timezone('UTC', {column})"),
            Kind::Int
            | Kind::Float
            | Kind::Decimal
            | Kind::Date
            | Kind::Time
            | Kind::Stamp
            | Kind::Uuid
            | Kind::Json => format!("{column}::text"),
        },
        Engine::Mariadb | Engine::Mysql => match kind {
            Kind::Text => format!("lower(hex(convert({column} using utf8mb4)))"),
            Kind::Bytes => format!("lower(hex({column}))"),
            Kind::Flag => format!("{column} + 0"),
            Kind::Uuid => format!("if(length({column}) = 16, hex({column}), {column})"),
            Kind::Int
            | Kind::Float
            | Kind::Decimal
            | Kind::Date
            | Kind::Time
            | Kind::Stamp
            | Kind::Instant
            | Kind::Json => column.to_owned(),
        },
        Engine::Sqlite => {
            let text = match kind {
                Kind::Text | Kind::Bytes => format!("lower(hex({column}))"),
                // SQLite 3.40 prints the largest doubles wrong in the last digit; bits cannot be.
                Kind::Float => format!("hex(ieee754_to_blob({column}))"),
                Kind::Uuid => {
                    format!(
                        "case typeof({column}) when 'blob' then hex({column}) else {column} end"
                    )
                }
                Kind::Int
                | Kind::Flag
                | Kind::Decimal
                | Kind::Date
                | Kind::Time
                | Kind::Stamp
                | Kind::Instant
                | Kind::Json => column.to_owned(),
            };
            format!("case when {column} is null then null else {text} end")
        }
    }
}

fn normal_row(line: &str, columns: Columns<'_>) -> String {
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields.len(), columns.len(), "a line of the dump is torn: {line}");
    let fields: Vec<String> =
        fields.iter().zip(columns).map(|(field, (_, kind))| normal(field, *kind)).collect();
    fields.join("|")
}

fn normal(field: &str, kind: Kind) -> String {
    if field == "\\N" || field == "NULL" {
        return "null".to_owned();
    }
    match kind {
        Kind::Int | Kind::Flag | Kind::Text | Kind::Bytes | Kind::Date => field.to_owned(),
        Kind::Float if field.len() == 16 && !field.contains(['.', 'e']) => field.to_lowercase(),
        Kind::Float => {
            let value: f64 = field.parse().unwrap_or_else(|_| panic!("not a number: {field}"));
            format!("{:016x}", value.to_bits())
        }
        Kind::Decimal | Kind::Time => short_fraction(field).to_owned(),
        Kind::Stamp | Kind::Instant => {
            let text = field.replace('T', " ");
            let text = text.trim_end_matches('Z').trim_end_matches("+00:00");
            short_fraction(text).to_owned()
        }
        Kind::Uuid => field.replace('-', "").to_lowercase(),
        Kind::Json => {
            let value: serde_json::Value =
                serde_json::from_str(field).unwrap_or_else(|error| panic!("{error}: {field}"));
            value.to_string()
        }
    }
}

/// `1.500` and `1.5` are the same number.
fn short_fraction(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[test]
fn the_oracle_sees_each_planted_difference() {
    let world = crate::world::World::new();
    let columns = [("id", Kind::Int), ("name", Kind::Text)];
    let make = |name: &str, change: &str| {
        let database = rowferry_testkit::sqlite(world.folder(), name);
        database.exec("create table t (id integer, name text); insert into t values (1, 'a'), (2, null), (3, 'c')");
        database.exec(change);
        dump(&database, "t", &columns)
    };
    let right = make("right", "select 1");
    assert_eq!(difference(&right, &make("same", "select 1")), None);
    for (fault, change) in [
        ("missing", "delete from t where id = 2"),
        ("extra", "insert into t values (4, 'd')"),
        ("doubled", "insert into t values (3, 'c')"),
        ("altered", "update t set name = '' where id = 2"),
    ] {
        assert!(difference(&right, &make(fault, change)).is_some(), "{fault}");
    }
}
