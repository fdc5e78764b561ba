//! Memory: rows of a kibibyte to tens of mebibytes, tables of 1,600 columns, documents of 20 MiB, five
//! tables at once. The run is caught in a memory cgroup, whose limit the kernel enforces, and its peak
//! stays below 60 MiB + the greater of 1.5 × `memory_budget` and 4 × the largest row.
//!
//! Rows of 16 MiB in three directions and one wide table; `ROWFERRY_RELIABILITY=full` takes all nine
//! and all sizes. Where no cgroup can be made, the peak alone is measured.

use std::process::{Command, Stdio};
use std::time::Duration;

use rowferry_testkit::{Database, Engine, MemoryCage};

use crate::ends::database;
use crate::mixed::is_full;
use crate::world::{Told, World, wait};

const MIB: u64 = 1 << 20;
/// Of the default `memory_budget` of 96 MiB.
const BUDGET_SHARE: u64 = 144;

/// The promise, in MiB, for rows of so many bytes.
fn promised(row_bytes: u64) -> u64 {
    60 + BUDGET_SHARE.max((4 * row_bytes).div_ceil(MIB))
}

/// A table `big` of `rows` rows with `bytes` bytes each, unlike from row to row.
fn fill(source: &Database, rows: u64, bytes: u64) {
    let times = bytes / 32;
    let (column, numbers, value) = match source.engine() {
        Engine::Postgres => (
            "text",
            format!("generate_series(1, {rows}) i"),
            format!("repeat(md5(i::text), {times})"),
        ),
        Engine::Mariadb | Engine::Mysql => (
            "longtext",
            format!("(select seq as i from seq_1_to_{rows}) s"),
            format!("repeat(md5(i), {times})"),
        ),
        Engine::Sqlite => (
            "text",
            format!(
                "(with recursive n (i) as (select 1 union all select i + 1 from n where i < {rows}) \
                 select i from n)"
            ),
            format!(
                "replace(hex(zeroblob({times} / 2)), '00', printf('%032d', i) || printf('%032d', i + 7))"
            ),
        ),
    };
    source.exec(&format!("create table big (id integer primary key, v {column} not null)"));
    source.exec(&format!("insert into big select i, {value} from {numbers}"));
    match source.engine() {
        Engine::Postgres => source.exec("analyze big"),
        Engine::Mariadb | Engine::Mysql => source.exec("analyze table big"),
        Engine::Sqlite => {}
    }
}

/// Number, length, ends and middle of each text: all of them repeat one short piece.
fn look(database: &Database) -> Vec<String> {
    let mut rows = database.query(
        "select id, length(v), substr(v, 1, 64), substr(v, 8001, 64), substr(v, length(v) - 63, 64) \
         from big",
    );
    rows.sort_unstable();
    rows
}

/// A copy in a cage of `limit` MiB: what it said and its peak in MiB.
fn caged(world: &World, words: &[&str], limit: u64) -> (Told, u64) {
    let cage = MemoryCage::of(limit);
    let plain = world.command(words);
    let mut command = match &cage {
        None => plain,
        Some(cage) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(cage.door());
            shell.arg(plain.get_program()).args(plain.get_args()).env_clear();
            let environment = plain.get_envs().filter_map(|(name, value)| Some((name, value?)));
            shell.envs(environment).env("PATH", "/usr/bin:/bin");
            shell.current_dir(world.folder()).stdin(Stdio::null());
            shell
        }
    };
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", run.id());
    // Ends when the process is gone, or a zombie, which has no memory any more.
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = high_water(&status) {
            peak = now.max(peak);
            std::thread::sleep(Duration::from_millis(2));
        }
        peak
    });
    let told = wait(run);
    (told, watch.join().unwrap() >> 10)
}

