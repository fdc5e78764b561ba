//! The type table: server type to canonical type, and canonical type to server type.

use rowferry_core::{
    CanonicalType, Column, ColumnChoice, ColumnWish, JsonFlavor, NativeType, PlanProblem,
};

use crate::rules::rule;
use crate::sql;

/// Longest text, in characters, that becomes `varchar(n)`. A row of InnoDB may declare 65,535 bytes
/// and a character takes up to four, so sixteen such columns fit; longer ones become `longtext`.
const VARCHAR_CHARS_MAX: u32 = 1_000;
/// Characters of a text key without a declared length: 768 × 4 bytes is the widest index column
/// (<https://dev.mysql.com/doc/refman/8.4/en/innodb-limits.html>). Longer values are refused.
const KEY_CHARS: u32 = 768;
/// Bytes of a binary key without a declared length: the widest index column.
const KEY_BYTES: u32 = 3_072;

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

    const fn decimal_scale_max(self) -> u8 {
        match self {
            Self::MySql => 30,
            Self::MariaDb => 38,
        }
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
    Json,
    Uuid,
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
            "json" => Self::Json,
            "uuid" => Self::Uuid,
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
            Self::Uuid => CanonicalType::Uuid,
            Self::Other => return None,
        })
    }

    /// Whether the column holds characters in a character set.
    pub(crate) const fn has_charset(&self) -> bool {
        matches!(self, Self::Char(_) | Self::VarChar(_) | Self::Text(_) | Self::Enum(_))
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

/// A type of a new target column, with its collation.
fn declare(
    canonical: &CanonicalType,
    flavor: Flavor,
    in_key: bool,
) -> Result<(String, Option<String>), &'static str> {
    let plain = |declared: &str| Ok((declared.to_owned(), None));
    let text = |declared: String| Ok((declared, Some(flavor.binary_collation().to_owned())));
    let timed = |word: &str, digits: u8| match digits {
        0 => Ok((word.to_owned(), None)),
        digits => Ok((format!("{word}({digits})"), None)),
    };
    match canonical {
        CanonicalType::Boolean => plain("tinyint(1)"),
        CanonicalType::Int8 => plain("tinyint"),
        CanonicalType::Int16 => plain("smallint"),
        CanonicalType::Int32 => plain("int"),
        CanonicalType::Int64 => plain("bigint"),
        CanonicalType::UInt8 => plain("tinyint unsigned"),
        CanonicalType::UInt16 => plain("smallint unsigned"),
        CanonicalType::UInt32 => plain("int unsigned"),
        CanonicalType::UInt64 => plain("bigint unsigned"),
        CanonicalType::Float32 => plain("float"),
        CanonicalType::Float64 => plain("double"),
        CanonicalType::Decimal { precision, scale } => {
            if *precision > 65 || *scale > flavor.decimal_scale_max() {
                return Err("the decimal has more digits than this server's widest");
            }
            Ok((format!("decimal({precision},{scale})"), None))
        }
        CanonicalType::DecimalText => {
            Err("a numeric without precision has no equal type in this server")
        }
        CanonicalType::Text { chars: Some(chars), fixed: true } if *chars <= 255 => {
            text(format!("char({chars})"))
        }
        CanonicalType::Text { chars: Some(chars), .. }
            if *chars <= if in_key { KEY_CHARS } else { VARCHAR_CHARS_MAX } =>
        {
            text(format!("varchar({chars})"))
        }
        CanonicalType::Text { .. } if in_key => text(format!("varchar({KEY_CHARS})")),
        CanonicalType::Text { .. } => text("longtext".to_owned()),
        CanonicalType::Binary { bytes: Some(bytes), fixed: true } if *bytes <= 255 => {
            Ok((format!("binary({bytes})"), None))
        }
        CanonicalType::Binary { bytes: Some(bytes), .. }
            if *bytes <= if in_key { KEY_BYTES } else { VARCHAR_CHARS_MAX * 4 } =>
        {
            Ok((format!("varbinary({bytes})"), None))
        }
        CanonicalType::Binary { .. } if in_key => Ok((format!("varbinary({KEY_BYTES})"), None)),
        CanonicalType::Binary { .. } => plain("longblob"),
        CanonicalType::Date => plain("date"),
        CanonicalType::Time { digits } | CanonicalType::Duration { digits } => {
            timed("time", *digits)
        }
        CanonicalType::Timestamp { digits } | CanonicalType::Instant { digits } => {
            timed("datetime", *digits)
        }
        // MariaDB's own uuid type refuses variants that other servers hold (error 1292).
        CanonicalType::Uuid => plain("binary(16)"),
        CanonicalType::Json { flavor: json } => match (flavor, json) {
            (Flavor::MySql, JsonFlavor::Text) => text("longtext".to_owned()),
            (Flavor::MariaDb, _) | (Flavor::MySql, JsonFlavor::PgJsonb | JsonFlavor::Mysql) => {
                plain("json")
            }
        },
        CanonicalType::Bits { bits } => Ok((format!("bit({bits})"), None)),
        CanonicalType::Enum { labels } => {
            if labels.len() > 65_535 || labels.iter().any(|label| label.chars().count() > 255) {
                return Err("the enum has more or longer labels than this server allows");
            }
            if labels.iter().any(|label| label.ends_with(' ')) {
                return Err("a label of the enum ends in a blank, which this server drops");
            }
            let labels: Vec<String> = labels.iter().map(|label| enum_label(label)).collect();
            text(format!("enum({})", labels.join(",")))
        }
        CanonicalType::Set { .. }
        | CanonicalType::BitString { .. }
        | CanonicalType::Interval
        | CanonicalType::TimeTz
        | CanonicalType::List { .. }
        | CanonicalType::Geometry { .. }
        | CanonicalType::Opaque { .. }
        | CanonicalType::Variant => Err("this server has no type for it yet"),
    }
}

