//! What a column means where its declaration says too little: decided by the first rows.
//!
//! Only classes and strict forms are looked at, and only in so many rows that no scan is needed.
//! The rest of the table is checked cell by cell while it is read, so a wrong conclusion here is an
//! error at a row and never a changed value. Cells of several classes stay what they are
//! ([`CanonicalType::Variant`]); then the column says what was seen.

use rowferry_core::{CanonicalType, Column, Epoch, Seen, TableSchema};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::affinity::Affinity;
use crate::cells::{shown, uuid};
use crate::sql::{quote, quote_list};
use crate::types::canonical;
use crate::{decimal, iso};

/// Rows that are looked at. Guessed: enough to meet the classes of a column that mixes them by
/// habit, and read in a few milliseconds.
const ROWS: usize = 1_000;

/// Bytes after which no further row is looked at: a thousand large cells would take minutes.
const BYTES: usize = 8 << 20;

/// Gives each undecided column of `schema` its meaning.
pub(crate) fn decide(connection: &Connection, schema: &mut TableSchema) -> rusqlite::Result<()> {
    let undecided: Vec<usize> = schema
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| is_undecided(column))
        .map(|(index, _)| index)
        .collect();
    if undecided.is_empty() {
        return Ok(());
    }
    let key: Vec<String> = schema.primary_key().map(|key| key.columns.clone()).unwrap_or_default();
    let names = undecided
        .iter()
        .filter_map(|index| schema.columns.get(*index))
        .map(|column| column.name.as_str())
        .chain(key.iter().map(String::as_str));
    let text =
        format!("select {} from {} limit {ROWS}", quote_list(names), quote(&schema.table.name));
    let mut seen: Vec<Cells> = undecided.iter().map(|_| Cells::default()).collect();
    let mut statement = connection.prepare(&text)?;
    let mut rows = statement.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        for (index, cells) in seen.iter_mut().enumerate() {
            let cell = row.get_ref(index)?;
            bytes += size(cell);
            cells.add(cell, || example(row, undecided.len(), &key));
        }
        if bytes > BYTES {
            break;
        }
    }
    for (index, cells) in undecided.iter().zip(&seen) {
        if let Some(column) = schema.columns.get_mut(*index) {
            let meaning = cells.meaning(column);
            let open = meaning == CanonicalType::Variant;
            column.seen =
                open.then(|| Seen { words: cells.histogram(), casts: cells.casts(column) });
            column.canonical = Some(meaning);
        }
    }
    Ok(())
}

/// Whether the declaration leaves open what the cells are: none at all, numeric affinity by an
/// unknown word, or one of the words that people write for text and for numbers alike.
fn is_undecided(column: &Column) -> bool {
    match Affinity::of_native(&column.native) {
        Affinity::None | Affinity::Numeric => !matches!(
            column.canonical,
            // Digits and bits are checked against the declared size, whatever class holds them.
            Some(CanonicalType::Decimal { .. } | CanonicalType::Bits { .. })
        ),
        Affinity::Integer | Affinity::Text | Affinity::Real => false,
    }
}

/// Bytes that a cell takes, those of numbers left out.
fn size(cell: ValueRef<'_>) -> usize {
    match cell {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
    }
}

/// `id = 17` for the row at hand.
fn example(row: &Row<'_>, from: usize, key: &[String]) -> Option<String> {
    let parts: Option<Vec<String>> = key
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let value = row.get_ref(from + index).ok()?;
            Some(format!("{name} = {}", shown(value)))
        })
        .collect();
    parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join(", "))
}

/// Classes in the order of their numbers.
const CLASSES: [&str; 4] = ["integer", "real", "text", "blob"];

/// What the first rows hold in one column.
#[derive(Debug, Default)]
struct Cells {
    counts: [u64; 4],
    examples: [Option<String>; 4],
    /// Cells that are not in each form, in the order of [`Form`].
    strays: [u64; 7],
}

/// What cells of a class may have to look like.
#[derive(Clone, Copy)]
enum Form {
    /// Of integers: 0 or 1.
    Boolean,
    /// Of texts.
    Date,
    Time,
    Timestamp,
    Instant,
    Decimal,
    /// Of any cell.
    Uuid,
}

