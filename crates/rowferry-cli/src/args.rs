//! The command line as it is written: one struct per command, no decisions. Flags that commands
//! share stand in [`crate::flags`]; [`crate::settle`] turns it into a job and the options of a run.
//!
//! Every flag has an environment twin: `--chunk-rows` is also `ROWFERRY_CHUNK_ROWS`. That is one
//! rule in [`parse`] and not an attribute per flag, so that no flag can miss it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::drift_args::DriftArgs;
use crate::flags::{Control, Limits, Output, ProgressWord, RunOutput, Shape, TableNames, Talk};
use crate::sync_args::SyncCommand;
use crate::units;
use crate::verify_args::{RepairCommand, VerifyCommand};

/// Moves tables between databases: exactly, chunk by chunk, resumable.
#[derive(Debug, Parser)]
#[command(
    name = "rowferry",
    version,
    max_term_width = 100,
    after_help = "Every flag can be set in the environment: --chunk-rows is ROWFERRY_CHUNK_ROWS.\n\n\
        Examples:\n  \
        rowferry copy postgres://app@db1/shop sqlite:shop.db --table public.orders\n  \
        rowferry run config/demo.yaml"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) talk: Talk,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy tables from one database to another, without a file
    Copy(Box<CopyArgs>),
    /// Run the jobs of a file once
    Run(Box<RunArgs>),
    /// Show types, statements and chunks before any row moves
    Plan(Box<PlanArgs>),
    /// Compare the tables of two databases and say where they differ
    Verify(Box<VerifyCommand>),
    /// Say or run the statements that make the rows of a target those of its source
    Repair(Box<RepairCommand>),
    /// Fill two databases with the same rows, compare them, and clean up
    Sync(SyncCommand),
    /// Compare the tables of a job once and keep what was found for `status`
    Drift(Box<DriftArgs>),
    /// Connect to both ends and say what is missing
    Check(CheckArgs),
    /// List the tables of a database
    Tables(TablesArgs),
    /// Show what ran, how far and how fast
    Status(StatusArgs),
    /// List, show, reset, accept or unlock the durable state of streams
    State(StateArgs),
    /// Run the jobs of a file on their interval until stopped
    Worker(Box<WorkerArgs>),
    /// Measure a copy: where its time goes and what binds it
    Bench(Box<BenchArgs>),
    /// Validate or show a job file, or print its schema
    Config(ConfigArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    #[command(flatten)]
    Later(Later),
}

/// Commands that are documented as coming, so that they are refused by name.
#[derive(Debug, Subcommand)]
pub(crate) enum Later {
    #[command(hide = true)]
    Man(Rest),
}

/// Anything.
#[derive(Debug, Args)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(crate) rest: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowferry copy postgres://app@db1/shop mysql://app@db2/shop --table public.orders\n  \
    rowferry copy sqlite:a.db sqlite:b.db --table users=dim_users --write upsert")]
pub(crate) struct CopyArgs {
    /// URL, env:NAME, or a connection of --config
    pub(crate) source: String,
    /// URL, env:NAME, or a connection of --config
    pub(crate) target: String,
    /// Copy every table of the source
    #[arg(long, help_heading = "Tables")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) tables: TableNames,
    #[command(flatten)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) control: Control,
    #[command(flatten)]
    pub(crate) output: RunOutput,
    /// File whose connections may be named
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) config: Option<PathBuf>,
    /// Print the job file that would do the same
    #[arg(long, help_heading = "Output")]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry run config/demo.yaml\n  \
    rowferry run jobs.yaml --job shop --table orders --output json")]
