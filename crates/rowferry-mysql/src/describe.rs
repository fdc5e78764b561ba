//! Catalogue queries.

use mysql_async::{Row, params};
use rowferry_core::{
    Column, ConnectorError, ErrorClass, Identity, Index, Key, NativeType, Reference, Result,
    TableListing, TableRef, TableSchema, TargetTable, Untranslated,
};

use crate::config::Server;
use crate::conn::{Conn, field};
use crate::plan::check_name;
use crate::types::{Flavor, Native};
use crate::{defaults, definition, error, relations, sql};

/// Name, kind, storage engine, rows, bytes, comment and next number of a table.
type TableRow =
    (String, String, Option<String>, Option<u64>, Option<u64>, Option<String>, Option<u64>);
/// Index, `non_unique`, column, prefix length, kind and order of an index's part.
type IndexRow = (String, i64, Option<String>, Option<u64>, String, Option<String>);

const INDEXES: &str = "select index_name, non_unique, column_name, sub_part, index_type, \
    collation from information_schema.statistics where table_schema = :db \
    and table_name = :name order by index_name, seq_in_index";

/// Only MySQL ties a column to a reference system.
fn columns_query(flavor: Flavor) -> String {
    let reference = match flavor {
        Flavor::MySql => "srs_id",
        Flavor::MariaDb => "null",
    };
    format!(
        "select column_name, column_type, is_nullable, column_default, extra, collation_name, \
         column_comment, generation_expression, {reference} from information_schema.columns \
         where table_schema = :db and table_name = :name order by ordinal_position"
    )
}

/// Describes a table or view; `None` when it does not exist or may not be seen.
pub(crate) async fn table(
    server: &Server,
    conn: &mut Conn,
    table: &TableRef,
) -> Result<Option<TargetTable>> {
    // Such a name cannot be there, and the catalogue's own character set may not even know it.
    if check_name(&table.name).is_err() {
        return Ok(None);
    }
    let attempt = || format!("could not describe table {table}");
    let database = server.database_of(table).to_owned();
    let params = || params! { "db" => &database, "name" => &table.name };
    let found: Option<TableRow> = conn
        .exec_first(
            "select table_name, table_type, engine, table_rows, data_length, table_comment, \
             auto_increment from information_schema.tables where table_schema = :db and table_name = :name",
            params(),
        )
        .await
        .map_err(|error| error::of(error, attempt()))?;
    let Some((name, kind, engine, rows, bytes, comment, next)) = found else {
        return hidden(conn, &database, table).await.map(|()| None);
    };
    let is_view = kind == "VIEW";
    let column_rows: Vec<Row> = conn
        .exec(columns_query(server.flavor), params())
        .await
        .map_err(|error| error::of(error, attempt()))?;
    let json = json_columns(server, conn, &database, &name).await;
    let mut untranslated = Vec::new();
    let columns = column_rows
        .into_iter()
        .filter_map(|row| column(server.flavor, &json, row, &mut untranslated))
        .collect::<Vec<_>>();
    let index_rows: Vec<IndexRow> =
        conn.exec(INDEXES, params()).await.map_err(|error| error::of(error, attempt()))?;
    let (keys, indexes) = keys_and_indexes(index_rows);
    let references = if is_view {
        Vec::new()
    } else {
        references(conn, &database, &name).await.map_err(|error| error::of(error, attempt()))?
    };
    let mut foreign_keys = Vec::new();
    let mut checks = Vec::new();
    let dependents = if is_view {
        vec![format!("view {name}")]
    } else {
        let failed = |error| error::of(error, attempt());
        foreign_keys = relations::foreign_keys(conn, &database, &name).await.map_err(failed)?;
        checks = relations::checks(conn, server.flavor, &database, &name).await.map_err(failed)?;
        untranslated.extend(relations::others(conn, &database, &name).await.map_err(failed)?);
        dependents(conn, &database, &name).await.map_err(failed)?
    };
    // The engine's count is stale right after a load; it is a hint only.
    let schema = TableSchema {
        table: TableRef::new(database, name),
        columns,
        keys,
        indexes,
        foreign_keys,
        checks,
        untranslated,
        next_identity: next.and_then(|next| i64::try_from(next).ok()),
        rows_estimated: rows.filter(|_| !is_view),
        bytes_estimated: bytes.filter(|_| !is_view),
        comment: comment.filter(|comment| !comment.is_empty() && !is_view),
        ..TableSchema::default()
    };
    let transactional =
        is_view || engine.is_some_and(|engine| engine.eq_ignore_ascii_case("innodb"));
    Ok(Some(TargetTable { schema, dependents, references, transactional }))
}

