//! The promise of the type table: every type that a column can have in a fresh database arrives
//! exactly, as bytes and as batches. psql compares the text of every cell and the type of every
//! column.

use std::fmt::Write as _;

use crate::ferry::{Ferry, Wish};
use crate::literals::{LITERALS, OWN_TYPES};
use crate::server::{self, Server};

/// Columns of one table: far below the server's 1600.
const COLUMNS: usize = 60;

/// A type that a column can have, by name, with the literals for its values.
struct Candidate {
    name: String,
    literals: Vec<String>,
}

/// Every type of the catalogue that `create table` takes. Tried out and not guessed.
fn column_types(server: &Server) -> Vec<Candidate> {
    server.psql(
        "create table tried (name text, element text, fields int);
         do $$ declare t record; begin
             for t in select p.oid, format_type(p.oid, null) as name, p.typrelid,
                     (select format_type(e.oid, null) from pg_type e
                         where e.oid = p.typelem and e.typarray = p.oid) as element
                 from pg_type p join pg_namespace n on n.oid = p.typnamespace
                 where n.nspname in ('pg_catalog', 'information_schema', 'public')
                     and p.typrelid not in (select oid from pg_class where relname = 'tried')
                     and format_type(p.oid, null) not like 'tried%' loop
                 begin
                     execute 'create table attempt (c ' || t.name || ')';
                     drop table attempt;
                     insert into tried values (t.name, t.element, (select count(*)
                         from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0));
                 exception when others then null;
                 end;
             end loop;
         end $$;",
    );
    let rows = server
        .psql("select name, coalesce(element, ''), coalesce(fields, 0) from tried order by name;");
    rows.lines()
        .map(|row| {
            let mut parts = row.split('|');
            let name = parts.next().unwrap().to_owned();
            let element = parts.next().unwrap();
            let fields: usize = parts.next().unwrap().parse().unwrap();
            let literals = literals(&name, element, fields);
            Candidate { name, literals }
        })
        .collect()
}

/// Values of a type: those of the list, a row of nulls for a row type, arrays of the element's.
fn literals(name: &str, element: &str, fields: usize) -> Vec<String> {
    let listed = |name: &str| {
        let found = LITERALS.iter().find(|(listed, _)| *listed == name);
        found.map(|(_, values)| values.iter().map(|value| (*value).to_owned()).collect())
    };
    if let Some(values) = listed(name) {
        return values;
    }
    if !element.is_empty() {
        let of_element: Vec<String> = listed(element).unwrap_or_default();
        let typed = |value: &String| format!("({value})::{element}");
        let all: Vec<String> = of_element.iter().map(typed).collect();
        return vec![
            format!("array[]::{name}"),
            format!("array[null]::{name}"),
            format!("array[{}]::{name}", all.join(", ")),
        ];
    }
    if fields > 0 {
        return vec![format!("'({})'", ",".repeat(fields - 1))];
    }
    Vec::new()
}

/// Makes `table` with these columns: one row of nulls, and as many rows as the longest list.
fn fill(server: &Server, table: &str, columns: &[Candidate]) {
    let definitions: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| format!("c{index} {}", column.name))
        .collect();
    let mut statements =
        format!("create table {table} (id int primary key, {});", definitions.join(", "));
    let rows = columns.iter().map(|column| column.literals.len()).max().unwrap_or(0);
    for row in 0..=rows {
        let values: Vec<&str> = columns
            .iter()
            .map(|column| match column.literals.get(row) {
                Some(value) => value.as_str(),
                None => "null",
            })
            .collect();
        let values = values.join(", ");
        write!(statements, "insert into {table} values ({row}, {values});").unwrap();
    }
    server.psql(&statements);
}

/// All columns in one query; the text of each cell in hexadecimal, so that nothing is hidden.
pub(crate) fn cells(server: &Server, table: &str, columns: usize) -> String {
    let cells: Vec<String> = (0..columns)
        .map(|column| {
            format!("coalesce(encode(convert_to(c{column}::text, 'UTF8'), 'hex'), 'null')")
        })
        .collect();
    server.psql(&format!("select {} from {table} order by id;", cells.join(", ")))
}

