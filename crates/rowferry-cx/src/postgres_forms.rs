//! What ConnectorX makes of PostgreSQL's types.

use arrow_schema::DataType;
use rowferry_core::{CanonicalType, Column};

use crate::forms::{Form, decimal, fits_decimal, timestamp};

/// The server's first day, 4714-11-24 BC, in days since 1970. ConnectorX gives −infinity as a day
/// before it.
const FIRST_DAY: i64 = -2_440_588;
/// The last day that ConnectorX knows, 262142-12-31, is also what it gives for infinity. It stops at a
/// later one and does not say in which column, so this one stands for all of them too, and
/// [`Form::within`] keeps it out.
const LAST_DAY: i64 = 95_026_236;
const DAY_MICROS: i64 = 86_400_000_000;
const DATE: &str = "case when {} > '262142-12-31'::pg_catalog.date \
     then '262142-12-31'::pg_catalog.date else {} end";
/// The same for wall clocks, up to the last microsecond of that day.
const MOMENT: &str = "case when {} > '262142-12-31 23:59:59.999999'::pg_catalog.timestamp \
     then '262142-12-31 23:59:59.999999'::pg_catalog.timestamp else {} end";
/// The same for instants.
const INSTANT: &str = "case when {} > '262142-12-31 23:59:59.999999+00'::pg_catalog.timestamptz \
     then '262142-12-31 23:59:59.999999+00'::pg_catalog.timestamptz else {} end";

/// It stops at NaN likewise; a number that has a digit too many for every such column stands for it.
const DECIMAL: &str = "case when {} = 'NaN' then 1000000000000000000 else {} end";
const TEXT: &str = "{}::pg_catalog.text";
/// Whole microseconds since midnight; ConnectorX makes 00:00 of 24:00.
const TIME: &str = "(pg_catalog.date_part('epoch', {}) * 1000000)::pg_catalog.int8";

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
pub(crate) fn form(column: &Column, canonical: &CanonicalType) -> Option<Form> {
    use CanonicalType as C;
    let words = column.native.stored();
    let text = || Some(Form::new(TEXT, DataType::Utf8));
    match canonical {
        C::Boolean => Some(Form::plain(DataType::Boolean)),
        C::Int16 => Some(Form::plain(DataType::Int16)),
        C::Int32 => Some(Form::plain(DataType::Int32)),
        C::Int64 => Some(Form::plain(DataType::Int64)),
        C::UInt32 if words == "oid" => Some(Form::plain(DataType::UInt32)),
        C::Float32 => Some(Form::plain(DataType::Float32)),
        C::Float64 => Some(Form::plain(DataType::Float64)),
        C::Decimal { precision, scale } if fits_decimal(*precision, *scale) => {
            // ConnectorX does not know it.
            let money = words == "money";
            let expression = if money { "{}::pg_catalog.numeric" } else { DECIMAL };
            Some(Form::new(expression, decimal()))
        }
        C::Decimal { .. } | C::DecimalText if words.starts_with("numeric") => text(),
        // Blanks at the end belong to the value.
        C::Text { fixed: false, .. } if words == "bpchar" => Some(Form::plain(DataType::Utf8)),
        C::Text { .. }
        | C::Json { .. }
        | C::Enum { .. }
        | C::BitString { .. }
        | C::TimeTz
        | C::Opaque { .. } => text(),
        C::Binary { .. } if words == "bytea" => Some(Form::plain(DataType::LargeBinary)),
        C::Date => Some(Form::new(DATE, DataType::Date32).within(FIRST_DAY..=LAST_DAY - 1)),
        C::Time { .. } => Some(Form::new(TIME, DataType::Int64)),
        C::Timestamp { .. } => Some(Form::new(MOMENT, timestamp(None)).within(moments())),
        C::Instant { .. } => Some(Form::new(INSTANT, timestamp(Some("+00:00"))).within(moments())),
        // Their binary forms are the canonical ones.
        C::Uuid => Some(Form::new("pg_catalog.uuid_send({})", DataType::LargeBinary)),
        C::Interval => Some(Form::new("pg_catalog.interval_send({})", DataType::LargeBinary)),
        _ => None,
    }
}

/// All but the last microsecond that ConnectorX knows, which is also infinity.
fn moments() -> std::ops::RangeInclusive<i64> {
    FIRST_DAY * DAY_MICROS..=(LAST_DAY + 1) * DAY_MICROS - 2
}
