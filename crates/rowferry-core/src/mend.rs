//! Single rows of a target that are put right: plain values, one statement each.

use async_trait::async_trait;

use crate::{Column, ConnectorError, ErrorClass, Result, TableRef};

/// A value of a target column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MendCell {
    /// The column, with the meaning in whose text form the value is written.
    pub column: Column,
    /// The value; `None` is NULL.
    pub value: Option<MendValue>,
}

/// A value in text form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MendValue {
    /// Anything but a list.
    Text(String),
    /// The elements of a list; `None` is NULL. The JSON of a list would not do: it has no NaN, and
    /// `null` is both an element that is NULL and a JSON document.
    List(Vec<Option<String>>),
}

/// What is done to one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// The row is added.
    Insert {
        /// Its values.
        row: Vec<MendCell>,
    },
    /// Some of its values are changed.
    Update {
        /// What finds it.
        key: Vec<MendCell>,
        /// The new values.
        cells: Vec<MendCell>,
    },
    /// The row is removed.
    Delete {
        /// What finds it.
        key: Vec<MendCell>,
    },
}

/// How a dialect writes the parts of such a statement.
pub trait MendWords {
    /// A name in quotes.
    fn quote(&self, name: &str) -> String;

    /// A value as a literal of its column.
    ///
    /// # Errors
    ///
    /// Class `Setup` when the column's type has no literal here.
    fn literal(&self, column: &Column, value: &str) -> Result<String>;

    /// The elements of a list as a literal of its column; `None` is NULL.
    ///
    /// # Errors
    ///
    /// Class `Setup` when the column's type has no such literal here.
    fn list_literal(&self, column: &Column, _elements: &[Option<String>]) -> Result<String> {
        Err(Mend::no_literal(column))
    }

    /// What stands between the columns and the values of an insert.
    fn before_values(&self, _row: &[MendCell]) -> &'static str {
        ""
    }
}

impl Mend {
    /// The error of a statement that changed none or several rows.
    pub fn moved(table: &TableRef, changed: u64) -> ConnectorError {
        let message = format!(
            "a row of table {table} is not as it was compared: its statement would change {changed} \
             rows"
        );
        ConnectorError::new(ErrorClass::Conflict, "row-moved", message)
            .with_next("Compare again when nobody writes the target, by a key that is unique.")
    }

    /// The error of a column whose values no literal can say.
    pub fn no_literal(column: &Column) -> ConnectorError {
        let message = format!(
            "values of column {:?} of type {} cannot be written one by one",
            column.name, column.native.declared
        );
        ConnectorError::new(ErrorClass::Setup, "no-literal", message)
            .with_next("Copy the table again, or leave the column out.")
    }

    /// The statement that does it to `table`, which is written as the dialect does.
    ///
    /// # Errors
    ///
    /// Those of [`MendWords::literal`].
    pub fn statement(&self, table: &str, words: &impl MendWords) -> Result<String> {
        let literal = |cell: &MendCell| match &cell.value {
            Some(value) => value_literal(&cell.column, value, words),
            None => Ok("null".to_owned()),
        };
        match self {
            Self::Insert { row } => {
                let row: Vec<&MendCell> =
                    row.iter().filter(|cell| !cell.column.generated).collect();
                let names: Vec<String> =
                    row.iter().map(|cell| words.quote(&cell.column.name)).collect();
                let values = row.iter().map(|cell| literal(cell)).collect::<Result<Vec<_>>>()?;
                let cells: Vec<MendCell> = row.into_iter().cloned().collect();
                let before = words.before_values(&cells);
                let (names, values) = (names.join(", "), values.join(", "));
                Ok(format!("insert into {table} ({names}){before} values ({values})"))
            }
            Self::Update { key, cells } => {
                let cells = cells.iter().filter(|cell| !cell.column.generated);
                let set = cells
                    .map(|cell| {
                        Ok(format!("{} = {}", words.quote(&cell.column.name), literal(cell)?))
                    })
                    .collect::<Result<Vec<_>>>()?;
                let set = set.join(", ");
                Ok(format!("update {table} set {set} where {}", condition(key, words)?))
            }
            Self::Delete { key } => {
                Ok(format!("delete from {table} where {}", condition(key, words)?))
            }
        }
    }
}

fn value_literal(column: &Column, value: &MendValue, words: &impl MendWords) -> Result<String> {
    match value {
        MendValue::Text(value) => words.literal(column, value),
        MendValue::List(elements) => words.list_literal(column, elements),
    }
}

fn condition(key: &[MendCell], words: &impl MendWords) -> Result<String> {
    let parts = key.iter().map(|cell| {
        let name = words.quote(&cell.column.name);
        match &cell.value {
            Some(value) => Ok(format!("{name} = {}", value_literal(&cell.column, value, words)?)),
            None => Ok(format!("{name} is null")),
        }
    });
    Ok(parts.collect::<Result<Vec<String>>>()?.join(" and "))
}

/// A target whose rows can be put right one by one.
#[async_trait]
pub trait Mender: Send + Sync {
    /// The statement for one row, without a semicolon.
    ///
    /// # Errors
    ///
    /// Class `Setup`, slug `no-literal`, when a value's type has no literal here.
    fn statement(&self, table: &TableRef, mend: &Mend) -> Result<String>;

    /// Runs statements over `table` in one transaction, each of which must change exactly one row.
    ///
    /// # Errors
    ///
    /// Class `Conflict`, slug `row-moved`, when one of them changes none or several; nothing of the
    /// transaction is there then, as after any error but a lost answer to its COMMIT.
    async fn apply(&self, table: &TableRef, statements: &[String]) -> Result<()>;
}
