//! A connection falls silent without being closed, while rows are read, while they are written, while
//! a COMMIT is under way or its answer is, and while a lock is only held: it is given up within the
//! progress timeout, the run goes on over another connection, and every row arrives once.
//!
//! The server learns nothing of it either: its end of the connection stays open and holds what the
//! chunk has locked. One place for each direction; `ROWFERRY_RELIABILITY=full` takes them all.

use std::time::{Duration, Instant};

use rowferry_testkit::{At, Engine, On, Way, What, WireFault};

use crate::crossing::{Crossed, Crossing, Via};
use crate::mixed::is_full;

const ROWS: u64 = 2_000;
/// The progress timeout, …
const LIMIT: Duration = Duration::from_secs(2);
const WORDS: [&str; 6] = ["--chunk-rows", "200", "--write", "append", "--progress-timeout", "2s"];
/// … and what is allowed beyond it: a tenth, and what the proxy needs to see that somebody has gone.
const BEYOND: Duration = Duration::from_millis(200 + 100);
/// A run with one such fault takes seconds.
const HANGS: Duration = Duration::from_secs(60);

/// Where the connection falls silent.
#[derive(Clone, Copy, Debug)]
enum Place {
    Reading,
    Writing,
    /// The COMMIT never reaches the server.
    Commit,
    /// The COMMIT reaches it, and no answer comes.
    Answer,
}

impl Place {
    const ALL: [Self; 4] = [Self::Reading, Self::Writing, Self::Commit, Self::Answer];

    const fn via(self) -> Via {
        match self {
            Self::Reading => Via::Source,
            Self::Writing | Self::Commit | Self::Answer => Via::Target,
        }
    }

    /// At about this share of the run, in tenths.
    fn fault(self, whole: &Crossed, share: u64) -> WireFault {
        let (way, at) = match self {
            Self::Reading => (Way::Answered, At::Byte(whole.answered * share / 10)),
            Self::Writing => (Way::Sent, At::Byte(whole.sent * share / 10)),
            Self::Commit => (Way::Sent, At::Commit(whole.commits * share / 10)),
            Self::Answer => (Way::Answered, At::Commit(whole.commits * share / 10)),
        };
        WireFault { way, at, on: On::One, what: What::Vanish }
    }
}

/// The one place of a small run: each comes twice.
const fn usual(from: Engine, to: Engine) -> Place {
    match (from, to) {
        (_, Engine::Sqlite) => Place::Reading,
        (Engine::Postgres, Engine::Postgres) | (Engine::Mariadb, _) => Place::Commit,
        (Engine::Postgres, _) | (Engine::Sqlite, Engine::Postgres) => Place::Writing,
        (Engine::Mysql | Engine::Sqlite, _) => Place::Answer,
    }
}

fn is_noticed(from: Engine, to: Engine) {
    let Some(crossing) = Crossing::new(from, to, ROWS) else { return };
    let possible: Vec<Place> = Place::ALL
        .into_iter()
        .filter(|place| match place.via() {
            Via::Source => from != Engine::Sqlite,
            Via::Target => to != Engine::Sqlite,
        })
        .collect();
    let (places, shares) =
        if is_full() { (possible, vec![2, 4, 5, 6, 8]) } else { (vec![usual(from, to)], vec![5]) };
    println!("faults: {}", places.len() * shares.len());
    for place in places {
        let whole = crossing.run(place.via(), &[], &WORDS);
        for share in &shares {
            let fault = place.fault(&whole, *share);
            let start = Instant::now();
            let crossed = crossing.arrives_once(place.via(), fault, &WORDS);
            assert!(start.elapsed() < HANGS, "{place:?} at {share}/10 took {:?}", start.elapsed());
            let given_up = &crossed.given_up;
            assert!(!given_up.is_empty(), "{place:?} at {share}/10: nobody was hit");
            assert!(
                given_up.iter().all(|waited| *waited <= LIMIT + BEYOND),
                "{place:?} at {share}/10 was noticed after {given_up:?}"
            );
        }
    }
}

every_direction! { is_noticed:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mariadb: Sqlite => Mariadb;
}
