//! Values of the binary protocol into Arrow builders, one builder per column, chosen once.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, DurationMicrosecondBuilder,
    FixedSizeBinaryBuilder, Float32Builder, Float64Builder, Int8Builder, Int16Builder,
    Int32Builder, Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
    UInt8Builder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema};
use mysql_async::{Row, Value};
use rowferry_core::{CanonicalType, Column, ConnectorError, ErrorClass, Result};

use crate::types::Native;
use crate::value_forms::{Broken, clock, days, decimal128, decimal256, floats, narrow, utf8, uuid};

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
    #[inline]
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
                to.append_value(decimal128(text).ok_or(Broken::Decimal)?);
            }
            (Self::Decimal256(to), Value::Bytes(text)) => {
                to.append_value(decimal256(text).ok_or(Broken::Decimal)?);
            }
            (Self::Text(to), Value::Bytes(text)) => {
                to.append_value(utf8(text)?);
                return Ok(text.len() + 4);
            }
            (Self::Enum(to), Value::Bytes(text)) => {
                if text.is_empty() {
                    return Err(Broken::EnumError);
                }
                to.append_value(utf8(text)?);
                return Ok(text.len() + 4);
            }
            (Self::EnumNumber(to, labels), Value::Int(_) | Value::UInt(_)) => {
                let number: usize = narrow::<u16>(value)?.into();
                let label = number.checked_sub(1).and_then(|index| labels.get(index));
                let label = label.ok_or(Broken::EnumError)?;
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
                    Some(days) => i32::try_from(days).map_err(|_range| Broken::Date)?,
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
                    .ok_or(Broken::Time)?;
                to.append_value(if *negative { -value } else { value });
            }
            (Self::Uuid(to), Value::Bytes(text)) => {
                let uuid = uuid(text).ok_or(Broken::Uuid)?;
                to.append_value(uuid).map_err(|_width| Broken::Uuid)?;
                return Ok(16);
            }
            (Self::Vector(to), Value::Bytes(bytes)) => {
                floats(bytes, to.values()).ok_or(Broken::Vector)?;
                to.append(true);
                return Ok(bytes.len() + 4);
            }
            _ => return Err(Broken::OtherType),
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

/// Where each of the named columns stands; `None` when one is not read.
fn place_of_each(columns: &[Column], names: &[String]) -> Option<Vec<(usize, Column)>> {
    names
        .iter()
        .map(|name| columns.iter().cloned().enumerate().find(|(_, column)| column.name == *name))
        .collect()
}

/// Rows on their way into a batch.
pub(crate) struct BatchBuilder {
    schema: Arc<Schema>,
    names: Vec<String>,
    /// Where in a row the values of each builder stand.
    places: Vec<usize>,
    cells: Vec<Cells>,
    /// The key of a row alone; none where its columns are not all read.
    key: Option<Box<Self>>,
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
        let placed: Vec<(usize, Column)> = columns.iter().cloned().enumerate().collect();
        let mut builder = Self::at(&placed, rows)?;
        if let Some(key) = place_of_each(columns, key).filter(|key| !key.is_empty()) {
            builder.key = Some(Box::new(Self::at(&key, 1)?));
        }
        Ok(builder)
    }

    fn at(placed: &[(usize, Column)], rows: usize) -> Result<Self> {
        let mut fields = Vec::with_capacity(placed.len());
        let mut cells = Vec::with_capacity(placed.len());
        for (_, column) in placed {
            let unmapped = || {
                ConnectorError::bug(format!("column {:?} was planned without a type", column.name))
            };
            let canonical = column.canonical.as_ref().ok_or_else(unmapped)?;
            fields.push(canonical.field(&column.name));
            cells.push(Cells::of(column, canonical, rows).ok_or_else(unmapped)?);
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            names: placed.iter().map(|(_, column)| column.name.clone()).collect(),
            places: placed.iter().map(|(place, _)| *place).collect(),
            cells,
            key: None,
            rows: 0,
            bytes: 0,
            rows_before: 0,
        })
    }

    /// Appends one row.
    pub(crate) fn push(&mut self, row: &Row) -> Result<()> {
        for (index, (place, cells)) in self.places.iter().zip(&mut self.cells).enumerate() {
            // The only place where cells are pushed: with a second one the compiler no longer
            // merges the two, which cost 7 % of the instructions of a whole copy.
            let pushed = match row.as_ref(*place) {
                Some(value) => cells.push(value),
                None => Err(Broken::TooFewColumns),
            };
            match pushed {
                Ok(bytes) => self.bytes += bytes,
                Err(broken) => return Err(self.refused(index, broken, row)),
            }
        }
        self.rows += 1;
        Ok(())
    }

    #[cold]
    fn refused(&mut self, index: usize, broken: Broken, row: &Row) -> ConnectorError {
        let name = self.names.get(index).map_or("", String::as_str);
        let place = self.rows_before + self.rows as u64;
        let code =
            if broken.is_unrepresentable() { "unrepresentable" } else { "value-not-representable" };
        let message = format!("column {name:?}, row {place} of the chunk: {}", broken.reason());
        let next = match self.cells.get(index) {
            Some(Cells::Enum(_) | Cells::EnumNumber(..)) => {
                "Correct the row in the source, or leave the column out: nothing under `casts` can \
                 tell the error value from an empty text."
                    .to_owned()
            }
            _ => format!(
                "Correct the row in the source, or keep it as it is written: set under `casts` \
                 `{name}: \"text\"`."
            ),
        };
        let error =
            ConnectorError::new(ErrorClass::Data, code, message).with_column(name).with_next(next);
        // Other columns may not be read, its own can.
        let key = self.key.take().and_then(|mut key| {
            key.push(row).ok()?;
            key.finish().ok()
        });
        match key {
            Some(key) => error.with_key(key),
            None => error,
        }
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
