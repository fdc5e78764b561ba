//! A target that takes no writes for a while, as a primary does that is demoted: the run drops its
//! connections, tries again, and goes on when there is one that writes.
//!
//! At one moment of a run; `ROWFERRY_RELIABILITY=full` takes three.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use rowferry_testkit::{Database, Engine, Proxy, Server, alone};

use crate::dump::{assert_same, dump};
use crate::ends::{database, wait_for_silence, wait_until};
use crate::mixed::{COLUMNS, fill, is_full};
use crate::world::{World, wait};

/// In the middle of the rows, before keys are built, before the swap.
const MOMENTS: [&str; 3] = ["commit-answered:3", "chunks-done:1", "sealed:1"];
/// Those of this run.
fn moments() -> &'static [&'static str] {
    let few = MOMENTS.split_at(1).0;
    if is_full() { &MOMENTS } else { few }
}

/// How long there is no server that writes: longer than the first pauses between attempts.
const READ_ONLY: Duration = Duration::from_secs(2);

/// Turns writing off or on for every login without special rights.
fn set_read_only(server: &Server, on: bool) {
    let maintenance = server.maintenance();
    match server.engine() {
        Engine::Postgres => {
            let value = if on { "on" } else { "off" };
            maintenance.exec(&format!("alter system set default_transaction_read_only = {value}"));
            maintenance.exec("select pg_reload_conf()");
        }
        Engine::Mariadb | Engine::Mysql => {
            maintenance.exec(&format!("set global read_only = {}", u8::from(on)));
        }
        Engine::Sqlite => unreachable!("SQLite has no server"),
    }
}

/// The URL of `target` for a login without special rights, which could write all the same.
fn plain_url(target: &Database) -> String {
    let endpoint = target.endpoint();
    if target.engine() == Engine::Postgres {
        return target.url();
    }
    let password = endpoint.password.as_ref().map_or("", |password| password.reveal());
    target.exec(&format!(
        "create user if not exists plain@'%' identified by '{password}'; \
         grant all on `{}`.* to plain@'%';",
        endpoint.database
    ));
    target.url().replace(&format!("{}:", endpoint.user), "plain:")
}

fn start(world: &World, source: &Database, target: &str, moment: &str) -> Child {
    let words = ["copy", &source.url(), target, "--table", "t_bigint", "--chunk-rows", "200"];
    let rest = ["--restart", "--output", "json"];
    let mut command = world.command(&[&words[..], &rest].concat());
    command.env("ROWFERRY_FAILPOINT", moment);
    command.env("ROWFERRY_FAILPOINT_HOLD", world.path("held"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn a_target_that_turns_read_only_is_waited_for(from: Engine, to: Engine) {
    let world = World::new();
    let Some(server) = alone(to) else { return };
    let Some(source) = database(from, &world, "failover_source") else { return };
    let target = server.database("failover_target");
    let url = plain_url(&target);
    fill(&source, 2_000);
    let expected = dump(&source, "t_bigint", &COLUMNS);
    println!("faults: {}", moments().len());
    for moment in moments() {
        for table in ["t_bigint", "_rowferry_chunk", "_rowferry_stream"] {
            target.exec(&format!("drop table if exists {table}"));
        }
        let run = start(&world, &source, &url, moment);
        let held = world.path("held");
        wait_until(moment, || held.exists());
        set_read_only(&server, true);
        std::fs::remove_file(held).unwrap();
        std::thread::sleep(READ_ONLY);
        set_read_only(&server, false);
        let told = wait(run).expect(0);
        assert!(told.stderr.contains("trying again"), "{moment} was not hit: {told:?}");
        wait_for_silence(&target);
        assert_same(moment, &expected, &dump(&target, "t_bigint", &COLUMNS));
    }
    // Nothing was claimed yet: a server that never wrote is a mistake, and told at once.
    set_read_only(&server, true);
    let words = ["copy", &source.url(), &url, "--table", "t_uuid"];
    let told = world.run(&words).expect(69);
    assert_eq!(told.slugs(), ["read-only"], "{told:?}");
}

/// The primary is demoted, its standby promoted, and the name that both were reached by leads to the
/// new one: open connections still write to the old one, which refuses.
#[test]
fn a_promoted_standby_gets_the_rest() {
    let world = World::new();
    let Some(primary) = alone(Engine::Postgres) else { return };
    let Some(source) = database(Engine::Postgres, &world, "standby_source") else { return };
    fill(&source, 2_000);
    let expected = dump(&source, "t_bigint", &COLUMNS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("faults: {}", moments().len());
    let mut primary = primary;
    for moment in moments() {
        let target = primary.database("standby_target");
        let Some(standby) = primary.standby() else { return };
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let proxy = runtime.block_on(Proxy::start(at(primary.port())));
        let through = target.url().replace(
            &format!("127.0.0.1:{}", primary.port()),
            &format!("127.0.0.1:{}", proxy.port()),
        );
        let run = start(&world, &source, &through, moment);
        let held = world.path("held");
        wait_until(moment, || held.exists());
        set_read_only(&primary, true);
        standby.promote(&primary);
        proxy.point_at(at(standby.port()));
        std::fs::remove_file(held).unwrap();
        let told = wait(run).expect(0);
        let tries = told.stderr.matches("trying again").count();
        // Each of two workers meets the old primary once, and the table's own sessions do.
        assert!((1..=6).contains(&tries), "{moment}: {tries} tries: {told:?}");
        let promoted = standby.twin(&target);
        wait_for_silence(&promoted);
        assert_same(moment, &expected, &dump(&promoted, "t_bigint", &COLUMNS));
        primary = standby;
        set_read_only(&primary, false);
    }
}

every_direction! { a_target_that_turns_read_only_is_waited_for:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_mysql: Postgres => Mysql;
}
