//! The target column for a source column: the type of the cast, the source's own declaration where
//! it is SQLite too, else the one that the type table has for its meaning.

use rowferry_core::{
    CanonicalType, CastTarget, Column, ColumnChoice, ColumnWish, DefaultMeaning, Fidelity,
    JsonFlavor, NativeType, PlanProblem, ValueLimits,
};

use crate::affinity::Affinity;
use crate::fit::{Fit, fit};
use crate::sql::literal;
use crate::types::{ENGINE, canonical, declared};

/// See [`rowferry_core::Sink::plan_column`].
pub(crate) fn plan_column(wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
    let source = wish.source;
    let Some(values) = &source.canonical else {
        return Err(problem(
            wish,
            "unmapped-type",
            format!("the type {:?} has no mapping", source.native.declared),
            "Leave the column out with `exclude`, or give it a type that is known.",
        ));
    };
    if wish.name.contains('\0') {
        return Err(problem(
            wish,
            "bad-name",
            "a name in SQLite cannot hold U+0000".to_owned(),
            "Give the column another name with `rename`.",
        ));
    }
    match (wish.existing, wish.cast_target()) {
        (Some(existing), target) => into_existing(wish, values, existing, target),
        (None, Some(target)) => {
            let native = NativeType::new(ENGINE, words(wish, target)?);
            let Some((fit, converted)) = fitted(values, &source.native, &native, true) else {
                return Err(problem(
                    wish,
                    "cast-does-not-fit",
                    format!("{} values cannot become {:?}", values.name(), native.declared),
                    "Choose another type; `text` takes every value but bytes.",
                ));
            };
            Ok(choice(new_column(wish, native), values, fit, converted))
        }
        (None, None) => without_cast(wish, values),
    }
}

fn without_cast(
    wish: &ColumnWish<'_>,
    values: &CanonicalType,
) -> Result<ColumnChoice, PlanProblem> {
    let source = wish.source;
    // Cells pass as they are into the same declaration.
    if source.native.engine == ENGINE {
        return Ok(ColumnChoice::exact(new_column(wish, source.native.clone())));
    }
    let native = NativeType::new(ENGINE, declared(values));
    match fitted(values, &source.native, &native, false) {
        Some((fit, converted)) => Ok(choice(new_column(wish, native), values, fit, converted)),
        None => Err(problem(
            wish,
            "unsupported-type",
            format!("{} values have no type here", values.name()),
            "Cast the column, or leave it out with `exclude`.",
        )
        .with_casts(["text"])),
    }
}

fn into_existing(
    wish: &ColumnWish<'_>,
    values: &CanonicalType,
    existing: &Column,
    target: Option<&CastTarget>,
) -> Result<ColumnChoice, PlanProblem> {
    let source = wish.source;
    if existing.generated {
        // A copy made earlier computes the same; the values stay at home.
        if source.generated && source.native.engine == ENGINE {
            return Ok(ColumnChoice::exact(existing.clone()));
        }
        return Err(problem(
            wish,
            "generated-column",
            format!("target column {:?} is computed by the database", wish.name),
            "Leave the column out with `exclude`.",
        ));
    }
    if let Some(target) = target {
        let wanted = words(wish, target)?;
        let same = wanted.eq_ignore_ascii_case(existing.native.declared.trim())
            || Affinity::of(&wanted) == Affinity::of_native(&existing.native);
        if !same {
            return Err(problem(
                wish,
                "type-does-not-fit",
                format!("the target column is a {:?} already", existing.native.declared),
                "Change the target column, or let the table be made anew.",
            ));
        }
    }
    let same_affinity = source.native.engine == ENGINE
        && Affinity::of_native(&source.native) == Affinity::of_native(&existing.native);
    if same_affinity && target.is_none() {
        return Ok(ColumnChoice::exact(existing.clone()));
    }
    let cast = target.is_some();
    let Some((fit, converted)) = fitted(values, &source.native, &existing.native, cast) else {
        let message =
            format!("{} values do not survive in {:?}", values.name(), existing.native.declared);
        let next = "Change the target column, or let it be made.";
        let problem = problem(wish, "type-does-not-fit", message, next);
        let with_cast = fitted(values, &source.native, &existing.native, true).is_some();
        return Err(if with_cast {
            problem.with_casts([existing.native.declared.to_lowercase()])
        } else {
            problem
        });
    };
    Ok(choice(existing.clone(), values, fit, converted))
}

