//! What ConnectorX makes of the types of MySQL and MariaDB.

use arrow_schema::DataType;
use rowferry_core::{CanonicalType, Column};

use crate::forms::{Form, base_word, decimal, fits_decimal, timestamp};

/// 0001-01-01 in days since 1970. The servers' year 0 has no 29th of February, ConnectorX's has.
const FIRST_DAY: i64 = -719_162;
const DAY_MICROS: i64 = 86_400_000_000;

/// 0000-01-01, which stands for the zero date: ConnectorX stops at that one.
const ZERO_DAY: i64 = -719_528;
/// It stops at days without a month or a day too, and does not say in which column; the 2nd of January
/// stands for them and for all of the year 0, and [`FIRST_DAY`] keeps it out.
const DATE: &str = "case when {} = 0 then date'0000-01-01' \
     when {} < date'0001-01-01' or month({}) = 0 or day({}) = 0 then date'0000-01-02' else {} end";
/// The same for wall clocks.
const MOMENT: &str = "case when {} = 0 then timestamp'0000-01-01 00:00:00' \
     when {} < timestamp'0001-01-01 00:00:00' or month({}) = 0 or day({}) = 0 \
     then timestamp'0000-01-02 00:00:00' else {} end";

const TEXT: &str = "cast({} as char)";
/// Whole microseconds. ConnectorX stops at lengths below zero or beyond a day; MariaDB counts the
/// fraction among the seconds, MySQL does not, and neither gives it a sign.
const DURATION: &str = "cast(truncate(time_to_sec({}), 0) * 1000000 \
     + microsecond({}) * if({} < 0, -1, 1) as signed)";

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
pub(crate) fn form(column: &Column, canonical: &CanonicalType) -> Option<Form> {
    use CanonicalType as C;
    let word = base_word(column.native.stored());
    let text = || Some(Form::new(TEXT, DataType::Utf8));
    match canonical {
        C::UInt16 if word == "year" => Some(Form::plain(DataType::Int16)),
        C::Int8
        | C::Int16
        | C::Int32
        | C::Int64
        | C::UInt8
        | C::UInt16
        | C::UInt32
        | C::UInt64
        | C::Float32
        | C::Float64 => Some(Form::plain(canonical.arrow())),
        C::Decimal { precision, scale } if fits_decimal(*precision, *scale) => {
            Some(Form::plain(decimal()))
        }
        C::Decimal { .. } | C::DecimalText | C::Json { .. } | C::Opaque { .. } => text(),
        C::Bits { .. } => Some(Form::new("cast({} + 0 as unsigned)", DataType::UInt64)),
        C::Text { .. } if is_characters(&word) => Some(Form::plain(DataType::Utf8)),
        // ConnectorX stops at places on earth, whatever is made of them.
        C::Text { .. } if !is_bytes(&word) => text(),
        // The empty text is a label and also how the server shows its error value.
        C::Enum { labels } if labels.iter().all(|label| !label.is_empty()) => {
            Some(Form::plain(DataType::Utf8))
        }
        C::Set { .. } => Some(Form::plain(DataType::Utf8)),
        C::Binary { .. } => Some(Form::plain(DataType::LargeBinary)),
        // It stops at days that their month does not have.
        C::Date => {
            let date = Form::new(DATE, DataType::Date32);
            Some(date.within(FIRST_DAY..=i64::MAX).beyond_is_text().with_zero(ZERO_DAY))
        }
        C::Timestamp { .. } | C::Instant { .. } => {
            let moment = Form::new(MOMENT, timestamp(None));
            let within = FIRST_DAY * DAY_MICROS..=i64::MAX;
            Some(moment.within(within).beyond_is_text().with_zero(ZERO_DAY * DAY_MICROS))
        }
        C::Duration { .. } => Some(Form::new(DURATION, DataType::Int64)),
        C::Uuid => {
            Some(Form::new("unhex(replace(cast({} as char), '-', ''))", DataType::LargeBinary))
        }
        _ => None,
    }
}

fn is_characters(word: &str) -> bool {
    matches!(
        word,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set"
    )
}

/// Whether a cast to characters would say something else than the value.
fn is_bytes(word: &str) -> bool {
    let geometry = matches!(
        word,
        "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geometrycollection"
            | "geomcollection"
    );
    geometry || word.ends_with("blob") || matches!(word, "binary" | "varbinary" | "bit" | "vector")
}
