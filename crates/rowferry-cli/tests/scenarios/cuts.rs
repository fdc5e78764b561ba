//! A connection that is cut at any byte, on either side and in either direction: the run notices,
//! tries again, and every row arrives once.
//!
//! A few positions; `ROWFERRY_RELIABILITY=full` takes a hundred for each direction.

use rowferry_testkit::{Engine, Way, WireFault};

use crate::crossing::{Crossing, Via};
use crate::mixed::is_full;

const ROWS: u64 = 2_000;
const WORDS: [&str; 4] = ["--chunk-rows", "200", "--write", "append"];

fn survives_cuts(from: Engine, to: Engine) {
    let Some(crossing) = Crossing::new(from, to, ROWS) else { return };
    let sides: Vec<Via> = [(Via::Source, from), (Via::Target, to)]
        .into_iter()
        .filter(|(_, engine)| *engine != Engine::Sqlite)
        .map(|(via, _)| via)
        .collect();
    let ways = sides.len() as u64 * 2;
    // Spread over all ways of the direction.
    let positions = if is_full() { 100_u64.div_ceil(ways) } else { 2 };
    println!("faults: {}", positions * ways);
    for via in sides {
        let whole = crossing.run(via, &[], &WORDS);
        whole.told.expect(0);
        for position in 1..=positions {
            let at = |bytes: u64| bytes * position / (positions + 1) + position;
            crossing.arrives_once(via, WireFault::cut(Way::Sent, at(whole.sent)), &WORDS);
            crossing.arrives_once(via, WireFault::cut(Way::Answered, at(whole.answered)), &WORDS);
        }
    }
}

every_direction! { over_a_wire: survives_cuts }
