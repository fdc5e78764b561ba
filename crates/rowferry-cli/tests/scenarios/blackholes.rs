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
const HANGS: Duration = Duration::from_mins(1);

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

/// A server that accepts and never speaks, at one end or the other.
fn a_silent_server_is_unreachable(from: Engine, to: Engine) {
    let Some(crossing) = Crossing::new(from, to, 1) else { return };
    let hole =
        Way::BOTH.map(|way| WireFault { way, at: At::Now, on: On::All, what: What::Blackhole });
    let via = if from == Engine::Sqlite { Via::Target } else { Via::Source };
    let start = Instant::now();
    let words = ["--connect-timeout", "500ms", "--retry-for", "0s"];
    let told = crossing.run(via, &hole, &words).told.expect(69);
    assert!(told.stderr.contains("no answer within 500ms"), "{told:?}");
    assert!(start.elapsed() < HANGS, "{:?}", start.elapsed());
    println!("faults: 1");
}

/// While a run waits for its source, only the signs of life of its lock move at the target. When
/// they get no answer the lock counts as lost, and the run that has ended takes nobody with it.
#[cfg(feature = "failpoints")]
mod silent_locks {
    use std::net::SocketAddr;
    use std::process::Stdio;

    use rowferry_testkit::Proxy;

    use super::*;
    use crate::dump::{assert_same, dump};
    use crate::ends::{Session, database, wait_until};
    use crate::mixed::{COLUMNS, fill};
    use crate::world::{World, wait};

    /// A lock is lost after this time without a sign of life; they follow each other at a sixth.
    const LEASE: Duration = Duration::from_secs(3);

    fn is_noticed(to: Engine) {
        let world = World::new();
        let Some(source) = database(Engine::Postgres, &world, "silent_source") else { return };
        let Some(target) = database(to, &world, "silent_target") else { return };
        fill(&source, ROWS);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let port = target.endpoint().port;
        let proxy = runtime.block_on(Proxy::start(SocketAddr::from(([127, 0, 0, 1], port))));
        let ports = [format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", proxy.port())];
        let through = target.url().replace(&ports[0], &ports[1]);
        let run = || {
            let from = source.url();
            let words = [&["copy", &from, &through, "--table", "t_bigint"], &WORDS[..]].concat();
            let mut command = world.command(&words);
            command.env("ROWFERRY_LEASE_MS", LEASE.as_millis().to_string());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut other = Session::open(&source);
        other.send("begin; lock table t_bigint in access exclusive mode;");
        let waiting = |granted: bool| {
            let query = "select count(*) from pg_locks where relation = 't_bigint'::regclass";
            source.value(&format!("{query} and granted = {granted}")) != "0"
        };
        wait_until("the lock of the source", || waiting(true));
        let started = run();
        wait_until("the reader", || waiting(false));
        let (at, what) = (At::Now, What::Vanish);
        proxy.set([WireFault { way: Way::Sent, at, on: On::One, what }]);
        std::thread::sleep(LEASE);
        other.send("rollback;");
        other.close();
        let start = Instant::now();
        let mut told = wait(started);
        let mut runs = 1;
        while matches!(told.code, 69 | 75) && runs < 6 {
            std::thread::sleep(LEASE / 2);
            told = wait(run());
            runs += 1;
        }
        let told = told.expect(0);
        assert!(start.elapsed() < HANGS, "{runs} runs took {:?}: {told:?}", start.elapsed());
        let expected = dump(&source, "t_bigint", &COLUMNS);
        assert_same("the target", &expected, &dump(&target, "t_bigint", &COLUMNS));
        println!("faults: 1");
    }

    #[test]
    fn postgres() {
        is_noticed(Engine::Postgres);
    }

    #[test]
    fn mariadb() {
        is_noticed(Engine::Mariadb);
    }
}

mod silent_servers {
    use super::*;

    every_direction! { a_silent_server_is_unreachable:
        postgres_source: Postgres => Sqlite;
        mariadb_source: Mariadb => Sqlite;
        postgres_target: Sqlite => Postgres;
        mariadb_target: Sqlite => Mariadb;
    }
}

every_direction! { over_a_wire: is_noticed }
