//! One file per command. A command gives back how the process ends; only [`crate::main`] ends it.

mod accept;
mod bench;
mod check;
mod completions;
mod config;
mod copy;
mod drift;
mod plan;
mod run;
mod state;
mod status;
mod stream_view;
mod sync;
mod tables;
mod unlock;
mod verify;
mod worker;

use crate::args::{Cli, Command, Later};
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::OutputFormat;
use crate::sync_args::SyncAction;

/// Runs the command that was asked for.
pub(crate) fn dispatch(cli: Cli) -> Ending {
    match cli.command {
        Command::Copy(args) => copy::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Verify(args) => verify::run(&args, cli.talk.verbose > 0),
        Command::Repair(args) => verify::repair(&args, cli.talk.verbose > 0),
        Command::Sync(args) => match args.action {
            SyncAction::Verify(args) => verify::run(&args, cli.talk.verbose > 0),
            SyncAction::Run(args) => sync::run(&args),
            SyncAction::Down(args) => sync::down(&args),
        },
        Command::Drift(args) => drift::run(&args, cli.talk.verbose > 0),
        Command::Check(args) => told(check::run(&args), args.output.output),
        Command::Tables(args) => told(tables::run(&args), args.output.output),
        Command::Status(args) => told(status::run(&args), args.output.output),
        Command::State(args) => state::run(args.action),
        Command::Worker(args) => worker::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Config(args) => told(config::run(&args.action), OutputFormat::Text),
        Command::Completions(args) => completions::run(&args),
        Command::Later(command) => later(later_name(&command)),
    }
}

/// Refuses a command that is not there yet.
fn later(name: &str) -> Ending {
    told(Err(Failure::not_supported_yet(name)), OutputFormat::Text)
}

/// The ending of a command that does not move rows.
fn told(result: Result<u8>, output: OutputFormat) -> Ending {
    match result {
        Ok(code) => Ending::of(code),
        Err(failure) => Ending::failed(&failure, output),
    }
}

const fn later_name(later: &Later) -> &'static str {
    match later {
        Later::Man(_) => "man",
    }
}

/// A value of ours as one JSON line.
fn json_line(value: &impl serde::Serialize) -> String {
    // Plain structs with text keys always serialize.
    serde_json::to_string(value).unwrap_or_default()
}
