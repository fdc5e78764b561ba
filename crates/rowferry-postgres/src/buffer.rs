//! The session's buffer: a temporary table that rows are copied into and moved on from, where they
//! cannot be copied into their table at once.
//!
//! That is an upsert, which merges by key, or a column whose values cross as text and become values
//! of their type by a cast. The buffer empties itself at commit.

use rowferry_core::{ColumnPlan, LoadInto, Prepared, Result, WriteMode};

use crate::prepare::{Merge, merge_way};
use crate::session::Session;
use crate::sql;

/// How rows get from the buffer into the table.
#[derive(Clone, Debug)]
pub(crate) struct Moving {
    /// Removes the rows that are to be replaced.
    pub(crate) delete: Option<String>,
    /// Inserts or merges.
    pub(crate) insert: String,
    /// Empties the buffer within a transaction.
    pub(crate) empty: String,
}

/// A buffer: its name, the statement that makes it and those that empty it into the table.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    pub(crate) name: String,
    pub(crate) create: String,
    pub(crate) moving: Moving,
}

/// A column of the buffer.
struct Cell<'a> {
    name: String,
    plan: &'a ColumnPlan,
    as_text: bool,
}

impl Cell<'_> {
    fn made(&self) -> String {
        if self.as_text {
            format!("null::pg_catalog.text as {}", self.name)
        } else {
            self.name.clone()
        }
    }

    /// The value as the table takes it, from the buffer named `alias`.
    fn value(&self, alias: &str) -> String {
        let value = format!("{alias}.{}", self.name);
        let native = &self.plan.target.native;
        match (self.as_text, native.stored()) {
            (false, _) => value,
            // The cast from text knows neither `-` nor numbers, which are how the type shows what
            // has no name; its input function does.
            (true, "regclass") => format!("pg_catalog.regclassin(pg_catalog.textout({value}))"),
            (true, _) => format!("{value}::{}", native.declared),
        }
    }
}

/// Whether rows are merged by key.
fn merges(prepared: &Prepared) -> bool {
    prepared.load == LoadInto::Target && prepared.write == WriteMode::Upsert
}

/// The buffer for these columns; `None` when rows go into the table at once. `word` tells apart
/// the buffers of one session.
pub(crate) async fn buffer(
    session: &Session,
    prepared: &Prepared,
    columns: &[(&ColumnPlan, bool)],
    word: &str,
) -> Result<Option<Buffer>> {
    let upsert = merges(prepared);
    if !upsert && columns.iter().all(|(_, as_text)| !as_text) {
        return Ok(None);
    }
    let cells: Vec<Cell<'_>> = columns
        .iter()
        .map(|(plan, as_text)| Cell {
            name: sql::quote(&plan.target.name),
            plan,
            as_text: *as_text,
        })
        .collect();
    let name = format!("pg_temp._rowferry_{word}");
    let join = |parts: Vec<String>| parts.join(", ");
    let create = format!(
        "set client_min_messages = warning; drop table if exists {name}; \
         create temporary table {name} on commit delete rows as select {} from {} with no data",
        join(cells.iter().map(Cell::made).collect()),
        sql::table(&prepared.load_table)
    );
    // Explicit values go into identity columns too, as COPY does.
    let insert = format!(
        "insert into {} ({}) overriding system value select {} from {name} s",
        sql::table(&prepared.load_table),
        join(cells.iter().map(|cell| cell.name.clone()).collect()),
        join(cells.iter().map(|cell| cell.value("s")).collect()),
    );
    let moving = if upsert {
        let way = merge_way(session, prepared).await?;
        merging(prepared, way, &cells, insert, &name)
    } else {
        Moving { delete: None, insert, empty: empty(&name) }
    };
    Ok(Some(Buffer { name, create, moving }))
}

fn empty(buffer: &str) -> String {
    format!("truncate table {buffer}")
}

fn merging(
    prepared: &Prepared,
    way: Merge,
    cells: &[Cell<'_>],
    insert: String,
    buffer: &str,
) -> Moving {
    let is_key = |cell: &&Cell<'_>| prepared.key.contains(&cell.plan.target.name);
    match way {
        Merge::OnConflict => {
            let key = sql::list(prepared.key.iter().map(String::as_str));
            let mut set: Vec<&Cell<'_>> = cells.iter().filter(|cell| !is_key(cell)).collect();
            // A table of nothing but its key: the update changes nothing, and counts the row.
            if set.is_empty() {
                set = cells.iter().collect();
            }
            let set: Vec<String> =
                set.iter().map(|cell| format!("{0} = excluded.{0}", cell.name)).collect();
            let set = set.join(", ");
            Moving {
                delete: None,
                insert: format!("{insert} on conflict ({key}) do update set {set}"),
                empty: empty(buffer),
            }
        }
        Merge::DeleteInsert => {
            let equal: Vec<String> = cells
                .iter()
                .filter(is_key)
                .map(|cell| format!("t.{} = {}", cell.name, cell.value("s")))
                .collect();
            let delete = format!(
                "delete from {} t using {buffer} s where {}",
                sql::table(&prepared.target),
                equal.join(" and ")
            );
            Moving { delete: Some(delete), insert, empty: empty(buffer) }
        }
    }
}
