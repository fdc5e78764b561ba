//! A column, a check and an index as `create table` says them.

use rowferry_core::{
    CanonicalType, CheckConstraint, Column, ColumnPlan, Dialect, Expression, TablePlan, ValueLimits,
};

use crate::plan::collation_words;
use crate::types::{Flavor, Native};
use crate::{plan, sql};

/// How both forks write names and texts.
const DIALECT: Dialect = Dialect { name_quote: '`', backslash_escapes: true };
/// Kind under which `on update current_timestamp` is listed.
pub(crate) const ON_UPDATE: &str = "on update";
/// Kind under which a column that is computed when it is read is listed: elsewhere it is stored.
pub(crate) const VIRTUAL: &str = "virtual column";

/// A column of `create table`.
pub(crate) fn column(column: &Column, primary: bool) -> String {
    let native = Native::parse(&column.native.declared);
    let mut text = format!("{} {}", sql::quote(&column.name), column.native.declared);
    text.push_str(&collation_words(column));
    if let Some(expression) = column.expression.as_ref().filter(|_| column.generated) {
        text.push_str(" generated always as (");
        text.push_str(expression);
        text.push(')');
        return text;
    }
    let timestamp = matches!(native, Native::Timestamp(_));
    let nullable = column.nullable && !primary;
    text.push_str(match (nullable, timestamp) {
        (true, _) => " null",
        (false, _) => " not null",
    });
    match &column.default {
        Some(default) => {
            text.push_str(" default ");
            text.push_str(default);
        }
        // Older servers give the first one a default of their own.
        None if timestamp && nullable => text.push_str(" default null"),
        None => {}
    }
    if column.identity.is_some() && primary {
        text.push_str(" auto_increment");
    }
    if let Some(comment) = &column.comment {
        text.push_str(" comment ");
        text.push_str(&sql::text(comment));
    }
    text
}

/// The columns of a new table, in the order of the source.
pub(crate) fn columns(plan: &TablePlan, flavor: Flavor) -> Vec<String> {
    let primary: &[String] = if plan.key_enforced { &plan.key } else { &[] };
    let written = plan.columns.iter().map(|planned| {
        let mut target = planned.target.clone();
        // The server numbers a column only where an index starts with it.
        if primary.first() != Some(&target.name) {
            target.identity = None;
        }
        let mut text = column(&target, primary.contains(&target.name));
        if planned.source.native.engine == flavor.word()
            && let Some(found) = plan
                .source
                .untranslated
                .iter()
                .find(|found| found.kind == ON_UPDATE && found.name == planned.source.name)
        {
            text.push(' ');
            text.push_str(&found.definition);
        }
        text
    });
    let computed = computed(plan, flavor).into_iter().map(|own| {
        let is_virtual = plan
            .source
            .untranslated
            .iter()
            .any(|found| found.kind == VIRTUAL && found.name == own.name);
        format!("{} {}", column(own, false), if is_virtual { "virtual" } else { "stored" })
    });
    written.chain(computed).collect()
}

/// Columns that the new table computes as the source does. They are not in the plan, since their
/// values are neither read nor written; every column that they look at must be there by its name.
pub(crate) fn computed(plan: &TablePlan, flavor: Flavor) -> Vec<&Column> {
    let planned = |name: &str| {
        plan.columns.iter().any(|column| column.source.name == name && column.target.name == name)
    };
    let taken = |name: &str| plan.columns.iter().any(|column| column.target.name == name);
    let mut computed: Vec<&Column> = Vec::new();
    for column in plan.source.columns.iter().filter(|column| column.generated) {
        let Some(expression) = &column.expression else { continue };
        let known = plan.source.columns.iter().all(|other| {
            planned(&other.name)
                || computed.iter().any(|own| own.name == other.name)
                || !expression.contains(&sql::quote(&other.name))
        });
        if column.native.engine == flavor.word() && known && !taken(&column.name) {
            computed.push(column);
        }
    }
    computed
}

/// The checks of a new table: the source's, and that texts of JSON which stay texts are JSON.
pub(crate) fn checks(plan: &TablePlan, flavor: Flavor) -> Vec<String> {
    let own = plan.source.checks.iter().filter_map(|found| check(plan, found, flavor));
    let json = plan.columns.iter().filter_map(|column| {
        let is_json = matches!(column.limits, ValueLimits::Json { .. });
        let native = Native::parse(&column.target.native.declared);
        (is_json && matches!(native, Native::Text(_)))
            .then(|| format!("json_valid({})", sql::quote(&column.target.name)))
    });
    own.chain(json).map(|condition| format!("check ({condition})")).collect()
}

/// The condition of a check in the target: verbatim in the same fork where the columns keep their
/// names, else translated where it is simple enough.
pub(crate) fn check(plan: &TablePlan, check: &CheckConstraint, flavor: Flavor) -> Option<String> {
    if plan.source.columns.iter().all(|column| {
        let there = plan.columns.iter().any(|planned| {
            planned.source.name == column.name && planned.target.name == column.name
        }) || computed(plan, flavor).iter().any(|own| own.name == column.name);
        column.native.engine == flavor.word()
            && (there || !check.expression.contains(&sql::quote(&column.name)))
    }) {
        return Some(check.expression.clone());
    }
    let family = plan.source.columns.iter().any(Flavor::is_family);
    let theirs =
        if family { DIALECT } else { Dialect { name_quote: '"', backslash_escapes: false } };
    let expression = Expression::parse(&check.expression, theirs)?;
    let planned = |name: &str| plan.columns.iter().find(|column| column.source.name == name);
    let comparable =
        expression.columns().into_iter().all(|name| planned(name).is_some_and(compares_as_source));
    let renamed = |name: &str| {
        planned(name).map_or_else(|| name.to_owned(), |column| column.target.name.clone())
    };
    comparable.then(|| expression.render(DIALECT, &renamed))
}

/// Whether constants that the source compares with the column are constants of it here too.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not named is looked at as a number")]
fn compares_as_source(column: &ColumnPlan) -> bool {
    use CanonicalType as C;
    let number = |canonical: &C| {
        canonical.is_integer()
            || matches!(canonical, C::Boolean | C::Decimal { .. } | C::Float32 | C::Float64)
    };
    let (Some(source), Some(target)) = (&column.source.canonical, &column.target.canonical) else {
        return false;
    };
    match source {
        C::Text { .. } | C::Enum { .. } => {
            matches!(target, C::Text { .. } | C::Enum { .. })
        }
        C::Date => matches!(target, C::Date),
        C::Timestamp { .. } => matches!(target, C::Timestamp { .. }),
        source => number(source) && number(target),
    }
}

/// The comment of a table, as long as the server takes it.
pub(crate) fn comment(plan: &TablePlan) -> String {
    plan.source
        .comment
        .as_deref()
        .map(|comment| {
            let short: String = comment.chars().take(plan::TABLE_COMMENT_CHARS_MAX).collect();
            format!(" comment = {}", sql::text(&short))
        })
        .unwrap_or_default()
}
