//! How values of a meaning stand in a column of a type: the reading of PostgreSQL's column of the
//! type matrix.

use rowferry_codec::pgcopy::{PgType, can_encode};
use rowferry_core::{CanonicalType, Fidelity, JsonFlavor, ValueLimits};

/// How values arrive, and what the column bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    pub(crate) fidelity: Fidelity,
    pub(crate) converted: Option<CanonicalType>,
    pub(crate) rule: Option<String>,
    pub(crate) options: Vec<String>,
    pub(crate) limits: ValueLimits,
}

impl Fit {
    pub(crate) fn exact() -> Self {
        Self {
            fidelity: Fidelity::Exact,
            converted: None,
            rule: None,
            options: Vec::new(),
            limits: ValueLimits::Any,
        }
    }

    pub(crate) fn widened() -> Self {
        Self { fidelity: Fidelity::Widened, ..Self::exact() }
    }

    pub(crate) fn checked(rule: impl Into<String>, limits: ValueLimits) -> Self {
        Self { fidelity: Fidelity::Checked, rule: Some(rule.into()), limits, ..Self::exact() }
    }

    pub(crate) fn lossy(rule: impl Into<String>) -> Self {
        Self { fidelity: Fidelity::Lossy, rule: Some(rule.into()), ..Self::exact() }
    }

    fn with_options(mut self, options: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options = options.into_iter().map(Into::into).collect();
        self
    }

    fn converted(mut self, to: CanonicalType) -> Self {
        self.converted = Some(to);
        self
    }

    /// Exact, or widened where the types differ.
    fn exact_if(same: bool) -> Self {
        if same { Self::exact() } else { Self::widened() }
    }

    /// One more rule.
    pub(crate) fn and(mut self, rule: &str) -> Self {
        self.fidelity = self.fidelity.max(Fidelity::Checked);
        self.rule = Some(match self.rule {
            Some(first) => format!("{first}, {rule}"),
            None => rule.to_owned(),
        });
        self
    }
}

/// Text without bounds.
const TEXT: CanonicalType = CanonicalType::Text { chars: None, fixed: false };
/// Day 0 of the server's calendar, 4714-11-24 BC, in days from 1970, …
const DATE_MIN: i64 = -2_440_588;
/// … and its last day, 5874897-12-31 (both from the manual's table of date types).
const DATE_MAX: i64 = 2_145_042_905;
/// The same in microseconds. The server's last instant lies beyond 64 bits.
const TIMESTAMP_MIN: i64 = -210_866_803_200_000_000;
/// The greatest value below Arrow's stand-in for infinity.
const TIMESTAMP_MAX: i64 = i64::MAX - 1;
/// 24:00:00.
const DAY_MICROS: i64 = 86_400_000_000;