/// The declaration that a cast asks for.
fn words(wish: &ColumnWish<'_>, target: &CastTarget) -> Result<String, PlanProblem> {
    let declared = match target {
        CastTarget::Text => return Ok("TEXT".to_owned()),
        CastTarget::Bytes => return Ok("BLOB".to_owned()),
        CastTarget::Type(declared) => declared.trim(),
    };
    if declared.starts_with("epoch=") {
        return Err(problem(
            wish,
            "not-supported-yet",
            format!("the cast {declared:?} is not supported yet"),
            "Cast the column to an integer or a real type, which keeps the numbers.",
        )
        .with_casts(["integer", "real", "text"]));
    }
    // SQLite takes any words for a type, and turns `string` into numbers.
    if canonical(declared).is_none() {
        return Err(problem(
            wish,
            "unknown-type",
            format!("{declared:?} is no type that SQLite values have a meaning in"),
            "Name a type of the SQLite table of the documentation, or `text`.",
        )
        .with_casts(["text"]));
    }
    Ok(declared.to_owned())
}

/// How values get into a column of this type, after a conversion where that is needed and asked
/// for.
fn fitted(
    values: &CanonicalType,
    source: &NativeType,
    target: &NativeType,
    cast: bool,
) -> Option<(Fit, Option<CanonicalType>)> {
    if let Some(fit) = fit(values, source, target)
        && !(cast && becomes_blob(values, target))
    {
        return Some((fit, None));
    }
    let (converted, fidelity, rule) = conversion(values, target, cast)?;
    let mut fit = fit(&converted, source, target)?;
    // A conversion is never more exact than what it converts into.
    fit.fidelity = fit.fidelity.max(fidelity);
    fit.rule = rule.map(str::to_owned).or(fit.rule);
    Some((fit, Some(converted)))
}

/// Text in a column of bytes would keep the class of text.
fn becomes_blob(values: &CanonicalType, target: &NativeType) -> bool {
    let is_text = values.arrow() == CanonicalType::DecimalText.arrow();
    is_text && matches!(canonical(&target.declared), Some(CanonicalType::Binary { .. }))
}

/// The meaning that values must be given to stand in a column of this type.
fn conversion(
    values: &CanonicalType,
    target: &NativeType,
    cast: bool,
) -> Option<(CanonicalType, Fidelity, Option<&'static str>)> {
    const BYTES: CanonicalType = CanonicalType::Binary { bytes: None, fixed: false };
    const TEXT: CanonicalType = CanonicalType::Text { chars: None, fixed: false };
    let meaning = canonical(target.stored());
    let is_bytes = matches!(values, CanonicalType::Binary { .. } | CanonicalType::Geometry { .. });
    match (values, meaning?) {
        (CanonicalType::List { .. }, CanonicalType::Json { .. }) => Some((
            CanonicalType::Json { flavor: JsonFlavor::Text },
            Fidelity::Checked,
            Some("one dimension counted from 1, without NaN and infinity"),
        )),
        // Of what follows nothing is done unasked.
        _ if !cast => None,
        (CanonicalType::Variant, CanonicalType::Text { .. }) => {
            Some((TEXT, Fidelity::Checked, Some("numbers and text, no blobs")))
        }
        (_, CanonicalType::Text { .. }) if !is_bytes => Some((TEXT, Fidelity::Widened, None)),
        (values, CanonicalType::Binary { .. }) if becomes_blob(values, target) => {
            Some((BYTES, Fidelity::Widened, None))
        }
        (CanonicalType::Text { .. }, uuid @ CanonicalType::Uuid) => {
            Some((uuid, Fidelity::Checked, Some("a UUID with hyphens")))
        }
        (
            CanonicalType::Text { .. },
            decimal @ (CanonicalType::Decimal { .. } | CanonicalType::DecimalText),
        ) => Some((decimal, Fidelity::Checked, Some("a decimal number"))),
        (CanonicalType::Time { .. }, duration @ CanonicalType::Duration { .. }) => {
            Some((duration, Fidelity::Widened, None))
        }
        (CanonicalType::Duration { .. }, time @ CanonicalType::Time { .. }) => {
            Some((time, Fidelity::Checked, Some("between 00:00 and 24:00")))
        }
        (CanonicalType::Interval, duration @ CanonicalType::Duration { .. }) => {
            Some((duration, Fidelity::Checked, Some("no months and no days")))
        }
        (_, _) => None,
    }
}

