//! What two tables have in common: columns, key, order.

use rowferry_core::{
    CanonicalType, Column, ConnectorError, ErrorClass, Key, KeyColumn, KeyColumns, Result,
    TableRef, TableSchema, nearest,
};

use crate::casts::Casts;
use crate::side::Both;
use crate::{OneSided, Side, TablePair};

/// A column of both tables.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) source: Column,
    pub(crate) target: Column,
}

/// Two tables, and how they are to be compared.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub(crate) tables: Both<TableSchema>,
    pub(crate) columns: Vec<Pair>,
    /// Places of the key's columns; all columns where no key is known.
    pub(crate) key: Vec<usize>,
    pub(crate) has_key: bool,
    pub(crate) casts: Casts,
    pub(crate) one_sided: Vec<OneSided>,
    /// Columns of the target that were left out, as asked.
    pub(crate) ignored: Vec<String>,
    /// The key as each side has it, where both servers put it into the same order.
    pub(crate) ranges: Option<Both<KeyColumns>>,
    /// The columns by which each side is cut where there is no common order.
    pub(crate) cuts: Both<Option<KeyColumns>>,
}

impl Comparison {
    /// Finds out what the tables have in common.
    ///
    /// # Errors
    ///
    /// Class `Setup`: a name that neither table has, a column of a type that cannot be read, no
    /// column in common.
    pub(crate) fn new(asked: &TablePair, source: TableSchema, target: TableSchema) -> Result<Self> {
        let tables = Both { source, target };
        check_names(asked, &tables)?;
        let (columns, one_sided) = pair_up(asked, &tables)?;
        let key = key(asked, &tables, &columns)?;
        let has_key = key.is_some();
        let key = key.unwrap_or_else(|| (0..columns.len()).collect());
        let casts = casts(asked, &columns, &tables.source.table);
        // What a cast makes of a key may have another order.
        let is_cast = key.iter().any(|place| casts.of(*place).is_some());
        let ranges = if has_key && !is_cast { common_order(&columns, &key) } else { None };
        let cuts = Both { source: cut_by(&tables.source), target: cut_by(&tables.target) };
        let one_sided_of_target = |name: &String| {
            one_sided.iter().any(|alone| alone.side == Side::Target && alone.column == *name)
        };
        let compared = |name: &String| columns.iter().any(|pair| pair.target.name == *name);
        let names = tables.target.columns.iter().map(|column| column.name.clone());
        let ignored = names.filter(|name| !compared(name) && !one_sided_of_target(name)).collect();
        Ok(Self { tables, columns, key, has_key, casts, one_sided, ignored, ranges, cuts })
    }
}

fn casts(asked: &TablePair, columns: &[Pair], table: &TableRef) -> Casts {
    let plan_of =
        |pair: &Pair| asked.casts.iter().find(|plan| plan.source.name == pair.source.name);
    let planned = columns.iter().enumerate();
    let planned = planned.filter_map(|(at, pair)| plan_of(pair).map(|plan| (at, plan.clone())));
    Casts::new(table.clone(), planned.collect(), asked.sets_aside)
}

/// Refuses names that were asked for and are nowhere: a spelling mistake would compare less than was
/// meant. A name to be ignored is often that of another table's column, and compares no less.
fn check_names(asked: &TablePair, tables: &Both<TableSchema>) -> Result<()> {
    let of_source = asked.key.iter().chain(&asked.include).chain(asked.rename.keys());
    for name in of_source {
        if found(&tables.source, name).is_none() {
            return Err(unknown_column(&tables.source, name));
        }
    }
    Ok(())
}

fn unknown_column(table: &TableSchema, name: &str) -> ConnectorError {
    let names = table.columns.iter().map(|column| column.name.as_str());
    let next = match nearest(name, names.clone()) {
        Some(near) => format!("Did you mean {near:?}?"),
        None => format!("The table has: {}.", names.collect::<Vec<_>>().join(", ")),
    };
    let message = format!("table {} has no column {name:?}", table.table);
    ConnectorError::new(ErrorClass::Setup, "unknown-column", message).with_next(next)
}