/// Fails when a table that the catalogue does not show may be there: it shows a login only what that
/// may use, while a statement tells what is not there from what is refused.
async fn hidden(conn: &mut Conn, database: &str, table: &TableRef) -> Result<()> {
    let name = sql::table(&TableRef::new(database, &table.name));
    match conn.query_drop(format!("select 1 from {name} limit 0")).await {
        Err(refused) => match error::of(refused, format!("could not look at table {table}")) {
            refused if refused.code == "permission-denied" => Err(refused),
            _ => Ok(()),
        },
        Ok(()) => Ok(()),
    }
}

/// The storage engine of a base table, `None` for views.
pub(crate) async fn storage_engine(
    server: &Server,
    conn: &mut Conn,
    table: &TableRef,
) -> Result<Option<String>> {
    conn.exec_first::<Option<String>, _, _>(
        "select engine from information_schema.tables \
         where table_schema = :db and table_name = :name",
        params! { "db" => server.database_of(table), "name" => &table.name },
    )
    .await
    .map(Option::flatten)
    .map_err(|error| error::of(error, format!("could not ask for the engine of table {table}")))
}

/// A column; what it does beside holding values goes to `untranslated`.
fn column(
    flavor: Flavor,
    json: &[String],
    mut row: Row,
    untranslated: &mut Vec<Untranslated>,
) -> Option<Column> {
    let name: String = field(&mut row, 0)?;
    let mut declared: String = field(&mut row, 1)?;
    let nullable = field::<String>(&mut row, 2)? == "YES";
    let default: Option<String> = field(&mut row, 3)?;
    let extra: String = field(&mut row, 4)?;
    let collation: Option<String> = field(&mut row, 5)?;
    let comment: Option<String> = field(&mut row, 6)?;
    let expression: Option<String> = field(&mut row, 7)?;
    let reference: Option<u32> = field(&mut row, 8)?;
    // MariaDB's JSON is a longtext with a check; its name alone says what the values are.
    if flavor == Flavor::MariaDb
        && declared.eq_ignore_ascii_case("longtext")
        && json.contains(&name)
    {
        "json".clone_into(&mut declared);
    }
    if let Some(reference) = reference {
        declared = format!("{declared} srid {reference}");
    }
    let lower = extra.to_ascii_lowercase();
    let native = Native::parse(&declared);
    let expression =
        expression.filter(|text| !text.is_empty()).map(|text| defaults::expression(&text, flavor));
    let generated = expression.is_some()
        || lower.contains("virtual generated")
        || lower.contains("stored generated");
    let default = default
        .filter(|text| text != "NULL")
        .map(|text| defaults::in_words(&text, &lower, &native, flavor));
    let mut note = |kind: &str, definition: &str| {
        let (kind, definition) = (kind.to_owned(), definition.to_owned());
        untranslated.push(Untranslated { kind, name: name.clone(), definition });
    };
    if let Some(at) = lower.find("on update ") {
        note(definition::ON_UPDATE, extra.get(at..).unwrap_or_default());
    }
    if lower.contains("virtual generated") {
        note(definition::VIRTUAL, expression.as_deref().unwrap_or_default());
    }
    if lower.contains("invisible") {
        note("invisible column", &declared);
    }
    Some(Column {
        canonical: native.canonical(flavor),
        native: NativeType::new(flavor.word(), declared),
        nullable,
        default_meaning: default.as_deref().and_then(|text| defaults::meaning(text, &native)),
        default: default.filter(|_| !generated),
        identity: lower.contains("auto_increment").then_some(Identity::ByDefault),
        generated,
        expression,
        collation,
        comment: comment.filter(|comment| !comment.is_empty()),
        seen: None,
        name,
    })
}