/// How values of `from` stand in a column of type `to`; `None` when there is no way. `own` = they
/// come from PostgreSQL, whose text and dates have no values that its columns refuse.
pub(crate) fn fit(from: &CanonicalType, to: &PgType, own: bool) -> Option<Fit> {
    use CanonicalType as C;
    use PgType as P;
    if let (Some(bounds), true) = (bounds(from), can_encode(from, to)) {
        return Some(integer(from, bounds, to));
    }
    let found = match (from, to) {
        (C::Bits { bits }, P::Bit { bits: there }) if u32::from(*bits) == *there => Fit::exact(),
        (C::Float32, P::Float4) | (C::Float64, P::Float8) => Fit::exact(),
        (C::Float32, P::Float8) => Fit::widened(),
        (C::Float64, P::Float4) => {
            Fit::checked("exact in four bytes", ValueLimits::Float { nan: true, infinite: true })
                .with_options(["double precision"])
        }
        (C::Decimal { precision, scale }, P::Numeric { precision_scale }) => {
            decimal(Some((*precision, *scale)), *precision_scale)
        }
        (C::Decimal { precision, scale }, P::Money { digits }) => {
            decimal(Some((*precision, *scale)), Some((19, i16::from(*digits))))
        }
        (C::DecimalText, P::Numeric { precision_scale }) => decimal(None, *precision_scale),
        (C::Enum { labels }, P::Enum { labels: there }) => label(labels, there),
        (C::Text { .. } | C::Set { .. }, P::Enum { labels }) => {
            Fit::checked("one of the target's labels", ValueLimits::Labels(labels.clone()))
                .with_options(["text"])
        }
        (C::Json { flavor }, P::Json) => Fit::exact_if(*flavor == JsonFlavor::Text),
        (C::Json { flavor: JsonFlavor::PgJsonb }, P::Jsonb) => Fit::exact(),
        (C::Json { flavor: JsonFlavor::Mysql }, P::Jsonb) => {
            Fit::checked("no \\u0000 and no lone surrogates", ValueLimits::Any)
                .with_options(["json", "text"])
        }
        (C::Json { flavor: JsonFlavor::Text }, P::Jsonb) => {
            Fit::lossy("spacing, order of keys and all but the last of equal keys are lost")
                .with_options(["json", "text"])
        }
        (C::Text { .. }, P::Json) => Fit::checked("valid json", ValueLimits::Any),
        (C::Text { .. }, P::Jsonb) => {
            Fit::lossy("spacing, order of keys and all but the last of equal keys are lost")
                .with_options(["json", "text"])
        }
        (C::Text { .. }, P::Uuid) => {
            Fit::checked("a uuid in lower case with hyphens", ValueLimits::Any)
        }
        (C::Uuid, P::Uuid) => Fit::exact(),
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
        (C::Date, P::Date) => {
            let limits = temporal(DATE_MIN, DATE_MAX, true, 0);
            if own {
                Fit::exact()
            } else {
                Fit::checked("no zero date", limits).with_options(["text"])
            }
        }
        (C::Time { digits }, P::Time { digits: there }) => {
            digits_fit(*digits, *there, temporal(0, DAY_MICROS, false, *there), "time")
        }
        (C::Time { digits }, P::Interval { digits: there }) => {
            let duration = C::Duration { digits: *digits };
            digits_fit(*digits, *there, temporal(0, DAY_MICROS, false, *there), "interval")
                .converted(duration)
        }
        (C::Duration { digits }, P::Interval { digits: there }) => {
            digits_fit(*digits, *there, temporal(i64::MIN, i64::MAX, false, *there), "interval")
        }
        (C::Duration { .. }, P::Time { digits: there }) => {
            Fit::checked("between 00:00 and 24:00", temporal(0, DAY_MICROS, false, *there))
                .with_options(["interval"])
        }
        (C::Timestamp { digits }, P::Timestamp { digits: there })
        | (C::Instant { digits }, P::TimestampTz { digits: there }) => {
            let limits = temporal(TIMESTAMP_MIN, TIMESTAMP_MAX, true, *there);
            let word = if matches!(from, C::Instant { .. }) { "timestamptz" } else { "timestamp" };
            let fit = digits_fit(*digits, *there, limits.clone(), word);
            if own { fit } else { Fit { limits, ..fit.and("no zero date") }.with_options(["text"]) }
        }
        (C::Interval, P::Interval { digits }) => {
            digits_fit(6, *digits, ValueLimits::Any, "interval")
        }
        (C::TimeTz, P::TimeTz { digits }) => digits_fit(6, *digits, ValueLimits::Any, "timetz"),
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
        (C::List { element }, P::Array { element: there, .. }) if can_encode(from, to) => {
            // Bounds are those of values and not of elements, so the engine does not look at them.
            Fit { limits: ValueLimits::Any, options: Vec::new(), ..fit(element, there, own)? }
        }
        (C::List { .. }, P::Json) => Fit::checked("no NaN or infinity", ValueLimits::Any)
            .converted(C::Json { flavor: JsonFlavor::Text }),
        (_, P::Text | P::Varchar { .. } | P::Bpchar { .. }) => characters(from, to, own),
        _ => return None,
    };
    Some(found)
}

