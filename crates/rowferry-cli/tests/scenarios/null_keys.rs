//! Keys that the source does not hold its rows to: null in a key column, the same key twice, in one
//! chunk and in two. Such a table is refused by the plan or the run, or its rows are told apart as
//! `on_duplicate` says; a second run changes nothing.

use rowferry_testkit::Engine;

use crate::dump::{Columns, Kind, assert_same, dump};
use crate::two_ends::TwoEnds;

const COLUMNS: Columns<'_> = &[("a", Kind::Int), ("b", Kind::Text), ("note", Kind::Text)];

/// Rows of a table without any constraint: `a` from 1 to 60, and what `more` adds.
fn fill(ends: &TwoEnds, more: &str) {
    ends.forget(&["loose"]);
    let rows: Vec<String> = (1..=60).map(|a| format!("({a}, 'b{a}', 'first')")).collect();
    ends.source.exec(&format!(
        "create table loose (a bigint, b varchar(20), note varchar(20)); \
         insert into loose values {}{more}",
        rows.join(", ")
    ));
}

/// One key in one chunk, and one in the last row of a chunk and the first of the next, as far as
/// rows decide.
const DOUBLED: &str = ", (7, 'b7', 'second'), (30, 'b30', 'second'), (30, 'b30', 'third')";

fn notes_of_doubled(ends: &TwoEnds) -> Vec<String> {
    ends.target.query("select a, note from loose where a in (7, 30) order by a, note")
}

/// A target that holds its rows to the key, where they are to be found by it.
fn make_target(ends: &TwoEnds, write: &str) {
    ends.forget_target(&["loose", "touched"]);
    if write == "upsert" {
        ends.target.exec(
            "create table loose (a bigint not null primary key, b varchar(20), note varchar(20))",
        );
    }
}

/// Doubled keys: refused unless said otherwise, and then one row of each is left.
fn doubled_keys_are_told(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "doubled") else { return };
    for write in ["upsert", "append", "replace"] {
        fill(&ends, DOUBLED);
        let table =
            |on: &str| format!("{{ source: loose, key: [a], write: {write}, on_duplicate: {on} }}");
        make_target(&ends, write);
        ends.write_job("chunk_rows: 10", &[&table("fail")]);
        let told = ends.run_job(&[]).expect(65);
        assert!(told.stderr.contains("loose"), "{write}: {}", told.stderr);
        for (on, kept) in [("first", "first"), ("last", "")] {
            make_target(&ends, write);
            ends.write_job("chunk_rows: 10", &[&table(on)]);
            let report = ends.run_job(&[]).expect(0).json();
            assert_eq!(report["totals"]["duplicates"], 3, "{write}, {on}: {report}");
            assert_eq!(ends.target.value("select count(*) from loose"), "60");
            let notes = notes_of_doubled(&ends);
            assert_eq!(notes.len(), 2, "{notes:?}");
            // Which of equal keys comes first is the source's business, but for SQLite's rowid.
            assert!(
                from != Engine::Sqlite || notes.iter().all(|row| row.ends_with(kept)),
                "{notes:?}"
            );
        }
    }
}

/// Without a word about duplicates an append copies the rows as they are, cut by what repeats.
fn doubled_rows_stay_doubled(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "repeated") else { return };
    fill(&ends, &format!("{DOUBLED}, (null, 'x', 'n'), (null, 'x', 'n'), (null, null, 'n')"));
    for write in ["append", "replace"] {
        ends.forget_target(&["loose"]);
        let told = ends.copy("loose", &["--write", write, "--cut-by", "a", "--chunk-rows", "10"]);
        told.expect(0);
        let expected = dump(&ends.source, "loose", COLUMNS);
        assert_eq!(expected.len(), 66);
        assert_same(write, &expected, &dump(&ends.target, "loose", COLUMNS));
        let chunks = ends.target.value("select count(*) from _rowferry_chunk");
        assert!(chunks.parse::<u32>().unwrap() > 4, "{chunks}");
    }
}

