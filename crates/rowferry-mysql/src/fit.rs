//! How exactly values of one meaning arrive in a column of one type.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a pair of types that is not named does not fit"
)]

use rowferry_core::{CanonicalType, Column, Fidelity, JsonFlavor, ValueLimits};

use crate::types::{Flavor, Native};
use crate::{fit_text, sql};

/// 838:59:59 in microseconds, the end of TIME.
const TIME_MAX: i64 = 3_020_399_000_000;
/// 1970-01-01 00:00:01, the start of TIMESTAMP, in microseconds.
pub(crate) const TIMESTAMP_MIN: i64 = 1_000_000;
/// 2038-01-19 03:14:07.999999, the end of TIMESTAMP, in microseconds.
pub(crate) const TIMESTAMP_MAX: i64 = 2_147_483_647_999_999;
/// 0001-01-01 and 9999-12-31 in days since 1970.
const DAYS: (i64, i64) = (-719_162, 2_932_896);
/// The least and greatest YEAR; those before 1901 but 0 are refused when they are written.
const YEARS: (i128, i128) = (0, 2_155);
const DAY_MICROS: i64 = 86_400_000_000;

/// The same in microseconds, to the end of the last day.
const MICROS: (i64, i64) = (DAYS.0 * DAY_MICROS, (DAYS.1 + 1) * DAY_MICROS - 1);

/// The end of TIME in microseconds.
pub(crate) const fn time_max(flavor: Flavor) -> i64 {
    match flavor {
        Flavor::MySql => TIME_MAX,
        Flavor::MariaDb => TIME_MAX + 999_999,
    }
}

/// How values arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    pub(crate) fidelity: Fidelity,
    pub(crate) converted: Option<CanonicalType>,
    pub(crate) rule: Option<String>,
    pub(crate) limits: ValueLimits,
}

impl Fit {
    const fn of(fidelity: Fidelity) -> Self {
        Self { fidelity, converted: None, rule: None, limits: ValueLimits::Any }
    }

    pub(crate) const fn exact() -> Self {
        Self::of(Fidelity::Exact)
    }

    pub(crate) const fn widened() -> Self {
        Self::of(Fidelity::Widened)
    }

    pub(crate) fn checked(rule: impl Into<String>, limits: ValueLimits) -> Self {
        Self { rule: Some(rule.into()), limits, ..Self::of(Fidelity::Checked) }
    }

    pub(crate) fn lossy(rule: &str) -> Self {
        Self { rule: Some(rule.to_owned()), ..Self::of(Fidelity::Lossy) }
    }

    /// The same, not called exact: the source's type says less than the column's.
    fn at_best_widened(mut self) -> Self {
        self.fidelity = self.fidelity.max(Fidelity::Widened);
        self
    }

    pub(crate) fn with_limits(mut self, limits: ValueLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn with_rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    pub(crate) fn converted(mut self, canonical: CanonicalType) -> Self {
        self.converted = Some(canonical);
        self
    }
}

/// A column that values are to stand in.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) native: &'a Native,
    pub(crate) collation: Option<&'a str>,
    pub(crate) flavor: Flavor,
}

