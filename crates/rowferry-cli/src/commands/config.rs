//! `config`: what a job file means, before anything is connected.

use crate::args::ConfigAction;
use crate::failure::Result;
use crate::{exit, job_file, out, units};

pub(super) fn run(action: &ConfigAction) -> Result<u8> {
    match action {
        ConfigAction::Validate { file } => {
            let file = job_file::load(file.as_deref())?;
            for warning in file.jobs.iter().flat_map(|job| &job.warnings) {
                out::talk(&format!("warning: {warning}"));
            }
            let tables: usize = file.jobs.iter().map(|job| job.tables.len()).sum();
            out::result(&format!(
                "{}: no mistakes in {} with {}",
                file.path.display(),
                units::counted(file.jobs.len() as u64, "job"),
                units::counted(tables as u64, "table pattern"),
            ));
        }
        // What is understood is shown in the native form, whatever the file's own is.
        ConfigAction::Show { file } | ConfigAction::Migrate { file } => {
            out::result(&job_file::print(&job_file::load(file.as_deref())?.jobs));
        }
        ConfigAction::Schema => out::result(&job_file::schema()),
    }
    Ok(exit::OK)
}
