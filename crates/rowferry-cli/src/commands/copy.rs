//! `copy`: two ends and a table, no file.

use std::path::{Path, PathBuf};

use rowferry_core::{Job, Mode, PublishWhen, Settings, TableJob, TableRef};

use crate::args::CopyArgs;
use crate::ending::Ending;
use crate::failure::{Failure, Result};
use crate::flags::TableNames;
use crate::settle::{self, Request};
use crate::{exit, job_file, out};

/// Name of the job that the command line makes; part of the identity of its streams.
const JOB_NAME: &str = "copy";

pub(super) fn run(args: &CopyArgs) -> Ending {
    let request = match request(args) {
        Ok(request) => request,
        Err(failure) => return Ending::failed(&failure, args.output.form.output),
    };
    if args.print_config {
        out::result(&job_file::print(&request.jobs));
        return Ending::of(exit::OK);
    }
    if args.control.dry_run {
        return super::plan::show(&request);
    }
    super::run::run_jobs(&request)
}

/// What the command line asks for, as a request of one job.
pub(super) fn request(args: &CopyArgs) -> Result<Request> {
    let ends = (args.source.as_str(), args.target.as_str(), args.config.as_deref());
    let (mut job, state) = job(JOB_NAME, ends, &args.tables, args.all)?;
    settle::apply(&mut job, &args.shape, &args.limits)?;
    Ok(Request::new(JOB_NAME, vec![job], Vec::new(), &args.control, &args.output, state.as_deref()))
}

/// A job between two ends, each a URL or a connection of a file, and the ledger that the file names.
pub(super) fn job(
    name: &str,
    (source, target, config): (&str, &str, Option<&Path>),
    names: &TableNames,
    all: bool,
) -> Result<(Job, Option<PathBuf>)> {
    let ends = job_file::Ends::read(source, target, config)?;
    let job = Job {
        name: name.to_owned(),
        source: ends.source,
        target: ends.target,
        mode: Mode::Full,
        publish: PublishWhen::Table,
        every: None,
        settings: Settings::documented(),
        progress_schema: None,
        casts: Vec::new(),
        tables: tables(names, all)?,
        warnings: ends.warnings,
    };
    Ok((job, ends.state))
}

fn tables(names: &TableNames, all: bool) -> Result<Vec<TableJob>> {
    let mut tables: Vec<TableJob> = names
        .names
        .iter()
        .map(|name| {
            let (source, target) = settle::table_pair(name);
            TableJob { target, ..TableJob::of(source) }
        })
        .collect();
    if all {
        tables.push(TableJob::of(TableRef::bare("*")));
    }
    if tables.is_empty() {
        return Err(Failure::usage(
            "no-table",
            "no table is named",
            "Name tables with --table a,b=c, or copy all of them with --all.",
        ));
    }
    Ok(tables)
}
