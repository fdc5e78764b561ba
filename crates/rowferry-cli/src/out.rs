//! Results on stdout, talk on stderr. Nothing else in the program writes to either.
//!
//! A reader that goes away (`rowferry tables … | head -1`) has seen what it wanted: a broken pipe
//! is success and never a panic. Progress bars are lifted while a line is said, so that both stay
//! readable.

use std::io::{self, Write};
use std::sync::OnceLock;

use indicatif::MultiProgress;

static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The bars of this process, at the lower end of the terminal.
pub(crate) fn bars() -> &'static MultiProgress {
    BARS.get_or_init(MultiProgress::new)
}

/// Prints a result, one or more lines, and flushes it.
pub(crate) fn result(text: &str) {
    beside_bars(|| {
        let mut stdout = io::stdout().lock();
        // There is nobody left to tell when stdout fails; the exit code still says how it went.
        drop(writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()));
    });
}

/// Says something about the work on stderr.
pub(crate) fn talk(text: &str) {
    beside_bars(|| drop(writeln!(io::stderr().lock(), "{text}")));
}

/// Where log lines go: stderr, beside the bars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        beside_bars(|| io::stderr().lock().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn beside_bars<T>(write: impl FnOnce() -> T) -> T {
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}
