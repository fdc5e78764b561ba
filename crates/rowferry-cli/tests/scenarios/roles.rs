//! Least privilege: copies as the logins of `config/roles`, and what happens when a right is missing.
//!
//! Each way of writing is done as a reader and a writer that may do no more than the scripts grant.
//! Then every right is taken away in turn: `check` names the grant beforehand, the run ends with 77 and
//! names it too, nothing has changed in the target; and once the printed statement was run, the same
//! command finishes. Or the right was not needed, and then `check` says nothing of it either.

use std::sync::atomic::{AtomicU32, Ordering};

use rowferry_testkit::Database;
use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};

use crate::ends::database;
use crate::mixed::is_full;
use crate::world::{Told, World};

const PASSWORD: &str = "change-me";
const ROWS: u32 = 300;

/// A table with rows 1 to `rows`.
fn fill(database: &Database, rows: u32) {
    database.exec("create table parcel (id bigint not null primary key, note varchar(40))");
    let values: Vec<String> = (1..=rows).map(|id| format!("({id}, 'parcel {id}')")).collect();
    if rows > 0 {
        database.exec(&format!("insert into parcel values {}", values.join(", ")));
    }
}

fn rows(database: &Database) -> Result<Vec<String>, String> {
    database.try_query("select id, note from parcel order by id")
}

/// A login made by one of the scripts, for one database.
struct Login<'a> {
    database: &'a Database,
    user: String,
}

impl<'a> Login<'a> {
    fn new(database: &'a Database, kind: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let user = format!("ferry_{kind}_{}_{number}", std::process::id());
        let script = match (database.engine(), kind) {
            (Postgres, "reader") => include_str!("../../../../config/roles/postgres_reader.sql"),
            (Postgres, _) => include_str!("../../../../config/roles/postgres_writer.sql"),
            (Mariadb | Mysql, "reader") => {
                include_str!("../../../../config/roles/mysql_reader.sql")
            }
            (Mariadb | Mysql, _) => include_str!("../../../../config/roles/mysql_writer.sql"),
            (Sqlite, _) => "",
        };
        let login = Self { database, user };
        login.forget();
        if database.engine() == Postgres {
            // What a careful administrator does first: nobody has rights that were not granted.
            database.exec(&format!(
                "revoke all on schema public from public; \
                 revoke all on database \"{}\" from public",
                database.name()
            ));
        }
        let (schema, name) = ("schema public", format!("\"{}\"", database.name()));
        let script = script
            .replace(&format!("ferry_{kind}"), &login.user)
            .replace("schema sales", schema)
            .replace("schema dwh", schema)
            .replace("database shop", &format!("database {name}"))
            .replace("database warehouse", &format!("database {name}"))
            .replace("`shop`", &format!("`{}`", database.name()))
            .replace("`warehouse`", &format!("`{}`", database.name()));
        database.exec(&script);
        login
    }

    fn forget(&self) {
        let user = &self.user;
        let known = match self.database.engine() {
            Postgres => format!("drop owned by {user}; drop role {user}"),
            Mariadb | Mysql => format!("drop user if exists '{user}'@'%'"),
            Sqlite => return,
        };
        drop(self.database.try_query(&known));
    }

    fn url(&self) -> String {
        let endpoint = self.database.endpoint();
        let whole = self.database.url();
        if self.database.engine() == Sqlite {
            return whole;
        }
        let scheme = whole.split(':').next().unwrap_or_default();
        let (user, port, name) = (&self.user, endpoint.port, self.database.name());
        format!("{scheme}://{user}:{PASSWORD}@127.0.0.1:{port}/{name}")
    }
}

impl Drop for Login<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}

/// A job of one table as these logins.
fn job(world: &World, source: &Login<'_>, target: &Login<'_>, write: &str) {
    world.write(
        "job.yaml",
        &format!(
            "version: 1\nconnections:\n  from: {}\n  to: {}\njobs:\n  - name: roles\n    source: from\n    \
             target: to\n    settings: {{ chunk_rows: 100, retry_for: 2s }}\n    tables:\n      \
             - {{ source: parcel, {write} }}\n",
            source.url(),
            target.url()
        ),
    );
}

fn run(world: &World) -> Told {
    world.run(&["run", "job.yaml", "--restart"])
}

