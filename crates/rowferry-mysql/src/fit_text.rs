//! How exactly values arrive in columns of characters and of bytes.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a pair of types that is not named does not fit"
)]

use rowferry_codec::mysql_text::Repertoire;
use rowferry_core::{CanonicalType, Column, JsonFlavor, ValueLimits};

use crate::fit::{Fit, OwnType, Place};
use crate::types::{Native, charset};

/// Bytes of the longest character of utf8mb4.
const CHARACTER_BYTES: u64 = 4;
/// Characters of a uuid.
const UUID_CHARS: u64 = 36;
/// Characters of the longest time with an offset, `23:59:59.999999+15:59:59`.
const TIMETZ_CHARS: u64 = 24;

/// What a collation's character set can hold; a column without one holds everything.
pub(crate) fn repertoire(collation: Option<&str>) -> Repertoire {
    match collation.map(charset) {
        None | Some("utf8mb4" | "utf16" | "utf16le" | "utf32") => Repertoire::All,
        Some("utf8" | "utf8mb3" | "ucs2") => Repertoire::Basic,
        Some("latin1") => Repertoire::Latin1,
        Some("ascii") => Repertoire::Ascii,
        Some(_) => Repertoire::Server,
    }
}

/// Most characters and bytes of a text column.
fn room(native: &Native) -> (Option<u64>, Option<u64>) {
    match native {
        Native::Char(chars) | Native::VarChar(chars) => (Some((*chars).into()), None),
        Native::Text(bytes) => (None, Some(*bytes)),
        _ => (None, None),
    }
}

/// Most characters of the text of a value, where its meaning bounds them.
fn width(canonical: &CanonicalType) -> Option<u64> {
    let longest = |labels: &[String]| labels.iter().map(|label| label.chars().count() as u64).max();
    match canonical {
        CanonicalType::Text { chars, .. } | CanonicalType::Opaque { chars, .. } => {
            chars.map(u64::from)
        }
        CanonicalType::Enum { labels } => longest(labels),
        CanonicalType::Set { labels } => {
            Some(labels.iter().map(|label| label.chars().count() as u64 + 1).sum())
        }
        CanonicalType::BitString { bits, .. } => bits.map(u64::from),
        CanonicalType::Uuid => Some(UUID_CHARS),
        CanonicalType::TimeTz => Some(TIMETZ_CHARS),
        // The longest are `false`, -9223372036854775808 and 18446744073709551615.
        CanonicalType::Boolean => Some(5),
        other if other.is_integer() => Some(20),
        // A sign, a point and a zero before it.
        CanonicalType::Decimal { precision, .. } => Some(u64::from(*precision) + 3),
        _ => None,
    }
}

/// How values become characters.
enum Characters {
    /// They are, or the encoder writes them so.
    Already,
    /// By this meaning.
    By(CanonicalType),
    /// They have no text.
    Never,
}

fn as_text(canonical: &CanonicalType) -> Characters {
    use CanonicalType as C;
    match canonical {
        C::Text { .. }
        | C::Enum { .. }
        | C::Set { .. }
        | C::Json { .. }
        | C::DecimalText
        | C::BitString { .. }
        | C::TimeTz
        | C::Opaque { .. }
        | C::Uuid => Characters::Already,
        C::List { .. } => Characters::By(C::Json { flavor: JsonFlavor::Text }),
        C::Binary { .. } | C::Geometry { .. } => Characters::Never,
        C::Boolean
        | C::Int8
        | C::Int16
        | C::Int32
        | C::Int64
        | C::UInt8
        | C::UInt16
        | C::UInt32
        | C::UInt64
        | C::Float32
        | C::Float64
        | C::Decimal { .. }
        | C::Date
        | C::Time { .. }
        | C::Duration { .. }
        | C::Timestamp { .. }
        | C::Instant { .. }
        | C::Bits { .. }
        | C::Interval
        | C::Variant => Characters::By(C::Text { chars: None, fixed: false }),
    }
}

/// Values whose text is made of digits, letters and signs of ASCII only.
fn is_ascii(canonical: &CanonicalType) -> bool {
    use CanonicalType as C;
    !matches!(
        canonical,
        C::Text { .. }
            | C::Enum { .. }
            | C::Set { .. }
            | C::Json { .. }
            | C::Opaque { .. }
            | C::List { .. }
            | C::Variant
    )
}

