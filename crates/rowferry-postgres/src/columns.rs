//! Choosing a target column, or checking one that is there.

use rowferry_core::{
    CanonicalType, CastTarget, Column, ColumnChoice, ColumnPlan, ColumnWish, Fidelity, NativeType,
    PlanProblem, Policy, ValueLimits,
};

use crate::defaults::default_words;
use crate::describe::{ENGINE, NONDETERMINISTIC};
use crate::fit::{Fit, fit};
use crate::known::{Known, Obstacle};
use crate::sql::NAME_BYTES_MAX;
use crate::types;
use crate::ways;

/// Answers a wish.
pub(crate) fn plan(known: &Known, wish: &ColumnWish<'_>) -> Result<ColumnChoice, PlanProblem> {
    check_name(wish)?;
    let Some(canonical) = &wish.source.canonical else {
        return Err(unsupported(wish, "type is not known"));
    };
    if *canonical == CanonicalType::Variant && wish.cast_target().is_none() {
        return Err(unsupported(wish, "cells of any class have no type here"));
    }
    match (wish.existing, wish.cast_target()) {
        (Some(existing), _) => there(known, wish, canonical, existing),
        (None, Some(target)) => asked(known, wish, canonical, target),
        (None, None) => new(known, wish, canonical),
    }
}

fn check_name(wish: &ColumnWish<'_>) -> Result<(), PlanProblem> {
    if wish.name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    Err(PlanProblem::of_column(
        "bad-name",
        &wish.source.name,
        format!("the name has {} bytes and would be cut to {NAME_BYTES_MAX}", wish.name.len()),
        "Give the column another name with `rename`.",
    ))
}

fn unsupported(wish: &ColumnWish<'_>, why: &str) -> PlanProblem {
    PlanProblem::of_column(
        "unsupported-type",
        &wish.source.name,
        format!("{}: {why}", wish.source.native.declared),
        "Cast the column, or leave it out with `exclude`.",
    )
    .with_casts(["text"])
}

/// A column of a table that exists.
fn there(
    known: &Known,
    wish: &ColumnWish<'_>,
    canonical: &CanonicalType,
    existing: &Column,
) -> Result<ColumnChoice, PlanProblem> {
    if existing.generated {
        let same = wish.source.generated
            && wish.source.native.engine == ENGINE
            && wish.source.expression == existing.expression;
        // Computed alike at both ends: nothing is written.
        if same {
            return Ok(ColumnChoice::exact(existing.clone()));
        }
        return Err(PlanProblem::of_column(
            "generated-column",
            &wish.source.name,
            format!("target column {:?} is computed by the database", existing.name),
            "Leave the column out with `exclude`.",
        ));
    }
    let mut found = into(known, wish, canonical, existing)?;
    if wish.in_key && is_weaker(wish.source, canonical, existing) {
        return Err(PlanProblem::of_column(
            "weak-collation",
            &wish.source.name,
            format!(
                "the target's key column is {} with collation {} and takes texts for equal that \
                 the source tells apart",
                existing.native.declared,
                existing.collation.as_deref().unwrap_or("none")
            ),
            "Make the target column text with a deterministic collation, such as \"C\".",
        ));
    }
    if wish.source.nullable && !existing.nullable {
        found = found.and("not null");
    }
    Ok(choice(existing.clone(), found))
}

/// Whether two texts that the source tells apart may be equal in the target, so that an upsert would
/// lay one row over another.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have one text for each value")]
fn is_weaker(source: &Column, canonical: &CanonicalType, target: &Column) -> bool {
    let padded = match canonical {
        // A cell of SQLite keeps its blanks whatever its column says.
        CanonicalType::Text { fixed, .. } => *fixed && source.native.engine != "sqlite",
        CanonicalType::Opaque { .. } | CanonicalType::Enum { .. } | CanonicalType::Variant => false,
        _ => return false,
    };
    let same = source.native.engine == ENGINE
        && source.collation == target.collation
        && source.native.stored() == target.native.stored();
    let stored = target.native.stored();
    let blind = stored.ends_with("citext")
        || target.collation.as_deref().is_some_and(|name| name.ends_with(NONDETERMINISTIC));
    let drops_blanks = stored == "bpchar" || stored.starts_with("character(");
    !same && (blind || drops_blanks && !padded)
}

