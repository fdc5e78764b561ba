//! Rows that only the target's own rules refuse: found by halves, set aside by key, the others land.

use rowferry_testkit::Database;
use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};

use crate::ends::database;
use crate::world::World;

const ROWS: u32 = 10_000;

/// Every 200th row breaks the check of the target, row 4,000 its trigger.
const SOURCE: &str = "create table reading (id bigint primary key, amount integer, note varchar(20)); \
     insert into reading \
     select i, case when i % 200 = 7 then -1 else i end, case when i = 4000 then 'no' else 'fine' end \
     from generate_series(1, 10000) i";

fn bad(id: u32, trigger: bool) -> bool {
    id % 200 == 7 || trigger && id == 4_000
}

fn make_target(target: &Database, trigger: bool) {
    target.exec(
        "create table reading (id bigint not null primary key, amount integer check (amount >= 0), \
         note varchar(20))",
    );
    if !trigger {
        return;
    }
    target.exec(match target.engine() {
        Postgres => {
            "create function pick() returns trigger language plpgsql as $$ begin \
             if new.note = 'no' then raise exception 'not this one'; end if; return new; end $$; \
             create trigger pick before insert on reading for each row execute function pick()"
        }
        Mariadb | Mysql => {
            "delimiter //\ncreate trigger pick before insert on reading for each row \
             if new.note = 'no' then signal sqlstate '45000'; end if//\n"
        }
        Sqlite => {
            "create trigger pick before insert on reading when new.note = 'no' \
             begin select raise(abort, 'not this one'); end"
        }
    });
}

fn job(source: &Database, target: &Database, write: &str, settings: &str) -> String {
    format!(
        "version: 1\nconnections:\n  from: {}\n  to: {}\njobs:\n  - name: readings\n    \
         source: from\n    target: to\n    settings: {{ {settings} }}\n    tables:\n      \
         - source: reading\n        {write}\n",
        source.url(),
        target.url()
    )
}

/// Rows of `write` into a table with these rules.
fn others_land(to: Engine, write: &str, trigger: bool) {
    let world = World::new();
    let Some(source) = database(Postgres, &world, "aside_source") else { return };
    let Some(target) = database(to, &world, "aside_target") else { return };
    source.exec(SOURCE);
    make_target(&target, trigger);
    let settings = "on_bad_row: quarantine, max_rejects: 60";
    world.write("job.yaml", &job(&source, &target, write, settings));
    let report = world.run(&["run", "job.yaml", "--output", "json"]).expect(0).json();
    assert_eq!(report["status"], "degraded", "{report}");

    let expected = |wanted: bool| -> Vec<String> {
        (1..=ROWS).filter(|id| bad(*id, trigger) == wanted).map(|id| id.to_string()).collect()
    };
    let mut kept = target.query("select id from reading order by id");
    assert_eq!(kept, expected(false));
    assert_eq!(report["totals"]["rows_rejected"], expected(true).len() as u64);
    let key = if matches!(to, Mariadb | Mysql) { "`key`" } else { "key" };
    let mut aside = target.query(&format!("select {key}, code, rule from _rowferry_quarantine"));
    assert!(!aside.iter().any(|line| line.contains("-1")), "a value was kept: {aside:?}");
    aside.sort_unstable();
    let mut keys: Vec<String> =
        expected(true).iter().map(|id| format!("{{\"id\":{id}}}")).collect();
    keys.sort_unstable();
    let found: Vec<&str> = aside.iter().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(found, keys);

    if write.contains("upsert") {
        // The same rows are found again, and no other one is touched.
        world.run(&["run", "job.yaml"]).expect(0);
        kept = target.query("select id from reading order by id");
        assert_eq!(kept, expected(false));
    }
}

/// Without leave to set rows aside, or with too little, nothing of the chunk stays.
fn the_limit_holds(to: Engine) {
    for settings in ["max_rejects: 50, on_bad_row: quarantine", "chunk_rows: 100000"] {
        let world = World::new();
        let Some(source) = database(Postgres, &world, "limit_source") else { return };
        let Some(target) = database(to, &world, "limit_target") else { return };
        source.exec(SOURCE);
        make_target(&target, true);
        let write = "write: append";
        world.write("job.yaml", &job(&source, &target, write, settings));
        let told = world.run(&["run", "job.yaml"]).expect(65);
        assert!(told.stderr.contains("reading"), "{}", told.stderr);
        assert_eq!(target.value("select count(*) from reading"), "0");
    }
}

/// A rule that is only applied at COMMIT has no row: the table fails and says so.
#[test]
fn what_is_checked_at_the_end_stops_the_table() {
    let world = World::new();
    let Some(source) = database(Postgres, &world, "late_source") else { return };
    let Some(target) = database(Postgres, &world, "late_target") else { return };
    source.exec(SOURCE);
    target.exec(
        "create table known (id bigint primary key); insert into known values (1); \
         create table reading (id bigint primary key references known deferrable initially deferred, \
         amount integer, note varchar(20))",
    );
    let settings = "on_bad_row: quarantine, max_rejects: 60";
    world.write("job.yaml", &job(&source, &target, "write: append", settings));
    let told = world.run(&["run", "job.yaml"]).expect(65);
    assert_eq!(told.slugs(), ["foreign-key"]);
    assert_eq!(target.value("select count(*) from reading"), "0");
}