fn temporal(min: i64, max: i64, infinite: bool, digits: u8) -> ValueLimits {
    ValueLimits::Temporal { min, max, infinite, zero: false, digits }
}

fn digits_fit(from: u8, to: u8, limits: ValueLimits, word: &str) -> Fit {
    if from <= to {
        return Fit { limits, ..Fit::exact_if(from == to) };
    }
    Fit::checked(format!("at most {to} fraction digits"), limits).with_options([word])
}

fn label(labels: &[String], there: &[String]) -> Fit {
    if labels.iter().all(|label| there.contains(label)) {
        Fit::exact()
    } else {
        Fit::checked("one of the target's labels", ValueLimits::Labels(there.to_vec()))
            .with_options(["text"])
    }
}

/// `from` = digits and scale, or any number as text.
fn decimal(from: Option<(u8, u8)>, to: Option<(u16, i16)>) -> Fit {
    let Some((precision, scale)) = to else { return Fit::exact() };
    let whole = i32::from(precision) - i32::from(scale);
    if let Some((digits, fraction)) = from {
        let (digits, fraction) = (i32::from(digits), i32::from(fraction));
        if digits - fraction <= whole && fraction <= i32::from(scale) {
            return Fit::exact_if(digits == i32::from(precision) && fraction == i32::from(scale));
        }
    }
    let limits = ValueLimits::Decimal {
        precision: u32::from(precision),
        scale: u32::try_from(scale).unwrap_or(0),
        nan: true,
        infinite: false,
    };
    let rule = if scale < 0 {
        format!("at most {whole} digits, the last {} of them zero", -scale)
    } else {
        format!("at most {} digits before the point and {scale} behind it", whole.max(0))
    };
    let option = match from {
        Some((precision, scale)) => format!("numeric({precision},{scale})"),
        None => "numeric".to_owned(),
    };
    Fit::checked(rule, limits).with_options([option])
}

/// Least and greatest number of an integer meaning.
fn bounds(from: &CanonicalType) -> Option<(i128, i128)> {
    use CanonicalType as C;
    Some(match from {
        C::Boolean => (0, 1),
        C::Int8 => (i8::MIN.into(), i8::MAX.into()),
        C::Int16 => (i16::MIN.into(), i16::MAX.into()),
        C::Int32 => (i32::MIN.into(), i32::MAX.into()),
        C::Int64 => (i64::MIN.into(), i64::MAX.into()),
        C::UInt8 => (0, u8::MAX.into()),
        C::UInt16 => (0, u16::MAX.into()),
        C::UInt32 => (0, u32::MAX.into()),
        C::UInt64 => (0, u64::MAX.into()),
        _ => return None,
    })
}

fn integer(from: &CanonicalType, (least, greatest): (i128, i128), to: &PgType) -> Fit {
    use CanonicalType as C;
    use PgType as P;
    let (min, max) = match to {
        P::Bool => (0, 1),
        P::Int2 => (i16::MIN.into(), i16::MAX.into()),
        P::Int4 => (i32::MIN.into(), i32::MAX.into()),
        P::Int8 => (i64::MIN.into(), i64::MAX.into()),
        P::Oid | P::Xid => (0, u32::MAX.into()),
        P::Xid8 | P::Lsn => (0, u64::MAX.into()),
        // Whole numbers up to here all have a float of their own.
        P::Float4 => (-(1 << 24), 1 << 24),
        P::Float8 => (-(1 << 53), 1 << 53),
        P::Numeric { precision_scale: Some((precision, scale)) } => {
            let whole = i32::from(*precision) - i32::from(*scale);
            let digits = u32::try_from(whole).unwrap_or(0);
            let most = 10_i128.checked_pow(digits).map_or(i128::MAX, |power| power - 1);
            (-most, most)
        }
        _ => (i128::MIN, i128::MAX),
    };
    let same = matches!(
        (from, to),
        (C::Boolean, P::Bool)
            | (C::Int16, P::Int2)
            | (C::Int32, P::Int4)
            | (C::Int64, P::Int8)
            | (C::UInt32, P::Oid | P::Xid)
            | (C::UInt64, P::Xid8 | P::Lsn)
    );
    let tens = matches!(to, P::Numeric { precision_scale: Some((_, scale)) } if *scale < 0);
    if min <= least && greatest <= max && !tens {
        return Fit::exact_if(same);
    }
    let wide = if greatest > i64::MAX.into() { "numeric(20,0)" } else { "bigint" };
    let rule = match to {
        P::Bool => "0 or 1".to_owned(),
        P::Float4 | P::Float8 => format!("whole numbers from {min} to {max}"),
        _ => format!("from {min} to {max}"),
    };
    Fit::checked(rule, ValueLimits::Integer { min, max }).with_options([wide])
}