/// How values of `source` arrive in `place`; `None` when it has no room for any of them.
pub(crate) fn fit(source: &Column, place: Place<'_>) -> Option<Fit> {
    let canonical = source.canonical.as_ref()?;
    let own = OwnType::of(source);
    match place.native {
        // A mediumint travels in a wider meaning.
        Native::Int { .. } if own.native.as_ref() == Some(place.native) => Some(Fit::exact()),
        Native::Int { bits, unsigned } => integer(canonical, *bits, *unsigned).map(|fit| {
            let less = own.sqlite && canonical.is_integer();
            if less { fit.at_best_widened() } else { fit }
        }),
        Native::Year => year(canonical, &own),
        Native::Float { fixed: true } | Native::Double { fixed: true } => {
            (own.native.as_ref() == Some(place.native) && own.declared_as(source, place))
                .then(Fit::exact)
        }
        Native::Float { fixed: false } => float(canonical, &own, place, false),
        Native::Double { fixed: false } => float(canonical, &own, place, true),
        Native::Decimal { unsigned: true, .. } => {
            (own.native.as_ref() == Some(place.native)).then(Fit::exact)
        }
        Native::Decimal { precision, scale, unsigned: false } => {
            decimal(canonical, &own, *precision, *scale)
        }
        Native::Bit(bits) => bit(canonical, *bits),
        Native::Char(_) | Native::VarChar(_) | Native::Text(_) => fit_text::text(source, place),
        Native::Binary(_) | Native::VarBinary(_) | Native::Blob(_) => {
            fit_text::binary(source, place)
        }
        Native::Date | Native::Time(_) | Native::DateTime(_) | Native::Timestamp(_) => {
            temporal(source, canonical, &own, place)
        }
        Native::Enum(labels) => enumerated(canonical, &own, labels),
        Native::Set(labels) => set(canonical, labels),
        Native::Json => json(source, canonical, &own, place.flavor),
        Native::Uuid if *canonical == CanonicalType::Uuid => Some(match own.native {
            Some(_) => Fit::exact(),
            None => Fit::checked("a uuid of a variant that the server takes", ValueLimits::Any),
        }),
        Native::Inet { v6 } => match (canonical, &own.native) {
            (CanonicalType::Opaque { .. }, Some(native)) if native == place.native => {
                Some(Fit::exact())
            }
            (CanonicalType::Opaque { type_name, .. }, _) if type_name == "inet" => {
                let version = if *v6 { 6 } else { 4 };
                let rule = format!("addresses of version {version} without a mask");
                Some(Fit::checked(rule, ValueLimits::Any))
            }
            _ => None,
        },
        Native::Geometry(word) => match canonical {
            CanonicalType::Geometry { encoding } if encoding == "mysql" => {
                Some(match &own.native {
                    Some(Native::Geometry(theirs)) if word == "geometry" || word == theirs => {
                        Fit::exact()
                    }
                    _ => Fit::checked(format!("only geometries of type {word}"), ValueLimits::Any),
                })
            }
            _ => None,
        },
        Native::Vector(elements) => match (canonical, &own.native) {
            (CanonicalType::List { .. }, Some(Native::Vector(theirs))) if theirs <= elements => {
                Some(Fit::exact())
            }
            (CanonicalType::List { element }, _) if **element == CanonicalType::Float32 => {
                let rule = format!("1 to {elements} elements, none of them null, NaN or infinite");
                Some(Fit::checked(rule, ValueLimits::Any))
            }
            _ => None,
        },
        Native::Uuid | Native::Other => None,
    }
}

/// Whether values of `source` may be the zero date: its servers have one, and SQLite keeps it as
/// the text that came from them.
pub(crate) fn has_zero_date(source: &Column) -> bool {
    Flavor::is_family(source) || source.native.engine == "sqlite"
}

/// What is known of a source column of a server of either fork.
pub(crate) struct OwnType {
    /// Its type; `None` for other engines.
    pub(crate) native: Option<Native>,
    mysql: bool,
    sqlite: bool,
}

impl OwnType {
    pub(crate) fn of(source: &Column) -> Self {
        let family = Flavor::is_family(source);
        Self {
            native: family.then(|| Native::parse(&source.native.declared)),
            mysql: source.native.engine == "mysql",
            sqlite: source.native.engine == "sqlite",
        }
    }

    pub(crate) const fn is_family(&self) -> bool {
        self.native.is_some()
    }

    pub(crate) const fn is_sqlite(&self) -> bool {
        self.sqlite
    }

    /// Columns that round to a number of digits must have the same number.
    fn declared_as(&self, source: &Column, place: Place<'_>) -> bool {
        self.is_family() && Native::parse(&source.native.declared) == *place.native
    }
}

/// The range of integers of a meaning.
fn integers(canonical: &CanonicalType) -> Option<(i128, i128)> {
    Some(match canonical {
        CanonicalType::Boolean => (0, 1),
        CanonicalType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        CanonicalType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        CanonicalType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        CanonicalType::Int64 => (i64::MIN.into(), i64::MAX.into()),
        CanonicalType::UInt8 => (0, u8::MAX.into()),
        CanonicalType::UInt16 => (0, u16::MAX.into()),
        CanonicalType::UInt32 => (0, u32::MAX.into()),
        CanonicalType::UInt64 => (0, u64::MAX.into()),
        CanonicalType::Bits { bits } => (0, (1_i128 << bits) - 1),
        CanonicalType::Decimal { precision, scale: 0 } if *precision <= 38 => {
            let most = 10_i128.pow((*precision).into()) - 1;
            (-most, most)
        }
        CanonicalType::Decimal { scale: 0, .. } => (i128::MIN, i128::MAX),
        _ => return None,
    })
}

