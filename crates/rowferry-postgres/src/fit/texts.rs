//! Texts, labels, documents, bytes and bit strings.

use rowferry_codec::pgcopy::{PgType, can_encode};
use rowferry_core::{CanonicalType, JsonFlavor, ValueLimits};

use super::{Fit, TEXT, numbers};

/// `own` = values come from PostgreSQL, whose JSON is valid.
pub(super) fn fit(from: &CanonicalType, to: &PgType, own: bool) -> Option<Fit> {
    use CanonicalType as C;
    use PgType as P;
    Some(match (from, to) {
        (C::Enum { labels }, P::Enum { labels: there }) => label(labels, there),
        (C::Text { .. } | C::Set { .. }, P::Enum { labels }) => {
            Fit::checked("one of the target's labels", ValueLimits::Labels(labels.clone()))
                .with_options(["text"])
        }
        (C::Json { flavor: JsonFlavor::Text }, P::Json) if !own => Fit {
            rule: Some("valid JSON".to_owned()),
            limits: ValueLimits::Json { nul: true },
            ..Fit::exact().with_options(["text"])
        },
        (C::Json { flavor }, P::Json) => Fit::exact_if(*flavor == JsonFlavor::Text),
        (C::Json { flavor: JsonFlavor::PgJsonb }, P::Jsonb) | (C::Uuid, P::Uuid) => Fit::exact(),
        (C::Json { flavor: JsonFlavor::Mysql }, P::Jsonb) => {
            let limits = ValueLimits::Json { nul: false };
            Fit::checked("no \\u0000 and no lone surrogates", limits).with_options(["json", "text"])
        }
        (C::Json { flavor: JsonFlavor::Text } | C::Text { .. }, P::Jsonb) => {
            let lost = "spacing, order of keys and all but the last of equal keys are lost";
            let limits = ValueLimits::Json { nul: false };
            Fit { limits, ..Fit::lossy(lost).with_options(["json", "text"]) }
        }
        (C::Text { .. }, P::Json) => {
            Fit::checked("valid JSON", ValueLimits::Json { nul: true }).with_options(["text"])
        }
        (C::Text { .. }, P::Uuid) => {
            Fit::checked("a uuid in lower case with hyphens", ValueLimits::Any)
        }
        (C::Uuid, P::Bytea) => Fit::widened(),
        (C::Binary { .. } | C::Geometry { .. }, P::Bytea) => {
            Fit::exact_if(matches!(from, C::Binary { .. }))
        }
        (C::Binary { bytes, fixed }, P::Uuid) => {
            let limits = ValueLimits::Bytes { max: 16, exact: true };
            if *fixed && *bytes == Some(16) {
                Fit::exact()
            } else {
                Fit::checked("16 bytes", limits)
            }
        }
        (C::Binary { bytes, fixed }, P::Char1) => {
            if *fixed && *bytes == Some(1) {
                Fit::exact()
            } else {
                Fit::checked("one byte", ValueLimits::Bytes { max: 1, exact: true })
            }
        }
        (C::BitString { bits, varying }, P::Bit { bits: there }) => {
            if !*varying && *bits == Some(*there) {
                Fit::exact()
            } else {
                Fit::checked(format!("exactly {there} bits"), ValueLimits::Any)
            }
        }
        (C::BitString { bits, varying }, P::VarBit { bits: there }) => match (bits, there) {
            (_, None) => Fit::exact_if(*varying),
            (Some(bits), Some(there)) if bits <= there => Fit::exact_if(*varying && bits == there),
            (_, Some(there)) => Fit::checked(format!("at most {there} bits"), ValueLimits::Any),
        },
        _ => return None,
    })
}

fn label(labels: &[String], there: &[String]) -> Fit {
    if labels.iter().all(|label| there.contains(label)) {
        Fit::exact()
    } else {
        Fit::checked("one of the target's labels", ValueLimits::Labels(there.to_vec()))
            .with_options(["text"])
    }
}

/// Anything into a column of characters.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are short and plain")]
pub(super) fn characters(from: &CanonicalType, to: &PgType, own: bool) -> Fit {
    use CanonicalType as C;
    let most = match to {
        PgType::Varchar { chars } | PgType::Bpchar { chars } => *chars,
        _ => None,
    };
    let blanks = matches!(to, PgType::Bpchar { .. });
    let direct = can_encode(from, to);
    // The longest text of a value, where it is known.
    let (longest, plain) = match from {
        C::Text { chars, .. } | C::Opaque { chars, .. } => (*chars, own),
        C::Enum { labels } => (
            labels
                .iter()
                .map(|label| label.chars().count())
                .max()
                .and_then(|n| u32::try_from(n).ok()),
            true,
        ),
        C::Uuid => (Some(36), true),
        C::Boolean => (Some(5), true),
        C::Json { .. } | C::Binary { .. } | C::Variant => (None, own),
        C::Set { .. } => (None, true),
        // Numbers, dates and the like: shorter than any column that is meant for them.
        _ => (numbers::bounds(from).map(|_| 20), true),
    };
    let fits = most.is_none_or(|most| longest.is_some_and(|longest| longest <= most));
    let same = match (from, to) {
        (C::Text { chars, fixed }, PgType::Bpchar { chars: there }) => *fixed && chars == there,
        (C::Text { chars, fixed: false }, PgType::Varchar { chars: there }) => chars == there,
        (C::Text { chars: None, fixed: false }, PgType::Text) => true,
        _ => false,
    };
    let limits = ValueLimits::Text {
        chars: most.map(u64::from),
        bytes: None,
        nul: false,
        bmp_only: false,
        no_trailing_blank: blanks,
    };
    let stripped = matches!(from, C::Text { fixed: true, .. });
    let mut found = Fit { limits, ..Fit::exact_if(same) };
    if !fits && let Some(most) = most {
        found = found.and(&format!("at most {most} characters")).with_options(["text"]);
    }
    if !plain {
        found = found.and("no character U+0000").with_options(["bytea"]);
    }
    if blanks && !stripped && matches!(from, C::Text { .. }) {
        found = found.and("no blanks at the end").with_options(["text"]);
    }
    if direct { found } else { found.converted(TEXT) }
}
