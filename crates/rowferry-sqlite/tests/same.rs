//! From file to file: the table, its indexes, its numbering and each cell are the same, by the
//! sqlite3 client.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use proptest::prelude::*;
use rowferry_core::{
    Chunk, ChunkNo, ColumnWish, KeyRange, ReplaceMode, Sink, Source, TableRef, WriteMode,
};

use crate::copy::{
    Ask, Files, by_meaning, copy, copy_chunk, execute, open_sink, open_source, oracle, plan, start,
    value,
};

/// Class and exact value of each cell: `quote` of text ends at U+0000, so its bytes stand beside it.
fn cells_sql(files: &Files, table: &str) -> String {
    let connection = rusqlite::Connection::open(&files.source).unwrap();
    let cells: Vec<String> = connection
        .prepare("select name from pragma_table_xinfo(?1)")
        .unwrap()
        .query_map([table], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|name| {
            let name = name.unwrap().replace('"', "\"\"");
            format!("typeof(\"{name}\"), quote(\"{name}\"), hex(cast(\"{name}\" as blob))")
        })
        .collect();
    format!("select {} from \"{}\"", cells.join(", "), table.replace('"', "\"\""))
}

/// Everything that belongs to the table, from the first bracket on: a renamed table has its name
/// between quotes.
const SCHEMA: &str = "select type, name, tbl_name, substr(sql, instr(sql, '(')), sql glob '*UNIQUE*' \
     from sqlite_schema where name not like 'sqlite_autoindex%' and name not glob '_rowferry_*' \
     and type in ('table', 'index')";

fn assert_same(files: &Files, table: &str) {
    let cells = cells_sql(files, table);
    assert_eq!(oracle(&files.source, &cells), oracle(&files.target, &cells));
    assert_eq!(
        oracle(&files.source, SCHEMA).map(|schema| schema.to_lowercase()),
        oracle(&files.target, SCHEMA).map(|schema| schema.to_lowercase())
    );
    let check = "pragma integrity_check";
    assert_eq!(value(&files.target, check), "Text(\"ok\")");
}

const DECLARED: [&str; 34] = [
    "",
    "INT",
    "INTEGER",
    "BIGINT",
    "UNSIGNED BIG INT",
    "TEXT",
    "VARCHAR(3)",
    "CHAR(2)",
    "CLOB",
    "BLOB",
    "BLOB(2)",
    "REAL",
    "DOUBLE PRECISION",
    "FLOAT",
    "NUMERIC",
    "DECIMAL(4,1)",
    "BOOLEAN",
    "DATE",
    "DATETIME",
    "TIMESTAMP(3)",
    "TIME",
    "JSON",
    "UUID",
    "ANY",
    "STRING",
    "INTERVAL",
    "POINT",
    "U64_TEXT",
    "DECIMAL_TEXT(9,2)",
    "TIMESTAMPTZ_TEXT",
    "PERIOD_TEXT",
    "BIT_TEXT(9)",
    "BINARY(16)",
    "\"odd (type\"",
];

const VALUES: [&str; 16] = [
    "null",
    "0",
    "-1",
    "9223372036854775807",
    "1.5",
    "9e999",
    "-9e999",
    "1e300",
    "''",
    "'12'",
    "'x'",
    "'2024-01-01'",
    "cast(x'610062' as text)",
    "cast(x'ff' as text)",
    "x''",
    "x'00ff'",
];

/// Columns of every declared type, and a row of each value in all of them, behind a key.
fn declared_and_values() -> (Vec<String>, Vec<String>) {
    let columns: Vec<String> = DECLARED
        .iter()
        .enumerate()
        .map(|(index, declared)| format!("c{index} {declared}"))
        .collect();
    let rows: Vec<String> = VALUES
        .iter()
        .enumerate()
        .map(|(id, value)| format!("({id}{})", format!(", {value}").repeat(DECLARED.len())))
        .collect();
    (columns, rows)
}

#[tokio::test]
async fn every_class_in_every_declared_type() {
    let (columns, rows) = declared_and_values();
    for end in ["", " without rowid"] {
        let files = Files::with(&format!(
            "create table t (id int primary key not null, {}){end}; insert into t values {}",
            columns.join(", "),
            rows.join(", ")
        ));
        for replace in [ReplaceMode::Swap, ReplaceMode::Swap, ReplaceMode::Truncate] {
            copy(&files, &Ask { replace, ..Ask::full("t", &["id"]) }).await.unwrap();
            assert_same(&files, "t");
        }
        copy(&files, &Ask::direct("t", &["id"], WriteMode::Upsert)).await.unwrap();
        assert_same(&files, "t");
    }
}

