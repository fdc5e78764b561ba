//! Which values may stand in which target column, and how they are checked and written there.

use rowferry_codec::mysql_text::TextRule;
use rowferry_core::{CanonicalType, Column, JsonFlavor};

use crate::types::{Flavor, Native, charset};

/// 838:59:59 in microseconds, the end of TIME.
const TIME_MAX: i64 = 3_020_399_000_000;
/// 1970-01-01 00:00:01, the start of TIMESTAMP, in microseconds.
const TIMESTAMP_MIN: i64 = 1_000_000;
/// 2038-01-19 03:14:07.999999, the end of TIMESTAMP, in microseconds.
const TIMESTAMP_MAX: i64 = 2_147_483_647_999_999;

/// The rule by which values of `source` are written into `target`; `Err` says why they cannot.
pub(crate) fn rule(source: &Column, target: &Column, flavor: Flavor) -> Result<TextRule, String> {
    let Some(canonical) = &source.canonical else {
        return Err(format!("the type {} is not supported yet", source.native.declared));
    };
    let native = Native::parse(&target.native.declared);
    let same_type = source.native.declared.eq_ignore_ascii_case(&target.native.declared);
    if !fits(canonical, &native, flavor, same_type) {
        let (from, to) = (canonical.name(), &target.native.declared);
        return Err(format!("{from} does not fit a column of type {to}"));
    }
    // Only servers of this kind know a zero date and the year 0000.
    let zero = matches!(source.native.engine.as_str(), "mysql" | "mariadb");
    let bmp_only =
        matches!(target.collation.as_deref().map(charset), Some("utf8" | "utf8mb3" | "ucs2"));
    let text = |chars_max, bytes_max, blanks_dropped| {
        if *canonical == CanonicalType::Uuid {
            TextRule::UuidText
        } else {
            TextRule::Text { chars_max, bytes_max, bmp_only, blanks_dropped }
        }
    };
    let binary = |bytes: u64, exact: bool| TextRule::Binary { bytes_max: Some(bytes), exact };
    Ok(match native {
        Native::Int { bits, unsigned } => integer(bits, unsigned),
        Native::Float { .. } | Native::Double { .. } => TextRule::Float,
        Native::Decimal { precision, scale, .. } => TextRule::Decimal { precision, scale },
        Native::Bit(bits) => TextRule::Bits { bits },
        Native::Char(chars) => text(Some(chars), None, true),
        Native::VarChar(chars) => text(Some(chars), None, false),
        Native::Text(bytes) => text(None, Some(bytes), false),
        Native::Binary(_) if *canonical == CanonicalType::Uuid => TextRule::UuidBytes,
        Native::Binary(bytes) => binary(bytes.into(), true),
        Native::VarBinary(bytes) => binary(bytes.into(), false),
        Native::Blob(bytes) => binary(bytes, false),
        Native::Date => TextRule::Date { zero },
        Native::Time(digits) => TextRule::Time { digits, max: time_max(flavor) },
        Native::DateTime(digits) => TextRule::DateTime { digits, zero, range: None },
        Native::Timestamp(digits) => {
            TextRule::DateTime { digits, zero, range: Some((TIMESTAMP_MIN, TIMESTAMP_MAX)) }
        }
        Native::Year => TextRule::Year,
        Native::Enum(labels) => TextRule::Enum { labels },
        Native::Json => TextRule::Json {
            doubles: flavor == Flavor::MySql
                && *canonical == CanonicalType::Json { flavor: JsonFlavor::PgJsonb },
        },
        Native::Uuid => TextRule::UuidText,
        Native::Other => {
            return Err(format!("type {} is not supported yet", target.native.declared));
        }
    })
}

/// Whether some values of `canonical` can be kept exactly in a column of type `native`.
fn fits(canonical: &CanonicalType, native: &Native, flavor: Flavor, same_type: bool) -> bool {
    use CanonicalType as C;
    match native {
        Native::Int { .. } => {
            canonical.is_integer() || matches!(canonical, C::Boolean | C::Decimal { scale: 0, .. })
        }
        Native::Year => canonical.is_integer(),
        // A column that rounds to a number of digits keeps the values of its own kind only.
        Native::Float { fixed: true }
        | Native::Double { fixed: true }
        | Native::Decimal { unsigned: true, .. } => same_type,
        Native::Float { fixed: false } => matches!(canonical, C::Float32 | C::Int8 | C::Int16),
        Native::Double { fixed: false } => matches!(
            canonical,
            C::Float32
                | C::Float64
                | C::Int8
                | C::Int16
                | C::Int32
                | C::UInt8
                | C::UInt16
                | C::UInt32
        ),
        Native::Decimal { unsigned: false, .. } => {
            canonical.is_integer() || matches!(canonical, C::Decimal { .. } | C::DecimalText)
        }
        Native::Bit(_) => matches!(canonical, C::Bits { .. }),
        Native::Char(chars) | Native::VarChar(chars) => {
            is_text(canonical) || (*canonical == C::Uuid && *chars >= 36)
        }
        Native::Text(_) => is_text(canonical) || *canonical == C::Uuid,
        Native::Binary(16) if *canonical == C::Uuid => true,
        Native::Binary(_) => matches!(canonical, C::Binary { .. }),
        Native::VarBinary(_) | Native::Blob(_) => {
            matches!(canonical, C::Binary { .. } | C::Text { .. })
        }
        Native::Date => *canonical == C::Date,
        Native::Time(_) => matches!(canonical, C::Time { .. } | C::Duration { .. }),
        Native::DateTime(_) => matches!(canonical, C::Timestamp { .. } | C::Instant { .. }),
        Native::Timestamp(_) => matches!(canonical, C::Instant { .. }),
        Native::Enum(_) => matches!(canonical, C::Enum { .. } | C::Text { .. }),
        Native::Json => match (flavor, canonical) {
            // Order of keys, duplicates and blanks would be lost.
            (Flavor::MySql, C::Json { flavor: JsonFlavor::Text }) => false,
            (Flavor::MySql | Flavor::MariaDb, other) => matches!(other, C::Json { .. }),
        },
        Native::Uuid => *canonical == C::Uuid,
        Native::Other => false,
    }
}

fn is_text(canonical: &CanonicalType) -> bool {
    matches!(
        canonical,
        CanonicalType::Text { .. }
            | CanonicalType::Enum { .. }
            | CanonicalType::Json { .. }
            | CanonicalType::DecimalText
    )
}

fn integer(bits: u8, unsigned: bool) -> TextRule {
    let span = 1_i128 << bits;
    if unsigned {
        TextRule::Integer { min: 0, max: span - 1 }
    } else {
        TextRule::Integer { min: -span / 2, max: span / 2 - 1 }
    }
}

const fn time_max(flavor: Flavor) -> i64 {
    match flavor {
        Flavor::MySql => TIME_MAX,
        Flavor::MariaDb => TIME_MAX + 999_999,
    }
}
