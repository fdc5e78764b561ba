//! `sync run`, `verify` and `down` as document 004 walks through them: two databases of different make
//! get the same rows, a comparison finds them equal, damage is found, and nothing is left.

use rowferry_testkit::{Database, Engine};

use crate::ends::{database, tables, wait_until};
use crate::locked::signal;
use crate::world::{Told, World, finish, wait};

/// Two ends with their configurations, in the words of edg.
struct Twins {
    world: World,
    source: Database,
    target: Database,
}

fn fixture(engine: Engine) -> String {
    let name = if engine == Engine::Postgres { "postgres" } else { "mysql" };
    format!("{}/../../fixtures/sync/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// A URL as Go's drivers take it.
fn go_url(database: &Database) -> String {
    let url = database.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    if scheme.starts_with("postgres") {
        return format!("postgres://{rest}?sslmode=disable");
    }
    let (login, rest) = rest.rsplit_once('@').unwrap();
    let (host, name) = rest.split_once('/').unwrap();
    format!("{login}@tcp({host})/{name}?parseTime=true")
}

fn driver(database: &Database) -> &'static str {
    if database.engine() == Engine::Postgres { "pgx" } else { "mysql" }
}

impl Twins {
    fn new(from: Engine, to: Engine) -> Option<Self> {
        let world = World::new();
        let source = database(from, &world, "seeded_source")?;
        let target = database(to, &world, "seeded_target")?;
        Some(Self { world, source, target })
    }

    fn words(&self) -> [String; 8] {
        let Self { source, target, .. } = self;
        [
            "--source-driver".to_owned(),
            driver(source).to_owned(),
            "--source-url".to_owned(),
            go_url(source),
            "--target-driver".to_owned(),
            driver(target).to_owned(),
            "--target-url".to_owned(),
            go_url(target),
        ]
    }

    fn sync(&self, action: &str, more: &[&str]) -> Told {
        let words = self.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.world.run(&[&["sync", action], &words[..], more].concat())
    }

    /// `sync run` and `sync down` with the fixtures of both ends.
    fn scripted(&self, action: &str, more: &[&str]) -> Told {
        let (source, target) = (fixture(self.source.engine()), fixture(self.target.engine()));
        let files = ["--source-config", &source, "--target-config", &target];
        self.sync(action, &[&files[..], more].concat())
    }

    fn verify(&self, more: &[&str]) -> Told {
        let what = ["--tables", "users,orders", "--order-by", "id"];
        let ignored = ["--ignore-columns", "created_at"];
        self.sync("verify", &[&what[..], &ignored, more].concat())
    }
}

const ROWS: &str = "select id, email, name from users order by id; \
     select id, user_id, amount, status from orders order by id";

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// The walk-through from its first command to its last.
fn walk(from: Engine, to: Engine) {
    let Some(twins) = Twins::new(from, to) else { return };
    let told = twins.scripted("run", &["--rng-seed", "42"]).expect(0);
    let expected = |side: &str| {
        [
            format!("INFO statement done side={side} section=up name=make_users"),
            format!("INFO statement done side={side} section=up name=make_orders"),
            format!("INFO statement done side={side} section=seed name=fill_users rows=1000"),
            format!("INFO statement done side={side} section=seed name=users_there rows=1000"),
            format!("INFO statement done side={side} section=seed name=fill_orders rows=5000"),
            format!("INFO all statements done side={side}"),
        ]
    };
    assert_eq!(lines(&told.stdout), [expected("source"), expected("target")].concat());

    let rows = twins.source.query(ROWS);
    assert_eq!(rows.len(), 6_000);
    assert_eq!(rows, twins.target.query(ROWS));
    // One counter serves both tables, as in the document: orders follow the thousand users.
    assert!(rows[0].starts_with("1\t") && rows[1_000].starts_with("1001\t"), "{}", rows[1_000]);

    let told = twins.verify(&[]).expect(0);
    let printed = [
        "INFO table verified table=users rows=1000",
        "INFO table verified table=orders rows=5000",
        "INFO all tables verified",
    ];
    assert_eq!(lines(&told.stdout), printed);

    damage_is_found(&twins);
    let told = twins.scripted("down", &[]).expect(0);
    let done = "INFO statement done side=target section=down name=drop_users";
    assert!(told.stdout.contains(done), "{}", told.stdout);
    for end in [&twins.source, &twins.target] {
        assert!(tables(end).is_empty(), "{:?}", tables(end));
    }

    twins.scripted("run", &["--rng-seed", "42", "--output", "json"]).expect(0);
    assert_eq!(rows, twins.target.query(ROWS), "the same seed gives the same rows again");
    twins.scripted("down", &[]).expect(0);
    let report = twins.scripted("run", &["--rng-seed", "43", "--output", "json"]).expect(0).json();
    assert_eq!((&report["status"], &report["rng_seed"]), (&"ok".into(), &43.into()));
    assert_eq!(report["statements"].as_array().unwrap().len(), 10);
    assert_ne!(rows, twins.target.query(ROWS), "another seed gives other rows");
}

/// A changed, a missing and an additional row are named as the document names them.
fn damage_is_found(twins: &Twins) {
    let email = twins.target.value("select email from users where id = 42");
    twins.target.exec(
        "update users set email = 'new@example.com' where id = 42;
        delete from orders where id = 1099;
        insert into orders (id, user_id, amount, status) values (100, 1, 1, 'pending')",
    );
    let told = twins.verify(&[]).expect(1);
    let [users, orders, all] = [
        "WARN table has mismatches table=users mismatches=1",
        "WARN table has mismatches table=orders mismatches=2",
        "ERRO verification failed: 3 mismatches",
    ];
    assert_eq!(lines(&told.stdout), [users, orders, all]);
    let told = twins.verify(&["--verbose"]).expect(1);
    let changed = format!(
        "MISMATCH table=users id=42 column=email source=\"{email}\" target=\"new@example.com\""
    );
    let mut found = lines(&told.stdout);
    found.retain(|line| !line.starts_with("INFO column"));
    found.sort_unstable();
    let missing = "MISSING table=orders id=1099 side=target";
    let extra = "EXTRA table=orders id=100 side=target";
    let mut expected = [changed.as_str(), users, missing, extra, orders, all];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

every_direction! { walk:
    mysql_to_postgres: Mysql => Postgres;
    mariadb_to_postgres: Mariadb => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
}

#[test]
fn without_a_configuration_the_target_is_left_alone() {
    let Some(twins) = Twins::new(Engine::Mariadb, Engine::Postgres) else { return };
    let mut command = twins.world.command(&["sync", "run", "--rng-seed", "42"]);
    command.env("EDG_SOURCE_URL", go_url(&twins.source)).env("EDG_SOURCE_DRIVER", "mysql");
    command.env("EDG_SOURCE_CONFIG", fixture(Engine::Mariadb));
    command.env("EDG_TARGET_URL", go_url(&twins.target)).env("EDG_TARGET_DRIVER", "pgx");
    let told = finish(command).expect(0);
    assert!(!told.stdout.contains("side=target"), "{}", told.stdout);
    assert_eq!(tables(&twins.source), ["orders", "users"]);
    assert!(tables(&twins.target).is_empty());
}

#[test]
fn a_statement_that_fails_says_where_and_what_is_done() {
    let Some(twins) = Twins::new(Engine::Postgres, Engine::Mariadb) else { return };
    let (source, target) = (
        "up: [{ name: make, query: 'create table t (id int primary key check (id < 25))' }]
seed:
  - { name: fill, type: exec_batch, count: 50, size: 10, args: ['seq(1, 1)'], query: insert into t __values__ }
deseed: [{ name: empty, query: delete from nowhere }]
down: [{ name: drop, query: drop table t }]",
        "up: [{ name: make, query: 'create table t (id int primary key)' }]
down: [{ name: drop, query: drop table t }]",
    );
    twins.world.write("source.yaml", source);
    twins.world.write("target.yaml", target);
    let files = ["--source-config", "source.yaml", "--target-config", "target.yaml"];
    let told = twins.sync("run", &[&files[..], &["--output", "json"]].concat()).expect(65);
    let report = told.json();
    let error = &report["error"];
    assert_eq!(error["code"], "check-violated", "{report}");
    let message = error["message"].as_str().unwrap();
    let place = "statement \"fill\" (1 of 1 in seed) of the source failed with rows 21 to 30";
    assert!(message.contains(place) && message.contains("SQLSTATE 23514"), "{message}");
    assert_eq!(error["saved"], "done were: source up make, source seed fill (the first 20 rows)");
    assert!(error["next"].as_str().unwrap().contains("sync down"), "{report}");
    assert_eq!(twins.source.value("select count(*) from t"), "20");
    assert!(tables(&twins.target).is_empty(), "the target is not begun");

    // Neither end keeps the other from being cleaned.
    twins.target.exec("create table t (id int primary key)");
    let told = twins.sync("down", &files).expect(78);
    assert_eq!(told.slugs(), ["unknown-table"]);
    assert!(told.stderr.contains("nowhere"), "{}", told.stderr);
    assert!(tables(&twins.target).is_empty());

    twins.world.write("target.yaml", "up: [{ name: make, query: creat table t }]");
    let files = ["--source-config", "target.yaml"];
    let (url, mut words) = (go_url(&twins.target), vec!["sync", "run", "--source-url"]);
    words.extend([url.as_str(), files[0], files[1]]);
    let told = twins.world.run(&words).expect(78);
    assert!(told.stderr.contains("statement \"make\" (1 of 1 in up)"), "{}", told.stderr);
}

#[test]
fn what_is_not_there_is_refused_before_anything_is_connected() {
    let world = World::new();
    let nowhere = "postgres://nobody:x@127.0.0.1:1/none?sslmode=disable";
    let run = |more: &[&str]| {
        world.run(&[&["sync", "run", "--source-url", nowhere, "--rng-seed", "1"], more].concat())
    };
    assert_eq!(run(&[]).expect(2).slugs(), ["no-config"]);
    world.write("run.yaml", "run: []");
    let told = run(&["--source-config", "run.yaml"]).expect(78);
    assert_eq!(told.slugs(), ["not-supported-yet"]);
    assert!(told.stderr.contains("run.yaml:1:1: not supported yet: run"), "{}", told.stderr);
    world.write("up.yaml", "up: [{ name: a, query: select 1, args: ['zipf(2, 1, 9)'] }]");
    let told = run(&["--source-config", "up.yaml"]).expect(78);
    assert!(told.stderr.contains("up.yaml:1:41: not supported yet: zipf()"), "{}", told.stderr);
    world.write("ok.yaml", "up: [{ name: a, query: select 1 }]");
    let told = run(&["--source-config", "ok.yaml"]).expect(69);
    let next = "next: When the server can be reached, run the same command again. It begins with the \
                first statement.";
    assert!(told.stderr.contains("saved: nothing was done"), "{}", told.stderr);
    assert!(told.stderr.contains(next), "{}", told.stderr);
    let of_driver = run(&["--source-config", "ok.yaml", "--source-driver", "mongodb"]).expect(78);
    assert_eq!(of_driver.slugs(), ["not-supported-yet"]);
    let sqlite = ["sync", "down", "--source-url", "sqlite:a.db", "--source-config", "ok.yaml"];
    assert_eq!(world.run(&sqlite).expect(78).slugs(), ["not-supported-yet"]);
}

#[test]
fn what_is_to_be_done_about_an_end_that_is_away_is_true() {
    let world = World::new();
    let Some(source) = database(Engine::Postgres, &world, "seeded_alone") else { return };
    let script = "up: [{ name: make, query: create table t (id int) }]
seed: [{ name: fill, query: insert into t values (1) }]
down: [{ name: drop, query: drop table t }]";
    world.write("both.yaml", script);
    let (there, away) = (go_url(&source), "postgres://nobody:x@127.0.0.1:1/none?sslmode=disable");
    let alone = |action: &'static str| -> Vec<String> {
        let words = ["sync", action, "--source-url", &there, "--source-config", "both.yaml"];
        words.map(str::to_owned).to_vec()
    };
    let run = |action: &'static str, more: &[&str]| {
        let words = alone(action);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        world.run(&[&words[..], more].concat())
    };
    let target = ["--target-url", away, "--target-config", "both.yaml"];

    let told = run("run", &target).expect(69);
    let saved = "saved: done were: source up make, source seed fill (1 rows)";
    let next =
        "next: When the server can be reached, run `sync down`, and then the same command again.";
    assert!(told.stderr.contains(saved) && told.stderr.contains(next), "{}", told.stderr);
    // Without it the table is in the way, and the advice is the same.
    let told = run("run", &[]).expect(76);
    let next = "next: Correct the statement and run `sync down`, and then the same command again.";
    assert!(told.stderr.contains(next), "{}", told.stderr);

    let told = run("down", &target).expect(69);
    let next = "next: When the server can be reached, run the same command again. It begins with the \
                first statement.";
    assert!(told.stderr.contains(next), "{}", told.stderr);
    assert!(tables(&source).is_empty());
    run("run", &[]).expect(0);
}

