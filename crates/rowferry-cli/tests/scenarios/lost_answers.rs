//! The answer to a COMMIT never arrives: the chunk is durable or it is not, and whichever it is,
//! its rows are there once.
//!
//! A few commits of a copy of fifty chunks; `ROWFERRY_RELIABILITY=full` takes each of them in turn.

use std::time::Duration;

use rowferry_testkit::{Engine, WireFault};

use crate::crossing::{Crossing, Via};
use crate::mixed::is_full;

const ROWS: u64 = 1_000;
const REPLACE: [&str; 4] = ["--chunk-rows", "20", "--write", "replace"];
/// No staging table hides a second copy of a chunk.
const APPEND: [&str; 4] = ["--chunk-rows", "20", "--write", "append"];

fn answers_are_lost(from: Engine, to: Engine) {
    let Some(crossing) = Crossing::new(from, to, ROWS) else { return };
    let whole = crossing.run(Via::Target, &[], &REPLACE);
    whole.told.expect(0);
    let commits = whole.commits;
    assert!(commits >= 50, "{commits} commits of fifty chunks were seen");
    let wanted: Vec<u64> = if is_full() {
        (1..=commits).collect()
    } else {
        vec![3, 10, commits / 2, commits - 1, commits]
    };
    println!("faults: {}", wanted.len() + 1);
    for number in wanted {
        crossing.arrives_once(Via::Target, WireFault::swallowed_answer(number), &REPLACE);
    }
    crossing.arrives_once(Via::Target, WireFault::swallowed_answer(commits / 3), &APPEND);
}

fn a_commit_is_held(from: Engine, to: Engine) {
    let Some(crossing) = Crossing::new(from, to, ROWS) else { return };
    let held = WireFault::held_commit(20, Duration::from_secs(5));
    crossing.arrives_once(Via::Target, held, &APPEND);
    println!("faults: 1");
}

/// Tests of all directions whose target is behind a socket.
macro_rules! into_servers {
    ($test:ident) => {
        every_direction! { $test:
            postgres_to_postgres: Postgres => Postgres;
            postgres_to_mariadb: Postgres => Mariadb;
            mariadb_to_postgres: Mariadb => Postgres;
            mariadb_to_mariadb: Mariadb => Mariadb;
            sqlite_to_postgres: Sqlite => Postgres;
            sqlite_to_mariadb: Sqlite => Mariadb;
        }
    };
}

mod swallowed {
    use super::*;

    into_servers!(answers_are_lost);
}

mod held {
    use super::*;

    into_servers!(a_commit_is_held);
}
