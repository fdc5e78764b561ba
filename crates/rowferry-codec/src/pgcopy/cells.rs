//! One writer per column: the cells of a block of rows, first measured and then written.

use std::{collections::HashSet, ops::Range};

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray,
    cast::AsArray,
    types::{
        Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_buffer::NullBuffer;
use rowferry_core::CanonicalType;

use super::{
    ColumnCodec, PgType, calendar,
    columns::Broken,
    encode::{put, put_slice},
    numeric::{self, Fit},
    rule::Rule,
    uuid,
};

/// Length word of a NULL.
const NULL_FIELD: [u8; 4] = (-1_i32).to_be_bytes();
/// Bytes of a length word.
const LENGTH_BYTES: usize = 4;

/// Writes the cells of one column.
pub(super) trait Cells {
    /// Adds each row's bytes to `sizes`, length word included.
    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken>;
    /// Writes each row's cell at its place and moves the place behind it.
    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken>;
}

type BoxedCells<'a> = Option<Box<dyn Cells + 'a>>;

/// Cells of `N` bytes, converted one by one.
struct Fixed<'a, T, F, const N: usize> {
    values: &'a [T],
    nulls: Option<&'a NullBuffer>,
    convert: F,
}

impl<T: Copy, F: Fn(T) -> Result<[u8; N], Rule>, const N: usize> Cells for Fixed<'_, T, F, N> {
    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        for (row, size) in rows.zip(sizes) {
            let is_null = self.nulls.is_some_and(|nulls| nulls.is_null(row));
            *size += LENGTH_BYTES + if is_null { 0 } else { N };
        }
        Ok(())
    }

    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken> {
        // Every fixed width is below 2^31.
        let length = u32::try_from(N).unwrap_or(u32::MAX).to_be_bytes();
        let values = self.values.get(rows.clone()).unwrap_or_default();
        for ((row, value), place) in rows.zip(values).zip(places) {
            if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                put(out, place, NULL_FIELD);
                continue;
            }
            let bytes = (self.convert)(*value).map_err(|rule| (row, rule))?;
            put(out, place, length);
            put(out, place, bytes);
        }
        Ok(())
    }
}

/// Cells that are the array's own bytes, perhaps behind a version byte.
struct Slices<'a, F> {
    offsets: &'a [i32],
    data: &'a [u8],
    nulls: Option<&'a NullBuffer>,
    version: &'static [u8],
    check: F,
}

impl<F> Slices<'_, F> {
    #[inline]
    fn value(&self, row: usize) -> Option<&[u8]> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let start = usize::try_from(*self.offsets.get(row)?).ok()?;
        let end = usize::try_from(*self.offsets.get(row + 1)?).ok()?;
        self.data.get(start..end)
    }
}

impl<F: Fn(&[u8]) -> Result<(), Rule>> Cells for Slices<'_, F> {
    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        for (row, size) in rows.zip(sizes) {
            *size += LENGTH_BYTES;
            if let Some(value) = self.value(row) {
                (self.check)(value).map_err(|rule| (row, rule))?;
                *size += self.version.len() + value.len();
            }
        }
        Ok(())
    }

    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken> {
        for (row, place) in rows.zip(places) {
            let Some(value) = self.value(row) else {
                put(out, place, NULL_FIELD);
                continue;
            };
            put(out, place, length_word(self.version.len() + value.len()));
            if !self.version.is_empty() {
                put_slice(out, place, self.version);
            }
            put_slice(out, place, value);
        }
        Ok(())
    }
}

/// Cells whose bytes must be made before their length is known; a block of them is kept.
struct Staged<'a, F> {
    nulls: Option<&'a NullBuffer>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    append: F,
}

impl<F: Fn(usize, &mut Vec<u8>) -> Result<(), Rule>> Cells for Staged<'_, F> {
    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        self.bytes.clear();
        self.ends.clear();
        for (row, size) in rows.zip(sizes) {
            let start = self.bytes.len();
            if !self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                (self.append)(row, &mut self.bytes).map_err(|rule| (row, rule))?;
            }
            self.ends.push(self.bytes.len());
            *size += LENGTH_BYTES + self.bytes.len() - start;
        }
        Ok(())
    }

    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken> {
        let mut start = 0;
        for ((row, end), place) in rows.zip(&self.ends).zip(places) {
            if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                put(out, place, NULL_FIELD);
            } else {
                put(out, place, length_word(end - start));
                put_slice(out, place, self.bytes.get(start..*end).unwrap_or_default());
            }
            start = *end;
        }
        Ok(())
    }
}

