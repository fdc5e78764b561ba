//! The type table, reading direction: PostgreSQL's types to canonical types.
//!
//! Every type has a meaning. What has no twin elsewhere is [`CanonicalType::Opaque`]: the server's
//! own text, which it reads back as the same value.

use rowferry_core::{CanonicalType, JsonFlavor};

use crate::type_catalog::{CatalogType, Kind, TypeCatalog};

/// Bytes by which length modifiers are too large (`VARHDRSZ`).
const LENGTH_OFFSET: i32 = 4;
/// Digits of a `money`: 64 bits.
pub(crate) const MONEY_DIGITS: u8 = 19;

/// The meaning of the values of a column of type `oid`. `money_digits` are the fraction digits of
/// the database's currency, which no value of `money` carries itself.
pub(crate) fn meaning(
    catalog: &TypeCatalog,
    oid: u32,
    modifier: i32,
    money_digits: u8,
) -> Option<CanonicalType> {
    let stored = catalog.stored(oid, modifier);
    let found = catalog.get(stored.oid)?;
    Some(match &found.kind {
        Kind::Enum(labels) => CanonicalType::Enum { labels: labels.clone() },
        Kind::Array(element) if is_array(found) => {
            // The words of an array do not tell what is under a domain.
            let of_domain =
                catalog.get(*element).is_some_and(|part| matches!(part.kind, Kind::Domain { .. }));
            // The elements' modifier is that of the array.
            match meaning(catalog, *element, stored.modifier, money_digits) {
                Some(element)
                    if is_listed(&element) && !of_domain && !catalog.text_only(stored.oid) =>
                {
                    CanonicalType::List { element: Box::new(element) }
                }
                _ => opaque(found),
            }
        }
        Kind::Base if found.is_own() => {
            built_in(&found.bare, stored.modifier, money_digits).unwrap_or_else(|| opaque(found))
        }
        // Compared without regard to case: its values are plain text.
        Kind::Base if found.bare == "citext" && found.extension.is_some() => {
            CanonicalType::Text { chars: None, fixed: false }
        }
        Kind::Base
        | Kind::Domain { .. }
        | Kind::Array(_)
        | Kind::Composite(_)
        | Kind::Range(_)
        | Kind::Multirange(_) => opaque(found),
    })
}

/// `int2vector` and `oidvector` count from 0, which no list does.
fn is_array(found: &CatalogType) -> bool {
    !(found.is_own() && found.bare.ends_with("vector"))
}

/// Whether elements of this meaning travel as a list. The others would need a text form of their
/// own inside the list; their arrays go as the server's text instead.
fn is_listed(element: &CanonicalType) -> bool {
    use CanonicalType as C;
    match element {
        C::Boolean
        | C::Int16
        | C::Int32
        | C::Int64
        | C::UInt32
        | C::Float32
        | C::Float64
        | C::Decimal { .. }
        | C::DecimalText
        | C::Text { .. }
        | C::Binary { .. }
        | C::Date
        | C::Time { .. }
        | C::Timestamp { .. }
        | C::Instant { .. }
        | C::Uuid
        | C::Json { .. }
        | C::Enum { .. } => true,
        C::Int8
        | C::UInt8
        | C::UInt16
        | C::UInt64
        | C::Duration { .. }
        | C::Bits { .. }
        | C::Set { .. }
        | C::BitString { .. }
        | C::Interval
        | C::TimeTz
        | C::List { .. }
        | C::Geometry { .. }
        | C::Opaque { .. }
        | C::Variant => false,
    }
}

fn opaque(found: &CatalogType) -> CanonicalType {
    CanonicalType::Opaque {
        type_name: found.bare.trim_start_matches('_').to_owned()
            + if matches!(found.kind, Kind::Array(_)) && is_array(found) { "[]" } else { "" },
        chars: if found.is_own() { most_chars(&found.bare) } else { None },
    }
}

/// Most characters of the text form, where there is such a bound.
fn most_chars(name: &str) -> Option<u32> {
    Some(match name {
        // Eight groups of four with the last two as an IPv4 address, and `/128`.
        "inet" | "cidr" => 49,
        // Six pairs with colons between them; two numbers of eight hex digits.
        "macaddr" | "pg_lsn" => 17,
        "macaddr8" => 23,
        // A block of ten digits and a place of five, in parentheses.
        "tid" => 18,
        _ => return None,
    })
}

