//! One column of a batch with its way of being written, chosen once per batch.

use std::io::Write as _;

use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    DurationMicrosecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};

use super::TextRule;
use super::digits;

/// Storage of MySQL's zero date in `Date32`.
pub(super) const ZERO_DATE: i32 = i32::MIN + 1;
/// Storage of MySQL's zero date in `Timestamp`.
pub(super) const ZERO_TIMESTAMP: i64 = i64::MIN + 1;

/// Integers of any width.
pub(super) enum Integers<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    UInt8(&'a UInt8Array),
    UInt16(&'a UInt16Array),
    UInt32(&'a UInt32Array),
    UInt64(&'a UInt64Array),
}

impl<'a> Integers<'a> {
    pub(super) fn new(array: &'a dyn Array) -> Option<Self> {
        let any = array.as_any();
        None.or_else(|| any.downcast_ref().map(Self::Int64))
            .or_else(|| any.downcast_ref().map(Self::Int32))
            .or_else(|| any.downcast_ref().map(Self::Int16))
            .or_else(|| any.downcast_ref().map(Self::Int8))
            .or_else(|| any.downcast_ref().map(Self::UInt64))
            .or_else(|| any.downcast_ref().map(Self::UInt32))
            .or_else(|| any.downcast_ref().map(Self::UInt16))
            .or_else(|| any.downcast_ref().map(Self::UInt8))
            .or_else(|| any.downcast_ref().map(Self::Boolean))
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Boolean(array) => *array,
            Self::Int8(array) => *array,
            Self::Int16(array) => *array,
            Self::Int32(array) => *array,
            Self::Int64(array) => *array,
            Self::UInt8(array) => *array,
            Self::UInt16(array) => *array,
            Self::UInt32(array) => *array,
            Self::UInt64(array) => *array,
        }
    }

    pub(super) fn value(&self, row: usize) -> i128 {
        match self {
            Self::Boolean(array) => i128::from(array.value(row)),
            Self::Int8(array) => array.value(row).into(),
            Self::Int16(array) => array.value(row).into(),
            Self::Int32(array) => array.value(row).into(),
            Self::Int64(array) => array.value(row).into(),
            Self::UInt8(array) => array.value(row).into(),
            Self::UInt16(array) => array.value(row).into(),
            Self::UInt32(array) => array.value(row).into(),
            Self::UInt64(array) => array.value(row).into(),
        }
    }

    /// Least and greatest value of the storage type.
    pub(super) fn limits(&self) -> (i128, i128) {
        match self {
            Self::Boolean(_) => (0, 1),
            Self::Int8(_) => (i8::MIN.into(), i8::MAX.into()),
            Self::Int16(_) => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32(_) => (i32::MIN.into(), i32::MAX.into()),
            Self::Int64(_) => (i64::MIN.into(), i64::MAX.into()),
            Self::UInt8(_) => (0, u8::MAX.into()),
            Self::UInt16(_) => (0, u16::MAX.into()),
            Self::UInt32(_) => (0, u32::MAX.into()),
            Self::UInt64(_) => (0, u64::MAX.into()),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(array) => out.push(b'0' + u8::from(array.value(row))),
            Self::Int8(array) => digits::signed(array.value(row).into(), out),
            Self::Int16(array) => digits::signed(array.value(row).into(), out),
            Self::Int32(array) => digits::signed(array.value(row).into(), out),
            Self::Int64(array) => digits::signed(array.value(row), out),
            Self::UInt8(array) => digits::unsigned(array.value(row).into(), out),
            Self::UInt16(array) => digits::unsigned(array.value(row).into(), out),
            Self::UInt32(array) => digits::unsigned(array.value(row).into(), out),
            Self::UInt64(array) => digits::unsigned(array.value(row), out),
        }
    }
}

/// Fraction digits of the values and of their column. Checked values have zeros where the column
/// has no digit; sent, even zeros would count as cut off.
#[derive(Clone, Copy)]
pub(super) struct Scales {
    own: u8,
    column: u8,
}

impl Scales {
    fn new(own: i8, rule: &TextRule) -> Self {
        let own = own.unsigned_abs();
        match rule {
            TextRule::Decimal { scale, .. } => Self { own, column: *scale },
            TextRule::Integer { .. }
            | TextRule::Float
            | TextRule::Text { .. }
            | TextRule::Enum { .. }
            | TextRule::Json { .. }
            | TextRule::Binary { .. }
            | TextRule::Bits { .. }
            | TextRule::Date { .. }
            | TextRule::DateTime { .. }
            | TextRule::DateText { .. }
            | TextRule::Time { .. }
            | TextRule::UuidBytes
            | TextRule::UuidText
            | TextRule::Set { .. }
            | TextRule::Inet { .. }
            | TextRule::Vector { .. }
            | TextRule::Year => Self { own, column: own },
        }
    }

    /// Drops the digits of a number just written that the column does not have.
    fn cut(self, out: &mut Vec<u8>) {
        if self.own > self.column {
            let point = usize::from(self.column == 0);
            out.truncate(out.len() - usize::from(self.own - self.column) - point);
        }
    }
}

/// A column ready to be written.
pub(super) enum Cells<'a> {
    Integers(Integers<'a>),
    Years(Integers<'a>),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal128(&'a Decimal128Array, Scales),
    Decimal256(&'a Decimal256Array, Scales),
    /// Decimal text and the fraction digits of the column.
    Number(&'a StringArray, u8),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Bits(&'a UInt64Array, usize),
    Date(&'a Date32Array),
    DateTime(&'a TimestampMicrosecondArray, u8),
    Time(&'a Time64MicrosecondArray, u8),
    Duration(&'a DurationMicrosecondArray, u8),
    UuidBytes(&'a FixedSizeBinaryArray),
    UuidText(&'a FixedSizeBinaryArray),
    /// Lists and their elements.
    Vector(&'a ListArray, &'a Float32Array),
}

impl<'a> Cells<'a> {
    /// The cells of `array` for a column of this rule; `None` when the two do not fit.
    pub(super) fn new(rule: &TextRule, array: &'a dyn Array) -> Option<Self> {
        let any = array.as_any();
        match rule {
            TextRule::Integer { .. } | TextRule::Decimal { .. } => Integers::new(array)
                .map(Self::Integers)
                .or_else(|| {
                    any.downcast_ref::<Decimal128Array>()
                        .map(|array| Self::Decimal128(array, Scales::new(array.scale(), rule)))
                })
                .or_else(|| {
                    any.downcast_ref::<Decimal256Array>()
                        .map(|array| Self::Decimal256(array, Scales::new(array.scale(), rule)))
                })
                .or_else(|| {
                    let TextRule::Decimal { scale, .. } = rule else { return None };
                    any.downcast_ref().map(|array| Self::Number(array, *scale))
                }),
            TextRule::Float => any
                .downcast_ref()
                .map(Self::Float64)
                .or_else(|| any.downcast_ref().map(Self::Float32))
                .or_else(|| Integers::new(array).map(Self::Integers)),
            TextRule::Text { .. }
            | TextRule::Enum { .. }
            | TextRule::Set { .. }
            | TextRule::Inet { .. }
            | TextRule::DateText { .. }
            | TextRule::Json { .. } => any.downcast_ref().map(Self::Text),
            TextRule::Binary { .. } => {
                any.downcast_ref().map(Self::Bytes).or_else(|| any.downcast_ref().map(Self::Text))
            }
            TextRule::Bits { bits } => {
                let bytes = usize::from(bits.div_ceil(8));
                any.downcast_ref().map(|array| Self::Bits(array, bytes))
            }
            TextRule::Date { .. } => any.downcast_ref().map(Self::Date),
            TextRule::DateTime { digits, .. } => {
                any.downcast_ref().map(|array| Self::DateTime(array, *digits))
            }
            TextRule::Time { digits, .. } => any
                .downcast_ref()
                .map(|array| Self::Time(array, *digits))
                .or_else(|| any.downcast_ref().map(|array| Self::Duration(array, *digits))),
            TextRule::UuidBytes => any.downcast_ref().map(Self::UuidBytes),
            TextRule::UuidText => any.downcast_ref().map(Self::UuidText),
            TextRule::Year => Integers::new(array).map(Self::Years),
            TextRule::Vector { .. } => {
                let lists = any.downcast_ref::<ListArray>()?;
                lists.values().as_any().downcast_ref().map(|floats| Self::Vector(lists, floats))
            }
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Integers(integers) | Self::Years(integers) => integers.array(),
            Self::Float32(array) => *array,
            Self::Float64(array) => *array,
            Self::Decimal128(array, _) => *array,
            Self::Decimal256(array, _) => *array,
            Self::Number(array, _) | Self::Text(array) => *array,
            Self::Bytes(array) => *array,
            Self::Bits(array, _) => *array,
            Self::Date(array) => *array,
            Self::DateTime(array, _) => *array,
            Self::Time(array, _) => *array,
            Self::Duration(array, _) => *array,
            Self::UuidBytes(array) | Self::UuidText(array) => *array,
            Self::Vector(array, _) => *array,
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.array().is_null(row)
    }

    /// Appends one field of `LOAD DATA`.
    pub(super) fn load(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Text(array) => load_bytes(array.value(row).as_bytes(), out),
            Self::Bytes(array) => load_bytes(array.value(row), out),
            Self::UuidBytes(array) => load_bytes(array.value(row), out),
            Self::Vector(lists, floats) => load_bytes(&vector(lists, floats, row), out),
            Self::UuidText(array) => digits::uuid(array.value(row), out),
            Self::Bits(array, bytes) => {
                let value = array.value(row).to_be_bytes();
                let (_, low) = value.split_at(value.len() - bytes);
                load_bytes(low, out);
            }
            Self::Date(_) | Self::DateTime(..) | Self::Time(..) | Self::Duration(..) => {
                self.temporal(row, out);
            }
            Self::Integers(_)
            | Self::Years(_)
            | Self::Float32(_)
            | Self::Float64(_)
            | Self::Decimal128(..)
            | Self::Decimal256(..)
            | Self::Number(..) => self.number(row, out),
        }
    }

    /// Appends one literal.
    pub(super) fn insert(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Text(array) => quoted(array.value(row).as_bytes(), out),
            Self::Bytes(array) => hex_literal(array.value(row), out),
            Self::UuidBytes(array) => hex_literal(array.value(row), out),
            Self::Vector(lists, floats) => hex_literal(&vector(lists, floats, row), out),
            Self::UuidText(array) => {
                out.push(b'\'');
                digits::uuid(array.value(row), out);
                out.push(b'\'');
            }
            Self::Bits(array, _) => digits::unsigned(array.value(row), out),
            Self::Date(_) | Self::DateTime(..) | Self::Time(..) | Self::Duration(..) => {
                out.push(b'\'');
                self.temporal(row, out);
                out.push(b'\'');
            }
            // A bare `0` or `70` would be read as a two-digit year.
            Self::Years(_) => {
                out.push(b'\'');
                self.number(row, out);
                out.push(b'\'');
            }
            Self::Integers(_)
            | Self::Float32(_)
            | Self::Float64(_)
            | Self::Decimal128(..)
            | Self::Decimal256(..)
            | Self::Number(..) => self.number(row, out),
        }
    }

    fn number(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Integers(integers) => integers.write(row, out),
            Self::Years(integers) => {
                digits::padded(u64::try_from(integers.value(row)).unwrap_or(0), 4, out);
            }
            // The double that a float widens to has digits that every server reads back to it;
            // the float's own shortest digits may round to a value out of range.
            Self::Float32(array) => float(f64::from(array.value(row)), out),
            Self::Float64(array) => float(array.value(row), out),
            Self::Decimal128(array, scales) => {
                digits::decimal(array.value(row), scales.own, out);
                scales.cut(out);
            }
            Self::Decimal256(array, scales) => {
                let text = array.value(row).to_string();
                if text.starts_with('-') {
                    out.push(b'-');
                }
                digits::decimal_text(text.trim_start_matches('-'), scales.own, out);
                scales.cut(out);
            }
            Self::Number(array, column) => {
                let text = array.value(row);
                out.extend_from_slice(text.as_bytes());
                let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                let own = u8::try_from(fraction).unwrap_or(u8::MAX);
                Scales { own, column: *column }.cut(out);
            }
            Self::Text(_)
            | Self::Bytes(_)
            | Self::Bits(..)
            | Self::Date(_)
            | Self::DateTime(..)
            | Self::Time(..)
            | Self::Duration(..)
            | Self::UuidBytes(_)
            | Self::UuidText(_)
            | Self::Vector(..) => {}
        }
    }

    fn temporal(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Date(array) => match array.value(row) {
                ZERO_DATE => out.extend_from_slice(b"0000-00-00"),
                days => digits::date(days.into(), out),
            },
            Self::DateTime(array, digits) => match array.value(row) {
                ZERO_TIMESTAMP => out.extend_from_slice(b"0000-00-00 00:00:00"),
                micros => digits::datetime(micros, *digits, out),
            },
            Self::Time(array, digits) => digits::time(array.value(row), *digits, out),
            Self::Duration(array, digits) => digits::time(array.value(row), *digits, out),
            Self::Integers(_)
            | Self::Years(_)
            | Self::Float32(_)
            | Self::Float64(_)
            | Self::Decimal128(..)
            | Self::Decimal256(..)
            | Self::Number(..)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::Bits(..)
            | Self::UuidBytes(_)
            | Self::UuidText(_)
            | Self::Vector(..) => {}
        }
    }
}

/// The elements of a list as the servers store them: four bytes each, least first.
fn vector(lists: &ListArray, floats: &Float32Array, row: usize) -> Vec<u8> {
    let offsets = lists.value_offsets();
    let at = |index: usize| offsets.get(index).and_then(|offset| usize::try_from(*offset).ok());
    let (from, upto) = (at(row).unwrap_or(0), at(row + 1).unwrap_or(0));
    (from..upto).flat_map(|index| floats.value(index).to_le_bytes()).collect()
}

fn float(value: f64, out: &mut Vec<u8>) {
    // Writing into a Vec cannot fail.
    write!(out, "{value:e}").unwrap_or_default();
}

const fn load_special(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | b'\\')
}

/// Appends bytes with the four signs escaped that `LOAD DATA` would take for its own.
fn load_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // Without early exit, so that the compiler looks at many bytes at once.
    if !bytes.iter().fold(false, |found, byte| found | load_special(*byte)) {
        return out.extend_from_slice(bytes);
    }
    for byte in bytes {
        match byte {
            0 => out.extend_from_slice(b"\\0"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => out.push(*other),
        }
    }
}

const fn literal_special(byte: u8) -> bool {
    matches!(byte, 0 | b'\'' | b'\\')
}

fn quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    if bytes.iter().fold(false, |found, byte| found | literal_special(*byte)) {
        for byte in bytes {
            match byte {
                0 => out.extend_from_slice(b"\\0"),
                b'\'' => out.extend_from_slice(b"\\'"),
                b'\\' => out.extend_from_slice(b"\\\\"),
                other => out.push(*other),
            }
        }
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'\'');
}

fn hex_literal(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"x'");
    digits::hex(bytes, out);
    out.push(b'\'');
}
