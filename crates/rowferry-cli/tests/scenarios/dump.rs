//! The oracle: both tables dumped by their own clients, each value brought to one text form, compared
//! as multisets of rows. Nothing of rowferry takes part.

use rowferry_testkit::{Database, Engine};

pub(crate) use crate::kind::Kind;

/// Columns of a table, in the order of the comparison.
pub(crate) type Columns<'a> = &'a [(&'a str, Kind)];

/// All rows, sorted: fields apart by bars.
pub(crate) fn dump(database: &Database, table: &str, columns: Columns<'_>) -> Vec<String> {
    let engine = database.engine();
    let expressions: Vec<String> =
        columns.iter().map(|(column, kind)| kind.expression(engine, column)).collect();
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
            // As text, since `hex` of a number is that of the whole number next to it.
            let fields: Vec<String> =
                names().map(|column| format!("coalesce(hex(concat({column})), '-')")).collect();
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
pub(crate) fn difference(source: &[String], target: &[String]) -> Option<String> {
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

fn normal_row(line: &str, columns: Columns<'_>) -> String {
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields.len(), columns.len(), "a line of the dump is torn: {line}");
    let fields: Vec<String> =
        fields.iter().zip(columns).map(|(field, (_, kind))| kind.normal(field)).collect();
    fields.join("|")
}