/// Columns that MariaDB checks to hold JSON. A login that may not see the checks sees texts.
async fn json_columns(server: &Server, conn: &mut Conn, database: &str, name: &str) -> Vec<String> {
    if server.flavor == Flavor::MySql {
        return Vec::new();
    }
    let clauses: Vec<String> = conn
        .exec(
            "select check_clause from information_schema.check_constraints \
             where constraint_schema = :db and table_name = :name",
            params! { "db" => database, "name" => name },
        )
        .await
        .unwrap_or_default();
    clauses
        .iter()
        .filter_map(|clause| clause.trim().strip_prefix("json_valid(`")?.strip_suffix("`)"))
        .map(|column| column.replace("``", "`"))
        .collect()
}

fn keys_and_indexes(rows: Vec<IndexRow>) -> (Vec<Key>, Vec<Index>) {
    let mut keys: Vec<Key> = Vec::new();
    let mut indexes: Vec<Index> = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while let Some((name, non_unique, column, prefix, kind, order)) = rows.next() {
        let mut parts = vec![(column, prefix, order)];
        while let Some((_, _, column, prefix, _, order)) = rows.next_if(|row| row.0 == name) {
            parts.push((column, prefix, order));
        }
        let ascending = parts.iter().all(|(_, _, order)| order.as_deref() != Some("D"));
        let unique = if non_unique == 0 { "unique " } else { "" };
        // An index over expressions or prefixes is not a key over plain columns.
        let plain: Option<Vec<String>> = parts
            .iter()
            .map(|(column, prefix, _)| column.clone().filter(|_| prefix.is_none()))
            .collect();
        match plain {
            Some(columns) if non_unique == 0 => {
                keys.push(Key { primary: name == "PRIMARY", name, columns });
            }
            Some(columns) if kind == "BTREE" => {
                let definition = index_words("key", &name, &parts);
                indexes.push(Index { name, columns, definition, portable: ascending });
            }
            Some(_) | None => {
                let word = match kind.as_str() {
                    "BTREE" | "HASH" => format!("{unique}key"),
                    other => format!("{} key", other.to_lowercase()),
                };
                let definition = index_words(&word, &name, &parts);
                indexes.push(Index { name, columns: Vec::new(), definition, portable: false });
            }
        }
    }
    keys.sort_by(|a, b| b.primary.cmp(&a.primary).then_with(|| a.name.cmp(&b.name)));
    (keys, indexes)
}

/// An index in the server's words, as far as the catalogue tells: of an expression only that.
fn index_words(
    word: &str,
    name: &str,
    parts: &[(Option<String>, Option<u64>, Option<String>)],
) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|(column, prefix, order)| {
            let column = column.as_deref().map_or_else(|| "(…)".to_owned(), sql::quote);
            // A spatial index shows the width of its boxes.
            let shown = prefix.filter(|_| !word.starts_with("spatial"));
            let prefix = shown.map(|prefix| format!("({prefix})")).unwrap_or_default();
            let order = if order.as_deref() == Some("D") { " desc" } else { "" };
            format!("{column}{prefix}{order}")
        })
        .collect();
    format!("{word} {} ({})", sql::quote(name), parts.join(", "))
}

