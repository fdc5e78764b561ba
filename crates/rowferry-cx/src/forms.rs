//! How each column is asked for, and what then arrives: the only place where what ConnectorX makes of
//! a type matters.
//!
//! A column is asked for as it is where ConnectorX carries every value of its type, or stops with an
//! error. Where it would change a value without a word, the query casts the column to something that
//! it carries; where there is no such cast, the column is refused. What ConnectorX 0.4.6 does with each
//! type was read in its source and tried by `tests/scenarios/connectorx.rs` of `rowferry-cli`.

use std::ops::RangeInclusive;

use arrow_schema::{DataType, TimeUnit};
use rowferry_core::{CanonicalType, Column};

use crate::{mysql_forms, postgres_forms};

/// Scale of every decimal that ConnectorX makes.
const DECIMAL_SCALE: u8 = 10;
/// Digits before the point for which it has room beside them: it counts in 96 bits, 28 digits.
const DECIMAL_WHOLE_DIGITS: u8 = 18;

/// A column on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Expression in which `{}` stands for the column.
    pub(crate) expression: &'static str,
    /// The Arrow type of what comes; a narrower integer will do.
    pub(crate) arrives: DataType,
    /// Values outside are not what the server holds, or cannot be told from others: days or
    /// microseconds since 1970.
    pub(crate) within: Option<RangeInclusive<i64>>,
    /// Whether our own reader does not carry those either, so that the column may go on as text.
    pub(crate) beyond_is_text: bool,
    /// What stands for the zero date, in the same unit.
    pub(crate) zero: Option<i64>,
}

impl Form {
    pub(crate) const fn new(expression: &'static str, arrives: DataType) -> Self {
        Self { expression, arrives, within: None, beyond_is_text: false, zero: None }
    }

    /// As the column is.
    pub(crate) const fn plain(arrives: DataType) -> Self {
        Self::new("{}", arrives)
    }

    pub(crate) fn within(mut self, range: RangeInclusive<i64>) -> Self {
        self.within = Some(range);
        self
    }

    pub(crate) const fn beyond_is_text(mut self) -> Self {
        self.beyond_is_text = true;
        self
    }

    pub(crate) const fn with_zero(mut self, zero: i64) -> Self {
        self.zero = Some(zero);
        self
    }
}

/// How `column` is asked for; `None` when ConnectorX cannot carry its values.
pub(crate) fn form(column: &Column) -> Option<Form> {
    let canonical = column.canonical.as_ref()?;
    match column.native.engine.as_str() {
        "postgres" => postgres_forms::form(column, canonical),
        "mysql" | "mariadb" => mysql_forms::form(column, canonical),
        _ => None,
    }
}

/// Whether ConnectorX's own decimals hold every value.
pub(crate) const fn fits_decimal(precision: u8, scale: u8) -> bool {
    scale <= DECIMAL_SCALE && precision.saturating_sub(scale) <= DECIMAL_WHOLE_DIGITS
}

/// ConnectorX's own decimals.
pub(crate) fn decimal() -> DataType {
    DataType::Decimal128(38, DECIMAL_SCALE.cast_signed())
}

/// Wall clocks, and with a zone instants.
pub(crate) fn timestamp(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
}

/// The meaning of a column that is read as the server's own text.
pub(crate) const fn as_text() -> CanonicalType {
    CanonicalType::Text { chars: None, fixed: false }
}

/// First word of a type: `numeric` of `numeric(12,2)`.
pub(crate) fn base_word(declared: &str) -> String {
    let end = declared.find(['(', ' ']).unwrap_or(declared.len());
    declared.get(..end).unwrap_or(declared).to_ascii_lowercase()
}
