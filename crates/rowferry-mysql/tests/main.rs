//! The connector against real servers, with the databases' own client as the judge.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "all of this is a test, also where no attribute says so"
)]

mod copy;
mod faults;
mod fits;
mod foreign;
mod own;
mod servers;
mod set_aside;
mod types;
mod write;
