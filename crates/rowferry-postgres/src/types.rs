//! The type table, writing direction: canonical types to the words of a new target column, and the
//! words of a column to the codec's type.

use std::collections::BTreeMap;

use rowferry_codec::pgcopy::PgType;
use rowferry_core::{CanonicalType, Column, JsonFlavor};

use crate::type_catalog::TypeCatalog;

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
        C::Text { .. } | C::Enum { .. } | C::Set { .. } | C::Opaque { .. } => "text".into(),
        C::Date => "date".into(),
        C::Time { digits } => format!("time({digits}) without time zone"),
        C::Timestamp { digits } => format!("timestamp({digits}) without time zone"),
        C::Instant { digits } => format!("timestamp({digits}) with time zone"),
        C::Uuid => "uuid".into(),
        C::Json { flavor: JsonFlavor::Text } => "json".into(),
        C::Json { flavor: JsonFlavor::PgJsonb | JsonFlavor::Mysql } => "jsonb".into(),
        C::Bits { bits } => format!("bit({bits})"),
        C::BitString { bits: Some(bits), varying: false } => format!("bit({bits})"),
        C::BitString { bits: Some(bits), varying: true } => format!("bit varying({bits})"),
        C::BitString { .. } => "bit varying".into(),
        // Without digits: a narrower interval would round values without a word.
        C::Duration { .. } | C::Interval => "interval".into(),
        C::TimeTz => "time with time zone".into(),
        C::List { element } => format!("{}[]", ddl(element)),
        C::Binary { .. } | C::Geometry { .. } | C::Variant => "bytea".into(),
    }
}

/// What the words of a type do not say themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// Types by name, for the numbers that arrays repeat.
    oids: BTreeMap<String, u32>,
    /// Fraction digits of the database's currency.
    pub(crate) money_digits: u8,
}

impl Words {
    /// For reading: arrays are not looked into for their numbers.
    pub(crate) const fn to_read(money_digits: u8) -> Self {
        Self { oids: BTreeMap::new(), money_digits }
    }

    /// With the numbers of all types in `catalog`.
    pub(crate) fn to_write(catalog: &TypeCatalog, money_digits: u8) -> Self {
        let oids = catalog.iter().map(|found| (found.name.clone(), found.oid)).collect();
        Self { oids, money_digits }
    }

    /// The codec's type of a column; `None` for a type that the codec does not know.
    pub(crate) fn pg_type(&self, column: &Column) -> Option<PgType> {
        self.of_words(column.native.stored(), column.canonical.as_ref())
    }

    /// `meaning` gives the labels of an enum, and tells apart the types of users.
    pub(crate) fn of_words(&self, words: &str, meaning: Option<&CanonicalType>) -> Option<PgType> {
        if let Some(element) = words.strip_suffix("[]") {
            let inner = match meaning {
                Some(CanonicalType::List { element }) => Some(&**element),
                _ => None,
            };
            let oid = self.oids.get(&split(element).0).copied().unwrap_or(0);
            let element = Box::new(self.of_words(element, inner)?);
            return Some(PgType::Array { element, oid });
        }
        let (word, arguments) = split(words);
        let first = arguments.first().copied();
        let digits = first.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(6);
        let size = first.and_then(|size| u32::try_from(size).ok());
        Some(match word.as_str() {
            "boolean" => PgType::Bool,
            "smallint" => PgType::Int2,
            "integer" => PgType::Int4,
            "bigint" => PgType::Int8,
            "oid" => PgType::Oid,
            "xid" | "cid" => PgType::Xid,
            "xid8" => PgType::Xid8,
            "pg_lsn" => PgType::Lsn,
            "\"char\"" => PgType::Char1,
            "money" => PgType::Money { digits: self.money_digits },
            "real" => PgType::Float4,
            "double precision" => PgType::Float8,
            "numeric" => PgType::Numeric {
                precision_scale: match arguments.as_slice() {
                    [precision, scale] => {
                        Some((u16::try_from(*precision).ok()?, i16::try_from(*scale).ok()?))
                    }
                    [precision] => Some((u16::try_from(*precision).ok()?, 0)),
                    _ => None,
                },
            },
            "text" | "name" => PgType::Text,
            "character varying" => PgType::Varchar { chars: size },
            "character" => PgType::Bpchar { chars: Some(size.unwrap_or(1)) },
            "bpchar" => PgType::Bpchar { chars: None },
            "bytea" => PgType::Bytea,
            "date" => PgType::Date,
            "time without time zone" => PgType::Time { digits },
            "time with time zone" => PgType::TimeTz { digits },
            "timestamp without time zone" => PgType::Timestamp { digits },
            "timestamp with time zone" => PgType::TimestampTz { digits },
            "interval" => PgType::Interval { digits },
            "uuid" => PgType::Uuid,
            "json" => PgType::Json,
            "jsonb" => PgType::Jsonb,
            "bit" => PgType::Bit { bits: size.unwrap_or(1) },
            "bit varying" => PgType::VarBit { bits: size },
            _ => match meaning {
                Some(CanonicalType::Enum { labels }) => PgType::Enum { labels: labels.clone() },
                // `citext`, whose wire form is its text.
                Some(CanonicalType::Text { .. }) if word.ends_with(".citext") => PgType::Text,
                _ => return None,
            },
        })
    }
}

