//! The `rowferry` command.
//!
//! ```text
//! args (as written) ─► settle (a Request) ─► session: ledger, signals, progress
//!                                              └─ per job: lock ─► registry (connect) ─► engine
//!                                                                     observer ─► ledger, progress
//! report ─► summary on stdout │ one JSON line, the last write │ exit code
//! ```

mod args;
mod block_on;
mod clock;
mod commands;
mod context;
mod drift_args;
mod edg_ends;
mod ending;
mod exit;
mod failure;
mod flags;
mod history;
mod job_file;
mod json;
mod logging;
mod observer;
mod out;
mod panic_report;
mod plan_view;
mod process_cost;
mod progress;
mod registry;
mod repairs;
mod report_error;
mod same_table;
mod script_run;
mod session;
mod settle;
mod signals;
mod state_path;
mod summary;
mod sync_args;
mod units;
mod verify_args;
mod verify_page;
mod verify_view;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

fn main() -> ExitCode {
    rowferry_runtime::give_back_large_blocks();
    panic_report::install();
    let cli = args::parse();
    logging::start(cli.talk);
    let ending = catch_unwind(AssertUnwindSafe(|| commands::dispatch(cli)))
        .unwrap_or_else(|_panic| ending::Ending::of(exit::BUG));
    // The very last write of the process, so that whoever reads the last line reads this one.
    ending.last_line.iter().for_each(|line| out::result(line));
    if ending.code == exit::OK && out::result_lost() {
        out::talk("error[output-lost]: could not write the result to standard output");
        return ExitCode::from(exit::LOCAL);
    }
    ExitCode::from(ending.code)
}
