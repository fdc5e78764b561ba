//! Reads one query through ConnectorX.
//!
//! ```text
//!  rowferry ── one line of JSON ─► stdin   (stays open for as long as rowferry lives)
//!           ◄─ Arrow IPC stream ── stdout  (its schema says how many rows are to come)
//!           ◄─ last words ──────── stderr  (the last line says why the code is not 0)
//! ```
//!
//! A process of its own, because ConnectorX panics on values that it does not know, holds a whole
//! result in memory, and brings an older arrow and a second TLS. All of that ends with this process.

mod last_words;
mod request;
mod stream;

use std::io::{BufRead as _, Read as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use connectorx::prelude::{CXQuery, get_arrow, parse_source};

use crate::request::Request;

/// What a later attempt may survive, as rowferry's own exit code says it.
const UNAVAILABLE: u8 = 69;
/// What it will not.
const DATA: u8 = 65;

fn main() -> ExitCode {
    let words = last_words::of(|| run().map_err(|error| format!("{error:#}")));
    match words {
        None => ExitCode::SUCCESS,
        Some(words) => {
            eprintln!("{words}");
            ExitCode::from(if is_passing(&words) { UNAVAILABLE } else { DATA })
        }
    }
}

/// Whether the words are of a server that cannot be reached, or was lost. There is nothing else to go
/// by: ConnectorX wraps the errors of seven drivers, in its own copies of them.
fn is_passing(words: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "timed out waiting for connection",
        "error connecting to server",
        "error communicating with the server",
        "connection closed",
        "terminating connection",
        "IoError",
        "os error",
        "Server disconnected",
    ];
    !words.contains("panicked") && SIGNS.iter().any(|sign| words.contains(sign))
}

fn run() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("could not read the request")?;
    let request = Request::parse(&line)?;
    if request.attended {
        leave_with_the_caller();
    }
    let source = parse_source(&request.url, None).context("could not read the URL")?;
    let queries = [CXQuery::naked(&request.query)];
    let before = (!request.before.is_empty()).then_some(request.before.as_slice());
    let destination = get_arrow(&source, None, &queries, before)?;
    let schema = destination.arrow_schema();
    let batches = destination.arrow().context("could not take the batches")?;
    stream::write(&schema, &batches, &request, std::io::stdout().lock())
        .context("could not write the rows")
}

/// Ends this process when the other end of stdin is gone: nobody waits for the rows any more.
fn leave_with_the_caller() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        // Whatever it is that ends the pipe, the caller is not there.
        drop(std::io::stdin().lock().read_to_end(&mut rest));
        std::process::exit(1);
    });
}
