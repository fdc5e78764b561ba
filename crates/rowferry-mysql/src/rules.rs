//! How values of a planned column are checked and written.

use rowferry_codec::mysql_text::TextRule;
use rowferry_core::{CanonicalType, ColumnPlan, Fidelity, JsonFlavor};

use crate::fit::{TIMESTAMP_MAX, TIMESTAMP_MIN, has_zero_date, integer_range, time_max};
use crate::fit_text::repertoire;
use crate::types::{Flavor, Native};

/// The rule by which values of `column` are written; `Err` says why they cannot be.
pub(crate) fn rule(column: &ColumnPlan, flavor: Flavor) -> Result<TextRule, String> {
    let target = &column.target;
    let Some(canonical) = column.written() else {
        return Err(format!("the type {} is not supported yet", column.source.native.declared));
    };
    let native = Native::parse(&target.native.declared);
    let zero = has_zero_date(&column.source);
    let repertoire = repertoire(target.collation.as_deref());
    let text = |chars_max, bytes_max, blanks_dropped| {
        if *canonical == CanonicalType::Uuid {
            TextRule::UuidText
        } else {
            TextRule::Text { chars_max, bytes_max, repertoire, blanks_dropped }
        }
    };
    let binary = |bytes: u64, exact: bool| {
        if *canonical == CanonicalType::Uuid {
            TextRule::UuidBytes
        } else {
            TextRule::Binary { bytes_max: Some(bytes), exact }
        }
    };
    // Dates without a month or day travel as text.
    let dated = |time: Option<u8>, rule: TextRule| {
        let is_text = matches!(canonical, CanonicalType::Text { .. });
        if is_text { TextRule::DateText { time } } else { rule }
    };
    Ok(match native {
        Native::Int { bits, unsigned } => {
            let (min, max) = integer_range(bits, unsigned);
            TextRule::Integer { min, max }
        }
        Native::Float { .. } | Native::Double { .. } => TextRule::Float,
        Native::Decimal { precision, scale, .. } => TextRule::Decimal { precision, scale },
        Native::Bit(bits) => TextRule::Bits { bits },
        Native::Char(chars) => text(Some(chars), None, true),
        Native::VarChar(chars) => text(Some(chars), None, false),
        Native::Text(bytes) => text(None, Some(bytes), false),
        Native::Binary(bytes) => binary(bytes.into(), true),
        Native::VarBinary(bytes) => binary(bytes.into(), false),
        Native::Blob(bytes) => binary(bytes, false),
        Native::Date => dated(None, TextRule::Date { zero }),
        Native::Time(digits) => TextRule::Time { digits, max: time_max(flavor) },
        Native::DateTime(digits) => {
            dated(Some(digits), TextRule::DateTime { digits, zero, range: None })
        }
        Native::Timestamp(digits) => {
            let range = Some((TIMESTAMP_MIN, TIMESTAMP_MAX));
            dated(Some(digits), TextRule::DateTime { digits, zero, range })
        }
        Native::Year => TextRule::Year,
        Native::Enum(labels) => TextRule::Enum { labels },
        Native::Set(labels) => TextRule::Set { labels },
        Native::Json => TextRule::Json {
            doubles: flavor == Flavor::MySql
                && column.fidelity != Fidelity::Lossy
                && *canonical != CanonicalType::Json { flavor: JsonFlavor::Mysql },
        },
        Native::Uuid => TextRule::UuidText,
        Native::Inet { v6 } => TextRule::Inet { v6 },
        Native::Geometry(_) => TextRule::Binary { bytes_max: None, exact: false },
        Native::Vector(elements) => TextRule::Vector { elements },
        Native::Other => {
            return Err(format!("type {} is not supported yet", target.native.declared));
        }
    })
}