fn length_word(length: usize) -> [u8; 4] {
    // Arrow's 32-bit offsets keep every value below 2^31 bytes.
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// The writer of a column's cells; `None` where [`super::can_encode`] says no. Checks that need
/// one look at all values are made here.
pub(super) fn cells<'a>(
    column: &'a ColumnCodec,
    array: &'a ArrayRef,
) -> Result<BoxedCells<'a>, Broken> {
    use CanonicalType as C;
    let pg = &column.pg;
    if !super::can_encode(&column.canonical, pg) {
        return Ok(None);
    }
    Ok(match &column.canonical {
        // Booleans come as numbers 0 and 1.
        C::Boolean | C::UInt8 => integers(array.as_primitive::<UInt8Type>(), pg),
        C::Int8 => integers(array.as_primitive::<Int8Type>(), pg),
        C::Int16 => integers(array.as_primitive::<Int16Type>(), pg),
        C::Int32 => integers(array.as_primitive::<Int32Type>(), pg),
        C::Int64 => integers(array.as_primitive::<Int64Type>(), pg),
        C::UInt16 => integers(array.as_primitive::<UInt16Type>(), pg),
        C::UInt32 => integers(array.as_primitive::<UInt32Type>(), pg),
        C::UInt64 => integers(array.as_primitive::<UInt64Type>(), pg),
        C::Bits { bits } => bit_strings(array.as_primitive::<UInt64Type>(), *bits, pg),
        C::Float32 => float32(array.as_primitive::<Float32Type>(), pg),
        C::Float64 => float64(array.as_primitive::<Float64Type>(), pg),
        C::Decimal { precision, scale } => decimals(array, *precision, *scale, pg),
        C::DecimalText | C::Text { .. } | C::Enum { .. } | C::Json { .. } => texts(array, pg)?,
        C::Binary { .. } => binaries(array, pg),
        C::Date => fixed(array.as_primitive::<Date32Type>(), |days| {
            calendar::date_to_pg(days).map(i32::to_be_bytes)
        }),
        C::Time { .. } => times(array.as_primitive::<Time64MicrosecondType>(), pg),
        C::Duration { .. } => durations(array.as_primitive::<DurationMicrosecondType>(), pg),
        C::Timestamp { .. } | C::Instant { .. } => {
            timestamps(array.as_primitive::<TimestampMicrosecondType>(), pg)
        }
        C::Uuid => uuids(array, pg),
        C::Set { .. }
        | C::BitString { .. }
        | C::Interval
        | C::TimeTz
        | C::List { .. }
        | C::Geometry { .. }
        | C::Opaque { .. }
        | C::Variant => return Ok(None),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all arms of the type table")]
fn fixed<'a, T: ArrowPrimitiveType, const N: usize>(
    array: &'a PrimitiveArray<T>,
    convert: impl Fn(T::Native) -> Result<[u8; N], Rule> + 'a,
) -> BoxedCells<'a> {
    Some(Box::new(Fixed { values: array.values(), nulls: array.nulls(), convert }))
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all arms of the type table")]
fn staged<'a>(
    nulls: Option<&'a NullBuffer>,
    append: impl Fn(usize, &mut Vec<u8>) -> Result<(), Rule> + 'a,
) -> BoxedCells<'a> {
    Some(Box::new(Staged { nulls, bytes: Vec::new(), ends: Vec::new(), append }))
}

/// Integers of any width into whatever holds integers.
fn integers<'a, T>(array: &'a PrimitiveArray<T>, pg: &PgType) -> BoxedCells<'a>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128>,
{
    fn narrow<I: Into<i128>, O: TryFrom<i128>>(value: I) -> Result<O, Rule> {
        O::try_from(value.into()).map_err(|_range| Rule::RANGE)
    }
    match pg {
        PgType::Bool => fixed(array, |value| match value.into() {
            0_i128 => Ok([0]),
            1 => Ok([1]),
            _ => Err(Rule::NOT_BOOL),
        }),
        PgType::Int2 => fixed(array, |value| narrow::<_, i16>(value).map(i16::to_be_bytes)),
        PgType::Int4 => fixed(array, |value| narrow::<_, i32>(value).map(i32::to_be_bytes)),
        PgType::Int8 => fixed(array, |value| narrow::<_, i64>(value).map(i64::to_be_bytes)),
        PgType::Oid => fixed(array, |value| narrow::<_, u32>(value).map(u32::to_be_bytes)),
        PgType::Float4 => fixed(array, |value| exact_f32(value.into()).map(f32::to_be_bytes)),
        PgType::Float8 => fixed(array, |value| exact_f64(value.into()).map(f64::to_be_bytes)),
        PgType::Numeric { precision_scale } => {
            let fit = Fit::of(*precision_scale);
            staged(array.nulls(), move |row, out| {
                let value: i128 = array.value(row).into();
                fit.check(value.unsigned_abs(), 0)?;
                numeric::from_i128(value, 0, out);
                Ok(())
            })
        }
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "checked after")]
fn exact_f32(value: i128) -> Result<f32, Rule> {
    let float = value as f32;
    if float as i128 == value { Ok(float) } else { Err(Rule::INEXACT) }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "checked after")]