pub(crate) struct RunArgs {
    /// Job file; else `SYNC_CONFIG_PATH`, else rowferry.yaml
    pub(crate) file: Option<PathBuf>,
    /// Only this job; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Tables")]
    pub(crate) job: Vec<String>,
    #[command(flatten)]
    pub(crate) tables: TableNames,
    #[command(flatten)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) control: Control,
    #[command(flatten)]
    pub(crate) output: RunOutput,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry plan jobs.yaml --job shop\n  \
    rowferry plan postgres://app@db1/shop sqlite:shop.db --table public.orders")]
pub(crate) struct PlanArgs {
    /// A job file, or a source and a target as `copy` takes them
    #[arg(num_args = 0..=2, value_names = ["FILE | SOURCE", "TARGET"])]
    pub(crate) ends: Vec<String>,
    /// Plan every table of the source
    #[arg(long, help_heading = "Tables")]
    pub(crate) all: bool,
    /// Only this job of the file; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Tables")]
    pub(crate) job: Vec<String>,
    #[command(flatten)]
    pub(crate) tables: TableNames,
    #[command(flatten)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) control: Control,
    #[command(flatten)]
    pub(crate) output: RunOutput,
    /// File whose connections may be named
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowferry bench postgres://app@db1/shop --table public.orders\n  \
    rowferry bench 'generate:lineitem?rows=1000000' sqlite:new.db --table lineitem --rounds 3")]
pub(crate) struct BenchArgs {
    /// URL, env:NAME, or a connection of --config
    pub(crate) source: String,
    /// The same; without one rows are read and thrown away
    #[arg(default_value = "null:")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) tables: TableNames,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Copies, one after another
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Run")]
    pub(crate) rounds: u32,
    /// Ledger file
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Progress on stderr
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW", help_heading = "Output")]
    pub(crate) progress: ProgressWord,
    /// File whose connections may be named
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry check jobs.yaml\n  \
    rowferry check postgres://app@db1/shop sqlite:shop.db")]
pub(crate) struct CheckArgs {
    /// A job file, or a source and a target URL
    #[arg(num_args = 0..=2, value_names = ["FILE | SOURCE", "TARGET"])]
    pub(crate) ends: Vec<String>,
    /// Only this job of the file; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) job: Vec<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry tables sqlite:shop.db\n  \
    rowferry tables env:SHOP_URL --output json")]
pub(crate) struct TablesArgs {
    /// URL or env:NAME
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry status\n  \
    rowferry status --target sqlite:shop.db --output json")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) place: StatePlace,
    /// Runs to show
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) last: u32,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Where durable state is read from.
#[derive(Debug, Args)]
pub(crate) struct StatePlace {
    /// Read the state kept in this target (URL or env:NAME) instead of the ledger
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
    /// Schema of the progress tables in the target
    #[arg(long, value_name = "NAME")]
    pub(crate) progress_schema: Option<String>,
    /// Ledger file
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry state list --target sqlite:shop.db\n  \
    rowferry state reset 1f0c --target sqlite:shop.db --yes")]
pub(crate) struct StateArgs {
    #[command(subcommand)]
    pub(crate) action: StateAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StateAction {
    /// List the streams
    #[command(after_help = "Examples:\n  rowferry state list\n  \
        rowferry state list --target sqlite:shop.db")]
    List {
        #[command(flatten)]
        place: StatePlace,
        #[command(flatten)]
        output: Output,
    },
    /// Show one stream
    #[command(after_help = "Examples:\n  rowferry state show orders\n  \
        rowferry state show 1f0c --target sqlite:shop.db")]
    Show {
        /// Stream id or its start, or a source or target table
        stream: String,
        #[command(flatten)]
        place: StatePlace,
        #[command(flatten)]
        output: Output,
    },
    /// Forget a stream, in the target and in the ledger; its rows stay
    #[command(after_help = "Examples:\n  rowferry state reset orders --target sqlite:shop.db\n  \
        rowferry state reset 1f0c --target env:LAKE_URL --yes")]
    Reset {
        /// Stream id or its start, or a source or target table
        stream: String,
        #[command(flatten)]
        place: StatePlace,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Take the target's word for a stream after it was put back
    #[command(after_help = "Examples:\n  rowferry state accept orders --target sqlite:shop.db\n  \
        rowferry state accept 1f0c --target env:LAKE_URL --yes")]
    Accept {
        /// Stream id or its start, or a source or target table
        stream: String,
        #[command(flatten)]
        place: StatePlace,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Show who holds a stream and end their sessions
    #[command(after_help = "Examples:\n  rowferry state unlock orders --target env:LAKE_URL\n  \
        rowferry state unlock 1f0c --target env:LAKE_URL --yes")]
    Unlock {
        /// Stream id or its start, or a source or target table
        stream: String,
        #[command(flatten)]
        place: StatePlace,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry worker jobs.yaml\n  \
    rowferry worker jobs.yaml --every 5m --log-format json")]
pub(crate) struct WorkerArgs {
    /// Job file; else `SYNC_CONFIG_PATH`, else rowferry.yaml
    pub(crate) file: Option<PathBuf>,
    /// Interval of jobs that do not state one
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) every: Option<Duration>,
    /// Only this job; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Tables")]
    pub(crate) job: Vec<String>,
    #[command(flatten)]
    pub(crate) tables: TableNames,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Ledger file
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub(crate) state: Option<PathBuf>,
    /// Let an empty or shrunken source replace the target
    #[arg(long, help_heading = "Run")]
    pub(crate) accept_shrink: bool,
    #[command(flatten)]
    pub(crate) output: RunOutput,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry config validate jobs.yaml\n  \
    rowferry config schema > rowferry.schema.json")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Read a job file and say what is wrong with it
    #[command(after_help = "Examples:\n  rowferry config validate\n  \
        rowferry config validate jobs.yaml")]
    Validate {
        /// Job file; else `SYNC_CONFIG_PATH`, else rowferry.yaml
        file: Option<PathBuf>,
    },
    /// Print a job file as it is understood, secrets as ***
    #[command(after_help = "Examples:\n  rowferry config show\n  rowferry config show jobs.yaml")]
    Show {
        /// Job file; else `SYNC_CONFIG_PATH`, else rowferry.yaml
        file: Option<PathBuf>,
    },
    /// Print the JSON schema of job files
    #[command(after_help = "Examples:\n  rowferry config schema\n  \
        rowferry config schema > rowferry.schema.json")]
    Schema,
    /// Print a file of an older shape as a native job file, secrets as variables
    #[command(after_help = "Examples:\n  rowferry config migrate appsettings.json\n  \
        rowferry config migrate sync.yaml > rowferry.yaml")]
    Migrate {
        /// Job file; else `SYNC_CONFIG_PATH`, else rowferry.yaml
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry completions bash\n  \
    rowferry completions zsh > _rowferry")]
pub(crate) struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// The command with the environment twin of every flag.
pub(crate) fn command() -> clap::Command {
    with_environment(Cli::command())
}

/// Reads the process's own arguments. Ends the process on a usage error (exit 2) and after
/// `--help` and `--version`.
pub(crate) fn parse() -> Cli {
    let parsed = command()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(without_logins);
    parsed.unwrap_or_else(|error| error.exit())
}

/// The error without the words of the user that may hold a password.
fn without_logins(mut error: clap::Error) -> clap::Error {
    let quoted =
        [ContextKind::InvalidArg, ContextKind::InvalidValue, ContextKind::InvalidSubcommand];
    for kind in quoted {
        let Some(ContextValue::String(text)) = error.get(kind) else { continue };
        if may_hold_login(text) {
            error.insert(kind, ContextValue::String("***".to_owned()));
            // A suggestion would repeat it.
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

/// Whether `text` may be a connection string with a password. Every form has one of these signs, and
/// little else has.
pub(crate) fn may_hold_login(text: &str) -> bool {
    text.contains(['@', ';']) || text.contains("://") || text.to_lowercase().contains("password")
}

fn with_environment(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let Some(long) = arg.get_long() else { return arg };
        let name = format!("ROWFERRY_{}", long.replace('-', "_").to_uppercase());
        // clap keeps names for the life of the process; there are some fifty short ones.
        let name: &'static str = Box::leak(name.into_boxed_str());
        let arg = arg.env(name).hide_env(true);
        // `ROWFERRY_RESTART=0` must mean what it says.
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            arg.value_parser(FalseyValueParser::new())
        } else {
            arg
        }
    });
    let names: Vec<String> =
        command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_environment))
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "ways_out_tests.rs"]
mod ways_out;
