//! What must stay secret stays secret: a password of every sign there is, and the values of rows.
//!
//! A login with that password copies, fails, breaks off and panics, and neither the password nor a
//! piece of it may stand in what was said, in any file that was written, or in the progress tables of
//! the target. Then rows that break every kind of rule are copied in each direction, and nothing but
//! their keys may be told; nor the keys, when they were asked to be kept back.

use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};
use rowferry_testkit::{Canary, Database};

use crate::ends::database;
use crate::mixed::is_full;
use crate::world::{Told, World, finish};

const LOGIN: &str = "canary_bird";

/// A database, and a login with the canary as its password that may do anything in it.
struct Nest {
    database: Database,
    canary: Canary,
}

impl Nest {
    fn build(engine: Engine, world: &World) -> Option<Self> {
        let (database, canary) = (database(engine, world, "nest")?, Canary::default());
        let name = database.name();
        database.exec(&match engine {
            Postgres => format!(
                "drop role if exists {name}; create role {name} login password {}; \
                 grant all on database \"{name}\" to {name}; grant all on schema public to {name}",
                canary.doubled()
            ),
            Mariadb | Mysql => format!(
                "drop user if exists {LOGIN}@'%'; create user {LOGIN}@'%' identified by {}; \
                 grant all on `{name}`.* to {LOGIN}@'%'",
                canary.in_mysql()
            ),
            Sqlite => unreachable!("a file has no logins"),
        });
        Some(Self { database, canary })
    }

    fn user(&self) -> &str {
        if self.database.engine() == Postgres { self.database.name() } else { LOGIN }
    }

    fn url(&self, password: &str, database: &str) -> String {
        let (whole, port) = (self.database.url(), self.database.endpoint().port);
        let scheme = whole.split(':').next().unwrap_or_default();
        format!("{scheme}://{}:{password}@127.0.0.1:{port}/{database}", self.user())
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        if self.database.engine() == Postgres {
            let user = self.user();
            drop(self.database.try_query(&format!("drop owned by {user}; drop role {user}")));
        }
    }
}

/// Everything that a run says of a login with the canary, when it works and when it does not.
fn a_password_is_kept(engine: Engine) {
    if engine == Mysql && !is_full() {
        return;
    }
    let world = World::new();
    let Some(nest) = Nest::build(engine, &world) else { return };
    world.orders("a.db", 2_000);
    let good = nest.url(&nest.canary.in_url(), nest.database.name());
    // A password of which the right one is a piece.
    let wrong = nest.url(&format!("{}x", nest.canary.in_url()), nest.database.name());
    let nowhere = nest.url(&nest.canary.in_url(), "no_such_database");
    let quiet: &[&str] = &[];
    let leak = format!("{} or {}", nest.canary.text(), nest.canary.in_url());
    let copied = || nest.database.value("select count(*) from orders");
    let cases: Vec<(&str, &str, &[&str], Option<&str>)> = vec![
        ("it works", &good, quiet, None),
        ("again", &good, &["--write", "upsert", "--output", "json"], None),
        ("wrong password", &wrong, quiet, None),
        ("unknown database", &nowhere, &["--output", "json"], None),
        ("broken rule", &good, &["--write", "append", "--restart"], None),
        ("panic", &good, &["--restart"], Some("rows-begun")),
        ("panic of the coordinator", &good, &["--restart"], Some("prepared")),
    ];
    println!("faults: {}", cases.len() - 2);
    for (what, url, words, point) in cases {
        let command = ["copy", "sqlite:a.db", "env:BIRD", "--table", "orders", "--retry-for", "1s"];
        let loud = ["-vvv", "--log-format", "json", "--report", "report.json"];
        let mut command = world.command(&[&command[..], &loud, words].concat());
        command.env("BIRD", url).env("RUST_BACKTRACE", "1");
        if let Some(point) = point {
            command.env("ROWFERRY_FAILPOINT", point).env("ROWFERRY_FAILPOINT_LEAK", &leak);
        }
        let told = finish(command);
        let leaked = cfg!(feature = "failpoints") && point.is_some();
        let code = match what {
            "unknown database" if engine == Postgres => 78,
            // To a login without rights MySQL does not tell whether there is one.
            "wrong password" | "unknown database" => 77,
            "broken rule" => 65,
            _ if leaked => 70,
            _ => 0,
        };
        assert_eq!(told.code, code, "{what}: {told:?}");
        assert!(!leaked || told.stderr.contains("*** or ***"), "nothing was leaked: {told:?}");
        silent(&nest.canary, what, &told);
    }
    assert_eq!(copied(), "2000");
    // The other way, and what only looks.
    world.write(
        "job.yaml",
        "version: 1\njobs:\n  - name: back\n    source: env:BIRD\n    target: sqlite:b.db\n    \
         tables:\n      - source: orders\n",
    );
    for arguments in [
        &["run", "job.yaml", "-vvv"][..],
        &["plan", "job.yaml", "--output", "json"],
        &["check", "job.yaml", "-vvv"],
        &["tables", "env:BIRD"],
        &["status", "--target", "env:BIRD", "-vvv"],
        &["state", "list", "--target", "env:BIRD"],
        &["config", "show", "job.yaml"],
    ] {
        let mut command = world.command(arguments);
        command.env("BIRD", &good);
        silent(&nest.canary, &format!("{arguments:?}"), &finish(command).expect(0));
    }
    for table in ["_rowferry_stream", "_rowferry_chunk"] {
        let rows = nest.database.query(&format!("select * from {table}")).join("\n");
        nest.canary.assert_absent(table, &rows);
    }
    assert!(nest.canary.assert_in_no_file(world.folder(), &[]) > 4);
}

