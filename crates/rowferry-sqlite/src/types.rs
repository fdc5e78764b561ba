//! The type table: declared type of SQLite ↔ canonical type, both directions, in one place.
//!
//! A declared type is only a hint in SQLite: any cell may hold any storage class. So reading takes
//! the canonical type from the declaration and checks the class of every cell, and writing picks a
//! [`Binding`] whose value the column's affinity leaves as it is. Our own names (`DECIMAL_TEXT`,
//! `U64_TEXT`, …) contain `TEXT` and never `INT`, `REAL` or `CHAR`: the affinity is text, no digit
//! is lost, and the logical type can still be read back.

use rowferry_core::{
    CanonicalType, Column, ColumnChoice, ColumnWish, JsonFlavor, NativeType, PlanProblem,
};

/// The engine word of this connector.
pub(crate) const ENGINE: &str = "sqlite";

/// What SQLite does to a value on its way into a column:
/// <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    Integer,
    Text,
    None,
    Real,
    Numeric,
}

/// How a value is handed to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Integer (booleans as 0 and 1).
    Integer,
    /// Double.
    Real,
    /// Characters as they are.
    Text,
    /// Characters into a column that would turn numbers in text into numbers: checked.
    GuardedText,
    /// Bytes.
    Blob,
    /// Eight bytes, big-endian.
    BigEndian,
    /// Digits as text.
    Digits,
    /// Number whose text must survive the column's numeric affinity: integer, else exact double.
    Numeric,
    /// ISO text with at least this many fraction digits.
    Iso(u8),
    /// Canonical text of a UUID.
    UuidText,
}