/// Triggers, which a swap would leave on the old table.
async fn dependents(
    conn: &mut Conn,
    database: &str,
    name: &str,
) -> Result<Vec<String>, mysql_async::Error> {
    // Views name their tables in their text only; a rename keeps them working, since they are
    // bound by name, so they are no reason to stop.
    conn.exec(
        "select concat('trigger ', trigger_name) from information_schema.triggers \
         where event_object_schema = :db and event_object_table = :name order by 1",
        params! { "db" => database, "name" => name },
    )
    .await
}

/// Foreign keys that point at the table, and its own: a staging table made like the target has all
/// of it but those.
async fn references(
    conn: &mut Conn,
    database: &str,
    name: &str,
) -> Result<Vec<Reference>, mysql_async::Error> {
    let rows: Vec<(String, String, String)> = conn
        .exec(
            "select constraint_schema, table_name, constraint_name \
             from information_schema.referential_constraints \
             where (unique_constraint_schema = :db and referenced_table_name = :name) \
             or (constraint_schema = :db and table_name = :name) order by 1, 2, 3",
            params! { "db" => database, "name" => name },
        )
        .await?;
    let reference = |(schema, table, name): (String, String, String)| Reference {
        table: TableRef::new(schema, table),
        name,
    };
    Ok(rows.into_iter().map(reference).collect())
}

/// Base tables of the connection's database, or of all but the system's when it has none.
pub(crate) async fn list(server: &Server, conn: &mut Conn) -> Result<Vec<TableListing>> {
    let attempt = "could not list tables";
    let filter = if server.database.is_empty() {
        "table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')"
            .to_owned()
    } else {
        format!("table_schema = {}", sql::text(&server.database))
    };
    let rows: Vec<(String, String, Option<u64>, Option<u64>)> = conn
        .query(format!(
            "select table_schema, table_name, table_rows, data_length \
             from information_schema.tables where table_type in ('BASE TABLE', \
             'SYSTEM VERSIONED') and {filter} order by table_schema, table_name"
        ))
        .await
        .map_err(|error| error::of(error, attempt))?;
    let keys: Vec<(String, String, String)> = conn
        .query(format!(
            "select table_schema, table_name, column_name from information_schema.statistics \
             where index_name = 'PRIMARY' and {filter} order by table_schema, table_name, \
             seq_in_index"
        ))
        .await
        .map_err(|error| error::of(error, attempt))?;
    let listings = rows.into_iter().map(|(schema, name, rows_estimated, bytes_estimated)| {
        let key = keys
            .iter()
            .filter(|(db, table, _)| *db == schema && *table == name)
            .map(|(_, _, column)| column.clone())
            .collect();
        TableListing { table: TableRef::new(schema, name), key, rows_estimated, bytes_estimated }
    });
    Ok(listings.collect())
}

/// The error for a table that is not there, with names that are near.
pub(crate) async fn unknown_table(
    server: &Server,
    conn: &mut Conn,
    table: &TableRef,
) -> ConnectorError {
    let database = server.database_of(table);
    let names: Vec<String> = conn
        .exec(
            "select table_name from information_schema.tables where table_schema = :db",
            params! { "db" => database },
        )
        .await
        .unwrap_or_default();
    let wanted = table.name.to_lowercase();
    let mut near: Vec<(usize, &String)> = names
        .iter()
        .map(|name| (distance(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= wanted.chars().count() / 3 + 1)
        .collect();
    near.sort();
    let error = ConnectorError::new(
        ErrorClass::Setup,
        "unknown-table",
        format!("table {table} does not exist in database {database:?}"),
    );
    let near: Vec<&str> = near.iter().take(3).map(|(_, name)| name.as_str()).collect();
    if near.is_empty() {
        error.with_next("List the tables with `rowferry tables`; the user may lack rights on it.")
    } else {
        error.with_next(format!("Did you mean {}?", near.join(", ")))
    }
}

/// Edits between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(&b) {
            let best = (diagonal + usize::from(left != *right)).min(previous + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            previous = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
