//! Answers of programs that only copy a file to their stdout.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::{Int32Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use rowferry_core::ErrorClass;

use super::*;

/// A stream of five rows in two batches.
fn stream(promise: &[(&str, &str)]) -> Vec<u8> {
    let promise = promise.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let schema = Arc::new(Schema::new_with_metadata(
        vec![Field::new("c0", DataType::Int32, true)],
        promise.collect::<HashMap<_, _>>(),
    ));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    for rows in [vec![1, 2, 3], vec![4, 5]] {
        let column = Arc::new(Int32Array::from(rows));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
        writer.write(&batch).unwrap();
    }
    writer.into_inner().unwrap()
}

fn whole() -> Vec<u8> {
    stream(&[(VERSION_KEY, "1"), (ROWS_KEY, "5")])
}

fn answer(script: &str, file: &Path) -> Answer {
    let child = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = Request {
        version: VERSION,
        url: String::new(),
        before: Vec::new(),
        query: String::new(),
        batch_rows: 1,
        batch_bytes: 1,
        attended: true,
    };
    Answer::new(child, &request, "could not read".to_owned()).unwrap()
}

/// Rows that came, and how it ended.
fn read(script: &str, bytes: &[u8]) -> (usize, Result<()>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream");
    std::fs::write(&file, bytes).unwrap();
    let mut answer = answer(script, &file);
    let mut rows = 0;
    loop {
        match answer.next() {
            Ok(Some(batch)) => rows += batch.num_rows(),
            Ok(None) => return (rows, Ok(())),
            Err(error) => return (rows, Err(error)),
        }
    }
}

const SEND: &str = "read -r line; cat \"$1\"";

fn refused(script: &str, bytes: &[u8]) -> (ErrorClass, String) {
    let error = read(script, bytes).1.unwrap_err();
    (error.class, format!("{} {}", error.code, error.server.unwrap_or_default()))
}

#[test]
fn a_whole_stream_is_read_to_its_end() {
    let (rows, end) = read(SEND, &whole());
    assert_eq!((rows, end.is_ok()), (5, true));
}

#[test]
fn a_stream_is_whole_only_with_all_its_rows() {
    let promised = |rows| stream(&[(VERSION_KEY, "1"), (ROWS_KEY, rows)]);
    for (rows, words) in [("6", "1 rows early"), ("4", "more rows than promised")] {
        let (class, said) = refused(SEND, &promised(rows));
        assert_eq!(class, ErrorClass::Setup);
        assert!(said.starts_with("helper-rubbish") && said.ends_with(words), "{said}");
    }
    let whole = whole();
    for kept in 0..whole.len() {
        let (rows, end) = read_cut(&whole, kept);
        // The last eight bytes only say that no batch follows.
        assert!(end.is_err() || rows == 5, "{kept} of {} bytes gave {rows} rows", whole.len());
    }
}

/// Every eighth cut by a process; a process for each byte takes a minute.
fn read_cut(whole: &[u8], kept: usize) -> (usize, Result<()>) {
    if !kept.is_multiple_of(8) {
        return (0, Err(ConnectorError::bug("not tried")));
    }
    read(SEND, whole.get(..kept).unwrap())
}

#[test]
fn a_stream_of_another_version_is_none() {
    for promise in [vec![], vec![(VERSION_KEY, "2"), (ROWS_KEY, "5")]] {
        assert!(refused(SEND, &stream(&promise)).1.ends_with("of another version"));
    }
}

#[test]
fn a_whole_stream_of_a_process_that_ends_badly_is_none() {
    let failing = format!("{SEND}; echo too late >&2; exit 3");
    assert_eq!(refused(&failing, &whole()).1, "connectorx-failed too late");
    let killed = format!("{SEND}; kill -9 $$");
    let (class, said) = refused(&killed, &whole());
    assert_eq!(class, ErrorClass::Transient);
    assert!(said.starts_with("helper-died"), "{said}");
}

#[test]
fn an_ended_process_fails_the_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut answer = answer("exec sleep 1000", folder.path());
    end(&answer.process());
    assert!(answer.next().is_err());
}
