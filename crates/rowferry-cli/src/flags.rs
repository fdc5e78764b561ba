//! Groups of flags that several commands share, and the words that flags take.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use rowferry_core::Rate;

use crate::units;

/// How much is said on stderr, and how.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Talk {
    /// Form of log lines on stderr
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORM")]
    #[arg(help_heading = "Output")]
    pub(crate) log_format: LogFormat,
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
}

/// `--table`, the same everywhere.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TableNames {
    /// Table, or source=target; repeatable or with commas
    #[arg(long = "table", visible_alias = "tables", value_name = "NAME", value_delimiter = ',')]
    #[arg(help_heading = "Tables")]
    pub(crate) names: Vec<String>,
}

/// What is copied and how it is written; overrides every table of a job file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Tables")]
pub(crate) struct Shape {
    /// What a run makes of the target
    #[arg(long, value_enum)]
    pub(crate) mode: Option<ModeWord>,
    /// How rows meet rows that are there
    #[arg(long, value_enum)]
    pub(crate) write: Option<WriteWord>,
    /// Columns that identify a row
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) key: Vec<String>,
    /// Columns in whose order chunks are cut
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) cut_by: Vec<String>,
    /// Columns to copy; the others stay
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) include: Vec<String>,
    /// Columns to leave out
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
    /// Column of the source and its name in the target
    #[arg(long, value_name = "A=B", value_delimiter = ',')]
    pub(crate) rename: Vec<String>,
    /// Column and its cast: "decimal(9,2) else null"
    #[arg(long, value_name = "A=CAST")]
    pub(crate) cast: Vec<String>,
    /// One comparison: column, operator, literal
    #[arg(long = "where", value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// Set so many bad rows of a table aside
    #[arg(long, value_name = "ROWS", value_parser = units::count)]
    pub(crate) max_rejects: Option<u64>,
}

/// Limits and parallelism.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Speed")]
pub(crate) struct Limits {
    /// Chunks in flight, or auto
    #[arg(long, value_name = "N", value_parser = units::workers)]
    pub(crate) workers: Option<units::Workers>,
    /// Tables at once
    #[arg(long, value_name = "N", value_parser = units::count)]
    pub(crate) parallel_tables: Option<u64>,
    /// Rows of a chunk
    #[arg(long, value_name = "ROWS", value_parser = units::count)]
    pub(crate) chunk_rows: Option<u64>,
    /// Bytes of a chunk
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) chunk_bytes: Option<u64>,
    /// Bytes of rows in flight
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) memory_budget: Option<u64>,
    /// Bytes of one row at most
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) max_row_bytes: Option<u64>,
    /// Read no more in a second: 20MiB/s, "50000 rows/s"
    #[arg(long, value_name = "RATE", value_parser = units::rate)]
    pub(crate) max_rate: Option<Rate>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// Give up a statement that writes rows after this long; 0 never
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) statement_timeout: Option<Duration>,
    /// Wait this long for a lock, five times for tables
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) lock_timeout: Option<Duration>,
}

/// How far a view reaches, and how long servers are waited for.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Speed")]
pub(crate) struct Waiting {
    /// How far one read view reaches
    #[arg(long, value_enum, value_name = "SCOPE")]
    pub(crate) consistency: Option<ConsistencyWord>,
    /// Retry transient failures this long
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) retry_for: Option<Duration>,
    /// Give up connecting after this long; 0 never
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Give up a connection that is silent this long; 0 never
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) progress_timeout: Option<Duration>,
}

/// Run, resume, run again.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line are what they are")]
#[command(next_help_heading = "Run")]
pub(crate) struct Control {
    /// Ledger file
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Name of the logical run
    #[arg(long, value_name = "KEY")]
    pub(crate) run_key: Option<String>,
    /// Start anew whatever is there
    #[arg(long)]
    pub(crate) restart: bool,
    /// Age up to which an unfinished run goes on
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) resume_within: Option<Duration>,
    /// Let a shrunken source replace the target
    #[arg(long)]
    pub(crate) accept_shrink: bool,
    /// Stop and save after this long, exit 75
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) deadline: Option<Duration>,
    /// Time that current chunks get to finish in when the run is stopped
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) shutdown_grace: Option<Duration>,
    /// If another run holds the lock
    #[arg(long, value_enum, value_name = "DO")]
    pub(crate) on_locked: Option<OnLocked>,
    /// Exit 99 when there was nothing to do
    #[arg(long)]
    pub(crate) exit_skip: bool,
    /// Exit 1 when rows were set aside
    #[arg(long)]
    pub(crate) strict: bool,
    /// Plan only
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Output of commands that move rows.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct RunOutput {
    #[command(flatten)]
    pub(crate) form: Output,
    /// Write the whole report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Progress on stderr
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    pub(crate) progress: ProgressWord,
}

/// Form of results on stdout.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Form of results on stdout
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    pub(crate) output: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressWord {
    Auto,
    Bar,
    Plain,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeWord {
    Full,
    Incremental,
    #[value(hide = true)]
    Snapshot,
    #[value(hide = true)]
    Cdc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WriteWord {
    Replace,
    Append,
    Upsert,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConsistencyWord {
    Auto,
    Table,
    Chunk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLocked {
    Fail,
    Skip,
    Wait,
}