/// A column of the type that a cast names.
fn asked(
    known: &Known,
    wish: &ColumnWish<'_>,
    canonical: &CanonicalType,
    target: &CastTarget,
) -> Result<ColumnChoice, PlanProblem> {
    let words = match target {
        CastTarget::Text => "text",
        CastTarget::Bytes => "bytea",
        CastTarget::Type(words) => words,
    };
    let Some(named) = known.column(wish.name, words) else {
        return Err(PlanProblem::of_column(
            "unknown-type",
            &wish.source.name,
            format!("the target has no type {words:?}"),
            "Write the type as PostgreSQL does: integer, numeric(12,2), timestamp(3), text.",
        ));
    };
    // The meaning of a cast column is that of its type, not of the source's.
    let mut column = Column { native: named.native, canonical: named.canonical, ..like(wish) };
    let mut found = into(known, wish, canonical, &column)?;
    column.identity = wish.source.identity.filter(|_| is_numbered(&column.native.declared));
    if found.fidelity == Fidelity::Exact && column.native.declared != wish.source.native.declared {
        found.fidelity = Fidelity::Widened;
    }
    Ok(choice(column, found))
}

/// A new column: the verbatim type of the same engine, else by canonical type.
fn new(
    known: &Known,
    wish: &ColumnWish<'_>,
    canonical: &CanonicalType,
) -> Result<ColumnChoice, PlanProblem> {
    let source = wish.source;
    let mut column = like(wish);
    column.default = default_words(source);
    if source.native.engine == ENGINE {
        match verbatim(known, source) {
            Ok(native) => {
                column.identity = source.identity.filter(|_| is_numbered(&native.declared));
                column.native = native;
                column.generated = source.generated && source.expression.is_some();
                column.expression.clone_from(&source.expression);
                return Ok(choice(column, Fit::exact()));
            }
            Err(Obstacle::Extension { name, extension }) => {
                return Err(PlanProblem::of_column(
                    "missing-extension",
                    &source.name,
                    format!("type {name} comes with extension {extension}, which the target lacks"),
                    format!(
                        "Run `create extension {};` in the target, or cast the column to text.",
                        crate::sql::quote_if_needed(&extension)
                    ),
                )
                .with_casts(["text"]));
            }
            // By canonical type, as if it came from elsewhere.
            Err(Obstacle::Other) => column.default = None,
        }
    }
    let declared = foreign(source, canonical);
    column.identity = source.identity.filter(|_| is_numbered(&declared));
    column.native = NativeType::new(ENGINE, declared);
    let found = into(known, wish, canonical, &column)?;
    let enumerated = matches!(canonical, CanonicalType::Enum { .. });
    let found = match (&found, canonical) {
        // A check keeps the labels, see `create`.
        (_, CanonicalType::Enum { labels }) if enumerated && source.native.engine != ENGINE => {
            Fit::checked("one of the labels", ValueLimits::Labels(labels.clone()))
        }
        (Fit { fidelity: Fidelity::Exact, .. }, CanonicalType::Enum { .. }) => Fit::widened(),
        _ => found,
    };
    Ok(choice(column, found))
}

/// Whether the source's bytes are those of the target: the stored types are equal, and nothing is
/// to be looked at on the way.
pub(crate) fn passes(known: &Known, plan: &ColumnPlan) -> bool {
    let source = &plan.source;
    source.native.engine == ENGINE
        && plan.converted.is_none()
        && plan.cast.otherwise == Policy::Strict
        && !is_narrower_enum(source.canonical.as_ref(), &plan.target)
        && verbatim(known, source)
            .is_ok_and(|native| native.stored() == plan.target.native.stored())
}

