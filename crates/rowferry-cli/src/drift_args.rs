//! The command line of `drift`, as it is written.

use std::path::PathBuf;

use clap::Args;

use crate::flags::{Output, TableNames};
use crate::verify_args::{Equality, Places, Reading, VerifyArgs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rowferry drift jobs.yaml\n  \
    rowferry drift jobs.yaml --job shop --wait 30s --output json")]
pub(crate) struct DriftArgs {
    /// Job file; else `SYNC_CONFIG_PATH`, else rowferry.yaml
    pub(crate) file: Option<PathBuf>,
    /// Only this job; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Tables")]
    pub(crate) job: Vec<String>,
    #[command(flatten)]
    pub(crate) tables: TableNames,
    #[command(flatten)]
    pub(crate) equality: Equality,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Ledger file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Write the report as one page of HTML
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
}

impl DriftArgs {
    /// The comparison that it asks for.
    pub(crate) fn verify(&self) -> VerifyArgs {
        VerifyArgs {
            ends: self.file.iter().map(|file| file.display().to_string()).collect(),
            places: Places::default(),
            job: self.job.clone(),
            tables: self.tables.clone(),
            equality: self.equality.clone(),
            reading: self.reading.clone(),
            output: self.output,
            report: self.report.clone(),
            config: None,
        }
    }
}
