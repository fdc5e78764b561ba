//! What the columns of a new table may weigh together.
//!
//! A row declares at most 65,535 bytes, of which a `longtext` takes twelve, and an index at most
//! 3,072 (<https://dev.mysql.com/doc/refman/8.4/en/column-count-limit.html>,
//! <https://dev.mysql.com/doc/refman/8.4/en/innodb-limits.html>).

#![expect(clippy::wildcard_enum_match_arm, reason = "only types of a declared length weigh much")]

use std::cmp::Reverse;

use rowferry_core::{Column, ColumnPlan, PlanProblem, TablePlan, TableRef};

use crate::fit::{Place, fit};
use crate::plan::{COMMENT_CHARS_MAX, TABLE_COMMENT_CHARS_MAX, check_name};
use crate::types::{Flavor, Native, charset};
use crate::{definition, staging};

/// Bytes that a row may declare.
const ROW_BYTES: u64 = 65_535;
/// Bytes of the widest index entry.
pub(crate) const INDEX_BYTES: u64 = 3_072;
/// Bytes of a large value in its row: its length and where it is.
const LARGE_BYTES: u64 = 12;

/// Bytes of the longest character of a column's character set.
fn character_bytes(column: &Column) -> u64 {
    match column.collation.as_deref().map(charset) {
        Some("latin1" | "ascii" | "latin2" | "latin5" | "latin7" | "cp1250" | "cp1251") => 1,
        Some("utf8" | "utf8mb3") => 3,
        _ => 4,
    }
}

/// Bytes that a column declares in its row.
fn row_bytes(column: &Column) -> u64 {
    match Native::parse(&column.native.declared) {
        Native::Char(chars) => u64::from(chars) * character_bytes(column),
        Native::VarChar(chars) => u64::from(chars) * character_bytes(column) + 2,
        Native::Binary(bytes) => bytes.into(),
        Native::VarBinary(bytes) => u64::from(bytes) + 2,
        native if native.is_large() => LARGE_BYTES,
        // A decimal of 65 digits takes 30 bytes, everything else less than 17.
        Native::Decimal { .. } => 30,
        _ => 16,
    }
}

/// Bytes of a column in an index; `None` when it cannot be indexed as a whole.
pub(crate) fn index_bytes(column: &Column) -> Option<u64> {
    let native = Native::parse(&column.native.declared);
    (!native.is_large()).then(|| row_bytes(column))
}

/// Fits a new table into the limits, and lists what it will not have.
pub(crate) fn table(plan: &mut TablePlan, flavor: Flavor) -> Vec<PlanProblem> {
    let mut problems: Vec<PlanProblem> = table_name(&plan.target).into_iter().collect();
    if plan.keeps_shape() {
        return problems;
    }
    problems.extend(narrow(plan, flavor));
    problems.extend(key(plan));
    warn(plan, flavor);
    problems
}

/// The refusal of a table whose name the server does not accept.
fn table_name(target: &TableRef) -> Option<PlanProblem> {
    let why = check_name(&target.name).err()?;
    let next = "Give the table another name with `target`.";
    Some(PlanProblem::of_table("bad-name", format!("{:?}: {why}", target.name), next))
}

/// Makes columns large, the widest first and those of indexes last, until a row fits.
fn narrow(plan: &mut TablePlan, flavor: Flavor) -> Vec<PlanProblem> {
    let indexed: Vec<&String> = plan
        .source
        .keys
        .iter()
        .map(|key| &key.columns)
        .chain(plan.source.indexes.iter().map(|index| &index.columns))
        .flatten()
        .collect();
    let mut order: Vec<(bool, Reverse<u64>, usize)> = plan
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| !plan.key.contains(&column.target.name))
        .filter(|(_, column)| large(&column.target).is_some())
        .map(|(index, column)| {
            let indexed = indexed.contains(&&column.source.name);
            (indexed, Reverse(row_bytes(&column.target)), index)
        })
        .collect();
    order.sort_unstable();
    let mut declared: u64 = plan.columns.iter().map(|column| row_bytes(&column.target)).sum();
    for (_, Reverse(bytes), index) in order {
        if declared <= ROW_BYTES {
            break;
        }
        let Some(column) = plan.columns.get_mut(index) else { continue };
        let Some(larger) = large(&column.target) else { continue };
        plan.warnings.push(format!(
            "column {:?} becomes {larger} instead of {}: a row of this server declares at most \
             {ROW_BYTES} bytes",
            column.target.name, column.target.native.declared
        ));
        widen(column, larger, flavor);
        declared = declared - bytes + LARGE_BYTES;
    }
    if declared <= ROW_BYTES {
        return Vec::new();
    }
    vec![PlanProblem {
        code: "row-too-wide".to_owned(),
        column: None,
        message: format!("a row would declare {declared} bytes of at most {ROW_BYTES}"),
        next: "Cast columns of the key to shorter types, or leave columns out.".to_owned(),
        casts: Vec::new(),
    }]
}

