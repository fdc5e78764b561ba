//! Which values a column of this declared type keeps, and how they are handed to it.
//!
//! One table serves new columns, columns that are there, and casts: a choice of a type is only a
//! declaration, and what it does to the values is looked up here.

use rowferry_core::{CanonicalType, Fidelity, NativeType, ValueLimits};

use crate::affinity::Affinity;
use crate::types::{ENGINE, canonical, digits_or, split};

/// How a value is handed to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Integer (booleans as 0 and 1).
    Integer,
    /// Integer, checked against these ends.
    IntegerWithin(i64, i64),
    /// Double.
    Real,
    /// Characters as they are.
    Text,
    /// Characters into a column that would turn numbers in text into numbers: checked.
    GuardedText,
    /// Characters that must be JSON.
    JsonText,
    /// Bytes.
    Blob,
    /// Eight bytes, big-endian.
    BigEndian,
    /// Digits as text.
    Digits,
    /// Digits as text, of at most this precision and scale, or one of the special words.
    DigitsWithin(u8, u8),
    /// Number whose text must survive the column's numeric affinity: integer, else exact double.
    Numeric,
    /// The same with precision and scale.
    NumericWithin(u8, u8),
    /// ISO text with at least this many fraction digits.
    Iso(u8),
    /// Canonical text of a UUID.
    UuidText,
    /// Months, days and time as PostgreSQL prints them.
    Period,
    /// The cell of a variant in its own class, where the affinity keeps it.
    Cell(Affinity),
}

/// What becomes of values in a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) binding: Binding,
    pub(crate) fidelity: Fidelity,
    pub(crate) rule: Option<String>,
    pub(crate) options: Vec<String>,
    pub(crate) limits: ValueLimits,
}

impl Fit {
    const fn exact(binding: Binding) -> Self {
        Self {
            binding,
            fidelity: Fidelity::Exact,
            rule: None,
            options: Vec::new(),
            limits: ValueLimits::Any,
        }
    }

    fn widened(binding: Binding) -> Self {
        Self { fidelity: Fidelity::Widened, ..Self::exact(binding) }
    }

    fn checked(binding: Binding, rule: impl Into<String>, limits: ValueLimits) -> Self {
        let rule = Some(rule.into());
        Self { fidelity: Fidelity::Checked, rule, limits, ..Self::exact(binding) }
    }

    fn or(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }
}

/// What a column's declaration says, looked at once.
struct Target<'a> {
    declared: &'a str,
    affinity: Affinity,
    meaning: Option<CanonicalType>,
}

/// What becomes of values that mean `values` in a column of type `target`; `None` when no value, or
/// only some by chance, would survive there. `source` is their own type, for what it cannot hold.
pub(crate) fn fit(values: &CanonicalType, source: &NativeType, target: &NativeType) -> Option<Fit> {
    let declared = target.stored();
    let to = Target { declared, affinity: Affinity::of(declared), meaning: canonical(declared) };
    let own = source.engine == ENGINE && Affinity::of_native(source) == to.affinity;
    to.fit(values, source).or_else(|| if own { to.at_home(values) } else { None })
}

/// How values are bound to a column that a plan has chosen for them.
pub(crate) fn binding(
    values: &CanonicalType,
    source: &NativeType,
    target: &NativeType,
) -> Result<Binding, String> {
    fit(values, source, target)
        .map(|fit| fit.binding)
        .ok_or_else(|| format!("{} values do not survive in {:?}", values.name(), target.declared))
}

