//! The target column for a source column: the type of the cast, the source's own declaration where
//! it is SQLite too, else the one that the type table has for its meaning.

use rowferry_core::{
    CanonicalType, CastTarget, Column, ColumnChoice, ColumnWish, Fidelity, JsonFlavor, NativeType,
    PlanProblem, ValueLimits,
};

use crate::affinity::Affinity;
use crate::defaults::default_words;
use crate::fit::{Binding, Fit, fit};
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
    if wish.in_key && is_weaker(source, values, existing) {
        return Err(problem(
            wish,
            "weak-collation",
            format!(
                "collation {} of the target's key takes texts for equal that the source tells apart",
                existing.collation.as_deref().unwrap_or_default()
            ),
            "Make the target column without a collation.",
        ));
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

/// Whether two texts that the source tells apart may be equal in the target, so that an upsert would
/// lay one row over another.
fn is_weaker(source: &Column, values: &CanonicalType, target: &Column) -> bool {
    let texts = matches!(
        values,
        CanonicalType::Text { .. }
            | CanonicalType::Opaque { .. }
            | CanonicalType::Enum { .. }
            | CanonicalType::Variant
    );
    // The usual one is left out of the description.
    let Some(theirs) = target.collation.as_deref().filter(|_| texts) else { return false };
    let same = source.native.engine == ENGINE
        && source.collation.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(theirs));
    !same
}

/// The declaration that a cast asks for.
fn words(wish: &ColumnWish<'_>, target: &CastTarget) -> Result<String, PlanProblem> {
    let declared = match target {
        CastTarget::Text => return Ok("TEXT".to_owned()),
        CastTarget::Bytes => return Ok("BLOB".to_owned()),
        CastTarget::Type(declared) => declared.trim(),
    };
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
    let conversion = conversion(values, target, cast);
    let fits = fit(values, source, target).filter(|fit| {
        // A cast asks for a class too, which cells would not get by themselves.
        let asked_bytes = matches!(canonical(&target.declared), Some(CanonicalType::Binary { .. }));
        let is_bytes = matches!(fit.binding, Binding::Blob | Binding::BigEndian);
        let mixed = *values == CanonicalType::Variant && conversion.is_some();
        !(cast && (mixed || (asked_bytes && !is_bytes)))
    });
    if let Some(fit) = fits {
        return Some((fit, None));
    }
    let (converted, fidelity, rule) = conversion?;
    let mut fit = fit(&converted, source, target)?;
    // A conversion is never more exact than what it converts into.
    fit.fidelity = fit.fidelity.max(fidelity);
    fit.rule = rule.map(str::to_owned).or(fit.rule);
    Some((fit, Some(converted)))
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
        (values, CanonicalType::Binary { .. }) if values.arrow() == TEXT.arrow() => {
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
        seen: None,
        native,
    }
}

fn problem(wish: &ColumnWish<'_>, code: &str, message: String, next: &str) -> PlanProblem {
    PlanProblem::of_column(code, &wish.source.name, message, next)
}

#[cfg(test)]
mod tests {
    use rowferry_core::Cast;

    use super::*;

    fn source(engine: &str, canonical: CanonicalType) -> Column {
        Column::new("c", Some(canonical), NativeType::new(engine, "whatever"))
    }

    /// Letter and declaration of a new column, or the slug of what is in the way.
    fn planned(source: &Column, cast: Option<&str>) -> String {
        let cast: Option<Cast> = cast.map(|cast| cast.parse().unwrap());
        let wish = ColumnWish { cast: cast.as_ref(), ..ColumnWish::plain(source, "c") };
        match plan_column(&wish) {
            Ok(choice) => {
                assert!(choice.fidelity != Fidelity::Checked || choice.rule.is_some());
                let declared = &choice.column.native.declared;
                let converted =
                    choice.converted.map_or_else(String::new, |to| format!(" as {}", to.name()));
                format!("{} {declared}{converted}", choice.fidelity.letter())
            }
            Err(problem) => problem.code,
        }
    }

