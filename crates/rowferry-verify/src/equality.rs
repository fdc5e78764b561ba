//! When values of two columns are equal: by a rule that has a name, for each pair of meanings.
//!
//! Where both columns mean the same there is no rule: canonical bytes decide. A strict comparison
//! takes no rule either: a pair that needs one is compared by the text of its values.

use rowferry_core::{CanonicalType as C, JsonFlavor};
use rowferry_kernels::EqualForm;
use serde::Serialize;

/// Why values that are written differently count as equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EqualityRule {
    /// Numbers by value: 364.8 is 364.80, and true is 1.
    Numbers,
    /// −0 is 0, NaN is NaN, and a float of four bytes is the same number in eight.
    Floats,
    /// Blanks at the end of a padded text do not count.
    Padding,
    /// A text is its bytes in UTF-8.
    Utf8,
    /// A UUID is the same in any spelling and as bytes.
    Uuid,
    /// A network address with a mask of all its bits is the address.
    Address,
    /// An instant is the wall clock of UTC.
    Utc,
    /// A date is its midnight.
    Midnight,
    /// A time of day is the length of time since midnight.
    Durations,
    /// JSON by value, where a side keeps values and not texts.
    Json,
    /// A set is the list of its members.
    Sets,
    /// Bits are the text of their digits.
    Bits,
    /// Another type is compared by the text of its values.
    Text,
    /// A value is what the job's cast makes of it.
    Cast,
}

impl EqualityRule {
    /// The rule's name in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Numbers => "numbers",
            Self::Floats => "floats",
            Self::Padding => "padding",
            Self::Utf8 => "utf8",
            Self::Uuid => "uuid",
            Self::Address => "address",
            Self::Utc => "utc",
            Self::Midnight => "midnight",
            Self::Durations => "durations",
            Self::Json => "json",
            Self::Sets => "sets",
            Self::Bits => "bits",
            Self::Text => "text",
            Self::Cast => "cast",
        }
    }
}

/// The forms in which values of two meanings are compared, and the rule that this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equality {
    /// Form of the source's values.
    pub source: EqualForm,
    /// Form of the target's values.
    pub target: EqualForm,
    /// `None`: both mean the same.
    pub rule: Option<EqualityRule>,
}

const TEXT: C = C::Text { chars: None, fixed: false };

impl Equality {
    const fn new(source: EqualForm, target: EqualForm, rule: Option<EqualityRule>) -> Self {
        Self { source, target, rule }
    }

    fn both(form: EqualForm, rule: EqualityRule) -> Self {
        Self::new(form.clone(), form, Some(rule))
    }

    const fn as_it_is(rule: Option<EqualityRule>) -> Self {
        Self::new(EqualForm::AsItIs, EqualForm::AsItIs, rule)
    }

    fn mirrored(self) -> Self {
        Self { source: self.target, target: self.source, rule: self.rule }
    }
}

/// Meanings whose canonical bytes speak of the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Exact,
    Float,
    Day,
    Clock,
    Length,
    Interval,
    Uuid,
    Bytes,
    Chars,
    BitText,
    Set,
    Json,
    List,
    Variant,
}

const fn kind(meaning: &C) -> Kind {
    match meaning {
        C::Boolean
        | C::Int8
        | C::Int16
        | C::Int32
        | C::Int64
        | C::UInt8
        | C::UInt16
        | C::UInt32
        | C::UInt64
        | C::Bits { .. } => Kind::Whole,
        C::Decimal { .. } | C::DecimalText => Kind::Exact,
        C::Float32 | C::Float64 => Kind::Float,
        C::Date => Kind::Day,
        C::Timestamp { .. } | C::Instant { .. } => Kind::Clock,
        C::Time { .. } | C::Duration { .. } => Kind::Length,
        C::Interval => Kind::Interval,
        C::Uuid => Kind::Uuid,
        C::Binary { .. } | C::Geometry { .. } => Kind::Bytes,
        C::Text { .. } | C::Enum { .. } | C::TimeTz | C::Opaque { .. } => Kind::Chars,
        C::BitString { .. } => Kind::BitText,
        C::Set { .. } => Kind::Set,
        C::Json { .. } => Kind::Json,
        C::List { .. } => Kind::List,
        C::Variant => Kind::Variant,
    }
}

