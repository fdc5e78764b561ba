//! Values of the binary protocol into Arrow builders, one builder per column, chosen once.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, DurationMicrosecondBuilder,
    FixedSizeBinaryBuilder, Float32Builder, Float64Builder, Int8Builder, Int16Builder,
    Int32Builder, Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
    UInt8Builder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::i256;
use arrow_schema::{ArrowError, Field, Schema};
use mysql_async::{Row, Value};
use rowferry_core::{CanonicalType, Column, ConnectorError, ErrorClass, Result};

use crate::row_name;
use crate::types::Native;

/// Storage of the zero date in `Date32`.
const ZERO_DATE: i32 = i32::MIN + 1;
/// Storage of the zero date in `Timestamp`.
const ZERO_TIMESTAMP: i64 = i64::MIN + 1;
const DAY_MICROS: i64 = 86_400_000_000;

enum Cells {
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt8(UInt8Builder),
    UInt16(UInt16Builder),
    UInt32(UInt32Builder),
    UInt64(UInt64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal128(Decimal128Builder),
    Decimal256(Decimal256Builder),
    Text(StringBuilder),
    Enum(StringBuilder),
    /// Labels by their number, counted from 1.
    EnumNumber(StringBuilder, Vec<String>),
    Binary(BinaryBuilder),
    Bits(UInt64Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Duration(DurationMicrosecondBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Vector(ListBuilder<Float32Builder>),
}

impl Cells {
    fn of(column: &Column, canonical: &CanonicalType, rows: usize) -> Option<Self> {
        if let Native::Enum(labels) = Native::parse(&column.native.declared)
            && by_number(&labels)
        {
            let text = StringBuilder::with_capacity(rows, rows * 16);
            return Some(Self::EnumNumber(text, labels));
        }
        Self::new(canonical, rows)
    }

    fn new(canonical: &CanonicalType, rows: usize) -> Option<Self> {
        let text = || StringBuilder::with_capacity(rows, rows * 16);
        Some(match canonical {
            CanonicalType::Int8 => Self::Int8(Int8Builder::with_capacity(rows)),
            CanonicalType::Int16 => Self::Int16(Int16Builder::with_capacity(rows)),
            CanonicalType::Int32 => Self::Int32(Int32Builder::with_capacity(rows)),
            CanonicalType::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            CanonicalType::UInt8 => Self::UInt8(UInt8Builder::with_capacity(rows)),
            CanonicalType::UInt16 => Self::UInt16(UInt16Builder::with_capacity(rows)),
            CanonicalType::UInt32 => Self::UInt32(UInt32Builder::with_capacity(rows)),
            CanonicalType::UInt64 => Self::UInt64(UInt64Builder::with_capacity(rows)),
            CanonicalType::Float32 => Self::Float32(Float32Builder::with_capacity(rows)),
            CanonicalType::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            CanonicalType::Decimal { precision, .. } if *precision <= 38 => Self::Decimal128(
                Decimal128Builder::with_capacity(rows).with_data_type(canonical.arrow()),
            ),
            CanonicalType::Decimal { .. } => Self::Decimal256(
                Decimal256Builder::with_capacity(rows).with_data_type(canonical.arrow()),
            ),
            CanonicalType::Enum { .. } => Self::Enum(text()),
            CanonicalType::Text { .. }
            | CanonicalType::Json { .. }
            | CanonicalType::Set { .. }
            | CanonicalType::Opaque { .. }
            | CanonicalType::DecimalText => Self::Text(text()),
            CanonicalType::List { element } if **element == CanonicalType::Float32 => {
                let field = Field::new("item", element.arrow(), true);
                Self::Vector(ListBuilder::new(Float32Builder::new()).with_field(field))
            }
            CanonicalType::Binary { .. } | CanonicalType::Geometry { .. } => {
                Self::Binary(BinaryBuilder::with_capacity(rows, rows * 16))
            }
            CanonicalType::Bits { .. } => Self::Bits(UInt64Builder::with_capacity(rows)),
            CanonicalType::Date => Self::Date(Date32Builder::with_capacity(rows)),
            CanonicalType::Timestamp { .. } | CanonicalType::Instant { .. } => Self::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(canonical.arrow()),
            ),
            CanonicalType::Duration { .. } => {
                Self::Duration(DurationMicrosecondBuilder::with_capacity(rows))
            }
            CanonicalType::Uuid => Self::Uuid(FixedSizeBinaryBuilder::with_capacity(rows, 16)),
            // No type of this server means these.
            CanonicalType::Boolean
            | CanonicalType::Time { .. }
            | CanonicalType::BitString { .. }
            | CanonicalType::Interval
            | CanonicalType::TimeTz
            | CanonicalType::List { .. }
            | CanonicalType::Variant => {
                return None;
            }
        })
    }

    /// Appends a value and returns its bytes; `Err` says what is wrong with it.
    fn push(&mut self, value: &Value) -> Result<usize, Broken> {
        match (self, value) {
            (cells, Value::NULL) => cells.push_null(),
            (Self::Int8(to), value) => to.append_value(narrow(value)?),
            (Self::Int16(to), value) => to.append_value(narrow(value)?),
            (Self::Int32(to), value) => to.append_value(narrow(value)?),
            (Self::Int64(to), value) => to.append_value(narrow(value)?),
            (Self::UInt8(to), value) => to.append_value(narrow(value)?),
            (Self::UInt16(to), value) => to.append_value(narrow(value)?),
            (Self::UInt32(to), value) => to.append_value(narrow(value)?),
            (Self::UInt64(to), value) => to.append_value(narrow(value)?),
            (Self::Float32(to), Value::Float(value)) => to.append_value(*value),
            (Self::Float64(to), Value::Double(value)) => to.append_value(*value),
            (Self::Decimal128(to), Value::Bytes(text)) => {
                to.append_value(decimal128(text).ok_or("a decimal came in an unknown form")?);
            }
            (Self::Decimal256(to), Value::Bytes(text)) => {
                to.append_value(decimal256(text).ok_or("a decimal came in an unknown form")?);
            }
            (Self::Text(to), Value::Bytes(text)) => {
                to.append_value(utf8(text)?);
                return Ok(text.len() + 4);
            }
            (Self::Enum(to), Value::Bytes(text)) => {
                if text.is_empty() {
                    return Err(Broken::value("the enum holds its error value, which is no label"));
                }
                to.append_value(utf8(text)?);
                return Ok(text.len() + 4);
            }
            (Self::EnumNumber(to, labels), Value::Int(_) | Value::UInt(_)) => {
                let number: usize = narrow::<u16>(value)?.into();
                let label = number.checked_sub(1).and_then(|index| labels.get(index));
                let label = label
                    .ok_or(Broken::value("the enum holds its error value, which is no label"))?;
                to.append_value(label);
                return Ok(label.len() + 4);
            }
            (Self::Binary(to), Value::Bytes(bytes)) => {
                to.append_value(bytes);
                return Ok(bytes.len() + 4);
            }
            (Self::Bits(to), Value::Bytes(bytes)) => {
                to.append_value(
                    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
                );
            }
            (Self::Date(to), Value::Date(year, month, day, ..)) => {
                to.append_value(match days(*year, *month, *day)? {
                    Some(days) => i32::try_from(days).map_err(|_range| "a date out of range")?,
                    None => ZERO_DATE,
                });
            }
            (Self::Timestamp(to), Value::Date(year, month, day, hour, minute, second, micros)) => {
                to.append_value(match days(*year, *month, *day)? {
                    Some(days) => days * DAY_MICROS + clock(*hour, *minute, *second, *micros),
                    None => ZERO_TIMESTAMP,
                });
            }
            (Self::Duration(to), Value::Time(negative, days, hour, minute, second, micros)) => {
                let value = i64::from(*days)
                    .checked_mul(DAY_MICROS)
                    .and_then(|days| days.checked_add(clock(*hour, *minute, *second, *micros)))
                    .ok_or("a time out of range")?;
                to.append_value(if *negative { -value } else { value });
            }
            (Self::Uuid(to), Value::Bytes(text)) => {
                let uuid = uuid(text).ok_or("a uuid came in an unknown form")?;
                to.append_value(uuid).map_err(|_width| "a uuid of another width")?;
                return Ok(16);
            }
            (Self::Vector(to), Value::Bytes(bytes)) => {
                floats(bytes, to.values()).ok_or("a vector came in an unknown form")?;
                to.append(true);
                return Ok(bytes.len() + 4);
            }
            _ => return Err("the server sent another type than it described".into()),
        }
        Ok(8)
    }

    fn push_null(&mut self) {
        match self {
            Self::Int8(to) => to.append_null(),
            Self::Int16(to) => to.append_null(),
            Self::Int32(to) => to.append_null(),
            Self::Int64(to) => to.append_null(),
            Self::UInt8(to) => to.append_null(),
            Self::UInt16(to) => to.append_null(),
            Self::UInt32(to) => to.append_null(),
            Self::UInt64(to) | Self::Bits(to) => to.append_null(),
            Self::Float32(to) => to.append_null(),
            Self::Float64(to) => to.append_null(),
            Self::Decimal128(to) => to.append_null(),
            Self::Decimal256(to) => to.append_null(),
            Self::Text(to) | Self::Enum(to) | Self::EnumNumber(to, _) => to.append_null(),
            Self::Binary(to) => to.append_null(),
            Self::Date(to) => to.append_null(),
            Self::Timestamp(to) => to.append_null(),
            Self::Duration(to) => to.append_null(),
            Self::Uuid(to) => to.append_null(),
            Self::Vector(to) => to.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int8(to) => Arc::new(to.finish()),
            Self::Int16(to) => Arc::new(to.finish()),
            Self::Int32(to) => Arc::new(to.finish()),
            Self::Int64(to) => Arc::new(to.finish()),
            Self::UInt8(to) => Arc::new(to.finish()),
            Self::UInt16(to) => Arc::new(to.finish()),
            Self::UInt32(to) => Arc::new(to.finish()),
            Self::UInt64(to) | Self::Bits(to) => Arc::new(to.finish()),
            Self::Float32(to) => Arc::new(to.finish()),
            Self::Float64(to) => Arc::new(to.finish()),
            Self::Decimal128(to) => Arc::new(to.finish()),
            Self::Decimal256(to) => Arc::new(to.finish()),
            Self::Text(to) | Self::Enum(to) | Self::EnumNumber(to, _) => Arc::new(to.finish()),
            Self::Binary(to) => Arc::new(to.finish()),
            Self::Date(to) => Arc::new(to.finish()),
            Self::Timestamp(to) => Arc::new(to.finish()),
            Self::Duration(to) => Arc::new(to.finish()),
            Self::Uuid(to) => Arc::new(to.finish()),
            Self::Vector(to) => Arc::new(to.finish()),
        }
    }
}

/// Whether labels are read by their numbers: the empty label looks like the error value.
pub(crate) fn by_number(labels: &[String]) -> bool {
    labels.iter().any(String::is_empty)
}

/// What is wrong with a value.
struct Broken {
    reason: &'static str,
    /// Another meaning of the column could hold it.
    unrepresentable: bool,
}

impl Broken {
    const fn value(reason: &'static str) -> Self {
        Self { reason, unrepresentable: true }
    }
}

impl From<&'static str> for Broken {
    fn from(reason: &'static str) -> Self {
        Self { reason, unrepresentable: false }
    }
}

fn narrow<T: TryFrom<i64> + TryFrom<u64>>(value: &Value) -> Result<T, &'static str> {
    const OTHER: &str = "the server sent a number out of its type's range";
    match value {
        Value::Int(value) => T::try_from(*value).map_err(|_range| OTHER),
        Value::UInt(value) => T::try_from(*value).map_err(|_range| OTHER),
        Value::NULL
        | Value::Bytes(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..) => Err(OTHER),
    }
}