/// Anything into a column of characters.
fn characters(from: &CanonicalType, to: &PgType, own: bool) -> Fit {
    use CanonicalType as C;
    let most = match to {
        PgType::Varchar { chars } | PgType::Bpchar { chars } => *chars,
        _ => None,
    };
    let blanks = matches!(to, PgType::Bpchar { .. });
    let direct = can_encode(from, to);
    // The longest text of a value, where it is known.
    let (longest, plain) = match from {
        C::Text { chars, .. } => (*chars, own),
        C::Enum { labels } => (
            labels
                .iter()
                .map(|label| label.chars().count())
                .max()
                .and_then(|n| u32::try_from(n).ok()),
            true,
        ),
        C::Opaque { chars, .. } => (*chars, own),
        C::Uuid => (Some(36), true),
        C::Boolean => (Some(5), true),
        C::Set { .. } | C::Json { .. } | C::Binary { .. } | C::Variant => (None, own),
        // Numbers, dates and the like: shorter than any column that is meant for them.
        _ => (bounds(from).map(|_| 20), true),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(from: &CanonicalType, to: &PgType, own: bool) -> Option<char> {
        fit(from, to, own).map(|fit| fit.fidelity.letter())
    }

    #[test]
    fn letters_follow_the_matrix() {
        use CanonicalType as C;
        use PgType as P;
        let text = |chars| C::Text { chars, fixed: false };
        for (from, to, own, expected) in [
            (C::Int64, P::Int4, true, Some('V')),
            (C::Int16, P::Int4, true, Some('W')),
            (C::UInt64, P::Numeric { precision_scale: Some((20, 0)) }, false, Some('W')),
            (C::Int8, P::Bool, false, Some('V')),
            (
                C::Decimal { precision: 10, scale: 2 },
                P::Numeric { precision_scale: Some((10, 2)) },
                false,
                Some('E'),
            ),
            (
                C::Decimal { precision: 10, scale: 4 },
                P::Numeric { precision_scale: Some((10, 2)) },
                true,
                Some('V'),
            ),
            (C::DecimalText, P::Numeric { precision_scale: None }, true, Some('E')),
            (text(Some(3)), P::Varchar { chars: Some(3) }, true, Some('E')),
            (text(Some(3)), P::Varchar { chars: Some(2) }, true, Some('V')),
            (text(Some(3)), P::Varchar { chars: Some(3) }, false, Some('V')),
            (C::Date, P::Date, true, Some('E')),
            (C::Date, P::Date, false, Some('V')),
            (C::Duration { digits: 6 }, P::Interval { digits: 6 }, false, Some('E')),
            (C::Timestamp { digits: 6 }, P::Timestamp { digits: 0 }, true, Some('V')),
            (C::Json { flavor: JsonFlavor::Mysql }, P::Jsonb, false, Some('V')),
            (C::Json { flavor: JsonFlavor::Text }, P::Jsonb, false, Some('L')),
            (C::Interval, P::Interval { digits: 6 }, true, Some('E')),
            (C::Date, P::Int4, true, None),
        ] {
            assert_eq!(letter(&from, &to, own), expected, "{} to {to}", from.name());
        }
    }
}
