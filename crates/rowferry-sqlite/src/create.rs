//! The statements that make a target: the source's own, word for word, where it is SQLite and
//! nothing of the table is left out; otherwise one written from the plan.

use rowferry_core::{
    CanonicalType, Column, ColumnPlan, ForeignKey, LoadInto, TablePlan, WriteMode,
};

use crate::affinity::Affinity;
use crate::check::check_of;
use crate::ddl::{facts, index_name, recreate_as, recreate_index, rename_columns, split};
use crate::load::same_columns;
use crate::sql::{literal, quote, quote_list};
use crate::types::ENGINE;

/// The statement that makes `table` in the shape of the plan; under that name it is loaded, and
/// under the target's name it is published.
///
/// A single integer key becomes `INTEGER PRIMARY KEY`, the rowid itself, which costs nothing. Other
/// primary keys stand in the statement too, because SQLite cannot add one later; their columns say
/// `not null`, which a primary key alone does not mean in SQLite. The same holds for foreign keys.
pub(crate) fn create_table(table: &str, plan: &TablePlan, with_key: bool) -> String {
    if with_key
        && let Some(statement) = own_statements(plan).first()
        && let Some(statement) = recreate_as(statement, table, &plan.target.name)
    {
        return statement;
    }
    let has_key = with_key && wants_key(plan);
    let rowid = (has_key && plan.key.len() == 1)
        .then(|| plan.columns.iter().find(|column| plan.key.contains(&column.target.name)))
        .flatten()
        .filter(|column| is_rowid_type(column))
        .map(|column| column.target.name.as_str());
    let mut parts: Vec<String> = plan
        .columns
        .iter()
        .map(|column| {
            if rowid == Some(column.target.name.as_str()) {
                let numbers = if counts_on(plan, column) { " AUTOINCREMENT" } else { "" };
                return format!("{} INTEGER PRIMARY KEY{numbers}", quote(&column.target.name));
            }
            let in_key = has_key && plan.key.contains(&column.target.name);
            column_definition(column, in_key)
        })
        .collect();
    if with_key {
        parts.extend(computed(plan).filter_map(|(_, definition)| definition));
    }
    if has_key && rowid.is_none() {
        parts.push(format!("primary key ({})", quote_list(plan.key.iter().map(String::as_str))));
    }
    if with_key {
        parts.extend(plan.source.checks.iter().filter_map(|check| check_of(plan, check)));
        parts.extend(plan.foreign_keys.iter().map(foreign_key));
    }
    format!("create table {} (\n  {}\n)", quote(table), parts.join(",\n  "))
}

/// The statements that make the indexes of a new target, for a table that is loaded.
/// `is_taken` says which names the file already uses: index names belong to the file.
pub(crate) fn indexes(plan: &TablePlan, is_taken: impl Fn(&str) -> bool) -> Vec<String> {
    if plan.load == LoadInto::StagingAppend && plan.target_existing.is_some() {
        return Vec::new();
    }
    let target = &plan.target.name;
    let mut taken: Vec<String> = Vec::new();
    let mut free = |name: &str, columns: &[String]| {
        let other = format!("{target}_{}_idx", columns.join("_"));
        let numbered = (2..).map(|number| format!("{other}{number}"));
        let mut names = [index_of(plan, name), other.clone()].into_iter().chain(numbered);
        let is_free = |name: &String| {
            !is_taken(name)
                && !name.to_ascii_lowercase().starts_with("sqlite_")
                && !taken.iter().any(|taken| taken.eq_ignore_ascii_case(name))
        };
        let name = names.find(is_free).unwrap_or(other);
        taken.push(name.clone());
        name
    };
    let own = own_statements(plan);
    if !own.is_empty() {
        let of_keys = own.iter().skip(1).map(|statement| (*statement, &[][..]));
        let others =
            plan.source.indexes.iter().map(|index| (index.definition.as_str(), &*index.columns));
        return of_keys
            .chain(others)
            .filter_map(|(statement, columns)| {
                let name = free(&index_name(statement)?, columns);
                recreate_index(statement, &name, target)
            })
            .collect();
    }
    let mut statements = Vec::new();
    let mut make = |word: &str, name: &str, columns: &[String]| {
        let Some(columns) = target_names(plan, columns) else { return };
        let name = free(name, &columns);
        let columns = quote_list(columns.iter().map(String::as_str));
        statements.push(format!("create {word} {} on {} ({columns})", quote(&name), quote(target)));
    };
    for key in &plan.source.keys {
        let is_target_key = wants_key(plan)
            && target_names(plan, &key.columns)
                .is_some_and(|names| same_columns(&names, &plan.key));
        if !is_target_key {
            make("unique index", &key.name, &key.columns);
        }
    }
    for index in plan.source.indexes.iter().filter(|index| index.portable) {
        make("index", &index.name, &index.columns);
    }
    statements
}

