//! Whole jobs against real servers: the real binary copies, the databases' own clients compare.
//!
//! Sizes are those of a quick run; `scripts/directions` and `scripts/kill` run the same tests with a
//! million rows in release.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what stands beside a test may stop it and print; the lint knows only test functions"
)]

mod directions;
mod dotnet;
mod dotnet_defects;
mod dump;
mod ends;
mod kill;
mod late_commit;
mod locked;
mod mixed;
mod objects;
mod run_again;
mod start_at_once;
#[path = "../world.rs"]
#[expect(dead_code, reason = "shared with the other test binary, which uses more of it")]
mod world;