/// The range of an integer column.
pub(crate) const fn integer_range(bits: u8, unsigned: bool) -> (i128, i128) {
    let span = 1_i128 << bits;
    if unsigned { (0, span - 1) } else { (-span / 2, span / 2 - 1) }
}

fn integer(canonical: &CanonicalType, bits: u8, unsigned: bool) -> Option<Fit> {
    let (min, max) = integer_range(bits, unsigned);
    let limits = ValueLimits::Integer { min, max };
    let whole = || {
        let to = if unsigned { CanonicalType::UInt64 } else { CanonicalType::Int64 };
        Fit::checked(format!("integers from {min} to {max}"), limits.clone()).converted(to)
    };
    match canonical {
        CanonicalType::Decimal { scale, .. } if *scale > 0 => return Some(whole()),
        // A byte may stand for a boolean, which a cell of any number does not.
        CanonicalType::Variant if !unsigned && bits > 8 => return Some(whole()),
        _ => {}
    }
    let (least, most) = integers(canonical)?;
    if least < min || most > max {
        return Some(Fit::checked(format!("integers from {min} to {max}"), limits));
    }
    // The servers have no other boolean.
    let boolean = *canonical == CanonicalType::Boolean && bits == 8;
    let same = (least, most) == (min, max) || boolean;
    Some(if same { Fit::exact() } else { Fit::widened() })
}

fn year(canonical: &CanonicalType, own: &OwnType) -> Option<Fit> {
    if own.native == Some(Native::Year) {
        return Some(Fit::exact());
    }
    let (min, max) = YEARS;
    canonical
        .is_integer()
        .then(|| Fit::checked("0, or a year from 1901 to 2155", ValueLimits::Integer { min, max }))
}

fn float(canonical: &CanonicalType, own: &OwnType, place: Place<'_>, double: bool) -> Option<Fit> {
    use CanonicalType as C;
    let same = match (canonical, double) {
        (C::Float32, false) | (C::Float64, true) => true,
        (C::Float32, true) => false,
        (C::Int8 | C::Int16, _) | (C::Int32 | C::UInt8 | C::UInt16 | C::UInt32, true) => {
            return Some(Fit::widened());
        }
        (C::Int64 | C::UInt64 | C::Variant, true) => {
            let limits = ValueLimits::Float { nan: false, infinite: false };
            let rule = "numbers that a double holds, not NaN or infinite";
            return Some(Fit::checked(rule, limits).converted(C::Float64));
        }
        _ => return None,
    };
    let loses_sign = place.flavor == Flavor::MariaDb;
    if own.is_family() {
        let fit = if same { Fit::exact() } else { Fit::widened() };
        let warned = loses_sign && own.mysql;
        return Some(if warned { fit.with_rule("-0.0 becomes 0.0") } else { fit });
    }
    let rule =
        if loses_sign { "not NaN or infinite; -0.0 becomes 0.0" } else { "not NaN or infinite" };
    Some(Fit::checked(rule, ValueLimits::Float { nan: false, infinite: false }))
}

