//! How values of a meaning stand in a column of a type: the reading of PostgreSQL's column of the
//! type matrix.

mod numbers;
mod texts;
mod times;

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

    pub(crate) fn with_options(
        mut self,
        options: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self.options.dedup();
        self
    }

    pub(crate) fn converted(mut self, to: CanonicalType) -> Self {
        self.converted = Some(to);
        self
    }

    /// Exact, or widened where the types differ.
    pub(crate) fn exact_if(same: bool) -> Self {
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
/// How values of `from` stand in a column of type `to`; `None` when there is no way. `own` = they
/// come from PostgreSQL, whose text and dates have no values that its columns refuse.
pub(crate) fn fit(from: &CanonicalType, to: &PgType, own: bool) -> Option<Fit> {
    use CanonicalType as C;
    use PgType as P;
    Some(match (from, to) {
        (C::List { element }, P::Array { element: there, .. }) if can_encode(from, to) => {
            // Bounds are those of values and not of elements, so the engine does not look at them.
            Fit { limits: ValueLimits::Any, options: Vec::new(), ..fit(element, there, own)? }
        }
        (C::List { .. }, P::Json) => Fit::checked("no NaN or infinity", ValueLimits::Any)
            .converted(C::Json { flavor: JsonFlavor::Text }),
        (_, P::Text | P::Varchar { .. } | P::Bpchar { .. }) => texts::characters(from, to, own),
        (C::Variant, _) => cells(to)?,
        _ => {
            let found = numbers::fit(from, to).or_else(|| texts::fit(from, to, own));
            found.or_else(|| times::fit(from, to, own))?
        }
    })
}

/// Cells of any class in a column of one.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others hold no class of cells")]
fn cells(to: &PgType) -> Option<Fit> {
    let (class, rule) = match to {
        PgType::Int2 | PgType::Int4 | PgType::Int8 => (CanonicalType::Int64, "integers alone"),
        PgType::Float8 => (CanonicalType::Float64, "numbers that a double holds"),
        PgType::Numeric { .. } => (CanonicalType::DecimalText, "finite numbers"),
        PgType::Bytea => (CanonicalType::Binary { bytes: None, fixed: false }, "texts and blobs"),
        _ => return None,
    };
    let found = fit(&class, to, false)?.and(rule);
    Some(Fit { converted: found.converted.clone().or(Some(class)), ..found })
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
            (C::Variant, P::Int4, false, Some('V')),
            (C::Variant, P::Numeric { precision_scale: None }, false, Some('V')),
            (C::Variant, P::Date, false, None),
        ] {
            assert_eq!(letter(&from, &to, own), expected, "{} to {to}", from.name());
        }
    }
}