/// A null never equals a null, so an upsert by such a key would insert its rows with each run:
/// refused, or each row there once however often it runs.
fn nulls_are_not_inserted_twice(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "nulls") else { return };
    fill(&ends, ", (61, null, 'n'), (62, null, 'n'), (null, 'x', 'n')");
    // As someone made it by hand, with a unique key that takes nulls.
    let target = "create table loose (a bigint, b varchar(20), note varchar(20)); \
         create unique index loose_key on loose (a, b)";
    for make in ["", target] {
        ends.forget_target(&["loose"]);
        ends.target.exec(&format!("select 1; {make}"));
        let expected = dump(&ends.source, "loose", COLUMNS);
        for round in 1..=2 {
            ends.write_job("chunk_rows: 10", &["{ source: loose, key: [a, b], write: upsert }"]);
            let told = ends.run_job(&[]);
            if told.code == 0 {
                let found = dump(&ends.target, "loose", COLUMNS);
                assert_same(&format!("round {round}"), &expected, &found);
            } else {
                assert!(matches!(told.code, 65 | 78), "{told:?}");
                assert!(told.stderr.contains("loose"), "{}", told.stderr);
                let counts = "select a, b, count(*) from loose group by a, b having count(*) > 1";
                let twice = ends.target.try_query(counts).unwrap_or_default();
                assert!(twice.is_empty(), "round {round}: {twice:?}");
                let nulls = "select count(*) from loose where a is null or b is null";
                let nulls = ends.target.try_query(nulls).unwrap_or_default();
                assert!(nulls.is_empty() || nulls == ["0"], "round {round}: {nulls:?}");
            }
        }
    }
}

/// The second run of an upsert leaves every row as it is.
fn a_second_run_changes_nothing(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "second") else { return };
    fill(&ends, "");
    make_target(&ends, "upsert");
    let job = || {
        ends.write_job("chunk_rows: 10", &["{ source: loose, key: [a], write: upsert }"]);
        ends.run_job(&[]).expect(0);
    };
    job();
    let first = dump(&ends.target, "loose", COLUMNS);
    assert_same("first", &dump(&ends.source, "loose", COLUMNS), &first);
    // What is really changed goes by a trigger of the target's own.
    let watch = match to {
        Engine::Postgres => {
            "create table touched (a bigint); \
             create function touch() returns trigger language plpgsql as $$ begin \
             if old is distinct from new then insert into touched values (new.a); end if; \
             return new; end $$; \
             create trigger touch before update on loose for each row execute function touch()"
        }
        Engine::Mariadb | Engine::Mysql => {
            "create table touched (a bigint);\ndelimiter //\n\
             create trigger touch before update on loose for each row \
             if not (old.a <=> new.a and old.b <=> new.b and old.note <=> new.note) \
             then insert into touched values (new.a); end if//\n"
        }
        Engine::Sqlite => {
            "create table touched (a bigint); \
             create trigger touch before update on loose \
             when old.a is not new.a or old.b is not new.b or old.note is not new.note \
             begin insert into touched values (new.a); end"
        }
    };
    ends.target.exec(watch);
    job();
    assert_same("second", &first, &dump(&ends.target, "loose", COLUMNS));
    assert_eq!(ends.target.value("select count(*) from touched"), "0");
    ends.source.exec("update loose set note = 'new' where a = 33");
    job();
    assert_eq!(ends.target.query("select a from touched"), ["33"]);
}

macro_rules! each {
    ($($test:ident)*) => {
        $(
            mod $test {
                use super::*;

                every_direction! { $test:
                    postgres_to_postgres: Postgres => Postgres;
                    postgres_to_sqlite: Postgres => Sqlite;
                    mysql_to_mysql: Mysql => Mysql;
                    sqlite_to_mariadb: Sqlite => Mariadb;
                }
            }
        )*
    };
}

each! {
    doubled_keys_are_told
    doubled_rows_stay_doubled
    nulls_are_not_inserted_twice
    a_second_run_changes_nothing
}