/// Appends floats of four bytes each, least byte first; `None` when some are left over.
fn floats(bytes: &[u8], to: &mut Float32Builder) -> Option<()> {
    let (floats, rest) = bytes.as_chunks::<4>();
    for float in floats {
        to.append_value(f32::from_le_bytes(*float));
    }
    rest.is_empty().then_some(())
}

fn utf8(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_invalid| "the server sent a text that is not utf-8")
}

/// The unscaled integer of `-12.340`; the server always sends the declared fraction digits.
fn decimal128(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // Eighteen digits fit whatever they are; 9999999999999999999 does not.
    let value = if digits.len() <= 18 {
        let mut value = 0_i64;
        for digit in digits.iter().filter(|digit| **digit != b'.') {
            value = value * 10 + i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        }
        i128::from(value)
    } else {
        let mut value = 0_i128;
        for digit in digits.iter().filter(|digit| **digit != b'.') {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            value = value.checked_mul(10)?.checked_add(digit.into())?;
        }
        value
    };
    Some(if negative { -value } else { value })
}

fn decimal256(text: &[u8]) -> Option<i256> {
    let digits: String = std::str::from_utf8(text).ok()?.replace('.', "");
    i256::from_string(&digits)
}

/// Days since 1970-01-01; `None` for the zero date.
fn days(year: u16, month: u8, day: u8) -> Result<Option<i64>, Broken> {
    if (year, month, day) == (0, 0, 0) {
        return Ok(None);
    }
    if month == 0 || day == 0 {
        return Err(Broken::value("a date without month or day has no equal in other types"));
    }
    // The servers' year 0 has no 29th of February, so their calendar is not that of other engines.
    if year == 0 {
        return Err(Broken::value("a date of the year 0 has no equal in other types"));
    }
    // A server that allows invalid dates keeps a 31st of February.
    if day > days_in_month(year, month) {
        return Err(Broken::value("a day that its month does not have has no equal elsewhere"));
    }
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Ok(Some(era * 146_097 + day_of_era - 719_468))
}

