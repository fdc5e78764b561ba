//! What a column is on the server.

use std::fmt;

use rowferry_core::CanonicalType;

/// Type of a column on the server, domains followed to their base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PgType {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `oid`.
    Oid,
    /// `xid`, `cid`.
    Xid,
    /// `xid8`.
    Xid8,
    /// `pg_lsn`.
    Lsn,
    /// `"char"`: one byte, which may be zero.
    Char1,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric`.
    Numeric {
        /// Declared precision and scale; `None` = any.
        precision_scale: Option<(u16, i16)>,
    },
    /// `money`: an integer whose point the wire does not carry.
    Money {
        /// Fraction digits of the server's `lc_monetary`.
        digits: u8,
    },
    /// Any type whose wire form is its text: `text`, `name`, `citext`, `xml`. Also a column of
    /// another type that is selected as `c::text`.
    Text,
    /// `varchar`.
    Varchar {
        /// Declared length in characters.
        chars: Option<u32>,
    },
    /// `char(n)`.
    Bpchar {
        /// Declared length in characters.
        chars: Option<u32>,
    },
    /// `bytea`.
    Bytea,
    /// `date`.
    Date,
    /// `time without time zone`.
    Time {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `timestamp without time zone`.
    Timestamp {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `timestamp with time zone`.
    TimestampTz {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `time with time zone`.
    TimeTz {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `interval` with all its fields.
    Interval {
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
    /// `uuid`.
    Uuid,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `bit(n)`.
    Bit {
        /// Declared length in bits.
        bits: u32,
    },
    /// `bit varying`.
    VarBit {
        /// Most bits; `None` = any.
        bits: Option<u32>,
    },
    /// An array type.
    Array {
        /// Type of the elements.
        element: Box<PgType>,
        /// Number of that type on this server, as each array repeats it; 0 = not known, which is
        /// enough for reading.
        oid: u32,
    },
    /// An enum type.
    Enum {
        /// Labels in sort order.
        labels: Vec<String>,
    },
}

impl PgType {
    /// Bytes of every value on the wire, where all have the same.
    pub(super) const fn wire_bytes(&self) -> Option<u32> {
        match self {
            Self::Bool | Self::Char1 => Some(1),
            Self::Int2 => Some(2),
            Self::Int4 | Self::Oid | Self::Xid | Self::Float4 | Self::Date => Some(4),
            Self::Int8
            | Self::Xid8
            | Self::Lsn
            | Self::Float8
            | Self::Money { .. }
            | Self::Time { .. }
            | Self::Timestamp { .. }
            | Self::TimestampTz { .. } => Some(8),
            Self::TimeTz { .. } => Some(12),
            Self::Interval { .. } | Self::Uuid => Some(16),
            Self::Numeric { .. }
            | Self::Text
            | Self::Varchar { .. }
            | Self::Bpchar { .. }
            | Self::Bytea
            | Self::Json
            | Self::Jsonb
            | Self::Bit { .. }
            | Self::VarBit { .. }
            | Self::Array { .. }
            | Self::Enum { .. } => None,
        }
    }
}

impl fmt::Display for PgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sized = |f: &mut fmt::Formatter<'_>, word: &str, chars: Option<u32>| match chars {
            Some(chars) => write!(f, "{word}({chars})"),
            None => f.write_str(word),
        };
        match self {
            Self::Bool => f.write_str("boolean"),
            Self::Int2 => f.write_str("smallint"),
            Self::Int4 => f.write_str("integer"),
            Self::Int8 => f.write_str("bigint"),
            Self::Oid => f.write_str("oid"),
            Self::Xid => f.write_str("xid"),
            Self::Xid8 => f.write_str("xid8"),
            Self::Lsn => f.write_str("pg_lsn"),
            Self::Char1 => f.write_str("\"char\""),
            Self::Money { .. } => f.write_str("money"),
            Self::Float4 => f.write_str("real"),
            Self::Float8 => f.write_str("double precision"),
            Self::Numeric { precision_scale: Some((precision, scale)) } => {
                write!(f, "numeric({precision},{scale})")
            }
            Self::Numeric { precision_scale: None } => f.write_str("numeric"),
            Self::Text => f.write_str("text"),
            Self::Varchar { chars } => sized(f, "varchar", *chars),
            Self::Bpchar { chars } => sized(f, "char", *chars),
            Self::Bytea => f.write_str("bytea"),
            Self::Date => f.write_str("date"),
            Self::Time { digits } => write!(f, "time({digits})"),
            Self::Timestamp { digits } => write!(f, "timestamp({digits})"),
            Self::TimestampTz { digits } => write!(f, "timestamptz({digits})"),
            Self::TimeTz { digits } => write!(f, "timetz({digits})"),
            Self::Interval { digits } => write!(f, "interval({digits})"),
            Self::Uuid => f.write_str("uuid"),
            Self::Json => f.write_str("json"),
            Self::Jsonb => f.write_str("jsonb"),
            Self::Bit { bits } => write!(f, "bit({bits})"),
            Self::VarBit { bits } => sized(f, "varbit", *bits),
            Self::Array { element, .. } => write!(f, "{element}[]"),
            Self::Enum { labels } => write!(f, "enum of {}", labels.len()),
        }
    }
}

/// A column on both sides of the codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnCodec {
    /// Name, for messages and for the Arrow field.
    pub name: String,
    /// What the Arrow array holds.
    pub canonical: CanonicalType,
    /// What the column is on the server.
    pub pg: PgType,
}