fn choice(
    column: Column,
    values: &CanonicalType,
    fit: Fit,
    converted: Option<CanonicalType>,
) -> ColumnChoice {
    let Fit { fidelity, rule, options, limits, .. } = fit;
    // The table says the labels itself, so a column that is made holds nothing else.
    let limits = match (values, limits) {
        (CanonicalType::Enum { labels }, ValueLimits::Any) if converted.is_none() => {
            ValueLimits::Labels(labels.clone())
        }
        (_, limits) => limits,
    };
    ColumnChoice { column, fidelity, converted, rule, options, limits }
}

fn new_column(wish: &ColumnWish<'_>, native: NativeType) -> Column {
    let source = wish.source;
    let same_engine = source.native.engine == ENGINE;
    let default = if same_engine {
        source.default.clone()
    } else {
        source.default_meaning.as_ref().and_then(|meaning| default_words(meaning, &native))
    };
    let canonical = source.canonical.clone().filter(|_| same_engine);
    Column {
        name: wish.name.to_owned(),
        canonical: canonical.or_else(|| crate::types::canonical(native.stored())),
        nullable: source.nullable,
        default,
        default_meaning: source.default_meaning.clone(),
        identity: source.identity,
        generated: same_engine && source.generated,
        expression: source.expression.clone().filter(|_| same_engine),
        collation: source.collation.clone().filter(|_| same_engine),
        comment: None,
        native,
    }
}

/// A default in SQLite's words, in the form in which the column's own values are stored. The clock
/// of SQLite shows milliseconds.
fn default_words(meaning: &DefaultMeaning, native: &NativeType) -> Option<String> {
    let stored = canonical(native.stored())?;
    let clock = |format: &str| Some(format!("strftime('{format}', 'now')"));
    match (meaning, stored) {
        (DefaultMeaning::Now(0), CanonicalType::Timestamp { .. }) => {
            Some("CURRENT_TIMESTAMP".to_owned())
        }
        (DefaultMeaning::Now(_), CanonicalType::Timestamp { .. }) => clock("%Y-%m-%d %H:%M:%f"),
        (DefaultMeaning::Now(0), CanonicalType::Instant { .. }) => clock("%Y-%m-%d %H:%M:%S+00:00"),
        (DefaultMeaning::Now(_), CanonicalType::Instant { .. }) => clock("%Y-%m-%d %H:%M:%f+00:00"),
        (DefaultMeaning::Now(0), CanonicalType::Time { .. }) => Some("CURRENT_TIME".to_owned()),
        (DefaultMeaning::Today | DefaultMeaning::Now(_), CanonicalType::Date) => {
            Some("CURRENT_DATE".to_owned())
        }
        (DefaultMeaning::Constant(text), CanonicalType::Boolean) => {
            match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => Some("1".to_owned()),
                "false" | "f" | "0" => Some("0".to_owned()),
                _ => None,
            }
        }
        (DefaultMeaning::Constant(text), CanonicalType::Int64 | CanonicalType::Float64) => {
            text.parse::<f64>().is_ok_and(f64::is_finite).then(|| text.clone())
        }
        (DefaultMeaning::Constant(text), stored) => {
            // Bytes as text are another class.
            (!matches!(stored, CanonicalType::Binary { .. })).then(|| literal(text))
        }
        (DefaultMeaning::Now(_) | DefaultMeaning::Today, _) => None,
    }
}

fn problem(wish: &ColumnWish<'_>, code: &str, message: String, next: &str) -> PlanProblem {
    PlanProblem::of_column(code, &wish.source.name, message, next)
}