macro_rules! into {
    ($($name:ident: $to:ident;)*) => {
        $(
            mod $name {
                use super::*;

                #[test]
                fn append() {
                    others_land($to, "write: append", true);
                }

                #[test]
                fn upsert() {
                    others_land($to, "write: upsert", true);
                }

                #[test]
                fn full() {
                    others_land($to, "write: replace", false);
                }

                #[test]
                fn limit() {
                    the_limit_holds($to);
                }

                #[test]
                fn not_noted() {
                    what_cannot_be_noted_stays($to);
                }

                #[cfg(feature = "failpoints")]
                #[test]
                fn dropped() {
                    its_table_is_dropped($to);
                }
            }
        )*
    };
}

into! {
    postgres: Postgres;
    mariadb: Mariadb;
    mysql: Mysql;
    sqlite: Sqlite;
}

/// One bad row among ten thousand, and fifty in one chunk: found by halves, as the server counts.
#[test]
fn few_trials_find_them() {
    let world = World::new();
    let Some(source) = database(Postgres, &world, "trials_source") else { return };
    let Some(target) = database(Postgres, &world, "trials_target") else { return };
    for (bad, rows) in [(1_u32, 10_000_u32), (50, 10_000)] {
        let each = rows / bad;
        for database in [&source, &target] {
            database.exec("drop table if exists reading");
        }
        source.exec(&format!(
            "create table reading (id bigint primary key, amount integer); \
             insert into reading select i, case when i % {each} = 3 then -1 else i end \
             from generate_series(1, {rows}) i"
        ));
        // A sequence counts on, also where a trial is taken back.
        target.exec(
            "drop table if exists _rowferry_stream, _rowferry_chunk, _rowferry_quarantine; \
             drop sequence if exists trials; create sequence trials; \
             create table reading (id bigint primary key, amount integer check (amount >= 0)); \
             create or replace function count_trial() returns trigger language plpgsql as $$ begin \
             perform nextval('trials'); return null; end $$; \
             create trigger trial before insert on reading \
             for each statement execute function count_trial()",
        );
        let settings = "on_bad_row: quarantine, max_rejects: 100, chunk_rows: 100000";
        world.write("job.yaml", &job(&source, &target, "write: append", settings));
        let report = world.run(&["run", "job.yaml", "--output", "json"]).expect(0).json();
        assert_eq!(report["totals"]["rows_rejected"], bad, "{report}");
        let kept = (rows - bad).to_string();
        assert_eq!(target.value("select count(*) from reading"), kept);
        let trials: u32 = target.value("select last_value from trials").parse().unwrap();
        // Once in vain, then at most two for each halving of each bad row.
        let most = 2 + 2 * bad * (rows.ilog2() + 1);
        assert!(trials <= most, "{trials} statements for {bad} of {rows} rows, {most} at most");
        assert!(trials > bad, "nothing was counted");
    }
}

/// Rows that cannot be noted are not left out either: the chunk is not durable.
fn what_cannot_be_noted_stays(to: Engine) {
    let world = World::new();
    let Some(source) = database(Postgres, &world, "noted_source") else { return };
    let Some(target) = database(to, &world, "noted_target") else { return };
    source.exec(SOURCE);
    make_target(&target, false);
    // Of that name, and nothing like it.
    target.exec("create table _rowferry_quarantine (x integer)");
    let settings = "on_bad_row: quarantine, max_rejects: 60, chunk_rows: 1000, retry_for: 2s";
    world.write("job.yaml", &job(&source, &target, "write: append", settings));
    let told = world.run(&["run", "job.yaml"]);
    assert!(matches!(told.code, 65 | 76 | 77 | 78), "{told:?}");
    assert!(told.stderr.contains("reading"), "{}", told.stderr);
    assert_eq!(target.value("select count(*) from reading"), "0");
    assert_eq!(target.value("select count(*) from _rowferry_chunk"), "0");
    target.exec("drop table _rowferry_quarantine");
    world.run(&["run", "job.yaml"]).expect(0);
    assert_eq!(target.value("select count(*) from reading"), "9950");
    assert_eq!(target.value("select count(*) from _rowferry_quarantine"), "50");
}

/// The table of rows set aside is dropped in the middle of a run: it is made again, or the run ends;
/// no row is in neither table.
#[cfg(feature = "failpoints")]
fn its_table_is_dropped(to: Engine) {
    let world = World::new();
    let Some(source) = database(Postgres, &world, "dropped_source") else { return };
    let Some(target) = database(to, &world, "dropped_target") else { return };
    source.exec(SOURCE);
    make_target(&target, false);
    let settings =
        "on_bad_row: quarantine, max_rejects: 60, chunk_rows: 1000, workers: 1, retry_for: 2s";
    world.write("job.yaml", &job(&source, &target, "write: append", settings));
    let hold = world.path("hold");
    let mut command = world.command(&["run", "job.yaml", "--run-key", "k"]);
    command.env("ROWFERRY_FAILPOINT", "commit-answered:3").env("ROWFERRY_FAILPOINT_HOLD", &hold);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let run = command.spawn().unwrap();
    crate::ends::wait_until("the third chunk", || hold.exists());
    let noted: u32 = target.value("select count(*) from _rowferry_quarantine").parse().unwrap();
    target.exec("drop table _rowferry_quarantine");
    std::fs::remove_file(&hold).unwrap();
    let told = crate::world::wait(run);
    if told.code != 0 {
        assert!(matches!(told.code, 65 | 76 | 78), "{told:?}");
        world.run(&["run", "job.yaml", "--run-key", "k"]).expect(0);
    }
    assert_eq!(target.value("select count(*) from reading"), "9950");
    let again: u32 = target.value("select count(*) from _rowferry_quarantine").parse().unwrap();
    assert_eq!(noted + again, 50, "{noted} before it was dropped, {again} after");
}
