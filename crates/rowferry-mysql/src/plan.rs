//! The target column for a source column, and how exactly values arrive in it.

use rowferry_core::{
    CanonicalType, CastTarget, Column, ColumnChoice, ColumnWish, Fidelity, JsonFlavor, NativeType,
    PlanProblem, ValueLimits,
};

use crate::declare::{self, Declared};
use crate::defaults;
use crate::fit::{Fit, Place, fit};
use crate::types::{Flavor, Native, charset};

/// Characters of the longest name
/// (<https://dev.mysql.com/doc/refman/8.4/en/identifier-length.html>).
const NAME_CHARS_MAX: usize = 64;
/// Characters of the longest column comment.
pub(crate) const COMMENT_CHARS_MAX: usize = 1_024;
/// Characters of the longest table comment.
pub(crate) const TABLE_COMMENT_CHARS_MAX: usize = 2_048;
const LEAVE_OUT: &str = "Leave the column out with `exclude`, or cast it in a view.";
const CHOOSE: &str = "Choose one of the casts, or leave the column out with `exclude`.";

/// The target column for `wish.source`: `existing` when it fits, else a new one.
pub(crate) fn plan_column(
    wish: &ColumnWish<'_>,
    flavor: Flavor,
) -> Result<ColumnChoice, PlanProblem> {
    let problem = |code: &str, message: String, next: &str| {
        PlanProblem::of_column(code, &wish.source.name, message, next)
    };
    let Some(canonical) = &wish.source.canonical else {
        let message = format!("the type {} is not supported yet", wish.source.native.declared);
        return Err(problem("unsupported-type", message, LEAVE_OUT));
    };
    if let Some(existing) = wish.existing {
        return into_existing(wish, canonical, existing, flavor);
    }
    check_name(wish.name).map_err(|message| {
        problem("bad-name", message.to_owned(), "Rename the column with `rename`.")
    })?;
    if recreated(wish, flavor) {
        return Ok(ColumnChoice::exact(computed(wish)));
    }
    let declared = match wish.cast_target() {
        Some(target) => cast(target, flavor),
        None => match declare::verbatim(wish.source, flavor) {
            Some(own) => own,
            None => declare::declare(wish.source, canonical, flavor, wish.in_key).map_err(
                |missing| {
                    problem("unsupported-type", missing.reason.to_owned(), CHOOSE)
                        .with_casts(missing.casts.iter().copied())
                },
            )?,
        },
    };
    let native = Native::parse(&declared.declared);
    if native == Native::Other {
        let message =
            format!("{} has no type {:?} that can be written", flavor.word(), declared.declared);
        let next = "Write the type as this server's `create table` does.";
        return Err(problem("unknown-type", message, next));
    }
    let place = Place { native: &native, collation: declared.collation.as_deref(), flavor };
    let Some(mut fitted) = fit(wish.source, place) else {
        let message =
            format!("{} does not fit a column of type {}", canonical.name(), declared.declared);
        return Err(problem("cast-does-not-fit", message, "Choose another type for the cast.")
            .with_casts(casts_of(wish.source, canonical, flavor)));
    };
    // A new column of texts is checked to hold JSON, unless texts were asked for.
    if matches!(canonical, CanonicalType::Json { .. })
        && matches!(native, Native::Text(_))
        && wish.cast_target().is_none()
        && fitted.limits == ValueLimits::Any
    {
        fitted = fitted.with_limits(ValueLimits::Json { nul: true }).with_rule("valid json");
    }
    choose(wish, canonical, new_column(wish, canonical, &native, declared, flavor), fitted, flavor)
}

/// The type that a cast names.
fn cast(target: &CastTarget, flavor: Flavor) -> Declared {
    match target {
        CastTarget::Text => Declared::text("longtext", flavor),
        CastTarget::Bytes => Declared::parse("longblob", flavor),
        CastTarget::Type(words) => Declared::parse(words, flavor),
    }
}

