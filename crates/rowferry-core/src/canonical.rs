//! The canonical type of a column: what its values mean, independent of any database, and how they
//! are stored in Arrow. Each connector maps its native types to and from this list, so that there
//! are N + M type tables and never N × M.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use serde::{Deserialize, Serialize};

/// Which database's rules a JSON text already follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonFlavor {
    /// PostgreSQL `json`, MariaDB `JSON`, SQLite text: kept byte for byte.
    Text,
    /// PostgreSQL `jsonb`: sorted, deduplicated, exact decimals.
    PgJsonb,
    /// MySQL `JSON`: sorted, deduplicated, fractions as doubles.
    Mysql,
}

/// Meaning of a column's values. Nulls are always possible in the Arrow array; whether the column
/// allows them is said by [`crate::Column::nullable`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanonicalType {
    /// True or false. Arrow `Boolean`.
    Boolean,
    /// Arrow `Int8`.
    Int8,
    /// Arrow `Int16`.
    Int16,
    /// Arrow `Int32`.
    Int32,
    /// Arrow `Int64`.
    Int64,
    /// Arrow `UInt8`.
    UInt8,
    /// Arrow `UInt16`.
    UInt16,
    /// Arrow `UInt32`.
    UInt32,
    /// Arrow `UInt64`.
    UInt64,
    /// Arrow `Float32`, bits kept.
    Float32,
    /// Arrow `Float64`, bits kept.
    Float64,
    /// Exact decimal with a fixed scale. Arrow `Decimal128` up to 38 digits, else `Decimal256`.
    Decimal {
        /// Total digits, 1 to 76.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
    /// Exact decimal whose scale differs from value to value. Arrow `Utf8`, plain notation
    /// (`-12.340`), also `NaN`, `Infinity`, `-Infinity`.
    DecimalText,
    /// Characters. Arrow `Utf8`; of a fixed-length type without its trailing blanks.
    Text {
        /// Declared length in characters.
        chars: Option<u32>,
        /// Blank-padded type (`char(n)`).
        fixed: bool,
    },
    /// Bytes. Arrow `Binary`.
    Binary {
        /// Declared length in bytes.
        bytes: Option<u32>,
        /// Zero-padded type (`binary(n)`): every value has exactly `bytes` bytes.
        fixed: bool,
    },
    /// Arrow `Date32`; `i32::MAX` and `i32::MIN` are +infinity and −infinity, `i32::MIN + 1` is
    /// MySQL's `0000-00-00`.
    Date,
    /// Time of day, 00:00 to 24:00 inclusive. Arrow `Time64(us)`.
    Time {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// Signed length of time (MySQL `TIME`). Arrow `Duration(us)`.
    Duration {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// Wall clock without zone. Arrow `Timestamp(us)`; `i64::MAX` and `i64::MIN` are the
    /// infinities, `i64::MIN + 1` is MySQL's zero date.
    Timestamp {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// Instant. Arrow `Timestamp(us, "UTC")`, same special values as [`Self::Timestamp`].
    Instant {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// RFC 9562 byte order. Arrow `FixedSizeBinary(16)`.
    Uuid,
    /// JSON text. Arrow `Utf8`.
    Json {
        /// Rules that the text already follows.
        flavor: JsonFlavor,
    },
    /// Bit string of 1 to 64 bits read as a big-endian number. Arrow `UInt64`.
    Bits {
        /// Declared length in bits.
        bits: u8,
    },
    /// One of the labels. Arrow `Utf8`.
    Enum {
        /// Labels in sort order.
        labels: Vec<String>,
    },
    /// Any of the labels (MySQL `SET`). Arrow `Utf8`: labels in declared order, with commas
    /// between them; empty text is the empty set.
    Set {
        /// Labels in declared order, at most 64, none with a comma.
        labels: Vec<String>,
    },
    /// Bits beyond 64, or of a length that differs from value to value. Arrow `Utf8` of `0` and `1`.
    BitString {
        /// Declared length in bits, the most of a varying one; `None` = any.
        bits: Option<u32>,
        /// Whether values may be shorter.
        varying: bool,
    },
    /// Length of time in months, days and microseconds that are never carried into each other.
    /// Arrow `FixedSizeBinary(16)`: `i64` microseconds, `i32` days, `i32` months, big-endian.
    Interval,
    /// Time of day with an offset from UTC, as text: `12:34:56.789+02`. Arrow `Utf8`.
    TimeTz,
    /// A list without gaps in its shape: one dimension, first element at 1. Arrow `List`.
    List {
        /// Meaning of the elements.
        element: Box<Self>,
    },
    /// Geometry as its owner stores it. Arrow `Binary`.
    Geometry {
        /// `mysql`: SRID as little-endian u32, then WKB. `postgis`: EWKB.
        encoding: String,
    },
    /// A value of a type that has no twin elsewhere, in its owner's text form, which its owner
    /// reads back as the same value. Arrow `Utf8` with the extension `arrow.opaque`.
    Opaque {
        /// Bare name of the type: `inet`, `int4range`, `hstore`, `xml`.
        type_name: String,
        /// Most characters of a value, where the type has such a bound.
        chars: Option<u32>,
    },
    /// SQLite's cells of any class. Arrow `Binary`: one byte of class (1 integer, 2 real, 3 text,
    /// 4 blob), then 8 bytes big-endian, or the bytes.
    Variant,
}

impl CanonicalType {
    /// The Arrow storage type of a column of this type.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt8 => DataType::UInt8,
            Self::UInt16 => DataType::UInt16,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 | Self::Bits { .. } => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => {
                // A scale is at most 76, so it always fits.
                let scale = i8::try_from(*scale).unwrap_or(i8::MAX);
                if *precision <= 38 {
                    DataType::Decimal128(*precision, scale)
                } else {
                    DataType::Decimal256(*precision, scale)
                }
            }
            Self::DecimalText
            | Self::Text { .. }
            | Self::Json { .. }
            | Self::Enum { .. }
            | Self::Set { .. }
            | Self::BitString { .. }
            | Self::TimeTz
            | Self::Opaque { .. } => DataType::Utf8,
            Self::Binary { .. } | Self::Geometry { .. } | Self::Variant => DataType::Binary,
            Self::List { element } => {
                DataType::List(Arc::new(Field::new("item", element.arrow(), true)))
            }
            Self::Date => DataType::Date32,
            Self::Time { .. } => DataType::Time64(TimeUnit::Microsecond),
            Self::Duration { .. } => DataType::Duration(TimeUnit::Microsecond),
            Self::Timestamp { .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Instant { .. } => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Uuid | Self::Interval => DataType::FixedSizeBinary(16),
        }
    }

    /// The Arrow field of a column of this type, with the canonical type in its metadata under
    /// `rowferry.canonical`. Always nullable: constraints belong to the databases.
    pub fn field(&self, name: &str) -> Field {
        let canonical = serde_json::to_string(self).unwrap_or_default();
        let mut metadata = HashMap::from([("rowferry.canonical".to_owned(), canonical)]);
        if let Some((extension, detail)) = self.extension() {
            metadata.insert("ARROW:extension:name".to_owned(), extension.to_owned());
            metadata.insert("ARROW:extension:metadata".to_owned(), detail);
        }
        Field::new(name, self.arrow(), true).with_metadata(metadata)
    }

    /// Arrow's canonical extension for this meaning, with its metadata.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few meanings have an extension")]
    fn extension(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Uuid => Some(("arrow.uuid", String::new())),
            Self::Json { .. } => Some(("arrow.json", String::new())),
            Self::Opaque { type_name, .. } => Some((
                "arrow.opaque",
                serde_json::json!({"type_name": type_name, "vendor_name": "rowferry"}).to_string(),
            )),
            _ => None,
        }
    }

    /// A wider type in which a column can be read once a value came that this one cannot hold:
    /// NaN in a decimal, `2024-02-00` in a date, a list of two dimensions, and in SQLite, whose
    /// declarations bind nobody, a cell of any other class.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few meanings have a wider one")]
    pub fn demoted(&self) -> Option<Self> {
        match self {
            Self::Decimal { .. } => Some(Self::DecimalText),
            Self::Date | Self::Timestamp { .. } | Self::Instant { .. } | Self::List { .. } => {
                Some(Self::Text { chars: None, fixed: false })
            }
            // What the declared types of SQLite mean.
            Self::Boolean
            | Self::Int64
            | Self::UInt64
            | Self::Float64
            | Self::DecimalText
            | Self::Text { .. }
            | Self::Binary { .. }
            | Self::Time { .. }
            | Self::TimeTz
            | Self::Interval
            | Self::BitString { .. }
            | Self::Bits { .. }
            | Self::Uuid
            | Self::Json { .. } => Some(Self::Variant),
            _ => None,
        }
    }

    /// Whether values are integers whose keys may be cut by arithmetic.
    pub const fn is_integer(&self) -> bool {
        matches!(
            self,
            Self::Int8
                | Self::Int16
                | Self::Int32
                | Self::Int64
                | Self::UInt8
                | Self::UInt16
                | Self::UInt32
                | Self::UInt64
        )
    }

    /// Whether `order by` and `>` agree for this type on every server, so that it can bound a chunk.
    pub const fn orders_rows(&self) -> bool {
        match self {
            Self::Int8
            | Self::Int16
            | Self::Int32
            | Self::Int64
            | Self::UInt8
            | Self::UInt16
            | Self::UInt32
            | Self::UInt64
            | Self::Decimal { .. }
            | Self::DecimalText
            | Self::Text { .. }
            | Self::Binary { .. }
            | Self::Date
            | Self::Time { .. }
            | Self::Timestamp { .. }
            | Self::Instant { .. }
            | Self::Uuid => true,
            // Floats have NaN and two zeros; enums sort by index in one server and by text in its
            // comparisons; the others have no order.
            Self::Float32
            | Self::Float64
            | Self::Boolean
            | Self::Duration { .. }
            | Self::Json { .. }
            | Self::Bits { .. }
            | Self::Enum { .. }
            | Self::Set { .. }
            | Self::BitString { .. }
            | Self::Interval
            | Self::TimeTz
            | Self::List { .. }
            | Self::Geometry { .. }
            | Self::Opaque { .. }
            | Self::Variant => false,
        }
    }

    /// Short name for plans and messages: `int64`, `decimal(12,2)`, `timestamp(6)`.
    pub fn name(&self) -> String {
        let sized = |word: &str, size: Option<u32>| match size {
            Some(size) => format!("{word}({size})"),
            None => word.to_owned(),
        };
        match self {
            Self::Boolean => "boolean".into(),
            Self::Int8 => "int8".into(),
            Self::Int16 => "int16".into(),
            Self::Int32 => "int32".into(),
            Self::Int64 => "int64".into(),
            Self::UInt8 => "uint8".into(),
            Self::UInt16 => "uint16".into(),
            Self::UInt32 => "uint32".into(),
            Self::UInt64 => "uint64".into(),
            Self::Float32 => "float32".into(),
            Self::Float64 => "float64".into(),
            Self::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Self::DecimalText => "decimal".into(),
            Self::Text { chars, fixed } => sized(if *fixed { "char" } else { "text" }, *chars),
            Self::Binary { bytes, fixed } => {
                sized(if *fixed { "fixed binary" } else { "binary" }, *bytes)
            }
            Self::Date => "date".into(),
            Self::Time { digits } => format!("time({digits})"),
            Self::Duration { digits } => format!("duration({digits})"),
            Self::Timestamp { digits } => format!("timestamp({digits})"),
            Self::Instant { digits } => format!("instant({digits})"),
            Self::Uuid => "uuid".into(),
            Self::Json { flavor } => match flavor {
                JsonFlavor::Text => "json".into(),
                JsonFlavor::PgJsonb => "json (jsonb)".into(),
                JsonFlavor::Mysql => "json (mysql)".into(),
            },
            Self::Bits { bits } => format!("bits({bits})"),
            Self::Enum { labels } => format!("enum of {}", labels.len()),
            Self::Set { labels } => format!("set of {}", labels.len()),
            Self::BitString { bits, varying } => {
                sized(if *varying { "bits varying" } else { "bits" }, *bits)
            }
            Self::Interval => "interval".into(),
            Self::TimeTz => "time with zone".into(),
            Self::List { element } => format!("list of {}", element.name()),
            Self::Geometry { .. } => "geometry".into(),
            Self::Opaque { type_name, .. } => format!("{type_name} as text"),
            Self::Variant => "any class".into(),
        }
    }
}