/// The type as the source has it. Money of other digits would mean other amounts.
fn verbatim(known: &Known, source: &Column) -> Result<NativeType, Obstacle> {
    let other_money = source.native.stored().starts_with("money")
        && amounts(source.canonical.as_ref()) != Some(known.money_digits());
    if other_money { Err(Obstacle::Other) } else { known.adopt(&source.native) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only these hold money")]
fn amounts(canonical: Option<&CanonicalType>) -> Option<u8> {
    match canonical? {
        CanonicalType::Decimal { scale, .. } => Some(*scale),
        CanonicalType::List { element } => amounts(Some(element)),
        _ => None,
    }
}

/// The words of a new column for values from elsewhere.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have a type of their own")]
fn foreign(source: &Column, canonical: &CanonicalType) -> String {
    match canonical {
        // MariaDB's addresses are this server's.
        CanonicalType::Opaque { type_name, .. }
            if source.native.engine != ENGINE
                && matches!(type_name.as_str(), "inet" | "inet4" | "inet6") =>
        {
            "inet".to_owned()
        }
        other => types::ddl(other),
    }
}

/// Only these types can be numbered by a sequence.
fn is_numbered(declared: &str) -> bool {
    matches!(declared, "smallint" | "integer" | "bigint")
}

/// A new column before its type is chosen.
fn like(wish: &ColumnWish<'_>) -> Column {
    let mut column = Column::new(
        wish.name,
        wish.source.canonical.clone(),
        NativeType::new(ENGINE, String::new()),
    );
    column.nullable = wish.source.nullable;
    column.comment.clone_from(&wish.source.comment);
    column
}

/// How the source's values get into `target`.
fn into(
    known: &Known,
    wish: &ColumnWish<'_>,
    canonical: &CanonicalType,
    target: &Column,
) -> Result<Fit, PlanProblem> {
    let source = wish.source;
    let own = source.native.engine == ENGINE;
    let same = own
        && verbatim(known, source).is_ok_and(|native| native.stored() == target.native.stored());
    let plain = if same && !is_narrower_enum(Some(canonical), target) {
        Some(Fit::exact())
    } else {
        known
            .words
            .pg_type(target)
            .and_then(|pg| fit(canonical, &pg, own))
            .or_else(|| opaque(canonical, target, wish.cast_target().is_some()))
    };
    let Some(mut found) = plain else { return Err(mismatch(wish, canonical, target)) };
    let written = found.converted.as_ref().unwrap_or(canonical);
    // A type that is still to be made has no number yet.
    if !same && ways::into_column(&known.words, written, target).is_none() {
        return Err(mismatch(wish, canonical, target));
    }
    if found.fidelity == Fidelity::Lossy && wish.cast_target().is_none() {
        return Err(PlanProblem::of_column(
            "lossy",
            &source.name,
            format!(
                "{} in {}: {}",
                source.native.declared,
                target.native.declared,
                found.rule.unwrap_or_default()
            ),
            "Cast the column to say that this is wanted, or give the target another type.",
        )
        .with_casts([target.native.declared.clone()]));
    }
    if !own {
        found = from_elsewhere(source, canonical, found);
    }
    let domain = target.native.base.is_some() && source.native.declared != target.native.declared;
    if domain {
        found = found.and(&format!("what domain {} accepts", target.native.declared));
    }
    Ok(found)
}

/// What the source's engine does not hold its columns to is a rule here: a cell of SQLite may have
/// any class.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are what they say")]
fn from_elsewhere(source: &Column, canonical: &CanonicalType, found: Fit) -> Fit {
    use CanonicalType as C;
    let exact = found.fidelity == Fidelity::Exact;
    match canonical {
        C::List { .. } if exact => Fit { fidelity: Fidelity::Widened, ..found },
        _ if source.native.engine != "sqlite" || !exact => found,
        C::Int64 => Fit { fidelity: Fidelity::Widened, ..found },
        C::Decimal { precision, scale } => {
            let whole = precision.saturating_sub(*scale);
            found.and(&format!("at most {whole} digits before the point and {scale} behind it"))
        }
        C::Boolean => found.and("0 or 1"),
        C::Uuid => found.and("16 bytes or a uuid in lower case with hyphens"),
        _ => found,
    }
}

/// The same enum type by name may have other labels in the target.
fn is_narrower_enum(canonical: Option<&CanonicalType>, target: &Column) -> bool {
    match (canonical, &target.canonical) {
        (Some(CanonicalType::Enum { labels }), Some(CanonicalType::Enum { labels: there })) => {
            labels.iter().any(|label| !there.contains(label))
        }
        _ => false,
    }
}

/// Text into a type whose values are written as text.
#[expect(clippy::wildcard_enum_match_arm, reason = "only text becomes such a type")]
fn opaque(canonical: &CanonicalType, target: &Column, asked: bool) -> Option<Fit> {
    let Some(CanonicalType::Opaque { type_name: there, .. }) = &target.canonical else {
        // A type without a described meaning: a new column of the words of `foreign`.
        return (target.native.declared == "inet"
            && matches!(canonical, CanonicalType::Opaque { .. }))
        .then(Fit::exact);
    };
    match canonical {
        CanonicalType::Opaque { type_name, .. }
            if type_name == there
                || (there == "inet"
                    && matches!(type_name.as_str(), "inet4" | "inet6" | "cidr")) =>
        {
            Some(Fit::exact())
        }
        CanonicalType::Opaque { .. } | CanonicalType::Text { .. } if asked => {
            Some(Fit::lossy("the spelling of the text is lost"))
        }
        _ => None,
    }
}

fn mismatch(wish: &ColumnWish<'_>, canonical: &CanonicalType, target: &Column) -> PlanProblem {
    let (code, next) = if wish.cast_target().is_some() {
        ("cast-does-not-fit", "Choose another type for the cast.")
    } else {
        (
            "type-mismatch",
            "Change the target column's type, cast the column, or leave it out with `exclude`.",
        )
    };
    PlanProblem::of_column(
        code,
        &wish.source.name,
        format!(
            "{} ({}) cannot be written to target column {:?} of type {}",
            wish.source.native.declared,
            canonical.name(),
            target.name,
            target.native.declared
        ),
        next,
    )
}

fn choice(column: Column, found: Fit) -> ColumnChoice {
    let Fit { fidelity, converted, rule, options, limits } = found;
    ColumnChoice { column, fidelity, converted, rule, options, limits }
}

#[cfg(test)]
mod tests {
    use rowferry_core::Cast;

    use super::*;

    fn source(engine: &str, declared: &str, canonical: CanonicalType) -> Column {
        Column::new("c", Some(canonical), NativeType::new(engine, declared))
    }

    fn planned(column: &Column, cast: Option<&str>) -> Result<ColumnChoice, PlanProblem> {
        let cast: Option<Cast> = cast.map(|cast| cast.parse().unwrap_or_default());
        let known = Known::default();
        plan(&known, &ColumnWish { cast: cast.as_ref(), ..ColumnWish::plain(column, "c") })
    }

    #[test]
    fn the_same_engine_keeps_its_words() {
        let from = source("postgres", "oid", CanonicalType::UInt32);
        let found = planned(&from, None).map(|choice| choice.column.native.declared);
        assert_eq!(found.as_deref(), Ok("oid"));
        let from = source("mysql", "int unsigned", CanonicalType::UInt32);
        let found =
            planned(&from, None).map(|choice| (choice.column.native.declared, choice.fidelity));
        assert_eq!(found, Ok(("bigint".to_owned(), Fidelity::Widened)));
    }

    #[test]
    fn casts_are_parsed_and_refused_by_name() {
        let from = source("mysql", "bigint", CanonicalType::Int64);
        let letter = |cast: &str| {
            planned(&from, Some(cast))
                .map(|choice| (choice.column.native.declared, choice.fidelity.letter()))
                .map_err(|problem| problem.code)
        };
        assert_eq!(letter("int"), Ok(("integer".to_owned(), 'V')));
        assert_eq!(letter("text"), Ok(("text".to_owned(), 'W')));
        assert_eq!(letter("numeric(20)"), Ok(("numeric(20,0)".to_owned(), 'W')));
        assert_eq!(letter("date"), Err("cast-does-not-fit".to_owned()));
        assert_eq!(letter("bigserial8"), Err("unknown-type".to_owned()));
    }

    #[test]
    fn long_names_are_refused() {
        let from = source("mysql", "bigint", CanonicalType::Int64);
        let name = "n".repeat(64);
        let wish = ColumnWish::plain(&from, &name);
        let problem = plan(&Known::default(), &wish).map_err(|problem| problem.code);
        assert_eq!(problem.map(|_| ()), Err("bad-name".to_owned()));
    }
}
