//! The answer of one helper process, read on a thread of its own.
//!
//! It is whole when the stream came to its end, held as many rows as its schema had promised, and the
//! process ended with code 0. Anything else is an error with the last line that it wrote to stderr.

use std::io::{BufReader, Read, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use rowferry_core::{ConnectorError, ErrorClass, Result};

use crate::error::{USE_NATIVE, failed};
use crate::request::{Request, VERSION};

/// Metadata of the stream's schema, see `crates/rowferry-connectorx/src/stream.rs`.
const VERSION_KEY: &str = "rowferry.connectorx";
const ROWS_KEY: &str = "rowferry.rows";
/// The helper's exit code for what a later attempt may survive, as rowferry's own.
const UNAVAILABLE: i32 = 69;
/// Longest that a process may take to end after its answer, or after what was none. Guessed: it only
/// closes a connection.
const FAREWELL: Duration = Duration::from_secs(5);
/// Pause between two looks at whether it has ended. Short: an end takes about a millisecond.
const LOOK: Duration = Duration::from_millis(1);
/// Most of stderr that is kept; a pipe holds no more.
const WORDS_BYTES_MAX: u64 = 64 << 10;

type Rows = StreamReader<BufReader<ChildStdout>>;

/// A process, shared with whoever may have to end it.
pub(crate) type Process = Arc<Mutex<Child>>;

/// Ends a process, if it has not ended, and takes note of it.
pub(crate) fn end(process: &Process) {
    let mut child = process.lock().unwrap_or_else(PoisonError::into_inner);
    // It may have ended by itself.
    drop(child.kill());
    drop(child.wait());
}

/// One process and how far its answer was read.
pub(crate) struct Answer {
    process: Process,
    /// Kept open: its end would end the process.
    stdin: Option<ChildStdin>,
    stderr: Option<ChildStderr>,
    state: State,
    attempt: String,
}

enum State {
    Asked { stdout: BufReader<ChildStdout>, line: Vec<u8> },
    Open { rows: Rows, left: u64 },
    Done,
    Failed,
}

impl Answer {
    /// `child` has pipes for all three streams.
    pub(crate) fn new(mut child: Child, request: &Request, attempt: String) -> Result<Self> {
        let stdout = child.stdout.take();
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let process = Arc::new(Mutex::new(child));
        let line = serde_json::to_vec(request);
        let (Some(stdout), Ok(mut line)) = (stdout, line) else {
            end(&process);
            return Err(ConnectorError::bug("the helper program cannot be asked"));
        };
        line.push(b'\n');
        let state = State::Asked { stdout: BufReader::new(stdout), line };
        Ok(Self { process, stdin, stderr, state, attempt })
    }

    pub(crate) fn process(&self) -> Process {
        Arc::clone(&self.process)
    }

    /// The next rows; `None` when the answer is whole.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match std::mem::replace(&mut self.state, State::Failed) {
                State::Asked { stdout, line } => self.state = self.open(stdout, &line)?,
                State::Open { mut rows, left } => match rows.next() {
                    Some(Ok(batch)) => {
                        let came = batch.num_rows() as u64;
                        let Some(left) = left.checked_sub(came) else {
                            drop(rows);
                            return Err(self.spoiled("more rows than promised"));
                        };
                        self.state = State::Open { rows, left };
                        return Ok(Some(batch));
                    }
                    Some(Err(error)) => {
                        drop(rows);
                        return Err(self.spoiled(&error.to_string()));
                    }
                    None => {
                        drop(rows);
                        self.finish(left)?;
                        self.state = State::Done;
                    }
                },
                State::Done => {
                    self.state = State::Done;
                    return Ok(None);
                }
                State::Failed => {
                    return Err(ConnectorError::bug("an answer was read after it had failed"));
                }
            }
        }
    }

    fn open(&mut self, stdout: BufReader<ChildStdout>, line: &[u8]) -> Result<State> {
        if let Some(stdin) = &mut self.stdin
            && let Err(error) = stdin.write_all(line)
        {
            return Err(self.spoiled(&format!("it does not listen ({error})")));
        }
        let rows = match StreamReader::try_new(stdout, None) {
            Ok(rows) => rows,
            Err(error) => return Err(self.spoiled(&error.to_string())),
        };
        let schema = rows.schema();
        let word = |key: &str| schema.metadata().get(key).and_then(|text| text.parse::<u64>().ok());
        match (word(VERSION_KEY), word(ROWS_KEY)) {
            (Some(version), Some(left)) if version == u64::from(VERSION) => {
                Ok(State::Open { rows, left })
            }
            _ => {
                drop(rows);
                Err(self.spoiled("it is of another version"))
            }
        }
    }

    fn finish(&mut self, left: u64) -> Result<()> {
        let status = self.farewell();
        if !status.is_some_and(|status| status.success()) {
            return Err(self.ended(status, "its rows came, and it did not end well"));
        }
        if left > 0 {
            return Err(self.spoiled(&format!("the stream ended {left} rows early")));
        }
        Ok(())
    }

    /// The error of an answer that is none: what the process says of itself goes first.
    fn spoiled(&mut self, words: &str) -> ConnectorError {
        let status = self.farewell();
        self.ended(status, words)
    }

    fn ended(&mut self, status: Option<ExitStatus>, words: &str) -> ConnectorError {
        let last = self.last_words();
        let code = status.and_then(|status| status.code());
        let said = |nothing: &str| last.clone().unwrap_or_else(|| nothing.to_owned());
        match (status, code) {
            (Some(status), Some(0)) if status.success() => {
                failed(ErrorClass::Setup, "helper-rubbish", &self.attempt)
                    .with_server(format!("the helper program sent no whole stream: {words}"))
                    .with_next("Build it anew with `scripts/connectorx build`.")
            }
            (_, Some(UNAVAILABLE)) => {
                failed(ErrorClass::Transient, "connectorx-unavailable", &self.attempt)
                    .with_server(said(words))
            }
            (_, Some(code)) => failed(ErrorClass::Data, "connectorx-failed", &self.attempt)
                .with_server(said(&format!("ended with code {code}: {words}")))
                .with_next(format!(
                    "{USE_NATIVE} reads every value, and says which one it cannot."
                )),
            (_, None) => failed(ErrorClass::Transient, "helper-died", &self.attempt)
                .with_server(format!(
                    "the helper program was killed{}",
                    last.as_ref().map_or_else(String::new, |last| format!("; it said: {last}"))
                ))
                .with_next("If the machine is short of memory, lower `workers` or `chunk_rows`."),
        }
    }

    /// Waits a while for the end of the process and then brings it about; `None` when nobody knows.
    fn farewell(&mut self) -> Option<ExitStatus> {
        let since = Instant::now();
        loop {
            let mut child = self.process.lock().unwrap_or_else(PoisonError::into_inner);
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if since.elapsed() < FAREWELL => {}
                Ok(None) => {
                    drop(child.kill());
                    return child.wait().ok();
                }
                Err(_unknown) => return None,
            }
            drop(child);
            std::thread::sleep(LOOK);
        }
    }

    /// The last line that the process wrote. To be asked when it has ended.
    fn last_words(&mut self) -> Option<String> {
        let mut words = Vec::new();
        // What can be read counts.
        drop(self.stderr.take()?.take(WORDS_BYTES_MAX).read_to_end(&mut words));
        let words = String::from_utf8_lossy(&words);
        let last = words.lines().map(str::trim).rfind(|line| !line.is_empty());
        last.map(str::to_owned)
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
