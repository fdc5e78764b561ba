//! One column of a batch with its way of being written, chosen once per batch.

use std::ops::Range;

use arrow_array::{
    Array, ArrowPrimitiveType, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, DurationMicrosecondArray, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, ListArray, PrimitiveArray, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};

use arrow_buffer::NullBuffer;

use super::column::{Cells, Plain};
use super::{TextForm, TextRule};
use crate::digits;
use crate::pen::{Pen, Put, Room};

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
}

impl<'a> Integers<'a> {
    fn cells(self, form: TextForm) -> Cells<'a> {
        match self {
            Self::Boolean(array) => {
                Cells::Each(Box::new(|row, out| out.byte(b'0' + u8::from(array.value(row)))))
            }
            Self::Int8(array) => signed(array, form),
            Self::Int16(array) => signed(array, form),
            Self::Int32(array) => signed(array, form),
            Self::Int64(array) => signed(array, form),
            Self::UInt8(array) => unsigned(array, form),
            Self::UInt16(array) => unsigned(array, form),
            Self::UInt32(array) => unsigned(array, form),
            Self::UInt64(array) => unsigned(array, form),
        }
    }
}

fn signed<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, form: TextForm) -> Cells<'_>
where
    T::Native: Into<i64>,
{
    Cells::short(values(array), form, false, |value, out| digits::signed(value.into(), out))
}

fn unsigned<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, form: TextForm) -> Cells<'_>
where
    T::Native: Into<u64>,
{
    Cells::short(values(array), form, false, |value, out| digits::unsigned(value.into(), out))
}

fn values<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> (&[T::Native], Option<&NullBuffer>) {
    (array.values(), array.nulls())
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
    #[inline]
    fn cut(self, out: &mut impl Put) {
        if self.own > self.column {
            let point = usize::from(self.column == 0);
            out.cut_to(out.position() - usize::from(self.own - self.column) - point);
        }
    }
}

/// How the cells of `array` are written for a column of this rule; `None` when the two do not fit.
/// `rows` are those that will be.
pub(super) fn cells<'a>(
    rule: &TextRule,
    array: &'a dyn Array,
    rows: &Range<usize>,
    form: TextForm,
) -> Option<Cells<'a>> {
    let any = array.as_any();
    Some(match rule {
        TextRule::Integer { .. } | TextRule::Decimal { .. } => exact(rule, array, form)?,
        TextRule::Float => floats(array, form)?,
        TextRule::Text { .. }
        | TextRule::Enum { .. }
        | TextRule::Set { .. }
        | TextRule::Inet { .. }
        | TextRule::DateText { .. }
        | TextRule::Json { .. } => texts(any.downcast_ref()?, rows, form)?,
        TextRule::Binary { .. } => match any.downcast_ref::<BinaryArray>() {
            Some(array) => bytes(form, move |row, out| out(array.value(row))),
            None => texts(any.downcast_ref()?, rows, form)?,
        },
        TextRule::Bits { bits } => {
            let (array, width) = (any.downcast_ref()?, usize::from(bits.div_ceil(8)));
            numbered_bits(array, width, form)
        }
        TextRule::Date { .. } => {
            let array = any.downcast_ref::<Date32Array>()?;
            Cells::short(values(array), form, true, |days, out| match days {
                ZERO_DATE => out.bytes(b"0000-00-00"),
                days => digits::date(days.into(), out),
            })
        }
        TextRule::DateTime { digits, .. } => {
            let (array, digits) = (any.downcast_ref::<TimestampMicrosecondArray>()?, *digits);
            Cells::short(values(array), form, true, move |micros, out| match micros {
                ZERO_TIMESTAMP => out.bytes(b"0000-00-00 00:00:00"),
                micros => digits::datetime(micros, digits, out),
            })
        }
        TextRule::Time { digits, .. } => times(array, *digits, form)?,
        TextRule::UuidBytes => {
            let array = any.downcast_ref::<FixedSizeBinaryArray>()?;
            bytes(form, move |row, out| out(array.value(row)))
        }
        TextRule::UuidText => {
            let array = any.downcast_ref::<FixedSizeBinaryArray>()?;
            let (uuids, []) = array.value_data().as_chunks::<16>() else { return None };
            if uuids.len() != array.len() {
                return None;
            }
            Cells::short((uuids, array.nulls()), form, true, |uuid, out| digits::uuid(&uuid, out))
        }
        // A bare `0` or `70` would be read as a two-digit year.
        TextRule::Year => {
            let years = Integers::new(array)?;
            let quotes = usize::from(form.has_literals());
            Cells::Each(Box::new(move |row, out| {
                out.put([b'\''], quotes);
                digits::year(u64::try_from(years.value(row)).unwrap_or(0), out);
                out.put([b'\''], quotes);
            }))
        }
        TextRule::Vector { .. } => {
            let lists = any.downcast_ref::<ListArray>()?;
            let floats = lists.values().as_any().downcast_ref()?;
            bytes(form, move |row, out| out(&vector(lists, floats, row)))
        }
    })
}