/// The table made by somebody else, with or without the rows.
fn made_by_another(target: &Database, rows: u32) {
    target.exec("drop table if exists parcel");
    fill(target, rows);
    if target.engine() == Postgres {
        // As `on all tables` of the script would have, had it been there.
        let own = format!(
            "select rolname from pg_roles where rolname ~ '^ferry_writer_{}_'",
            std::process::id()
        );
        for user in target.query(&own) {
            target.exec(&format!(
                "do $$ begin if has_schema_privilege('{user}', 'public', 'usage') then \
                 grant select, insert, update, delete on parcel to {user}; end if; end $$"
            ));
        }
    }
}

fn copies_as_roles(from: Engine, to: Engine) {
    // Rights are looked at end by end: two directions have both ends of both kinds of server.
    if !is_full() && !matches!((from, to), (Postgres, Mariadb) | (Mariadb, Postgres)) {
        return;
    }
    let world = World::new();
    let Some(source) = database(from, &world, "roles_source") else { return };
    let Some(target) = database(to, &world, "roles_target") else { return };
    fill(&source, ROWS);
    let expected = rows(&source);
    let (reader, writer) = (Login::new(&source, "reader"), Login::new(&target, "writer"));
    for (write, theirs, before) in [
        ("write: replace", false, 0),
        ("write: replace", false, 0),
        ("write: append", true, 0),
        ("write: upsert", true, ROWS / 2),
        ("write: replace, replace: truncate", true, ROWS / 2),
    ] {
        if theirs {
            made_by_another(&target, before);
        }
        job(&world, &reader, &writer, write);
        let checked = world.run(&["check", "job.yaml"]).expect(0);
        assert!(!checked.stdout.contains("MISSING"), "{write}: {}", checked.stdout);
        run(&world).expect(0);
        assert_eq!(rows(&target), expected, "{write}");
    }
}

every_direction! { copies_as_roles:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_mysql: Postgres => Mysql;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    sqlite_to_mariadb: Sqlite => Mariadb;
    sqlite_to_postgres: Sqlite => Postgres;
    mysql_to_mysql: Mysql => Mysql;
}

/// The statements that a text offers to be pasted.
fn grants(text: &str) -> Vec<String> {
    let starts = ["grant ", "alter table "];
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = starts.iter().filter_map(|start| rest.find(start)).min() {
        let Some((statement, behind)) = rest.split_at(at).1.split_once(';') else { break };
        found.push(statement.to_owned());
        rest = behind;
    }
    found.dedup();
    found
}

