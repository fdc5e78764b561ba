//! How far a run has come, for people: bars on a terminal, else a line per table every ten seconds.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use rowferry_engine::{RunStatus, TableReport};
use rowferry_runtime::Task;

use crate::flags::ProgressWord;
use crate::{out, summary, units};

/// Distance of two plain lines about one table: rare enough for a log, often enough to be trusted.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Redraws of a bar per second; the eye needs no more, and a slow terminal no less.
const REDRAW_EVERY: Duration = Duration::from_millis(250);

/// Progress of all tables that are being copied. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    shown: Shown,
    tables: Arc<Mutex<BTreeMap<String, Moving>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Bars,
    Lines,
    Nothing,
}

/// One table on its way.
#[derive(Debug)]
struct Moving {
    started: Instant,
    rows_expected: Option<u64>,
    rows_resumed: u64,
    rows_moved: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress in the form asked for. `Auto` draws bars only where a person is likely to look:
    /// CI systems offer terminals that nobody sees.
    pub(crate) fn new(word: ProgressWord) -> Self {
        let watched = std::io::stderr().is_terminal()
            && std::env::var_os("CI").is_none()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let shown = match word {
            ProgressWord::Auto if watched => Shown::Bars,
            ProgressWord::Bar => Shown::Bars,
            ProgressWord::Auto | ProgressWord::Plain => Shown::Lines,
            ProgressWord::None => Shown::Nothing,
        };
        Self { shown, tables: Arc::default() }
    }

    /// Starts saying a line per table from time to time, as long as the task is kept.
    pub(crate) fn lines(&self) -> Option<Task<()>> {
        if self.shown != Shown::Lines {
            return None;
        }
        let progress = self.clone();
        Some(rowferry_runtime::spawn("progress", async move {
            loop {
                tokio::time::sleep(PLAIN_EVERY).await;
                let lines: Vec<String> =
                    progress.tables().iter().map(|(name, table)| table.line(name)).collect();
                for line in lines {
                    out::talk(&line);
                }
            }
        }))
    }

    /// A table is about to be copied.
    pub(crate) fn started(&self, table: &str, rows_expected: Option<u64>, rows_resumed: u64) {
        let bar = (self.shown == Shown::Bars).then(|| bar(table, rows_expected, rows_resumed));
        let moving =
            Moving { started: Instant::now(), rows_expected, rows_resumed, rows_moved: 0, bar };
        self.tables().insert(table.to_owned(), moving);
    }

    /// Rows were handed to the writer.
    pub(crate) fn moved(&self, table: &str, rows: u64) {
        if let Some(moving) = self.tables().get_mut(table) {
            moving.rows_moved += rows;
            if let Some(bar) = &moving.bar {
                bar.inc(rows);
            }
        }
    }

    /// A table ended.
    pub(crate) fn finished(&self, report: &TableReport) {
        let moving = self.tables().remove(&report.source);
        if let Some(bar) = moving.and_then(|moving| moving.bar) {
            bar.finish_and_clear();
        }
        if self.shown == Shown::Nothing || report.status == RunStatus::Failed {
            return;
        }
        out::talk(&format!(
            "{}: {}, {} in {}, {} rows/s",
            report.source,
            summary::word(report.status),
            units::counted(report.rows_written, "row"),
            units::seconds(report.seconds),
            units::grouped(summary::whole(report.rows_per_second)),
        ));
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<String, Moving>> {
        // Numbers for people stay usable after a panic elsewhere.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moving {
    fn line(&self, table: &str) -> String {
        let rows = self.rows_resumed + self.rows_moved;
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let per_second = self.rows_moved.saturating_mul(1_000) / millis;
        let share = match self.rows_expected.filter(|expected| *expected >= rows) {
            Some(expected) => {
                let percent = rows * 100 / expected.max(1);
                format!(
                    "{} of about {} rows ({percent} %)",
                    units::grouped(rows),
                    units::grouped(expected)
                )
            }
            None => format!("{} rows", units::grouped(rows)),
        };
        let left = match self.rows_expected {
            Some(expected) if expected > rows && per_second > 0 => {
                let left = Duration::from_secs((expected - rows) / per_second);
                format!(", about {} left", units::seconds(left.as_secs_f64()))
            }
            Some(_) | None => String::new(),
        };
        format!("{table}: {share}, {} rows/s{left}", units::grouped(per_second))
    }
}

fn bar(table: &str, rows_expected: Option<u64>, rows_resumed: u64) -> ProgressBar {
    let (bar, template) = match rows_expected {
        Some(rows) => (
            ProgressBar::new(rows.max(rows_resumed)),
            "{prefix:24!} {bar:20} {percent:>3} %  {human_pos} rows  {rate} rows/s  {eta} left",
        ),
        None => (
            ProgressBar::no_length(),
            "{prefix:24!} {spinner}  {human_pos} rows  {rate} rows/s  {elapsed}",
        ),
    };
    // A template that does not parse would be found by the test below.
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let rate = units::grouped(summary::whole(state.per_sec()));
            // A bar that cannot be drawn is nobody's loss.
            out.write_str(&rate).unwrap_or_default();
        })
        .progress_chars("=> ");
    let bar = out::bars().add(bar).with_style(style).with_prefix(table.to_owned());
    let bar = bar.with_position(rows_resumed);
    bar.reset_eta();
    bar.enable_steady_tick(REDRAW_EVERY);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_rows_share_and_rate() {
        let table = Moving {
            started: Instant::now().checked_sub(Duration::from_secs(10)).unwrap(),
            rows_expected: Some(6_000_000),
            rows_resumed: 200_000,
            rows_moved: 1_000_000,
            bar: None,
        };
        let line = table.line("orders");
        assert!(line.starts_with("orders: 1,200,000 of about 6,000,000 rows (20 %), "), "{line}");
        assert!(line.ends_with(" left"), "{line}");
        let more = Moving { rows_expected: Some(5), ..table };
        assert!(more.line("orders").starts_with("orders: 1,200,000 rows, "));
    }
}