/// Casts with which a column that did not fit would go.
fn casts_of(source: &Column, canonical: &CanonicalType, flavor: Flavor) -> Vec<String> {
    let goes = |words: &&&str| {
        let declared = match **words {
            "text" => cast(&CastTarget::Text, flavor),
            "bytes" => cast(&CastTarget::Bytes, flavor),
            other => Declared::parse(other, flavor),
        };
        let native = Native::parse(&declared.declared);
        let place = Place { native: &native, collation: declared.collation.as_deref(), flavor };
        fit(source, place).is_some()
    };
    let own = declare::declare(source, canonical, flavor, false).err();
    let mut casts: Vec<&str> = own.map(|missing| missing.casts.to_vec()).unwrap_or_default();
    casts.extend(["text", "bytes"]);
    let mut casts: Vec<String> = casts.iter().filter(goes).map(|cast| (*cast).to_owned()).collect();
    casts.dedup();
    casts
}

/// Whether the target computes the column as the source does.
fn recreated(wish: &ColumnWish<'_>, flavor: Flavor) -> bool {
    wish.source.generated
        && wish.source.expression.is_some()
        && wish.source.native.engine == flavor.word()
        && wish.cast_target().is_none()
        && wish.name == wish.source.name
        // Rows are found by their key, so it must be read.
        && !wish.in_key
}

/// A column that the target computes; its values are not written.
fn computed(wish: &ColumnWish<'_>) -> Column {
    Column { name: wish.name.to_owned(), ..wish.source.clone() }
}

fn into_existing(
    wish: &ColumnWish<'_>,
    canonical: &CanonicalType,
    existing: &Column,
    flavor: Flavor,
) -> Result<ColumnChoice, PlanProblem> {
    let source = wish.source;
    let problem = |code: &str, message: String, next: &str| {
        PlanProblem::of_column(code, &source.name, message, next)
    };
    if existing.generated {
        if recreated(wish, flavor) {
            return Ok(ColumnChoice::exact(existing.clone()));
        }
        return Err(problem(
            "generated-column",
            format!("the target computes column {:?} itself", existing.name),
            "Leave the column out, or drop the expression of the target column.",
        ));
    }
    let native = Native::parse(&existing.native.declared);
    if let Some(target) = wish.cast_target() {
        let asked = Native::parse(&cast(target, flavor).declared);
        if asked != native {
            return Err(problem(
                "type-mismatch",
                format!("the target column is {}, not {target}", existing.native.declared),
                "Drop the cast, or change the target column's type.",
            ));
        }
    }
    let place = Place { native: &native, collation: existing.collation.as_deref(), flavor };
    let Some(mut fitted) = fit(source, place) else {
        let (from, to) = (canonical.name(), &existing.native.declared);
        return Err(problem(
            "type-mismatch",
            format!("{from} does not fit a column of type {to}"),
            "Change the target column's type, or leave it out.",
        ));
    };
    if wish.in_key && is_weaker(source, existing, &native) {
        return Err(problem(
            "weak-collation",
            format!(
                "collation {} of the target's key takes texts for equal that the source tells \
                 apart",
                existing.collation.as_deref().unwrap_or_default()
            ),
            &format!("Give the target column the collation {}.", flavor.binary_collation()),
        ));
    }
    if source.nullable && !existing.nullable && !wish.in_key {
        let rule = match fitted.rule.take() {
            Some(rule) => format!("{rule}, no nulls"),
            None => "no nulls".to_owned(),
        };
        fitted.rule = Some(rule);
        fitted.fidelity = fitted.fidelity.max(Fidelity::Checked);
    }
    choose(wish, canonical, existing.clone(), fitted, flavor)
}

/// The answer, unless something would be lost that the user did not ask to lose.
fn choose(
    wish: &ColumnWish<'_>,
    canonical: &CanonicalType,
    column: Column,
    fitted: Fit,
    flavor: Flavor,
) -> Result<ColumnChoice, PlanProblem> {
    let Fit { fidelity, converted, rule, limits } = fitted;
    if fidelity == Fidelity::Lossy && wish.cast_target().is_none() {
        let message = format!("{} loses something in {}", canonical.name(), column.native.declared);
        let casts = [column.native.declared.clone(), "text".to_owned()];
        return Err(
            PlanProblem::of_column("lossy", &wish.source.name, message, CHOOSE).with_casts(casts)
        );
    }
    let options = options(canonical, &column, fidelity, flavor);
    Ok(ColumnChoice { column, fidelity, converted, rule, options, limits })
}