/// Bytes that are no text; `value` hands over those of a row.
fn bytes<'a>(form: TextForm, value: impl Fn(usize, &mut dyn FnMut(&[u8])) + 'a) -> Cells<'a> {
    Cells::Each(match form {
        TextForm::Load => Box::new(move |row, out| value(row, &mut |bytes| load_bytes(bytes, out))),
        TextForm::Insert => {
            Box::new(move |row, out| value(row, &mut |bytes| hex_literal(bytes, out)))
        }
    })
}

/// Integers and decimals.
fn exact<'a>(rule: &TextRule, array: &'a dyn Array, form: TextForm) -> Option<Cells<'a>> {
    if let Some(integers) = Integers::new(array) {
        return Some(integers.cells(form));
    }
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<Decimal128Array>() {
        let scales = Scales::new(array.scale(), rule);
        let Scales { own, column } = scales;
        if own <= column {
            let write = move |value, out: &mut Room<'_>| digits::decimal(value, own, out);
            return Some(Cells::short(values(array), form, false, write));
        }
        return Some(Cells::short(values(array), form, false, move |value, out| {
            digits::decimal(value, own, out);
            scales.cut(out);
        }));
    }
    if let Some(array) = any.downcast_ref::<Decimal256Array>() {
        let scales = Scales::new(array.scale(), rule);
        return Some(Cells::Each(Box::new(move |row, out| {
            let text = array.value(row).to_string();
            if text.starts_with('-') {
                out.byte(b'-');
            }
            digits::decimal_text(text.trim_start_matches('-'), scales.own, out);
            scales.cut(out);
        })));
    }
    let TextRule::Decimal { scale: column, .. } = *rule else { return None };
    let array = any.downcast_ref::<StringArray>()?;
    Some(Cells::Each(Box::new(move |row, out| {
        let text = array.value(row);
        out.bytes(text.as_bytes());
        let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let own = u8::try_from(fraction).unwrap_or(u8::MAX);
        Scales { own, column }.cut(out);
    })))
}

fn floats(array: &dyn Array, form: TextForm) -> Option<Cells<'_>> {
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<Float64Array>() {
        return Some(Cells::short(values(array), form, false, move |value, out| {
            float(value, form, out);
        }));
    }
    // The double that a float widens to has digits that every server reads back to it; the float's
    // own shortest digits may round to a value out of range.
    if let Some(array) = any.downcast_ref::<Float32Array>() {
        return Some(Cells::short(values(array), form, false, move |value, out| {
            float(value.into(), form, out);
        }));
    }
    Integers::new(array).map(|integers| integers.cells(form))
}

fn numbered_bits(array: &UInt64Array, width: usize, form: TextForm) -> Cells<'_> {
    match form {
        TextForm::Load => Cells::Each(Box::new(move |row, out| {
            let value = array.value(row).to_be_bytes();
            load_bytes(value.split_at(value.len() - width).1, out);
        })),
        TextForm::Insert => unsigned(array, form),
    }
}