/// The most memory that a process ever had, in KiB, kept by the kernel.
fn high_water(status: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Rows of `bytes` bytes arrive under `limit` MiB, at a peak as promised.
fn arrive(from: Engine, to: Engine, rows: u64, bytes: u64, limit: u64) {
    let world = World::new();
    let Some(source) = database(from, &world, "memory_source") else { return };
    let Some(target) = database(to, &world, "memory_target") else { return };
    fill(&source, rows, bytes);
    let (from_url, to_url) = (source.url(), target.url());
    let words = ["copy", &from_url, &to_url, "--table", "big", "--output", "json"];
    let (told, peak) = caged(&world, &words, limit);
    let told = told.expect(0);
    println!("{from:?} to {to:?}, rows of {} KiB: peak {peak} MiB", bytes >> 10);
    assert!(peak <= promised(bytes), "{peak} MiB, {} promised: {told:?}", promised(bytes));
    assert_eq!(look(&source), look(&target));
    println!("faults: 1");
}

fn rows_of_16_mib(from: Engine, to: Engine) {
    arrive(from, to, if is_full() { 8 } else { 3 }, 16 * MIB, 256);
}

mod large {
    use super::*;

    every_direction! { rows_of_16_mib:
        postgres_to_mariadb: Postgres => Mariadb;
        mariadb_to_sqlite: Mariadb => Sqlite;
        sqlite_to_postgres: Sqlite => Postgres;
    }
}

/// All sizes; rows of 63 MiB, so that they and what belongs to them fit into the 64 MiB of a packet.
fn rows_of_all_sizes(from: Engine, to: Engine) {
    if !is_full() {
        return;
    }
    for (rows, bytes, limit) in
        [(20_000, 1 << 10, 256), (64, MIB, 256), (8, 16 * MIB, 256), (4, 63 * MIB, 512)]
    {
        arrive(from, to, rows, bytes, limit);
    }
}

mod all_sizes {
    use super::*;

    every_direction! { nine: rows_of_all_sizes }
}

/// 1,600 columns, the most that PostgreSQL has.
fn a_table_of_1_600_columns(from: Engine, to: Engine) {
    let world = World::new();
    let Some(source) = database(from, &world, "wide_source") else { return };
    let Some(target) = database(to, &world, "wide_target") else { return };
    let rows = if is_full() { 5_000 } else { 200 };
    let columns: Vec<String> = (1..1_600).map(|number| format!("c{number} integer")).collect();
    // A page of PostgreSQL holds no row of 1,600 long integers, which SQLite's are.
    let none = |number: u32| from == Engine::Sqlite && to == Engine::Postgres && number % 2 == 1;
    let value = |number| if none(number) { "null".to_owned() } else { format!("i + {number}") };
    let values: Vec<String> = (1..1_600).map(value).collect();
    let numbers = match from {
        Engine::Postgres => format!("generate_series(1, {rows}) i"),
        Engine::Mariadb | Engine::Mysql | Engine::Sqlite => format!(
            "(with recursive n (i) as (select 1 union all select i + 1 from n where i < {rows}) \
             select i from n)"
        ),
    };
    source.exec(&format!("create table big (id integer primary key, {})", columns.join(", ")));
    source.exec(&format!("insert into big select i, {} from {numbers}", values.join(", ")));
    let (from_url, to_url) = (source.url(), target.url());
    let words = ["copy", &from_url, &to_url, "--table", "big", "--output", "json"];
    let (told, peak) = caged(&world, &words, 256);
    told.expect(0);
    println!("{from:?} to {to:?}, 1,600 columns: peak {peak} MiB");
    assert!(peak <= promised(0), "{peak} MiB");
    let sum = "select count(*), sum(id), sum(c2), sum(c800), sum(c1599) from big";
    assert_eq!(source.query(sum), target.query(sum));
    println!("faults: 1");
}

#[test]
fn a_wide_table_from_postgres_to_sqlite() {
    a_table_of_1_600_columns(Engine::Postgres, Engine::Sqlite);
}

#[test]
fn wide_tables_in_the_full_size() {
    if is_full() {
        a_table_of_1_600_columns(Engine::Sqlite, Engine::Postgres);
        a_table_of_1_600_columns(Engine::Postgres, Engine::Postgres);
        a_table_of_1_600_columns(Engine::Sqlite, Engine::Sqlite);
    }
}

/// Documents of 20 MiB, and five tables of such rows at once.
#[test]
fn large_documents_and_five_tables_at_once() {
    if !is_full() {
        return;
    }
    for to in [Engine::Mariadb, Engine::Sqlite, Engine::Postgres] {
        let world = World::new();
        let Some(source) = database(Engine::Postgres, &world, "json_source") else { return };
        let Some(target) = database(to, &world, "json_target") else { return };
        for number in 1..=5 {
            source.exec(&format!(
                "create table d{number} (id integer primary key, doc json); \
                 insert into d{number} select i, json_build_object('v', repeat(md5(i::text), 655360)) \
                 from generate_series(1, 3) i; analyze d{number}"
            ));
        }
        let (from_url, to_url) = (source.url(), target.url());
        let words = ["copy", &from_url, &to_url, "--all", "--parallel-tables", "5"];
        let (told, peak) = caged(&world, &[&words[..], &["--output", "json"]].concat(), 256);
        told.expect(0);
        println!("Postgres to {to:?}, five tables of 20 MiB documents: peak {peak} MiB");
        assert!(peak <= promised(20 * MIB), "{peak} MiB");
        for number in 1..=5 {
            let count = format!("select count(*) from d{number}");
            assert_eq!(target.value(&count), "3");
        }
        println!("faults: 1");
    }
}

/// A row beyond `max_row_bytes` is refused with its key, or set aside.
fn a_row_beyond_the_limit(from: Engine, to: Engine) {
    let world = World::new();
    let Some(source) = database(from, &world, "limit_source") else { return };
    let Some(target) = database(to, &world, "limit_target") else { return };
    fill(&source, 3, 64 << 10);
    let twice = if from == Engine::Mariadb { "concat(v, v)" } else { "v || v" };
    source.exec(&format!("update big set v = {twice} where id = 2"));
    let (from_url, to_url) = (source.url(), target.url());
    let words = ["copy", &from_url, &to_url, "--table", "big", "--output", "json"];
    let words = [&words[..], &["--max-row-bytes", "100KiB"]].concat();
    let told = world.run(&words).expect(65);
    assert_eq!(told.slugs(), ["row-too-large"]);
    let report = told.json();
    let said = report["error"]["message"].as_str().unwrap();
    for word in ["{\"id\":2}", "max_row_bytes", "\"v\""] {
        assert!(said.contains(word), "{word} in {said}");
    }
    world.run(&[&words[..], &["--max-rejects", "1", "--restart"]].concat()).expect(0);
    assert_eq!(target.query("select id from big order by id"), ["1", "3"]);
    assert_eq!(target.value("select count(*) from _rowferry_quarantine"), "1");
}

/// Rows that can only pass undecoded are measured one by one, not by their payload of 2 MiB.
#[test]
fn the_limit_is_that_of_a_row() {
    let world = World::new();
    let Some(source) = database(Engine::Postgres, &world, "limit_source") else { return };
    let Some(target) = database(Engine::Postgres, &world, "limit_target") else { return };
    let pair = "create type pair as (a integer, b circle[])";
    source.exec(pair);
    target.exec(pair);
    fill(&source, 100, 64 << 10);
    source.exec("alter table big add p pair; update big set p = row(id, null)");
    let (from, to) = (source.url(), target.url());
    let run = |limit| {
        let words = ["copy", &from, &to, "--table", "big", "--max-row-bytes", limit];
        world.run(&[&words[..], &["--output", "json"]].concat())
    };
    assert_eq!(run("60KiB").expect(65).slugs(), ["row-too-large"]);
    run("100KiB").expect(0);
    assert_eq!(look(&source), look(&target));
}

mod limit {
    use super::*;

    every_direction! { a_row_beyond_the_limit:
        postgres_to_postgres: Postgres => Postgres;
        mariadb_to_postgres: Mariadb => Postgres;
        sqlite_to_sqlite: Sqlite => Sqlite;
    }
}
