//! The type table: declared type of SQLite ↔ canonical type, both directions, in one place.
//!
//! A declared type is only a hint in SQLite: any cell may hold any storage class. So reading takes
//! the canonical type from the declaration (and, where that says too little, from the first rows:
//! [`crate::observe`]) and checks the class of every cell; writing is in [`crate::fit`].
//!
//! Our own names (`DECIMAL_TEXT`, `U64_TEXT`, `PERIOD_TEXT`, …) contain `TEXT` and never `INT`: the
//! affinity is text, no digit is lost, and the logical type can still be read back. An interval is
//! a `PERIOD_TEXT` because `INTERVAL` contains `INT`. Bits are numbers: a `BIT_INTEGER`, or all 64
//! of them, which no integer here holds, eight bytes of a `BIT_BLOB`, first byte highest.

use rowferry_core::{CanonicalType, JsonFlavor};

use crate::affinity::Affinity;

/// The engine word of this connector.
pub(crate) const ENGINE: &str = "sqlite";

/// What the values of a column of this declared type mean; `None` when the declaration says
/// nothing (no type, `ANY`) or something unknown.
pub(crate) fn canonical(declared: &str) -> Option<CanonicalType> {
    let (word, sizes) = split(declared);
    let digits = || digits_or(sizes.first(), 6);
    let own = match word.as_str() {
        "U64_TEXT" => Some(CanonicalType::UInt64),
        "DECIMAL_TEXT" | "DECIMAL" | "NUMERIC" | "DEC" | "NUMBER" => Some(decimal(&sizes)),
        "DATE_TEXT" | "DATE" => Some(CanonicalType::Date),
        "TIME_TEXT" | "TIME" => Some(CanonicalType::Time { digits: digits() }),
        "TIMESTAMP_TEXT" | "TIMESTAMP" | "DATETIME" => {
            Some(CanonicalType::Timestamp { digits: digits() })
        }
        "TIMESTAMPTZ_TEXT" | "TIMESTAMPTZ" => Some(CanonicalType::Instant { digits: digits() }),
        "DURATION_TEXT" => Some(CanonicalType::Duration { digits: digits() }),
        "PERIOD_TEXT" => Some(CanonicalType::Interval),
        "TIMETZ_TEXT" => Some(CanonicalType::TimeTz),
        "BIT_TEXT" => Some(bit_string(&sizes, false)),
        "VARBIT_TEXT" => Some(bit_string(&sizes, true)),
        "BIT_INTEGER" => bits(&sizes, 63),
        "BIT_BLOB" => bits(&sizes, 64),
        "UUID_TEXT" | "UUID" | "GUID" => Some(CanonicalType::Uuid),
        "JSON_TEXT" | "JSON" | "JSONB" => Some(CanonicalType::Json { flavor: JsonFlavor::Text }),
        "BOOL" | "BOOLEAN" => Some(CanonicalType::Boolean),
        "BINARY" | "VARBINARY" | "BYTEA" => Some(binary(&sizes)),
        _ => None,
    };
    own.or_else(|| match Affinity::of(declared) {
        Affinity::Integer => Some(CanonicalType::Int64),
        Affinity::Text => Some(CanonicalType::Text { chars: sizes.first().copied(), fixed: false }),
        Affinity::Real => Some(CanonicalType::Float64),
        Affinity::None if word.contains("BLOB") => Some(binary(&sizes)),
        Affinity::None | Affinity::Numeric => None,
    })
}

/// The declared type of a new column for values of this type.
pub(crate) fn declared(canonical: &CanonicalType) -> String {
    match canonical {
        CanonicalType::Boolean => "BOOLEAN".into(),
        CanonicalType::Int8 => "TINYINT".into(),
        CanonicalType::Int16 => "SMALLINT".into(),
        CanonicalType::Int32
        | CanonicalType::UInt8
        | CanonicalType::UInt16
        | CanonicalType::UInt32 => "INTEGER".into(),
        CanonicalType::Int64 => "BIGINT".into(),
        CanonicalType::UInt64 => "U64_TEXT".into(),
        CanonicalType::Float32 => "REAL".into(),
        CanonicalType::Float64 => "DOUBLE".into(),
        CanonicalType::Decimal { precision, scale } => format!("DECIMAL_TEXT({precision},{scale})"),
        CanonicalType::DecimalText => "DECIMAL_TEXT".into(),
        CanonicalType::Text { chars: Some(chars), fixed: true } => format!("CHAR({chars})"),
        CanonicalType::Text { chars: Some(chars), fixed: false } => format!("VARCHAR({chars})"),
        CanonicalType::Text { chars: None, .. }
        | CanonicalType::Enum { .. }
        | CanonicalType::Set { .. }
        | CanonicalType::Opaque { .. } => "TEXT".into(),
        CanonicalType::Binary { bytes: Some(bytes), .. } => format!("BLOB({bytes})"),
        CanonicalType::Binary { bytes: None, .. } | CanonicalType::Geometry { .. } => "BLOB".into(),
        CanonicalType::Date => "DATE_TEXT".into(),
        CanonicalType::Time { digits } => format!("TIME_TEXT({digits})"),
        CanonicalType::Duration { digits } => format!("DURATION_TEXT({digits})"),
        CanonicalType::Timestamp { digits } => format!("TIMESTAMP_TEXT({digits})"),
        CanonicalType::Instant { digits } => format!("TIMESTAMPTZ_TEXT({digits})"),
        CanonicalType::Uuid => "UUID_TEXT".into(),
        CanonicalType::Json { .. } | CanonicalType::List { .. } => "JSON_TEXT".into(),
        CanonicalType::Bits { bits } if *bits <= 63 => format!("BIT_INTEGER({bits})"),
        CanonicalType::Bits { bits } => format!("BIT_BLOB({bits})"),
        CanonicalType::BitString { bits, varying } => {
            let word = if *varying { "VARBIT_TEXT" } else { "BIT_TEXT" };
            bits.map_or_else(|| word.to_owned(), |bits| format!("{word}({bits})"))
        }
        CanonicalType::Interval => "PERIOD_TEXT".into(),
        CanonicalType::TimeTz => "TIMETZ_TEXT".into(),
        CanonicalType::Variant => String::new(),
    }
}

