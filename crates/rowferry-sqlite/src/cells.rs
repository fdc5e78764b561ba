//! SQLite cells → Arrow columns: one builder per column, chosen once, fed cell by cell.
//!
//! The storage class of every cell is checked, because a declaration binds nobody in SQLite. A cell
//! of another class, or text that is not in its type's strict form, is an error and never a guess.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder,
    DurationMicrosecondBuilder, FixedSizeBinaryBuilder, Float64Builder, Int64Builder,
    StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder, UInt64Builder,
};
use rowferry_core::{CanonicalType, Column, Result};
use rusqlite::types::ValueRef;

use crate::error::setup;
use crate::{decimal, iso, period, wire};

/// Why a cell does not fit its column, in words that hold no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// What was expected.
    pub(crate) expected: &'static str,
    /// What was found.
    pub(crate) found: &'static str,
}

/// The Arrow column under construction.
pub(crate) enum Cells {
    Boolean(BooleanBuilder),
    Int64(Int64Builder),
    UInt64(UInt64Builder),
    Float64(Float64Builder),
    Decimal128(Decimal128Builder, u8, u8),
    Decimal256(Decimal256Builder, u8, u8),
    DecimalText(StringBuilder),
    Text(StringBuilder),
    Json(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Duration(DurationMicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Instant(TimestampMicrosecondBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Period(FixedSizeBinaryBuilder),
    BitString(StringBuilder),
    TimeTz(StringBuilder),
    /// With the greatest number that the bits make.
    Bits(UInt64Builder, u64),
    Variant(BinaryBuilder, Vec<u8>),
}

impl Cells {
    /// Builders for a column as its plan reads it.
    pub(crate) fn of(column: &Column) -> Result<Self> {
        let unsupported = || {
            setup(
                "unmapped-type",
                format!(
                    "column {:?} of type {:?} cannot be read as asked",
                    column.name, column.native.declared
                ),
            )
        };
        let canonical = column.canonical.as_ref().ok_or_else(unsupported)?;
        let wide = |precision: u8, scale: u8| {
            let built = Decimal256Builder::new().with_data_type(canonical.arrow());
            Self::Decimal256(built, precision, scale)
        };
        Ok(match canonical {
            CanonicalType::Boolean => Self::Boolean(BooleanBuilder::new()),
            CanonicalType::Int64 => Self::Int64(Int64Builder::new()),
            CanonicalType::UInt64 => Self::UInt64(UInt64Builder::new()),
            CanonicalType::Float64 => Self::Float64(Float64Builder::new()),
            CanonicalType::Decimal { precision, scale } if *precision <= 38 => Self::Decimal128(
                Decimal128Builder::new().with_data_type(canonical.arrow()),
                *precision,
                *scale,
            ),
            CanonicalType::Decimal { precision, scale } => wide(*precision, *scale),
            CanonicalType::DecimalText => Self::DecimalText(StringBuilder::new()),
            CanonicalType::Text { .. } => Self::Text(StringBuilder::new()),
            CanonicalType::Json { .. } => Self::Json(StringBuilder::new()),
            CanonicalType::Binary { .. } => Self::Binary(BinaryBuilder::new()),
            CanonicalType::Date => Self::Date(Date32Builder::new()),
            CanonicalType::Time { .. } => Self::Time(Time64MicrosecondBuilder::new()),
            CanonicalType::Duration { .. } => Self::Duration(DurationMicrosecondBuilder::new()),
            CanonicalType::Timestamp { .. } => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            CanonicalType::Instant { .. } => {
                Self::Instant(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            CanonicalType::Uuid => Self::Uuid(FixedSizeBinaryBuilder::new(16)),
            CanonicalType::Interval => Self::Period(FixedSizeBinaryBuilder::new(16)),
            CanonicalType::BitString { .. } => Self::BitString(StringBuilder::new()),
            CanonicalType::TimeTz => Self::TimeTz(StringBuilder::new()),
            CanonicalType::Bits { bits } => {
                let unused = 64_u32.saturating_sub((*bits).into());
                Self::Bits(UInt64Builder::new(), u64::MAX.checked_shr(unused).unwrap_or(0))
            }
            CanonicalType::Variant => Self::Variant(BinaryBuilder::new(), Vec::new()),
            // The declarations of SQLite never become one of these.
            CanonicalType::Int8
            | CanonicalType::Int16
            | CanonicalType::Int32
            | CanonicalType::UInt8
            | CanonicalType::UInt16
            | CanonicalType::UInt32
            | CanonicalType::Float32
            | CanonicalType::Enum { .. }
            | CanonicalType::Set { .. }
            | CanonicalType::List { .. }
            | CanonicalType::Geometry { .. }
            | CanonicalType::Opaque { .. } => return Err(unsupported()),
        })
    }

    /// Appends a cell and returns the bytes that it takes in the batch.
    pub(crate) fn append(&mut self, cell: ValueRef<'_>) -> Result<usize, Misfit> {
        if matches!(cell, ValueRef::Null) {
            self.append_null();
            return Ok(NULL_BYTES);
        }
        match (self, cell) {
            (Self::Int64(cells), ValueRef::Integer(value)) => cells.append_value(value),
            (Self::Float64(cells), ValueRef::Real(value)) => cells.append_value(value),
            (Self::Text(cells), ValueRef::Text(bytes)) => {
                cells.append_value(utf8(bytes)?);
                return Ok(bytes.len() + OFFSET_BYTES);
            }
            (Self::Binary(cells), ValueRef::Blob(bytes)) => {
                cells.append_value(bytes);
                return Ok(bytes.len() + OFFSET_BYTES);
            }
            (Self::Boolean(cells), ValueRef::Integer(value @ 0..=1)) => {
                cells.append_value(value == 1);
            }
            (Self::Json(cells), cell) => return append_json(cells, cell),
            (Self::Float64(cells), ValueRef::Integer(value)) => {
                let exact = exact_float(value)
                    .ok_or(misfit("a floating-point number", "a larger integer"))?;
                cells.append_value(exact);
            }
            (Self::UInt64(cells), ValueRef::Text(bytes)) => {
                let value = utf8(bytes)?.parse().ok();
                cells.append_value(value.ok_or(misfit("an unsigned number", "other text"))?);
            }
            (Self::UInt64(cells), ValueRef::Integer(value)) => {
                let value = u64::try_from(value).ok();
                cells.append_value(value.ok_or(misfit("an unsigned number", "a negative one"))?);
            }
            (Self::Decimal128(cells, precision, scale), cell) => {
                let short = match cell {
                    ValueRef::Real(value) => decimal::short_of_double(value, *precision, *scale),
                    ValueRef::Text(text) => decimal::short_of_text(text, *precision, *scale),
                    ValueRef::Integer(value) => decimal::of_integer(value, *precision, *scale),
                    ValueRef::Null | ValueRef::Blob(_) => None,
                };
                cells.append_value(match short {
                    Some(value) => value,
                    None => decimal::parse_128(&number_text(cell)?, *precision, *scale)?,
                });
            }
            (Self::Decimal256(cells, precision, scale), cell) => {
                cells.append_value(decimal::parse_256(&number_text(cell)?, *precision, *scale)?);
            }
            (Self::DecimalText(cells), cell) => {
                let text = number_text(cell)?;
                if !decimal::is_decimal(&text) {
                    return Err(misfit("a decimal number", "other text"));
                }
                cells.append_value(&text);
                return Ok(text.len() + OFFSET_BYTES);
            }
            (Self::Uuid(cells), cell) => {
                let uuid = uuid(cell).ok_or(misfit("a UUID", class(cell)))?;
                cells
                    .append_value(uuid)
                    .map_err(|_length| misfit("a UUID", "a value of another length"))?;
            }
            (Self::Bits(cells, greatest), cell) => {
                let number = bit_number(cell).filter(|number| number <= greatest);
                cells.append_value(number.ok_or(misfit("a number of its bits", class(cell)))?);
            }
            (Self::Variant(cells, scratch), cell) => {
                scratch.clear();
                wire::variant(cell, scratch);
                cells.append_value(scratch.as_slice());
                return Ok(scratch.len() + OFFSET_BYTES);
            }
            (cells, ValueRef::Text(bytes)) => return cells.append_form(bytes),
            (cells, cell) => return Err(misfit(cells.expected(), class(cell))),
        }
        Ok(FIXED_BYTES)
    }

    /// Appends text that has one strict form.
    fn append_form(&mut self, bytes: &[u8]) -> Result<usize, Misfit> {
        match self {
            Self::Date(cells) => {
                cells.append_value(strict(bytes, "an ISO 8601 date", iso::read_date)?);
            }
            Self::Time(cells) => {
                cells.append_value(strict(bytes, "an ISO 8601 time", iso::read_time)?);
            }
            Self::Duration(cells) => {
                cells.append_value(strict(bytes, "a length of time", iso::read_duration)?);
            }
            Self::Timestamp(cells) => {
                let read = |text: &str| iso::read_timestamp(text, false);
                cells.append_value(strict(bytes, "an ISO 8601 timestamp without zone", read)?);
            }
            Self::Instant(cells) => {
                let read = |text: &str| iso::read_timestamp(text, true);
                cells.append_value(strict(bytes, "an ISO 8601 timestamp with offset", read)?);
            }
            Self::Period(cells) => {
                let period = strict(bytes, "an interval", period::read)?;
                cells
                    .append_value(period)
                    .map_err(|_length| misfit("an interval", "a value of another length"))?;
            }
            Self::BitString(cells) => {
                let text = strict(bytes, "bits of 0 and 1", bits)?;
                cells.append_value(&text);
                return Ok(bytes.len() + OFFSET_BYTES);
            }
            Self::TimeTz(cells) => {
                let text = strict(bytes, "a time with its offset", iso::read_timetz)?;
                cells.append_value(&text);
                return Ok(bytes.len() + OFFSET_BYTES);
            }
            Self::Boolean(_)
            | Self::Int64(_)
            | Self::UInt64(_)
            | Self::Float64(_)
            | Self::Decimal128(..)
            | Self::Decimal256(..)
            | Self::DecimalText(_)
            | Self::Text(_)
            | Self::Json(_)
            | Self::Binary(_)
            | Self::Uuid(_)
            | Self::Bits(..)
            | Self::Variant(..) => return Err(misfit(self.expected(), "text")),
        }
        Ok(FIXED_BYTES)
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(cells) => cells.append_null(),
            Self::Int64(cells) => cells.append_null(),
            Self::UInt64(cells) | Self::Bits(cells, _) => cells.append_null(),
            Self::Float64(cells) => cells.append_null(),
            Self::Decimal128(cells, ..) => cells.append_null(),
            Self::Decimal256(cells, ..) => cells.append_null(),
            Self::DecimalText(cells)
            | Self::Text(cells)
            | Self::Json(cells)
            | Self::BitString(cells)
            | Self::TimeTz(cells) => cells.append_null(),
            Self::Binary(cells) | Self::Variant(cells, _) => cells.append_null(),
            Self::Date(cells) => cells.append_null(),
            Self::Time(cells) => cells.append_null(),
            Self::Duration(cells) => cells.append_null(),
            Self::Timestamp(cells) | Self::Instant(cells) => cells.append_null(),
            Self::Uuid(cells) | Self::Period(cells) => cells.append_null(),
        }
    }

    /// Takes the finished column and starts the next one.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(cells) => Arc::new(cells.finish()),
            Self::Int64(cells) => Arc::new(cells.finish()),
            Self::UInt64(cells) | Self::Bits(cells, _) => Arc::new(cells.finish()),
            Self::Float64(cells) => Arc::new(cells.finish()),
            Self::Decimal128(cells, ..) => Arc::new(cells.finish()),
            Self::Decimal256(cells, ..) => Arc::new(cells.finish()),
            Self::DecimalText(cells)
            | Self::Text(cells)
            | Self::Json(cells)
            | Self::BitString(cells)
            | Self::TimeTz(cells) => Arc::new(cells.finish()),
            Self::Binary(cells) | Self::Variant(cells, _) => Arc::new(cells.finish()),
            Self::Date(cells) => Arc::new(cells.finish()),
            Self::Time(cells) => Arc::new(cells.finish()),
            Self::Duration(cells) => Arc::new(cells.finish()),
            Self::Timestamp(cells) | Self::Instant(cells) => Arc::new(cells.finish()),
            Self::Uuid(cells) | Self::Period(cells) => Arc::new(cells.finish()),
        }
    }

    const fn expected(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "0 or 1",
            Self::Int64(_) => "an integer",
            Self::UInt64(_) => "an unsigned number",
            Self::Float64(_) => "a floating-point number",
            Self::Decimal128(..) | Self::Decimal256(..) | Self::DecimalText(_) => {
                "a decimal number"
            }
            Self::Text(_) => "text",
            Self::Json(_) => "JSON text",
            Self::Binary(_) => "a blob",
            Self::Date(_) => "an ISO 8601 date",
            Self::Time(_) => "an ISO 8601 time",
            Self::Duration(_) => "a length of time",
            Self::Timestamp(_) => "an ISO 8601 timestamp without zone",
            Self::Instant(_) => "an ISO 8601 timestamp with offset",
            Self::Uuid(_) => "a UUID",
            Self::Period(_) => "an interval",
            Self::BitString(_) => "bits of 0 and 1",
            Self::TimeTz(_) => "a time with its offset",
            Self::Bits(..) => "a number of its bits",
            Self::Variant(..) => "a cell",
        }
    }
}

/// Bytes of a fixed-width cell in the batch, for cutting batches: most are eight wide.
const FIXED_BYTES: usize = 8;
/// Bytes of the offset of a variable-width cell.
const OFFSET_BYTES: usize = 4;
/// Bytes of a null, whose slot is still there.
const NULL_BYTES: usize = 4;

pub(crate) const fn misfit(expected: &'static str, found: &'static str) -> Misfit {
    Misfit { expected, found }
}

const fn class(cell: ValueRef<'_>) -> &'static str {
    match cell {
        ValueRef::Null => "null",
        ValueRef::Integer(_) => "an integer",
        ValueRef::Real(_) => "a floating-point number",
        ValueRef::Text(_) => "text",
        ValueRef::Blob(_) => "a blob",
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Misfit> {
    std::str::from_utf8(bytes).map_err(|_position| misfit("UTF-8 text", "other bytes"))
}

fn strict<T>(
    bytes: &[u8],
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Misfit> {
    read(utf8(bytes)?).ok_or(misfit(expected, "other text"))
}

/// JSON text; a bare number in a column of numeric affinity was stored as a number.
fn append_json(cells: &mut StringBuilder, cell: ValueRef<'_>) -> Result<usize, Misfit> {
    let number;
    let text = match cell {
        ValueRef::Text(bytes) => utf8(bytes)?,
        ValueRef::Integer(_) | ValueRef::Real(_) => {
            number = number_text(cell)?;
            if !decimal::is_finite(&number) {
                return Err(misfit("JSON text", "an infinite number"));
            }
            &number
        }
        ValueRef::Null | ValueRef::Blob(_) => return Err(misfit("JSON text", class(cell))),
    };
    cells.append_value(text);
    Ok(text.len() + OFFSET_BYTES)
}

/// A number's exact decimal text: of a double the shortest digits that read back as the same bits.
fn number_text(cell: ValueRef<'_>) -> Result<std::borrow::Cow<'_, str>, Misfit> {
    match cell {
        ValueRef::Integer(value) => Ok(value.to_string().into()),
        ValueRef::Real(value) => Ok(decimal::of_double(value).into()),
        ValueRef::Text(bytes) => utf8(bytes).map(Into::into),
        ValueRef::Null | ValueRef::Blob(_) => Err(misfit("a decimal number", class(cell))),
    }
}

/// The double of an integer, if it is that integer exactly: up to 2^53 in either direction.
fn exact_float(value: i64) -> Option<f64> {
    const LIMIT: i64 = 1 << 53;
    #[expect(clippy::cast_precision_loss, reason = "within 2^53 every integer is a double")]
    (-LIMIT..=LIMIT).contains(&value).then_some(value as f64)
}

/// Bits as a number: an integer, or eight bytes with the highest first.
fn bit_number(cell: ValueRef<'_>) -> Option<u64> {
    match cell {
        ValueRef::Integer(value) => u64::try_from(value).ok(),
        ValueRef::Blob(bytes) => bytes.try_into().ok().map(u64::from_be_bytes),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => None,
    }
}

fn bits(text: &str) -> Option<String> {
    text.bytes().all(|byte| matches!(byte, b'0' | b'1')).then(|| text.to_owned())
}

/// A key's value for a message.
pub(crate) fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    }
}

/// A UUID from sixteen bytes or from its canonical lower-case text.
pub(crate) fn uuid(cell: ValueRef<'_>) -> Option<[u8; 16]> {
    match cell {
        ValueRef::Blob(bytes) => bytes.try_into().ok(),
        ValueRef::Text(bytes) => uuid_of_text(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    }
}

fn uuid_of_text(text: &[u8]) -> Option<[u8; 16]> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    if text.len() != 36 || HYPHENS.iter().any(|index| text.get(*index) != Some(&b'-')) {
        return None;
    }
    let mut uuid = [0; 16];
    let mut digits = text.iter().filter(|byte| **byte != b'-').map(|byte| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    });
    for byte in &mut uuid {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    digits.next().is_none().then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_one_canonical_text() {
        let text = b"00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(
            uuid_of_text(text),
            Some([0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255])
        );
        assert_eq!(uuid_of_text(b"00112233-4455-6677-8899-AABBCCDDEEFF"), None);
        assert_eq!(uuid_of_text(b"{0112233-4455-6677-8899-aabbccddeeff"), None);
        assert_eq!(uuid_of_text(b"00112233-4455-6677-8899-aabbccdde-ff"), None);
    }

    #[test]
    fn integers_beyond_doubles_are_refused() {
        assert_eq!(exact_float(1 << 53), Some(9_007_199_254_740_992.0));
        assert_eq!(exact_float((1 << 53) + 1), None);
    }
}