fn exact_f64(value: i128) -> Result<f64, Rule> {
    let float = value as f64;
    if float as i128 == value { Ok(float) } else { Err(Rule::INEXACT) }
}

fn float32<'a>(array: &'a PrimitiveArray<Float32Type>, pg: &PgType) -> BoxedCells<'a> {
    if *pg == PgType::Float4 {
        fixed(array, |value| Ok(value.to_be_bytes()))
    } else {
        fixed(array, |value| Ok(f64::from(value).to_be_bytes()))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the bits are compared after the cast")]
fn float64<'a>(array: &'a PrimitiveArray<Float64Type>, pg: &PgType) -> BoxedCells<'a> {
    if *pg == PgType::Float8 {
        return fixed(array, |value| Ok(value.to_be_bytes()));
    }
    fixed(array, |value| {
        let narrow = value as f32;
        if f64::from(narrow).to_bits() == value.to_bits() {
            Ok(narrow.to_be_bytes())
        } else {
            Err(Rule::INEXACT)
        }
    })
}

fn decimals<'a>(array: &'a ArrayRef, precision: u8, scale: u8, pg: &PgType) -> BoxedCells<'a> {
    let PgType::Numeric { precision_scale } = pg else { return None };
    let fit = Fit::of(*precision_scale);
    if precision > 38 {
        let array = array.as_primitive::<Decimal256Type>();
        return staged(array.nulls(), move |row, out| {
            numeric::from_i256(array.value(row), scale, fit, out)
        });
    }
    let array = array.as_primitive::<Decimal128Type>();
    let values = array.values();
    if fit.takes_all(precision, scale) {
        return staged(array.nulls(), move |row, out| {
            numeric::from_i128(values.get(row).copied().unwrap_or_default(), scale, out);
            Ok(())
        });
    }
    staged(array.nulls(), move |row, out| {
        let value = values.get(row).copied().unwrap_or_default();
        fit.check(value.unsigned_abs(), scale)?;
        numeric::from_i128(value, scale, out);
        Ok(())
    })
}

fn bit_strings<'a>(array: &'a PrimitiveArray<UInt64Type>, bits: u8, pg: &PgType) -> BoxedCells<'a> {
    if !matches!(pg, PgType::Bit { .. }) {
        return integers(array, pg);
    }
    let bytes = usize::from(bits).div_ceil(8);
    staged(array.nulls(), move |row, out| {
        let value = array.value(row);
        let free = 64 - u32::from(bits);
        // The first bit goes to the highest place of the first byte.
        let aligned = value.checked_shl(free).unwrap_or(0);
        if aligned.checked_shr(free).unwrap_or(0) != value {
            return Err(Rule::BITS);
        }
        out.extend_from_slice(&u32::from(bits).to_be_bytes());
        out.extend_from_slice(aligned.to_be_bytes().get(..bytes).unwrap_or_default());
        Ok(())
    })
}

fn times<'a>(array: &'a PrimitiveArray<Time64MicrosecondType>, pg: &PgType) -> BoxedCells<'a> {
    let PgType::Time { digits } = pg else { return None };
    let step = calendar::step(*digits);
    fixed(array, move |micros| calendar::time_to_pg(micros, step).map(i64::to_be_bytes))
}

fn durations<'a>(
    array: &'a PrimitiveArray<DurationMicrosecondType>,
    pg: &PgType,
) -> BoxedCells<'a> {
    if let PgType::Time { digits } = pg {
        let step = calendar::step(*digits);
        return fixed(array, move |micros| {
            calendar::time_to_pg(micros, step).map(i64::to_be_bytes)
        });
    }
    // Days and months stay zero: a length of time is never turned into calendar units.
    let PgType::Interval { digits } = pg else { return None };
    let step = calendar::step(*digits);
    fixed(array, move |micros| {
        calendar::whole_steps(micros, step).map(|micros| (i128::from(micros) << 64).to_be_bytes())
    })
}

fn timestamps<'a>(
    array: &'a PrimitiveArray<TimestampMicrosecondType>,
    pg: &PgType,
) -> BoxedCells<'a> {
    let (PgType::Timestamp { digits } | PgType::TimestampTz { digits }) = pg else { return None };
    let step = calendar::step(*digits);
    fixed(array, move |micros| calendar::timestamp_to_pg(micros, step).map(i64::to_be_bytes))
}