/// The name for an index that the source calls `name`. Elsewhere indexes may bear the name of any
/// table, and MySQL calls those of foreign keys by their column; here they would keep it from a
/// table that is published later.
fn index_of(plan: &TablePlan, name: &str) -> String {
    let target = &plan.target.name;
    let own = plan.source.columns.iter().all(|column| column.native.engine == ENGINE);
    let prefix = format!("{}_", target.to_lowercase());
    if own || name.to_lowercase().starts_with(&prefix) {
        name.to_owned()
    } else {
        format!("{target}_{name}")
    }
}

/// What belongs to the source's table and is not made with this plan's.
pub(crate) fn not_carried(plan: &TablePlan) -> Vec<String> {
    let mut lost: Vec<String> = plan
        .source
        .untranslated
        .iter()
        .map(|object| format!("{} {}", object.kind, object.name))
        .collect();
    if !own_statements(plan).is_empty() {
        return lost;
    }
    let odd = plan.source.indexes.iter().filter(|index| !index.portable);
    lost.extend(odd.map(|index| format!("index {}", index.name)));
    let partly = |columns: &[String]| target_names(plan, columns).is_none();
    let short = plan.source.indexes.iter().filter(|index| index.portable && partly(&index.columns));
    lost.extend(short.map(|index| format!("index {}, of which a column stays", index.name)));
    let keys = plan.source.keys.iter().filter(|key| partly(&key.columns));
    lost.extend(keys.map(|key| format!("key {}, of which a column stays", key.name)));
    let checks = plan.source.checks.iter().filter(|check| check_of(plan, check).is_none());
    lost.extend(checks.map(|check| format!("check {}", check.name)));
    let left = computed(plan).filter(|(_, definition)| definition.is_none());
    lost.extend(left.map(|(name, _)| format!("computed column {name}")));
    lost
}

/// Computed columns of a SQLite table that are not among the planned ones, with their definition
/// where all columns that they are made of are there.
fn computed(plan: &TablePlan) -> impl Iterator<Item = (&str, Option<String>)> {
    let planned = |name: &str| {
        plan.columns.iter().find(|column| column.source.name.eq_ignore_ascii_case(name))
    };
    let target = move |name: &str| {
        let exists = |column: &Column| column.name.eq_ignore_ascii_case(name);
        let is_column = plan.source.columns.iter().any(exists);
        is_column.then(|| planned(name).map(|column| column.target.name.clone()))
    };
    plan.source
        .columns
        .iter()
        .filter(move |column| column.generated && planned(&column.name).is_none())
        .map(move |column| {
            let own = column.expression.as_ref().filter(|_| column.native.engine == ENGINE);
            let definition = own.and_then(|expression| {
                let expression = rename_columns(expression, target)?;
                let name = quote(&column.name);
                let declared = type_name(column.native.stored());
                Some(format!("{name} {declared} generated always as ({expression})"))
            });
            (column.name.as_str(), definition)
        })
}