/// How values that mean `source` are compared with values that mean `target`.
pub fn equality(source: &C, target: &C, strict: bool) -> Equality {
    let found = of_one_kind(source, target)
        .or_else(|| of_two_kinds(source, target))
        .or_else(|| of_two_kinds(target, source).map(Equality::mirrored))
        .unwrap_or_else(|| Equality::both(EqualForm::Meaning(TEXT), EqualityRule::Text));
    match found.rule {
        Some(_) if strict => {
            Equality { rule: None, ..Equality::both(EqualForm::Meaning(TEXT), EqualityRule::Text) }
        }
        _ => found,
    }
}

fn is_address(meaning: &C) -> bool {
    matches!(meaning, C::Opaque { type_name, .. } if type_name == "inet")
}

fn of_one_kind(source: &C, target: &C) -> Option<Equality> {
    let kinds = kind(source);
    if kinds != kind(target) {
        return None;
    }
    let unless_same = |rule| (source != target).then_some(rule);
    Some(match kinds {
        Kind::Whole => {
            let plain = source.is_integer() && target.is_integer();
            Equality::as_it_is(unless_same(EqualityRule::Numbers).filter(|_| !plain))
        }
        Kind::Exact => {
            let scale = |meaning: &C| {
                if let C::Decimal { scale, .. } = meaning { Some(*scale) } else { None }
            };
            let fixed = scale(source).is_some() && scale(source) == scale(target);
            Equality::as_it_is((!fixed).then_some(EqualityRule::Numbers))
        }
        Kind::Float => Equality::as_it_is(Some(EqualityRule::Floats)),
        Kind::Clock => {
            let is_instant = |meaning: &C| matches!(meaning, C::Instant { .. });
            let same = is_instant(source) == is_instant(target);
            Equality::as_it_is((!same).then_some(EqualityRule::Utc))
        }
        Kind::Length => {
            let is_time = |meaning: &C| matches!(meaning, C::Time { .. });
            let same = is_time(source) == is_time(target);
            Equality::as_it_is((!same).then_some(EqualityRule::Durations))
        }
        Kind::Chars => {
            let padded = |meaning: &C| matches!(meaning, C::Text { fixed: true, .. });
            if source != target && (is_address(source) || is_address(target)) {
                Equality::both(EqualForm::Address, EqualityRule::Address)
            } else if padded(source) || padded(target) {
                Equality::both(EqualForm::WithoutPadding, EqualityRule::Padding)
            } else {
                Equality::as_it_is(None)
            }
        }
        Kind::Json => {
            let texts = |meaning: &C| matches!(meaning, C::Json { flavor: JsonFlavor::Text });
            if texts(source) && texts(target) {
                Equality::as_it_is(None)
            } else {
                Equality::both(EqualForm::Json, EqualityRule::Json)
            }
        }
        Kind::List => {
            let elements = match (source, target) {
                (C::List { element: left }, C::List { element: right }) => {
                    equality(left, right, false)
                }
                _ => return None,
            };
            if elements.source == EqualForm::AsItIs && elements.target == EqualForm::AsItIs {
                Equality::as_it_is(elements.rule)
            } else {
                Equality::both(EqualForm::Json, EqualityRule::Json)
            }
        }
        Kind::Day
        | Kind::Interval
        | Kind::Uuid
        | Kind::Bytes
        | Kind::BitText
        | Kind::Set
        | Kind::Variant => Equality::as_it_is(None),
    })
}