/// A statement that takes a right away, and the way of writing that misses it.
type Right = (&'static str, Way);

/// How rows are written, and whether the table is somebody else's.
type Way = (&'static str, bool);

const NEW: Way = ("replace", false);
const APPEND: Way = ("append", true);
const UPSERT: Way = ("upsert", true);
const THEIRS: Way = ("replace", true);

/// Takes one right away after another and looks what `check` and the run say of it; in the whole matrix
/// with all ways of writing.
fn a_missing_right_is_named(engine: Engine, of_source: &[Right], of_target: &[Right]) {
    let world = World::new();
    let Some(source) = database(engine, &world, "rights_source") else { return };
    let Some(target) = database(engine, &world, "rights_target") else { return };
    fill(&source, ROWS);
    let rights = of_source.iter().map(|right| (&source, *right));
    let rights: Vec<_> = rights.chain(of_target.iter().map(|right| (&target, *right))).collect();
    let (mut needed, mut faults, mut wrong) = (0, 0, Vec::new());
    for (database, (revoke, way)) in &rights {
        for tried in [NEW, APPEND, UPSERT, THEIRS] {
            if !is_full() && tried != *way {
                continue;
            }
            let found = without(&world, [&source, &target], database, revoke, tried);
            faults += usize::from(found.is_some());
            needed += usize::from(found == Some(Ok(true)));
            if let Some(Err(why)) = found {
                wrong.push(format!("{tried:?} without {revoke}: {why}"));
            }
        }
    }
    println!("faults: {faults}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(needed >= rights.len() - 2, "only {needed} of {} rights were needed", rights.len());
}

/// Whether the right was needed, or what was wrong then; `None` when it could not be taken away.
fn without(
    world: &World,
    [source, target]: [&Database; 2],
    database: &Database,
    revoke: &str,
    (write, theirs): Way,
) -> Option<Result<bool, String>> {
    for table in ["parcel", "_rowferry_stream", "_rowferry_chunk"] {
        target.exec(&format!("drop table if exists {table}"));
    }
    // The ledger would miss what it heard of them.
    drop(std::fs::remove_dir_all(world.path("state")));
    let (reader, writer) = (Login::new(source, "reader"), Login::new(target, "writer"));
    if theirs {
        made_by_another(target, 0);
    }
    job(world, &reader, &writer, &format!("write: {write}"));
    let login = if database.name() == source.name() { &reader } else { &writer };
    let revoke = revoke.replace("LOGIN", &login.user).replace("DATABASE", database.name());
    database.try_query(&revoke).ok()?;
    let checked = world.run(&["check", "job.yaml"]);
    let told = run(world);
    if told.code == 0 {
        let fears = || Err(format!("check has wrong fears: {}", checked.stdout));
        return Some(if checked.code == 0 { Ok(false) } else { fears() });
    }
    let foreseen = grants(&(checked.stdout.clone() + &checked.stderr));
    let mut statements = grants(&told.stderr);
    if told.code != 77 || statements.is_empty() {
        return Some(Err(format!("no grant is named: {}", told.stderr)));
    }
    if checked.code == 0 || statements.iter().any(|one| !foreseen.contains(one)) {
        return Some(Err(format!("check knew {foreseen:?}, the run {statements:?}")));
    }
    // Whole chunks at most, of which the next run knows.
    let left = rows(target).map_or(0, |rows| rows.len());
    if !left.is_multiple_of(100) {
        return Some(Err(format!("{left} rows are there")));
    }
    // Where a connection is refused, nothing more is known of its end.
    let mut said = String::new();
    for _ in 0..3 {
        for statement in &statements {
            let owner = if statement.contains(&reader.user) { source } else { target };
            owner.exec(statement);
        }
        let again = world.run(&["run", "job.yaml"]);
        if again.code == 0 {
            let same = rows(target) == rows(source);
            return Some(if same { Ok(true) } else { Err("other rows arrived".to_owned()) });
        }
        statements = grants(&again.stderr);
        said = again.stderr;
    }
    Some(Err(format!("the grants were not enough: {said}")))
}

const POSTGRES_SOURCE: [Right; 3] = [
    ("revoke select on parcel from LOGIN", NEW),
    ("revoke usage on schema public from LOGIN", UPSERT),
    ("revoke connect on database \"DATABASE\" from LOGIN", APPEND),
];
const POSTGRES_TARGET: [Right; 9] = [
    ("revoke create on schema public from LOGIN", NEW),
    ("revoke usage on schema public from LOGIN", APPEND),
    ("revoke temporary on database \"DATABASE\" from LOGIN", UPSERT),
    ("revoke connect on database \"DATABASE\" from LOGIN", UPSERT),
    ("revoke select on table parcel from LOGIN", APPEND),
    ("revoke insert on table parcel from LOGIN", APPEND),
    ("revoke update on table parcel from LOGIN", UPSERT),
    ("revoke delete on table parcel from LOGIN", UPSERT),
    // Nothing but that the table is somebody else's.
    ("select 'LOGIN'", THEIRS),
];
const MYSQL_SOURCE: [Right; 1] = [("revoke select on `DATABASE`.* from LOGIN@'%'", NEW)];
const MYSQL_TARGET: [Right; 8] = [
    ("revoke select on `DATABASE`.* from LOGIN@'%'", APPEND),
    ("revoke insert on `DATABASE`.* from LOGIN@'%'", NEW),
    ("revoke update on `DATABASE`.* from LOGIN@'%'", UPSERT),
    ("revoke delete on `DATABASE`.* from LOGIN@'%'", UPSERT),
    ("revoke create on `DATABASE`.* from LOGIN@'%'", NEW),
    ("revoke alter on `DATABASE`.* from LOGIN@'%'", THEIRS),
    ("revoke drop on `DATABASE`.* from LOGIN@'%'", NEW),
    ("revoke create temporary tables on `DATABASE`.* from LOGIN@'%'", UPSERT),
];

#[test]
fn a_missing_right_in_postgres_is_named() {
    a_missing_right_is_named(Postgres, &POSTGRES_SOURCE, &POSTGRES_TARGET);
}

#[test]
fn a_missing_right_in_mariadb_is_named() {
    a_missing_right_is_named(Mariadb, &MYSQL_SOURCE, &MYSQL_TARGET);
}

#[test]
fn a_missing_right_in_mysql_is_named() {
    if !is_full() {
        return;
    }
    a_missing_right_is_named(Mysql, &MYSQL_SOURCE, &MYSQL_TARGET);
}
