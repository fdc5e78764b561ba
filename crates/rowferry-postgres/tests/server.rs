//! A throw-away server of the machine's own PostgreSQL.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rowferry_core::{Endpoint, EndpointKind};

/// A running server; dropping it, or the end of this process, ends it and removes its files.
pub(crate) struct Server {
    watchdog: Child,
    port: u16,
    bin: PathBuf,
}

/// Starts a server, or says why not. Where databases are demanded, that is a failure.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
pub(crate) fn start() -> Option<Server> {
    match try_start() {
        Ok(server) => Some(server),
        Err(reason) => {
            let demanded = std::env::var("CI").is_ok_and(|value| value == "true")
                || std::env::var("ROWFERRY_REQUIRE_DBS").is_ok_and(|value| value == "1");
            assert!(!demanded, "postgres is required: {reason}");
            println!("skipped: postgres ({reason})");
            None
        }
    }
}

fn try_start() -> Result<Server, String> {
    let bin = newest_bin().ok_or("not installed")?;
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .map_err(|error| error.to_string())?
        .port();
    // The watchdog's input closes with this process, however it ends.
    let script = format!(
        "dir=$(mktemp -d /tmp/rowferry-pg-XXXXXX) || exit 1
         '{bin}/initdb' -D \"$dir/data\" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync >\"$dir/initdb.log\" 2>&1 || exit 1
         '{bin}/postgres' -D \"$dir/data\" -p {port} -k \"$dir\" -c listen_addresses=127.0.0.1 \
             -c fsync=off -c max_connections=50 -c max_prepared_transactions=4 -c wal_level=logical \
             >\"$dir/server.log\" 2>&1 </dev/null &
         pid=$!
         cat >/dev/null
         kill -QUIT $pid
         wait $pid
         rm -rf \"$dir\"",
        bin = bin.display()
    );
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh", "-c", &script]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command
    };
    let watchdog = command
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut server = Server { watchdog, port, bin };
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(1) {
        if server.try_psql("select 1").is_ok() {
            return Ok(server);
        }
        if server.watchdog.try_wait().is_ok_and(|ended| ended.is_some()) {
            return Err("the server could not be started".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err("the server did not answer within a minute".to_owned())
}

fn newest_bin() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

impl Server {
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: "127.0.0.1".into(),
            port: self.port,
            database: "postgres".into(),
            user: "postgres".into(),
            ..Endpoint::empty(EndpointKind::Postgres)
        }
    }

    /// Runs SQL by psql, the oracle, and returns its unaligned output.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|error| panic!("psql: {error}\n{sql}"))
    }

    fn try_psql(&self, sql: &str) -> Result<String, String> {
        let psql = if self.bin.join("psql").exists() {
            self.bin.join("psql")
        } else {
            Path::new("psql").to_owned()
        };
        let mut child = Command::new(psql)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"])
            .args(["-d", "postgres", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(sql.as_bytes()).map_err(|error| error.to_string())?;
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closing the pipe is the order to stop.
        drop(self.watchdog.stdin.take());
        drop(self.watchdog.wait());
    }
}
