//! `verify` as its users call it, between SQLite files: no server is needed.

use crate::world::{World, finish, wait};

const SHOP: &str = "create table users (id integer primary key, email text, created_at text);
    insert into users values (41, 'a@example.com', 'x'), (42, 'old@example.com', 'x');
    create table orders (id integer primary key, amount decimal_text(9,2));
    insert into orders values (98, '364.80'), (99, '1.00');";

const LAKE: &str = "create table users (id integer primary key, email text, created_at text);
    insert into users values (41, 'a@example.com', 'y'), (42, 'new@example.com', 'y');
    create table orders (id integer primary key, amount decimal_text(9,1));
    insert into orders values (98, '364.8'), (100, '2.0');";

fn shop_and_lake() -> World {
    let world = World::new();
    world.sql("shop.db", SHOP);
    world.sql("lake.db", LAKE);
    world
}

const BOTH: [&str; 7] = [
    "verify",
    "sqlite:shop.db",
    "sqlite:lake.db",
    "--tables",
    "users,orders",
    "--ignore-columns",
    "created_at",
];

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn lines_are_those_of_the_document() {
    let world = shop_and_lake();
    let told = world.run(&BOTH).expect(1);
    let summary = [
        "WARN table has mismatches table=users mismatches=1",
        "WARN table has mismatches table=orders mismatches=2",
        "ERRO verification failed: 3 mismatches",
    ];
    assert_eq!(lines(&told.stdout), summary);

    let words = ["--order-by", "id", "--verbose", "--report", "page.html"];
    let told = world.run(&[&BOTH[..], &words].concat()).expect(1);
    let page = std::fs::read_to_string(world.path("page.html")).unwrap();
    assert!(page.contains("target=&quot;new@example.com&quot;"), "{page}");
    assert!(page.contains("column amount: rule numbers"), "{page}");
    let [users, orders, failed] = summary;
    let expected = [
        "MISMATCH table=users id=42 column=email source=\"old@example.com\" target=\"new@example.com\"",
        users,
        "MISSING table=orders id=99 side=target",
        "EXTRA table=orders id=100 side=target",
        "INFO column compared by a rule table=orders column=amount rule=numbers",
        orders,
        failed,
    ];
    assert_eq!(lines(&told.stdout), expected);

    world.sql("lake.db", "update users set email = 'old@example.com' where id = 42");
    world.sql("lake.db", "update orders set id = 99, amount = '1.0' where id = 100");
    let told = world.run(&BOTH).expect(0);
    let expected = [
        "INFO table verified table=users rows=2",
        "INFO table verified table=orders rows=2",
        "INFO all tables verified",
    ];
    assert_eq!(lines(&told.stdout), expected);
}

#[test]
fn ends_are_named_as_the_document_names_them() {
    let world = shop_and_lake();
    let flags = [
        "verify",
        "--source-driver",
        "sqlite",
        "--source-url",
        "sqlite:shop.db",
        "--target-url",
        "sqlite:copy.db",
        "--tables",
        "users",
    ];
    world.sql("copy.db", SHOP);
    world.run(&flags).expect(0);
    let mut command = world.command(&["verify", "--tables", "users", "--batch-size", "1"]);
    command.env("EDG_SOURCE_URL", "sqlite:shop.db").env("EDG_SOURCE_DRIVER", "sqlite3");
    command.env("EDG_TARGET_URL", "sqlite:lake.db");
    let told = finish(command).expect(1);
    // Both columns of one row, and one of the other.
    assert!(told.stdout.contains("mismatches=3"), "{}", told.stdout);
    let refused = world.run(&[&flags[..], &["--target-driver", "mongodb"]].concat()).expect(78);
    assert_eq!(refused.slugs(), ["not-supported-yet"]);
    let refused = world.run(&[&flags[..], &["--target-driver", "pgx"]].concat()).expect(2);
    assert_eq!(refused.slugs(), ["wrong-driver"]);
}

