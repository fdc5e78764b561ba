//! A server that is stopped while it is copied from or into, and started again: the same run goes on
//! by itself, and every row arrives once.
//!
//! The run is held at a boundary, the server stopped (by its own shutdown, at once, by SIGKILL),
//! the run let go, the server started. Three moments for each direction;
//! `ROWFERRY_RELIABILITY=full` takes all moments × ways to stop × write modes.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rowferry_testkit::{Database, Engine, Server, Stop, alone};

use crate::dump::{assert_same, dump};
use crate::ends::{database, wait_for_silence, wait_until};
use crate::mixed::{COLUMNS, fill, is_full};
use crate::world::{World, wait};

const STOPS: [Stop; 3] = [Stop::Fast, Stop::Immediate, Stop::Kill];
/// While rows are copied, after the last one, before the swap; then the finer ones.
const MOMENTS: [&str; 9] = [
    "rows-begun:6",
    "chunks-done:1",
    "sealed:1",
    "commit-sent:3",
    "receipt-written:2",
    "claimed:1",
    "table-statement:1",
    "intent-written:1",
    "locked:1",
];
/// Of them, in a test run.
const FEW: usize = 3;
/// How long the server is away.
const DOWN: Duration = Duration::from_secs(1);
/// From the server's first answer to the end of the run: a pause between attempts may have grown to
/// several seconds by then.
const GOES_ON_WITHIN: Duration = Duration::from_secs(30);

/// A copy of one table of which one server belongs to the test.
struct Restarts {
    world: World,
    server: Server,
    source: Database,
    target: Database,
    expected: Vec<String>,
}

impl Restarts {
    fn new(from: Engine, to: Engine, source_restarts: bool) -> Option<Self> {
        let world = World::new();
        let server = alone(if source_restarts { from } else { to })?;
        let own = server.database("restarts_own");
        let other = database(if source_restarts { to } else { from }, &world, "restarts_other")?;
        let (source, target) = if source_restarts { (own, other) } else { (other, own) };
        fill(&source, 2_000);
        let expected = dump(&source, "t_bigint", &COLUMNS);
        Some(Self { world, server, source, target, expected })
    }

    fn start(&self, moment: &str, write: &str) -> Child {
        let (from, to) = (self.source.url(), self.target.url());
        let words = ["copy", &from, &to, "--table", "t_bigint", "--chunk-rows", "200"];
        let rest = ["--write", write, "--restart", "--output", "json"];
        let mut command = self.world.command(&[&words[..], &rest].concat());
        command.env("ROWFERRY_FAILPOINT", moment);
        command.env("ROWFERRY_FAILPOINT_HOLD", self.world.path("held"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn goes_on(&mut self, moment: &str, stop: Stop, write: &str) {
        let case = format!("{moment}, {stop:?}, {write}");
        for table in ["t_bigint", "_rowferry_chunk", "_rowferry_stream"] {
            self.target.exec(&format!("drop table if exists {table}"));
        }
        let run = self.start(moment, write);
        let held = self.world.path("held");
        wait_until(&case, || held.exists());
        self.server.stop(stop);
        std::fs::remove_file(held).unwrap();
        std::thread::sleep(DOWN);
        self.server.start();
        let up = Instant::now();
        let told = wait(run);
        assert_eq!(told.code, 0, "{case}: {told:?}");
        assert!(up.elapsed() < GOES_ON_WITHIN, "{case}: {:?}: {told:?}", up.elapsed());
        wait_for_silence(&self.target);
        assert_same(&case, &self.expected, &dump(&self.target, "t_bigint", &COLUMNS));
    }

    fn all(&mut self) {
        let mut count = 0;
        if is_full() {
            for moment in MOMENTS {
                for stop in STOPS {
                    for write in ["replace", "append"] {
                        self.goes_on(moment, stop, write);
                        count += 1;
                    }
                }
            }
        } else {
            for (moment, stop) in MOMENTS.into_iter().zip(STOPS).take(FEW) {
                self.goes_on(moment, stop, "replace");
                count += 1;
            }
        }
        println!("faults: {count}");
    }
}

fn the_target_restarts(from: Engine, to: Engine) {
    if let Some(mut restarts) = Restarts::new(from, to, false) {
        restarts.all();
    }
}

fn the_source_restarts(from: Engine, to: Engine) {
    if let Some(mut restarts) = Restarts::new(from, to, true) {
        restarts.all();
    }
}

mod target {
    use super::*;

    every_direction! { the_target_restarts:
        postgres_to_postgres: Postgres => Postgres;
        postgres_to_mariadb: Postgres => Mariadb;
    }
}

mod source {
    use super::*;

    every_direction! { the_source_restarts:
        postgres_to_mariadb: Postgres => Mariadb;
        mariadb_to_postgres: Mariadb => Postgres;
    }
}
