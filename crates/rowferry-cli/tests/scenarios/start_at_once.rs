//! Rows flow within a second of connecting, however large the table and whatever its key.

use rowferry_testkit::{Engine, postgres};

use crate::ends::database;
use crate::mixed::number;
use crate::world::{World, wait};

/// Runs inside the target: notes how long after the first session of the copy its first row came.
/// Progress views are snapshots inside a transaction, hence the clearing.
const WATCH: &str = "do $$
declare waited interval;
begin
  for round in 1..3000 loop
    perform pg_stat_clear_snapshot();
    select clock_timestamp() - (select min(backend_start) from pg_stat_activity
        where application_name like 'rowferry%' and application_name <> 'rowferry-test'
        and datname in (current_database(), '{source}'))
      into waited from pg_stat_progress_copy
      where command = 'COPY FROM' and tuples_processed > 0 and datname = current_database() limit 1;
    if waited is not null then
      create table waited as select extract(epoch from waited) * 1000 as ms;
      return;
    end if;
    perform pg_sleep(0.005);
  end loop;
end $$";

fn starts_at_once(key: &str) {
    let world = World::new();
    if postgres().is_none() {
        return;
    }
    let Some(source) = database(Engine::Postgres, &world, "once_source") else { return };
    let Some(target) = database(Engine::Postgres, &world, "once_target") else { return };
    let rows = number("ROWFERRY_START_ROWS", 300_000);
    source.exec(&format!(
        "create table t as select i::bigint as id, md5(i::text) collate \"und-x-icu\" as code, i % 1000 as part, \
         'some words that make the row longer ' || i as note from generate_series(1, {rows}) i; \
         alter table t add primary key ({key}); analyze t"
    ));
    let watch = WATCH.replace("{source}", source.name());
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| target.exec(&watch));
        // The watcher is a session of its own; give it time to be there first.
        crate::ends::wait_until("the watcher", || {
            target.value("select count(*) from pg_stat_activity where query like 'do $$%' and datname = current_database()") == "1"
        });
        let child = world.start(&["copy", &source.url(), &target.url(), "--table", "t"]);
        wait(child).expect(0);
        watcher.join().unwrap();
    });
    let waited: f64 = target.value("select round(ms) from waited").parse().unwrap();
    println!("{rows} rows by {key}: first row after {waited} ms");
    // The promise is for the release build; an unoptimised one beside other tests gets more.
    let allowed = if cfg!(debug_assertions) { 3_000.0 } else { 1_000.0 };
    assert!(waited <= allowed, "first row only after {waited} ms");
}

#[test]
fn a_bigint_key_starts_at_once() {
    starts_at_once("id");
}

#[test]
fn a_text_key_starts_at_once() {
    starts_at_once("code");
}

#[test]
fn a_composite_key_starts_at_once() {
    starts_at_once("part, id");
}
