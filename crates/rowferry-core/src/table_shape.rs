//! What must not change in a table while it is read or written.
//!
//! A plan is made for columns as a catalogue shows them. Whoever gives one of them another type, or
//! exchanges two names, in the middle of a copy would find values where they were not meant to be:
//! the bytes of an integer are also those of a float. So both ends look again, where the table can
//! not be altered any more: in the transaction that has read or written it.

use serde::{Deserialize, Serialize};

use crate::{Column, ConnectorError, ErrorClass, TableRef};

/// What a catalogue says of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Tells the table from another of its name; empty where the server does not say.
    pub identity: String,
    /// Its columns.
    pub columns: Vec<ShapeColumn>,
    /// What else decides where rows go, in words.
    pub rules: String,
}

/// A column as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeColumn {
    /// Name.
    pub name: String,
    /// Its type in the server's words; one that users made is `type` and a number.
    pub declared: String,
    /// Where it stands: of two columns that exchanged their names, neither stays in its place.
    pub place: i64,
}

impl TableShape {
    /// What became of the first thing that is not as it was, in words. Columns that were added do not
    /// count.
    pub fn change(&self, now: &Self) -> Option<String> {
        if now.columns.is_empty() {
            return Some("it is gone".to_owned());
        }
        let column = self.columns.iter().find_map(|was| {
            let Some(is) = now.column(&was.name) else { return Some(gone(&was.name)) };
            if is.declared != was.declared {
                return Some(retyped(&was.name, &was.declared, &is.declared));
            }
            (is.place != was.place).then(|| format!("column {:?} was moved", was.name))
        });
        if column.is_some() || self.identity == now.identity && self.rules == now.rules {
            return column;
        }
        Some(if self.identity == now.identity {
            format!("{} became {}", self.rules, now.rules)
        } else {
            "it was made anew".to_owned()
        })
    }

    /// The same for columns as a plan has them: they are there, and of the planned types.
    pub fn change_since_plan<'a>(
        &self,
        planned: impl IntoIterator<Item = &'a Column>,
    ) -> Option<String> {
        planned.into_iter().find_map(|was| {
            let declared = &was.native.declared;
            let Some(is) = self.column(&was.name) else { return Some(gone(&was.name)) };
            let same =
                is.declared.starts_with("type ") || is.declared.eq_ignore_ascii_case(declared);
            (!same).then(|| retyped(&was.name, declared, &is.declared))
        })
    }

    fn column(&self, name: &str) -> Option<&ShapeColumn> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

fn gone(name: &str) -> String {
    format!("column {name:?} is gone")
}

fn retyped(name: &str, was: &str, is: &str) -> String {
    format!("column {name:?} was {was} and is {is}")
}

/// The error of a source table that is not the one of the plan any more.
pub fn source_altered(table: &TableRef, change: &str) -> ConnectorError {
    altered("source", "source-altered", table, change)
}

/// The error of a target table that is not the one of the plan any more.
pub fn target_altered(table: &TableRef, change: &str) -> ConnectorError {
    altered("target", "target-altered", table, change)
}

fn altered(end: &str, code: &'static str, table: &TableRef, change: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorClass::Conflict,
        code,
        format!("{end} table {table} was altered during the copy: {change}"),
    )
    .with_next("Run again, so that the plan is made for the table as it is now.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(columns: &[(&str, &str)]) -> TableShape {
        let column = |(place, (name, declared)): (usize, &(&str, &str))| ShapeColumn {
            name: (*name).to_owned(),
            declared: (*declared).to_owned(),
            place: i64::try_from(place).unwrap_or_default(),
        };
        let columns = columns.iter().enumerate().map(column).collect();
        TableShape { identity: "1".to_owned(), columns, rules: String::new() }
    }

    #[test]
    fn every_change_is_seen_but_an_added_column() {
        let was = shape(&[("a", "integer"), ("b", "integer")]);
        let seen = |now: &TableShape| was.change(now).unwrap_or_default();
        assert_eq!(seen(&was), "");
        assert_eq!(seen(&shape(&[("a", "integer"), ("b", "integer"), ("c", "text")])), "");
        assert_eq!(seen(&shape(&[("a", "integer")])), "column \"b\" is gone");
        assert_eq!(
            seen(&shape(&[("a", "real"), ("b", "integer")])),
            "column \"a\" was integer and is real"
        );
        assert_eq!(seen(&shape(&[("b", "integer"), ("a", "integer")])), "column \"a\" was moved");
        assert_eq!(seen(&TableShape::default()), "it is gone");
        let other = TableShape { identity: "2".to_owned(), ..was.clone() };
        assert_eq!(seen(&other), "it was made anew");
    }
}