impl Target<'_> {
    fn fit(&self, values: &CanonicalType, source: &NativeType) -> Option<Fit> {
        match values {
            CanonicalType::Boolean => self.integer(0, 1, true),
            CanonicalType::Int8 => self.integer(i8::MIN.into(), i8::MAX.into(), false),
            CanonicalType::Int16 => self.integer(i16::MIN.into(), i16::MAX.into(), false),
            CanonicalType::Int32 => self.integer(i32::MIN.into(), i32::MAX.into(), false),
            CanonicalType::Int64 => self.integer(i64::MIN.into(), i64::MAX.into(), false),
            CanonicalType::UInt8 => self.integer(0, u8::MAX.into(), false),
            CanonicalType::UInt16 => self.integer(0, u16::MAX.into(), false),
            CanonicalType::UInt32 => self.integer(0, u32::MAX.into(), false),
            CanonicalType::UInt64 => self.integer(0, u64::MAX.into(), false),
            CanonicalType::Bits { bits }
                if self.is_bit_blob() || *bits == 64 && self.is_binary() =>
            {
                Some(Fit::exact(Binding::BigEndian))
            }
            CanonicalType::Bits { bits } => {
                self.integer(0, (1_i128 << u32::from((*bits).min(64))) - 1, false)
            }
            CanonicalType::Float32 | CanonicalType::Float64 => self.float(source),
            CanonicalType::Decimal { precision, scale } => {
                self.decimal(Some((u32::from(*precision), u32::from(*scale))))
            }
            CanonicalType::DecimalText => self.decimal(None),
            CanonicalType::Text { .. } => self.text(),
            CanonicalType::Json { .. } => self.json(),
            CanonicalType::Enum { labels } => {
                let fit = self.plain_text()?;
                // A label list that binds: elsewhere a cell may hold the error value, which is
                // none of the labels.
                let bound = source.engine == "postgres";
                Some(if bound {
                    Fit::exact(fit.binding)
                } else {
                    let limits = ValueLimits::Labels(labels.clone());
                    Fit::checked(fit.binding, "one of the labels", limits).or("text")
                })
            }
            CanonicalType::Set { .. } | CanonicalType::Opaque { .. } => {
                self.plain_text().map(|fit| Fit::widened(fit.binding))
            }
            CanonicalType::BitString { .. } => {
                self.own_text(|m| matches!(m, CanonicalType::BitString { .. }), Binding::Text)
            }
            CanonicalType::TimeTz => {
                self.own_text(|m| matches!(m, CanonicalType::TimeTz), Binding::Text)
            }
            CanonicalType::Interval => {
                self.own_text(|m| matches!(m, CanonicalType::Interval), Binding::Period)
            }
            CanonicalType::Date => self.own_text(|m| *m == CanonicalType::Date, self.iso()),
            CanonicalType::Time { .. } => {
                self.own_text(|m| matches!(m, CanonicalType::Time { .. }), self.iso())
            }
            CanonicalType::Duration { .. } => {
                self.own_text(|m| matches!(m, CanonicalType::Duration { .. }), self.iso())
            }
            // A wall clock is not an instant: neither goes into a column that says it is the other.
            CanonicalType::Timestamp { .. } => {
                self.own_text(|m| matches!(m, CanonicalType::Timestamp { .. }), self.iso())
            }
            CanonicalType::Instant { .. } => {
                self.own_text(|m| matches!(m, CanonicalType::Instant { .. }), self.iso())
            }
            CanonicalType::Uuid if self.is_binary() => Some(Fit::widened(Binding::Blob)),
            CanonicalType::Uuid => self.own_text(|m| *m == CanonicalType::Uuid, Binding::UuidText),
            CanonicalType::Binary { .. } => self.is_binary().then(|| Fit::exact(Binding::Blob)),
            CanonicalType::Geometry { .. } => self.is_binary().then(|| Fit::widened(Binding::Blob)),
            // Nobody else has such cells.
            CanonicalType::Variant if source.engine != ENGINE => None,
            CanonicalType::Variant if self.affinity == Affinity::None => {
                Some(Fit::exact(Binding::Cell(Affinity::None)))
            }
            CanonicalType::Variant => {
                let rule = "classes and values that the declared type keeps";
                Some(Fit::checked(Binding::Cell(self.affinity), rule, ValueLimits::Any))
            }
            // Becomes JSON before it is written.
            CanonicalType::List { .. } => None,
        }
    }

    /// Values of a SQLite column of the same affinity, whatever the declaration calls them.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only what a look at the rows can find")]
    fn at_home(&self, values: &CanonicalType) -> Option<Fit> {
        let is_text = matches!(self.affinity, Affinity::Text | Affinity::None);
        Some(Fit::exact(match values {
            CanonicalType::Int64 => Binding::Integer,
            CanonicalType::Float64 if matches!(self.affinity, Affinity::Real | Affinity::None) => {
                Binding::Real
            }
            CanonicalType::Text { .. } | CanonicalType::Json { .. } if is_text => Binding::Text,
            CanonicalType::Text { .. } | CanonicalType::Json { .. } => Binding::GuardedText,
            CanonicalType::Binary { .. } => Binding::Blob,
            CanonicalType::Date
            | CanonicalType::Timestamp { .. }
            | CanonicalType::Instant { .. } => Binding::Iso(0),
            _ => return None,
        }))
    }

    fn integer(&self, min: i128, max: i128, boolean: bool) -> Option<Fit> {
        let between = |min: i64, max: i64, rule: &str| {
            let limits = ValueLimits::Integer { min: min.into(), max: max.into() };
            Some(Fit::checked(Binding::IntegerWithin(min, max), rule, limits))
        };
        match (self.affinity, &self.meaning) {
            (Affinity::Integer | Affinity::Numeric | Affinity::None, meaning) => match meaning {
                Some(CanonicalType::Boolean) if !boolean => between(0, 1, "0 or 1"),
                _ if self.is_bit_blob() => None,
                Some(CanonicalType::Bits { bits }) if min < 0 || max >= 1 << bits => between(
                    0,
                    i64::MAX >> 63_u8.saturating_sub(*bits),
                    &format!("numbers of at most {bits} bits"),
                ),
                Some(
                    CanonicalType::Date
                    | CanonicalType::Time { .. }
                    | CanonicalType::Timestamp { .. }
                    | CanonicalType::Instant { .. }
                    | CanonicalType::Uuid
                    | CanonicalType::Json { .. },
                ) => None,
                _ if max > i64::MAX.into() => between(0, i64::MAX, "at most 9223372036854775807")
                    .map(|fit| fit.or("u64_text")),
                _ => Some(Fit::exact(Binding::Integer)),
            },
            (Affinity::Real, _) => {
                const EXACT: i64 = 1 << 53;
                if min >= i128::from(-EXACT) && max <= i128::from(EXACT) {
                    Some(Fit::widened(Binding::Integer))
                } else {
                    between(-EXACT, EXACT, "exact as a double")
                }
            }
            (Affinity::Text, Some(CanonicalType::UInt64)) if min >= 0 => {
                Some(Fit::widened(Binding::Digits))
            }
            (Affinity::Text, Some(CanonicalType::UInt64)) => between(0, i64::MAX, "not negative"),
            (Affinity::Text, Some(CanonicalType::DecimalText)) if !boolean => {
                Some(Fit::widened(Binding::Digits))
            }
            (Affinity::Text, _) => None,
        }
    }

    fn float(&self, source: &NativeType) -> Option<Fit> {
        if !matches!(self.affinity, Affinity::Real | Affinity::None) {
            return None;
        }
        // These have no NaN, so there is nothing to check.
        if matches!(source.engine.as_str(), "mysql" | "mariadb" | ENGINE) {
            return Some(Fit::exact(Binding::Real));
        }
        let limits = ValueLimits::Float { nan: false, infinite: true };
        let rule = "not NaN, which SQLite stores as NULL; -0.0 becomes 0.0";
        Some(Fit::checked(Binding::Real, rule, limits).or("text"))
    }

    /// `size` is precision and scale, `None` for a scale that differs from value to value.
    fn decimal(&self, size: Option<(u32, u32)>) -> Option<Fit> {
        let is_text = matches!(self.affinity, Affinity::Text | Affinity::None);
        match (&self.meaning, size) {
            (Some(CanonicalType::Decimal { precision, scale }), size) => {
                let (digits, point) = (*precision, *scale);
                let (precision, scale) = (u32::from(digits), u32::from(point));
                let whole = |precision: u32, scale: u32| precision.saturating_sub(scale);
                let fits =
                    size.is_some_and(|(p, s)| s <= scale && whole(p, s) <= whole(precision, scale));
                let binding = match (is_text, fits) {
                    (true, true) => return Some(Fit::widened(Binding::Digits)),
                    (true, false) => Binding::DigitsWithin(digits, point),
                    (false, _) => Binding::NumericWithin(digits, point),
                };
                // Text and infinite doubles hold the special values too.
                let limits =
                    ValueLimits::Decimal { precision, scale, nan: is_text, infinite: true };
                let rule = format!("at most {precision} digits, {scale} after the point");
                let rule = if is_text { rule } else { format!("{rule}, exact as a double") };
                Some(Fit::checked(binding, rule, limits).or("decimal_text"))
            }
            (Some(CanonicalType::DecimalText | CanonicalType::Text { .. }), _) if is_text => {
                Some(Fit::widened(Binding::Digits))
            }
            (Some(CanonicalType::Binary { .. }) | None, _) if self.affinity == Affinity::None => {
                Some(Fit::widened(Binding::Digits))
            }
            (Some(CanonicalType::Int64 | CanonicalType::DecimalText) | None, _)
                if matches!(self.affinity, Affinity::Integer | Affinity::Numeric) =>
            {
                let rule = "exact as an integer or a double";
                let fit = Fit::checked(Binding::Numeric, rule, ValueLimits::Any);
                Some(fit.or("decimal_text"))
            }
            _ => None,
        }
    }

    /// Text into text; into a column that says what its text means, as that is read from it.
    fn text(&self) -> Option<Fit> {
        match &self.meaning {
            Some(CanonicalType::Json { .. }) => {
                let numeric = self.affinity != Affinity::Text;
                let binding = if numeric { Binding::GuardedText } else { Binding::JsonText };
                Some(Fit::checked(binding, "JSON", ValueLimits::Any).or("text"))
            }
            // What a date or a timestamp cannot say comes here as the text of its owner.
            Some(
                CanonicalType::Date
                | CanonicalType::Timestamp { .. }
                | CanonicalType::Instant { .. },
            ) => Some(if self.affinity == Affinity::Text {
                Fit::exact(Binding::Text)
            } else {
                Fit::checked(Binding::GuardedText, "not a number", ValueLimits::Any)
            }),
            _ => self.plain_text(),
        }
    }

    fn json(&self) -> Option<Fit> {
        match &self.meaning {
            Some(CanonicalType::Json { .. }) if self.affinity != Affinity::Text => {
                let rule = "no number that the declared type would change";
                Some(Fit::checked(Binding::GuardedText, rule, ValueLimits::Any).or("json_text"))
            }
            Some(CanonicalType::Json { .. }) => Some(Fit::exact(Binding::Text)),
            _ => self.plain_text(),
        }
    }

    fn plain_text(&self) -> Option<Fit> {
        let plain = match &self.meaning {
            Some(CanonicalType::Text { .. }) => true,
            Some(CanonicalType::Binary { .. }) | None => self.affinity == Affinity::None,
            _ => false,
        };
        plain.then(|| Fit::exact(Binding::Text))
    }

    /// Text in a form of its own, into a column that says so or into plain text.
    fn own_text(&self, says_so: impl Fn(&CanonicalType) -> bool, binding: Binding) -> Option<Fit> {
        let takes = match &self.meaning {
            Some(CanonicalType::Text { .. }) => self.affinity == Affinity::Text,
            Some(meaning) => says_so(meaning),
            None => false,
        };
        takes.then(|| Fit::widened(binding))
    }

    fn iso(&self) -> Binding {
        let (_, sizes) = split(self.declared);
        Binding::Iso(digits_or(sizes.first(), 0))
    }

    /// Numbers as eight bytes.
    fn is_bit_blob(&self) -> bool {
        self.affinity == Affinity::None && matches!(self.meaning, Some(CanonicalType::Bits { .. }))
    }

    fn is_binary(&self) -> bool {
        self.declared.trim().is_empty()
            || matches!(self.meaning, Some(CanonicalType::Binary { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(values: &CanonicalType, declared: &str) -> Option<Fidelity> {
        let source = NativeType::new("postgres", "whatever");
        fit(values, &source, &NativeType::new(ENGINE, declared)).map(|fit| fit.fidelity)
    }

    #[test]
    fn what_the_affinity_would_change_is_refused() {
        let text = CanonicalType::Text { chars: None, fixed: false };
        assert_eq!(fits(&text, "INTEGER"), None);
        assert_eq!(fits(&text, "STRING"), None);
        assert_eq!(fits(&CanonicalType::Int64, "TEXT"), None);
        assert_eq!(fits(&CanonicalType::Float64, "NUMERIC"), None);
        assert_eq!(fits(&CanonicalType::Instant { digits: 6 }, "DATETIME"), None);
        assert_eq!(fits(&CanonicalType::Date, "INTERVAL"), None);
    }

    #[test]
    fn flags_follow_what_the_column_holds() {
        use Fidelity::{Checked, Exact, Widened};
        for (values, declared, fidelity) in [
            (CanonicalType::Boolean, "BOOLEAN", Exact),
            (CanonicalType::Int32, "BOOLEAN", Checked),
            (CanonicalType::UInt64, "INTEGER", Checked),
            (CanonicalType::UInt64, "U64_TEXT", Widened),
            (CanonicalType::Int32, "REAL", Widened),
            (CanonicalType::Int64, "REAL", Checked),
            (CanonicalType::Float64, "DOUBLE", Checked),
            (CanonicalType::Decimal { precision: 5, scale: 2 }, "DECIMAL_TEXT(9,2)", Widened),
            (CanonicalType::Decimal { precision: 9, scale: 3 }, "DECIMAL_TEXT(9,2)", Checked),
            (CanonicalType::DecimalText, "DECIMAL_TEXT(9,2)", Checked),
            (CanonicalType::DecimalText, "NUMERIC", Checked),
            (CanonicalType::Date, "DATE_TEXT", Widened),
            (CanonicalType::Interval, "PERIOD_TEXT", Widened),
            (CanonicalType::Bits { bits: 63 }, "INTEGER", Exact),
            (CanonicalType::Bits { bits: 64 }, "BLOB(8)", Exact),
            (CanonicalType::Bits { bits: 63 }, "BIT_INTEGER(63)", Exact),
            (CanonicalType::Bits { bits: 4 }, "BIT_INTEGER(3)", Checked),
            (CanonicalType::Int32, "BIT_INTEGER(63)", Checked),
            (CanonicalType::Bits { bits: 64 }, "BIT_BLOB(64)", Exact),
            (CanonicalType::Text { chars: Some(9), fixed: false }, "VARCHAR(5)", Exact),
            (CanonicalType::Text { chars: None, fixed: false }, "JSON_TEXT", Checked),
        ] {
            assert_eq!(fits(&values, declared), Some(fidelity), "{} {declared}", values.name());
        }
    }
}