/// The words of a user in the server's spelling: `varchar(20)` as `character varying(20)`.
pub(crate) fn normalized(words: &str) -> String {
    let words = words.trim();
    if let Some(element) = words.strip_suffix("[]") {
        return format!("{}[]", normalized(element));
    }
    // Names of users keep their letters.
    if words.contains(['"', '.']) {
        return words.to_owned();
    }
    let lower = words.to_ascii_lowercase();
    let (head, arguments) = match lower.split_once('(') {
        Some((head, rest)) => match rest.split_once(')') {
            Some((inside, tail)) => {
                (format!("{}{tail}", head.trim_end()), format!("({})", inside.replace(' ', "")))
            }
            None => (lower.clone(), String::new()),
        },
        None => (lower.clone(), String::new()),
    };
    let (before, behind) = match head.as_str() {
        "int" | "int4" => ("integer", ""),
        "int2" => ("smallint", ""),
        "int8" => ("bigint", ""),
        "float4" => ("real", ""),
        "float" | "float8" => ("double precision", ""),
        "bool" => ("boolean", ""),
        "decimal" => ("numeric", ""),
        "varchar" => ("character varying", ""),
        "char" => ("character", ""),
        "varbit" => ("bit varying", ""),
        "time" | "time without time zone" => ("time", " without time zone"),
        "timetz" | "time with time zone" => ("time", " with time zone"),
        "timestamp" | "timestamp without time zone" => ("timestamp", " without time zone"),
        "timestamptz" | "timestamp with time zone" => ("timestamp", " with time zone"),
        other => (other, ""),
    };
    let arguments = match (before, arguments.as_str()) {
        ("numeric", one) if !one.is_empty() && !one.contains(',') => one.replace(')', ",0)"),
        ("character", "") => "(1)".to_owned(),
        _ => arguments,
    };
    format!("{before}{arguments}{behind}")
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

    #[test]
    fn declared_types_are_read_back() {
        let pg = |declared: &str| Words::default().of_words(declared, None);
        assert_eq!(pg("numeric(12,-3)"), Some(PgType::Numeric { precision_scale: Some((12, -3)) }));
        assert_eq!(pg("timestamp(3) with time zone"), Some(PgType::TimestampTz { digits: 3 }));
        assert_eq!(pg("time without time zone"), Some(PgType::Time { digits: 6 }));
        assert_eq!(pg("character varying(9)"), Some(PgType::Varchar { chars: Some(9) }));
        assert_eq!(pg("bit(1)"), Some(PgType::Bit { bits: 1 }));
        assert_eq!(pg("interval(3)"), Some(PgType::Interval { digits: 3 }));
        assert_eq!(pg("public.\"odd (type)\""), None);
    }

    #[test]
    fn words_of_users_are_spelled_as_the_server_does() {
        for (theirs, ours) in [
            ("INT", "integer"),
            ("varchar( 20 )", "character varying(20)"),
            ("decimal(38, 10)", "numeric(38,10)"),
            ("numeric(5)", "numeric(5,0)"),
            ("timestamptz(3)", "timestamp(3) with time zone"),
            ("timestamp", "timestamp without time zone"),
            ("int4[]", "integer[]"),
            ("public.\"Mood\"", "public.\"Mood\""),
            ("hstore", "hstore"),
        ] {
            assert_eq!(normalized(theirs), ours);
        }
    }

    #[test]
    fn the_ddl_of_a_type_names_its_length() {
        assert_eq!(ddl(&CanonicalType::Text { chars: Some(3), fixed: true }), "character(3)");
        assert_eq!(ddl(&CanonicalType::Text { chars: None, fixed: false }), "text");
        assert_eq!(ddl(&CanonicalType::UInt64), "numeric(20,0)");
    }
}
