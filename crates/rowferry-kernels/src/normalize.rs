//! What becomes of values beyond the limits of their column.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, StringArray, cast::AsArray, make_array,
    types as t,
};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};
use arrow_schema::{DataType, TimeUnit};
use rowferry_core::{Policy, ValueLimits};

use crate::limits::unit_of;
use crate::{KernelError, Misfit, Rule, misfits};

/// How often a policy was applied for one rule.
pub type Applied = BTreeMap<Rule, u64>;

/// A column whose values fit, but for the misfits that are left.
#[derive(Clone, Debug)]
pub struct Normalized {
    /// The values. The same array when nothing was changed.
    pub array: ArrayRef,
    /// Values that were changed, by the rule they broke.
    pub applied: Applied,
    /// Values that still do not fit, in row order: all of them under `strict` and `skip_row`, and
    /// those that the policy has no answer for.
    pub misfits: Vec<Misfit>,
}

/// Applies `policy` to the values of `array` beyond `limits` and to those that are already known to
/// be none (`unconverted`, null in `array`).
///
/// `clamp` moves infinities, dates and times to the nearest value inside. `replace` puts its text in
/// the place of characters that cannot be stored, or of a whole word that is none of the column's
/// labels. Neither has an answer for anything else.
///
/// # Nulls
///
/// Nulls are inside the limits and stay null, except that a null in `unconverted` stands for a
/// value and is counted as one.
///
/// # Errors
///
/// [`KernelError`] when the array is not one of a canonical type.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{Array, ArrayRef, Float64Array};
/// # use rowferry_core::{Policy, ValueLimits};
/// # use rowferry_kernels::{Rule, normalize};
/// let rates: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::NAN]));
/// let finite = ValueLimits::Float { nan: false, infinite: false };
/// let done = normalize(&rates, Vec::new(), &finite, &Policy::Null)?;
/// assert!(done.array.is_null(1) && done.misfits.is_empty());
/// assert_eq!(done.applied[&Rule::Nan], 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn normalize(
    array: &ArrayRef,
    unconverted: Vec<Misfit>,
    limits: &ValueLimits,
    policy: &Policy,
) -> Result<Normalized, KernelError> {
    let mut found = misfits(array, limits)?;
    let beyond = found.len();
    found.extend(unconverted);
    if found.len() > beyond {
        found.sort_unstable();
    }
    let unchanged =
        Normalized { array: Arc::clone(array), applied: Applied::new(), misfits: found };
    if unchanged.misfits.is_empty() {
        return Ok(unchanged);
    }
    match policy {
        Policy::Strict | Policy::SkipRow => Ok(unchanged),
        Policy::Null => {
            let array = nulled(array, &unchanged.misfits)?;
            let mut applied = Applied::new();
            for misfit in &unchanged.misfits {
                *applied.entry(misfit.rule).or_default() += 1;
            }
            Ok(Normalized { array, applied, misfits: Vec::new() })
        }
        Policy::Clamp => amended(unchanged, clamped(array, limits), limits),
        Policy::Replace(text) => {
            let replaced = replaced(array, &unchanged.misfits, limits, text);
            amended(unchanged, replaced, limits)
        }
    }
}

/// Puts null in the place of every misfit.
fn nulled(array: &ArrayRef, misfits: &[Misfit]) -> Result<ArrayRef, KernelError> {
    let mut valid = BooleanBufferBuilder::new(array.len());
    match array.nulls() {
        Some(nulls) => valid.append_buffer(nulls.inner()),
        None => valid.append_n(array.len(), true),
    }
    for misfit in misfits {
        valid.set_bit(misfit.row, false);
    }
    let nulls = NullBuffer::new(valid.finish());
    let data = array.to_data().into_builder().nulls(Some(nulls)).build();
    data.map(make_array).map_err(|error| KernelError::Arrow(error.to_string()))
}

/// Counts what `changed` mended and keeps the rest; nothing when the policy has no answer here.
fn amended(
    before: Normalized,
    changed: Option<ArrayRef>,
    limits: &ValueLimits,
) -> Result<Normalized, KernelError> {
    let Some(array) = changed else { return Ok(before) };
    let left = misfits(&array, limits)?;
    let mut applied = Applied::new();
    let mut kept = Vec::new();
    for misfit in before.misfits {
        // A value that had no twin at all is null and thus not found again.
        if array.is_null(misfit.row) || left.iter().any(|still| still.row == misfit.row) {
            kept.push(misfit);
        } else {
            *applied.entry(misfit.rule).or_default() += 1;
        }
    }
    Ok(Normalized { array, applied, misfits: kept })
}

