//! Arrays of PostgreSQL that differ: repaired as the server itself compares them, and damaged again by
//! the undo.

use rowferry_testkit::{Database, Engine};

use crate::two_ends::TwoEnds;
use crate::world::Told;

/// Column, type, and the values of the first and the second row: of every type whose arrays are read as
/// lists, then of some whose arrays are read as the server's text.
const COLUMNS: [(&str, &str, &str, &str); 32] = [
    ("bools", "boolean[]", "'{t,f,NULL}'", "'{f}'"),
    ("smalls", "smallint[]", "'{-32768,NULL,32767}'", "'{0}'"),
    ("ints", "integer[]", "'{-2147483648,NULL}'", "'{1,2,3}'"),
    ("bigs", "bigint[]", "'{-9223372036854775808,9223372036854775807}'", "'{NULL}'"),
    ("oids", "oid[]", "'{0,4294967295}'", "'{1}'"),
    ("xids", "xid[]", "'{4294967295,NULL}'", "'{3}'"),
    ("reals", "real[]", "'{NaN,Infinity,-Infinity,-0,1e-45,0.1}'", "'{3.4028235e38,NULL}'"),
    ("doubles", "double precision[]", "'{NaN,-Infinity,-0,5e-324,0.1}'", "'{1e20,NULL}'"),
    ("prices", "numeric(12,3)[]", "'{1.100,-999999999.999,NULL}'", "'{0.001}'"),
    ("digits", "numeric[]", "'{1.10,NaN,Infinity,-12345678901234567890.50}'", "'{1e40,NULL}'"),
    ("moneys", "money[]", "'{-92233720368547758.08,12.34,NULL}'", "'{0.01}'"),
    (
        "texts",
        "text[]",
        "array['', 'NULL', null, 'null', E'a\"b\\\\c\\n\\t{},;''', ' x ', '😀', '\\x41', '{a,b}']",
        "array['NULL', null, ',', '{}', '\"', '\\']",
    ),
    ("shorts", "varchar(9)[]", "array['ä  ', '', 'a,\"b\"']", "array['NULL', null]"),
    ("padded", "char(4)[]", "array['a', '', 'NULL', null]", "array['{,}\\']"),
    ("names", "name[]", "array['', 'a,b', repeat('n', 63)]", "array['NULL'::name, null]"),
    (
        "letters",
        "\"char\"[]",
        "array['a', '', '\"', ',', '\\', (-61)::\"char\", null]::\"char\"[]",
        "array['{']",
    ),
    ("folded", "citext[]", "array['ÄbC', 'NULL', null]", "array['äbc']"),
    (
        "bytes",
        "bytea[]",
        "array['\\x00ff5c222c7b7d'::bytea, '', null, '\\x4e554c4c']",
        "array['a,b'::bytea]",
    ),
    ("dates", "date[]", "'{2024-02-29,infinity,-infinity,0044-03-15 BC}'", "'{0001-01-01,NULL}'"),
    ("times", "time[]", "'{24:00,00:00,23:59:59.999999}'", "'{12:00:00.5,NULL}'"),
    (
        "stamps",
        "timestamp[]",
        "'{2024-02-29 12:34:56.123456,infinity,0044-03-15 13:00:00 BC,294246-12-31}'",
        "'{-infinity,NULL}'",
    ),
    (
        "rounded",
        "timestamp(3)[]",
        "'{2024-02-29 12:34:56.123,NULL}'",
        "'{1969-12-31 23:59:59.999}'",
    ),
    (
        "instants",
        "timestamptz[]",
        "'{2024-02-29 12:34:56.5+05:30,infinity,0044-03-15 13:00:00+00 BC}'",
        "'{-infinity,NULL}'",
    ),
    ("uuids", "uuid[]", "'{0189aa4e-4c8e-7def-8123-456789abcdef,NULL}'", "'{}'"),
    // The document `null` and an element that is NULL are not the same.
    (
        "documents",
        "json[]",
        "array['null', null, '{\"a\" : 1.10, \"a\":\"x,\\\\\\\"}\"}', '[]', '\"NULL\"']::json[]",
        "array[null, 'null', '1e400']::json[]",
    ),
    (
        "trees",
        "jsonb[]",
        "array['null', null, '{\"a\": [1.10, \"\\\\\"]}', '\"\"']::jsonb[]",
        "array[null, 'null']::jsonb[]",
    ),
    ("moods", "mood[]", "array['sad', null, 'a, \"b\"', 'NULL']::mood[]", "array['{}']::mood[]"),
    ("few", "few", "'{1,NULL,3}'", "'{}'"),
    ("spans", "interval[]", "'{1 mon -1 day 25:00:00.000001,NULL}'", "'{0}'"),
    ("flags", "bit(3)[]", "'{101,NULL}'", "'{000}'"),
    ("hosts", "inet[]", "'{10.0.0.1/8,::1,NULL}'", "'{::}'"),
    ("ranges", "int4range[]", "array['[1,5)', 'empty', null]::int4range[]", "'{}'"),
];

