//! Killed at random moments again and again, in every direction, with a table, a way to write and
//! moments that the seed chooses: a number of seeds for each direction, some kills for each seed.
//!
//! The first seed is printed and the others follow it; `ROWFERRY_KILL_SEED` repeats from one on,
//! `ROWFERRY_KILL_SEEDS` and `ROWFERRY_KILLS` say how many seeds and how many kills of each.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rowferry_testkit::Engine;

use crate::kill::Ferry;
use crate::mixed::{is_full, number};
use crate::random::{Random, seed};

/// Rows and chunks of the whole matrix: enough for a kill to fall into any step of a chunk, and few
/// enough for fifteen thousand kills within an hour.
const ROWS: u64 = 1_500;
const CHUNKS: usize = 30;
/// Rows, seeds and kills of each seed in every test run.
const ROWS_SMALL: u64 = 600;
const SEEDS_SMALL: u64 = 2;
const KILLS_SMALL: u64 = 2;
/// Most kills of one seed of the whole matrix.
const KILLS_MAX: u64 = 30;

const KEYS: [&str; 4] = ["t_bigint", "t_text", "t_uuid", "t_none"];

fn survives(from: Engine, to: Engine) {
    let (rows, seeds) = if is_full() { (ROWS, 100) } else { (ROWS_SMALL, SEEDS_SMALL) };
    let Some(mut ferry) = Ferry::new(from, to, rows, CHUNKS) else { return };
    let first = seed();
    for seed in first..first + number("ROWFERRY_KILL_SEEDS", seeds) {
        let mut random = Random::new(seed);
        let table = random.pick(&KEYS);
        let writes = if table == "t_none" { 2 } else { 3 };
        let write = random.pick(&["replace", "append", "upsert"][..writes]);
        let kills = if is_full() { 1 + random.below(KILLS_MAX) } else { KILLS_SMALL };
        println!("seed {seed}: {write} of {table}");
        let survived = catch_unwind(AssertUnwindSafe(|| {
            ferry.carry(table, write, random);
            ferry.survives(number("ROWFERRY_KILLS", kills));
        }));
        if let Err(panic) = survived {
            println!("ROWFERRY_KILL_SEED={seed} begins with the {write} of {table} that failed");
            resume_unwind(panic);
        }
    }
}

every_direction! { nine: survives }
