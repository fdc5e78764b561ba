//! Arrow columns → parameters of a prepared statement: the accessor of each column is chosen once
//! per batch, the value is bound by its storage class.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, StringArray,
};
use arrow_schema::DataType;
use rowferry_core::CanonicalType;
use rusqlite::Statement;
use rusqlite::types::{Null, ValueRef};

use crate::affinity::{Affinity, looks_numeric};
use crate::fit::Binding;
use crate::{decimal, iso, period, wire};

/// Why a value was not bound.
#[derive(Debug)]
pub(crate) enum NotBound {
    /// The column would not keep the value; words that hold no value.
    Misfit(&'static str),
    /// SQLite refused.
    Refused(rusqlite::Error),
}

impl From<rusqlite::Error> for NotBound {
    fn from(error: rusqlite::Error) -> Self {
        Self::Refused(error)
    }
}

/// One column of a batch with its way of binding.
pub(crate) struct Parameter<'a> {
    values: Values<'a>,
    /// Ends of integers, where the column's meaning or type has narrower ones.
    within: Option<(i64, i64)>,
}

impl<'a> Parameter<'a> {
    /// The accessor of `array`, whose values mean `canonical`; `None` when the array is stored in
    /// another way than its meaning says.
    pub(crate) fn of(
        array: &'a dyn Array,
        canonical: &CanonicalType,
        binding: Binding,
    ) -> Option<Self> {
        let within =
            if let Binding::IntegerWithin(min, max) = binding { Some((min, max)) } else { None };
        Some(Self { values: Values::of(array, canonical, binding)?, within })
    }

    /// Binds the value of `row` to a parameter. `text` is scratch space.
    pub(crate) fn bind(
        &self,
        statement: &mut Statement<'_>,
        index: usize,
        row: usize,
        text: &mut String,
    ) -> Result<(), NotBound> {
        if self.values.array().is_null(row) {
            return Ok(statement.raw_bind_parameter(index, Null)?);
        }
        text.clear();
        let Some(integer) = self.values.bind(statement, index, row, text)? else { return Ok(()) };
        if self.within.is_some_and(|(min, max)| integer < min || integer > max) {
            return Err(NotBound::Misfit("a number beyond what the column holds"));
        }
        Ok(statement.raw_bind_parameter(index, integer)?)
    }
}

enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a PrimitiveArray<Int8Type>),
    Int16(&'a PrimitiveArray<Int16Type>),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    UInt8(&'a PrimitiveArray<UInt8Type>),
    UInt16(&'a PrimitiveArray<UInt16Type>),
    UInt32(&'a PrimitiveArray<UInt32Type>),
    UInt64(&'a PrimitiveArray<UInt64Type>, Binding),
    Float32(&'a PrimitiveArray<Float32Type>),
    Float64(&'a PrimitiveArray<Float64Type>),
    Decimal128(&'a PrimitiveArray<Decimal128Type>, usize, Binding),
    Decimal256(&'a PrimitiveArray<Decimal256Type>, usize, Binding),
    DecimalText(&'a StringArray, Binding),
    Text(&'a StringArray),
    GuardedText(&'a StringArray),
    JsonText(&'a StringArray),
    Binary(&'a BinaryArray),
    Variant(&'a BinaryArray, Affinity),
    /// Sixteen bytes of a UUID or an interval.
    Sixteen(&'a FixedSizeBinaryArray, Binding),
    Date(&'a PrimitiveArray<Date32Type>),
    Time(&'a PrimitiveArray<Time64MicrosecondType>, u8),
    Duration(&'a PrimitiveArray<DurationMicrosecondType>, u8),
    Timestamp {
        array: &'a PrimitiveArray<TimestampMicrosecondType>,
        digits: u8,
        utc: bool,
    },
}

impl<'a> Values<'a> {
    fn of(array: &'a dyn Array, canonical: &CanonicalType, binding: Binding) -> Option<Self> {
        let digits = if let Binding::Iso(digits) = binding { digits } else { 0 };
        Some(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean_opt()?),
            DataType::Int8 => Self::Int8(array.as_primitive_opt()?),
            DataType::Int16 => Self::Int16(array.as_primitive_opt()?),
            DataType::Int32 => Self::Int32(array.as_primitive_opt()?),
            DataType::Int64 => Self::Int64(array.as_primitive_opt()?),
            DataType::UInt8 => Self::UInt8(array.as_primitive_opt()?),
            DataType::UInt16 => Self::UInt16(array.as_primitive_opt()?),
            DataType::UInt32 => Self::UInt32(array.as_primitive_opt()?),
            DataType::UInt64 => Self::UInt64(array.as_primitive_opt()?, binding),
            DataType::Float32 => Self::Float32(array.as_primitive_opt()?),
            DataType::Float64 => Self::Float64(array.as_primitive_opt()?),
            DataType::Decimal128(_, scale) => {
                Self::Decimal128(array.as_primitive_opt()?, usize::try_from(*scale).ok()?, binding)
            }
            DataType::Decimal256(_, scale) => {
                Self::Decimal256(array.as_primitive_opt()?, usize::try_from(*scale).ok()?, binding)
            }
            DataType::Utf8 => {
                let array = array.as_string_opt()?;
                match (canonical, binding) {
                    (CanonicalType::DecimalText, _) => Self::DecimalText(array, binding),
                    (_, Binding::GuardedText) => Self::GuardedText(array),
                    (_, Binding::JsonText) => Self::JsonText(array),
                    _ => Self::Text(array),
                }
            }
            DataType::Binary => {
                let array = array.as_binary_opt()?;
                if let Binding::Cell(affinity) = binding {
                    Self::Variant(array, affinity)
                } else {
                    Self::Binary(array)
                }
            }
            DataType::FixedSizeBinary(_) => {
                Self::Sixteen(array.as_fixed_size_binary_opt()?, binding)
            }
            DataType::Date32 => Self::Date(array.as_primitive_opt()?),
            DataType::Time64(_) => Self::Time(array.as_primitive_opt()?, digits),
            DataType::Duration(_) => Self::Duration(array.as_primitive_opt()?, digits),
            DataType::Timestamp(_, zone) => {
                Self::Timestamp { array: array.as_primitive_opt()?, digits, utc: zone.is_some() }
            }
            DataType::Null
            | DataType::Float16
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Interval(_)
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::List(_)
            | DataType::ListView(_)
            | DataType::FixedSizeList(..)
            | DataType::LargeList(_)
            | DataType::LargeListView(_)
            | DataType::Struct(_)
            | DataType::Union(..)
            | DataType::Dictionary(..)
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Map(..)
            | DataType::RunEndEncoded(..) => return None,
        })
    }

    /// Binds what is no integer; an integer is handed back.
    fn bind(
        &self,
        statement: &mut Statement<'_>,
        index: usize,
        row: usize,
        text: &mut String,
    ) -> Result<Option<i64>, NotBound> {
        let bound = match self {
            Self::Boolean(array) => return Ok(Some(array.value(row).into())),
            Self::Int8(array) => return Ok(Some(array.value(row).into())),
            Self::Int16(array) => return Ok(Some(array.value(row).into())),
            Self::Int32(array) => return Ok(Some(array.value(row).into())),
            Self::Int64(array) => return Ok(Some(array.value(row))),
            Self::UInt8(array) => return Ok(Some(array.value(row).into())),
            Self::UInt16(array) => return Ok(Some(array.value(row).into())),
            Self::UInt32(array) => return Ok(Some(array.value(row).into())),
            Self::UInt64(array, Binding::Digits) => statement
                .raw_bind_parameter(index, array.value(row).to_string())
                .map_err(Into::into),
            Self::UInt64(array, Binding::BigEndian) => {
                blob(statement, index, &array.value(row).to_be_bytes())
            }
            Self::UInt64(array, _) => {
                return i64::try_from(array.value(row)).map(Some).map_err(|_large| {
                    NotBound::Misfit(
                        "a number beyond 9223372036854775807, the largest integer here",
                    )
                });
            }
            Self::Float32(array) => float(statement, index, array.value(row).into()),
            Self::Float64(array) => float(statement, index, array.value(row)),
            Self::Decimal128(array, scale, binding) => {
                decimal::write_unscaled(text, &array.value(row).to_string(), *scale);
                number(statement, index, text, *binding)
            }
            Self::Decimal256(array, scale, binding) => {
                decimal::write_unscaled(text, &array.value(row).to_string(), *scale);
                number(statement, index, text, *binding)
            }
            Self::DecimalText(array, binding) => {
                number(statement, index, array.value(row), *binding)
            }
            Self::Text(array) => characters(statement, index, array.value(row)),
            Self::GuardedText(array) => guarded(statement, index, array.value(row)),
            Self::JsonText(array) => json(statement, index, array.value(row)),
            Self::Binary(array) => blob(statement, index, array.value(row)),
            Self::Variant(array, affinity) => {
                let cell = wire::cell_of_variant(array.value(row))
                    .ok_or(NotBound::Misfit("a cell of no class"))?;
                bind_cell(statement, index, cell, *affinity)
            }
            Self::Sixteen(array, Binding::UuidText) => {
                write_uuid(text, array.value(row));
                characters(statement, index, text)
            }
            Self::Sixteen(array, Binding::Period) => {
                period::write(text, array.value(row))
                    .ok_or(NotBound::Misfit("an interval of another length"))?;
                characters(statement, index, text)
            }
            Self::Sixteen(array, _) => blob(statement, index, array.value(row)),
            Self::Date(array) => {
                iso::write_date(text, array.value(row));
                characters(statement, index, text)
            }
            Self::Time(array, digits) => {
                iso::write_time(text, array.value(row), *digits);
                characters(statement, index, text)
            }
            Self::Duration(array, digits) => {
                iso::write_duration(text, array.value(row), *digits);
                characters(statement, index, text)
            }
            Self::Timestamp { array, digits, utc } => {
                iso::write_timestamp(text, array.value(row), *digits, *utc);
                characters(statement, index, text)
            }
        };
        bound.map(|()| None)
    }

    fn array(&self) -> &'a dyn Array {
        match self {
            Self::Boolean(array) => *array,
            Self::Int8(array) => *array,
            Self::Int16(array) => *array,
            Self::Int32(array) => *array,
            Self::Int64(array) => *array,
            Self::UInt8(array) => *array,
            Self::UInt16(array) => *array,
            Self::UInt32(array) => *array,
            Self::UInt64(array, _) => *array,
            Self::Float32(array) => *array,
            Self::Float64(array) => *array,
            Self::Decimal128(array, ..) => *array,
            Self::Decimal256(array, ..) => *array,
            Self::DecimalText(array, _)
            | Self::Text(array)
            | Self::GuardedText(array)
            | Self::JsonText(array) => *array,
            Self::Binary(array) | Self::Variant(array, _) => *array,
            Self::Sixteen(array, _) => *array,
            Self::Date(array) => *array,
            Self::Time(array, _) => *array,
            Self::Duration(array, _) => *array,
            Self::Timestamp { array, .. } => *array,
        }
    }
}

/// Binds a cell in its own class, where the column leaves it in that class.
pub(crate) fn bind_cell(
    statement: &mut Statement<'_>,
    index: usize,
    cell: ValueRef<'_>,
    affinity: Affinity,
) -> Result<(), NotBound> {
    if !affinity.keeps(cell) {
        let is_text = matches!(cell, ValueRef::Text(_));
        return Err(NotBound::Misfit(if is_text {
            "text that the column's type would change"
        } else {
            "a number that the column's type would change"
        }));
    }
    Ok(statement.raw_bind_parameter(index, Borrowed(cell))?)
}

/// Borrowed bytes as a parameter.
struct Borrowed<'a>(ValueRef<'a>);

impl rusqlite::ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(self.0))
    }
}

fn characters(statement: &mut Statement<'_>, index: usize, text: &str) -> Result<(), NotBound> {
    Ok(statement.raw_bind_parameter(index, Borrowed(ValueRef::Text(text.as_bytes())))?)
}

fn blob(statement: &mut Statement<'_>, index: usize, bytes: &[u8]) -> Result<(), NotBound> {
    Ok(statement.raw_bind_parameter(index, Borrowed(ValueRef::Blob(bytes)))?)
}

/// Text into a column that says it holds JSON.
fn json(statement: &mut Statement<'_>, index: usize, text: &str) -> Result<(), NotBound> {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(NotBound::Misfit(
            "text that is not JSON (an array of several dimensions or with another lower bound \
             has none)",
        ));
    }
    characters(statement, index, text)
}

/// SQLite would store a NaN as NULL.
fn float(statement: &mut Statement<'_>, index: usize, value: f64) -> Result<(), NotBound> {
    if value.is_nan() {
        return Err(NotBound::Misfit("NaN, which SQLite stores as NULL"));
    }
    Ok(statement.raw_bind_parameter(index, value)?)
}

/// A decimal as text, or into a column of numeric affinity as the number that has exactly this
/// value: digits that neither an integer nor a double holds are refused.
fn number(
    statement: &mut Statement<'_>,
    index: usize,
    text: &str,
    binding: Binding,
) -> Result<(), NotBound> {
    if let Binding::DigitsWithin(precision, scale) | Binding::NumericWithin(precision, scale) =
        binding
        && decimal::is_finite(text)
        && !decimal::fits(text, precision, scale)
    {
        return Err(NotBound::Misfit("a decimal with more digits than the column's type says"));
    }
    if !matches!(binding, Binding::Numeric | Binding::NumericWithin(..)) {
        return characters(statement, index, text);
    }
    match text {
        "Infinity" => return float(statement, index, f64::INFINITY),
        "-Infinity" => return float(statement, index, f64::NEG_INFINITY),
        "NaN" => return float(statement, index, f64::NAN),
        _ => {}
    }
    let normal = decimal::normalized(text);
    if let Some(whole) = normal.strip_suffix('.') {
        let whole = if whole.is_empty() { "0" } else { whole };
        if let Ok(integer) = whole.parse::<i64>() {
            return Ok(statement.raw_bind_parameter(index, integer)?);
        }
    }
    match text.parse::<f64>() {
        Ok(value)
            if value.is_finite() && decimal::normalized(&decimal::of_double(value)) == normal =>
        {
            float(statement, index, value)
        }
        _ => Err(NotBound::Misfit("a decimal with more digits than the column's type keeps")),
    }
}

/// Text into a column of numeric affinity, which turns text that looks like a number into that
/// number. `1` becomes the integer 1 and reads back as `1`; `1.0` would not come back.
fn guarded(statement: &mut Statement<'_>, index: usize, text: &str) -> Result<(), NotBound> {
    let comes_back = text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
        || text
            .parse::<f64>()
            .is_ok_and(|number| number.fract() != 0.0 && decimal::of_double(number) == text);
    if looks_numeric(text.as_bytes()) && !comes_back {
        return Err(NotBound::Misfit("a number in text that the column's type would change"));
    }
    characters(statement, index, text)
}

fn write_uuid(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
}