fn decimal(canonical: &CanonicalType, own: &OwnType, precision: u8, scale: u8) -> Option<Fit> {
    let limits = ValueLimits::Decimal {
        precision: precision.into(),
        scale: scale.into(),
        nan: false,
        infinite: false,
    };
    let digits = || format!("at most {precision} digits, {scale} of them after the point");
    let room = precision.saturating_sub(scale);
    match canonical {
        CanonicalType::Decimal { precision: theirs, scale: own_scale } => {
            let fits = *own_scale <= scale && theirs.saturating_sub(*own_scale) <= room;
            let same = (*theirs, *own_scale) == (precision, scale);
            Some(match (fits, own.is_family()) {
                (true, true) if same => Fit::exact(),
                (true, true) => Fit::widened(),
                (true, false) => Fit::checked("not NaN", limits),
                (false, _) => Fit::checked(digits(), limits),
            })
        }
        CanonicalType::DecimalText => {
            let rule = format!("{}, not NaN or infinite", digits());
            let to = CanonicalType::Decimal { precision, scale };
            Some(Fit::checked(rule, limits).converted(to))
        }
        CanonicalType::Bits { .. } => None,
        other => {
            let (least, most) = integers(other)?;
            let max = 10_i128.checked_pow(room.into()).map_or(i128::MAX, |end| end - 1);
            let fits = least >= -max && most <= max;
            let limits = ValueLimits::Integer { min: -max, max };
            Some(if fits { Fit::widened() } else { Fit::checked(digits(), limits) })
        }
    }
}

fn bit(canonical: &CanonicalType, bits: u8) -> Option<Fit> {
    let max = (1_i128 << bits) - 1;
    let theirs = match canonical {
        CanonicalType::Bits { bits } => *bits,
        CanonicalType::UInt64 => 64,
        _ => return None,
    };
    Some(match theirs {
        same if same == bits => Fit::exact(),
        less if less < bits => Fit::widened(),
        _ => Fit::checked(
            format!("numbers of at most {bits} bits"),
            ValueLimits::Integer { min: 0, max },
        ),
    })
}

fn temporal(
    source: &Column,
    canonical: &CanonicalType,
    own: &OwnType,
    place: Place<'_>,
) -> Option<Fit> {
    use CanonicalType as C;
    let family = own.is_family();
    if matches!(canonical, C::Text { .. }) {
        return date_text(source, own, place);
    }
    let limits = |(min, max): (i64, i64), digits: u8| ValueLimits::Temporal {
        min,
        max,
        infinite: false,
        zero: has_zero_date(source),
        digits,
    };
    let most = |digits: u8| format!("at most {digits} fraction digits");
    match (place.native, canonical) {
        (Native::Date, C::Date) if family => Some(Fit::exact()),
        (Native::Date, C::Date) => {
            Some(Fit::checked("from 0001-01-01 to 9999-12-31", limits(DAYS, 0)))
        }
        (Native::Time(digits), C::Time { digits: theirs }) => Some(if theirs <= digits {
            Fit::exact()
        } else {
            Fit::checked(most(*digits), limits((0, DAY_MICROS), *digits))
        }),
        (Native::Time(digits), C::Duration { digits: theirs }) => {
            let max = time_max(place.flavor);
            let longer = !own.mysql && place.flavor == Flavor::MySql && *theirs > 0;
            let limits = limits((-max, max), *digits);
            Some(match (theirs <= digits, family && !longer) {
                (true, true) => Fit::exact(),
                (true, false) => Fit::checked("from -838:59:59 to 838:59:59", limits),
                (false, _) => Fit::checked(most(*digits), limits),
            })
        }
        (Native::Time(digits), C::Interval) => {
            let max = time_max(place.flavor);
            let rule = "no months or days, from -838:59:59 to 838:59:59";
            let fit = Fit::checked(rule, limits((-max, max), *digits));
            Some(fit.converted(C::Duration { digits: *digits }))
        }
        (Native::DateTime(_), C::Date) => {
            let checked = || Fit::checked("from 0001-01-01 to 9999-12-31", limits(MICROS, 0));
            let fit = if family { Fit::widened() } else { checked() };
            Some(fit.converted(C::Timestamp { digits: 0 }))
        }
        (
            Native::DateTime(digits),
            C::Timestamp { digits: theirs } | C::Instant { digits: theirs },
        ) => {
            let limits = limits(MICROS, *digits);
            let instant = matches!(canonical, C::Instant { .. });
            Some(match (theirs <= digits, instant) {
                (false, _) => {
                    Fit::checked(format!("years 0001 to 9999, {}", most(*digits)), limits)
                }
                (true, true) => Fit::widened()
                    .with_rule("the wall clock of UTC, years 0001 to 9999")
                    .with_limits(limits),
                (true, false) if family => Fit::exact(),
                (true, false) => Fit::checked("years 0001 to 9999", limits),
            })
        }
        (Native::Timestamp(digits), C::Instant { digits: theirs }) => {
            let limits = limits((TIMESTAMP_MIN, TIMESTAMP_MAX), *digits);
            Some(match (theirs <= digits, family) {
                (true, true) => Fit::exact(),
                (true, false) => {
                    Fit::checked("from 1970-01-01 00:00:01 to 2038-01-19 03:14:07 UTC", limits)
                }
                (false, _) => Fit::checked(
                    format!("from 1970-01-01 to 2038-01-19, {}", most(*digits)),
                    limits,
                ),
            })
        }
        _ => None,
    }
}