fn built_in(name: &str, modifier: i32, money_digits: u8) -> Option<CanonicalType> {
    use CanonicalType as C;
    Some(match name {
        "bool" => C::Boolean,
        "int2" => C::Int16,
        "int4" => C::Int32,
        "int8" => C::Int64,
        "oid" | "xid" | "cid" => C::UInt32,
        "xid8" => C::UInt64,
        "char" => C::Binary { bytes: Some(1), fixed: true },
        "float4" => C::Float32,
        "float8" => C::Float64,
        "numeric" => numeric(modifier),
        "money" => C::Decimal { precision: MONEY_DIGITS, scale: money_digits },
        "text" | "name" => C::Text { chars: None, fixed: false },
        "varchar" => C::Text { chars: length(modifier), fixed: false },
        "bpchar" => C::Text { chars: length(modifier), fixed: modifier >= 0 },
        "bytea" => C::Binary { bytes: None, fixed: false },
        "date" => C::Date,
        "time" => C::Time { digits: digits(modifier) },
        "timetz" => C::TimeTz,
        "timestamp" => C::Timestamp { digits: digits(modifier) },
        "timestamptz" => C::Instant { digits: digits(modifier) },
        "interval" => C::Interval,
        "uuid" => C::Uuid,
        "json" => C::Json { flavor: JsonFlavor::Text },
        "jsonb" => C::Json { flavor: JsonFlavor::PgJsonb },
        "bit" => match u8::try_from(modifier) {
            Ok(bits) if (1..=64).contains(&bits) => C::Bits { bits },
            // `bit` without a modifier exists in arrays and fields only, and takes any length.
            _ => C::BitString { bits: u32::try_from(modifier).ok(), varying: modifier < 0 },
        },
        "varbit" => C::BitString { bits: u32::try_from(modifier).ok(), varying: true },
        _ => return None,
    })
}

/// A fixed scale within Arrow's 76 digits, else text. `numeric(5,-3)` holds eight digits without a
/// fraction, `numeric(3,5)` five behind the point.
fn numeric(modifier: i32) -> CanonicalType {
    let Some(packed) = modifier.checked_sub(LENGTH_OFFSET).filter(|packed| *packed >= 0) else {
        return CanonicalType::DecimalText;
    };
    let precision = (packed >> 16) & 0xffff;
    // Since version 15 the scale is an 11-bit signed number.
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    let (precision, scale) = (precision.max(scale).max(precision - scale), scale.max(0));
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision), Ok(scale)) if (1..=76).contains(&precision) => {
            CanonicalType::Decimal { precision, scale }
        }
        _ => CanonicalType::DecimalText,
    }
}

fn length(modifier: i32) -> Option<u32> {
    u32::try_from(modifier.checked_sub(LENGTH_OFFSET)?).ok()
}

fn digits(modifier: i32) -> u8 {
    u8::try_from(modifier).ok().filter(|digits| *digits <= 6).unwrap_or(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_modifiers() {
        let decimal = |precision, scale| CanonicalType::Decimal { precision, scale };
        assert_eq!(numeric((12 << 16) + 2 + 4), decimal(12, 2));
        assert_eq!(numeric((76 << 16) + 76 + 4), decimal(76, 76));
        assert_eq!(numeric((3 << 16) + 5 + 4), decimal(5, 5));
        assert_eq!(numeric((5 << 16) + 0x7fd + 4), decimal(8, 0));
        assert_eq!(numeric(-1), CanonicalType::DecimalText);
        assert_eq!(numeric((77 << 16) + 4), CanonicalType::DecimalText);
        assert_eq!(numeric((75 << 16) + 0x7fd + 4), CanonicalType::DecimalText);
    }

    #[test]
    fn bits_beyond_a_number_are_text() {
        let bits = |modifier| built_in("bit", modifier, 2);
        assert_eq!(bits(64), Some(CanonicalType::Bits { bits: 64 }));
        assert_eq!(bits(65), Some(CanonicalType::BitString { bits: Some(65), varying: false }));
        assert_eq!(built_in("inet", -1, 2), None);
    }
}
