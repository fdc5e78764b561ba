//! The report of `verify` as one page that needs nothing else: for a ticket, or for whoever asked.

use std::fmt::Write as _;

use crate::units;
use crate::verify_view::{TableResult, VerifyReport};

/// Lines of rows on the page, per table. Guessed: nobody reads more, and a browser shows them at once.
pub(crate) const LINES_MAX: usize = 1_000;

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <title>rowferry verify</title><style>\
    body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}\
    table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:left}\
    td.n{text-align:right}.equal{color:#18652e}.different,.failed,.empty{color:#a3201d}\
    pre{background:#f4f4f4;padding:1em;overflow:auto}</style></head><body>";

/// The whole page.
pub(crate) fn page(report: &VerifyReport) -> String {
    let mut page = String::from(HEAD);
    let tables = units::counted(report.tables().len() as u64, "table");
    write!(
        page,
        "<h1>{}</h1><p>{tables}, {} differences, {}; {}</p>",
        escaped(report.status_word()),
        units::grouped(report.differences()),
        units::seconds(report.seconds),
        escaped(&crate::clock::now()),
    )
    .unwrap_or_default();
    page.push_str(
        "<table><tr><th>table</th><th>target</th><th>rows</th><th>in target</th><th>cells</th>\
         <th>missing</th><th>extra</th><th>repaired</th><th></th></tr>",
    );
    for table in report.tables() {
        row(&mut page, report, table);
    }
    page.push_str("</table>");
    for table in report.tables() {
        details(&mut page, table);
    }
    page.push_str("</body></html>\n");
    page
}

fn row(page: &mut String, report: &VerifyReport, table: &TableResult) {
    let status = report.status(table);
    let counts = table.outcome.as_ref().ok().map(|verdict| {
        [
            verdict.rows_source,
            verdict.rows_target,
            verdict.mismatches,
            verdict.missing,
            verdict.extra,
            table.repaired,
        ]
    });
    let (source, target) = (escaped(&table.source), escaped(&table.target));
    write!(page, "<tr><td>{source}</td><td>{target}</td>").unwrap_or_default();
    for place in 0..6 {
        let count = counts.and_then(|counts| counts.get(place).copied());
        let count = count.map_or_else(String::new, units::grouped);
        write!(page, "<td class=\"n\">{count}</td>").unwrap_or_default();
    }
    write!(page, "<td class=\"{status}\">{status}</td></tr>").unwrap_or_default();
}

/// What the numbers of a table do not say.
fn details(page: &mut String, table: &TableResult) {
    let mut notes = Vec::new();
    match &table.outcome {
        Err(failure) => notes.push(failure.report.message.clone()),
        Ok(verdict) => {
            let key = verdict.key.join(", ");
            notes.push(match verdict.key.as_slice() {
                [] => "no key: compared as multisets of rows".to_owned(),
                _ => format!("rows are found by {key}"),
            });
            notes.extend(
                verdict
                    .one_sided
                    .iter()
                    .map(|alone| format!("column {} is only in the {}", alone.column, alone.side)),
            );
            notes.extend(
                verdict
                    .rules
                    .iter()
                    .map(|used| format!("column {}: rule {}", used.column, used.rule.word())),
            );
        }
    }
    write!(page, "<h2>{}</h2><ul>", escaped(&table.source)).unwrap_or_default();
    for note in notes {
        write!(page, "<li>{}</li>", escaped(&note)).unwrap_or_default();
    }
    page.push_str("</ul>");
    if !table.lines.is_empty() {
        let lines = escaped(&table.lines.join("\n"));
        let more = if table.lines.len() < LINES_MAX { "" } else { "\n…" };
        write!(page, "<pre>{lines}{more}</pre>").unwrap_or_default();
    }
}

/// Text that a browser shows as it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