/// A label as `COLUMN_TYPE` shows it: quotes doubled.
fn enum_label(label: &str) -> String {
    format!("'{}'", label.replace('\\', "\\\\").replace('\'', "''"))
}

/// The target column for `source`: `existing` when it fits, else a new one.
pub(crate) fn plan_column(
    wish: &ColumnWish<'_>,
    flavor: Flavor,
) -> Result<ColumnChoice, PlanProblem> {
    let ColumnWish { source, name: target_name, existing, in_key, .. } = *wish;
    let problem = |code: &str, message: String, next: &str| {
        PlanProblem::of_column(code, &source.name, message, next)
    };
    if let Some(existing) = existing {
        if existing.generated {
            return Err(problem(
                "generated-column",
                format!("the target computes column {:?} itself", existing.name),
                "Leave the column out, or drop the expression of the target column.",
            ));
        }
        rule(source, existing, flavor).map_err(|message| {
            problem("type-mismatch", message, "Change the target column's type, or leave it out.")
        })?;
        return Ok(ColumnChoice::exact(existing.clone()));
    }
    check_name(target_name).map_err(|message| {
        problem("bad-name", message.to_owned(), "Rename the column with `rename`.")
    })?;
    let unmapped = |message: String| {
        problem(
            "unsupported-type",
            message,
            "Leave the column out with `exclude`, or cast it in a view.",
        )
    };
    let Some(canonical) = &source.canonical else {
        let message = format!("the type {} is not supported yet", source.native.declared);
        return Err(unmapped(message));
    };
    let (declared, collation) = match verbatim(source, flavor) {
        Some(own) => own,
        None => declare(canonical, flavor, in_key).map_err(|reason| unmapped(reason.to_owned()))?,
    };
    let same_fork = matches!(source.native.engine.as_str(), "mysql" | "mariadb");
    // The way back must know that the wall clock in this column is an instant.
    let utc = matches!(canonical, CanonicalType::Instant { .. }) && !same_fork;
    let comment = source.comment.clone().or_else(|| utc.then(|| "utc instant".to_owned()));
    Ok(ColumnChoice::exact(Column {
        name: target_name.to_owned(),
        canonical: Native::parse(&declared).canonical(flavor),
        native: NativeType::new(flavor.word(), declared),
        nullable: source.nullable,
        default: None,
        default_meaning: None,
        identity: source.identity.filter(|_| same_fork),
        generated: false,
        expression: None,
        collation,
        comment,
    }))
}

/// The source's own type where the target's fork has it too.
fn verbatim(source: &Column, flavor: Flavor) -> Option<(String, Option<String>)> {
    let engine = source.native.engine.as_str();
    if !matches!(engine, "mysql" | "mariadb") {
        return None;
    }
    let native = Native::parse(&source.native.declared);
    let collation = source.collation.clone().filter(|_| native.has_charset());
    if engine == flavor.word() {
        return Some((source.native.declared.clone(), collation));
    }
    let own_kind = matches!(native, Native::Uuid | Native::Json | Native::Other);
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
    Some((source.native.declared.clone(), collation))
}

/// Whether the server accepts this as a name.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.chars().count() > 64 {
        return Err("the name is longer than 64 characters");
    }
    if name.is_empty() || name.ends_with(' ') {
        return Err("the name is empty or ends in a blank");
    }
    if name.chars().any(|sign| sign == '\0' || sign > '\u{FFFF}') {
        return Err("the name has a character that this server does not allow in names");
    }
    Ok(())
}

/// A column of `create table`.
pub(crate) fn definition(column: &Column, primary: bool) -> String {
    let mut text = format!("{} {}", sql::quote(&column.name), column.native.declared);
    if let Some(collation) = &column.collation
        && Native::parse(&column.native.declared).has_charset()
    {
        text.push_str(" character set ");
        text.push_str(charset(collation));
        text.push_str(" collate ");
        text.push_str(collation);
    }
    let timestamp = matches!(Native::parse(&column.native.declared), Native::Timestamp(_));
    text.push_str(match (column.nullable && !primary, timestamp) {
        (true, true) => " null default null",
        (true, false) => " null",
        (false, _) => " not null",
    });
    if column.identity.is_some() && primary {
        text.push_str(" auto_increment");
    }
    if let Some(comment) = &column.comment {
        text.push_str(" comment ");
        text.push_str(&sql::text(comment));
    }
    text
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
        check("datetime(6)", Native::DateTime(6));
        check("geometry", Native::Other);
    }
}
