//! From the arrays that arrive to those of the plan.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, make_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
use arrow::util::display::FormatOptions;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use rowferry_core::{CanonicalType, Column, ConnectorError, ErrorClass, Result, TableRef};

use crate::error::USE_NATIVE;
use crate::forms::{self, Form};

/// A value that does not go is an error and no NULL.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// How the canonical types hold the zero date.
const ZERO_DATE: i32 = i32::MIN + 1;
const ZERO_MOMENT: i64 = i64::MIN + 1;

/// The columns of a read, with what they are to become.
pub(crate) struct Arrival {
    table: TableRef,
    columns: Vec<(Column, Form, CanonicalType)>,
    schema: SchemaRef,
}

impl Arrival {
    pub(crate) fn new(table: &TableRef, columns: &[Column]) -> Result<Self> {
        let planned = columns.iter().map(|column| {
            let form = forms::form(column)?;
            Some((column.clone(), form, column.canonical.clone()?))
        });
        let planned: Option<Vec<_>> = planned.collect();
        let columns =
            planned.ok_or_else(|| ConnectorError::bug("a refused column was read after all"))?;
        let fields: Vec<_> =
            columns.iter().map(|(column, _, canonical)| canonical.field(&column.name)).collect();
        Ok(Self { table: table.clone(), columns, schema: Arc::new(Schema::new(fields)) })
    }

    /// The expressions to ask for.
    pub(crate) fn expressions(&self) -> Vec<String> {
        self.columns.iter().map(|(_, form, _)| form.expression.to_owned()).collect()
    }

    /// The batch as planned. Arrays are copied: those of one message share its memory, and each would
    /// count the whole of it.
    pub(crate) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.columns.len() {
            return Err(self.not_as_asked("another number of columns"));
        }
        let arrays: Result<Vec<ArrayRef>> = self
            .columns
            .iter()
            .zip(batch.columns())
            .map(|((column, form, canonical), array)| self.array(column, form, canonical, array))
            .collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays?)
            .map_err(|error| ConnectorError::bug("columns do not make a batch").with_source(error))
    }

    fn array(
        &self,
        column: &Column,
        form: &Form,
        canonical: &CanonicalType,
        array: &ArrayRef,
    ) -> Result<ArrayRef> {
        if !is_as_asked(array.data_type(), &form.arrives) {
            let words = format!(
                "{} for column {:?} and not {}",
                array.data_type(),
                column.name,
                form.arrives
            );
            return Err(self.not_as_asked(&words));
        }
        if form.within.as_ref().is_some_and(|range| !is_within(array, range, form.zero)) {
            let what = "a date or time that ConnectorX does not tell from another";
            return Err(if form.beyond_is_text {
                self.unrepresentable(column, what)
            } else {
                self.not_carried(column, what)
            });
        }
        if let CanonicalType::Enum { labels } = canonical
            && !are_labels(array, labels)
        {
            return Err(self.unrepresentable(column, "a value that is none of the labels"));
        }
        let named = form.zero.map(|zero| with_zero_dates(array, zero));
        converted(named.as_ref().unwrap_or(array), &canonical.arrow()).map_err(|error| {
            let what = if matches!(canonical, CanonicalType::Decimal { .. }) {
                "NaN, or a number beyond the column's type"
            } else {
                "a value beyond the column's type"
            };
            self.unrepresentable(column, what).with_source(error)
        })
    }

    fn not_as_asked(&self, words: &str) -> ConnectorError {
        let message = format!("could not read table {}: ConnectorX sent {words}", self.table);
        ConnectorError::new(ErrorClass::Conflict, "not-as-asked", message).with_next(
            "Run again if the table was altered meanwhile; else build the helper program anew.",
        )
    }

    /// Ends the read: as text the column would not be what our own reader makes of it.
    fn not_carried(&self, column: &Column, what: &str) -> ConnectorError {
        let name = &column.name;
        let message = format!("column {name:?} of table {} holds {what}", self.table);
        ConnectorError::new(ErrorClass::Data, "not-carried", message)
            .with_column(name)
            .with_next(format!("{USE_NATIVE} takes it as it is."))
    }

    fn unrepresentable(&self, column: &Column, what: &str) -> ConnectorError {
        let name = &column.name;
        let message = format!("column {name:?} of table {} holds {what}", self.table);
        ConnectorError::new(ErrorClass::Data, "unrepresentable", message)
            .with_column(name)
            .with_next(format!(
                "{USE_NATIVE} takes it as it is. Or keep it as it is written: set under `casts` \
                 `{name}: \"text\"`."
            ))
    }
}

