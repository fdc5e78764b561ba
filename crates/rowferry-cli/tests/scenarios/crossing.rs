//! A copy of one table whose way to one of its ends leads through a proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rowferry_testkit::{Database, Engine, Proxy, Way, WireFault};

use crate::dump::{assert_same, dump};
use crate::ends::{database, wait_for_silence};
use crate::mixed::{COLUMNS, fill};
use crate::world::{Told, World};

/// Which end lies behind the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Source,
    Target,
}

/// Both ends, with `t_bigint` in the source.
pub(crate) struct Crossing {
    source: Database,
    pub(crate) target: Database,
    expected: Vec<String>,
    runtime: tokio::runtime::Runtime,
    world: World,
}

/// Columns in which two rows of a dump differ, by their number.
fn differing(one: &str, other: &str) -> Vec<usize> {
    let pairs = one.split('|').zip(other.split('|')).enumerate();
    pairs.filter(|(_, (one, other))| one != other).map(|(column, _)| column).collect()
}

/// Runs after the one that met the fault: as a scheduler would do after 69.
const RESUMES: usize = 5;

/// How a copy ended, and what went through the proxy.
pub(crate) struct Crossed {
    pub(crate) told: Told,
    pub(crate) commits: u64,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) messages: u64,
    /// How long rowferry waited on connections that lay in a black hole.
    pub(crate) given_up: Vec<Duration>,
}

impl Crossing {
    /// `None` after a `skipped:` line.
    pub(crate) fn new(from: Engine, to: Engine, rows: u64) -> Option<Self> {
        let world = World::new();
        let source = database(from, &world, "crossing_source")?;
        let target = database(to, &world, "crossing_target")?;
        fill(&source, rows);
        let expected = dump(&source, "t_bigint", &COLUMNS);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Some(Self { source, target, expected, runtime, world })
    }

    /// One copy into an empty target under these faults, taken up again while it asks for that.
    pub(crate) fn run(&self, via: Via, faults: &[WireFault], words: &[&str]) -> Crossed {
        for table in ["t_bigint", "_rowferry_chunk", "_rowferry_stream"] {
            self.target.exec(&format!("drop table if exists {table}"));
        }
        let end = if via == Via::Source { &self.source } else { &self.target };
        let port = end.endpoint().port;
        let upstream = SocketAddr::from(([127, 0, 0, 1], port));
        let proxy = self.runtime.block_on(Proxy::start(upstream));
        proxy.set(faults.iter().copied());
        let through =
            end.url().replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{}", proxy.port()));
        let (from, to) = match via {
            Via::Source => (through, self.target.url()),
            Via::Target => (self.source.url(), through),
        };
        let rest = ["--table", "t_bigint", "--output", "json"];
        let command = [&["copy", &from, &to], &rest[..], words].concat();
        let mut told = self.world.run(&[&command[..], &["--restart"]].concat());
        for _ in 0..RESUMES {
            if told.code != 69 {
                break;
            }
            told = self.world.run(&command);
        }
        let (commits, sent, answered) = (proxy.commits(), proxy.sent(), proxy.answered());
        let messages = proxy.messages(Way::Answered);
        // The proxy looks every few milliseconds whether somebody has gone.
        std::thread::sleep(Duration::from_millis(50));
        Crossed { told, commits, sent, answered, messages, given_up: proxy.given_up() }
    }

    /// Columns with values that are not those of the source, and how many, after a run that ended well.
    /// The number of rows is that of the source.
    pub(crate) fn altered_columns(&self, what: &str) -> BTreeMap<usize, u64> {
        wait_for_silence(&self.target);
        let found = dump(&self.target, "t_bigint", &COLUMNS);
        assert_eq!(found.len(), self.expected.len(), "{what}");
        // Rows that are equal go: one whose key was hit stands at another place.
        let mut rest: Vec<&String> = found.iter().collect();
        let missing: Vec<&String> = self
            .expected
            .iter()
            .filter(|row| {
                let place = rest.iter().position(|found| found == row);
                place.map(|place| rest.remove(place)).is_none()
            })
            .collect();
        // The others go together as they differ least.
        let mut altered = BTreeMap::new();
        for row in missing {
            let nearest = (0..rest.len()).min_by_key(|place| differing(row, rest[*place]).len());
            for column in differing(row, rest.remove(nearest.unwrap())) {
                *altered.entry(column).or_insert(0) += 1;
            }
        }
        altered
    }

    /// As [`Self::run`]; every row must have arrived, once.
    pub(crate) fn arrives_once(&self, via: Via, fault: WireFault, words: &[&str]) -> Crossed {
        let crossed = self.run(via, &[fault], words);
        let told = &crossed.told;
        assert_eq!(told.code, 0, "{fault:?} at the {via:?}: {told:?}");
        wait_for_silence(&self.target);
        let found = dump(&self.target, "t_bigint", &COLUMNS);
        assert_same(&format!("{fault:?} at the {via:?}"), &self.expected, &found);
        crossed
    }
}
