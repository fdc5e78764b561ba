//! Bytes on the wire that are not those that were sent: bits flipped, messages that arrive in pieces,
//! streams cut off at a byte.
//!
//! The run ends, by itself and in time: with every row as it is, or with an error whose code is in the
//! table; never with a panic.
//!
//! What is honest here: neither protocol has a checksum of its own, and the one of TCP was right again
//! when it reached us, so a bit that flips inside of a value arrives as another value and no client can
//! know. Such a row is allowed to differ, in the one value that was hit; the number of rows is not, nor
//! are two columns. What a catalogue says of a column is such a value too, and all values of the column
//! hang on it. A statement or a catalogue that cannot be understood looks like our own mistake (70, in
//! words and without a panic). What is asked of
//! a source is left as it is, for another bound is another question. Whatever else is damaged (lengths,
//! types, numbers of messages, answers) must not pass. TLS, the default for hosts that are not this one,
//! turns every flip into an error.

use std::time::Duration;

use rowferry_testkit::{At, Engine, On, Way, What, WireFault};

use crate::crossing::{Crossing, Via};
use crate::mixed::{is_full, number};
use crate::random::{Random, seed};

/// Few rows in several chunks: most bytes are those of the protocol, not of rows.
const ROWS: u64 = 60;
const WORDS: [&str; 10] = [
    "--chunk-rows",
    "20",
    "--write",
    "replace",
    "--retry-for",
    "1s",
    "--progress",
    "none",
    "--run-key",
    "wire",
];
/// Seeds of every test run, and those of the whole matrix.
const SEEDS_SMALL: u64 = 4;
const SEEDS: u64 = 1_000;

/// A flipped length makes one end wait for bytes that the other never sends: then the proxy closes.
/// Ten times what a run of so few rows takes.
const CLOSED_AFTER: Duration = Duration::from_secs(6);

/// Codes that a damaged wire may end with; 70 only where a bit was flipped.
const CODES: [i32; 9] = [0, 1, 65, 69, 74, 75, 76, 77, 78];

const CLOSED: WireFault =
    WireFault { way: Way::Answered, at: At::After(CLOSED_AFTER), on: On::All, what: What::Close };

fn damage(random: &mut Random, via: Via, sent: u64, answered: u64) -> WireFault {
    let bit = u8::try_from(random.below(8)).unwrap();
    let what = match random.below(10) {
        0 => What::Close,
        1 => What::HalfClose,
        // Every frame is torn: so many bytes a second arrive in pieces.
        2 => What::Slow(200_000),
        _ => What::Corrupt { offset: random.below(32), mask: 1 << bit },
    };
    let flips = matches!(what, What::Corrupt { .. });
    let asked = via == Via::Source && flips;
    let way = if asked { Way::Answered } else { random.pick(&Way::BOTH) };
    let bytes = if way == Way::Sent { sent } else { answered };
    WireFault { way, at: At::Byte(1 + random.below(bytes)), on: On::One, what }
}

fn survives(from: Engine, to: Engine, via: Via) {
    let Some(crossing) = Crossing::new(from, to, ROWS) else { return };
    let whole = crossing.run(via, &[], &WORDS);
    whole.told.expect(0);
    let first = seed();
    let seeds = number("ROWFERRY_WIRE_SEEDS", if is_full() { SEEDS / 2 } else { SEEDS_SMALL });
    let (mut refused, mut altered) = (0, 0);
    for seed in first..first + seeds {
        let fault = damage(&mut Random::new(seed), via, whole.sent, whole.answered);
        let told = crossing.run(via, &[fault, CLOSED], &WORDS).told;
        let what = format!("seed {seed}: {fault:?} at the {via:?}: {told:?}");
        let flipped = matches!(fault.what, What::Corrupt { .. });
        let misread = flipped && told.code == 70 && told.stderr.contains("error[");
        assert!(CODES.contains(&told.code) || misread, "{what}");
        assert!(!told.stderr.contains("panicked"), "{what}");
        if told.code == 0 {
            let differ = crossing.altered_columns(&what);
            assert!(differ.len() <= usize::from(flipped), "columns differ: {differ:?}: {what}");
            altered += differ.values().sum::<u64>();
        } else {
            refused += 1;
        }
    }
    println!("faults: {seeds}; {refused} refused, {altered} values altered on their way");
}

#[test]
fn what_postgres_answers() {
    survives(Engine::Postgres, Engine::Sqlite, Via::Source);
}

#[test]
fn what_postgres_is_sent() {
    survives(Engine::Sqlite, Engine::Postgres, Via::Target);
}

#[test]
fn what_mariadb_answers() {
    survives(Engine::Mariadb, Engine::Sqlite, Via::Source);
}

#[test]
fn what_mariadb_is_sent() {
    survives(Engine::Sqlite, Engine::Mariadb, Via::Target);
}
