//! `drift`: a job's tables compared once, and what was found kept for `status`.

use crate::world::World;

const JOBS: &str = "version: 1
connections: { shop: 'sqlite:shop.db', lake: 'sqlite:lake.db' }
jobs:
  - { name: shop, source: shop, target: lake, tables: [{ source: orders, target: dim_orders }] }
  - { name: rest, source: shop, target: lake, tables: [{ source: notes }] }
";

fn copied() -> World {
    let world = World::new();
    world.orders("shop.db", 50);
    world.sql(
        "shop.db",
        "create table notes (id integer primary key); insert into notes values (1)",
    );
    world.write("rowferry.yaml", JOBS);
    world.run(&["run"]).expect(0);
    world
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn what_was_found_is_kept_and_shown() {
    let world = copied();
    let told = world.run(&["drift"]).expect(0);
    let equal = [
        "INFO table verified table=orders rows=50",
        "INFO table verified table=notes rows=1",
        "INFO all tables verified",
    ];
    assert_eq!(lines(&told.stdout), equal);

    world.sql(
        "lake.db",
        "update dim_orders set customer = 'x' where id = 7; delete from dim_orders where id = 8",
    );
    let told =
        world.run(&["drift", "rowferry.yaml", "--job", "shop", "--output", "json"]).expect(1);
    assert_eq!(told.json()["status"], "different");
    // The copy that comes after it is newer, and does not hide it.
    world.run(&["run", "--job", "rest"]).expect(0);

    let told = world.run(&["status", "--last", "1"]).expect(0);
    let (_, last) = told.stdout.split_once("last drift\n").unwrap();
    let words: Vec<Vec<&str>> =
        last.lines().skip(1).map(|line| line.split_whitespace().skip(1).collect()).collect();
    let expected = [
        ["rest", "notes", "notes", "1", "1", "0", "equal"],
        ["shop", "orders", "dim_orders", "50", "49", "2", "different"],
    ];
    assert_eq!(words, expected, "{}", told.stdout);
    let time = last.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");

    let last = world.run(&["status", "--last", "1", "--output", "json"]).expect(0).json();
    assert_eq!((&last["version"], &last["runs"][0]["command"]), (&1.into(), &"run".into()));
    assert_eq!(last["runs"].as_array().unwrap().len(), 1);
    let found: Vec<[String; 4]> = last["last_drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            ["job", "source", "status", "missing"]
                .map(|key| row[key].to_string().trim_matches('"').to_owned())
        })
        .collect();
    let equal = ["rest", "notes", "equal", "0"];
    let different = ["shop", "orders", "different", "1"];
    assert_eq!(found, [equal, different].map(|row| row.map(str::to_owned)), "{last}");

    let runs = &world.run(&["status", "--output", "json"]).expect(0).json()["runs"];
    let commands: Vec<&str> =
        runs.as_array().unwrap().iter().map(|run| run["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["run", "drift", "drift", "run"]);
    assert_eq!((&runs[1]["status"], &runs[1]["exit_code"]), (&"different".into(), &1.into()));
    let found = &runs[1]["drift"][0];
    assert_eq!((&found["missing"], &found["mismatches"]), (&1.into(), &1.into()));
    assert_eq!(runs[2]["drift"].as_array().unwrap().len(), 2);
}

#[test]
fn without_a_ledger_nothing_has_run() {
    let told = World::new().run(&["status", "--output", "json"]).expect(0);
    assert_eq!(lines(&told.stdout), [r#"{"version":1,"runs":[],"last_drift":[]}"#]);
    assert!(told.stderr.starts_with("nothing has run yet"), "{}", told.stderr);
}

#[test]
fn a_table_that_cannot_be_compared_is_kept_too() {
    let world = copied();
    world.sql("lake.db", "drop table notes");
    let told = world.run(&["drift", "--state", "mine.db"]).expect(78);
    assert!(told.stdout.contains("INFO table verified table=orders"), "{}", told.stdout);
    let told = world.run(&["status", "--state", "mine.db"]).expect(0);
    assert!(told.stdout.contains("failed: unknown-table"), "{}", told.stdout);
    assert!(told.stdout.contains("failed (78)"), "{}", told.stdout);
    std::fs::remove_file(world.path("shop.db")).unwrap();
    world.run(&["drift", "--state", "mine.db"]).expect(69);
    let status = ["status", "--state", "mine.db", "--output", "json"];
    let runs = &world.run(&status).expect(0).json()["runs"];
    assert_eq!((&runs[0]["status"], &runs[0]["exit_code"]), (&"failed".into(), &69.into()));
}

#[test]
fn a_ledger_of_the_layout_before_is_brought_up_to_date() {
    let world = copied();
    world.sql("state/rowferry.db", "drop table drift; pragma user_version = 2");
    world.run(&["drift"]).expect(0);
    assert_eq!(world.value("state/rowferry.db", "pragma user_version"), "3");
    assert_eq!(world.value("state/rowferry.db", "select count(*) from drift"), "2");
    assert_eq!(world.value("state/rowferry.db.layout-2", "select count(*) from run"), "1");
}