/// The statement of the source's table and those of its unique indexes, when the target is to be
/// the same table: every column is there under its own name and in its own type.
fn own_statements(plan: &TablePlan) -> Vec<&str> {
    let Some(definition) = &plan.source.definition else { return Vec::new() };
    let same = plan.source.columns.iter().all(|source| {
        let planned = plan.columns.iter().find(|column| column.source.name == source.name);
        source.native.engine == ENGINE
            && match planned {
                Some(planned) => {
                    planned.target.name == source.name
                        && planned.target.native == source.native
                        && planned.converted.is_none()
                }
                None => source.generated,
            }
    });
    let key = plan.write != WriteMode::Upsert
        || plan.source.keys.iter().any(|key| same_columns(&key.columns, &plan.key));
    if same && key { split(definition) } else { Vec::new() }
}

/// Whether a table made for this plan gets the key as its primary key: where the source enforces
/// it, and where rows are merged by it.
pub(crate) fn wants_key(plan: &TablePlan) -> bool {
    !plan.key.is_empty() && (plan.key_enforced || plan.write == WriteMode::Upsert)
}

/// Whether the database numbers the rows and never gives a number twice.
fn counts_on(plan: &TablePlan, column: &ColumnPlan) -> bool {
    match &plan.source.definition {
        Some(definition) if column.source.native.engine == ENGINE => {
            facts(definition).autoincrement
        }
        _ => column.source.identity.is_some(),
    }
}

/// The columns' names in the target; `None` when one of them is not copied.
fn target_names(plan: &TablePlan, columns: &[String]) -> Option<Vec<String>> {
    if columns.is_empty() {
        return None;
    }
    columns
        .iter()
        .map(|name| {
            let planned = plan.columns.iter().find(|column| column.source.name == *name)?;
            Some(planned.target.name.clone())
        })
        .collect()
}

fn foreign_key(key: &ForeignKey) -> String {
    let mut text = format!(
        "foreign key ({}) references {} ({})",
        quote_list(key.columns.iter().map(String::as_str)),
        quote(&key.to.name),
        quote_list(key.to_columns.iter().map(String::as_str))
    );
    for (word, action) in [("update", &key.on_update), ("delete", &key.on_delete)] {
        // Four words; anything else is none of SQLite's.
        let action = action
            .as_deref()
            .filter(|action| ["cascade", "set null", "set default", "restrict"].contains(action));
        text.extend(action.map(|action| format!(" on {word} {action}")));
    }
    text
}

fn is_rowid_type(column: &ColumnPlan) -> bool {
    column
        .written()
        .is_some_and(|written| written.is_integer() && *written != CanonicalType::UInt64)
        && Affinity::of_native(&column.target.native) == Affinity::Integer
}

fn column_definition(column: &ColumnPlan, in_key: bool) -> String {
    let target = &column.target;
    let name = quote(&target.name);
    let mut parts = vec![name.clone(), type_name(target.native.stored())];
    parts.extend(target.collation.iter().map(|collation| format!("collate {}", quote(collation))));
    if in_key || !target.nullable {
        parts.push("not null".to_owned());
    }
    parts.extend(target.default.iter().map(|default| format!("default ({default})")));
    if let (Some(CanonicalType::Enum { labels }), None) =
        (&column.source.canonical, &column.converted)
    {
        let labels: Vec<String> = labels.iter().map(|label| literal(label)).collect();
        parts.push(format!("check ({name} in ({}))", labels.join(", ")));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

/// A declared type as DDL says it. What is more than words, digits and brackets is quoted whole.
fn type_name(declared: &str) -> String {
    let plain = declared
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '(' | ')' | ',' | '+' | '-'));
    let balanced = declared.matches('(').count() <= 1
        && declared.matches('(').count() == declared.matches(')').count();
    let words = !declared.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_');
    if (plain && balanced && words) || declared.is_empty() {
        declared.to_owned()
    } else {
        quote(declared)
    }
}
