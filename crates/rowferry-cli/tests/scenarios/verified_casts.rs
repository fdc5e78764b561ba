//! `verify` of a job that casts values: the source is compared as the copy writes it, and a repair
//! writes what the copy would have written.

use rowferry_testkit::Engine;

use crate::two_ends::TwoEnds;
use crate::world::Told;

/// The table of a source, and what is cast in it.
struct Cast {
    table: &'static str,
    casts: &'static str,
}

const fn of(from: Engine) -> Cast {
    match from {
        Engine::Postgres => Cast {
            table: "create table t (id bigint primary key, ms bigint, rate float8, seen timestamp, \
                        price numeric(10,2)); \
                    insert into t values (1, 1700000000123, 1.5, '2024-02-29 12:00', '1.50'), \
                        (2, null, 'NaN', 'infinity', '2'), (3, 0, 2.5, '2020-01-01', 'NaN'), \
                        (4, -1, 'Infinity', '-infinity', '0.1'), (5, 86400000, 0, null, null)",
            casts: "{ ms: epoch=ms, rate: else null, seen: else clamp, price: else skip_row }",
        },
        Engine::Mariadb | Engine::Mysql => Cast {
            table: "set sql_mode = ''; \
                    create table t (id bigint primary key, ms int unsigned, seen date, day date); \
                    insert into t values (1, 1700000000, '2024-02-29', '2024-02-29'), \
                        (2, null, '0000-00-00', null), (3, 0, '2020-01-10', '0000-00-00'), \
                        (4, 4294967295, null, '1000-01-01'), (5, 86400, '9999-12-31', null)",
            casts: "{ ms: epoch=s, seen: else null, day: else skip_row }",
        },
        Engine::Sqlite => Cast {
            table: "create table t (id integer primary key, ms integer, seen date, at datetime); \
                    insert into t values (1, 1700000000, 2460000.5, 1700000000000), \
                        (2, null, 2440587.5, 0), (3, 0, null, null), (4, -1, 2460001.5, 1), \
                        (5, 86400, 2460002.5, -1)",
            casts: "{ ms: epoch=s, seen: epoch=julian, at: epoch=ms }",
        },
    }
}

fn verify(ends: &TwoEnds, words: &[&str]) -> Told {
    ends.world.run(&[&["verify", "job.yaml", "--output", "json"][..], words].concat())
}

fn casts_are_no_differences(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "casts") else { return };
    let cast = of(from);
    ends.source.exec(cast.table);
    let line = |casts: &str| format!("{{ source: t, casts: {casts} }}");
    ends.write_job("chunk_rows: 2", &[&line(cast.casts)]);
    ends.run_job(&[]).expect(0);
    let report = verify(&ends, &[]).expect(0).json();
    // Only servers that do not hold such values leave a row out.
    let kept: u64 = ends.target.value("select count(*) from t").parse().unwrap();
    let leaves_out = matches!(
        (from, to),
        (Engine::Postgres, Engine::Mariadb) | (Engine::Mariadb, Engine::Postgres)
    );
    assert_eq!(kept, if leaves_out { 4 } else { 5 });
    assert_eq!(report["tables"][0]["rows_source"], kept, "{report}");
    assert_eq!(report["tables"][0]["rows_target"], kept, "{report}");
    let rules = report["tables"][0]["rules"].to_string();
    assert!(rules.contains(r#"{"column":"ms","rule":"cast"}"#), "{rules}");

    let rows = || ends.target.query("select * from t order by id");
    let copied = rows();
    ends.target.exec("update t set ms = null where id = 1; delete from t where id = 5");
    let report = verify(&ends, &[]).expect(1).json();
    assert_eq!(report["tables"][0]["mismatches"], 1, "{report}");
    assert_eq!(report["tables"][0]["missing"], 1, "{report}");
    verify(&ends, &["--repair", "apply", "--undo", "undo.sql"]).expect(0);
    verify(&ends, &[]).expect(0);
    // SQLite has many spellings of a time, which are equal to `verify`.
    if to != Engine::Sqlite {
        assert_eq!(rows(), copied);
    }
}

every_direction!(nine: casts_are_no_differences);

/// A value at which a copy would stop is no difference, and never equal.
#[test]
fn a_value_that_no_copy_takes_is_an_error() {
    let Some(ends) = TwoEnds::new(Engine::Sqlite, Engine::Sqlite, "casts") else { return };
    ends.source
        .exec("create table t (id integer primary key, word text); insert into t values (1, '1')");
    ends.write_job("", &["{ source: t, casts: { word: 'decimal(9,2)' } }"]);
    ends.run_job(&[]).expect(0);
    verify(&ends, &[]).expect(0);
    ends.source.exec("update t set word = 'one'");
    let told = verify(&ends, &[]).expect(65);
    assert_eq!(told.slugs(), ["value-does-not-fit"]);
    assert!(told.stderr.contains("\"word\""), "{}", told.stderr);
}