/// Where rows have to be looked at on the way, columns with strays are read as what they hold.
#[tokio::test]
async fn every_class_also_travels_in_batches() {
    let (columns, rows) = declared_and_values();
    let files = Files::with(&format!(
        "create table t (id integer primary key, {}); insert into t values {}",
        columns.join(", "),
        rows.join(", ")
    ));
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let ask = Ask::full("t", &["id"]);
    let mut started = start(&source, &sink, &ask, rowferry_core::ClaimStart::NewRun).await.unwrap();
    for column in &mut started.plan.columns {
        while column.source.name != "id"
            && let Some(wider) = column.source.canonical.as_ref().unwrap().demoted()
        {
            column.source.canonical = Some(wider);
            let existing = Some(&column.target);
            let wish = ColumnWish { existing, ..ColumnWish::plain(&column.source, "c") };
            assert_eq!(sink.plan_column(&wish).unwrap().converted, None);
        }
    }
    started.prepared.columns.clone_from(&started.plan.columns);
    let spec = by_meaning(&started.plan);
    let key = started.plan.cut_by.clone().unwrap();
    let chunk = Chunk {
        no: ChunkNo(1),
        table: TableRef::bare("t"),
        range: KeyRange::Span { key, lower: None, upper: None },
        rows_estimated: None,
    };
    let snapshot = started.snapshot.as_ref();
    copy_chunk(snapshot, &sink, &started.prepared, &spec, &chunk).await.unwrap();
    started.lock.seal(&started.prepared).await.unwrap();
    started.lock.publish(&started.prepared, None).await.unwrap();
    assert_same(&files, "t");
}

#[tokio::test]
async fn strict_tables_stay_strict() {
    let files = Files::with(
        "create table t (id integer primary key, i int, r real, x text, b blob, a any) strict; \
         insert into t values (1, 5, 0.5, 'x', x'00', '1.0'), (2, null, 1, '', x'', 1.0), \
         (3, 7, -2, '7', x'07', x'ff'), (4, 1, 1e300, 'y', null, 'text')",
    );
    copy(&files, &Ask::full("t", &["id"])).await.unwrap();
    assert_same(&files, "t");
    // A part of it is made from the plan: no declared type keeps what `any` keeps here.
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let mut part = plan(&source, &sink, &Ask::full("t", &["id"])).await.unwrap();
    part.columns.retain(|column| column.target.name != "i");
    part.target = TableRef::bare("part");
    let ddl = sink.ddl(&part).join(";\n");
    assert!(ddl.contains("\"a\" BLOB"), "{ddl}");
}

#[tokio::test]
async fn a_table_takes_everything_with_it() {
    let files = Files::with(
        "create table parent (id integer primary key); insert into parent values (1);
         create table \"odd \"\"table\" /* ( */ (
           id integer primary key autoincrement, -- the number
           name text collate nocase not null default 'it''s' check (name <> 'x,('),
           parent int references parent (id) on delete cascade,
           above int references \"odd \"\"table\" (id),
           at text default current_timestamp,
           twice int generated always as (id * 2) virtual,
           kept text as (name || '!') stored,
           constraint sane check (above is null or above <> id),
           unique (name, parent)
         );
         create unique index by_above on \"odd \"\"table\" (above desc, name collate rtrim);
         create index part on \"odd \"\"table\" (name) where above is not null;
         create index lower_name on \"odd \"\"table\" (lower(name));
         create index plain on \"odd \"\"table\" (parent);
         insert into \"odd \"\"table\" (id, name, parent, above) values (1, 'a', 1, null),
           (5, 'b', null, 1), (90, 'gone', null, 5);
         delete from \"odd \"\"table\" where id = 90;",
    );
    let table = "odd \"table";
    let mut ask = Ask::full(table, &["id"]);
    ask.chunk_rows = 1;
    copy(&files, &Ask::full("parent", &["id"])).await.unwrap();
    for _ in 0..2 {
        copy(&files, &ask).await.unwrap();
        assert_same(&files, table);
        let next = "select seq from sqlite_sequence where name = 'odd \"table'";
        assert_eq!(value(&files.target, next), "Integer(90)");
    }
    execute(
        &files.target,
        "pragma foreign_keys = on; insert into \"odd \"\"table\" (name, above) values ('c', 5)",
    );
    let added = "select max(id) || twice || kept from \"odd \"\"table\"";
    assert_eq!(value(&files.target, added), "Text(\"91182c!\")");
    let described =
        open_source(&files.source).await.describe(&TableRef::bare(table)).await.unwrap();
    assert_eq!(described.next_identity, Some(91));
    assert_eq!(described.foreign_keys.len(), 2);
    assert_eq!(described.checks.len(), 2);
    assert_eq!(described.column("kept").unwrap().expression.as_deref(), Some("name || '!'"));
    let portable: Vec<&str> = described
        .indexes
        .iter()
        .filter(|index| index.portable)
        .map(|index| index.name.as_str())
        .collect();
    assert_eq!(portable, ["plain"]);
}

