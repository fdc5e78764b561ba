//! A connection that is cut while tables are compared: an error, never "equal", never a row that is
//! said to be missing or extra. A cut that is mended is not seen at all.
//!
//! A few places; `ROWFERRY_RELIABILITY=full` cuts two hundred times.

use std::net::SocketAddr;

use rowferry_testkit::{At, Database, Engine, On, Proxy, Way, What, WireFault};

use crate::mixed::{fill, is_full};
use crate::two_ends::TwoEnds;
use crate::world::Told;

const ROWS: u64 = 2_000;
const TABLES: &str = "t_bigint,t_text";
const DIRECTIONS: u64 = 6;

struct Compared {
    told: Told,
    answered: u64,
}

struct Ends {
    ends: TwoEnds,
    runtime: tokio::runtime::Runtime,
}

impl Ends {
    /// Compares both tables, with the way to `end` led through a proxy that fails so.
    fn verify(&self, end: &Database, faults: &[WireFault], words: &[&str]) -> Compared {
        let (source, target) = (&self.ends.source, &self.ends.target);
        let port = end.endpoint().port;
        let upstream = SocketAddr::from(([127, 0, 0, 1], port));
        let proxy = self.runtime.block_on(Proxy::start(upstream));
        proxy.set(faults.iter().copied());
        let url = |database: &Database| {
            if database.url() == end.url() {
                let to = format!("127.0.0.1:{}", proxy.port());
                database.url().replace(&format!("127.0.0.1:{port}"), &to)
            } else {
                database.url()
            }
        };
        let (source, target) = (url(source), url(target));
        let verify = ["verify", &source, &target, "--tables", TABLES, "--chunk-rows", "500"];
        let told = self.ends.world.run(&[&verify[..], &["--verbose"], words].concat());
        Compared { told, answered: proxy.answered() }
    }

    /// Cuts the way to `end` at so many places.
    fn cut(&self, end: &Database, tries: u64) {
        let bytes_with = |words: &[&str]| {
            let whole = self.verify(end, &[], words);
            whole.told.expect(0);
            whole.answered
        };
        let (read, pushed) = (bytes_with(&[]), bytes_with(&["--pushdown"]));
        for number in 1..=tries {
            // Every other try asks the servers first; those of one engine are then told to hash.
            let (asked, bytes): (&[&str], u64) =
                if number.is_multiple_of(2) { (&["--pushdown"], pushed) } else { (&[], read) };
            let at = At::Byte(bytes * number / (tries + 1) + number % 97);
            let what = if number % 4 < 2 { What::HalfClose } else { What::Close };
            let fault = |on| WireFault { way: Way::Answered, at, on, what };
            let no_retry = [&["--retry-for", "0s"], asked].concat();
            let gone = self.verify(end, &[fault(On::All)], &no_retry).told;
            let case = format!("{:?} {:?}: {gone:?}", end.engine(), fault(On::All));
            assert_eq!(gone.code, 69, "{case}");
            for word in ["EXTRA", "MISSING", "MISMATCH", "all tables verified"] {
                assert!(!gone.stdout.contains(word), "{case}");
            }
            let mended = self.verify(end, &[fault(On::One)], asked).told;
            let case = format!("{:?} {:?}: {mended:?}", end.engine(), fault(On::One));
            // What is asked before the first row is not tried again.
            assert!(matches!(mended.code, 0 | 69), "{case}");
            for word in ["EXTRA", "MISSING", "MISMATCH"] {
                assert!(!mended.stdout.contains(word), "{case}");
            }
        }
    }
}

fn are_no_differences(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "verified_faults") else { return };
    fill(&ends.source, ROWS);
    ends.copy(TABLES, &[]).expect(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ends = Ends { ends, runtime };
    let tries = if is_full() { 200_u64.div_ceil(DIRECTIONS * 2) } else { 2 };
    println!("faults: {}", tries * 4);
    for end in [&ends.ends.source, &ends.ends.target] {
        if end.engine() != Engine::Sqlite {
            ends.cut(end, tries);
        }
    }
}

every_direction! { are_no_differences:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
}