/// Casts that avoid the rule, or give another equal type.
fn options(
    canonical: &CanonicalType,
    column: &Column,
    fidelity: Fidelity,
    flavor: Flavor,
) -> Vec<String> {
    use CanonicalType as C;
    let native = Native::parse(&column.native.declared);
    let words: &[&str] = match (canonical, &native, fidelity) {
        (C::Uuid, Native::Binary(_), _) if flavor == Flavor::MariaDb => &["char(36)", "uuid"],
        (C::Uuid, Native::Binary(_), _) => &["char(36)"],
        (C::Instant { .. }, Native::DateTime(_), Fidelity::Widened) => {
            &["timestamp(6)", "text", "else null", "else clamp"]
        }
        (C::Json { flavor: JsonFlavor::Text }, Native::Text(_), _) if flavor == Flavor::MySql => {
            &["json", "text"]
        }
        (C::Json { flavor: JsonFlavor::PgJsonb }, Native::Json, Fidelity::Checked) => &["longtext"],
        (_, _, Fidelity::Exact | Fidelity::Widened) => &[],
        (
            C::Date | C::Timestamp { .. } | C::Instant { .. } | C::Time { .. } | C::Duration { .. },
            _,
            Fidelity::Checked,
        ) => &["text", "else null", "else clamp"],
        (C::Float32 | C::Float64, _, Fidelity::Checked) => &["text", "else null"],
        (C::Binary { .. }, Native::Blob(max), _) if *max >= u64::from(u32::MAX) => &["else null"],
        (C::Binary { .. } | C::Geometry { .. }, _, _) => &["bytes", "else null"],
        (_, Native::Text(max), _) if *max >= u64::from(u32::MAX) => &["else null"],
        (_, _, Fidelity::Checked | Fidelity::Lossy) => &["text", "else null"],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether two texts that the source tells apart may be equal in the target.
fn is_weaker(source: &Column, target: &Column, native: &Native) -> bool {
    let texts =
        matches!(source.canonical, Some(CanonicalType::Text { .. } | CanonicalType::Opaque { .. }));
    let Some(collation) = target.collation.as_deref() else { return false };
    if !texts || !native.has_charset() {
        return false;
    }
    if collation == "binary" || collation.ends_with("nopad_bin") || collation.ends_with("0900_bin")
    {
        return false;
    }
    let theirs = source.collation.as_deref().filter(|_| Flavor::is_family(source));
    if theirs == Some(collation) {
        return false;
    }
    // Equal but for blanks at the end: none are stored, or they are not told apart at the source.
    let padded = |theirs: &str| !theirs.contains("_0900_") && !theirs.contains("nopad");
    let blanks = matches!(native, Native::Char(_)) || theirs.is_some_and(padded);
    !(collation.ends_with("_bin") && blanks)
}

fn new_column(
    wish: &ColumnWish<'_>,
    canonical: &CanonicalType,
    native: &Native,
    declared: Declared,
    flavor: Flavor,
) -> Column {
    let source = wish.source;
    // The way back must know that the wall clock in this column is an instant.
    let utc = matches!(
        (canonical, native, Flavor::is_family(source)),
        (CanonicalType::Instant { .. }, Native::DateTime(_), false)
    );
    let comment =
        source.comment.as_ref().map(|text| text.chars().take(COMMENT_CHARS_MAX).collect());
    let counts = matches!(native, Native::Int { .. });
    let mut column = Column {
        canonical: native.canonical(flavor),
        nullable: source.nullable,
        identity: source.identity.filter(|_| counts),
        collation: declared.collation,
        comment: comment.or_else(|| utc.then(|| "utc instant".to_owned())),
        ..Column::new(wish.name, None, NativeType::new(flavor.word(), declared.declared))
    };
    if column.identity.is_none() {
        column.default = defaults::of(source, native, flavor);
        column.default_meaning =
            source.default_meaning.clone().filter(|_| column.default.is_some());
    }
    column
}

/// Whether the server accepts this as a name.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.chars().count() > NAME_CHARS_MAX {
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

/// The words of a column's character set and collation in a definition.
pub(crate) fn collation_words(column: &Column) -> String {
    match &column.collation {
        Some(collation) if Native::parse(&column.native.declared).has_charset() => {
            format!(" character set {} collate {collation}", charset(collation))
        }
        _ => String::new(),
    }
}