fn silent(canary: &Canary, what: &str, told: &Told) {
    canary.assert_absent(what, &told.stdout);
    canary.assert_absent(what, &told.stderr);
}

#[test]
fn a_password_is_kept_from_postgres() {
    a_password_is_kept(Postgres);
}

#[test]
fn a_password_is_kept_from_mariadb() {
    a_password_is_kept(Mariadb);
}

#[test]
fn a_password_is_kept_from_mysql() {
    a_password_is_kept(Mysql);
}

/// What stands in the row that nothing accepts.
const WORD: &str = "Kanarienvogel-im-Bergwerk";
const NUMBER: &str = "47114711471147";
const KEY: &str = "271828";

/// A rule that the row breaks.
struct Rule {
    what: &'static str,
    /// Statements that make the target's table; none when the copy makes it.
    target: String,
    /// A cast of one column.
    cast: Option<&'static str>,
}

/// A table whose columns `word` and `num` are these, between two statements.
fn table(what: &'static str, word: &str, num: &str, [before, after]: [&str; 2]) -> Rule {
    let create = "create table leak (id bigint not null primary key, word";
    Rule { what, target: format!("{before}{create} {word}, num {num});{after}"), cast: None }
}

fn cast(what: &'static str, cast: &'static str) -> Rule {
    Rule { what, target: String::new(), cast: Some(cast) }
}

fn rules(to: Engine) -> Vec<Rule> {
    const NONE: [&str; 2] = [""; 2];
    const KNOWN: [&str; 2] = ["create table known (word varchar(60) primary key); ", ""];
    let text = "varchar(60)";
    let mut rules = vec![
        table("unique word", "varchar(60) unique", "bigint", NONE),
        table("unique number", text, "bigint unique", NONE),
        table("check", text, "bigint check (num < 99)", NONE),
        table("check of text", "varchar(60) check (length(word) < 9)", "bigint", NONE),
    ];
    if to != Sqlite {
        rules.extend([
            table("too long", "varchar(10)", "bigint", NONE),
            table("out of range", text, "smallint", NONE),
            cast("JSON", if to == Postgres { "word: jsonb" } else { "word: json" }),
            cast("a narrow number", "num: smallint"),
        ]);
    }
    rules.extend(match to {
        Postgres => vec![
            table("trigger", text, "bigint", ["", POSTGRES_TRIGGER]),
            table("index", text, "bigint", ["", "create index on leak ((substr(word, 2)::int))"]),
            table(
                "domain",
                text,
                "small",
                ["create domain small as bigint check (value < 99); ", ""],
            ),
            table("enumeration", "mood", "bigint", ["create type mood as enum ('fine'); ", ""]),
            table("foreign key", "varchar(60) references known", "bigint", KNOWN),
            table("exclusion", text, "bigint, exclude using btree (num with =)", NONE),
            table(
                "generated",
                text,
                "bigint, half integer generated always as (num::integer / 2) stored",
                NONE,
            ),
            cast("an address", "word: inet"),
        ],
        // Foreign keys are not looked at while rows are loaded there.
        Mariadb | Mysql => vec![
            table("trigger", text, "bigint", ["", MYSQL_TRIGGER]),
            table("enumeration", "enum('fine')", "bigint", NONE),
            table("generated", text, "bigint, half smallint as (num / 2) stored", NONE),
        ],
        Sqlite => vec![
            table("trigger", "text", "bigint", ["", SQLITE_TRIGGER]),
            table("enumeration", "text check (word in ('fine'))", "bigint", NONE),
        ],
    });
    rules
}