fn times(array: &dyn Array, digits: u8, form: TextForm) -> Option<Cells<'_>> {
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<Time64MicrosecondArray>() {
        return Some(Cells::short(values(array), form, true, move |micros, out| {
            digits::time(micros, digits, out);
        }));
    }
    let array = any.downcast_ref::<DurationMicrosecondArray>()?;
    Some(Cells::short(values(array), form, true, move |micros, out| {
        digits::time(micros, digits, out);
    }))
}

/// The elements of a list as the servers store them: four bytes each, least first.
fn vector(lists: &ListArray, floats: &Float32Array, row: usize) -> Vec<u8> {
    let offsets = lists.value_offsets();
    let at = |index: usize| offsets.get(index).and_then(|offset| usize::try_from(*offset).ok());
    let (from, upto) = (at(row).unwrap_or(0), at(row + 1).unwrap_or(0));
    (from..upto).flat_map(|index| floats.value(index).to_le_bytes()).collect()
}

/// The shortest digits that mean the same double. A literal without an exponent would be a decimal,
/// which has no negative zero.
fn float(value: f64, form: TextForm, out: &mut impl Put) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    out.bytes(text.as_bytes());
    if form == TextForm::Insert && !text.contains('e') {
        out.put(*b"e0", 2);
    }
}

/// Texts. All those of `rows` are looked through at once, many bytes at a time, for signs that must
/// be escaped; without any a text is a plain copy. Behind a null may stand anything, which costs a
/// second look and nothing else.
fn texts<'a>(array: &'a StringArray, rows: &Range<usize>, form: TextForm) -> Option<Cells<'a>> {
    let (offsets, data) = (array.value_offsets(), array.value_data());
    let offset = |row: usize| offsets.get(row).and_then(|at| usize::try_from(*at).ok());
    let used = data.get(offset(rows.start)?..offset(rows.end)?)?;
    let special = match form {
        TextForm::Load => used.iter().fold(false, |any, byte| any | load_special(*byte)),
        TextForm::Insert => used.iter().fold(false, |any, byte| any | literal_special(*byte)),
    };
    if !special {
        return Some(Cells::Plain(Plain { offsets, data }));
    }
    let text = |row: usize| array.value(row).as_bytes();
    Some(Cells::Each(match form {
        TextForm::Load => Box::new(move |row, out| load_bytes(text(row), out)),
        TextForm::Insert => Box::new(move |row, out| {
            out.byte(b'\'');
            escaped(text(row), out, literal_special);
            out.byte(b'\'');
        }),
    }))
}

const fn load_special(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | b'\\')
}

/// What stands behind the backslash of an escaped sign.
const fn escape(special: u8) -> u8 {
    match special {
        0 => b'0',
        b'\t' => b't',
        b'\n' => b'n',
        other => other,
    }
}

const fn literal_special(byte: u8) -> bool {
    matches!(byte, 0 | b'\'' | b'\\')
}

/// Appends bytes with the signs escaped that `LOAD DATA` would take for its own.
fn load_bytes(bytes: &[u8], out: &mut Pen<'_>) {
    escaped(bytes, out, load_special);
}

/// Appends bytes with a backslash before special ones. Sixteen are looked at together and without
/// early exit, so that the compiler compares them all at once.
#[inline]
fn escaped(bytes: &[u8], out: &mut Pen<'_>, special: impl Fn(u8) -> bool) {
    let any_special = |bytes: &[u8]| bytes.iter().fold(false, |any, byte| any | special(*byte));
    let (chunks, rest) = bytes.as_chunks::<16>();
    for chunk in chunks {
        if any_special(chunk) {
            escape_each(chunk, out, &special);
        } else {
            out.put(*chunk, chunk.len());
        }
    }
    if any_special(rest) {
        escape_each(rest, out, &special);
    } else {
        out.bytes(rest);
    }
}

fn escape_each(bytes: &[u8], out: &mut Pen<'_>, special: &impl Fn(u8) -> bool) {
    for byte in bytes {
        if special(*byte) {
            out.put([b'\\', escape(*byte)], 2);
        } else {
            out.byte(*byte);
        }
    }
}

fn hex_literal(bytes: &[u8], out: &mut Pen<'_>) {
    out.bytes(b"x'");
    digits::hex(bytes, out);
    out.byte(b'\'');
}