/// The column of that name; where none is spelled so, the only one that differs in case.
fn found<'a>(table: &'a TableSchema, name: &str) -> Option<&'a Column> {
    table.column(name).or_else(|| {
        let mut alike =
            table.columns.iter().filter(|column| column.name.eq_ignore_ascii_case(name));
        alike.next().filter(|_| alike.next().is_none())
    })
}

fn pair_up(asked: &TablePair, tables: &Both<TableSchema>) -> Result<(Vec<Pair>, Vec<OneSided>)> {
    let ignored = |name: &str| asked.ignore.iter().any(|other| other.eq_ignore_ascii_case(name));
    let left_out = |name: &String| !asked.include.is_empty() && !asked.include.contains(name);
    let (mut columns, mut one_sided): (Vec<Pair>, Vec<OneSided>) = (Vec::new(), Vec::new());
    let mut excluded = Vec::new();
    for column in &tables.source.columns {
        let name = asked.rename.get(&column.name).unwrap_or(&column.name);
        let twin = found(&tables.target, name)
            .filter(|twin| !columns.iter().any(|pair| pair.target.name == twin.name));
        if ignored(&column.name) || left_out(&column.name) {
            excluded.extend(twin.map(|twin| twin.name.clone()));
            continue;
        }
        match twin {
            Some(twin) => {
                // A cast may say how a column is to be read.
                let plan = asked.casts.iter().find(|plan| plan.source.name == column.name);
                let column = plan.map_or(column, |plan| &plan.source);
                readable(&tables.source, column)?;
                readable(&tables.target, twin)?;
                columns.push(Pair { source: column.clone(), target: twin.clone() });
            }
            None => one_sided.push(OneSided { column: column.name.clone(), side: Side::Source }),
        }
    }
    let unmet = tables.target.columns.iter().filter(|column| {
        !columns.iter().any(|pair| pair.target.name == column.name)
            && !excluded.contains(&column.name)
            && !ignored(&column.name)
    });
    one_sided
        .extend(unmet.map(|column| OneSided { column: column.name.clone(), side: Side::Target }));
    if columns.is_empty() {
        let message = format!(
            "tables {} and {} have no column in common to compare",
            tables.source.table, tables.target.table
        );
        let next = "Name two tables of the same columns, or pair columns in a job file.";
        return Err(ConnectorError::new(ErrorClass::Setup, "no-columns", message).with_next(next));
    }
    Ok((columns, one_sided))
}

fn readable(table: &TableSchema, column: &Column) -> Result<()> {
    if column.canonical.is_some() {
        return Ok(());
    }
    let message = format!(
        "column {:?} of table {} has type {}, which is not supported yet",
        column.name, table.table, column.native.declared
    );
    Err(ConnectorError::new(ErrorClass::Setup, "unmapped-type", message)
        .with_next(format!("Leave it out with --ignore-columns {}.", column.name)))
}

/// Places of the columns that identify a row: as asked, else a key of the source, else one of the
/// target.
fn key(
    asked: &TablePair,
    tables: &Both<TableSchema>,
    columns: &[Pair],
) -> Result<Option<Vec<usize>>> {
    if !asked.key.is_empty() {
        let place = |name: &String| {
            columns.iter().position(|pair| pair.source.name.eq_ignore_ascii_case(name)).ok_or_else(
                || {
                    let message = format!("key column {name:?} is not among the compared columns");
                    ConnectorError::new(ErrorClass::Setup, "key-not-compared", message)
                        .with_next("Name a key that both tables have, and do not ignore it.")
                },
            )
        };
        return asked.key.iter().map(place).collect::<Result<_>>().map(Some);
    }
    let of_source = |name: &String| columns.iter().position(|pair| pair.source.name == *name);
    let of_target = |name: &String| columns.iter().position(|pair| pair.target.name == *name);
    let from_source = keys(&tables.source)
        .find_map(|key| key.columns.iter().map(of_source).collect::<Option<Vec<_>>>());
    let from_target = || {
        keys(&tables.target)
            .find_map(|key| key.columns.iter().map(of_target).collect::<Option<Vec<_>>>())
    };
    Ok(from_source.or_else(from_target))
}

