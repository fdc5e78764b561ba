//! Whole jobs against real servers: the real binary copies, the databases' own clients compare.
//!
//! Sizes are those of a quick run; `scripts/directions` and `scripts/kill` run the same tests with a
//! million rows in release.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what stands beside a test may stop it and print; the lint knows only test functions"
)]

#[macro_use]
mod every_direction;

#[cfg(feature = "failpoints")]
mod boundaries;
mod crossing;
mod cuts;
mod directions;
mod dotnet;
mod dotnet_defects;
mod dump;
mod ends;
mod fixture;
mod json_form;
mod kill;
mod kind;
mod late_commit;
mod locked;
mod logins;
mod lost_answers;
mod matrix;
mod mixed;
mod objects;
mod oracle;
mod random;
mod ride;
mod rogue;
mod round_trip;
mod run_again;
mod set_aside;
mod start_at_once;
mod starts;
mod stray;
mod tls;
mod types_page;

#[path = "../world.rs"]
#[expect(dead_code, reason = "shared with the other test binary, which uses more of it")]
mod world;