impl Cells {
    fn add(&mut self, cell: ValueRef<'_>, example: impl FnOnce() -> Option<String>) {
        let class = match cell {
            ValueRef::Null => return,
            ValueRef::Integer(value) => {
                self.look(Form::Boolean, (0..=1).contains(&value));
                0
            }
            ValueRef::Real(_) => 1,
            ValueRef::Text(bytes) => {
                let text = std::str::from_utf8(bytes).unwrap_or("");
                self.look(Form::Date, iso::read_date(text).is_some());
                self.look(Form::Time, iso::read_time(text).is_some());
                self.look(Form::Timestamp, iso::read_timestamp(text, false).is_some());
                self.look(Form::Instant, iso::read_timestamp(text, true).is_some());
                self.look(Form::Decimal, decimal::is_decimal(text));
                2
            }
            ValueRef::Blob(_) => 3,
        };
        self.look(Form::Uuid, uuid(cell).is_some());
        if let Some(count) = self.counts.get_mut(class) {
            *count += 1;
        }
        if let Some(place) = self.examples.get_mut(class).filter(|place| place.is_none()) {
            *place = example();
        }
    }

    fn look(&mut self, form: Form, is_in_it: bool) {
        if let Some(strays) = self.strays.get_mut(form as usize) {
            *strays += u64::from(!is_in_it);
        }
    }

    fn all(&self, form: Form) -> bool {
        self.strays.get(form as usize).is_some_and(|strays| *strays == 0)
    }

    fn meaning(&self, column: &Column) -> CanonicalType {
        let said = canonical(column.native.stored());
        let [integers, reals, texts, blobs] = self.counts;
        let numbers = integers + reals;
        if numbers + texts + blobs == 0 {
            return said.unwrap_or(CanonicalType::Variant);
        }
        let only_text = numbers + blobs == 0;
        match said {
            Some(said @ CanonicalType::Boolean)
                if integers == numbers + texts + blobs && self.all(Form::Boolean) =>
            {
                said
            }
            Some(
                CanonicalType::Date
                | CanonicalType::Time { .. }
                | CanonicalType::Timestamp { .. }
                | CanonicalType::Instant { .. },
            ) => self.moment(said.filter(|_| only_text), only_text),
            Some(said @ CanonicalType::Uuid) if self.all(Form::Uuid) => said,
            Some(said @ CanonicalType::Json { .. }) if blobs == 0 => said,
            Some(said @ CanonicalType::DecimalText) if blobs == 0 && self.all(Form::Decimal) => {
                if reals + texts == 0 {
                    CanonicalType::Int64
                } else {
                    said
                }
            }
            Some(said @ CanonicalType::Binary { .. }) if numbers + texts == 0 => said,
            // Numeric affinity itself makes integers of whole doubles.
            None if Affinity::of_native(&column.native) == Affinity::Numeric
                && integers > 0
                && reals > 0
                && texts + blobs == 0 =>
            {
                CanonicalType::DecimalText
            }
            _ => self.by_class(),
        }
    }

    /// Dates held as numbers are never guessed: which day a number means, only a person knows.
    fn moment(&self, said: Option<CanonicalType>, only_text: bool) -> CanonicalType {
        let timestamp = CanonicalType::Timestamp { digits: 6 };
        let instant = CanonicalType::Instant { digits: 6 };
        match said {
            Some(CanonicalType::Date) if self.all(Form::Date) => CanonicalType::Date,
            Some(said @ CanonicalType::Time { .. }) if self.all(Form::Time) => said,
            Some(said @ CanonicalType::Timestamp { .. }) if self.all(Form::Timestamp) => said,
            Some(said @ CanonicalType::Instant { .. }) if self.all(Form::Instant) => said,
            Some(_) if self.all(Form::Timestamp) => timestamp,
            Some(_) if self.all(Form::Instant) => instant,
            Some(_) if only_text => self.by_class(),
            _ => CanonicalType::Variant,
        }
    }

    fn by_class(&self) -> CanonicalType {
        match self.counts.map(|count| count > 0) {
            [true, false, false, false] => CanonicalType::Int64,
            [false, true, false, false] => CanonicalType::Float64,
            [false, false, true, false] => CanonicalType::Text { chars: None, fixed: false },
            [false, false, false, true] => CanonicalType::Binary { bytes: None, fixed: false },
            _ => CanonicalType::Variant,
        }
    }

    /// Numbers in a column that was declared to hold dates count something; nobody can see what.
    fn casts(&self, column: &Column) -> Vec<String> {
        let temporal = matches!(
            column.canonical,
            Some(
                CanonicalType::Date
                    | CanonicalType::Timestamp { .. }
                    | CanonicalType::Instant { .. }
            )
        );
        let [integers, reals, texts, blobs] = self.counts;
        let units: &[Epoch] = match (integers > 0, reals > 0) {
            _ if !temporal || texts + blobs > 0 => &[],
            (true, false) => &[Epoch::Seconds, Epoch::Milliseconds, Epoch::Microseconds],
            (_, true) => &[Epoch::Julian, Epoch::Seconds],
            (false, false) => &[],
        };
        units.iter().map(|unit| format!("epoch={unit}")).collect()
    }

