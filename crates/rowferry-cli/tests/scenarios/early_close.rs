//! The source ends a stream cleanly before its end, at the border of a message: between two rows,
//! inside the answer to a question of the catalogue, while chunks are cut. A clean end of the
//! connection is never taken for the end of the rows.
//!
//! A few messages; `ROWFERRY_RELIABILITY=full` takes two hundred.

use rowferry_testkit::{At, Engine, On, Way, What, WireFault};

use crate::crossing::{Crossing, Via};
use crate::mixed::is_full;

const ROWS: u64 = 2_000;
const WORDS: [&str; 4] = ["--chunk-rows", "500", "--write", "append"];
const DIRECTIONS: u64 = 6;

fn is_never_the_end(from: Engine, to: Engine) {
    let Some(crossing) = Crossing::new(from, to, ROWS) else { return };
    let whole = crossing.run(Via::Source, &[], &WORDS);
    whole.told.expect(0);
    assert!(whole.messages > ROWS, "{} messages carried {ROWS} rows", whole.messages);
    let tries = if is_full() { 200_u64.div_ceil(DIRECTIONS) } else { 2 };
    println!("faults: {tries}");
    for number in 1..=tries {
        // Prime steps, so that borders of chunks are met as well as their middles.
        let message = whole.messages * number / (tries + 1) + number % 7;
        let fault = WireFault {
            way: Way::Answered,
            at: At::Message(message),
            on: On::One,
            what: What::HalfClose,
        };
        crossing.arrives_once(Via::Source, fault, &WORDS);
    }
}

every_direction! { is_never_the_end:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
}