#[test]
fn a_signal_ends_a_statement_that_runs() {
    const OF_POSTGRES: &str = "select count(*) from pg_stat_activity where state = 'active' \
         and query like '%pg_sleep(60)%' and pid <> pg_backend_pid() and datname = current_database()";
    const OF_MARIADB: &str = "select count(*) from information_schema.processlist \
         where info like '%sleep(60)%' and id <> connection_id() and db = database()";
    for (engine, sleep, running) in [
        (Engine::Postgres, "pg_sleep(60)", OF_POSTGRES),
        (Engine::Mariadb, "sleep(60)", OF_MARIADB),
    ] {
        let world = World::new();
        let Some(source) = database(engine, &world, "seeded_slow") else { continue };
        let script = format!(
            "up: [{{ name: make, query: create table t (id int) }}]
seed: [{{ name: slow, query: 'select {sleep}' }}]"
        );
        world.write("slow.yaml", &script);
        let url = go_url(&source);
        let words = ["sync", "run", "--source-url", &url, "--source-config", "slow.yaml"];
        let run = world.start(&[&words[..], &["--output", "json"]].concat());
        // Not only the table: the run must have heard of it.
        wait_until("the statement to run", || source.value(running) == "1");
        assert_eq!(tables(&source), ["t"]);
        signal(run.id(), "-TERM");
        let told = wait(run).expect(143);
        let report = told.json();
        assert_eq!((&report["status"], &report["exit_code"]), (&"stopped".into(), &143.into()));
        assert_eq!(report["error"]["saved"], "done were: source up make");
    }
}