    /// `3 integer (id = 1), 1 text (id = 4)`.
    fn histogram(&self) -> String {
        let classes: Vec<String> = CLASSES
            .iter()
            .zip(self.counts.iter().zip(&self.examples))
            .filter(|(_, (count, _))| **count > 0)
            .map(|(class, (count, example))| match example {
                Some(example) => format!("{count} {class} ({example})"),
                None => format!("{count} {class}"),
            })
            .collect();
        if classes.is_empty() {
            format!("no cell in the first {ROWS} rows")
        } else {
            format!("cells of the first {ROWS} rows: {}", classes.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use rowferry_core::{JsonFlavor, NativeType, TableRef};

    use super::*;
    use crate::types::ENGINE;

    fn decided(declared: &str, values: &str) -> (CanonicalType, Option<Seen>) {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(&format!(
                "create table t (id integer primary key, v {declared}); \
                 insert into t (v) values {values}"
            ))
            .unwrap();
        let column = |name: &str, declared: &str| {
            Column::new(name, canonical(declared), NativeType::new(ENGINE, declared))
        };
        let mut schema = TableSchema {
            table: TableRef::bare("t"),
            columns: vec![column("id", "integer"), column("v", declared)],
            keys: vec![rowferry_core::Key {
                name: "rowid".into(),
                columns: vec!["id".into()],
                primary: true,
            }],
            ..TableSchema::default()
        };
        decide(&connection, &mut schema).unwrap();
        let column = schema.columns.pop().unwrap();
        (column.canonical.unwrap(), column.seen)
    }

    #[test]
    fn the_first_rows_decide() {
        let text = CanonicalType::Text { chars: None, fixed: false };
        let binary = CanonicalType::Binary { bytes: None, fixed: false };
        let uuid = "('00112233-4455-6677-8899-aabbccddeeff'), (zeroblob(16))";
        for (declared, values, meaning) in [
            ("", "(1), (null), (2)", CanonicalType::Int64),
            ("", "(1.5)", CanonicalType::Float64),
            ("", "('x')", text.clone()),
            ("", "(x'00')", binary.clone()),
            ("", "(1), ('x')", CanonicalType::Variant),
            ("", "(null)", CanonicalType::Variant),
            ("blob", "(null)", binary.clone()),
            ("blob(4)", "('x')", text.clone()),
            ("blob", "(x'00'), (7)", CanonicalType::Variant),
            ("any", "(1), (1.5)", CanonicalType::DecimalText),
            ("string", "('x')", text.clone()),
            ("numeric", "(1), (2)", CanonicalType::Int64),
            ("numeric", "(1), (2.5)", CanonicalType::DecimalText),
            ("numeric", "('x')", text.clone()),
            ("decimal(5,2)", "(1)", CanonicalType::Decimal { precision: 5, scale: 2 }),
            ("boolean", "(0), (1)", CanonicalType::Boolean),
            ("boolean", "(0), (2)", CanonicalType::Int64),
            ("boolean", "('true')", text.clone()),
            ("date", "('2024-01-01')", CanonicalType::Date),
            ("date", "('2024-01-01 10:00')", CanonicalType::Timestamp { digits: 6 }),
            ("datetime", "('2024-01-01T10:00:00Z')", CanonicalType::Instant { digits: 6 }),
            ("datetime", "('1/2/2024')", text.clone()),
            ("datetime", "(1700000000)", CanonicalType::Variant),
            ("date", "(2460000.5), ('2024-01-01')", CanonicalType::Variant),
            ("uuid", uuid, CanonicalType::Uuid),
            ("uuid", "('X')", text),
            ("json", "('{}'), (1)", CanonicalType::Json { flavor: JsonFlavor::Text }),
            ("json", "(x'00')", binary),
        ] {
            assert_eq!(decided(declared, values).0, meaning, "{declared} {values}");
        }
    }

    #[test]
    fn a_mixture_is_said_with_one_key_of_each_class() {
        let (_, seen) = decided("", "(1), ('x'), (2)");
        assert_eq!(
            seen.unwrap().words,
            "cells of the first 1000 rows: 2 integer (id = 1), 1 text (id = 2)"
        );
        assert_eq!(decided("", "(1)").1, None);
    }

    #[test]
    fn numbers_among_dates_may_count_time() {
        let casts = |declared, values| decided(declared, values).1.unwrap().casts.join(" ");
        assert_eq!(casts("datetime", "(1700000000)"), "epoch=s epoch=ms epoch=us");
        assert_eq!(casts("date", "(2460000.5), (1)"), "epoch=julian epoch=s");
        assert_eq!(casts("date", "(1), ('2024-01-01')"), "");
        assert_eq!(casts("", "(1), ('x')"), "");
    }
}
