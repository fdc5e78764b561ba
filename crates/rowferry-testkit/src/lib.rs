//! For tests only: throw-away servers, faulty source and sink, a TCP fault proxy, oracles.
//!
//! A test asks for a server and gets its own database in it:
//!
//! ```no_run
//! # fn main() {
//! let Some(server) = rowferry_testkit::postgres() else { return };
//! let database = server.database("orders");
//! database.exec("create table t (id bigint primary key)");
//! let endpoint = database.endpoint();
//! # }
//! ```
//!
//! Preparation and comparison go through the databases' own clients and never through rowferry, so
//! that an error of ours cannot hide itself. Everything here panics on failure: these are tests.

#![expect(
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "test equipment reports by panicking and by its skipped: and faults: lines"
)]

mod cage;
mod canary;
mod certificates;
mod client;
mod compare;
mod database;
mod dump;
mod faults;
mod faulty_lock;
mod faulty_sink;
mod faulty_source;
mod fuzz;
mod impostor;
mod launch;
mod memory_source;
mod mysqld;
mod postgres;
mod proxy;
mod quoting;
mod server;
mod small_disk;
mod tap;
mod tls_server;
mod watchdog;

pub use cage::MemoryCage;
pub use canary::{Canary, assert_no_canary};
pub use certificates::{CertificateKind, Certificates, Pair};
pub use compare::{Difference, assert_same, differences};
pub use database::Database;
pub use dump::{DumpColumn, Kind, dump};
pub use faults::{Fault, Faults};
pub use faulty_lock::{Step, StepFault};
pub use faulty_sink::FaultySink;
pub use faulty_source::FaultySource;
pub use fuzz::{Fuzzed, fuzz};
pub use impostor::Impostor;
pub use memory_source::MemorySource;
pub use proxy::{At, On, Proxy, Way, What, WireFault};
pub use quoting::{EVIL_NAMES, read_back};
pub use server::{Engine, Server, Stop, alone, mariadb, mysql, mysqls_alone, postgres, sqlite};
pub use small_disk::SmallDisk;
pub use tap::Tap;
pub use tls_server::TlsServer;
