//! CHECK constraints of the source as conditions of the target.

use rowferry_core::{CanonicalType, CheckConstraint, ColumnPlan, Dialect, Expression, TablePlan};

use crate::create::keeps_names;
use crate::sql;

/// A check of the source: verbatim from the same engine; from elsewhere if it means the same here.
pub(crate) fn condition(plan: &TablePlan, check: &CheckConstraint) -> Option<String> {
    let name = sql::quote(&check.name);
    if keeps_names(plan) {
        return Some(format!("constraint {name} check ({})", check.expression));
    }
    let rendered = translated(plan, check)?;
    Some(format!("constraint {name} check ({rendered})"))
}

fn translated(plan: &TablePlan, check: &CheckConstraint) -> Option<String> {
    let ours = Dialect { name_quote: '"', backslash_escapes: false };
    let columns = plan.columns.as_slice();
    let engine = plan.source.columns.first().map(|column| column.native.engine.as_str())?;
    let theirs = match engine {
        "mysql" | "mariadb" => Dialect { name_quote: '`', backslash_escapes: true },
        _ => ours,
    };
    let expression = Expression::parse(&check.expression, theirs)?;
    let target =
        |name: &str| planned(columns, name).map_or(name, |column| &column.target.name).to_owned();
    means_the_same(columns, &expression).then(|| expression.render(ours, &target))
}

fn planned<'a>(columns: &'a [ColumnPlan], name: &str) -> Option<&'a ColumnPlan> {
    columns.iter().find(|column| column.source.name.eq_ignore_ascii_case(name))
}

/// Whether a condition of another engine is true of the same rows here: it compares numbers with
/// numbers, or asks whether a text that the source compares by its bytes is one of some others. A
/// text or a truth value beside a number is compared by other rules than here, and so is the order
/// of texts.
fn means_the_same(columns: &[ColumnPlan], condition: &Expression) -> bool {
    use Expression as E;
    let holds = |operand: &E, what: fn(&ColumnPlan) -> bool| {
        let E::Column(name) = operand else { return false };
        planned(columns, name).is_some_and(what)
    };
    let number = |operand: &E| matches!(operand, E::Number(_)) || holds(operand, is_number);
    let text = |operand: &E| holds(operand, is_plain_text);
    let constant = |operand: &E| matches!(operand, E::Text(_));
    match condition {
        E::And(parts) | E::Or(parts) => parts.iter().all(|part| means_the_same(columns, part)),
        E::Not(inner) => means_the_same(columns, inner),
        E::Compare { operator, left, right } => {
            number(left) && number(right)
                || matches!(*operator, "=" | "<>")
                    && (text(left) && constant(right) || constant(left) && text(right))
        }
        E::In { left, items, .. } => {
            number(left) && items.iter().all(number) || text(left) && items.iter().all(constant)
        }
        E::Between { left, low, high, .. } => number(left) && number(low) && number(high),
        E::IsNull { left, .. } => number(left) || text(left),
        E::Like { .. } | E::Column(_) | E::Text(_) | E::Number(_) | E::Boolean(_) => false,
    }
}

fn is_number(column: &ColumnPlan) -> bool {
    column.written().is_some_and(|written| {
        written.is_integer()
            || matches!(
                written,
                CanonicalType::Decimal { .. }
                    | CanonicalType::DecimalText
                    | CanonicalType::Float32
                    | CanonicalType::Float64
            )
    })
}

/// A text at both ends, equal to another only if its bytes are.
fn is_plain_text(column: &ColumnPlan) -> bool {
    let is_text =
        |meaning: Option<&CanonicalType>| matches!(meaning, Some(CanonicalType::Text { .. }));
    let by_bytes =
        |collation: &str| collation.eq_ignore_ascii_case("binary") || collation.ends_with("_bin");
    is_text(column.source.canonical.as_ref())
        && is_text(column.written())
        && matches!(
            split_head(&column.target.native.declared),
            "text" | "character varying" | "character"
        )
        && column.source.collation.as_deref().is_none_or(by_bytes)
}

/// The words of a type before its arguments.
fn split_head(declared: &str) -> &str {
    declared.split_once('(').map_or(declared, |(head, _)| head)
}

#[cfg(test)]
mod tests {
    use rowferry_core::{Column, ColumnChoice, NativeType};

    use super::*;

    fn column(name: &str, meaning: CanonicalType, declared: &str, collation: &str) -> ColumnPlan {
        let mut source =
            Column::new(name, Some(meaning.clone()), NativeType::new("mysql", "whatever"));
        source.collation = Some(collation.to_owned());
        let target = Column::new(name, Some(meaning), NativeType::new("postgres", declared));
        ColumnPlan::new(source, ColumnChoice::exact(target))
    }

    #[test]
    fn only_what_means_the_same_is_translated() {
        let text = CanonicalType::Text { chars: Some(9), fixed: false };
        let columns = [
            column("n", CanonicalType::Int32, "integer", ""),
            column("b", text.clone(), "character varying(9)", "utf8mb4_bin"),
            column("i", text, "character varying(9)", "utf8mb4_0900_ai_ci"),
        ];
        let mysql = Dialect { name_quote: '`', backslash_escapes: true };
        for (condition, expected) in [
            ("`n` > 0 and `n` <= 10", true),
            ("`b` in (_utf8mb4'a',_utf8mb4'it\\'s') or `b` is null", true),
            ("'a' <> `b`", true),
            ("not(`b` = 'a')", true),
            // Compared without regard to case, or in an order, or by another type.
            ("`i` = 'a'", false),
            ("`b` > 'a'", false),
            ("`b` like 'a%'", false),
            ("`n` = '1'", false),
            ("`b` = 1", false),
            ("`n`", false),
            ("`gone` = 1", false),
        ] {
            let parsed = Expression::parse(condition, mysql);
            let found = parsed.is_some_and(|parsed| means_the_same(&columns, &parsed));
            assert_eq!(found, expected, "{condition}");
        }
    }
}