/// Dates without a month or day travel as text, from a column of this type or from one of SQLite
/// of the same meaning.
fn date_text(source: &Column, own: &OwnType, place: Place<'_>) -> Option<Fit> {
    if own.native.as_ref() == Some(place.native) {
        return Some(Fit::exact());
    }
    let word = sql::base_word(&source.native.declared);
    let takes = match place.native {
        Native::Date => own.sqlite && word == "date",
        Native::DateTime(_) => own.sqlite && matches!(word.as_str(), "timestamp" | "datetime"),
        _ => false,
    };
    takes.then(|| {
        Fit::checked("dates that the server has; a month or day may be 0", ValueLimits::Any)
    })
}

fn enumerated(canonical: &CanonicalType, own: &OwnType, labels: &[String]) -> Option<Fit> {
    let checked = || Fit::checked("only labels of the enum", ValueLimits::Labels(labels.to_vec()));
    match canonical {
        CanonicalType::Enum { labels: theirs } if own.is_family() && theirs == labels => {
            Some(Fit::exact())
        }
        CanonicalType::Enum { .. } | CanonicalType::Text { .. } => Some(checked()),
        _ => None,
    }
}

fn set(canonical: &CanonicalType, labels: &[String]) -> Option<Fit> {
    match canonical {
        CanonicalType::Set { labels: theirs } if theirs == labels => Some(Fit::exact()),
        CanonicalType::Set { .. } | CanonicalType::Text { .. } => {
            Some(Fit::checked("only labels of the set, in its order, each once", ValueLimits::Any))
        }
        _ => None,
    }
}

fn json(source: &Column, canonical: &CanonicalType, own: &OwnType, flavor: Flavor) -> Option<Fit> {
    const VALID: ValueLimits = ValueLimits::Json { nul: true };
    const LOST: &str = "blanks, order of keys, equal keys and digits beyond a double are not kept";
    let numbers = || Fit::checked("numbers that a double holds", ValueLimits::Any);
    Some(match (flavor, canonical) {
        (Flavor::MySql, CanonicalType::Json { flavor: JsonFlavor::PgJsonb }) => numbers(),
        (
            Flavor::MySql,
            CanonicalType::Json { flavor: JsonFlavor::Text } | CanonicalType::Text { .. },
        ) => Fit::lossy(LOST).with_limits(VALID),
        (Flavor::MariaDb, CanonicalType::Json { flavor: JsonFlavor::Mysql }) => Fit::widened(),
        (Flavor::MariaDb, CanonicalType::Json { flavor: JsonFlavor::Text }) if own.is_sqlite() => {
            Fit::exact().with_limits(VALID).with_rule("valid json")
        }
        (Flavor::MySql | Flavor::MariaDb, CanonicalType::Json { .. }) => Fit::exact(),
        // The text of a list that is no list in JSON.
        (_, CanonicalType::Text { .. }) if source.native.declared.ends_with(']') => return None,
        (Flavor::MariaDb, CanonicalType::Text { .. }) => Fit::checked("only valid json", VALID),
        // Vectors hold finite floats only.
        (Flavor::MySql | Flavor::MariaDb, CanonicalType::List { .. }) if own.is_family() => {
            Fit::widened().converted(CanonicalType::Json { flavor: JsonFlavor::Text })
        }
        (Flavor::MySql | Flavor::MariaDb, CanonicalType::List { .. }) => {
            Fit::checked("elements that are not NaN or infinite", ValueLimits::Any)
                .converted(CanonicalType::Json { flavor: JsonFlavor::Text })
        }
        _ => return None,
    })
}