/// The type in which a column takes twelve bytes of its row.
fn large(column: &Column) -> Option<&'static str> {
    match Native::parse(&column.native.declared) {
        Native::Char(_) | Native::VarChar(_) => Some("longtext"),
        Native::VarBinary(_) => Some("longblob"),
        _ => None,
    }
}

fn widen(column: &mut ColumnPlan, larger: &str, flavor: Flavor) {
    larger.clone_into(&mut column.target.native.declared);
    let native = Native::parse(larger);
    column.target.canonical = native.canonical(flavor);
    // MySQL has a default of a large text as an expression only.
    column.target.default = None;
    let place = Place { native: &native, collation: column.target.collation.as_deref(), flavor };
    if let Some(fitted) = fit(&column.source, place) {
        column.fidelity = fitted.fidelity;
        column.rule = fitted.rule;
        column.limits = fitted.limits;
    }
}

/// The primary key must fit into an index.
fn key(plan: &TablePlan) -> Option<PlanProblem> {
    let columns = || plan.columns.iter().filter(|column| plan.key.contains(&column.target.name));
    if !plan.key_enforced {
        return None;
    }
    let bytes: u64 =
        columns().map(|column| index_bytes(&column.target).unwrap_or(INDEX_BYTES + 1)).sum();
    if bytes <= INDEX_BYTES {
        return None;
    }
    let widest = columns().max_by_key(|column| index_bytes(&column.target).unwrap_or(u64::MAX))?;
    let rest = bytes.saturating_sub(index_bytes(&widest.target).unwrap_or(INDEX_BYTES + 1));
    let room = INDEX_BYTES.saturating_sub(rest);
    let cast = match Native::parse(&widest.target.native.declared) {
        Native::Binary(_) | Native::VarBinary(_) | Native::Blob(_) => {
            format!("varbinary({})", room.saturating_sub(2))
        }
        _ => format!("varchar({})", room.saturating_sub(2) / character_bytes(&widest.target)),
    };
    let problem = PlanProblem::of_column(
        "key-too-wide",
        &widest.source.name,
        format!(
            "the key takes {bytes} bytes of the {INDEX_BYTES} that an index of this server has"
        ),
        "Cast the column to a shorter type; longer values are then refused.",
    );
    Some(if room > 2 { problem.with_casts([cast]) } else { problem })
}

/// Lists what the new table will not have.
fn warn(plan: &mut TablePlan, flavor: Flavor) {
    let mut warnings: Vec<String> = Vec::new();
    let made = staging::secondaries(plan, flavor);
    let source = &plan.source;
    let keys =
        source.keys.iter().filter(|key| !key.primary).map(|key| {
            (&key.name, format!("unique key {} ({})", key.name, key.columns.join(", ")))
        });
    let indexes = source.indexes.iter().map(|index| (&index.name, index.definition.clone()));
    for (name, definition) in keys.chain(indexes) {
        if !made.iter().any(|index| index.source == *name) {
            warnings.push(format!("not created: {definition}"));
        }
    }
    for check in &source.checks {
        if definition::check(plan, check, flavor).is_none() {
            warnings.push(format!("not created: check {} ({})", check.name, check.expression));
        }
    }
    let length =
        |comment: &Option<String>| comment.as_deref().map_or(0, |comment| comment.chars().count());
    for column in &plan.columns {
        if length(&column.source.comment) > COMMENT_CHARS_MAX {
            warnings.push(format!(
                "the comment of column {:?} is cut to {COMMENT_CHARS_MAX} characters",
                column.target.name
            ));
        }
    }
    if length(&source.comment) > TABLE_COMMENT_CHARS_MAX {
        warnings.push(format!(
            "the comment of the table is cut to {TABLE_COMMENT_CHARS_MAX} characters"
        ));
    }
    plan.warnings.extend(warnings);
}
