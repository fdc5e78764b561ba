//! Checks of other databases, carried over where they mean the same here.

use rowferry_core::{CanonicalType, CheckConstraint, ColumnPlan, Dialect, Expression, TablePlan};

use crate::sql::quote;
use crate::types::canonical;

/// A check that means the same here: conditions over numbers, and equality of texts. Order and
/// patterns of texts depend on collations, and what is kept as text of its own (a decimal, a date)
/// would be compared as characters.
pub(crate) fn check_of(plan: &TablePlan, check: &CheckConstraint) -> Option<String> {
    let ours = Dialect { name_quote: '"', backslash_escapes: false };
    let engine = plan.source.columns.first().map(|column| column.native.engine.as_str())?;
    let theirs = match engine {
        "mysql" | "mariadb" => Dialect { name_quote: '`', backslash_escapes: true },
        _ => ours,
    };
    let expression = Expression::parse(&check.expression, theirs)?;
    let planned = |name: &str| {
        plan.columns.iter().find(|column| column.source.name.eq_ignore_ascii_case(name))
    };
    if !means_the_same(&expression, &|name| planned(name).and_then(stored)) {
        return None;
    }
    let target = |name: &str| planned(name).map_or(name, |column| &column.target.name).to_owned();
    let condition = expression.render(ours, &target);
    Some(format!("constraint {} check ({condition})", quote(&check.name)))
}

/// What a comparison with a column compares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    Number,
    Text,
}

fn stored(column: &ColumnPlan) -> Option<Stored> {
    match (canonical(column.target.native.stored())?, column.converted.is_none()) {
        (CanonicalType::Int64 | CanonicalType::Float64 | CanonicalType::Boolean, true) => {
            Some(Stored::Number)
        }
        (CanonicalType::Text { .. }, true) => {
            let source = column.source.canonical.as_ref()?;
            let is_text = matches!(source, CanonicalType::Text { .. } | CanonicalType::Enum { .. });
            is_text.then_some(Stored::Text)
        }
        _ => None,
    }
}

fn means_the_same(expression: &Expression, stored: &dyn Fn(&str) -> Option<Stored>) -> bool {
    #[expect(clippy::wildcard_enum_match_arm, reason = "anything else is no operand")]
    let kind = |operand: &Expression| match operand {
        Expression::Column(name) => stored(name),
        Expression::Number(_) | Expression::Boolean(_) => Some(Stored::Number),
        Expression::Text(_) => Some(Stored::Text),
        _ => None,
    };
    let alike = |left: &Expression, right: &Expression| {
        kind(left).filter(|kind_of_left| kind(right) == Some(*kind_of_left))
    };
    match expression {
        Expression::Column(name) => stored(name) == Some(Stored::Number),
        Expression::Boolean(_) => true,
        Expression::Text(_) | Expression::Number(_) | Expression::Like { .. } => false,
        Expression::Compare { operator, left, right } => match alike(left, right) {
            Some(Stored::Number) => true,
            Some(Stored::Text) => matches!(*operator, "=" | "<>"),
            None => false,
        },
        Expression::In { left, items, .. } => items.iter().all(|item| alike(left, item).is_some()),
        Expression::Between { left, low, high, .. } => {
            [low, high].iter().all(|end| alike(left, end) == Some(Stored::Number))
        }
        Expression::IsNull { left, .. } => kind(left).is_some(),
        Expression::Not(inner) => means_the_same(inner, stored),
        Expression::And(parts) | Expression::Or(parts) => {
            parts.iter().all(|part| means_the_same(part, stored))
        }
    }
}
