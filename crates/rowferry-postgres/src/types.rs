//! The type table: PostgreSQL's types to canonical types, and canonical types to the DDL of a new
//! target column.

use rowferry_codec::pgcopy::PgType;
use rowferry_core::{CanonicalType, Column, JsonFlavor};

/// A type as the catalogue has it, domains already followed to their base.
pub(crate) struct CatalogType<'a> {
    /// `pg_type.typname`.
    pub(crate) name: &'a str,
    /// Whether the type is one of the server's own.
    pub(crate) built_in: bool,
    /// Type modifier; −1 = none.
    pub(crate) modifier: i32,
    /// Labels in sort order, for an enum.
    pub(crate) labels: Option<Vec<String>>,
}

/// Bytes by which length modifiers are too large (`VARHDRSZ`).
const LENGTH_OFFSET: i32 = 4;

/// The meaning of a PostgreSQL type; `None` when this version has no mapping for it.
pub(crate) fn canonical(catalog: &CatalogType<'_>) -> Option<CanonicalType> {
    use CanonicalType as C;
    if let Some(labels) = &catalog.labels {
        return Some(C::Enum { labels: labels.clone() });
    }
    if !catalog.built_in {
        return None;
    }
    let modifier = catalog.modifier;
    Some(match catalog.name {
        "bool" => C::Boolean,
        "int2" => C::Int16,
        "int4" => C::Int32,
        "int8" => C::Int64,
        "oid" => C::UInt32,
        "float4" => C::Float32,
        "float8" => C::Float64,
        "numeric" => numeric(modifier),
        "text" | "name" => C::Text { chars: None, fixed: false },
        "varchar" => C::Text { chars: length(modifier), fixed: false },
        "bpchar" => C::Text { chars: length(modifier), fixed: modifier >= 0 },
        "bytea" => C::Binary { bytes: None, fixed: false },
        "date" => C::Date,
        "time" => C::Time { digits: digits(modifier) },
        "timestamp" => C::Timestamp { digits: digits(modifier) },
        "timestamptz" => C::Instant { digits: digits(modifier) },
        "uuid" => C::Uuid,
        "json" => C::Json { flavor: JsonFlavor::Text },
        "jsonb" => C::Json { flavor: JsonFlavor::PgJsonb },
        "bit" => {
            C::Bits { bits: u8::try_from(modifier).ok().filter(|bits| (1..=64).contains(bits))? }
        }
        _ => return None,
    })
}