#[tokio::test]
async fn under_another_name_it_points_at_itself() {
    let files = Files::with(
        "create table t (id integer primary key, up int references t (id), n int check (t.n > 0));
         create index by_n on t (n) where t.n > 1; insert into t values (1, null, 1), (2, 1, 2)",
    );
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    execute(&files.target, "create table other (n int); create index by_n on other (n)");
    let mut renamed = plan(&source, &sink, &Ask::full("t", &["id"])).await.unwrap();
    renamed.target = TableRef::bare("u");
    renamed.stream.target_table = TableRef::bare("u");
    let mut lock = sink.lock(&renamed.stream).await.unwrap();
    let claim = lock.claim(rowferry_core::ClaimStart::NewRun).await.unwrap();
    let prepared = lock.prepare(&renamed, &claim).await.unwrap();
    lock.seal(&prepared).await.unwrap();
    lock.publish(&prepared, None).await.unwrap();
    let described = sink.describe(&TableRef::bare("u")).await.unwrap().unwrap().schema;
    assert_eq!(described.foreign_keys.first().map(|key| key.to.name.as_str()), Some("u"));
    assert_eq!(described.checks.first().map(|check| check.expression.as_str()), Some("n > 0"));
    assert_eq!(described.indexes.first().map(|index| index.name.as_str()), Some("u_n_idx"));
    execute(&files.target, "insert into u values (1, 1, 1)");
}

#[tokio::test]
async fn triggers_are_listed_and_stay_behind() {
    let files = Files::with(
        "create table t (id integer primary key); insert into t values (1); \
         create trigger never before delete on t begin select raise(abort, 'no'); end;",
    );
    let schema = open_source(&files.source).await.describe(&TableRef::bare("t")).await.unwrap();
    assert_eq!(schema.untranslated.first().map(|found| found.name.as_str()), Some("never"));
    copy(&files, &Ask::full("t", &["id"])).await.unwrap();
    execute(&files.target, "delete from t");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any words stand for a type in SQLite, and any value for a cell.
    #[test]
    fn odd_declared_types_are_copied(
        declared in prop::collection::vec("[ -~]{0,12}|[a-zA-Zéß ]{1,8}\\([0-9, -]{0,6}\\)", 1..4),
        value in prop::sample::select(VALUES.to_vec()),
    ) {
        // A word that stands between quotes can be a type whatever it is.
        let columns: Vec<String> = declared
            .iter()
            .enumerate()
            .map(|(index, declared)| format!("c{index} \"{}\"", declared.replace('"', "\"\"")))
            .collect();
        let values = format!(", {value}").repeat(declared.len());
        let files = Files::with(&format!(
            "create table t (id integer primary key, {}); insert into t values (1{values})",
            columns.join(", ")
        ));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(copy(&files, &Ask::full("t", &["id"]))).unwrap();
        assert_same(&files, "t");
    }
}

#[tokio::test]
async fn a_part_of_a_table_takes_what_still_makes_sense() {
    let files = Files::with(
        "create table t (id integer primary key autoincrement, a int default 5, gone int,
           twice int as (a * 2), both int as (a + gone), note text collate nocase,
           check (a > 0), check (gone > 0), unique (a, note), unique (gone));
         create index by_a on t (a); create index odd on t (a) where a > 1;
         create trigger tr after insert on t begin select 1; end;",
    );
    let source = open_source(&files.source).await;
    let sink = open_sink(&files.target).await;
    let mut part = plan(&source, &sink, &Ask::full("t", &["id"])).await.unwrap();
    part.columns.retain(|column| !column.target.generated && column.target.name != "gone");
    part.columns[1].target.name = "b".into();
    assert_eq!(
        sink.ddl(&part),
        [
            "create table \"t\" (\n  \"id\" INTEGER PRIMARY KEY AUTOINCREMENT,\n  \
             \"b\" INT default (5),\n  \"note\" TEXT collate \"nocase\",\n  \
             \"twice\" INT generated always as (\"b\" * 2),\n  \
             constraint \"t_check1\" check (\"b\" > 0)\n)",
            "create unique index \"t_b_note_idx\" on \"t\" (\"b\", \"note\")",
            "create index \"by_a\" on \"t\" (\"b\")",
        ]
    );
    assert_eq!(
        sink.not_carried(&part),
        [
            "trigger tr",
            "index odd",
            "key sqlite_autoindex_t_2, of which a column stays",
            "check t_check2",
            "computed column both",
        ]
    );
    execute(&files.target, &sink.ddl(&part).join(";\n"));
    assert!(sink.folds_names());
}
