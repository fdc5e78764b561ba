//! A folder of one test's own, with databases, files and the binary.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder that goes with the test.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        // Not the system's temporary folder: a ledger there is warned about.
        Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs statements in a SQLite file, by SQLite itself.
    pub(crate) fn sql(&self, file: &str, statements: &str) {
        let connection = rusqlite::Connection::open(self.path(file)).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.execute_batch(statements).unwrap();
    }

    /// The first column of the first row, as text.
    pub(crate) fn value(&self, file: &str, query: &str) -> String {
        let connection = rusqlite::Connection::open(self.path(file)).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let value: rusqlite::types::Value =
            connection.query_row(query, [], |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Null => "null".to_owned(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Real(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(bytes) => format!("{bytes:?}"),
        }
    }

    /// A table `orders` with `rows` rows of mixed columns.
    pub(crate) fn orders(&self, file: &str, rows: u64) {
        self.sql(
            file,
            &format!(
                "create table orders (id integer primary key, customer text not null, \
                 amount real, note text, paid_at text, blob blob);
                 with recursive n (i) as (select 1 union all select i + 1 from n where i < {rows})
                 insert into orders select i, 'customer ' || (i % 97), i / 7.0, \
                 case when i % 5 = 0 then null else 'note ' || i end, \
                 '2026-01-01 00:00:00', x'00ff' from n where {rows} > 0;"
            ),
        );
    }

    /// The binary with these arguments, in this folder, with an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowferry"));
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("HOME", self.path("home"))
            // Apart from the state, which would be warned of in a temporary folder.
            .env("TMPDIR", self.path("tmp"))
            .env("ROWFERRY_STATE", self.path("state/rowferry.db"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        finish(self.command(arguments))
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command) -> Told {
    told(&command.output().unwrap())
}

/// Waits for a started command.
pub(crate) fn wait(child: Child) -> Told {
    told(&child.wait_with_output().unwrap())
}

fn told(output: &std::process::Output) -> Told {
    Told {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Told {
    /// Fails with everything that was said unless it ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The last line of stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The slugs of all errors on stderr.
    pub(crate) fn slugs(&self) -> Vec<&str> {
        self.stderr
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("error["))
            .filter_map(|rest| rest.split_once(']'))
            .map(|(slug, _)| slug)
            .collect()
    }
}