/// The text of every cell and the type of every column; nothing that depends on row order.
fn assert_equal(server: &Server, from: &str, to: &str, columns: usize, what: &str) -> usize {
    let types = |table: &str| {
        server.psql(&format!(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute
             where attrelid = '{table}'::regclass and attnum > 0 order by attnum;"
        ))
    };
    assert_eq!(types(from), types(to), "{what}: {to}");
    let (left, right) = (cells(server, from, columns), cells(server, to, columns));
    let mut compared = 0;
    for (left, right) in left.lines().zip(right.lines()) {
        for (column, (left, right)) in left.split('|').zip(right.split('|')).enumerate() {
            if left != right {
                let name = types(from).lines().nth(column + 1).unwrap_or_default().to_owned();
                panic!("{what}: column {name} of {to}: {left} became {right}");
            }
            compared += 1;
        }
    }
    assert_eq!(left, right, "{what}: {to}");
    compared
}

/// Tables with a column of every type, and how many columns each has; how many types have values.
pub(crate) fn every_type(server: &Server) -> (Vec<(&'static str, usize)>, usize) {
    server.psql("create extension hstore; create extension citext; create extension ltree;");
    server.psql(OWN_TYPES);
    let candidates = column_types(server);
    assert!(candidates.len() > 300, "only {} types", candidates.len());
    let with_values = candidates.iter().filter(|found| !found.literals.is_empty()).count();
    let mut tables = Vec::new();
    let mut rest = candidates.into_iter().peekable();
    while rest.peek().is_some() {
        let columns: Vec<Candidate> = rest.by_ref().take(COLUMNS).collect();
        let table: &'static str = format!("src_{}", tables.len()).leak();
        fill(server, table, &columns);
        tables.push((table, columns.len()));
    }
    (tables, with_values)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_a_fresh_database_arrives() {
    let Some(server) = server::start() else { return };
    let (tables, with_values) = every_type(&server);
    let ferry = Ferry::new(&server).await;
    let mut cells = 0;
    for wire in [true, false] {
        for (table, columns) in &tables {
            let to: &'static str = format!("dst_{wire}_{table}").leak();
            let wish = Wish { wire, ..Wish::replace(table, to) };
            let plan = ferry.plan(&wish).await;
            if wire {
                ferry.assert_passes(&plan);
            }
            if let Err(error) = ferry.copy(&wish).await {
                let types: Vec<String> = plan
                    .columns
                    .iter()
                    .map(|column| {
                        format!("{} {}", column.source.name, column.source.native.declared)
                    })
                    .collect();
                panic!("wire {wire}: {error} of {}", types.join(", "));
            }
            cells +=
                assert_equal(&server, table, to, *columns, if wire { "bytes" } else { "batches" });
        }
    }
    println!("{with_values} types with values, {cells} cells");
}

/// Types that copying tools are known to change values of.
const ADVERSARIAL: [&str; 32] = [
    "smallint",
    "bigint",
    "oid",
    "xid8",
    "real",
    "double precision",
    "numeric",
    "money",
    "text",
    "bpchar",
    "\"char\"",
    "bytea",
    "json",
    "jsonb",
    "date",
    "time without time zone",
    "time with time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "interval",
    "uuid",
    "inet",
    "cidr",
    "bit varying",
    "numrange",
    "int4multirange",
    "tsvector",
    "xml",
    "public.hstore",
    "mood",
    "address",
    "nested",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_types_in_five_rows_keep_all_cells() {
    let Some(server) = server::start() else { return };
    server.psql("create extension hstore;");
    server.psql(OWN_TYPES);
    let columns: Vec<Candidate> = ADVERSARIAL
        .iter()
        .map(|name| {
            let (_, values) = LITERALS.iter().find(|(listed, _)| listed == name).unwrap();
            // Four rows of values behind the row of nulls.
            let literals = values.iter().cycle().take(4).map(|value| (*value).to_owned()).collect();
            Candidate { name: (*name).to_owned(), literals }
        })
        .collect();
    fill(&server, "src", &columns);
    let ferry = Ferry::new(&server).await;
    for (wire, to) in [(true, "by_bytes"), (false, "by_batches")] {
        ferry.copy(&Wish { wire, ..Wish::replace("src", to) }).await.unwrap();
        assert_eq!(assert_equal(&server, "src", to, columns.len(), to), 160);
    }
}
