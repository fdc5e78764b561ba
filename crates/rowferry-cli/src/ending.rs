//! How the process ends: its exit code and, with `--output json`, the very last line.

use rowferry_engine::RunReport;

use crate::failure::Failure;
use crate::flags::OutputFormat;
use crate::{json, report_error};

/// What is left to do when everything else is done and closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Process exit code.
    pub(crate) code: u8,
    /// Last line of all output.
    pub(crate) last_line: Option<String>,
}

impl Ending {
    /// Nothing more to say.
    pub(crate) const fn of(code: u8) -> Self {
        Self { code, last_line: None }
    }

    /// Says why on stderr, and in the last line where JSON was asked for.
    pub(crate) fn failed(failure: &Failure, output: OutputFormat) -> Self {
        report_error::print(&failure.report);
        let last_line = (output == OutputFormat::Json).then(|| {
            let error = (*failure.report).clone();
            let now = crate::clock::now();
            let mut report = RunReport::of(Vec::new(), Some((failure.exit_code, error)));
            report.started_at.clone_from(&now);
            report.finished_at = now;
            json::line(&report)
        });
        Self { code: failure.exit_code, last_line }
    }
}
