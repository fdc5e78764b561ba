//! The type table: server type to canonical type.

use rowferry_core::{CanonicalType, Column, JsonFlavor};

use crate::sql;

/// Characters of the longest addresses.
const INET4_CHARS: u32 = 15;
const INET6_CHARS: u32 = 39;
/// Elements of a vector without a declared size
/// (<https://dev.mysql.com/doc/refman/9.0/en/vector.html>).
const VECTOR_ELEMENTS: u32 = 2_048;

/// Which fork the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MySql,
    MariaDb,
}

impl Flavor {
    /// The engine word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }

    /// A collation in which texts are equal only when their bytes are.
    pub(crate) const fn binary_collation(self) -> &'static str {
        match self {
            Self::MySql => "utf8mb4_0900_bin",
            Self::MariaDb => "utf8mb4_nopad_bin",
        }
    }

    /// Most fraction digits of a decimal.
    pub(crate) const fn decimal_scale_max(self) -> u8 {
        match self {
            Self::MySql => 30,
            Self::MariaDb => 38,
        }
    }

    /// Whether `column` is of a server of either fork.
    pub(crate) fn is_family(column: &Column) -> bool {
        matches!(column.native.engine.as_str(), "mysql" | "mariadb")
    }
}

/// A column type, read from `COLUMN_TYPE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Native {
    /// Integer of so many bits.
    Int {
        bits: u8,
        unsigned: bool,
    },
    Float {
        fixed: bool,
    },
    Double {
        fixed: bool,
    },
    Decimal {
        precision: u8,
        scale: u8,
        unsigned: bool,
    },
    Bit(u8),
    Char(u32),
    VarChar(u32),
    /// A text of at most so many bytes.
    Text(u64),
    Binary(u32),
    VarBinary(u32),
    /// A blob of at most so many bytes.
    Blob(u64),
    Date,
    Time(u8),
    DateTime(u8),
    Timestamp(u8),
    Year,
    Enum(Vec<String>),
    Set(Vec<String>),
    Json,
    Uuid,
    /// An address of version 4 or 6.
    Inet {
        v6: bool,
    },
    /// The word of a geometry type: `geometry`, `point`, …
    Geometry(String),
    /// A vector of at most so many floats.
    Vector(u32),
    /// No mapping in this version.
    Other,
}

