//! The command line of `sync`, as it is written.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::flags::Output;
use crate::verify_args::{Places, VerifyCommand};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rowferry sync run --source-url env:SHOP_URL --source-config shop.yaml --rng-seed 42\n  \
    rowferry sync verify env:SHOP_URL env:LAKE_URL --tables users,orders --wait 5s")]
pub(crate) struct SyncCommand {
    #[command(subcommand)]
    pub(crate) action: SyncAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SyncAction {
    /// Run `up` and `seed` of a configuration on the source, and of another on the target
    #[command(after_help = "Examples:\n  \
        rowferry sync run --source-url env:SHOP_URL --source-config shop.yaml --rng-seed 42\n  \
        rowferry sync run --source-config mysql.yaml --target-config postgres.yaml")]
    Run(Box<SyncRunArgs>),
    /// The same as `rowferry verify`
    Verify(Box<VerifyCommand>),
    /// Run `deseed` and `down` of the same configurations
    #[command(after_help = "Examples:\n  \
        rowferry sync down --source-url env:SHOP_URL --source-config shop.yaml\n  \
        rowferry sync down --source-config mysql.yaml --target-config postgres.yaml")]
    Down(Box<ScriptArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct SyncRunArgs {
    #[command(flatten)]
    pub(crate) scripts: ScriptArgs,
    /// The same number gives the same rows; else one is chosen and said
    #[arg(long, value_name = "N", help_heading = "Ends")]
    pub(crate) rng_seed: Option<u64>,
}

/// Both ends and what is run on them.
#[derive(Debug, Args)]
pub(crate) struct ScriptArgs {
    #[command(flatten)]
    pub(crate) places: Places,
    /// Configuration of the source; also in `EDG_SOURCE_CONFIG`
    #[arg(long, value_name = "FILE", help_heading = "Ends")]
    pub(crate) source_config: Option<PathBuf>,
    /// Configuration of the target; without it the target is left alone
    #[arg(long, value_name = "FILE", help_heading = "Ends")]
    pub(crate) target_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}
