//! Whether a table is still the one that a plan was made for.
//!
//! To be asked in a transaction that has used the table: until its end nobody can alter it.

use rowferry_core::{Column, Result, ShapeColumn, TableRef, TableShape};

use crate::config::Server;
use crate::conn::Ask;
use crate::error;
use crate::sql;

/// What the catalogue says of a table; no columns when there is none.
pub(crate) async fn shape(
    server: &Server,
    conn: &mut impl Ask,
    table: &TableRef,
) -> Result<TableShape> {
    let attempt = || format!("could not look at table {table} again");
    let table_is = format!(
        "table_schema = {} and table_name = {}",
        sql::text(server.database_of(table)),
        sql::text(&table.name)
    );
    let columns = format!(
        "select column_name, column_type, cast(ordinal_position as signed) \
         from information_schema.columns where {table_is} order by ordinal_position"
    );
    let rows: Vec<(String, String, i64)> =
        conn.ask(&columns).await.map_err(|error| error::of(error, attempt()))?;
    // How an upsert merges follows from them.
    let keys = format!(
        "select distinct index_name from information_schema.statistics \
         where {table_is} and non_unique = 0 order by 1"
    );
    let keys: Vec<String> = conn.ask(&keys).await.map_err(|error| error::of(error, attempt()))?;
    let columns =
        rows.into_iter().map(|(name, declared, place)| ShapeColumn { name, declared, place });
    Ok(TableShape {
        identity: String::new(),
        columns: columns.collect(),
        rules: format!("unique keys ({})", keys.join(", ")),
    })
}

/// What became of the columns of a plan, in words.
pub(crate) fn since_plan<'a>(
    now: &TableShape,
    planned: impl Iterator<Item = &'a Column>,
) -> Option<String> {
    // The words of a plan say more in two places: MariaDB's JSON is a longtext, and a place on earth
    // has its reference.
    let planned: Vec<Column> = planned
        .map(|column| {
            let mut column = column.clone();
            let declared = &mut column.native.declared;
            if let Some((plain, _)) = declared.split_once(" srid ") {
                *declared = plain.to_owned();
            }
            let shown = |word: &str| {
                let there = |is: &&ShapeColumn| is.name.eq_ignore_ascii_case(&column.name);
                now.columns.iter().find(there).is_some_and(|is| is.declared == word)
            };
            if column.native.declared == "json" && shown("longtext") {
                "longtext".clone_into(&mut column.native.declared);
            }
            column
        })
        .collect();
    now.change_since_plan(&planned)
}