#[test]
fn strict_takes_no_rule_and_no_lost_column() {
    let world = shop_and_lake();
    world
        .sql("lake.db", "delete from orders; insert into orders values (98, '364.8'), (99, '1.0')");
    let orders = ["verify", "sqlite:shop.db", "sqlite:lake.db", "--tables", "orders"];
    world.run(&orders).expect(0);
    let strict = [&orders[..], &["--strict", "--verbose"]].concat();
    let told = world.run(&strict).expect(1);
    let first = "MISMATCH table=orders id=98 column=amount source=\"364.80\" target=\"364.8\"";
    assert_eq!(lines(&told.stdout).first(), Some(&first));

    world.sql(
        "lake.db",
        "drop table orders; create table orders (id integer primary key);
        insert into orders values (98), (99)",
    );
    let told = world.run(&orders).expect(0);
    let warning = "WARN column on one side only table=orders column=amount side=source";
    assert_eq!(lines(&told.stdout).first(), Some(&warning));
    world.run(&strict).expect(1);
}

#[test]
fn empty_tables_are_a_failure_unless_allowed() {
    let world = World::new();
    world.sql("a.db", "create table t (id integer primary key)");
    world.sql("b.db", "create table t (id integer primary key)");
    let both = ["verify", "sqlite:a.db", "sqlite:b.db", "--tables", "t"];
    let told = world.run(&both).expect(1);
    assert!(told.stdout.contains("WARN table has no rows on either side table=t"));
    assert!(told.stdout.contains("--allow-empty"), "{}", told.stdout);
    world.run(&[&both[..], &["--allow-empty"]].concat()).expect(0);
}

#[test]
fn rows_without_a_key_are_counted() {
    let world = World::new();
    world.sql(
        "a.db",
        "create table t (a integer, b text);
        insert into t values (1, 'x'), (1, 'x'), (1, 'x'), (null, null)",
    );
    world.sql(
        "b.db",
        "create table t (a integer, b text);
        insert into t values (null, null), (1, 'x'), (2, 'y z')",
    );
    let told = world
        .run(&["verify", "sqlite:a.db", "sqlite:b.db", "--tables", "t", "--verbose"])
        .expect(1);
    let expected = [
        "MISSING table=t a=1 b=x side=target",
        "MISSING table=t a=1 b=x side=target",
        "EXTRA table=t a=2 b=\"y z\" side=target",
        "WARN table has mismatches table=t mismatches=3",
        "ERRO verification failed: 3 mismatches",
    ];
    assert_eq!(lines(&told.stdout), expected);
}