/// Pairs of different kinds, in one of their two orders.
fn of_two_kinds(left: &C, right: &C) -> Option<Equality> {
    use EqualForm::{AsItIs, Meaning};
    let text_json = |meaning: &C| matches!(meaning, C::Json { flavor: JsonFlavor::Text });
    Some(match (kind(left), kind(right)) {
        (Kind::Whole | Kind::Exact, Kind::Exact | Kind::Float) => {
            Equality::both(EqualForm::Number, EqualityRule::Numbers)
        }
        (Kind::Day, Kind::Clock) => {
            Equality::new(Meaning(C::Timestamp { digits: 6 }), AsItIs, Some(EqualityRule::Midnight))
        }
        (Kind::Length, Kind::Interval) => {
            Equality::new(Meaning(C::Interval), AsItIs, Some(EqualityRule::Durations))
        }
        (Kind::Uuid, Kind::Bytes) => Equality::as_it_is(Some(EqualityRule::Uuid)),
        (Kind::Uuid, Kind::Chars) => Equality::both(EqualForm::Uuid, EqualityRule::Uuid),
        (Kind::Bytes, Kind::Chars) => Equality::as_it_is(Some(EqualityRule::Utf8)),
        (Kind::Json, Kind::Chars) if text_json(left) => Equality::as_it_is(None),
        (Kind::Json, Kind::Bytes) if text_json(left) => {
            Equality::as_it_is(Some(EqualityRule::Utf8))
        }
        (Kind::Json | Kind::List, Kind::Chars) | (Kind::List, Kind::Json) => {
            Equality::both(EqualForm::Json, EqualityRule::Json)
        }
        (Kind::Set, Kind::List) => Equality::new(
            Meaning(C::List { element: Box::new(TEXT) }),
            AsItIs,
            Some(EqualityRule::Sets),
        ),
        (Kind::Set | Kind::BitText, Kind::Chars) => Equality::as_it_is(None),
        (Kind::Whole, Kind::BitText) if matches!(left, C::Bits { .. }) => {
            Equality::new(Meaning(TEXT), AsItIs, Some(EqualityRule::Bits))
        }
        (Kind::Variant, Kind::Bytes) => {
            Equality::new(Meaning(right.clone()), AsItIs, Some(EqualityRule::Utf8))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(source: &C, target: &C) -> Option<EqualityRule> {
        let found = equality(source, target, false);
        assert_eq!(found.rule, equality(target, source, false).rule, "{source:?} {target:?}");
        found.rule
    }

    #[test]
    fn pairs_have_the_rule_that_their_values_need() {
        let decimal = |precision, scale| C::Decimal { precision, scale };
        let padded = C::Text { chars: Some(9), fixed: true };
        let jsonb = C::Json { flavor: JsonFlavor::PgJsonb };
        let json = C::Json { flavor: JsonFlavor::Text };
        let binary = C::Binary { bytes: Some(16), fixed: true };
        for (source, target, expected) in [
            (C::Int32, C::Int64, None),
            (C::Boolean, C::Int8, Some(EqualityRule::Numbers)),
            (decimal(10, 2), decimal(12, 2), None),
            (decimal(10, 2), decimal(12, 4), Some(EqualityRule::Numbers)),
            (decimal(10, 2), C::DecimalText, Some(EqualityRule::Numbers)),
            (C::UInt64, decimal(20, 0), Some(EqualityRule::Numbers)),
            (C::Float32, C::Float64, Some(EqualityRule::Floats)),
            (TEXT, padded, Some(EqualityRule::Padding)),
            (C::Uuid, TEXT, Some(EqualityRule::Uuid)),
            (C::Uuid, binary, Some(EqualityRule::Uuid)),
            (C::Instant { digits: 6 }, C::Timestamp { digits: 6 }, Some(EqualityRule::Utc)),
            (C::Date, C::Timestamp { digits: 0 }, Some(EqualityRule::Midnight)),
            (jsonb.clone(), json.clone(), Some(EqualityRule::Json)),
            (jsonb, TEXT, Some(EqualityRule::Json)),
            (json.clone(), json, None),
            (C::Date, C::Int32, Some(EqualityRule::Text)),
        ] {
            assert_eq!(rule(&source, &target), expected, "{source:?} {target:?}");
        }
    }

    #[test]
    fn strict_takes_no_rule() {
        let (left, right) = (C::Int32, C::Decimal { precision: 9, scale: 2 });
        let found = equality(&left, &right, true);
        assert_eq!(found, Equality::new(EqualForm::Meaning(TEXT), EqualForm::Meaning(TEXT), None));
        assert_eq!(equality(&C::Int32, &C::Int64, true), Equality::as_it_is(None));
    }
}