/// Triggers that put the values into their words.
const POSTGRES_TRIGGER: &str = "create function no() returns trigger language plpgsql as $$ begin \
    raise exception 'not %', new.word using detail = new.word, hint = new.num; end $$; \
    create trigger no before insert on leak for each row execute function no()";
const MYSQL_TRIGGER: &str = "\ndelimiter //\ncreate trigger no before insert on leak for each row \
    begin declare words varchar(90); set words = concat('not ', new.word, new.num); \
    signal sqlstate '45000' set message_text = words; end//\n";
const SQLITE_TRIGGER: &str = "create trigger no before insert on leak when new.num > 99 \
    begin select raise(abort, 'not ' || new.word || new.num); end";

fn fill_leak(source: &Database) {
    source.exec(&format!(
        "create table leak (id bigint not null primary key, word varchar(60), num bigint); \
         insert into leak values (1, 'fine', 1), ({KEY}, '{WORD}', {NUMBER}), \
         (271829, '{WORD}', {NUMBER})"
    ));
}

fn make_leak(world: &World, target: &Database, rule: &Rule) {
    let tables = "drop table if exists leak; drop table if exists known";
    let rest = "drop type if exists mood; drop domain if exists small; drop function if exists no";
    // Only newer versions of SQLite than many a client's let a trigger compose its words, or read a
    // file that has such a one.
    let run = |text: &str| match target.engine() {
        Sqlite => world.sql("leak_target.db", text),
        Postgres | Mariadb | Mysql => target.exec(text),
    };
    run(tables);
    if target.engine() == Postgres {
        run(rest);
    }
    run(&rule.target);
}

/// What is tried with rows of one source: everything, or a third that the other two complete.
fn chosen(from: Engine, to: Engine) -> Vec<Rule> {
    let third = match from {
        Postgres => 0,
        Mariadb | Mysql => 1,
        Sqlite => 2,
    };
    let rules = rules(to).into_iter().enumerate();
    rules.filter(|(at, _)| is_full() || at % 3 == third).map(|(_, rule)| rule).collect()
}

/// Rows that break a rule are told by their keys, and by nothing else of them.
fn values_are_kept(from: Engine, to: Engine) {
    if to == Mysql && !is_full() {
        return;
    }
    let world = World::new();
    let Some(source) = database(from, &world, "leak_source") else { return };
    let Some(target) = database(to, &world, "leak_target") else { return };
    fill_leak(&source);
    let rules = chosen(from, to);
    let both = ["keys", "none"];
    println!("faults: {}", rules.len() * if is_full() { 2 } else { 1 });
    for (at, rule) in rules.iter().enumerate() {
        make_leak(&world, &target, rule);
        for shown in if is_full() { &both[..] } else { &both[at % 2..=at % 2] } {
            let casts =
                rule.cast.map_or_else(String::new, |cast| format!("\n        casts: {{ {cast} }}"));
            world.write(
                "job.yaml",
                &format!(
                    "version: 1\nconnections:\n  from: {}\n  to: {}\njobs:\n  - name: leak\n    \
                     source: from\n    target: to\n    settings: {{ error_values: {shown} }}\n    \
                     tables:\n      - source: leak\n        write: append{casts}\n",
                    source.url(),
                    target.url()
                ),
            );
            let loud = ["-vvv", "--report", "report.json", "--output", "json", "--restart"];
            let told = world.run(&[&["run", "job.yaml"], &loud[..]].concat());
            let report = std::fs::read_to_string(world.path("report.json")).unwrap_or_default();
            let what = format!("{} with {shown}", rule.what);
            assert_eq!(told.code, 65, "{what}: {told:?}");
            for text in [&told.stdout, &told.stderr, &report] {
                for value in [WORD, NUMBER, "anarienvogel", "fine"] {
                    let of_schema = value == "fine" && rule.what == "enumeration";
                    assert!(of_schema || !text.contains(value), "{what} says {value}:\n{text}");
                }
                assert!(*shown == "keys" || !text.contains(KEY), "{what} says its key:\n{text}");
            }
            let named = ["too long", "out of range"].contains(&rule.what) && *shown == "keys";
            assert!(!named || told.stderr.contains(KEY), "{what} names no key: {told:?}");
        }
    }
    for name in ["report.json", "state/rowferry.db", "state/rowferry.db-wal"] {
        let bytes = std::fs::read(world.path(name)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(WORD), "{name} holds a value");
    }
}

every_direction! { values_are_kept:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mariadb: Sqlite => Mariadb;
    sqlite_to_sqlite: Sqlite => Sqlite;
    postgres_to_mysql: Postgres => Mysql;
}