/// Fixed scale within Arrow's 76 digits, else text: `numeric` alone, `numeric(3,5)`, `numeric(5,-3)`.
fn numeric(modifier: i32) -> CanonicalType {
    let Some(packed) = modifier.checked_sub(LENGTH_OFFSET).filter(|packed| *packed >= 0) else {
        return CanonicalType::DecimalText;
    };
    let precision = u8::try_from((packed >> 16) & 0xffff);
    // Since version 15 the scale is an 11-bit signed number.
    let scale = u8::try_from(((packed & 0x7ff) ^ 0x400) - 0x400);
    match (precision, scale) {
        (Ok(precision), Ok(scale)) if (1..=76).contains(&precision) && scale <= precision => {
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

/// The type of a new target column for values of this meaning.
pub(crate) fn ddl(canonical: &CanonicalType) -> String {
    use CanonicalType as C;
    match canonical {
        C::Boolean => "boolean".into(),
        C::Int8 | C::Int16 | C::UInt8 => "smallint".into(),
        C::Int32 | C::UInt16 => "integer".into(),
        C::Int64 | C::UInt32 => "bigint".into(),
        C::UInt64 => "numeric(20,0)".into(),
        C::Float32 => "real".into(),
        C::Float64 => "double precision".into(),
        C::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        C::DecimalText => "numeric".into(),
        C::Text { chars: Some(chars), fixed } if (1..=VARCHAR_CHARS_MAX).contains(chars) => {
            format!("{}({chars})", if *fixed { "character" } else { "character varying" })
        }
        C::Text { .. } | C::Enum { .. } => "text".into(),
        C::Binary { .. } => "bytea".into(),
        C::Date => "date".into(),
        C::Time { digits } => format!("time({digits}) without time zone"),
        // Without digits: a narrower interval would round values without a word.
        C::Duration { .. } => "interval".into(),
        C::Timestamp { digits } => format!("timestamp({digits}) without time zone"),
        C::Instant { digits } => format!("timestamp({digits}) with time zone"),
        C::Uuid => "uuid".into(),
        C::Json { flavor: JsonFlavor::Text } => "json".into(),
        C::Json { flavor: JsonFlavor::PgJsonb | JsonFlavor::Mysql } => "jsonb".into(),
        C::Bits { bits } => format!("bit({bits})"),
        C::Set { .. } | C::Opaque { .. } => "text".into(),
        C::BitString { bits: Some(bits), varying: false } => format!("bit({bits})"),
        C::BitString { .. } => "bit varying".into(),
        C::Interval => "interval".into(),
        C::TimeTz => "time with time zone".into(),
        C::List { element } => format!("{}[]", ddl(element)),
        C::Geometry { .. } | C::Variant => "bytea".into(),
    }
}

/// The codec's type of a column, from the words of the catalogue or of [`ddl`].
///
/// `None` for a type that the codec does not know. A type of a user is one only if it is an enum.
pub(crate) fn pg_type(column: &Column) -> Option<PgType> {
    let (word, arguments) = split(&column.native.declared);
    let first = arguments.first().copied();
    let digits = first.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(6);
    let chars = first.and_then(|chars| u32::try_from(chars).ok());
    Some(match word.as_str() {
        "boolean" => PgType::Bool,
        "smallint" => PgType::Int2,
        "integer" => PgType::Int4,
        "bigint" => PgType::Int8,
        "oid" => PgType::Oid,
        "real" => PgType::Float4,
        "double precision" => PgType::Float8,
        "numeric" => PgType::Numeric {
            precision_scale: match arguments.as_slice() {
                [precision, scale] => {
                    Some((u16::try_from(*precision).ok()?, i16::try_from(*scale).ok()?))
                }
                _ => None,
            },
        },
        "text" | "name" => PgType::Text,
        "character varying" => PgType::Varchar { chars },
        "character" | "bpchar" => PgType::Bpchar { chars },
        "bytea" => PgType::Bytea,
        "date" => PgType::Date,
        "time without time zone" => PgType::Time { digits },
        "timestamp without time zone" => PgType::Timestamp { digits },
        "timestamp with time zone" => PgType::TimestampTz { digits },
        "interval" => PgType::Interval { digits },
        "uuid" => PgType::Uuid,
        "json" => PgType::Json,
        "jsonb" => PgType::Jsonb,
        "bit" => PgType::Bit { bits: first.map_or(Some(1), |bits| u32::try_from(bits).ok())? },
        _ => match &column.canonical {
            Some(CanonicalType::Enum { labels }) => PgType::Enum { labels: labels.clone() },
            _ => return None,
        },
    })
}

/// `timestamp(3) without time zone` as `timestamp without time zone` and its arguments.
fn split(declared: &str) -> (String, Vec<i32>) {
    let Some((head, rest)) = declared.split_once('(') else {
        return (declared.to_owned(), Vec::new());
    };
    let Some((inside, tail)) = rest.split_once(')') else {
        return (declared.to_owned(), Vec::new());
    };
    let arguments: Option<Vec<i32>> =
        inside.split(',').map(|number| number.trim().parse().ok()).collect();
    match arguments {
        Some(arguments) => (format!("{head}{tail}"), arguments),
        // A user's type whose quoted name holds a parenthesis.
        None => (declared.to_owned(), Vec::new()),
    }
}

/// Longest `varchar(n)` that the server accepts.
const VARCHAR_CHARS_MAX: u32 = 10_485_760;

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in(name: &str, modifier: i32) -> Option<CanonicalType> {
        canonical(&CatalogType { name, built_in: true, modifier, labels: None })
    }

    #[test]
    fn numeric_modifiers() {
        let decimal = |precision, scale| Some(CanonicalType::Decimal { precision, scale });
        assert_eq!(built_in("numeric", (12 << 16) + 2 + 4), decimal(12, 2));
        assert_eq!(built_in("numeric", (76 << 16) + 76 + 4), decimal(76, 76));
        assert_eq!(built_in("numeric", -1), Some(CanonicalType::DecimalText));
        // numeric(3,5), numeric(5,-3), numeric(77,0)
        for modifier in [(3 << 16) + 5, (5 << 16) + 0x7fd, 77 << 16] {
            assert_eq!(built_in("numeric", modifier + 4), Some(CanonicalType::DecimalText));
        }
    }

    #[test]
    fn unknown_types_have_no_meaning() {
        assert_eq!(built_in("interval", -1), None);
        assert_eq!(built_in("bit", 65), None);
        assert_eq!(built_in("varbit", -1), None);
        let foreign = CatalogType { name: "text", built_in: false, modifier: -1, labels: None };
        assert_eq!(canonical(&foreign), None);
    }

    #[test]
    fn declared_types_are_read_back() {
        let column = |declared: &str| Column {
            name: "c".into(),
            canonical: None,
            native: rowferry_core::NativeType::new("postgres", declared),
            nullable: true,
            default: None,
            default_meaning: None,
            identity: None,
            generated: false,
            expression: None,
            collation: None,
            comment: None,
        };
        let pg = |declared: &str| pg_type(&column(declared));
        assert_eq!(pg("numeric(12,-3)"), Some(PgType::Numeric { precision_scale: Some((12, -3)) }));
        assert_eq!(pg("timestamp(3) with time zone"), Some(PgType::TimestampTz { digits: 3 }));
        assert_eq!(pg("time without time zone"), Some(PgType::Time { digits: 6 }));
        assert_eq!(pg("character varying(9)"), Some(PgType::Varchar { chars: Some(9) }));
        assert_eq!(pg("bit(1)"), Some(PgType::Bit { bits: 1 }));
        assert_eq!(pg("interval(3)"), Some(PgType::Interval { digits: 3 }));
        assert_eq!(pg("public.\"odd (type)\""), None);
    }

    #[test]
    fn the_ddl_of_a_type_names_its_length() {
        assert_eq!(ddl(&CanonicalType::Text { chars: Some(3), fixed: true }), "character(3)");
        assert_eq!(ddl(&CanonicalType::Text { chars: None, fixed: false }), "text");
        assert_eq!(ddl(&CanonicalType::UInt64), "numeric(20,0)");
    }
}
