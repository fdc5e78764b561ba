//! The rows that are measured: those of `generate:`, which are the same on every machine.

use anyhow::{Context as _, Result};
use arrow_array::RecordBatch;
use rowferry_core::{CanonicalType, TableRef};
use rowferry_synthetic::GenerateSource;

/// A kind of rows that is hard in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The columns of TPC-H's lineitem.
    Lineitem,
    /// Four integers.
    Narrow,
    /// A hundred columns.
    Wide,
    /// Texts of 2 kB.
    Texts,
    /// Nine of ten cells are NULL.
    Sparse,
}

/// A column of a shape.
pub(crate) struct ShapeColumn {
    pub(crate) name: String,
    pub(crate) canonical: CanonicalType,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Lineitem, Self::Narrow, Self::Wide, Self::Texts, Self::Sparse];

    /// The word of `generate:`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lineitem => "lineitem",
            Self::Narrow => "narrow",
            Self::Wide => "wide",
            Self::Texts => "texts",
            Self::Sparse => "sparse",
        }
    }

    /// Rows of a batch: 1 to 2 MB on the wire, as a payload of a copy has.
    const fn rows(self) -> u64 {
        match self {
            Self::Lineitem | Self::Sparse => 8_192,
            Self::Narrow => 32_768,
            Self::Wide | Self::Texts => 1_024,
        }
    }

    pub(crate) fn batch(self) -> Result<(Vec<ShapeColumn>, RecordBatch)> {
        let source = GenerateSource::open(&format!("{}?rows={}", self.word(), self.rows()))?;
        let (columns, batch) = source.batch(&TableRef::bare(self.word()), 0..self.rows())?;
        let column = |column: rowferry_core::Column| {
            let canonical = column.canonical.context("a generated column has a type")?;
            Ok(ShapeColumn { name: column.name, canonical })
        };
        Ok((columns.into_iter().map(column).collect::<Result<_>>()?, batch))
    }
}
