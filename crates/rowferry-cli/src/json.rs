//! The report of a run as one JSON line, short enough to be handed on by whatever runs us.
//!
//! Orchestrators keep the last line of all output (Airflow stores it in its database), so it is
//! the very last write of the process and at most 4 KB long. `--report FILE` holds everything.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rowferry_engine::{ErrorReport, RunReport};

use crate::failure::{Failure, Result};

/// Bytes of the line with its line feed: what orchestrators keep without complaint.
const LINE_BYTES_MAX: usize = 4_096;
/// Characters of a text in the line. Guessed: a message, not an essay; four of them still fit.
const TEXT_CHARS_MAX: usize = 400;
/// Warnings of a table in the line; the rest is in `--report`.
const WARNINGS_MAX: usize = 3;
/// Columns with changed values in the line; the rest is in `--report`.
const VALUES_MAX: usize = 5;

/// The line, without its line feed: failed tables first, then as many as fit.
pub(crate) fn line(report: &RunReport) -> String {
    let mut short = report.clone();
    short.error.iter_mut().for_each(shorten);
    for table in &mut short.tables {
        table.error.iter_mut().for_each(shorten);
        table.values.truncate(VALUES_MAX);
        table.warnings.truncate(WARNINGS_MAX);
        table.warnings.iter_mut().for_each(cut);
        for name in [&mut table.job, &mut table.source, &mut table.target] {
            cut(name);
        }
    }
    let tables = std::mem::take(&mut short.tables);
    let sizes = tables.iter().map(|table| text(table).len() + 1);
    // The count itself may grow by some digits when tables are left out.
    let room = LINE_BYTES_MAX.saturating_sub(text(&short).len() + 24);
    let fitting = sizes
        .scan(0, |total, size| {
            *total += size;
            Some(*total)
        })
        .take_while(|total| *total <= room)
        .count();
    short.tables_omitted += (tables.len() - fitting) as u64;
    short.tables = tables.into_iter().take(fitting).collect();
    text(&short)
}

fn text(value: &impl serde::Serialize) -> String {
    // Plain structs with text keys always serialize.
    serde_json::to_string(value).unwrap_or_default()
}

fn shorten(error: &mut ErrorReport) {
    for part in [&mut error.message, &mut error.saved, &mut error.next] {
        cut(part);
    }
}

fn cut(text: &mut String) {
    if text.chars().count() > TEXT_CHARS_MAX {
        *text = text.chars().take(TEXT_CHARS_MAX - 1).chain(['…']).collect();
    }
}

/// A place for the whole report, opened before the run so that hours of copying are not followed
/// by a report that cannot be written.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
    draft: PathBuf,
}

impl ReportFile {
    /// Makes sure that `path` can be written.
    pub(crate) fn prepare(path: &Path) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let draft = path.with_file_name(name);
        std::fs::File::create(&draft).map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), draft })
    }

    /// Where it will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it whole, then gives it its name: nobody ever reads half of it.
    pub(crate) fn write(&self, report: &RunReport) -> Result<()> {
        let failed = |error: std::io::Error| unwritable(&self.path, &error);
        let mut file = std::fs::File::create(&self.draft).map_err(failed)?;
        serde_json::to_string_pretty(report)
            .map_err(std::io::Error::other)
            .and_then(|text| writeln!(file, "{}", rowferry_core::redact(&text)))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&self.draft, &self.path))
            .map_err(failed)
    }
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        // Gone after a good write; otherwise an empty draft is of no use to anyone.
        drop(std::fs::remove_file(&self.draft));
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::local(
        "report-unwritable",
        format!("could not write the report {}: {error}", path.display()),
        "Choose another file with --report.",
    )
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