#[test]
fn keys_that_are_not_unique_or_null_lose_no_row() {
    let world = World::new();
    let rows = "create table t (k integer, v text);
        insert into t values (1, 'a'), (1, 'b'), (null, 'c'), (9007199254740993, 'd')";
    world.sql("a.db", rows);
    world.sql("b.db", rows);
    let both = ["verify", "sqlite:a.db", "sqlite:b.db", "--tables", "t", "--order-by", "k"];
    world.run(&both).expect(0);
    // 2^53 + 1 is another number than 2^53, and a tie is not a twin.
    world.sql(
        "b.db",
        "update t set k = 9007199254740992 where v = 'd';
        update t set v = 'B' where v = 'b'; delete from t where k is null",
    );
    let told = world.run(&[&both[..], &["--verbose"]].concat()).expect(1);
    let mut found = lines(&told.stdout);
    found.sort_unstable();
    let expected = [
        "ERRO verification failed: 4 mismatches",
        "EXTRA table=t k=9007199254740992 side=target",
        "MISMATCH table=t k=1 column=v source=\"b\" target=\"B\"",
        "MISSING table=t k=9007199254740993 side=target",
        "MISSING table=t k=NULL side=target",
        "WARN table has mismatches table=t mismatches=4",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_not_there_is_an_error_and_never_a_difference() {
    let world = shop_and_lake();
    let ends = ["verify", "sqlite:shop.db", "sqlite:lake.db"];
    for (words, code, slug) in [
        (&["--tables", "nowhere"][..], 78, "unknown-table"),
        (&["--tables", "users", "--order-by", "ident"], 78, "unknown-column"),
        (
            &["--tables", "users", "--ignore-columns", "id", "--order-by", "id"],
            78,
            "key-not-compared",
        ),
        (&["--tables", "users", "--job", "shop"], 2, "job-without-file"),
        (&[], 2, "no-table"),
    ] {
        let told = world.run(&[&ends[..], words].concat()).expect(code);
        assert_eq!(told.slugs(), [slug], "{words:?}");
        assert!(!told.stdout.contains("mismatches="), "{}", told.stdout);
    }
    let told =
        world.run(&["verify", "sqlite:shop.db", "sqlite:gone.db", "--tables", "users"]).expect(69);
    assert!(!told.stdout.contains("EXTRA"), "{}", told.stdout);
}

#[test]
fn json_is_one_last_line() {
    let world = shop_and_lake();
    let told = world.run(&[&BOTH[..], &["--output", "json", "--verbose"]].concat()).expect(1);
    let report = told.json();
    assert_eq!(report["status"], "different");
    assert_eq!(report["differences"], 3);
    assert_eq!(report["tables"][1]["rules"][0]["rule"], "numbers");
    assert_eq!(report["tables"][0]["key"][0], "id");
    let first: serde_json::Value =
        serde_json::from_str(told.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["kind"], "mismatch");
    assert_eq!(first["key"]["id"], "42");
    assert_eq!(first["cells"][0]["target"], "new@example.com");
    // Without being asked for, no value is said.
    let told = world.run(&[&BOTH[..], &["--output", "json"]].concat()).expect(1);
    assert_eq!(told.stdout.lines().count(), 1);
    assert!(!told.stdout.contains("example.com"), "{}", told.stdout);
}

#[test]
fn a_job_is_verified_with_its_names_and_filters() {
    let world = World::new();
    world.orders("shop.db", 900);
    world.write(
        "rowferry.yaml",
        "version: 1
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
        rename: { note: remark }
        exclude: [paid_at]
        filters: [\"id > 100\"]
",
    );
    world.run(&["run"]).expect(0);
    let told = world.run(&["verify", "--job", "shop"]).expect(0);
    let expected = ["INFO table verified table=orders rows=800", "INFO all tables verified"];
    assert_eq!(lines(&told.stdout), expected);
    world.sql("lake.db", "update dim_orders set remark = 'other' where id = 501");
    let told = world.run(&["verify", "rowferry.yaml", "--verbose"]).expect(1);
    assert!(
        told.stdout.contains("MISMATCH table=orders id=501 column=note source=\"note 501\""),
        "{}",
        told.stdout
    );
}

#[test]
fn a_repair_is_a_script_until_it_is_applied() {
    let world = shop_and_lake();
    let ends = ["repair", "sqlite:shop.db", "sqlite:lake.db", "--tables", "users,orders"];
    let told = world.run(&ends).expect(1);
    let expected = [
        "update \"users\" set \"created_at\" = 'x' where \"id\" = 41;",
        "update \"users\" set \"email\" = 'old@example.com', \"created_at\" = 'x' where \"id\" = 42;",
        "-- WARN table has mismatches table=users mismatches=3",
        "delete from \"orders\" where \"id\" = 100;",
        "insert into \"orders\" (\"id\", \"amount\") values (99, '1.0');",
        "-- WARN table has mismatches table=orders mismatches=2",
        "-- ERRO verification failed: 5 mismatches",
    ];
    assert_eq!(lines(&told.stdout), expected);
    assert!(!world.path("rowferry-undo.sql").exists());

    let apply = [&ends[..], &["--apply"]].concat();
    let told = world.run(&apply).expect(0);
    let expected = [
        "INFO table repaired table=users rows=2",
        "INFO table repaired table=orders rows=2",
        "INFO all tables verified",
    ];
    assert_eq!(lines(&told.stdout), expected);
    world
        .run(&["verify", "sqlite:shop.db", "sqlite:lake.db", "--tables", "users,orders"])
        .expect(0);
    assert_eq!(world.value("lake.db", "select email from users where id = 42"), "old@example.com");

    // What undoes the first repair is not written over by a second one.
    world.sql("shop.db", "update users set email = 'third' where id = 42");
    let told = world.run(&apply).expect(74);
    assert_eq!(told.slugs(), ["undo-file"]);
    assert_eq!(world.value("lake.db", "select email from users where id = 42"), "old@example.com");

    world.sql("lake.db", &std::fs::read_to_string(world.path("rowferry-undo.sql")).unwrap());
    let orders = "select group_concat(id || ':' || amount) from (select * from orders order by id)";
    assert_eq!(world.value("lake.db", orders), "98:364.8,100:2.0");
    assert_eq!(world.value("lake.db", "select email from users where id = 42"), "new@example.com");
}

#[test]
fn a_repair_that_cannot_be_undone_is_refused() {
    let world = shop_and_lake();
    world.sql("lake.db", "alter table orders add column note text");
    let ends = ["repair", "sqlite:shop.db", "sqlite:lake.db", "--apply", "--tables"];
    let told = world.run(&[&ends[..], &["orders"]].concat()).expect(78);
    assert_eq!(told.slugs(), ["columns-not-compared"]);
    world.sql("shop.db", "create table plain (a integer); insert into plain values (1)");
    world.sql("lake.db", "create table plain (a integer); insert into plain values (2)");
    let told = world.run(&[&ends[..], &["plain"]].concat()).expect(78);
    assert_eq!(told.slugs(), ["key-needed"]);
    assert!(!world.path("rowferry-undo.sql").exists());
}

#[test]
fn rows_that_arrive_late_are_waited_for() {
    let world = World::new();
    let table = "create table t (id integer primary key, v text);
        insert into t values (1, 'a'), (2, 'b')";
    world.sql("a.db", table);
    world.sql("b.db", table);
    world.sql("a.db", "insert into t values (3, 'c')");
    world.sql("b.db", "update t set v = 'old' where id = 2");
    let live = [
        "sync",
        "verify",
        "--source-url",
        "sqlite:a.db",
        "--target-url",
        "sqlite:b.db",
        "--tables",
        "t",
        "--live",
        "--wait",
        "30s",
    ];
    let started = world.start(&live);
    // Whenever they come: before the first read, between two, or in the middle of one.
    std::thread::sleep(std::time::Duration::from_millis(700));
    world.sql("b.db", "insert into t values (3, 'c'); update t set v = 'b' where id = 2");
    let told = wait(started).expect(0);
    assert_eq!(lines(&told.stdout).last(), Some(&"INFO all tables verified"));

    world.sql("b.db", "update t set v = 'old' where id = 2");
    let short = [&live[..8], &["--live", "--wait", "1s", "--verbose"]].concat();
    let told = world.run(&short).expect(1);
    let first = "MISMATCH table=t id=2 column=v source=\"b\" target=\"old\"";
    assert_eq!(lines(&told.stdout).first(), Some(&first));
}

#[test]
fn a_table_that_is_far_larger_on_one_side_is_cut_there() {
    let world = World::new();
    world.orders("a.db", 0);
    world.orders("b.db", 5_000);
    world.sql(
        "a.db",
        "insert into orders select 2500, 'customer 75', 2500 / 7.0, null, \
        '2026-01-01 00:00:00', x'00ff'",
    );
    for (source, target, word) in [("a", "b", "EXTRA"), ("b", "a", "MISSING")] {
        let (source, target) = (format!("sqlite:{source}.db"), format!("sqlite:{target}.db"));
        let verify = ["verify", &source, &target, "--tables", "orders", "--chunk-rows", "100"];
        let told = world.run(&[&verify[..], &["--verbose"]].concat()).expect(1);
        let found: Vec<&str> = told.stdout.lines().filter(|line| line.starts_with(word)).collect();
        assert_eq!(found.len(), 4_999, "{word}");
        assert_eq!(found[0], format!("{word} table=orders id=1 side=target"));
        let summary = "WARN table has mismatches table=orders mismatches=4999";
        assert!(told.stdout.contains(summary), "{}", found.len());
    }
}

#[test]
fn a_table_is_not_compared_with_itself() {
    let world = shop_and_lake();
    let refused = |words: &[&str]| {
        let told = world.run(&[&["verify"], words].concat()).expect(2);
        assert_eq!(told.slugs(), ["same-table"], "{words:?}");
        assert_eq!(told.stdout, "");
    };
    refused(&["sqlite:shop.db", "sqlite:./shop.db", "--tables", "users"]);
    std::os::unix::fs::symlink("shop.db", world.path("link.db")).unwrap();
    refused(&["sqlite:shop.db", "sqlite:link.db", "--tables", "orders,users"]);
    // Names are the same whatever their case.
    refused(&["sqlite:shop.db", "sqlite:shop.db", "--tables", "users=USERS"]);
    world.write(
        "rowferry.yaml",
        "version: 1
jobs: [{ name: a, source: 'sqlite:shop.db', target: 'sqlite:link.db', tables: [{ source: '*' }] }]",
    );
    refused(&["rowferry.yaml"]);
    world.sql("shop.db", "create table twin as select * from users");
    world.run(&["verify", "sqlite:shop.db", "sqlite:shop.db", "--tables", "users=twin"]).expect(0);
}
