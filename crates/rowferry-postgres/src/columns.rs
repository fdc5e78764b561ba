//! Choosing a target column, or checking one that is there.

use std::collections::BTreeMap;

use rowferry_core::{CanonicalType, Column, NativeType, PlanProblem};

use crate::describe::ENGINE;
use crate::types;
use crate::wire;

/// A column of a new target table for the values of `source`.
///
/// The same engine keeps the verbatim type; a type of a user only where the target knows it by the
/// same name and labels. Everything else goes by the canonical type.
pub(crate) fn choose(source: &Column, name: &str, enums: &BTreeMap<String, Vec<String>>) -> Column {
    let canonical = source.canonical.clone();
    let declared = match &canonical {
        Some(CanonicalType::Enum { labels })
            if enums.get(&source.native.declared) != Some(labels) || !is_ours(source) =>
        {
            "text".to_owned()
        }
        Some(_) if is_ours(source) => source.native.declared.clone(),
        Some(other) => types::ddl(other),
        None => source.native.declared.clone(),
    };
    // Only these types can be numbered by a sequence.
    let numbered = matches!(declared.as_str(), "smallint" | "integer" | "bigint");
    Column {
        name: name.to_owned(),
        canonical,
        native: NativeType::new(ENGINE, declared),
        nullable: source.nullable,
        default: None,
        default_meaning: None,
        identity: source.identity.filter(|_| numbered),
        generated: false,
        expression: None,
        collation: None,
        comment: source.comment.clone(),
    }
}

fn is_ours(column: &Column) -> bool {
    column.native.engine == ENGINE
}

/// Checks that the values of `source` can be written to `existing`, and returns it. Values that do
/// not fit a narrower type are found row by row.
pub(crate) fn fit(source: &Column, existing: &Column) -> Result<Column, PlanProblem> {
    let problem = |code: &str, message: String, next: &str| {
        PlanProblem::of_column(code, &source.name, message, next)
    };
    if existing.generated {
        return Err(problem(
            "generated-column",
            format!("target column {:?} is computed by the database", existing.name),
            "Leave the column out with `exclude`.",
        ));
    }
    let Some(canonical) = &source.canonical else {
        return Err(problem(
            "unmapped-type",
            format!("type {} is not supported yet", source.native.declared),
            "Leave the column out with `exclude`.",
        ));
    };
    if !wire::fits(canonical, existing) {
        return Err(problem(
            "type-mismatch",
            format!(
                "{} ({}) cannot be written to target column {:?} of type {}",
                source.native.declared,
                canonical.name(),
                existing.name,
                existing.native.declared
            ),
            "Change the target column's type, or leave the column out with `exclude`.",
        ));
    }
    Ok(existing.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(engine: &str, declared: &str, canonical: CanonicalType) -> Column {
        Column {
            name: "c".into(),
            canonical: Some(canonical),
            native: NativeType::new(engine, declared),
            nullable: true,
            default: None,
            default_meaning: None,
            identity: None,
            generated: false,
            expression: None,
            collation: None,
            comment: None,
        }
    }

    #[test]
    fn the_same_engine_keeps_its_words() {
        let from = source("postgres", "oid", CanonicalType::UInt32);
        assert_eq!(choose(&from, "d", &BTreeMap::new()).native.declared, "oid");
        let from = source("mysql", "int unsigned", CanonicalType::UInt32);
        assert_eq!(choose(&from, "d", &BTreeMap::new()).native.declared, "bigint");
    }

    #[test]
    fn an_enum_stays_one_only_where_its_type_is_known() {
        let labels = vec!["a".to_owned(), "b".to_owned()];
        let from =
            source("postgres", "public.mood", CanonicalType::Enum { labels: labels.clone() });
        let known = BTreeMap::from([("public.mood".to_owned(), labels)]);
        assert_eq!(choose(&from, "d", &known).native.declared, "public.mood");
        assert_eq!(choose(&from, "d", &BTreeMap::new()).native.declared, "text");
    }
}