/// Keys without nullable columns, the primary key first.
fn keys(table: &TableSchema) -> impl Iterator<Item = &Key> {
    table.keys.iter().filter(|key| {
        let holds = |name: &String| table.column(name).is_some_and(|column| !column.nullable);
        key.primary || key.columns.iter().all(holds)
    })
}

/// The key on both sides, where both servers order it alike: integers always; between two databases
/// of one engine also other types, but texts only under the same collation that is one everywhere.
fn common_order(columns: &[Pair], key: &[usize]) -> Option<Both<KeyColumns>> {
    let mut order = Both { source: Vec::new(), target: Vec::new() };
    for place in key {
        let pair = columns.get(*place)?;
        let (left, right) = (pair.source.canonical.as_ref()?, pair.target.canonical.as_ref()?);
        let whole = left.is_integer() && right.is_integer();
        if !whole && !ordered_alike(pair, left, right) {
            return None;
        }
        // A row whose key is null on one side only must not fall out of a range on that side.
        let nullable = pair.source.nullable || pair.target.nullable;
        order.source.push(KeyColumn { nullable, ..KeyColumn::of(&pair.source) });
        order.target.push(KeyColumn { nullable, ..KeyColumn::of(&pair.target) });
    }
    Some(Both { source: KeyColumns(order.source), target: KeyColumns(order.target) })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these have an order that is no collation's"
)]
fn ordered_alike(pair: &Pair, left: &CanonicalType, right: &CanonicalType) -> bool {
    if pair.source.native != pair.target.native {
        return false;
    }
    match left {
        CanonicalType::Text { .. } => {
            let collation = pair.source.collation.as_deref();
            collation.is_some_and(orders_everywhere)
                && collation == pair.target.collation.as_deref()
        }
        CanonicalType::Decimal { .. }
        | CanonicalType::Binary { .. }
        | CanonicalType::Date
        | CanonicalType::Timestamp { .. }
        | CanonicalType::Instant { .. } => left == right,
        // Not uuids: one and the same engine has ordered them in two ways, from version to version.
        _ => false,
    }
}

/// Whether a collation's name alone says how it orders: by bytes, or in a version that is named. Two
/// servers whose C libraries are of different years order `en_US.UTF-8` differently.
fn orders_everywhere(collation: &str) -> bool {
    matches!(collation, "C" | "POSIX" | "binary")
        || collation.starts_with("C.")
        || collation.ends_with("_bin")
        || collation.contains('@')
}

/// The columns by which a table is cut in its own order: a key whose type has one.
fn cut_by(table: &TableSchema) -> Option<KeyColumns> {
    let column = |name: &String| {
        let column = table.column(name)?;
        column.canonical.as_ref()?.orders_rows().then(|| KeyColumn::of(column))
    };
    table.keys.iter().find_map(|key| key.columns.iter().map(column).collect()).map(KeyColumns)
}

#[cfg(test)]
mod tests {
    use super::orders_everywhere;

    #[test]
    fn a_collation_without_its_version_orders_here_only() {
        for name in ["C", "C.UTF-8", "POSIX", "utf8mb4_bin", "en_US.UTF-8@2.36", "de-x-icu@153.120"]
        {
            assert!(orders_everywhere(name), "{name}");
        }
        for name in ["en_US.UTF-8", "utf8mb4_general_ci", "NOCASE", ""] {
            assert!(!orders_everywhere(name), "{name}");
        }
    }
}
