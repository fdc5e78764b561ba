//! The table at the end of a run: the same numbers as the JSON line.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use rowferry_engine::{RunReport, RunStatus, TableReport, ValueChange};

use crate::units;

/// The summary as text, without a final line feed.
pub(crate) fn render(report: &RunReport) -> String {
    let several = report.tables.windows(2).any(|pair| matches!(pair, [a, b] if a.job != b.job));
    let mut lines = vec![trimmed(&tables(&report.tables, several))];
    for table in &report.tables {
        let job = if several { format!("{}: ", table.job) } else { String::new() };
        lines.extend(notes(table).iter().map(|note| format!("{job}{}: {note}", table.source)));
    }
    lines.push(String::new());
    lines.push(closing(report));
    lines.join("\n")
}

/// A table without borders, numbers to the right: as good in a log as on a screen.
pub(crate) fn plain_table(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for index in 0..header.len() {
        let Some(column) = table.column_mut(index) else { continue };
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The table as text without blanks at the ends of its lines.
pub(crate) fn trimmed(table: &Table) -> String {
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// With several jobs, the same table may stand here more than once, so the job is named.
fn tables(reports: &[TableReport], several: bool) -> Table {
    let first = usize::from(!several);
    let header = [
        "job", "table", "target", "write", "read", "written", "rejected", "bytes", "rows/s",
        "time", "status",
    ];
    let numbers: Vec<usize> = (4..=9).map(|column| column - first).collect();
    let mut table = plain_table(header.get(first..).unwrap_or_default(), &numbers);
    for report in reports {
        let row = [
            report.job.clone(),
            report.source.clone(),
            report.target.clone(),
            report.write.clone(),
            units::grouped(report.rows_read),
            units::grouped(report.rows_written),
            units::grouped(report.rows_rejected),
            units::bytes(report.bytes_written),
            rate(report.rows_per_second),
            units::seconds(report.seconds),
            word(report.status).to_owned(),
        ];
        table.add_row(row.into_iter().skip(first));
    }
    table
}

/// What a number alone does not say.
fn notes(table: &TableReport) -> Vec<String> {
    let mut notes = Vec::new();
    if table.chunks_resumed > 0 {
        notes.push(format!(
            "continued behind {} that an earlier attempt had saved",
            units::counted(table.chunks_resumed, "chunk")
        ));
    }
    if table.duplicates > 0 {
        notes.push(format!("{} left out", units::counted(table.duplicates, "duplicate")));
    }
    if table.rows_rejected > 0 {
        notes.push(format!(
            "{} set aside; _rowferry_quarantine in the target names them",
            units::counted(table.rows_rejected, "row")
        ));
    }
    notes.extend(table.values.iter().map(|change| {
        let ValueChange { column, rule, policy, count } = change;
        let count = units::grouped(*count);
        format!("values: {policy} in {}.{column}: {count} ({rule})", table.source)
    }));
    notes.extend(table.warnings.iter().map(|warning| format!("note: {warning}")));
    notes
}

fn closing(report: &RunReport) -> String {
    let totals = &report.totals;
    let failed = match totals.failed {
        0 => String::new(),
        failed => format!(" ({failed} failed)"),
    };
    let phases = &report.phases;
    let text = format!(
        "{}: {}{failed}, {} written, {}, {} (plan {}, copy {}, index {}, publish {})",
        word(report.status),
        units::counted(totals.tables, "table"),
        units::counted(totals.rows_written, "row"),
        units::bytes(totals.bytes_written),
        units::seconds(report.seconds),
        units::seconds(phases.plan),
        units::seconds(phases.copy),
        units::seconds(phases.index),
        units::seconds(phases.publish),
    );
    match &report.report {
        Some(path) => format!("{text}\nreport: {path}"),
        None => text,
    }
}

fn rate(rows_per_second: f64) -> String {
    units::grouped(whole(rows_per_second))
}

/// The whole part of a rate: negative and absent ones are 0.
pub(crate) fn whole(value: f64) -> u64 {
    // Through text: `as` would be a cast that the house rules forbid for good reasons.
    format!("{:.0}", value.max(0.0)).parse().unwrap_or_default()
}

/// The word for a status, as in JSON.
pub(crate) const fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Ok => "ok",
        RunStatus::Degraded => "degraded",
        RunStatus::Partial => "partial",
        RunStatus::Failed => "failed",
        RunStatus::Skipped => "skipped",
        RunStatus::Stopped => "stopped",
    }
}
