//! Whole copies between SQLite files: no server is needed.

use crate::world::World;

const JOB: &str = "version: 1
connections:
  shop: sqlite:shop.db
  lake: sqlite:lake.db
jobs:
  - name: shop
    source: shop
    target: lake
    tables:
      - source: orders
        target: dim_orders
      - source: customers
";

fn shop(world: &World) {
    world.orders("shop.db", 2_500);
    world.sql(
        "shop.db",
        "create table customers (id integer primary key, name text);
         insert into customers values (1, 'Ann'), (2, null), (3, 'Zoë');",
    );
}

const SUM: &str = "select count(*) || ' ' || sum(id) || ' ' || sum(length(note)) from ";

#[test]
fn a_table_arrives_from_two_urls_and_again() {
    let world = World::new();
    world.orders("a.db", 2_500);
    let arguments =
        ["copy", "sqlite:a.db", "sqlite:b.db", "--table", "orders", "--chunk-rows", "700"];
    let first = world.run(&arguments).expect(0);
    assert!(first.stdout.contains("ok: 1 table, 2,500 rows written"), "{}", first.stdout);
    let wanted = world.value("a.db", &format!("{SUM} orders"));
    assert_eq!(world.value("b.db", &format!("{SUM} orders")), wanted);
    world.sql("a.db", "delete from orders where id > 2000");
    world.run(&arguments).expect(0);
    let wanted = world.value("a.db", &format!("{SUM} orders"));
    assert_eq!(world.value("b.db", &format!("{SUM} orders")), wanted);
}

#[test]
fn a_job_file_runs_and_runs_again() {
    let world = World::new();
    shop(&world);
    world.write("rowferry.yaml", JOB);
    for _ in 0..2 {
        let told = world.run(&["run", "--output", "json"]).expect(0);
        let report = told.json();
        assert_eq!(report["status"], "ok");
        assert_eq!(report["totals"]["rows_written"], 2_503);
    }
    let wanted = world.value("shop.db", &format!("{SUM} orders"));
    assert_eq!(world.value("lake.db", &format!("{SUM} dim_orders")), wanted);
    assert_eq!(world.value("lake.db", "select name from customers where id = 3"), "Zoë");
    let status = world.run(&["status"]).expect(0);
    assert_eq!(status.stdout.matches("ok (0)").count(), 2, "{}", status.stdout);
}

#[test]
fn one_table_of_a_job_is_enough() {
    let world = World::new();
    shop(&world);
    world.write("rowferry.yaml", JOB);
    world.run(&["run", "--tables", "customers"]).expect(0);
    assert_eq!(world.value("lake.db", "select count(*) from customers"), "3");
    let tables = "select count(*) from sqlite_master where name = 'dim_orders'";
    assert_eq!(world.value("lake.db", tables), "0");
}

#[test]
fn a_table_is_found_in_whichever_job_has_it() {
    let world = World::new();
    shop(&world);
    let job = |name: &str, table: &str| {
        format!(
            "  - name: {name}\n    source: sqlite:shop.db\n    target: sqlite:lake.db\n    tables:\n      \
             - source: {table}\n"
        )
    };
    world.write(
        "rowferry.yaml",
        &format!("version: 1\njobs:\n{}{}", job("one", "orders"), job("two", "cust*")),
    );
    let told = world.run(&["run", "--table", "customers", "--output", "json"]).expect(0);
    assert_eq!(told.json()["totals"]["tables"], 1);
    let told = world.run(&["run", "--table", "customers,orders", "--output", "json"]).expect(0);
    assert_eq!(told.json()["totals"]["tables"], 2);
    let told = world.run(&["run", "--table", "custmers"]).expect(78);
    assert_eq!(told.slugs(), ["no-tables-match"]);
}

#[test]
fn a_connection_of_a_file_may_be_named() {
    let world = World::new();
    shop(&world);
    world.write("rowferry.yaml", JOB);
    let copy = |target: &str| {
        world.run(&["copy", "shop", target, "--config", "rowferry.yaml", "--table", "customers"])
    };
    copy("lake").expect(0);
    assert_eq!(world.value("lake.db", "select count(*) from customers"), "3");
    copy("sqlite:other.db").expect(0);
    assert_eq!(copy("laek").expect(78).slugs(), ["unknown-connection"]);
}