/// How values of `source` arrive in a column of characters.
pub(crate) fn text(source: &Column, place: Place<'_>) -> Option<Fit> {
    let canonical = source.canonical.as_ref()?;
    let own = OwnType::of(source);
    let (chars, bytes) = room(place.native);
    let drops_blanks = matches!(place.native, Native::Char(_));
    let mut rules = Vec::new();

    let width = width(canonical);
    if let Some(chars) = chars
        && width.is_none_or(|width| width > chars)
    {
        rules.push(format!("at most {chars} characters"));
    }
    let their_bytes = match &own.native {
        Some(Native::Text(bytes)) => Some(*bytes),
        _ => width.map(|width| width * CHARACTER_BYTES),
    };
    if let Some(bytes) = bytes
        && bytes < u64::from(u32::MAX)
        && their_bytes.is_none_or(|width| width > bytes)
    {
        rules.push(format!("at most {bytes} bytes"));
    }
    let no_blanks = match canonical {
        CanonicalType::Text { fixed, .. } => !fixed,
        CanonicalType::Enum { .. } | CanonicalType::Opaque { .. } => true,
        _ => false,
    };
    if drops_blanks && no_blanks {
        rules.push("no blanks at the end".to_owned());
    }
    let has = repertoire(place.collation);
    let same_charset =
        own.is_family() && source.collation.as_deref().map(charset) == place.collation.map(charset);
    if has != Repertoire::All && !same_charset && !is_ascii(canonical) {
        let set = place.collation.map_or("", charset);
        rules.push(format!("only characters of {set}"));
    }
    match canonical {
        CanonicalType::Text { .. } if own.is_sqlite() => rules.push("valid utf-8".to_owned()),
        CanonicalType::List { .. } => {
            rules.push("elements that are not NaN or infinite".to_owned());
        }
        CanonicalType::Variant => rules.push("no blobs that are not utf-8".to_owned()),
        _ => {}
    }
    let limits = ValueLimits::Text {
        chars,
        bytes,
        nul: true,
        bmp_only: has != Repertoire::All && has != Repertoire::Server,
        no_trailing_blank: drops_blanks,
    };
    // MariaDB's JSON is a text itself.
    let json = JsonFlavor::Text;
    let is_text = matches!(canonical, CanonicalType::Text { .. })
        || own.is_family() && *canonical == CanonicalType::Json { flavor: json };
    let fit = match (rules.is_empty(), is_text) {
        (true, true) => Fit::exact(),
        (true, false) => Fit::widened(),
        (false, _) => Fit::checked(rules.join(", "), limits),
    };
    match as_text(canonical) {
        Characters::Already => Some(fit),
        Characters::By(meaning) => Some(fit.converted(meaning)),
        Characters::Never => None,
    }
}

/// How values of `source` arrive in a column of bytes.
pub(crate) fn binary(source: &Column, place: Place<'_>) -> Option<Fit> {
    use CanonicalType as C;
    let canonical = source.canonical.as_ref()?;
    let own = OwnType::of(source);
    let (max, exact) = match place.native {
        Native::Binary(bytes) => (u64::from(*bytes), true),
        Native::VarBinary(bytes) => (u64::from(*bytes), false),
        Native::Blob(bytes) => (*bytes, false),
        _ => return None,
    };
    let limits = ValueLimits::Bytes { max, exact };
    let packet = || "a row within max_allowed_packet of the server".to_owned();
    let most = || {
        if max < u64::from(u32::MAX) { format!("at most {max} bytes") } else { packet() }
    };
    match canonical {
        C::Uuid if own.is_sqlite() && max == 16 => {
            Some(Fit::checked("uuids in lower case with hyphens", ValueLimits::Any))
        }
        C::Uuid if max >= 16 && (!exact || max == 16) => {
            Some(if exact && !own.is_family() { Fit::exact() } else { Fit::widened() })
        }
        C::Binary { bytes, fixed } => {
            let theirs = match &own.native {
                Some(Native::Blob(bytes)) => Some(*bytes),
                _ => bytes.map(u64::from),
            };
            let fits = if exact {
                *fixed && theirs == Some(max)
            } else {
                theirs.is_some_and(|theirs| theirs <= max)
            };
            Some(match (fits, exact) {
                (true, _) => Fit::exact(),
                (false, true) => Fit::checked(format!("exactly {max} bytes"), limits),
                (false, false) => Fit::checked(most(), limits),
            })
        }
        C::Geometry { .. } if !exact => Some(if max < u64::from(u32::MAX) {
            Fit::checked(most(), limits)
        } else {
            Fit::widened()
        }),
        // Characters as their bytes in utf-8.
        C::Text { .. }
        | C::Enum { .. }
        | C::Set { .. }
        | C::Json { .. }
        | C::DecimalText
        | C::BitString { .. }
        | C::TimeTz
        | C::Opaque { .. }
            if !exact =>
        {
            let fits = max >= u64::from(u32::MAX)
                || width(canonical).is_some_and(|width| width * CHARACTER_BYTES <= max);
            Some(if fits { Fit::widened() } else { Fit::checked(most(), limits) })
        }
        _ => None,
    }
}
