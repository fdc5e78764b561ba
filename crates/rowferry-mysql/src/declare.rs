//! The type of a new target column: canonical type to server type.

use rowferry_core::{CanonicalType, Column, JsonFlavor};

use crate::types::{Flavor, Native, label_literal};

/// Longest text, in characters, that becomes `varchar(n)`. A row of InnoDB may declare 65,535 bytes
/// and a character takes up to four, so sixteen such columns fit; longer ones become `longtext`.
const VARCHAR_CHARS_MAX: u32 = 1_000;
/// Characters of a text key without a declared length: 768 × 4 bytes is the widest index column
/// (<https://dev.mysql.com/doc/refman/8.4/en/innodb-limits.html>). Longer values are refused.
const KEY_CHARS: u32 = 768;
/// Bytes of a binary key without a declared length: the widest index column.
const KEY_BYTES: u32 = 3_072;
/// Longest `char(n)` and `binary(n)`.
const FIXED_MAX: u32 = 255;
/// Most digits of a decimal.
const DECIMAL_DIGITS_MAX: u8 = 65;
/// Most labels of an enum and of a set, and most characters of a label
/// (<https://dev.mysql.com/doc/refman/8.4/en/string-type-syntax.html>).
const ENUM_LABELS_MAX: usize = 65_535;
const SET_LABELS_MAX: usize = 64;
const LABEL_CHARS_MAX: usize = 255;

/// A type with its collation, where it has characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) declared: String,
    pub(crate) collation: Option<String>,
}

impl Declared {
    fn plain(declared: impl Into<String>) -> Self {
        Self { declared: declared.into(), collation: None }
    }

    /// Characters that are equal only when their bytes are.
    pub(crate) fn text(declared: impl Into<String>, flavor: Flavor) -> Self {
        let collation = Some(flavor.binary_collation().to_owned());
        Self { declared: declared.into(), collation }
    }

    /// A type in a user's words: `varchar(20) character set latin1 collate latin1_bin`.
    pub(crate) fn parse(words: &str, flavor: Flavor) -> Self {
        let lower = words.to_ascii_lowercase();
        let end = [" character set ", " charset ", " collate "]
            .iter()
            .filter_map(|word| lower.find(word))
            .min()
            .unwrap_or(words.len());
        let (declared, rest) = words.split_at_checked(end).unwrap_or((words, ""));
        let declared = declared.trim();
        let after = |word: &str| {
            let rest = rest.to_ascii_lowercase();
            let (_, value) = rest.split_once(word)?;
            value.split_whitespace().next().map(str::to_owned)
        };
        let collation = after(" collate ").or_else(|| {
            let charset = after(" character set ").or_else(|| after(" charset "))?;
            Some(format!("{charset}_bin"))
        });
        if !Native::parse(declared).has_charset() {
            return Self::plain(declared);
        }
        match collation {
            Some(_) => Self { declared: declared.to_owned(), collation },
            None => Self::text(declared, flavor),
        }
    }
}

/// Why there is no type, and the casts with which there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) reason: &'static str,
    pub(crate) casts: &'static [&'static str],
}