const fn days_in_month(year: u16, month: u8) -> u8 {
    let leaps = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leaps => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn clock(hour: u8, minute: u8, second: u8, micros: u32) -> i64 {
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    seconds * 1_000_000 + i64::from(micros)
}

fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut uuid = [0_u8; 16];
    let mut digits = text.iter().filter(|byte| **byte != b'-');
    for byte in &mut uuid {
        let mut digit = || char::from(*digits.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    digits.next().is_none().then_some(uuid)
}

/// Rows on their way into a batch.
pub(crate) struct BatchBuilder {
    schema: Arc<Schema>,
    names: Vec<String>,
    /// Names and places of the key columns that are read.
    key: Vec<(String, usize)>,
    cells: Vec<Cells>,
    rows: usize,
    bytes: usize,
    /// Rows of finished batches, for messages.
    rows_before: u64,
}

impl BatchBuilder {
    /// Builders for `columns` with room for `rows`.
    ///
    /// `key` names the columns by which a bad row is told from others.
    pub(crate) fn new(columns: &[Column], key: &[String], rows: usize) -> Result<Self> {
        let mut fields = Vec::with_capacity(columns.len());
        let mut cells = Vec::with_capacity(columns.len());
        for column in columns {
            let unmapped = || {
                ConnectorError::bug(format!("column {:?} was planned without a type", column.name))
            };
            let canonical = column.canonical.as_ref().ok_or_else(unmapped)?;
            fields.push(canonical.field(&column.name));
            cells.push(Cells::of(column, canonical, rows).ok_or_else(unmapped)?);
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            names: columns.iter().map(|column| column.name.clone()).collect(),
            key: key
                .iter()
                .filter_map(|name| {
                    let place = columns.iter().position(|column| column.name == *name)?;
                    Some((name.clone(), place))
                })
                .collect(),
            cells,
            rows: 0,
            bytes: 0,
            rows_before: 0,
        })
    }

    /// Appends one row.
    pub(crate) fn push(&mut self, row: &Row) -> Result<()> {
        for (index, cells) in self.cells.iter_mut().enumerate() {
            let pushed = match row.as_ref(index) {
                Some(value) => cells.push(value),
                None => Err(Broken::from("the server sent too few columns")),
            };
            match pushed {
                Ok(bytes) => self.bytes += bytes,
                Err(Broken { reason, unrepresentable }) => {
                    let name = self.names.get(index).map_or("", String::as_str);
                    let place = self.rows_before + self.rows as u64;
                    let row = row_name::of_row(row, &self.key, place);
                    let code =
                        if unrepresentable { "unrepresentable" } else { "value-not-representable" };
                    let message = format!("column {name:?}, {row}: {reason}");
                    let next = if matches!(cells, Cells::Enum(_) | Cells::EnumNumber(..)) {
                        "Correct the row in the source, or leave the column out: nothing under \
                         `casts` can tell the error value from an empty text."
                            .to_owned()
                    } else {
                        format!(
                            "Correct the row in the source, or keep it as it is written: set under \
                             `casts` `{name}: \"text\"`."
                        )
                    };
                    return Err(ConnectorError::new(ErrorClass::Data, code, message)
                        .with_column(name)
                        .with_next(next));
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the values so far.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows so far as a batch; the builder starts anew.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self.cells.iter_mut().map(Cells::finish).collect();
        self.rows_before += self.rows as u64;
        self.rows = 0;
        self.bytes = 0;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error: ArrowError| {
            ConnectorError::bug("a batch does not fit its own schema").with_source(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_to_the_last_digit() {
        for text in [
            "0",
            "-0.01",
            "999999999999999999",
            "9999999999999999999",
            "-9999999999999999999",
            "-99999999999999999999999999999999999999",
            "1234567890123456.789",
        ] {
            let digits = text.replace('.', "");
            assert_eq!(decimal128(text.as_bytes()), digits.parse().ok(), "{text}");
            assert_eq!(decimal256(text.as_bytes()), i256::from_string(&digits), "{text}");
        }
    }

    #[test]
    fn dates_of_no_calendar_are_not_counted_in_days() {
        let days =
            |year, month, day| days(year, month, day).map_err(|broken| broken.unrepresentable);
        assert_eq!(days(0, 0, 0), Ok(None));
        assert_eq!(days(1970, 1, 1), Ok(Some(0)));
        assert_eq!(days(1, 1, 1), Ok(Some(-719_162)));
        assert_eq!(days(2024, 2, 29), Ok(Some(19_782)));
        for (year, month, day) in [
            (2024, 2, 0),
            (2024, 0, 1),
            (0, 1, 1),
            (0, 0, 1),
            (2023, 2, 29),
            (1900, 2, 29),
            (2024, 4, 31),
        ] {
            assert_eq!(days(year, month, day), Err(true), "{year}-{month}-{day}");
        }
    }

    fn columns() -> Vec<Column> {
        let labels = vec!["a".to_owned(), String::new()];
        [
            CanonicalType::Int8,
            CanonicalType::UInt64,
            CanonicalType::Float32,
            CanonicalType::Float64,
            CanonicalType::Decimal { precision: 19, scale: 2 },
            CanonicalType::Decimal { precision: 65, scale: 30 },
            CanonicalType::DecimalText,
            CanonicalType::Text { chars: None, fixed: false },
            CanonicalType::Enum { labels: labels.clone() },
            CanonicalType::Enum { labels: vec!["a".to_owned()] },
            CanonicalType::Set { labels },
            CanonicalType::Binary { bytes: None, fixed: false },
            CanonicalType::Bits { bits: 64 },
            CanonicalType::Date,
            CanonicalType::Timestamp { digits: 6 },
            CanonicalType::Instant { digits: 6 },
            CanonicalType::Duration { digits: 6 },
            CanonicalType::Uuid,
            CanonicalType::Geometry { encoding: "mysql".to_owned() },
            CanonicalType::List { element: Box::new(CanonicalType::Float32) },
        ]
        .into_iter()
        .map(|canonical| {
            Column::new("c", Some(canonical), rowferry_core::NativeType::new("mysql", "x"))
        })
        .collect()
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::NULL),
            any::<i64>().prop_map(Value::Int),
            any::<u64>().prop_map(Value::UInt),
            any::<f32>().prop_map(Value::Float),
            any::<f64>().prop_map(Value::Double),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
            "-?[0-9]{0,50}[.]?[0-9]{0,40}".prop_map(|text| Value::Bytes(text.into_bytes())),
            any::<(u16, u8, u8, u8, u8, u8, u32)>()
                .prop_map(|(y, mo, d, h, mi, s, us)| Value::Date(y, mo, d, h, mi, s, us)),
            any::<(bool, u32, u8, u8, u8, u32)>()
                .prop_map(|(neg, d, h, m, s, us)| Value::Time(neg, d, h, m, s, us)),
        ]
    }

    proptest! {
        #[test]
        fn no_value_of_the_wire_makes_a_decoder_panic(values in proptest::collection::vec(value(), 1..20)) {
            for column in columns() {
                let Some(canonical) = &column.canonical else { continue };
                let mut cells = Cells::of(&column, canonical, 4).unwrap();
                let taken = values.iter().filter(|value| cells.push(value).is_ok()).count();
                prop_assert_eq!(cells.finish().len(), taken);
            }
        }
    }
}