    #[test]
    fn new_columns_follow_the_matrix() {
        use CanonicalType as C;
        let labels = vec!["a".to_owned(), "b".to_owned()];
        for (engine, canonical, expected) in [
            ("postgres", C::Boolean, "E BOOLEAN"),
            ("postgres", C::Int16, "E SMALLINT"),
            ("postgres", C::Int64, "E BIGINT"),
            ("postgres", C::UInt32, "E INTEGER"),
            ("mysql", C::UInt64, "W U64_TEXT"),
            ("postgres", C::Float64, "V DOUBLE"),
            ("postgres", C::Float32, "V REAL"),
            ("mysql", C::Float32, "E REAL"),
            ("mysql", C::Decimal { precision: 12, scale: 2 }, "W DECIMAL_TEXT(12,2)"),
            ("postgres", C::DecimalText, "W DECIMAL_TEXT"),
            ("postgres", C::Text { chars: Some(5), fixed: true }, "E CHAR(5)"),
            ("mysql", C::Text { chars: None, fixed: false }, "E TEXT"),
            ("postgres", C::Binary { bytes: None, fixed: false }, "E BLOB"),
            ("postgres", C::Date, "W DATE_TEXT"),
            ("postgres", C::Time { digits: 3 }, "W TIME_TEXT(3)"),
            ("postgres", C::TimeTz, "W TIMETZ_TEXT"),
            ("mysql", C::Duration { digits: 0 }, "W DURATION_TEXT(0)"),
            ("postgres", C::Timestamp { digits: 6 }, "W TIMESTAMP_TEXT(6)"),
            ("mysql", C::Instant { digits: 0 }, "W TIMESTAMPTZ_TEXT(0)"),
            ("postgres", C::Interval, "W PERIOD_TEXT"),
            ("mariadb", C::Uuid, "W UUID_TEXT"),
            ("postgres", C::Json { flavor: JsonFlavor::PgJsonb }, "E JSON_TEXT"),
            ("mysql", C::Bits { bits: 10 }, "E BIT_INTEGER(10)"),
            ("mysql", C::Bits { bits: 64 }, "E BIT_BLOB(64)"),
            ("postgres", C::BitString { bits: Some(70), varying: false }, "W BIT_TEXT(70)"),
            ("postgres", C::BitString { bits: None, varying: true }, "W VARBIT_TEXT"),
            ("postgres", C::Enum { labels: labels.clone() }, "E TEXT"),
            ("mysql", C::Enum { labels: labels.clone() }, "V TEXT"),
            ("mysql", C::Set { labels }, "W TEXT"),
            ("postgres", C::List { element: Box::new(C::Int32) }, "V JSON_TEXT as json"),
            ("mysql", C::Geometry { encoding: "mysql".into() }, "W BLOB"),
            ("postgres", C::Opaque { type_name: "inet".into(), chars: None }, "W TEXT"),
            ("sqlite", C::Variant, "E whatever"),
        ] {
            let name = canonical.name();
            assert_eq!(planned(&source(engine, canonical), None), expected, "{engine} {name}");
        }
    }

    #[test]
    fn casts_are_done_or_refused_by_name() {
        use CanonicalType as C;
        let text = || C::Text { chars: None, fixed: false };
        for (canonical, cast, expected) in [
            (C::Int32, "text", "W TEXT as text"),
            (C::Interval, "text", "W TEXT"),
            (C::List { element: Box::new(C::Int32) }, "text", "W TEXT as text"),
            (C::Variant, "text", "V TEXT as text"),
            (text(), "bytes", "W BLOB as binary"),
            (C::Uuid, "bytes", "W BLOB"),
            (C::Int32, "bytes", "cast-does-not-fit"),
            (C::Binary { bytes: None, fixed: false }, "text", "cast-does-not-fit"),
            (C::UInt64, "integer", "V integer"),
            (text(), "uuid_text", "V uuid_text as uuid"),
            (text(), "json_text", "V json_text"),
            (C::Interval, "duration_text", "V duration_text as duration(6)"),
            (C::DecimalText, "decimal_text(9,2) else null", "V decimal_text(9,2)"),
            (C::Date, "integer", "cast-does-not-fit"),
            (text(), "string", "unknown-type"),
        ] {
            let engine = if canonical == C::Variant { ENGINE } else { "postgres" };
            let column = source(engine, canonical);
            assert_eq!(planned(&column, Some(cast)), expected, "{cast}");
        }
    }

    #[test]
    fn what_demotion_reads_goes_into_the_same_column() {
        use CanonicalType as C;
        for (canonical, declared) in [
            (C::Decimal { precision: 9, scale: 2 }, "DECIMAL_TEXT(9,2)"),
            (C::Date, "DATE_TEXT"),
            (C::Timestamp { digits: 6 }, "TIMESTAMP_TEXT(6)"),
            (C::Instant { digits: 6 }, "TIMESTAMPTZ_TEXT(6)"),
            (C::List { element: Box::new(C::Int32) }, "JSON_TEXT"),
        ] {
            let there = Column::new("c", None, NativeType::new(ENGINE, declared));
            let wider = source("postgres", canonical.demoted().unwrap());
            let wish = ColumnWish { existing: Some(&there), ..ColumnWish::plain(&wider, "c") };
            assert_eq!(plan_column(&wish).unwrap().column.native.declared, declared);
        }
    }
}