/// Dates, times and infinities at the nearest value inside.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else has a nearest value")]
fn clamped(array: &ArrayRef, limits: &ValueLimits) -> Option<ArrayRef> {
    match limits {
        ValueLimits::Float { nan: _, infinite: false } => match array.data_type() {
            DataType::Float64 => Some(mapped::<t::Float64Type>(array, |value| {
                if value.is_nan() { value } else { value.clamp(f64::MIN, f64::MAX) }
            })),
            DataType::Float32 => Some(mapped::<t::Float32Type>(array, |value| {
                if value.is_nan() { value } else { value.clamp(f32::MIN, f32::MAX) }
            })),
            _ => None,
        },
        ValueLimits::Temporal { min, max, infinite, zero: _, digits } => {
            let nearest =
                Nearest { min: *min, max: *max, infinite: *infinite, unit: unit_of(*digits) };
            match array.data_type() {
                DataType::Date32 => {
                    let nearest = Nearest { unit: 1, ..nearest };
                    Some(mapped::<t::Date32Type>(array, |days| nearest.date(days)))
                }
                DataType::Timestamp(TimeUnit::Microsecond, _) => {
                    Some(mapped::<t::TimestampMicrosecondType>(array, |micros| {
                        nearest.timestamp(micros)
                    }))
                }
                DataType::Time64(TimeUnit::Microsecond) => {
                    Some(mapped::<t::Time64MicrosecondType>(array, |micros| nearest.to(micros)))
                }
                DataType::Duration(TimeUnit::Microsecond) => {
                    Some(mapped::<t::DurationMicrosecondType>(array, |micros| nearest.to(micros)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn mapped<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    value: impl Fn(T::Native) -> T::Native,
) -> ArrayRef {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let mapped: PrimitiveArray<T> = array.unary(value);
    // `unary` forgets a time zone.
    Arc::new(mapped.with_data_type(array.data_type().clone()))
}

/// The nearest value of a column of times.
struct Nearest {
    min: i64,
    max: i64,
    infinite: bool,
    unit: i64,
}

impl Nearest {
    fn to(&self, value: i64) -> i64 {
        let down = value.div_euclid(self.unit).saturating_mul(self.unit);
        let up = down.saturating_add(self.unit);
        let near = if i128::from(value) - i128::from(down) < i128::from(up) - i128::from(value) {
            down
        } else {
            up
        };
        // The greatest value is cut down to the digits of the column, never up beyond it.
        let max = self.max.div_euclid(self.unit).saturating_mul(self.unit);
        let min = self.min.saturating_add(self.unit - 1).div_euclid(self.unit);
        let near = if value % self.unit == 0 { value } else { near };
        near.max(min.saturating_mul(self.unit)).min(max)
    }

    fn timestamp(&self, micros: i64) -> i64 {
        match micros {
            crate::clock_text::ZERO_TIMESTAMP => micros,
            i64::MIN | i64::MAX if self.infinite => micros,
            micros => self.to(micros),
        }
    }

    fn date(&self, days: i32) -> i32 {
        match days {
            crate::clock_text::ZERO_DATE => days,
            i32::MIN | i32::MAX if self.infinite => days,
            // The bounds of a column of dates are dates.
            days => i32::try_from(self.to(days.into())).unwrap_or(days),
        }
    }
}

/// Texts with `text` in the place of what cannot be stored.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else has characters")]
fn replaced(
    array: &ArrayRef,
    misfits: &[Misfit],
    limits: &ValueLimits,
    text: &str,
) -> Option<ArrayRef> {
    let strings = array.as_string_opt::<i32>()?;
    let (nul, bmp_only) = match limits {
        ValueLimits::Text { nul, bmp_only, .. } => (*nul, *bmp_only),
        ValueLimits::Labels(_) => (true, false),
        _ => return None,
    };
    let mut marked = misfits.iter().peekable();
    let values = strings.iter().enumerate().map(|(row, value)| {
        let misfit = marked.next_if(|misfit| misfit.row == row);
        match (value, misfit.map(|misfit| misfit.rule)) {
            (None, _) => None,
            (Some(_), Some(Rule::Label)) => Some(text.to_owned()),
            (Some(value), Some(_)) => Some(
                value
                    .split(|letter| letter == '\0' && !nul || letter > '\u{FFFF}' && bmp_only)
                    .collect::<Vec<_>>()
                    .join(text),
            ),
            (Some(value), None) => Some(value.to_owned()),
        }
    });
    let values: StringArray = values.collect();
    Some(Arc::new(values))
}