/// `decimal(p,s)`, or a decimal whose scale differs from value to value. With a declared scale a
/// value that needs more digits is a data error: SQLite itself would not have noticed it.
fn decimal(sizes: &[u32]) -> CanonicalType {
    let fixed = |precision: u32, scale: u32| {
        let (precision, scale) = (u8::try_from(precision).ok()?, u8::try_from(scale).ok()?);
        ((1..=76).contains(&precision) && scale <= precision)
            .then_some(CanonicalType::Decimal { precision, scale })
    };
    let known = match sizes {
        [precision] => fixed(*precision, 0),
        [precision, scale] => fixed(*precision, *scale),
        _ => None,
    };
    known.unwrap_or(CanonicalType::DecimalText)
}

fn binary(sizes: &[u32]) -> CanonicalType {
    CanonicalType::Binary { bytes: sizes.first().copied(), fixed: false }
}

fn bit_string(sizes: &[u32], varying: bool) -> CanonicalType {
    CanonicalType::BitString { bits: sizes.first().copied(), varying }
}

/// Bits that a number holds, when they are at most so many.
fn bits(sizes: &[u32], most: u8) -> Option<CanonicalType> {
    let bits = u8::try_from(*sizes.first()?).ok().filter(|bits| (1..=most).contains(bits))?;
    Some(CanonicalType::Bits { bits })
}

pub(crate) fn digits_or(size: Option<&u32>, default: u8) -> u8 {
    size.and_then(|size| u8::try_from(*size).ok()).filter(|size| *size <= 6).unwrap_or(default)
}

/// `NAME (1, 2)` as upper-case name and numbers.
pub(crate) fn split(declared: &str) -> (String, Vec<u32>) {
    let (word, rest) = declared.split_once('(').unwrap_or((declared, ""));
    let sizes = rest.split([',', ')']).map_while(|size| size.trim().parse().ok()).collect();
    (word.trim().to_ascii_uppercase(), sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_names_read_back_as_what_they_hold() {
        let types = [
            CanonicalType::Boolean,
            CanonicalType::Int64,
            CanonicalType::UInt64,
            CanonicalType::Float64,
            CanonicalType::Decimal { precision: 12, scale: 2 },
            CanonicalType::Decimal { precision: 60, scale: 20 },
            CanonicalType::DecimalText,
            CanonicalType::Text { chars: Some(10), fixed: false },
            CanonicalType::Text { chars: None, fixed: false },
            CanonicalType::Binary { bytes: None, fixed: false },
            CanonicalType::Date,
            CanonicalType::Time { digits: 3 },
            CanonicalType::Duration { digits: 6 },
            CanonicalType::Timestamp { digits: 0 },
            CanonicalType::Instant { digits: 6 },
            CanonicalType::Uuid,
            CanonicalType::Json { flavor: JsonFlavor::Text },
            CanonicalType::Interval,
            CanonicalType::TimeTz,
            CanonicalType::BitString { bits: Some(70), varying: false },
            CanonicalType::BitString { bits: None, varying: true },
            CanonicalType::Bits { bits: 1 },
            CanonicalType::Bits { bits: 63 },
            CanonicalType::Bits { bits: 64 },
        ];
        for canonical_type in types {
            let declared = declared(&canonical_type);
            assert_eq!(canonical(&declared), Some(canonical_type.clone()), "{declared}");
        }
    }

    #[test]
    fn own_names_keep_text_affinity() {
        for name in [
            "U64_TEXT",
            "DECIMAL_TEXT(20,5)",
            "DURATION_TEXT(6)",
            "TIMESTAMPTZ_TEXT(6)",
            "PERIOD_TEXT",
            "TIMETZ_TEXT",
            "BIT_TEXT(70)",
            "VARBIT_TEXT",
        ] {
            assert_eq!(Affinity::of(name), Affinity::Text, "{name}");
        }
        assert_eq!(Affinity::of("BIT_INTEGER(3)"), Affinity::Integer);
        assert_eq!(Affinity::of("BIT_BLOB(64)"), Affinity::None);
    }

    #[test]
    fn unknown_words_say_nothing() {
        for declared in ["STRING", "", "ANY", "(", "decimal text(", "🦀(9,9)"] {
            assert_ne!(canonical(declared), Some(CanonicalType::Int64), "{declared}");
        }
        assert_eq!(canonical("ANY"), None);
        assert_eq!(canonical("STRING"), None);
    }
}