impl Native {
    /// Reads the text of a type.
    pub(crate) fn parse(declared: &str) -> Self {
        let word = sql::base_word(declared);
        let lower = declared.to_ascii_lowercase();
        let unsigned = lower.contains(" unsigned");
        let inside = declared
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(')'))
            .map(|(inside, _)| inside);
        let numbers: Vec<u32> = inside
            .filter(|_| !matches!(word.as_str(), "enum" | "set"))
            .map(|inside| inside.split(',').filter_map(|part| part.trim().parse().ok()).collect())
            .unwrap_or_default();
        let number = |index: usize, default: u32| numbers.get(index).copied().unwrap_or(default);
        let small = |index: usize, default: u32| u8::try_from(number(index, default)).unwrap_or(0);
        match word.as_str() {
            "tinyint" => Self::Int { bits: 8, unsigned },
            "smallint" => Self::Int { bits: 16, unsigned },
            "mediumint" => Self::Int { bits: 24, unsigned },
            "int" | "integer" => Self::Int { bits: 32, unsigned },
            "bigint" => Self::Int { bits: 64, unsigned },
            "float" => Self::Float { fixed: numbers.len() == 2 },
            "double" | "real" => Self::Double { fixed: numbers.len() == 2 },
            "decimal" | "numeric" => {
                Self::Decimal { precision: small(0, 10), scale: small(1, 0), unsigned }
            }
            "bit" => Self::Bit(small(0, 1)),
            "char" => Self::Char(number(0, 1)),
            "varchar" => Self::VarChar(number(0, 1)),
            "tinytext" => Self::Text(u64::from(u8::MAX)),
            "text" => Self::Text(u64::from(u16::MAX)),
            "mediumtext" => Self::Text((1 << 24) - 1),
            "longtext" => Self::Text(u64::from(u32::MAX)),
            "binary" => Self::Binary(number(0, 1)),
            "varbinary" => Self::VarBinary(number(0, 1)),
            "tinyblob" => Self::Blob(u64::from(u8::MAX)),
            "blob" => Self::Blob(u64::from(u16::MAX)),
            "mediumblob" => Self::Blob((1 << 24) - 1),
            "longblob" => Self::Blob(u64::from(u32::MAX)),
            "date" => Self::Date,
            "time" => Self::Time(small(0, 0)),
            "datetime" => Self::DateTime(small(0, 0)),
            "timestamp" => Self::Timestamp(small(0, 0)),
            "year" => Self::Year,
            "enum" => Self::Enum(labels(inside.unwrap_or_default())),
            "set" => Self::Set(labels(inside.unwrap_or_default())),
            "json" => Self::Json,
            "uuid" => Self::Uuid,
            "inet4" => Self::Inet { v6: false },
            "inet6" => Self::Inet { v6: true },
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => Self::Geometry(word),
            "vector" => Self::Vector(number(0, VECTOR_ELEMENTS)),
            _ => Self::Other,
        }
    }

    /// What values of this type mean; `None` when this version has no mapping.
    pub(crate) fn canonical(&self, flavor: Flavor) -> Option<CanonicalType> {
        Some(match self {
            Self::Int { bits: 8, unsigned: false } => CanonicalType::Int8,
            Self::Int { bits: 8, unsigned: true } => CanonicalType::UInt8,
            Self::Int { bits: 16, unsigned: false } => CanonicalType::Int16,
            Self::Int { bits: 16, unsigned: true } | Self::Year => CanonicalType::UInt16,
            Self::Int { bits: 24 | 32, unsigned: false } => CanonicalType::Int32,
            Self::Int { bits: 24 | 32, unsigned: true } => CanonicalType::UInt32,
            Self::Int { unsigned: false, .. } => CanonicalType::Int64,
            Self::Int { unsigned: true, .. } => CanonicalType::UInt64,
            Self::Float { .. } => CanonicalType::Float32,
            Self::Double { .. } => CanonicalType::Float64,
            Self::Decimal { precision, scale, .. } => {
                CanonicalType::Decimal { precision: *precision, scale: *scale }
            }
            Self::Bit(bits) => CanonicalType::Bits { bits: *bits },
            Self::Char(chars) => CanonicalType::Text { chars: Some(*chars), fixed: true },
            Self::VarChar(chars) => CanonicalType::Text { chars: Some(*chars), fixed: false },
            Self::Text(_) => CanonicalType::Text { chars: None, fixed: false },
            Self::Binary(bytes) => CanonicalType::Binary { bytes: Some(*bytes), fixed: true },
            Self::VarBinary(bytes) => CanonicalType::Binary { bytes: Some(*bytes), fixed: false },
            Self::Blob(_) => CanonicalType::Binary { bytes: None, fixed: false },
            Self::Date => CanonicalType::Date,
            Self::Time(digits) => CanonicalType::Duration { digits: *digits },
            Self::DateTime(digits) => CanonicalType::Timestamp { digits: *digits },
            Self::Timestamp(digits) => CanonicalType::Instant { digits: *digits },
            Self::Enum(labels) => CanonicalType::Enum { labels: labels.clone() },
            Self::Json => CanonicalType::Json {
                flavor: match flavor {
                    Flavor::MySql => JsonFlavor::Mysql,
                    Flavor::MariaDb => JsonFlavor::Text,
                },
            },
            Self::Set(labels) => CanonicalType::Set { labels: labels.clone() },
            Self::Uuid => CanonicalType::Uuid,
            Self::Inet { v6 } => CanonicalType::Opaque {
                type_name: "inet".to_owned(),
                chars: Some(if *v6 { INET6_CHARS } else { INET4_CHARS }),
            },
            Self::Geometry(_) => CanonicalType::Geometry { encoding: "mysql".to_owned() },
            Self::Vector(_) => CanonicalType::List { element: Box::new(CanonicalType::Float32) },
            Self::Other => return None,
        })
    }

    /// Whether the column holds characters in a character set.
    pub(crate) const fn has_charset(&self) -> bool {
        matches!(
            self,
            Self::Char(_) | Self::VarChar(_) | Self::Text(_) | Self::Enum(_) | Self::Set(_)
        )
    }

    /// Whether a column of this type cannot be indexed as a whole.
    pub(crate) const fn is_large(&self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::Blob(_)
                | Self::Json
                | Self::Geometry(_)
                | Self::Vector(_)
                | Self::Other
        )
    }
}

/// The labels of `'a','it''s'`.
fn labels(inside: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut label: Option<String> = None;
    let mut signs = inside.chars().peekable();
    while let Some(sign) = signs.next() {
        match (&mut label, sign) {
            (None, '\'') => label = Some(String::new()),
            (None, _) => {}
            (Some(text), '\'') if signs.peek() == Some(&'\'') => {
                signs.next();
                text.push('\'');
            }
            (Some(_), '\'') => labels.extend(label.take()),
            (Some(text), '\\') => text.extend(signs.next()),
            (Some(text), sign) => text.push(sign),
        }
    }
    labels
}

/// The character set of a collation: `utf8mb4` of `utf8mb4_bin`, `binary` of `binary`.
pub(crate) fn charset(collation: &str) -> &str {
    collation.split_once('_').map_or(collation, |(charset, _)| charset)
}

/// A label as `COLUMN_TYPE` shows it: quotes doubled.
pub(crate) fn label_literal(label: &str) -> String {
    format!("'{}'", label.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_from_their_text() {
        let check = |declared: &str, native: Native| assert_eq!(Native::parse(declared), native);
        check("int(10) unsigned zerofill", Native::Int { bits: 32, unsigned: true });
        check("decimal(12,2)", Native::Decimal { precision: 12, scale: 2, unsigned: false });
        check(
            "enum('a','it''s','x,y')",
            Native::Enum(vec!["a".into(), "it's".into(), "x,y".into()]),
        );
        check("set('b','a')", Native::Set(vec!["b".into(), "a".into()]));
        check("datetime(6)", Native::DateTime(6));
        check("point srid 4326", Native::Geometry("point".into()));
        check("vector(3)", Native::Vector(3));
        check("inet6", Native::Inet { v6: true });
        check("sys_refcursor", Native::Other);
    }
}