const fn missing(reason: &'static str, casts: &'static [&'static str]) -> Missing {
    Missing { reason, casts }
}

/// Characters of at most so many.
fn characters(chars: Option<u32>, in_key: bool, flavor: Flavor) -> Declared {
    let max = if in_key { KEY_CHARS } else { VARCHAR_CHARS_MAX };
    let declared = match chars {
        // A type of no characters holds the empty text only, and is an error in an index.
        Some(chars) if chars <= max => format!("varchar({})", chars.max(1)),
        _ if in_key => format!("varchar({KEY_CHARS})"),
        _ => "longtext".to_owned(),
    };
    Declared::text(declared, flavor)
}

fn bytes(bytes: Option<u32>, in_key: bool) -> Declared {
    let max = if in_key { KEY_BYTES } else { VARCHAR_CHARS_MAX * 4 };
    Declared::plain(match bytes {
        Some(bytes) if bytes <= max => format!("varbinary({})", bytes.max(1)),
        _ if in_key => format!("varbinary({KEY_BYTES})"),
        _ => "longblob".to_owned(),
    })
}

/// The type for values of `source`.
pub(crate) fn declare(
    source: &Column,
    canonical: &CanonicalType,
    flavor: Flavor,
    in_key: bool,
) -> Result<Declared, Missing> {
    use CanonicalType as C;
    let timed = |word: &str, digits: u8| match digits {
        0 => Declared::plain(word),
        digits => Declared::plain(format!("{word}({digits})")),
    };
    Ok(match canonical {
        C::Boolean => Declared::plain("tinyint(1)"),
        C::Int8 => Declared::plain("tinyint"),
        C::Int16 => Declared::plain("smallint"),
        C::Int32 => Declared::plain("int"),
        C::Int64 => Declared::plain("bigint"),
        C::UInt8 => Declared::plain("tinyint unsigned"),
        C::UInt16 => Declared::plain("smallint unsigned"),
        C::UInt32 => Declared::plain("int unsigned"),
        C::UInt64 => Declared::plain("bigint unsigned"),
        C::Float32 => Declared::plain("float"),
        C::Float64 => Declared::plain("double"),
        C::Decimal { precision, scale } => {
            if *precision > DECIMAL_DIGITS_MAX || *scale > flavor.decimal_scale_max() {
                return Err(missing(
                    "the decimal has more digits than the widest of this server",
                    &["text"],
                ));
            }
            Declared::plain(format!("decimal({precision},{scale})"))
        }
        C::DecimalText => return Err(no_decimal(source)),
        C::Text { chars: Some(chars), fixed: true } if *chars <= FIXED_MAX => {
            Declared::text(format!("char({chars})"), flavor)
        }
        C::Text { chars, .. } | C::Opaque { chars, .. } => characters(*chars, in_key, flavor),
        C::BitString { bits, .. } => characters(*bits, in_key, flavor),
        C::Binary { bytes: Some(bytes), fixed: true } if *bytes <= FIXED_MAX => {
            Declared::plain(format!("binary({bytes})"))
        }
        C::Binary { bytes: size, .. } => bytes(*size, in_key),
        C::Date => Declared::plain("date"),
        C::Time { digits } | C::Duration { digits } => timed("time", *digits),
        C::Timestamp { digits } | C::Instant { digits } => timed("datetime", *digits),
        // MariaDB's own uuid type refuses variants that other servers hold (error 1292).
        C::Uuid => Declared::plain("binary(16)"),
        C::Json { flavor: json } => match (flavor, json) {
            (Flavor::MySql, JsonFlavor::Text) => Declared::text("longtext", flavor),
            (Flavor::MariaDb, _) | (Flavor::MySql, JsonFlavor::PgJsonb | JsonFlavor::Mysql) => {
                Declared::plain("json")
            }
        },
        C::Bits { bits } => Declared::plain(format!("bit({bits})")),
        C::Enum { labels } => labelled("enum", labels, ENUM_LABELS_MAX, flavor)?,
        C::Set { labels } => labelled("set", labels, SET_LABELS_MAX, flavor)?,
        C::List { .. } => Declared::plain("json"),
        C::Geometry { encoding } if encoding == "mysql" && Flavor::is_family(source) => {
            // What follows the word names a reference system in the words of one fork.
            let word = source.native.declared.split(' ').next().unwrap_or("geometry");
            Declared::plain(word)
        }
        C::Geometry { .. } => Declared::plain("longblob"),
        C::Interval => {
            return Err(missing(
                "an interval with months and days has no equal type in this server",
                &["text", "time(6)"],
            ));
        }
        C::TimeTz => {
            return Err(missing(
                "a time with an offset has no equal type in this server",
                &["varchar(24)", "text"],
            ));
        }
        C::Variant => {
            return Err(missing("cells of any class have no equal type in this server", &["text"]));
        }
    })
}

/// Why a number of any digits has no type, and what it may become.
fn no_decimal(source: &Column) -> Missing {
    if declares_more(source, DECIMAL_DIGITS_MAX) {
        return missing(
            "the numeric has more digits than the widest decimal of this server",
            &["text"],
        );
    }
    missing(
        "a numeric without precision has no equal type in this server",
        &["decimal(65,30)", "text"],
    )
}

/// Whether the source declares more digits: `numeric(100,50)`.
fn declares_more(source: &Column, digits: u8) -> bool {
    let (_, inside) = source.native.stored().split_once('(').unwrap_or_default();
    let precision = inside.split([',', ')']).next().unwrap_or_default();
    precision.trim().parse::<u32>().is_ok_and(|precision| precision > digits.into())
}

fn labelled(
    word: &str,
    labels: &[String],
    most: usize,
    flavor: Flavor,
) -> Result<Declared, Missing> {
    if labels.is_empty() || labels.len() > most {
        return Err(missing("it has no label, or more than this server allows", &["text"]));
    }
    if labels.iter().any(|label| label.chars().count() > LABEL_CHARS_MAX) {
        return Err(missing("a label is longer than this server allows", &["text"]));
    }
    if labels.iter().any(|label| label.ends_with(' ')) {
        return Err(missing("a label ends in a blank, which this server drops", &["text"]));
    }
    let labels: Vec<String> = labels.iter().map(|label| label_literal(label)).collect();
    Ok(Declared::text(format!("{word}({})", labels.join(",")), flavor))
}

/// The source's own type where the target's fork has it too.
pub(crate) fn verbatim(source: &Column, flavor: Flavor) -> Option<Declared> {
    if !Flavor::is_family(source) {
        return None;
    }
    let native = Native::parse(&source.native.declared);
    let declared = source.native.declared.clone();
    let collation = source.collation.clone().filter(|_| native.has_charset());
    if source.native.engine == flavor.word() {
        return Some(Declared { declared, collation });
    }
    let own_kind = matches!(
        native,
        Native::Uuid
            | Native::Json
            | Native::Inet { .. }
            | Native::Geometry(_)
            | Native::Vector(_)
            | Native::Other
    );
    let too_fine =
        matches!(native, Native::Decimal { scale, .. } if scale > flavor.decimal_scale_max());
    if own_kind || too_fine {
        return None;
    }
    // Collations of the newer families exist in one fork only. The order of bytes in their place
    // never merges two rows that the source told apart.
    let newer = |collation: &str| {
        ["_0900_", "uca1400", "nopad"].iter().any(|family| collation.contains(family))
    };
    let collation = collation.map(|collation| {
        if newer(&collation) { flavor.binary_collation().to_owned() } else { collation }
    });
    Some(Declared { declared, collation })
}
