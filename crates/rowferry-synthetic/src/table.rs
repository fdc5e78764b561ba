//! What a generated table is made of.

use std::borrow::Cow;

use rowferry_core::{CanonicalType, Column, Key, NativeType, TableRef, TableSchema};

use crate::numbering::{Numbering, is_null};

/// How the values of a column are made from a row number and that row's random number.
#[derive(Clone, Copy)]
pub(crate) enum Fill {
    /// Integers up to 32 bits unsigned and 64 bits signed, and everything stored as such: days
    /// since 1970, microseconds.
    Int(fn(u64, u64) -> i64),
    /// Unsigned 64 bits.
    Unsigned(fn(u64, u64) -> u64),
    /// Decimals as scaled integers.
    Decimal(fn(u64, u64) -> i128),
    /// Floats of both widths.
    Float(fn(u64, u64) -> f64),
    /// True or false.
    Bool(fn(u64, u64) -> bool),
    /// Characters, appended to the buffer.
    Text(fn(u64, u64, &mut String)),
    /// Bytes, appended to the buffer.
    Bytes(fn(u64, u64, &mut Vec<u8>)),
    /// UUIDs.
    Uuid(fn(u64, u64) -> [u8; 16]),
}

/// A column and its recipe.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) name: Cow<'static, str>,
    pub(crate) canonical: CanonicalType,
    pub(crate) nulls: Nulls,
    pub(crate) fill: Fill,
}

/// Which rows of a column are NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    Never,
    /// One row in this many.
    OneIn(u64),
    /// All but one row in this many.
    AllButOneIn(u64),
}

impl Nulls {
    pub(crate) fn has(self, row: u64) -> bool {
        match self {
            Self::Never => false,
            Self::OneIn(every) => is_null(every, row),
            Self::AllButOneIn(every) => !is_null(every, row),
        }
    }
}

/// A generated table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) rows: u64,
    pub(crate) numbering: Numbering,
    pub(crate) recipes: Vec<Recipe>,
}

/// The engine word of generated columns.
pub(crate) const ENGINE: &str = "generate";

impl Table {
    pub(crate) fn schema(&self) -> TableSchema {
        let columns = self.recipes.iter().map(Recipe::column).collect();
        let key = self.numbering.key_columns();
        let keys = if key.is_empty() {
            Vec::new()
        } else {
            let name = format!("{}_{}", self.name, if self.primary() { "pkey" } else { "key" });
            vec![Key { name, columns: key, primary: self.primary() }]
        };
        TableSchema {
            table: TableRef::bare(self.name),
            columns,
            keys,
            indexes: Vec::new(),
            rows_estimated: Some(self.rows),
            bytes_estimated: None,
            comment: None,
            ..TableSchema::default()
        }
    }

    pub(crate) fn key(&self) -> Vec<String> {
        if self.primary() { self.numbering.key_columns() } else { Vec::new() }
    }

    fn primary(&self) -> bool {
        self.numbering.null_every() == 0
    }
}

impl Recipe {
    fn column(&self) -> Column {
        Column {
            name: self.name.clone().into_owned(),
            canonical: Some(self.canonical.clone()),
            native: NativeType::new(ENGINE, self.canonical.name()),
            nullable: self.nulls != Nulls::Never,
            default: None,
            default_meaning: None,
            identity: None,
            generated: false,
            expression: None,
            collation: None,
            comment: None,
            seen: None,
        }
    }
}