const TYPES: &str = "create extension if not exists citext;
    create type mood as enum ('sad', 'a, \"b\"', 'NULL', '{}');
    create domain few as integer[] check (cardinality(value) < 9);";

fn make() -> String {
    let part = |part: fn(&(&'static str, &str, &'static str, &'static str)) -> String| {
        COLUMNS.iter().map(part).collect::<Vec<_>>().join(", ")
    };
    format!(
        "{TYPES} create table lists (id integer primary key, {});
         insert into lists values (1, {}), (2, {}), (3, {}), (4, {});",
        part(|(name, declared, ..)| format!("{name} {declared}")),
        part(|(_, _, first, _)| (*first).to_owned()),
        part(|(_, _, _, second)| (*second).to_owned()),
        part(|_| "'{}'".to_owned()),
        part(|_| "null".to_owned()),
    )
}

/// The values of some rows of the target, put into others.
fn damage(target: &Database) {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    let names = names.join(", ");
    target.exec(&format!(
        "create table kept as select * from lists;
         update lists set ({names}) = (select {names} from kept where id = 2) where id = 1;
         update lists set ({names}) = (select {names} from kept where id = 4) where id = 3;
         delete from lists where id = 2;
         insert into lists select 9, {names} from kept where id = 1;
         create table damaged as select * from lists;"
    ));
}

/// Both tables hold the same rows, by the server's own comparison of values and of their texts.
fn assert_same(target: &Database, left: &str, right: &str) {
    for (name, declared, ..) in COLUMNS {
        // json has no comparison but that of its texts.
        let kinds: &[&str] = if declared == "json[]" { &["::text"] } else { &["", "::text"] };
        for kind in kinds {
            let differ = target.query(&format!(
                "select id, l.{name}::text, r.{name}::text from {left} l full join {right} r using (id)
                 where l.{name}{kind} is distinct from r.{name}{kind}"
            ));
            assert!(differ.is_empty(), "{name}{kind} of {left} and {right}: {differ:?}");
        }
    }
    let ids = |table: &str| target.query(&format!("select id from {table} order by id"));
    assert_eq!(ids(left), ids(right));
}

fn verify(ends: &TwoEnds, words: &[&str]) -> Told {
    ends.world.run(&[&["verify", "job.yaml"], words].concat())
}

/// The keys that were told of, with the kind of difference.
fn told_of(told: &Told) -> Vec<(&str, &str)> {
    let lines = told.stdout.lines().filter_map(|line| {
        let (kind, rest) = line.split_once(" table=lists id=")?;
        Some((kind, rest.split(' ').next().unwrap_or_default()))
    });
    let mut found: Vec<_> = lines.collect();
    found.dedup();
    found
}

#[test]
fn arrays_of_every_type_are_repaired_and_damaged_again() {
    let Some(ends) = TwoEnds::new(Engine::Postgres, Engine::Postgres, "repaired_lists") else {
        return;
    };
    ends.source.exec(&make());
    // What an extension brings is not made by a copy.
    ends.target.exec("create extension if not exists citext");
    ends.write_job("chunk_rows: 700", &["source: lists"]);
    ends.run_job(&[]).expect(0);
    damage(&ends.target);

    let damaged = [("MISMATCH", "1"), ("MISMATCH", "3"), ("MISSING", "2"), ("EXTRA", "9")];
    let is_named = || {
        let told = verify(&ends, &["--verbose"]).expect(1);
        let mut found = told_of(&told);
        found.sort_unstable();
        let mut damaged = damaged.to_vec();
        damaged.sort_unstable();
        assert_eq!(found, damaged, "{}", told.stdout);
    };
    is_named();
    verify(&ends, &["--repair", "apply", "--undo", "undo.sql"]).expect(0);
    verify(&ends, &[]).expect(0);
    assert_same(&ends.target, "lists", "kept");

    ends.target.exec(&std::fs::read_to_string(ends.world.path("undo.sql")).unwrap());
    assert_same(&ends.target, "lists", "damaged");
    is_named();

    // The same statements, run by the server's own client.
    let script = verify(&ends, &["--repair", "sql"]).expect(1).stdout;
    ends.target.exec(&script);
    assert_same(&ends.target, "lists", "kept");
    verify(&ends, &[]).expect(0);
}

/// Arrays that are no lists have their column read as text, at both ends: a single one must not make
/// all other rows differ.
#[test]
fn arrays_of_other_shapes_are_repaired_at_both_ends() {
    let Some(ends) = TwoEnds::new(Engine::Postgres, Engine::Postgres, "repaired_shapes") else {
        return;
    };
    ends.source.exec(
        "create table lists (id integer primary key, a integer[], b text[], c numeric(5,2)[]);
         insert into lists select i, array[i, null], array['x,' || i, 'NULL'], array[i] \
             from generate_series(1, 50) i;
         insert into lists values (51, '{{1,2},{3,NULL}}', '[0:1]={\"a,\",NULL}', '{NaN}')",
    );
    ends.write_job("chunk_rows: 700", &["source: lists"]);
    ends.run_job(&[]).expect(0);
    ends.target.exec("create table kept as select * from lists");
    let repaired = |damage: &str, keys: &[&str]| {
        ends.target.exec(damage);
        let told = verify(&ends, &["--verbose"]).expect(1);
        let found: Vec<&str> = told_of(&told).into_iter().map(|(_, id)| id).collect();
        assert_eq!(found, keys, "{}", told.stdout);
        verify(&ends, &["--repair", "apply", "--undo", &format!("{}.sql", keys[0])]).expect(0);
        verify(&ends, &[]).expect(0);
        let differ = "select id from lists l full join kept k using (id) where l::text <> k::text";
        assert_eq!(ends.target.query(differ), Vec::<String>::new());
    };
    repaired("update lists set a = '{9}', b = '{}', c = '{9}' where id = 51", &["51"]);
    // Only the target has them.
    ends.source.exec("delete from lists where id = 51");
    ends.target.exec("delete from lists where id = 51; delete from kept where id = 51");
    repaired(
        "update lists set a = '{{1,2},{3,4}}', b = '[7:7]={x}', c = '{{1},{NaN}}' where id = 7",
        &["7"],
    );
}

/// A list in another engine's column is JSON, in which arrays of other shapes are nothing: they are an
/// error, and no difference of every row.
#[test]
fn lists_that_became_json_are_repaired() {
    for to in [Engine::Mariadb, Engine::Sqlite] {
        let Some(ends) = TwoEnds::new(Engine::Postgres, to, "repaired_json") else { return };
        ends.source.exec(
            "create table lists (id integer primary key, a text[], b timestamp[], c bytea[]);
             insert into lists values (1, array['NULL', null, E'\"\\\\,{}'],
                 '{2024-02-29 12:34:56.5,NULL}', array['\\x00ff'::bytea]), (2, '{}', '{}', '{}')",
        );
        ends.write_job("chunk_rows: 700", &["source: lists"]);
        ends.run_job(&[]).expect(0);
        let rows = "select id, a, b, c from lists order by id";
        let before = ends.target.query(rows);
        ends.target.exec("update lists set a = '[1]', c = null where id = 1");
        ends.target.exec("delete from lists where id = 2");
        verify(&ends, &["--repair", "apply", "--undo", "undo.sql"]).expect(0);
        verify(&ends, &[]).expect(0);
        assert_eq!(ends.target.query(rows), before);

        ends.source.exec("update lists set b = '{{2024-01-01},{2024-01-02}}' where id = 2");
        let told = verify(&ends, &["--verbose"]).expect(65);
        assert!(told_of(&told).is_empty(), "{}", told.stdout);
        assert!(told.stderr.contains("column b"), "{}", told.stderr);
    }
}

#[test]
fn elements_become_those_of_the_target() {
    let Some(ends) = TwoEnds::new(Engine::Postgres, Engine::Postgres, "repaired_elements") else {
        return;
    };
    ends.source.exec(
        "create table lists (id integer primary key, a integer[], b numeric(8,3)[], c text[]);
         insert into lists values (1, '{7,NULL}', '{1.5,NULL,-0.25}', '{a,NULL}')",
    );
    ends.target.exec(
        "create table lists (id integer primary key, a bigint[], b numeric(6,2)[], c varchar(3)[]);
         insert into lists values (1, '{8}', '{1.5}', '{}')",
    );
    let (source, target) = (ends.source.url(), ends.target.url());
    let repair = ["repair", &source, &target, "--tables", "lists"];
    let script = ends.world.run(&repair).expect(1).stdout;
    ends.target.exec(&script);
    let found = ends.target.value("select a, b, c from lists");
    assert_eq!(found, "{7,NULL}\t{1.50,NULL,-0.25}\t{a,NULL}");
    ends.world.run(&["verify", &source, &target, "--tables", "lists"]).expect(0);

    // No digit is rounded away without a word.
    ends.source.exec("update lists set b = '{1.005}'");
    let told = ends.world.run(&repair).expect(65);
    assert_eq!(told.slugs(), ["cannot-hold"], "{}", told.stderr);
}