/// The affinity of a declared type, by SQLite's own rules in their order.
pub(crate) fn affinity(declared: &str) -> Affinity {
    let upper = declared.to_ascii_uppercase();
    let has = |word: &str| upper.contains(word);
    if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if upper.trim().is_empty() || has("BLOB") {
        Affinity::None
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// What the values of a column of this declared type mean; `None` when the declaration says
/// nothing (no type, `ANY`) or something unknown.
pub(crate) fn canonical(declared: &str) -> Option<CanonicalType> {
    let (word, sizes) = split(declared);
    let digits = || digits_or(sizes.first(), 6);
    let own = match word.as_str() {
        "U64_TEXT" => Some(CanonicalType::UInt64),
        "DECIMAL_TEXT" | "DECIMAL" | "NUMERIC" | "DEC" => Some(decimal(&sizes)),
        "DATE_TEXT" | "DATE" => Some(CanonicalType::Date),
        "TIME_TEXT" | "TIME" => Some(CanonicalType::Time { digits: digits() }),
        "TIMESTAMP_TEXT" | "TIMESTAMP" | "DATETIME" => {
            Some(CanonicalType::Timestamp { digits: digits() })
        }
        "TIMESTAMPTZ_TEXT" | "TIMESTAMPTZ" => Some(CanonicalType::Instant { digits: digits() }),
        "DURATION_TEXT" => Some(CanonicalType::Duration { digits: digits() }),
        "UUID_TEXT" | "UUID" | "GUID" => Some(CanonicalType::Uuid),
        "JSON_TEXT" | "JSON" | "JSONB" => Some(CanonicalType::Json { flavor: JsonFlavor::Text }),
        "BOOL" | "BOOLEAN" => Some(CanonicalType::Boolean),
        "BINARY" | "VARBINARY" | "BYTEA" => Some(binary(&sizes)),
        _ => None,
    };
    own.or_else(|| match affinity(declared) {
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
        CanonicalType::Text { chars: None, .. } | CanonicalType::Enum { .. } => "TEXT".into(),
        CanonicalType::Binary { bytes: Some(bytes), .. } => format!("BLOB({bytes})"),
        CanonicalType::Binary { bytes: None, .. } => "BLOB".into(),
        CanonicalType::Date => "DATE_TEXT".into(),
        CanonicalType::Time { digits } => format!("TIME_TEXT({digits})"),
        CanonicalType::Duration { digits } => format!("DURATION_TEXT({digits})"),
        CanonicalType::Timestamp { digits } => format!("TIMESTAMP_TEXT({digits})"),
        CanonicalType::Instant { digits } => format!("TIMESTAMPTZ_TEXT({digits})"),
        CanonicalType::Uuid => "UUID_TEXT".into(),
        CanonicalType::Json { .. } => "JSON_TEXT".into(),
        CanonicalType::Bits { bits } if *bits <= 63 => "INTEGER".into(),
        CanonicalType::Bits { .. } => "BLOB(8)".into(),
        CanonicalType::Set { .. }
        | CanonicalType::BitString { .. }
        | CanonicalType::Opaque { .. } => "TEXT".into(),
        CanonicalType::Interval => "PERIOD_TEXT".into(),
        CanonicalType::TimeTz => "TIMETZ_TEXT".into(),
        CanonicalType::List { .. } => "JSON_TEXT".into(),
        CanonicalType::Geometry { .. } => "BLOB".into(),
        CanonicalType::Variant => String::new(),
    }
}

/// How values of `source` are bound to a column declared as `target`, or why they would not
/// survive there.
pub(crate) fn binding(source: &CanonicalType, target: &str) -> Result<Binding, String> {
    surviving(source, target)
        .ok_or_else(|| format!("{} values do not survive in {target:?}", source.name()))
}

fn surviving(source: &CanonicalType, target: &str) -> Option<Binding> {
    let affinity = affinity(target);
    let meaning = canonical(target);
    let is_text = affinity == Affinity::Text;
    let binary = target.trim().is_empty() || matches!(meaning, Some(CanonicalType::Binary { .. }));
    let integer = || (!is_text && affinity != Affinity::Real).then_some(Binding::Integer);
    let iso = |accepted: bool| {
        let (_, sizes) = split(target);
        accepted.then(|| Binding::Iso(digits_or(sizes.first(), 0)))
    };
    match source {
        CanonicalType::UInt64 if is_text => Some(Binding::Digits),
        CanonicalType::Bits { bits: 64 } if binary => Some(Binding::BigEndian),
        // Of the last two a value beyond i64 is refused when it comes.
        CanonicalType::Boolean
        | CanonicalType::Int8
        | CanonicalType::Int16
        | CanonicalType::Int32
        | CanonicalType::Int64
        | CanonicalType::UInt8
        | CanonicalType::UInt16
        | CanonicalType::UInt32
        | CanonicalType::UInt64
        | CanonicalType::Bits { .. } => integer(),
        CanonicalType::Float32 | CanonicalType::Float64 => {
            matches!(affinity, Affinity::Real | Affinity::None).then_some(Binding::Real)
        }
        CanonicalType::Decimal { .. } | CanonicalType::DecimalText => match affinity {
            Affinity::Text | Affinity::None => Some(Binding::Digits),
            Affinity::Integer | Affinity::Numeric => Some(Binding::Numeric),
            Affinity::Real => None,
        },
        CanonicalType::Text { .. } | CanonicalType::Enum { .. } | CanonicalType::Json { .. } => {
            match (affinity, meaning) {
                (Affinity::Text | Affinity::None, _) => Some(Binding::Text),
                (_, Some(CanonicalType::Json { .. })) => Some(Binding::GuardedText),
                _ => None,
            }
        }
        CanonicalType::Binary { .. } => binary.then_some(Binding::Blob),
        CanonicalType::Date => iso(is_text || matches!(meaning, Some(CanonicalType::Date))),
        CanonicalType::Time { .. } => {
            iso(is_text || matches!(meaning, Some(CanonicalType::Time { .. })))
        }
        CanonicalType::Duration { .. } => {
            iso(is_text || matches!(meaning, Some(CanonicalType::Duration { .. })))
        }
        // A wall clock is not an instant: neither goes into a column that says it is the other.
        CanonicalType::Timestamp { .. } => iso(match meaning {
            Some(CanonicalType::Instant { .. }) => false,
            Some(CanonicalType::Timestamp { .. }) => true,
            _ => is_text,
        }),
        CanonicalType::Instant { .. } => iso(match meaning {
            Some(CanonicalType::Timestamp { .. }) => false,
            Some(CanonicalType::Instant { .. }) => true,
            _ => is_text,
        }),
        CanonicalType::Uuid if binary => Some(Binding::Blob),
        CanonicalType::Uuid => {
            (is_text || matches!(meaning, Some(CanonicalType::Uuid))).then_some(Binding::UuidText)
        }
        CanonicalType::Set { .. }
        | CanonicalType::BitString { .. }
        | CanonicalType::Interval
        | CanonicalType::TimeTz
        | CanonicalType::List { .. }
        | CanonicalType::Geometry { .. }
        | CanonicalType::Opaque { .. }
        | CanonicalType::Variant => None,
    }
}

/// The target column for `source`: `existing` when its values fit, else a new one; from SQLite the
/// declaration is taken over word for word.
pub(crate) fn plan_column(wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
    let ColumnWish { source, name: target_name, existing, .. } = *wish;
    let problem = |code: &str, message: String, next: &str| {
        PlanProblem::of_column(code, &source.name, message, next)
    };
    let Some(canonical) = &source.canonical else {
        return Err(problem(
            "unmapped-type",
            format!("the type {:?} has no mapping", source.native.declared),
            "Leave the column out with `exclude`, or give it a type that is known.",
        ));
    };
    if let Some(existing) = existing {
        if existing.generated {
            return Err(problem(
                "generated-column",
                format!("target column {target_name:?} is computed by the database"),
                "Leave the column out with `exclude`.",
            ));
        }
        binding(canonical, &existing.native.declared).map_err(|message| {
            problem("type-does-not-fit", message, "Change the target column, or let it be made.")
        })?;
        return Ok(ColumnChoice::exact(existing.clone()));
    }
    let same_engine = source.native.engine == ENGINE;
    let declared = if same_engine { source.native.declared.clone() } else { declared(canonical) };
    Ok(ColumnChoice::exact(Column {
        name: target_name.to_owned(),
        canonical: Some(canonical.clone()),
        native: NativeType::new(ENGINE, declared),
        nullable: source.nullable,
        default: source.default.clone().filter(|_| same_engine),
        default_meaning: None,
        identity: source.identity.filter(|_| same_engine),
        generated: false,
        expression: None,
        collation: source.collation.clone().filter(|_| same_engine),
        comment: None,
    }))
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

fn digits_or(size: Option<&u32>, default: u8) -> u8 {
    size.and_then(|size| u8::try_from(*size).ok()).filter(|size| *size <= 6).unwrap_or(default)
}

/// `NAME (1, 2)` as upper-case name and numbers.
fn split(declared: &str) -> (String, Vec<u32>) {
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
        ];
        for canonical_type in types {
            let declared = declared(&canonical_type);
            assert_eq!(canonical(&declared), Some(canonical_type.clone()), "{declared}");
            assert!(binding(&canonical_type, &declared).is_ok(), "{declared}");
        }
    }

    #[test]
    fn own_names_keep_text_affinity() {
        for name in ["U64_TEXT", "DECIMAL_TEXT(20,5)", "DURATION_TEXT(6)", "TIMESTAMPTZ_TEXT(6)"] {
            assert_eq!(affinity(name), Affinity::Text, "{name}");
        }
    }

    #[test]
    fn what_the_affinity_would_change_is_refused() {
        let text = CanonicalType::Text { chars: None, fixed: false };
        assert!(binding(&text, "INTEGER").is_err());
        assert!(binding(&text, "STRING").is_err());
        assert!(binding(&CanonicalType::Int64, "TEXT").is_err());
        assert!(binding(&CanonicalType::Float64, "NUMERIC").is_err());
        assert!(binding(&CanonicalType::Instant { digits: 6 }, "DATETIME").is_err());
        assert_eq!(canonical("STRING"), None);
        assert_eq!(canonical(""), None);
        assert_eq!(canonical("ANY"), None);
    }
}