#[test]
fn a_failing_table_does_not_stop_the_others() {
    let world = World::new();
    shop(&world);
    let job = format!("{JOB}      - source: missing\n");
    world.write("rowferry.yaml", &job);
    let told = world.run(&["run", "--output", "json"]).expect(1);
    let report = told.json();
    assert_eq!(report["status"], "partial");
    assert_eq!(report["tables"][0]["source"], "missing");
    assert_eq!(report["error"]["code"], "unknown-table");
    assert_eq!(world.value("lake.db", "select count(*) from dim_orders"), "2500");
}

#[test]
fn a_printed_job_does_the_same_as_the_command() {
    let world = World::new();
    world.orders("a.db", 100);
    let told = world
        .run(&[
            "copy",
            "sqlite:a.db",
            "sqlite:b.db",
            "--table",
            "orders=sales",
            "--exclude",
            "blob",
            "--rename",
            "note=remark",
            "--where",
            "id <= 10",
            "--workers",
            "2",
            "--print-config",
        ])
        .expect(0);
    world.write("printed.yaml", &told.stdout);
    world.run(&["config", "validate", "printed.yaml"]).expect(0);
    world.run(&["run", "printed.yaml"]).expect(0);
    assert_eq!(world.value("b.db", "select count(remark) || '/' || count(*) from sales"), "8/10");
    let again = world.run(&["config", "show", "printed.yaml"]).expect(0);
    assert_eq!(again.stdout, told.stdout);
}

#[test]
fn an_upsert_merges_and_an_append_runs_once() {
    let world = World::new();
    world.orders("a.db", 50);
    let copy = |write: &str, target: &str| {
        world.run(&["copy", "sqlite:a.db", target, "--table", "orders", "--write", write])
    };
    copy("upsert", "sqlite:b.db").expect(0);
    world.sql(
        "a.db",
        "update orders set note = 'new' where id = 1; delete from orders where id = 2",
    );
    copy("upsert", "sqlite:b.db").expect(0);
    assert_eq!(world.value("b.db", "select note from orders where id = 1"), "new");
    assert_eq!(world.value("b.db", "select count(*) from orders"), "50");
    copy("append", "sqlite:c.db").expect(0);
    let refused = copy("append", "sqlite:c.db").expect(76);
    assert_eq!(refused.slugs().len(), 1);
    assert_eq!(world.value("c.db", "select count(*) from orders"), "49");
}

#[test]
fn the_same_run_key_leaves_finished_tables_alone() {
    let world = World::new();
    world.orders("a.db", 50);
    let run = |key: &str, extra: &str| {
        world.run(&[
            "copy",
            "sqlite:a.db",
            "sqlite:b.db",
            "--table",
            "orders",
            "--run-key",
            key,
            "--output",
            "json",
            extra,
        ])
    };
    assert_eq!(run("monday", "--progress=none").expect(0).json()["tables"][0]["rows_written"], 50);
    let again = run("monday", "--progress=none").expect(0).json();
    assert_eq!((again["status"].as_str(), &again["run_key"]), (Some("skipped"), &"monday".into()));
    run("monday", "--exit-skip").expect(99);
    assert_eq!(run("tuesday", "--progress=none").expect(0).json()["tables"][0]["rows_written"], 50);
}

#[test]
fn state_is_listed_shown_and_reset_from_the_target() {
    let world = World::new();
    world.orders("a.db", 10);
    world.run(&["copy", "sqlite:a.db", "sqlite:b.db", "--table", "orders"]).expect(0);
    let list = world.run(&["state", "list", "--target", "sqlite:b.db"]).expect(0);
    assert!(list.stdout.contains("orders"), "{}", list.stdout);
    assert_eq!(
        world.run(&["state", "list", "--output", "json"]).expect(0).json()[0]["job"],
        "copy"
    );
    let one = world.run(&["state", "show", "orders", "--target", "sqlite:b.db"]).expect(0);
    assert!(one.stdout.contains("done"), "{}", one.stdout);
    let reset = ["state", "reset", "orders", "--target", "sqlite:b.db"];
    world.run(&reset).expect(2);
    world.run(&[&reset[..], &["--yes"]].concat()).expect(0);
    let status = world.run(&["status", "--target", "sqlite:b.db"]).expect(0);
    assert!(status.stdout.is_empty(), "{}", status.stdout);
    assert_eq!(world.value("b.db", "select count(*) from orders"), "10");
}

