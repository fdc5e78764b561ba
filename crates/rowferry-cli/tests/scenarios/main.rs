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
mod altered;
mod bad_values;
mod blackholes;
mod blocked;
#[cfg(feature = "failpoints")]
mod boundaries;
mod canary;
#[cfg(feature = "failpoints")]
mod clocks;
mod connectorx;
mod connectorx_faults;
mod crossing;
mod cuts;
mod directions;
mod disk_full;
mod dotnet;
mod dotnet_defects;
mod dump;
mod early_close;
mod ends;
mod evil;
mod evil_names;
#[cfg(feature = "failpoints")]
mod failover;
mod fixture;
#[cfg(feature = "failpoints")]
mod forgotten;
mod json_form;
mod key_kinds;
mod key_tables;
mod kill;
mod kind;
mod late_commit;
#[cfg(feature = "failpoints")]
mod ledger_faults;
mod ledger_io;
mod locked;
mod logins;
mod lost_answers;
mod matrix;
mod memory;
mod mixed;
mod null_keys;
mod objects;
mod one_of_twenty;
mod oracle;
mod planted;
mod random;
mod random_kills;
mod recipes;
#[cfg(feature = "failpoints")]
mod reconcile;
mod repaired;
mod repaired_lists;
mod repeated;
#[cfg(feature = "failpoints")]
mod restarts;
mod ride;
mod rogue;
mod roles;
mod round_trip;
mod run_again;
mod seeded;
mod set_aside;
mod signals;
mod start_at_once;
mod starts;
#[cfg(feature = "failpoints")]
mod state_format;
mod stray;
mod tls;
mod two_ends;
mod types_page;
mod unique_conflicts;
mod unlock;
mod verified;
mod verified_casts;
mod verified_live;
mod verified_over_faults;
mod verified_pushdown;
mod verified_values;
mod wire_fuzz;

#[path = "../world.rs"]
#[allow(dead_code, reason = "shared with the other test binary, which uses another part of it")]
mod world;
