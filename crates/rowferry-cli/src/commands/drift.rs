//! `drift`: the tables of a job compared once, for cron or whatever else keeps time. What was found
//! stays in the ledger, where `status` shows it.

use std::path::Path;

use super::verify::{Asked, Verification, jobs_of_file, verify_until};
use crate::block_on::block_on;
use crate::drift_args::DriftArgs;
use crate::ending::Ending;
use crate::failure::Result;
use crate::history::History;
use crate::state_path;
use crate::verify_view::{Printer, VerifyReport};

pub(super) fn run(args: &DriftArgs, verbose: bool) -> Ending {
    let output = args.output.output;
    match compare(args, verbose) {
        Ok(report) => report.ending(output),
        Err(failure) => Ending::failed(&failure, output),
    }
}

fn compare(args: &DriftArgs, verbose: bool) -> Result<VerifyReport> {
    let verify = args.verify();
    let (jobs, state_of_file) = jobs_of_file(&verify)?;
    let state = state_path::settle(args.state.as_deref(), state_of_file.as_deref());
    let printer = Printer { output: args.output.output, verbose, script: false };
    // Nothing is repaired, so that nothing is undone.
    let asked = Asked { args: &verify, repair: None, undo: Path::new(""), printer };
    let names: Vec<&str> = jobs.iter().map(Verification::name).collect();
    block_on(async {
        let history = History::open(&state).await?;
        let run = history.start("drift", &names.join(", "), None).await?;
        let mut report = VerifyReport::new(verify.equality.strict, verify.equality.allow_empty);
        let compared = verify_until(&asked, &jobs, &mut report).await;
        let failed = compared.as_ref().err().map(|failure| failure.exit_code);
        history.end_drift(&run, &report, failed).await;
        compared.map(|()| report)
    })
}
