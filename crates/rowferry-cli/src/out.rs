//! Results on stdout, talk on stderr. Nothing else in the program writes to either.
//!
//! A reader that goes away (`rowferry tables … | head -1`) has seen what it wanted: a broken pipe
//! is success and never a panic. Progress bars are lifted while a line is said, so that both stay
//! readable.
//!
//! All of it goes through the net that keeps secrets back: [`rowferry_core::redact`].

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::MultiProgress;
use rowferry_core::redact;

static RESULT_LOST: AtomicBool = AtomicBool::new(false);
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The bars of this process, at the lower end of the terminal.
pub(crate) fn bars() -> &'static MultiProgress {
    BARS.get_or_init(MultiProgress::new)
}

/// Prints a result, one or more lines, and flushes it.
pub(crate) fn result(text: &str) {
    let text = redact(text.trim_end_matches('\n'));
    let written = beside_bars(|| {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}").and_then(|()| stdout.flush())
    });
    if written.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        RESULT_LOST.store(true, Ordering::Relaxed);
    }
}

/// Whether a result could not be printed, for another reason than that nobody reads it.
pub(crate) fn result_lost() -> bool {
    RESULT_LOST.load(Ordering::Relaxed)
}

/// Says something about the work on stderr.
pub(crate) fn talk(text: &str) {
    let text = redact(text);
    beside_bars(|| drop(writeln!(io::stderr().lock(), "{text}")));
}

/// Where log lines go, each as a whole: stderr, beside the bars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        let clean = redact(&line);
        beside_bars(|| io::stderr().lock().write_all(clean.as_bytes())).map(|()| bytes.len())
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
