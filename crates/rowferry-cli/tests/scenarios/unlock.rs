//! `state unlock`: who holds a stream is shown, and ended when that is wanted; the next run takes over.

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, database, wait_until};
use crate::locked::signal;
use crate::mixed::{COLUMNS, fill};
use crate::world::{World, finish, wait};

struct Copy {
    world: World,
    source: Database,
    target: Database,
}

impl Copy {
    fn command(&self, machine: &World) -> std::process::Command {
        let (from, to) = (self.source.url(), self.target.url());
        let words = ["copy", &from, &to, "--table", "t_bigint", "--chunk-rows", "100"];
        let rest = ["--workers", "2", "--write", "append", "--run-key", "one", "--output", "json"];
        machine.command(&[&words[..], &rest].concat())
    }
}

/// A frozen owner keeps everybody out for a minute; a person need not wait for that.
fn a_frozen_owner_is_ended(to: Engine) {
    let world = World::new();
    let Some(source) = database(Engine::Sqlite, &world, "unlock_source") else { return };
    let Some(target) = database(to, &world, "unlock_target") else { return };
    println!("faults: 1");
    fill(&source, 8_000);
    let copy = Copy { world, source, target };
    let mut owner = copy.command(&copy.world);
    owner.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let owner = owner.spawn().unwrap();
    wait_until("some receipts", || Progress::of(&copy.target).receipts > 3);
    signal(owner.id(), "-STOP");
    let other = World::new();
    let refused = finish(copy.command(&other)).expect(75);
    assert_eq!(refused.slugs(), ["locked"]);
    assert!(refused.stderr.contains("rowferry state unlock"), "{}", refused.stderr);

    let url = copy.target.url();
    let unlock = ["state", "unlock", "t_bigint", "--target", &url];
    let asked = other.run(&unlock).expect(2);
    assert_eq!(asked.slugs(), ["not-confirmed"]);
    let process = owner.id().to_string();
    assert!(asked.stdout.contains(&process), "the owner is not named: {}", asked.stdout);
    assert!(asked.stdout.contains("lock"), "{}", asked.stdout);
    finish(copy.command(&other)).expect(75);
    let mut woken = None;
    if to == Engine::Sqlite {
        // The system alone takes a lock from a process, when it ends.
        let told = other.run(&[&unlock[..], &["--yes"]].concat()).expect(75);
        assert!(told.stderr.contains(&format!("`kill {process}`")), "{}", told.stderr);
        signal(owner.id(), "-KILL");
        wait(owner);
    } else {
        assert!(asked.stderr.contains("it may be alive"), "{}", asked.stderr);
        other.run(&[&unlock[..], &["--yes"]].concat()).expect(0);
        woken = Some(owner);
    }
    let nobody = other.run(&unlock).expect(0);
    assert!(nobody.stderr.contains("nobody holds stream"), "{nobody:?}");
    let durable = Progress::of(&copy.target);
    let report = finish(copy.command(&other)).expect(0).json();
    assert_eq!(report["totals"]["rows_written"], 8_000 - durable.rows);
    if let Some(owner) = woken {
        signal(owner.id(), "-CONT");
        let owner = wait(owner);
        assert!(matches!(owner.code, 69 | 75), "{owner:?}");
    }
    let expected = dump(&copy.source, "t_bigint", &COLUMNS);
    assert_same("target", &expected, &dump(&copy.target, "t_bigint", &COLUMNS));
}

#[test]
fn postgres() {
    a_frozen_owner_is_ended(Engine::Postgres);
}

#[test]
fn mariadb() {
    a_frozen_owner_is_ended(Engine::Mariadb);
}

#[test]
fn mysql() {
    a_frozen_owner_is_ended(Engine::Mysql);
}

#[test]
fn sqlite() {
    a_frozen_owner_is_ended(Engine::Sqlite);
}