/// Equal, or a narrower integer: MariaDB gives expressions the width of the numbers that it expects.
fn is_as_asked(came: &DataType, asked: &DataType) -> bool {
    let narrower = came.primitive_width() <= asked.primitive_width();
    let signed = came.is_signed_integer() && asked.is_signed_integer();
    let unsigned = came.is_unsigned_integer() && asked.is_unsigned_integer();
    came == asked || (narrower && (signed || unsigned))
}

fn converted(array: &ArrayRef, into: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    match (array.data_type(), into) {
        (from, into) if from == into => copied(array),
        // The same moments under another name of the zone.
        (DataType::Timestamp(..), DataType::Timestamp(_, zone)) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>().clone();
            let moments: ArrayRef = Arc::new(moments.with_timezone_opt(zone.clone()));
            copied(&moments)
        }
        (from, DataType::Duration(_) | DataType::Time64(_)) if *from != DataType::Int64 => {
            converted(&cast_with_options(array, &DataType::Int64, &STRICT)?, into)
        }
        _ => copied(&cast_with_options(array, into, &STRICT)?),
    }
}

/// The array in memory of its own.
fn copied(array: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let mut copy = arrow::array::MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}

/// Whether all dates or moments lie in `range`, but for what stands for the zero date.
fn is_within(array: &ArrayRef, range: &RangeInclusive<i64>, zero: Option<i64>) -> bool {
    let known = |value: i64| range.contains(&value) || Some(value) == zero;
    if let Some(days) = array.as_primitive_opt::<Date32Type>() {
        return days.iter().flatten().all(|day| known(day.into()));
    }
    array
        .as_primitive_opt::<TimestampMicrosecondType>()
        .is_some_and(|moments| moments.iter().flatten().all(known))
}

/// Dates or wall clocks with the canonical zero date in the place of `zero`.
fn with_zero_dates(array: &ArrayRef, zero: i64) -> ArrayRef {
    if let Some(days) = array.as_primitive_opt::<Date32Type>() {
        let named = |day: i32| if i64::from(day) == zero { ZERO_DATE } else { day };
        return Arc::new(days.unary::<_, Date32Type>(named));
    }
    let Some(moments) = array.as_primitive_opt::<TimestampMicrosecondType>() else {
        return Arc::clone(array);
    };
    let named = |moment| if moment == zero { ZERO_MOMENT } else { moment };
    Arc::new(moments.unary::<_, TimestampMicrosecondType>(named))
}

fn are_labels(array: &ArrayRef, labels: &[String]) -> bool {
    let labels: HashSet<&str> = labels.iter().map(String::as_str).collect();
    array
        .as_string_opt::<i32>()
        .is_some_and(|texts| texts.iter().flatten().all(|text| labels.contains(text)))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Date32Array, Decimal128Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn what_stands_for_the_zero_date_becomes_it() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(-9), None, Some(7)]));
        assert!(is_within(&days, &(0..=9), Some(-9)) && !is_within(&days, &(0..=9), None));
        let named = with_zero_dates(&days, -9);
        let expected = Date32Array::from(vec![Some(ZERO_DATE), None, Some(7)]);
        assert_eq!(named.as_primitive::<Date32Type>(), &expected);
        let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(-9), Some(7)]));
        let expected = TimestampMicrosecondArray::from(vec![Some(ZERO_MOMENT), Some(7)]);
        let named = with_zero_dates(&moments, -9);
        assert_eq!(named.as_primitive::<TimestampMicrosecondType>(), &expected);
    }

    #[test]
    fn what_stands_for_nan_is_no_value_of_any_column() {
        let came = |unscaled: i128| -> ArrayRef {
            let numbers = Decimal128Array::from(vec![unscaled]);
            Arc::new(numbers.with_data_type(forms::decimal()))
        };
        // The widest before the point, the widest of all, and an ordinary one.
        for (precision, scale, greatest) in [
            (18, 0_i8, 999_999_999_999_999_999 * 10_i128.pow(10)),
            (28, 10, 10_i128.pow(28) - 1),
            (12, 2, 999_999_999_999 * 10_i128.pow(8)),
        ] {
            assert!(forms::fits_decimal(precision, scale.cast_unsigned()));
            let into = DataType::Decimal128(precision, scale);
            assert!(converted(&came(greatest), &into).is_ok(), "{into}");
            assert!(converted(&came(10_i128.pow(28)), &into).is_err(), "{into}");
        }
    }
}
