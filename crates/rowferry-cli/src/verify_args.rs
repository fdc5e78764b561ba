//! The command line of `verify`, as it is written.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::flags::{Output, TableNames, Waiting};
use crate::units;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowferry verify postgres://app@db1/shop mysql://app@db2/shop --tables users,orders=sales\n  \
    rowferry verify jobs.yaml --job shop --verbose")]
pub(crate) struct VerifyCommand {
    #[command(flatten)]
    pub(crate) verify: VerifyArgs,
    /// Put the target right: print the statements, or run them
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Repair")]
    pub(crate) repair: Option<RepairWord>,
    #[command(flatten)]
    pub(crate) undo: Undo,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowferry repair postgres://app@db1/shop mysql://app@db2/shop --tables orders\n  \
    rowferry repair jobs.yaml --job shop --apply --undo undo.sql")]
pub(crate) struct RepairCommand {
    #[command(flatten)]
    pub(crate) verify: VerifyArgs,
    /// Run the statements instead of printing them
    #[arg(long, help_heading = "Repair")]
    pub(crate) apply: bool,
    #[command(flatten)]
    pub(crate) undo: Undo,
}

/// Where the statements go that undo a repair.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Repair")]
pub(crate) struct Undo {
    /// New file with the statements that undo what is applied
    #[arg(long = "undo", value_name = "FILE", default_value = "rowferry-undo.sql")]
    pub(crate) file: PathBuf,
}

/// What is done about differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RepairWord {
    Sql,
    Apply,
}

/// What is compared, and how.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A job file, or a source and a target as `copy` takes them
    #[arg(num_args = 0..=2, value_names = ["FILE | SOURCE", "TARGET"])]
    pub(crate) ends: Vec<String>,
    #[command(flatten)]
    pub(crate) places: Places,
    /// Only this job of the file; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Tables")]
    pub(crate) job: Vec<String>,
    #[command(flatten)]
    pub(crate) tables: TableNames,
    #[command(flatten)]
    pub(crate) equality: Equality,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Write the report as one page of HTML
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
    /// File whose connections may be named
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) config: Option<PathBuf>,
}

/// The two databases, where they are not arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Ends")]
pub(crate) struct Places {
    /// The source; also in `EDG_SOURCE_URL`
    #[arg(long, value_name = "URL")]
    pub(crate) source_url: Option<String>,
    /// What the source is: pgx, mysql, sqlite; also in `EDG_SOURCE_DRIVER`
    #[arg(long, value_name = "NAME")]
    pub(crate) source_driver: Option<String>,
    /// The target; also in `EDG_TARGET_URL`
    #[arg(long, value_name = "URL")]
    pub(crate) target_url: Option<String>,
    /// What the target is; also in `EDG_TARGET_DRIVER`
    #[arg(long, value_name = "NAME")]
    pub(crate) target_driver: Option<String>,
}

/// What counts as equal.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Tables")]
pub(crate) struct Equality {
    /// Columns that identify a row; else a key of the tables
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', visible_alias = "key")]
    pub(crate) order_by: Vec<String>,
    /// Columns to leave out
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) ignore_columns: Vec<String>,
    /// Compare by text what is not of one type, and count columns of one side as a difference
    #[arg(long)]
    pub(crate) strict: bool,
    /// Tables without rows on both sides are equal
    #[arg(long)]
    pub(crate) allow_empty: bool,
}

/// How both sides are read.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Speed")]
pub(crate) struct Reading {
    /// Wait this long before the first read; with --live until rows that differ must be equal
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) wait: Option<Duration>,
    /// The tables are written meanwhile: look again at rows that differ
    #[arg(long)]
    pub(crate) live: bool,
    /// Let two servers of one engine hash rows where they are, and read only what differs
    #[arg(long)]
    pub(crate) pushdown: bool,
    /// Rows compared at once
    #[arg(long, value_name = "ROWS", value_parser = units::count, default_value = "10000")]
    pub(crate) batch_size: u64,
    /// Stretches of a table read at once, each on both sides, or auto
    #[arg(long, value_name = "N", value_parser = units::workers)]
    pub(crate) workers: Option<units::Workers>,
    /// Rows of such a stretch
    #[arg(long, value_name = "ROWS", value_parser = units::count)]
    pub(crate) chunk_rows: Option<u64>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}