fn uuids<'a>(array: &'a ArrayRef, pg: &PgType) -> BoxedCells<'a> {
    let array = array.as_fixed_size_binary();
    let is_text = !matches!(pg, PgType::Uuid | PgType::Bytea);
    if let PgType::Varchar { chars: Some(chars) } = pg
        && (*chars as usize) < uuid::TEXT_BYTES
    {
        return staged(array.nulls(), |_row, _out| Err(Rule::CHARS));
    }
    staged(array.nulls(), move |row, out| {
        if is_text {
            uuid::to_text(array.value(row), out);
        } else {
            out.extend_from_slice(array.value(row));
        }
        Ok(())
    })
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all arms of the type table")]
fn binaries<'a>(array: &'a ArrayRef, pg: &PgType) -> BoxedCells<'a> {
    let array = array.as_binary::<i32>();
    let is_uuid = *pg == PgType::Uuid;
    Some(Box::new(Slices {
        offsets: array.value_offsets(),
        data: array.value_data(),
        nulls: array.nulls(),
        version: &[],
        check: move |value: &[u8]| {
            if is_uuid && value.len() != 16 { Err(Rule::UUID) } else { Ok(()) }
        },
    }))
}

fn texts<'a>(array: &'a ArrayRef, pg: &'a PgType) -> Result<BoxedCells<'a>, Broken> {
    let array = array.as_string::<i32>();
    let (offsets, data, nulls) = (array.value_offsets(), array.value_data(), array.nulls());
    let slices = |version, check| -> BoxedCells<'a> {
        let check: fn(&[u8]) -> Result<(), Rule> = check;
        Some(Box::new(Slices { offsets, data, nulls, version, check }))
    };
    if let PgType::Numeric { precision_scale } = pg {
        let fit = Fit::of(*precision_scale);
        return Ok(staged(nulls, move |row, out| {
            numeric::from_text(array.value(row).as_bytes(), fit, out)
        }));
    }
    refuse_nul(array)?;
    Ok(match pg {
        PgType::Uuid => staged(nulls, move |row, out| {
            let uuid = uuid::from_text(array.value(row).as_bytes()).ok_or(Rule::UUID)?;
            out.extend_from_slice(&uuid);
            Ok(())
        }),
        PgType::Enum { labels } => {
            let labels: HashSet<&[u8]> = labels.iter().map(String::as_bytes).collect();
            let check = move |value: &[u8]| {
                if labels.contains(value) { Ok(()) } else { Err(Rule::LABEL) }
            };
            Some(Box::new(Slices { offsets, data, nulls, version: &[], check }))
        }
        PgType::Varchar { chars: Some(chars) } => {
            let chars = *chars as usize;
            let check = move |value: &[u8]| fits_chars(value, chars);
            Some(Box::new(Slices { offsets, data, nulls, version: &[], check }))
        }
        PgType::Bpchar { chars } => {
            let chars = chars.map_or(usize::MAX, |chars| chars as usize);
            let check = move |value: &[u8]| match value.last() {
                Some(b' ') => Err(Rule::BLANKS),
                _ => fits_chars(value, chars),
            };
            Some(Box::new(Slices { offsets, data, nulls, version: &[], check }))
        }
        // The version of jsonb's text form.
        PgType::Jsonb => slices(&[1], |_| Ok(())),
        PgType::Text | PgType::Varchar { chars: None } | PgType::Json => slices(&[], |_| Ok(())),
        _ => None,
    })
}

/// Characters are counted, since the server counts them; a text with no more bytes needs no count.
#[inline]
fn fits_chars(value: &[u8], chars: usize) -> Result<(), Rule> {
    // Every byte but a continuation starts a character.
    let count = || value.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    if value.len() <= chars || count() <= chars { Ok(()) } else { Err(Rule::CHARS) }
}

/// One look at all values, and at single rows only when something was found: a slot behind a null
/// may hold anything.
fn refuse_nul(array: &arrow_array::StringArray) -> Result<(), Broken> {
    let ends = array.value_offsets();
    let place = |end: Option<&i32>| end.and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
    let used = array.value_data().get(place(ends.first())..place(ends.last()));
    if !used.unwrap_or_default().contains(&0) {
        return Ok(());
    }
    let has_nul = |value: Option<&str>| value.is_some_and(|value| value.as_bytes().contains(&0));
    match array.iter().position(has_nul) {
        Some(row) => Err((row, Rule::NUL)),
        None => Ok(()),
    }
}