#[test]
fn tables_check_and_plan_look_and_change_nothing() {
    let world = World::new();
    shop(&world);
    world.write("rowferry.yaml", JOB);
    let tables = world.run(&["tables", "sqlite:shop.db"]).expect(0);
    assert!(tables.stdout.contains("customers"), "{}", tables.stdout);
    world.run(&["check", "rowferry.yaml"]).expect(0);
    let plan = world.run(&["plan", "rowferry.yaml"]).expect(0);
    for part in ["table orders -> dim_orders", "create table", "key: id; cut by: id", "workers"] {
        assert!(plan.stdout.to_lowercase().contains(part), "{part}: {}", plan.stdout);
    }
    let dry = world.run(&["run", "--dry-run"]).expect(0);
    assert_eq!(dry.stdout, plan.stdout);
    let json = world.run(&["plan", "rowferry.yaml", "--output", "json"]).expect(0).json();
    assert_eq!(json[0]["tables"][0]["columns"][0]["name"], "id");
    assert!(
        !world.path("lake.db").exists()
            || world.value("lake.db", "select count(*) from sqlite_master") == "0"
    );
}

#[test]
fn a_bench_says_where_the_time_goes_and_spares_other_tables() {
    let world = World::new();
    world.orders("a.db", 500);
    let json =
        |words: &[&str]| world.run(&[words, &["--output", "json"]].concat()).expect(0).json();
    let read = json(&["bench", "sqlite:a.db", "--table", "orders"]);
    assert_eq!(read["rounds"][0]["rows"], 500);
    let generated = "generate:lineitem?rows=400&seed=3";
    let written =
        json(&["bench", generated, "sqlite:b.db", "--table", "lineitem", "--rounds", "3"]);
    assert_eq!(written["rounds"].as_array().map(Vec::len), Some(3));
    assert!(written["rounds"][0]["stages"]["write"].as_f64() > Some(0.0), "{written}");
    assert!(written["verdict"].as_str().is_some_and(|words| words.contains("binds")), "{written}");
    assert_eq!(world.value("b.db", "select count(*) from rowferry_bench_lineitem"), "400");
    let text = world.run(&["bench", "sqlite:a.db", "--table", "orders"]).expect(0).stdout;
    assert!(text.contains("wait for rows") && text.contains("binds"), "{text}");
    world.sql("b.db", "create table taken (l_tax integer); insert into taken values (1)");
    let other = ["bench", generated, "sqlite:b.db", "--table", "lineitem=taken"];
    assert_eq!(world.run(&other).expect(76).slugs(), ["target-not-empty"]);
    assert_eq!(world.value("b.db", "select count(*) from taken"), "1");
}

#[test]
fn a_rate_is_kept_over_all_workers() {
    let world = World::new();
    world.orders("a.db", 400);
    for rate in ["200 rows/s", "8KiB/s"] {
        let started = std::time::Instant::now();
        let told = world.run(&[
            "copy",
            "sqlite:a.db",
            "sqlite:b.db",
            "--table",
            "orders",
            "--max-rate",
            rate,
            "--chunk-rows",
            "100",
            "--workers",
            "4",
            "--output",
            "json",
        ]);
        let told = told.expect(0);
        let report: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(report["totals"]["rows_written"], 400);
        let seconds = match rate {
            "200 rows/s" => 2.0,
            _ => report["totals"]["bytes_read"].as_f64().unwrap() / 8192.0,
        };
        // Two workers at the end may have read their last rows a moment apart.
        let took = started.elapsed().as_secs_f64();
        assert!(seconds > 1.0 && took >= seconds, "{rate}: {took} s of {seconds}");
    }
}
